//! What has happened in a market, by its events alone: models, jobs, earnings, and what provers have delivered.

use std::collections::{BTreeMap, HashMap};

use alloy::primitives::{Address, B256, U256};
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::abi::{InferenceMarket as M, ModelRegistry as R, Order, Payee};
use super::{ChainError, Rpc};

/// Blocks that are asked for at a time: nodes answer for so many.
const BLOCKS: u64 = 10_000;

/// Amounts by token; the native coin is zero.
pub type Amounts = BTreeMap<Address, U256>;

/// Where a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Paid for.
    #[default]
    Funded,
    /// A prover works on it.
    Locked,
    /// Proven and paid out.
    Settled,
    /// Taken back by its buyer.
    Cancelled,
    /// Nobody proved it.
    Expired,
    /// Its payment was given back.
    Refunded,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Funded => "funded",
            Self::Locked => "locked",
            Self::Settled => "settled",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Refunded => "refunded",
        })
    }
}

/// A job.
#[derive(Clone, Debug, Serialize)]
pub struct JobRow {
    /// Its id.
    pub job: B256,
    /// The model's id.
    pub model: B256,
    /// Who gets the answer.
    pub buyer: Address,
    /// What it is paid in.
    pub token: Address,
    /// What was paid into escrow.
    pub price: U256,
    /// Where it is.
    pub stage: Stage,
    /// Who has locked it, and then who was paid.
    pub prover: Option<Address>,
    /// What was paid out.
    pub paid: U256,
    /// Whether it was proven late.
    pub late: bool,
    /// When it was paid for, in the chain's unix seconds.
    pub funded_secs: u64,
    /// When it was proven, taken back or given up.
    pub ended_secs: Option<u64>,
}

/// A listed model.
#[derive(Clone, Debug)]
pub struct ModelRow {
    /// Its id.
    pub model: B256,
    /// Its weights' and architecture's commitment.
    pub commitment: B256,
    /// When it was listed, in the chain's unix seconds.
    pub registered_secs: u64,
    /// Who listed it.
    pub registrant: Address,
    /// Where its registration says that its card is; may be empty.
    pub uri: String,
    /// The revenue split of its registration.
    pub split: Vec<Payee>,
    /// Who holds its token.
    pub owner: Address,
    /// Whether it takes no new jobs.
    pub deprecated: bool,
    /// Since when its weights are proven, unix seconds; 0: they are not.
    pub weights_proven_at: u64,
    /// Its jobs.
    pub counts: Counts,
    /// What was paid out for settled jobs that were not refunded.
    pub earned: Amounts,
}

/// What a prover has delivered.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProverRow {
    /// Jobs that were proven and paid, and not refunded.
    pub settled: u64,
    /// Those of them that were late.
    pub late: u64,
    /// Jobs whose payment was given back.
    pub refunded: u64,
    /// Jobs that were locked and not proven in time.
    pub missed: u64,
    /// Different buyers.
    pub buyers: u64,
    /// What was paid out for them, to all payees.
    pub earned: Amounts,
}

/// Numbers of jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All.
    pub funded: u64,
    /// Proven and paid, and not refunded.
    pub settled: u64,
    /// Those of them that were late.
    pub late: u64,
    /// Taken back, expired or refunded.
    pub returned: u64,
}

/// A market's history.
#[derive(Clone, Debug, Default)]
pub struct History {
    listed: Vec<ModelRow>,
    /// Jobs by their ids.
    pub jobs: BTreeMap<B256, JobRow>,
    missed: BTreeMap<Address, u64>,
    /// Jobs of a batch whose own event is still to come.
    waiting: Vec<(B256, B256)>,
}

/// The events of several contracts in a range of blocks, in their order, each with its block's time.
pub async fn logs(rpc: &Rpc, contracts: [Address; 2], from: u64, to: u64) -> Result<Vec<Log>, ChainError> {
    let mut logs = rpc.logs(&Filter::new().address(contracts.to_vec()).from_block(from).to_block(to)).await?;
    // most nodes say it with the event; others are asked once for each block
    let mut times = HashMap::new();
    for log in logs.iter_mut().filter(|log| log.block_timestamp.is_none()) {
        let block = log.block_number.unwrap_or(to);
        let time = match times.get(&block) {
            Some(time) => *time,
            None => rpc.block_time(block).await?,
        };
        times.insert(block, time);
        log.block_timestamp = time;
    }
    Ok(logs)
}

