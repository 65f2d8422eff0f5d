//! tract's reading of the model: its typed graph, and the float reference that it runs.

use super::ImportError;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tract_onnx::pb::{self, tensor_proto::DataType, tensor_shape_proto::dimension::Value as DimValue};
use tract_onnx::prelude::*;

/// Most axes of an input.
const MAX_RANK: usize = 8;
/// Most elements of an input.
const MAX_ELEMENTS: u64 = 1 << 24;

/// Why tract does not run a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what each field is")]
pub enum ReferenceError {
    #[error("tract cannot run the model: {source}")]
    Tract { source: Box<dyn std::error::Error + Send + Sync> },
    #[error("tract failed inside on this model, which is probably damaged: check it with onnx.checker")]
    Panic,
    #[error("an output of the model is not a tensor of numbers")]
    OutputType,
    #[error("the float model gives NaN or infinity on sample {sample}: its weights or this input are too large")]
    NotFinite { sample: usize },
    #[error("sample {sample} has {have} inputs and the model takes {need}")]
    Inputs { sample: usize, have: usize, need: usize },
}

/// By input: its name, the type of its elements, its shape.
type Inputs = Vec<(String, DatumType, Vec<usize>)>;

/// A model as tract reads it.
pub struct Reference {
    typed: TypedModel,
    /// Whether it has been simplified, and so may be optimised.
    simple: bool,
    inputs: Inputs,
    names: Vec<String>,
    outputs: Vec<String>,
}

/// A declared input.
struct Declared {
    name: String,
    code: i32,
    shape: Vec<usize>,
}

/// The inputs that are no initialisers, with their symbolic axes fixed.
fn declared(graph: &pb::GraphProto, dims: &BTreeMap<String, u64>) -> Result<Vec<Declared>, ImportError> {
    let constants: std::collections::HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let mut known: Vec<String> = Vec::new();
    let mut inputs = Vec::new();
    for input in graph.input.iter().filter(|input| !constants.contains(input.name.as_str())) {
        let shapeless = || ImportError::Shape { input: input.name.clone() };
        let Some(pb::type_proto::Value::TensorType(tensor)) = input.r#type.as_ref().and_then(|t| t.value.as_ref())
        else {
            return Err(shapeless());
        };
        let axes = &tensor.shape.as_ref().ok_or_else(shapeless)?.dim;
        if axes.len() > MAX_RANK {
            return Err(shapeless());
        }
        let mut shape = Vec::with_capacity(axes.len());
        for (axis, dim) in axes.iter().enumerate() {
            let fixed = match &dim.value {
                Some(DimValue::DimValue(n)) if *n >= 1 => Some(*n as u64),
                Some(DimValue::DimParam(name)) => {
                    known.push(name.clone());
                    dims.get(name).copied().or((axis == 0).then_some(1))
                }
                _ => (axis == 0).then_some(1),
            };
            let name = match &dim.value {
                Some(DimValue::DimParam(name)) => name.clone(),
                _ => format!("axis {axis}"),
            };
            let open = ImportError::OpenAxis { input: input.name.clone(), axis, name };
            shape.push(usize::try_from(fixed.filter(|n| *n >= 1).ok_or(open)?).map_err(|_| shapeless())?);
        }
        let elements = shape.iter().try_fold(1u64, |n, len| n.checked_mul(*len as u64));
        if elements.is_none_or(|n| n > MAX_ELEMENTS) {
            return Err(shapeless());
        }
        inputs.push(Declared { name: input.name.clone(), code: tensor.elem_type, shape });
    }
    match dims.keys().find(|name| !known.contains(name)) {
        Some(name) => Err(ImportError::UnknownAxis { name: name.clone(), known }),
        None => Ok(inputs),
    }
}

fn datum_type(input: &Declared) -> Result<DatumType, ImportError> {
    Ok(match DataType::try_from(input.code) {
        Ok(DataType::Float) => f32::datum_type(),
        Ok(DataType::Double) => f64::datum_type(),
        Ok(DataType::Float16) => f16::datum_type(),
        Ok(DataType::Int64) => i64::datum_type(),
        Ok(DataType::Int32) => i32::datum_type(),
        Ok(DataType::Int16) => i16::datum_type(),
        Ok(DataType::Int8) => i8::datum_type(),
        Ok(DataType::Uint64) => u64::datum_type(),
        Ok(DataType::Uint32) => u32::datum_type(),
        Ok(DataType::Uint16) => u16::datum_type(),
        Ok(DataType::Uint8) => u8::datum_type(),
        Ok(DataType::Bool) => bool::datum_type(),
        _ => return Err(ImportError::InputType { input: input.name.clone(), code: input.code }),
    })
}

/// How far the simplified model may be from the plain one, as a share of the output's largest number.
const PROBE_TOLERANCE: f32 = 1e-3;

impl Reference {
    /// Reads a guarded model.
    ///
    /// # Errors
    /// tract refuses the model, or an axis of an input is open.
    pub fn new(model: &pb::ModelProto, dims: &BTreeMap<String, u64>) -> Result<Self, ImportError> {
        let read = Self::unchecked(model, dims)?;
        let simplified = simplified(&read.typed, &read.inputs);
        let simple = simplified.is_some();
        Ok(Self { typed: simplified.unwrap_or(read.typed), simple, ..read })
    }

