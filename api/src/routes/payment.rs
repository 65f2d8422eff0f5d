//! Payments by x402 on `POST /v1/predictions`: what is asked for, and whether what was sent pays for it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header as names};
use axum::response::Response;

use super::header;
use crate::AppState;
use crate::chain::Market;
use crate::chain::authorization::{Standing, balance, standing};
use crate::chain::{ChainError, Rpc};
use crate::engine::ModelInfo;
use crate::error::ApiError;
use crate::store::{Job, NewPayment, State as JobState, now_ms};
use crate::x402::{
    Extra, Moment, Payment, PaymentError, PaymentPayload, PaymentRequired, REQUIRED, RESPONSE, Requirements, Resource, SCHEME, SIGNATURE,
    SettleResponse, VERSION, decode, encode,
};

/// The market, and what a model's inference costs by x402; `None` where that is not offered.
async fn offer<'a>(state: &'a AppState, model: &ModelInfo) -> Result<Option<(&'a Market, Requirements)>, ApiError> {
    let Some(market) = state.market.as_deref() else { return Ok(None) };
    let (Some(config), Some(price)) = (market.config.x402, market.config.x402_price(model.id)) else { return Ok(None) };
    let domain = market.token_domain().await?;
    let requirements = Requirements {
        scheme: SCHEME.to_owned(),
        network: format!("eip155:{}", market.rpc.chain_id().await?),
        amount: price.to_string(),
        asset: config.token,
        pay_to: market.config.seller.address(),
        max_timeout_seconds: market.config.terms_of(model.id).prove_secs.into(),
        extra: Extra { name: domain.name.clone(), version: domain.version.clone(), asset_transfer_method: None },
    };
    Ok(Some((market, requirements)))
}

/// Whether a request carries a payment.
pub(super) fn is_sent(headers: &HeaderMap) -> bool {
    headers.contains_key(SIGNATURE)
}

/// The payment that a request carries, if it carries one and everything about it is right.
pub(super) async fn sent(state: &AppState, model: &ModelInfo, headers: &HeaderMap) -> Result<Option<NewPayment>, ApiError> {
    let Some(text) = header(headers, SIGNATURE)? else { return Ok(None) };
    let payload: PaymentPayload = decode(text)?;
    let Some((market, requirements)) = offer(state, model).await? else { return Err(PaymentError::NotOffered.into()) };
    let clock = u64::try_from(now_ms() / 1000).unwrap_or_default();
    let at = Moment {
        now: market.rpc.now().await?.max(clock),
        margin_secs: state.margin_secs(&market.config, market.config.terms_of(model.id).prove_secs),
        block: market.rpc.block_number().await?,
    };
    let payment = payload.check(&requirements, &market.token_domain().await?.domain, at)?;
    if state.store.has_payment(&payment.id()).await? || standing(&market.rpc, &payment).await? != Standing::Open {
        return Err(PaymentError::Replayed.into());
    }
    let (balance, need) = (balance(&market.rpc, payment.asset, payment.payer).await?, payment.value());
    if balance < need {
        return Err(PaymentError::Funds { payer: payment.payer, have: balance, need }.into());
    }
    simulate(&market.rpc, &payment).await?;
    Ok(Some(NewPayment { payment, balance }))
}

/// Has the node try the transfer, without sending it: a token may refuse for reasons of its own.
async fn simulate(rpc: &Rpc, payment: &Payment) -> Result<(), ApiError> {
    let call = payment.call().ok_or(PaymentError::Signature { payer: payment.payer })?;
    match rpc.call(payment.asset, &call).await {
        Err(ChainError::Reverted { .. } | ChainError::Market(_) | ChainError::Refused { .. }) => Err(PaymentError::Refused.into()),
        other => Ok(other.map(drop)?),
    }
}

/// Where the client sees this service.
fn base(state: &AppState, headers: &HeaderMap) -> String {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|_| state.config.behind_proxy);
    let host = headers.get(names::HOST).and_then(|value| value.to_str().ok()).unwrap_or("localhost");
    format!("{}://{}", said("x-forwarded-proto").unwrap_or("http"), said("x-forwarded-host").unwrap_or(host))
}

/// Adds what is to be paid to an answer with status 402.
pub(super) async fn require(state: &AppState, headers: &HeaderMap, model: &ModelInfo, why: &str, answer: &mut Response) {
    let Ok(Some((_, requirements))) = offer(state, model).await else { return };
    let required = PaymentRequired {
        x402_version: VERSION,
        error: is_sent(headers).then(|| why.to_owned()),
        resource: Resource {
            url: format!("{}/v1/predictions", base(state, headers)),
            description: format!("A proven inference of {}", model.name),
            mime_type: "application/json".to_owned(),
        },
        accepts: vec![requirements],
    };
    set(answer, REQUIRED, encode(&required));
}

/// Says what became of a prediction's payment, once it is over.
pub(super) fn report(job: &Job) -> Option<String> {
    let payment = job.payment.as_ref().filter(|_| job.state.is_terminal())?;
    let success = job.state == JobState::Settled;
    encode(&SettleResponse {
        success,
        error_reason: (!success).then(|| job.error.as_ref().map_or_else(|| job.state.to_string(), |(code, _)| code.clone())),
        payer: payment.payer,
        transaction: payment.transaction.map(|hash| hash.to_string()).unwrap_or_default(),
        network: payment.network.clone(),
        amount: if success { payment.amount.clone() } else { "0".to_owned() },
    })
}

/// Adds that to an answer.
pub(super) fn set_report(answer: &mut Response, report: Option<String>) {
    set(answer, RESPONSE, report);
}

fn set(answer: &mut Response, name: &'static str, value: Option<String>) {
    if let Some(value) = value.and_then(|text| HeaderValue::try_from(text).ok()) {
        answer.headers_mut().insert(HeaderName::from_static(name), value);
        // what is paid for, and how, is between the two of them
        answer.headers_mut().insert(names::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
}
