//! `assay compile`.

use crate::args::{CompileArgs, Objective};
use crate::card;
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::inputs;
use crate::trust::Checked;
use crate::ui::Ui;
use assay_circuits::batch::Batch;
use assay_circuits::model::Architecture;
use assay_circuits::plonk;
use assay_circuits::shape::{Shape, ShapeError};
use assay_compiler::{CompileError, Options, Phase, Report, check as check_onnx, compile as compile_onnx};
use assay_prover::output::Readers;
use assay_prover::package::{Metadata, Package, hex};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Smallest and largest log of a chunk's size that [`Objective::Gas`] chooses without need.
const GAS_LOGS: std::ops::RangeInclusive<u32> = 14..=17;
/// The largest log that it chooses for large models.
const GAS_LOG_MAX: u32 = 18;
/// From this many chunks on, doubling a chunk is worth its slower opening.
const MANY_CHUNKS: usize = 12;
const LATENCY_LOG: u32 = 13;

/// The log of the chunk size for an objective. Settling costs gas per commitment to weights and witness, and a little per doubling of the chunk: so
/// the smallest chunk that leaves two of each, if there is one.
pub fn choose_log_chunk(architecture: &Architecture, objective: Objective) -> Result<u32, ShapeError> {
    if objective == Objective::Latency {
        return Ok(LATENCY_LOG);
    }
    let mut last = 0;
    for log in GAS_LOGS {
        let [weights, tables, input, witness] = Shape::new(architecture.clone(), log)?.chunk_counts();
        if weights <= 2 && witness <= 2 {
            return Ok(log);
        }
        last = weights + tables + input + witness;
    }
    Ok(if last > MANY_CHUNKS { GAS_LOG_MAX } else { *GAS_LOGS.end() })
}

fn phase_text(phase: Phase) -> String {
    match phase {
        Phase::Read => "reading".into(),
        Phase::Import => "importing".into(),
        Phase::Reference { samples } => format!("{samples} float samples"),
        Phase::Calibrate => "calibrating".into(),
        Phase::Search { tried } => format!("trying widths ({tried})"),
        Phase::Measure => "measuring".into(),
    }
}

