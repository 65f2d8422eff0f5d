//! The witness: a trace laid out in the prover's chunks, with the multiplicities of all tables.

use assay_circuits::exec::Trace;
use assay_circuits::layout::LeafKind;
use assay_circuits::model::{Table, WeightBlock};
use assay_circuits::shape::Shape;
use assay_circuits::system::{ColumnId, Lookup, Owner, RowTable, TableId};
use rayon::prelude::*;

/// The rows of an activation table, made once per shape.
pub struct TableRows(Vec<(i32, i32, i32)>);

impl TableRows {
    /// Of every activation table of a shape.
    pub fn all(shape: &Shape) -> Vec<Self> {
        shape.architecture.tables.par_iter().map(|table| Self(table.rows())).collect()
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

/// Lays out a trace; `weights` are the cells of the weights' region. Whatever the trace holds, true or not, there is a
/// witness; a false one makes no valid proof.
pub fn build(shape: &Shape, tables: &[TableRows], weights: &[i32], trace: &Trace) -> Witness {
    let (layout, system) = (&shape.layout, &shape.system);
    let start = layout.witness.first_chunk << layout.log_chunk;
    let mut cells = vec![0; layout.witness.chunks << layout.log_chunk];
    let mut put = |column: ColumnId, values: &[i32]| {
        let block = layout.block(column);
        let from = block.offset - start;
        for (cell, value) in cells[from..from + block.size()].iter_mut().zip(values) {
            *cell = *value;
        }
    };
    system.executed().filter(|id| system.column(*id).owner == Owner::Prover).for_each(|id| put(id, trace.column(id)));
    let rows: Vec<Vec<Row>> =
        layout.leaves.par_iter().map(|(kind, _)| find_rows(shape, tables, weights, trace, *kind)).collect();
    let mut counts: Vec<Vec<i32>> = tables.iter().map(|t| vec![0; t.rows().len()]).collect();
    counts.extend(system.ranges.iter().map(|bits| vec![0; 1 << bits]));
    counts.extend(system.row_tables.iter().map(|table| vec![0; 1 << table.index_bits]));
    for ((kind, _), rows) in layout.leaves.iter().zip(&rows) {
        if let LeafKind::Lookup(index) = kind {
            let table = system.table_number(system.lookups[*index].table);
            rows.iter().filter_map(|row| row.index()).for_each(|row| counts[table][row] += 1);
        }
    }
    system.counts().zip(&counts).for_each(|(column, counts)| put(column, counts));
    Witness { cells, rows }
}

fn find_rows(shape: &Shape, tables: &[TableRows], weights: &[i32], trace: &Trace, kind: LeafKind) -> Vec<Row> {
    let LeafKind::Lookup(index) = kind else { return Vec::new() };
    let lookup = &shape.system.lookups[index];
    let key = Keys::new(trace, lookup);
    match lookup.table {
        TableId::Activation(index) => {
            let (table, rows) = (&shape.architecture.tables[index as usize], tables[index as usize].rows());
            (0..key.len).map(|i| find(table, rows, key.at(i))).collect()
        }
        TableId::Range(index) => {
            let bits = shape.system.ranges[index as usize];
            let row =
                |(n, ..): (i64, i32, i32)| if (0..1i64 << bits).contains(&n) { Row(n as u32) } else { Row::MISSING };
            (0..key.len).map(|i| row(key.at(i))).collect()
        }
        TableId::Rows(index) => {
            let table = shape.system.row_tables[index as usize];
            let matrix = Rows::new(shape, weights, &table);
            let cells = lookup.row.map_or(&[][..], |(column, _)| trace.column(column));
            let width = 1 << table.bits;
            let row = |i: usize| {
                let at = number_of(&table, key.at(i).0)?;
                matrix.is_row(at, cells.get(i * width..(i + 1) * width)?).then_some(Row(at as u32))
            };
            (0..key.len).map(|i| row(i).unwrap_or(Row::MISSING)).collect()
        }
    }
}

/// The rows of a table's block of weights.
struct Rows<'a> {
    block: &'a WeightBlock,
    bits: u32,
    /// The stored cells.
    cells: &'a [i32],
    /// What each place in a row adds to a cell's place among the stored ones.
    places: Vec<Option<usize>>,
}

impl<'a> Rows<'a> {
    fn new(shape: &'a Shape, weights: &'a [i32], table: &RowTable) -> Self {
        let block = &shape.system.matrices[table.matrix.0 as usize];
        let cells = weights.get(shape.layout.block(table.matrix).range()).unwrap_or_default();
        Self {
            block,
            bits: table.bits.into(),
            cells,
            places: (0..1 << table.bits).map(|place| block.place(0, place)).collect(),
        }
    }

    /// Whether a row has these cells; rows that the block does not have are zeros.
    fn is_row(&self, row: usize, have: &[i32]) -> bool {
        let first = if row < 1 << (u32::from(self.block.log_size) - self.bits) {
            self.block.place(self.bits, row)
        } else {
            None
        };
        let cell = |place: &Option<usize>| {
            first.zip(*place).and_then(|(first, place)| self.cells.get(first + place)).copied().unwrap_or(0)
        };
        self.places.iter().map(cell).eq(have.iter().copied())
    }
}

/// Which row of a table an index names.
fn number_of(table: &RowTable, index: i64) -> Option<usize> {
    let half = 1i64 << (table.index_bits - 1);
    (-half..half).contains(&index).then(|| index.rem_euclid(2 * half) as usize)
}

fn find(table: &Table, rows: &[(i32, i32, i32)], (q, y, v): (i64, i32, i32)) -> Row {
    let row = i32::try_from(q).ok().and_then(|q| Some((table.row_of(q, v)?, q)));
    match row.and_then(|(row, q)| Some((row, q, rows.get(row)?))) {
        Some((row, q, found)) if *found == (q, y, v) => Row(row as u32),
        _ => Row::MISSING,
    }
}

/// What a lookup looks up, cell by cell.
pub struct Keys<'a> {
    columns: [Option<&'a [i32]>; 3],
    offset: i64,
    len: usize,
}

impl<'a> Keys<'a> {
    /// From an execution.
    pub fn new(trace: &'a Trace, lookup: &Lookup) -> Self {
        let columns = lookup.keys.map(|key| key.map(|id| trace.column(id)));
        let len = columns.iter().flatten().map(|column| column.len()).min().unwrap_or(0);
        Self { columns, offset: lookup.offset, len }
    }

    /// The keys of a cell.
    pub fn at(&self, i: usize) -> (i64, i32, i32) {
        let [q, y, v] = self.columns.map(|column| column.and_then(|column| column.get(i)).copied().unwrap_or(0));
        (i64::from(q) + self.offset, y, v)
    }
}
