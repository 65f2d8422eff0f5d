//! `/v1/models`.

use std::time::Duration;

use alloy::primitives::{Address, B256};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::off_runtime;
use crate::AppState;
use crate::chain::{ChainError, Lineage, WeightsProof};
use crate::config::Card;
use crate::engine::ModelInfo;
use crate::error::{ApiError, Problem};
use crate::preparation::Preparation;
use crate::presentation::Presentation;
use crate::routes::compilations::DRAWING_POLICY;
use crate::routes::schemas::{Account, Amount, Hash};

/// How long a list waits for what the chain says.
const PATIENCE: Duration = Duration::from_secs(1);
/// Most entries of a page.
pub(super) const PAGE_MAX: u32 = 100;

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Entries wanted, 1 to 100; 20 if left out.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
}

impl PageQuery {
    pub(super) fn limit(&self) -> Result<u32, ApiError> {
        let limit = self.limit.unwrap_or(20);
        if (1..=PAGE_MAX).contains(&limit) { Ok(limit) } else { Err(ApiError::InvalidParameter { name: "limit" }) }
    }
}

/// Query parameters, or a problem.
pub(super) type PageParams = Result<Query<PageQuery>, QueryRejection>;

pub(super) fn page_query(params: PageParams) -> Result<PageQuery, ApiError> {
    params.map(|Query(query)| query).map_err(|_| ApiError::InvalidParameter { name: "query" })
}

/// The terms on which a model is sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelTerms {
    /// Price of an inference in the token's smallest unit.
    #[schema(value_type = Amount)]
    pub price: String,
    /// ERC-20, or zero for the native coin.
    #[schema(value_type = Account)]
    pub token: Address,
    /// The prover's collateral in the same unit.
    #[schema(value_type = Amount)]
    pub collateral: String,
    /// Seconds from the payment in which a proof is promised.
    pub prove_secs: u32,
    /// Seconds from the payment after which the buyer takes the money back.
    pub expire_secs: u32,
    /// Seconds for which a quote can be paid.
    pub quote_secs: u64,
    /// The market in which it is sold.
    #[schema(value_type = Account)]
    pub market: Address,
    /// The chain that the market is on; null as long as this server has not reached it.
    #[serde(default)]
    pub chain_id: Option<u64>,
    /// Where people look at the chain's transactions, if the operator says so: a transaction's page is `/tx/` and its
    /// hash behind it.
    #[serde(default)]
    pub explorer: Option<String>,
}

/// A model as it is offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Model {
    /// What it is.
    #[serde(flatten)]
    pub info: ModelInfo,
    /// What its seller says of it.
    #[serde(default)]
    pub description: Option<String>,
    /// What the output's elements stand for, where they are scores of classes and the seller says so.
    #[serde(default)]
    pub labels: Vec<String>,
    /// What a buyer may do with answers, in the seller's words.
    #[serde(default)]
    pub licence: Option<String>,
    /// How a picture or a text becomes the input, where the seller says so; else inputs are numbers.
    #[serde(default)]
    pub prepare: Option<Preparation>,
    /// What inputs and outputs are, for people, where the seller says so.
    #[serde(default)]
    pub presentation: Presentation,
    /// What it costs; null where it is not sold.
    #[serde(default)]
    pub terms: Option<ModelTerms>,
    /// Whether it is proven for free.
    #[serde(default)]
    pub free: bool,
    /// What the market's registry says of the weights; null where the model is not listed, or the chain does not
    /// answer.
    #[serde(default)]
    pub weights: Option<WeightsProof>,
}

impl Model {
    async fn load(state: &AppState, info: &ModelInfo, chain_id: Option<u64>) -> Self {
        let asked = async { state.market.as_ref()?.weights(info.id).await.ok() };
        // without a chain id the chain did not answer just now
        let weights =
            if chain_id.is_some() { tokio::time::timeout(PATIENCE, asked).await.ok().flatten() } else { None };
        let card = state.config.cards.get(info.id).unwrap_or_default();
        let terms = state.market.as_ref().map(|market| {
            let terms = market.config.terms_of(info.id);
            ModelTerms {
                price: terms.price.to_string(),
                token: terms.token,
                collateral: terms.collateral.to_string(),
                prove_secs: terms.prove_secs,
                expire_secs: terms.expire_secs,
                quote_secs: terms.quote_secs,
                market: market.config.market,
                chain_id,
                explorer: market.config.explorer.as_ref().map(ToString::to_string),
            }
        });
        let Card { description, labels, licence, prepare, presentation, .. } = card;
        Self {
            info: info.clone(),
            description,
            labels,
            licence,
            prepare,
            presentation,
            terms,
            free: state.config.free,
            weights,
        }
    }
}

/// The chain's id, which is asked for once. A node that does not answer does not hold up the list.
pub(super) async fn chain_id(state: &AppState) -> Option<u64> {
    let facts = tokio::time::timeout(PATIENCE, state.market.as_ref()?.facts());
    facts.await.ok()?.ok().map(|facts| facts.chain_id)
}

/// A page of models.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ModelPage {
    /// The models.
    pub data: Vec<Model>,
    /// Cursor of the next page; null on the last.
    pub next: Option<String>,
}

