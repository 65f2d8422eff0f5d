//! Payments by x402: authorised with the request, captured when the proof is there, and every wrong one refused by
//! name.

use std::sync::atomic::Ordering::SeqCst;

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolCall, SolStruct, SolValue, eip712_domain};
use assay_api::chain::abi::{Eip3009, Erc20, TransferWithAuthorization};
use assay_api::chain::deploy::{AUTHORIZED_TOKEN, Artifact};
use assay_api::config::ServeConfig;
use assay_api::store::State;
use assay_api::x402::{
    Authorization, Exact, PaymentPayload, PaymentRequired, Requirements, SettleResponse, X402Config,
};
use assay_api::{AppState, run_workers};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::fake::{Answer, eventually, get, post};
use crate::market::{World, crash, stop, until, world};

pub const PRICE: u128 = 250_000;

pub fn read<T: DeserializeOwned>(answer: &Answer, name: &str) -> T {
    let header = answer.headers.get(name).unwrap_or_else(|| panic!("no {name}: {}", answer.text()));
    serde_json::from_slice(&STANDARD.decode(header.as_bytes()).unwrap()).unwrap()
}

/// A world with a token that knows EIP-3009, of which the buyer has enough for three.
pub struct Shop {
    pub w: World,
    pub token: Address,
}

impl Shop {
    pub async fn open() -> Option<Self> {
        Self::with(AUTHORIZED_TOKEN).await
    }

    /// The same with another token.
    pub async fn with(token: Artifact) -> Option<Self> {
        let w = World::new(false).await?;
        let (token, _) = token.deploy(&w.rpc, &w.seller, Vec::new()).await.unwrap();
        let shop = Self { w, token };
        shop.mint(shop.w.buyer.address(), 3 * PRICE).await;
        Some(shop)
    }

    /// Puts a contract where it is on public chains.
    pub async fn place(&self, contract: Artifact, arguments: Vec<u8>, at: Address) {
        let (made, _) = contract.deploy(&self.w.rpc, &self.w.seller, arguments).await.unwrap();
        let code = self.w.rpc.code(made).await.unwrap();
        self.w.anvil_call("anvil_setCode", json!([at, code])).await;
    }

    /// A call of the buyer's.
    pub async fn buyer_calls(&self, to: Address, call: &impl SolCall) {
        self.w.rpc.execute(&self.w.buyer, Some(to), call.abi_encode().into(), U256::ZERO).await.unwrap();
    }

    pub async fn mint(&self, to: Address, amount: u128) {
        mint(&self.w, self.token, to, amount).await;
    }

    pub async fn balance(&self, account: Address) -> u128 {
        self.w.rpc.call(self.token, &Erc20::balanceOfCall { account }).await.unwrap().to()
    }

    pub fn config(&self) -> ServeConfig {
        let mut config = self.w.config();
        config.chain.as_mut().unwrap().x402 = Some(X402Config { token: self.token, price: Some(PRICE) });
        config
    }

    pub async fn start(&self) -> (AppState, JoinHandle<()>) {
        let state = self.without_workers().await;
        let workers = tokio::spawn(run_workers(state.clone()));
        (state, workers)
    }

    pub async fn without_workers(&self) -> AppState {
        for _ in 0..200 {
            match AppState::open(self.config(), self.w.engine.clone()).await {
                Ok(state) => return state,
                Err(assay_api::ServeError::Locked { .. }) => {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await
                }
                Err(e) => panic!("{e}"),
            }
        }
        panic!("the data folder stays locked");
    }

    fn request(&self) -> Value {
        let input = self.w.input();
        json!({ "model": self.w.model.id, "input": input.data, "blinding": input.blinding })
    }

    /// What the service asks for.
    pub async fn required(&self, state: &AppState) -> PaymentRequired {
        let answer = post(state, "/v1/predictions", &[("host", "shop.example")], &self.request()).await;
        answer.is_problem(402, "payment-required");
        read(&answer, "payment-required")
    }

    /// A payment as asked for.
    pub fn payment(&self, offer: &Requirements, nonce: u8) -> PaymentPayload {
        authorised(&self.w.buyer, offer, B256::repeat_byte(nonce))
    }