impl History {
    /// Reads all events from a block on. `market` names its registry of models.
    pub async fn read(rpc: &Rpc, market: Address, from: u64) -> Result<Self, ChainError> {
        Self::read_to(rpc, market, from, rpc.block_number().await?).await
    }

    /// The same up to a block, inclusive.
    pub async fn read_to(rpc: &Rpc, market: Address, from: u64, to: u64) -> Result<Self, ChainError> {
        let registry = rpc.call(market, &M::modelsCall {}).await?;
        let mut history = Self::default();
        let mut first = from;
        while first <= to {
            let last = first.saturating_add(BLOCKS - 1).min(to);
            logs(rpc, [market, registry], first, last).await?.iter().for_each(|log| history.take(log));
            first = last + 1;
        }
        Ok(history)
    }

    /// Lists a model.
    fn list(&mut self, event: R::ModelRegistered, secs: u64) {
        let R::ModelRegistered { modelId, modelCommitment, owner, uri, split, .. } = event;
        self.listed.push(ModelRow {
            model: B256::from(modelId),
            commitment: modelCommitment,
            registered_secs: secs,
            registrant: owner,
            uri,
            split,
            owner,
            deprecated: false,
            weights_proven_at: 0,
            counts: Counts::default(),
            earned: Amounts::new(),
        });
    }

    fn change_model(&mut self, model: U256, change: impl FnOnce(&mut ModelRow)) {
        if let Some(row) = self.listed.iter_mut().find(|row| row.model == B256::from(model)) {
            change(row);
        }
    }

    /// Takes one event of the registry of models. Returns whether it is one.
    fn take_listing(&mut self, log: &Log) -> bool {
        let (inner, secs) = (&log.inner, log.block_timestamp.unwrap_or_default());
        match inner.topics().first() {
            Some(&R::ModelRegistered::SIGNATURE_HASH) => {
                if let Ok(e) = R::ModelRegistered::decode_log(inner) {
                    self.list(e.data, secs);
                }
            }
            Some(&R::Transfer::SIGNATURE_HASH) => {
                if let Ok(e) = R::Transfer::decode_log(inner) {
                    self.change_model(e.tokenId, |row| row.owner = e.to);
                }
            }
            Some(&R::ModelDeprecated::SIGNATURE_HASH) => {
                if let Ok(e) = R::ModelDeprecated::decode_log(inner) {
                    self.change_model(e.modelId, |row| row.deprecated = e.deprecated);
                }
            }
            Some(&R::WeightsProven::SIGNATURE_HASH) => {
                if let Ok(e) = R::WeightsProven::decode_log(inner) {
                    self.change_model(e.modelId, |row| row.weights_proven_at = secs);
                }
            }
            _ => return false,
        }
        true
    }

