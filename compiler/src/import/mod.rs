//! From an ONNX graph to a [`Net`]: one walk over the nodes, in the file's order, which ONNX requires to be topological.
//!
//! Fusions happen as the walk goes. A layer's value before its function is one column (`Source::Pre`) and after it another
//! (`Source::Post`), so that giving a function to the layer that made a tensor never takes the tensor away from another reader.
//! Folding a factor, a bias or a residual *into* a layer does, and is done only for a tensor with one reader.

mod elementwise;
mod error;
mod linear;
mod pool;
mod shape;
mod view;
mod window;

pub use error::{Form, ImportError, UnsupportedNode, UnsupportedNodes};

use crate::net::{Net, NetLayer, NetTerm, Port, Scaling};
use crate::onnx::{Attributes, Constant, MAX_ELEMENTS, node_name};
use assay_circuits::model::{Dims, MAX_LAYERS, Source};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tract_onnx::pb::{self, tensor_shape_proto::dimension::Value as DimValue};
use view::View;

/// Log of the most cells of a block.
const MAX_LOG_BLOCK: u32 = 26;

/// Most multiplications of one inference: calibration makes them for every sample.
const MAX_MACS: u64 = 1 << 36;

/// Operators that work on activations.
const OPERATORS: [&str; 24] = [
    "Gemm",
    "MatMul",
    "Conv",
    "Relu",
    "LeakyRelu",
    "Sigmoid",
    "Tanh",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "BatchNormalization",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Flatten",
    "Reshape",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Identity",
    "Dropout",
    "Constant",
    "Shape",
];
/// Operators that are evaluated where all their operands are constants: what exporters write around a `Reshape`.
const CONSTANT_OPERATORS: [&str; 3] = ["Gather", "Concat", "Cast"];

/// A tensor of the graph.
#[derive(Clone)]
enum Value {
    Constant(Arc<Constant>),
    View(View),
}

/// A node with its operands looked up.
struct Op<'a> {
    attributes: Attributes<'a>,
    operands: Vec<Option<Value>>,
}

impl Op<'_> {
    fn name(&self) -> &str {
        node_name(self.attributes.0)
    }

    fn operand(&self, index: usize) -> Option<&Value> {
        self.operands.get(index)?.as_ref()
    }

    /// An operand that depends on the input.
    fn view(&self, index: usize) -> Result<&View, Form> {
        match self.operand(index) {
            Some(Value::View(view)) => Ok(view),
            _ => Err(Form::NoActivation),
        }
    }

    /// An operand that is a constant, `None` where it is absent.
    fn constant(&self, index: usize) -> Result<Option<&Constant>, Form> {
        match self.operand(index) {
            Some(Value::Constant(constant)) => Ok(Some(constant)),
            Some(Value::View(_)) => Err(Form::NotConstant),
            None => Ok(None),
        }
    }

    fn required(&self, index: usize) -> Result<&Constant, Form> {
        self.constant(index)?.ok_or(Form::NotConstant)
    }
}

/// The walk's state.
struct Importer {
    layers: Vec<NetLayer>,
    input: InputLayout,
    parameters: u64,
    macs: u64,
}

/// The input's layout is chosen by its first reader, so that a transposition or a reshape in front of it costs nothing.
struct InputLayout {
    shape: Vec<u32>,
    settled: Option<(Dims, Vec<u32>)>,
}

