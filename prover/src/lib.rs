//! Assay's proof system: prover and native verifier.
//!
//! * [`inner`]: commit to everything, one lookup argument, one product sumcheck, one batch opening;
//! * [`native`]: the inner proof as it is, verified natively (not zero-knowledge);
//! * [`wrap`]: the inner proof inside a SNARK (zero-knowledge, for contracts): PLONK over the same powers of tau, or
//!   Groth16;
//! * [`plonk`], [`ntt`]: the universal wrap's proof system; transforms;
//! * [`msm`], [`srs`], [`pcs`]: multi-scalar multiplication, powers of tau, the polynomial commitment scheme;
//! * `poly`: multilinear kernels;
//! * [`backend`]: the seam behind which heavy computation is done;
//! * [`statement`]: what a proof is about;
//! * [`key`], [`derived`], [`control`]: verifying keys; what of a key everybody computes; progress and cancellation;
//! * [`registration`]: the proof that a model's weights are what its architecture says;
//! * [`secret`]: what is wiped and never shown.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

pub mod backend;
mod canonical;
pub mod ceremony;
pub mod control;
pub mod derived;
pub mod inner;
pub mod key;
pub mod msm;
pub mod native;
pub mod ntt;
pub mod output;
pub mod package;
pub mod pcs;
pub mod plonk;
mod poly;
pub mod registration;
pub mod secret;
pub mod seller;
// elsewhere there are no lanes, and nothing asks for them
pub mod shown;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
mod simd;
pub mod srs;
pub mod statement;
pub mod wrap;