    /// Takes one event of the market or its registry; those that say nothing of models or jobs are passed over.
    pub fn take(&mut self, log: &Log) {
        if self.take_listing(log) {
            return;
        }
        let (log, secs) = (&log.inner, log.block_timestamp.unwrap_or_default());
        match log.topics().first() {
            Some(&M::JobFunded::SIGNATURE_HASH) => {
                if let Ok(e) = M::JobFunded::decode_log(log) {
                    self.fund(e.jobId, &e.order, e.snapshot.price, secs);
                }
            }
            Some(&M::JobFundedInBatch::SIGNATURE_HASH) => {
                if let Ok(e) = M::JobFundedInBatch::decode_log(log) {
                    self.waiting.push((e.jobId, e.salt));
                }
            }
            Some(&M::BatchFunded::SIGNATURE_HASH) => {
                if let Ok(e) = M::BatchFunded::decode_log(log) {
                    for (job, _) in std::mem::take(&mut self.waiting) {
                        self.fund(job, &e.template, e.snapshot.price, secs);
                    }
                }
            }
            Some(&M::JobLocked::SIGNATURE_HASH) => {
                if let Ok(e) = M::JobLocked::decode_log(log) {
                    self.change(e.jobId, |job| (job.stage, job.prover) = (Stage::Locked, Some(e.prover)));
                }
            }
            Some(&M::JobSettled::SIGNATURE_HASH) => {
                if let Ok(e) = M::JobSettled::decode_log(log) {
                    self.settle(e.jobId, (e.prover, e.paid, e.late), secs);
                }
            }
            Some(&M::BatchSettled::SIGNATURE_HASH) => {
                if let Ok(e) = M::BatchSettled::decode_log(log) {
                    e.jobIds.iter().for_each(|job| self.settle(*job, (e.prover, e.paidEach, false), secs));
                }
            }
            Some(&M::JobCancelled::SIGNATURE_HASH) => {
                if let Ok(e) = M::JobCancelled::decode_log(log) {
                    self.change(e.jobId, |job| job.end(Stage::Cancelled, secs));
                }
            }
            Some(&M::JobExpired::SIGNATURE_HASH) => {
                if let Ok(e) = M::JobExpired::decode_log(log) {
                    self.change(e.jobId, |job| job.end(Stage::Expired, secs));
                }
            }
            Some(&M::JobRefunded::SIGNATURE_HASH) => {
                if let Ok(e) = M::JobRefunded::decode_log(log) {
                    self.change(e.jobId, |job| job.end(Stage::Refunded, secs));
                }
            }
            Some(&M::Slashed::SIGNATURE_HASH) => {
                if let Ok(e) = M::Slashed::decode_log(log) {
                    *self.missed.entry(e.prover).or_default() += 1;
                }
            }
            _ => {}
        }
    }

    fn fund(&mut self, job: B256, order: &Order, price: u128, secs: u64) {
        let (model, stage) = (B256::from(order.modelId), Stage::Funded);
        let row = JobRow {
            job,
            model,
            buyer: order.buyer,
            token: order.token,
            price: U256::from(price),
            stage,
            prover: None,
            paid: U256::ZERO,
            late: false,
            funded_secs: secs,
            ended_secs: None,
        };
        self.jobs.insert(job, row);
    }

    fn settle(&mut self, job: B256, (prover, paid, late): (Address, U256, bool), secs: u64) {
        self.change(job, |job| {
            job.end(Stage::Settled, secs);
            (job.prover, job.paid, job.late) = (Some(prover), paid, late);
        });
    }

    /// An order that was revoked has events and no funding.
    fn change(&mut self, job: B256, change: impl FnOnce(&mut JobRow)) {
        if let Some(job) = self.jobs.get_mut(&job) {
            change(job);
        }
    }

    /// Models, in the order of their listing, with what their jobs make of them.
    pub fn models(&self) -> Vec<ModelRow> {
        let mut rows = self.listed.clone();
        let places: BTreeMap<B256, usize> = rows.iter().enumerate().map(|(place, row)| (row.model, place)).collect();
        for job in self.jobs.values() {
            let Some(row) = places.get(&job.model).and_then(|place| rows.get_mut(*place)) else { continue };
            row.counts.funded += 1;
            match job.stage {
                Stage::Settled => {
                    row.counts.settled += 1;
                    row.counts.late += u64::from(job.late);
                    *row.earned.entry(job.token).or_default() += job.paid;
                }
                Stage::Cancelled | Stage::Expired | Stage::Refunded => row.counts.returned += 1,
                Stage::Funded | Stage::Locked => {}
            }
        }
        rows
    }

    /// What each prover has delivered.
    pub fn provers(&self) -> BTreeMap<Address, ProverRow> {
        let mut rows: BTreeMap<Address, ProverRow> = BTreeMap::new();
        let mut buyers = std::collections::BTreeSet::new();
        for job in self.jobs.values() {
            let (Some(prover), Stage::Settled | Stage::Refunded) = (job.prover, job.stage) else { continue };
            let row = rows.entry(prover).or_default();
            row.buyers += u64::from(buyers.insert((prover, job.buyer)));
            if job.stage == Stage::Refunded {
                row.refunded += 1;
                continue;
            }
            row.settled += 1;
            row.late += u64::from(job.late);
            *row.earned.entry(job.token).or_default() += job.paid;
        }
        for (prover, missed) in &self.missed {
            rows.entry(*prover).or_default().missed = *missed;
        }
        rows
    }
}

