//! `assay run`, `assay prove`, `assay verify`.

use super::keys;
use super::request::key_of_order;
use crate::args::{ProveArgs, RunArgs, VerifyArgs};
use crate::batch;
use crate::card;
use crate::clamp;
use crate::device;
use crate::exit::{Context, Exit, Failure, Outcome};
use crate::files::{self, ModelFile};
use crate::generate;
use crate::inputs;
use crate::proof_file;
use crate::trust::{self, Checked};
use crate::ui::Ui;
use alloy::primitives::Bytes;
use assay_api::Prediction;
use assay_api::engine::native::clamped;
use assay_api::engine::{Clamped, Outputs};
use assay_api::receipt;
use assay_circuits::batch::Batch;
use assay_circuits::exec::{self, ExecError, quantise_input};
use assay_circuits::shape::Shape;
use assay_prover::control::Phase;
use assay_prover::key::{KeyError, PublicModel};
use assay_prover::output::Readers;
use assay_prover::package::{BuyerKey, FileError, Package, hex, read_proving_key};
use assay_prover::pcs::encode;
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use assay_prover::wrap::{System, WrapProvingKey, WrapVerifyingKey};
use assay_verifier::proof_file::context_scalar;
use assay_verifier::{Kind, ProofFile};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Runs the exact executor on every sample of a file.
pub fn run(ui: &Ui, args: RunArgs) -> Outcome {
    let package = files::package(ui, &args.model)?;
    let Shape { architecture, system, .. } = &package.model.shape;
    let card = card::beside(&args.model)?;
    let samples = inputs::samples(&[args.input], architecture, card.prepare.as_ref())?;
    let outside = clamp::check(ui, architecture, &samples, args.clamping.allow_clamping)?;
    let (mut outputs, mut all_clamped) = (Vec::new(), Vec::new());
    ui.phase("execute", |_| {
        for sample in &samples {
            // architecture and weights were validated when the package was read
            let trace =
                exec::run(architecture, system, &package.weights, &quantise_input(architecture, sample)?.cells)?;
            outputs.push(Outputs::new(trace.outputs(architecture, system)));
            clamp::add(&mut all_clamped, clamped(&package.model.shape, &package.metadata.layer_names, &trace));
        }
        Ok::<_, ExecError>(())
    })?;
    clamp::report(ui, &all_clamped);
    let labels = inputs::winners(outputs.iter().map(Outputs::elements), &card.labels);
    let text = if labels.is_empty() {
        json!({ "output_data": outputs })
    } else {
        json!({ "labels": labels, "output_data": outputs })
    };
    ui.finish(json!({ "output_data": outputs, "labels": labels, "outside": outside, "clamped": all_clamped }), text);
    Ok(())
}

/// The buyer's key beside a package's proving key: it says for which batch and wrap they are. A universal proving key
/// need not be there, since it is derived.
pub fn buyer_key(ui: &Ui, path: &Path, pk: &Path, package: &Package) -> Outcome<BuyerKey> {
    let missing = |file: &Path| {
        let (file, package) = (file.display(), path.display());
        let text = format!(
            "{file} is not there: make the model's keys with `assay setup {package}` (--batch for several inferences, \
             --wrap for another wrap)"
        );
        Err(Failure::message(Exit::Io, text))
    };
    let key_file = files::beside(pk, "key");
    if !key_file.exists() {
        return missing(if pk.exists() { &key_file } else { pk });
    }
    let key = files::checked_key(ui, &key_file, package)?;
    if key.wrap.system() != System::Universal && !pk.exists() { missing(pk) } else { Ok(key) }
}

/// Where the keys of wrapped proofs come from.
enum Keys {
    /// Files that `assay setup` wrote.
    Files(PathBuf, Box<BuyerKey>),
    /// The package and the SRS: universal keys need no file.
    Derived,
}

