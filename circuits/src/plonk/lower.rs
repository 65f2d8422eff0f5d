//! From constraints to rows.
//!
//! What comes in is what [`crate::r1cs::Symbol`] writes where gates are kept whole: products of linear combinations,
//! equalities, permutations and rounds. A permutation and a round have rows of their own. The rest is lowered so:
//!
//! * equal products, up to constants, are one variable (`replaced`), and what nothing depends on is left out (`count`);
//! * a product that is used once, as a factor, joins that product; used once, as a summand, that sum (`flatten`,
//!   `expand`);
//! * a combination that is a factor becomes a variable, once for all that have it, and begins with its longest prefix
//!   that already is one (`wire`); but where that takes less, it is multiplied out (`distribute`);
//! * common factors of longer products are taken out (`hoist`);
//! * bilinear functions of two variables go two to a row ([`Kind::Pair`]), all other sums in [`Kind::Sum`] ([`Terms`]).
//!
//! Whatever is done to an expression, a variable that is in a wire is an input, a gate's output, or what rows say that
//! it is. Only the order of variables decides what happens, so the result is the same for everyone.

use super::gates::{Kind, WIRES};
use super::hash;
use super::sums::{Bilinear, Polynomial, Row, Terms};
use crate::Fr;
use crate::poseidon::WIDTH;
use crate::r1cs::{Constraints, Gate, LinearCombination};
use ark_ff::{AdditiveGroup, Field};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A permutation's place.
#[derive(Clone, Debug)]
pub(super) struct Permutation {
    /// The absorbing row.
    pub row: usize,
    /// What its column 6 holds.
    pub capacity: LinearCombination,
    /// The state with its message.
    pub input: [LinearCombination; WIDTH],
}

/// The rows and what computes their cells.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    pub rows: Vec<Row>,
    /// Variables of the constraints; those that lowering has added follow.
    pub variables: usize,
    /// What these are equal to.
    pub added: Vec<Polynomial>,
    pub permutations: Vec<Permutation>,
}

/// What a variable is.
#[derive(Clone, Debug)]
enum Definition {
    /// A public input, a part of the proof, or the output of a gate.
    Given,
    /// The constant times the factors.
    Product(Fr, [LinearCombination; 2]),
    Sum(LinearCombination),
    Inverse(LinearCombination),
}

/// How often a variable is used by what matters, and how it was last.
#[derive(Clone, Copy, Debug, Default)]
struct Uses {
    count: usize,
    place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// In a cell.
    #[default]
    Wire,
    /// As a summand.
    Summand,
    /// As a factor of a product.
    Factor,
}

/// A sum that is about to become rows.
#[derive(Default)]
struct Sum {
    polynomial: Polynomial,
    /// A value that is waiting in column 6 after the last row of a block, and its coefficient.
    tail: Option<(usize, Fr)>,
}

/// Where a sum goes.
#[derive(Clone, Copy)]
enum Goal {
    Zero,
    Variable(u32),
    /// To column 6 of the row after.
    Next,
}

struct Lowering {
    definitions: Vec<Definition>,
    replaced: Vec<Option<(u32, Fr)>>,
    uses: Vec<Uses>,
    /// How often a combination of several variables is a factor.
    factors: HashMap<LinearCombination, usize>,
    variables: usize,
    added: Vec<Polynomial>,
    /// Linear combinations that are variables.
    wires: HashMap<LinearCombination, u32>,
    /// How long these are: a long combination has too many prefixes to look for all.
    wire_lengths: BTreeSet<usize>,
    /// Rows that must stay together. The first block is that of the public inputs.
    blocks: Vec<Vec<Row>>,
    /// Rounds' results that wait in column 6 after the last row of a block.
    tails: HashMap<u32, usize>,
    /// The state that waits after the last row of a block.
    sponge: Option<(usize, [u32; WIDTH])>,
    /// Halves of `Pair` rows.
    pairs: Vec<(Bilinear, u32)>,
    /// `row` counts from the start of the block here.
    permutations: Vec<(usize, Permutation)>,
}

