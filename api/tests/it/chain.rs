//! Paid predictions against the real contracts on a development chain.

use std::sync::atomic::Ordering::SeqCst;

use alloy::primitives::{Address, B256, U256, Uint, keccak256};
use alloy::sol_types::{SolCall, SolValue};
use assay_api::chain::abi::InferenceMarket::{self, State as ChainState};
use assay_api::chain::abi::{BatchJob, BatchOrder, Erc20, Inference, KeyRegistry, ModelRegistry, Payee, Registration};
use assay_api::chain::deploy::{MODEL_REGISTRY, TEST_TOKEN};
use assay_api::chain::{
    ChainError, Market, OrderError, Settlement, Wanted, account, check_order, context_of_batch, jobs,
};
use assay_api::config::{Card, Terms};
use assay_api::engine::{Engine, InputOpening, input_digest, output_bytes};
use assay_api::presentation::{DescribedTensor, Presentation, TensorKind};
use assay_api::store::State;
use assay_api::terms::{Escrow, model_id};
use serde_json::{Value, json};

use crate::fake::{Fake, get, post};
use crate::market::{World, stop, until, world};

alloy::sol! {
    function mint(address to, uint256 amount) external;
}

/// The scalar field's.
fn order() -> U256 {
    "0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001".parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_prediction_is_locked_proven_and_settled() {
    let w = world!(false);
    let (state, workers) = w.start().await;
    let escrow = w.escrow(&state).await;
    assert_eq!(escrow.order.input_commitment, w.commitment());
    let id = w.submit(&state, &escrow).await;
    let path = format!("/v1/predictions/{id}");
    let waiting = get(&state, &path).await.json();
    assert_eq!((&waiting["state"], &waiting["output"]), (&json!("awaiting_payment"), &Value::Null));

    let job = w.fund(&escrow).await;
    assert_eq!(waiting["job_id"], json!(job));
    until(&state, &id, State::Settled).await;
    let record = account::job(&w.rpc, w.at.market, job).await.unwrap();
    assert_eq!(record.state, ChainState::Settled);
    assert_eq!(jobs::locker(&w.rpc, w.at.market, job, 0).await.unwrap(), w.seller.address());
    // 9000 + 1000 basis points and the collateral: seller and prover are one account here
    assert_eq!(w.credit(w.seller.address()).await, U256::from(1_000_000 + 100_000));
    let done = get(&state, &path).await.json();
    assert_eq!(done["output"], json!([4.5, 3.0]));
    let purposes: Vec<_> =
        done["transactions"].as_array().unwrap().iter().map(|t| (&t["purpose"], &t["state"])).collect();
    assert_eq!(purposes, [(&json!("lock"), &json!("mined")), (&json!("settle"), &json!("mined"))]);
    let states: Vec<_> =
        state.store.events(&id, 0, 100).await.unwrap().into_iter().filter(|e| e.kind == "state").collect();
    let states: Vec<_> = states.iter().map(|e| e.data["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["awaiting_payment", "queued", "locking", "proving", "settlement_pending", "settled"]);

    // the context is the contract's, before reduction
    let context: B256 = done["context"].as_str().unwrap().parse().unwrap();
    let on_chain = w
        .rpc
        .call(w.at.market, &InferenceMarket::contextOfCall { jobId: job, prover: w.seller.address() })
        .await
        .unwrap();
    assert_eq!(U256::from_be_bytes(context.0) % order(), U256::from_be_bytes(on_chain.0));

    // the same escrow buys nothing more
    let again = post(&state, "/v1/predictions", &[], &w.request(&escrow)).await;
    again.is_problem(422, "escrow-spent");
    post(&state, &format!("{path}/cancel"), &[], &json!({})).await.is_problem(409, "not-cancellable");
    assert_eq!(get(&state, "/readyz").await.status, 200);
    account::withdraw(&w.rpc, &w.seller, w.at.market, Address::ZERO, U256::from(1_100_000)).await.unwrap();
    assert_eq!(w.credit(w.seller.address()).await, U256::ZERO);
    stop(state, workers).await;
}

/// Who pays only for what was not clamped is told before paying that this inference is not; the market holds the
/// service to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_may_ask_that_nothing_is_clamped() {
    let w = world!(false);
    let (state, workers) = w.start().await;
    let mut escrow = w.escrow(&state).await;
    escrow.order.unclamped = true;
    let mut request = w.request(&escrow);
    request["input"] = json!([101, 3000, 0, 0]);
    request["allow_clamping"] = json!(true);
    let answer = post(&state, "/v1/predictions", &[], &request).await;
    answer.is_problem(422, "clamped");
    assert!(answer.json()["detail"].as_str().unwrap().contains("1 clamps"), "{}", answer.text());
    let id = w.submit(&state, &escrow).await;
    w.fund(&escrow).await;
    until(&state, &id, State::Settled).await;
    assert_eq!(get(&state, &format!("/v1/predictions/{id}")).await.json()["clamps"], json!(0));
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_digests_are_the_contracts() {
    let w = world!(false);
    let state = w.open().await;
    let mut escrow = w.escrow(&state).await;
    escrow.order.unclamped = true;
    let domain = account::domain(&w.rpc, w.at.market).await.unwrap();
    let order = InferenceMarket::hashOrderCall { order: (&escrow.order).into() };
    assert_eq!(w.rpc.call(w.at.market, &order).await.unwrap(), escrow.order.job_id(&domain));
    let quote = InferenceMarket::hashQuoteCall { quote: (&escrow.quote).into() };
    assert_eq!(w.rpc.call(w.at.market, &quote).await.unwrap(), escrow.quote.digest(&domain));
    let listed = account::model(&w.rpc, w.at.models, w.model.id).await.unwrap();
    assert_eq!(listed.modelCommitment, w.model.model_commitment);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_escrow_that_does_not_fit_is_refused() {
    let w = world!(false);
    let state = w.open().await;
    let good = w.escrow(&state).await;
    let refused = async |change: &dyn Fn(&mut Value), code: &str, field: &str| {
        let mut request = w.request(&good);
        change(&mut request);
        let answer = post(&state, "/v1/predictions", &[], &request).await;
        answer.is_problem(422, code);
        assert!(answer.json()["detail"].as_str().unwrap().contains(field), "{}", answer.text());
    };
    let other = json!(B256::repeat_byte(9));
    refused(&|r| r["input"][0] = json!(5), "escrow-mismatch", "input_commitment").await;
    refused(&|r| r["blinding"] = json!([]), "escrow-mismatch", "input_commitment").await;
    for field in ["model_id", "model_commitment", "key_hash"] {
        refused(&|r| r["escrow"]["order"][field] = other.clone(), "escrow-mismatch", field).await;
    }
    refused(&|r| r["max_tokens"] = json!(1), "tokens-ordered", "/v1/completions").await;
    refused(&|r| r["escrow"]["order"]["max_price"] = json!("999999"), "escrow-mismatch", "max_price").await;
    refused(&|r| r["escrow"]["order"]["collateral"] = json!("1"), "escrow-mismatch", "collateral").await;
    refused(&|r| r["escrow"]["order"]["prove_secs"] = json!(1), "escrow-mismatch", "prove_secs").await;
    refused(&|r| r["escrow"]["order"]["expire_secs"] = json!(1), "escrow-mismatch", "expire_secs").await;
    refused(&|r| r["escrow"]["order"]["buyer"] = json!(Address::repeat_byte(1)), "escrow-mismatch", "buyer").await;
    refused(&|r| r["escrow"]["order"]["token"] = json!(Address::repeat_byte(1)), "escrow-mismatch", "token").await;
    refused(&|r| r["escrow"]["order"]["prover"] = json!(Address::repeat_byte(1)), "escrow-mismatch", "prover").await;
    refused(&|r| r["escrow"]["quote"]["price"] = json!("1"), "quote-signature", "not signed").await;
    refused(&|r| r["escrow"]["signature"] = json!("0x00"), "quote-signature", "not signed").await;
    refused(&|r| r["escrow"]["order"]["max_price"] = json!("many"), "invalid-body", "").await;
    // no escrow at all
    let mut bare = w.request(&good);
    bare.as_object_mut().unwrap().remove("escrow");
    post(&state, "/v1/predictions", &[], &bare).await.is_problem(402, "payment-required");
    w.pass_secs(w.terms.quote_secs + 10).await;
    refused(&|_| {}, "quote-expired", "valid until").await;
    assert_eq!(state.store.counts().await.unwrap(), []);
}

/// Its commitment is the point at infinity, which the verifier takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_input_of_zeros_is_bought_like_any_other() {
    let w = world!(false);
    let (state, workers) = w.start().await;
    let input = InputOpening { data: vec![0.0; 4], blinding: vec![] };
    let commitments = w.engine.execute(w.model.id, &input).unwrap().input_commitments;
    assert_eq!(commitments[0], vec![0; 64]);
    let request =
        json!({ "model": w.model.id, "buyer": w.buyer.address(), "input_commitment": input_digest(&commitments) });
    let escrow: Escrow = serde_json::from_value(post(&state, "/v1/quotes", &[], &request).await.json()).unwrap();
    let request = json!({ "model": w.model.id, "input": input.data, "escrow": escrow });
    let answer = post(&state, "/v1/predictions", &[], &request).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    w.fund(&escrow).await;
    until(&state, answer.json()["id"].as_str().unwrap(), State::Settled).await;
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn funding_before_asking_works_too_and_nobody_pays_for_nothing() {
    let w = world!(false);
    let (state, workers) = w.start().await;
    // funded first: the event passes before the prediction is stored
    let early = w.escrow(&state).await;
    w.fund(&early).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let id = w.submit(&state, &early).await;
    until(&state, &id, State::Settled).await;
    // never funded
    let unpaid = w.escrow(&state).await;
    let id = w.submit(&state, &unpaid).await;
    w.pass_secs(w.terms.quote_secs + 10).await;
    until(&state, &id, State::Expired).await;
    assert_eq!(state.store.job(&id).await.unwrap().error.unwrap().0, "quote-expired");
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unserved_job_is_taken_back_or_refunded() {
    let w = world!(false);
    let state = w.open().await; // no workers: nobody serves
    let (one, two, three) = (w.escrow(&state).await, w.escrow(&state).await, w.escrow(&state).await);
    let ids = [w.submit(&state, &one).await, w.submit(&state, &two).await, w.submit(&state, &three).await];
    let jobs = [w.fund(&one).await, w.fund(&two).await, w.fund(&three).await];
    account::cancel(&w.rpc, &w.buyer, w.at.market, jobs[0]).await.unwrap();
    assert_eq!(w.credit(w.buyer.address()).await, U256::from(1_000_000));
    assert!(account::claim_refund(&w.rpc, &w.buyer, w.at.market, jobs[1]).await.is_err(), "too early");
    w.pass_secs(u64::from(w.terms.expire_secs) + 10).await;
    account::claim_refund(&w.rpc, &w.buyer, w.at.market, jobs[1]).await.unwrap();
    assert_eq!(w.credit(w.buyer.address()).await, U256::from(2_000_000));
    // the server comes up and finds out
    let workers = tokio::spawn(assay_api::run_workers(state.clone()));
    until(&state, &ids[0], State::Cancelled).await;
    until(&state, &ids[1], State::Refunded).await;
    until(&state, &ids[2], State::Expired).await;
    assert_eq!(w.engine.proofs.load(SeqCst), 0);
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_order_is_never_funded() {
    let w = world!(false);
    let (state, workers) = w.start().await;
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    account::revoke(&w.rpc, &w.seller, w.at.market, &escrow.order).await.unwrap_err();
    let (job, _) = account::revoke(&w.rpc, &w.buyer, w.at.market, &escrow.order).await.unwrap();
    assert_eq!(account::job(&w.rpc, w.at.market, job).await.unwrap().state, ChainState::Cancelled);
    assert!(account::fund(&w.rpc, &w.buyer, w.at.market, &escrow).await.is_err());
    until(&state, &id, State::Cancelled).await;
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_proofs_cost_nobody_and_stop_new_locks() {
    let w = world!(true);
    let (state, workers) = w.start().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let escrow = w.escrow(&state).await;
        let id = w.submit(&state, &escrow).await;
        w.fund(&escrow).await;
        until(&state, &id, State::Failed).await;
        ids.push(id);
    }
    let failed = state.store.job(&ids[0]).await.unwrap();
    let (code, detail) = failed.error.unwrap();
    assert_eq!(code, "chain-refused");
    assert!(detail.contains("InvalidLength"), "the contract's reason is kept: {detail}");
    let settles = state.store.transactions(&ids[0]).await.unwrap().into_iter().filter(|t| t.0 == "settle").count();
    assert_eq!(settles, 0, "a settlement that would revert is never sent");
    // three failures in a row: no more quotes, no more predictions, not ready
    post(&state, "/v1/quotes", &[], &json!({ "model": w.model.id })).await.is_problem(503, "paused");
    get(&state, "/readyz").await.is_problem(503, "paused");
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prover_without_coins_takes_no_orders() {
    let w = world!(false);
    let mut config = w.config();
    config.chain.as_mut().unwrap().prover = alloy::signers::local::PrivateKeySigner::random();
    let state = assay_api::AppState::open(config, w.engine.clone()).await.unwrap();
    let answer = post(&state, "/v1/quotes", &[], &json!({ "model": w.model.id })).await;
    answer.is_problem(503, "prover-unfunded");
    assert_eq!(answer.headers["retry-after"], "60");
    let poor = alloy::signers::local::PrivateKeySigner::random();
    let error = account::deposit(&w.rpc, &poor, w.at.market, Address::ZERO, U256::from(1)).await.unwrap_err();
    assert!(matches!(error, assay_api::chain::ChainError::InsufficientFunds { .. }), "{error}");
}

/// The list says what a model costs, and its quotes are on the same terms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_has_terms_of_its_own() {
    let w = world!(false);
    let mut config = w.config();
    let own = Terms { price: 77, collateral: 8, prove_secs: 500, ..w.terms };
    config.chain.as_mut().unwrap().model_terms.insert(w.model.id, own);
    let columns = vec!["sum".to_owned(), "maximum".to_owned()];
    let outputs = vec![DescribedTensor { name: "y".to_owned(), kind: TensorKind::Table, columns, unit: None }];
    let presentation = Presentation { inputs: Vec::new(), outputs };
    let card = Card {
        description: Some("two numbers".into()),
        labels: vec!["sum".into(), "maximum".into()],
        presentation,
        ..Card::default()
    };
    config.cards.insert(w.model.id, card);
    let state = assay_api::AppState::open(config, w.engine.clone()).await.unwrap();
    let listed = get(&state, "/v1/models").await.json()["data"][0].clone();
    assert_eq!((&listed["description"], &listed["labels"]), (&json!("two numbers"), &json!(["sum", "maximum"])));
    assert_eq!(
        listed["presentation"],
        json!({ "inputs": [], "outputs": [{ "name": "y", "kind": "table", "columns": ["sum", "maximum"] }] })
    );
    assert_eq!(get(&state, "/v1/selling").await.json()["chain_id"], 31337);
    let terms = &listed["terms"];
    assert_eq!((&terms["price"], &terms["collateral"], &terms["prove_secs"]), (&json!("77"), &json!("8"), &json!(500)));
    assert_eq!((&terms["market"], &terms["chain_id"]), (&json!(w.at.market), &json!(31337)));
    let escrow = w.escrow(&state).await;
    assert_eq!((escrow.quote.price, escrow.quote.collateral, escrow.order.prove_secs), (77, 8, 500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_pay_as_well_as_coins() {
    let mut w = world!(false);
    let (token, _) = TEST_TOKEN.deploy(&w.rpc, &w.seller, Vec::new()).await.unwrap();
    for signer in [&w.seller, &w.buyer] {
        let mint = mintCall { to: signer.address(), amount: U256::from(10_000_000) };
        w.rpc.execute(signer, Some(token), mint.abi_encode().into(), U256::ZERO).await.unwrap();
    }
    w.terms.token = token;
    let (state, workers) = w.start().await;
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    w.fund(&escrow).await;
    until(&state, &id, State::Settled).await;
    assert_eq!(w.credit(w.seller.address()).await, U256::from(1_000_000 + 100_000));
    let left = w.rpc.call(token, &Erc20::balanceOfCall { account: w.buyer.address() }).await.unwrap();
    assert_eq!(left, U256::from(9_000_000));
    stop(state, workers).await;
}

/// Sent by another process of the same prover: the market tells this server in one event that names no job in its
/// topics.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_are_settled_in_a_batch_elsewhere_end_here() {
    let golden = include_str!("../../../fixtures/golden/batch_separate.json");
    let Some(w) = World::with_key(false, golden).await else { return };
    let key = w.rpc.call(w.at.keys, &KeyRegistry::keyCall { keyHash: w.model.key_hash }).await.unwrap();
    assert_eq!((key.batch, key.shapeDigest), (256 + 6, w.model.shape_digest));
    // one job at a time: the second is locked elsewhere, too
    let config = assay_api::config::ServeConfig { jobs_max: 1, ..w.config() };
    let state = assay_api::AppState::open(config, w.engine.clone()).await.unwrap();
    let workers = tokio::spawn(assay_api::run_workers(state.clone()));
    w.engine.step_ms.store(3_000, SeqCst); // longer than it takes to settle elsewhere
    let (one, two) = (w.escrow(&state).await, w.escrow(&state).await);
    let ids = [w.submit(&state, &one).await, w.submit(&state, &two).await];
    let first = w.fund(&one).await;
    until(&state, &ids[0], State::Proving).await; // and locked; it stays there
    let jobs = vec![first, w.fund(&two).await];
    let market = Market::new(w.config().chain.unwrap()).unwrap();
    let fundings = [market.funding(jobs[0], None).await.unwrap(), market.funding(jobs[1], None).await.unwrap()];
    market.ensure_credit(w.terms.token, w.terms.collateral).await.unwrap();
    w.rpc.execute(&w.seller, Some(w.at.market), market.lock_call(&fundings[1]), U256::ZERO).await.unwrap();

    let done = w.engine.execute(w.model.id, &w.input()).unwrap();
    let cells = done.output_cells.repeat(64);
    let call = InferenceMarket::settleBatchCall {
        template: fundings[0].order.clone(),
        snapshot: fundings[0].snapshot.clone(),
        jobs: fundings
            .iter()
            .map(|f| BatchJob { buyer: f.order.buyer, maxPrice: f.order.maxPrice, salt: f.order.salt })
            .collect(),
        split: market.split(w.model.id).await.unwrap().to_vec(),
        inference: Inference {
            inputCommitments: done.input_commitments.concat().repeat(64).into(),
            output: output_bytes(&cells, 0).into(),
            proof: vec![1].into(),
        },
        prover: w.seller.address(),
        provers: vec![],
    };
    w.rpc.execute(&w.seller, Some(w.at.market), call.abi_encode().into(), U256::ZERO).await.unwrap();
    for id in &ids {
        until(&state, id, State::Settled).await;
        assert_eq!(get(&state, &format!("/v1/predictions/{id}")).await.json()["output"], json!([4.5, 3.0]));
    }
    assert_eq!(w.engine.proofs.load(SeqCst), 0);
    assert_eq!(w.credit(w.seller.address()).await, U256::from(2 * (1_000_000 + 100_000)));

    let bound = context_of_batch(w.rpc.chain_id().await.unwrap(), w.at.market, &jobs, w.seller.address());
    let call = InferenceMarket::contextOfBatchCall { jobIds: jobs, prover: w.seller.address() };
    let on_chain = w.rpc.call(w.at.market, &call).await.unwrap();
    assert_eq!(U256::from_be_bytes(bound.0) % order(), U256::from_be_bytes(on_chain.0));
    stop(state, workers).await;
}

/// A batch's event has what its jobs' orders share, and each of them is found by an event of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_funded_in_a_batch_is_served() {
    let w = world!(false);
    let (state, workers) = w.start().await;
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    let mut template: assay_api::chain::abi::Order = (&escrow.order).into();
    (template.inputCommitment, template.salt) = (B256::ZERO, B256::ZERO);
    let call = InferenceMarket::fundBatchCall {
        template,
        quote: (&escrow.quote).into(),
        sellerSignature: escrow.signature.clone(),
        orders: vec![BatchOrder { inputCommitment: escrow.order.input_commitment, salt: escrow.order.salt }],
        fromBalance: false,
    };
    w.rpc.execute(&w.buyer, Some(w.at.market), call.abi_encode().into(), U256::from(escrow.quote.price)).await.unwrap();
    until(&state, &id, State::Settled).await;
    let job = escrow.order.job_id(&account::domain(&w.rpc, w.at.market).await.unwrap());
    let funding = account::funding(&w.rpc, w.at.market, job).await.unwrap();
    assert_eq!(funding.order, (&escrow.order).into(), "the whole order");
    assert_eq!(jobs::payee(&w.rpc, w.at.market, job).await.unwrap(), w.seller.address());
    stop(state, workers).await;
}

/// A prover who has no lock settles all the same, and what it delivered is on chain for other contracts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_locked_and_settled_in_one_call() {
    let w = world!(false);
    let state = w.open().await; // no workers
    let job = w.fund(&w.escrow(&state).await).await;
    let market = Market::new(w.config().chain.unwrap()).unwrap();
    let funding = market.funding(job, None).await.unwrap();
    let done = w.engine.execute(w.model.id, &w.input()).unwrap();
    let output = output_bytes(&done.output_cells, 0);
    let inference = Inference {
        inputCommitments: done.input_commitments.concat().into(),
        output: output.clone().into(),
        proof: vec![1].into(),
    };
    assert_eq!(market.locker(job).await.unwrap(), Address::ZERO);
    let call = market.settle_call(&funding, inference, Settlement::Open { locker: Address::ZERO }).await.unwrap();
    w.rpc.execute(&w.seller, Some(w.at.market), call, U256::ZERO).await.unwrap();
    assert_eq!(account::job(&w.rpc, w.at.market, job).await.unwrap().state, ChainState::Settled);
    assert_eq!(w.credit(w.seller.address()).await, U256::from(1_000_000), "no collateral was needed");
    let settled = async |output_hash| {
        let call = InferenceMarket::isSettledCall {
            jobId: job,
            snapshot: funding.snapshot.clone(),
            prover: w.seller.address(),
            outputHash: output_hash,
        };
        w.rpc.call(w.at.market, &call).await.unwrap()
    };
    assert!(settled(keccak256(&output)).await);
    assert!(!settled(B256::ZERO).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotes_end_when_the_owner_revokes_them() {
    let w = world!(false);
    let state = w.open().await;
    let escrow = w.escrow(&state).await;
    let revoke = ModelRegistry::revokeQuotesCall { modelId: model_id(w.model.id) };
    w.rpc.execute(&w.seller, Some(w.at.models), revoke.abi_encode().into(), U256::ZERO).await.unwrap();
    let refused = account::fund(&w.rpc, &w.buyer, w.at.market, &escrow).await.unwrap_err();
    assert!(refused.to_string().contains("QuoteRevoked"), "{refused}");
    // the next one is of the new epoch, and a quote funds one job
    let mut next = w.escrow(&state).await;
    w.fund(&next).await;
    next.order.salt = B256::repeat_byte(1);
    let refused = account::fund(&w.rpc, &w.buyer, w.at.market, &next).await.unwrap_err();
    assert!(refused.to_string().contains("QuoteUsed"), "{refused}");
}

/// Terms that the market would refuse get no quote, and weights are registered once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_contracts_refuse_is_said_before() {
    let mut w = world!(false);
    w.terms.collateral -= 1;
    let state = w.open().await;
    let answer = post(&state, "/v1/quotes", &[], &json!({ "model": w.model.id })).await;
    answer.is_problem(503, "terms-refused");
    drop(state);
    let mut config = w.config().chain.unwrap();
    config.terms.collateral += 1;
    Market::new(config.clone()).unwrap().check_terms(&config.terms).await.unwrap();
    config.prover = w.anvil.accounts().remove(0); // the deployer, who is the treasury here
    assert!(matches!(
        Market::new(config.clone()).unwrap().check_terms(&config.terms).await,
        Err(ChainError::TreasuryProves { .. })
    ));

    let golden: Value = serde_json::from_str(include_str!("../../../fixtures/golden/wrapped.json")).unwrap();
    let registration = Registration {
        shapeDigest: w.model.shape_digest,
        weightCommitments: golden["weights"].as_str().unwrap().parse().unwrap(),
        uri: String::new(),
        cardHash: B256::ZERO,
        royaltyBps: Uint::ZERO,
        split: vec![Payee { account: w.buyer.address(), bps: 10_000 }],
    };
    let taken = account::register_model(&w.rpc, &w.buyer, w.at.models, registration).await.unwrap_err();
    assert!(matches!(taken, ChainError::WeightsTaken { model } if model == model_id(w.model.id)), "{taken}");
}

/// With a registry that wants a registration to be committed to before: on a chain that makes no blocks meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_waits_for_its_commitment() {
    let w = world!(false);
    let (registry, _) =
        MODEL_REGISTRY.deploy(&w.rpc, &w.seller, (w.at.keys, U256::from(2)).abi_encode_params()).await.unwrap();
    let registration = || Registration {
        shapeDigest: w.model.shape_digest,
        weightCommitments: [[0; 31].as_slice(), &[1], &[0; 31], &[2]].concat().into(), // the generator
        uri: String::new(),
        cardHash: B256::ZERO,
        royaltyBps: Uint::ZERO,
        split: vec![Payee { account: w.seller.address(), bps: 10_000 }],
    };
    let at_once = ModelRegistry::registerCall { registration: registration() };
    w.rpc.execute(&w.seller, Some(registry), at_once.abi_encode().into(), U256::ZERO).await.unwrap_err();
    let (id, _) = account::register_model(&w.rpc, &w.seller, registry, registration()).await.unwrap();
    assert_eq!(account::model(&w.rpc, registry, id).await.unwrap().weightChunks, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_proof_settles_at_the_late_price() {
    let w = world!(false);
    let (state, workers) = w.start().await;
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    w.engine.step_ms.store(100, SeqCst);
    let job = w.fund(&escrow).await;
    until(&state, &id, State::Proving).await;
    w.pass_secs(u64::from(w.terms.prove_secs) + 10).await;
    until(&state, &id, State::Settled).await;
    assert!(account::job(&w.rpc, w.at.market, job).await.unwrap().late);
    assert_eq!(w.credit(w.seller.address()).await, U256::from(800_000), "the collateral is gone");
    assert_eq!(w.credit(w.buyer.address()).await, U256::from(200_000));
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buyer_notices_an_order_that_is_not_theirs() {
    let w = world!(false);
    let state = w.open().await;
    let good = w.escrow(&state).await;
    let wanted = Wanted {
        model: w.model.id,
        key_hash: w.model.key_hash,
        input_commitment: w.commitment(),
        buyer: w.buyer.address(),
        price_max: 1_000_000,
        token: Address::ZERO,
    };
    let check = async |escrow: &Escrow, wanted: &Wanted| check_order(&w.rpc, w.at.market, escrow, wanted, true).await;
    check(&good, &wanted).await.unwrap();
    assert!(matches!(check_order(&w.rpc, w.at.market, &good, &wanted, false).await, Err(OrderError::DevelopmentKey)));
    assert!(matches!(
        check(&good, &Wanted { price_max: 999_999, ..wanted }).await,
        Err(OrderError::Price { price: 1_000_000, .. })
    ));
    let other = B256::repeat_byte(9);
    type Change<'a> = (&'a str, &'a dyn Fn(&mut Escrow));
    let changes: [Change<'_>; 11] = [
        ("inferences", &|e| e.quote.inferences = 2),
        ("epoch", &|e| e.quote.epoch = 1),
        ("valid_until", &|e| e.quote.valid_until = e.quote.valid_from + 31 * 86_400),
        ("model_id", &|e| e.order.model_id = other),
        ("key_hash", &|e| e.order.key_hash = other),
        ("input_commitment", &|e| e.order.input_commitment = other),
        ("buyer", &|e| e.order.buyer = Address::ZERO),
        ("token", &|e| e.order.token = Address::repeat_byte(1)),
        ("verifier", &|e| e.order.verifier = Address::ZERO),
        ("model_commitment", &|e| e.order.model_commitment = other),
        ("fee_split_hash", &|e| e.order.fee_split_hash = other),
    ];
    for (name, change) in changes {
        let mut escrow = good.clone();
        change(&mut escrow);
        let result = check(&escrow, &wanted).await;
        assert!(matches!(&result, Err(OrderError::Field { field }) if *field == name), "{name}: {result:?}");
    }
    let mut forged = good.clone();
    forged.quote.nonce = other;
    assert!(
        matches!(check(&forged, &wanted).await, Err(OrderError::Signature { owner }) if owner == w.seller.address())
    );
    let unknown = Wanted { key_hash: other, ..wanted };
    let mut escrow = good.clone();
    (escrow.order.key_hash, escrow.quote.key_hash) = (other, other);
    assert!(matches!(check(&escrow, &unknown).await, Err(OrderError::Key { status: KeyRegistry::Status::Unknown })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_not_listed_as_it_is_gets_no_quote() {
    let w = world!(false);
    let (mut unknown, mut changed) = (w.model.clone(), w.model.clone());
    unknown.id = B256::repeat_byte(9);
    changed.model_commitment = B256::repeat_byte(9);
    for model in [unknown, changed] {
        let dir = tempfile::tempdir().unwrap();
        let mut config = w.config();
        (config.database, config.data_dir) = (dir.path().join("jobs.sqlite"), dir.path().to_owned());
        let state = assay_api::AppState::open(config, Fake::with_model(model.clone())).await.unwrap();
        post(&state, "/v1/quotes", &[], &json!({ "model": model.id })).await.is_problem(409, "model-not-listed");
    }
}
