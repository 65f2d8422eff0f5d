//! What Assay's prover and verifier share.
//!
//! * [`model`]: the quantised network as plain data (architecture is public, weights are not);
//! * [`exec`]: the exact integer semantics of a network, the function that a proof attests;
//! * [`batch`]: several inferences in one proof;
//! * [`clamps`]: how many values did not fit, which a proof states;
//! * [`relation`], [`system`]: what a layer makes of its sum; a network as columns, equations and lookups;
//! * [`registration`]: the proof that committed weights are what the architecture says;
//! * [`layout`], [`shape`]: where every cell of a proof lives; [`soundness`]: how sure a proof of a shape is;
//! * [`verifier`]: the inner verifier, generic over the [`scalar`]s it computes with, on a [`transcript`] over
//!   [`poseidon`];
//! * [`r1cs`], [`wrap`]: the same verifier as a circuit;
//! * [`plonk`]: the same circuit as rows of a fixed gate set;
//! * [`sample`]: networks for tests and benchmarks.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

pub mod batch;
pub mod clamps;
pub mod exec;
pub mod layout;
pub mod model;
pub mod plonk;
pub mod poseidon;
pub mod r1cs;
pub mod registration;
pub mod relation;
pub mod sample;
pub mod scalar;
pub mod shape;
pub mod soundness;
pub mod system;
pub mod transcript;
pub mod verifier;
pub mod wrap;

/// The scalar field of BN254, over which everything is proven.
pub type Fr = ark_bn254::Fr;
