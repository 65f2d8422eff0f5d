//! The batch opening's functional: all claims on `G` joined into `Σ_x G(x)·L(x) = v`.
//!
//! [`build`] is the one place where the protocol's linear claims are written down; the verifier and the circuit
//! evaluate the result at a point, the prover lays it out over the hypercube. `docs/protocol.md` sections 3, 5, 6, 7.

#![allow(
    clippy::indexing_slicing,
    reason = "places follow from the shape, and lengths of proofs were checked against it"
)]

use super::axis::{Axis, CarryWalk};
use super::eq::{eq, eq_first, eq_index, eq_table};
use super::products::{Place, Product, products};
use super::runs::Powers;
use super::{Challenges, powers, table};
use crate::Fr;
use crate::clamps::Rails;
use crate::layout::{Block, LeafKind};
use crate::model::Index;
use crate::scalar::{Scalar, int, integer, power_of_two, sum};
use crate::shape::Shape;
use crate::system::{ColumnId, Equation, Lookup, Summand, TableId, View};
use std::collections::BTreeMap;
use std::slice;

/// A summand of `L`, nonzero on one block only.
#[derive(Clone, Debug)]
pub enum FunctionalTerm<S> {
    /// `coefficient · eq(u[..log_size], ·)`, `u` the lookup argument's point.
    Leaf {
        /// Where.
        block: Block,
        /// The factor.
        coefficient: S,
    },
    /// `coefficient · eq(point, ·)`.
    Eq {
        /// Where.
        block: Block,
        /// The factor, of each tile.
        coefficients: Vec<S>,
        /// As many coordinates as the block has.
        point: Vec<S>,
    },
    /// `coefficient · Π_r axes_r[number of the run r] · eq(inferences, ·)`.
    Tensor {
        /// Where.
        block: Block,
        /// The factor, of each tile.
        coefficients: Vec<S>,
        /// By run of the cells' bits, the lowest first.
        axes: Vec<Axis<S>>,
        /// As many coordinates as number inferences.
        inferences: Vec<S>,
    },
    /// `coefficient` times powers at cells of an inference, times powers for inferences.
    Powers {
        /// Where.
        block: Block,
        /// The factor.
        coefficient: S,
        /// By the cells of an inference.
        cells: Powers<S>,
        /// By inferences.
        inferences: Powers<S>,
    },
    /// `coefficient` at the rows of a saturating table's rails that count and whose limb is not 0.
    Rails {
        /// The table's multiplicities.
        block: Block,
        /// The factor.
        coefficient: S,
        /// The rails.
        rails: Rails,
    },
}

/// `L` and `v`.
pub struct Functional<S> {
    /// Summands of `L`.
    pub terms: Vec<FunctionalTerm<S>>,
    /// `v`.
    pub target: S,
}

struct Builder<'a, S> {
    shape: &'a Shape,
    challenges: &'a Challenges<S>,
    /// Coefficients of the leaf point's terms, joined per block.
    leaves: BTreeMap<Block, S>,
    terms: Vec<FunctionalTerm<S>>,
    target: S,
}

/// The prover's values that the claims are about.
pub struct Claimed<'a, S> {
    /// `V`, of the product sumcheck.
    pub product_sum: &'a S,
    /// Its evaluations.
    pub product_evaluations: &'a [[S; 2]],
    /// `Σ_i δ^i (y_i + 2^15) + δ^n N` over the `n` output cells of all inferences, `N` the number of clamps.
    pub output_sum: &'a S,
}

/// Joins all claims.
pub fn build<S: Scalar>(shape: &Shape, challenges: &Challenges<S>, claimed: &Claimed<'_, S>) -> Functional<S> {
    let mut builder = Builder { shape, challenges, leaves: BTreeMap::new(), terms: Vec::new(), target: S::zero() };
    let evaluations = claimed.product_evaluations;
    let delta = powers(&challenges.delta, 4 + 2 * evaluations.len());
    builder.lookup_claims(&delta[1]);
    builder.equation_claims(&delta[2], claimed.product_sum);
    builder.product_claims(&delta[3..], evaluations);
    builder.output_claims(&delta[3 + 2 * evaluations.len()], claimed.output_sum);
    let leaves = builder.leaves.into_iter().map(|(block, coefficient)| FunctionalTerm::Leaf { block, coefficient });
    Functional { terms: leaves.chain(builder.terms).collect(), target: builder.target }
}

