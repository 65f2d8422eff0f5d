//! EQ1: what a layer reads leaves it one way to fill its columns, whatever field elements it reads.
//!
//! Committed weights are not range-checked in a proof, so a seller may make a layer read any element of the field: a
//! negative divisor, a half, 0, something near the field's order. The tests take one layer's equations and lookups as
//! the verifier has them, try every row of every table for its columns, and solve the equations for what the layer
//! reads. Two ways to fill the columns that ask for the same readings would be two outputs of one committed model.

#[allow(dead_code, reason = "sums are written out here, cell by cell")]
mod support;

use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::model::{Architecture, Domain, Function, Instruction, Rule, Unary};
use assay_circuits::sample::builder::{NetworkBuilder, Tensor};
use assay_circuits::sample::{self, Random};
use assay_circuits::scalar::{int, integer};
use assay_circuits::system::{ColumnId, Equation, LayerColumns, Summand, System, TableId, View};
use std::collections::{HashMap, HashSet};
use support::{Naive, places};

/// A cell of a column.
type Cell = (ColumnId, usize);

/// The equations and lookups that name a layer's columns, cell by cell. Cells are numbered; all others that they name
/// are what is read.
struct Relation {
    cells: Vec<Cell>,
    /// The layer's columns.
    columns: LayerColumns,
    /// Sums of products of cells that must be 0.
    equations: Vec<Vec<(Fr, Vec<usize>)>>,
    /// A table, the cells of a row, and what is added to the first.
    lookups: Vec<(usize, [Option<usize>; 3], Fr)>,
    tables: Vec<(Vec<[Fr; 3]>, HashSet<[Fr; 3]>)>,
}

impl Relation {
    /// Of the last layer.
    fn new(arch: &Architecture) -> Self {
        let system = System::new(arch);
        let columns = system.layers[arch.layers.len() - 1];
        let activation = arch
            .tables
            .iter()
            .map(|t| t.rows().into_iter().map(|(q, y, v)| [q, y, v].map(|n| int(n.into()))).collect());
        let ranges = system.ranges.iter().map(|bits| (0..1i64 << bits).map(|n| [int(n), Fr::ZERO, Fr::ZERO]).collect());
        let tables = activation.chain(ranges).map(|mut rows: Vec<[Fr; 3]>| {
            let set: HashSet<_> = rows.iter().copied().collect();
            let mut seen = HashSet::new();
            rows.retain(|row| seen.insert(*row));
            (rows, set)
        });
        let tables = tables.collect();
        let mut relation = Self { cells: Vec::new(), columns, equations: Vec::new(), lookups: Vec::new(), tables };
        let own = columns.span.0..columns.span.1;
        let views = |e: &Equation| {
            e.summands.iter().flat_map(|s| std::iter::once(&s.left).chain(&s.right)).any(|v| own.contains(&v.column.0))
        };
        for equation in system.equations.iter().filter(|e| views(e)) {
            for cell in 0..1 << equation.log_size {
                let mut sum = vec![(integer(equation.constant), Vec::new())];
                equation.summands.iter().for_each(|s| relation.expand(&system, s, cell, &mut sum));
                relation.equations.push(sum);
            }
        }
        for lookup in system.lookups.iter().filter(|l| l.keys.iter().flatten().any(|id| own.contains(&id.0))) {
            let table = match lookup.table {
                TableId::Activation(index) => index as usize,
                TableId::Range(index) => arch.tables.len() + index as usize,
                // their argument is about polynomials: `prover/tests/rows.rs`
                TableId::Rows(_) => unreachable!("no network here reads rows of weights"),
            };
            for cell in 0..1 << lookup.log_size {
                let keys = lookup.keys.map(|key| key.map(|id| relation.number((id, cell))));
                relation.lookups.push((table, keys, int(lookup.offset)));
            }
        }
        relation
    }

    fn owns(&self, id: ColumnId) -> bool {
        (self.columns.span.0..self.columns.span.1).contains(&id.0)
    }

    fn number(&mut self, cell: Cell) -> usize {
        self.cells.iter().position(|known| *known == cell).unwrap_or_else(|| {
            self.cells.push(cell);
            self.cells.len() - 1
        })
    }

