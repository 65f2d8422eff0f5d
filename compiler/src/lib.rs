//! ONNX to the quantised model that Assay proves.
//!
//! `read` (guard) → `ops` (tract's typed graph, a network in real numbers) → float reference by tract → calibration →
//! search over widths → report. Operators, passes and scales: `docs/compiler.md`.

pub mod chunks;
mod cost;
mod net;
mod onnx;
mod ops;
mod quantise;
mod report;
mod samples;
mod search;

pub use cost::{Cost, LayerCost};
pub use onnx::{Declared, DeclaredTensor, GuardError, declared};
pub use ops::{
    ImportError, OPERATORS, Operator, ReferenceError, Refusal, UnsupportedNode, UnsupportedNodes, operators_page,
};
pub use quantise::Widths;
pub use report::{Accuracy, Loss, OutputError, Report, Step};
pub use samples::{Calibration, InputError, Wanted, read_input, wanted};

use assay_circuits::exec::ExecError;
use assay_circuits::model::{Architecture, ModelError, Weights};
use ops::MOST_PLACES;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// One inference's inputs or outputs: a list of numbers for each tensor.
pub type Sample = Vec<Vec<f32>>;

/// What the compiler may choose, and how good the result must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Width of tables (4 to 16), or `None` to let the cost model choose.
    pub table_bits: Option<u8>,
    /// The most bits of a weight, 4 to 16. Fewer are used where that is cheaper and accurate enough.
    pub weight_bits: u8,
    /// Allowed mean error as a share of each output's range; the largest error may be five times as much.
    pub target_error: f64,
    /// Share of calibration samples whose top-1 must agree with the float model.
    pub min_agreement: f64,
    /// Bits by which the published range of each input, and what it can hold, exceeds the calibrated one.
    pub headroom: f64,
    /// Calibration samples that are used at most; the rest of the file is ignored.
    pub max_samples: usize,
    /// Sizes of symbolic axes, by name.
    pub dims: BTreeMap<String, u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            table_bits: None,
            weight_bits: 16,
            target_error: 0.001,
            min_agreement: 0.99,
            headroom: 0.0,
            max_samples: 512,
            dims: BTreeMap::new(),
        }
    }
}

/// A step of the compilation, for progress displays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The file is read and checked.
    Read,
    /// The graph is lowered.
    Import,
    /// tract runs the samples.
    Reference {
        /// Number of samples.
        samples: usize,
    },
    /// Ranges of all layers are taken.
    Calibrate,
    /// Widths are tried.
    Search {
        /// How many have been tried.
        tried: usize,
    },
    /// The chosen widths are measured on all samples.
    Measure,
}

/// A compiled model.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The public half. It is valid.
    pub architecture: Architecture,
    /// The secret half. It belongs to the architecture.
    pub weights: Weights,
    /// For each layer, the ONNX node that it comes from.
    pub layer_names: Vec<String>,
    /// For each layer, that node's operator, where its name says which node it is.
    pub operators: Vec<Option<String>>,
    /// Sizes, predictions, accuracy.
    pub report: Report,
}

/// Why a model cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what each field is")]
pub enum CompileError {
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("no widths work for this model; the last problem: {0}")]
    NoWidths(ModelError),
    #[error(transparent)]
    Exec(#[from] ExecError),
    #[error(
        "input {input:?}, sample {sample}: {value} is no integer from {least} to {most}, and those are all that this \
         input may hold: integers have 16 bits, an index of a large table counts from its start, and a table that an \
         input indexes, such as a vocabulary, at most {MOST_PLACES} rows"
    )]
    Integer { input: String, sample: usize, value: f32, least: f32, most: f32 },
    #[error("the option {option} is {value} and must be in {min}..={max}")]
    Option { option: &'static str, value: f64, min: f64, max: f64 },
    #[error(
        "sample {sample}: the lowered network gives {have} outputs and tract gives {need}: please report this model"
    )]
    OutputLength { sample: usize, have: usize, need: usize },
    #[error(
        "sample {sample}, output {index}: the lowered network gives {have} and tract gives {need}: please report this \
         model"
    )]
    Lowering { sample: usize, index: usize, have: f32, need: f32 },
}

/// Compiles an ONNX file.
///
/// # Errors
/// Everything in [`CompileError`]. An accuracy that is not reached is no error: see [`Report::accuracy_met`].
pub fn compile(
    onnx: &Path,
    calibration: &Calibration,
    options: &Options,
    progress: &mut dyn FnMut(Phase),
) -> Result<Compiled, CompileError> {
    check_options(options)?;
    progress(Phase::Read);
    let (net, reference, operators) = read(onnx, &options.dims, &mut || progress(Phase::Import))?;
    let wanted: Vec<Wanted> =
        net.inputs.iter().map(|port| Wanted { name: port.name.clone(), elements: port.cells.len() }).collect();
    let mut samples = calibration.samples(&wanted)?;
    samples.truncate(options.max_samples);
    check_integers(&net.inputs, &samples)?;
    progress(Phase::Reference { samples: samples.len() });
    let float = reference.run(&samples)?;
    progress(Phase::Calibrate);
    let ranges = search::calibrate(&net, &samples, &float)?;
    let mut compiled = search::search(&net, &ranges, &samples, &float, options, progress)?;
    compiled.operators = compiled.layer_names.iter().map(|name| operators.named(name)).collect();
    Ok(compiled)
}

