//! `assay ceremony`: the Groth16 key of a shape, made by several people.

use super::ceremony::bytes;
use crate::args::{BeaconArgs, CeremonyCommand, CircuitArgs, ContributeArgs};
use crate::batch;
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::ui::Ui;
use assay_prover::ceremony::circuit::{Circuit, Key};
use assay_prover::ceremony::{self, Beacon, Ceremony, CeremonyError};
use assay_prover::key::PublicModel;
use assay_prover::package::{BuyerKey, Package, hex, write_proving_key};
use assay_prover::srs::id_of;
use assay_prover::wrap::{System, WrapProvingKey};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Powers of tau that were verified, and are the ones that a model is committed with. Errors: also
/// [`CeremonyError::OtherPowers`].
pub fn powers(ui: &Ui, path: &Path, model: &PublicModel) -> Outcome<Ceremony> {
    let powers = ui.phase("read powers", |_| Ceremony::read(path)).map_err(|e| files::name(path, e))?;
    ui.phase("verify powers", |_| powers.verify()).map_err(|e| files::name(path, e))?;
    let same = powers.tau_g2.get(1).is_some_and(|tau| id_of(tau) == model.srs.id);
    if same { Ok(powers) } else { Err(files::name(path, CeremonyError::OtherPowers.into())) }
}

/// A circuit, and what its ceremony is held over.
struct Place {
    package: Package,
    powers: Ceremony,
    circuit: Circuit,
}

impl Place {
    fn new(ui: &Ui, args: &CircuitArgs) -> Outcome<Self> {
        let batch = batch::of(args.batch.inferences.unwrap_or(1), args.batch.separate)?;
        let mut package = files::package(ui, &args.model)?;
        package.model = package.model.batched(batch)?;
        let powers = powers(ui, &args.powers, &package.model)?;
        let circuit = ui.phase("circuit", |_| ceremony::files::circuit(&package.model))?;
        Ok(Self { package, powers, circuit })
    }

    /// Reads a key, and checks it where somebody has contributed; else it is made once more and compared.
    fn read(&self, ui: &Ui, path: &Path) -> Outcome<Key> {
        let model = &self.package.model;
        let key = ui.phase("read", |_| ceremony::files::read_key(path, model)).map_err(|e| files::name(path, e))?;
        let checked = ui.phase("verify", |_| {
            if key.transcript.0.is_empty() {
                let same = self.circuit.start(&self.powers)?.key == key.key;
                return if same { Ok(()) } else { Err(CeremonyError::Key("a point")) };
            }
            self.circuit.check(&key, &self.powers)
        });
        checked.map_err(|e: Failure| files::name(path, e))?;
        Ok(key)
    }

    fn write(&self, ui: &Ui, path: &Path, key: &Key) -> Outcome {
        ui.phase("write", |_| ceremony::files::write_key(path, &self.package.model, key))
            .map_err(|e| files::name(path, e))
    }

    fn hashes(&self, key: &Key) -> Vec<String> {
        key.transcript.hashes(&self.circuit, &key.key.vk).iter().map(|hash| hex(hash)).collect()
    }
}

/// Holds a ceremony.
pub fn ceremony(ui: &Ui, command: CeremonyCommand) -> Outcome {
    match command {
        CeremonyCommand::Start { circuit, output } => start(ui, &circuit, &output),
        CeremonyCommand::Contribute { circuit, contribution } => contribute(ui, &circuit, &contribution),
        CeremonyCommand::Beacon { circuit, beacon } => end(ui, &circuit, &beacon),
        CeremonyCommand::Verify { circuit, file, beacon, contribution } => {
            verify(ui, &circuit, &file, (beacon.as_deref(), contribution.as_deref()))
        }
        CeremonyCommand::Finish { circuit, file, output } => finish(ui, &circuit, &file, output),
    }
}

fn start(ui: &Ui, args: &CircuitArgs, output: &Path) -> Outcome {
    let place = Place::new(ui, args)?;
    let key = ui.phase("start", |_| place.circuit.start(&place.powers))?;
    place.write(ui, output, &key)?;
    let (log, bytes) = (place.circuit.power(), files::size(output));
    let text = format!(
        "{}: the key of a circuit of 2^{log} rows, without a contribution yet: `assay ceremony contribute` adds one",
        output.display()
    );
    ui.finish(json!({ "file": output, "log": log, "bytes": bytes }), text);
    Ok(())
}

