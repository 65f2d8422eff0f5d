//! Payments by x402's scheme `auth-capture`: held from before the proof is begun, captured for a valid one, given back
//! otherwise.

use std::sync::atomic::Ordering::SeqCst;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::providers::Provider;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolStruct, SolValue, eip712_domain};
use assay_api::AppState;
use assay_api::chain::deploy::Artifact;
use assay_api::chain::dev::DEV_KEYS;
use assay_api::chain::payments::{COLLECTOR, HOLD, ReceiveWithAuthorization};
use assay_api::store::State;
use assay_api::x402::{Authorization, Exact, PaymentPayload, PaymentRequired, Requirements, SettleResponse};
use serde_json::{Value, json};

use crate::fake::{eventually, get, post};
use crate::market::{crash, stop, until};
use crate::x402::{PRICE, Shop, cancel, read};
use crate::x402_permit2::WALLET;

macro_rules! double {
    ($name:literal) => {
        Artifact { name: $name, json: include_str!(concat!("../../../verifier-contracts/artifacts/", $name, ".json")) }
    };
}
const HOLD_DOUBLE: Artifact = double!("HoldDouble");
const COLLECTOR_DOUBLE: Artifact = double!("CollectorDouble");

alloy::sol! {
    function transfer(address to, uint256 value) external returns (bool);
}

pub async fn open() -> Option<Shop> {
    let shop = Shop::open().await?;
    shop.place(HOLD_DOUBLE, Vec::new(), HOLD).await;
    shop.place(COLLECTOR_DOUBLE, HOLD.abi_encode(), COLLECTOR).await;
    Some(shop)
}

macro_rules! open {
    () => {
        match open().await {
            Some(shop) => shop,
            None => return,
        }
    };
}

pub async fn offer(shop: &Shop, state: &AppState) -> Requirements {
    let offers = shop.required(state).await.accepts;
    offers.into_iter().find(|offer| offer.scheme == "auth-capture").expect("it is offered")
}

/// The nonce as the specification describes it, written down here: the hash of the payment without its payer.
fn nonce(payment: &PaymentPayload) -> B256 {
    let (accepted, hold) = (&payment.accepted, payment.accepted.extra.hold.unwrap());
    let signed = payment.payload.authorization.as_ref().unwrap();
    let type_hash = keccak256(
        "PaymentInfo(address operator,address payer,address receiver,address token,uint120 maxAmount,uint48 \
         preApprovalExpiry,\
         uint48 authorizationExpiry,uint48 refundExpiry,uint16 minFeeBps,uint16 maxFeeBps,address feeReceiver,uint256 \
         salt)",
    );
    let number = |text: &str| text.parse::<U256>().unwrap();
    let info = keccak256(
        [
            type_hash.abi_encode(),
            (hold.capture_authorizer, Address::ZERO, accepted.pay_to, accepted.asset).abi_encode(),
            (number(&signed.value), number(&signed.valid_before)).abi_encode(),
            (U256::from(hold.capture_deadline), U256::from(hold.refund_deadline)).abi_encode(),
            (U256::from(hold.min_fee_bps), U256::from(hold.max_fee_bps), hold.fee_recipient).abi_encode(),
            payment.payload.salt.unwrap().abi_encode(),
        ]
        .concat(),
    );
    keccak256((U256::from(31337), HOLD, info).abi_encode())
}

fn sign(payment: &mut PaymentPayload, by: &PrivateKeySigner) {
    let (accepted, a) = (&payment.accepted, payment.payload.authorization.as_ref().unwrap());
    let domain = eip712_domain! {
        name: accepted.extra.name.clone(),
        version: accepted.extra.version.clone(),
        chain_id: 31337,
        verifying_contract: accepted.asset,
    };
    let number = |text: &str| text.parse::<U256>().unwrap();
    let message = ReceiveWithAuthorization {
        from: a.from,
        to: a.to,
        value: number(&a.value),
        validAfter: number(&a.valid_after),
        validBefore: number(&a.valid_before),
        nonce: a.nonce,
    };
    payment.payload.signature = by.sign_hash_sync(&message.eip712_signing_hash(&domain)).unwrap().as_bytes().into();
}

