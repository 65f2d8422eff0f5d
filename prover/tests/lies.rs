//! Provers that lie about one relation and about nothing else (families RQ, LU, EQ, H4).
//!
//! Each lie is the best that there is: whatever can be made up for it in other columns is made up for, multiplicities
//! are counted as they are, and the real prover makes the whole proof. Each test says by which half of the relation it
//! is caught, by an equation or by a lookup, tries that on the system itself, and then sees the proof refused at the
//! check that stands for it.

#[path = "../../circuits/tests/support/checked.rs"]
mod checked;
#[path = "../../circuits/tests/support/loops.rs"]
mod loops;
#[path = "../../circuits/tests/support/mod.rs"]
mod support;

use assay_circuits::exec::{self, Trace};
use assay_circuits::model::{
    Architecture, Domain, Function, Index, Instruction, Output, Rule, Run, Source, Table, Unary, Weights,
};
use assay_circuits::sample::builder::{NetworkBuilder, Tensor, along, cells, linear, mapped, product};
use assay_circuits::scalar::{Check, VerifyError};
use assay_circuits::shape::Shape;
use assay_circuits::system::{ColumnId, LayerColumns, System, TableId};
use assay_circuits::{Fr, sample};
use assay_prover::control::Control;
use assay_prover::inner::{self, Committed, Held, InnerProver, Proved, TableRows};
use assay_prover::native::{self, Claim, NativeProof, ProofError};
use assay_prover::package::{Metadata, Package, commit_tables, weight_cells};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use checked::Checked;
use std::collections::BTreeMap;
use std::sync::OnceLock;

const LOG_CHUNK: u32 = 8;

fn srs() -> Srs {
    static SRS: OnceLock<Srs> = OnceLock::new();
    SRS.get_or_init(|| Srs::development(LOG_CHUNK + 1)).clone()
}

/// By what a lie is caught, and nothing else is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Equations,
    Lookups,
}

/// A model with an input and its true execution.
struct Target {
    seller: Seller,
    weights: Weights,
    cells: Vec<i32>,
    truth: Trace,
}

impl Target {
    fn new((architecture, weights): (Architecture, Weights), cells: Vec<i32>) -> Self {
        let truth = exec::execute(&architecture, &weights, &cells).unwrap();
        let package = Package::new(Metadata::default(), architecture, weights.clone(), LOG_CHUNK, &srs()).unwrap();
        let target = Self { seller: Seller::new(package, srs()).unwrap(), weights, cells, truth };
        target.verdict(&target.truth).unwrap();
        assert_eq!(target.broken(&target.truth), [0, 0]);
        target
    }

    fn shape(&self) -> &Shape {
        self.seller.shape()
    }

    fn layer(&self, index: usize) -> LayerColumns {
        self.shape().system.layers[index]
    }

    fn table(&self, layer: usize) -> &Table {
        let architecture = &self.shape().architecture;
        architecture.table(&architecture.layers[layer]).unwrap()
    }

    /// What the verifier says of a trace's proof. The claim is about the output that the trace has.
    fn verdict(&self, trace: &Trace) -> Result<(), ProofError> {
        let input =
            InputOpening::public(self.shape(), self.cells.clone()).commit(self.shape(), &self.seller.srs).unwrap();
        let proved = self.seller.prove_trace(&input, trace, Fr::from(1u64), false, &Control::new()).unwrap();
        self.verdict_on(proved, input)
    }

    fn verdict_on(&self, proved: Proved, input: Committed) -> Result<(), ProofError> {
        let claim = Claim::of(&proved, input.commitments, Fr::from(1u64));
        let proof = NativeProof::new(proved, self.shape(), &self.seller.srs, &Control::new()).unwrap();
        native::verify(&self.seller.package.model, &claim, &proof)
    }

    /// How many equations and lookups do not hold.
    fn broken(&self, trace: &Trace) -> [usize; 2] {
        Checked::new(&self.shape().architecture, &self.weights, trace).broken()
    }

    /// A lie is caught, by what it must be caught by.
    fn refuses(&self, lie: &Trace, by: By, what: &str) {
        assert_ne!(lie, &self.truth, "{what} is no lie");
        let [equations, lookups] = self.broken(lie);
        assert_eq!(
            [equations > 0, lookups > 0],
            [by == By::Equations, by == By::Lookups],
            "{what}: {equations} and {lookups} are broken"
        );
        let check = if by == By::Lookups { Check::LookupRoot } else { Check::Opening };
        let verdict = self.verdict(lie);
        assert!(
            matches!(verdict, Err(ProofError::Inner(VerifyError::Unequal(at))) if at == check),
            "{what}: {verdict:?}"
        );
    }

    /// The truth with a change.
    fn lie(&self, change: impl FnOnce(&mut Trace)) -> Trace {
        let mut lie = self.truth.clone();
        change(&mut lie);
        lie
    }

    /// The columns of a division or root behind `q` and `f(q)`, `parts` for each number that is a sum of limbs; and its
    /// saturation limbs.
    fn numbers(&self, layer: usize, parts: u8) -> (Vec<Vec<ColumnId>>, Vec<ColumnId>) {
        let columns = self.layer(layer);
        let of = |lookup: &&assay_circuits::system::Lookup| {
            lookup.keys[0] == Some(columns.pre) && matches!(lookup.table, TableId::Activation(_))
        };
        let limbs: Vec<ColumnId> =
            self.shape().system.lookups.iter().filter(of).filter_map(|lookup| lookup.keys[2]).collect();
        let rest = (columns.span.0..columns.span.1)
            .map(ColumnId)
            .filter(|id| ![columns.pre, columns.post].contains(id) && !limbs.contains(id));
        let rest: Vec<ColumnId> = rest.collect();
        (rest.chunks(parts.into()).map(<[ColumnId]>::to_vec).collect(), limbs)
    }
}

