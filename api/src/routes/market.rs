//! `/v1/market`: what the chain says has happened in the market, as this server's store has it. Whoever does not
//! believe it reads the chain: `assay market --service URL` compares.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::models::{PageParams, PageQuery, page_query};
use super::schemas::{Account, Amount, Hash};
use crate::AppState;
use crate::chain::Market;
use crate::chain::history::{Amounts, History, JobRow, ModelRow, ProverRow, Stage};
use crate::error::{ApiError, Problem};
use crate::store::Checkpoint;

/// How many jobs come with the history. Sums are of all.
const LATEST: usize = 1000;

/// Amounts in the smallest unit of each token, decimal; the native coin is zero.
fn decimal(amounts: &Amounts) -> BTreeMap<String, String> {
    amounts.iter().map(|(token, sum)| (token.to_string(), sum.to_string())).collect()
}

/// A listed model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MarketModel {
    /// Its id.
    #[schema(value_type = Hash)]
    pub model: B256,
    /// Commitment to its architecture and weights.
    #[schema(value_type = Hash)]
    pub model_commitment: B256,
    /// Who holds its token.
    #[schema(value_type = Account)]
    pub owner: Address,
    /// When it was listed, in the chain's unix seconds.
    pub registered_secs: u64,
    /// Whether it takes no new jobs.
    pub deprecated: bool,
    /// Since when its weights are proven, unix seconds; 0: they are not.
    pub weights_proven_at: u64,
    /// Jobs that were paid for.
    pub funded: u64,
    /// Jobs that were proven and paid, and not refunded.
    pub settled: u64,
    /// Those of them that were late.
    pub late: u64,
    /// Jobs whose money went back.
    pub returned: u64,
    /// What was paid out for settled jobs, by token.
    pub earned: BTreeMap<String, String>,
}

impl From<&ModelRow> for MarketModel {
    fn from(row: &ModelRow) -> Self {
        Self {
            model: row.model,
            model_commitment: row.commitment,
            owner: row.owner,
            registered_secs: row.registered_secs,
            deprecated: row.deprecated,
            weights_proven_at: row.weights_proven_at,
            funded: row.counts.funded,
            settled: row.counts.settled,
            late: row.counts.late,
            returned: row.counts.returned,
            earned: decimal(&row.earned),
        }
    }
}

/// What a prover has delivered: all of its reputation that the chain knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MarketProver {
    /// The account.
    #[schema(value_type = Account)]
    pub prover: Address,
    /// Jobs that were proven and paid, and not refunded.
    pub settled: u64,
    /// Those of them that were late.
    pub late: u64,
    /// Jobs whose payment was given back.
    pub refunded: u64,
    /// Jobs that were locked and not proven in time.
    pub missed: u64,
    /// Different buyers: whoever buys from himself has one.
    pub buyers: u64,
    /// What was paid out for them, to all payees, by token.
    pub earned: BTreeMap<String, String>,
}

