//! Assay's HTTP service: models, quotes, predictions, durable jobs, the chain watcher.
//!
//! [`serve`] runs it; [`app`] is its router, testable without a socket. What it needs of the proof system is
//! [`engine::Engine`]. `docs/api.md` describes the interface.

mod backup;
mod blobs;
pub mod chain;
pub mod client;
pub mod config;
mod connections;
mod demand;
mod disk;
pub mod engine;
mod error;
mod folder;
mod index;
mod metrics;
pub mod objects;
pub mod orders;
mod outage;
pub mod preparation;
pub mod presentation;
mod quiet;
pub mod rates;
pub mod receipt;
mod routes;
pub mod sell;
mod service;
mod state;
pub mod store;
pub mod terms;
pub mod tls;
mod trace;
pub mod webhooks;
mod worker;
pub mod x402;

pub use backup::{Backup, backup};
pub use blobs::{BlobError, Blobs};
pub use disk::{Disk, Hangs, free_bytes};
pub use error::{ApiError, Problem};
pub use index::Index;
pub use metrics::{Gauges, Metrics, PredictionTimes};
pub use outage::Outages;
pub use routes::{
    BatchReceipt, Commitment, CommitmentRequest, Completion, CompletionRequest, DeliveryList, History, MarketHistory,
    MarketJob, MarketJobPage, MarketModel, MarketProver, Model, ModelPage, ModelTerms, NewWebhook, PaymentRef,
    Prediction, PredictionPage, PredictionRequest, QuoteRequest, Ready, TransactionRef, VerifyRequest, VerifyResponse,
    WebhookList, WebhookRequest, app, description,
};
pub use service::{serve, signalled, work};
pub use state::{AppState, ServeError};
pub use worker::run as run_workers;
