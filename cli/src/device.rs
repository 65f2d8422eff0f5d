//! What computes: a CUDA device where one is found, else the processor.

use assay_circuits::shape::Shape;
use assay_gpu::{Search, search};
use assay_prover::backend::{Backend, Cpu};
use assay_prover::srs::Srs;
use std::sync::{Arc, OnceLock};

/// Searches once, and says in the log what was found.
pub fn search() -> &'static Search {
    static FOUND: OnceLock<Search> = OnceLock::new();
    FOUND.get_or_init(|| {
        let found = search::find();
        match (&found.backend, found.tried.first()) {
            (Some(cuda), _) => tracing::info!("proving on {}", cuda.name()),
            (None, Some((path, reason))) => {
                tracing::info!("proving on {}: no device ({}: {reason})", Cpu.name(), path.display())
            }
            (None, None) => tracing::info!("proving on {}: a device is not wanted", Cpu.name()),
        }
        found
    })
}

/// An SRS where a service computes with it. From what sizes on a device is asked is measured first.
pub fn for_serving(srs: Srs) -> Srs {
    match &search().backend {
        Some(cuda) => srs.on(Arc::new(cuda.measured())),
        None => srs,
    }
}

/// Committed cells from which on a single proof is worth opening a device, which takes some tenths of a second.
const LEAST_CELLS: u64 = 1 << 26;

/// An SRS where a single proof of a shape is computed with it: on the processor if the proof is small, unless the user
/// named a device's library.
pub fn for_one_proof(srs: Srs, shape: &Shape) -> Srs {
    let cells = (shape.chunk_counts().iter().sum::<usize>() as u64) << shape.layout.log_chunk;
    if cells < LEAST_CELLS && !search::is_named() {
        tracing::info!("proving on {}: a device takes longer to open than it saves", Cpu.name());
        return srs;
    }
    match &search().backend {
        Some(cuda) => srs.on(Arc::new(cuda.clone())),
        None => srs,
    }
}

/// What computes, for people.
pub fn name() -> String {
    search().backend.as_ref().map_or_else(|| Cpu.name(), |cuda| cuda.name())
}