fn options(args: &CompileArgs) -> Options {
    Options {
        table_bits: args.table_bits,
        weight_bits: args.weight_bits,
        target_error: args.target_error,
        min_agreement: args.min_agreement,
        headroom: args.headroom,
        dims: args.dim.iter().cloned().collect(),
        ..Options::default()
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_else(|| "model".into())
}

/// What is written beside a package.
struct Beside {
    /// The buyer's key, unless it was not wanted or cannot be derived here.
    key: Option<PathBuf>,
    /// The report, which `assay explain` draws.
    report: PathBuf,
}

/// Writes the buyer's key for one inference, which the universal wrap needs no ceremony for, and the report.
fn beside(ui: &Ui, args: &CompileArgs, output: &Path, package: &Package, report: &Report) -> Outcome<Beside> {
    let path = files::beside(output, "report.json");
    let whole = json!({ "model_commitment": hex(&package.model.commitment()), "report": report });
    let text = serde_json::to_string_pretty(&whole).map_err(|e| Failure::new(Exit::Failed, e))? + "\n";
    files::write(ui, &path, Readers::Owner, text.as_bytes())?;
    if args.no_key {
        return Ok(Beside { key: None, report: path });
    }
    let key_file = files::beside(output, "key");
    let derived = Checked::derive(ui, package, Batch::ONE, args.srs.srs.as_deref());
    let key = match derived {
        Ok(checked) => {
            ui.phase("write key", |_| checked.key.write(&key_file))?;
            Some(key_file)
        }
        Err(failure) if failure.exit == Exit::Cancelled => return Err(failure),
        // the package is whole without it
        Err(failure) => {
            // a key of the model that was here before would be of another one
            let _ = std::fs::remove_file(&key_file);
            ui.warn(format!("there is no key for buyers: {}; `assay setup` makes one", failure.text()));
            None
        }
    };
    Ok(Beside { key, report: path })
}

/// Compiles and writes a package.
pub fn compile(ui: &Ui, args: CompileArgs) -> Outcome {
    let output = args.output.clone().unwrap_or_else(|| args.model.with_extension("assay"));
    let prepare = card::beside(if files::is_stdout(&output) { &args.model } else { &output })?.prepare;
    let read = |path: &Path| inputs::calibration(path, prepare.as_ref());
    let calibration = read(&args.calibrate)?;
    let held_back = args.check.as_deref().map(read).transpose()?;
    let options = options(&args);
    let compiled = ui
        .phase("compile", |bar| compile_onnx(&args.model, &calibration, &options, &mut |phase| bar.set_message(phase_text(phase))))
        .map_err(|failure| match failure.error.downcast_ref::<CompileError>() {
            // an option is the user's, not the file's
            Some(CompileError::Option { .. }) => Failure { exit: Exit::Usage, ..failure },
            _ => files::name(&args.model, failure),
        })?;
    let checked = held_back
        .map(|samples| {
            ui.phase("check", |bar| {
                bar.set_message("running held-back samples");
                check_onnx(&args.model, &compiled, &samples, &options)
            })
        })
        .transpose()?;
    let log_chunk = match args.log_chunk {
        Some(log) => log,
        None => choose_log_chunk(&compiled.architecture, args.optimize).map_err(|e| Failure::new(Exit::Input, e))?,
    };
    let srs = files::srs(ui, args.srs.srs.as_deref(), log_chunk)?;
    let metadata = Metadata { name: args.name.clone().unwrap_or_else(|| stem(&args.model)), layer_names: compiled.layer_names };
    let package = ui.phase("commit", |_| Package::new(metadata, compiled.architecture, compiled.weights, log_chunk, &srs))?;
    let bytes = ui.phase("write", |_| files::save(ui, &output, |path| Ok(package.write(path)?)))?;
    if !compiled.report.accuracy_met {
        ui.warn("the accuracy that was asked for is not reached (see the report)");
    }
    let shape = &package.model.shape;
    let [weights, tables, input, witness] = shape.chunk_counts();
    let mut report = compiled.report;
    report.cost = report.cost.with_chunks(log_chunk, (weights + tables + input + witness) as u64);
    // a shape whose circuit would be too large has no wrap
    if let Ok(circuit) =
        ui.phase("count rows", |_| plonk::Circuit::new(shape, &package.model.srs.id).map_err(|e| Failure::new(Exit::Input, e)))
    {
        report.cost = report.cost.with_rows(circuit.log_rows);
    }
    let beside = if files::is_stdout(&output) { None } else { Some(beside(ui, &args, &output, &package, &report)?) };
    let held_back = checked.as_ref().map(|accuracy| format!("\nheld-back samples\n{accuracy}")).unwrap_or_default();
    let text = format!(
        "{}{held_back}\nchunks of 2^{log_chunk} cells   {weights} weights, {tables} tables, {input} input, {witness} witness\nmodel commitment      {}\n\
         wrote {} ({bytes} bytes); it holds the weights: keep it secret{}",
        report,
        hex(&package.model.commitment()),
        output.display(),
        beside.iter().flat_map(|beside| &beside.key).map(|key| format!("\nwrote {}, for buyers", key.display())).collect::<String>(),
    );
    ui.finish(
        json!({
            "file": output, "bytes": bytes, "model_commitment": hex(&package.model.commitment()), "shape_digest": hex(&shape.model_digest),
            "log_chunk": log_chunk, "chunks": { "weights": weights, "tables": tables, "input": input, "witness": witness },
            "srs_id": hex(&package.model.srs.id), "development": srs.development, "report": report, "check": checked,
            "key": beside.as_ref().and_then(|beside| beside.key.as_ref()), "report_file": beside.as_ref().map(|beside| &beside.report),
        }),
        text,
    );
    Ok(())
}
