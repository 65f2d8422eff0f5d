//! What Assay's prover and verifier share.
//!
//! * [`model`]: the quantised network as plain data (architecture is public, weights are not);
//! * [`exec`]: the exact integer semantics of a network, the function that a proof attests.

pub mod exec;
pub mod model;

/// The scalar field of BN254, over which everything is proven.
pub type Fr = ark_bn254::Fr;
