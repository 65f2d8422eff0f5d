//! From real numbers to integers: scales, shifts, tables, limbs, weights. `docs/compiler.md`, "Scales", says what is chosen and why.

mod factors;
mod function;
mod layers;
mod plan;
mod scales;
mod tables;
mod weights;

pub use plan::{Plan, Widths, plan};
pub use weights::weights;
