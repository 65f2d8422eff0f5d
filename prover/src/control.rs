//! Progress, timing and cancellation of long work.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The phases of a proof, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Running the exact executor.
    Execute,
    /// Laying out the witness.
    Witness,
    /// Committing to it.
    Commit,
    /// The lookup argument.
    Lookup,
    /// The product sumcheck.
    Linear,
    /// The batch opening's sumcheck and fold.
    Batch,
    /// The wrap's witness.
    WrapWitness,
    /// Commitments to the columns of the universal wrap.
    WrapColumns,
    /// Its copy constraints: their product, and the commitment to it.
    WrapPermutation,
    /// Its quotient, and the commitment to it.
    WrapQuotient,
    /// Its polynomials' values at the challenge.
    WrapValues,
    /// The KZG opening; of the inner proof's chunk and of the universal wrap's polynomials together.
    Opening,
    /// Groth16, where that is the wrap.
    Groth16,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Self; 13] = [
        Self::Execute,
        Self::Witness,
        Self::Commit,
        Self::Lookup,
        Self::Linear,
        Self::Batch,
        Self::WrapWitness,
        Self::WrapColumns,
        Self::WrapPermutation,
        Self::WrapQuotient,
        Self::WrapValues,
        Self::Opening,
        Self::Groth16,
    ];
}

/// The work was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

/// Wall seconds of one phase.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Which phase.
    pub phase: Phase,
    /// Wall seconds.
    pub seconds: f64,
}

/// Watches and steers one proof.
#[derive(Default)]
pub struct Control<'a> {
    cancel: Option<&'a AtomicBool>,
    progress: Option<&'a (dyn Fn(Phase) + Sync)>,
    timings: Mutex<Vec<Timing>>,
}

impl<'a> Control<'a> {
    /// Neither watched nor cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checked before every phase.
    pub fn cancelled_by(mut self, flag: &'a AtomicBool) -> Self {
        self.cancel = Some(flag);
        self
    }

    /// Called at the start of every phase.
    pub fn reporting_to(mut self, progress: &'a (dyn Fn(Phase) + Sync)) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Runs one phase. Errors: [`Cancelled`].
    pub fn phase<T>(&self, phase: Phase, work: impl FnOnce() -> T) -> Result<T, Cancelled> {
        if self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return Err(Cancelled);
        }
        self.progress.iter().for_each(|progress| progress(phase));
        let start = Instant::now();
        let result = work();
        let timing = Timing { phase, seconds: start.elapsed().as_secs_f64() };
        if let Ok(mut timings) = self.timings.lock() {
            timings.push(timing);
        }
        Ok(result)
    }

    /// Wall seconds of the phases so far.
    pub fn timings(&self) -> Vec<Timing> {
        self.timings.lock().map(|t| t.clone()).unwrap_or_default()
    }
}
