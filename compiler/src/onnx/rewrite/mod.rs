//! Nodes that tract does not read, or reads otherwise than the standard, written out with operators that it does read.
//!
//! What comes out is an ordinary graph, so that tract remains the reference and [`crate::ops`] needs no second way in.
//! New tensors and nodes are named after the node that they replace. A form that has no rewriting is refused by name,
//! never passed on half read.

mod attention;
mod bits;
mod contrib;
mod dynamic;
mod einsum;
mod elementwise;
mod grid;
mod inline;
mod integers;
mod known;
mod legacy;
mod linear_attention;
mod losses;
mod ml;
mod nn;
mod nodes;
mod places;
mod places_of_maxima;
mod quantised;
mod recurrent;
mod scatter;
mod sequences;
mod signal;
mod svm;
mod tree_ensemble;
mod trees;

use super::GuardError;
use known::Inputs;
use nodes::{
    attribute, elements, input, int, integer, integers, ints, is_numeric, real, reals, strings, tensor_type, text,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;
use tract_onnx::pb::{self, tensor_proto::DataType};

/// Most elements of a constant node's tensor that rewriting looks at: lists of axes, pads and the like.
const MAX_LIST: usize = 4096;
/// Most nodes that loops and functions are written out to.
const MAX_NODES: usize = 100_000;

/// Rewrites a model's graph, and the graphs inside its nodes.
pub fn rewrite(model: &mut pb::ModelProto, dims: &BTreeMap<String, u64>) -> Result<(), GuardError> {
    let standard = model.opset_import.iter().find(|set| set.domain.is_empty() || set.domain == "ai.onnx");
    let version = standard.map_or(0, |set| set.version);
    match &mut model.graph {
        Some(graph) => {
            let mut inputs = Inputs::of(graph, dims);
            rewrite_graph(graph, version, &mut 0, &mut inputs, &model.functions)
        }
        None => Ok(()),
    }
}

fn rewrite_graph(
    graph: &mut pb::GraphProto,
    version: i64,
    count: &mut usize,
    inputs: &mut Inputs,
    functions: &[pb::FunctionProto],
) -> Result<(), GuardError> {
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
        inputs,
        functions,
        sequences: HashMap::new(),
        whole_tensors: HashMap::new(),
        centred: HashMap::new(),
        dynamic: dynamic::Dynamic::default(),
        outputs: std::mem::take(&mut graph.output),
    };
    let live = live(&old, &out.outputs);
    // everything that is refused is named at once, but nothing that only reads what a refused node would have given
    let (mut refused, mut missing) = (Vec::new(), HashSet::new());
    for (node, live) in old.into_iter().zip(live) {
        let outputs: Vec<String> = node.output.iter().filter(|name| !name.is_empty()).cloned().collect();
        if node.input.iter().any(|name| missing.contains(name)) {
            missing.extend(outputs);
            continue;
        }
        let taken = if live { out.take(node, 0) } else { out.take_dead(node) };
        match taken {
            Err(error @ (GuardError::Attribute { .. } | GuardError::Operator { .. })) => refused.push(error),
            Err(GuardError::Several { refused: inside }) => refused.extend(inside.0),
            other => {
                other?;
                continue;
            }
        }
        missing.extend(outputs);
    }
    if !refused.is_empty() {
        return Err(GuardError::of(refused));
    }
    *count = out.count;
    graph.node = out.nodes;
    graph.initializer = out.initializers;
    graph.output = out.outputs;
    Ok(())
}

/// Whether tract knows an operator.
fn is_read(operator: &str) -> bool {
    static KNOWN: LazyLock<HashSet<String>> =
        LazyLock::new(|| tract_onnx::onnx().op_register.0.keys().map(ToString::to_string).collect());
    KNOWN.contains(operator)
}

/// For each node, whether an output of the graph depends on it.
fn live(nodes: &[pb::NodeProto], outputs: &[pb::ValueInfoProto]) -> Vec<bool> {
    let mut needed: HashSet<String> = outputs.iter().map(|output| output.name.clone()).collect();
    let mut live = vec![false; nodes.len()];
    for (node, live) in nodes.iter().zip(&mut live).rev() {
        *live = node.output.iter().any(|name| needed.contains(name));
        if *live {
            needed_by(node, &mut needed);
        }
    }
    live
}