impl<S: Scalar> Builder<'_, S> {
    fn leaf(&mut self, block: Block, coefficient: S) {
        let sum = self.leaves.entry(block).or_insert_with(S::zero);
        *sum = sum.clone() + coefficient;
    }

    fn leaf_of(&mut self, column: ColumnId, coefficient: S) {
        self.leaf(self.shape.layout.block(column), coefficient);
    }

    /// The numerators' claim (times 1) and the denominators' (times `delta`).
    fn lookup_claims(&mut self, delta: &S) {
        let (shape, challenges) = (self.shape, self.challenges);
        let u = &challenges.leaves.point;
        let gamma = powers(&challenges.gamma, 4);
        let mut numerator = S::zero();
        // Unused leaves are 0/1.
        let mut denominator = S::one();
        for (kind, block) in &shape.layout.leaves {
            let low = &u[..block.log_size as usize];
            let e = eq_index(&u[block.log_size as usize..], block.offset >> block.log_size).seal();
            let leaf = Leaf { e: &e, delta, gamma: &gamma, beta: &challenges.beta };
            match kind {
                LeafKind::Rows(table) => denominator = denominator + self.rows(*table, &leaf, low) - &e,
                LeafKind::Lookup(index) => {
                    denominator = denominator + self.lookup(&shape.system.lookups[*index], &leaf, low);
                    numerator = numerator + &e;
                }
            }
        }
        let numerator = numerator.keep();
        let denominator = denominator - &numerator;
        let leaves = &challenges.leaves;
        self.target =
            self.target.clone() + &leaves.numerator - numerator + (leaves.denominator.clone() - denominator) * delta;
    }

    /// Adds the columns of one block of lookups to `L` and returns the public part of its denominators.
    fn lookup(&mut self, lookup: &Lookup, leaf: &Leaf<'_, S>, low: &[S]) -> S {
        for (i, column) in lookup.keys.iter().enumerate() {
            if let Some(column) = column {
                self.leaf_of(*column, leaf.column(i + 1));
            }
        }
        if let Some((column, bits)) = lookup.row {
            self.row_of(column, bits, leaf.column(2), low);
        }
        let offset = if lookup.offset == 0 { S::zero() } else { leaf.gamma[1].times(int(lookup.offset)) };
        leaf.public(self.tag(lookup.table), offset)
    }

    /// Adds the committed columns of a table to `L` and returns the public part of its denominators.
    fn rows(&mut self, id: TableId, leaf: &Leaf<'_, S>, low: &[S]) -> S {
        let (architecture, system) = (&self.shape.architecture, &self.shape.system);
        match id {
            TableId::Activation(index) => {
                let index = index as usize;
                self.leaf_of(system.table_counts[index], -leaf.e.clone());
                let row = table::evaluate(&architecture.tables[index], low);
                let mut key = row.q * &leaf.gamma[1] + row.v * &leaf.gamma[3];
                match (row.y, system.functions[index]) {
                    (Some(y), _) => key = key + y * &leaf.gamma[2],
                    (None, Some(function)) => self.leaf_of(function, leaf.column(2)),
                    (None, None) => {}
                }
                leaf.public(self.tag(id), key)
            }
            TableId::Range(index) => {
                self.leaf_of(system.range_counts[index as usize], -leaf.e.clone());
                leaf.public(self.tag(id), super::eq::index(low) * &leaf.gamma[1])
            }
            TableId::Rows(index) => {
                let table = system.row_tables[index as usize];
                self.leaf_of(system.row_counts[index as usize], -leaf.e.clone());
                // rows that the block has no cells for are zeros
                let rows = usize::from(system.column(table.matrix).log_size - table.bits);
                let inside = S::product(low[rows..].iter().map(|u| S::one() - u).collect());
                self.row_of(table.matrix, table.bits, leaf.column(2) * &inside, &low[..rows]);
                let sign = low[usize::from(table.index_bits) - 1].times(power_of_two(table.index_bits.into()));
                leaf.public(self.tag(id), (super::eq::index(low) - sign) * &leaf.gamma[1])
            }
        }
    }

    /// Adds rows of `2^bits` cells, each combined by `eq(r, ·)` and then all of them by `eq(u, ·)`.
    fn row_of(&mut self, column: ColumnId, bits: u8, coefficient: S, u: &[S]) {
        let axes = [&self.challenges.row[..bits.into()], u].map(|point| Axis::Point(point.to_vec()));
        self.push(column, coefficient, axes.into(), Vec::new());
    }

    fn tag(&self, table: TableId) -> Fr {
        Fr::from(1 + self.shape.system.table_number(table) as u64)
    }

    /// `Σ_e λ^e (Σ linear summands + constant) = -V`, times `delta`.
    fn equation_claims(&mut self, delta: &S, product_sum: &S) {
        let (shape, challenges) = (self.shape, self.challenges);
        self.target = self.target.clone() - product_sum.clone() * delta;
        let weights = powers(&challenges.lambda, shape.system.equations.len());
        for (equation, weight) in shape.system.equations.iter().zip(&weights) {
            let weight = (weight.clone() * delta).seal();
            if equation.constant != 0 {
                self.target = self.target.clone() - weight.times(integer(equation.constant));
            }
            for summand in equation.summands.iter().filter(|summand| summand.right.is_none()) {
                let coefficient = weight.times(integer(summand.coefficient));
                if follows_cells(equation, summand) && shape.system.cut(summand.left.column).is_none() {
                    self.leaf_of(summand.left.column, coefficient);
                } else {
                    let places = Place::of_outputs(summand, equation.log_size);
                    self.view(&summand.left, coefficient, &places, &[], equation.log_size);
                }
            }
        }
    }

    /// Adds the claim on a column that is read through runs. `s` is the product sumcheck's point, from the product's
    /// first variable on.
    fn view(&mut self, view: &View, coefficient: S, places: &[Place], s: &[S], log_size: u8) {
        let (shape, u) = (self.shape, &self.challenges.leaves.point);
        let inferences = match places.last() {
            Some(Place::Inferences(range)) if shape.system.column(view.column).is_batched() => {
                s[range.clone()].to_vec()
            }
            _ if shape.system.column(view.column).is_batched() => {
                u[usize::from(log_size)..][..shape.batch.log_len() as usize].to_vec()
            }
            _ => Vec::new(),
        };
        let axes: Vec<Axis<S>> =
            view.runs.iter().map(|run| run_axis(&run.index, run.log_len.into(), places, u, s)).collect();
        self.push(view.column, coefficient, axes, inferences);
    }

    /// Adds `coefficient · Π_r axes_r[number of the run r] · eq(inferences, ·)` on a column.
    fn push(&mut self, column: ColumnId, coefficient: S, axes: Vec<Axis<S>>, inferences: Vec<S>) {
        let block = self.shape.layout.block(column);
        let Some(cut) = self.shape.system.cut(column) else {
            self.terms.push(FunctionalTerm::on_runs(block, vec![coefficient], axes, inferences));
            return;
        };
        // what a run is weighted with is the product of that at the bits of its cuts, which a tile has in common, and
        // that at the others
        let (mut coefficients, mut start) = (vec![coefficient], 0);
        let mut within = |axis: Axis<S>| {
            let first = start;
            start += axis.log_len();
            let Axis::Point(point) = axis else { return axis };
            for of in cut.cuts_within(first, point.len() as u32) {
                let point = &point[(u32::from(of.bit) - first) as usize..][..of.bits.into()];
                let numbers = eq_first(point, of.len as usize);
                coefficients =
                    numbers.iter().flat_map(|number| coefficients.iter().map(move |of| of.clone() * number)).collect();
            }
            let free = point.into_iter().zip(first..).filter(|(_, bit)| !cut.is_cut(*bit));
            Axis::Point(free.map(|(coordinate, _)| coordinate).collect())
        };
        let axes: Vec<Axis<S>> = axes.into_iter().map(&mut within).collect();
        self.terms.push(FunctionalTerm::on_runs(block, coefficients, axes, inferences));
    }

    /// The output cells of all inferences and the number of clamps, joined by powers of `δ`, times `first`.
    fn output_claims(&mut self, first: &S, output_sum: &S) {
        let (shape, delta) = (self.shape, &self.challenges.delta);
        let outputs = &shape.architecture.outputs;
        let cells: Vec<Powers<S>> =
            outputs.iter().map(|output| Powers::new(output.cells.iter().map(|cell| *cell as usize), delta)).collect();
        // an inference's outputs follow each other
        let firsts: Vec<S> =
            cells.iter().scan(S::one(), |at, cells| Some(std::mem::replace(at, at.clone() * cells.next()))).collect();
        let all = cells.iter().fold(S::one(), |at, cells| at * cells.next());
        let inferences = Powers::new(0..shape.batch.inferences(), &all);
        let total = sum(cells.iter().zip(&firsts).map(|(cells, first)| cells.total() * first).collect());
        let half = (total * inferences.total()).times(power_of_two(15));
        self.target = self.target.clone() + (output_sum.clone() - half) * first;
        for ((output, cells), at) in outputs.iter().zip(cells).zip(firsts) {
            let block = shape.layout.block(shape.system.source(output.source));
            let coefficient = first.clone() * at;
            self.terms.push(FunctionalTerm::Powers { block, coefficient, cells, inferences: inferences.clone() });
        }
        let coefficient = first.clone() * inferences.next();
        for (counts, rails) in
            shape.system.table_counts.iter().zip(&shape.system.rails).filter(|(_, rails)| rails.any())
        {
            let block = shape.layout.block(*counts);
            self.terms.push(FunctionalTerm::Rails { block, coefficient: coefficient.clone(), rails: *rails });
        }
    }

    /// The product sumcheck's evaluations of both operands of each product.
    fn product_claims(&mut self, delta: &[S], evaluations: &[[S; 2]]) {
        let challenges = self.challenges;
        for ((product, values), delta) in
            products(&self.shape.system, self.shape.batch).all.iter().zip(evaluations).zip(delta.chunks(2))
        {
            let s = &challenges.product_point[challenges.product_point.len() - product.variables..];
            let Product { log_size, places, left, right, .. } = product;
            for ((view, value), delta) in [left, right].into_iter().zip(values).zip(delta) {
                self.target = self.target.clone() + value.clone() * delta;
                self.view(view, delta.clone(), places, s, *log_size);
            }
        }
    }
}

