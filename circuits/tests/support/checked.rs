//! An execution against the system's equations and lookups, each tried cell by cell.

use super::support::{Naive, summand};
use assay_circuits::exec::Trace;
use assay_circuits::model::{Architecture, Weights};
use assay_circuits::system::{ColumnId, Lookup, Owner, System, TableId, View};
use std::collections::HashSet;

/// A system with the cells of all its columns but multiplicities.
pub struct Checked {
    pub system: System,
    pub cells: Vec<Vec<i64>>,
    rows: Vec<HashSet<(i64, i64, i64)>>,
}

impl Checked {
    pub fn new(arch: &Architecture, weights: &Weights, trace: &Trace) -> Self {
        let system = System::new(arch);
        let mut secrets =
            weights.matrices.iter().map(|m| m.iter().map(|v| i64::from(*v)).collect::<Vec<i64>>()).collect::<Vec<_>>();
        secrets.extend(weights.biases.iter().map(|b| b.iter().map(|v| i64::from(*v)).collect::<Vec<i64>>()));
        let of = |id: u32| {
            let id = ColumnId(id);
            match system.column(id).owner {
                Owner::Seller => secrets[id.0 as usize].clone(),
                _ => trace.column(id).iter().map(|v| i64::from(*v)).collect(),
            }
        };
        let cells = (0..system.columns.len() as u32).map(of).collect();
        let row = |(q, y, v): (i32, i32, i32)| (i64::from(q), i64::from(y), i64::from(v));
        let rows = arch.tables.iter().map(|table| table.rows().into_iter().map(row).collect()).collect();
        Self { system, cells, rows }
    }

    /// Whether an equation holds in every cell.
    pub fn equation_holds(&self, index: usize) -> bool {
        let equation = &self.system.equations[index];
        let naive = |view: &'_ View| -> Naive<'_> {
            // the borrow is of the equation, which lives as long as `self`
            let cells = &self.cells[view.column.0 as usize];
            let runs = equation
                .summands
                .iter()
                .flat_map(|s| std::iter::once(&s.left).chain(&s.right))
                .find(|v| *v == view)
                .map_or(&[][..], |v| &v.runs[..]);
            Naive { cells, runs }
        };
        (0..1usize << equation.log_size).all(|cell| {
            let sum: i128 = equation
                .summands
                .iter()
                .map(|s| {
                    s.coefficient
                        * summand(
                            &s.axes,
                            s.summed.into(),
                            cell,
                            &naive(&s.left),
                            s.right.as_ref().map(&naive).as_ref(),
                        )
                })
                .sum();
            sum + equation.constant == 0
        })
    }

    /// Whether a lookup holds in every cell.
    pub fn lookup_holds(&self, index: usize) -> bool {
        let lookup = &self.system.lookups[index];
        (0..1usize << lookup.log_size).all(|cell| {
            let key = |i: usize| lookup.keys[i].map_or(0, |id| self.cells[id.0 as usize][cell]);
            let row = (key(0) + lookup.offset, key(1), key(2));
            match lookup.table {
                TableId::Activation(table) => self.rows[table as usize].contains(&row),
                TableId::Rows(table) => self.row_holds(lookup, table as usize, cell),
                TableId::Range(range) => {
                    row.1 == 0 && row.2 == 0 && (0..1i64 << self.system.ranges[range as usize]).contains(&row.0)
                }
            }
        })
    }

    /// Whether a row of cells is the one that its index names, cell by cell.
    fn row_holds(&self, lookup: &Lookup, table: usize, at: usize) -> bool {
        let (Some(index), Some((column, bits))) = (lookup.keys[0], lookup.row) else { return false };
        let (index, width) = (self.cells[index.0 as usize][at], 1usize << bits);
        let half = 1i64 << (self.system.row_tables[table].index_bits - 1);
        let row = &self.cells[column.0 as usize][at * width..(at + 1) * width];
        let matrix = self.cells[self.system.row_tables[table].matrix.0 as usize].chunks(width);
        let named = usize::try_from(index).ok().and_then(|index| matrix.clone().nth(index));
        (-half..half).contains(&index) && named.map_or_else(|| row.iter().all(|cell| *cell == 0), |named| named == row)
    }

    /// How many equations and how many lookups do not hold.
    pub fn broken(&self) -> [usize; 2] {
        let equations = (0..self.system.equations.len()).filter(|i| !self.equation_holds(*i)).count();
        [equations, (0..self.system.lookups.len()).filter(|i| !self.lookup_holds(*i)).count()]
    }
}