impl MarketProver {
    fn new(prover: Address, row: &ProverRow) -> Self {
        Self {
            prover,
            settled: row.settled,
            late: row.late,
            refunded: row.refunded,
            missed: row.missed,
            buyers: row.buyers,
            earned: decimal(&row.earned),
        }
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MarketJob {
    /// Its id.
    #[schema(value_type = Hash)]
    pub job: B256,
    /// The model.
    #[schema(value_type = Hash)]
    pub model: B256,
    /// Who gets the answer.
    #[schema(value_type = Account)]
    pub buyer: Address,
    /// What it is paid in; zero is the native coin.
    #[schema(value_type = Account)]
    pub token: Address,
    /// What was paid into escrow.
    #[schema(value_type = Amount)]
    pub price: String,
    /// Where it is.
    pub state: Stage,
    /// Who has locked it, and then who was paid.
    #[schema(value_type = Option<Account>)]
    pub prover: Option<Address>,
    /// What was paid out.
    #[schema(value_type = Amount)]
    pub paid: String,
    /// Whether it was proven late.
    pub late: bool,
    /// When it was paid for, in the chain's unix seconds.
    pub funded_secs: u64,
    /// When it was proven, taken back or given up; null if it is open.
    pub ended_secs: Option<u64>,
}

impl From<&JobRow> for MarketJob {
    fn from(row: &JobRow) -> Self {
        Self {
            job: row.job,
            model: row.model,
            buyer: row.buyer,
            token: row.token,
            price: row.price.to_string(),
            state: row.stage,
            prover: row.prover,
            paid: row.paid.to_string(),
            late: row.late,
            funded_secs: row.funded_secs,
            ended_secs: row.ended_secs,
        }
    }
}

/// The market at a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MarketHistory {
    /// The market's contract.
    #[schema(value_type = Account)]
    pub market: Address,
    /// Its registry of models.
    #[schema(value_type = Account)]
    pub registry: Address,
    /// The first block that was read.
    pub from_block: u64,
    /// The last one; null: none was read yet.
    pub block: Option<u64>,
    /// Its hash: what follows holds on the chain that has it.
    #[schema(value_type = Option<Hash>)]
    pub block_hash: Option<B256>,
    /// Number of jobs.
    pub jobs: u64,
    /// Models, in the order of their listing.
    pub models: Vec<MarketModel>,
    /// Provers that were paid, or missed a job.
    pub provers: Vec<MarketProver>,
    /// The latest 1000 jobs, the newest first; `/v1/market/jobs` has all.
    pub latest: Vec<MarketJob>,
}

impl MarketHistory {
    /// How a history is shown.
    pub fn new(market: Address, registry: Address, from_block: u64, at: Option<Checkpoint>, history: &History) -> Self {
        Self {
            market,
            registry,
            from_block,
            block: at.map(|at| at.block),
            block_hash: at.map(|at| at.hash),
            jobs: history.jobs.len() as u64,
            models: history.models().iter().map(MarketModel::from).collect(),
            provers: history.provers().iter().map(|(prover, row)| MarketProver::new(*prover, row)).collect(),
            latest: latest(history),
        }
    }
}

/// The latest jobs, the newest first.
fn latest(history: &History) -> Vec<MarketJob> {
    let mut jobs: Vec<&JobRow> = history.jobs.values().collect();
    jobs.sort_unstable_by_key(|job| (Reverse(job.funded_secs), job.job));
    jobs.into_iter().take(LATEST).map(MarketJob::from).collect()
}

/// Some of the jobs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MarketJobPage {
    /// The last block that was read: pages with different ones do not belong together.
    pub block: Option<u64>,
    /// Its hash.
    #[schema(value_type = Option<Hash>)]
    pub block_hash: Option<B256>,
    /// The jobs, by their ids.
    pub data: Vec<MarketJob>,
    /// Cursor of the next page; null on the last.
    pub next: Option<String>,
}

fn market(state: &AppState) -> Result<&Market, ApiError> {
    state.market.as_deref().ok_or(ApiError::NoMarket)
}

/// What has happened in the market, by the chain's events up to a block that the answer names. A block that the chain
/// takes back takes what was in it back here too.
#[utoipa::path(get, path = "/v1/market", responses(
    (status = 200, body = MarketHistory), (status = 409, body = Problem, content_type = "application/problem+json")))]
pub async fn history(State(state): State<AppState>) -> Result<Json<MarketHistory>, ApiError> {
    Ok(Json(state.index.shown(&state.store, market(&state)?).await?))
}

/// The market's jobs at that block, by their ids.
#[utoipa::path(get, path = "/v1/market/jobs", params(PageQuery), responses(
    (status = 200, body = MarketJobPage), (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json")))]
pub async fn jobs(State(state): State<AppState>, params: PageParams) -> Result<Json<MarketJobPage>, ApiError> {
    use std::ops::Bound::{Excluded, Unbounded};
    let market = market(&state)?;
    let query = page_query(params)?;
    let limit = query.limit()? as usize;
    let after: Option<B256> =
        query.cursor.map(|c| c.parse().map_err(|_| ApiError::InvalidParameter { name: "cursor" })).transpose()?;
    let page = |at: Option<Checkpoint>, history: &History| {
        let mut rows = history.jobs.range((after.map_or(Unbounded, Excluded), Unbounded)).map(|(_, row)| row);
        let data: Vec<MarketJob> = rows.by_ref().take(limit).map(MarketJob::from).collect();
        let next = rows.next().and(data.last()).map(|last| last.job.to_string());
        MarketJobPage { block: at.map(|at| at.block), block_hash: at.map(|at| at.hash), data, next }
    };
    Ok(Json(state.index.look(&state.store, market, page).await?))
}
