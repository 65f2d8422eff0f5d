//! The guard: an ONNX file as protobuf types, with every tensor's data inside, its size checked and its numbers finite.
//!
//! External data is read here and nowhere else. A location must be a plain relative path below the model's folder,
//! without symbolic links on the way and without a second hard link (CVE-2022-25882, CVE-2024-27318).

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use tract_onnx::pb::{self, tensor_proto::DataType};
use tract_onnx::prelude::Framework;

/// Largest model file, and largest sum of external data, in bytes: as much as a protobuf can have.
pub const MAX_FILE_BYTES: u64 = 1 << 31;
/// Most elements of one tensor.
pub const MAX_ELEMENTS: u64 = 1 << 27;
const MAX_RANK: usize = 8;
/// Most places of a window, and the largest of its strides, dilations and pads: tract lists every place.
const MAX_WINDOW: i64 = 1 << 20;
/// No tensor has as many axes, counted from either end: tract counts on from the one that is named.
const MAX_AXIS: u64 = 64;
/// Attributes that name axes, or count them.
const AXES: &[&str] = &["axis", "axes", "batch_axis", "time_axis", "batch_dims", "scan_input_axes", "scan_output_axes"];
const MAX_NODES: usize = 100_000;
/// Graphs inside graphs.
const MAX_DEPTH: usize = 8;
/// Before it, operators had other attributes.
const MIN_OPERATOR_SET: i64 = 6;

/// Why a model file was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what each field is")]
pub enum GuardError {
    #[error("cannot read {path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path} has {bytes} bytes, and {max} are the most that are read", max = MAX_FILE_BYTES)]
    FileTooLarge { path: PathBuf, bytes: u64 },
    #[error("{path} is not an ONNX model, or it is truncated: export it again and copy it in binary mode")]
    NotOnnx { path: PathBuf },
    #[error("{path} holds no graph or names no operator set: it is not a complete ONNX model")]
    NoGraph { path: PathBuf },
    #[error("the model's operator set is {version} and must be 6 or newer: export it with opset 13")]
    OperatorSet { version: i64 },
    #[error("the graph has {nodes} nodes, and {max} are the most that are read", max = MAX_NODES)]
    TooManyNodes { nodes: usize },
    #[error("graph {graph:?} lies inside more than {max} others", max = MAX_DEPTH)]
    TooDeep { graph: String },
    #[error(
        "node {node:?} reads {tensor:?}, which nothing before it makes: the graph has a cycle, or is damaged; check it \
         with onnx.checker"
    )]
    Undefined { node: String, tensor: String },
    #[error("node {node:?} makes {tensor:?}, which is there already: the graph is damaged, check it with onnx.checker")]
    MadeTwice { node: String, tensor: String },
    #[error("nothing makes the output {tensor:?}: the graph is damaged, check it with onnx.checker")]
    NoOutput { tensor: String },
    #[error("node {node:?}: {operator} with {what} is not supported: export the model without it")]
    Attribute { node: String, operator: String, what: &'static str },
    #[error("node {node:?}: {operator} is not supported: `assay operators` lists what is")]
    Operator { node: String, operator: String },
    #[error("{} of the model's nodes cannot be compiled:{refused}", refused.0.len())]
    Several { refused: Refused },
    #[error("tensor {tensor:?} has dimensions {dims:?}: at most {rank} of them, none negative, at most {max} \
        elements", rank = MAX_RANK, max = MAX_ELEMENTS)]
    Dimensions { tensor: String, dims: Vec<i64> },
    #[error("tensor {tensor:?} should have {need} elements and has {have}: the file is damaged")]
    DataLength { tensor: String, need: usize, have: usize },
    #[error(
        "tensor {tensor:?} has element type {code}, and only floats, integers and booleans are read: export the model \
         in 32-bit floats"
    )]
    DataType { tensor: String, code: i32 },
    #[error(
        "tensor {tensor:?} holds NaN, or a number beyond 32-bit floats, at element {index}: the model is broken, \
         export it again"
    )]
    NotFinite { tensor: String, index: usize },
    #[error("node {node:?}: attribute {attribute:?} is NaN or infinite")]
    AttributeNotFinite { node: String, attribute: String },
    #[error("tensor {tensor:?} is stored outside the file and names no location")]
    NoLocation { tensor: String },
    #[error(
        "tensor {tensor:?} is stored in {location:?}: only a plain relative path below the model's folder is read, \
         without links"
    )]
    ExternalPath { tensor: String, location: String },
    #[error("tensor {tensor:?}: bytes {offset}..{end} of {location:?} do not exist or are not whole \
        elements", end = offset.saturating_add(*length))]
    ExternalRange { tensor: String, location: String, offset: u64, length: u64 },
    #[error("the model uses sparse tensors, which are not supported: export it with dense weights")]
    Sparse,
}

