//! Compiling and proving.

use crate::refused;
use assay_circuits::batch::Batch;
use assay_circuits::exec::{self, dequantise_output, quantise_input};
use assay_circuits::shape::Shape;
use assay_compiler::chunks::log_chunk_for_gas;
use assay_compiler::{Calibration, Options, compile as compile_onnx, wanted};
use assay_prover::control::Control;
use assay_prover::package::{BuyerKey, Metadata, Package};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::{Srs, file};
use assay_prover::wrap::{System, WrapProvingKey};
use assay_verifier::ProofFile;
use assay_verifier::proof_file::{context_scalar, parse_context};
use assay_verifier::tensors::Outputs;
use pyo3::prelude::*;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The powers of tau of a file, or the development SRS, whose trapdoor is public.
fn srs(path: Option<&Path>, log: u32) -> PyResult<Srs> {
    match path {
        Some(path) => file::load(path).map_err(refused),
        None => Ok(Srs::development(log)),
    }
}

/// The universal wrap's keys of a package.
fn keys(package: &Package, path: Option<&Path>) -> PyResult<(WrapProvingKey, BuyerKey, Srs)> {
    let shape = &package.model.shape;
    let srs = srs(path, WrapProvingKey::srs_log(System::Universal, shape).map_err(refused)?)?;
    let proving = WrapProvingKey::universal(shape, &srs).map_err(refused)?;
    let key = BuyerKey::new(package, proving.verifying_key(), false);
    Ok((proving, key, srs))
}

/// Compiles an ONNX file with calibration samples and writes the package. Returns the report as JSON.
#[pyfunction]
#[pyo3(signature = (onnx, samples, output, name, target_error, srs_file=None))]
pub fn compile(
    py: Python<'_>,
    onnx: PathBuf,
    samples: Vec<Vec<f32>>,
    output: PathBuf,
    name: String,
    target_error: f64,
    srs_file: Option<PathBuf>,
) -> PyResult<String> {
    py.detach(|| {
        let options = Options { target_error, ..Options::default() };
        let made = compile_onnx(&onnx, &Calibration::from_samples(samples), &options, &mut |_| ()).map_err(refused)?;
        let log = log_chunk_for_gas(&made.architecture).map_err(refused)?;
        let metadata = Metadata { name, layer_names: made.layer_names };
        let package = Package::new(metadata, made.architecture, made.weights, log, &srs(srs_file.as_deref(), log)?)
            .map_err(refused)?;
        package.write(&output).map_err(refused)?;
        serde_json::to_string(&made.report).map_err(refused)
    })
}

/// The buyer's key of a package, as bytes.
#[pyfunction]
#[pyo3(signature = (package, srs_file=None))]
pub fn key(py: Python<'_>, package: PathBuf, srs_file: Option<PathBuf>) -> PyResult<Vec<u8>> {
    py.detach(|| {
        let package = Package::read(&package).map_err(refused)?;
        let (_, key, _) = keys(&package, srs_file.as_deref())?;
        key.to_bytes().ok_or_else(|| refused("the key cannot be written"))
    })
}

/// The cells of an input, with all tensors one after the other.
fn cells(package: &Package, input: Vec<f32>) -> PyResult<Vec<i32>> {
    let architecture = &package.model.shape.architecture;
    let samples = Calibration::from_samples(vec![input]).samples(&wanted(architecture)).map_err(refused)?;
    match &samples[..] {
        [sample] => Ok(quantise_input(architecture, sample).map_err(refused)?.cells),
        _ => Err(refused(format!("there are {} inputs, and one is needed", samples.len()))),
    }
}

/// The exact executor: what a proof would attest, in real units, as JSON.
#[pyfunction]
pub fn run(py: Python<'_>, package: PathBuf, input: Vec<f32>) -> PyResult<String> {
    py.detach(|| {
        let package = Package::read(&package).map_err(refused)?;
        let Shape { architecture, system, .. } = &package.model.shape;
        let trace = exec::run(architecture, system, &package.weights, &cells(&package, input)?).map_err(refused)?;
        let output = Outputs::new(dequantise_output(architecture, &trace.output(architecture, system)));
        // through a value, whose numbers have all digits of the floats, as those of proof files have
        serde_json::to_value(&output).map(|value| value.to_string()).map_err(refused)
    })
}

/// A wrapped proof of one inference, as a proof file.
#[pyfunction]
#[pyo3(signature = (package, input, context=None, public_input=false, srs_file=None))]
pub fn prove(
    py: Python<'_>,
    package: PathBuf,
    input: Vec<f32>,
    context: Option<String>,
    public_input: bool,
    srs_file: Option<PathBuf>,
) -> PyResult<String> {
    py.detach(|| {
        let context = context.map_or(Some(Default::default()), |text| parse_context(&text));
        let context = context
            .ok_or_else(|| refused("a context is 0x and 64 hex digits, or a text that does not begin with 0x"))?;
        let package = Package::read(&package).map_err(refused)?;
        let cells = cells(&package, input)?;
        let (proving, key, srs) = keys(&package, srs_file.as_deref())?;
        let seller =
            Seller::new(package, srs).map_err(refused)?.batched(Batch::ONE).map_err(refused)?.with_wrap_key(proving);
        let shape = seller.shape();
        let opening =
            if public_input { InputOpening::public(shape, cells) } else { InputOpening::private(shape, cells) };
        let (claim, proof) =
            seller.prove_wrapped(&opening, context_scalar(context), &Control::new()).map_err(refused)?;
        let file = ProofFile::new(&key.model, Some(&key.wrap), context, &claim, proof.to_bytes());
        serde_json::to_string(&json!(file)).map_err(refused)
    })
}