impl Keys {
    fn find(ui: &Ui, args: &ProveArgs, package: &Package, batch: Batch) -> Outcome<Self> {
        let pk = args.pk.clone().unwrap_or_else(|| batch::proving_key(&args.model, batch, args.wrap.wrap));
        let there = pk.exists() || files::beside(&pk, "key").exists();
        if args.pk.is_none() && args.wrap.wrap == System::Universal && !there {
            return Ok(Self::Derived);
        }
        let key = buyer_key(ui, &args.model, &pk, package)?;
        Ok(Self::Files(pk, Box::new(key)))
    }
}

/// The proving key that belongs to a buyer's key: from its file, or derived where there is none.
pub fn proving_key(ui: &Ui, pk: &Path, key: &BuyerKey, srs: &Srs) -> Outcome<WrapProvingKey> {
    if key.wrap.system() == System::Universal && !pk.exists() {
        let proving = ui.phase("derive keys", |_| WrapProvingKey::universal(&key.model.shape, srs))?;
        if proving.verifying_key() != key.wrap {
            return Err(KeyError::Mismatch("the wrap's key").into());
        }
        return Ok(proving);
    }
    let proving = ui.phase("read proving key", |_| match read_proving_key(pk, &key.model, srs) {
        Err(FileError::Wrap(e)) => Err(Failure::new(Exit::Input, e)),
        other => other.map_err(Failure::from),
    });
    let proving = proving.map_err(|e| files::name(pk, e))?;
    if proving.verifying_key() != key.wrap {
        let text =
            format!("{} and its buyer's key do not belong together: make both again with `assay setup`", pk.display());
        return Err(Failure::message(Exit::Input, text));
    }
    Ok(proving)
}

/// The prompt in the input, continued.
fn generated(ui: &Ui, args: &ProveArgs, package: &Package, count: usize) -> Outcome<generate::Text> {
    let [input] = &args.input[..] else {
        return Err(Failure::message(Exit::Usage, "--generate continues one prompt: pass one --input"));
    };
    generate::greedy(ui, package, &generate::prompt(input)?, count)
}

