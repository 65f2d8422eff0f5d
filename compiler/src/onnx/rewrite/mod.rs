//! Nodes that tract does not read, or reads otherwise than the standard, written out with operators that it does read.
//!
//! What comes out is an ordinary graph, so that tract remains the reference and [`crate::ops`] needs no second way in.
//! New tensors and nodes are named after the node that they replace. A form that has no rewriting is refused by name,
//! never passed on half read.

mod ml;
mod nn;
mod quantised;
mod recurrent;
mod svm;
mod trees;

use super::GuardError;
use std::collections::{HashMap, HashSet};
use tract_onnx::pb::{self, attribute_proto::AttributeType, tensor_proto::DataType};

/// Most elements of a constant node's tensor that rewriting looks at: lists of axes, pads and the like.
const MAX_LIST: usize = 4096;

/// Rewrites a model's graph, and the graphs inside its nodes.
pub fn rewrite(model: &mut pb::ModelProto) -> Result<(), GuardError> {
    let standard = model.opset_import.iter().find(|set| set.domain.is_empty() || set.domain == "ai.onnx");
    let version = standard.map_or(0, |set| set.version);
    match &mut model.graph {
        Some(graph) => rewrite_graph(graph, version, &mut 0),
        None => Ok(()),
    }
}

fn rewrite_graph(graph: &mut pb::GraphProto, version: i64, count: &mut usize) -> Result<(), GuardError> {
    let old = std::mem::take(&mut graph.node);
    let initializers = std::mem::take(&mut graph.initializer);
    let index = initializers.iter().enumerate().map(|(at, tensor)| (tensor.name.clone(), at)).collect();
    let mut out = Writer {
        version,
        count: *count,
        name: String::new(),
        operator: String::new(),
        nodes: Vec::new(),
        initializers,
        index,
        small: HashMap::new(),
        dynamic: HashSet::new(),
    };
    for mut node in old {
        for inside in node.attribute.iter_mut().flat_map(|a| a.g.iter_mut().chain(&mut a.graphs)) {
            rewrite_graph(inside, version, &mut out.count)?;
        }
        out.name = super::node_name(&node).to_owned();
        out.operator = node.op_type.clone();
        out.remember(&node);
        if !out.standard(&node)? && !out.learning(&node, &mut graph.output)? {
            out.nodes.push(node);
        }
    }
    *count = out.count;
    graph.node = out.nodes;
    graph.initializer = out.initializers;
    Ok(())
}

/// What a node is replaced by.
struct Writer {
    /// The operator set.
    version: i64,
    /// Tensors made so far, for names.
    count: usize,
    /// The node that is replaced, and its operator.
    name: String,
    operator: String,
    nodes: Vec<pb::NodeProto>,
    initializers: Vec<pb::TensorProto>,
    index: HashMap<String, usize>,
    /// Small tensors of constant nodes.
    small: HashMap<String, pb::TensorProto>,
    /// Scales that depend on the input.
    dynamic: HashSet<String>,
}

impl Writer {
    /// Operators of the standard. Whether the node was replaced.
    fn standard(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        if !matches!(node.domain.as_str(), "" | "ai.onnx") {
            return Ok(false);
        }
        match node.op_type.as_str() {
            "LpPool" => self.lp_pool(node),
            "GlobalLpPool" => self.global_lp_pool(node),
            "ConstantOfShape" => self.constant_of_shape(node),
            "LRN" => self.local_response(node),
            "Swish" => self.swish(node),
            "Upsample" => self.upsample(node),
            "Pad" => self.pad(node),
            "Compress" => self.compress(node),
            "ReverseSequence" => self.reverse_sequence(node),
            "MatMulInteger" => self.matmul_integer(node),
            "ConvInteger" => self.conv_integer(node),
            "QLinearMatMul" => self.qlinear_matmul(node),
            "QLinearConv" => self.qlinear_conv(node),
            "DynamicQuantizeLinear" => self.dynamic_quantize(node),
            "DequantizeLinear" => self.dequantize(node),
            "RNN" | "GRU" | "LSTM" => self.recurrent(node),
            _ => Ok(false),
        }
    }