fn get(trace: &Trace, column: ColumnId, at: usize) -> i64 {
    trace.column(column)[at].into()
}

fn set(trace: &mut Trace, column: ColumnId, at: usize, value: i64) {
    trace.column_mut(column).unwrap()[at] = i32::try_from(value).unwrap();
}

/// Reads a number from its limbs.
fn read(trace: &Trace, limbs: &[ColumnId], bits: u32, at: usize) -> i64 {
    limbs.iter().zip(0..).map(|(limb, j)| get(trace, *limb, at) << (bits * j)).sum()
}

/// Writes a number into limbs: as digits, all with the number's sign, what does not fit into the last one; or all of it
/// into the first.
fn write(trace: &mut Trace, limbs: &[ColumnId], bits: u32, at: usize, number: i64, digits: bool) {
    let mut left = number.abs();
    for (j, limb) in limbs.iter().enumerate() {
        let digit = match (digits, j) {
            (true, _) if j + 1 < limbs.len() => left & ((1 << bits) - 1),
            (true, _) | (false, 0) => left,
            (false, _) => 0,
        };
        left = if digits { left >> bits } else { 0 };
        set(trace, *limb, at, digit * number.signum());
    }
}

/// `q`, with `f(q)` where the table has it.
fn write_quotient(target: &Target, trace: &mut Trace, layer: usize, at: usize, q: i64) {
    let (columns, table) = (target.layer(layer), target.table(layer));
    set(trace, columns.pre, at, q);
    if columns.post != columns.pre && (table.min().into()..=table.max().into()).contains(&q) {
        set(trace, columns.post, at, table.apply(q as i32).into());
    }
}

fn cosine(scale_in: i8, scale_out: i8) -> Function {
    let program = vec![Instruction::Argument, Instruction::Unary(Unary::Cos)];
    Function::Real { program, scale_in, scale_out, least: i16::MIN }
}

/// Numbers at and next to both edges of four bits by a shift of 2, and the ends of twelve bits.
const EDGES: [i32; 8] = [0, 1, 29, 30, -34, -35, 2047, -2048];

fn requantised(function: Function) -> Target {
    requantised_by(function, Domain::Signed)
}

fn requantised_by(function: Function, domain: Domain) -> Target {
    let (mut builder, x) = NetworkBuilder::new(&[8], 12, 0, 4);
    let table = builder.table(4, domain, function);
    let term = builder.same(&x, 1);
    let out = builder.requantise(&[8], vec![term], 2, table);
    let target = Target::new(builder.finish(&out, 0).unwrap(), EDGES.to_vec());
    let q: Vec<i64> = (0..8).map(|at| get(&target.truth, target.layer(0).pre, at)).collect();
    assert_eq!(q, [0, 0, 7, 7, -8, -8, 7, -8]);
    target
}

/// `x + 33`, which is 1 for the smallest input of six bits.
fn divisor(builder: &mut NetworkBuilder, x: &Tensor) -> Tensor {
    let term = builder.same(x, 1);
    builder.layer(&x.dims, vec![term], 33, Rule::Exact)
}

/// By divisors from 1 to 64, to both sides of both rails.
const DIVIDED: [i32; 8] = [-32, -31, -14, -5, 0, 1, 10, 31];

fn divided(function: Function) -> (Target, u8) {
    let (mut builder, x) = NetworkBuilder::new(&[8], 6, 0, 4);
    let by = divisor(&mut builder, &x);
    let table = builder.table(4, Domain::Signed, function);
    let term = builder.same(&x, 20);
    let out = builder.divide(&[8], vec![term], 7, &by, 4, table);
    let target = Target::new(builder.finish(&out, 0).unwrap(), DIVIDED.to_vec());
    let Rule::Divide { parts, limbs, .. } = target.shape().architecture.layers[1].rule else {
        unreachable!("it is one")
    };
    assert!(parts > 1 && limbs > 1);
    (target, parts)
}

fn quotient() -> (Target, u8) {
    let (mut builder, x) = NetworkBuilder::new(&[8], 6, 0, 4);
    let by = divisor(&mut builder, &x);
    let term = builder.same(&x, 30);
    let out = builder.quotient(&[8], vec![term], 1000, &by, 4);
    let target = Target::new(builder.finish(&out, 0).unwrap(), DIVIDED.to_vec());
    let Rule::Quotient { parts, .. } = target.shape().architecture.layers[1].rule else { unreachable!("it is one") };
    (target, parts)
}

fn root() -> (Target, u8) {
    let (mut builder, x) = NetworkBuilder::new(&[8], 6, 0, 4);
    let term = builder.same(&x, 40);
    let out = builder.layer(&[8], vec![term], 1280, Rule::SquareRoot { limb_bits: 4, parts: 0 });
    let target = Target::new(builder.finish(&out, 0).unwrap(), DIVIDED.to_vec());
    let Rule::SquareRoot { parts, .. } = target.shape().architecture.layers[0].rule else { unreachable!("it is one") };
    (target, parts)
}

