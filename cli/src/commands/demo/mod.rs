//! `assay demo`: the whole market on this machine. Every step is asserted; one that does not hold ends the demo with
//! exit code 1.

mod fails;
pub mod market;
mod show;
mod transactions;

use super::weights::{self, Weights};
use super::{chain, request};
use crate::args::DemoArgs;
use crate::exit::{Context, Exit, Failure, Outcome};
use crate::files;
use crate::trust::Checked;
use crate::ui::Ui;
use alloy::primitives::{B256, U256};
use assay_api::PredictionRequest;
use assay_api::chain::abi::KeyRegistry::Status;
use assay_api::chain::{Wanted, account, check_order, context};
use assay_api::client::Client;
use assay_api::engine::{Inputs, input_digest};
use assay_api::receipt;
use assay_api::store::State;
use assay_api::terms::Escrow;
use assay_verifier::ProofFile;
use market::{Goods, Running, World};
use serde_json::{Value, json};
use show::{Balances, coins};

/// The most gas that a settlement of the built-in model may take.
const SETTLE_GAS_MAX: u64 = 450_000;
/// Collateral that the seller keeps in the market, in jobs. An account without credit pays 17,100 gas more for its next
/// settlement: a fresh storage slot.
const JOBS_OF_COLLATERAL: u64 = 10;
/// What the picture shows.
const DIGIT: usize = 7;

/// Ends the demo if something that must hold does not.
pub fn hold(holds: bool, what: impl std::fmt::Display) -> Outcome {
    if holds { Ok(()) } else { Err(Failure::message(Exit::Failed, format!("the demo does not hold: {what}"))) }
}

/// What the paid inference left behind.
struct Bought {
    file: ProofFile,
    fund_gas: u64,
    lock_gas: u64,
    settle_gas: u64,
    prove_seconds: f64,
}

/// Runs everything.
pub async fn demo(ui: &Ui, args: DemoArgs) -> Outcome {
    let goods = Goods::of(args.own);
    let world = World::prepare(ui, args.root.as_deref(), &goods, args.wrap.wrap).await?;
    let checked = Checked::new(ui, world.key.clone(), Some(&world.file("srs")))?;
    let published = chain::publish_model(
        &world.rpc,
        &world.seller,
        &world.deployer,
        world.at.market,
        &checked,
        chain::Card::default(),
    );
    let published = ui.phase_async("publish", published).await?;
    hold(published.status == Status::Admitted, "the key is admitted")?;
    ui.line(format!(
        "{:6.2} s  published as model {} (key admitted as a development key)",
        ui.seconds("publish"),
        U256::from_be_bytes(published.model.0)
    ));
    let package = files::package(ui, &world.file("assay"))?;
    let (seller, attestor, market) = (&world.seller, &world.deployer, world.at.market);
    let listing = weights::Listing { rpc: &world.rpc, seller, attestor, market, id: published.model };
    let weights = weights::prove(ui, listing, package, None).await?;
    let Weights::Proven(_, gas) = weights else { return hold(false, format!("the weights are proven: {weights}")) };
    ui.line(format!("          the seller has proven the weights to be in range and known ({gas} gas)"));
    let service = world.serve(ui, published.model).await?;
    ui.line(format!("          the service listens on {}", service.url));

    let float = U256::from(world.terms.collateral) * U256::from(JOBS_OF_COLLATERAL);
    let deposit = account::deposit(&world.rpc, &world.seller, world.at.market, world.terms.token, float);
    ui.phase_async("deposit", deposit).await?;
    ui.line(format!("          the seller deposits collateral for {JOBS_OF_COLLATERAL} jobs, {}", coins(float)));

    if goods.is_digits() {
        show::digit(ui, &service.input);
    }
    let before = world.balances().await?;
    let bought = buy(ui, &world, &service, published.model).await?;
    let after = world.balances().await?;
    let winner = show::prediction(ui, &bought.file)?;
    if goods.is_digits() {
        hold(winner == DIGIT, format!("the prediction is {winner}, the picture shows {DIGIT}"))?;
        let gas = bought.settle_gas;
        hold(gas <= SETTLE_GAS_MAX, format!("settling takes {gas} gas, at most {SETTLE_GAS_MAX} are allowed"))?;
    }
    show::balances(ui, &before, &after);
    let paid = U256::from(world.terms.price);
    hold(
        after.seller_credit == before.seller_credit + paid,
        "the contract paid the seller, and the collateral is free again",
    )?;
    let engine = service.stop().await?;

    ui.line("\nWhat must fail, fails:");
    let tampered = fails::tampered(ui, &world, engine.as_ref(), published.model).await?;
    let refunded = fails::unserved(ui, &world, published.model).await?;
    let end = world.withdraw(ui).await?;

    let transactions = transactions::all(&world.rpc).await?;
    show::transactions(ui, &transactions);
    summary(
        ui,
        &world,
        &bought,
        &transactions,
        json!({ "tampered": tampered, "unserved": refunded, "before": before, "after": after, "end": end }),
    );
    Ok(())
}