/// Why nodes were refused, one per line.
#[derive(Debug)]
pub struct Refused(pub Vec<GuardError>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl GuardError {
    /// Why one node or several were refused.
    pub(super) fn of(mut refused: Vec<GuardError>) -> Self {
        match (refused.pop(), refused.is_empty()) {
            (Some(only), true) => only,
            (last, _) => {
                refused.extend(last);
                Self::Several { refused: Refused(refused) }
            }
        }
    }
}

/// Reads and checks a model file; external data is brought inside. `dims` are the sizes of symbolic axes.
///
/// # Errors
/// Everything in [`GuardError`].
pub fn read(path: &Path, dims: &BTreeMap<String, u64>) -> Result<pb::ModelProto, GuardError> {
    let bytes = read_capped(path)?;
    let not_onnx = || GuardError::NotOnnx { path: path.to_owned() };
    let decode = || tract_onnx::onnx().proto_model_for_read(&mut &bytes[..]);
    let mut model = std::panic::catch_unwind(decode).map_err(|_| not_onnx())?.map_err(|_| not_onnx())?;
    // a model of nothing but learners names no standard operators, and is written out with them
    let learners = model.opset_import.iter().any(|set| set.domain == "ai.onnx.ml");
    if learners && !model.opset_import.iter().any(|set| set.domain.is_empty() || set.domain == "ai.onnx") {
        model.opset_import.push(pb::OperatorSetIdProto { domain: String::new(), version: 13 });
    }
    let standard = model.opset_import.iter().find(|set| set.domain.is_empty() || set.domain == "ai.onnx");
    let version = standard.ok_or_else(|| GuardError::NoGraph { path: path.to_owned() })?.version;
    if version < MIN_OPERATOR_SET {
        return Err(GuardError::OperatorSet { version });
    }
    let graph = model.graph.as_mut().ok_or_else(|| GuardError::NoGraph { path: path.to_owned() })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut budget = Budget { bytes: MAX_FILE_BYTES, nodes: MAX_NODES };
    super::types::widen(graph)?;
    check_graph(graph, folder, &mut budget, 0)?;
    check_order(graph, &HashSet::new())?;
    for function in &mut model.functions {
        check_function(function, folder, &mut budget)?;
    }
    super::rewrite::rewrite(&mut model, dims)?;
    if let Some(graph) = model.graph.as_mut() {
        super::ignored::rewrite(graph)?;
    }
    Ok(model)
}

/// What may still be read.
struct Budget {
    bytes: u64,
    nodes: usize,
}

/// A graph, and the graphs inside its nodes.
fn check_graph(graph: &mut pb::GraphProto, folder: &Path, budget: &mut Budget, depth: usize) -> Result<(), GuardError> {
    let nodes = graph.node.len();
    budget.nodes = budget.nodes.checked_sub(nodes).ok_or(GuardError::TooManyNodes { nodes })?;
    if depth > MAX_DEPTH {
        return Err(GuardError::TooDeep { graph: graph.name.clone() });
    }
    if !graph.sparse_initializer.is_empty() {
        return Err(GuardError::Sparse);
    }
    for tensor in &mut graph.initializer {
        check_tensor(tensor, folder, &mut budget.bytes)?;
    }
    for node in &mut graph.node {
        check_attributes(node, folder, budget, depth)?;
    }
    for value in graph.input.iter().chain(&graph.output).chain(&graph.value_info) {
        check_declared_shape(value)?;
    }
    Ok(())
}

/// An operator that the model defines: its nodes are checked like a graph's.
fn check_function(function: &mut pb::FunctionProto, folder: &Path, budget: &mut Budget) -> Result<(), GuardError> {
    let nodes = function.node.len();
    budget.nodes = budget.nodes.checked_sub(nodes).ok_or(GuardError::TooManyNodes { nodes })?;
    for node in &mut function.node {
        check_attributes(node, folder, budget, 0)?;
    }
    let named = |name: &String| pb::ValueInfoProto { name: name.clone(), ..Default::default() };
    let graph = pb::GraphProto {
        name: function.name().to_owned(),
        node: function.node.clone(),
        input: function.input.iter().map(named).collect(),
        output: function.output.iter().map(named).collect(),
        ..Default::default()
    };
    check_order(&graph, &HashSet::new())
}

/// Every tensor is made once, before it is read: what ONNX demands, and what rules out cycles. Graphs inside nodes also
/// read what is around them.
fn check_order<'a>(graph: &'a pb::GraphProto, around: &HashSet<&'a str>) -> Result<(), GuardError> {
    let mut known = around.clone();
    known.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
    known.extend(graph.input.iter().map(|input| input.name.as_str()));
    for node in &graph.node {
        let name = || super::node_name(node).to_owned();
        if let Some(tensor) = node.input.iter().find(|tensor| !tensor.is_empty() && !known.contains(tensor.as_str())) {
            return Err(GuardError::Undefined { node: name(), tensor: tensor.clone() });
        }
        for inside in node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs)) {
            check_order(inside, &known)?;
        }
        for tensor in node.output.iter().filter(|tensor| !tensor.is_empty()) {
            if !known.insert(tensor) {
                return Err(GuardError::MadeTwice { node: name(), tensor: tensor.clone() });
            }
        }
    }
    match graph.output.iter().find(|output| !known.contains(output.name.as_str())) {
        Some(output) => Err(GuardError::NoOutput { tensor: output.name.clone() }),
        None => Ok(()),
    }
}

