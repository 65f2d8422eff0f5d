//! `assay inspect`.

use crate::args::InspectArgs;
use crate::exit::Outcome;
use crate::files::{self, ModelFile};
use crate::ui::Ui;
use assay_api::engine::{TensorInfo, native};
use assay_circuits::model::{Architecture, Function, Instruction, Layer, Rule};
use assay_circuits::scalar::VerifyError;
use assay_circuits::soundness::{self, Term, Wrap};
use assay_circuits::{plonk, wrap};
use assay_prover::key::PublicModel;
use assay_prover::package::{BuyerKey, Metadata, hex};
use assay_prover::wrap::{System, WrappedProof};
use serde_json::{Value, json};
use std::fmt::Write;

/// A layer: its rule, and what fields the rule has.
fn describe_layer(architecture: &Architecture, name: Option<&String>, layer: &Layer) -> Value {
    let (rule, shift, limbs, parts) = match &layer.rule {
        Rule::Exact => ("exact", None, None, None),
        Rule::Requantise { shift, limbs, .. } => ("requantise", Some(*shift), Some(*limbs), None),
        Rule::Divide { limbs, parts, .. } => ("divide", None, Some(*limbs), Some(*parts)),
        Rule::Quotient { parts, .. } => ("quotient", None, None, Some(*parts)),
        Rule::SquareRoot { parts, .. } => ("square root", None, None, Some(*parts)),
        Rule::Maximum { .. } => ("maximum", None, None, None),
        Rule::Rows { .. } => ("rows", None, None, None),
    };
    let table = architecture.table(layer);
    json!({
        "name": name, "rule": rule, "cells": 1u64 << layer.log_size, "terms": layer.terms.len(), "table": table.map(|t| table_text(&t.function)),
        "table_bits": table.map(|t| t.bits), "shift": shift, "limbs": limbs, "parts": parts,
    })
}

/// A table's function in a word: of a program, its last step.
pub fn table_text(function: &Function) -> String {
    match function {
        Function::Identity => "identity".to_owned(),
        Function::Relu => "relu".to_owned(),
        Function::Real { program, .. } => match program.last() {
            Some(Instruction::Unary(last)) => format!("{last:?}").to_lowercase(),
            Some(Instruction::Binary(last)) => format!("{last:?}").to_lowercase(),
            _ => "real".to_owned(),
        },
    }
}

/// A tensor as a line: its name, shape, scale and range.
fn tensor_text(kind: &str, tensor: &TensorInfo) -> String {
    let range = tensor.range.map(|[low, high]| format!("  from {low} to {high}")).unwrap_or_default();
    format!("{kind:<18} {} {:?}  scale {}{range}", tensor.name, tensor.shape, tensor.scale)
}

/// What is public of a model, and of its proofs with this wrap, as JSON.
fn describe(metadata: &Metadata, model: &PublicModel, wrap: System) -> Value {
    let (shape, architecture) = (&model.shape, &model.shape.architecture);
    let [weights, tables, input, witness] = shape.chunk_counts();
    let layers: Vec<Value> = architecture
        .layers
        .iter()
        .enumerate()
        .map(|(i, layer)| describe_layer(architecture, metadata.layer_names.get(i), layer))
        .collect();
    json!({
        "name": metadata.name, "model_commitment": hex(&model.commitment()), "shape_digest": hex(&shape.model_digest), "srs_id": hex(&model.srs.id),
        "development_srs": model.srs.development, "inputs": native::inputs(architecture), "outputs": native::outputs(architecture),
        "log_chunk": shape.layout.log_chunk,
        "inferences": shape.batch.inferences(), "separate_inputs": shape.batch.is_separate(),
        "chunks": { "weights": weights, "tables": tables, "input": input, "witness": witness },
        "proof_bytes": WrappedProof::byte_len(shape, wrap), "wrap": wrap.name(), "layers": layers,
    })
}

fn key_fields(key: &BuyerKey) -> Value {
    json!({ "hash": hex(&key.wrap.hash(&key.model)), "recomputed": false, "contract_bytes": key.wrap.contract_bytes(&key.model).len(), "development": key.is_development() })
}

