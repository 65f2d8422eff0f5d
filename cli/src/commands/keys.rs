//! `assay setup` and `assay verify-key`.

use crate::args::{SetupArgs, VerifyKeyArgs};
use crate::batch;
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::ui::Ui;
use assay_prover::package::{BuyerKey, Package, hex, write_proving_key};
use assay_prover::srs::Srs;
use assay_prover::wrap::{System, WrapError, WrapProvingKey};
use serde_json::json;
use std::path::Path;

/// Most output cells of a key that `KeyRegistry` stores.
const MAX_OUTPUTS: usize = 4096;
/// Log of the most chunks of such a key.
const MAX_LOG_CHUNKS: u32 = 12;

/// The SRS of a package, with the powers that the wrap's proofs take.
pub fn srs(ui: &Ui, file: Option<&Path>, package: &Package, wrap: System) -> Outcome<Srs> {
    let log = ui.phase("count powers", |_| WrapProvingKey::srs_log(wrap, &package.model.shape))?;
    files::srs_of(ui, file, &package.model.srs, log)
}

/// Makes the keys of a wrap for a package. Groth16's are development keys.
pub fn make(package: &Package, srs: &Srs, wrap: System) -> Result<(WrapProvingKey, BuyerKey), WrapError> {
    let proving = match wrap {
        System::Universal => WrapProvingKey::universal(&package.model.shape, srs)?,
        System::Groth16 => WrapProvingKey::development(&package.model.shape, &package.model.srs.id)?,
    };
    let key = BuyerKey::new(package, proving.verifying_key(), wrap == System::Groth16);
    Ok((proving, key))
}

/// Makes the keys of a package, for as many inferences as its model is for, and writes the prover's into `pk` and the
/// buyer's beside it.
pub fn write(
    ui: &Ui,
    package: &Package,
    wrap: System,
    srs: Option<&Path>,
    pk: &Path,
) -> Outcome<(WrapProvingKey, BuyerKey)> {
    let srs = self::srs(ui, srs, package, wrap)?;
    let (proving, key) = ui.phase("setup", |_| make(package, &srs, wrap))?;
    ui.phase("write", |_| {
        write_proving_key(pk, &proving, &package.model).and_then(|()| key.write(&files::beside(pk, "key")))
    })?;
    Ok((proving, key))
}

/// Makes a proving key and a buyer's key.
pub fn setup(ui: &Ui, args: SetupArgs) -> Outcome {
    let wrap = args.wrap.wrap;
    if wrap == System::Groth16 && !args.dev {
        let text = "a Groth16 key that others can trust comes from a ceremony, which is not available yet; --dev makes \
            an insecure development key, and --wrap universal needs no ceremony";
        return Err(Failure::message(Exit::Usage, text));
    }
    let batch = batch::of(args.batch.inferences.unwrap_or(1), args.batch.separate)?;
    let mut package = files::package(ui, &args.model)?;
    package.model = package.model.batched(batch)?;
    let outputs = package.model.shape.outputs();
    if outputs > MAX_OUTPUTS {
        ui.warn(format!(
            "{outputs} output cells in a proof: contracts take at most {MAX_OUTPUTS}, so these keys are \
            for use off chain"
        ));
    }
    if package.model.shape.layout.log_chunks > MAX_LOG_CHUNKS {
        ui.warn(format!(
            "more than 2^{MAX_LOG_CHUNKS} chunks: contracts take no such keys, so these are for use off chain"
        ));
    }
    let pk = args.output.unwrap_or_else(|| batch::proving_key(&args.model, batch, wrap));
    if files::is_stdout(&pk) {
        return Err(Failure::message(
            Exit::Usage,
            "two files are written, and stdout is one: name the proving key's with -o",
        ));
    }
    let key_file = files::beside(&pk, "key");
    if pk == key_file {
        return Err(Failure::message(
            Exit::Usage,
            "the proving key and the buyer's key would be the same file: choose another name with -o",
        ));
    }
    let (proving, key) = write(ui, &package, wrap, args.srs.srs.as_deref(), &pk)?;
    files::warn_key(ui, &key);
    let (pk_bytes, key_bytes) = (files::size(&pk), files::size(&key_file));
    let hash = hex(&key.wrap.hash(&key.model));
    let (size, unit) = (proving.size(), wrap.unit());
    let text = format!(
        "proofs of {}\n{wrap} wrap, {size} {unit}\nkey hash {hash}\n\
         wrote {} ({pk_bytes} bytes), for the prover\nwrote {} ({key_bytes} bytes), for buyers",
        batch,
        pk.display(),
        key_file.display()
    );
    ui.finish(
        json!({
            "proving_key": pk, "proving_key_bytes": pk_bytes, "key": key_file, "key_bytes": key_bytes, "key_hash": hash,
            "inferences": batch.inferences(), "separate_inputs": batch.is_separate(), "wrap": wrap.name(), unit: size,
            "development": key.is_development(),
        }),
        text,
    );
    Ok(())
}

/// Recomputes a buyer's key.
pub fn verify_key(ui: &Ui, args: VerifyKeyArgs) -> Outcome {
    let key = files::key(ui, &args.key)?;
    let (shape, wrap) = (&key.model.shape, key.wrap.system());
    let srs = files::srs_of(ui, args.srs.srs.as_deref(), &key.model.srs, key.wrap.srs_log(shape))?;
    ui.phase("recompute", |_| key.recompute(&srs)).map_err(|e| files::name(&args.key, e))?;
    let hash = hex(&key.wrap.hash(&key.model));
    files::warn_key(ui, &key);
    let whole = wrap == System::Universal;
    let what = if whole {
        "shape, tables, SRS and the wrap's key are what the model description gives: nothing in it is anybody's word"
    } else {
        "shape, tables, SRS and points are what the model description gives; that the Groth16 key is its circuit's \
         only a ceremony could show"
    };
    let text = format!(
        "{}: {what}\n\
         key hash         {hash}\nmodel commitment {}\nwrap             {wrap}\nproofs of        {}{}",
        args.key.display(),
        hex(&key.model.commitment()),
        shape.batch,
        if key.is_development() { "\ndevelopment      yes: for tests only" } else { "" },
    );
    ui.finish(
        json!({
            "ok": true, "key_hash": hash, "model_commitment": hex(&key.model.commitment()), "shape_digest": hex(&shape.model_digest),
            "inferences": shape.batch.inferences(), "separate_inputs": shape.batch.is_separate(), "wrap": wrap.name(), "wrap_recomputed": whole,
            "srs_id": hex(&key.model.srs.id), "development": key.is_development(),
        }),
        text,
    );
    Ok(())
}