/// Every other quotient of the table with the limbs that make up for it, in every cell: limbs that are not 0 away from
/// the rails, limbs of the wrong sign at a rail, the other rail. Then digits that are carried, and no clamp at all.
fn other_clamps(target: &Target, layer: usize, parts: u8) -> usize {
    let (_, limbs) = target.numbers(layer, parts);
    let (columns, bits) = (target.layer(layer), target.table(layer).limb_bits());
    let (min, max) = (i64::from(target.table(layer).min()), i64::from(target.table(layer).max()));
    let mut carried = 0;
    for at in 0..8 {
        let q = get(&target.truth, columns.pre, at);
        let over = read(&target.truth, &limbs, bits, at);
        for other in (min..=max).filter(|other| *other != q) {
            let lie = target.lie(|lie| {
                write_quotient(target, lie, layer, at, other);
                write(lie, &limbs, bits, at, q + over - other, true);
            });
            target.refuses(&lie, By::Lookups, &format!("cell {at}: {q} and {over} as {other}"));
        }
        if over != 0 {
            let lie = target.lie(|lie| {
                write_quotient(target, lie, layer, at, q + over);
                write(lie, &limbs, bits, at, 0, true);
            });
            target.refuses(&lie, By::Lookups, &format!("cell {at}: no clamp"));
        }
        if over.abs() >> bits > 0 {
            let lie = target.lie(|lie| {
                let [low, high] = [limbs[0], limbs[1]].map(|limb| get(lie, limb, at));
                let sign = over.signum();
                let (from, to) = if high != 0 { (sign << bits, sign) } else { (-(sign << bits), -sign) };
                set(lie, limbs[0], at, low + from);
                set(lie, limbs[1], at, high - to);
            });
            target.refuses(&lie, By::Lookups, &format!("cell {at}: a digit carried"));
            carried += 1;
        }
    }
    carried
}

/// RQ3: at and beyond both edges, and between them, no other clamp of a requantisation is accepted.
#[test]
fn rq3_no_other_clamp_of_a_requantisation() {
    for function in [Function::Identity, Function::Relu, cosine(1, 4)] {
        assert!(other_clamps(&requantised(function), 0, 1) >= 2);
    }
}

/// RQ3: the same with rails wider than the table, of which two limbs are enough where four were needed, or one.
#[test]
fn rq3_no_other_clamp_with_wide_rails() {
    for (limb_bits, digits, carried) in [(5, 2, 2), (11, 1, 0)] {
        let target = requantised_by(cosine(1, 4), Domain::Saturating { limb_bits });
        assert_eq!(target.numbers(0, 1).1.len(), digits);
        assert!(other_clamps(&target, 0, 1) >= carried);
    }
}

/// RQ3: the same of a division.
#[test]
fn rq3_no_other_clamp_of_a_division() {
    for function in [Function::Identity, Function::Relu] {
        let (target, parts) = divided(function);
        assert!(other_clamps(&target, 1, parts) >= 2);
    }
}

/// RQ3: a cell that is clamped claims that it is not, a cell that is not claims that it is, and nothing is made up for
/// it.
#[test]
fn rq3_a_limb_alone_is_an_equation_that_fails() {
    let target = requantised(Function::Identity);
    let (_, limbs) = target.numbers(0, 1);
    for (at, step) in [(2, 1), (3, -1), (4, -1), (5, 1), (6, -1), (7, -1)] {
        // in range and of the rail's sign: only the sum is wrong
        let lie = target.lie(|lie| {
            let v = get(lie, limbs[0], at);
            set(lie, limbs[0], at, v + step);
        });
        target.refuses(&lie, By::Equations, &format!("cell {at}"));
    }
}

/// RQ1: a requantised quotient one off, its remainder made up for it.
#[test]
fn rq1_a_requantised_quotient_has_its_remainder_in_range() {
    let target = requantised(Function::Relu);
    let rem = target.numbers(0, 1).0[0][0];
    for at in 0..2 {
        for step in [-2, -1, 1, 2] {
            let lie = target.lie(|lie| {
                let (q, r) = (get(lie, target.layer(0).pre, at), get(lie, rem, at));
                write_quotient(&target, lie, 0, at, q + step);
                set(lie, rem, at, r - 4 * step);
            });
            target.refuses(&lie, By::Lookups, &format!("cell {at} by {step}"));
        }
        // the remainder alone
        let lie = target.lie(|lie| {
            let r = get(lie, rem, at);
            set(lie, rem, at, (r + 1) % 4);
        });
        target.refuses(&lie, By::Equations, &format!("cell {at}: the remainder"));
    }
}

