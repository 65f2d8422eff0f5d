//! The product sumcheck over all layers, prover's side: `Σ_l λ^l Σ_y W_l(y)·A_l(y)`.

use super::region::Cells;
use super::small::{Values, fold_rows};
use crate::poly::{bind, eq_table, product_message};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::exec::Trace;
use assay_circuits::model::{Term, Window};
use assay_circuits::shape::Shape;
use assay_circuits::transcript::Transcript;
use assay_circuits::verifier::functional::split;
use assay_circuits::verifier::{products, repetition};
use rayon::prelude::*;

/// One summand, partially bound.
struct Summand {
    /// `λ^l` times the scaling for the rounds that it sits out.
    coefficient: Fr,
    sum: Fr,
    w: Vec<Fr>,
    a: Vec<Fr>,
    variables: usize,
}

/// The messages of the sumcheck.
pub struct Products {
    /// `V`.
    pub sum: Fr,
    /// One message per round.
    pub rounds: Vec<[Fr; 2]>,
    /// `W` and `A` of each summand at the final point.
    pub evaluations: Vec<[Fr; 2]>,
    /// The final point.
    pub point: Vec<Fr>,
}

/// Proves it. `u` is the lookup argument's point, `lambda` joins layers.
pub fn prove(shape: &Shape, cells: &Cells<'_>, trace: &Trace, u: &[Fr], lambda: Fr, transcript: &mut Transcript<Fr>) -> Products {
    let mut summands = summands(shape, cells, trace, u, lambda);
    let total = summands.iter().map(|s| s.variables).max().unwrap_or(0);
    let sum = summands.iter().map(|s| s.coefficient * s.sum).sum();
    transcript.absorb(&sum);
    for s in &mut summands {
        s.coefficient *= repetition(total, s.variables);
    }
    let (mut rounds, mut point) = (Vec::with_capacity(total), Vec::with_capacity(total));
    for round in 0..total {
        let left = total - round;
        let mut message = [Fr::ZERO; 2];
        for s in &summands {
            if s.variables < left {
                // Not begun: the summand is constant in this variable and in the others before its first.
                let copies = Fr::from(2u64).pow([(left - 1 - s.variables) as u64]);
                message[0] += s.coefficient * s.sum * copies;
            } else {
                let [zero, leading] = product_message(&s.w, &s.a);
                message[0] += s.coefficient * zero;
                message[1] += s.coefficient * leading;
            }
        }
        transcript.absorb_all(&message);
        let x = transcript.challenge();
        for s in summands.iter_mut().filter(|s| s.variables >= left) {
            bind(&mut s.w, &x, Fr::ZERO);
            bind(&mut s.a, &x, Fr::ZERO);
        }
        rounds.push(message);
        point.push(x);
    }
    let evaluations: Vec<[Fr; 2]> = summands.iter().map(|s| [s.w[0], s.a[0]]).collect();
    transcript.absorb_all(evaluations.iter().flatten());
    Products { sum, rounds, evaluations, point }
}

fn summands(shape: &Shape, cells: &Cells<'_>, trace: &Trace, u: &[Fr], lambda: Fr) -> Vec<Summand> {
    let powers: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |p| Some(*p * lambda)).take(shape.architecture.layers.len()).collect();
    let make = |product: &assay_circuits::verifier::Product| {
        let layer = &shape.architecture.layers[product.layer];
        let term = &layer.terms[product.term];
        let [u_w, u_h, u_c, u_b] = split(u, layer.dims, shape.batch);
        let w = cells.fold_rows(product.weights.offset, &eq_table(u_c), 1 << product.variables);
        // the sumcheck sees one inference: that of the combined sources
        let source = Column::new(trace.column(term.source()), u_b);
        let a = match (term, shape.architecture.dims(term.source())) {
            (Term::Conv { window, .. }, Some(dims)) => {
                let rows = axis_tables(window, 0, u_h, layer.dims.height, dims.height, 1 << dims.log_height());
                let columns = axis_tables(window, 1, u_w, layer.dims.width, dims.width, 1 << dims.log_width());
                source.patches(&rows, &columns)
            }
            _ => source.into_values(),
        };
        let sum = w.iter().zip(&a).map(|(w, a)| *w * a).sum();
        Summand { coefficient: powers[product.layer], sum, w, a, variables: product.variables }
    };
    products(shape).par_iter().map(make).collect()
}

/// For each kernel position (padded to a power of two): `t[in] = Σ_{out → in} eq(u, out)`.
fn axis_tables(window: &Window, axis: usize, u: &[Fr], len_out: u32, len_in: u32, padded: usize) -> Vec<Vec<Fr>> {
    let log_kernel = if axis == 0 { window.log_height() } else { window.log_width() };
    let e = eq_table(u);
    let mut tables = vec![vec![Fr::ZERO; padded]; 1 << log_kernel];
    for (out, k, at) in window.taps(axis, len_out, len_in) {
        tables[k][at] += e[out];
    }
    tables
}

/// A column of a linear layer's source.
enum Column<'a> {
    /// Of one inference.
    Small(&'a [i32]),
    /// Of several, folded.
    Folded(Vec<Fr>),
}

impl<'a> Column<'a> {
    /// `Σ_i eq(point, i)·column_i` over the inferences `i`.
    fn new(cells: &'a [i32], point: &[Fr]) -> Self {
        if point.is_empty() {
            return Self::Small(cells);
        }
        Self::Folded(fold_rows(cells, &eq_table(point), cells.len() >> point.len()))
    }

    fn into_values(self) -> Vec<Fr> {
        match self {
            Self::Small(cells) => cells.iter().map(|v| Fr::from(*v)).collect(),
            Self::Folded(values) => values,
        }
    }

    /// The im2col matrix at the position point, without ever building it: for each channel first the widths, then the heights.
    fn patches(&self, rows: &[Vec<Fr>], columns: &[Vec<Fr>]) -> Vec<Fr> {
        let (height, width) = (rows[0].len(), columns[0].len());
        let small: Vec<Values<'_>> = columns.iter().map(|column| Values::new(column)).collect();
        let dot = |a: &[Fr], b: &[Fr]| a.iter().zip(b).map(|(a, b)| *a * b).sum::<Fr>();
        // `lines(k, …)` are the lines of a channel with kernel column `k`
        let channel = |lines_of: &dyn Fn(usize, &mut [Fr])| {
            let mut out = vec![Fr::ZERO; rows.len() * columns.len()];
            let mut lines = vec![Fr::ZERO; height];
            for k_w in 0..columns.len() {
                lines_of(k_w, &mut lines);
                for (k_h, row) in rows.iter().enumerate() {
                    out[k_h * columns.len() + k_w] = dot(row, &lines);
                }
            }
            out
        };
        match self {
            Self::Small(cells) => {
                cells.par_chunks(height * width).flat_map_iter(|plane| channel(&|k, lines| small[k].dot_rows(plane, lines))).collect()
            }
            Self::Folded(values) => values
                .par_chunks(height * width)
                .flat_map_iter(|plane| {
                    let lines_of = |k: usize, lines: &mut [Fr]| {
                        lines.iter_mut().zip(plane.chunks(width)).for_each(|(line, cells)| *line = dot(cells, &columns[k]));
                    };
                    channel(&lines_of)
                })
                .collect(),
        }
    }
}
