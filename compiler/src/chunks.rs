//! The size of a chunk: how many cells one commitment is about. Few large chunks are cheap to settle and slow to open.

use crate::cost::{GAS_PER_CHUNK, seconds_opening};
use assay_circuits::model::Architecture;
use assay_circuits::shape::{Shape, ShapeError};

/// The chunk size that opens quickly: each commitment is small, and there are many.
pub const LATENCY_LOG: u32 = 13;
/// The most commitments to weights that `ModelRegistry` stores: 64 bytes each, in the code of one contract of at most
/// 24,576 bytes.
pub const MAX_WEIGHT_CHUNKS: usize = 383;

/// Smallest and largest log that are chosen for small models.
const SMALL_LOGS: std::ops::RangeInclusive<u32> = 14..=17;
/// The largest log that is chosen: an opening takes some 5 s there on two cores.
const MAX_LOG: u32 = 22;
/// From this many chunks on, doubling the largest of [`SMALL_LOGS`] is worth its slower opening.
const MANY_CHUNKS: usize = 12;
/// The gas that each second of an opening beyond that has to save.
const GAS_PER_SECOND: f64 = 1e6;

/// The log of the chunk size with which settling is cheap. It costs gas per commitment to weights and witness, and a
/// little per doubling of the chunk: so the smallest chunk that leaves two of each, if there is one; and for large
/// models doubling as long as that saves much, or the registry could not store the commitments.
///
/// # Errors
/// If the architecture has no shape.
pub fn log_chunk_for_gas(architecture: &Architecture) -> Result<u32, ShapeError> {
    choose(|log| Shape::new(architecture.clone(), log).map(|shape| shape.chunk_counts()))
}

/// The choice, from the numbers of chunks of weights, tables, input and witness by the log of their size.
fn choose<E>(counts: impl Fn(u32) -> Result<[usize; 4], E>) -> Result<u32, E> {
    let mut last = 0;
    for log in SMALL_LOGS {
        let [weights, tables, input, witness] = counts(log)?;
        if weights <= 2 && witness <= 2 {
            return Ok(log);
        }
        last = weights + tables + input + witness;
    }
    if last <= MANY_CHUNKS {
        return Ok(*SMALL_LOGS.end());
    }
    let mut log = SMALL_LOGS.end() + 1;
    while log < MAX_LOG {
        let [weights, tables, input, witness] = counts(log)?;
        let saved = GAS_PER_CHUNK as f64 * (weights + tables + input + witness) as f64 / 2.0;
        // twice the cells take as long again
        if weights <= MAX_WEIGHT_CHUNKS && saved < GAS_PER_SECOND * seconds_opening(log) {
            break;
        }
        log += 1;
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// The log for so many cells of weights and of the witness.
    fn chosen(weights: usize, witness: usize) -> u32 {
        let Ok(log) = choose(|log| Ok::<_, Infallible>([weights.div_ceil(1 << log), 1, 1, witness.div_ceil(1 << log)]));
        log
    }

    /// LeNet-5 gets the chunks of its golden proof; models with millions of cells larger ones, and the largest such
    /// that a registry can store their commitments.
    #[test]
    fn chunks_grow_with_the_model() {
        assert_eq!(chosen(1 << 13, 1 << 14), 14, "two of each are not too many");
        assert_eq!(chosen(1 << 18, 1 << 17), 17, "two of each");
        assert_eq!(chosen(1 << 19, 1 << 18), 17, "few enough to stay quick");
        assert_eq!(chosen(1 << 22, 1 << 22), 18, "a ResNet for small pictures");
        assert_eq!(chosen(218_317_824, 13_274_633), 20, "GPT-2");
        assert_eq!(chosen(1 << 31, 1 << 24), 22, "more than any that a registry stores");
        for weights in (20..29).map(|log| 3usize << log) {
            assert!(weights.div_ceil(1 << chosen(weights, 1 << 20)) <= MAX_WEIGHT_CHUNKS, "{weights}");
        }
        let (architecture, _) = assay_circuits::sample::digits_cnn();
        assert_eq!(log_chunk_for_gas(&architecture).expect("a shape"), 14);
    }
}
