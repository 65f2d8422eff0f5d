//! Counters in Prometheus' text format.

use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::store::{Attempt, DeliveryState, State, WorkerInfo};

/// What can come of an attempt to deliver a webhook message.
const OUTCOMES: [&str; 4] = ["delivered", "again", "failed", "gone"];

/// The process's counters. Gauges are read from the database when they are asked for.
#[derive(Debug, Default)]
pub struct Metrics {
    /// HTTP responses by the first digit of their status, 1 to 5.
    responses: [AtomicU64; 5],
    /// Proofs finished.
    pub proofs: AtomicU64,
    /// Milliseconds spent in the halves of finished proofs, without their waiting for a turn.
    pub proof_ms: AtomicU64,
    /// Jobs that wait for a turn, to begin their proof or to wrap it.
    pub waiting: AtomicU64,
    /// Steps that failed and will be tried again.
    pub retries: AtomicU64,
    /// Transactions sent.
    pub transactions: AtomicU64,
    /// Newest block that the watcher has read.
    pub block: AtomicU64,
    /// When the watcher last read the chain without an error, milliseconds since the epoch; 0 before the first time.
    pub seen_ms: AtomicU64,
    /// RPC requests of the watcher that failed.
    pub chain_errors: AtomicU64,
    /// Whether the prover's account can pay for gas and collateral.
    solvent: Solvency,
    /// Attempts to deliver webhook messages, by what came of them.
    attempts: [AtomicU64; 4],
}

/// 1: the prover's account can pay; 0: it cannot; -1: not known yet.
#[derive(Debug)]
struct Solvency(AtomicI64);

impl Default for Solvency {
    fn default() -> Self {
        Self(AtomicI64::new(-1))
    }
}

/// What is read when metrics are asked for.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// How many jobs are in each state.
    pub jobs: Vec<(State, i64)>,
    /// For how many seconds the oldest job has been in a state.
    pub oldest: Vec<(State, i64)>,
    /// The processes that prove for this service, where they are others than this one.
    pub workers: Vec<WorkerInfo>,
    /// How many webhook messages are in each state.
    pub deliveries: Vec<(DeliveryState, i64)>,
    /// Free bytes of the data folder's disk, where the system says.
    pub disk_free_bytes: Option<u64>,
}

/// States in which a job that is old means trouble.
const WATCHED: [State; 2] = [State::Queued, State::SettlementPending];

impl Metrics {
    /// Adds one.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a response.
    pub fn response(&self, status: u16) {
        if let Some(counter) = usize::from(status / 100).checked_sub(1).and_then(|class| self.responses.get(class)) {
            Self::count(counter);
        }
    }

    /// Notes whether the prover's account can pay.
    pub fn solvent(&self, is: bool) {
        self.solvent.0.store(is.into(), Ordering::Relaxed);
    }

    /// Counts an attempt to deliver a webhook message.
    pub fn attempt(&self, outcome: &Attempt) {
        let [delivered, again, failed, gone] = &self.attempts;
        Self::count(match outcome {
            Attempt::Delivered => delivered,
            Attempt::Again { .. } => again,
            Attempt::Failed { .. } => failed,
            Attempt::Gone => gone,
        });
    }

