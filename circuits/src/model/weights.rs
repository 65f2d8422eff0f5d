//! Checks that weights belong to an architecture.

use super::{Architecture, ModelError, Weights};
use rayon::prelude::*;

impl Weights {
    /// Checks that the weights belong to a valid architecture: block lengths, value ranges.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self, arch: &Architecture) -> Result<(), ModelError> {
        self.check_lengths(arch)?;
        self.check_ranges(arch)
    }

    /// Checks that every weight and every bias fits its bits.
    fn check_ranges(&self, arch: &Architecture) -> Result<(), ModelError> {
        let bits = arch.weight_bits.clamp(1, 16);
        let half = 1i32 << (bits - 1);
        let fits = |v: &i16| (-half..half).contains(&i32::from(*v));
        for (matrix, block) in self.matrices.iter().enumerate() {
            // Minimum and maximum of a chunk are vector instructions; the search for the culprit runs only if there is
            // one.
            let extremes = |c: &[i16]| c.iter().fold((0, 0), |(low, high): (i16, i16), &v| (low.min(v), high.max(v)));
            let good = block.par_chunks(1 << 14).map(extremes).all(|(low, high)| fits(&low) && fits(&high));
            let culprit = if good { None } else { block.iter().enumerate().find(|(_, v)| !fits(v)) };
            if let Some((index, &value)) = culprit {
                return Err(ModelError::WeightRange { matrix, index, value, bits });
            }
        }
        for (bias, (block, of)) in self.biases.iter().zip(&arch.biases).enumerate() {
            let half = 1i64 << (of.bits.clamp(1, 32) - 1);
            if let Some((index, &value)) =
                block.iter().enumerate().find(|(_, v)| !(-half..half).contains(&i64::from(**v)))
            {
                return Err(ModelError::BiasRange { bias, index, value, bits: of.bits });
            }
        }
        Ok(())
    }

    /// Checks block counts and lengths.
    fn check_lengths(&self, arch: &Architecture) -> Result<(), ModelError> {
        if self.matrices.len() != arch.matrices.len() {
            return Err(ModelError::MatrixCount { have: self.matrices.len(), need: arch.matrices.len() });
        }
        for (matrix, (block, of)) in self.matrices.iter().zip(&arch.matrices).enumerate() {
            if block.len() != of.stored() {
                return Err(ModelError::MatrixLength { matrix, have: block.len(), need: of.stored() });
            }
        }
        if self.biases.len() != arch.biases.len() {
            return Err(ModelError::BiasCount { have: self.biases.len(), need: arch.biases.len() });
        }
        for (bias, (block, of)) in self.biases.iter().zip(&arch.biases).enumerate() {
            if block.len() != 1 << of.log_size {
                return Err(ModelError::BiasLength { bias, have: block.len(), need: 1 << of.log_size });
            }
        }
        Ok(())
    }
}
