//! Counters in Prometheus' text format.

mod histogram;

use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use histogram::Histogram;

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
    /// How long requests took until their answer began.
    requests: RequestTimes,
}

/// How long requests took until their answer began.
#[derive(Debug)]
struct RequestTimes(Histogram<7>);

impl Default for RequestTimes {
    fn default() -> Self {
        Self(Histogram::new([5, 25, 100, 500, 2500, 10_000, 60_000]))
    }
}

/// How long predictions took from their request to their end, of those that ended well.
#[derive(Debug)]
pub struct PredictionTimes(Histogram<8>);

impl Default for PredictionTimes {
    fn default() -> Self {
        Self(Histogram::new([1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 1_800_000]))
    }
}

impl PredictionTimes {
    /// Counts one.
    pub(crate) fn observe(&self, ms: u64) {
        self.0.observe(ms);
    }
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

    /// Counts a response, and how long it took until it began.
    pub fn response(&self, status: u16, ms: u64) {
        self.requests.0.observe(ms);
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

    /// All that a server says.
    pub fn render(&self, gauges: &Gauges, predictions: &PredictionTimes) -> String {
        let mut page = Page::default();
        self.proving(&mut page, gauges.disk_free_bytes, predictions);
        self.serving(&mut page, gauges);
        self.watching(&mut page);
        page.0
    }

    /// What a process says that only proves: what it counted itself. What the database says, servers tell.
    pub fn render_worker(&self, disk_free_bytes: Option<u64>, predictions: &PredictionTimes) -> String {
        let mut page = Page::default();
        self.proving(&mut page, disk_free_bytes, predictions);
        page.0
    }

    /// What any process counts that proves.
    fn proving(&self, page: &mut Page, disk_free_bytes: Option<u64>, predictions: &PredictionTimes) {
        page.counter("assay_proofs_total", "Proofs finished.", &self.proofs);
        let seconds = self.proof_ms.load(Ordering::Relaxed) as f64 / 1000.0;
        page.one("assay_proof_seconds_total", "counter", "Seconds spent in finished proofs.", Some(seconds));
        let waiting = self.waiting.load(Ordering::Relaxed);
        page.one("assay_proofs_waiting", "gauge", "Jobs that wait for their turn to prove or to wrap.", Some(waiting));
        page.counter("assay_retries_total", "Steps that failed and are tried again.", &self.retries);
        page.counter("assay_transactions_total", "Transactions sent.", &self.transactions);
        page.one("assay_disk_free_bytes", "gauge", "Free bytes of the data folder's disk.", disk_free_bytes);
        let help = "Seconds from a request to its proof, settled where it is paid, of predictions that this process \
            brought to their end.";
        page.histogram("assay_prediction_seconds", help, &predictions.0);
    }

    /// What a server counts, and what it reads in the database.
    fn serving(&self, page: &mut Page, gauges: &Gauges) {
        let Gauges { jobs, oldest, workers, deliveries, .. } = gauges;
        let classes = self.responses.iter().enumerate();
        let rows = classes.map(|(i, n)| (format!("{{class=\"{}xx\"}}", i + 1), n.load(Ordering::Relaxed)));
        page.family("assay_http_responses_total", "counter", "HTTP responses by status class.", rows);
        page.histogram(
            "assay_http_request_seconds",
            "Seconds from an HTTP request to the beginning of its answer.",
            &self.requests.0,
        );
        let rows = State::ALL
            .into_iter()
            .map(|state| (of_state(state), jobs.iter().find(|(s, _)| *s == state).map_or(0, |(_, n)| *n)));
        page.family("assay_jobs", "gauge", "Predictions in each state.", rows);
        let rows = WATCHED
            .into_iter()
            .map(|state| (of_state(state), oldest.iter().find(|(s, _)| *s == state).map_or(0, |(_, secs)| *secs)));
        page.family(
            "assay_oldest_job_seconds",
            "gauge",
            "For how long the oldest prediction has been in a state; 0 if there is none.",
            rows,
        );
        let sum = |of: fn(&WorkerInfo) -> u64| Some(workers.iter().map(of).sum::<u64>());
        page.one("assay_workers", "gauge", "Worker processes that gave a sign of life in the last minute.", sum(|_| 1));
        page.one("assay_worker_cores", "gauge", "Processor cores of these workers.", sum(|worker| worker.cores.into()));
        page.one("assay_worker_memory_bytes", "gauge", "Memory of these workers.", sum(|worker| worker.memory_bytes));
        let rows = DeliveryState::ALL.into_iter().map(|state| {
            (of_state(state.as_str()), deliveries.iter().find(|(s, _)| *s == state).map_or(0, |(_, n)| *n))
        });
        page.family("assay_webhook_messages", "gauge", "Webhook messages in each state.", rows);
        let rows = OUTCOMES
            .iter()
            .zip(&self.attempts)
            .map(|(outcome, n)| (format!("{{outcome=\"{outcome}\"}}"), n.load(Ordering::Relaxed)));
        page.family(
            "assay_webhook_attempts_total",
            "counter",
            "Attempts to deliver webhook messages, by what came of them.",
            rows,
        );
    }

    /// What a server knows of the chain.
    fn watching(&self, page: &mut Page) {
        page.one(
            "assay_chain_block",
            "gauge",
            "Newest block read by the chain watcher.",
            Some(self.block.load(Ordering::Relaxed)),
        );
        page.counter("assay_chain_errors_total", "Failed requests of the chain watcher.", &self.chain_errors);
        let seen = self.seen_ms.load(Ordering::Relaxed) as f64 / 1000.0;
        let help = "When the chain was last read without an error; 0 before, or without a chain.";
        page.one("assay_chain_seen_timestamp_seconds", "gauge", help, Some(seen));
        let solvent = Some(self.solvent.0.load(Ordering::Relaxed)).filter(|solvent| *solvent >= 0);
        page.one(
            "assay_prover_solvent",
            "gauge",
            "1 if the prover's account has coins for gas and collateral, else 0.",
            solvent,
        );
    }
}

/// A row's label.
fn of_state(state: impl Display) -> String {
    format!("{{state=\"{state}\"}}")
}

/// Metrics as text. (Writing to a String cannot fail.)
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn family<T: Display>(&mut self, name: &str, kind: &str, help: &str, rows: impl IntoIterator<Item = (String, T)>) {
        self.head(name, kind, help);
        for (labels, value) in rows {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    /// A family of one row, or of none where the value is not known.
    fn one<T: Display>(&mut self, name: &str, kind: &str, help: &str, value: Option<T>) {
        self.family(name, kind, help, value.map(|value| (String::new(), value)));
    }

    fn counter(&mut self, name: &str, help: &str, counter: &AtomicU64) {
        self.one(name, "counter", help, Some(counter.load(Ordering::Relaxed)));
    }

    fn histogram<const N: usize>(&mut self, name: &str, help: &str, histogram: &Histogram<N>) {
        self.head(name, "histogram", help);
        let (buckets, seconds) = histogram.read();
        for (bound, count) in &buckets {
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let count = buckets.last().map_or(0, |(_, count)| *count);
        let _ = writeln!(self.0, "{name}_sum {seconds}\n{name}_count {count}");
    }
}
