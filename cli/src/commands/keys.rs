//! `assay setup` and `assay verify-key`.

use crate::args::{SetupArgs, VerifyKeyArgs};
use crate::batch;
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::ui::Ui;
use assay_prover::package::{BuyerKey, hex, write_proving_key};
use assay_prover::wrap::WrapProvingKey;
use serde_json::json;

/// Most output cells of a key that `KeyRegistry` stores.
const MAX_OUTPUTS: usize = 4096;
/// Log of the most chunks of such a key.
const MAX_LOG_CHUNKS: u32 = 12;

/// Makes a development key.
pub fn setup(ui: &Ui, args: SetupArgs) -> Outcome {
    if !args.dev {
        let text = "a key that others can trust comes from a ceremony, which is not available yet; `assay setup --dev` makes an insecure development key";
        return Err(Failure::message(Exit::Usage, text));
    }
    let batch = batch::of(args.batch.inferences.unwrap_or(1), args.batch.separate)?;
    let mut package = files::package(ui, &args.model)?;
    package.model = package.model.batched(batch)?;
    let outputs = package.model.shape.outputs();
    if outputs > MAX_OUTPUTS {
        ui.warn(format!("{outputs} output cells in a proof: contracts take at most {MAX_OUTPUTS}, so these keys are for use off chain"));
    }
    if package.model.shape.layout.log_chunks > MAX_LOG_CHUNKS {
        ui.warn(format!("more than 2^{MAX_LOG_CHUNKS} chunks: contracts take no such keys, so these are for use off chain"));
    }
    if package.model.srs.development {
        files::warn_development(ui);
    }
    ui.warn("development key: whoever made it can forge proofs; for tests only");
    let proving = ui.phase("setup", |_| WrapProvingKey::development(&package.model.shape, &package.model.srs.id))?;
    let key = BuyerKey::new(&package, proving.verifying_key(), true);
    let pk = args.output.unwrap_or_else(|| batch::proving_key(&args.model, batch));
    let key_file = files::beside(&pk, "key");
    if pk == key_file {
        return Err(Failure::message(
            Exit::Usage,
            "the proving key and the buyer's key would be the same file: choose another name with -o",
        ));
    }
    ui.phase("write", |_| write_proving_key(&pk, &proving, &package.model).and_then(|()| key.write(&key_file)))?;
    let (pk_bytes, key_bytes) = (files::size(&pk), files::size(&key_file));
    let hash = hex(&key.wrap.hash(&key.model));
    let constraints = proving.constraints();
    let text = format!(
        "proofs of {}\n{constraints} constraints\nkey hash {hash}\n\
         wrote {} ({pk_bytes} bytes), for the prover\nwrote {} ({key_bytes} bytes), for buyers",
        batch::text(batch),
        pk.display(),
        key_file.display()
    );
    ui.finish(
        json!({
            "proving_key": pk, "proving_key_bytes": pk_bytes, "key": key_file, "key_bytes": key_bytes, "key_hash": hash,
            "inferences": batch.inferences(), "separate_inputs": batch.is_separate(), "constraints": constraints, "development": true,
        }),
        text,
    );
    Ok(())
}

/// Recomputes a buyer's key.
pub fn verify_key(ui: &Ui, args: VerifyKeyArgs) -> Outcome {
    let key = files::key(ui, &args.key)?;
    let srs = files::srs_of(ui, args.srs.srs.as_deref(), &key.model.srs, key.model.shape.layout.log_chunk)?;
    ui.phase("recompute", |_| key.recompute(&srs)).map_err(|e| files::name(&args.key, e))?;
    let (hash, shape) = (hex(&key.wrap.hash(&key.model)), &key.model.shape);
    if key.wrap_development {
        ui.warn("development key: it is well formed, and its maker can forge proofs; for tests only");
    }
    let text = format!(
        "{}: shape, tables, SRS and points are what the model description gives\n\
         key hash         {hash}\nmodel commitment {}\nproofs of        {}{}",
        args.key.display(),
        hex(&key.model.commitment()),
        batch::text(shape.batch),
        if key.is_development() { "\ndevelopment      yes: for tests only" } else { "" },
    );
    ui.finish(
        json!({
            "ok": true, "key_hash": hash, "model_commitment": hex(&key.model.commitment()), "shape_digest": hex(&shape.model_digest),
            "inferences": shape.batch.inferences(), "separate_inputs": shape.batch.is_separate(),
            "srs_id": hex(&key.model.srs.id), "development": key.is_development(),
        }),
        text,
    );
    Ok(())
}