/// RQ1: other quotients of a division, with the remainder that they leave and what that falls short of: one of the two
/// is out of range. If the lack is not made up for, its equation fails.
#[test]
fn rq1_other_quotients_of_a_division() {
    let (target, parts) = divided(Function::Identity);
    let (numbers, _) = target.numbers(1, parts);
    let [rem, rest] = &numbers[..] else { unreachable!("a remainder and its lack") };
    let mut tried = 0;
    for at in 0..8 {
        let d = get(&target.truth, target.layer(0).pre, at);
        let (q, r) = (get(&target.truth, target.layer(1).pre, at), read(&target.truth, rem, 4, at));
        assert_eq!(r + read(&target.truth, rest, 4, at), 2 * d - 1);
        for step in [-2, -1, 1, 2] {
            if !(-7..7).contains(&q) || !(-7..7).contains(&(q + step)) {
                continue;
            }
            let other = r - 2 * d * step;
            for digits in [true, false] {
                let lie = target.lie(|lie| {
                    write_quotient(&target, lie, 1, at, q + step);
                    write(lie, rem, 4, at, other, digits);
                    write(lie, rest, 4, at, 2 * d - 1 - other, digits);
                });
                target.refuses(&lie, By::Lookups, &format!("cell {at} by {step}"));
            }
            if (0..256).contains(&other) {
                let lie = target.lie(|lie| {
                    write_quotient(&target, lie, 1, at, q + step);
                    write(lie, rem, 4, at, other, true);
                });
                target.refuses(&lie, By::Equations, &format!("cell {at} by {step}, without a lack"));
            }
            tried += 1;
        }
    }
    assert!(tried >= 8, "{tried}");
}

/// RQ1, RQ2: other whole quotients, digits and all, among them 0 and a negative one. One that its digits do not make is
/// an equation that fails.
#[test]
fn rq1_other_quotients_that_are_kept_whole() {
    let (target, parts) = quotient();
    let (numbers, _) = target.numbers(1, parts);
    let [digits, rem, rest] = &numbers[..] else { unreachable!("three numbers") };
    let column = target.layer(1).pre;
    for at in 0..8 {
        let d = get(&target.truth, target.layer(0).pre, at);
        let (q, r) = (get(&target.truth, column, at), read(&target.truth, rem, 4, at));
        for other in [0, -1, -q, q - 2, q - 1, q + 1, q + 2].into_iter().filter(|other| *other != q) {
            let left = r + 2 * d * (q - other);
            let lie = target.lie(|lie| {
                set(lie, column, at, other);
                write(lie, digits, 4, at, other, true);
                write(lie, rem, 4, at, left, true);
                write(lie, rest, 4, at, 2 * d - 1 - left, true);
            });
            target.refuses(&lie, By::Lookups, &format!("cell {at}: {other}"));
        }
        let lie = target.lie(|lie| set(lie, column, at, q + 1));
        target.refuses(&lie, By::Equations, &format!("cell {at}: other digits"));
    }
}

/// RQ2, LU4: other square roots, with the remainders that they leave: larger, smaller, 0, and the negative one, whose
/// square is right.
#[test]
fn rq2_other_square_roots() {
    let (target, parts) = root();
    let (numbers, _) = target.numbers(0, parts);
    let [digits, rem, rest] = &numbers[..] else { unreachable!("three numbers") };
    let column = target.layer(0).pre;
    for at in 0..8 {
        let (q, r) = (get(&target.truth, column, at), read(&target.truth, rem, 4, at));
        let z = q * q + r;
        for other in [0, 1, -q, q - 1, q + 1, q + 2].into_iter().filter(|other| *other != q) {
            let left = z - other * other;
            let lie = target.lie(|lie| {
                set(lie, column, at, other);
                write(lie, digits, 4, at, other, true);
                write(lie, rem, 4, at, left, true);
                write(lie, rest, 4, at, 2 * other - left, true);
            });
            target.refuses(&lie, By::Lookups, &format!("cell {at}: {other} for {q}"));
        }
        let lie = target.lie(|lie| set(lie, column, at, q + 1));
        target.refuses(&lie, By::Equations, &format!("cell {at}: other digits"));
    }
}

/// Two rows of three numbers, four places each: distance, function, mark, maximum and count are all there.
struct Maxima {
    target: Target,
    d: ColumnId,
    y: ColumnId,
    e: ColumnId,
    m: ColumnId,
    c: ColumnId,
}

impl Maxima {
    fn new(rows: [[i32; 3]; 2]) -> Self {
        let (mut builder, x) = NetworkBuilder::new(&[2, 3], 6, 0, 4);
        let table = builder.table(7, Domain::Unsigned, cosine(4, 6));
        let term = builder.same(&x, 1);
        let y = builder.layer(&[2, 3], vec![term], 0, Rule::Maximum { low: 0, bits: 2, len: 3, table });
        let output = |source: Source, dims: &[u32]| Output {
            name: "output".into(),
            source,
            scale: 0,
            shape: dims.to_vec(),
            cells: cells(dims),
        };
        let outputs = vec![output(y.source, &[2, 3]), output(Source::Max(0), &[2]), output(Source::Mark(0), &[2, 3])];
        let mut input = vec![0; 8];
        rows.iter().enumerate().for_each(|(row, numbers)| input[4 * row..4 * row + 3].copy_from_slice(numbers));
        let target = Target::new(builder.finish_with(outputs).unwrap(), input);
        let LayerColumns { pre: d, post: y, max, mark, span } = target.layer(0);
        Self { d, y, e: mark.unwrap(), m: max.unwrap(), c: ColumnId(span.1 - 1), target }
    }

    /// A distance, and what the table has for it, if it has.
    fn put(&self, lie: &mut Trace, at: usize, distance: i64) {
        set(lie, self.d, at, distance);
        if let Ok(distance) = u8::try_from(distance) {
            set(lie, self.y, at, self.target.table(0).apply(distance.into()).into());
        }
        set(lie, self.e, at, i64::from(distance == 0));
    }

