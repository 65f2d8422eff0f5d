//! Transactions that are on disk before they are on the wire, and whose fees rise while they wait.

use std::future::Future;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::rpc::types::TransactionReceipt;
use serde_json::json;
use tracing::{Instrument, Span};

use super::StepError;
use super::escrow::{market, nonces};
use crate::AppState;
use crate::chain::{ChainError, Market};
use crate::metrics::Metrics;
use crate::store::{Lease, Purpose, SavedTransaction};

/// What a transaction does.
pub(super) struct Call {
    /// The contract.
    pub to: Address,
    /// Calldata.
    pub input: Bytes,
    /// The most gas that it may take, where a contract of somebody else's choice has a part in it.
    pub gas_max: u64,
}

impl Call {
    /// A call of this project's contracts.
    pub fn new(to: Address, input: Bytes) -> Self {
        Self { to, input, gas_max: u64::MAX }
    }
}

/// Whose transaction it is: a job's, or that of a batch of jobs.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    /// The job's id, or the batch's.
    pub id: &'a str,
    /// The holds on all jobs that it is for.
    pub leases: &'a [Lease],
}

impl<'a> Subject<'a> {
    pub fn job(lease: &'a Lease) -> Self {
        Self { id: &lease.job, leases: std::slice::from_ref(lease) }
    }
}

/// What a receipt says of its transaction, for the database.
fn outcome(receipt: &TransactionReceipt) -> &'static str {
    if receipt.status() { "mined" } else { "reverted" }
}

/// Notes the outcome of a pending transaction that is mined.
pub(super) async fn close_mined(
    state: &AppState,
    market: &Market,
    subject: &str,
    purpose: Purpose,
) -> Result<(), StepError> {
    if let Some(saved) = state.store.pending_transaction(subject, purpose).await?
        && let Some(receipt) =
            market.rpc.receipt_of(&state.store.versions(subject, purpose, saved.nonce).await?).await?
    {
        state.store.close_transaction(receipt.transaction_hash, outcome(&receipt)).await?;
    }
    Ok(())
}

/// Brings one transaction onto the chain, exactly once: what was signed before a crash is sent again, never signed
/// anew, unless its nonce went to another transaction. While it waits for too long its fees are raised, under the same
/// nonce.
pub(super) async fn transact(
    state: &AppState,
    subject: Subject<'_>,
    purpose: Purpose,
    call: impl Future<Output = Result<Call, StepError>>,
) -> Result<(), StepError> {
    let span = tracing::debug_span!(
        "transaction",
        otel.name = purpose.as_str(),
        job = subject.id,
        hash = tracing::field::Empty
    );
    carry(state, subject, purpose, call).instrument(span).await
}

async fn carry(
    state: &AppState,
    subject: Subject<'_>,
    purpose: Purpose,
    call: impl Future<Output = Result<Call, StepError>>,
) -> Result<(), StepError> {
    let sending = Sending { state, market: market(state)?, subject, purpose };
    let sent = match sending.pending().await? {
        Some(sent) => sent,
        None => sending.fresh(call.await?).await?,
    };
    let receipt = sending.mined(sent).await?;
    let (hash, gas, mined) = (receipt.transaction_hash, receipt.gas_used, receipt.status());
    Span::current().record("hash", tracing::field::display(hash));
    tracing::info!(job = subject.id, purpose = purpose.as_str(), %hash, gas, mined, "a transaction is in a block");
    state.store.close_transaction(hash, outcome(&receipt)).await?;
    let event = json!({ "purpose": purpose.as_str(), "hash": hash, "mined": mined, "gas": gas });
    state.store.note_all(subject.leases, "transaction", &event).await?;
    if mined { Ok(()) } else { Err(ChainError::TransactionFailed { hash }.into()) }
}

/// A transaction that is signed, and whether the node has it.
struct Sent {
    signed: SavedTransaction,
    /// The node takes it only with higher fees.
    refused: bool,
}

/// One transaction on its way.
struct Sending<'a> {
    state: &'a AppState,
    market: &'a Market,
    subject: Subject<'a>,
    purpose: Purpose,
}

