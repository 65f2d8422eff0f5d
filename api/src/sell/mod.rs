//! What a service does for its seller: compiles a model that is uploaded, and offers it once it is listed on chain.
//!
//! Only the operator may ask for it, since it takes the machine's time, memory and disk. The compiler runs as a process
//! of its own, under limits, one at a time ([`child`]). Each compilation has a folder, which is named by its id, and
//! its files have fixed names: nothing that is uploaded names a file.

mod child;
mod compilation;
mod workshop;

pub use child::{Fault, Limits, Run};
pub use compilation::{Compilation, CompilationState, SampleFormat, Task};
pub use workshop::{Refused, Workshop, offered};

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::ModelInfo;

/// How a service compiles.
#[derive(Clone, Debug)]
pub struct SellConfig {
    /// The `assay` command.
    pub program: PathBuf,
    /// The SRS file, if not the development SRS.
    pub srs: Option<PathBuf>,
    /// Most bytes of an upload's JSON.
    pub upload_bytes_max: usize,
    /// What a compilation may use.
    pub limits: Limits,
    /// Most compilations that wait.
    pub waiting_max: usize,
    /// Most compilations that are kept besides those that are being listed.
    pub kept_max: usize,
}

impl SellConfig {
    /// Modest limits.
    pub fn new(program: PathBuf) -> Self {
        let limits = Limits { memory_bytes: 4 << 30, file_bytes: 4 << 30, time: Duration::from_secs(600) };
        Self { program, srs: None, upload_bytes_max: 64 << 20, limits, waiting_max: 4, kept_max: 16 }
    }
}

/// Adds a model to a service that runs.
#[async_trait]
pub trait Shelf: Send + Sync + Debug {
    /// Reads the package, with its key and its card beside it, and offers it. Errors say what is wrong, for the seller.
    async fn offer(&self, package: &Path) -> Result<ModelInfo, String>;

    /// Proves that the weights of a model that is offered are in range, and brings the proof to the registry. Returns
    /// what came of it, in words.
    async fn prove_weights(&self, package: &Path) -> String;
}