fn read_capped(path: &Path) -> Result<Vec<u8>, GuardError> {
    let io = |source| GuardError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    if bytes > MAX_FILE_BYTES {
        return Err(GuardError::FileTooLarge { path: path.to_owned(), bytes });
    }
    let mut data = Vec::with_capacity(bytes as usize);
    // The file may grow while it is read, and a pipe has no length.
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut data).map_err(io)?;
    if data.len() as u64 > MAX_FILE_BYTES {
        return Err(GuardError::FileTooLarge { path: path.to_owned(), bytes: data.len() as u64 });
    }
    Ok(data)
}

/// A declared shape may be symbolic (negative or absent values), but must not be absurd: tract multiplies these
/// numbers.
fn check_declared_shape(value: &pb::ValueInfoProto) -> Result<(), GuardError> {
    let Some(pb::type_proto::Value::TensorType(tensor)) = value.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return Ok(());
    };
    let dims: Vec<i64> = tensor
        .shape
        .iter()
        .flat_map(|s| &s.dim)
        .map(|d| match d.value {
            Some(pb::tensor_shape_proto::dimension::Value::DimValue(v)) => v,
            _ => 1,
        })
        .collect();
    let positive: Vec<i64> = dims.iter().map(|&d| d.max(1)).collect();
    elements(&value.name, &positive).map(|_| ())
}

fn elements(tensor: &str, dims: &[i64]) -> Result<usize, GuardError> {
    let product = dims.iter().try_fold(1u64, |product, &d| product.checked_mul(u64::try_from(d).ok()?));
    match product {
        Some(n) if n <= MAX_ELEMENTS && dims.len() <= MAX_RANK => Ok(n as usize),
        _ => Err(GuardError::Dimensions { tensor: tensor.to_owned(), dims: dims.to_vec() }),
    }
}