    fn expand(&mut self, system: &System, summand: &Summand, cell: usize, sum: &mut Vec<(Fr, Vec<usize>)>) {
        let outputs = summand.axes.len() - usize::from(summand.summed);
        let summed: u32 = summand.axes[outputs..].iter().map(|log| u32::from(*log)).sum();
        for k in 0..1usize << summed {
            let at = [places(&summand.axes[..outputs], cell), places(&summand.axes[outputs..], k)].concat();
            let left = self.reads(system, &summand.left, &at);
            let right = summand.right.as_ref().map_or(vec![(1, Vec::new())], |view| self.reads(system, view, &at));
            for (a, left) in &left {
                for (b, right) in &right {
                    sum.push((integer(summand.coefficient * a * b), [&left[..], right].concat()));
                }
            }
        }
    }

    /// The cells that a view reads at some places, with their factors.
    fn reads(&mut self, system: &System, view: &View, at: &[u32]) -> Vec<(i128, Vec<usize>)> {
        let mut reads = Vec::new();
        for cell in 0..1usize << system.column(view.column).log_size {
            let unit: Vec<i64> = (0..=cell).map(|i| i64::from(i == cell)).collect();
            let factor = Naive { cells: &unit, runs: &view.runs }.value(at);
            if factor != 0 {
                reads.push((factor, vec![self.number((view.column, cell))]));
            }
        }
        reads
    }

    /// Calls `found` with every assignment that fulfils the relation, given some cells. What no equation or lookup
    /// decides stays unknown.
    fn solve(&self, mut known: Vec<Option<Fr>>, found: &mut impl FnMut(&[Option<Fr>])) {
        if !self.propagate(&mut known) {
            return;
        }
        let value = |cell: &Option<usize>| cell.map_or(Some(Fr::ZERO), |cell| known[cell]);
        let open = self.lookups.iter().find(|(_, keys, _)| keys.iter().any(|key| value(key).is_none()));
        let Some((table, keys, offset)) = open else { return found(&known) };
        for row in &self.tables[*table].0 {
            let row = [row[0] - offset, row[1], row[2]];
            let fits = keys.iter().zip(row).all(|(key, need)| value(key).is_none_or(|have| have == need));
            if fits {
                let mut next = known.clone();
                keys.iter().zip(row).for_each(|(key, need)| key.iter().for_each(|cell| next[*cell] = Some(need)));
                self.solve(next, found);
            }
        }
    }

    /// Solves equations with one unknown in it, as long as there are any. Whether nothing is violated.
    fn propagate(&self, known: &mut [Option<Fr>]) -> bool {
        loop {
            let mut progress = false;
            for equation in &self.equations {
                match linear(equation, known) {
                    Some((sum, None)) if sum != Fr::ZERO => return false,
                    Some((sum, Some((cell, factor)))) => {
                        known[cell] = Some(-sum / factor);
                        progress = true;
                    }
                    _ => {}
                }
            }
            if !progress {
                break;
            }
        }
        self.lookups.iter().all(|(table, keys, offset)| {
            let mut row = [Fr::ZERO; 3];
            for (slot, key) in row.iter_mut().zip(keys) {
                match key.map_or(Some(Fr::ZERO), |cell| known[cell]) {
                    Some(value) => *slot = value,
                    None => return true,
                }
            }
            row[0] += offset;
            self.tables[*table].1.contains(&row)
        })
    }

    /// The number of ways to fill the columns. Panics if two of them ask for the same readings, or if some cell is left
    /// free.
    fn count(&self, name: &str, given: &[(Cell, Fr)]) -> usize {
        let mut start = vec![None; self.cells.len()];
        for (cell, value) in given {
            let number = self
                .cells
                .iter()
                .position(|known| known == cell)
                .unwrap_or_else(|| panic!("{name}: {cell:?} is not read"));
            start[number] = Some(*value);
        }
        let own: Vec<bool> = self.cells.iter().map(|(id, _)| self.owns(*id)).collect();
        let mut seen: HashMap<Vec<Option<Fr>>, Vec<Option<Fr>>> = HashMap::new();
        self.solve(start, &mut |known| {
            let part = |mine: bool| {
                known.iter().zip(&own).filter(|(_, own)| **own == mine).map(|(value, _)| *value).collect::<Vec<_>>()
            };
            let (read, columns) = (part(false), part(true));
            assert!(columns.iter().all(Option::is_some), "{name}: a cell is free: {known:?}");
            if let Some(other) = seen.insert(read.clone(), columns.clone()) {
                assert_eq!(other, columns, "{name}: two ways to fill the columns for {read:?}");
            }
        });
        seen.len()
    }
}

