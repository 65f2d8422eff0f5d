//! What nodes and tensors hold, in few words.

use tract_onnx::pb::{self, attribute_proto::AttributeType, tensor_proto::DataType};

pub fn elements(tensor: &pb::TensorProto) -> usize {
    tensor.dims.iter().map(|d| usize::try_from(*d).unwrap_or(0)).product()
}

pub fn is_numeric(output: &pb::ValueInfoProto) -> bool {
    match output.r#type.as_ref().and_then(|kind| kind.value.as_ref()) {
        Some(pb::type_proto::Value::TensorType(tensor)) => tensor.elem_type != DataType::String as i32,
        None => false,
    }
}

pub fn tensor_type(kind: DataType) -> pb::TypeProto {
    let tensor = pb::type_proto::Tensor { elem_type: kind as i32, shape: None };
    pb::TypeProto { denotation: String::new(), value: Some(pb::type_proto::Value::TensorType(tensor)) }
}

pub fn attribute<'a>(node: &'a pb::NodeProto, name: &str) -> Option<&'a pb::AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

/// An attribute's text; `default` where it is not there.
pub fn text<'a>(node: &'a pb::NodeProto, name: &str, default: &'a str) -> &'a str {
    attribute(node, name).and_then(|a| std::str::from_utf8(&a.s).ok()).unwrap_or(default)
}

pub fn integer(node: &pb::NodeProto, name: &str, default: i64) -> i64 {
    attribute(node, name).map_or(default, |a| a.i)
}

pub fn real(node: &pb::NodeProto, name: &str, default: f32) -> f32 {
    attribute(node, name).map_or(default, |a| a.f)
}

pub fn reals<'a>(node: &'a pb::NodeProto, name: &str) -> &'a [f32] {
    attribute(node, name).map_or(&[], |a| &a.floats)
}

pub fn integers<'a>(node: &'a pb::NodeProto, name: &str) -> &'a [i64] {
    attribute(node, name).map_or(&[], |a| &a.ints)
}

pub fn strings(node: &pb::NodeProto, name: &str) -> usize {
    attribute(node, name).map_or(0, |a| a.strings.len())
}

pub fn input(node: &pb::NodeProto, index: usize) -> &str {
    node.input.get(index).map_or("", String::as_str)
}

pub fn int(name: &str, i: i64) -> pb::AttributeProto {
    pb::AttributeProto { name: name.to_owned(), r#type: AttributeType::Int as i32, i, ..Default::default() }
}

pub fn ints(name: &str, values: &[i64]) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Ints as i32,
        ints: values.to_vec(),
        ..Default::default()
    }
}

fn raw_floats(raw: &[u8]) -> Vec<f32> {
    raw.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// The numbers of a tensor of 32-bit floats.
pub fn floats(tensor: &pb::TensorProto) -> Vec<f32> {
    if tensor.raw_data.is_empty() { tensor.float_data.clone() } else { raw_floats(&tensor.raw_data) }
}
