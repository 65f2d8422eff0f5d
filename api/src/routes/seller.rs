//! `/v1/seller`: what the operator earned, and what went wrong.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::models;
use super::schemas::{Account, Amount, Hash};
use crate::AppState;
use crate::chain::account;
use crate::error::{ApiError, Problem};
use crate::store::{FailedJob, State as JobState};

/// Most failures that are shown.
const FAILURES: u32 = 50;

/// Whether this service compiles models for its operator, and who sells.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Selling {
    /// Whether models can be uploaded: the operator started the service with `--sell`.
    pub compiles: bool,
    /// Most bytes of an upload.
    pub upload_bytes_max: Option<usize>,
    /// Most memory that compiling a model may take, in MiB.
    pub memory_mib: Option<u64>,
    /// The time that compiling a model may take.
    pub compile_secs: Option<u64>,
    /// The market; null where nothing is sold.
    #[schema(value_type = Option<Account>)]
    pub market: Option<Address>,
    /// The chain that the market is on; null as long as this server has not reached it.
    #[serde(default)]
    pub chain_id: Option<u64>,
    /// The account that signs quotes and holds the models' tokens.
    #[schema(value_type = Option<Account>)]
    pub seller: Option<Address>,
}

/// What can be done here by somebody who has the operator's token.
#[utoipa::path(get, path = "/v1/selling", responses((status = 200, body = Selling)))]
pub async fn selling(State(state): State<AppState>) -> Json<Selling> {
    let config = state.workshop.as_ref().map(|workshop| workshop.config());
    let chain_id = models::chain_id(&state).await;
    Json(Selling {
        compiles: config.is_some(),
        upload_bytes_max: config.map(|config| config.upload_bytes_max),
        memory_mib: config.map(|config| config.limits.memory_bytes >> 20),
        compile_secs: config.map(|config| config.limits.time.as_secs()),
        market: state.market.as_ref().map(|market| market.config.market),
        chain_id,
        seller: state.market.as_ref().map(|market| market.config.seller.address()),
    })
}

/// What an account has in a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Holding {
    /// ERC-20, or zero for the native coin.
    #[schema(value_type = Account)]
    pub token: Address,
    /// Its credit in the market, which it can withdraw.
    #[schema(value_type = Amount)]
    pub credit: String,
}

/// A model's jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelNumbers {
    /// The model; one that is no longer offered has numbers, too.
    #[schema(value_type = Hash)]
    pub model: B256,
    /// How many predictions there are in each state.
    pub jobs: BTreeMap<String, u64>,
    /// What buyers paid for those that are settled, in the smallest unit of the model's token.
    #[schema(value_type = Amount)]
    pub paid: String,
}

/// A seller's numbers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SellerNumbers {
    /// The account that sells and proves; null where nothing is sold.
    #[schema(value_type = Option<Account>)]
    pub account: Option<Address>,
    /// Its coins, in the smallest unit; null if the chain does not answer.
    #[schema(value_type = Option<Amount>)]
    pub coins: Option<String>,
    /// Its credit in the market, in each token that something is sold for. It is empty if the chain does not answer.
    pub credit: Vec<Holding>,
    /// By model.
    pub models: Vec<ModelNumbers>,
    /// The latest failures, the newest first.
    pub failures: Vec<FailedJob>,
}

/// Jobs, earnings and failures; for the operator.
#[utoipa::path(get, path = "/v1/seller", security(("operator" = [])), responses(
    (status = 200, body = SellerNumbers), (status = 401, body = Problem, content_type = "application/problem+json")))]
pub async fn numbers(State(state): State<AppState>, caller: Caller) -> Result<Json<SellerNumbers>, ApiError> {
    caller.only_operator()?;
    let mut models: BTreeMap<B256, ModelNumbers> = BTreeMap::new();
    for tally in state.store.tallies().await? {
        let empty = || ModelNumbers { model: tally.model, jobs: BTreeMap::new(), paid: "0".to_owned() };
        let numbers = models.entry(tally.model).or_insert_with(empty);
        numbers.jobs.insert(tally.state.to_string(), tally.jobs);
        if tally.state == JobState::Settled {
            numbers.paid = tally.paid.to_string();
        }
    }
    let (coins, credit) = money(&state).await.unwrap_or_default();
    Ok(Json(SellerNumbers {
        account: state.market.as_ref().map(|market| market.config.prover.address()),
        coins,
        credit,
        models: models.into_values().collect(),
        failures: state.store.failures(FAILURES).await?,
    }))
}

/// The account's coins and credit; `None` where there is no chain, or none that answers in time.
async fn money(state: &AppState) -> Option<(Option<String>, Vec<Holding>)> {
    let market = state.market.as_ref()?;
    let prover = market.config.prover.address();
    let mut tokens: Vec<Address> = state.models().iter().map(|model| market.config.terms_of(model.id).token).collect();
    tokens.push(market.config.terms.token);
    tokens.sort();
    tokens.dedup();
    let ask = async {
        let coins = market.rpc.balance(prover).await?;
        let mut credit = Vec::with_capacity(tokens.len());
        for token in tokens {
            let have = account::credit(&market.rpc, market.config.market, token, prover).await?;
            credit.push(Holding { token, credit: have.to_string() });
        }
        Ok::<_, crate::chain::ChainError>((Some(coins.to_string()), credit))
    };
    tokio::time::timeout(state.config.ready_timeout, ask).await.ok()?.ok()
}
