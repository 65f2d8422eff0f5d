//! Where every cell lives: aligned blocks of the committed vector `G` and of the lookup tree's leaves.
//!
//! `docs/protocol.md` section 2. A claim about a column is a claim about `G` at a point whose high coordinates are the
//! bits of the block's position. Everything here follows from the architecture and the chunk size; a proof chooses
//! nothing.

use crate::batch::Batch;
use crate::system::{ColumnId, Owner, System, TableId};
use std::cmp::Reverse;

/// A power-of-two number of cells, aligned to the range that they span, or several such tiles of a block of weights,
/// one after the other. A column of a batch holds its inferences one after the other; only those of the input may lie
/// further apart than they are long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// First cell.
    pub offset: usize,
    /// Log of the number of cells.
    pub log_size: u32,
    /// Log of the number of cells of one inference; `log_size` for what a batch shares.
    pub log_item: u32,
    /// The cells of two inferences are `2^(log_item + gap)` apart.
    pub gap: u32,
    /// Number of tiles of this size, each right after the one before: more than 1 only of weights.
    pub tiles: usize,
}

impl Block {
    /// Number of cells, of one tile.
    pub fn size(&self) -> usize {
        1 << self.log_size
    }

    /// From the first cell to the last, gaps and all tiles included.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + (self.tiles << self.log_span())
    }

    /// One of the tiles.
    pub fn tile(&self, tile: usize) -> Self {
        Self { offset: self.offset + (tile << self.log_size), tiles: 1, ..*self }
    }

    /// Log of the number of cells from the first to the last, of one tile.
    pub fn log_span(&self) -> u32 {
        self.log_size + self.gap
    }

    /// The ranges of the inferences; one range where there are no gaps.
    pub fn pieces(&self) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let (offset, len, count) = if self.gap == 0 {
            (self.offset, self.log_size, 0)
        } else {
            (self.offset, self.log_item, self.log_batch())
        };
        let distance = len + self.gap;
        (0..1usize << count).map(move |i| offset + (i << distance)..offset + (i << distance) + (1 << len))
    }

    /// Log of the number of inferences.
    pub fn log_batch(&self) -> u32 {
        self.log_size - self.log_item
    }

    /// Of the coordinates of a point of the committed vector (or of the leaves), those that number the block's own
    /// cells, and those that are fixed within it, with the number that they have there.
    pub fn coordinates<S: Clone>(&self, point: &[S]) -> (Vec<S>, Vec<S>, usize) {
        let (inside, above) = point.split_at(self.log_span() as usize);
        let (low, rest) = inside.split_at(self.log_item as usize);
        let (hole, high) = rest.split_at(self.gap as usize);
        ([low, high].concat(), [hole, above].concat(), self.offset >> self.log_span() << self.gap)
    }
}

/// Chunks of one owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// Index of the first chunk.
    pub first_chunk: usize,
    /// Number of chunks; 0 only for tables.
    pub chunks: usize,
}

/// What a block of leaves holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafKind {
    /// The rows of a table.
    Rows(TableId),
    /// The lookups of [`System::lookups`] of this index.
    Lookup(usize),
}

/// Where every cell lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Log of a chunk's size, `c`.
    pub log_chunk: u32,
    /// Log of the number of chunks (rounded up), `k`.
    pub log_chunks: u32,
    /// The seller's chunks.
    pub weights: Region,
    /// Chunks of public table columns.
    pub tables_region: Region,
    /// The buyer's chunks.
    pub input_region: Region,
    /// The prover's chunks.
    pub witness: Region,
    /// The block of each of the system's columns.
    pub blocks: Vec<Block>,
    /// The input's block.
    pub input: Block,
    /// Blocks of leaves with what they hold: the rows of tables, of ranges, of tables of rows, then lookups.
    pub leaves: Vec<(LeafKind, Block)>,
    /// Number of leaves that blocks occupy.
    pub leaf_count: usize,
    /// Log of the lookup tree's size, and of no equation's less.
    pub log_leaves: u32,
}

/// A block that is yet to be placed.
fn block(log_item: u32, log_batch: u32) -> Block {
    Block { offset: 0, log_size: log_item + log_batch, log_item, gap: 0, tiles: 1 }
}

/// Places blocks, largest first; every block is aligned. Returns them in the order given, and the end.
fn pack(blocks: &[Block], start: usize) -> (Vec<Block>, usize) {
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|&i| Reverse(blocks[i].log_span()));
    let mut blocks = blocks.to_vec();
    let mut end = start;
    for i in order {
        blocks[i].offset = end;
        end = blocks[i].range().end;
    }
    (blocks, end)
}

