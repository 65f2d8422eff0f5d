//! `assay srs`.

use crate::args::SrsCommand;
use crate::exit::{Failure, Outcome};
use crate::files;
use crate::ui::Ui;
use assay_prover::package::hex;
use assay_prover::srs::{Srs, SrsError, file, ptau};
use serde_json::json;
use std::path::Path;

/// Makes, imports or shows an SRS.
pub fn srs(ui: &Ui, command: SrsCommand) -> Outcome {
    match command {
        SrsCommand::Dev { log, output } => {
            files::warn_development(ui);
            let srs = ui.phase("make", |_| Ok::<_, Failure>(Srs::development(log)))?;
            write(ui, &srs, &output)
        }
        SrsCommand::Import { ptau, output, log } => {
            let srs = ui.phase("read and check", |bar| {
                ptau::import(&ptau, log, &mut |done, all| bar.set_message(format!("{done} of {all} points")))
            });
            let srs = srs.map_err(|e| files::name(&ptau, e))?;
            write(ui, &srs, &output)
        }
        SrsCommand::Show { file } => {
            let srs = ui.phase("read", |_| file::load(&file)).map_err(|e| files::name(&file, e))?;
            ui.phase("check all points", |_| srs.check()).map_err(|e| files::name(&file, e))?;
            if srs.development {
                files::warn_development(ui);
            }
            show(ui, &srs, (&file, files::size(&file)), "consecutive powers of one tau")
        }
    }
}

fn write(ui: &Ui, srs: &Srs, output: &Path) -> Outcome {
    let written = ui.phase("write", |_| files::save(ui, output, |path| Ok(file::save(srs, path)?)));
    let bytes = written.map_err(|e: Failure| match e.error.downcast_ref::<SrsError>() {
        Some(_) => files::name(output, e),
        None => e,
    })?;
    show(ui, srs, (output, bytes), "written")
}

fn show(ui: &Ui, srs: &Srs, (path, bytes): (&Path, u64), what: &str) -> Outcome {
    let (id, log) = (hex(&srs.id()), srs.max_log());
    let insecure = if srs.development { "\ninsecure: a development SRS, for tests only" } else { "" };
    let text = format!(
        "{}: {what}, {bytes} bytes\nid     {id}\npowers {} (chunks of up to 2^{log} cells){insecure}",
        path.display(),
        srs.g1.len()
    );
    ui.finish(
        json!({ "file": path, "bytes": bytes, "srs_id": id, "powers": srs.g1.len(), "log": log, "development": srs.development }),
        text,
    );
    Ok(())
}