/// Proves one inference, or a batch, and writes the proof file.
pub fn prove(ui: &Ui, args: ProveArgs) -> Outcome {
    let context = proof_file::context(args.context.as_deref())?;
    let mut package = files::package(ui, &args.model)?;
    let card = card::beside(&args.model)?;
    let text = args.generate.map(|count| generated(ui, &args, &package, count as usize)).transpose()?;
    let samples = match &text {
        Some(text) => vec![vec![text.tokens.clone()]],
        None => inputs::samples(&args.input, &package.model.shape.architecture, card.prepare.as_ref())?,
    };
    let outside = clamp::check(ui, &package.model.shape.architecture, &samples, args.clamping.allow_clamping)?;
    let asked = batch::of(args.batch.inferences.unwrap_or(1), args.batch.separate)?;
    let keys_from = if args.inner { None } else { Some(Keys::find(ui, &args, &package, asked)?) };
    let batch = if let Some(Keys::Files(_, key)) = &keys_from { key.model.shape.batch } else { asked };
    let cells = batch::cells(&package.model.shape.architecture, &samples, batch)?;
    if samples.len() < batch.inferences() {
        ui.warn(format!("{} inputs for {}: the last one fills the proof up", samples.len(), batch));
    }
    let named = args.srs.srs.as_deref();
    let (srs, keys) = match keys_from {
        None => (files::srs_of(ui, named, &package.model.srs, package.model.shape.layout.log_chunk)?, None),
        Some(Keys::Files(pk, key)) => {
            let srs = files::srs_of(ui, named, &package.model.srs, key.wrap.srs_log(&key.model.shape))?;
            let proving = proving_key(ui, &pk, &key, &srs)?;
            (srs, Some((proving, *key)))
        }
        Some(Keys::Derived) => {
            package.model = package.model.batched(batch)?;
            let srs = keys::srs(ui, named, &package, System::Universal)?;
            let made = ui.phase("derive keys", |_| keys::make(&package, &srs, System::Universal))?;
            (srs, Some(made))
        }
    };
    let srs = device::for_one_proof(srs, &package.model.shape);
    let seller = ui.phase("prepare", |_| Ok::<_, Failure>(Seller::new(package, srs)?.batched(batch)?))?;
    let shape = seller.shape();
    let opening =
        if args.public_input { InputOpening::public(shape, cells) } else { InputOpening::private(shape, cells) };
    let model = |s: &Seller| s.package.model.clone();
    let scalar = context_scalar(context);
    let (file, seller) = match keys {
        None => {
            ui.warn(
                "an inner proof is not zero-knowledge: it reveals evaluations of the weights and the input; do not \
                give it away",
            );
            let (claim, proof) = ui.proof(7, |control| seller.prove_native(&opening, scalar, control))?;
            (ProofFile::new(&model(&seller), None, context, &claim, proof.to_bytes()), seller)
        }
        Some((proving, key)) => {
            files::warn_key(ui, &key);
            let seller = seller.with_wrap_key(proving);
            let (claim, proof) =
                ui.proof(Phase::ALL.len(), |control| seller.prove_wrapped(&opening, scalar, control))?;
            (ProofFile::new(&key.model, Some(&key.wrap), context, &claim, proof.to_bytes()), seller)
        }
    };
    let clamped =
        if file.clamps > 0 { ui.phase("find clamps", |_| clamped_layers(&seller, &opening))? } else { Vec::new() };
    clamp::report(ui, &clamped);
    let bytes = proof_file::write(ui, &file, &args.output)?;
    let text_of_proof = text.as_ref().map(generate::Text::to_json);
    if let Some(text) = &text {
        ui.line(format!("tokens {}", json!(text.answer())));
        files::write(ui, &generate::beside(&args.output), Readers::Default, text.to_json().to_string().as_bytes())?;
    }
    let blinding: Vec<String> = opening.blinding.iter().map(|b| hex(&encode::fr_word(b))).collect();
    let labels = inputs::winners(file.output_data.iter().map(Outputs::elements), &card.labels);
    let text = format!(
        "{}{}\nproof  {} bytes, {:.2} s\nwrote {}",
        outputs("output ", &file),
        if labels.is_empty() { String::new() } else { format!("\nlabel  {}", labels.join(", ")) },
        file.proof.len(),
        ui.seconds("prove"),
        args.output.display()
    );
    ui.finish(
        json!({
            "text": text_of_proof, "file": args.output, "bytes": bytes, "kind": file.kind, "proof_bytes": file.proof.len(), "output": file.output, "output_data": file.output_data,
            "labels": labels, "model_commitment": file.model_commitment, "key_hash": file.key_hash, "inferences": file.inferences,
            "separate_inputs": file.separate_inputs, "inputs": samples.len(), "context": file.context, "outside": outside, "clamped": clamped,
            "clamps": file.clamps, "input_commitments": file.input_commitments, "input_blinding": blinding,
        }),
        text,
    );
    Ok(())
}

/// In which layers something was clamped: the proof says how often, and running the network once more says where. The
/// fillers of a batch count like the others.
fn clamped_layers(seller: &Seller, input: &InputOpening) -> Outcome<Vec<Clamped>> {
    let trace = seller.execute(input)?;
    Ok(clamped(seller.shape(), &seller.package.metadata.layer_names, &trace))
}

