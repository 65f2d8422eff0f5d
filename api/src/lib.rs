//! Assay's HTTP service: models, quotes, predictions, durable jobs, the chain watcher.
//!
//! [`serve`] runs it; [`app`] is its router, testable without a socket. What it needs of the proof system is [`engine::Engine`].
//! `docs/api.md` describes the interface.

mod blobs;
pub mod chain;
pub mod client;
pub mod config;
mod disk;
pub mod engine;
mod error;
mod metrics;
mod outage;
mod quiet;
mod routes;
mod service;
mod state;
pub mod store;
pub mod terms;
mod worker;

pub use blobs::{BlobError, Blobs};
pub use error::{ApiError, Problem};
pub use metrics::Metrics;
pub use outage::Outages;
pub use routes::{
    ModelPage, Prediction, PredictionPage, PredictionRequest, QuoteRequest, TransactionRef, VerifyRequest, VerifyResponse, app,
};
pub use service::{serve, signalled};
pub use state::{AppState, ServeError};
pub use worker::run as run_workers;
