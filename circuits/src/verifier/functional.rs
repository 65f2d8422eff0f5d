//! The batch opening's functional: all claims on `G` joined into `Σ_x G(x)·L(x) = v`.
//!
//! [`build`] is the one place where the protocol's linear claims are written down; the verifier and the circuit evaluate the result at a
//! point, the prover lays it out over the hypercube. `docs/protocol.md` sections 3, 5, 6, 7.

use super::axis::{Axis, CarryWalk};
use super::eq::{eq, eq_index, eq_table};
use super::runs::Powers;
use super::{Challenges, powers, products, table};
use crate::Fr;
use crate::batch::Batch;
use crate::layout::{Block, LeafKind};
use crate::model::{Dims, Term};
use crate::scalar::{Scalar, int, power_of_two, sum};
use crate::shape::Shape;
use std::collections::BTreeMap;
use std::ops::Range;

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
        /// The factor.
        coefficient: S,
        /// As many coordinates as the block has.
        point: Vec<S>,
    },
    /// `coefficient · eq(channels, c) · rows[h] · columns[w]`.
    Tensor {
        /// Where.
        block: Block,
        /// The factor.
        coefficient: S,
        /// A point of the coordinates of channels and, above them, of inferences.
        channels: Vec<S>,
        /// Of the height's coordinates.
        rows: Axis<S>,
        /// Of the width's.
        columns: Axis<S>,
    },
    /// A value per listed cell of an inference, times `eq(inferences, ·)`.
    Cells {
        /// Where.
        block: Block,
        /// `(cell of an inference, value)`.
        cells: Vec<(usize, S)>,
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
    /// `Σ_i δ^i (y_i + 2^15)` over the output cells of all inferences.
    pub output_sum: &'a S,
}

