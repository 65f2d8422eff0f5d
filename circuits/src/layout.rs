//! Where every cell lives: aligned blocks of the committed vector `G` and of the lookup tree's leaves.
//!
//! `docs/protocol.md` section 2. A claim about a column is a claim about `G` at a point whose high coordinates are the bits of the
//! block's position. Everything here follows from the architecture and the chunk size; a proof chooses nothing.

use crate::batch::Batch;
use crate::model::{Architecture, Layer, Source};
use std::cmp::Reverse;

/// A power-of-two number of cells, aligned to the range that they span. A column of a batch holds its inferences one after the other; only those of the
/// input may lie further apart than they are long.
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
}

impl Block {
    /// Number of cells.
    pub fn size(&self) -> usize {
        1 << self.log_size
    }

    /// From the first cell to the last, gaps included.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + (1 << self.log_span())
    }

    /// Log of the number of cells from the first to the last.
    pub fn log_span(&self) -> u32 {
        self.log_size + self.gap
    }

    /// The ranges of the inferences; one range where there are no gaps.
    pub fn pieces(&self) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let (offset, len, count) =
            if self.gap == 0 { (self.offset, self.log_size, 0) } else { (self.offset, self.log_item, self.log_batch()) };
        let distance = len + self.gap;
        (0..1usize << count).map(move |i| offset + (i << distance)..offset + (i << distance) + (1 << len))
    }

    /// Log of the number of inferences.
    pub fn log_batch(&self) -> u32 {
        self.log_size - self.log_item
    }

    /// Of the coordinates of a point of the committed vector (or of the leaves), those that number the block's own cells, and those that are fixed
    /// within it, with the number that they have there.
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

/// The columns of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerBlocks {
    /// Requantised value.
    pub q: Block,
    /// `f(q)`; none if the function is the identity.
    pub y: Option<Block>,
    /// Remainder; none if the shift is 0.
    pub rem: Option<Block>,
    /// Saturation limbs.
    pub limbs: Vec<Block>,
    /// Bias per channel.
    pub bias: Option<Block>,
    /// Secret weights, per term.
    pub weights: Vec<Option<Block>>,
}

/// The columns of an activation table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableBlocks {
    /// How often each row is looked up.
    pub multiplicity: Block,
    /// `f(q)` of each row, where the verifier has no closed form.
    pub function: Option<Block>,
}

/// A range table `0..2^bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeTable {
    /// Log of the number of rows.
    pub bits: u32,
    /// How often each row is looked up.
    pub multiplicity: Block,
}

/// What a block of leaves holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafKind {
    /// Lookups `(q, y, v_limb)` of a layer; limb 0 is the first, and stands for `v = 0` where there are no limbs.
    Activation {
        /// Index of the layer.
        layer: usize,
        /// Index of the limb.
        limb: usize,
    },
    /// Lookups of a layer's remainder.
    Remainder {
        /// Index of the layer.
        layer: usize,
    },
    /// Lookups of the input cells.
    Input,
    /// Rows of an activation table.
    Table {
        /// Index of the table.
        table: usize,
    },
    /// Rows of a range table.
    Range {
        /// Index into [`Layout::ranges`].
        range: usize,
    },
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
    /// Columns of each layer.
    pub layers: Vec<LayerBlocks>,
    /// The input column.
    pub input: Block,
    /// Columns of each activation table.
    pub tables: Vec<TableBlocks>,
    /// Range tables, by ascending width.
    pub ranges: Vec<RangeTable>,
    /// Blocks of leaves with what they hold.
    pub leaves: Vec<(LeafKind, Block)>,
    /// Number of leaves that blocks occupy.
    pub leaf_count: usize,
    /// Log of the lookup tree's size.
    pub log_leaves: u32,
}