    /// Operators of `ai.onnx.ml`. Whether the node was replaced.
    fn learning(&mut self, node: &pb::NodeProto, outputs: &mut [pb::ValueInfoProto]) -> Result<bool, GuardError> {
        if node.domain != "ai.onnx.ml" {
            return Ok(false);
        }
        match node.op_type.as_str() {
            "LinearClassifier" => self.linear_classifier(node)?,
            "LinearRegressor" => self.linear_regressor(node)?,
            "Scaler" => self.scaler(node)?,
            "Normalizer" => self.normalizer(node)?,
            "Binarizer" => self.binarizer(node)?,
            "Imputer" => self.imputer(node)?,
            "FeatureVectorizer" => self.feature_vectorizer(node)?,
            "OneHotEncoder" => self.one_hot_encoder(node)?,
            "LabelEncoder" => self.label_encoder(node)?,
            "ArrayFeatureExtractor" => self.array_feature_extractor(node)?,
            "ZipMap" => self.zip_map(node)?,
            "TreeEnsembleClassifier" => self.tree_classifier(node)?,
            "TreeEnsembleRegressor" => self.tree_regressor(node)?,
            "SVMClassifier" => self.svm_classifier(node)?,
            "SVMRegressor" => self.svm_regressor(node)?,
            _ => return Ok(false),
        }
        // the outputs of these are tensors of numbers now, whatever they were declared as
        for output in outputs.iter_mut().filter(|output| node.output.contains(&output.name)) {
            let integers = matches!(node.op_type.as_str(), "LinearClassifier" | "TreeEnsembleClassifier" | "SVMClassifier")
                && node.output.first() == Some(&output.name);
            if !is_numeric(output) {
                output.r#type = Some(tensor_type(if integers { DataType::Int64 } else { DataType::Float }));
            }
        }
        Ok(true)
    }

    fn refused<T>(&self, what: &'static str) -> Result<T, GuardError> {
        Err(GuardError::Attribute { node: self.name.clone(), operator: self.operator.clone(), what })
    }

    fn fresh(&mut self) -> String {
        self.count += 1;
        format!("{}.assay{}", self.name, self.count)
    }

    /// A node with a new output, whose name it returns.
    fn node(&mut self, operator: &str, inputs: &[&str], attribute: Vec<pb::AttributeProto>) -> String {
        let output = self.fresh();
        self.node_to(operator, inputs, attribute, &output);
        output
    }

    fn node_to(&mut self, operator: &str, inputs: &[&str], attribute: Vec<pb::AttributeProto>, output: &str) {
        self.count += 1;
        self.nodes.push(pb::NodeProto {
            op_type: operator.to_owned(),
            name: format!("{}.{operator}{}", self.name, self.count),
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute,
            ..Default::default()
        });
    }

    /// Gives a tensor the name of one of the replaced node's outputs, unless nobody wants it.
    fn output(&mut self, node: &pb::NodeProto, index: usize, tensor: &str) {
        if let Some(name) = node.output.get(index).filter(|name| !name.is_empty()) {
            self.node_to("Identity", &[tensor], Vec::new(), name);
        }
    }

    fn tensor(&mut self, tensor: pb::TensorProto) -> String {
        let name = tensor.name.clone();
        self.index.insert(name.clone(), self.initializers.len());
        self.initializers.push(tensor);
        name
    }

    /// A constant of reals.
    fn floats(&mut self, dims: &[usize], values: &[f32]) -> String {
        let name = self.fresh();
        let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let dims = dims.iter().map(|d| *d as i64).collect();
        self.tensor(pb::TensorProto { name, dims, data_type: DataType::Float as i32, raw_data, ..Default::default() })
    }

    fn number(&mut self, value: f32) -> String {
        self.floats(&[], &[value])
    }

    /// A constant list of integers.
    fn ints(&mut self, values: &[i64]) -> String {
        let name = self.fresh();
        let dims = vec![values.len() as i64];
        self.tensor(pb::TensorProto { name, dims, data_type: DataType::Int64 as i32, int64_data: values.to_vec(), ..Default::default() })
    }

    fn cast(&mut self, tensor: &str, kind: DataType) -> String {
        self.node("Cast", &[tensor], vec![int("to", kind as i64)])
    }

    /// A reduction of one axis, which stays with length 1: its axes are an attribute or an input, by operator set.
    fn reduced(&mut self, operator: &str, tensor: &str, axes: &[i64]) -> String {
        let since = if operator == "ReduceSum" { 13 } else { 18 };
        if self.version >= since {
            let axes = self.ints(axes);
            self.node(operator, &[tensor, &axes], vec![int("keepdims", 1)])
        } else {
            self.node(operator, &[tensor], vec![ints("axes", axes), int("keepdims", 1)])
        }
    }

    fn unsqueezed(&mut self, tensor: &str, axes: &[i64]) -> String {
        if self.version >= 13 {
            let axes = self.ints(axes);
            self.node("Unsqueeze", &[tensor, &axes], Vec::new())
        } else {
            self.node("Unsqueeze", &[tensor], vec![ints("axes", axes)])
        }
    }

    fn reshaped(&mut self, tensor: &str, shape: &[i64]) -> String {
        let shape = self.ints(shape);
        self.node("Reshape", &[tensor, &shape], Vec::new())
    }

