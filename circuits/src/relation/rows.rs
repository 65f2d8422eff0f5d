//! [`Rule::Rows`](crate::model::Rule::Rows): rows of a block of weights, by indices that depend on the input.
//!
//! Cells are rows of `2^bits` places. Row `t` of `q` is row `i_t` of the block `E`, which has `2^n` rows, and zeros
//! where `E` has no such row.
//!
//! * *Lookup*, one for each row `t`: `(i_t, Σ_d eq(r, d)·q[t, d])` is a row of a table with `2^b` rows, `b` the bits of
//!   an index: `(k, Σ_d eq(r, d)·E[k, d])` for `0 <= k < 2^n` and `(k, 0)` for the other `k` of `b` signed bits. The
//!   point `r` is drawn after all columns are committed to.
//! * No equation.
//!
//! *One solution.* Indices differ, so each has one row of the table. A row of `q` that is another one than that row has
//! another multilinear extension, and the two agree at `r` with probability at most `bits / |F|`: for each `t` that is
//! one more root in the union bound of `r`, so the whole lookup argument fails to catch it with probability at most
//! `rows · bits / |F|` more ([`crate::soundness`]). Then `q` is the executor's.
//!
//! *Bounds.* Every index that its column can hold has `b` signed bits, and `n < b`. `q` is in the interval of weights,
//! which has 0.
//!
//! Both sides of the lookup are linear in committed columns, so the combined numbers are nowhere committed to: the
//! argument ends in one claim on `q` and one on `E`, at points whose lowest coordinates are `r`. It costs a lookup a
//! row and one for each row of the table, where one-hot rows would cost their product.

use super::{Cells, RowsRead, RuleBounds};
use crate::model::{Bounds, Columns, Interval, Layer, ModelError, Source};
use crate::system::{Builder, LayerColumns, Owner, RowTable};

/// Most bits of an index.
pub const MAX_INDEX_BITS: u8 = 18;

/// Where rows are read.
#[derive(Clone, Copy)]
pub(super) struct RowsOf {
    /// The block of weights.
    pub matrix: u32,
    /// Bits of a place in a row.
    pub bits: u8,
    /// The indices.
    pub index: Source,
    /// Bits of an index.
    pub index_bits: u8,
}

pub(super) fn bounds(layer: usize, of: RowsOf, known: &Bounds) -> Result<RuleBounds, ModelError> {
    let indices = known.range(of.index).ok_or(ModelError::UnknownSource { layer, missing: of.index })?;
    let half = 1i64 << (of.index_bits - 1);
    if indices.0 < -half || indices.1 >= half {
        return Err(ModelError::IndexBits { layer, bits: of.index_bits });
    }
    let weights: Interval = known
        .range(Source::Weight(of.matrix))
        .ok_or(ModelError::UnknownSource { layer, missing: Source::Weight(of.matrix) })?;
    Ok(RuleBounds::of(Columns { pre: weights, post: weights, max: (0, 0) }))
}

pub(super) fn elaborate(layer: &Layer, of: RowsOf, system: &mut Builder) -> LayerColumns {
    let q = system.column(layer.log_size, Owner::Prover);
    system.look_up_rows(layer.log_size - of.bits, of.index, (q, of.bits), |system| RowTable {
        matrix: system.column_of(Source::Weight(of.matrix)),
        bits: of.bits,
        index_bits: of.index_bits,
    });
    LayerColumns::plain(q)
}

pub(super) fn execute(cells: &Cells<'_>, bits: u8) -> Vec<Vec<i32>> {
    let Some(RowsRead { block, cells, indices }) = &cells.rows else { return Vec::new() };
    let places: Vec<Option<usize>> = (0..1usize << bits).map(|d| block.place(0, d)).collect();
    let row = |index: &i32| usize::try_from(*index).ok().filter(|k| *k < 1 << (block.log_size - bits));
    let cell = |first: Option<usize>, d: Option<usize>| {
        first.zip(d).and_then(|(first, d)| cells.get(first + d)).map_or(0, |w| i32::from(*w))
    };
    let of_row = |index: &i32| {
        let first = row(index).and_then(|k| block.place(bits.into(), k));
        places.iter().map(move |d| cell(first, *d))
    };
    vec![indices.iter().flat_map(of_row).collect()]
}
