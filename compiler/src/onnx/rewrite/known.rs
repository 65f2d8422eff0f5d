//! What is known of a tensor before the graph is read: its type and shape, and its value where it is a constant.
//!
//! tract finds out, on the part of the graph that makes the tensor. What was found before is an input of that part, and
//! so are large constants, so that every node is looked at once.

use super::{Writer, elements};
use crate::ops::{Reference, numbers_of};
use std::collections::{BTreeMap, HashMap, HashSet};
use tract_onnx::pb::{self, tensor_proto::DataType, tensor_shape_proto::dimension::Value as DimValue};
use tract_onnx::prelude::*;

/// Most elements of a constant whose value is of interest.
const MAX_VALUE: usize = 1 << 16;

/// A tensor of which something is known.
#[derive(Clone, Debug)]
pub struct Known {
    /// The type of its elements.
    pub kind: DataType,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its elements, where they do not depend on the model's input and are not too many.
    pub value: Option<Vec<f64>>,
}

/// The model's inputs, as they are declared.
#[derive(Default)]
pub struct Inputs {
    declared: HashMap<String, pb::ValueInfoProto>,
    found: HashMap<String, Option<Known>>,
}

impl Inputs {
    /// Those of a graph. Axes that have a name get its size, the first axis is 1 unless it has.
    pub fn of(graph: &pb::GraphProto, dims: &BTreeMap<String, u64>) -> Self {
        let mut declared = HashMap::new();
        for input in &graph.input {
            let mut input = input.clone();
            if let Some(pb::type_proto::Value::TensorType(tensor)) =
                input.r#type.as_mut().and_then(|kind| kind.value.as_mut())
            {
                for (axis, dim) in tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim).enumerate() {
                    let first = (axis == 0).then_some(1);
                    let size = match &dim.value {
                        Some(DimValue::DimValue(n)) if *n >= 1 => Some(*n as u64),
                        Some(DimValue::DimParam(name)) => dims.get(name).copied().or(first),
                        _ => first,
                    };
                    dim.value = size.and_then(|n| i64::try_from(n).ok()).map(DimValue::DimValue);
                }
            }
            declared.insert(input.name.clone(), input);
        }
        Self { declared, found: HashMap::new() }
    }
}

impl Inputs {
    /// The number of axes of an input.
    pub fn rank(&self, name: &str) -> Option<usize> {
        match self.declared.get(name)?.r#type.as_ref()?.value.as_ref()? {
            pb::type_proto::Value::TensorType(tensor) => Some(tensor.shape.as_ref()?.dim.len()),
        }
    }
}

/// The declaration of an input of this type and shape.
fn declaration(name: &str, kind: DataType, shape: &[usize]) -> pb::ValueInfoProto {
    let dim = |len: &usize| pb::tensor_shape_proto::Dimension {
        denotation: String::new(),
        value: Some(DimValue::DimValue(*len as i64)),
    };
    let shape = pb::TensorShapeProto { dim: shape.iter().map(dim).collect() };
    let tensor = pb::type_proto::Tensor { elem_type: kind as i32, shape: Some(shape) };
    let kind = pb::TypeProto { denotation: String::new(), value: Some(pb::type_proto::Value::TensorType(tensor)) };
    pb::ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..Default::default() }
}

fn data_type(kind: DatumType) -> Option<DataType> {
    Some(match kind {
        DatumType::Bool => DataType::Bool,
        DatumType::U8 => DataType::Uint8,
        DatumType::U16 => DataType::Uint16,
        DatumType::U32 => DataType::Uint32,
        DatumType::U64 => DataType::Uint64,
        DatumType::I8 => DataType::Int8,
        DatumType::I16 => DataType::Int16,
        DatumType::I32 => DataType::Int32,
        DatumType::I64 | DatumType::TDim => DataType::Int64,
        DatumType::F16 => DataType::Float16,
        DatumType::F32 => DataType::Float,
        DatumType::F64 => DataType::Double,
        _ => return None,
    })
}