    /// A row with another maximum, and all that follows from it.
    fn moved(&self, row: usize, by: i64) -> Trace {
        self.target.lie(|lie| {
            let m = get(lie, self.m, row);
            set(lie, self.m, row, m + by);
            (4 * row..4 * row + 3).for_each(|at| {
                let distance = get(lie, self.d, at) + by;
                self.put(lie, at, distance);
            });
            let marks: i64 = (4 * row..4 * row + 3).map(|at| get(lie, self.e, at)).sum();
            set(lie, self.c, row, marks - 1);
        })
    }
}

const ROWS: [[i32; 3]; 2] = [[5, 5, 5], [1, 9, -3]];

/// RQ4: a maximum that is no member of its row: no distance is 0, so the count of maxima less 1 is no number of its
/// range. A count that is in range does not count.
#[test]
fn rq4_a_maximum_is_a_member() {
    let maxima = Maxima::new(ROWS);
    for row in 0..2 {
        for by in [1, 2, 40] {
            let mut lie = maxima.moved(row, by);
            assert_eq!(get(&lie, maxima.c, row), -1);
            maxima.target.refuses(&lie, By::Lookups, &format!("row {row} by {by}"));
            for count in [0, 1] {
                set(&mut lie, maxima.c, row, count);
                maxima.target.refuses(&lie, By::Equations, &format!("row {row} by {by}, counted {count}"));
            }
            // a mark where there is no maximum, so that the count is right
            set(&mut lie, maxima.c, row, 0);
            set(&mut lie, maxima.e, 4 * row, 1);
            maxima.target.refuses(&lie, By::Lookups, &format!("row {row} by {by}, marked"));
        }
    }
}

/// RQ4: a member of the row that is less than another one: that one's distance is negative.
#[test]
fn rq4_a_maximum_is_not_less_than_any() {
    let maxima = Maxima::new(ROWS);
    // from 9 down to 1 and to -3, which are members; and from [5, 5, 5] to less than all
    for (row, by) in [(1, -8), (1, -12), (0, -1)] {
        let lie = maxima.moved(row, by);
        assert_eq!(get(&lie, maxima.c, row), i64::from(row == 1) - 1, "whether it is a member");
        maxima.target.refuses(&lie, By::Lookups, &format!("row {row} by {by}"));
    }
    // the maximum alone: of [5, 5, 5] there is no other
    for by in [-1, 1] {
        let lie = maxima.target.lie(|lie| set(lie, maxima.m, 0, 5 + by));
        maxima.target.refuses(&lie, By::Equations, "the maximum alone");
    }
}

/// RQ4: marks and count. A mark too many, one too few, with the count to match, and the count alone.
#[test]
fn rq4_marks_and_counts_are_those_of_the_distances() {
    let maxima = Maxima::new(ROWS);
    for at in [0, 1, 2, 4, 5, 6] {
        let lie = maxima.target.lie(|lie| {
            let mark = 1 - get(lie, maxima.e, at);
            let count = get(lie, maxima.c, at / 4);
            set(lie, maxima.e, at, mark);
            set(lie, maxima.c, at / 4, if mark == 1 { count + 1 } else { count - 1 });
        });
        maxima.target.refuses(&lie, By::Lookups, &format!("mark {at}"));
    }
    for (row, count) in [(0, 1), (0, 3), (0, 0), (1, 1), (1, 3)] {
        let lie = maxima.target.lie(|lie| set(lie, maxima.c, row, count));
        maxima.target.refuses(&lie, By::Equations, &format!("count {count} of row {row}"));
    }
}

/// RQ8: places that do not count have distance 0, `f(0)` and a mark, whatever a prover would like there.
#[test]
fn rq8_places_that_do_not_count_are_not_free() {
    let maxima = Maxima::new(ROWS);
    for at in [3, 7] {
        for distance in [1, 2, 100] {
            let lie = maxima.target.lie(|lie| maxima.put(lie, at, distance));
            maxima.target.refuses(&lie, By::Equations, &format!("distance {distance} at {at}"));
        }
        let lie = maxima.target.lie(|lie| set(lie, maxima.e, at, 0));
        maxima.target.refuses(&lie, By::Lookups, &format!("no mark at {at}"));
        let lie = maxima.target.lie(|lie| {
            let y = get(lie, maxima.y, at);
            set(lie, maxima.y, at, y - 1);
        });
        maxima.target.refuses(&lie, By::Lookups, &format!("another f(0) at {at}"));
    }
}

/// LU3: rows that a table with padding would have. `f(0)` is not 0 here, and neither is the mark of distance 0.
#[test]
fn lu3_zeros_are_no_row_of_a_table() {
    let maxima = Maxima::new(ROWS);
    let table = maxima.target.table(0);
    assert_ne!(table.apply(0), 0);
    for at in [0, 3, 5] {
        for (y, e) in [(0, 0), (0, 1), (i64::from(table.apply(0)), 0)] {
            let lie = maxima.target.lie(|lie| {
                set(lie, maxima.y, at, y);
                set(lie, maxima.e, at, e);
                let marks: i64 = (0..3).map(|k| get(lie, maxima.e, 4 * (at / 4) + k)).sum();
                set(lie, maxima.c, at / 4, (marks - 1).max(0));
            });
            let [equations, lookups] = maxima.target.broken(&lie);
            assert!(lookups > 0, "{equations}");
            assert!(maxima.target.verdict(&lie).is_err(), "{y} and {e} at {at}");
        }
    }
    let target = requantised(cosine(1, 4));
    let post = target.layer(0).post;
    for at in [0, 1, 6, 7] {
        let lie = target.lie(|lie| set(lie, post, at, 0));
        target.refuses(&lie, By::Lookups, &format!("0 at {at}"));
    }
}