/// A block that is yet to be placed.
fn block(log_item: u32, log_batch: u32) -> Block {
    Block { offset: 0, log_size: log_item + log_batch, log_item, gap: 0 }
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

/// Packs the blocks of one region of at least `least` chunks after `start` cells; returns them, the region and the cell after its last chunk.
fn region(blocks: &[Block], start: usize, log_chunk: u32, least: usize) -> (std::vec::IntoIter<Block>, Region, usize) {
    let largest = blocks.iter().map(Block::log_span).max().unwrap_or(0).max(log_chunk);
    let first = start.next_multiple_of(1 << largest);
    let (blocks, end) = pack(blocks, first);
    let chunks = (end - first).div_ceil(1 << log_chunk).max(least);
    let first_chunk = if chunks == 0 { start >> log_chunk } else { first >> log_chunk };
    let end = if chunks == 0 { start } else { first + (chunks << log_chunk) };
    (blocks.into_iter(), Region { first_chunk, chunks }, end)
}

fn has_y(architecture: &Architecture, layer: &Layer) -> bool {
    architecture.table(layer).is_some_and(|t| t.function != crate::model::Function::Identity)
}

impl Layout {
    /// The layout of a valid architecture (see [`Architecture::validate`]) for chunks of `2^log_chunk` cells.
    pub fn new(architecture: &Architecture, log_chunk: u32, batch: Batch) -> Self {
        let column = |layer: &Layer| block(layer.dims.log_size(), batch.log_len());
        let shared = |log_size: u32| block(log_size, 0);
        let mut ranges: Vec<u32> = architecture.layers.iter().map(|l| u32::from(l.shift)).filter(|s| *s > 0).collect();
        ranges.push(u32::from(architecture.input.bits));
        ranges.sort_unstable();
        ranges.dedup();

        let mut secret = Vec::new();
        for layer in &architecture.layers {
            for term in layer.terms.iter().filter(|t| t.weight().is_some()) {
                secret.push(shared(architecture.weight_log_size(layer, term).unwrap_or(0)));
            }
            secret.extend(layer.bias.then(|| shared(layer.dims.log_channels())));
        }
        let (mut secret, weights, end) = region(&secret, 0, log_chunk, 1);

        let committed: Vec<Block> = architecture.tables.iter().filter(|t| t.is_committed()).map(|t| shared(t.log_rows())).collect();
        let (mut committed, tables_region, end) = region(&committed, end, log_chunk, 0);

        let log_input = architecture.input.dims.log_size();
        let gap = if batch.is_separate() { log_chunk.saturating_sub(log_input) } else { 0 };
        let input = Block { gap, ..block(log_input, batch.log_len()) };
        let (mut input, input_region, end) = region(&[input], end, log_chunk, 1);

        let mut witness = Vec::new();
        for layer in &architecture.layers {
            let columns = 1 + usize::from(has_y(architecture, layer)) + usize::from(layer.shift > 0) + usize::from(layer.limbs);
            witness.extend(std::iter::repeat_n(column(layer), columns));
        }
        witness.extend(architecture.tables.iter().map(|t| t.log_rows()).chain(ranges.iter().copied()).map(shared));
        let (mut witness_blocks, witness, end) = region(&witness, end, log_chunk, 1);

        // Every iterator below was filled by the same walk over the architecture, so none runs out.
        let mut next = || witness_blocks.next().unwrap_or_default();
        let mut next_secret = || secret.next().unwrap_or_default();
        let layers = architecture
            .layers
            .iter()
            .map(|layer| LayerBlocks {
                q: next(),
                y: has_y(architecture, layer).then(&mut next),
                rem: (layer.shift > 0).then(&mut next),
                limbs: (0..layer.limbs).map(|_| next()).collect(),
                weights: layer.terms.iter().map(|t| t.weight().map(|_| next_secret())).collect(),
                bias: layer.bias.then(&mut next_secret),
            })
            .collect();
        let tables = architecture
            .tables
            .iter()
            .map(|t| TableBlocks { multiplicity: next(), function: if t.is_committed() { committed.next() } else { None } })
            .collect();
        let ranges: Vec<RangeTable> = ranges.iter().map(|bits| RangeTable { bits: *bits, multiplicity: next() }).collect();

        let (leaves, leaf_count) = leaf_blocks(architecture, &ranges, batch.log_len());
        Self {
            log_chunk,
            log_chunks: (end >> log_chunk).next_power_of_two().trailing_zeros(),
            weights,
            tables_region,
            input_region,
            witness,
            layers,
            input: input.next().unwrap_or_default(),
            tables,
            ranges,
            leaves,
            leaf_count,
            log_leaves: leaf_count.next_power_of_two().trailing_zeros(),
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
    pub fn column(&self, source: Source) -> Block {
        match source {
            Source::Input => self.input,
            Source::Pre(layer) => self.layers[layer as usize].q,
            Source::Post(layer) => self.layers[layer as usize].y.unwrap_or(self.layers[layer as usize].q),
        }
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

    /// Index into [`Layout::ranges`] of the table `0..2^bits`.
    pub fn range_index(&self, bits: u32) -> usize {
        self.ranges.iter().position(|r| r.bits == bits).unwrap_or(0)
    }

    /// The regions in the order in which their commitments are absorbed.
    pub fn regions(&self) -> [Region; 4] {
        [self.weights, self.tables_region, self.input_region, self.witness]
    }
}

fn leaf_blocks(architecture: &Architecture, ranges: &[RangeTable], log_batch: u32) -> (Vec<(LeafKind, Block)>, usize) {
    let mut kinds = Vec::new();
    for (index, table) in architecture.tables.iter().enumerate() {
        kinds.push((LeafKind::Table { table: index }, block(table.log_rows(), 0)));
    }
    for (index, range) in ranges.iter().enumerate() {
        kinds.push((LeafKind::Range { range: index }, block(range.bits, 0)));
    }
    kinds.push((LeafKind::Input, block(architecture.input.dims.log_size(), log_batch)));
    for (index, layer) in architecture.layers.iter().enumerate() {
        let column = block(layer.dims.log_size(), log_batch);
        for limb in 0..usize::from(layer.limbs.max(1)) {
            kinds.push((LeafKind::Activation { layer: index, limb }, column));
        }
        if layer.shift > 0 {
            kinds.push((LeafKind::Remainder { layer: index }, column));
        }
    }
    let (blocks, count) = pack(&kinds.iter().map(|k| k.1).collect::<Vec<_>>(), 0);
    (kinds.iter().map(|k| k.0).zip(blocks).collect(), count)
}
