//! ONNX to the quantised model that Assay proves.
//!
//! `read` (guard) → `import` (one walk, fusions, views) → float reference by tract → calibration → search over widths → report.
//! Operators, passes and scales: `docs/compiler.md`.

mod cost;
mod import;
mod net;
mod onnx;
mod quantise;
mod reference;
mod report;
mod samples;
mod search;

pub use cost::Cost;
pub use import::{Form, ImportError, UnsupportedNode, UnsupportedNodes};
pub use onnx::GuardError;
pub use quantise::Widths;
pub use reference::ReferenceError;
pub use report::{Accuracy, Report};
pub use samples::{Calibration, InputError, read_input};

use assay_circuits::exec::ExecError;
use assay_circuits::model::{Architecture, ModelError, Weights};
use std::path::Path;

/// What the compiler may choose, and how good the result must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Width of activation tables (4 to 16), or `None` to let the cost model choose.
    pub table_bits: Option<u8>,
    /// The most bits of a weight, 4 to 16. Fewer are used where that is cheaper and accurate enough.
    pub weight_bits: u8,
    /// Allowed mean error as a share of the largest float output; the largest error may be five times as much.
    pub tolerance: f64,
    /// Share of calibration samples whose top-1 must agree with the float model.
    pub min_agreement: f64,
    /// Calibration samples that are used at most; the rest of the file is ignored.
    pub max_samples: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { table_bits: None, weight_bits: 16, tolerance: 0.005, min_agreement: 0.99, max_samples: 512 }
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
    #[error("the option {option} is {value} and must be in {min}..={max}")]
    Option { option: &'static str, value: f64, min: f64, max: f64 },
    #[error("sample {sample}: the lowered network gives {have} outputs and tract gives {need}: please report this model")]
    OutputLength { sample: usize, have: usize, need: usize },
    #[error("sample {sample}, output {index}: the lowered network gives {have} and tract gives {need}: please report this model")]
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
    let model = onnx::read(onnx)?;
    progress(Phase::Import);
    let net = import::import(&model)?;
    let mut samples = calibration.samples(net.input.cells.len())?;
    samples.truncate(options.max_samples);
    progress(Phase::Reference { samples: samples.len() });
    let float = reference::run(&model, &import::batched_shape(&model)?, &samples)?;
    drop(model);
    progress(Phase::Calibrate);
    let ranges = search::calibrate(&net, &samples, &float)?;
    search::search(&net, &ranges, &samples, &float, options, progress)
}

fn check_options(options: &Options) -> Result<(), CompileError> {
    let check = |option, value: f64, min: f64, max: f64| {
        if (min..=max).contains(&value) { Ok(()) } else { Err(CompileError::Option { option, value, min, max }) }
    };
    if let Some(bits) = options.table_bits {
        check("table_bits", bits.into(), 4.0, 16.0)?;
    }
    check("weight_bits", options.weight_bits.into(), 4.0, 16.0)?;
    check("tolerance", options.tolerance, 0.0, 1.0)?;
    check("min_agreement", options.min_agreement, 0.0, 1.0)?;
    check("max_samples", options.max_samples as f64, 1.0, 1e6)
}
