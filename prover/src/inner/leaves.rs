//! The fractions at the leaves of the lookup tree.

use super::level::{Level, Piece, ROOM};
use super::small::Combination;
use super::witness::{Keys, Row, TableRows};
use crate::poly::{eq_table, filled_with_room};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::exec::Trace;
use assay_circuits::layout::LeafKind;
use assay_circuits::shape::Shape;
use assay_circuits::system::TableId;
use assay_circuits::verifier::level_arities;
use rayon::prelude::*;
use std::ops::Range;

/// Fewest leaves of a block whose numerators are not stored: a piece of a level ends on a multiple of its smallest
/// block, and is kept apart for as many rounds as that is even.
const LEAST: usize = 1 << 8;

/// What the leaves follow from: the lookups of an execution, and challenges `β, γ`.
#[derive(Clone, Copy)]
pub struct Leaves<'a> {
    /// The shape.
    pub shape: &'a Shape,
    /// Rows of the activation tables.
    pub tables: &'a [TableRows],
    /// The execution.
    pub trace: &'a Trace,
    /// Cells of the witness region.
    pub cells: &'a [i32],
    /// For each block of leaves, the rows that its lookups found; empty for tables.
    pub rows: &'a [Vec<Row>],
    /// The first challenge.
    pub beta: Fr,
    /// The second.
    pub gamma: Fr,
    /// `r`, by which rows of cells are combined.
    pub row: &'a [Fr],
    /// By table of rows: the combined rows of its block.
    pub combined: &'a [Vec<Fr>],
}

/// Leaf `i` is `numerators[i] / values[index[i]]`.
pub struct FlatLeaves {
    /// All denominators there are.
    pub values: Vec<Fr>,
    /// Which one each leaf has.
    pub index: Vec<u32>,
    /// Numerators.
    pub numerators: Vec<i32>,
}

/// The leaves of one block.
struct BlockLeaves<'a> {
    kind: LeafKind,
    range: Range<usize>,
    /// The table that they are rows of, or are looked up in.
    table: usize,
    /// Of rows, how often each was found.
    counts: Option<&'a [i32]>,
    found: &'a [Row],
}

impl<'a> Leaves<'a> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.shape.layout.leaf_count
    }

    /// How many variables each level of the tree merges, from the leaves on.
    pub fn arities(&self) -> Vec<usize> {
        let mut arities = level_arities(self.shape.layout.log_leaves);
        arities.reverse();
        arities
    }

    fn blocks(&self) -> impl Iterator<Item = BlockLeaves<'a>> + '_ {
        let layout = &self.shape.layout;
        let start = layout.witness.first_chunk << layout.log_chunk;
        layout.leaves.iter().zip(self.rows).map(move |((kind, block), found)| {
            let system = &self.shape.system;
            let (table, multiplicity) = match *kind {
                LeafKind::Rows(table @ TableId::Activation(i)) => (table, Some(system.table_counts[i as usize])),
                LeafKind::Rows(table @ TableId::Range(i)) => (table, Some(system.range_counts[i as usize])),
                LeafKind::Rows(table @ TableId::Rows(i)) => (table, Some(system.row_counts[i as usize])),
                LeafKind::Lookup(i) => (system.lookups[i].table, None),
            };
            let table = system.table_number(table);
            let counts = multiplicity
                .map(|column| layout.block(column))
                .map(|block| &self.cells[block.offset - start..][..block.size()]);
            BlockLeaves { kind: *kind, range: block.range(), table, counts, found }
        })
    }

    /// The denominator of a block's lookup that is in no table.
    fn missing(&self, block: &BlockLeaves<'_>, i: usize) -> Fr {
        missing(self, block.kind, i)
    }

    /// As a list.
    pub fn flat(&self) -> FlatLeaves {
        let rows = row_denominators(self);
        let starts: Vec<u32> =
            rows.iter().scan(0, |sum, rows| Some(std::mem::replace(sum, *sum + rows.len() as u32))).collect();
        let mut values = rows.concat();
        let count = self.shape.layout.leaf_count;
        let (mut index, mut numerators) = (vec![0; count], vec![1; count]);
        for block in self.blocks() {
            let start = starts[block.table];
            let (index, numerators) = (&mut index[block.range.clone()], &mut numerators[block.range.clone()]);
            if let Some(counts) = block.counts {
                index.iter_mut().zip(start..).for_each(|(index, row)| *index = row);
                numerators.iter_mut().zip(counts).for_each(|(numerator, count)| *numerator = -count);
                continue;
            }
            for (i, index) in index.iter_mut().enumerate() {
                *index = block.found[i].index().map_or(values.len() as u32, |row| start + row as u32);
                if *index as usize == values.len() {
                    values.push(self.missing(&block, i));
                }
            }
        }
        FlatLeaves { values, index, numerators }
    }

    /// As a level of the tree. The numerators of lookups are 1, and neither they nor the denominators are stored where
    /// most of these lie one after the other.
    pub fn level(&self) -> Level<'a> {
        let rows = row_denominators(self);
        let units = units(self.shape);
        // before and after the units
        let mut rows_of = [units.start, self.shape.layout.leaf_count - units.end]
            .map(|len| (filled_with_room(Fr::ONE, len, ROOM), filled_with_room(Fr::ZERO, len, ROOM)));
        let mut looked = Vec::new();
        for block in self.blocks() {
            let (range, denominators) = (block.range.clone(), &rows[block.table]);
            if units.contains(&range.start) {
                looked.push(block);
                continue;
            }
            let (side, skipped) = if range.start < units.start { (0, 0) } else { (1, units.end) };
            let range = range.start - skipped..range.end - skipped;
            let (p, d) = &mut rows_of[side];
            let (p, d) = (&mut p[range.clone()], &mut d[range]);
            if let Some(counts) = block.counts {
                d.copy_from_slice(denominators);
                p.iter_mut()
                    .zip(counts)
                    .for_each(|(p, count)| *p = if *count == 0 { Fr::ZERO } else { -Fr::from(*count) });
            } else {
                d.par_iter_mut()
                    .enumerate()
                    .with_min_len(1024)
                    .for_each(|(i, d)| *d = self.denominator(&block, denominators, i));
            }
        }
        let [before, after] = rows_of.map(|(p, d)| Piece::Rows(p, d));
        looked.sort_by_key(|block| block.range.start);
        let lookups = Lookups { leaves: *self, first: units.start, len: units.len(), rows, blocks: looked };
        let mut pieces = vec![before, Piece::Looked(lookups), after];
        pieces.retain(|piece| !piece.is_empty());
        Level::new(pieces)
    }

    /// The denominator of a block's lookup.
    fn denominator(&self, block: &BlockLeaves<'_>, denominators: &[Fr], i: usize) -> Fr {
        match block.found[i].index() {
            Some(row) => denominators[row],
            None => self.missing(block, i),
        }
    }
}

