//! What a proof is about. Its hash is what the proof's transcript begins with: nobody, inside a circuit or out, has to
//! look at a commitment's coordinates. `docs/protocol.md` section 4.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::pcs::encode;
use ark_bn254::G1Affine;
use ark_ff::PrimeField;
use assay_circuits::Fr;
use assay_circuits::scalar::VerifyError;
use assay_circuits::shape::Shape;
use sha3::{Digest, Keccak256};

/// Everything that is fixed before the first challenge. Every list's length is fixed by the shape.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// The binding context.
    pub context: Fr,
    /// Commitments to the seller's chunks.
    pub weights: &'a [G1Affine],
    /// Commitments to the public table chunks.
    pub tables: &'a [G1Affine],
    /// Commitments to the buyers' chunks.
    pub input: &'a [G1Affine],
    /// Output cells of all inferences, in the user's order.
    pub output: &'a [i16],
    /// How many clamps there were, in all inferences.
    pub clamps: u32,
    /// Commitments to the prover's chunks.
    pub witness: &'a [G1Affine],
    /// Commitment to the mask, if the opening is hiding.
    pub mask: Option<&'a G1Affine>,
}

impl Statement<'_> {
    /// Checks all lengths against the shape. Errors: [`VerifyError::Length`].
    pub fn check_lengths(&self, shape: &Shape) -> Result<(), VerifyError> {
        let [weights, tables, input, witness] = shape.chunk_counts();
        let length = |part, have: usize, need: usize| {
            if have == need { Ok(()) } else { Err(VerifyError::Length { part, have, need }) }
        };
        length("weight commitments", self.weights.len(), weights)?;
        length("table commitments", self.tables.len(), tables)?;
        length("input commitments", self.input.len(), input)?;
        length("output", self.output.len(), shape.outputs())?;
        length("witness commitments", self.witness.len(), witness)
    }

    /// `keccak256("assay-statement-v2" ‖ context ‖ weights ‖ tables ‖ input ‖ output ‖ clamps ‖ witness ‖ mask) mod r`:
    /// points as 64 bytes, output cells as big-endian 16-bit integers, the number of clamps as one of 32 bits.
    pub fn hash(&self) -> Fr {
        let mut hash = Keccak256::new_with_prefix(b"assay-statement-v2");
        hash.update(encode::fr_word(&self.context));
        let points =
            |points: &[G1Affine], hash: &mut Keccak256| points.iter().for_each(|p| hash.update(encode::g1_bytes(p)));
        [self.weights, self.tables, self.input].into_iter().for_each(|list| points(list, &mut hash));
        hash.update(output_bytes(self.output, self.clamps));
        points(self.witness, &mut hash);
        self.mask.iter().for_each(|mask| hash.update(encode::g1_bytes(mask)));
        Fr::from_be_bytes_mod_order(&hash.finalize())
    }
}

/// An output as the contracts take it: cells as big-endian 16-bit integers, and behind them the number of clamps as one
/// of 32 bits.
pub fn output_bytes(output: &[i16], clamps: u32) -> Vec<u8> {
    output.iter().flat_map(|y| y.to_be_bytes()).chain(clamps.to_be_bytes()).collect()
}

/// `Σ_i δ^i (y_i + 2^15) + δ^n N`: what a proof claims of the `n` output cells and of the number of clamps once `δ` is
/// drawn.
pub fn output_sum(output: &[i16], clamps: u32, delta: &Fr) -> Fr {
    output.iter().rev().fold(Fr::from(clamps), |sum, y| sum * delta + Fr::from(i32::from(*y) + (1 << 15)))
}