/// Rows or constraints of the wrap's circuit, and what they mean for the soundness error. Errors: a shape whose circuit
/// would be too large.
fn wrap_size(model: &PublicModel, wrap: System) -> Result<(usize, Wrap), VerifyError> {
    let (shape, srs_id) = (&model.shape, &model.srs.id);
    Ok(match wrap {
        System::Universal => {
            let circuit = plonk::Circuit::new(shape, srs_id)?;
            (circuit.used_rows, Wrap::Universal { log_rows: circuit.log_rows })
        }
        System::Groth16 => (wrap::constraints(shape, srs_id)?.a.len(), Wrap::Groth16),
    })
}

/// The soundness error's terms.
fn soundness_fields(terms: &[Term]) -> Value {
    let terms: Vec<Value> = terms
        .iter()
        .map(|term| json!({ "name": term.name, "degree": term.formula, "log2": rounded(term.degree.log2()) }))
        .collect();
    json!(terms)
}

/// With two digits.
fn rounded(value: f64) -> f64 {
    (100.0 * value).round() / 100.0
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Lines of `name  value` for the scalar fields of an object.
fn table(object: &Value, indent: &str) -> String {
    let mut text = String::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        let value = match value {
            Value::Array(items) if items.iter().any(Value::is_object) => continue,
            Value::Object(_) => {
                let parts: Vec<String> =
                    value.as_object().into_iter().flatten().map(|(k, v)| format!("{k} {}", plain(v))).collect();
                parts.join(", ")
            }
            other => plain(other),
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{indent}{:<18} {value}", name.replace('_', " "));
    }
    text
}

/// Shows a package or a key.
pub fn inspect(ui: &Ui, args: InspectArgs) -> Outcome {
    let file = files::model(ui, &args.file)?;
    let (kind, metadata, model, key) = match &file {
        ModelFile::Key(key) => ("key", &key.metadata, &key.model, Some(key)),
        ModelFile::Package(package, key) => ("package", &package.metadata, &package.model, key.as_ref()),
    };
    let wrap = key.map_or(System::default(), |key| key.wrap.system());
    let mut object = describe(metadata, model, wrap);
    if let Some(fields) = object.as_object_mut() {
        fields.insert("kind".into(), json!(kind));
        fields.insert("bytes".into(), json!(files::size(&args.file)));
        let size = wrap_size(model, wrap);
        fields.insert(format!("wrap_{}", wrap.unit()), json!(size.as_ref().ok().map(|(size, _)| size)));
        if let Ok((_, wrap)) = size {
            let terms = soundness::terms(&model.shape, wrap);
            fields.insert("soundness_bits".into(), json!(soundness::bits(&terms)));
            fields.insert("soundness_bits_of_challenges".into(), json!(rounded(soundness::bits_of_challenges(&terms))));
            fields.insert("soundness".into(), soundness_fields(&terms));
        }
        fields.insert("key".into(), key.map_or(Value::Null, |k| key_fields(k)));
    }
    match key {
        Some(key) => files::warn_key(ui, key),
        None if model.srs.development => files::warn_development(ui),
        None => {}
    }
    let mut text = table(&object, "");
    let architecture = &model.shape.architecture;
    for (kind, tensors) in [("input", native::inputs(architecture)), ("output", native::outputs(architecture))] {
        for tensor in tensors {
            let _ = writeln!(text, "{}", tensor_text(kind, &tensor));
        }
    }
    let _ =
        writeln!(text, "soundness: values of a challenge that let a false statement pass, as log2; docs/security.md");
    for term in object.get("soundness").and_then(Value::as_array).into_iter().flatten() {
        let field = |name: &str| term.get(name).map(plain).unwrap_or_default();
        let _ = writeln!(text, "  {:<24} {:<22} {:>5}", field("name"), field("degree"), field("log2"));
    }
    let _ = writeln!(text, "layers");
    for layer in object.get("layers").and_then(Value::as_array).into_iter().flatten() {
        let field = |name: &str| layer.get(name).map(plain).unwrap_or_default();
        let _ = write!(text, "  {:<24} {:<11} {:>7} cells", field("name"), field("rule"), field("cells"));
        for name in ["table", "table_bits", "shift", "limbs", "parts"] {
            if layer.get(name).is_some_and(|value| !value.is_null()) {
                let _ = write!(text, "  {} {}", name.replace('_', " "), field(name));
            }
        }
        text.push('\n');
    }
    ui.finish(object, text.trim_end());
    Ok(())
}
