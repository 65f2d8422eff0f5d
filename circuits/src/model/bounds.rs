//! Static bounds of sums and columns, by interval arithmetic on the architecture alone (never on weights).
//!
//! The bounds are what makes the exact semantics provable: with `|z| < 2^61` every sum is exact in an `i64`, and each
//! rule ([`crate::relation`]) derives from them that its equations have exactly one solution.

use super::validate::{MAX_ACCUMULATOR, ModelError};
use super::{Architecture, Entry, Index, Operand, Rule, Source, Term};
use crate::relation;
use std::collections::{BTreeMap, BTreeSet};

/// A closed interval of integers.
pub type Interval = (i64, i64);

/// Static bounds of a well-formed architecture. Every vector has one entry per layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The interval of `z`, padding cells included.
    pub z: Vec<Interval>,
    /// The most that the layer's clamp can cut off; 0 if it has none.
    pub cuts: Vec<i64>,
    /// Saturation limbs that the layer needs: 0 if its clamp can never act, or if it has none.
    pub limbs: Vec<u8>,
    /// Limbs that the layer's remainders need: 0 if it has none.
    pub parts: Vec<u8>,
    input: Interval,
    weight: Interval,
    biases: Vec<Interval>,
    columns: Vec<Columns>,
    /// By layer: what its columns can hold by their table alone, which is what a loop reads of its later layers.
    tables: Vec<Option<Columns>>,
}

/// Intervals of a layer's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Of `q`.
    pub pre: Interval,
    /// Of `f(q)`.
    pub post: Interval,
    /// Of the maxima, if there are any.
    pub max: Interval,
}

/// What a rule says of a layer.
pub struct RuleBounds {
    /// Intervals of its columns.
    pub columns: Columns,
    /// The most that its clamp can cut off.
    pub cut: i64,
    /// Saturation limbs.
    pub limbs: u8,
    /// Limbs of remainders.
    pub parts: u8,
}

impl RuleBounds {
    /// Of a rule with neither.
    pub fn of(columns: Columns) -> Self {
        Self { columns, cut: 0, limbs: 0, parts: 0 }
    }
}

impl Bounds {
    /// The interval of a block's cells, padding included. `None` if there is no such block, or its layer has no bounds
    /// yet.
    pub fn range(&self, source: Source) -> Option<Interval> {
        let columns = |layer: u32| {
            self.columns.get(layer as usize).copied().or_else(|| self.tables.get(layer as usize).copied().flatten())
        };
        match source {
            Source::Input => Some(self.input),
            Source::Pre(layer) => columns(layer).map(|c| c.pre),
            Source::Post(layer) => columns(layer).map(|c| c.post),
            Source::Max(layer) => columns(layer).map(|c| c.max),
            Source::Mark(_) => Some((0, 1)),
            Source::Weight(_) => Some(self.weight),
            Source::Bias(bias) => self.biases.get(bias as usize).copied(),
        }
    }

    /// Bounds of an architecture whose structure has been checked, by the ranges of its tables' functions.
    pub(super) fn of(arch: &Architecture, ranges: &[(i32, i32)]) -> Result<Self, ModelError> {
        let half = |bits: u8| 1i64 << (bits - 1);
        let by_table = |rule: &Rule| {
            let table = rule.table().filter(|_| !matches!(rule, Rule::Maximum { .. }))? as usize;
            let (table, range) = (arch.tables.get(table)?, ranges.get(table)?);
            let pre = (table.min().into(), table.max().into());
            Some(Columns { pre, post: (range.0.into(), range.1.into()), max: (0, 0) })
        };
        let mut bounds = Bounds {
            z: Vec::new(),
            cuts: Vec::new(),
            limbs: Vec::new(),
            parts: Vec::new(),
            input: (-half(arch.input.bits), half(arch.input.bits) - 1),
            weight: (-half(arch.weight_bits), half(arch.weight_bits) - 1),
            biases: arch.biases.iter().map(|block| (-half(block.bits), half(block.bits) - 1)).collect(),
            columns: Vec::new(),
            tables: arch.layers.iter().map(|layer| by_table(&layer.rule)).collect(),
        };
        for (index, layer) in arch.layers.iter().enumerate() {
            let mut z = (i128::from(layer.constant), i128::from(layer.constant));
            for term in relation::terms(layer).iter() {
                let (low, high) = bounds.term(index, term)?;
                z = (z.0.saturating_add(low), z.1.saturating_add(high));
            }
            let size = z.0.unsigned_abs().max(z.1.unsigned_abs());
            if size >= MAX_ACCUMULATOR {
                return Err(ModelError::AccumulatorTooWide { layer: index, bits: 128 - size.leading_zeros() });
            }
            let z = (z.0 as i64, z.1 as i64);
            let table = layer.rule.table().and_then(|t| Some((arch.tables.get(t as usize)?, *ranges.get(t as usize)?)));
            let of = relation::bounds(index, layer, z, table, &bounds)?;
            bounds.z.push(z);
            bounds.cuts.push(of.cut);
            bounds.limbs.push(of.limbs);
            bounds.parts.push(of.parts);
            bounds.columns.push(of.columns);
        }
        Ok(bounds)
    }

