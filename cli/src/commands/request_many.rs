//! `assay request` for several inputs: one quote, one transaction that pays for all of them, a proof of each. Each is
//! an order of its own from then on, so whatever fails costs one and not the others.

use super::request::{
    Buyer, Opened, Ordered, collect, find_model, key_of_order, must_pay_first, open_input, post, service,
};
use super::{chain, money};
use crate::args::{RequestArgs, ResumeArgs};
use crate::card;
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::inputs;
use crate::orders::{self, Saved};
use crate::proof_file;
use crate::trust::Checked;
use crate::ui::{Ui, say};
use alloy::primitives::{B256, U256, keccak256};
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::abi::InferenceMarket::State as Market;
use assay_api::chain::{Rpc, account};
use assay_api::client::Client;
use assay_api::engine::{Inputs, Outputs, input_digest};
use assay_api::terms::{Escrow, Order};
use assay_api::{Model, PredictionRequest};
use assay_compiler::Sample;
use assay_prover::package::BuyerKey;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Most inputs of one payment: a quote is for no more.
const MOST: usize = 256;

/// The folder of the proof files, which is made.
fn folder(args: &RequestArgs) -> Outcome<PathBuf> {
    let wanted = "several inputs are bought: name a folder with --output, where a proof file of each is kept";
    let path = args
        .output
        .as_ref()
        .filter(|path| !files::is_stdout(path))
        .ok_or_else(|| Failure::message(Exit::Usage, wanted))?;
    std::fs::create_dir_all(path)
        .map_err(|e| Failure::message(Exit::Io, format!("cannot make the folder {}: {e}", path.display())))?;
    Ok(std::path::absolute(path)?)
}

/// Buys a proven inference of each input.
pub async fn request(
    ui: &Ui,
    args: RequestArgs,
    client: &Client,
    buyer: Option<Buyer>,
    key: &BuyerKey,
    samples: Vec<Sample>,
) -> Outcome {
    let n = samples.len();
    let Some(buyer) = buyer else {
        return Err(Failure::message(
            Exit::Usage,
            format!("there are {n} inputs, and a free proof is made of one: ask for them one by one"),
        ));
    };
    if n > MOST {
        return Err(Failure::message(
            Exit::Input,
            format!("there are {n} inputs, and one payment is for {MOST} at most"),
        ));
    }
    let folder = folder(&args)?;
    let mut opened = Vec::with_capacity(n);
    for sample in samples {
        opened.push(open_input(
            ui,
            key,
            sample,
            args.srs.srs.as_deref(),
            args.public_input,
            args.clamping.allow_clamping,
        )?);
    }
    let Model { info: model, labels, .. } = find_model(client, key, args.model).await?;
    let first = opened.first().map(|one| input_digest(&one.commitments)).unwrap_or_default();
    let jobs = u32::try_from(n).unwrap_or(u32::MAX);
    let ordered = ui.phase_async("quote", buyer.order(ui, &args, client, key, &model, first, jobs)).await?;
    let mut all = orders_of(&args, &buyer, &ordered, &opened, &folder).await?;
    let batch = all.first().and_then(|saved| saved.batch.clone()).unwrap_or_default();
    let purse = all.first().map_or("your account", Saved::purse);
    ui.set_aftermath(Some(format!("nothing was paid: the money is in {purse}; `assay resume {batch}` goes on")));
    let sent = send(ui, client, &mut all).await?;
    say(format_args!("{n} orders, {sent} of them sent before the payment, kept as {batch}"));
    let gas = pay(ui, &buyer.rpc, &buyer.account, &all, &batch).await?;
    finish(ui, client, &ordered.key, all, &labels, Some(gas)).await
}

/// Takes the orders down, before anything is paid for them.
async fn orders_of(
    args: &RequestArgs,
    buyer: &Buyer,
    ordered: &Ordered,
    opened: &[Opened],
    folder: &Path,
) -> Outcome<Vec<Saved>> {
    let mut all = Vec::with_capacity(opened.len());
    for (n, one) in opened.iter().enumerate() {
        let order = Order {
            input_commitment: input_digest(&one.commitments),
            salt: B256::random(),
            ..ordered.escrow.order.clone()
        };
        let request = PredictionRequest {
            max_tokens: None,
            model: order.model_id,
            input: Inputs::List(one.data.clone()),
            blinding: one.blinding.clone(),
            allow_clamping: args.clamping.allow_clamping,
            batch: None,
            escrow: Some(Escrow { order, ..ordered.escrow.clone() }),
            context: None,
        };
        let mut saved = buyer.saved(args, &request, one, ordered.inferences).await?;
        saved.output = Some(folder.join(format!("{:04}.proof.json", n + 1)));
        all.push(saved);
    }
    let ids: Vec<u8> = all.iter().flat_map(|saved| saved.job.0).collect();
    let name = format!("batch-{}", alloy::hex::encode(&keccak256(ids)[..6]));
    for saved in &mut all {
        saved.batch = Some(name.clone());
        saved.save()?;
    }
    Ok(all)
}

