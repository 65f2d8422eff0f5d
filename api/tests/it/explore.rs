//! What the chain says of the market and of models: `/v1/market`, `/v1/models/{id}/lineage`.

use alloy::primitives::{Address, B256, Bytes, U256, Uint, hex};
use alloy::sol;
use alloy::sol_types::{SolCall, SolValue};
use assay_api::chain::abi::{Payee, Registration};
use assay_api::chain::account;
use assay_api::chain::deploy::{OWNER, SPLITTER_FACTORY, deploy_code};
use assay_api::config::Card;
use assay_api::store::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::fake::{Fake, eventually, get};
use crate::market::{World, stop, until};

sol! {
    struct Part {
        address account;
        uint96 weight;
    }
    function create(Part[] shares) returns (address);
    function addressOf(Part[] shares) returns (address);
}

/// Makes a splitter, or says only where it would be.
async fn splitter(w: &World, factory: Address, shares: &[(Address, u64)], make: bool) -> Address {
    let parts = |(account, weight): &(Address, u64)| Part { account: *account, weight: Uint::from(*weight) };
    let mut shares: Vec<Part> = shares.iter().map(parts).collect();
    shares.sort_by_key(|part| part.account);
    let at = w.rpc.call(factory, &addressOfCall { shares: shares.clone() }).await.unwrap();
    if make {
        w.rpc.execute(&w.seller, Some(factory), createCall { shares }.abi_encode().into(), U256::ZERO).await.unwrap();
    }
    at
}

/// Lists a model.
async fn register(w: &World, weights: [B256; 2], split: &[(Address, u16)]) -> B256 {
    let registration = Registration {
        shapeDigest: w.model.shape_digest,
        weightCommitments: weights.concat().into(),
        uri: "ipfs://card".into(),
        cardHash: B256::ZERO,
        royaltyBps: Uint::ZERO,
        split: split.iter().map(|(account, bps)| Payee { account: *account, bps: *bps }).collect(),
    };
    account::register_model(&w.rpc, &w.seller, w.at.models, registration).await.unwrap().0
}

