//! What computes: a CUDA device where one is found, else the processor.

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
            (None, Some((path, reason))) => tracing::info!("proving on {}: no device ({}: {reason})", Cpu.name(), path.display()),
            (None, None) => tracing::info!("proving on {}: a device is not wanted", Cpu.name()),
        }
        found
    })
}

/// An SRS where it is computed with.
pub fn on_device(srs: Srs) -> Srs {
    match &search().backend {
        Some(cuda) => srs.on(Arc::new(cuda.clone())),
        None => srs,
    }
}