fn is_one(lc: &LinearCombination) -> bool {
    matches!(lc.as_slice(), [(0, c)] if *c == Fr::ONE)
}

/// The variable of a combination that is nothing else.
fn single(lc: &[(u32, Fr)]) -> Option<u32> {
    match lc {
        [(v, c)] if *v != 0 && *c == Fr::ONE => Some(*v),
        _ => None,
    }
}

/// Takes out the first coefficient.
fn normalise(lc: LinearCombination) -> (Fr, LinearCombination) {
    let Some(first) = lc.first().map(|(_, c)| *c) else { return (Fr::ZERO, lc) };
    let inverse = Field::inverse(&first).unwrap_or_default();
    (first, lc.into_iter().map(|(v, c)| (v, c * inverse)).collect())
}

fn scale(lc: LinearCombination, factor: Fr) -> LinearCombination {
    if factor == Fr::ZERO { Vec::new() } else { lc.into_iter().map(|(v, c)| (v, c * factor)).collect() }
}

/// Lowers constraints.
pub(super) fn lower(constraints: &Constraints) -> Rows {
    let mut lowering = Lowering::new(constraints);
    let (outputs, roots, gates) = lowering.read(constraints);
    lowering.count(&roots, &gates);
    lowering.write(constraints.public, &outputs, &roots, &gates);
    lowering.finish()
}

impl Lowering {
    fn new(constraints: &Constraints) -> Self {
        let variables = constraints.variables;
        Self {
            definitions: vec![Definition::Given; variables],
            replaced: vec![None; variables],
            uses: vec![Uses::default(); variables],
            factors: HashMap::new(),
            variables,
            added: Vec::new(),
            wires: HashMap::new(),
            wire_lengths: BTreeSet::new(),
            blocks: vec![Vec::new()],
            tails: HashMap::new(),
            sponge: None,
            pairs: Vec::new(),
            permutations: Vec::new(),
        }
    }

    /// In variables that are not replaced.
    fn rewrite(&self, lc: &LinearCombination) -> LinearCombination {
        let mut sum = BTreeMap::new();
        for (v, c) in lc {
            let (v, c) = self.replaced[*v as usize].map_or((*v, *c), |(rep, k)| (rep, k * c));
            *sum.entry(v).or_insert(Fr::ZERO) += c;
        }
        sum.into_iter().filter(|(_, c)| *c != Fr::ZERO).collect()
    }

    /// Definitions of all variables. Returns which gate has a variable as (first) output, what must be zero, and the
    /// gates.
    fn read(&mut self, constraints: &Constraints) -> (BTreeMap<u32, usize>, Vec<LinearCombination>, Vec<Gate>) {
        let mut products: HashMap<[LinearCombination; 2], (u32, Fr)> = HashMap::new();
        let mut roots = Vec::new();
        for ((a, b), c) in constraints.a.iter().zip(&constraints.b).zip(&constraints.c) {
            let (a, b) = (self.rewrite(a), self.rewrite(b));
            match (c.as_slice(), is_one(&b)) {
                ([], _) => roots.push(a),
                ([(0, _)], _) => self.define(single(&b), Definition::Inverse(a)),
                (_, true) => match (a.as_slice(), single(c)) {
                    ([(v, k)], Some(own)) if *v != 0 => self.replaced[own as usize] = Some((*v, *k)),
                    (_, own) => self.define(own, Definition::Sum(a)),
                },
                _ => {
                    let ((k, a), (l, b)) = (normalise(a), normalise(b));
                    let (own, factor) = (single(c), k * l);
                    let both = if a <= b { [a, b] } else { [b, a] };
                    if let [one, other] = &both
                        && (is_one(one) || factor == Fr::ZERO)
                    {
                        self.define(own, Definition::Sum(scale(other.clone(), factor)));
                        continue;
                    }
                    let Some(own) = own else { continue };
                    if let Some((rep, other)) = products.get(&both) {
                        self.replaced[own as usize] = Some((*rep, factor * Field::inverse(other).unwrap_or_default()));
                    } else {
                        products.insert(both.clone(), (own, factor));
                        self.define(Some(own), Definition::Product(factor, both));
                    }
                }
            }
        }
        let gates: Vec<Gate> = constraints
            .gates
            .iter()
            .map(|gate| match gate {
                Gate::Permutation { input, output } => {
                    Gate::Permutation { input: input.each_ref().map(|lc| self.rewrite(lc)), output: *output }
                }
                Gate::Round { input, output } => {
                    Gate::Round { input: input.each_ref().map(|lc| self.rewrite(lc)), output: *output }
                }
            })
            .collect();
        let output = |gate: &Gate| match gate {
            Gate::Permutation { output, .. } => output[0],
            Gate::Round { output, .. } => *output,
        };
        (gates.iter().enumerate().map(|(i, gate)| (output(gate), i)).collect(), roots, gates)
    }