/// Whether a summand reads its column cell by cell.
fn follows_cells(equation: &Equation, summand: &Summand) -> bool {
    let mut at = 0;
    let places = Place::of_outputs(summand, equation.log_size);
    let next = |index: &Index| match index {
        Index::Axis(axis) => match &places[usize::from(*axis)] {
            Place::Output(range) if range.start == at => {
                at = range.end;
                true
            }
            _ => false,
        },
        _ => false,
    };
    summand.left.runs.iter().map(|run| &run.index).all(next) && at == usize::from(equation.log_size)
}

/// What a run's numbers are weighted with.
fn run_axis<S: Scalar>(index: &Index, log_len: u32, places: &[Place], u: &[S], s: &[S]) -> Axis<S> {
    let place = |axis: &u8| &places[usize::from(*axis)];
    match index {
        Index::Axis(axis) => Axis::Point(place(axis).coordinates(u, s).to_vec()),
        Index::Map { axis, entries } => Axis::map(entries, axis.as_ref().map(place), u, s, log_len),
        Index::Window { out, kernel, window } => Axis::window(window, place(out), place(kernel), u, s, log_len),
    }
}

/// What the blocks of leaves share.
struct Leaf<'a, S> {
    e: &'a S,
    delta: &'a S,
    gamma: &'a [S],
    beta: &'a S,
}