/// What an equation's known cells sum up to, and the one unknown cell with its factor. `None` if there is more that is
/// unknown.
fn linear(equation: &[(Fr, Vec<usize>)], known: &[Option<Fr>]) -> Option<(Fr, Option<(usize, Fr)>)> {
    let (mut sum, mut unknown) = (Fr::ZERO, None::<(usize, Fr)>);
    for (factor, cells) in equation {
        let factor = cells.iter().filter_map(|cell| known[*cell]).fold(*factor, |product, value| product * value);
        let mut open = cells.iter().filter(|cell| known[**cell].is_none());
        match (open.next(), open.next(), unknown) {
            _ if factor == Fr::ZERO => {}
            (None, ..) => sum += factor,
            (Some(cell), None, None) => unknown = Some((*cell, factor)),
            (Some(cell), None, Some((other, so_far))) if *cell == other => unknown = Some((other, so_far + factor)),
            _ => return None,
        }
    }
    Some((sum, unknown.filter(|(_, factor)| *factor != Fr::ZERO)))
}

/// A network whose last layer is the one in question.
fn network(
    dims: &[u32],
    bits: u8,
    build: impl FnOnce(&mut NetworkBuilder, &Tensor) -> Tensor,
) -> (Architecture, Relation) {
    let (mut builder, x) = NetworkBuilder::new(dims, bits, 0, 4);
    let out = build(&mut builder, &x);
    let (arch, _) = builder.finish(&out, 0).expect("the network is valid");
    let relation = Relation::new(&arch);
    (arch, relation)
}

fn functions() -> Vec<Function> {
    let program = vec![Instruction::Argument, Instruction::Unary(Unary::Cos)];
    vec![Function::Identity, Function::Relu, Function::Real { program, scale_in: 1, scale_out: 4, least: i16::MIN }]
}

/// EQ1, RQ1, RQ3: a requantisation, with every shift, function and number of saturation limbs, whatever `z` is.
#[test]
fn eq1_a_requantisation_has_one_solution() {
    let mut limbs = HashSet::new();
    for shift in 0..3 {
        for bits in [3, 5, 8, 10] {
            for function in functions() {
                let name = format!("shift {shift}, {bits} bits, {function:?}");
                let (arch, relation) = network(&[1], bits, |builder, x| {
                    let table = builder.table(4, Domain::Signed, function);
                    let term = builder.same(x, 1);
                    builder.requantise(&[1], vec![term], shift, table)
                });
                let Rule::Requantise { limbs: count, .. } = arch.layers[0].rule else { unreachable!("it is one") };
                limbs.insert(count);
                // quotients inside the rails, and at each rail every number that the limbs hold; with every remainder
                let quotients = if count == 0 { 16 } else { 14 + 2 * 8usize.pow(count.into()) };
                assert_eq!(relation.count(&name, &[]), quotients << shift, "{name}");
            }
        }
    }
    assert!(limbs.len() >= 3, "{limbs:?}");
}

/// A division or quotient of the input's one cell, by its own square or by `x + 2^(bits-1) + 1`.
fn division(bits: u8, coefficient: i32, whole: bool) -> (Architecture, Relation) {
    network(&[1], bits, |builder, x| {
        let term = builder.same(x, 1);
        let divisor = builder.layer(&[1], vec![term], (1 << (bits - 1)) + 1, Rule::Exact);
        let term = builder.same(x, coefficient);
        if whole {
            return builder.quotient(&[1], vec![term], i64::from(coefficient) << bits, &divisor, 4);
        }
        let table = builder.table(4, Domain::Signed, Function::Relu);
        builder.divide(&[1], vec![term], 0, &divisor, 4, table)
    })
}

/// The divisor's cell and the dividend's.
fn of_division(arch: &Architecture) -> [Cell; 2] {
    let system = System::new(arch);
    [(system.layers[0].pre, 0), (system.input, 0)]
}

