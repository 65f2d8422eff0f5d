//! `assay srs start`, `contribute`, `beacon` and `verify-ceremony`: powers of tau of one's own.

use crate::args::{BeaconArgs, ContributeArgs};
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::ui::Ui;
use assay_prover::ceremony::{Beacon, Ceremony, CeremonyError, Contribution};
use assay_prover::package::hex;
use assay_prover::srs::is_development;
use serde_json::{Value, json};
use std::path::Path;

/// A value in hex.
pub fn bytes(text: &str) -> Outcome<Vec<u8>> {
    let digits = text.trim_start_matches("0x");
    let pairs = digits.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let bytes: Option<Vec<u8>> = if digits.len() % 2 == 0 { pairs.collect() } else { None };
    bytes.ok_or_else(|| Failure::message(Exit::Usage, format!("{text} is not hex")))
}

fn read(ui: &Ui, path: &Path) -> Outcome<Ceremony> {
    ui.phase("read", |_| Ceremony::read(path)).map_err(|e| files::name(path, e))
}

fn write(ui: &Ui, ceremony: &Ceremony, path: &Path) -> Outcome {
    ui.phase("write", |_| ceremony.write(path)).map_err(|e| files::name(path, e))
}

/// Writes the powers that every ceremony begins with.
pub fn start(ui: &Ui, log: u32, output: &Path) -> Outcome {
    let ceremony = Ceremony::start(log)?;
    write(ui, &ceremony, output)?;
    let text =
        format!("{}: 2^{log} powers, without a contribution yet: `assay srs contribute` adds one", output.display());
    ui.finish(json!({ "file": output, "log": log, "bytes": files::size(output) }), text);
    Ok(())
}

/// What was there, verified: a contribution to something false is worth nothing.
fn verified(ui: &Ui, path: &Path) -> Outcome<Ceremony> {
    let ceremony = read(ui, path)?;
    if !ceremony.contributions.is_empty() {
        ui.phase("verify", |_| ceremony.verify()).map_err(|e| files::name(path, e))?;
    } else if ceremony.to_bytes() != Ceremony::start(ceremony.power)?.to_bytes() {
        return Err(files::name(path, CeremonyError::NoContributions.into()));
    }
    Ok(ceremony)
}

/// Adds a contribution.
pub fn contribute(ui: &Ui, args: &ContributeArgs) -> Outcome {
    let mut ceremony = verified(ui, &args.file)?;
    ui.phase("contribute", |_| ceremony.contribute(&args.name)).map_err(|e| files::name(&args.file, e))?;
    added(ui, &ceremony, &args.output, "keep this hash: it is how you find your contribution again in the transcript")
}

/// Ends a ceremony.
pub fn beacon(ui: &Ui, args: &BeaconArgs) -> Outcome {
    let from = &args.contribution;
    let beacon = Beacon::new(bytes(&args.value)?, args.log_iterations)?;
    let mut ceremony = verified(ui, &from.file)?;
    ui.phase("beacon", |_| ceremony.end(&from.name, beacon)).map_err(|e| files::name(&from.file, e))?;
    added(ui, &ceremony, &from.output, "the ceremony has ended: `assay srs import` makes an SRS of the file")
}

fn added(ui: &Ui, ceremony: &Ceremony, output: &Path, then: &str) -> Outcome {
    write(ui, ceremony, output)?;
    let (number, hash) = (ceremony.contributions.len(), ceremony.contributions.last().map(|last| hex(&last.hash())));
    let text =
        format!("{}: contribution {number}\nhash {}\n{then}", output.display(), hash.as_deref().unwrap_or_default());
    ui.finish(json!({ "file": output, "contribution": number, "hash": hash, "bytes": files::size(output) }), text);
    Ok(())
}

/// A contribution, as JSON and as text.
pub fn shown((number, contribution): (usize, &Contribution)) -> (Value, String) {
    let (name, hash) = (contribution.name(), hex(&contribution.hash()));
    let beacon = contribution
        .beacon
        .as_ref()
        .map(|beacon| json!({ "value": hex(&beacon.value), "log_iterations": beacon.log_iterations }));
    let what = match &contribution.beacon {
        Some(beacon) => format!(", beacon {} hashed 2^{} times", hex(&beacon.value), beacon.log_iterations),
        None => String::new(),
    };
    let text = format!("{number} {name}{what}\n  {hash}");
    (json!({ "number": number, "name": name, "hash": hash, "beacon": beacon }), text)
}

/// Verifies all of a ceremony.
pub fn verify(ui: &Ui, path: &Path, announced: Option<&str>, demanded: Option<&str>) -> Outcome {
    let ceremony = read(ui, path)?;
    ui.phase("verify", |_| ceremony.verify()).map_err(|e| files::name(path, e))?;
    if let Some(announced) = announced
        && ceremony.beacon().map(|beacon| &beacon.value) != Some(&bytes(announced)?)
    {
        return Err(files::name(path, CeremonyError::OtherBeacon.into()));
    }
    let (json, text): (Vec<_>, Vec<_>) = (1..).zip(&ceremony.contributions).map(shown).unzip();
    if let Some(demanded) = demanded
        && !ceremony.contributions.iter().any(|contribution| hex(&contribution.hash()).eq_ignore_ascii_case(demanded))
    {
        let text = format!("{}: no contribution has the hash {demanded}", path.display());
        return Err(Failure::message(Exit::Failed, text));
    }
    let ended = ceremony.beacon().is_some();
    if !ended {
        ui.warn("no beacon ended this ceremony: whoever contributed last could choose among many results");
    }
    let development = ceremony.tau_g2.get(1).is_some_and(is_development);
    if development {
        files::warn_development(ui);
    }
    let text = format!("{}: 2^{} powers, all in order\n{}", path.display(), ceremony.power, text.join("\n"));
    ui.finish(
        json!({
            "ok": true, "file": path, "log": ceremony.power, "ceremony_log": ceremony.ceremony_power, "contributions": json, "beacon": ended,
            "development": development,
        }),
        text,
    );
    Ok(())
}
