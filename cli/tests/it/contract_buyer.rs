//! A contract that buys: it pays for the inference of a picture that everybody sees, and acts on the proven answer.

use crate::tool::{command, fixture, model, s};
use alloy::primitives::{Address, B256, Bytes, U256, hex};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolCall, SolValue};
use assay_api::chain::abi::{DigitPrize, Inference, InferenceCallbacks, InferenceMarket, Order, Payee, Quote, Shown};
use assay_api::chain::deploy::{DIGIT_PRIZE, OWNER};
use assay_api::chain::dev::{DEV_KEYS, DevChain, DevChainError};
use assay_api::chain::{Rpc, account};
use serde_json::Value;
use std::path::Path;

const PRICE: u128 = 1_000_000;
const PRIZE: u64 = 5_000_000;
/// What the picture is.
const DIGIT: u64 = 7;

struct World {
    chain: DevChain,
    rpc: Rpc,
    market: Address,
    callbacks: Address,
    prize: Address,
    seller: PrivateKeySigner,
    player: PrivateKeySigner,
    model: B256,
    key_hash: B256,
}

/// The command as one of the accounts.
fn json(chain: &DevChain, market: Option<Address>, account: usize, arguments: &[&str]) -> Value {
    let mut command = command();
    command.env("ASSAY_RPC", chain.url()).env("ASSAY_PRIVATE_KEY", DEV_KEYS[account]);
    if let Some(market) = market {
        command.env("ASSAY_MARKET", market.to_string());
    }
    let done = command.arg("--json").args(arguments).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

fn text<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    value.as_str().unwrap().parse().unwrap()
}

impl World {
    async fn new() -> Option<Self> {
        let chain = match DevChain::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).await {
            Err(e @ DevChainError::NotFound) => {
                println!("SKIPPED: {e}");
                return None;
            }
            other => other.unwrap(),
        };
        let [deployer, seller, player] = [0, 1, 2].map(|i| DEV_KEYS[i].parse::<PrivateKeySigner>().unwrap());
        let deploy = ["deploy", "--allow-development", "--around", "--attestor", &seller.address().to_string()];
        let at = json(&chain, None, 0, &deploy);
        let market: Address = text(&at["market"]);
        let callbacks =
            at["contracts"].as_array().unwrap().iter().find(|one| one["name"] == "InferenceCallbacks").unwrap();
        let callbacks: Address = text(&callbacks["address"]);
        let listed = json(&chain, Some(market), 1, &["publish", s(model()), "--no-weights-proof"]);
        let (model, key_hash): (B256, B256) = (text(&listed["model"]), text(&listed["key_hash"]));
        let rpc = chain.rpc().unwrap();
        let arguments = (callbacks, U256::from_be_bytes(model.0), key_hash, U256::from(DIGIT)).abi_encode_params();
        let (prize, _) = DIGIT_PRIZE.deploy(&rpc, &deployer, arguments).await.unwrap();
        rpc.execute(&deployer, Some(prize), DigitPrize::donateCall {}.abi_encode().into(), U256::from(PRIZE))
            .await
            .unwrap();
        Some(Self { rpc, chain, market, callbacks, prize, seller, player, model, key_hash })
    }

    /// The prize's order for an input, with the seller's quote.
    async fn offer(&self, input_commitment: B256) -> (Order, Quote, Bytes) {
        let registry = self.rpc.call(self.market, &InferenceMarket::modelsCall {}).await.unwrap();
        let listed = account::model(&self.rpc, registry, self.model).await.unwrap();
        let verifier = self.rpc.call(self.market, &InferenceMarket::verifierCall {}).await.unwrap();
        let now = self.rpc.now().await.unwrap();
        let model_id = U256::from_be_bytes(self.model.0);
        let order = Order {
            buyer: self.prize,
            modelId: model_id,
            modelCommitment: listed.modelCommitment,
            inputCommitment: input_commitment,
            keyHash: self.key_hash,
            verifier,
            token: Address::ZERO,
            maxPrice: PRICE,
            feeSplitHash: listed.splitHash,
            proveSecs: 3600,
            expireSecs: 7200,
            collateral: PRICE / 10,
            prover: Address::ZERO,
            salt: B256::ZERO,
            unclamped: true,
        };
        let quote = Quote {
            modelId: model_id,
            keyHash: self.key_hash,
            token: Address::ZERO,
            price: PRICE,
            collateral: PRICE / 10,
            proveSecs: 3600,
            expireSecs: 7200,
            buyer: Address::ZERO,
            provers: vec![self.seller.address()],
            validFrom: now,
            validUntil: now + 600,
            inferences: 1,
            uses: 1,
            epoch: listed.quoteEpoch,
            nonce: U256::ZERO,
        };
        let digest =
            self.rpc.call(self.market, &InferenceMarket::hashQuoteCall { quote: quote.clone() }).await.unwrap();
        (order, quote, self.seller.sign_hash_sync(&digest).unwrap().as_bytes().into())
    }
}