/// A payment as asked for, which `change` may spoil before it is signed.
pub fn payment(
    shop: &Shop,
    offer: &Requirements,
    salt: u8,
    change: impl FnOnce(&mut PaymentPayload),
) -> PaymentPayload {
    let authorization = Authorization {
        from: shop.w.buyer.address(),
        to: COLLECTOR,
        value: offer.amount.clone(),
        valid_after: "0".into(),
        valid_before: (assay_api::store::now_ms() / 1000 + offer.max_timeout_seconds as i64).to_string(),
        nonce: B256::ZERO,
    };
    let payload = Exact { authorization: Some(authorization), salt: Some(B256::repeat_byte(salt)), ..Exact::default() };
    let mut payment = PaymentPayload { x402_version: 2, accepted: offer.clone(), payload };
    change(&mut payment);
    let nonce = nonce(&payment);
    payment.payload.authorization.as_mut().unwrap().nonce = nonce;
    sign(&mut payment, &shop.w.buyer);
    payment
}

async fn sent(shop: &Shop, state: &AppState, payment: &PaymentPayload) -> String {
    let answer = shop.send(state, payment).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_is_held_before_the_proof_and_captured_for_it() {
    let shop = open!();
    let (state, workers) = shop.start().await;
    let offer = offer(&shop, &state).await;
    let hold = offer.extra.hold.unwrap();
    assert_eq!((hold.capture_authorizer, hold.max_fee_bps, hold.auto_capture), (shop.w.seller.address(), 0, false));
    shop.w.engine.step_ms.store(300, SeqCst);
    let id = sent(&shop, &state, &payment(&shop, &offer, 1, |_| ())).await;
    until(&state, &id, State::Proving).await;
    assert_eq!(
        (shop.balance(shop.w.buyer.address()).await, shop.balance(HOLD).await),
        (2 * PRICE, PRICE),
        "held, and nobody's yet"
    );
    // an account that is emptied now does not matter any more, and there is no way back but by the prover's failure
    let away = transferCall { to: Address::repeat_byte(9), value: U256::from(2 * PRICE) };
    shop.buyer_calls(shop.token, &away).await;
    post(&state, &format!("/v1/predictions/{id}/cancel"), &[], &json!({})).await.is_problem(409, "not-cancellable");
    until(&state, &id, State::Settled).await;
    assert_eq!((shop.balance(HOLD).await, shop.balance(shop.w.seller.address()).await), (0, PRICE));
    let done = get(&state, &format!("/v1/predictions/{id}")).await;
    let settled: SettleResponse = read(&done, "payment-response");
    let purposes: Vec<_> =
        done.json()["transactions"].as_array().unwrap().iter().map(|t| t["purpose"].clone()).collect();
    assert_eq!(purposes, ["authorize", "capture"]);
    assert_eq!(json!(settled.transaction), done.json()["transactions"][1]["hash"]);
    assert_eq!(done.json()["output"], json!([4.5, 3.0]));
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_for_nothing_is_given_back() {
    let shop = open!();
    let (state, workers) = shop.start().await;
    let offer = offer(&shop, &state).await;
    let buyer = shop.w.buyer.address();
    // the prover fails for good
    shop.w.engine.fail.store(3, SeqCst);
    let id = sent(&shop, &state, &payment(&shop, &offer, 1, |_| ())).await;
    until(&state, &id, State::Failed).await;
    eventually("the buyer has the money back", async || shop.balance(buyer).await == 3 * PRICE).await;
    assert_eq!(shop.balance(HOLD).await, 0);
    let failed: SettleResponse = read(&get(&state, &format!("/v1/predictions/{id}")).await, "payment-response");
    assert_eq!((failed.success, failed.error_reason.as_deref()), (false, Some("prover-failed")));
    eventually("nothing is looked after any more", async || state.store.held_for_nothing(10).await.unwrap().is_empty())
        .await;
    // the buyer's authorisation is cancelled before it is used
    shop.w.engine.step_ms.store(300, SeqCst);
    stop(state, workers).await;
    let state = shop.without_workers().await;
    let late = payment(&shop, &offer, 2, |_| ());
    let id = sent(&shop, &state, &late).await;
    cancel(&shop, late.payload.authorization.as_ref().unwrap().nonce).await;
    let workers = tokio::spawn(assay_api::run_workers(state.clone()));
    until(&state, &id, State::Expired).await;
    assert_eq!(get(&state, &format!("/v1/predictions/{id}")).await.json()["error_code"], "payment-cancelled");
    assert_eq!(shop.balance(buyer).await, 3 * PRICE);
    // the time to capture is over when the proof is there
    let id = sent(&shop, &state, &payment(&shop, &offer, 3, |_| ())).await;
    until(&state, &id, State::Proving).await;
    assert_eq!(shop.balance(HOLD).await, PRICE);
    shop.w.pass_secs(7 * 3600 + 600).await;
    until(&state, &id, State::Expired).await;
    let answer = get(&state, &format!("/v1/predictions/{id}")).await.json();
    assert_eq!((&answer["error_code"], &answer["output"]), (&json!("payment-expired"), &Value::Null));
    eventually("the buyer has the money back", async || shop.balance(buyer).await == 3 * PRICE).await;
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_holds_are_refused_by_name() {
    let shop = open!();
    let state = shop.without_workers().await;
    let offer = offer(&shop, &state).await;
    let now = assay_api::store::now_ms() / 1000;
    type Change<'a> = &'a dyn Fn(&mut PaymentPayload);
    fn terms(p: &mut PaymentPayload) -> &mut assay_api::x402::HoldTerms {
        p.accepted.extra.hold.as_mut().unwrap()
    }
    fn signed(p: &mut PaymentPayload) -> &mut Authorization {
        p.payload.authorization.as_mut().unwrap()
    }
    let changes: [(&str, Change<'_>); 13] = [
        ("payment-terms", &|p| terms(p).capture_authorizer = shop.w.buyer.address()),
        ("payment-terms", &|p| terms(p).max_fee_bps = 10_000),
        ("payment-terms", &|p| terms(p).fee_recipient = Address::repeat_byte(9)),
        ("payment-terms", &|p| terms(p).auto_capture = true),
        ("payment-terms", &|p| terms(p).capture_deadline = now as u64 + 30),
        ("payment-terms", &|p| terms(p).capture_deadline += 3600),
        ("payment-terms", &|p| terms(p).refund_deadline -= 3600),
        ("payment-recipient", &|p| signed(p).to = shop.w.seller.address()),
        ("payment-underpaid", &|p| signed(p).value = (PRICE - 1).to_string()),
        ("payment-overpaid", &|p| signed(p).value = (PRICE + 1).to_string()),
        ("payment-expired", &|p| signed(p).valid_before = (now + 30).to_string()),
        ("payment-terms", &|p| signed(p).valid_after = "1".into()),
        // another payee or asset is another nonce
        ("payment-nonce", &|p| p.accepted.pay_to = Address::repeat_byte(9)),
    ];
    for (code, change) in changes {
        let answer = shop.send(&state, &payment(&shop, &offer, 1, change)).await;
        answer.is_problem(402, code);
        assert_eq!(read::<PaymentRequired>(&answer, "payment-required").error.as_deref(), Some(code));
    }
    let mut salted = payment(&shop, &offer, 1, |_| ());
    salted.payload.salt = Some(B256::repeat_byte(2));
    shop.send(&state, &salted).await.is_problem(402, "payment-nonce");
    salted.payload.salt = None;
    shop.send(&state, &salted).await.is_problem(400, "payment-malformed");
    let mut bare = payment(&shop, &offer, 1, |_| ());
    bare.accepted.extra.hold = None;
    shop.send(&state, &bare).await.is_problem(400, "payment-malformed");
    let mut forged = payment(&shop, &offer, 1, |_| ());
    sign(&mut forged, &DEV_KEYS[4].parse().unwrap());
    shop.send(&state, &forged).await.is_problem(402, "payment-signature");
    assert_eq!(state.store.counts().await.unwrap(), [], "no wrong payment left a job");
    let right = payment(&shop, &offer, 1, |_| ());
    assert_eq!(shop.send(&state, &right).await.status, 202);
    shop.send(&state, &right).await.is_problem(402, "payment-replayed");
    // three prices are there, and one is spoken for
    for salt in 2..4 {
        assert_eq!(shop.send(&state, &payment(&shop, &offer, salt, |_| ())).await.status, 202);
    }
    shop.send(&state, &payment(&shop, &offer, 4, |_| ())).await.is_problem(402, "payment-funds");
}

/// A server that dies around either transaction holds once and captures once; a block that is taken back is made up
/// for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_survives_crashes_and_a_reorganised_chain() {
    let shop = open!();
    let (state, workers) = shop.start().await;
    let offer = offer(&shop, &state).await;
    shop.w.engine.step_ms.store(300, SeqCst);
    shop.w.anvil_call("evm_setAutomine", json!([false])).await;
    let id = sent(&shop, &state, &payment(&shop, &offer, 1, |_| ())).await;
    eventually("the hold is signed", async || !state.store.transactions(&id).await.unwrap().is_empty()).await;
    let (purpose, hash, _) = state.store.transactions(&id).await.unwrap().remove(0);
    assert_eq!(purpose, "authorize");
    shop.w.in_mempool(hash).await;
    crash(state, workers).await;
    let provider = shop.w.rpc.provider();
    let before: Value = provider.raw_request("evm_snapshot".into(), ()).await.unwrap();
    shop.w.anvil_call("evm_setAutomine", json!([true])).await;
    shop.w.anvil_call("evm_mine", json!([])).await;
    let (state, workers) = shop.start().await;
    until(&state, &id, State::Proving).await;
    assert_eq!(shop.balance(HOLD).await, PRICE, "held once");
    // the block with the hold, and all after it, are taken back while it is proven
    assert!(provider.raw_request::<_, bool>("evm_revert".into(), [before]).await.unwrap());
    assert_eq!(shop.balance(HOLD).await, 0);
    until(&state, &id, State::Settled).await;
    assert_eq!((shop.balance(HOLD).await, shop.balance(shop.w.seller.address()).await), (0, PRICE));
    assert_eq!(shop.balance(shop.w.buyer.address()).await, 2 * PRICE);
    stop(state, workers).await;
}

/// The signature of an account that is a contract goes through the collector as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_that_are_contracts_have_money_held_too() {
    let shop = open!();
    let (wallet, _) = WALLET.deploy(&shop.w.rpc, &shop.w.seller, shop.w.buyer.address().abi_encode()).await.unwrap();
    shop.mint(wallet, PRICE).await;
    let (state, workers) = shop.start().await;
    let offer = offer(&shop, &state).await;
    let paid = payment(&shop, &offer, 1, |p| p.payload.authorization.as_mut().unwrap().from = wallet);
    let id = sent(&shop, &state, &paid).await;
    until(&state, &id, State::Settled).await;
    assert_eq!((shop.balance(wallet).await, shop.balance(shop.w.seller.address()).await), (0, PRICE));
    let mut spoilt = payment(&shop, &offer, 2, |p| p.payload.authorization.as_mut().unwrap().from = wallet);
    spoilt.payload.signature = Bytes::from(vec![1; 65]);
    shop.send(&state, &spoilt).await.is_problem(402, "payment-signature");
    stop(state, workers).await;
}
