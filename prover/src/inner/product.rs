//! The product sumcheck over all equations, prover's side: `Σ_e λ^e Σ_products coefficient · Σ_y eq(u_b,
//! y_b)·P(y)·Q(y)`.

use super::operand::{Numbers, table};
use super::region::Cells;
use super::tiles;
use crate::poly::{add, bind, eq_table, eq_tables, product_message, weighted_sums};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::exec::Trace;
use assay_circuits::model::Index;
use assay_circuits::scalar::integer;
use assay_circuits::shape::Shape;
use assay_circuits::system::View;
use assay_circuits::transcript::Transcript;
use assay_circuits::verifier::eq::eq_bit;
use assay_circuits::verifier::{Place, Product, products, repetition};
use rayon::prelude::*;

/// One summand, partially bound.
struct Summand {
    /// `λ^e · coefficient` times the scaling for the rounds that it sits out.
    coefficient: Fr,
    sum: Fr,
    left: Vec<Fr>,
    right: Vec<Fr>,
    batch: Batch,
    /// The sums that the first round needs, where the total needed them before.
    known: Option<[Fr; 3]>,
    variables: usize,
}

/// The factor `eq(u_b, ·)` over the batch axes, which are the highest variables.
struct Batch {
    /// `u_b`.
    point: Vec<Fr>,
    /// `eq(point[i..], ·)` for each `i`.
    tables: Vec<Vec<Fr>>,
    /// How many of its variables are bound.
    bound: usize,
    /// The factor of those.
    scale: Fr,
}

/// The messages of the sumcheck.
pub struct Products {
    /// `V`.
    pub sum: Fr,
    /// One message per round.
    pub rounds: Vec<Vec<Fr>>,
    /// Both operands of each summand at the final point.
    pub evaluations: Vec<[Fr; 2]>,
    /// The final point.
    pub point: Vec<Fr>,
}

/// Proves it. `u` is the lookup argument's point, `lambda` joins equations.
pub fn prove(
    shape: &Shape,
    cells: &Cells<'_>,
    trace: &Trace,
    u: &[Fr],
    lambda: Fr,
    transcript: &mut Transcript<Fr>,
) -> Products {
    let all = products(&shape.system, shape.batch);
    let powers: Vec<Fr> =
        std::iter::successors(Some(Fr::ONE), |p| Some(*p * lambda)).take(shape.system.equations.len()).collect();
    let make = |product: &Product| {
        Summand::new(product, powers[product.equation], |view| operand(shape, cells, trace, product, view, u), u)
    };
    let mut summands: Vec<Summand> = all.all.par_iter().map(make).collect();
    let total = all.rounds();
    let sum = summands.iter().map(|s| s.coefficient * s.sum).sum();
    transcript.absorb(&sum);
    for s in &mut summands {
        s.coefficient *= repetition(total, s.variables);
    }
    let (mut rounds, mut point) = (Vec::with_capacity(total), Vec::with_capacity(total));
    for round in 0..total {
        let left = total - round;
        let mut message = [Fr::ZERO; 3];
        for s in &mut summands {
            if s.variables < left {
                // Not begun: the summand is constant in this variable and in the others before its first.
                let copies = Fr::from(2u64).pow([(left - 1 - s.variables) as u64]);
                message[0] += s.coefficient * s.sum * copies;
            } else {
                message.iter_mut().zip(s.message()).for_each(|(sum, value)| *sum += s.coefficient * value);
            }
        }
        let message = message[..all.degree].to_vec();
        transcript.absorb_all(&message);
        let x = transcript.challenge();
        summands.iter_mut().filter(|s| s.variables >= left).for_each(|s| s.bind(&x));
        rounds.push(message);
        point.push(x);
    }
    let evaluations: Vec<[Fr; 2]> = summands.iter().map(|s| [s.left[0], s.right[0]]).collect();
    transcript.absorb_all(evaluations.iter().flatten());
    Products { sum, rounds, evaluations, point }
}