    /// The same for a part of a model that only shapes and constants are asked of: it is not run.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn shapes(model: &pb::ModelProto) -> Result<Self, ImportError> {
        let read = Self::unchecked(model, &BTreeMap::new())?;
        let simple =
            catch_unwind(AssertUnwindSafe(|| read.typed.clone().into_decluttered())).map_err(|_| ImportError::Panic)?;
        Ok(Self { typed: simple.unwrap_or(read.typed), ..read })
    }

    fn unchecked(model: &pb::ModelProto, dims: &BTreeMap<String, u64>) -> Result<Self, ImportError> {
        let graph = model.graph.as_ref().ok_or(ImportError::Outputs)?;
        let declared = declared(graph, dims)?;
        if declared.is_empty() {
            return Err(ImportError::Inputs);
        }
        let types: Vec<DatumType> = declared.iter().map(datum_type).collect::<Result<_, _>>()?;
        let outputs: Vec<String> = graph.output.iter().map(|output| output.name.clone()).collect();
        let read = || -> Result<TypedModel, ImportError> {
            let tract = |source: TractError| ImportError::Tract { source: source.into() };
            let onnx = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
            let mut inference = onnx.model_for_proto_model(model).map_err(tract)?;
            for (index, (input, dt)) in declared.iter().zip(&types).enumerate() {
                let fact = InferenceFact::dt_shape(*dt, &input.shape[..]);
                inference = inference.with_input_fact(index, fact).map_err(tract)?;
            }
            inference.into_typed().map_err(tract)
        };
        let typed = catch_unwind(AssertUnwindSafe(read)).map_err(|_| ImportError::Panic)??;
        let names = declared.iter().map(|input| input.name.clone()).collect();
        let inputs = declared.into_iter().zip(types).map(|(input, dt)| (input.name, dt, input.shape)).collect();
        Ok(Self { typed, simple: false, inputs, names, outputs })
    }

    /// tract's typed graph.
    pub fn typed(&self) -> &TypedModel {
        &self.typed
    }

    /// Names of the inputs.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Names of the outputs.
    pub fn output_names(&self) -> &[String] {
        &self.outputs
    }

    /// Runs every sample (a list of numbers for each input); a result has the elements of each output, row-major.
    ///
    /// # Errors
    /// tract fails, or an output is not finite.
    pub fn run(&self, samples: &[Vec<Vec<f32>>]) -> Result<Vec<Vec<Vec<f32>>>, ReferenceError> {
        let model = if self.simple { optimised(&self.typed) } else { self.typed.clone() };
        results(model, &self.inputs, samples)
    }
}

/// The model as tract simplifies it. `None` where tract cannot, or where the result does not give the same: it knows
/// graphs, such as a slice of a softmax along its axis, that it changes into others.
fn simplified(plain: &TypedModel, inputs: &Inputs) -> Option<TypedModel> {
    let simple = catch_unwind(AssertUnwindSafe(|| plain.clone().into_decluttered().ok())).ok()??;
    let probe: Vec<Vec<f32>> =
        inputs.iter().enumerate().map(|(index, (_, dt, shape))| probe(index, *dt, shape)).collect();
    let probe = [probe];
    // a probe that the model cannot be run on says nothing
    let Ok(wanted) = results(plain.clone(), inputs, &probe) else { return Some(simple) };
    let found = results(optimised(&simple), inputs, &probe).ok()?;
    let alike = |(a, b): (&Vec<f32>, &Vec<f32>)| {
        let size = a.iter().fold(0f32, |most, v| most.max(v.abs()));
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= PROBE_TOLERANCE * size)
    };
    wanted.iter().flatten().zip(found.iter().flatten()).all(alike).then_some(simple)
}

/// Numbers of about 1 for an input; 0 and 1 where it takes integers or booleans.
fn probe(index: usize, dt: DatumType, shape: &[usize]) -> Vec<f32> {
    let number = |i: usize| ((i + 1) as f32 * (0.7 + index as f32)).sin();
    let len = shape.iter().product();
    (0..len).map(|i| if dt.is_float() { 1.5 * number(i) } else { f32::from(u8::from(number(i) > 0.0)) }).collect()
}

/// The same model, faster, where tract can.
fn optimised(typed: &TypedModel) -> TypedModel {
    typed.clone().into_optimized().unwrap_or_else(|_| typed.clone())
}

/// What a model gives for every sample.
fn results(
    model: TypedModel,
    inputs: &Inputs,
    samples: &[Vec<Vec<f32>>],
) -> Result<Vec<Vec<Vec<f32>>>, ReferenceError> {
    let run = || -> Result<Vec<Vec<Vec<f32>>>, ReferenceError> {
        let tract = |source: TractError| ReferenceError::Tract { source: source.into() };
        let plan = model.into_runnable().map_err(tract)?;
        let one = |(sample, values): (usize, &Vec<Vec<f32>>)| {
            if values.len() != inputs.len() {
                return Err(ReferenceError::Inputs { sample, have: values.len(), need: inputs.len() });
            }
            let mut tensors: TVec<TValue> = tvec!();
            for ((_, dt, shape), values) in inputs.iter().zip(values) {
                let tensor = Tensor::from_shape(shape, values).map_err(tract)?;
                let tensor = if *dt == bool::datum_type() {
                    let flags: Vec<bool> = values.iter().map(|v| *v != 0.0).collect();
                    Tensor::from_shape(shape, &flags).map_err(tract)?
                } else {
                    tensor.cast_to_dt(*dt).map_err(tract)?.into_owned()
                };
                tensors.push(tensor.into());
            }
            let results = plan.run(tensors).map_err(tract)?;
            let mut outputs = Vec::with_capacity(results.len());
            for result in &results {
                let floats = super::lower::floats(result).map_err(|_| ReferenceError::OutputType)?;
                if floats.iter().any(|v| !v.is_finite()) {
                    return Err(ReferenceError::NotFinite { sample });
                }
                outputs.push(floats);
            }
            Ok(outputs)
        };
        samples.iter().enumerate().map(one).collect()
    };
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| ReferenceError::Panic)?
}
