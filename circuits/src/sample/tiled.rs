//! Networks of whose blocks of weights not all cells are stored.

use super::Random;
use crate::model::{Architecture, Cut, Index, Rule, Run, Source, WeightBlock, Weights, log2_ceil};

/// A network with zeros where chosen cuts leave cells out, and the same network with these cuts. `seed` chooses them.
/// `None` where no block can be cut.
pub fn tiled(network: (Architecture, Weights), seed: u64) -> Option<[(Architecture, Weights); 2]> {
    let (mut whole, mut tiled) = (network.clone(), network);
    let mut random = Random::new(seed);
    for index in 0..whole.0.matrices.len() {
        let block = cut(&whole.0, index as u32, &mut random);
        if !block.is_valid() || !whole.0.goes_with(index as u32, &block) {
            continue;
        }
        let stored = block.pack(whole.1.matrices[index].clone());
        whole.1.matrices[index] = block.unpack(&stored);
        tiled.1.matrices[index] = stored;
        tiled.0.matrices[index] = block;
    }
    (tiled.0 != whole.0).then_some([whole, tiled])
}

/// Random cuts of the axes along which a block is read first.
fn cut(architecture: &Architecture, matrix: u32, random: &mut Random) -> WeightBlock {
    let mut block = architecture.matrices[matrix as usize].clone();
    let by_rows = architecture.layers.iter().find_map(|layer| match layer.rule {
        Rule::Rows { matrix: read, bits, .. } if read == matrix => {
            Some(vec![(bits, true), (block.log_size - bits, true)])
        }
        _ => None,
    });
    let of_runs = |runs: &[Run]| runs.iter().map(|run| (run.log_len, matches!(run.index, Index::Axis(_)))).collect();
    let operand = architecture
        .layers
        .iter()
        .flat_map(|layer| layer.operands())
        .find(|operand| operand.source == Source::Weight(matrix));
    let axes: Vec<(u8, bool)> = by_rows.or_else(|| operand.map(|operand| of_runs(&operand.runs))).unwrap_or_default();
    let mut bit = 0;
    for (log, whole) in axes {
        if whole && log > 0 && random.percent(70) {
            let len = random.within(1, (1 << log) - 1) as u32;
            // the number's top bits
            let bits = random.within(1, i64::from(log)) as u8;
            let len = len.div_ceil(1 << (log - bits)).min((1 << bits) - 1);
            // not always the highest of a run
            let below = if log2_ceil(len + 1) < bits && random.percent(20) { 1 } else { 0 };
            block.cuts.push(Cut { bit: bit + log - bits, bits: bits - below, len: len.min((1 << (bits - below)) - 1) });
        }
        bit += log;
    }
    block.cuts.retain(|cut| cut.bits > 0 && cut.len > 0);
    block
}