async fn page(state: &AppState, models: &[ModelInfo], chain_id: Option<u64>) -> Vec<Model> {
    futures_util::future::join_all(models.iter().map(|info| Model::load(state, info, chain_id))).await
}

/// All models.
pub(super) async fn all(state: &AppState) -> Vec<Model> {
    let chain_id = chain_id(state).await;
    page(state, &state.models(), chain_id).await
}

/// The models that this server proves.
#[utoipa::path(get, path = "/v1/models", params(PageQuery), responses(
    (status = 200, body = ModelPage), (status = 400, body = Problem, content_type = "application/problem+json")))]
pub async fn list(State(state): State<AppState>, params: PageParams) -> Result<Json<ModelPage>, ApiError> {
    let query = page_query(params)?;
    let limit = query.limit()? as usize;
    let models = state.models();
    let start = match &query.cursor {
        None => 0,
        Some(cursor) => {
            let id: B256 = cursor.parse().map_err(|_| ApiError::InvalidParameter { name: "cursor" })?;
            models.iter().position(|m| m.id == id).ok_or(ApiError::InvalidParameter { name: "cursor" })? + 1
        }
    };
    let chain_id = chain_id(&state).await;
    let data = page(&state, models.get(start..models.len().min(start + limit)).unwrap_or_default(), chain_id).await;
    let more = start + data.len() < models.len();
    let next = data.last().filter(|_| more).map(|m| m.info.id.to_string());
    Ok(Json(ModelPage { data, next }))
}

/// A model's KEY file, with which anybody verifies its proofs. Believe nothing of it: `assay verify-key` computes it
/// again, and so does the page.
#[utoipa::path(get, path = "/v1/models/{id}/key", params(("id" = Hash, Path, description = "Model id")), responses(
    (status = 200, content_type = "application/octet-stream"), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn key(State(state): State<AppState>, Path(id): Path<String>) -> Result<impl IntoResponse, ApiError> {
    let id = id.parse().map_err(|_| ApiError::InvalidParameter { name: "id" })?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], state.engine.key(id)?))
}

/// How many powers of tau.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SrsQuery {
    /// Base-2 logarithm of their number; as many as computing the key again takes, if left out.
    pub log: Option<u32>,
}

/// The powers of tau that a model's key is over, as an SRS file: what computing the key again takes, and a part of them
/// commits to inputs. Keys over the development SRS need none. That they are powers of one number whoever uses them
/// checks; which ceremony's they are its id tells.
#[utoipa::path(get, path = "/v1/models/{id}/srs", params(("id" = Hash, Path, description = "Model id"), SrsQuery), responses(
    (status = 200, content_type = "application/octet-stream"), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn srs(
    State(state): State<AppState>,
    Path(id): Path<String>,
    query: Result<Query<SrsQuery>, QueryRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let id = id.parse().map_err(|_| ApiError::InvalidParameter { name: "id" })?;
    let invalid = ApiError::InvalidParameter { name: "log" };
    // integers have 31 bits in the service's description
    let log = match query {
        Ok(Query(SrsQuery { log })) if log.is_none_or(|log| i32::try_from(log).is_ok()) => log,
        _ => return Err(invalid),
    };
    let bytes = off_runtime(&state, move |state| state.engine.srs(id, log)).await??;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, bytes))
}

/// Where a model comes from, by the chain: who listed it, who shares its revenue, and which other models' splitters are
/// among them.
#[utoipa::path(get, path = "/v1/models/{id}/lineage", params(("id" = Hash, Path, description = "Model id")), responses(
    (status = 200, body = Lineage), (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json")))]
pub async fn lineage(State(state): State<AppState>, Path(id): Path<String>) -> Result<Json<Lineage>, ApiError> {
    let id = id.parse().map_err(|_| ApiError::InvalidParameter { name: "id" })?;
    let market = state.market.as_ref().ok_or(ApiError::NoMarket)?;
    state.model(id)?;
    let listed = state.index.look(&state.store, market, |_, history| history.models()).await?;
    market.lineage(id, &listed).await?.map(Json).ok_or(ApiError::Chain(ChainError::NotListed { model: id }))
}

/// The network, drawn as SVG: a box for each layer, with its share of a proof's cost.
#[utoipa::path(get, path = "/v1/models/{id}/drawing", params(("id" = Hash, Path, description = "Model id")), responses(
    (status = 200, content_type = "image/svg+xml"), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn drawing(State(state): State<AppState>, Path(id): Path<String>) -> Result<impl IntoResponse, ApiError> {
    let id = id.parse().map_err(|_| ApiError::InvalidParameter { name: "id" })?;
    state.model(id)?;
    let drawing = state.config.cards.get(id).and_then(|card| card.drawing).ok_or(ApiError::NoSuchResource)?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml"), (header::CONTENT_SECURITY_POLICY, DRAWING_POLICY)], drawing))
}

/// One model.
#[utoipa::path(get, path = "/v1/models/{id}", params(("id" = Hash, Path, description = "Model id")), responses(
    (status = 200, body = Model), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn get(State(state): State<AppState>, Path(id): Path<String>) -> Result<Json<Model>, ApiError> {
    let id = id.parse().map_err(|_| ApiError::InvalidParameter { name: "id" })?;
    Ok(Json(Model::load(&state, &state.model(id)?, chain_id(&state).await).await))
}
