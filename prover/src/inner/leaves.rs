//! The fractions at the leaves of the lookup tree.

use super::level::{Level, Piece, ROOM};
use super::small::Combination;
use super::witness::{TableRows, Witness, table_of};
use crate::poly::{filled, filled_with_room};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::exec::Trace;
use assay_circuits::layout::LeafKind;
use assay_circuits::shape::Shape;
use rayon::prelude::*;
use std::ops::Range;

/// Fewest leaves of a block whose numerators are not stored: a piece of a level ends on a multiple of its smallest block, and is kept apart for as many rounds as that is even.
const LEAST: usize = 1 << 8;

/// All leaves for challenges `β, γ`. The numerators of lookups are 1, and are not stored where most of these lie one after the other.
pub fn build(shape: &Shape, tables: &[TableRows], trace: &Trace, witness: &Witness, beta: Fr, gamma: Fr) -> Level {
    let rows = row_denominators(shape, tables, beta, gamma);
    let start = shape.layout.witness.first_chunk << shape.layout.log_chunk;
    let units = units(shape);
    // before and after the units
    let mut rows_of = [units.start, shape.layout.leaf_count - units.end]
        .map(|len| (filled_with_room(Fr::ONE, len, ROOM), filled_with_room(Fr::ZERO, len, ROOM)));
    let mut columns: [Vec<Fr>; 4] = std::array::from_fn(|_| filled(Fr::ZERO, units.len() / 4));
    for ((kind, block), found) in shape.layout.leaves.iter().zip(&witness.rows) {
        let range = block.range();
        let (table, multiplicity) = match *kind {
            LeafKind::Table { table } => (Some(table), Some(shape.layout.tables[table].multiplicity)),
            LeafKind::Range { range } => (Some(shape.architecture.tables.len() + range), Some(shape.layout.ranges[range].multiplicity)),
            kind => (table_of(shape, kind), None),
        };
        let denominators = table.map_or(&[][..], |table| &rows[table]);
        let denominator = |i: usize| match found[i].index() {
            Some(row) => denominators[row],
            None => missing(shape, trace, *kind, i, beta, gamma),
        };
        if units.contains(&range.start) {
            let range = (range.start - units.start) / 4..(range.end - units.start) / 4;
            let [d0, d1, d2, d3] = columns.each_mut().map(|column| &mut column[range.clone()]);
            let nodes = d0.par_iter_mut().zip(d1).zip(d2.par_iter_mut().zip(d3)).enumerate().with_min_len(256);
            nodes.for_each(|(j, ((d0, d1), (d2, d3)))| {
                (*d0, *d1, *d2, *d3) = (denominator(4 * j), denominator(4 * j + 1), denominator(4 * j + 2), denominator(4 * j + 3));
            });
            continue;
        }
        let (side, skipped) = if range.start < units.start { (0, 0) } else { (1, units.end) };
        let range = range.start - skipped..range.end - skipped;
        let (p, d) = &mut rows_of[side];
        let (p, d) = (&mut p[range.clone()], &mut d[range]);
        if let Some(multiplicity) = multiplicity {
            d.copy_from_slice(denominators);
            let counts = &witness.cells[multiplicity.offset - start..][..multiplicity.size()];
            p.iter_mut().zip(counts).for_each(|(p, count)| *p = if *count == 0 { Fr::ZERO } else { -Fr::from(*count) });
        } else {
            d.par_iter_mut().enumerate().with_min_len(1024).for_each(|(i, d)| *d = denominator(i));
        }
    }
    let [before, after] = rows_of.map(|(p, d)| Piece::Rows(p, d));
    let mut pieces = vec![before, Piece::Units(columns), after];
    pieces.retain(|piece| !piece.is_empty());
    Level::new(pieces)
}

/// The longest run of blocks of lookups, each of [`LEAST`] leaves or more.
fn units(shape: &Shape) -> Range<usize> {
    let mut blocks: Vec<_> = shape.layout.leaves.iter().collect();
    blocks.sort_by_key(|(_, block)| block.offset);
    let (mut longest, mut run) = (0..0, 0..0);
    for (kind, block) in blocks {
        let lookup = !matches!(kind, LeafKind::Table { .. } | LeafKind::Range { .. });
        run = if lookup && block.size() >= LEAST { run.start..block.range().end } else { block.range().end..block.range().end };
        if run.len() > longest.len() {
            longest = run.clone();
        }
    }
    longest
}

/// `β - φ` of each row of each table: activation tables first, then range tables.
fn row_denominators(shape: &Shape, tables: &[TableRows], beta: Fr, gamma: Fr) -> Vec<Vec<Fr>> {
    let key = Key::new(gamma);
    let activation = tables.iter().enumerate().map(|(i, table)| {
        let base = beta - Fr::from(1 + i as u64);
        table.rows().par_iter().with_min_len(512).map(|row| base - key.of(*row)).collect()
    });
    let ranges = shape.layout.ranges.iter().enumerate().map(|(i, range)| {
        let first = beta - Fr::from((1 + tables.len() + i) as u64);
        std::iter::successors(Some(first), |d| Some(*d - gamma)).take(1 << range.bits).collect()
    });
    activation.chain(ranges).collect()
}

/// `γ·q + γ²·y + γ³·v`.
struct Key(Combination<3>);

impl Key {
    fn new(gamma: Fr) -> Self {
        Self(Combination::new([gamma, gamma.square(), gamma.square() * gamma]))
    }

    fn of(&self, (q, y, v): (i32, i32, i32)) -> Fr {
        self.0.of([q, y, v])
    }
}

/// The denominator of a lookup that is in no table: what a false witness commits to.
fn missing(shape: &Shape, trace: &Trace, kind: LeafKind, i: usize, beta: Fr, gamma: Fr) -> Fr {
    let tag = Fr::from(1 + table_of(shape, kind).unwrap_or(0) as u64);
    let key = match kind {
        LeafKind::Activation { layer, limb } => {
            let layer = &trace.layers[layer];
            let y = if layer.y.is_empty() { layer.q[i] } else { layer.y[i] };
            Key::new(gamma).of((layer.q[i], y, layer.limbs.get(limb).map_or(0, |l| l[i])))
        }
        LeafKind::Remainder { layer } => Fr::from(trace.layers[layer].rem[i]) * gamma,
        LeafKind::Input => Fr::from(i64::from(trace.input[i]) + (1 << (shape.architecture.input.bits - 1))) * gamma,
        LeafKind::Table { .. } | LeafKind::Range { .. } => Fr::ZERO,
    };
    beta - tag - key
}