impl Sending<'_> {
    async fn versions(&self, nonce: u64) -> Result<Vec<B256>, StepError> {
        Ok(self.state.store.versions(self.subject.id, self.purpose, nonce).await?)
    }

    async fn send(&self, signed: SavedTransaction) -> Result<Sent, StepError> {
        match self.market.rpc.send(&signed).await {
            Ok(()) => Ok(Sent { signed, refused: false }),
            Err(ChainError::Underpriced { message }) => {
                tracing::info!(job = self.subject.id, hash = %signed.hash, message, "the node takes it only with higher fees");
                Ok(Sent { signed, refused: true })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What was signed before and is not known to have come to nothing: also what was mined in a block that the chain
    /// took back.
    async fn signed(&self) -> Result<Option<SavedTransaction>, StepError> {
        let Self { state: AppState { store, .. }, subject, purpose, .. } = self;
        if let Some(pending) = store.pending_transaction(subject.id, *purpose).await? {
            return Ok(Some(pending));
        }
        let Some(mined) = store.mined_transaction(subject.id, *purpose).await? else { return Ok(None) };
        // one before it may be lost, and then it would wait for that for ever
        let next = self.market.rpc.mined_nonce(self.market.config.prover.address()).await?;
        if mined.nonce == next || self.market.rpc.is_known(mined.hash).await? {
            store.reopen_transaction(mined.hash).await?;
            return Ok(Some(mined));
        }
        store.close_transaction(mined.hash, "replaced").await?;
        Ok(None)
    }

    /// What was signed before, sent again if it is not mined. `None`: nothing, or its nonce went to another
    /// transaction.
    async fn pending(&self) -> Result<Option<Sent>, StepError> {
        let Some(old) = self.signed().await? else { return Ok(None) };
        let mined = self.market.rpc.mined_nonce(self.market.config.prover.address()).await?;
        if self.market.rpc.receipt_of(&self.versions(old.nonce).await?).await?.is_some() {
            return Ok(Some(Sent { signed: old, refused: false }));
        }
        if mined > old.nonce {
            self.state.store.close_transaction(old.hash, "replaced").await?;
            return Ok(None);
        }
        self.send(old).await.map(Some)
    }

    async fn fresh(&self, call: Call) -> Result<Sent, StepError> {
        let Self { state, market, subject, purpose } = self;
        // held until the node knows the transaction, so that the next one gets the next nonce
        let _nonce = market.nonce_guard().await;
        let _alone = state.store.exclusive(&nonces(market)).await?;
        let signed =
            market.rpc.sign_within(&market.config.prover, Some(call.to), call.input, U256::ZERO, call.gas_max).await?;
        state.store.save_transaction(subject.id, subject.leases, *purpose, &signed).await?;
        Metrics::count(&state.metrics.transactions);
        self.send(signed).await
    }

    /// Waits until the transaction is in a block, in one of its versions.
    async fn mined(&self, sent: Sent) -> Result<TransactionReceipt, StepError> {
        let (config, rpc) = (&self.market.config, &self.market.rpc);
        let Sent { mut signed, refused } = sent;
        let age = self.state.store.transaction_age_ms(signed.hash).await?;
        let age = Duration::from_millis(u64::try_from(age).unwrap_or_default());
        let mut patience = if refused { Duration::ZERO } else { config.bump_after.saturating_sub(age) };
        let began = Instant::now();
        loop {
            let left = config.receipt_timeout.saturating_sub(began.elapsed());
            if let Some(receipt) = rpc.mined(&self.versions(signed.nonce).await?, patience.min(left)).await? {
                return Ok(receipt);
            }
            if began.elapsed() >= config.receipt_timeout {
                return Err(ChainError::NotMined { hash: signed.hash, secs: config.receipt_timeout.as_secs() }.into());
            }
            signed = self.bump(signed).await?;
            patience = config.bump_after;
        }
    }

    /// Sends the transaction with higher fees, if that may help; else once more as it is, since the node may have lost
    /// it.
    async fn bump(&self, old: SavedTransaction) -> Result<SavedTransaction, StepError> {
        let Self { state, market, subject, purpose } = self;
        let Some(dearer) = market.rpc.dearer(&market.config.prover, &old).await? else {
            return Ok(self.send(old).await?.signed);
        };
        tracing::info!(job = subject.id, purpose = purpose.as_str(), old = %old.hash, new = %dearer.hash, "fees are raised");
        state.store.save_in_place(subject.id, subject.leases, *purpose, &dearer, Some(old.hash)).await?;
        Metrics::count(&state.metrics.transactions);
        Ok(self.send(dearer).await?.signed)
    }
}