/// The outputs as text, a line for each inference.
fn outputs(title: &str, file: &ProofFile) -> String {
    if file.inferences == 1 {
        return format!("{title}{}", json!(file.output_data));
    }
    let lines = file.output_data.iter().enumerate().map(|(i, output)| format!("{title}{i} {}", json!(output)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether public inputs are the proof's: all of them; or the first ones, or those from the buyer's place on, where
/// each has commitments of its own.
fn check_input(ui: &Ui, args: &VerifyArgs, model: &PublicModel, file: &ProofFile) -> Outcome {
    let batch = batch::of(file.inferences, file.separate_inputs)?;
    let model = model.batched(batch)?;
    let shape = &model.shape;
    let samples = inputs::samples(&args.input, &shape.architecture, card::beside(&args.model)?.prepare.as_ref())?;
    let cells = batch::cells(&shape.architecture, &samples, batch)?;
    let srs = files::srs_of(ui, args.srs.srs.as_deref(), &model.srs, shape.layout.log_chunk)?;
    // with false powers another input could have this commitment
    ui.phase("check SRS", |_| srs.check())?;
    let committed = InputOpening::public(shape, cells).commit(shape, &srs)?;
    let have: Vec<Bytes> = committed.commitments.iter().map(|p| Bytes::copy_from_slice(&encode::g1_bytes(p))).collect();
    if file.input_commitments.get(file.commitments_of(samples.len())).is_some_and(|wanted| have.starts_with(wanted)) {
        return Ok(());
    }
    Err(Failure::message(Exit::Failed, "the proof is about another input, or about a private one"))
}

/// What a proof is verified with, once nothing of it is believed that can be recomputed.
struct Verifier {
    model: PublicModel,
    key: Option<Checked>,
}

impl Verifier {
    /// `shared`: whether the proof was bought together with others'.
    fn new(ui: &Ui, srs: Option<&Path>, kind: Kind, (batch, shared): (Batch, bool), model: ModelFile) -> Outcome<Self> {
        if kind == Kind::Inner {
            let model = match model {
                ModelFile::Key(key) => key.model,
                ModelFile::Package(package, _) => package.model,
            };
            trust::tables(ui, &model, srs)?;
            return Ok(Self { model, key: None });
        }
        let key = match (&model, shared) {
            // the buyer has the key for one inference, and that of the proof follows from it
            (ModelFile::Key(key) | ModelFile::Package(_, Some(key)), true) if key.model.shape.batch != batch => {
                Checked::batched(ui, key, batch, srs)?
            }
            _ => Checked::of_model(ui, model, batch, srs)?,
        };
        Ok(Self { model: key.key.model.clone(), key: Some(key) })
    }

    fn wrap(&self) -> Option<&WrapVerifyingKey> {
        self.key.as_ref().map(|checked| &checked.key.wrap)
    }

    fn is_development(&self) -> bool {
        self.key.as_ref().map_or(self.model.srs.development, |checked| checked.key.is_development())
    }
}

/// What a service answered, as a proof file. Nothing of it is believed: model and key are the user's.
async fn answered(ui: &Ui, args: &VerifyArgs, prediction: &str, model: &ModelFile) -> Outcome<ProofFile> {
    let (ModelFile::Key(key) | ModelFile::Package(_, Some(key))) = model else {
        return Err(Failure::message(
            Exit::Input,
            "a service's prediction is verified with the buyer's key: pass MODEL.key",
        ));
    };
    let (prediction, proof) = if prediction.starts_with("http://") || prediction.starts_with("https://") {
        let (base, id) = prediction
            .trim_end_matches('/')
            .rsplit_once("/v1/predictions/")
            .ok_or_else(|| Failure::message(Exit::Usage, "the address of a prediction is SERVICE/v1/predictions/ID"))?;
        let client = super::request::service(base)?;
        let prediction = client.prediction(id).await?;
        let proof = match &args.proof {
            Some(path) => read(path)?,
            None => client.proof(&prediction).await?,
        };
        (prediction, proof)
    } else {
        let text = read(Path::new(prediction))?;
        let parsed: Prediction = serde_json::from_slice(&text).map_err(|e| {
            Failure::message(Exit::Input, format!("{prediction} is no prediction as a service answers it: {e}"))
        })?;
        let path = args.proof.as_ref().ok_or_else(|| {
            let text = format!(
                "pass the proof's bytes too: GET {}",
                parsed.proof_url.as_deref().unwrap_or("/v1/predictions/ID/proof")
            );
            Failure::message(Exit::Usage, text)
        })?;
        (parsed, read(path)?)
    };
    let inferences = prediction.batch.as_ref().map_or(1, |batch| batch.statement.inferences);
    let sized = key_of_order(ui, key, inferences, args.srs.srs.as_deref())?;
    Ok(receipt::proof_file(&sized, &prediction, proof)?)
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    std::fs::read(path).map_err(files::unreadable(path))
}

/// How many tokens behind the prompt a valid proof of this input shows to be the model's own. Errors: none.
fn shown(args: &VerifyArgs, file: &ProofFile, prompt: usize) -> Outcome<usize> {
    let tokens = args.input.first().map_or(Ok(Vec::new()), |path| generate::prompt(path))?;
    let outputs = file.output_data.first().map(Outputs::elements).unwrap_or_default();
    match assay_circuits::exec::followed(&tokens, &outputs, prompt) {
        0 => Err(Failure::message(
            Exit::Failed,
            "the proof is valid, and the token behind the prompt is not the model's",
        )),
        shown => Ok(shown),
    }
}

/// Verifies a proof file, or what a service answered.
pub async fn verify(ui: &Ui, args: VerifyArgs) -> Outcome {
    let wanted = args.context.as_deref().map(|text| proof_file::context(Some(text))).transpose()?;
    let model = files::model(ui, &args.model)?;
    let file = match (&args.prediction, &args.proof) {
        (Some(prediction), _) => answered(ui, &args, prediction, &model).await?,
        (None, Some(proof)) => proof_file::read(proof)?,
        (None, None) => {
            return Err(Failure::message(
                Exit::Usage,
                "there is nothing to verify: pass a proof file, or --prediction",
            ));
        }
    };
    let batch = batch::of(file.inferences, file.separate_inputs).map_err(|e| Failure::new(Exit::Failed, e));
    let batch = batch.context("the proof does not hold")?;
    let verifier = Verifier::new(ui, args.srs.srs.as_deref(), file.kind, (batch, file.index.is_some()), model);
    let verifier = verifier.map_err(|e| files::name(&args.model, e))?;
    ui.phase("verify", |_| file.verify(&verifier.model, verifier.wrap())).context("the proof does not hold")?;
    if wanted.is_some_and(|context| context != file.context) {
        return Err(Failure::message(
            Exit::Failed,
            format!("the proof is valid and bound to another context, {}", file.context),
        ));
    }
    if args.model_commitment.is_some_and(|commitment| commitment != file.model_commitment) {
        return Err(Failure::message(
            Exit::Failed,
            format!("the proof is valid and of another model, {}", file.model_commitment),
        ));
    }
    if !args.input.is_empty() {
        check_input(ui, &args, &verifier.model, &file)?;
    }
    let shown = args.prompt.map(|prompt| shown(&args, &file, prompt as usize)).transpose()?;
    let development = verifier.is_development();
    if development {
        ui.warn("development key or SRS: anybody who made it can forge proofs, so this one shows nothing");
    }
    let text = format!(
        "valid: {} proof of {} of the model {}\n{}context {}\n{}\n{}clamps  {}\nverified in {:.1} ms",
        if file.kind == Kind::Wrapped { "a wrapped" } else { "an inner (not zero-knowledge)" },
        batch,
        file.model_commitment,
        verifier.key.as_ref().map(|checked| format!("key     {}\n", checked.text())).unwrap_or_default(),
        file.context,
        outputs("output  ", &file),
        shown.map(|n| format!("text    {n} tokens behind the prompt are the model's\n")).unwrap_or_default(),
        if file.clamps == 0 {
            "none: every value fitted its width".to_owned()
        } else {
            format!("{}: values that did not fit were clamped", file.clamps)
        },
        1e3 * ui.seconds("verify"),
    );
    let mut said = json!({
            "valid": true, "kind": file.kind, "proof_bytes": file.proof.len(), "development": development, "model_commitment": file.model_commitment,
            "key_hash": file.key_hash, "wrap_recomputed": verifier.key.as_ref().map(Checked::has_recomputed_wrap),
            "srs_id": hex(&verifier.model.srs.id), "inferences": file.inferences, "separate_inputs": file.separate_inputs, "context": file.context,
            "input_commitments": file.input_commitments, "output": file.output, "clamps": file.clamps,
            "output_data": file.output_data, "index": file.index,
    });
    // what every verifier says, and of a text how much of it
    if let (Some(shown), Some(fields)) = (shown, said.as_object_mut()) {
        fields.insert("tokens_shown".into(), json!(shown));
    }
    ui.finish(said, text);
    Ok(())
}