/// What a node reads, and graphs inside it.
fn needed_by(node: &pb::NodeProto, needed: &mut HashSet<String>) {
    needed.extend(node.input.iter().cloned());
    let graphs = node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs));
    graphs.flat_map(|graph| &graph.node).for_each(|node| needed_by(node, needed));
}

/// What a node is replaced by.
struct Writer<'a> {
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
    /// The model's inputs, and what was found out about its tensors.
    inputs: &'a mut Inputs,
    /// Operators that the model defines.
    functions: &'a [pb::FunctionProto],
    /// The graph's outputs.
    outputs: Vec<pb::ValueInfoProto>,
    /// Tensors of each sequence.
    sequences: HashMap<String, Vec<String>>,
    /// Real tensors that are integers times a scale.
    whole_tensors: HashMap<String, integers::Whole>,
    /// Integers that a rounding made.
    centred: HashMap<String, integers::Centred>,
    /// Integers whose scale depends on the input.
    dynamic: dynamic::Dynamic,
}

impl Writer<'_> {
    /// Appends a node, or what it is replaced by. `depth` counts the graphs and functions that it was inside of.
    fn take(&mut self, mut node: pb::NodeProto, depth: usize) -> Result<(), GuardError> {
        self.name = super::node_name(&node).to_owned();
        self.operator.clone_from(&node.op_type);
        if self.nodes.len() > MAX_NODES {
            return self.refused("more than 100000 nodes once it is written out");
        }
        let standard = matches!(node.domain.as_str(), "" | "ai.onnx");
        if self.inlined(&node, depth)? || (standard && self.sequence(&node, depth)?) {
            return Ok(());
        }
        for inside in node.attribute.iter_mut().flat_map(|a| a.g.iter_mut().chain(&mut a.graphs)) {
            // nothing is known of what a graph inside a node reads
            rewrite_graph(inside, self.version, &mut self.count, &mut Inputs::default(), self.functions)?;
        }
        self.remember(&node);
        legacy::modern(self, &mut node)?;
        if standard {
            self.integers_of(&node);
            self.sums_of(&node);
        }
        if !self.standard(&node)? && !self.learning(&node)? && !self.contrib(&node)? {
            if !is_read(&node.op_type) {
                return Err(GuardError::Operator { node: self.name.clone(), operator: self.operator.clone() });
            }
            self.nodes.push(node);
        }
        Ok(())
    }

    /// Appends a node on which no output depends: an operator that is not known does no harm there.
    fn take_dead(&mut self, node: pb::NodeProto) -> Result<(), GuardError> {
        match self.take(node.clone(), 0) {
            Err(GuardError::Operator { .. }) => {
                self.nodes.push(node);
                Ok(())
            }
            other => other,
        }
    }

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
            "ConvTranspose" => self.conv_transpose(node),
            "Squeeze" => self.squeeze(node),
            "Pad" => self.pad(node),
            "Compress" => self.compress(node),
            "ReverseSequence" => self.reverse_sequences(node),
            "MatMulInteger" => self.matmul_integer(node),
            "ConvInteger" => self.conv_integer(node),
            "QLinearMatMul" => self.qlinear_matmul(node),
            "QLinearConv" => self.qlinear_conv(node),
            "DynamicQuantizeLinear" => self.dynamic_quantize(node),
            "QuantizeLinear" => self.quantize(node),
            "DequantizeLinear" => self.dequantize(node),
            "BitShift" => self.bit_shift(node),
            "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" => self.bitwise(node),
            "BitwiseNot" => self.bitwise_not(node),
            "Mod" => self.remainder(node),
            "ScatterND" | "ScatterElements" | "Scatter" => self.scatter_reduced(node),
            "GatherND" => self.counted_places(node),
            "GridSample" => self.grid_sample(node),
            "AffineGrid" => self.affine_grid(node),
            "CenterCropPad" => self.center_crop_pad(node),
            "Col2Im" => self.columns_to_image(node),
            "SpaceToDepth" => self.space_to_depth(node),
            "CastLike" => self.cast_like(node),
            "Cast" => self.narrow_cast(node),
            "DFT" => self.fourier(node),
            "STFT" => self.short_fourier(node),
            "CumProd" => self.running_product(node),
            "Det" => self.determinant(node),
            "Range" => self.range(node),
            "MaxPool" => self.max_pool(node),
            "MaxUnpool" => self.max_unpool(node),
            "Einsum" => self.einsum(node),
            "Equal" | "ReduceMax" | "ReduceMin" => self.truths_as_numbers(node),
            "ReduceLogSumExp" => self.log_of_exponentials(node),
            "Celu" => self.celu(node),
            "MatMul" => self.vector_product(node),
            "Pow" => self.power_of_tensors(node),
            "Dropout" => self.dropout(node),
            "BatchNormalization" => self.batch_statistics(node),
            "Resize" => self.resize_region(node),
            "TensorScatter" => self.tensor_scatter(node),
            "RNN" | "GRU" | "LSTM" => self.recurrent(node),
            "Attention" => self.attention(node),
            "SwiGLU" => self.swiglu(node),
            "LinearAttention" => self.linear_attention(node),
            "CausalConvWithState" => self.causal_conv(node),
            "NegativeLogLikelihoodLoss" => self.likelihood_loss(node),
            "SoftmaxCrossEntropyLoss" => self.cross_entropy_loss(node),
            _ => Ok(false),
        }
    }

    /// Operators of `ai.onnx.ml`. Whether the node was replaced.
    fn learning(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
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
            "TreeEnsemble" => self.tree_ensemble(node)?,
            "TreeEnsembleRegressor" => self.tree_regressor(node)?,
            "SVMClassifier" => self.svm_classifier(node)?,
            "SVMRegressor" => self.svm_regressor(node)?,
            _ => return Ok(false),
        }
        // the outputs of these are tensors of numbers now, whatever they were declared as
        for output in self.outputs.iter_mut().filter(|output| node.output.contains(&output.name)) {
            let integers =
                matches!(node.op_type.as_str(), "LinearClassifier" | "TreeEnsembleClassifier" | "SVMClassifier")
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
        if let (Some(list), Some(name)) = (self.sequences.get(tensor).cloned(), node.output.get(index)) {
            self.sequences.insert(name.clone(), list);
            return;
        }
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
        self.tensor(pb::TensorProto {
            name,
            dims,
            data_type: DataType::Int64 as i32,
            int64_data: values.to_vec(),
            ..Default::default()
        })
    }

    /// A constant of integers.
    fn whole_numbers(&mut self, dims: &[usize], values: &[i64]) -> String {
        let name = self.fresh();
        let dims = dims.iter().map(|d| *d as i64).collect();
        self.tensor(pb::TensorProto {
            name,
            dims,
            data_type: DataType::Int64 as i32,
            int64_data: values.to_vec(),
            ..Default::default()
        })
    }

    /// A constant of truth values.
    fn truths(&mut self, dims: &[usize], values: &[bool]) -> String {
        let name = self.fresh();
        let dims = dims.iter().map(|d| *d as i64).collect();
        let raw_data = values.iter().map(|v| u8::from(*v)).collect();
        self.tensor(pb::TensorProto { name, dims, data_type: DataType::Bool as i32, raw_data, ..Default::default() })
    }

    /// Zeros of a type.
    fn filled(&mut self, dims: &[usize], kind: DataType) -> String {
        let zeros = vec![0.0; dims.iter().product()];
        match kind {
            DataType::Bool => self.truths(dims, &vec![false; zeros.len()]),
            DataType::Float => self.floats(dims, &zeros),
            _ => {
                let zeros = self.floats(dims, &zeros);
                self.cast(&zeros, kind)
            }
        }
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
            ("value_int", _) => pb::TensorProto {
                data_type: DataType::Int64 as i32,
                int64_data: vec![attribute.i],
                ..Default::default()
            },
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
            DataType::Int64 => {
                raw.chunks_exact(8).filter_map(|b| Some(i64::from_le_bytes(b.try_into().ok()?))).collect()
            }
            DataType::Int32 if raw.is_empty() => wide(&tensor.int32_data),
            DataType::Int32 => {
                raw.chunks_exact(4).filter_map(|b| Some(i32::from_le_bytes(b.try_into().ok()?).into())).collect()
            }
            DataType::Bool | DataType::Uint8 | DataType::Int8 if raw.is_empty() => wide(&tensor.int32_data),
            DataType::Bool | DataType::Uint8 => raw.iter().map(|b| i64::from(*b)).collect(),
            DataType::Int8 => raw.iter().map(|b| i64::from(*b as i8)).collect(),
            _ => return None,
        })
    }
}
