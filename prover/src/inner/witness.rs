//! The witness: a trace laid out in the prover's chunks, with the multiplicities of all tables.

use assay_circuits::exec::Trace;
use assay_circuits::layout::{Block, LeafKind};
use assay_circuits::shape::Shape;
use rayon::prelude::*;

/// The rows of an activation table, made once per shape.
pub struct TableRows(Vec<(i32, i32, i32)>);

impl TableRows {
    /// Of every activation table of a shape.
    pub fn all(shape: &Shape) -> Vec<Self> {
        shape
            .architecture
            .tables
            .iter()
            .map(|t| Self((0..1usize << t.log_rows()).into_par_iter().map(|row| t.row(row)).collect()))
            .collect()
    }

    /// The rows, `(q, f(q), v)`.
    pub fn rows(&self) -> &[(i32, i32, i32)] {
        &self.0
    }
}

/// The row that a lookup found; [`Row::MISSING`] where the values are not in the table, which only a false witness has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Row(u32);

impl Row {
    /// No such row.
    pub const MISSING: Self = Self(u32::MAX);

    /// Index of the row.
    pub fn index(self) -> Option<usize> {
        (self != Self::MISSING).then_some(self.0 as usize)
    }
}

/// A witness.
pub struct Witness {
    /// Cells of the witness region, from its first chunk on.
    pub cells: Vec<i32>,
    /// For each block of leaves, the rows that its lookups found; empty for tables.
    pub rows: Vec<Vec<Row>>,
}

/// Lays out a trace. Whatever the trace holds, true or not, there is a witness; a false one makes no valid proof.
pub fn build(shape: &Shape, tables: &[TableRows], trace: &Trace) -> Witness {
    let layout = &shape.layout;
    let start = layout.witness.first_chunk << layout.log_chunk;
    let mut cells = vec![0; layout.witness.chunks << layout.log_chunk];
    let mut put = |block: Block, values: &[i32]| {
        let from = block.offset - start;
        for (cell, value) in cells[from..from + block.size()].iter_mut().zip(values) {
            *cell = *value;
        }
    };
    for (blocks, layer) in layout.layers.iter().zip(&trace.layers) {
        put(blocks.q, &layer.q);
        blocks.y.iter().for_each(|block| put(*block, &layer.y));
        blocks.rem.iter().for_each(|block| put(*block, &layer.rem));
        blocks.limbs.iter().zip(&layer.limbs).for_each(|(block, limb)| put(*block, limb));
    }
    let rows: Vec<Vec<Row>> = layout.leaves.par_iter().map(|(kind, _)| find_rows(shape, tables, trace, *kind)).collect();
    let mut counts: Vec<Vec<i32>> = tables.iter().map(|t| vec![0; t.rows().len()]).collect();
    counts.extend(layout.ranges.iter().map(|r| vec![0; 1 << r.bits]));
    for ((kind, _), rows) in layout.leaves.iter().zip(&rows) {
        if let Some(table) = table_of(shape, *kind) {
            rows.iter().filter_map(|row| row.index()).for_each(|row| counts[table][row] += 1);
        }
    }
    let multiplicities = layout.tables.iter().map(|t| t.multiplicity).chain(layout.ranges.iter().map(|r| r.multiplicity));
    multiplicities.zip(&counts).for_each(|(block, counts)| put(block, counts));
    Witness { cells, rows }
}

/// Which table a block of lookups refers to: activation tables first, then range tables.
pub fn table_of(shape: &Shape, kind: LeafKind) -> Option<usize> {
    let range = |bits: u8| shape.architecture.tables.len() + shape.layout.range_index(u32::from(bits));
    match kind {
        LeafKind::Activation { layer, .. } => Some(shape.architecture.layers[layer].table as usize),
        LeafKind::Remainder { layer } => Some(range(shape.architecture.layers[layer].shift)),
        LeafKind::Input => Some(range(shape.architecture.input.bits)),
        LeafKind::Table { .. } | LeafKind::Range { .. } => None,
    }
}

fn find_rows(shape: &Shape, tables: &[TableRows], trace: &Trace, kind: LeafKind) -> Vec<Row> {
    let in_range = |value: i64, bits: u8| if (0..1i64 << bits).contains(&value) { Row(value as u32) } else { Row::MISSING };
    match kind {
        LeafKind::Activation { layer, limb } => {
            let index = shape.architecture.layers[layer].table as usize;
            let (table, rows, layer) = (&shape.architecture.tables[index], tables[index].rows(), &trace.layers[layer]);
            let limb = layer.limbs.get(limb);
            let y = if layer.y.is_empty() { &layer.q } else { &layer.y };
            let find = |i: usize| {
                let (q, y, v) = (layer.q[i], y[i], limb.map_or(0, |l| l[i]));
                let row = if v == 0 { i64::from(q) - i64::from(table.min()) } else { table.row_of(q, v) as i64 };
                match usize::try_from(row).ok().and_then(|row| rows.get(row)) {
                    Some(found) if *found == (q, y, v) => Row(row as u32),
                    _ => Row::MISSING,
                }
            };
            (0..layer.q.len()).map(find).collect()
        }
        LeafKind::Remainder { layer } => {
            let bits = shape.architecture.layers[layer].shift;
            trace.layers[layer].rem.iter().map(|v| in_range(i64::from(*v), bits)).collect()
        }
        LeafKind::Input => {
            let bits = shape.architecture.input.bits;
            trace.input.iter().map(|v| in_range(i64::from(*v) + (1 << (bits - 1)), bits)).collect()
        }
        LeafKind::Table { .. } | LeafKind::Range { .. } => Vec::new(),
    }
}
