//! `assay srs`.

use super::ceremony;
use crate::args::{SrsCommand, SrsSize};
use crate::exit::{Exit, Failure, Outcome};
use crate::files::{self, ModelFile};
use crate::kept;
use crate::ui::Ui;
use assay_prover::ceremony::known::{self, Known};
use assay_prover::package::hex;
use assay_prover::srs::{Srs, SrsError, file, ptau};
use assay_prover::wrap::{System, WrapProvingKey};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Powers that are kept where nobody says how many: enough for all models of the documentation.
const USUAL_LOG: u32 = 18;

/// Makes, imports or shows an SRS, or holds a ceremony for one.
pub fn srs(ui: &Ui, command: SrsCommand) -> Outcome {
    match command {
        SrsCommand::Dev { log, output } => {
            files::warn_development(ui);
            let srs = ui.phase("make", |_| Ok::<_, Failure>(Srs::development(log)))?;
            write(ui, &srs, &output, Value::Null)
        }
        SrsCommand::Where(size) => named(ui, size.needed(ui)?.unwrap_or(USUAL_LOG)),
        SrsCommand::Import { ptau, output, size, blake2b } => import(ui, &ptau, output, &size, blake2b.as_deref()),
        SrsCommand::Show { file } => {
            let srs = ui.phase("read", |_| file::load(&file)).map_err(|e| files::name(&file, e))?;
            ui.phase("check all points", |_| srs.check()).map_err(|e| files::name(&file, e))?;
            if srs.development {
                files::warn_development(ui);
            }
            show(ui, &srs, (&file, files::size(&file)), "consecutive powers of one tau", Value::Null)
        }
        SrsCommand::Start { log, output } => ceremony::start(ui, log, &output),
        SrsCommand::Contribute(args) => ceremony::contribute(ui, &args),
        SrsCommand::Beacon(args) => ceremony::beacon(ui, &args),
        SrsCommand::VerifyCeremony { file, beacon, contribution } => {
            ceremony::verify(ui, &file, beacon.as_deref(), contribution.as_deref())
        }
    }
}

impl SrsSize {
    /// The log of the powers that are asked for, if any are.
    fn needed(&self, ui: &Ui) -> Outcome<Option<u32>> {
        let Some(path) = &self.model else { return Ok(self.log) };
        let shape = match files::model(ui, path)? {
            ModelFile::Key(key) => key.model.shape.clone(),
            ModelFile::Package(package, _) => package.model.shape.clone(),
        };
        Ok(Some(ui.phase("count powers", |_| WrapProvingKey::srs_log(System::Universal, &shape))?))
    }
}

/// Says which file of the large ceremony has enough powers.
fn named(ui: &Ui, log: u32) -> Outcome {
    let known =
        known::of_size(log).ok_or_else(|| Failure::message(Exit::Input, format!("no ceremony has 2^{log} powers")))?;
    let (name, url, bytes) = (known.name(), known.url(), known.approximate_bytes());
    let text = format!(
        "2^{log} powers of tau: the perpetual ceremony, as Hermez ended it in 2020 with 54 contributions and a beacon, \
         cut down to 2^{}\n\
         address {url}\nsize    about {} MB\nblake2b {}\nthen    assay srs import {name}",
        known.log,
        bytes.div_ceil(1_000_000),
        known.blake2b
    );
    ui.finish(json!({ "file": name, "url": url, "log": known.log, "bytes": bytes, "blake2b": known.blake2b }), text);
    Ok(())
}

/// Compares a file's hash with the one that is demanded, and with the one that is published for a file of this name.
/// Returns which known file it is.
fn identify(path: &Path, hash: &str, demanded: Option<&str>) -> Outcome<Option<&'static Known>> {
    let refused = |text: String| Err(Failure::message(Exit::Failed, format!("{}: {text}", path.display())));
    if let Some(demanded) = demanded
        && !demanded.trim_start_matches("0x").eq_ignore_ascii_case(hash)
    {
        return refused(format!("its BLAKE2b-512 is {hash}, not {demanded}: it is another file"));
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match (known::of_hash(hash), known::of_name(name)) {
        (None, Some(published)) => refused(format!(
            "its BLAKE2b-512 is {hash}, and that of the file published under this name is {}: get it again",
            published.blake2b
        )),
        (known, _) => Ok(known),
    }
}

fn import(ui: &Ui, path: &Path, output: Option<PathBuf>, size: &SrsSize, demanded: Option<&str>) -> Outcome {
    let needed = size.needed(ui)?;
    let hash = ui.phase("hash", |_| known::hash(path).map_err(SrsError::Io)).map_err(|e| files::name(path, e))?;
    let known = identify(path, &hash, demanded)?;
    let imported = ui.phase("read and check", |bar| {
        let log = needed.map_or_else(|| ptau::power(path).map(|have| have.min(USUAL_LOG)), Ok)?;
        ptau::import(path, log, &mut |done, all| bar.set_message(format!("{done} of {all} points")))
    });
    let imported = imported.map_err(|e| files::name(path, e))?;
    let ended = imported.contributions.last().is_some_and(|last| last.beacon.is_some());
    if known.is_none() {
        ui.warn(format!(
            "nothing here knows this file: {} contributions{} are in order, and whether one of their makers was honest \
             is for you to judge",
            imported.contributions.len(),
            if ended { " and the beacon" } else { ", without a beacon," },
        ));
    }
    let output = output.map_or_else(|| imported_place(&imported.srs), Ok)?;
    let ceremony = json!({
        "blake2b": hash, "published_as": known.map(Known::name), "contributions": imported.contributions.len(), "beacon": ended,
    });
    write(ui, &imported.srs, &output, ceremony)
}

/// The place in the cache folder, which is made.
fn imported_place(srs: &Srs) -> Outcome<PathBuf> {
    let path = files::imported_srs(&srs.id());
    path.parent().map_or(Ok(()), kept::create)?;
    Ok(path)
}

fn write(ui: &Ui, srs: &Srs, output: &Path, ceremony: Value) -> Outcome {
    let written = ui.phase("write", |_| files::save(ui, output, |path| Ok(file::save(srs, path)?)));
    let bytes = written.map_err(|e: Failure| match e.error.downcast_ref::<SrsError>() {
        Some(_) => files::name(output, e),
        None => e,
    })?;
    show(ui, srs, (output, bytes), "written", ceremony)
}

fn show(ui: &Ui, srs: &Srs, (path, bytes): (&Path, u64), what: &str, ceremony: Value) -> Outcome {
    let (id, log) = (hex(&srs.id()), srs.max_log());
    let insecure = if srs.development { "\ninsecure: a development SRS, for tests only" } else { "" };
    let text = format!(
        "{}: {what}, {bytes} bytes\nid     {id}\npowers {} (chunks of up to 2^{log} cells){insecure}",
        path.display(),
        srs.g1.len()
    );
    ui.finish(
        json!({
            "file": path, "bytes": bytes, "srs_id": id, "powers": srs.g1.len(), "log": log, "development": srs.development, "ceremony": ceremony,
        }),
        text,
    );
    Ok(())
}