    /// The interval of an operand's values, over all places.
    pub fn operand(&self, operand: &Operand) -> Option<(i128, i128)> {
        let (low, high) = self.range(operand.source)?;
        let (mut low, mut high) = (i128::from(low), i128::from(high));
        if operand.runs.iter().any(|run| !matches!(run.index, Index::Axis(_))) {
            // places without an entry read 0
            (low, high) = (low.min(0), high.max(0));
        }
        let (mut plus, mut minus) = (1i128, 0i128);
        for run in &operand.runs {
            if let Index::Map { entries, .. } = &run.index {
                let (p, m) = largest_sums(entries);
                (plus, minus) = (
                    plus.saturating_mul(p).saturating_add(minus.saturating_mul(m)),
                    plus.saturating_mul(m).saturating_add(minus.saturating_mul(p)),
                );
            }
        }
        let scaled = |a: i128, b: i128| plus.saturating_mul(a).saturating_sub(minus.saturating_mul(b));
        Some((scaled(low, high), scaled(high, low)))
    }

    fn term(&self, layer: usize, term: &Term) -> Result<(i128, i128), ModelError> {
        let operand = |operand: &Operand| {
            self.operand(operand).ok_or(ModelError::UnknownSource { layer, missing: operand.source })
        };
        let left = operand(&term.left)?;
        let value = match &term.right {
            None => left,
            Some(right) if *right == term.left => {
                let most = left.0.unsigned_abs().max(left.1.unsigned_abs());
                scale((0, most.saturating_mul(most).min(i128::MAX as u128) as i128), summed_places(term))
            }
            Some(right) => {
                let right = operand(right)?;
                let corners = [left.0, left.1].map(|a| [a.saturating_mul(right.0), a.saturating_mul(right.1)]);
                let all = corners.as_flattened();
                let extremes = (all.iter().copied().min().unwrap_or(0), all.iter().copied().max().unwrap_or(0));
                scale(extremes, summed_places(term))
            }
        };
        Ok(scale(value, term.coefficient.into()))
    }
}

fn scale((low, high): (i128, i128), factor: i128) -> (i128, i128) {
    let (a, b) = (low.saturating_mul(factor), high.saturating_mul(factor));
    (a.min(b), a.max(b))
}

/// Over the places of a map: the largest sum of positive coefficients, and the largest sum of the negative ones'
/// absolute values.
fn largest_sums(entries: &[Entry]) -> (i128, i128) {
    let mut sums: BTreeMap<u32, (i128, i128)> = BTreeMap::new();
    for entry in entries {
        let (plus, minus) = sums.entry(entry.to).or_default();
        *(if entry.coefficient > 0 { plus } else { minus }) += i128::from(entry.coefficient).abs();
    }
    sums.into_values().fold((0, 0), |(p, m), (plus, minus)| (p.max(plus), m.max(minus)))
}

/// How many places of the summed axes contribute, at most.
fn summed_places(term: &Term) -> i128 {
    let mut count = 1i128;
    for (axis, log) in term.axes.iter().enumerate().skip(term.outputs()) {
        let mut most = 1i128 << log;
        for run in term.operands().flat_map(|operand| &operand.runs) {
            let used = match &run.index {
                Index::Map { axis: Some(a), entries } if usize::from(*a) == axis => {
                    entries.iter().map(|e| e.to).collect::<BTreeSet<_>>().len() as i128
                }
                Index::Window { out, window, .. } if usize::from(*out) == axis => window.outputs.into(),
                Index::Window { kernel, window, .. } if usize::from(*kernel) == axis => window.kernel.into(),
                _ => most,
            };
            most = most.min(used);
        }
        count = count.saturating_mul(most);
    }
    count
}