/// What the proof file of a command says, as the market takes it.
fn inference(file: &Value) -> Inference {
    let mut output = Vec::new();
    for cell in file["output"].as_array().unwrap() {
        output.extend(i16::try_from(cell.as_i64().unwrap()).unwrap().to_be_bytes());
    }
    output.extend(u32::try_from(file["clamps"].as_u64().unwrap_or_default()).unwrap().to_be_bytes());
    let commitments: Vec<u8> =
        file["input_commitments"].as_array().unwrap().iter().flat_map(|c| text::<Bytes>(c).to_vec()).collect();
    Inference { inputCommitments: commitments.into(), output: output.into(), proof: text(&file["proof"]) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contract_acts_on_a_proven_answer() {
    let Some(w) = World::new().await else { return };
    let (key, input) = (model().with_extension("key"), fixture("digit_7.json"));
    let committed = json(
        &w.chain,
        None,
        2,
        &["commit", "--key", s(&key), "--input", s(&input), "--public-input", "--for-contract"],
    );
    let part = |name: &str| text::<Bytes>(&committed["shown"][name]);
    let shown = Shown { commitments: part("commitments"), cells: part("cells"), opening: part("opening") };
    let (order, quote, signature) = w.offer(text(&committed["input_commitment"])).await;

    // another picture under this commitment is refused
    let play = |picture: Shown| {
        let call = DigitPrize::playCall {
            order: order.clone(),
            quote: quote.clone(),
            sellerSignature: signature.clone(),
            picture,
        };
        w.rpc.execute(&w.player, Some(w.prize), call.abi_encode().into(), U256::from(PRICE))
    };
    let mut cells = shown.cells.to_vec();
    cells[1] ^= 1;
    let forged = Shown { cells: cells.into(), ..shown.clone() };
    let refused = play(forged).await.unwrap_err().to_string();
    assert!(refused.contains("revert"), "{refused}");
    let receipt = play(shown).await.unwrap();
    println!("a contract's purchase took {} gas", receipt.gas_used);

    // anyone proves what the contract paid for, bound to its job
    let job = w.rpc.call(w.market, &InferenceMarket::hashOrderCall { order: order.clone() }).await.unwrap();
    let context =
        w.rpc.call(w.market, &InferenceMarket::contextOfCall { jobId: job, prover: w.seller.address() }).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let proof = dir.path().join("proof.json");
    let prove = [
        "prove",
        s(model()),
        "--input",
        s(&input),
        "--public-input",
        "--context",
        &hex::encode_prefixed(context),
        "-o",
        s(&proof),
    ];
    json(&w.chain, None, 1, &prove);
    let file: Value = serde_json::from_slice(&std::fs::read(&proof).unwrap()).unwrap();
    let funding = account::funding(&w.rpc, w.market, job).await.unwrap();
    let call = InferenceCallbacks::settleOpenCall {
        order: funding.order,
        snapshot: funding.snapshot,
        split: vec![Payee { account: OWNER, bps: 10_000 }],
        inference: inference(&file),
        prover: w.seller.address(),
        provers: funding.provers,
        locker: Address::ZERO,
    };
    let receipt = w.rpc.execute(&w.player, Some(w.callbacks), call.abi_encode().into(), U256::ZERO).await.unwrap();
    println!("settling it and calling back took {} gas", receipt.gas_used);
    assert_eq!(account::job(&w.rpc, w.market, job).await.unwrap().state, InferenceMarket::State::Settled);
    let won = DigitPrize::wonCall { player: w.player.address() };
    assert_eq!(
        w.rpc.call(w.prize, &won).await.unwrap(),
        U256::from(PRIZE),
        "the model reads a {DIGIT}, and the player has won"
    );
    w.rpc.execute(&w.player, Some(w.prize), DigitPrize::withdrawCall {}.abi_encode().into(), U256::ZERO).await.unwrap();
    assert_eq!(w.rpc.balance(w.prize).await.unwrap(), U256::ZERO, "and is paid");
    let credit = account::credit(&w.rpc, w.market, Address::ZERO, w.seller.address()).await.unwrap();
    assert_eq!(credit, U256::from(PRICE), "as is the seller");

    // all of it is in the chain's events
    let seen = json(&w.chain, Some(w.market), 2, &["market", "--jobs"]);
    assert_eq!((&seen["models"][0]["settled"], &seen["provers"][0]["settled"]), (&1.into(), &1.into()), "{seen}");
    assert_eq!(seen["models"][0]["earned"][Address::ZERO.to_string()], PRICE.to_string(), "{seen}");
    assert_eq!(
        (&seen["jobs"][0]["state"], &seen["jobs"][0]["buyer"]),
        (&"settled".into(), &serde_json::json!(w.prize)),
        "{seen}"
    );
    let known: B256 = text(&seen["jobs"][0]["job"]);
    assert_eq!(known, job);
}
