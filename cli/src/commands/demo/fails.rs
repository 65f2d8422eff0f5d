//! What must fail: a tampered proof, and a job that nobody serves.

use super::hold;
use super::market::World;
use super::show::coins;
use crate::commands::request;
use crate::exit::{Exit, Failure, Outcome};
use crate::ui::Ui;
use alloy::network::TransactionBuilder;
use alloy::primitives::{B256, Bytes, U256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use assay_api::chain::abi::Inference;
use assay_api::chain::abi::InferenceMarket::{InferenceMarketErrors as Errors, State};
use assay_api::chain::{ChainError, Market, Settlement, account};
use assay_api::engine::native::NativeEngine;
use assay_api::engine::{Cancel, Engine, InputOpening, input_digest, output_bytes};
use serde_json::{Value, json};
use std::time::Duration;

/// Gas limit of the transaction that must revert: estimating refuses it.
const GAS_LIMIT: u64 = 2_000_000;
/// The last byte of the proof's word `s`, after the SNARK and `D`: it stays well formed with another lowest bit.
const VALUE_END: usize = 2 * 32 - 1;

/// Calls the market without a transaction.
async fn simulate(world: &World, data: &Bytes) -> Result<(), ChainError> {
    let request = TransactionRequest::default().with_to(world.at.market).with_input(data.clone());
    world.rpc.provider().call(request).await?;
    Ok(())
}

/// Sends calldata from the seller although it will revert. Returns the gas used.
async fn send_anyway(world: &World, data: &Bytes) -> Outcome<u64> {
    let transaction = json!({ "from": world.seller.address(), "to": world.at.market, "data": data, "gas": format!("0x{GAS_LIMIT:x}") });
    // the development chain signs for its own accounts
    let hash: B256 = world
        .rpc
        .provider()
        .raw_request("eth_sendTransaction".into(), (transaction,))
        .await
        .map_err(ChainError::from)?;
    let wait = Duration::from_secs(30);
    let receipt = world.rpc.mined(&[hash], wait).await?.ok_or(ChainError::NotMined { hash, secs: wait.as_secs() })?;
    hold(!receipt.status(), "a transaction with a tampered proof reverts")?;
    Ok(receipt.gas_used)
}

/// A job that the seller locks by hand, settled with changed proofs (refused), then with the honest one (accepted).
pub async fn tampered(ui: &Ui, world: &World, engine: &NativeEngine, model: B256) -> Outcome<Value> {
    let market = Market::new(world.chain_config())?;
    let opened = request::open_input(ui, &world.key, world.input()?, Some(&world.file("srs")), false, false)?;
    let input = InputOpening { data: opened.data, blinding: opened.blinding };
    let info = engine.models().into_iter().find(|m| m.id == model);
    let info = info.ok_or_else(|| Failure::message(Exit::Failed, "the engine lost its model"))?;
    let escrow = market
        .quote(&info, info.key_hash, 1, Some(world.buyer.address()), Some(input_digest(&opened.commitments)))
        .await?;
    let (job, _) = account::fund(&world.rpc, &world.buyer, world.at.market, &escrow).await?;
    let funding = account::funding(&world.rpc, world.at.market, job).await?;
    market.ensure_credit(world.terms.token, world.terms.collateral).await?;
    world.rpc.execute(&world.seller, Some(world.at.market), market.lock_call(&funding), U256::ZERO).await?;
    let context = market.context(job).await?;
    let bundle = ui.phase("prove again", |_| engine.prove(model, &input, context, &Cancel::new(), &|_| ()))?;
    let honest = Inference {
        inputCommitments: bundle.input_commitments.concat().into(),
        output: output_bytes(&bundle.output_cells, bundle.clamps).into(),
        proof: bundle.proof.into(),
    };
    let flip = |bytes: &Bytes, at: usize| -> Bytes {
        let mut changed = bytes.to_vec();
        changed.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1);
        changed.into()
    };
    let last = honest.output.len().saturating_sub(1);
    let value_end = world.key.wrap.system().snark_bytes() + VALUE_END;
    let changes = [
        ("one bit of the proof", Inference { proof: flip(&honest.proof, value_end), ..honest.clone() }),
        ("one bit of the output", Inference { output: flip(&honest.output, 1), ..honest.clone() }),
        ("the number of clamps", Inference { output: flip(&honest.output, last), ..honest.clone() }),
    ];
    for (what, inference) in &changes {
        let data = market.settle_call(&funding, inference.clone(), Settlement::Locked).await?;
        let refused = simulate(world, &data).await;
        let invalid = matches!(&refused, Err(ChainError::Market(e)) if matches!(**e, Errors::InvalidProof(_)));
        hold(invalid, format!("with {what} changed, the contract says InvalidProof, and not {refused:?}"))?;
        ui.line(format!("  {what} changed: InvalidProof"));
    }
    let [(_, wrong), ..] = &changes;
    let gas = send_anyway(world, &market.settle_call(&funding, wrong.clone(), Settlement::Locked).await?).await?;
    hold(
        account::job(&world.rpc, world.at.market, job).await?.state == State::Locked,
        "the job is still locked after a refused settlement",
    )?;
    ui.line(format!("  the same as a transaction: reverted ({gas} gas), and the job is still locked"));
    let data = market.settle_call(&funding, honest, Settlement::Locked).await?;
    let receipt = world.rpc.execute(&world.seller, Some(world.at.market), data, U256::ZERO).await?;
    hold(
        account::job(&world.rpc, world.at.market, job).await?.state == State::Settled,
        "the honest proof settles the same job",
    )?;
    ui.line(format!("  the honest proof of the same job: settled ({} gas)", receipt.gas_used));
    Ok(json!({ "reverted_gas": gas, "settled_gas": receipt.gas_used }))
}

