//! A network whose weights have been committed to: its package on disk, and what stands beside it. `assay compile` ends
//! with it, and `assay recommit` does nothing else.

use crate::args::BesideArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::trust::Checked;
use crate::ui::Ui;
use assay_circuits::batch::Batch;
use assay_circuits::model::{Architecture, Weights};
use assay_circuits::plonk;
use assay_compiler::Cost;
use assay_compiler::chunks::MAX_WEIGHT_CHUNKS;
use assay_prover::output::Readers;
use assay_prover::package::{Metadata, Package, hex};
use assay_prover::srs::Srs;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A package that was written.
pub struct Committed {
    /// What was written.
    pub package: Package,
    output: PathBuf,
    bytes: u64,
    key: Option<PathBuf>,
    report: Option<PathBuf>,
}

impl Committed {
    /// Commits and writes the package.
    pub fn write(
        ui: &Ui,
        network: (Metadata, Architecture, Weights),
        log_chunk: u32,
        srs: &Srs,
        output: PathBuf,
    ) -> Outcome<Self> {
        let (metadata, architecture, weights) = network;
        let package = ui.phase("commit", |_| Package::new(metadata, architecture, weights, log_chunk, srs))?;
        let bytes = ui.phase("write", |_| files::save(ui, &output, |path| Ok(package.write(path)?)))?;
        let [weights, ..] = package.model.shape.chunk_counts();
        if weights > MAX_WEIGHT_CHUNKS {
            ui.warn(format!(
                "{weights} commitments to weights: a registry stores at most {MAX_WEIGHT_CHUNKS}, so this package \
                 cannot be published; `assay recommit` with a larger --log-chunk makes one that can"
            ));
        }
        Ok(Self { package, output, bytes, key: None, report: None })
    }

    /// What it costs, with the chunks and the rows of its wrap. A shape whose circuit would be too large has no wrap.
    pub fn price(&self, ui: &Ui, cost: Cost) -> Cost {
        let model = &self.package.model;
        let cost =
            cost.with_chunks(model.shape.layout.log_chunk, model.shape.chunk_counts().iter().sum::<usize>() as u64);
        let circuit = ui.phase("count rows", |_| {
            plonk::Circuit::new(&model.shape, &model.srs.id).map_err(|e| Failure::new(Exit::Input, e))
        });
        circuit.map_or(cost, |circuit| cost.with_rows(circuit.log_rows))
    }

    /// Writes the report beside the package, and the buyer's key for one inference, which the universal wrap needs no
    /// ceremony for. Nothing stands beside stdout.
    pub fn add_files(&mut self, ui: &Ui, report: Option<&Value>, wanted: &BesideArgs, srs: Option<&Path>) -> Outcome {
        if files::is_stdout(&self.output) {
            return Ok(());
        }
        if let Some(report) = report {
            let path = files::beside(&self.output, "report.json");
            let whole = json!({ "model_commitment": hex(&self.package.model.commitment()), "report": report });
            let text = serde_json::to_string_pretty(&whole).map_err(|e| Failure::new(Exit::Failed, e))? + "\n";
            files::write(ui, &path, Readers::Owner, text.as_bytes())?;
            self.report = Some(path);
        }
        if !wanted.no_key {
            self.key = self.write_key(ui, srs)?;
        }
        Ok(())
    }

    fn write_key(&self, ui: &Ui, srs: Option<&Path>) -> Outcome<Option<PathBuf>> {
        let path = files::beside(&self.output, "key");
        match Checked::derive(ui, &self.package, Batch::ONE, srs) {
            Ok(checked) => {
                ui.phase("write key", |_| checked.key.write(&path))?;
                Ok(Some(path))
            }
            Err(failure) if failure.exit == Exit::Cancelled => Err(failure),
            // the package is whole without it
            Err(failure) => {
                // a key of the model that was here before would be of another one
                let _ = std::fs::remove_file(&path);
                ui.warn(format!("there is no key for buyers: {}; `assay setup` makes one", failure.text()));
                Ok(None)
            }
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let shape = &self.package.model.shape;
        let [weights, tables, input, witness] = shape.chunk_counts();
        let key = self.key.iter().map(|key| format!("\nwrote {}, for buyers", key.display())).collect::<String>();
        format!(
            "chunks of 2^{} cells   {weights} weights, {tables} tables, {input} input, {witness} witness\nmodel \
             commitment      {}\n\
             wrote {} ({} bytes); it holds the weights: keep it secret{key}",
            shape.layout.log_chunk,
            hex(&self.package.model.commitment()),
            self.output.display(),
            self.bytes,
        )
    }

    /// For programs; `more` are further fields.
    pub fn json(&self, mut more: Value) -> Value {
        let (model, shape) = (&self.package.model, &self.package.model.shape);
        let [weights, tables, input, witness] = shape.chunk_counts();
        let own = json!({
            "file": self.output, "bytes": self.bytes, "model_commitment": hex(&model.commitment()), "shape_digest": hex(&shape.model_digest),
            "log_chunk": shape.layout.log_chunk, "chunks": { "weights": weights, "tables": tables, "input": input, "witness": witness },
            "srs_id": hex(&model.srs.id), "development": model.srs.development, "key": self.key, "report_file": self.report,
        });
        if let (Some(more), Value::Object(own)) = (more.as_object_mut(), own) {
            more.extend(own);
        }
        more
    }
}
