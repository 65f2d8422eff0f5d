//! `assay market`: what has happened in a market, by the chain's events.

use super::request::service;
use crate::args::MarketArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::orders::amount;
use crate::ui::Ui;
use alloy::primitives::{Address, B256};
use assay_api::chain::Rpc;
use assay_api::chain::history::{Amounts, History, JobRow, ModelRow, ProverRow};
use assay_api::client::{Client, ClientError};
use assay_api::store::Checkpoint;
use assay_api::{MarketHistory, MarketJob};
use serde_json::json;

/// Shows models, jobs, earnings and provers.
pub async fn market(ui: &Ui, args: MarketArgs) -> Outcome {
    let rpc = Rpc::new(&args.rpc)?;
    if let Some(url) = &args.service {
        return compare(ui, &rpc, &args, &service(url)?).await;
    }
    let mut history = ui.phase_async("read", History::read(&rpc, args.market, args.from_block)).await?;
    let mut models = history.models();
    if let Some(model) = args.model {
        models.retain(|row| row.model == model);
        history.jobs.retain(|_, job| job.model == model);
        if models.is_empty() {
            return Err(Failure::message(
                Exit::Failed,
                format!("model {model} was not listed in this market from block {} on", args.from_block),
            ));
        }
    }
    let provers = history.provers();
    let mut lines: Vec<String> = models.iter().map(of_model).collect();
    lines.extend(provers.iter().map(|(prover, row)| of_prover(*prover, row)));
    if args.jobs {
        lines.extend(history.jobs.values().map(of_job));
    }
    if lines.is_empty() {
        lines.push("nothing has happened here".to_owned());
    }
    let provers: Vec<_> = provers
        .iter()
        .map(|(prover, row)| {
            json!({
                "prover": prover, "settled": row.settled, "late": row.late, "refunded": row.refunded, "missed": row.missed, "buyers": row.buyers,
                "earned": decimal(&row.earned),
            })
        })
        .collect();
    let models: Vec<_> = models.iter().map(|row| json!({
        "model": row.model, "model_commitment": row.commitment, "owner": row.owner, "deprecated": row.deprecated,
        "weights_proven_at": row.weights_proven_at, "funded": row.counts.funded, "settled": row.counts.settled, "returned": row.counts.returned,
        "earned": decimal(&row.earned),
    })).collect();
    let jobs: Vec<_> = if args.jobs {
        history.jobs.values().map(|job| json!({
        "job": job.job, "model": job.model, "buyer": job.buyer, "token": job.token, "price": job.price.to_string(), "state": job.stage,
        "prover": job.prover, "paid": job.paid.to_string(), "late": job.late, "funded_secs": job.funded_secs, "ended_secs": job.ended_secs,
    })).collect()
    } else {
        Vec::new()
    };
    let mut object = json!({ "market": args.market, "models": models, "provers": provers });
    if args.jobs {
        object["jobs"] = json!(jobs);
    }
    ui.finish(object, lines.join("\n"));
    Ok(())
}

/// How often the service may have read on between two questions before they are given up.
const TRIES: u32 = 5;

/// Reads the chain up to the block that a service has read, and says whether both have the same of it.
async fn compare(ui: &Ui, rpc: &Rpc, args: &MarketArgs, client: &Client) -> Outcome {
    let (said, jobs) = ui.phase_async("ask", ask(client)).await?;
    if said.market != args.market {
        return Err(Failure::message(Exit::Failed, format!("the service sells in another market, {}", said.market)));
    }
    let (Some(block), Some(hash)) = (said.block, said.block_hash) else {
        return Err(Failure::message(Exit::Failed, "the service has read nothing of the market yet"));
    };
    let from = args.from_block.max(said.from_block);
    let history = ui.phase_async("read", History::read_to(rpc, args.market, from, block)).await?;
    if rpc.block_hash(block).await? != Some(hash) {
        return Err(Failure::message(
            Exit::Failed,
            format!("the node has another block {block} than the service: ask again"),
        ));
    }
    let at = Checkpoint { block, hash };
    let read = MarketHistory::new(args.market, said.registry, said.from_block, Some(at), &history);
    let own: Vec<MarketJob> = history.jobs.values().map(MarketJob::from).collect();
    let mut differ = Vec::new();
    differences(&mut differ, "model", &said.models, &read.models, |row| row.model.to_string());
    differences(&mut differ, "prover", &said.provers, &read.provers, |row| row.prover.to_string());
    differences(&mut differ, "job", &jobs, &own, |row| row.job.to_string());
    if !differ.is_empty() {
        let text = format!("the service says otherwise than the chain, up to block {block}, of {}", differ.join(", "));
        return Err(Failure::message(Exit::Failed, text));
    }
    let (models, provers) = (read.models.len(), read.provers.len());
    let text = format!(
        "the service has what the chain has up to block {block}: {models} models, {provers} provers, {} jobs",
        own.len()
    );
    ui.finish(json!({ "market": args.market, "agrees": true, "block": block, "block_hash": hash, "models": read.models, "provers": read.provers, "jobs": own }), text);
    Ok(())
}

/// What a service says of one block.
async fn ask(client: &Client) -> Result<(MarketHistory, Vec<MarketJob>), ClientError> {
    let mut tries = 0;
    loop {
        let said = client.market().await?;
        match client.market_jobs(&said).await? {
            Some(jobs) => return Ok((said, jobs)),
            None if tries < TRIES => tries += 1,
            None => return Err(ClientError::Broken { times: tries }),
        }
    }
}

/// Names what is on one side only, or otherwise on the other.
fn differences<T: PartialEq>(into: &mut Vec<String>, what: &str, said: &[T], read: &[T], name: impl Fn(&T) -> String) {
    let odd = said.iter().filter(|row| !read.contains(row)).chain(read.iter().filter(|row| !said.contains(row)));
    for row in odd {
        let named = format!("{what} {}", name(row));
        if !into.contains(&named) {
            into.push(named);
        }
    }
}

/// Amounts as decimal strings: JSON's numbers are too small.
fn decimal(amounts: &Amounts) -> serde_json::Value {
    amounts
        .iter()
        .map(|(token, sum)| (token.to_string(), json!(sum.to_string())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn sum(amounts: &Amounts) -> String {
    let parts: Vec<String> = amounts.iter().map(|(token, sum)| amount(*sum, *token)).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn of_model(row: &ModelRow) -> String {
    let weights = if row.weights_proven_at == 0 { "weights not proven" } else { "weights proven" };
    let deprecated = if row.deprecated { ", takes no new jobs" } else { "" };
    format!(
        "model {}  of {}, {weights}{deprecated}: {} jobs, {} settled, {} given back, earned {}",
        short(row.model),
        row.owner,
        row.counts.funded,
        row.counts.settled,
        row.counts.returned,
        sum(&row.earned)
    )
}

fn of_prover(prover: Address, row: &ProverRow) -> String {
    format!(
        "prover {prover}: {} settled, {} of them late, {} refunded, {} missed, for {} buyers, earned {}",
        row.settled,
        row.late,
        row.refunded,
        row.missed,
        row.buyers,
        sum(&row.earned)
    )
}

fn of_job(job: &JobRow) -> String {
    let stage = job.stage.to_string();
    format!(
        "job {}  {stage:<9} model {}, {}, of {}",
        job.job,
        short(job.model),
        amount(job.price, job.token),
        job.buyer
    )
}

/// A model's id is a small number.
fn short(model: B256) -> String {
    alloy::primitives::U256::from_be_bytes(model.0).to_string()
}
