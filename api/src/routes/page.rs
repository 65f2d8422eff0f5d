//! `/status`: a page for people, without scripts.

use std::fmt::Write;

use axum::extract::State;
use axum::response::Html;

use crate::AppState;
use crate::error::ApiError;

/// How many predictions the page shows.
const RECENT: u32 = 20;

fn escape(text: &str) -> String {
    text.chars()
        .flat_map(|c| match c {
            '&' => "&amp;".chars().collect::<Vec<_>>(),
            '<' => "&lt;".chars().collect(),
            '>' => "&gt;".chars().collect(),
            '"' => "&quot;".chars().collect(),
            c => vec![c],
        })
        .collect()
}

/// Models and recent predictions. Only the beginning of a prediction's id is shown: the whole id is the right to read
/// it.
pub async fn index(State(state): State<AppState>) -> Result<Html<String>, ApiError> {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\">\
         <meta http-equiv=\"refresh\" content=\"5\"><title>Status · Assay</title><style>:root{color-scheme:light \
         dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;\
         margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem \
         .6rem;\
         border-bottom:1px solid #8884}code{font-size:.85em;overflow-wrap:anywhere}</style><h1>Status</h1>\
         <p><a href=\"/\">Assay</a>: inferences that come with a proof. <a href=\"/openapi.json\">OpenAPI</a> · <a \
         href=\"/metrics\">metrics</a></p>\
         <h2>Models</h2><table><tr><th>Name<th>Input<th>Output<th>Parameters<th>Id</tr>",
    );
    for m in &state.models() {
        let keys = if m.development { " <b>(development keys)</b>" } else { "" };
        let name = escape(&m.name);
        // writing to a String cannot fail
        let _ = write!(
            html,
            "<tr><td>{name}{keys}<td>{}<td>{}<td>{}<td><code>{}</code></tr>",
            shapes(&m.inputs),
            shapes(&m.outputs),
            m.parameters,
            m.id
        );
    }
    html.push_str("</table><h2>Recent predictions</h2><table><tr><th>Id<th>State<th>Paid<th>Age</tr>");
    let now = crate::store::now_ms();
    for job in state.store.list(None, None, None, RECENT).await?.into_iter().filter(|job| job.tenant.is_none()) {
        let paid = if job.chain_job.is_some() { "yes" } else { "no" };
        let age = now.saturating_sub(job.created_ms) / 1000;
        let _ = write!(
            html,
            "<tr><td><code>{}…</code><td>{}<td>{paid}<td>{age} s</tr>",
            job.id.get(..6).unwrap_or(""),
            job.state
        );
    }
    html.push_str("</table></html>");
    Ok(Html(html))
}

/// Names and shapes of tensors.
fn shapes(tensors: &[crate::engine::TensorInfo]) -> String {
    let one = |tensor: &crate::engine::TensorInfo| format!("{} {:?}", escape(&tensor.name), tensor.shape);
    tensors.iter().map(one).collect::<Vec<_>>().join(", ")
}