    fn define(&mut self, variable: Option<u32>, definition: Definition) {
        if let Some(variable) = variable {
            self.definitions[variable as usize] = definition;
        }
    }

    fn mark(&mut self, lc: &LinearCombination, place: Place) {
        for (v, _) in lc {
            let uses = &mut self.uses[*v as usize];
            *uses = Uses { count: uses.count + 1, place };
        }
    }

    /// Counts the uses by what matters: equalities, gates, inverses, and what these are made of.
    fn count(&mut self, roots: &[LinearCombination], gates: &[Gate]) {
        roots.iter().for_each(|lc| self.mark(lc, Place::Summand));
        for gate in gates {
            match gate {
                Gate::Permutation { input, .. } => input.iter().for_each(|lc| self.mark(lc, Place::Wire)),
                Gate::Round { input: [claim, rest @ ..], .. } => {
                    self.mark(claim, Place::Summand);
                    rest.iter().for_each(|lc| self.mark(lc, Place::Wire));
                }
            }
        }
        // a variable is made of smaller ones
        let definitions = std::mem::take(&mut self.definitions);
        for (variable, definition) in definitions.iter().enumerate().rev() {
            match definition {
                Definition::Inverse(lc) => self.mark(lc, Place::Wire),
                _ if self.uses[variable].count == 0 => {}
                Definition::Given => {}
                Definition::Sum(lc) => self.mark(lc, Place::Summand),
                Definition::Product(_, factors) => {
                    for lc in factors {
                        *self.factors.entry(lc.clone()).or_default() += 1;
                        self.mark(lc, if single(lc).is_some() { Place::Factor } else { Place::Summand });
                    }
                }
            }
        }
        self.definitions = definitions;
    }

    fn used_once(&self, variable: u32, place: Place) -> bool {
        self.uses.get(variable as usize).is_some_and(|uses| uses.count == 1 && uses.place == place)
    }

    /// The product that is written where this variable is used.
    fn joined(&self, variable: u32, place: Place) -> Option<(Fr, &[LinearCombination; 2])> {
        match self.definitions.get(variable as usize) {
            Some(Definition::Product(factor, factors)) if self.used_once(variable, place) => Some((*factor, factors)),
            _ => None,
        }
    }

    /// Constant and factors of a product, with those that join it.
    fn flatten(&self, factor: Fr, factors: &[LinearCombination; 2]) -> (Fr, Vec<LinearCombination>) {
        let (mut constant, mut all) = (factor, Vec::new());
        for lc in factors {
            match single(lc).and_then(|v| self.joined(v, Place::Factor)) {
                Some((k, inner)) => {
                    let (k, inner) = self.flatten(k, inner);
                    constant *= k;
                    all.extend(inner);
                }
                None => all.push(lc.clone()),
            }
        }
        (constant, all)
    }