impl<S: Scalar> Leaf<'_, S> {
    /// The coefficient in `L` of a lookup's column: the denominator is `β - tag - Σ γ^i c_i`.
    fn column(&self, i: usize) -> S {
        -(self.e.clone() * self.delta * &self.gamma[i])
    }

    /// `e · (β - tag - key)`.
    fn public(&self, tag: Fr, key: S) -> S {
        (self.beta.clone() - S::constant(tag) - key) * self.e
    }
}

impl<S> FunctionalTerm<S> {
    /// `coefficient · Π_r axes_r[number of the run r] · eq(inferences, ·)`, with a coefficient for each tile.
    fn on_runs(block: Block, coefficients: Vec<S>, axes: Vec<Axis<S>>, inferences: Vec<S>) -> Self {
        if !axes.iter().all(|axis| matches!(axis, Axis::Point(_))) {
            return Self::Tensor { block, coefficients, axes, inferences };
        }
        let points = axes.into_iter().filter_map(|axis| if let Axis::Point(point) = axis { Some(point) } else { None });
        Self::Eq { block, coefficients, point: points.flatten().chain(inferences).collect() }
    }

    /// The block outside which the term is zero.
    pub fn block(&self) -> Block {
        match self {
            Self::Leaf { block, .. } | Self::Eq { block, .. } | Self::Tensor { block, .. } => *block,
            Self::Powers { block, .. } | Self::Rails { block, .. } => *block,
        }
    }