/// Leaves that lie one after the other, of lookups only: each has the numerator 1 and the denominator of the row that
/// it found.
pub struct Lookups<'a> {
    leaves: Leaves<'a>,
    /// The first leaf.
    first: usize,
    /// How many, a multiple of 4.
    len: usize,
    /// Denominators of each table's rows.
    rows: Vec<Vec<Fr>>,
    /// Ascending, without a gap.
    blocks: Vec<BlockLeaves<'a>>,
}

impl Lookups<'_> {
    /// Number of nodes of four leaves.
    pub fn len(&self) -> usize {
        self.len / 4
    }

    /// The denominators of some nodes' first leaves, of their second ones, and so on.
    pub fn nodes(&self, nodes: Range<usize>) -> [Vec<Fr>; 4] {
        let mut columns = std::array::from_fn(|_| Vec::with_capacity(nodes.len()));
        let (mut at, end) = (self.first + 4 * nodes.start, self.first + 4 * nodes.end);
        let from = self.blocks.partition_point(|block| block.range.end <= at);
        for block in &self.blocks[from..] {
            if at >= end {
                break;
            }
            let (rows, to) = (&self.rows[block.table], block.range.end.min(end));
            let start = at - block.range.start;
            for (four, found) in block.found[start..to - block.range.start].chunks(4).enumerate() {
                for (i, (column, row)) in columns.iter_mut().zip(found).enumerate() {
                    column.push(
                        row.index().map_or_else(|| self.leaves.missing(block, start + 4 * four + i), |row| rows[row]),
                    );
                }
            }
            at = to;
        }
        columns
    }
}

/// The longest run of blocks of lookups, each of [`LEAST`] leaves or more.
fn units(shape: &Shape) -> Range<usize> {
    let mut blocks: Vec<_> = shape.layout.leaves.iter().collect();
    blocks.sort_by_key(|(_, block)| block.offset);
    let (mut longest, mut run) = (0..0, 0..0);
    for (kind, block) in blocks {
        let lookup = matches!(kind, LeafKind::Lookup(_));
        run = if lookup && block.size() >= LEAST {
            run.start..block.range().end
        } else {
            block.range().end..block.range().end
        };
        if run.len() > longest.len() {
            longest = run.clone();
        }
    }
    longest
}

/// `β - φ` of each row of each table: activation tables first, then ranges, then tables of rows.
fn row_denominators(leaves: &Leaves<'_>) -> Vec<Vec<Fr>> {
    let Leaves { shape, tables, beta, gamma, combined, .. } = *leaves;
    let (key, system) = (Key::new(gamma), &shape.system);
    let base = |table: TableId| beta - tag(shape, table);
    let activation = tables.iter().enumerate().map(|(i, table)| {
        let base = base(TableId::Activation(i as u32));
        table.rows().par_iter().with_min_len(512).map(|row| base - key.of(*row)).collect()
    });
    let numbers = |first: Fr, count: usize| std::iter::successors(Some(first), move |d| Some(*d - gamma)).take(count);
    let ranges = system.ranges.iter().zip(0..).map(|(bits, i)| numbers(base(TableId::Range(i)), 1 << bits).collect());
    let squared = gamma.square();
    let rows = system.row_tables.iter().zip(combined).zip(0..).map(|((table, combined), i)| {
        let (base, half) = (base(TableId::Rows(i)), 1usize << (table.index_bits - 1));
        let below = numbers(base + gamma * Fr::from(half as u64), half);
        let mut all: Vec<Fr> = numbers(base, half).chain(below).collect();
        all.iter_mut().zip(combined).for_each(|(d, row)| *d -= squared * row);
        all
    });
    activation.chain(ranges).chain(rows).collect()
}

fn tag(shape: &Shape, table: TableId) -> Fr {
    Fr::from(1 + shape.system.table_number(table) as u64)
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
fn missing(leaves: &Leaves<'_>, kind: LeafKind, i: usize) -> Fr {
    let Leaves { shape, trace, beta, gamma, row, .. } = *leaves;
    let LeafKind::Lookup(index) = kind else { return beta };
    let lookup = &shape.system.lookups[index];
    let (q, y, v) = Keys::new(trace, lookup).at(i);
    let second = lookup.row.map_or(Fr::from(y), |(column, bits)| {
        let cells = trace.column(column).iter().skip(i << bits);
        cells.zip(eq_table(&row[..bits.into()])).map(|(cell, weight)| weight * Fr::from(*cell)).sum()
    });
    let key = Fr::from(q) + (second + Fr::from(v) * gamma) * gamma;
    beta - tag(shape, lookup.table) - key * gamma
}
