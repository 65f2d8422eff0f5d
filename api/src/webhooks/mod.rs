//! Webhooks: clients who are known are told when their predictions are over, in messages as Standard Webhooks has them.
//!
//! Messages are in the database before the prediction's end can be seen by anybody, and stay there until the receiver
//! has said that it took them, or has not for days.

mod guard;
mod sign;

pub use guard::{Leave, Refused, check};
pub use sign::{secret, signature};

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use reqwest::redirect::Policy;

use crate::AppState;
use crate::outage::Backoff;
use crate::quiet;
use crate::store::{Attempt, Due, now_ms};

/// How many messages are on their way at a time.
const LANES: usize = 4;
/// How long an attempt is held: longer than it can take.
const LEASE: Duration = Duration::from_secs(60);
/// How long a lane that found nothing waits before it looks again.
const IDLE: Duration = Duration::from_millis(500);

/// How messages are sent.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// Where they may go beyond public https addresses.
    pub leave: Leave,
    /// How long a receiver may take to answer.
    pub timeout: Duration,
    /// Delays between attempts; after the last one a message is given up.
    pub delays: Vec<Duration>,
}

impl Default for WebhookConfig {
    /// What the standard recommends: attempts over about three days.
    fn default() -> Self {
        let secs = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
        Self {
            leave: Leave::default(),
            timeout: Duration::from_secs(15),
            delays: secs.map(Duration::from_secs).to_vec(),
        }
    }
}

/// Sends messages until the server stops.
pub(crate) async fn run(state: &AppState) {
    join_all((0..LANES).map(|_| lane(state))).await;
}

async fn lane(state: &AppState) {
    let (mut changes, mut backoff) = (state.store.changes(), Backoff::default());
    while !state.is_stopping() {
        changes.mark_unchanged();
        match state.store.claim_delivery(i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX)).await {
            Ok(Some(due)) => {
                backoff.over();
                deliver(state, &due).await;
            }
            Ok(None) => tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep(IDLE) => {}
                () = state.stopped() => {}
            },
            Err(error) => {
                quiet::warn("cannot look for webhook messages", &error);
                state.pause(backoff.next()).await;
            }
        }
    }
}

/// Makes one attempt, and writes down what came of it.
async fn deliver(state: &AppState, due: &Due) {
    let attempt = match post(&state.config.webhooks, due).await {
        Ok(StatusCode::GONE) => Attempt::Gone,
        Ok(status) if status.is_success() => Attempt::Delivered,
        // nothing is followed: a redirect could lead to where no message may go
        Ok(status) => later(state, due, format!("the receiver answered with status {}", status.as_u16())),
        Err(error) => later(state, due, error),
    };
    state.metrics.attempt(&attempt);
    tracing::info!(job = due.job, message = due.id, attempt = due.attempts, outcome = ?attempt, "a webhook message was sent");
    if let Err(error) = state.store.close_delivery(due, attempt).await {
        quiet::warn("cannot write down what became of a webhook message", &error); // it is sent again when its lease is over
    }
}

/// The attempt after one that failed, if there is one.
fn later(state: &AppState, due: &Due, error: String) -> Attempt {
    let made = usize::try_from(due.attempts).unwrap_or(usize::MAX).saturating_sub(1);
    match state.config.webhooks.delays.get(made) {
        Some(delay) => Attempt::Again { after_ms: i64::try_from(delay.as_millis()).unwrap_or(i64::MAX), error },
        None => Attempt::Failed { error },
    }
}

/// Posts a message to an address that was looked up and checked just now. The answer's body is not read.
async fn post(config: &WebhookConfig, due: &Due) -> Result<StatusCode, String> {
    let url = check(&due.url, config.leave).map_err(|refused| refused.to_string())?;
    let addresses = guard::resolve(&url, config.leave).await.map_err(|refused| refused.to_string())?;
    let host = url.host_str().unwrap_or_default();
    let client = crate::tls::client_builder()
        .redirect(Policy::none())
        .no_proxy()
        .resolve_to_addrs(host, &addresses)
        .timeout(config.timeout)
        .build()
        .map_err(|_| "no client can be made".to_owned())?;
    let now_secs = now_ms() / 1000;
    let signed = signature(&due.secret, &due.id, now_secs, &due.body).ok_or("the webhook's secret cannot be read")?;
    let request = client
        .post(url)
        .header("content-type", "application/json")
        .header("user-agent", concat!("assay/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", &due.id)
        .header("webhook-timestamp", now_secs)
        .header("webhook-signature", signed)
        .body(due.body.clone());
    match request.send().await {
        Ok(response) => Ok(response.status()),
        Err(error) if error.is_timeout() => {
            Err(format!("the receiver did not answer within {} s", config.timeout.as_secs()))
        }
        // what the library says would name the address that was looked up
        Err(_) => Err("the receiver cannot be reached".to_owned()),
    }
}