/// EQ1, RQ1, RQ2: a saturating division, whatever dividend and divisor are. Every remainder, every lack and every
/// quotient is tried.
#[test]
fn eq1_a_division_has_one_solution() {
    for (coefficient, limbs) in [(1, 0), (5, 1), (20, 2)] {
        let (arch, relation) = division(2, coefficient, false);
        assert!(
            matches!(arch.layers[1].rule, Rule::Divide { parts: 1, limbs: have, .. } if have == limbs),
            "{:?}",
            arch.layers[1].rule
        );
        let quotients = if limbs == 0 { 16 } else { 14 + 2 * 8usize.pow(limbs.into()) };
        // a remainder and a lack make a divisor
        assert_eq!(relation.count("divide", &[]), quotients * 256);
    }
}

/// EQ1, RQ1, RQ2: a quotient that is kept whole, whatever dividend and divisor are.
#[test]
fn eq1_a_quotient_has_one_solution() {
    let (arch, relation) = division(2, 1, true);
    assert!(matches!(arch.layers[1].rule, Rule::Quotient { parts: 1, .. }), "{:?}", arch.layers[1].rule);
    assert_eq!(relation.count("quotient", &[]), 4096);
}

/// EQ1, LU4: divisors that only weights outside their range make. 0 and negative ones divide nothing. With a half there
/// is one quotient at most, and whatever a dividend is.
#[test]
fn eq1_no_divisor_of_the_field_is_ambiguous() {
    let half = |n: i64| int(n) / int(2);
    for whole in [false, true] {
        let (arch, relation) = division(6, if whole { 1 } else { 3 }, whole);
        let parts = match arch.layers[1].rule {
            Rule::Divide { parts, .. } | Rule::Quotient { parts, .. } => parts,
            _ => 0,
        };
        assert_eq!(parts, 2, "limbs that are put together");
        let [divisor, dividend] = of_division(&arch);
        for d in
            [Fr::ZERO, int(-1), int(-64), half(-3), int(129) + int(128), Fr::from(7u64).pow([100]), half(1) / int(2)]
        {
            // by one remainder: its last limb follows
            let z = int(100);
            assert_eq!(relation.count("no divisor", &[(divisor, d), (dividend, z)]), 0, "{d}");
        }
        let z = [int(0), int(57), half(57), -half(5), int(-40), half(1) / int(2), Fr::from(7u64).pow([99])];
        let mut found = 0;
        for d in [int(1), half(1), half(5), int(19), half(201), int(128)] {
            found += z.iter().map(|z| relation.count("divisor", &[(divisor, d), (dividend, *z)])).sum::<usize>();
        }
        assert!((12..6 * z.len()).contains(&found), "some have an answer, not all: {found}");
    }
}

/// EQ1, RQ1, LU4: a square root, whatever is under it.
#[test]
fn eq1_a_square_root_has_one_solution() {
    let (arch, relation) = network(&[1], 4, |builder, x| {
        let term = builder.same(x, 1);
        builder.layer(&[1], vec![term], 8, Rule::SquareRoot { limb_bits: 4, parts: 0 })
    });
    assert!(matches!(arch.layers[0].rule, Rule::SquareRoot { parts: 1, .. }));
    // for the roots up to 7 all 2q + 1 numbers; for the larger ones, those whose remainder and lack are digits
    let all: usize = (0..16).map(|q: usize| (0..=2 * q).filter(|rem| *rem < 16 && 2 * q - rem < 16).count()).sum();
    assert_eq!(relation.count("root", &[]), all);
    let (arch, relation) = network(&[1], 10, |builder, x| {
        let term = builder.same(x, 1);
        builder.layer(&[1], vec![term], 1 << 9, Rule::SquareRoot { limb_bits: 4, parts: 0 })
    });
    assert!(matches!(arch.layers[0].rule, Rule::SquareRoot { parts: 2, .. }));
    let z = (System::new(&arch).input, 0);
    for (under, count) in [
        (0i64, 1),
        (1, 1),
        (2, 1),
        (99, 1),
        (100, 1),
        (127 * 127 + 254, 1),
        (255 * 255, 0),
        (-1, 0),
        (-100, 0),
        (1 << 40, 0),
    ] {
        assert_eq!(relation.count("root", &[(z, int(under - (1 << 9)))]), count, "{under}");
    }
    // squares of other field elements are no squares of limbs
    for root in [int(-3) / int(2), Fr::from(7u64).pow([50])] {
        assert_eq!(relation.count("root", &[(z, root.square() - int(1 << 9))]), 0);
    }
}