/// Sends the orders that the service does not know yet, as far as it takes orders without money. Returns how many it
/// knows.
async fn send(ui: &Ui, client: &Client, all: &mut [Saved]) -> Outcome<usize> {
    for saved in all.iter_mut().filter(|saved| saved.prediction.is_none()) {
        match post(ui, client, saved).await {
            Err(failure) if must_pay_first(&failure) => break,
            other => other.map(drop)?,
        }
    }
    Ok(all.iter().filter(|saved| saved.prediction.is_some()).count())
}

/// Pays for all of them with one transaction. From here on every failure says where the money is.
async fn pay(ui: &Ui, rpc: &Rpc, account: &PrivateKeySigner, all: &[Saved], batch: &str) -> Outcome<u64> {
    let Some(first) = all.first() else { return Ok(0) };
    let price = U256::from(first.escrow.quote.price).saturating_mul(U256::from(all.len()));
    let price = orders::amount(price, first.escrow.order.token);
    ui.set_aftermath(Some(format!(
        "{price} may be in the market's escrow for {} jobs: `assay jobs` says where they are, `assay resume {batch}` \
         goes on",
        all.len()
    )));
    let escrows: Vec<&Escrow> = all.iter().map(|saved| &saved.escrow).collect();
    let receipt =
        ui.phase_async("fund", account::fund_batch(rpc, account, first.market, &escrows, first.pay_from())).await?;
    Ok(receipt.gas_used)
}

/// Fetches and verifies the proof of each, and says what became of them. One that fails holds up no other.
async fn finish(
    ui: &Ui,
    client: &Client,
    key: &BuyerKey,
    all: Vec<Saved>,
    labels: &[String],
    gas: Option<u64>,
) -> Outcome {
    let (mut rows, mut lines, mut troubles) = (Vec::new(), Vec::new(), Vec::new());
    for mut saved in all {
        match receive(ui, client, key, &mut saved, labels).await {
            Ok(row) => {
                lines.push(format!("job {}  {}", saved.job, row["file"]));
                rows.push(row);
            }
            Err(failure) => {
                let money = money::money_of(&saved).await;
                troubles.push(format!("job {}: {}; {money}", saved.job, failure.text()));
                rows.push(json!({ "job": saved.job, "verified": false, "error": failure.text(), "money": money }));
            }
        }
    }
    if troubles.is_empty() {
        ui.set_aftermath(None);
        ui.finish(json!({ "orders": rows, "fund_gas": gas, "verified": true }), lines.join("\n"));
        return Ok(());
    }
    ui.set_aftermath(Some(troubles.join("\n")));
    Err(Failure::message(Exit::Failed, format!("{} of {} orders did not end with a proof", troubles.len(), rows.len())))
}

/// The end of one order: its proof is verified and written, and its input need not be kept any longer.
async fn receive(ui: &Ui, client: &Client, key: &BuyerKey, saved: &mut Saved, labels: &[String]) -> Outcome<Value> {
    if saved.prediction.is_none() {
        post(ui, client, saved).await?;
    }
    let (done, file) = collect(ui, client, key, saved).await?;
    if let Some(path) = &saved.output {
        proof_file::write(ui, &file, path)?;
    }
    saved.request = None;
    saved.save()?;
    let labels = inputs::winners(file.own_output_data().iter().map(Outputs::elements), labels);
    Ok(json!({
        "job": saved.job, "prediction": done.id, "state": done.state, "output_data": file.own_output_data(), "labels": labels,
        "inferences": file.inferences, "context": file.context, "clamps": file.clamps, "file": saved.output, "verified": true,
    }))
}

/// Goes on with orders that are paid for together, by the market's records of them.
pub async fn resume(ui: &Ui, args: ResumeArgs, mut all: Vec<Saved>) -> Outcome {
    let usage = |text: &str| Failure::message(Exit::Usage, text.to_owned());
    if args.output.is_some() {
        return Err(usage("the orders of a batch have files of their own: leave --output out"));
    }
    let mut unpaid = Vec::new();
    for saved in &mut all {
        if let Some(service) = &args.service {
            saved.service = service.clone();
        }
        if let Some(path) = &args.key {
            saved.key = std::path::absolute(path)?;
        }
        let (record, now) = money::record(saved).await?;
        if record.state == Market::None && now <= saved.escrow.quote.valid_until {
            unpaid.push(saved.job);
        }
    }
    let Some(first) = all.first().cloned() else { return Err(usage("the batch has no orders")) };
    let srs = args.srs.srs.as_deref();
    let key = Checked::new(ui, files::key(ui, &first.key)?, srs).map_err(|e| files::name(&first.key, e))?.key;
    files::warn_key(ui, &key);
    let key = key_of_order(ui, &key, first.inferences, srs)?;
    let client = service(&first.service)?;
    let labels = card::beside(&first.key)?.labels;
    let mut gas = None;
    if !unpaid.is_empty() {
        let text = "the orders are not paid for: pass --private-key, or set ASSAY_PRIVATE_KEY";
        let account = chain::signer(args.private_key.as_deref().map(String::as_str).ok_or_else(|| usage(text))?)?;
        send(ui, &client, &mut all).await?;
        let owing: Vec<Saved> = all.iter().filter(|saved| unpaid.contains(&saved.job)).cloned().collect();
        gas = Some(pay(ui, &Rpc::new(&first.rpc)?, &account, &owing, &args.job).await?);
    }
    finish(ui, &client, &key, all, &labels, gas).await
}