/// Compiles a guarded model's graph to a network in floats.
///
/// # Errors
/// Everything in [`ImportError`]; unsupported operators are all named at once.
pub fn import(model: &pb::ModelProto) -> Result<Net, ImportError> {
    let graph = model.graph.as_ref().ok_or(ImportError::Outputs { have: 0 })?;
    let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let inputs: Vec<_> = graph.input.iter().filter(|i| !constants.contains(i.name.as_str())).collect();
    let [input] = inputs[..] else { return Err(ImportError::Inputs { have: inputs.len() }) };
    let [output] = &graph.output[..] else { return Err(ImportError::Outputs { have: graph.output.len() }) };
    check_operators(graph, &input.name)?;
    let full_shape = input_shape(input)?;
    let mut uses: HashMap<&str, usize> = HashMap::from([(output.name.as_str(), 1)]);
    for name in graph.node.iter().flat_map(|n| &n.input) {
        *uses.entry(name).or_default() += 1;
    }
    let mut values: HashMap<&str, Value> = HashMap::new();
    for tensor in &graph.initializer {
        values.insert(&tensor.name, Value::Constant(Arc::new(Constant::of(tensor))));
    }
    values.insert(&input.name, Value::View(View::of_input(&full_shape)));
    let mut importer = Importer { layers: Vec::new(), input: InputLayout { shape: full_shape, settled: None }, parameters: 0, macs: 0 };
    for node in &graph.node {
        let undefined = |tensor: &String| ImportError::Undefined { node: node_name(node).to_owned(), tensor: tensor.clone() };
        let lookup = |name: &String| {
            if name.is_empty() { Ok(None) } else { values.get(name.as_str()).cloned().map(Some).ok_or_else(|| undefined(name)) }
        };
        let operands = node.input.iter().map(lookup).collect::<Result<_, _>>()?;
        let op = Op { attributes: Attributes(node), operands };
        let form = |form| ImportError::Form { operator: node.op_type.clone(), node: node_name(node).to_owned(), form };
        let value = importer.node(&op).map_err(form)?;
        let Some(name) = node.output.first() else { continue };
        if let Value::View(View { source: Source::Pre(layer), .. }) = &value
            && uses.get(name.as_str()).copied().unwrap_or(0) > 1
            && let Some(layer) = importer.layers.get_mut(*layer as usize)
        {
            layer.shared = true;
        }
        values.insert(name, value);
    }
    match values.get(output.name.as_str()) {
        Some(Value::View(view)) => importer.finish(view),
        Some(Value::Constant(_)) => Err(ImportError::ConstantOutput),
        None => Err(ImportError::Undefined { node: "(output)".to_owned(), tensor: output.name.clone() }),
    }
}

/// Names every operator that cannot be compiled, in one error.
fn check_operators(graph: &pb::GraphProto, input: &str) -> Result<(), ImportError> {
    let mut activations = HashSet::from([input]);
    let mut nodes = Vec::new();
    for node in &graph.node {
        let operator = node.op_type.as_str();
        let active = node.input.iter().any(|name| activations.contains(name.as_str()));
        let standard = node.domain.is_empty() || node.domain == "ai.onnx";
        let known = OPERATORS.contains(&operator) || (!active && CONSTANT_OPERATORS.contains(&operator));
        if !(standard && known) {
            nodes.push(UnsupportedNode { operator: operator.to_owned(), node: node_name(node).to_owned() });
        }
        if active && operator != "Shape" {
            activations.extend(node.output.iter().map(String::as_str));
        }
    }
    if nodes.is_empty() { Ok(()) } else { Err(ImportError::Unsupported { nodes: UnsupportedNodes(nodes) }) }
}

/// The shape of the input, batch included; a symbolic batch is 1.
fn input_shape(input: &pb::ValueInfoProto) -> Result<Vec<u32>, ImportError> {
    let Some(pb::type_proto::Value::TensorType(tensor)) = input.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return Err(ImportError::SymbolicAxis { axis: 0 });
    };
    if tensor.elem_type != pb::tensor_proto::DataType::Float as i32 {
        return Err(ImportError::InputType { code: tensor.elem_type });
    }
    let dims = tensor.shape.as_ref().map(|s| &s.dim[..]).unwrap_or_default();
    if dims.is_empty() {
        return Err(ImportError::SymbolicAxis { axis: 0 });
    }
    let mut shape = Vec::with_capacity(dims.len());
    for (axis, dim) in dims.iter().enumerate() {
        shape.push(match dim.value {
            Some(DimValue::DimValue(n)) if axis == 0 && dims.len() > 1 && n > 1 => return Err(ImportError::Batch { batch: n }),
            Some(DimValue::DimValue(n)) if n >= 1 => u32::try_from(n).map_err(|_| ImportError::InputTooLarge)?,
            _ if axis == 0 && dims.len() > 1 => 1,
            _ => return Err(ImportError::SymbolicAxis { axis }),
        });
    }
    let elements = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(u64::from(d)));
    if elements.is_some_and(|n| n <= MAX_ELEMENTS) && view::dims_of_shape(&shape).is_some() {
        Ok(shape)
    } else {
        Err(ImportError::InputTooLarge)
    }
}