/// Reads a file and lowers it, and says when it has been read. A panic on the way is an error like any other: nobody
/// can list what a damaged file may hold.
fn read(
    onnx: &Path,
    dims: &BTreeMap<String, u64>,
    has_read: &mut dyn FnMut(),
) -> Result<(net::Net, ops::Reference, onnx::Operators), CompileError> {
    let read = || {
        let model = onnx::read(onnx, dims)?;
        has_read();
        let (net, reference) = ops::import(&model, dims)?;
        Ok((net, reference, onnx::Operators::of(&model)))
    };
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| ImportError::Panic)?
}

/// Integers have 16 bits, and indices those of their table. It would be found later too, but after all that takes long.
fn check_integers(inputs: &[net::NetInput], samples: &[Sample]) -> Result<(), CompileError> {
    for (sample, values) in samples.iter().enumerate() {
        for (input, values) in inputs.iter().zip(values).filter(|(input, _)| input.kind == net::Kind::Integer) {
            let places = input.places.filter(|places| *places as usize <= MOST_PLACES).unwrap_or(0);
            let least = if input.names_rows { 0.0 } else { f32::from(i16::MIN) };
            let most = f32::from(i16::MAX).max(places as f32 - 1.0);
            if let Some(value) = values.iter().find(|value| !(least..=most).contains(*value)) {
                return Err(CompileError::Integer { input: input.name.clone(), sample, value: *value, least, most });
            }
        }
    }
    Ok(())
}

/// A model lowered and run in real numbers: what [`lowering`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Lowering {
    /// Layers of the network.
    pub layers: usize,
    /// The network's outputs, for each sample.
    pub lowered: Vec<Sample>,
    /// tract's.
    pub float: Vec<Sample>,
}

impl Lowering {
    /// The largest difference of an element, as a share of its output's largest element.
    pub fn error(&self) -> f64 {
        let outputs = self.float.first().map_or(0, Vec::len);
        let of = |output: usize| {
            let elements = |samples: &[Sample]| {
                samples.iter().filter_map(|s| s.get(output)).flatten().copied().map(f64::from).collect::<Vec<_>>()
            };
            let (have, need) = (elements(&self.lowered), elements(&self.float));
            if have.len() != need.len() {
                return f64::INFINITY;
            }
            let size = need.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
            have.iter().zip(&need).fold(0f64, |m, (a, b)| m.max((a - b).abs())) / size
        };
        (0..outputs).map(of).fold(0.0, f64::max)
    }
}

/// Lowers a model and runs it in real numbers, without quantising it: whether the operators mean what tract says they
/// mean.
///
/// # Errors
/// Those of reading, lowering and running in [`CompileError`].
pub fn lowering(onnx: &Path, samples: &Calibration, dims: &BTreeMap<String, u64>) -> Result<Lowering, CompileError> {
    let (net, reference, _) = read(onnx, dims, &mut || ())?;
    let wanted: Vec<Wanted> =
        net.inputs.iter().map(|port| Wanted { name: port.name.clone(), elements: port.cells.len() }).collect();
    let samples = samples.samples(&wanted)?;
    let float = reference.run(&samples)?;
    let lowered = samples.iter().map(|sample| net::Run::of(&net, sample).outputs(&net)).collect();
    Ok(Lowering { layers: net.layers.len(), lowered, float })
}

/// How far a compiled model is from its ONNX file on samples that it has not seen.
///
/// # Errors
/// Everything in [`CompileError`].
pub fn check(
    onnx: &Path,
    compiled: &Compiled,
    held_back: &Calibration,
    options: &Options,
) -> Result<Accuracy, CompileError> {
    let (net, reference, _) = read(onnx, &options.dims, &mut || ())?;
    let samples = held_back.samples(&wanted(&compiled.architecture))?;
    let float = reference.run(&samples)?;
    Ok(search::measure(
        &compiled.architecture,
        &compiled.weights,
        &samples,
        &float,
        &search::Comparison::of(&net, &float, net.output_kinds().len()),
    )?)
}

fn check_options(options: &Options) -> Result<(), CompileError> {
    let check = |option, value: f64, min: f64, max: f64| {
        if (min..=max).contains(&value) { Ok(()) } else { Err(CompileError::Option { option, value, min, max }) }
    };
    if let Some(bits) = options.table_bits {
        check("table_bits", bits.into(), 4.0, 16.0)?;
    }
    check("weight_bits", options.weight_bits.into(), 4.0, 16.0)?;
    check("target_error", options.target_error, 1e-9, 1.0)?;
    check("min_agreement", options.min_agreement, 0.0, 1.0)?;
    check("headroom", options.headroom, 0.0, 8.0)?;
    check("max_samples", options.max_samples as f64, 1.0, 1e6)
}
