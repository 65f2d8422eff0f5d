//! Payments by x402 through Permit2, for tokens that know no EIP-3009, and by accounts that are contracts.

use std::sync::atomic::Ordering::SeqCst;

use alloy::primitives::{Address, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolStruct, SolValue};
use assay_api::chain::abi::Erc20;
use assay_api::chain::create2::PERMIT2;
use assay_api::chain::deploy::{Artifact, TEST_TOKEN};
use assay_api::chain::dev::DEV_KEYS;
use assay_api::chain::payments::{EXACT_PROXY, PermitWitnessTransferFrom, TokenPermissions, Witness, permit2_domain};
use assay_api::store::State;
use assay_api::x402::{
    Exact, PaidTo, PaymentPayload, PaymentRequired, Permit2Authorization, Permitted, Requirements, SettleResponse,
    X402Config,
};
use assay_api::{AppState, run_workers};
use serde_json::{Value, json};

use crate::fake::get;
use crate::market::{stop, until};
use crate::x402::{PRICE, Shop, read, shop, sign};

macro_rules! double {
    ($name:literal) => {
        Artifact { name: $name, json: include_str!(concat!("../../../verifier-contracts/artifacts/", $name, ".json")) }
    };
}
const PERMIT_DOUBLE: Artifact = double!("PermitDouble");
const PROXY_DOUBLE: Artifact = double!("ExactProxyDouble");
pub const WALLET: Artifact = double!("Wallet");

alloy::sol! {
    function transfer(address to, uint256 value) external returns (bool);
    function invalidateUnorderedNonces(uint256 word, uint256 mask) external;
    /// The wallet's.
    function approve(address token, address spender) external;
}

/// A shop that is paid in a token without EIP-3009, of which the buyer lets Permit2 take all.
async fn open() -> Option<Shop> {
    let shop = Shop::with(TEST_TOKEN).await?;
    install(&shop).await;
    shop.buyer_calls(shop.token, &Erc20::approveCall { spender: PERMIT2, amount: U256::MAX }).await;
    Some(shop)
}

async fn install(shop: &Shop) {
    shop.place(PERMIT_DOUBLE, Vec::new(), PERMIT2).await;
    shop.place(PROXY_DOUBLE, PERMIT2.abi_encode(), EXACT_PROXY).await;
}

macro_rules! open {
    () => {
        match open().await {
            Some(shop) => shop,
            None => return,
        }
    };
}

async fn offer(shop: &Shop, state: &AppState) -> Requirements {
    let is_ours = |offer: &Requirements| offer.extra.asset_transfer_method.as_deref() == Some("permit2");
    shop.required(state).await.accepts.into_iter().find(is_ours).expect("Permit2 is offered")
}

/// A payment as asked for.
fn payment(offer: &Requirements, payer: Address, nonce: u64) -> PaymentPayload {
    let deadline = assay_api::store::now_ms() / 1000 + offer.max_timeout_seconds as i64;
    let authorization = Permit2Authorization {
        from: payer,
        permitted: Permitted { token: offer.asset, amount: offer.amount.clone() },
        spender: EXACT_PROXY,
        nonce: nonce.to_string(),
        deadline: deadline.to_string(),
        witness: PaidTo { to: offer.pay_to, valid_after: "0".into() },
    };
    let payload = Exact { permit2_authorization: Some(authorization), ..Exact::default() };
    PaymentPayload { x402_version: 2, accepted: offer.clone(), payload }
}

/// Signs what the payment says.
fn permit(payment: &mut PaymentPayload, by: &PrivateKeySigner) {
    let signed = payment.payload.permit2_authorization.as_ref().unwrap();
    let number = |text: &str| text.parse::<U256>().unwrap();
    let message = PermitWitnessTransferFrom {
        permitted: TokenPermissions { token: signed.permitted.token, amount: number(&signed.permitted.amount) },
        spender: signed.spender,
        nonce: number(&signed.nonce),
        deadline: number(&signed.deadline),
        witness: Witness { to: signed.witness.to, validAfter: number(&signed.witness.valid_after) },
    };
    payment.payload.signature =
        by.sign_hash_sync(&message.eip712_signing_hash(&permit2_domain(31337))).unwrap().as_bytes().into();
}

/// The buyer's payment.
fn paid(shop: &Shop, offer: &Requirements, nonce: u64) -> PaymentPayload {
    let mut payment = payment(offer, shop.w.buyer.address(), nonce);
    permit(&mut payment, &shop.w.buyer);
    payment
}

