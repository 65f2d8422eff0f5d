//! Payments by x402 on `POST /v1/predictions`: what is asked for, and whether what was sent pays for it.

use alloy::primitives::{Address, U256};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header as names};
use axum::response::Response;

use super::header;
use crate::AppState;
use crate::chain::Market;
use crate::chain::authorization::{PAYMENT_GAS_MAX, Signer, Standing, balance, permit2_allowance, signer, standing};
use crate::chain::create2::PERMIT2;
use crate::chain::{ChainError, Rpc};
use crate::engine::ModelInfo;
use crate::error::ApiError;
use crate::store::{Job, NewPayment, State as JobState, now_ms};
use crate::x402::{
    AUTH_CAPTURE, Checked, EXACT, Extra, HoldTerms, Moment, Payment, PaymentError, PaymentPayload, PaymentRequired,
    REQUIRED, RESPONSE, Requirements, Resource, SIGNATURE, SettleResponse, VERSION, Way, decode, encode,
};

/// How long a payment can be held, in seconds, beyond the time to prove: a chain that is away for a while costs nobody
/// the payment.
const HOLD_SECS: u64 = 6 * 3600;

/// The market, and the ways to pay for a model's inference by x402; `None` where that is not offered.
async fn offers<'a>(
    state: &'a AppState,
    model: &ModelInfo,
) -> Result<Option<(&'a Market, Vec<Requirements>)>, ApiError> {
    let Some(market) = state.market.as_deref() else { return Ok(None) };
    let (Some(config), Some(price)) = (market.config.x402, market.config.x402_price(model.id)) else { return Ok(None) };
    let ways = market.payment_ways().await?;
    let prove_secs = u64::from(market.config.terms_of(model.id).prove_secs);
    let network = format!("eip155:{}", market.rpc.chain_id().await?);
    let way = |scheme: &str, extra: Extra| Requirements {
        scheme: scheme.to_owned(),
        network: network.clone(),
        amount: price.to_string(),
        asset: config.token,
        pay_to: market.config.seller.address(),
        max_timeout_seconds: prove_secs,
        extra,
    };
    let (name, version) =
        ways.token.as_ref().map(|token| (token.name.clone(), token.version.clone())).unwrap_or_default();
    let extra = Extra { name, version, asset_transfer_method: None, hold: None };
    let mut offers = Vec::new();
    if ways.token.is_some() {
        offers.push(way(EXACT, extra.clone()));
    }
    if ways.permit2 {
        offers.push(way(EXACT, Extra { asset_transfer_method: Some("permit2".to_owned()), ..extra.clone() }));
    }
    if ways.hold {
        let until = clock(market).await?.saturating_add(prove_secs).saturating_add(HOLD_SECS);
        let hold = HoldTerms {
            capture_authorizer: market.config.prover.address(),
            capture_deadline: until,
            refund_deadline: until,
            fee_recipient: Address::ZERO,
            min_fee_bps: 0,
            max_fee_bps: 0,
            auto_capture: false,
        };
        offers.push(way(
            AUTH_CAPTURE,
            Extra { asset_transfer_method: Some("eip3009".to_owned()), hold: Some(hold), ..extra },
        ));
    }
    Ok(Some((market, offers)))
}

/// Unix seconds: the later of the chain's newest block and this machine's time.
async fn clock(market: &Market) -> Result<u64, ChainError> {
    Ok(market.rpc.now().await?.max(u64::try_from(now_ms() / 1000).unwrap_or_default()))
}

/// Whether a request carries a payment.
pub(super) fn is_sent(headers: &HeaderMap) -> bool {
    headers.contains_key(SIGNATURE)
}