/// A job that nobody serves: not refunded before its expiry, refunded after it.
pub async fn unserved(ui: &Ui, world: &World, model: B256) -> Outcome<Value> {
    let market = Market::new(world.chain_config())?;
    let key = &world.key;
    let info = assay_api::engine::ModelInfo {
        batches: Vec::new(),
        id: model,
        name: key.metadata.name.clone(),
        shape_digest: key.model.shape.model_digest.into(),
        model_commitment: key.model.commitment().into(),
        key_hash: key.wrap.hash(&key.model).into(),
        wrap: key.wrap.system().name().to_owned(),
        inputs: assay_api::engine::native::inputs(&key.model.shape.architecture),
        outputs: assay_api::engine::native::outputs(&key.model.shape.architecture),
        input_chunks: 0,
        text_length: None,
        parameters: 0,
        development: true,
    };
    // the commitment of an input that nobody else ever sees
    let escrow = market.quote(&info, info.key_hash, 1, Some(world.buyer.address()), Some(B256::random())).await?;
    let price = U256::from(escrow.quote.price);
    let (job, _) = account::fund(&world.rpc, &world.buyer, world.at.market, &escrow).await?;
    let early = account::claim_refund(&world.rpc, &world.buyer, world.at.market, job).await;
    let too_early = matches!(&early, Err(ChainError::Market(e)) if matches!(**e, Errors::TooEarly(_)));
    hold(too_early, format!("before its expiry a job is not refunded, and not {early:?}"))?;
    ui.line(format!("  a job that nobody serves, {}: no refund before its expiry", coins(price)));
    world.pass_secs(u64::from(escrow.order.expire_secs) + 1).await?;
    let before = account::credit(&world.rpc, world.at.market, world.terms.token, world.buyer.address()).await?;
    let receipt = account::claim_refund(&world.rpc, &world.buyer, world.at.market, job).await?;
    let after = account::credit(&world.rpc, world.at.market, world.terms.token, world.buyer.address()).await?;
    hold(after == before + price, "the whole escrow came back to the buyer's credit")?;
    hold(account::job(&world.rpc, world.at.market, job).await?.state == State::Expired, "the job is expired")?;
    ui.line(format!(
        "  after {} s (the chain's time): refunded, credit {} -> {} ({} gas)",
        escrow.order.expire_secs,
        coins(before),
        coins(after),
        receipt.gas_used
    ));
    Ok(json!({ "refunded": price.to_string(), "gas": receipt.gas_used }))
}
