//! The prover's backend on CUDA (docs/gpu.md).
//!
//! Kernels are in a shared library, `libassay_gpu.so`, which `gpu/cuda/build.sh` makes and [`search`] finds at run
//! time; `gpu/cuda/assay_gpu.h` is all that is known of it here. Nothing in this crate needs CUDA to be built. Without
//! library, driver or device the answer is [`Unavailable`], and the processor does the work.
//!
//! * [`library`]: loading, and safe calls; the only unsafe code;
//! * [`search`]: where the library may be, and what was found;
//! * [`Cuda`]: the backend. What a device has no memory for goes there in parts, then to the processor; a device that
//!   fails is left alone from then on, and what it had begun is done anew. From what sizes on it is asked is measured
//!   ([`Cuda::measured`]).

mod backend;
pub mod library;
mod measure;
pub mod search;
mod sessions;
mod words;

pub use backend::{Cuda, Least};
pub use library::{Device, DeviceError, Unavailable};
pub use search::{Search, find};