/// A clone of another contract, which says of itself what a splitter says.
async fn impostor(w: &World, of: Address) -> Address {
    let shares = vec![Part { account: w.buyer.address(), weight: Uint::from(1) }].abi_encode();
    let runtime =
        [hex!("363d3d373d3d3d363d73").as_slice(), of.as_slice(), &hex!("5af43d82803e903d91602b57fd5bf3"), &shares]
            .concat();
    // creation code that returns what follows it
    let head = [&[0x61][..], &(runtime.len() as u16).to_be_bytes()[..], &hex!("3d81600a3d39f3")[..]].concat();
    deploy_code(&w.rpc, &w.seller, Bytes::from([head, runtime].concat()), "impostor").await.unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lineage_follows_splitters() {
    let Some(mut w) = World::new(false).await else { return };
    let (factory, _) = SPLITTER_FACTORY.deploy(&w.rpc, &w.seller, w.at.market.abi_encode()).await.unwrap();
    let (alice, bob) = (Address::repeat_byte(0xa1), Address::repeat_byte(0xb0));
    let parents = splitter(&w, factory, &[(alice, 1), (bob, 3)], true).await;
    // the curve's generator, and below its negative
    let word = |x: u64| B256::from(U256::from(x));
    let parent = register(&w, [word(1), word(2)], &[(OWNER, 9000), (parents, 1000)]).await;
    let own = splitter(&w, factory, &[(alice, 3), (parents, 1)], true).await;
    let fake = impostor(&w, w.at.market).await;
    let unmade = splitter(&w, factory, &[(bob, 1)], false).await;
    let negative = B256::new(hex!("30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd45"));
    let child = register(&w, [word(1), negative], &[(OWNER, 5000), (own, 4000), (fake, 500), (unmade, 500)]).await;
    w.engine = Fake::with_model(assay_api::engine::ModelInfo { id: child, ..w.model.clone() });
    let (state, workers) = w.start().await;
    let path = format!("/v1/models/{child}/lineage");
    eventually("the listing is read", async || get(&state, &path).await.status == StatusCode::OK).await;
    let lineage = get(&state, &path).await.json();
    assert_eq!((&lineage["registrant"], &lineage["uri"]), (&json!(w.seller.address()), &json!("ipfs://card")));
    assert!(lineage["registered_secs"].as_u64().unwrap() > 1_500_000_000, "{lineage}");
    let parts = lineage["parts"].as_array().unwrap();
    let seen: Vec<_> =
        parts.iter().map(|part| (&part["account"], part["kind"].as_str().unwrap(), part["within"].as_u64())).collect();
    let expected = [
        (json!(OWNER), "owner", None),
        (json!(own), "splitter", None),
        // what only says that it is a splitter, and one that is not there yet
        (json!(fake), "account", None),
        (json!(unmade), "account", None),
    ];
    assert_eq!(seen[..4], expected.each_ref().map(|(account, kind, within)| (account, *kind, *within)));
    let of = |account: Address, within: usize| {
        let found = parts.iter().find(|part| part["account"] == json!(account) && part["within"] == json!(within));
        found.unwrap_or_else(|| panic!("{account} within {within}: {lineage}"))
    };
    let is =
        |part: &Value, share: f64| assert!((part["share"].as_f64().unwrap() - share).abs() < 1e-12, "{share}: {part}");
    is(of(alice, 1), 0.3);
    is(of(parents, 1), 0.1);
    assert_eq!(of(parents, 1)["models"], json!([parent]));
    let at = parts.iter().position(|part| part["account"] == json!(parents)).unwrap();
    is(of(alice, at), 0.025);
    is(of(bob, at), 0.075);
    assert_eq!(parts.len(), 8);

    get(&state, &format!("/v1/models/{}/lineage", B256::ZERO)).await.is_problem(404, "unknown-model");
    get(&state, "/v1/models/x/lineage").await.is_problem(400, "invalid-parameter");
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_market_is_what_its_events_say() {
    let Some(w) = World::new(false).await else { return };
    let config = w.config();
    let drawing = Card { drawing: Some("<svg/>".into()), licence: Some("for research".into()), ..Card::default() };
    config.cards.insert(w.model.id, drawing);
    let state = assay_api::AppState::open(config, w.engine.clone()).await.unwrap();
    let workers = tokio::spawn(assay_api::run_workers(state.clone()));
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    let job = w.fund(&escrow).await;
    until(&state, &id, State::Settled).await;
    // another buyer's job, which this service never hears of and nobody proves
    let other = w.escrow(&state).await;
    let open = w.fund(&other).await;

    eventually("both jobs are read", async || get(&state, "/v1/market").await.json()["jobs"] == 2).await;
    let market = get(&state, "/v1/market").await.json();
    assert_eq!((&market["market"], &market["from_block"]), (&json!(w.at.market), &json!(0)));
    let row = &market["models"][0];
    assert_eq!(
        (&row["model"], &row["funded"], &row["settled"], &row["returned"]),
        (&json!(w.model.id), &json!(2), &json!(1), &json!(0))
    );
    assert_eq!(row["earned"], json!({ Address::ZERO.to_string(): "1000000" }));
    assert!(row["registered_secs"].as_u64().unwrap() > 1_500_000_000, "{row}");
    let of = |job: B256| market["latest"].as_array().unwrap().iter().find(|row| row["job"] == json!(job)).unwrap();
    assert_eq!((&of(open)["state"], &of(open)["ended_secs"]), (&json!("funded"), &Value::Null));
    let settled = of(job);
    assert_eq!(
        (&settled["state"], &settled["price"], &settled["paid"]),
        (&json!("settled"), &json!("1000000"), &json!("1000000"))
    );
    assert!(settled["ended_secs"].as_u64() >= settled["funded_secs"].as_u64(), "{settled}");
    let prover = &market["provers"][0];
    assert_eq!(
        (&prover["prover"], &prover["settled"], &prover["buyers"]),
        (&json!(w.seller.address()), &json!(1), &json!(1))
    );

    let model = get(&state, &format!("/v1/models/{}", w.model.id)).await.json();
    assert_eq!(model["licence"], "for research");
    let drawn = get(&state, &format!("/v1/models/{}/drawing", w.model.id)).await;
    assert_eq!(
        (drawn.status, &drawn.headers["content-type"], drawn.text()),
        (StatusCode::OK, &"image/svg+xml".parse().unwrap(), "<svg/>".to_owned())
    );
    stop(state, workers).await;
}
