//! Where every cell lives: aligned blocks of the committed vector `G` and of the lookup tree's leaves.
//!
//! `docs/protocol.md` section 2. A claim about a column is a claim about `G` at a point whose high coordinates are the bits of the
//! block's position. Everything here follows from the architecture and the chunk size; a proof chooses nothing.

use crate::model::{Architecture, Layer, Source};
use std::cmp::Reverse;

/// An aligned power-of-two range of cells: `offset` is a multiple of `2^log_size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// First cell.
    pub offset: usize,
    /// Log of the number of cells.
    pub log_size: u32,
}

impl Block {
    /// Number of cells.
    pub fn size(&self) -> usize {
        1 << self.log_size
    }

    /// The block's cells.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.size()
    }

    /// The block's position among blocks of its size: the high bits of its cells' indices.
    pub fn index(&self) -> usize {
        self.offset >> self.log_size
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

/// Places blocks, largest first; every block is aligned. Returns the offsets, in the order asked, and the end.
fn pack(log_sizes: &[u32], start: usize) -> (Vec<Block>, usize) {
    let mut order: Vec<usize> = (0..log_sizes.len()).collect();
    order.sort_by_key(|&i| Reverse(log_sizes[i]));
    let mut blocks = vec![Block { offset: 0, log_size: 0 }; log_sizes.len()];
    let mut end = start;
    for i in order {
        blocks[i] = Block { offset: end, log_size: log_sizes[i] };
        end += blocks[i].size();
    }
    (blocks, end)
}

/// Packs the blocks of one region of at least `least` chunks after `start` cells; returns them, the region and the cell after its last chunk.
fn region(log_sizes: &[u32], start: usize, log_chunk: u32, least: usize) -> (std::vec::IntoIter<Block>, Region, usize) {
    let largest = log_sizes.iter().copied().max().unwrap_or(0).max(log_chunk);
    let first = start.next_multiple_of(1 << largest);
    let (blocks, end) = pack(log_sizes, first);
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
    pub fn new(architecture: &Architecture, log_chunk: u32) -> Self {
        let size = |layer: &Layer| layer.dims.log_size();
        let mut ranges: Vec<u32> = architecture.layers.iter().map(|l| u32::from(l.shift)).filter(|s| *s > 0).collect();
        ranges.push(u32::from(architecture.input.bits));
        ranges.sort_unstable();
        ranges.dedup();

        let mut secret = Vec::new();
        for layer in &architecture.layers {
            for term in layer.terms.iter().filter(|t| t.weight().is_some()) {
                secret.push(architecture.weight_log_size(layer, term).unwrap_or(0));
            }
            secret.extend(layer.bias.then(|| layer.dims.log_channels()));
        }
        let (mut secret, weights, end) = region(&secret, 0, log_chunk, 1);

        let committed: Vec<u32> = architecture.tables.iter().filter(|t| t.is_committed()).map(|t| t.log_rows()).collect();
        let (mut committed, tables_region, end) = region(&committed, end, log_chunk, 0);

        let (mut input, input_region, end) = region(&[architecture.input.dims.log_size()], end, log_chunk, 1);

        let mut witness = Vec::new();
        for layer in &architecture.layers {
            let columns = 1 + usize::from(has_y(architecture, layer)) + usize::from(layer.shift > 0) + usize::from(layer.limbs);
            witness.extend(std::iter::repeat_n(size(layer), columns));
        }
        witness.extend(architecture.tables.iter().map(|t| t.log_rows()));
        witness.extend(&ranges);
        let (mut witness_blocks, witness, end) = region(&witness, end, log_chunk, 1);

        // Every iterator below was filled by the same walk over the architecture, so none runs out.
        let mut next = || witness_blocks.next().unwrap_or(Block { offset: 0, log_size: 0 });
        let mut next_secret = || secret.next().unwrap_or(Block { offset: 0, log_size: 0 });
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

        let (leaves, leaf_count) = leaf_blocks(architecture, &ranges);
        Self {
            log_chunk,
            log_chunks: (end >> log_chunk).next_power_of_two().trailing_zeros(),
            weights,
            tables_region,
            input_region,
            witness,
            layers,
            input: input.next().unwrap_or(Block { offset: 0, log_size: 0 }),
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

    /// Index into [`Layout::ranges`] of the table `0..2^bits`.
    pub fn range_index(&self, bits: u32) -> usize {
        self.ranges.iter().position(|r| r.bits == bits).unwrap_or(0)
    }

    /// The regions in the order in which their commitments are absorbed.
    pub fn regions(&self) -> [Region; 4] {
        [self.weights, self.tables_region, self.input_region, self.witness]
    }
}

fn leaf_blocks(architecture: &Architecture, ranges: &[RangeTable]) -> (Vec<(LeafKind, Block)>, usize) {
    let mut kinds = Vec::new();
    for (index, table) in architecture.tables.iter().enumerate() {
        kinds.push((LeafKind::Table { table: index }, table.log_rows()));
    }
    for (index, range) in ranges.iter().enumerate() {
        kinds.push((LeafKind::Range { range: index }, range.bits));
    }
    kinds.push((LeafKind::Input, architecture.input.dims.log_size()));
    for (index, layer) in architecture.layers.iter().enumerate() {
        for limb in 0..usize::from(layer.limbs.max(1)) {
            kinds.push((LeafKind::Activation { layer: index, limb }, layer.dims.log_size()));
        }
        if layer.shift > 0 {
            kinds.push((LeafKind::Remainder { layer: index }, layer.dims.log_size()));
        }
    }
    let (blocks, count) = pack(&kinds.iter().map(|k| k.1).collect::<Vec<_>>(), 0);
    (kinds.iter().map(|k| k.0).zip(blocks).collect(), count)
}