fn contribute(ui: &Ui, args: &CircuitArgs, contribution: &ContributeArgs) -> Outcome {
    let place = Place::new(ui, args)?;
    let mut key = place.read(ui, &contribution.file)?;
    let done = ui.phase("contribute", |_| place.circuit.contribute(&mut key, &contribution.name));
    done.map_err(|e| files::name(&contribution.file, e))?;
    added(ui, &place, &key, &contribution.output)
}

fn end(ui: &Ui, args: &CircuitArgs, beacon: &BeaconArgs) -> Outcome {
    let value = Beacon::new(bytes(&beacon.value)?, beacon.log_iterations)?;
    let (place, from) = (Place::new(ui, args)?, &beacon.contribution);
    let mut key = place.read(ui, &from.file)?;
    ui.phase("beacon", |_| place.circuit.end(&mut key, &from.name, value)).map_err(|e| files::name(&from.file, e))?;
    added(ui, &place, &key, &from.output)
}

fn added(ui: &Ui, place: &Place, key: &Key, output: &Path) -> Outcome {
    place.write(ui, output, key)?;
    let (number, hash) = (key.transcript.0.len(), place.hashes(key).pop());
    let text = format!(
        "{}: contribution {number}\nhash {}\nkeep this hash: it is how you find your contribution again in the \
         transcript",
        output.display(),
        hash.as_deref().unwrap_or_default()
    );
    ui.finish(json!({ "file": output, "contribution": number, "hash": hash, "bytes": files::size(output) }), text);
    Ok(())
}

fn verify(ui: &Ui, args: &CircuitArgs, path: &Path, (announced, demanded): (Option<&str>, Option<&str>)) -> Outcome {
    let place = Place::new(ui, args)?;
    let key = place.read(ui, path)?;
    let (steps, hashes) = (&key.transcript.0, place.hashes(&key));
    if steps.is_empty() {
        return Err(files::name(path, CeremonyError::NoContributions.into()));
    }
    if let Some(announced) = announced
        && key.transcript.beacon().map(|beacon| &beacon.value) != Some(&bytes(announced)?)
    {
        return Err(files::name(path, CeremonyError::OtherBeacon.into()));
    }
    if let Some(demanded) = demanded
        && !hashes.iter().any(|hash| hash.eq_ignore_ascii_case(demanded))
    {
        return Err(Failure::message(
            Exit::Failed,
            format!("{}: no contribution has the hash {demanded}", path.display()),
        ));
    }
    let lines: Vec<_> = (1..)
        .zip(steps.iter().zip(&hashes))
        .map(|(i, (step, hash))| format!("{i} {}\n  {hash}", step.name()))
        .collect();
    let shown: Vec<_> =
        steps.iter().zip(&hashes).map(|(step, hash)| json!({ "name": step.name(), "hash": hash })).collect();
    let text = format!(
        "{}: the key is the circuit's, and all contributions are in order\n{}",
        path.display(),
        lines.join("\n")
    );
    ui.finish(
        json!({ "ok": true, "file": path, "contributions": shown, "beacon": key.transcript.beacon().is_some() }),
        text,
    );
    Ok(())
}

fn finish(ui: &Ui, args: &CircuitArgs, path: &Path, output: Option<PathBuf>) -> Outcome {
    let place = Place::new(ui, args)?;
    let key = place.read(ui, path)?;
    if key.transcript.0.is_empty() {
        return Err(files::name(path, CeremonyError::NoContributions.into()));
    }
    let model = &place.package.model;
    let pk = output.unwrap_or_else(|| batch::proving_key(&args.model, model.shape.batch, System::Groth16));
    let (key_file, transcript) = (files::beside(&pk, "key"), files::beside(&pk, "transcript"));
    let contributions = key.transcript.0.len();
    ui.phase("write", |_| ceremony::files::write_transcript(&transcript, model, &key.transcript))?;
    let proving = WrapProvingKey::of_ceremony(&model.shape, &model.srs.id, key.key)?;
    let buyer = BuyerKey::new(&place.package, proving.verifying_key(), false);
    ui.phase("write", |_| write_proving_key(&pk, &proving, model).and_then(|()| buyer.write(&key_file)))?;
    let hash = hex(&buyer.wrap.hash(model));
    let text = format!(
        "key hash {hash}, of {contributions} contributions\nwrote {}, for the prover\nwrote {}, for buyers\nwrote {}, \
         for whoever attests the key",
        pk.display(),
        key_file.display(),
        transcript.display()
    );
    ui.finish(
        json!({ "proving_key": pk, "key": key_file, "transcript": transcript, "key_hash": hash, "contributions": contributions }),
        text,
    );
    Ok(())
}