fn summary(ui: &Ui, world: &World, bought: &Bought, transactions: &[transactions::Mined], mut object: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("output_data".into(), json!(bought.file.output_data));
        fields.insert("wrap".into(), json!(world.key.wrap.system().name()));
        fields.insert("proof_bytes".into(), json!(bought.file.proof.len()));
        fields.insert("fund_gas".into(), json!(bought.fund_gas));
        fields.insert("lock_gas".into(), json!(bought.lock_gas));
        fields.insert("settle_gas".into(), json!(bought.settle_gas));
        fields.insert("service_prove_seconds".into(), json!(bought.prove_seconds));
        fields.insert("package_bytes".into(), json!(files::size(&world.file("assay"))));
        fields.insert("proving_key_bytes".into(), json!(files::size(&world.file("pk"))));
        fields.insert("key_bytes".into(), json!(files::size(&world.file("key"))));
        fields.insert("transactions".into(), json!(transactions));
    }
    let text = format!(
        "\nproof {} bytes, made in {:.2} s; settle {} gas; package {} bytes, proving key {} bytes, buyer's key {} \
         bytes\neverything held",
        bought.file.proof.len(),
        bought.prove_seconds,
        bought.settle_gas,
        files::size(&world.file("assay")),
        files::size(&world.file("pk")),
        files::size(&world.file("key")),
    );
    ui.finish(object, text);
}

/// A quote for an input, checked as a careful buyer would.
async fn order(world: &World, client: &Client, model: B256, input: B256) -> Outcome<Escrow> {
    let buyer = world.buyer.address();
    let escrow = client.quote(model, Some(buyer), Some(input)).await?;
    let key_hash = world.key.wrap.hash(&world.key.model).into();
    let wanted = Wanted {
        model,
        key_hash,
        input_commitment: input,
        buyer,
        price_max: world.terms.price,
        token: world.terms.token,
    };
    let strict = check_order(&world.rpc, world.at.market, &escrow, &wanted, false).await;
    hold(strict.is_err(), "a development key is refused unless it is accepted explicitly")?;
    let checked = check_order(&world.rpc, world.at.market, &escrow, &wanted, true)
        .await
        .context("the quote is not acceptable")?;
    hold(checked.weights_proven, "the buyer sees that the weights are proven")?;
    Ok(escrow)
}