    /// Keeps the tensor of a constant node, if it is a list.
    fn remember(&mut self, node: &pb::NodeProto) {
        if node.op_type != "Constant" {
            return;
        }
        let (Some(output), Some(attribute)) = (node.output.first(), node.attribute.first()) else { return };
        let tensor = match (attribute.name.as_str(), &attribute.t) {
            ("value", Some(tensor)) if elements(tensor) <= MAX_LIST => tensor.clone(),
            ("value_int", _) => pb::TensorProto { data_type: DataType::Int64 as i32, int64_data: vec![attribute.i], ..Default::default() },
            ("value_ints", _) => pb::TensorProto {
                dims: vec![attribute.ints.len() as i64],
                data_type: DataType::Int64 as i32,
                int64_data: attribute.ints.clone(),
                ..Default::default()
            },
            _ => return,
        };
        self.small.insert(output.clone(), tensor);
    }

    /// A tensor that the model gives as a constant.
    fn constant(&self, name: &str) -> Option<&pb::TensorProto> {
        self.small.get(name).or_else(|| self.index.get(name).and_then(|at| self.initializers.get(*at)))
    }

    /// The integers (or truth values) of a constant.
    fn constant_ints(&self, name: &str) -> Option<Vec<i64>> {
        let tensor = self.constant(name)?;
        let raw = &tensor.raw_data;
        let wide = |list: &[i32]| list.iter().map(|v| i64::from(*v)).collect();
        Some(match DataType::try_from(tensor.data_type).ok()? {
            DataType::Int64 if raw.is_empty() => tensor.int64_data.clone(),
            DataType::Int64 => raw.chunks_exact(8).filter_map(|b| Some(i64::from_le_bytes(b.try_into().ok()?))).collect(),
            DataType::Int32 if raw.is_empty() => wide(&tensor.int32_data),
            DataType::Int32 => raw.chunks_exact(4).filter_map(|b| Some(i32::from_le_bytes(b.try_into().ok()?).into())).collect(),
            DataType::Bool | DataType::Uint8 | DataType::Int8 if raw.is_empty() => wide(&tensor.int32_data),
            DataType::Bool | DataType::Uint8 => raw.iter().map(|b| i64::from(*b)).collect(),
            DataType::Int8 => raw.iter().map(|b| i64::from(*b as i8)).collect(),
            _ => return None,
        })
    }
}

fn elements(tensor: &pb::TensorProto) -> usize {
    tensor.dims.iter().map(|d| usize::try_from(*d).unwrap_or(0)).product()
}

fn is_numeric(output: &pb::ValueInfoProto) -> bool {
    match output.r#type.as_ref().and_then(|kind| kind.value.as_ref()) {
        Some(pb::type_proto::Value::TensorType(tensor)) => tensor.elem_type != DataType::String as i32,
        None => false,
    }
}

fn tensor_type(kind: DataType) -> pb::TypeProto {
    let tensor = pb::type_proto::Tensor { elem_type: kind as i32, shape: None };
    pb::TypeProto { denotation: String::new(), value: Some(pb::type_proto::Value::TensorType(tensor)) }
}

fn attribute<'a>(node: &'a pb::NodeProto, name: &str) -> Option<&'a pb::AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

/// An attribute's text; `default` where it is not there.
fn text<'a>(node: &'a pb::NodeProto, name: &str, default: &'a str) -> &'a str {
    attribute(node, name).and_then(|a| std::str::from_utf8(&a.s).ok()).unwrap_or(default)
}

fn integer(node: &pb::NodeProto, name: &str, default: i64) -> i64 {
    attribute(node, name).map_or(default, |a| a.i)
}

fn real(node: &pb::NodeProto, name: &str, default: f32) -> f32 {
    attribute(node, name).map_or(default, |a| a.f)
}

fn reals<'a>(node: &'a pb::NodeProto, name: &str) -> &'a [f32] {
    attribute(node, name).map_or(&[], |a| &a.floats)
}

fn integers<'a>(node: &'a pb::NodeProto, name: &str) -> &'a [i64] {
    attribute(node, name).map_or(&[], |a| &a.ints)
}

fn strings(node: &pb::NodeProto, name: &str) -> usize {
    attribute(node, name).map_or(0, |a| a.strings.len())
}

fn input(node: &pb::NodeProto, index: usize) -> &str {
    node.input.get(index).map_or("", String::as_str)
}

fn int(name: &str, i: i64) -> pb::AttributeProto {
    pb::AttributeProto { name: name.to_owned(), r#type: AttributeType::Int as i32, i, ..Default::default() }
}

fn ints(name: &str, values: &[i64]) -> pb::AttributeProto {
    pb::AttributeProto { name: name.to_owned(), r#type: AttributeType::Ints as i32, ints: values.to_vec(), ..Default::default() }
}

fn raw_floats(raw: &[u8]) -> Vec<f32> {
    raw.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}