/// Packs the blocks of one region of at least `least` chunks after `start` cells; returns them, the region and the cell
/// after its last chunk.
fn region(blocks: &[Block], start: usize, log_chunk: u32, least: usize) -> (std::vec::IntoIter<Block>, Region, usize) {
    let largest = blocks.iter().map(Block::log_span).max().unwrap_or(0).max(log_chunk);
    let first = start.next_multiple_of(1 << largest);
    let (blocks, end) = pack(blocks, first);
    let chunks = (end - first).div_ceil(1 << log_chunk).max(least);
    let first_chunk = if chunks == 0 { start >> log_chunk } else { first >> log_chunk };
    let end = if chunks == 0 { start } else { first + (chunks << log_chunk) };
    (blocks.into_iter(), Region { first_chunk, chunks }, end)
}

impl Layout {
    /// The layout of a system for chunks of `2^log_chunk` cells.
    pub fn new(system: &System, log_chunk: u32, batch: Batch) -> Self {
        let of = |log_size: u8, batched: bool| block(log_size.into(), if batched { batch.log_len() } else { 0 });
        let mut blocks: Vec<Block> =
            system.columns.iter().map(|column| of(column.log_size, column.is_batched())).collect();
        for (column, matrix) in system.weights.iter().zip(&system.matrices) {
            blocks[column.0 as usize] = Block { tiles: matrix.tiles(), ..block(matrix.log_tile(), 0) };
        }
        let input = system.input.0 as usize;
        if batch.is_separate() {
            blocks[input].gap = log_chunk.saturating_sub(blocks[input].log_item);
        }
        let mut place = |owners: &[Owner], start: usize, least: usize| {
            let mine: Vec<usize> = (0..blocks.len()).filter(|i| owners.contains(&system.columns[*i].owner)).collect();
            let wanted: Vec<Block> = mine.iter().map(|i| blocks[*i]).collect();
            let (placed, region, end) = region(&wanted, start, log_chunk, least);
            mine.into_iter().zip(placed).for_each(|(i, block)| blocks[i] = block);
            (region, end)
        };
        let (weights, end) = place(&[Owner::Seller], 0, 1);
        let (tables_region, end) = place(&[Owner::Public], end, 0);
        let (input_region, end) = place(&[Owner::Buyer], end, 1);
        let (witness, end) = place(&[Owner::Prover, Owner::Multiplicity], end, 1);

        let tables = system.table_counts.iter().zip(0..).map(|(column, i)| (TableId::Activation(i), column));
        let ranges = system.range_counts.iter().zip(0..).map(|(column, i)| (TableId::Range(i), column));
        let row_tables = system.row_counts.iter().zip(0..).map(|(column, i)| (TableId::Rows(i), column));
        let rows = tables
            .chain(ranges)
            .chain(row_tables)
            .map(|(id, column)| (LeafKind::Rows(id), of(system.column(*column).log_size, false)));
        let lookups = system.lookups.iter().enumerate();
        let lookups = lookups.map(|(i, lookup)| (LeafKind::Lookup(i), of(lookup.log_size, system.is_batched(lookup))));
        let (kinds, wanted): (Vec<LeafKind>, Vec<Block>) = rows.chain(lookups).unzip();
        let (placed, leaf_count) = pack(&wanted, 0);
        // equations are checked at a prefix of the leaves' point: where sums are exact, and so not looked up, unused
        // leaves give it its coordinates
        let log_equation = system.equations.iter().map(|e| u32::from(e.log_size) + batch.log_len()).max().unwrap_or(0);
        Self {
            log_chunk,
            log_chunks: (end >> log_chunk).next_power_of_two().trailing_zeros(),
            weights,
            tables_region,
            input_region,
            witness,
            input: blocks[input],
            blocks,
            leaves: kinds.into_iter().zip(placed).collect(),
            leaf_count,
            log_leaves: leaf_count.next_power_of_two().trailing_zeros().max(log_equation),
        }
    }

    /// Number of variables of `G`, `c + k`.
    pub fn variables(&self) -> usize {
        (self.log_chunk + self.log_chunks) as usize
    }

    /// Cells of a chunk.
    pub fn chunk_len(&self) -> usize {
        1 << self.log_chunk
    }

    /// The block of a column.
    pub fn block(&self, column: ColumnId) -> Block {
        self.blocks[column.0 as usize]
    }

    /// The cells of the input region, from its first chunk on, for the inputs of all inferences one after the other.
    pub fn spread_input(&self, inputs: &[i32]) -> Vec<i32> {
        if self.input.gap == 0 {
            return inputs.to_vec();
        }
        let mut cells = vec![0; self.input.range().len()];
        for (piece, input) in self.input.pieces().zip(inputs.chunks(1 << self.input.log_item)) {
            cells[piece.start - self.input.offset..][..input.len()].copy_from_slice(input);
        }
        cells
    }

    /// The regions in the order in which their commitments are absorbed.
    pub fn regions(&self) -> [Region; 4] {
        [self.weights, self.tables_region, self.input_region, self.witness]
    }
}
