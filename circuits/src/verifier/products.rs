//! The summands of the product sumcheck: every summand of an equation with two operands.
//!
//! An equation is checked at a random point `u` of its cells, so a product `Σ_k left(o, k) · right(o, k)` becomes `Σ_o
//! eq(u, o) Σ_k left(o, k) · right(o, k)`. Axes that only one operand names are folded into that operand: `P(b, k) = Σ
//! eq(u_o, o) · left`, `Q` likewise. What both name stays a variable of the sumcheck: the summed axes `k`, and the
//! output axes `b`, the *batch axes*, which keep their factor: `Σ_{b,k} eq(u_b, b) · P(b, k) · Q(b, k)`, of degree 3 in
//! the variables of `b`. Networks without batch axes (dense layers and convolutions) have rounds of degree 2.
//! Inferences of a proof's batch are one more batch axis where both columns have their own, and otherwise are folded
//! into the one that has.

#![allow(
    clippy::indexing_slicing,
    reason = "places follow from the shape, and lengths of proofs were checked against it"
)]

use crate::batch::Batch;
use crate::system::{ColumnId, Summand, System, View};
use std::ops::Range;

/// Where the coordinates of an axis are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Among those of the lookup argument's point.
    Output(Range<usize>),
    /// Among those of the product sumcheck's point, from the product's first variable on.
    Variables(Range<usize>),
    /// The same, of the inferences; the last place, where it is one.
    Inferences(Range<usize>),
}

/// A summand of the product sumcheck.
#[derive(Clone, Debug)]
pub struct Product {
    /// Index of the equation.
    pub equation: usize,
    /// Log of its number of cells.
    pub log_size: u8,
    /// The factor.
    pub coefficient: i128,
    /// Logs of the axes.
    pub axes: Vec<u8>,
    /// Where each axis is, and behind the axes the inferences, if these are variables.
    pub places: Vec<Place>,
    /// Of the axes that are variables, and of the inferences: coordinates of the lookup argument's point and variables,
    /// of those that are batch axes.
    batch: Vec<(Range<usize>, Range<usize>)>,
    /// Number of variables.
    pub variables: usize,
    /// One operand.
    pub left: View,
    /// The other.
    pub right: View,
}

/// All of them, in the order of equations.
#[derive(Clone, Debug)]
pub struct Products {
    /// The summands.
    pub all: Vec<Product>,
    /// The degree of a round: 3 if there is a batch axis anywhere, else 2.
    pub degree: usize,
}

impl Products {
    /// Number of rounds.
    pub fn rounds(&self) -> usize {
        self.all.iter().map(|product| product.variables).max().unwrap_or(0)
    }
}

impl Place {
    /// The places of a linear summand's axes.
    pub fn of_outputs(summand: &Summand, log_size: u8) -> Vec<Self> {
        let ranges = ranges(&summand.axes, log_size);
        ranges.into_iter().map(Place::Output).collect()
    }

    /// The coordinates.
    pub fn coordinates<'a, S>(&self, u: &'a [S], s: &'a [S]) -> &'a [S] {
        match self {
            Place::Output(range) => &u[range.clone()],
            Place::Variables(range) | Place::Inferences(range) => &s[range.clone()],
        }
    }
}

impl Product {
    /// Of each batch axis: its coordinates of the lookup argument's point, and its variables.
    pub fn batch(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + '_ {
        self.batch.iter().cloned()
    }
}

/// The coordinates of output axes.
fn ranges(axes: &[u8], log_size: u8) -> Vec<Range<usize>> {
    let mut at = 0;
    let cut = |log: &u8| {
        let start = at;
        at += usize::from(*log);
        start..at
    };
    axes.iter().map(cut).take_while(|range| range.end <= usize::from(log_size)).collect()
}

fn names(view: &View, axis: usize) -> bool {
    view.runs.iter().flat_map(|run| run.index.axes()).any(|named| usize::from(named) == axis)
}

/// The summands of the product sumcheck.
pub fn products(system: &System, batch: Batch) -> Products {
    let mut all = Vec::new();
    for (equation, description) in system.equations.iter().enumerate() {
        for summand in &description.summands {
            if let Some(right) = &summand.right {
                all.push(product(system, batch.log_len() as usize, equation, description.log_size, summand, right));
            }
        }
    }
    let degree = if all.iter().any(|product: &Product| !product.batch.is_empty()) { 3 } else { 2 };
    Products { all, degree }
}

fn product(
    system: &System,
    log_batch: usize,
    equation: usize,
    log_size: u8,
    summand: &Summand,
    right: &View,
) -> Product {
    let outputs = summand.axes.len() - usize::from(summand.summed);
    let of_outputs = ranges(&summand.axes[..outputs], log_size);
    let mut places: Vec<Place> = of_outputs.iter().cloned().map(Place::Output).collect();
    places.resize(summand.axes.len(), Place::Variables(0..0));
    let (mut variables, mut batch) = (0, Vec::new());
    let mut next = |log: usize| {
        variables += log;
        variables - log..variables
    };
    // summed axes are the lowest variables: so weights fold row by row
    for (axis, place) in places.iter_mut().enumerate().skip(outputs) {
        *place = Place::Variables(next(summand.axes[axis].into()));
    }
    for (axis, of_u) in of_outputs.into_iter().enumerate() {
        if names(&summand.left, axis) && names(right, axis) && !of_u.is_empty() {
            let range = next(summand.axes[axis].into());
            places[axis] = Place::Variables(range.clone());
            batch.push((of_u, range));
        }
    }
    let own = |column: ColumnId| system.column(column).is_batched();
    if log_batch > 0 && own(summand.left.column) && own(right.column) {
        let range = next(log_batch);
        let from = usize::from(log_size);
        places.push(Place::Inferences(range.clone()));
        batch.push((from..from + log_batch, range));
    }
    let (left, axes) = (summand.left.clone(), summand.axes.clone());
    Product {
        equation,
        log_size,
        coefficient: summand.coefficient,
        axes,
        places,
        batch,
        variables,
        left,
        right: right.clone(),
    }
}