    /// The factor of each tile of the block.
    pub fn coefficients(&self) -> &[S] {
        match self {
            Self::Eq { coefficients, .. } | Self::Tensor { coefficients, .. } => coefficients,
            Self::Leaf { coefficient, .. } | Self::Powers { coefficient, .. } | Self::Rails { coefficient, .. } => {
                slice::from_ref(coefficient)
            }
        }
    }
}

impl<S: Scalar> Functional<S> {
    /// `L(point)`; `u` is the lookup argument's point.
    pub fn evaluate(&self, u: &[S], point: &[S]) -> S {
        let mut prefixes = vec![S::one()];
        for (a, b) in u.iter().zip(point) {
            let last = prefixes[prefixes.len() - 1].clone();
            prefixes.push(last * super::eq::eq_bit(a, b));
        }
        let mut tables = Tables { point, made: BTreeMap::new(), walk: CarryWalk::new(u, point) };
        let mut terms = Vec::with_capacity(self.terms.len());
        for term in &self.terms {
            let block = term.block();
            let (own, fixed, number) = block.coordinates(point);
            let (coefficient, place) = match term.coefficients() {
                [coefficient] => (coefficient.clone(), eq_index(&fixed, number)),
                by_tile => (S::one(), tables.tiles(by_tile, own.len(), number)),
            };
            let value = match term {
                FunctionalTerm::Leaf { .. } if block.gap == 0 => prefixes[own.len()].clone() * coefficient,
                FunctionalTerm::Leaf { .. } => eq(&own, u) * coefficient,
                FunctionalTerm::Eq { point, .. } => eq(point, &own) * coefficient,
                FunctionalTerm::Tensor { axes, inferences, .. } => {
                    let mut start = 0;
                    let mut value = eq(inferences, &own[block.log_item as usize..]) * coefficient;
                    for axis in axes {
                        value = value * tables.extend(axis, start);
                        start += axis.log_len() as usize;
                    }
                    value
                }
                FunctionalTerm::Powers { cells, inferences, .. } => {
                    let (item, batch) = own.split_at(block.log_item as usize);
                    cells.evaluate(item) * inferences.evaluate(batch) * coefficient
                }
                FunctionalTerm::Rails { rails, .. } => table::rails(*rails, &own) * coefficient,
            };
            terms.push(value * place);
        }
        sum(terms)
    }
}

/// What terms have in common at one point.
struct Tables<'a, S> {
    point: &'a [S],
    /// `eq` tables of stretches of the point.
    made: BTreeMap<(usize, usize), Vec<S>>,
    walk: CarryWalk<'a, S>,
}

impl<S: Scalar> Tables<'_, S> {
    fn get(&mut self, start: usize, len: usize) -> &[S] {
        self.made.entry((start, len)).or_insert_with(|| eq_table(&self.point[start..start + len]))
    }

    /// `Σ_i coefficients[i] · eq(·, first + i)` at the coordinates from `start` on.
    fn tiles(&mut self, coefficients: &[S], start: usize, first: usize) -> S {
        let above = &self.point[start..];
        if coefficients.len() * above.len() < 1 << above.len() {
            return sum(coefficients
                .iter()
                .zip(first..)
                .map(|(coefficient, tile)| eq_index(above, tile) * coefficient)
                .collect());
        }
        let len = above.len();
        dot(coefficients, &self.get(start, len)[first..])
    }

    /// An axis whose coordinates are those from `start` on.
    fn extend(&mut self, axis: &Axis<S>, start: usize) -> S {
        match axis {
            Axis::Point(point) => eq(point, &self.point[start..]),
            Axis::Table(table) => dot(table, self.get(start, axis.log_len() as usize)),
            Axis::Shifts(shifts) => self.walk.evaluate(shifts, start),
            Axis::First(first) => first.evaluate(&self.point[start..]),
        }
    }
}

fn dot<S: Scalar>(a: &[S], b: &[S]) -> S {
    sum(a.iter().zip(b).map(|(a, b)| a.clone() * b).collect())
}