    fn write(&mut self, public: usize, outputs: &BTreeMap<u32, usize>, roots: &[LinearCombination], gates: &[Gate]) {
        for variable in 1..public as u32 {
            let mut row = Row::new(Kind::Sum);
            (row.wires[4], row.constants[4]) = (Some(variable), Fr::ONE);
            self.blocks[0].push(row);
        }
        for variable in 0..self.variables as u32 {
            if let Some(gate) = outputs.get(&variable) {
                match &gates[*gate] {
                    Gate::Permutation { input, output } => self.permutation(input, *output),
                    Gate::Round { input, output } => self.round(input, *output),
                }
            }
            match self.definitions[variable as usize].clone() {
                Definition::Inverse(lc) => self.inverse(&lc, variable),
                _ if self.uses[variable as usize].count == 0 => {}
                Definition::Given => {}
                Definition::Sum(lc) => {
                    let sum = self.expand(&lc);
                    self.place(sum, Goal::Variable(variable));
                }
                Definition::Product(factor, factors) => {
                    if self.joined(variable, Place::Factor).is_none() && self.joined(variable, Place::Summand).is_none()
                    {
                        let (factor, factors) = self.flatten(factor, &factors);
                        self.product(factor, factors, variable);
                    }
                }
            }
        }
        for lc in roots {
            let sum = self.expand(lc);
            self.place(sum, Goal::Zero);
        }
    }

    /// A variable whose rows are still to be written.
    fn add(&mut self, value: Polynomial) -> u32 {
        self.added.push(value);
        (self.variables + self.added.len() - 1) as u32
    }

    /// A variable that is equal to a polynomial.
    fn variable(&mut self, polynomial: Polynomial) -> u32 {
        let variable = self.add(polynomial.clone());
        self.place(Sum { polynomial, tail: None }, Goal::Variable(variable));
        variable
    }

    /// The variable that has the value of a combination.
    fn wire(&mut self, lc: &LinearCombination) -> u32 {
        if let Some(variable) = single(lc).or_else(|| self.wires.get(lc).copied()) {
            // a result that waits in column 6 is no wire before it has a row
            self.land(variable);
            return variable;
        }
        let variable = self.add(Polynomial::from(lc));
        let sum = self.expand(lc);
        self.place(sum, Goal::Variable(variable));
        self.wires.insert(lc.clone(), variable);
        self.wire_lengths.insert(lc.len());
        variable
    }

    /// A combination as `(constant, coefficient, variable)`, of a variable that is made for it if it has none or
    /// several.
    fn affine(&mut self, lc: &LinearCombination) -> (Fr, Fr, u32) {
        let has_wire = |v: u32| v != 0 && self.joined(v, Place::Summand).is_none() && !self.tails.contains_key(&v);
        match lc.as_slice() {
            [(v, c)] if has_wire(*v) => (Fr::ZERO, *c, *v),
            [(0, k), (v, c)] if has_wire(*v) => (*k, *c, *v),
            _ => (Fr::ZERO, Fr::ONE, self.wire(lc)),
        }
    }

    fn constant(&mut self, value: Fr) -> u32 {
        self.wire(&if value == Fr::ZERO { Vec::new() } else { vec![(0, value)] })
    }

    /// A combination, with its longest prefix that is a variable, and with the products that join it.
    fn expand(&mut self, lc: &LinearCombination) -> Sum {
        let mut sum = Sum::default();
        let polynomial = &mut sum.polynomial;
        let mut lengths = self.wire_lengths.range(..lc.len()).rev().take_while(|cut| **cut > 1);
        let known = lengths.find_map(|cut| self.wires.get(&lc[..*cut]).map(|v| (*cut, *v)));
        let rest = known.map_or(lc.as_slice(), |(cut, variable)| {
            polynomial.add(variable, Fr::ONE);
            &lc[cut..]
        });
        for (v, c) in rest {
            if *v == 0 {
                polynomial.constant += c;
            } else if let Some((factor, factors)) = self.joined(*v, Place::Summand) {
                let (factor, factors) = self.flatten(factor, factors);
                for (k, factors) in self.distribute(factor * c, factors) {
                    match self.at_most(4, &factors).as_slice() {
                        [] => polynomial.constant += k,
                        [v] => polynomial.add(*v, k),
                        factors => polynomial.products.push((k, factors.to_vec())),
                    }
                }
            } else if sum.tail.is_none()
                && let Some(block) = self.tails.remove(v)
            {
                sum.tail = Some((block, *c));
            } else {
                self.land(*v);
                polynomial.add(*v, *c);
            }
        }
        sum
    }