    pub async fn send(&self, state: &AppState, payment: &PaymentPayload) -> Answer {
        post(state, "/v1/predictions", &[("payment-signature", &header(payment))], &self.request()).await
    }
}

/// A buyer's payment as asked for.
pub fn authorised(buyer: &PrivateKeySigner, offer: &Requirements, nonce: B256) -> PaymentPayload {
    let authorization = Authorization {
        from: buyer.address(),
        to: offer.pay_to,
        value: offer.amount.clone(),
        valid_after: "0".into(),
        valid_before: (assay_api::store::now_ms() / 1000 + offer.max_timeout_seconds as i64).to_string(),
        nonce,
    };
    let payload = Exact { authorization: Some(authorization), ..Exact::default() };
    let mut payment = PaymentPayload { x402_version: 2, accepted: offer.clone(), payload };
    sign(&mut payment, buyer);
    payment
}

/// A payment as it is sent.
pub fn header(payment: &PaymentPayload) -> String {
    STANDARD.encode(serde_json::to_vec(payment).unwrap())
}

pub async fn mint(w: &World, token: Address, to: Address, amount: u128) {
    alloy::sol! { function mint(address to, uint256 amount) external; }
    let call = mintCall { to, amount: U256::from(amount) };
    w.rpc.execute(&w.seller, Some(token), call.abi_encode().into(), U256::ZERO).await.unwrap();
}

/// What the payment says that is signed.
fn signed(payment: &mut PaymentPayload) -> &mut Authorization {
    payment.payload.authorization.as_mut().unwrap()
}

/// Signs what the payment says, under the domain that it names.
pub fn sign(payment: &mut PaymentPayload, by: &PrivateKeySigner) {
    let (accepted, a) = (&payment.accepted, payment.payload.authorization.as_ref().unwrap());
    let domain = eip712_domain! {
        name: accepted.extra.name.clone(),
        version: accepted.extra.version.clone(),
        chain_id: accepted.network.strip_prefix("eip155:").unwrap().parse().unwrap(),
        verifying_contract: accepted.asset,
    };
    let number = |text: &str| text.parse::<U256>().unwrap();
    let message = TransferWithAuthorization {
        from: a.from,
        to: a.to,
        value: number(&a.value),
        validAfter: number(&a.valid_after),
        validBefore: number(&a.valid_before),
        nonce: a.nonce,
    };
    payment.payload.signature = by.sign_hash_sync(&message.eip712_signing_hash(&domain)).unwrap().as_bytes().into();
}

macro_rules! shop {
    () => {
        match crate::x402::Shop::open().await {
            Some(shop) => shop,
            None => return,
        }
    };
}