async fn sent(shop: &Shop, state: &AppState, payment: &PaymentPayload) -> String {
    let answer = shop.send(state, payment).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_token_pays_by_permit2() {
    let shop = open!();
    let (state, workers) = shop.start().await;
    let accepts = shop.required(&state).await.accepts;
    assert_eq!(accepts.len(), 1, "the token knows no EIP-3009, and nothing holds money here");
    let offer = offer(&shop, &state).await;
    assert_eq!((offer.scheme.as_str(), offer.amount.as_str(), offer.asset), ("exact", "250000", shop.token));
    shop.w.engine.step_ms.store(50, SeqCst);
    let payment = paid(&shop, &offer, 257);
    let id = sent(&shop, &state, &payment).await;
    assert_eq!(shop.balance(shop.w.buyer.address()).await, 3 * PRICE, "authorised, not captured");
    until(&state, &id, State::Settled).await;
    assert_eq!(shop.balance(shop.w.buyer.address()).await, 2 * PRICE);
    assert_eq!(shop.balance(shop.w.seller.address()).await, PRICE);
    let done = get(&state, &format!("/v1/predictions/{id}")).await;
    let settled: SettleResponse = read(&done, "payment-response");
    assert!(settled.success && settled.payer == shop.w.buyer.address());
    let sent = done.json()["transactions"][0].clone();
    assert_eq!((&sent["purpose"], &sent["hash"]), (&json!("capture"), &json!(settled.transaction)));
    shop.send(&state, &payment).await.is_problem(402, "payment-replayed");
    // another server, whose database knows nothing of it, asks the chain
    let dir = tempfile::tempdir().unwrap();
    let mut config = shop.w.config();
    config.chain.as_mut().unwrap().x402 = Some(X402Config { token: shop.token, price: Some(PRICE) });
    (config.data_dir, config.database) = (dir.path().to_owned(), dir.path().join("jobs.sqlite"));
    let other = AppState::open(config, shop.w.engine.clone()).await.unwrap();
    shop.send(&other, &payment).await.is_problem(402, "payment-replayed");
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_permissions_are_refused_by_name() {
    let shop = open!();
    let state = shop.without_workers().await;
    let offer = offer(&shop, &state).await;
    let now = assay_api::store::now_ms() / 1000;
    let stranger: PrivateKeySigner = DEV_KEYS[4].parse().unwrap();
    type Change<'a> = &'a dyn Fn(&mut Permit2Authorization);
    let changes: [(&str, Change<'_>); 8] = [
        ("payment-spender", &|p| p.spender = Address::repeat_byte(9)),
        ("payment-asset", &|p| p.permitted.token = Address::repeat_byte(9)),
        ("payment-recipient", &|p| p.witness.to = Address::repeat_byte(9)),
        ("payment-underpaid", &|p| p.permitted.amount = (PRICE - 1).to_string()),
        ("payment-overpaid", &|p| p.permitted.amount = (PRICE + 1).to_string()),
        ("payment-expired", &|p| p.deadline = (now - 1).to_string()),
        ("payment-expired", &|p| p.deadline = (now + 30).to_string()),
        ("payment-not-yet-valid", &|p| p.witness.valid_after = (now + 3600).to_string()),
    ];
    for (code, change) in changes {
        let mut payment = paid(&shop, &offer, 1);
        change(payment.payload.permit2_authorization.as_mut().unwrap());
        permit(&mut payment, &shop.w.buyer);
        let answer = shop.send(&state, &payment).await;
        answer.is_problem(402, code);
        assert_eq!(read::<PaymentRequired>(&answer, "payment-required").error.as_deref(), Some(code));
    }
    let mut forged = paid(&shop, &offer, 1);
    permit(&mut forged, &stranger);
    shop.send(&state, &forged).await.is_problem(402, "payment-signature");
    let mut other_nonce = paid(&shop, &offer, 1);
    other_nonce.payload.permit2_authorization.as_mut().unwrap().nonce = "2".into();
    shop.send(&state, &other_nonce).await.is_problem(402, "payment-signature");
    let mut by_token = paid(&shop, &offer, 1);
    by_token.accepted.extra.asset_transfer_method = None;
    by_token.payload.permit2_authorization = None;
    shop.send(&state, &by_token).await.is_problem(402, "payment-scheme");
    let mut no_number = paid(&shop, &offer, 1);
    no_number.payload.permit2_authorization.as_mut().unwrap().deadline = "soon".into();
    shop.send(&state, &no_number).await.is_problem(400, "payment-malformed");
    // somebody who has nothing, and somebody who lets Permit2 take nothing
    let mut poor = payment(&offer, stranger.address(), 1);
    permit(&mut poor, &stranger);
    shop.send(&state, &poor).await.is_problem(402, "payment-funds");
    shop.mint(stranger.address(), PRICE).await;
    let answer = shop.send(&state, &poor).await;
    answer.is_problem(412, "permit2-allowance-required");
    assert!(answer.text().contains("000000000022D473030F116dDEE9F6B43aC78BA3"), "{}", answer.text());
    assert_eq!(state.store.counts().await.unwrap(), [], "no wrong payment left a job");
    assert_eq!(shop.send(&state, &paid(&shop, &offer, 1)).await.status, 202);
    shop.send(&state, &paid(&shop, &offer, 1)).await.is_problem(402, "payment-replayed");
}

/// What the buyer does between the permission and the proof.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permission_that_is_withdrawn_pays_nothing_and_gets_nothing() {
    let shop = open!();
    let (state, workers) = shop.start().await;
    let offer = offer(&shop, &state).await;
    shop.w.engine.step_ms.store(300, SeqCst);
    let over = async |id: &str, code: &str| {
        until(&state, id, State::Expired).await;
        let answer = get(&state, &format!("/v1/predictions/{id}")).await.json();
        assert_eq!((&answer["error_code"], &answer["output"]), (&json!(code), &Value::Null));
    };
    // the allowance
    let id = sent(&shop, &state, &paid(&shop, &offer, 1)).await;
    until(&state, &id, State::Proving).await;
    shop.buyer_calls(shop.token, &Erc20::approveCall { spender: PERMIT2, amount: U256::ZERO }).await;
    over(&id, "payment-allowance").await;
    shop.buyer_calls(shop.token, &Erc20::approveCall { spender: PERMIT2, amount: U256::MAX }).await;
    // the nonce; a transfer of the same amount to the same payee is not this payment
    let id = sent(&shop, &state, &paid(&shop, &offer, 2)).await;
    until(&state, &id, State::Proving).await;
    shop.buyer_calls(shop.token, &transferCall { to: shop.w.seller.address(), value: U256::from(PRICE) }).await;
    shop.buyer_calls(PERMIT2, &invalidateUnorderedNoncesCall { word: U256::ZERO, mask: U256::from(1 << 2) }).await;
    over(&id, "payment-cancelled").await;
    // nor is another permission that was used by the buyer
    let (first, second) = (paid(&shop, &offer, 3), paid(&shop, &offer, 4));
    let ids = [sent(&shop, &state, &first).await, sent(&shop, &state, &second).await];
    let used = state.store.job(&ids[0]).await.unwrap().payment.unwrap().take().unwrap();
    shop.w.rpc.execute(&shop.w.buyer, Some(used.to), used.input, U256::ZERO).await.unwrap();
    shop.buyer_calls(PERMIT2, &invalidateUnorderedNoncesCall { word: U256::ZERO, mask: U256::from(1 << 4) }).await;
    until(&state, &ids[0], State::Settled).await;
    over(&ids[1], "payment-cancelled").await;
    // and the money
    let id = sent(&shop, &state, &paid(&shop, &offer, 5)).await;
    until(&state, &id, State::Proving).await;
    shop.buyer_calls(shop.token, &transferCall { to: Address::repeat_byte(9), value: U256::from(PRICE) }).await;
    over(&id, "payment-funds").await;
    stop(state, workers).await;
}

/// A wallet that is a contract pays by Permit2 and by EIP-3009, as long as it says that the signature is its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_that_are_contracts_pay_too() {
    let shop = shop!();
    install(&shop).await;
    let (wallet, _) = WALLET.deploy(&shop.w.rpc, &shop.w.seller, shop.w.buyer.address().abi_encode()).await.unwrap();
    shop.mint(wallet, 3 * PRICE).await;
    shop.buyer_calls(wallet, &approveCall { token: shop.token, spender: PERMIT2 }).await;
    let mut config = shop.w.config();
    config.chain.as_mut().unwrap().x402 = Some(X402Config { token: shop.token, price: Some(PRICE) });
    config.attempts_max = 2;
    let state = AppState::open(config, shop.w.engine.clone()).await.unwrap();
    let workers = tokio::spawn(run_workers(state.clone()));
    let accepts = shop.required(&state).await.accepts;
    assert_eq!(accepts.len(), 2, "by EIP-3009, and by Permit2");

    let mut by_permit = payment(&accepts[1], wallet, 1);
    permit(&mut by_permit, &shop.w.buyer);
    let id = sent(&shop, &state, &by_permit).await;
    until(&state, &id, State::Settled).await;
    let by_token = |nonce: u8, key: &PrivateKeySigner| {
        let mut payment = shop.payment(&accepts[0], nonce);
        payment.payload.authorization.as_mut().unwrap().from = wallet;
        sign(&mut payment, key);
        payment
    };
    let id = sent(&shop, &state, &by_token(1, &shop.w.buyer)).await;
    until(&state, &id, State::Settled).await;
    assert_eq!((shop.balance(wallet).await, shop.balance(shop.w.seller.address()).await), (PRICE, 2 * PRICE));
    // somebody else's key
    let stranger: PrivateKeySigner = DEV_KEYS[4].parse().unwrap();
    shop.send(&state, &by_token(2, &stranger)).await.is_problem(402, "payment-signature");
    // a wallet that has changed its mind when the proof is there: not paid, and not the prover's failure
    shop.w.engine.step_ms.store(300, SeqCst);
    let id = sent(&shop, &state, &by_token(3, &shop.w.buyer)).await;
    until(&state, &id, State::Proving).await;
    shop.w.anvil_call("anvil_setCode", json!([wallet, "0x60006000fd"])).await;
    until(&state, &id, State::Expired).await;
    assert_eq!(get(&state, &format!("/v1/predictions/{id}")).await.json()["error_code"], "payment-refused");
    // an account that says yes to everything, at any price in gas, is refused at once
    shop.w.anvil_call("anvil_setCode", json!([wallet, "0x5b600056"])).await;
    shop.send(&state, &by_token(4, &shop.w.buyer)).await.is_problem(402, "payment-signature");
    assert_eq!(shop.balance(wallet).await, PRICE);
    stop(state, workers).await;
}