/// The first of the largest of three, as the compiler has it: of the marks, each times how far it is from the end, the
/// largest.
fn arg_max(rows: [[i32; 3]; 2]) -> Target {
    let (mut builder, x) = NetworkBuilder::new(&[2, 3], 6, 0, 4);
    let [wide, narrow] = [7, 4].map(|bits| builder.table(bits, Domain::Unsigned, Function::Identity));
    let term = builder.same(&x, 1);
    let rule = |table| Rule::Maximum { low: 0, bits: 2, len: 3, table };
    builder.layer(&[2, 3], vec![term], 0, rule(wide));
    let keys =
        linear(1, vec![2, 1], Source::Mark(0), vec![mapped(2, 0, (0..3).map(|k| (k, k, 3 - k as i32))), along(1, 1)]);
    builder.layer(&[2, 3], vec![keys], 0, rule(narrow));
    let mut input = vec![0; 8];
    rows.iter().enumerate().for_each(|(row, numbers)| input[4 * row..4 * row + 3].copy_from_slice(numbers));
    let found = Tensor { source: Source::Max(1), dims: vec![2] };
    Target::new(builder.finish(&found, 0).unwrap(), input)
}

/// RQ4: the place of the maximum is the first of those that tie. A later one is a maximum of the marks that is less
/// than the first one's key, or asks for a mark less; a place that is no maximum asks for a mark more.
#[test]
fn rq4_the_place_of_the_maximum_is_the_first() {
    let rows = [[5, 5, 1], [-7, 9, 9]];
    let target = arg_max(rows);
    let marks = target.layer(0).mark.unwrap();
    let LayerColumns { pre, max, mark, span, .. } = target.layer(1);
    let (max, mark, count) = (max.unwrap(), mark.unwrap(), ColumnId(span.1 - 1));
    assert_eq!(target.truth.column(max), [3, 2], "3 less the place");
    // layer 1 as it follows from the marks, but for its maxima
    let claim = |lie: &mut Trace, row: usize, key: i64| {
        set(lie, max, row, key);
        let mut zeros = -1;
        for k in 0..3 {
            let at = 4 * row + k;
            let distance = key - (3 - k as i64) * get(lie, marks, at);
            set(lie, pre, at, distance);
            set(lie, mark, at, i64::from(distance == 0));
            zeros += i64::from(distance == 0);
        }
        set(lie, count, row, zeros);
    };
    for (row, numbers) in rows.iter().enumerate() {
        for key in 0..=4 {
            if key == get(&target.truth, max, row) {
                continue;
            }
            let lie = target.lie(|lie| claim(lie, row, key));
            target.refuses(&lie, By::Lookups, &format!("{numbers:?}: key {key}"));
            let Some(place) = (0..3).find(|k| 3 - *k as i64 == key) else { continue };
            // all marks before that place are dropped, that one is set, and the first layer's count follows
            let lie = target.lie(|lie| {
                (0..place).for_each(|k| set(lie, marks, 4 * row + k, 0));
                set(lie, marks, 4 * row + place, 1);
                let marked: i64 = (0..3).map(|k| get(lie, marks, 4 * row + k)).sum();
                set(lie, ColumnId(target.layer(0).span.1 - 1), row, marked - 1);
                claim(lie, row, key);
            });
            target.refuses(&lie, By::Lookups, &format!("{numbers:?}: marks for key {key}"));
        }
    }
}

/// What an architecture with some change computes: all its relations hold, but for those that were changed. `None` if
/// it is no network, or one of another shape.
fn changed(target: &Target, change: impl FnOnce(&mut Architecture)) -> Option<Trace> {
    let mut other = target.shape().architecture.clone();
    change(&mut other);
    other.complete().ok()?;
    let (system, own) = (System::new(&other), &target.shape().system);
    let of = |system: &System| system.executed().map(|id| system.column(id)).collect::<Vec<_>>();
    if of(&system) != of(own) {
        return None;
    }
    let mut trace = target.truth.clone();
    trace.columns = exec::execute(&other, &target.weights, &target.cells).ok()?.columns;
    Some(trace)
}

fn softmax() -> (Target, usize) {
    let network = sample::attention(3, 4, 2);
    let cells = sample::random_input(&network.0, 5);
    let target = Target::new(network, cells);
    let at =
        target.shape().architecture.layers.iter().position(|layer| matches!(layer.rule, Rule::Maximum { .. })).unwrap();
    (target, at)
}