pub(crate) use shop;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_paid_for_when_its_proof_is_there() {
    let shop = shop!();
    let (state, workers) = shop.start().await;
    let required = shop.required(&state).await;
    let offer = required.accepts[0].clone();
    assert_eq!(
        (required.x402_version, required.error, required.resource.url.as_str()),
        (2, None, "http://shop.example/v1/predictions")
    );
    assert_eq!(
        (offer.scheme.as_str(), offer.network.as_str(), offer.amount.as_str()),
        ("exact", "eip155:31337", "250000")
    );
    assert_eq!((offer.asset, offer.pay_to), (shop.token, shop.w.seller.address()));
    assert_eq!((offer.extra.name.as_str(), offer.extra.version.as_str()), ("Assay Test Dollar", "2"));
    shop.w.engine.step_ms.store(50, SeqCst);
    let answer = shop.send(&state, &shop.payment(&offer, 1)).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert!(!answer.headers.contains_key("payment-response"), "nothing is captured yet");
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(shop.balance(shop.w.buyer.address()).await, 3 * PRICE, "authorised, not captured");
    until(&state, &id, State::Settled).await;
    assert_eq!(shop.balance(shop.w.buyer.address()).await, 2 * PRICE);
    assert_eq!(shop.balance(shop.w.seller.address()).await, PRICE);
    let done = get(&state, &format!("/v1/predictions/{id}")).await;
    let settled: SettleResponse = read(&done, "payment-response");
    assert!(settled.success && settled.payer == shop.w.buyer.address() && settled.amount == "250000");
    let sent = done.json()["transactions"][0].clone();
    assert_eq!(
        (&sent["purpose"], &sent["hash"], &sent["state"]),
        (&json!("capture"), &json!(settled.transaction), &json!("mined"))
    );
    assert_eq!(done.json()["output"], json!([4.5, 3.0]));
    assert_eq!(done.json()["payment"]["amount"], "250000");
    assert_eq!(get(&state, &format!("/v1/predictions/{id}/proof")).await.status, 200);
    // a client that waits gets all of it in one answer
    let header = STANDARD.encode(serde_json::to_vec(&shop.payment(&offer, 2)).unwrap());
    let headers = [("payment-signature", header.as_str()), ("prefer", "wait=60")];
    let answer = post(&state, "/v1/predictions", &headers, &shop.request()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(read::<SettleResponse>(&answer, "payment-response").success);
    let history = get(&state, "/v1/history").await.json();
    assert_eq!(history["data"][0]["price"], "250000");
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_payments_are_refused_by_name() {
    let shop = shop!();
    let state = shop.without_workers().await;
    let offer = shop.required(&state).await.accepts[0].clone();
    let now = assay_api::store::now_ms() / 1000;
    type Change<'a> = &'a dyn Fn(&mut PaymentPayload);
    let stranger: PrivateKeySigner = assay_api::chain::dev::DEV_KEYS[4].parse().unwrap();
    let changes: [(&str, Change<'_>); 12] = [
        ("payment-version", &|p| p.x402_version = 1),
        ("payment-scheme", &|p| p.accepted.scheme = "upto".into()),
        ("payment-scheme", &|p| p.accepted.extra.asset_transfer_method = Some("permit2".into())),
        ("payment-network", &|p| p.accepted.network = "eip155:8453".into()),
        ("payment-asset", &|p| p.accepted.asset = Address::repeat_byte(9)),
        ("payment-recipient", &|p| signed(p).to = Address::repeat_byte(9)),
        ("payment-underpaid", &|p| signed(p).value = (PRICE - 1).to_string()),
        ("payment-overpaid", &|p| signed(p).value = (PRICE + 1).to_string()),
        ("payment-expired", &|p| signed(p).valid_before = (now - 1).to_string()),
        // before a proof could be there
        ("payment-expired", &|p| signed(p).valid_before = (now + 30).to_string()),
        ("payment-not-yet-valid", &|p| signed(p).valid_after = (now + 3600).to_string()),
        ("payment-funds", &|p| {
            signed(p).from = assay_api::chain::dev::DEV_KEYS[4].parse::<PrivateKeySigner>().unwrap().address()
        }),
    ];
    for (code, change) in changes {
        let mut payment = shop.payment(&offer, 1);
        change(&mut payment);
        sign(&mut payment, if code == "payment-funds" { &stranger } else { &shop.w.buyer });
        let answer = shop.send(&state, &payment).await;
        answer.is_problem(402, code);
        assert_eq!(read::<PaymentRequired>(&answer, "payment-required").error.as_deref(), Some(code));
    }
    let mut forged = shop.payment(&offer, 1);
    sign(&mut forged, &stranger);
    shop.send(&state, &forged).await.is_problem(402, "payment-signature");
    forged.payload.signature = vec![0; 65].into();
    shop.send(&state, &forged).await.is_problem(402, "payment-signature");
    // the price is lowered after it was signed: the signature is of another message
    let mut lowered = shop.payment(&offer, 1);
    signed(&mut lowered).nonce = B256::repeat_byte(2);
    shop.send(&state, &lowered).await.is_problem(402, "payment-signature");
    for header in ["", "%%%", "e30=", &STANDARD.encode(b"[]"), &STANDARD.encode(b"{\"x402Version\":\"2\"}")] {
        let answer = post(&state, "/v1/predictions", &[("payment-signature", header)], &shop.request()).await;
        answer.is_problem(400, "payment-malformed");
    }
    let mut twice = shop.request();
    twice["escrow"] = json!(shop.w.escrow(&state).await);
    let header = STANDARD.encode(serde_json::to_vec(&shop.payment(&offer, 1)).unwrap());
    post(&state, "/v1/predictions", &[("payment-signature", &header)], &twice)
        .await
        .is_problem(400, "payment-malformed");
    assert_eq!(state.store.counts().await.unwrap(), [], "no wrong payment left a job");
    // and the right one is taken, once
    let payment = shop.payment(&offer, 1);
    assert_eq!(shop.send(&state, &payment).await.status, 202);
    shop.send(&state, &payment).await.is_problem(402, "payment-replayed");
    let mut again = (*state.config).clone();
    again.chain.as_mut().unwrap().x402 = None;
    drop(state);
    let bare = loop {
        if let Ok(state) = AppState::open(again.clone(), shop.w.engine.clone()).await {
            break state;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    shop.send(&bare, &shop.payment(&offer, 3)).await.is_problem(409, "payment-not-offered");
    let answer = post(&bare, "/v1/predictions", &[], &shop.request()).await;
    answer.is_problem(402, "payment-required");
    assert!(!answer.headers.contains_key("payment-required"), "nothing is offered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_captured_is_not_taken_again_and_nobody_authorises_more_than_they_have() {
    let shop = shop!();
    let (state, workers) = shop.start().await;
    let offer = shop.required(&state).await.accepts[0].clone();
    let payment = shop.payment(&offer, 1);
    let id = shop.send(&state, &payment).await.json()["id"].as_str().unwrap().to_owned();
    until(&state, &id, State::Settled).await;
    shop.send(&state, &payment).await.is_problem(402, "payment-replayed");
    // another server, whose database knows nothing of it, asks the chain
    let dir = tempfile::tempdir().unwrap();
    let mut config = shop.config();
    (config.data_dir, config.database) = (dir.path().to_owned(), dir.path().join("jobs.sqlite"));
    let other = AppState::open(config, shop.w.engine.clone()).await.unwrap();
    shop.send(&other, &payment).await.is_problem(402, "payment-replayed");
    // two prices are left, and three requests are made before any is captured
    for nonce in 2..4 {
        assert_eq!(shop.send(&other, &shop.payment(&offer, nonce)).await.status, 202);
    }
    shop.send(&other, &shop.payment(&offer, 4)).await.is_problem(402, "payment-funds");
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_pays_for_nothing_and_nothing_is_given_for_no_payment() {
    let shop = shop!();
    let (state, workers) = shop.start().await;
    let offer = shop.required(&state).await.accepts[0].clone();
    // the prover fails for good
    shop.w.engine.fail.store(3, SeqCst);
    let id = shop.send(&state, &shop.payment(&offer, 1)).await.json()["id"].as_str().unwrap().to_owned();
    until(&state, &id, State::Failed).await;
    assert_eq!(shop.balance(shop.w.buyer.address()).await, 3 * PRICE);
    let failed: SettleResponse = read(&get(&state, &format!("/v1/predictions/{id}")).await, "payment-response");
    assert_eq!(
        (failed.success, failed.error_reason.as_deref(), failed.transaction.as_str()),
        (false, Some("prover-failed"), "")
    );
    // the buyer withdraws it while it is proven
    shop.w.engine.step_ms.store(300, SeqCst);
    let id = shop.send(&state, &shop.payment(&offer, 2)).await.json()["id"].as_str().unwrap().to_owned();
    until(&state, &id, State::Proving).await;
    post(&state, &format!("/v1/predictions/{id}/cancel"), &[], &json!({})).await;
    until(&state, &id, State::Cancelled).await;
    assert_eq!(shop.balance(shop.w.buyer.address()).await, 3 * PRICE);
    // the buyer's account is empty when the proof is there
    let id = shop.send(&state, &shop.payment(&offer, 3)).await.json()["id"].as_str().unwrap().to_owned();
    until(&state, &id, State::Proving).await;
    alloy::sol! { function transfer(address to, uint256 value) external returns (bool); }
    let away = transferCall { to: Address::repeat_byte(9), value: U256::from(3 * PRICE) };
    shop.w.rpc.execute(&shop.w.buyer, Some(shop.token), away.abi_encode().into(), U256::ZERO).await.unwrap();
    until(&state, &id, State::Expired).await;
    let answer = get(&state, &format!("/v1/predictions/{id}")).await;
    assert_eq!((&answer.json()["error_code"], &answer.json()["output"]), (&json!("payment-funds"), &Value::Null));
    get(&state, &format!("/v1/predictions/{id}/proof")).await.is_problem(409, "no-proof");
    // the buyer cancels the authorisation when the proof is on its way
    shop.mint(shop.w.buyer.address(), PRICE).await;
    let payment = shop.payment(&offer, 4);
    let id = shop.send(&state, &payment).await.json()["id"].as_str().unwrap().to_owned();
    until(&state, &id, State::Proving).await;
    cancel(&shop, B256::repeat_byte(4)).await;
    until(&state, &id, State::Expired).await;
    assert_eq!(get(&state, &format!("/v1/predictions/{id}")).await.json()["error_code"], "payment-cancelled");
    assert_eq!(shop.balance(shop.w.seller.address()).await, 0);
    stop(state, workers).await;
}

/// The payer's own `cancelAuthorization`.
pub async fn cancel(shop: &Shop, nonce: B256) {
    alloy::sol! { function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external; }
    let buyer = &shop.w.buyer;
    let separator = shop.w.rpc.call(shop.token, &Eip3009::DOMAIN_SEPARATORCall {}).await.unwrap();
    let message = keccak256(
        (keccak256("CancelAuthorization(address authorizer,bytes32 nonce)"), buyer.address(), nonce).abi_encode(),
    );
    let hash = keccak256([&[0x19, 0x01], separator.as_slice(), message.as_slice()].concat());
    let signature = buyer.sign_hash_sync(&hash).unwrap();
    let call = cancelAuthorizationCall {
        authorizer: buyer.address(),
        nonce,
        v: 27 + u8::from(signature.v()),
        r: signature.r().into(),
        s: signature.s().into(),
    };
    shop.w.rpc.execute(buyer, Some(shop.token), call.abi_encode().into(), U256::ZERO).await.unwrap();
}

/// Whoever has the authorisation used, it paid: a server that dies around the capture charges once and shows the
/// answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_survives_a_crash_and_somebody_who_was_faster() {
    let shop = shop!();
    let (state, workers) = shop.start().await;
    let offer = shop.required(&state).await.accepts[0].clone();
    shop.w.anvil_call("evm_setAutomine", json!([false])).await;
    let id = shop.send(&state, &shop.payment(&offer, 1)).await.json()["id"].as_str().unwrap().to_owned();
    eventually("the capture is signed", async || !state.store.transactions(&id).await.unwrap().is_empty()).await;
    let (_, hash, _) = state.store.transactions(&id).await.unwrap().remove(0);
    shop.w.in_mempool(hash).await;
    crash(state, workers).await;
    shop.w.anvil_call("evm_setAutomine", json!([true])).await;
    shop.w.anvil_call("evm_mine", json!([])).await;
    let (state, workers) = shop.start().await;
    until(&state, &id, State::Settled).await;
    assert_eq!(shop.balance(shop.w.seller.address()).await, PRICE, "once");
    // anybody may hand the authorisation in
    shop.w.engine.step_ms.store(100, SeqCst);
    let payment = shop.payment(&offer, 2);
    let id = shop.send(&state, &payment).await.json()["id"].as_str().unwrap().to_owned();
    let stored = state.store.job(&id).await.unwrap().payment.unwrap();
    let receipt =
        shop.w.rpc.execute(&shop.w.buyer, Some(shop.token), stored.take().unwrap().input, U256::ZERO).await.unwrap();
    until(&state, &id, State::Settled).await;
    let settled: SettleResponse = read(&get(&state, &format!("/v1/predictions/{id}")).await, "payment-response");
    assert_eq!(settled.transaction, receipt.transaction_hash.to_string());
    assert_eq!(shop.balance(shop.w.seller.address()).await, 2 * PRICE);
    stop(state, workers).await;
}

/// A token that does not know EIP-3009 is refused when the server starts, and not when the first buyer comes.
#[tokio::test]
async fn other_tokens_are_refused() {
    let w = world!(false);
    let (token, _) = assay_api::chain::deploy::TEST_TOKEN.deploy(&w.rpc, &w.seller, Vec::new()).await.unwrap();
    let error = assay_api::chain::authorization::token_domain(&w.rpc, token).await.unwrap_err();
    assert!(error.to_string().contains("EIP-3009"), "{error}");
}