    /// Mean milliseconds of the finished proofs; 0 before the first.
    pub fn mean_proof_ms(&self) -> u64 {
        self.proof_ms.load(Ordering::Relaxed).checked_div(self.proofs.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// All of it as text.
    pub fn render(&self, gauges: &Gauges) -> String {
        let Gauges { jobs, oldest, workers, deliveries, disk_free_bytes } = gauges;
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, rows: Vec<(String, String)>| {
            // writing to a String cannot fail
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in rows {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        };
        let read = |counter: &AtomicU64| vec![(String::new(), counter.load(Ordering::Relaxed).to_string())];
        let classes = self.responses.iter().enumerate();
        let responses = classes.map(|(i, n)| (format!("{{class=\"{}xx\"}}", i + 1), n.load(Ordering::Relaxed).to_string())).collect();
        family("assay_http_responses_total", "counter", "HTTP responses by status class.", responses);
        let rows = State::ALL.into_iter().map(|state| {
            let n = jobs.iter().find(|(s, _)| *s == state).map_or(0, |(_, n)| *n);
            (format!("{{state=\"{state}\"}}"), n.to_string())
        });
        family("assay_jobs", "gauge", "Predictions in each state.", rows.collect());
        let sum = |of: fn(&WorkerInfo) -> u64| vec![(String::new(), workers.iter().map(of).sum::<u64>().to_string())];
        family("assay_workers", "gauge", "Worker processes that gave a sign of life in the last minute.", sum(|_| 1));
        family("assay_worker_cores", "gauge", "Processor cores of these workers.", sum(|worker| worker.cores.into()));
        family("assay_worker_memory_bytes", "gauge", "Memory of these workers.", sum(|worker| worker.memory_bytes));
        family("assay_proofs_total", "counter", "Proofs finished.", read(&self.proofs));
        let seconds = self.proof_ms.load(Ordering::Relaxed) as f64 / 1000.0;
        family("assay_proof_seconds_total", "counter", "Seconds spent in finished proofs.", vec![(String::new(), seconds.to_string())]);
        family("assay_proofs_waiting", "gauge", "Jobs that wait for their turn to prove or to wrap.", read(&self.waiting));
        family("assay_retries_total", "counter", "Steps that failed and are tried again.", read(&self.retries));
        family("assay_transactions_total", "counter", "Transactions sent.", read(&self.transactions));
        family("assay_chain_block", "gauge", "Newest block read by the chain watcher.", read(&self.block));
        family("assay_chain_errors_total", "counter", "Failed requests of the chain watcher.", read(&self.chain_errors));
        let seen = self.seen_ms.load(Ordering::Relaxed) as f64 / 1000.0;
        let rows = vec![(String::new(), seen.to_string())];
        family(
            "assay_chain_seen_timestamp_seconds",
            "gauge",
            "When the chain was last read without an error; 0 before, or without a chain.",
            rows,
        );
        let solvent = self.solvent.0.load(Ordering::Relaxed);
        let rows = (solvent >= 0).then(|| (String::new(), solvent.to_string())).into_iter().collect();
        family("assay_prover_solvent", "gauge", "1 if the prover's account has coins for gas and collateral, else 0.", rows);
        let rows = WATCHED.into_iter().map(|state| {
            let secs = oldest.iter().find(|(s, _)| *s == state).map_or(0, |(_, secs)| *secs);
            (format!("{{state=\"{state}\"}}"), secs.to_string())
        });
        family(
            "assay_oldest_job_seconds",
            "gauge",
            "For how long the oldest prediction has been in a state; 0 if there is none.",
            rows.collect(),
        );
        let rows = disk_free_bytes.map(|bytes| (String::new(), bytes.to_string())).into_iter().collect();
        family("assay_disk_free_bytes", "gauge", "Free bytes of the data folder's disk.", rows);
        let rows = DeliveryState::ALL.into_iter().map(|state| {
            let n = deliveries.iter().find(|(s, _)| *s == state).map_or(0, |(_, n)| *n);
            (format!("{{state=\"{}\"}}", state.as_str()), n.to_string())
        });
        family("assay_webhook_messages", "gauge", "Webhook messages in each state.", rows.collect());
        let rows = OUTCOMES.iter().zip(&self.attempts);
        let rows = rows.map(|(outcome, n)| (format!("{{outcome=\"{outcome}\"}}"), n.load(Ordering::Relaxed).to_string()));
        family("assay_webhook_attempts_total", "counter", "Attempts to deliver webhook messages, by what came of them.", rows.collect());
        text
    }
}