    /// A product as a sum of products, if one of its factors is a combination that nothing else needs and that takes
    /// less as a part of the products: one of a few variables, or one that consists of products.
    fn distribute(&self, factor: Fr, mut factors: Vec<LinearCombination>) -> Vec<(Fr, Vec<LinearCombination>)> {
        let joined = |v: u32| v != 0 && self.joined(v, Place::Summand).is_some();
        let worth = |lc: &LinearCombination| {
            let products = lc.iter().filter(|(v, _)| joined(*v)).count();
            lc.len() > 1 && self.factors.get(lc) == Some(&1) && (products == lc.len() || products == 0 && lc.len() < 4)
        };
        let Some(at) = factors.iter().position(worth) else { return vec![(factor, factors)] };
        let sum = factors.remove(at);
        let terms = sum.into_iter().map(|(v, c)| {
            let (k, mut own) = match self.joined(v, Place::Summand) {
                Some((k, inner)) => self.flatten(k, inner),
                None if v == 0 => (Fr::ONE, Vec::new()),
                None => (Fr::ONE, vec![vec![(v, Fr::ONE)]]),
            };
            own.extend(factors.iter().cloned());
            (factor * c * k, own)
        });
        terms.collect()
    }

    /// Factors as variables, the first of them multiplied until only so many are left.
    fn at_most(&mut self, limit: usize, factors: &[LinearCombination]) -> Vec<u32> {
        let mut variables: Vec<u32> = factors.iter().map(|lc| self.wire(lc)).collect();
        while variables.len() > limit {
            let first: Vec<u32> = variables.drain(..4.min(variables.len() + 1 - limit)).collect();
            let product = self.variable(Polynomial::product(Fr::ONE, first));
            variables.insert(0, product);
        }
        variables
    }

    /// Takes common factors out of products of more than two, the most frequent first.
    fn hoist(&mut self, products: &mut Vec<(Fr, Vec<u32>)>) {
        loop {
            let mut frequency: BTreeMap<u32, usize> = BTreeMap::new();
            for (_, factors) in products.iter().filter(|(_, factors)| factors.len() > 2) {
                let distinct = factors.iter().enumerate().filter(|(i, v)| !factors[..*i].contains(v));
                distinct.for_each(|(_, v)| *frequency.entry(*v).or_default() += 1);
            }
            let best = frequency.into_iter().max_by_key(|(v, count)| (*count, std::cmp::Reverse(*v)));
            let Some((common, _)) = best.filter(|(_, count)| *count > 1) else { return };
            let (mut inner, outer): (Vec<_>, Vec<_>) =
                products.drain(..).partition(|(_, factors)| factors.len() > 2 && factors.contains(&common));
            for (_, factors) in &mut inner {
                let at = factors.iter().position(|v| *v == common).unwrap_or_default();
                factors.remove(at);
            }
            *products = outer;
            let rest = self.variable(Polynomial { products: inner, ..Polynomial::default() });
            products.push((Fr::ONE, vec![common, rest]));
        }
    }

    fn product(&mut self, factor: Fr, mut factors: Vec<LinearCombination>, out: u32) {
        if let [a, b, c] = factors.as_slice() {
            let first = self.bilinear(Fr::ONE, a, b);
            factors = vec![vec![(self.variable(first), Fr::ONE)], c.clone()];
        }
        let polynomial = match factors.as_slice() {
            [a, b] => self.bilinear(factor, a, b),
            _ => Polynomial::product(factor, self.at_most(4, &factors)),
        };
        self.place(Sum { polynomial, tail: None }, Goal::Variable(out));
    }