fn check_attributes(
    node: &mut pb::NodeProto,
    folder: &Path,
    budget: &mut Budget,
    depth: usize,
) -> Result<(), GuardError> {
    check_scan(node)?;
    let name = super::node_name(node).to_owned();
    for attribute in &mut node.attribute {
        // what an imputer looks for; inputs are never NaN
        let missing = node.op_type == "Imputer" && attribute.name == "replaced_value_float";
        if (!attribute.f.is_finite() && !missing) || attribute.floats.iter().any(|f| !f.is_finite()) {
            return Err(GuardError::AttributeNotFinite { node: name, attribute: attribute.name.clone() });
        }
        if matches!(attribute.name.as_str(), "kernel_shape" | "strides" | "dilations" | "pads") {
            let places =
                attribute.ints.iter().try_fold(1i64, |product, n| product.checked_mul(n.checked_abs()?.max(1)));
            let large = attribute.ints.iter().any(|n| n.unsigned_abs() > MAX_WINDOW as u64);
            if large || (attribute.name == "kernel_shape" && places.is_none_or(|places| places > MAX_WINDOW)) {
                let what = "a window of more than 2^20 places, or strides, dilations or pads beyond that,";
                return Err(GuardError::Attribute { node: name, operator: node.op_type.clone(), what });
            }
        }
        let mut numbers = attribute.ints.iter().chain([&attribute.i]);
        if AXES.contains(&attribute.name.as_str()) && numbers.any(|axis| axis.unsigned_abs() > MAX_AXIS) {
            let what = "an axis beyond 64, which no tensor has,";
            return Err(GuardError::Attribute { node: name, operator: node.op_type.clone(), what });
        }
        for tensor in attribute.t.iter_mut().chain(&mut attribute.tensors) {
            if tensor.name.is_empty() {
                tensor.name = format!("{name}.{}", attribute.name);
            }
            check_tensor(tensor, folder, &mut budget.bytes)?;
        }
        for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            check_graph(graph, folder, budget, depth + 1)?;
        }
        if attribute.sparse_tensor.is_some() || !attribute.sparse_tensors.is_empty() {
            return Err(GuardError::Sparse);
        }
    }
    Ok(())
}

/// A Scan's body has an input for each that is scanned and for each state, and gives all states back. tract would count
/// below zero.
fn check_scan(node: &pb::NodeProto) -> Result<(), GuardError> {
    let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
    if node.op_type != "Scan" {
        return Ok(());
    }
    let scanned =
        attribute("num_scan_inputs").and_then(|count| usize::try_from(count.i).ok()).filter(|count| *count > 0);
    let states = attribute("body").and_then(|body| body.g.as_ref()?.input.len().checked_sub(scanned?));
    let given_back = attribute("body").and_then(|body| Some(body.g.as_ref()?.output.len())).unwrap_or_default();
    if states.is_none_or(|states| states > given_back) {
        let what = "a body that does not have the inputs and outputs that it scans";
        return Err(GuardError::Attribute {
            node: super::node_name(node).to_owned(),
            operator: node.op_type.clone(),
            what,
        });
    }
    Ok(())
}

fn check_tensor(tensor: &mut pb::TensorProto, folder: &Path, budget: &mut u64) -> Result<(), GuardError> {
    let need = elements(&tensor.name, &tensor.dims)?;
    let unsupported = || GuardError::DataType { tensor: tensor.name.clone(), code: tensor.data_type };
    let external = tensor.data_location == Some(pb::tensor_proto::DataLocation::External as i32)
        || !tensor.external_data.is_empty();
    let wide = tensor.data_type == DataType::Double as i32;
    if let Some(bytes) = super::types::bytes_of(tensor.data_type, need).filter(|_| !wide) {
        if external {
            bring_inside(tensor, folder, bytes as u64, budget)?;
        }
        super::types::widen_tensor(tensor);
        return check_tensor(tensor, folder, budget);
    }
    let kind = DataType::try_from(tensor.data_type).map_err(|_| unsupported())?;
    let size = match kind {
        DataType::Float | DataType::Int32 | DataType::Uint32 => 4,
        DataType::Double | DataType::Int64 | DataType::Uint64 => 8,
        DataType::Float16 | DataType::Int16 | DataType::Uint16 => 2,
        DataType::Bool | DataType::Int8 | DataType::Uint8 => 1,
        _ => return Err(unsupported()),
    };
    if external {
        bring_inside(tensor, folder, (need * size) as u64, budget)?;
    }
    let have = match kind {
        _ if !tensor.raw_data.is_empty() => {
            let whole = tensor.raw_data.len().is_multiple_of(size);
            if whole { tensor.raw_data.len() / size } else { usize::MAX }
        }
        DataType::Float => tensor.float_data.len(),
        DataType::Double => tensor.double_data.len(),
        DataType::Int64 => tensor.int64_data.len(),
        DataType::Uint32 | DataType::Uint64 => tensor.uint64_data.len(),
        _ => tensor.int32_data.len(),
    };
    if have != need {
        return Err(GuardError::DataLength { tensor: tensor.name.clone(), need, have });
    }
    match not_finite(tensor, kind) {
        Some(index) => Err(GuardError::NotFinite { tensor: tensor.name.clone(), index }),
        None => {
            super::types::widen_tensor(tensor);
            Ok(())
        }
    }
}

