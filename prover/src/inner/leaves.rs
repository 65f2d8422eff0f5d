//! The fractions at the leaves of the lookup tree.

use super::lookup::Fractions;
use super::small::Combination;
use super::witness::{TableRows, Witness, table_of};
use crate::poly::filled;
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::exec::Trace;
use assay_circuits::layout::LeafKind;
use assay_circuits::shape::Shape;
use rayon::prelude::*;

/// Numerators and denominators of all leaves for challenges `β, γ`.
pub fn build(shape: &Shape, tables: &[TableRows], trace: &Trace, witness: &Witness, beta: Fr, gamma: Fr) -> Fractions {
    let rows = row_denominators(shape, tables, beta, gamma);
    let mut p = filled(Fr::ONE, shape.layout.leaf_count);
    let mut d = filled(Fr::ZERO, shape.layout.leaf_count);
    let start = shape.layout.witness.first_chunk << shape.layout.log_chunk;
    for ((kind, block), found) in shape.layout.leaves.iter().zip(&witness.rows) {
        let (p, d) = (&mut p[block.range()], &mut d[block.range()]);
        let (table, multiplicity) = match *kind {
            LeafKind::Table { table } => (table, shape.layout.tables[table].multiplicity),
            LeafKind::Range { range } => (shape.architecture.tables.len() + range, shape.layout.ranges[range].multiplicity),
            kind => {
                let denominators = table_of(shape, kind).map_or(&[][..], |t| &rows[t]);
                d.par_iter_mut().zip(found).enumerate().with_min_len(1024).for_each(|(i, (d, row))| {
                    *d = match row.index() {
                        Some(row) => denominators[row],
                        None => missing(shape, trace, kind, i, beta, gamma),
                    };
                });
                continue;
            }
        };
        d.copy_from_slice(&rows[table]);
        let counts = &witness.cells[multiplicity.offset - start..][..multiplicity.size()];
        p.iter_mut().zip(counts).for_each(|(p, count)| *p = if *count == 0 { Fr::ZERO } else { -Fr::from(*count) });
    }
    Fractions { p, d }
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
