//! `assay run`, `assay prove`, `assay verify`.

use crate::args::{ProveArgs, RunArgs, VerifyArgs};
use crate::exit::{Context, Exit, Failure, Outcome};
use crate::files::{self, ModelFile};
use crate::proof_file::{self, Kind, ProofFile};
use crate::ui::Ui;
use alloy::primitives::Bytes;
use assay_api::engine::native::context_scalar;
use assay_circuits::exec::{self, ExecError, dequantise_output, quantise_input};
use assay_circuits::model::Architecture;
use assay_compiler::{Calibration, read_input};
use assay_prover::control::Phase;
use assay_prover::key::PublicModel;
use assay_prover::package::{BuyerKey, FileError, Package, hex, read_proving_key};
use assay_prover::pcs::encode;
use assay_prover::seller::{InputOpening, Seller};
use serde_json::json;
use std::path::Path;

/// Reads one input of a model and quantises it.
pub fn input_cells(path: &Path, architecture: &Architecture) -> Outcome<Vec<i32>> {
    let data = read_input(path, &architecture.input.shape)?;
    Ok(quantise_input(architecture, &data)?)
}

/// Runs the exact executor on every sample of a file.
pub fn run(ui: &Ui, args: RunArgs) -> Outcome {
    let package = files::package(ui, &args.model)?;
    let architecture = &package.model.shape.architecture;
    let samples = Calibration::read(&args.input)?.samples(architecture.input.cells.len())?;
    let outputs = ui.phase("execute", |_| {
        let one = |sample: &Vec<f32>| {
            let trace = exec::execute(architecture, &package.weights, &quantise_input(architecture, sample)?)?;
            Ok::<_, ExecError>(dequantise_output(architecture, &trace.output(architecture)))
        };
        samples.iter().map(one).collect::<Result<Vec<_>, _>>()
    })?;
    ui.finish(json!({ "output_data": outputs }), json!({ "output_data": outputs }));
    Ok(())
}

/// The proving key of a package: the file given, or the one beside the package, with the buyer's key beside that.
pub fn with_keys(ui: &Ui, path: &Path, pk: Option<&Path>, package: &Package) -> Outcome<(assay_prover::wrap::WrapProvingKey, BuyerKey)> {
    let pk = pk.map_or_else(|| files::beside(path, "pk"), Path::to_owned);
    let key = files::beside(&pk, "key");
    for file in [&pk, &key] {
        if !file.exists() {
            let text = format!("{} is not there: make the model's keys with `assay setup --dev {}`", file.display(), path.display());
            return Err(Failure::message(Exit::Io, text));
        }
    }
    let key = files::checked_key(ui, &key, package)?;
    let proving = ui.phase("read proving key", |_| match read_proving_key(&pk, &package.model) {
        Err(FileError::Wrap(e)) => Err(Failure::new(Exit::Input, e)),
        other => other.map_err(Failure::from),
    });
    let proving = proving.map_err(|e| files::name(&pk, e))?;
    if proving.verifying_key() != key.wrap {
        let text = format!("{} and its buyer's key do not belong together: make both again with `assay setup --dev`", pk.display());
        return Err(Failure::message(Exit::Input, text));
    }
    Ok((proving, key))
}