    /// The product of two combinations that have one variable each, if need be one made for it.
    fn bilinear(&mut self, factor: Fr, a: &LinearCombination, b: &LinearCombination) -> Polynomial {
        let [(a0, a1, a), (b0, b1, b)] = [a, b].map(|lc| self.affine(lc));
        let mut polynomial = Polynomial::product(factor * a1 * b1, vec![a, b]);
        polynomial.constant = factor * a0 * b0;
        polynomial.add(a, factor * a1 * b0);
        polynomial.add(b, factor * a0 * b1);
        polynomial
    }

    /// `lc · variable = 1`.
    fn inverse(&mut self, lc: &LinearCombination, variable: u32) {
        let mut polynomial = Polynomial::product(Fr::ONE, vec![self.wire(lc), variable]);
        polynomial.constant = -Fr::ONE;
        self.place(Sum { polynomial, tail: None }, Goal::Zero);
    }

    /// Writes a sum where it fits.
    fn place(&mut self, mut sum: Sum, goal: Goal) {
        self.hoist(&mut sum.polynomial.products);
        match (sum.polynomial.bilinear(), sum.tail, goal) {
            (Some(half), None, Goal::Variable(out)) => self.pairs.push((half, out)),
            (Some(half), None, Goal::Zero) => {
                let zero = self.constant(Fr::ZERO);
                self.pairs.push((half, zero));
            }
            _ => {
                self.chain(sum, goal);
            }
        }
    }

    /// Rows that end with a combination in column 6 of the row after. Returns their block.
    fn begin(&mut self, lc: &LinearCombination) -> usize {
        let mut sum = self.expand(lc);
        self.hoist(&mut sum.polynomial.products);
        self.chain(sum, Goal::Next)
    }

    /// Writes a sum as rows of its own, after its tail. Returns their block.
    fn chain(&mut self, sum: Sum, goal: Goal) -> usize {
        let one = self.constant(Fr::ONE);
        let mut terms = Terms::from(sum.polynomial);
        let moves = terms.moves(matches!(goal, Goal::Variable(_)));
        for _ in 0..moves.halve {
            if let Some((c, first, last)) = terms.halve() {
                let two = self.variable(Polynomial::product(Fr::ONE, first));
                terms.short.push((c, vec![two, last]));
            }
        }
        for _ in 0..moves.name {
            let named = terms.name().map(|polynomial| self.variable(polynomial));
            terms.linear.extend(named.map(|variable| (variable, Fr::ONE)));
        }
        for _ in 0..moves.merge {
            let merged = terms.merge().map(|polynomial| self.variable(polynomial));
            terms.linear.extend(merged.map(|variable| (variable, Fr::ONE)));
        }
        if let Goal::Variable(variable) = goal {
            terms.linear.push((variable, -Fr::ONE));
        }
        let mut rows = terms.rows(one);
        if let [first, ..] = rows.as_mut_slice() {
            first.constants[6] = sum.tail.map_or(Fr::ZERO, |(_, c)| c);
        }
        if let ([.., last], Goal::Zero | Goal::Variable(_)) = (rows.as_mut_slice(), goal) {
            last.constants[7] = Fr::ZERO;
        }
        match sum.tail {
            Some((block, _)) => {
                self.blocks[block].extend(rows);
                block
            }
            None => {
                self.blocks.push(rows);
                self.blocks.len() - 1
            }
        }
    }

    /// Gives a round's result that waits in column 6 a wire.
    fn land(&mut self, variable: u32) {
        if let Some(block) = self.tails.remove(&variable) {
            let mut row = Row::new(Kind::Sum);
            (row.wires[4], row.constants[4], row.constants[6]) = (Some(variable), -Fr::ONE, Fr::ONE);
            self.blocks[block].push(row);
        }
    }

    fn round(&mut self, [claim, at_zero, minus_one, two, leading, r, x]: &[LinearCombination; 7], output: u32) {
        let wires = [at_zero, r, minus_one, two, leading, x].map(|lc| Some(self.wire(lc)));
        let previous = single(claim).and_then(|v| self.tails.remove(&v));
        let block = previous.unwrap_or_else(|| self.begin(claim));
        self.blocks[block].push(Row { wires, ..Row::new(Kind::Round) });
        self.tails.insert(output, block);
        if !self.used_once(output, Place::Summand) {
            self.land(output);
        }
    }

