//! What all routes and workers share.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use alloy::primitives::B256;
use tokio::sync::{Semaphore, watch};

use crate::blobs::{BlobError, Blobs};
use crate::chain::{ChainError, Market};
use crate::config::{ChainConfig, Role, ServeConfig};
use crate::demand::Demand;
use crate::disk::Disk;
use crate::engine::{Engine, EngineError, ModelInfo, ProofBundle};
use crate::error::ApiError;
use crate::index::Index;
use crate::metrics::Metrics;
use crate::outage::Outages;
use crate::rates::Rates;
use crate::sell::Workshop;
use crate::store::{Budget, News, Store, StoreError};

/// Why a server does not start, or had to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The job database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The proof folder.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The chain's settings.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A file or the network.
    #[error("cannot use {path}")]
    Io {
        /// The path or address.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another server works in the data folder.
    #[error("another server is using {path}")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// An origin that no browser sends.
    #[error("{origin} is no origin: write it as in https://shop.example, or * for all")]
    Origin {
        /// What was given.
        origin: String,
    },
    /// Neither free nor paid predictions are possible.
    #[error("give a market, or allow free predictions")]
    NothingToServe,
    /// A part of the server panicked.
    #[error("a part of the server died")]
    Died,
}

/// The service's shared state. Clones are cheap.
#[derive(Clone)]
pub struct AppState {
    /// Settings.
    pub config: Arc<ServeConfig>,
    /// Jobs.
    pub store: Store,
    /// The disk of the data folder.
    pub disk: Disk,
    /// Proofs.
    pub blobs: Blobs,
    /// The prover.
    pub engine: Arc<dyn Engine>,
    /// The market, if predictions are paid.
    pub market: Option<Arc<Market>>,
    /// What has happened in the market, as far as this process has folded it.
    pub index: Arc<Index>,
    /// What compiles models for the operator, if this server does.
    pub workshop: Option<Arc<Workshop>>,
    /// Quotes of the last moment.
    pub demand: Arc<Demand>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Requests of each client in the last minute.
    pub rates: Arc<Rates>,
    /// Turns true when the server should end.
    pub stopping: watch::Sender<bool>,
    /// Slots for preflights and verifications, which take CPU time but no queue.
    pub light_work: Arc<Semaphore>,
    /// One turn to continue a prompt: that may take as many executions as there are tokens.
    pub decode_turn: Arc<Semaphore>,
    /// One turn to make a first half of a proof, and one to make a second: they bound the memory that proofs take.
    pub inner_turn: Arc<Semaphore>,
    /// See [`Self::inner_turn`].
    pub wrap_turn: Arc<Semaphore>,
    /// When the server was opened, milliseconds since the epoch.
    pub started_ms: i64,
    /// Delays of jobs while a disk or a chain does not answer.
    pub outages: Outages,
    /// Finished proofs, by job, that the disk has not taken yet: none is made twice.
    pub finished: Arc<Mutex<HashMap<String, ProofBundle>>>,
    /// Until when batches are locked although the operator does not wish it, since one lost a job.
    pub locks_until: Arc<Mutex<Option<Instant>>>,
    /// Held for as long as the state lives; the system lets go of it when the process dies, however it dies.
    _lock: Option<Arc<File>>,
}