/// Proves one inference and writes the proof file.
pub fn prove(ui: &Ui, args: ProveArgs) -> Outcome {
    let context = proof_file::context(args.context.as_deref())?;
    let package = files::package(ui, &args.model)?;
    let cells = input_cells(&args.input, &package.model.shape.architecture)?;
    let keys = if args.inner { None } else { Some(with_keys(ui, &args.model, args.pk.as_deref(), &package)?) };
    let shape = &package.model.shape;
    let opening = if args.public_input { InputOpening::public(shape, cells) } else { InputOpening::private(shape, cells) };
    let srs = files::srs_of(ui, args.srs.srs.as_deref(), &package.model.srs, shape.layout.log_chunk)?;
    let seller = ui.phase("prepare", |_| Seller::new(package, srs))?;
    let model = |s: &Seller| s.package.model.clone();
    let scalar = context_scalar(context);
    let file = match keys {
        None => {
            ui.warn("an inner proof is not zero-knowledge: it reveals evaluations of the weights and the input; do not give it away");
            let (claim, proof) = ui.proof(7, |control| seller.prove_native(&opening, scalar, control))?;
            ProofFile::new(&model(&seller), None, context, &claim, proof.to_bytes())
        }
        Some((proving, key)) => {
            if key.is_development() {
                ui.warn("development key: its maker can forge proofs; for tests only");
            }
            let seller = seller.with_wrap_key(proving);
            let (claim, proof) = ui.proof(Phase::ALL.len(), |control| seller.prove_wrapped(&opening, scalar, control))?;
            ProofFile::new(&key.model, Some(&key.wrap), context, &claim, proof.to_bytes())
        }
    };
    let bytes = file.write(&args.output)?;
    let blinding: Vec<String> = opening.blinding.iter().map(|b| hex(&encode::fr_word(b))).collect();
    let text = format!(
        "output {}\nproof  {} bytes, {:.2} s\nwrote {}",
        json!(file.output_data),
        file.proof.len(),
        ui.seconds("prove"),
        args.output.display()
    );
    ui.finish(
        json!({
            "file": args.output, "bytes": bytes, "kind": file.kind, "proof_bytes": file.proof.len(), "output": file.output, "output_data": file.output_data,
            "model_commitment": file.model_commitment, "key_hash": file.key_hash, "context": file.context,
            "input_commitments": file.input_commitments, "input_blinding": blinding,
        }),
        text,
    );
    Ok(())
}

/// Whether a public input is the proof's.
fn check_input(ui: &Ui, args: &VerifyArgs, path: &Path, model: &PublicModel, file: &ProofFile) -> Outcome {
    let cells = input_cells(path, &model.shape.architecture)?;
    let srs = files::srs_of(ui, args.srs.srs.as_deref(), &model.srs, model.shape.layout.log_chunk)?;
    let committed = InputOpening::public(&model.shape, cells).commit(&model.shape, &srs)?;
    let have: Vec<Bytes> = committed.commitments.iter().map(|p| Bytes::copy_from_slice(&encode::g1_bytes(p))).collect();
    if have == file.input_commitments {
        return Ok(());
    }
    Err(Failure::message(Exit::Failed, "the proof is about another input, or about a private one"))
}

/// Verifies a proof file.
pub fn verify(ui: &Ui, args: VerifyArgs) -> Outcome {
    let wanted = args.context.as_deref().map(|text| proof_file::context(Some(text))).transpose()?;
    let model = files::model(ui, &args.model)?;
    let (model, key) = match &model {
        ModelFile::Key(key) => (&key.model, Some(&**key)),
        ModelFile::Package(package, key) => (&package.model, key.as_deref()),
    };
    let file = ProofFile::read(&args.proof)?;
    ui.phase("verify", |_| file.verify(model, key.map(|k| &k.wrap))).context("the proof does not hold")?;
    if wanted.is_some_and(|context| context != file.context) {
        return Err(Failure::message(Exit::Failed, format!("the proof is valid and bound to another context, {}", file.context)));
    }
    if let Some(path) = &args.input {
        check_input(ui, &args, path, model, &file)?;
    }
    let development = match (file.kind, key) {
        (Kind::Wrapped, Some(key)) => key.is_development(),
        _ => model.srs.development,
    };
    if development {
        ui.warn("development key or SRS: anybody who made it can forge proofs, so this one shows nothing");
    }
    let text = format!(
        "valid: {} proof of the model {}\ncontext {}\noutput  {}\nverified in {:.1} ms",
        if file.kind == Kind::Wrapped { "a wrapped" } else { "an inner (not zero-knowledge)" },
        file.model_commitment,
        file.context,
        json!(file.output_data),
        1e3 * ui.seconds("verify"),
    );
    ui.finish(
        json!({
            "valid": true, "kind": file.kind, "proof_bytes": file.proof.len(), "development": development, "model_commitment": file.model_commitment,
            "key_hash": file.key_hash, "context": file.context, "input_commitments": file.input_commitments, "output": file.output,
            "output_data": file.output_data,
        }),
        text,
    );
    Ok(())
}
