//! `assay recommit`: commits to a package's weights anew, over another SRS or in chunks of another size, without
//! compiling again.

use crate::args::RecommitArgs;
use crate::committed::Committed;
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::ui::Ui;
use assay_compiler::Cost;
use assay_prover::package::hex;
use serde_json::{Value, json};
use std::path::Path;

/// Commits anew. The blinding is fresh, so that nobody sees from the two commitments that they are of the same weights.
pub fn recommit(ui: &Ui, args: RecommitArgs) -> Outcome {
    if args.model == args.output {
        let text = "the new package would take the place of the old one, whose keys and listings are of its \
            commitments: choose another name";
        return Err(Failure::message(Exit::Usage, text));
    }
    let package = files::package(ui, &args.model)?;
    let architecture = package.model.shape.architecture.clone();
    let log_chunk = args.chunks.log(&architecture).map_err(|e| Failure::new(Exit::Input, e))?;
    let report = report_of(&args.model, &hex(&package.model.commitment()));
    let srs = files::srs(ui, args.srs.srs.as_deref(), log_chunk)?;
    let cost = Cost::of(&architecture);
    let network = (package.metadata, architecture, package.weights);
    let mut committed = Committed::write(ui, network, log_chunk, &srs, args.output)?;
    let cost = committed.price(ui, cost);
    let report = report.map(|mut report| {
        report["cost"] = json!(cost);
        report
    });
    committed.add_files(ui, report.as_ref(), &args.beside, args.srs.srs.as_deref())?;
    let text = format!(
        "predicted time        {:.2} s (cost model, two cores)\npredicted gas         {} (cost model, not \
         measured)\n{}",
        cost.predicted_seconds,
        cost.predicted_gas,
        committed.text()
    );
    ui.finish(committed.json(json!({ "cost": cost })), text);
    Ok(())
}

/// What the compiler said of the package, if that still lies beside it.
fn report_of(model: &Path, commitment: &str) -> Option<Value> {
    let text = std::fs::read(files::beside(model, "report.json")).ok()?;
    let mut file: Value = serde_json::from_slice(&text).ok()?;
    (file["model_commitment"] == commitment).then(|| file["report"].take())
}
