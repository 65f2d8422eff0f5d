//! Static bounds of accumulators and columns, by interval arithmetic on the architecture's shape alone (never on weights).
//!
//! The bounds are what makes the exact semantics provable: with `|z| + half < 2^62` every accumulator is exact in an `i64`, and with
//! enough saturation limbs the decomposition `z + half = (q + over)·2^shift + rem` exists for every input and is unique in the field.

use super::validate::{MAX_ACCUMULATOR, MAX_LIMB_BITS, ModelError};
use super::{Architecture, AxisMap, Function, Layer, Source, Table, Term};
use std::collections::{BTreeMap, BTreeSet};

/// A closed interval of integers.
pub type Interval = (i64, i64);

/// Static bounds of a well-formed architecture. Every vector has one entry per layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The largest possible `|z|`, less than 2^62.
    pub accumulator: Vec<u128>,
    /// The interval of `z`, padding cells included.
    pub z: Vec<Interval>,
    /// Saturation limbs that the layer needs: 0 if its clamp can never act.
    pub limbs: Vec<u8>,
    /// Interval of the network's input.
    input: Interval,
    /// Interval of `q`.
    pre: Vec<Interval>,
    /// Interval of `y`.
    post: Vec<Interval>,
}

impl Bounds {
    /// The interval of a column's cells, padding included. `None` if it names a layer that does not exist.
    pub fn range(&self, source: Source) -> Option<Interval> {
        match source {
            Source::Input => Some(self.input),
            Source::Pre(layer) => self.pre.get(layer as usize).copied(),
            Source::Post(layer) => self.post.get(layer as usize).copied(),
        }
    }

    /// Bounds of an architecture whose structure has been checked.
    pub(super) fn of(arch: &Architecture) -> Result<Self, ModelError> {
        let half = 1i64 << (arch.input.bits - 1);
        let count = arch.layers.len();
        let mut bounds = Bounds {
            accumulator: Vec::with_capacity(count),
            z: Vec::with_capacity(count),
            limbs: Vec::with_capacity(count),
            input: (-half, half - 1),
            pre: Vec::with_capacity(count),
            post: Vec::with_capacity(count),
        };
        let ranges: Vec<(i32, i32)> = arch.tables.iter().map(Table::range).collect();
        for (index, layer) in arch.layers.iter().enumerate() {
            let missing = ModelError::UnknownTable { layer: index, table: layer.table };
            let (table, range) = arch.table(layer).zip(ranges.get(layer.table as usize)).ok_or(missing)?;
            bounds.push(arch, index, layer, table, *range)?;
        }
        Ok(bounds)
    }

    fn push(&mut self, arch: &Architecture, index: usize, layer: &Layer, table: &Table, range: (i32, i32)) -> Result<(), ModelError> {
        let mut z: (i128, i128) = if layer.bias { (i32::MIN.into(), i32::MAX.into()) } else { (0, 0) };
        for term in &layer.terms {
            let x = self.range(term.source()).ok_or(ModelError::UnknownSource { layer: index, missing: term.source() })?;
            // Padding cells may miss a term, so that intervals include 0. It also means that saturating sums never mix signs.
            let (low, high) = term_interval(arch, term, (x.0.min(0).into(), x.1.max(0).into()));
            z = (z.0.saturating_add(low), z.1.saturating_add(high));
        }
        let half = if layer.shift == 0 { 0 } else { 1i128 << (layer.shift - 1) };
        let accumulator = z.0.unsigned_abs().max(z.1.unsigned_abs());
        if accumulator >= MAX_ACCUMULATOR - half.unsigned_abs() {
            return Err(ModelError::AccumulatorTooWide { layer: index, bits: 128 - accumulator.leading_zeros() });
        }
        let q = ((z.0 + half) >> layer.shift, (z.1 + half) >> layer.shift);
        let (min, max) = (i128::from(table.min()), i128::from(table.max()));
        let pre = (q.0.clamp(min, max) as i64, q.1.clamp(min, max) as i64);
        self.post.push(match table.function {
            Function::Identity => pre,
            Function::Relu => (pre.0.max(0), pre.1.max(0)),
            // Not every function is monotone: its range over all q.
            _ => (range.0.into(), range.1.into()),
        });
        self.pre.push(pre);
        self.limbs.push(limbs_for((q.1 - max).max(min - q.0), table.limb_bits(), index)?);
        self.z.push((z.0 as i64, z.1 as i64));
        self.accumulator.push(accumulator);
        Ok(())
    }
}