/// RQ5: a softmax with another normaliser (one more, one number left out, one number twice), another numerator, another
/// rounding: everything after it follows from the lie, and the equation of the one layer fails.
#[test]
fn rq5_another_normaliser() {
    let (target, at) = softmax();
    let entries = |a: &mut Architecture, change: fn(&mut Vec<assay_circuits::model::Entry>)| match &mut a.layers[at + 1]
        .terms[0]
        .left
        .runs[0]
    {
        Run { index: Index::Map { entries, .. }, .. } => change(entries),
        other => unreachable!("{other:?}"),
    };
    type Change<'a> = Box<dyn Fn(&mut Architecture) + 'a>;
    let lies: [(&str, Change<'_>); 7] = [
        ("one more", Box::new(|a| a.layers[at + 1].constant += 1)),
        ("a hundred more", Box::new(|a| a.layers[at + 1].constant += 100)),
        ("one left out", Box::new(|a| entries(a, |entries| entries.truncate(entries.len() - 1)))),
        ("one twice", Box::new(|a| entries(a, |entries| entries[0].coefficient = 2))),
        ("none", Box::new(|a| entries(a, Vec::clear))),
        ("numerator", Box::new(|a| a.layers[at + 2].constant -= 1 << 20)),
        ("rounding", Box::new(|a| a.layers[at + 3].constant += 1 << 15)),
    ];
    let mut tried = 0;
    for (name, change) in lies {
        if let Some(lie) = changed(&target, change) {
            target.refuses(&lie, By::Equations, name);
            tried += 1;
        }
    }
    assert!(tried >= 5, "{tried}");
}

/// RQ5, LU5: a softmax of another exponential: half as large, colder, a step instead. Everything follows from it, and
/// no lookup of it holds.
#[test]
fn rq5_another_exponential() {
    let (target, at) = softmax();
    let Rule::Maximum { table, .. } = target.shape().architecture.layers[at].rule else { unreachable!("it is one") };
    let function = |change: fn(&mut Vec<Instruction>, &mut i8, &mut i8)| {
        changed(&target, |a| {
            if let Function::Real { program, scale_in, scale_out, .. } = &mut a.tables[table as usize].function {
                change(program, scale_in, scale_out);
            }
        })
    };
    let lies = [
        function(|_, _, scale| *scale -= 1),
        function(|_, scale, _| *scale -= 1),
        function(|program, _, _| *program = vec![Instruction::Argument, Instruction::Unary(Unary::Not)]),
    ];
    for (i, lie) in lies.into_iter().enumerate() {
        target.refuses(&lie.unwrap(), By::Lookups, &format!("lie {i}"));
    }
}

/// H4: the execution of a network that is almost the model's: one constant, one coefficient, one term, one entry, the
/// places of a maximum. What is committed is consistent from end to end, and differs from the truth in one layer's
/// equations alone.
#[test]
fn h4_executions_of_other_networks_are_refused() {
    let named =
        [sample::attention(3, 4, 2), sample::layer_norm(3, 6), sample::recurrent(5, 3), loops::every_rule_in_a_loop()];
    let mut tried: BTreeMap<&str, usize> = BTreeMap::new();
    for (seed, network) in named.into_iter().chain((0..24).map(sample::random_network)).enumerate() {
        let cells = sample::random_input(&network.0, seed as u64);
        let target = Target::new(network, cells);
        let layers = target.shape().architecture.layers.clone();
        for (index, layer) in layers.iter().enumerate() {
            let rule = match &layer.rule {
                Rule::Exact => "exact",
                Rule::Requantise { .. } => "requantise",
                Rule::Divide { .. } => "divide",
                Rule::Quotient { .. } => "quotient",
                Rule::SquareRoot { .. } => "root",
                Rule::Maximum { .. } => "maximum",
                Rule::Rows { .. } => unreachable!("no network here reads rows of weights"),
            };
            let half = if let Rule::Requantise { shift, .. } = layer.rule { 1i64 << shift } else { 1 };
            type Change<'a> = Box<dyn Fn(&mut Architecture) + 'a>;
            let changes: [Change<'_>; 5] = [
                Box::new(|a| a.layers[index].constant += half),
                Box::new(|a| a.layers[index].constant -= half),
                Box::new(|a| a.layers[index].terms.iter_mut().for_each(|term| term.coefficient = -term.coefficient)),
                Box::new(|a| drop(a.layers[index].terms.pop())),
                Box::new(|a| {
                    if let Rule::Maximum { len, .. } = &mut a.layers[index].rule {
                        *len -= 1;
                    }
                }),
            ];
            for (number, change) in changes.into_iter().enumerate() {
                let Some(lie) = changed(&target, change).filter(|lie| *lie != target.truth) else { continue };
                if tried.get(rule).is_some_and(|count| *count >= 16) {
                    continue;
                }
                target.refuses(&lie, By::Equations, &format!("network {seed}, layer {index}, change {number}"));
                *tried.entry(rule).or_default() += 1;
            }
        }
    }
    assert!(tried.len() == 6 && tried.values().all(|count| *count >= 3), "{tried:?}");
}

/// LU1, LU5: a prover with a table of its own. It commits to what that table says, finds every lookup in it, and counts
/// how often, so that its fractions sum up to 0, as they should. What its leaves are is not what the verifier's table
/// says. The same with the false table's column committed to instead of the public one.
#[test]
fn lu1_a_table_of_the_provers_own() {
    let absolute = vec![Instruction::Argument, Instruction::Unary(Unary::Abs)];
    let absolute = Function::Real { program: absolute, scale_in: 0, scale_out: 0, least: i16::MIN };
    for (own, false_one) in [(cosine(1, 4), cosine(0, 4)), (cosine(1, 4), cosine(1, 5)), (Function::Relu, absolute)] {
        let target = requantised(own);
        let mut other = target.shape().architecture.clone();
        other.tables[0].function = false_one;
        let false_shape = Shape::new(other.clone(), LOG_CHUNK).unwrap();
        let mut lie = target.truth.clone();
        lie.columns = exec::execute(&other, &target.weights, &target.cells).unwrap().columns;
        target.refuses(&lie, By::Lookups, "without a table for it");

        let package = &target.seller.package;
        let weights = Held::new(&target.seller.srs, package.committed.clone());
        let rows = TableRows::all(&false_shape);
        let mut columns = vec![package.tables.clone()];
        if target.shape().layout.tables_region.chunks == false_shape.layout.tables_region.chunks {
            columns.push(commit_tables(&false_shape, &target.seller.srs));
        }
        for (which, tables) in columns.into_iter().enumerate() {
            let tables = Held::new(&target.seller.srs, tables);
            let prover = InnerProver {
                shape: target.shape(),
                srs: &target.seller.srs,
                weights: &weights,
                tables: &tables,
                rows: &rows,
            };
            let input = InputOpening::public(target.shape(), target.cells.clone())
                .commit(target.shape(), &target.seller.srs)
                .unwrap();
            let proved = inner::prove(&prover, &input, &lie, Fr::from(1u64), false, &Control::new()).unwrap();
            assert_eq!(proved.proof.root[0], Fr::from(0u64), "the sum is 0");
            let verdict = target.verdict_on(proved, input);
            assert!(matches!(verdict, Err(ProofError::Inner(VerifyError::Unequal(_)))), "{which}: {verdict:?}");
        }
    }
}

/// A seller whose committed weight is one that no compiler makes: `D = w·x + 1`, `z = 20·x'`, `q = z / D`.
fn outside(weight: i32, x: [i32; 2]) -> (Target, u8) {
    let (mut builder, input) = NetworkBuilder::new(&[2], 4, 0, 4);
    let w = builder.weight(&[1], || 7);
    let first = || (input.source, vec![mapped(1, None, [(0, 0, 1)])]);
    let divisor = product(Vec::new(), 0, (w, Vec::new()), first());
    let divisor = builder.layer(&[1], vec![divisor], 65, Rule::Exact);
    let table = builder.table(4, Domain::Signed, Function::Identity);
    let term = linear(20, Vec::new(), input.source, vec![mapped(1, None, [(0, 1, 1)])]);
    let out = builder.divide(&[1], vec![term], 0, &divisor, 4, table);
    let mut target = Target::new(builder.finish(&out, 0).unwrap(), x.to_vec());
    let Rule::Divide { parts, .. } = target.shape().architecture.layers[1].rule else { unreachable!("it is one") };

    let mut cells = weight_cells(target.shape(), &target.weights);
    let at = target.shape().layout.block(target.shape().system.weights[0]).offset;
    cells[at] = weight;
    let (committed, srs) = (target.seller.package.committed.blinding.clone(), srs());
    let mut package =
        Package::new(Metadata::default(), target.shape().architecture.clone(), target.weights.clone(), LOG_CHUNK, &srs)
            .unwrap();
    package.committed = Committed::new(&srs, LOG_CHUNK, cells, committed);
    package.model.weights = package.committed.commitments.clone();
    target.seller = Seller::new(package, srs).unwrap();
    (target, parts)
}

/// EQ1: a model whose committed weight lies outside its range makes divisors that validation rules out. Each of them
/// leaves one quotient that is accepted, or none: 0, negative ones and those that are too large divide nothing, and all
/// others as they should.
#[test]
fn eq1_weights_outside_their_range_leave_one_output_or_none() {
    let mut answers = [0; 2];
    for (weight, x) in [
        (7, [1, 7]),
        (20, [7, 7]),
        (20, [3, -8]),
        (-65, [1, 3]),
        (-100, [1, 3]),
        (-9, [7, 5]),
        (-64, [1, 1]),
        (400, [7, 7]),
        (900, [7, 7]),
    ] {
        let (target, parts) = outside(weight, x);
        let (numbers, limbs) = target.numbers(1, parts);
        let [rem, rest] = &numbers[..] else { unreachable!("a remainder and its lack") };
        let (d, z) = (i64::from(weight * x[0] + 65), i64::from(20 * x[1]));
        let most = 1 << (4 * i64::from(parts));
        let rounded = if d > 0 { (2 * z + d).div_euclid(2 * d) } else { 0 };
        let expected = {
            let left = 2 * z + d - 2 * d * rounded;
            let fits = d > 0 && left < most && 2 * d - 1 - left < most;
            if fits { vec![rounded.clamp(-8, 7)] } else { Vec::new() }
        };
        let mut accepted = Vec::new();
        for q in -8..8 {
            let over = if q == 7 {
                (rounded - 7).max(0)
            } else if q == -8 {
                (rounded + 8).min(0)
            } else {
                0
            };
            let lie = target.lie(|lie| {
                set(lie, target.layer(0).pre, 0, d);
                set(lie, target.layer(1).pre, 0, q);
                write(lie, &limbs, 3, 0, over, true);
                let left = 2 * z + d - 2 * d * (q + over);
                write(lie, rem, 4, 0, left, true);
                write(lie, rest, 4, 0, 2 * d - 1 - left, true);
            });
            if target.verdict(&lie).is_ok() {
                accepted.push(q);
            }
        }
        assert_eq!(accepted, expected, "{weight} · {} + 65 = {d} divides {z}", x[0]);
        answers[accepted.len()] += 1;
    }
    assert!(answers.iter().all(|count| *count >= 2), "{answers:?}");
}
