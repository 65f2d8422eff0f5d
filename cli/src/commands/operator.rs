//! `assay jobs --service`: a service's predictions, for its operator.

use crate::exit::Outcome;
use crate::ui::Ui;
use assay_api::Prediction;
use assay_api::client::{Client, ClientError};
use assay_api::store::State;
use serde_json::json;

/// The predictions of a service: all, or those in one state.
pub async fn list(ui: &Ui, client: &Client, token: &str, state: Option<State>) -> Outcome {
    let predictions = ui.phase_async("ask", client.list(token, state)).await?;
    show(ui, &predictions);
    Ok(())
}

/// Has predictions that failed run again.
pub async fn retry(ui: &Ui, client: &Client, token: &str, ids: &[String]) -> Outcome {
    let all = ids.iter().any(|id| id == "all");
    let ids: Vec<String> = match all {
        true => client.list(token, Some(State::Failed)).await?.into_iter().map(|prediction| prediction.id).collect(),
        false => ids.to_vec(),
    };
    let mut predictions = Vec::with_capacity(ids.len());
    for id in &ids {
        match client.retry(token, id).await {
            Ok(prediction) => predictions.push(prediction),
            // one whose input is deleted does not keep the others back
            Err(ClientError::Problem(problem)) if all => ui.warn(format!("{id}: {}", problem.detail)),
            Err(error) => return Err(error.into()),
        }
    }
    show(ui, &predictions);
    Ok(())
}

fn show(ui: &Ui, predictions: &[Prediction]) {
    let line = |p: &Prediction| {
        let job = p.job_id.map_or_else(|| "free".to_owned(), |job| job.to_string());
        let why = p.error_detail.as_ref().map(|why| format!("  {why}")).unwrap_or_default();
        format!("{}  {:<18} {job}{why}", p.id, p.state.as_str())
    };
    let text = predictions.iter().map(line).collect::<Vec<_>>().join("\n");
    ui.finish(json!({ "predictions": predictions }), text);
}