fn maximum(dims: &[u32], low: u8, bits: u8, len: u32) -> (System, Relation) {
    let (arch, relation) = network(dims, 4, |builder, x| {
        let program = vec![Instruction::Argument, Instruction::Unary(Unary::Cos)];
        let table =
            builder.table(4, Domain::Unsigned, Function::Real { program, scale_in: 1, scale_out: 4, least: i16::MIN });
        let term = builder.same(x, 1);
        builder.layer(dims, vec![term], 0, Rule::Maximum { low, bits, len, table })
    });
    (System::new(&arch), relation)
}

/// EQ1, RQ4, RQ8: a maximum with its distances, function, marks and count, whatever is compared. One number of each row
/// is 0, since a maximum and its row can be moved together.
#[test]
fn eq1_a_maximum_has_one_solution() {
    for (dims, low, bits, len, rows) in [
        (vec![3], 0, 2, 3, 1),
        (vec![4], 0, 2, 4, 1),
        (vec![4], 0, 2, 1, 1),
        (vec![1], 0, 0, 1, 1),
        (vec![2, 2], 1, 1, 2, 2),
        (vec![2], 0, 1, 2, 1),
    ] {
        let (system, relation) = maximum(&dims, low, bits, len);
        let name = format!("maximum of {len} in {dims:?}");
        let fixed: Vec<(Cell, Fr)> = (0..rows).map(|row| ((system.input, row), Fr::ZERO)).collect();
        // rows of distances up to 15 of which one at least is 0
        let row = 16usize.pow(len) - 15usize.pow(len);
        assert_eq!(relation.count(&name, &fixed), row.pow(rows as u32), "{name}");
    }
}

/// EQ1: an exact sum, whatever it is.
#[test]
fn eq1_an_exact_sum_has_one_solution() {
    let (arch, relation) = network(&[1], 4, |builder, x| {
        let term = builder.same(x, 3);
        builder.layer(&[1], vec![term], 5, Rule::Exact)
    });
    let z = (System::new(&arch).input, 0);
    for x in [int(0), int(-9), Fr::from(7u64).pow([100])] {
        assert_eq!(relation.count("exact", &[(z, x)]), 1);
    }
}

/// The largest absolute values of cells that lookups, and equations with these, leave: nothing is said of weights, nor
/// of sums of them.
fn magnitudes(arch: &Architecture, system: &System) -> Vec<Option<f64>> {
    let mut bounds: Vec<Option<f64>> = vec![None; system.columns.len()];
    for lookup in &system.lookups {
        let rows: Vec<[f64; 3]> = match lookup.table {
            TableId::Activation(index) => arch.tables[index as usize]
                .rows()
                .into_iter()
                .map(|(q, y, v)| [q, y, v].map(|n| f64::from(n).abs()))
                .collect(),
            TableId::Range(index) => vec![[(1i64 << system.ranges[index as usize]) as f64, 0.0, 0.0]],
            TableId::Rows(_) => unreachable!("no network here reads rows of weights"),
        };
        for (i, id) in lookup.keys.iter().enumerate().filter_map(|(i, key)| Some((i, (*key)?))) {
            bounds[id.0 as usize] = Some(rows.iter().map(|row| row[i]).fold(0.0, f64::max));
        }
    }
    loop {
        let mut progress = false;
        for equation in &system.equations {
            let (known, open): (Vec<_>, Vec<_>) =
                equation.summands.iter().partition(|s| magnitude(s, &bounds).is_some());
            if let [one] = open[..]
                && one.right.is_none()
            {
                let rest: f64 = known.iter().filter_map(|s| magnitude(s, &bounds)).sum::<f64>()
                    + equation.constant.unsigned_abs() as f64;
                let slot = &mut bounds[one.left.column.0 as usize];
                if slot.is_none() {
                    *slot = Some(rest / one.coefficient.unsigned_abs() as f64);
                    progress = true;
                }
            }
        }
        if !progress {
            return bounds;
        }
    }
}

