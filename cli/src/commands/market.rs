//! `assay market`: what has happened in a market, by the chain's events.

use crate::args::MarketArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::orders::amount;
use crate::ui::Ui;
use alloy::primitives::{Address, B256};
use assay_api::chain::Rpc;
use assay_api::chain::history::{Amounts, History, JobRow, ModelRow, ProverRow};
use serde_json::json;

/// Shows models, jobs, earnings and provers.
pub async fn market(ui: &Ui, args: MarketArgs) -> Outcome {
    let rpc = Rpc::new(&args.rpc)?;
    let mut history = ui.phase_async("read", History::read(&rpc, args.market, args.from_block)).await?;
    if let Some(model) = args.model {
        history.models.retain(|row| row.model == model);
        history.jobs.retain(|_, job| job.model == model);
        if history.models.is_empty() {
            return Err(Failure::message(
                Exit::Failed,
                format!("model {model} was not listed in this market from block {} on", args.from_block),
            ));
        }
    }
    let provers = history.provers();
    let mut lines: Vec<String> = history.models.iter().map(of_model).collect();
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
    let models: Vec<_> = history.models.iter().map(|row| json!({
        "model": row.model, "model_commitment": row.commitment, "owner": row.owner, "deprecated": row.deprecated,
        "weights_proven_at": row.weights_proven_at, "funded": row.counts.funded, "settled": row.counts.settled, "returned": row.counts.returned,
        "earned": decimal(&row.earned),
    })).collect();
    let jobs: Vec<_> = if args.jobs {
        history.jobs.values().map(|job| json!({
        "job": job.job, "model": job.model, "buyer": job.buyer, "token": job.token, "price": job.price.to_string(), "state": job.stage,
        "prover": job.prover, "paid": job.paid.to_string(), "late": job.late,
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

/// Amounts as decimal strings: JSON's numbers are too small.
fn decimal(amounts: &Amounts) -> serde_json::Value {
    amounts.iter().map(|(token, sum)| (token.to_string(), json!(sum.to_string()))).collect::<serde_json::Map<_, _>>().into()
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
    let stage = format!("{:?}", job.stage).to_lowercase();
    format!("job {}  {stage:<9} model {}, {}, of {}", job.job, short(job.model), amount(job.price, job.token), job.buyer)
}

/// A model's id is a small number.
fn short(model: B256) -> String {
    alloy::primitives::U256::from_be_bytes(model.0).to_string()
}