/// The paid inference, through HTTP and the chain.
async fn buy(ui: &Ui, world: &World, service: &Running, model: B256) -> Outcome<Bought> {
    let client = Client::new(&service.url)?;
    let opened = request::open_input(ui, &world.key, world.input()?, Some(&world.file("srs")), false, false)?;
    let escrow = ui.phase_async("quote", order(world, &client, model, input_digest(&opened.commitments))).await?;
    ui.line(format!(
        "{:6.2} s  quote of {} checked against the chain",
        ui.seconds("quote"),
        coins(U256::from(escrow.quote.price))
    ));
    let post = PredictionRequest {
        max_tokens: None,
        model,
        input: Inputs::List(opened.data),
        blinding: opened.blinding,
        allow_clamping: false,
        batch: None,
        escrow: Some(escrow.clone()),
        context: None,
    };
    let posted = ui.phase_async("post", client.predict(&post, Some("demo"), None)).await?;
    let again = client.predict(&post, Some("demo"), None).await?;
    hold(again.id == posted.id, "posting again with the same key is the same prediction")?;
    let coins_before = world.rpc.balance(world.buyer.address()).await?;
    let (job, receipt) =
        ui.phase_async("fund", account::fund(&world.rpc, &world.buyer, world.at.market, &escrow)).await?;
    let spent = coins_before - world.rpc.balance(world.buyer.address()).await?;
    let fee = U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
    hold(spent == U256::from(escrow.quote.price) + fee, "the buyer paid the price and the gas, and nothing else")?;
    ui.line(format!("{:6.2} s  escrow funded: job {job}, {} gas", ui.seconds("fund"), receipt.gas_used));

    let (mut proving, mut proven) = (0i64, 0i64);
    let follow = client.follow(&posted.id, |event| match event.data.get("state").and_then(Value::as_str) {
        Some("proving") => proving = event.at_ms,
        Some("settlement_pending") => proven = event.at_ms,
        _ => {}
    });
    let done = ui.phase_async("serve", follow).await?;
    hold(done.state == State::Settled, format!("the prediction ended as {}: {:?}", done.state, done.error_detail))?;
    let prove_seconds = (proven - proving) as f64 / 1e3;
    let gas =
        |purpose: &str| done.transactions.iter().find(|t| t.purpose == purpose && t.state == "mined").map(|t| t.hash);
    let (Some(lock), Some(settle)) = (gas("lock"), gas("settle")) else {
        return Err(Failure::message(Exit::Failed, "the prediction names no mined lock and settlement"));
    };
    let lock_gas = world.rpc.receipt(lock).await?.map(|r| r.gas_used).unwrap_or_default();
    let settle_gas = world.rpc.receipt(settle).await?.map(|r| r.gas_used).unwrap_or_default();
    ui.line(format!(
        "{:6.2} s  locked ({lock_gas} gas), proven in {prove_seconds:.2} s, settled ({settle_gas} gas)",
        ui.seconds("serve")
    ));

    let proof = client.proof(&done).await?;
    let bound = context(world.rpc.chain_id().await?, world.at.market, job, world.seller.address());
    let file = ui.phase("verify", |_| receipt::verified(&world.key, &done, proof, &opened.commitments, bound))?;
    let seconds = ui.seconds("verify");
    ui.line(format!("{seconds:6.3} s  the buyer verified the proof too: {} bytes", file.proof.len()));
    Ok(Bought { file, fund_gas: receipt.gas_used, lock_gas, settle_gas, prove_seconds })
}

/// Balances of the three accounts that matter.
impl World {
    /// As they are now.
    pub async fn balances(&self) -> Outcome<Balances> {
        let credit = |account| account::credit(&self.rpc, self.at.market, self.terms.token, account);
        Ok(Balances {
            buyer_coins: self.rpc.balance(self.buyer.address()).await?,
            buyer_credit: credit(self.buyer.address()).await?,
            seller_coins: self.rpc.balance(self.seller.address()).await?,
            seller_credit: credit(self.seller.address()).await?,
            escrow: self.rpc.balance(self.at.market).await?,
        })
    }

    /// Seller and buyer take their credit out; the market must then hold nothing.
    async fn withdraw(&self, ui: &Ui) -> Outcome<Balances> {
        let now = self.balances().await?;
        for (who, credit) in [(&self.seller, now.seller_credit), (&self.buyer, now.buyer_credit)] {
            if !credit.is_zero() {
                account::withdraw(&self.rpc, who, self.at.market, self.terms.token, credit).await?;
            }
        }
        let end = self.balances().await?;
        ui.line("\nEverybody withdraws:");
        show::balances(ui, &now, &end);
        hold(end.escrow.is_zero(), "the market holds nothing after everybody has withdrawn")?;
        Ok(end)
    }
}