/// A shape without its batch axis.
fn without_batch(shape: &[u32]) -> Vec<u32> {
    match shape {
        [1, rest @ ..] if !rest.is_empty() => rest.to_vec(),
        _ => shape.to_vec(),
    }
}

impl Importer {
    fn node(&mut self, op: &Op<'_>) -> Result<Value, Form> {
        let node = op.attributes.0;
        let active = op.operands.iter().flatten().any(|v| matches!(v, Value::View(_)));
        if !active || node.op_type == "Shape" {
            return shape::constant(op).map(|c| Value::Constant(Arc::new(c)));
        }
        let view = match node.op_type.as_str() {
            "Gemm" => self.gemm(op),
            "MatMul" => self.matmul(op),
            "Conv" => self.conv(op),
            "BatchNormalization" => self.batch_normalization(op),
            "Relu" | "LeakyRelu" | "Sigmoid" | "Tanh" => self.activation(op),
            "Add" | "Sub" | "Mul" | "Div" => self.arithmetic(op),
            "MaxPool" => self.max_pool(op),
            "AveragePool" | "GlobalAveragePool" => self.average_pool(op),
            "Identity" | "Dropout" => op.view(0).cloned(),
            _ => shape::reshaped(op),
        }?;
        Ok(Value::View(view))
    }

    /// Appends a layer; its index as a source before the function.
    fn push(&mut self, name: &str, dims: Dims, terms: Vec<NetTerm>, bias: Option<Vec<f32>>, scaling: Scaling) -> Result<Source, Form> {
        if dims.log_size() > MAX_LOG_BLOCK || self.macs > MAX_MACS || self.layers.len() >= MAX_LAYERS {
            return Err(Form::TooLarge);
        }
        self.layers.push(NetLayer { name: name.to_owned(), dims, terms, bias, activation: None, scaling, shared: false });
        Ok(Source::Pre((self.layers.len() - 1) as u32))
    }

    fn dims(&self, source: Source) -> Dims {
        match source {
            Source::Input => self.input.settled.as_ref().map_or(Dims::vector(1), |(dims, _)| *dims),
            Source::Pre(l) | Source::Post(l) => self.layers.get(l as usize).map_or(Dims::vector(1), |l| l.dims),
        }
    }

    /// The layer that made a tensor, where something may still be folded into it.
    fn foldable(&mut self, view: &View) -> Option<&mut NetLayer> {
        let Source::Pre(index) = view.source else { return None };
        self.layers.get_mut(index as usize).filter(|l| l.activation.is_none() && !l.shared)
    }

    fn finish(mut self, view: &View) -> Result<Net, ImportError> {
        let view = self.settle(view);
        let source = if self.layers.is_empty() {
            // A model without a layer still needs one to be proven.
            let dims = self.dims(view.source);
            let copy = self.copy("output", view.source, dims);
            copy.map_err(|form| ImportError::Form { operator: "Identity".to_owned(), node: "(output)".to_owned(), form })?
        } else {
            view.source
        };
        let (dims, cells) = self.input.settled.clone().ok_or(ImportError::ConstantOutput)?;
        let input = Port { source: Source::Input, dims, shape: without_batch(&self.input.shape), cells };
        let output = Port { source, dims: self.dims(source), shape: without_batch(&view.shape), cells: view.cells.to_vec() };
        Ok(Net { input, layers: self.layers, output, parameters: self.parameters, macs: self.macs })
    }
}

/// The shape of the model's input with a batch of 1, as [`import`] sees it.
///
/// # Errors
/// Those of [`import`] on the input.
pub fn batched_shape(model: &pb::ModelProto) -> Result<Vec<u32>, ImportError> {
    let graph = model.graph.as_ref().ok_or(ImportError::Outputs { have: 0 })?;
    let input = graph.input.iter().find(|i| graph.initializer.iter().all(|t| t.name != i.name));
    input_shape(input.ok_or(ImportError::Inputs { have: 0 })?)
}