fn bring_inside(tensor: &mut pb::TensorProto, folder: &Path, bytes: u64, budget: &mut u64) -> Result<(), GuardError> {
    tensor.raw_data = read_external(tensor, folder, bytes, budget)?;
    tensor.external_data.clear();
    tensor.data_location = None;
    Ok(())
}

/// Index of the first element that is NaN, or does not fit a 32-bit float. Infinity by itself is no error here: masks
/// are written with it. What it does to the outputs shows on the samples.
fn not_finite(tensor: &pb::TensorProto, kind: DataType) -> Option<usize> {
    match kind {
        DataType::Float => {
            let raw = tensor.raw_data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            raw.chain(tensor.float_data.iter().copied()).position(|v| v.is_nan())
        }
        DataType::Double => {
            let raw = tensor
                .raw_data
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]));
            raw.chain(tensor.double_data.iter().copied())
                .position(|v| v.is_nan() || (v.is_finite() && !(v as f32).is_finite()))
        }
        _ => None,
    }
}

fn read_external(tensor: &pb::TensorProto, folder: &Path, need: u64, budget: &mut u64) -> Result<Vec<u8>, GuardError> {
    let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
    let location = entry("location").ok_or_else(|| GuardError::NoLocation { tensor: tensor.name.clone() })?;
    let number = |key| entry(key).map_or(Some(None), |v| v.parse::<u64>().ok().map(Some));
    let bad_range = |offset, length| GuardError::ExternalRange {
        tensor: tensor.name.clone(),
        location: location.to_owned(),
        offset,
        length,
    };
    let offset = number("offset").ok_or_else(|| bad_range(0, need))?.unwrap_or(0);
    let length = number("length").ok_or_else(|| bad_range(offset, need))?.unwrap_or(need);
    let path = external_path(folder, location)
        .ok_or_else(|| GuardError::ExternalPath { tensor: tensor.name.clone(), location: location.to_owned() })?;
    let io = |source| GuardError::Io { path: path.clone(), source };
    let mut file = File::open(&path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    if length != need || offset.checked_add(length).is_none_or(|end| end > size) {
        return Err(bad_range(offset, length));
    }
    *budget = budget.checked_sub(length).ok_or(GuardError::FileTooLarge { path: path.clone(), bytes: length })?;
    let mut data = vec![0; length as usize];
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(offset)).map_err(io)?;
    file.read_exact(&mut data).map_err(io)?;
    Ok(data)
}

/// The file of a location below `folder`, if it is a plain path to a regular file that nothing else links to.
fn external_path(folder: &Path, location: &str) -> Option<PathBuf> {
    let mut path = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() };
    if location.is_empty() || location.contains(['\\', '\0']) {
        return None;
    }
    for component in Path::new(location).components() {
        let Component::Normal(part) = component else { return None };
        path.push(part);
        if path.symlink_metadata().ok()?.is_symlink() {
            return None;
        }
    }
    let metadata = path.symlink_metadata().ok()?;
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&metadata) > 1 {
        return None;
    }
    metadata.is_file().then_some(path)
}
