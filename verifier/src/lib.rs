//! What everybody checks of a proof and its key: proof files, tensors in real units, keys computed again, commitments
//! to inputs.
//!
//! The `assay` command and the service build on it, and so does `@assay/verifier` (web/verifier), which is this crate
//! as WebAssembly: nothing here needs threads, files, randomness or a network.
//!
//! * [`proof_file`]: a claim and its proof, as files have it and as services answer it;
//! * [`tensors`]: what a model takes and gives, in real units;
//! * [`calls`]: the same for callers that speak JSON.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

pub mod calls;
pub mod proof_file;
pub mod tensors;
#[cfg(target_family = "wasm")]
mod wasm;

pub use proof_file::{Answer, Invalid, Kind, ProofFile};
pub use tensors::{Outputs, TensorInfo};
