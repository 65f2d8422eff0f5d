//! The rules by which a layer makes columns of its sum `z`, one module each: equations, why they have one solution,
//! bounds, execution.
//!
//! This file is the only place that says which module a [`Rule`] belongs to. A rule has four faces:
//!
//! * `bounds`: whether it is provable for every input of the shape, and which intervals its columns have;
//! * `elaborate`: its columns, equations and lookups, which is all that prover and verifier see of it;
//! * `execute`: what an execution writes into the columns;
//! * the header of its module: the argument that the equations leave no choice to a prover.
//!
//! The linear map `z = Σ terms + constant` itself has no advice: its equations are linear or bilinear in columns that
//! are fixed before.

pub mod divide;
pub mod exact;
mod limbs;
pub mod maximum;
pub mod quotient;
pub mod requantise;
pub mod root;
pub mod rows;

use crate::model::{Architecture, Bounds, Interval, Layer, ModelError, Rule, RuleBounds, Table, Term, WeightBlock};
use crate::system::{Builder, LayerColumns};
use std::borrow::Cow;

/// A layer's terms as they are proven and executed: [`Rule::Maximum`] restricts them to the places that count.
pub fn terms(layer: &Layer) -> Cow<'_, [Term]> {
    match layer.rule {
        Rule::Maximum { low, bits, len, .. } => maximum::restricted(&layer.terms, low, bits, len),
        _ => Cow::Borrowed(&layer.terms),
    }
}

/// A rule's bounds. `table` is the rule's table with the range of its function. Errors: the rule cannot be proven for
/// every input.
pub(crate) fn bounds(
    index: usize,
    layer: &Layer,
    z: Interval,
    table: Option<(&Table, (i32, i32))>,
    known: &Bounds,
) -> Result<RuleBounds, ModelError> {
    let missing = |table: u32| ModelError::UnknownTable { layer: index, table };
    match &layer.rule {
        Rule::Exact => exact::bounds(index, z),
        Rule::Requantise { shift, table: t, .. } => requantise::bounds(index, z, *shift, table.ok_or(missing(*t))?),
        Rule::Divide { by, limb_bits, table: t, .. } => {
            divide::bounds(index, z, by, *limb_bits, table.ok_or(missing(*t))?, known)
        }
        Rule::Quotient { by, limb_bits, .. } => quotient::bounds(index, z, by, *limb_bits, known),
        Rule::SquareRoot { limb_bits, .. } => root::bounds(index, z, *limb_bits),
        Rule::Maximum { table: t, .. } => maximum::bounds(index, z, table.ok_or(missing(*t))?),
        Rule::Rows { matrix, bits, index: of, index_bits } => rows::bounds(
            index,
            rows::RowsOf { matrix: *matrix, bits: *bits, index: *of, index_bits: *index_bits },
            known,
        ),
    }
}

/// Adds a layer's columns, equations and lookups to the system.
pub(crate) fn elaborate(layer: &Layer, architecture: &Architecture, system: &mut Builder) -> LayerColumns {
    match &layer.rule {
        Rule::Exact => exact::elaborate(layer, system),
        Rule::Requantise { shift, limbs, table } => {
            requantise::elaborate(layer, *shift, *limbs, (*table, &architecture.tables[*table as usize]), system)
        }
        Rule::Divide { by, limb_bits, parts, limbs, table } => {
            let table = (*table, &architecture.tables[*table as usize]);
            divide::elaborate(layer, by, limbs::Limbs { bits: *limb_bits, count: *parts }, *limbs, table, system)
        }
        Rule::Quotient { by, limb_bits, parts } => {
            quotient::elaborate(layer, by, limbs::Limbs { bits: *limb_bits, count: *parts }, system)
        }
        Rule::SquareRoot { limb_bits, parts } => {
            root::elaborate(layer, limbs::Limbs { bits: *limb_bits, count: *parts }, system)
        }
        Rule::Maximum { low, bits, len, table } => {
            let axis = maximum::AxisOf { low: *low, bits: *bits, len: *len };
            maximum::elaborate(layer, axis, (*table, &architecture.tables[*table as usize]), system)
        }
        Rule::Rows { matrix, bits, index, index_bits } => {
            let of = rows::RowsOf { matrix: *matrix, bits: *bits, index: *index, index_bits: *index_bits };
            rows::elaborate(layer, of, system)
        }
    }
}

/// What a rule executes on: some cells of a layer, all of them or those of one step of a loop.
pub(crate) struct Cells<'a> {
    /// The layer.
    pub layer: &'a Layer,
    /// Its sums.
    pub z: &'a [i64],
    /// The table and `f(q)` for all `q`, where the rule has one.
    pub table: Option<(&'a Table, &'a [i32])>,
    /// The divisor in each cell; empty where the rule has none.
    pub divisors: &'a [i64],
    /// Where the rule reads rows of weights.
    pub rows: Option<RowsRead<'a>>,
}

/// A block of weights whose rows are read.
pub(crate) struct RowsRead<'a> {
    /// The block.
    pub block: &'a WeightBlock,
    /// Its stored cells.
    pub cells: &'a [i16],
    /// The indices.
    pub indices: &'a [i32],
}

/// The cells of the layer's columns, in the system's order.
pub(crate) fn execute(cells: &Cells<'_>) -> Vec<Vec<i32>> {
    match &cells.layer.rule {
        Rule::Exact => exact::execute(cells),
        Rule::Requantise { shift, limbs, .. } => requantise::execute(cells, *shift, *limbs),
        Rule::Divide { limb_bits, parts, limbs, .. } => {
            divide::execute(cells, limbs::Limbs { bits: *limb_bits, count: *parts }, *limbs)
        }
        Rule::Quotient { limb_bits, parts, .. } => {
            quotient::execute(cells, limbs::Limbs { bits: *limb_bits, count: *parts })
        }
        Rule::SquareRoot { limb_bits, parts } => root::execute(cells, limbs::Limbs { bits: *limb_bits, count: *parts }),
        Rule::Maximum { low, bits, len, .. } => {
            maximum::execute(cells, maximum::AxisOf { low: *low, bits: *bits, len: *len })
        }
        Rule::Rows { bits, .. } => rows::execute(cells, *bits),
    }
}