/// An operand as a table over the product's variables.
fn operand(shape: &Shape, cells: &Cells<'_>, trace: &Trace, product: &Product, view: &View, u: &[Fr]) -> Vec<Fr> {
    let column = shape.system.column(view.column);
    let log_inferences = if column.is_batched() { shape.batch.log_len() } else { 0 };
    let block = shape.layout.block(view.column);
    if log_inferences == 0
        && let Some((top, runs)) = view.runs.split_last()
        && let Index::Axis(axis) = top.index
        && let Place::Output(range) = &product.places[usize::from(axis)]
    {
        // the rows of the committed cells, folded where the backend has them: weights by their outputs
        let factors = eq_table(&u[range.clone()]);
        let folded = match shape.system.cut(view.column) {
            None => cells.fold_rows(block.offset, &factors, block.size() >> range.len()),
            Some(cut) => tiles::fold_rows(cut, &factors, |tile, factors, width| {
                cells.fold_rows(block.tile(tile).offset, factors, width)
            }),
        };
        return table(product, runs, Numbers::Folded(folded), 0, u);
    }
    if let Some(cut) = shape.system.cut(view.column) {
        return table(product, &view.runs, Numbers::Small(&cut.unpack(cells.get(block.range()))), 0, u);
    }
    let numbers = if column.is_batched() { trace.column(view.column) } else { cells.get(block.range()) };
    table(product, &view.runs, Numbers::Small(numbers), log_inferences, u)
}

impl Summand {
    fn new(product: &Product, weight: Fr, operand: impl Fn(&View) -> Vec<Fr> + Sync, u: &[Fr]) -> Self {
        let same = product.left == product.right;
        let (left, right) = rayon::join(|| operand(&product.left), || (!same).then(|| operand(&product.right)));
        let right = right.unwrap_or_else(|| left.clone());
        let point: Vec<Fr> = product.batch().flat_map(|(of_u, _)| u[of_u].to_vec()).collect();
        let batch = Batch { tables: eq_tables(&point, 1 << point.len()), point, bound: 0, scale: Fr::ONE };
        let coefficient = weight * integer(product.coefficient);
        let mut summand =
            Self { coefficient, sum: Fr::ZERO, left, right, batch, known: None, variables: product.variables };
        summand.sum = summand.total();
        summand
    }

    /// The next variable's coordinate of `u_b`, if it is one of a batch axis: then all lower ones are bound.
    fn coordinate(&self) -> Option<Fr> {
        let Batch { point, tables, bound, .. } = &self.batch;
        point.get(*bound).copied().filter(|_| self.left.len() == tables[*bound].len())
    }

    /// `Σ eq(u_b, ·)·left·right` at 0, at 1 and of the differences in the next variable, which is one of a batch axis,
    /// without that variable's own factor.
    fn batch_sums(&self) -> [Fr; 3] {
        weighted_sums(&self.batch.tables[self.batch.bound + 1], &self.left, &self.right)
    }

    fn total(&mut self) -> Fr {
        if let Some(u) = self.coordinate() {
            let [zero, one, differences] = self.batch_sums();
            self.known = Some([zero, one, differences]);
            return zero + u * (one - zero);
        }
        let e = &self.batch.tables[0];
        let len = self.left.len() / e.len();
        let dot = |a: &[Fr], b: &[Fr]| a.iter().zip(b).map(|(a, b)| *a * b).sum::<Fr>();
        let parts = self.left.par_chunks(len).zip(self.right.par_chunks(len)).zip(e);
        parts.with_min_len(256usize.div_ceil(len)).map(|((left, right), e)| dot(left, right) * e).sum()
    }

    /// Of the next round: the value at 0 and the coefficients of the square and the cube.
    fn message(&mut self) -> [Fr; 3] {
        if let Some(u) = self.coordinate() {
            let [zero, one, square] = self.known.take().unwrap_or_else(|| self.batch_sums());
            // (low + step·x)·(zero + linear·x + square·x²), the first factor being eq(u, x)
            let (low, step) = (self.batch.scale * (Fr::ONE - u), self.batch.scale * (u.double() - Fr::ONE));
            let linear = one - zero - square;
            return [low * zero, low * square + step * linear, step * square];
        }
        let e = &self.batch.tables[0];
        let len = self.left.len() / e.len();
        let parts =
            self.left.par_chunks(len).zip(self.right.par_chunks(len)).zip(e).with_min_len(256usize.div_ceil(len));
        let of = |((left, right), e): ((&[Fr], &[Fr]), &Fr)| product_message(left, right).map(|v| v * e);
        let [zero, square] = parts.map(of).reduce(|| [Fr::ZERO; 2], add);
        [zero, square, Fr::ZERO]
    }

    fn bind(&mut self, x: &Fr) {
        if let Some(u) = self.coordinate() {
            self.batch.scale *= eq_bit(&u, x);
            self.batch.bound += 1;
        }
        bind(&mut self.left, x, Fr::ZERO);
        bind(&mut self.right, x, Fr::ZERO);
    }
}
