//! Large blocks of weights without most of their padding: which tiles of them are stored ([`WeightBlock`]).

use super::plan::Plan;
use crate::net::Net;
use assay_circuits::model::{Architecture, Cut, WeightBlock, Weights, log2_ceil};

/// Blocks of fewer cells are stored whole.
const LEAST_LOG: u8 = 18;
/// What a tile costs, in cells: some rows of the wrap, against a cell's part of the inner proof.
const CELLS_PER_TILE: usize = 1 << 13;
/// The part of a block that has to be saved.
const LEAST_PART: usize = 8;
/// Most bits of an axis that number tiles.
const MOST_BITS: u8 = 5;

/// The architecture and the weights of a plan, without what large blocks are padded with. It is the same function.
pub fn without_padding(net: &Net, plan: Plan, mut weights: Weights) -> (Architecture, Weights) {
    let Plan { mut architecture, matrices, .. } = plan;
    for (index, (w, ..)) in matrices.iter().enumerate() {
        let lengths = net.lengths.get(*w as usize).map_or(&[][..], Vec::as_slice);
        let block = chosen(lengths);
        if block.cuts.is_empty()
            || block.log_size != architecture.matrices[index].log_size
            || !architecture.goes_with(index as u32, &block)
        {
            continue;
        }
        let cells = &mut weights.matrices[index];
        *cells = block.pack(std::mem::take(cells));
        architecture.matrices[index] = block;
    }
    (architecture, weights)
}

/// The cheapest cuts of the top bits of axes of these lengths.
fn chosen(lengths: &[usize]) -> WeightBlock {
    let axes: Vec<(u8, u8, u32)> = lengths
        .iter()
        .scan(0, |bit, len| {
            let log = log2_ceil(*len as u32);
            Some((std::mem::replace(bit, *bit + log), log, *len as u32))
        })
        .collect();
    let log_size: u8 = axes.iter().map(|(_, log, _)| *log).sum();
    let whole = WeightBlock::from(log_size);
    if log_size < LEAST_LOG {
        return whole;
    }
    let mut all = vec![whole.clone()];
    for (bit, log, len) in axes {
        let cut = |bits: u8| Cut { bit: bit + log - bits, bits, len: len.div_ceil(1 << (log - bits)) };
        // a length that the bits make whole is no cut
        let cuts: Vec<Cut> = (1..=log.min(MOST_BITS)).map(cut).filter(|cut| cut.len < 1 << cut.bits).collect();
        let with = |block: &WeightBlock| {
            let more = cuts
                .iter()
                .map(|cut| WeightBlock { cuts: block.cuts.iter().chain([cut]).copied().collect(), ..block.clone() });
            std::iter::once(block.clone()).chain(more).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).filter(WeightBlock::is_valid).collect();
    }
    let cost = |block: &WeightBlock| block.stored() + block.tiles() * CELLS_PER_TILE;
    let most = whole.stored() - whole.stored() / LEAST_PART;
    all.into_iter().min_by_key(cost).filter(|block| cost(block) <= most).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts(lengths: &[usize]) -> (usize, usize) {
        let block = chosen(lengths);
        assert!(block.is_valid());
        (block.tiles(), block.stored())
    }

    /// A block costs what it holds, as near as tiles are worth it.
    #[test]
    fn padding_of_large_blocks_is_left_out() {
        let (tiles, stored) = cuts(&[768, 50257]);
        assert!(tiles <= 128 && stored < 768 * 50257 * 102 / 100, "{tiles} tiles, {stored} cells");
        assert_eq!(cuts(&[768, 3072]), (9, 768 * 3072));
        assert_eq!(cuts(&[3, 3, 512, 512]), (9, 9 * 512 * 512));
    }

    #[test]
    fn what_saves_little_is_stored_whole() {
        for lengths in [&[1024, 1024][..], &[1000, 512], &[3, 3, 16, 16], &[1, 1, 2048, 512]] {
            let log = lengths.iter().map(|len| u32::from(log2_ceil(*len as u32))).sum::<u32>();
            assert_eq!(cuts(lengths), (1, 1 << log), "{lengths:?}");
        }
    }
}