/// The fewest limbs of `limb_bits` bits that hold every cut-off up to `cut`.
fn limbs_for(cut: i128, limb_bits: u32, layer: usize) -> Result<u8, ModelError> {
    if cut <= 0 {
        return Ok(0);
    }
    let limbs = (128 - cut.leading_zeros()).div_ceil(limb_bits);
    if limbs * limb_bits > MAX_LIMB_BITS {
        return Err(ModelError::TooManyLimbs { layer, limbs: limbs as u8, limb_bits, max_bits: MAX_LIMB_BITS });
    }
    Ok(limbs as u8)
}

/// Interval of one term over all cells of the layer, for an `x` whose interval includes 0; it includes 0 itself.
fn term_interval(arch: &Architecture, term: &Term, x: (i128, i128)) -> (i128, i128) {
    let cells = |source| arch.dims(source).map_or(0, |d| d.len() as u128);
    match term {
        Term::Dense { source, .. } => secret(cells(*source), arch.weight_bits, x),
        Term::Conv { source, window, .. } => {
            let fan_in = arch.dims(*source).map_or(0, |d| u128::from(d.channels));
            secret(fan_in * u128::from(window.kernel[0]) * u128::from(window.kernel[1]), arch.weight_bits, x)
        }
        Term::Stencil { rows, cols, .. } => stencil(&axis_sums(rows), &axis_sums(cols), x),
        Term::Gather { coefficient, pairs, .. } => {
            let mut targets: Vec<u32> = pairs.iter().map(|p| p.0).collect();
            targets.sort_unstable();
            let most = targets.chunk_by(|a, b| a == b).map(<[u32]>::len).max().unwrap_or(0);
            let factor = i128::from(*coefficient) * most as i128;
            ((factor * x.0).min(factor * x.1), (factor * x.0).max(factor * x.1))
        }
    }
}

/// Interval of a sum of `count` products of a secret weight and a cell.
fn secret(count: u128, weight_bits: u8, x: (i128, i128)) -> (i128, i128) {
    let size = x.0.unsigned_abs().max(x.1.unsigned_abs());
    let bound = (count.saturating_mul(size) << (weight_bits - 1)) as i128;
    (-bound, bound)
}

/// For each output position of an axis: the sum of the positive coefficients and minus the sum of the negative ones. Without repeats;
/// positions without entries give (0, 0).
fn axis_sums(map: &AxisMap) -> BTreeSet<(i128, i128)> {
    let mut sums: BTreeMap<u32, (i128, i128)> = BTreeMap::new();
    for &(to, _, coefficient) in &map.entries {
        let (plus, minus) = sums.entry(to).or_default();
        *(if coefficient > 0 { plus } else { minus }) += i128::from(coefficient).abs();
    }
    sums.into_values().chain([(0, 0)]).collect()
}

/// Interval of a separable public map: over all pairs of a row and a column of its matrix.
fn stencil(rows: &BTreeSet<(i128, i128)>, cols: &BTreeSet<(i128, i128)>, x: (i128, i128)) -> (i128, i128) {
    let mut bound = (0, 0);
    for &(row_plus, row_minus) in rows {
        for &(col_plus, col_minus) in cols {
            // A sum along an axis is less than 2^58, a coefficient product sum less than 2^117; what saturates is refused later.
            let plus = row_plus * col_plus + row_minus * col_minus;
            let minus = row_plus * col_minus + row_minus * col_plus;
            let low = plus.saturating_mul(x.0).saturating_sub(minus.saturating_mul(x.1));
            let high = plus.saturating_mul(x.1).saturating_sub(minus.saturating_mul(x.0));
            bound = (bound.0.min(low), bound.1.max(high));
        }
    }
    bound
}