impl Writer<'_> {
    /// What is known of a tensor, or nothing: then its shape depends on data, or tract cannot read what makes it.
    pub(super) fn known(&mut self, name: &str) -> Option<Known> {
        if let Some(found) = self.inputs.found.get(name) {
            return found.clone();
        }
        let found = self.find(name);
        self.inputs.found.insert(name.to_owned(), found.clone());
        found
    }

    /// The shape of a tensor.
    pub(super) fn shape(&mut self, name: &str) -> Option<Vec<usize>> {
        self.known(name).map(|known| known.shape)
    }

    /// The elements of a constant.
    pub(super) fn value(&mut self, name: &str) -> Option<Vec<f64>> {
        self.known(name).and_then(|known| known.value)
    }

    /// The elements of a constant of integers.
    pub(super) fn whole(&mut self, name: &str) -> Option<Vec<i64>> {
        self.constant_ints(name).or_else(|| self.value(name).map(|list| list.iter().map(|v| *v as i64).collect()))
    }

    fn find(&mut self, name: &str) -> Option<Known> {
        let mut part = self.part(name)?;
        // a tensor that nothing makes, or a model without inputs, takes a node and an input more
        let target = format!("{name}.known");
        part.node.push(pb::NodeProto {
            op_type: "Identity".to_owned(),
            name: target.clone(),
            input: vec![name.to_owned()],
            output: vec![target.clone()],
            ..Default::default()
        });
        if part.input.is_empty() {
            part.input.push(declaration("assay.none", DataType::Float, &[1]));
        }
        part.output.push(pb::ValueInfoProto { name: target, ..Default::default() });
        let opset = |domain: &str, version| pb::OperatorSetIdProto { domain: domain.to_owned(), version };
        let model = pb::ModelProto {
            ir_version: 8,
            opset_import: vec![opset("", self.version), opset("ai.onnx.ml", 3)],
            graph: Some(part),
            ..Default::default()
        };
        let reference = Reference::shapes(&model).ok()?;
        let typed = reference.typed();
        let fact = typed.outlet_fact(*typed.output_outlets().ok()?.first()?).ok()?;
        let shape = fact.shape.as_concrete()?.to_vec();
        let small = shape.iter().product::<usize>() <= MAX_VALUE;
        let value = fact.konst.as_ref().filter(|_| small).and_then(|tensor| numbers_of(tensor));
        Some(Known { kind: data_type(fact.datum_type)?, shape, value })
    }

    /// The part of the graph that makes a tensor.
    fn part(&self, name: &str) -> Option<pb::GraphProto> {
        let mut makers: HashMap<&str, usize> = HashMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            makers.extend(node.output.iter().map(|output| (output.as_str(), at)));
        }
        let mut part = pb::GraphProto { name: "part".to_owned(), ..Default::default() };
        let mut wanted: Vec<usize> = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        let mut open = vec![name];
        while let Some(tensor) = open.pop() {
            if tensor.is_empty() || !seen.insert(tensor) {
                continue;
            }
            if let Some(Some(known)) =
                self.inputs.found.get(tensor).filter(|known| known.as_ref().is_some_and(|k| k.value.is_none()))
            {
                part.input.push(declaration(tensor, known.kind, &known.shape));
            } else if let Some(at) = self.index.get(tensor) {
                let constant = &self.initializers[*at];
                if elements(constant) <= MAX_VALUE {
                    part.initializer.push(constant.clone());
                } else {
                    let shape: Vec<usize> = constant.dims.iter().map(|d| usize::try_from(*d).unwrap_or(0)).collect();
                    part.input.push(declaration(tensor, DataType::try_from(constant.data_type).ok()?, &shape));
                }
            } else if let Some(at) = makers.get(tensor) {
                if !wanted.contains(at) {
                    wanted.push(*at);
                    let node = &self.nodes[*at];
                    // graphs inside nodes read what is around them
                    if node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty()) {
                        return None;
                    }
                    open.extend(node.input.iter().map(String::as_str));
                }
            } else {
                part.input.push(self.inputs.declared.get(tensor)?.clone());
            }
        }
        wanted.sort_unstable();
        part.node = wanted.into_iter().map(|at| self.nodes[at].clone()).collect();
        Some(part)
    }
}