/// How large a summand can be, if its columns are bounded.
fn magnitude(summand: &Summand, bounds: &[Option<f64>]) -> Option<f64> {
    let outputs = summand.axes.len() - usize::from(summand.summed);
    let places = summand.axes[outputs..].iter().map(|log| 2f64.powi((*log).into())).product::<f64>();
    let mut size = summand.coefficient.unsigned_abs() as f64 * places;
    for view in std::iter::once(&summand.left).chain(&summand.right) {
        // no run sums more cells, nor with larger factors, than this
        let runs = view.runs.iter().map(|run| match &run.index {
            assay_circuits::model::Index::Map { entries, .. } => {
                entries.iter().map(|e| f64::from(e.coefficient).abs()).sum::<f64>().max(1.0)
            }
            _ => 1.0,
        });
        size *= bounds[view.column.0 as usize]? * runs.product::<f64>();
    }
    Some(size)
}

/// EQ1: in no equation do the columns that a prover chooses reach the field's order, and not nearly: they are small by
/// their lookups alone, without a word about weights. So two ways to fill them differ as integers do, and nothing
/// wraps.
#[test]
fn eq1_nothing_that_a_prover_chooses_wraps() {
    // a division with the largest divisor and the longest cut-off that are allowed
    let (mut builder, x) = NetworkBuilder::new(&[1], 16, 0, 16);
    let term = builder.same(&x, (1 << 15) - 1);
    let divisor = builder.layer(&[1], vec![term], (1 << 30) - (1 << 15) + 1, Rule::Exact);
    let wide = builder.same(&divisor, 1 << 29);
    let table = builder.table(16, Domain::Signed, Function::Identity);
    let out = builder.divide(&[1], vec![wide], 0, &divisor, 16, table);
    let (extreme, _) = builder.finish(&out, 0).expect("the network is valid");

    let named = [extreme, sample::attention(3, 4, 2).0, sample::layer_norm(3, 6).0, sample::recurrent(5, 3).0];
    let (mut checked, mut largest) = (0, 0f64);
    for arch in named.into_iter().chain((0..150).map(|seed| sample::random_network(seed).0)) {
        let system = System::new(&arch);
        let bounds = magnitudes(&arch, &system);
        for equation in &system.equations {
            let chosen: Vec<f64> = equation.summands.iter().filter_map(|s| magnitude(s, &bounds)).collect();
            let size = chosen.iter().sum::<f64>() + equation.constant.unsigned_abs() as f64;
            assert!(size < 2f64.powi(200), "{equation:?}");
            largest = largest.max(size);
            checked += usize::from(!chosen.is_empty());
        }
        // and every column of a rule with a remainder is bounded: quotient, remainder, divisor
        for (layer, columns) in arch.layers.iter().zip(&system.layers) {
            if matches!(
                layer.rule,
                Rule::Requantise { .. } | Rule::Divide { .. } | Rule::Quotient { .. } | Rule::SquareRoot { .. }
            ) {
                assert!((columns.span.0..columns.span.1).all(|id| bounds[id as usize].is_some()), "{layer:?}");
            }
            if let Rule::Divide { by, .. } | Rule::Quotient { by, .. } = &layer.rule {
                assert!(bounds[system.source(by.operand.source).0 as usize].is_some(), "{layer:?}");
            }
        }
    }
    assert!(checked > 300 && largest > 2f64.powi(60), "{checked} {largest}");
}

/// EQ1, RQ4: of three of four places, all numbers far from 0 and near the field's order: the maximum is the one that it
/// would be near 0.
#[test]
fn eq1_a_maximum_moves_with_its_row() {
    let (system, relation) = maximum(&[3], 0, 2, 3);
    let mut random = Random::new(4);
    for far in [Fr::ZERO, -Fr::ONE, Fr::from(7u64).pow([100])] {
        for _ in 0..20 {
            let numbers: Vec<i64> = (0..3).map(|_| random.within(0, 15)).collect();
            let given: Vec<(Cell, Fr)> =
                numbers.iter().enumerate().map(|(i, n)| ((system.input, i), far + int(*n))).collect();
            let mut start = vec![None; relation.cells.len()];
            let number = |cell: Cell| relation.cells.iter().position(|known| *known == cell).expect("it is read");
            given.iter().for_each(|(cell, value)| start[number(*cell)] = Some(*value));
            let (mut found, maximum) = (Vec::new(), number((system.layers[0].max.expect("a maximum"), 0)));
            relation.solve(start, &mut |known| found.push(known[maximum]));
            assert_eq!(found, [numbers.iter().max().map(|most| far + int(*most))], "{numbers:?}");
        }
    }
}
