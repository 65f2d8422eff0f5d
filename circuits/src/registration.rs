//! The proof of weights: that what a model's weight commitments hold is what its architecture says weights are, shown
//! once, by somebody who knows it.
//!
//! A proof of an inference looks no weight up: its price would grow with the model and not with the work. So a seller
//! proves once, when the model is registered,
//!
//! * `w + 2^(b-1)` is in the range of `b` bits, for each cell `w` of each block of weights, `b` being
//!   [`Architecture::weight_bits`];
//! * `c + 2^(n-1) = lo + 2^16·hi`, `lo` in the range of `min(n, 16)` bits and `hi` in that of the rest, for each cell
//!   `c` of each block of `n`-bit biases.
//!
//! It is a proof like any other, of a [`System`] with the model's weights and biases for its columns, in the same
//! places of the same chunks, so of the same commitments. It has one inference of an input of one cell, which is its
//! output: whoever verifies takes [`INPUT`] for both.
//!
//! **One solution.** A lookup fixes `w` to one of `2^b` numbers of the field, which are the integers in `[-2^(b-1),
//! 2^(b-1))`. A sum of limbs fixes `c` likewise, and since `n <= 32` bits are far from the field's 254 it does not wrap
//! around; `lo` and `hi` are the digits of `c + 2^(n-1)` in base `2^16`, so they are fixed by `c`.
//!
//! **What it says.** Every cell of every block, read by a layer or not, is an integer of its width. With it the bounds
//! that validation computes from the widths hold for the committed weights, so the model is the executor's function and
//! no other; and whoever made the proof knew an opening of the commitments. It says nothing about
//! cells of chunks that no block holds, which no claim ever reads.

use crate::exec::Trace;
use crate::model::{Architecture, Input, Output, Port, Source, WeightBlock, Weights};
use crate::system::{Builder, Owner};

/// The one cell of input and of output.
pub const INPUT: i32 = 1;
/// Bits of the lower digit of a bias.
const DIGIT: u8 = 16;

/// The tiles of the model's blocks, each as a block: what is committed, in the places where it is.
fn tiles(of: &Architecture) -> impl Iterator<Item = WeightBlock> + '_ {
    let of_block = |block: &WeightBlock| std::iter::repeat_n(WeightBlock::from(block.log_tile() as u8), block.tiles());
    of.matrices.iter().flat_map(of_block)
}

/// The model's blocks, and nothing that is computed from them.
pub(crate) fn architecture(of: &Architecture) -> Architecture {
    let port = Port { name: "one".into(), scale: 0, range: (INPUT, INPUT), shape: vec![1], cells: vec![0] };
    let output = Output { name: "one".into(), source: Source::Input, scale: 0, shape: vec![1], cells: vec![0] };
    Architecture {
        input: Input { log_size: 0, bits: 2, ports: vec![port] },
        weight_bits: of.weight_bits,
        matrices: tiles(of).collect(),
        biases: of.biases.clone(),
        tables: Vec::new(),
        layers: Vec::new(),
        loops: Vec::new(),
        outputs: vec![output],
    }
}

/// How the numbers of a block of biases are cut: bits of the lower and, where there is one, of the higher digit.
fn digits(bits: u8) -> (u8, Option<u8>) {
    (bits.min(DIGIT), bits.checked_sub(DIGIT).filter(|high| *high > 0))
}

/// Adds digits, lookups and equations to the columns of weights and biases.
pub(crate) fn elaborate(of: &Architecture, system: &mut Builder) {
    for index in 0..of.matrices.len() as u32 {
        system.signed(Source::Weight(index), of.weight_bits);
    }
    for (index, block) in (0..).zip(&of.biases) {
        let (low, Some(high)) = digits(block.bits) else {
            system.signed(Source::Bias(index), block.bits);
            continue;
        };
        let low = system.ranged(block.log_size, Owner::Prover, low);
        let high = system.ranged(block.log_size, Owner::Prover, high);
        let bias = system.column_of(Source::Bias(index));
        system.equation(
            block.log_size,
            Vec::new(),
            vec![(1, bias), (-1, low), (-(1 << DIGIT), high)],
            1 << (block.bits - 1),
        );
    }
}

/// All columns of the proof, for weights that belong to the architecture. Of others the digits are those of their low
/// bits, which makes no valid proof.
pub fn trace(of: &Architecture, weights: &Weights) -> Trace {
    let wide = |cells: &[i16]| cells.iter().map(|w| i32::from(*w)).collect::<Vec<i32>>();
    let blocks = of.matrices.iter().zip(&weights.matrices);
    let tiles = blocks.flat_map(|(block, cells)| cells.chunks(1 << block.log_tile()).map(wide));
    let mut columns: Vec<Vec<i32>> = tiles.chain(weights.biases.iter().cloned()).collect();
    columns.push(vec![INPUT]);
    for (block, of) in weights.biases.iter().zip(&of.biases) {
        let (_, Some(high)) = digits(of.bits) else { continue };
        let offset: Vec<i64> = block.iter().map(|c| i64::from(*c) + (1 << (of.bits - 1))).collect();
        columns.push(offset.iter().map(|n| (n & ((1 << DIGIT) - 1)) as i32).collect());
        columns.push(offset.iter().map(|n| ((n >> DIGIT) & ((1 << high) - 1)) as i32).collect());
    }
    Trace::of_columns(columns)
}