/// The payment that a request carries, if it carries one and everything about it is right.
pub(super) async fn sent(
    state: &AppState,
    model: &ModelInfo,
    headers: &HeaderMap,
) -> Result<Option<NewPayment>, ApiError> {
    let Some(text) = header(headers, SIGNATURE)? else { return Ok(None) };
    let payload: PaymentPayload = decode(text)?;
    let Some((market, offers)) = offers(state, model).await? else { return Err(PaymentError::NotOffered.into()) };
    let at = Moment {
        now: clock(market).await?,
        margin_secs: state.margin_secs(&market.config, market.config.terms_of(model.id).prove_secs),
        block: market.rpc.block_number().await?,
    };
    let Checked { payment, hash } =
        payload.check(payload.choose(&offers)?, &market.payment_ways().await?.domains, at)?;
    let by_contract = match signer(&market.rpc, payment.payer, hash, &payment.signature).await? {
        Signer::Key => false,
        Signer::Contract => true,
        Signer::Stranger => return Err(PaymentError::Signature { payer: payment.payer }.into()),
    };
    let payment = Payment { by_contract, ..payment };
    if state.store.has_payment(&payment.id()).await? || standing(&market.rpc, &payment).await? != Standing::Open {
        return Err(PaymentError::Replayed.into());
    }
    let balance = funds(&market.rpc, &payment).await?;
    simulate(market, &payment).await?;
    Ok(Some(NewPayment { payment, balance }))
}

/// What the payer has for payments, which must be the price at least.
async fn funds(rpc: &Rpc, payment: &Payment) -> Result<U256, ApiError> {
    let (payer, need) = (payment.payer, payment.value());
    let have = balance(rpc, payment.asset, payer).await?;
    if have < need {
        return Err(PaymentError::Funds { payer, have, need }.into());
    }
    if payment.way != Way::Permit2 {
        return Ok(have);
    }
    let allowed = permit2_allowance(rpc, payment.asset, payer).await?;
    if allowed < need {
        return Err(PaymentError::Allowance { payer, permit2: PERMIT2, have: allowed, need }.into());
    }
    Ok(have.min(allowed))
}

/// Has the node try the transfer, without sending it: a token may refuse for reasons of its own.
async fn simulate(market: &Market, payment: &Payment) -> Result<(), ApiError> {
    let call = payment.take().ok_or(PaymentError::Signature { payer: payment.payer })?;
    match market.rpc.attempt(market.config.prover.address(), call.to, call.input, PAYMENT_GAS_MAX).await {
        Err(ChainError::Reverted { .. } | ChainError::Market(_) | ChainError::Refused { .. }) => {
            Err(PaymentError::Refused.into())
        }
        other => Ok(other.map(drop)?),
    }
}

/// Where the client sees this service.
fn base(state: &AppState, headers: &HeaderMap) -> String {
    let said =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|_| state.config.behind_proxy);
    let host = headers.get(names::HOST).and_then(|value| value.to_str().ok()).unwrap_or("localhost");
    format!("{}://{}", said("x-forwarded-proto").unwrap_or("http"), said("x-forwarded-host").unwrap_or(host))
}

/// Adds what is to be paid to an answer with status 402.
pub(super) async fn require(
    state: &AppState,
    headers: &HeaderMap,
    model: &ModelInfo,
    why: &str,
    answer: &mut Response,
) {
    let Ok(Some((_, accepts))) = offers(state, model).await else { return };
    let required = PaymentRequired {
        x402_version: VERSION,
        error: is_sent(headers).then(|| why.to_owned()),
        resource: Resource {
            url: format!("{}/v1/predictions", base(state, headers)),
            description: format!("A proven inference of {}", model.name),
            mime_type: "application/json".to_owned(),
        },
        accepts,
    };
    set(answer, REQUIRED, encode(&required));
}

/// Says what became of a prediction's payment, once it was captured or the prediction is over.
pub(super) fn report(job: &Job) -> Option<String> {
    let captured = job.state == JobState::SettlementPending
        && job.payment.as_ref().is_some_and(|payment| payment.transaction.is_some());
    let payment = job.payment.as_ref().filter(|_| captured || job.state.is_terminal())?;
    let success = captured || job.state == JobState::Settled;
    encode(&SettleResponse {
        success,
        error_reason: (!success)
            .then(|| job.error.as_ref().map_or_else(|| job.state.to_string(), |(code, _)| code.clone())),
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