impl JobRow {
    /// A refund after the proof does not change when it ended.
    fn end(&mut self, stage: Stage, secs: u64) {
        self.stage = stage;
        self.ended_secs.get_or_insert(secs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::abi::Snapshot;

    fn log(event: &impl SolEvent) -> Log {
        Log {
            inner: alloy::primitives::Log { address: Address::ZERO, data: event.encode_log_data() },
            ..Log::default()
        }
    }

    fn order(buyer: u8) -> Order {
        Order { buyer: Address::repeat_byte(buyer), modelId: U256::from(1), ..empty() }
    }

    fn empty() -> Order {
        Order {
            buyer: Address::ZERO,
            modelId: U256::ZERO,
            modelCommitment: B256::ZERO,
            inputCommitment: B256::ZERO,
            keyHash: B256::ZERO,
            verifier: Address::ZERO,
            token: Address::ZERO,
            maxPrice: 0,
            feeSplitHash: B256::ZERO,
            proveSecs: 0,
            expireSecs: 0,
            collateral: 0,
            prover: Address::ZERO,
            salt: B256::ZERO,
            unclamped: false,
        }
    }

    fn snapshot(price: u128) -> Snapshot {
        Snapshot {
            seller: Address::ZERO,
            keyPointer: Address::ZERO,
            weightsPointer: Address::ZERO,
            price,
            inferences: 1,
            proversHash: B256::ZERO,
        }
    }

    /// One alone and late, two in a batch of which one is refunded, one that is missed, one that is cancelled, one
    /// revoked.
    #[test]
    fn events_say_what_has_happened() {
        let mut history = History::default();
        let job = |i| B256::repeat_byte(i);
        let prover = Address::repeat_byte(9);
        let fund = |history: &mut History, i, buyer| {
            let order = order(buyer);
            let e = M::JobFunded {
                jobId: job(i),
                modelId: order.modelId,
                buyer: order.buyer,
                order,
                snapshot: snapshot(10),
                provers: vec![],
            };
            history.take(&log(&e));
        };
        fund(&mut history, 1, 1);
        history.take(&log(&M::JobSettled {
            jobId: job(1),
            prover,
            modelId: U256::from(1),
            paid: U256::from(8),
            late: true,
            output: vec![].into(),
        }));
        for i in [2, 3] {
            history.take(&log(&M::JobFundedInBatch { jobId: job(i), inputCommitment: B256::ZERO, salt: job(i) }));
        }
        let template = order(2);
        let batch = M::BatchFunded {
            modelId: U256::from(1),
            buyer: template.buyer,
            jobs: U256::from(2),
            template,
            snapshot: snapshot(5),
            provers: vec![],
        };
        history.take(&log(&batch));
        let settled = M::BatchSettled {
            modelId: U256::from(1),
            prover,
            paidEach: U256::from(5),
            jobIds: vec![job(2), job(3)],
            output: vec![].into(),
            clamps: 0,
        };
        history.take(&log(&settled));
        history.take(&log(&M::JobRefunded { jobId: job(3), by: Address::ZERO, amount: U256::from(5) }));
        fund(&mut history, 4, 1);
        history.take(&log(&M::JobLocked { jobId: job(4), prover, proveBy: U256::ZERO }));
        history.take(&log(&M::JobExpired { jobId: job(4), refunded: U256::from(10) }));
        history.take(&log(&M::Slashed {
            jobId: job(4),
            prover,
            toTreasury: U256::ZERO,
            toProver: U256::ZERO,
            toBuyer: U256::ZERO,
        }));
        fund(&mut history, 5, 1);
        history.take(&log(&M::JobCancelled { jobId: job(5) }));
        history.take(&log(&M::JobCancelled { jobId: job(6) }));

        let row = &history.provers()[&prover];
        assert_eq!((row.settled, row.late, row.refunded, row.missed, row.buyers), (2, 1, 1, 1, 2));
        assert_eq!(row.earned[&Address::ZERO], U256::from(13));
        let stages: Vec<Stage> = history.jobs.values().map(|job| job.stage).collect();
        assert_eq!(stages, [Stage::Settled, Stage::Settled, Stage::Refunded, Stage::Expired, Stage::Cancelled]);
    }
}