/// Has a folder for this process alone, until the file is closed.
fn alone(dir: &std::path::Path) -> Result<File, ServeError> {
    let path = dir.join("lock");
    let io = |source| ServeError::Io { path: path.display().to_string(), source };
    let lock = File::create(&path).map_err(io)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(ServeError::Locked { path }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

impl AppState {
    /// Opens the data folder and takes up what an earlier process left. Without a shared database the folder must be
    /// nobody else's.
    pub async fn open(config: ServeConfig, engine: Arc<dyn Engine>) -> Result<Self, ServeError> {
        if !config.free && config.chain.is_none() {
            return Err(ServeError::NothingToServe);
        }
        crate::routes::check_origins(&config.cors)?;
        let io = |path: &std::path::Path| {
            let path = path.display().to_string();
            move |source| ServeError::Io { path, source }
        };
        std::fs::create_dir_all(&config.data_dir).map_err(io(&config.data_dir))?;
        let proofs = config.data_dir.join("proofs");
        let (lock, store) = match &config.database_url {
            Some(url) => {
                let news = if config.role == Role::Worker { News::Work } else { News::Events };
                let store = Store::connect(url, news).await?;
                store.prove_only(&engine.models().iter().map(|model| model.id).collect::<Vec<_>>());
                (None, store)
            }
            None => {
                let lock = alone(&config.data_dir)?;
                let store = Store::open(&config.database).await?;
                store.break_leases().await?;
                (Some(Arc::new(lock)), store)
            }
        };
        let blobs = match (&config.proofs, &lock) {
            (Some(bucket), _) => Blobs::in_bucket(bucket.clone(), &proofs)?,
            (None, None) => Blobs::shared(&proofs)?,
            (None, Some(_)) => Blobs::open(&proofs)?,
        };
        let stopping = watch::Sender::new(false);
        let workshop = match &config.sell {
            None => None,
            Some((sell, shelf)) => {
                let opened = Workshop::open(sell.clone(), shelf.clone(), &config.data_dir, stopping.subscribe());
                Some(Arc::new(opened.map_err(io(&config.data_dir))?))
            }
        };
        let market = config.chain.clone().map(Market::new).transpose()?.map(Arc::new);
        Ok(Self {
            disk: Disk::of(&config.data_dir),
            config: Arc::new(config),
            store,
            blobs,
            engine,
            market,
            demand: Arc::default(),
            metrics: Arc::default(),
            rates: Arc::default(),
            index: Arc::default(),
            workshop,
            stopping,
            light_work: Arc::new(Semaphore::new(2)),
            decode_turn: Arc::new(Semaphore::new(1)),
            inner_turn: Arc::new(Semaphore::new(1)),
            wrap_turn: Arc::new(Semaphore::new(1)),
            started_ms: crate::store::now_ms(),
            outages: Outages::default(),
            finished: Arc::default(),
            locks_until: Arc::default(),
            _lock: lock,
        })
    }

    /// The engine's models, in a stable order.
    pub fn models(&self) -> Vec<ModelInfo> {
        self.engine.models()
    }

    /// The model with this id.
    pub fn model(&self, id: B256) -> Result<ModelInfo, EngineError> {
        self.models().into_iter().find(|m| m.id == id).ok_or(EngineError::UnknownModel { id })
    }

    /// Whether the server is shutting down.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Resolves when the server is to shut down.
    pub async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // an error means that the sender is gone, and with it the server
        let _ = stopping.wait_for(|stop| *stop).await;
    }

    /// Sleeps, but not through a shutdown.
    pub async fn pause(&self, duration: std::time::Duration) {
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = self.stopped() => {}
        }
    }

    /// Seconds that must be left of an order's `prove_secs` for its job to be locked: the market's margin, and a mean
    /// proof's time for each job that can be ahead of it by then. Turns go first come first served, so no more than
    /// those that are driven beside it can.
    pub fn margin_secs(&self, chain: &ChainConfig, prove_secs: u32) -> u64 {
        let ahead = u64::from(self.config.jobs_max.saturating_sub(1));
        let ahead_ms = self.metrics.mean_proof_ms().saturating_mul(ahead);
        chain.margin_secs(prove_secs).saturating_add(ahead_ms.div_ceil(1000))
    }

    /// How many orders may wait for their money.
    pub fn budget(&self) -> Budget {
        Budget { per_client: self.config.unfunded_per_client, all: self.config.unfunded_max }
    }

    /// Forgets a finished proof: the database has it, or its job is over.
    pub(crate) fn forget_proof(&self, job: &str) {
        if let Ok(mut all) = self.finished.lock() {
            all.remove(job);
        }
        self.blobs.forget(job);
    }

    /// Bytes that the disk of the data folder has left, where the system says; an error if the disk does not answer.
    pub async fn disk_free(&self) -> Result<Option<u64>, ApiError> {
        let limit = self.config.ready_timeout;
        let hangs =
            |_| ApiError::Silent { what: "the data folder's disk", code: "storage-unavailable", secs: limit.as_secs() };
        self.disk.free_bytes(limit).await.map_err(hangs)
    }

    /// Refuses new work while the disk of the data folder has less than the server works with, or does not answer.
    pub async fn check_disk(&self) -> Result<(), ApiError> {
        let short = self.disk_free().await?.is_some_and(|free| free < self.config.disk_bytes_min);
        if short { Err(ApiError::NoRoom) } else { Ok(()) }
    }

    /// Failures in a row, if they have stopped new work for now.
    pub async fn breaker(&self) -> Result<Option<u32>, StoreError> {
        let (failures, latest_ms) = self.store.failures_in_a_row().await?;
        let pause_ms = i64::try_from(self.config.breaker.pause.as_millis()).unwrap_or(i64::MAX);
        let open =
            failures >= self.config.breaker.failures && crate::store::now_ms() < latest_ms.saturating_add(pause_ms);
        Ok(open.then_some(failures))
    }
}
