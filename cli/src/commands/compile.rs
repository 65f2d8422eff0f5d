//! `assay compile`.

use crate::args::CompileArgs;
use crate::card;
use crate::committed::Committed;
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::inputs;
use crate::ui::Ui;
use assay_compiler::{CompileError, Options, Phase, check as check_onnx, compile as compile_onnx};
use assay_prover::package::Metadata;
use serde_json::json;
use std::path::Path;

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

/// Compiles and writes a package.
pub fn compile(ui: &Ui, args: CompileArgs) -> Outcome {
    let output = args.output.clone().unwrap_or_else(|| args.model.with_extension("assay"));
    let prepare = card::beside(if files::is_stdout(&output) { &args.model } else { &output })?.prepare;
    let read = |path: &Path| inputs::calibration(path, prepare.as_ref());
    let calibration = read(&args.calibrate)?;
    let held_back = args.check.as_deref().map(read).transpose()?;
    let options = options(&args);
    let compiled = ui
        .phase("compile", |bar| {
            compile_onnx(&args.model, &calibration, &options, &mut |phase| {
                let text = phase_text(phase);
                ui.step("compile", &text);
                bar.set_message(text);
            })
        })
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
    let log_chunk = args.chunks.log(&compiled.architecture).map_err(|e| Failure::new(Exit::Input, e))?;
    let srs = files::srs(ui, args.srs.srs.as_deref(), log_chunk)?;
    let metadata =
        Metadata { name: args.name.clone().unwrap_or_else(|| stem(&args.model)), layer_names: compiled.layer_names };
    let mut report = compiled.report;
    let network = (metadata, compiled.architecture, compiled.weights);
    let mut committed = Committed::write(ui, network, log_chunk, &srs, output)?;
    if !report.accuracy_met {
        ui.warn("the accuracy that was asked for is not reached (see the report)");
    }
    report.cost = committed.price(ui, report.cost);
    let mut kept = json!(report);
    kept["operators"] = json!(compiled.operators);
    committed.add_files(ui, Some(&kept), &args.beside, args.srs.srs.as_deref())?;
    let held_back = checked.as_ref().map(|accuracy| format!("\nheld-back samples\n{accuracy}")).unwrap_or_default();
    let text = format!("{report}{held_back}\n{}", committed.text());
    ui.finish(committed.json(json!({ "report": report, "check": checked })), text);
    Ok(())
}
