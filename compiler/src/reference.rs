//! The float reference: tract runs the ONNX file as it stands.

use std::panic::{AssertUnwindSafe, catch_unwind};
use tract_onnx::pb;
use tract_onnx::prelude::*;

/// Why tract does not run a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// tract's own words.
    #[error("tract cannot run the model: {source}")]
    Tract {
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A bug in tract, met at the last line of defence.
    #[error("tract failed inside on this model, which is probably damaged: check it with onnx.checker")]
    Panic,
    /// An output that is not a tensor of floats.
    #[error("the model's output is not a tensor of 32-bit floats")]
    OutputType,
    /// Overflow on the way.
    #[error("the float model gives NaN or infinity on sample {sample}: its weights or this input are too large")]
    NotFinite {
        /// Counted from 0.
        sample: usize,
    },
}

/// Runs every sample through tract. `shape` is the input's shape with a batch of 1; a result is the output's elements, row-major.
///
/// # Errors
/// tract refuses the model or the outputs are not finite floats.
pub fn run(model: &pb::ModelProto, shape: &[u32], samples: &[Vec<f32>]) -> Result<Vec<Vec<f32>>, ReferenceError> {
    let run = || -> Result<Vec<Vec<f32>>, ReferenceError> {
        let tract = |source: TractError| ReferenceError::Tract { source: source.into() };
        let shape: Vec<usize> = shape.iter().map(|&d| d as usize).collect();
        let fact = InferenceFact::dt_shape(f32::datum_type(), &shape[..]);
        let onnx = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
        let model =
            onnx.model_for_proto_model(model).and_then(|m| m.with_input_fact(0, fact)).and_then(|m| m.into_optimized()).map_err(tract)?;
        let plan = model.into_runnable().map_err(tract)?;
        let one = |(sample, values): (usize, &Vec<f32>)| {
            let input = Tensor::from_shape(&shape, values).map_err(tract)?;
            let result = plan.run(tvec!(input.into())).map_err(tract)?;
            let output = result.first().ok_or(ReferenceError::OutputType)?;
            let view = output.to_plain_array_view::<f32>().map_err(|_| ReferenceError::OutputType)?;
            let output: Vec<f32> = view.iter().copied().collect();
            if output.iter().all(|v| v.is_finite()) { Ok(output) } else { Err(ReferenceError::NotFinite { sample }) }
        };
        samples.iter().enumerate().map(one).collect()
    };
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| ReferenceError::Panic)?
}