    fn permutation(&mut self, input: &[LinearCombination; WIDTH], output: [u32; WIDTH]) {
        let chained = self.sponge.filter(|(_, state)| self.continues(state, input));
        let zero = self.constant(Fr::ZERO);
        let (block, state, message, capacity) = match chained {
            Some((block, state)) => {
                let message: [u32; WIDTH] = std::array::from_fn(|i| {
                    let rest: LinearCombination = input[i].iter().filter(|(v, _)| *v != state[i]).copied().collect();
                    if i == 0 { zero } else { self.wire(&rest) }
                });
                (block, state, message, vec![(state[0], Fr::ONE)])
            }
            None => {
                self.close_sponge();
                let block = self.begin(&input[0]);
                let state = std::array::from_fn(|i| if i == 0 { zero } else { self.wire(&input[i]) });
                (block, state, [zero; WIDTH], input[0].clone())
            }
        };
        let added: Fr =
            if chained.is_some() { input[0].iter().filter(|(v, _)| *v == 0).map(|(_, c)| *c).sum() } else { Fr::ZERO };
        let row = self.blocks[block].len();
        for (i, (kind, constants)) in hash::constants().rows(added).into_iter().enumerate() {
            let mut wires = [None; WIRES];
            if i == 0 {
                wires = [state[1], state[2], state[3], state[4], message[1], message[2]].map(Some);
            } else if i == 1 {
                (wires[4], wires[5]) = (Some(message[3]), Some(message[4]));
            }
            self.blocks[block].push(Row { kind, constants, wires });
        }
        self.permutations.push((block, Permutation { row, capacity, input: input.clone() }));
        self.sponge = Some((block, output));
    }

    /// Whether a permutation's input is this state with something added, so that the rows can go on. The first element
    /// has no wire, so it must have no other use.
    fn continues(&self, state: &[u32; WIDTH], input: &[LinearCombination; WIDTH]) -> bool {
        let holds = |(lc, v): (&LinearCombination, &u32)| lc.contains(&(*v, Fr::ONE));
        let plain = input[0].iter().all(|(v, _)| *v == 0 || *v == state[0]);
        plain && self.uses[state[0] as usize].count == 1 && input.iter().zip(state).all(holds)
    }

    /// The row that the last permutation's result is in.
    fn close_sponge(&mut self) {
        if let Some((block, [capacity, rest @ ..])) = self.sponge.take() {
            let mut row = Row::new(Kind::Sum);
            (0..WIDTH - 1).for_each(|i| row.wires[i] = Some(rest[i]));
            (row.wires[4], row.constants[4], row.constants[6]) = (Some(capacity), -Fr::ONE, Fr::ONE);
            self.blocks[block].push(row);
        }
    }

    fn finish(mut self) -> Rows {
        self.close_sponge();
        // what nobody asked for must not reach into another block
        for block in std::mem::take(&mut self.tails).into_values() {
            self.blocks[block].push(Row::new(Kind::Sum));
        }
        let pairs = self.pairs.chunks(2).map(|halves| {
            let mut row = Row::new(Kind::Pair);
            for (i, (half, out)) in halves.iter().enumerate() {
                row.constants[4 * i..4 * i + 4].copy_from_slice(&half.coefficients);
                row.wires[3 * i..3 * i + 3].copy_from_slice(&[half.variables[0], half.variables[1], Some(*out)]);
            }
            row
        });
        let pairs: Vec<Row> = pairs.collect();
        let mut starts = Vec::with_capacity(self.blocks.len());
        let mut rows = Vec::new();
        for block in self.blocks {
            starts.push(rows.len());
            rows.extend(block);
        }
        rows.extend(pairs);
        let permutations = self
            .permutations
            .into_iter()
            .map(|(block, place)| Permutation { row: starts[block] + place.row, ..place })
            .collect();
        Rows { rows, variables: self.variables, added: self.added, permutations }
    }
}