/// Joins all claims.
pub fn build<S: Scalar>(shape: &Shape, challenges: &Challenges<S>, claimed: &Claimed<'_, S>) -> Functional<S> {
    let mut builder = Builder { shape, challenges, leaves: BTreeMap::new(), terms: Vec::new(), target: S::zero() };
    let evaluations = claimed.product_evaluations;
    let delta = powers(&challenges.delta, 4 + 2 * evaluations.len());
    builder.lookup_claims(&delta[1]);
    builder.layer_claims(&delta[2], claimed.product_sum);
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
            denominator = denominator + self.leaf_block(*kind, &leaf, low);
            if matches!(kind, LeafKind::Table { .. } | LeafKind::Range { .. }) {
                denominator = denominator - &e;
            } else {
                numerator = numerator + &e;
            }
        }
        let numerator = numerator.keep();
        let denominator = denominator - &numerator;
        let leaves = &challenges.leaves;
        self.target = self.target.clone() + &leaves.numerator - numerator + (leaves.denominator.clone() - denominator) * delta;
    }

    /// Adds the committed parts of one block of leaves to `L` and returns the public part of its denominators.
    fn leaf_block(&mut self, kind: LeafKind, leaf: &Leaf<'_, S>, low: &[S]) -> S {
        let shape = self.shape;
        match kind {
            LeafKind::Activation { layer, limb } => {
                let blocks = &shape.layout.layers[layer];
                self.leaf(blocks.q, leaf.column(1));
                self.leaf(blocks.y.unwrap_or(blocks.q), leaf.column(2));
                if let Some(v) = blocks.limbs.get(limb) {
                    self.leaf(*v, leaf.column(3));
                }
                leaf.public(self.table_tag(shape.architecture.layers[layer].table as usize), S::zero())
            }
            LeafKind::Remainder { layer } => {
                if let Some(rem) = shape.layout.layers[layer].rem {
                    self.leaf(rem, leaf.column(1));
                }
                let range = shape.layout.range_index(u32::from(shape.architecture.layers[layer].shift));
                leaf.public(self.range_tag(range), S::zero())
            }
            LeafKind::Input => {
                let bits = u32::from(shape.architecture.input.bits);
                self.leaf(shape.layout.input, leaf.column(1));
                let offset = leaf.gamma[1].times(power_of_two(bits - 1));
                leaf.public(self.range_tag(shape.layout.range_index(bits)), offset)
            }
            LeafKind::Table { table: index } => {
                let blocks = shape.layout.tables[index];
                self.leaf(blocks.multiplicity, -leaf.e.clone());
                let row = table::evaluate(&shape.architecture.tables[index], low);
                let mut key = row.q * &leaf.gamma[1] + row.v * &leaf.gamma[3];
                match (row.y, blocks.function) {
                    (Some(y), _) => key = key + y * &leaf.gamma[2],
                    (None, Some(function)) => self.leaf(function, leaf.column(2)),
                    (None, None) => {}
                }
                leaf.public(self.table_tag(index), key)
            }
            LeafKind::Range { range } => {
                self.leaf(shape.layout.ranges[range].multiplicity, -leaf.e.clone());
                leaf.public(self.range_tag(range), super::eq::index(low) * &leaf.gamma[1])
            }
        }
    }

    fn table_tag(&self, table: usize) -> Fr {
        Fr::from(1 + table as u64)
    }

    fn range_tag(&self, range: usize) -> Fr {
        Fr::from(1 + (self.shape.architecture.tables.len() + range) as u64)
    }

    /// `Σ_l λ^l (2^shift (q + over) + rem - half - bias - public terms) = V`, times `delta`.
    fn layer_claims(&mut self, delta: &S, product_sum: &S) {
        let (shape, challenges) = (self.shape, self.challenges);
        let u = &challenges.leaves.point;
        self.target = self.target.clone() + product_sum.clone() * delta;
        let weights = powers(&challenges.lambda, shape.architecture.layers.len());
        for ((layer, blocks), weight) in shape.architecture.layers.iter().zip(&shape.layout.layers).zip(&weights) {
            let weight = (weight.clone() * delta).seal();
            let shift = u32::from(layer.shift);
            self.leaf(blocks.q, weight.times(power_of_two(shift)));
            let limb_bits = shape.architecture.tables[layer.table as usize].limb_bits();
            for (j, limb) in blocks.limbs.iter().enumerate() {
                self.leaf(*limb, weight.times(power_of_two(shift + limb_bits * j as u32)));
            }
            if let Some(rem) = blocks.rem {
                self.leaf(rem, weight.clone());
                self.target = self.target.clone() + weight.times(power_of_two(shift - 1));
            }
            if let Some(bias) = blocks.bias {
                let [.., u_c, _] = split(u, layer.dims, shape.batch);
                self.terms.push(FunctionalTerm::Eq { block: bias, coefficient: -weight.clone(), point: u_c.to_vec() });
            }
            for term in &layer.terms {
                self.public_term(term, layer.dims, &weight);
            }
        }
    }

    fn public_term(&mut self, term: &Term, dims: Dims, weight: &S) {
        let u = &self.challenges.leaves.point;
        let [_, _, u_c, u_b] = split(u, dims, self.shape.batch);
        let block = self.shape.layout.column(term.source());
        let Some(source) = self.shape.architecture.dims(term.source()) else { return };
        match term {
            Term::Dense { .. } | Term::Conv { .. } => {}
            Term::Stencil { rows, cols, .. } => {
                let [width, height] = plane(dims);
                self.terms.push(FunctionalTerm::Tensor {
                    block,
                    coefficient: -weight.clone(),
                    channels: [u_c, u_b].concat(),
                    rows: Axis::stencil(rows, u, height, source.log_height()),
                    columns: Axis::stencil(cols, u, width, source.log_width()),
                });
            }
            Term::Gather { coefficient, pairs, .. } => {
                let e = eq_table(&u[..dims.log_size() as usize]);
                let factor = -weight.times(int(i64::from(*coefficient)));
                let cell = |(to, from): &(u32, u32)| (*from as usize, e[*to as usize].clone() * &factor);
                self.terms.push(FunctionalTerm::Cells { block, cells: pairs.iter().map(cell).collect(), inferences: u_b.to_vec() });
            }
        }
    }

    /// The output cells of all inferences, joined by powers of `δ`, times `first`.
    fn output_claims(&mut self, first: &S, output_sum: &S) {
        let description = &self.shape.architecture.output;
        let cells = Powers::new(description.cells.iter().map(|cell| *cell as usize), &self.challenges.delta);
        let inferences = Powers::new(0..self.shape.batch.inferences(), cells.next());
        let half = (cells.total() * inferences.total()).times(power_of_two(15));
        self.target = self.target.clone() + (output_sum.clone() - half) * first;
        let block = self.shape.layout.column(description.source);
        self.terms.push(FunctionalTerm::Powers { block, coefficient: first.clone(), cells, inferences });
    }

    /// The product sumcheck's evaluations of weights and activations.
    fn product_claims(&mut self, delta: &[S], evaluations: &[[S; 2]]) {
        let (shape, challenges) = (self.shape, self.challenges);
        let products = products(shape);
        for ((product, values), delta) in products.iter().zip(evaluations).zip(delta.chunks(2)) {
            let layer = &shape.architecture.layers[product.layer];
            let s = &challenges.product_point[challenges.product_point.len() - product.variables..];
            let u = &challenges.leaves.point;
            let [_, _, u_c, u_b] = split(u, layer.dims, shape.batch);
            for (value, delta) in values.iter().zip(delta) {
                self.target = self.target.clone() + value.clone() * delta;
            }
            let point = s.iter().chain(u_c).cloned().collect();
            self.terms.push(FunctionalTerm::Eq { block: product.weights, coefficient: delta[0].clone(), point });
            let term = &layer.terms[product.term];
            let (block, coefficient) = (shape.layout.column(term.source()), delta[1].clone());
            let Some(source) = shape.architecture.dims(term.source()) else { continue };
            self.terms.push(match term {
                Term::Conv { window, .. } => {
                    let (k_w, rest) = s.split_at(window.log_width() as usize);
                    let (k_h, channels) = rest.split_at(window.log_height() as usize);
                    let [width, height] = plane(layer.dims);
                    let rows = Axis::window(window, 0, [layer.dims.height, source.height], u, height, k_h, source.log_height());
                    let columns = Axis::window(window, 1, [layer.dims.width, source.width], u, width, k_w, source.log_width());
                    FunctionalTerm::Tensor { block, coefficient, channels: [channels, u_b].concat(), rows, columns }
                }
                _ => FunctionalTerm::Eq { block, coefficient, point: [s, u_b].concat() },
            });
        }
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

/// The coordinates of width, height, channels and inferences of a column of these dimensions, the first of a longer point.
pub fn split<S>(point: &[S], dims: Dims, batch: Batch) -> [&[S]; 4] {
    let (w, rest) = point.split_at(dims.log_width() as usize);
    let (h, rest) = rest.split_at(dims.log_height() as usize);
    let (c, rest) = rest.split_at(dims.log_channels() as usize);
    [w, h, c, &rest[..batch.log_len() as usize]]
}

/// Which coordinates of a point are those of width and height.
fn plane(dims: Dims) -> [Range<usize>; 2] {
    let width = dims.log_width() as usize;
    [0..width, width..width + dims.log_height() as usize]
}

impl<S> FunctionalTerm<S> {
    /// The block outside which the term is zero.
    pub fn block(&self) -> Block {
        match self {
            Self::Leaf { block, .. } | Self::Eq { block, .. } | Self::Tensor { block, .. } => *block,
            Self::Cells { block, .. } | Self::Powers { block, .. } => *block,
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
            let place = eq_index(&fixed, number);
            let value = match term {
                FunctionalTerm::Leaf { coefficient, .. } if block.gap == 0 => prefixes[own.len()].clone() * coefficient,
                FunctionalTerm::Leaf { coefficient, .. } => eq(&own, u) * coefficient,
                FunctionalTerm::Eq { coefficient, point, .. } => eq(point, &own) * coefficient,
                FunctionalTerm::Tensor { coefficient, channels, rows, columns, .. } => {
                    let (log_w, log_h) = (columns.log_len() as usize, rows.log_len() as usize);
                    let row = tables.extend(rows, log_w);
                    let column = tables.extend(columns, 0);
                    eq(channels, &own[log_w + log_h..]) * coefficient * row * column
                }
                FunctionalTerm::Cells { cells, inferences, .. } => {
                    let batch = eq(inferences, &own[block.log_item as usize..]);
                    let e = tables.get(0, block.log_item as usize);
                    sum(cells.iter().map(|(cell, value)| e[*cell].clone() * value).collect()) * batch
                }
                FunctionalTerm::Powers { coefficient, cells, inferences, .. } => {
                    let (item, batch) = own.split_at(block.log_item as usize);
                    cells.evaluate(item) * inferences.evaluate(batch) * coefficient
                }
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

    /// An axis whose coordinates are those from `start` on.
    fn extend(&mut self, axis: &Axis<S>, start: usize) -> S {
        match axis {
            Axis::Table(table) => dot(table, self.get(start, axis.log_len() as usize)),
            Axis::Shifts(shifts) => self.walk.evaluate(shifts, start),
        }
    }
}

fn dot<S: Scalar>(a: &[S], b: &[S]) -> S {
    sum(a.iter().zip(b).map(|(a, b)| a.clone() * b).collect())
}
