//! Element types other than 32-bit floats and whole bytes: floats of 16 bits (both kinds), of 64, of 8 and 4, and
//! integers of 4 and 2 bits. They are read as 32-bit floats and 8-bit integers. What would round to a float of 8 bits
//! or fewer is refused; a rounding to one of 16 is left out, since all that is computed is rounded otherwise anyway.

use super::GuardError;
use std::collections::HashSet;
use tract_onnx::pb::{self, attribute_proto::AttributeType};

const FLOAT: i32 = 1;
const UINT8: i32 = 2;
const INT8: i32 = 3;
const FLOAT16: i32 = 10;
const DOUBLE: i32 = 11;
const BFLOAT16: i32 = 16;
const SMALL_FLOATS: [i32; 6] = [17, 18, 19, 20, 23, 24];

/// The type that holds all numbers of another one.
fn wider(code: i32) -> Option<i32> {
    match code {
        FLOAT16 | DOUBLE | BFLOAT16 | 17..=20 | 23 | 24 => Some(FLOAT),
        21 | 25 => Some(UINT8),
        22 | 26 => Some(INT8),
        _ => None,
    }
}

/// Least and largest integer of a type that is read as a wider one.
fn ends(code: i32) -> Option<(f32, f32)> {
    match code {
        21 => Some((0.0, 15.0)),
        22 => Some((-8.0, 7.0)),
        25 => Some((0.0, 3.0)),
        26 => Some((-2.0, 1.0)),
        _ => None,
    }
}

/// Bits of an element of a type that is read as a wider one.
fn bits_of(code: i32) -> Option<usize> {
    wider(code).map(|_| match code {
        DOUBLE => 64,
        FLOAT16 | BFLOAT16 => 16,
        21..=23 => 4,
        25 | 26 => 2,
        _ => 8,
    })
}

/// Bytes of so many elements of a type that is read as a wider one.
pub fn bytes_of(code: i32, elements: usize) -> Option<usize> {
    bits_of(code).map(|bits| (elements * bits).div_ceil(8))
}

/// Gives a graph's inputs and nodes wider types. Its tensors follow when their data has been read.
pub fn widen(graph: &mut pb::GraphProto) -> Result<(), GuardError> {
    let mut codes: Vec<(String, i32)> = Vec::new();
    codes.extend(graph.initializer.iter().map(|tensor| (tensor.name.clone(), tensor.data_type)));
    for value in graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info) {
        if let Some(pb::type_proto::Value::TensorType(tensor)) =
            value.r#type.as_mut().and_then(|kind| kind.value.as_mut())
        {
            codes.push((value.name.clone(), tensor.elem_type));
            tensor.elem_type = wider(tensor.elem_type).unwrap_or(tensor.elem_type);
        }
    }
    codes.retain(|(_, code)| wider(*code).is_some());
    let rounded: HashSet<String> =
        codes.iter().filter(|(_, code)| SMALL_FLOATS.contains(code)).map(|(name, _)| name.clone()).collect();
    let code_of = |name: &str| codes.iter().find(|(known, _)| known == name).map(|(_, code)| *code);
    for node in &mut graph.node {
        let refused = |node: &pb::NodeProto| {
            let what = "a rounding to floats of 8 bits or fewer";
            Err(GuardError::Attribute { node: super::node_name(node).to_owned(), operator: node.op_type.clone(), what })
        };
        if matches!(node.op_type.as_str(), "CastLike" | "BitCast")
            && node.input.get(1).is_some_and(|like| rounded.contains(like))
        {
            return refused(node);
        }
        let quantises = node.op_type == "QuantizeLinear";
        let mut target = node.input.get(2).filter(|_| quantises).and_then(|zero| code_of(zero));
        if node.op_type == "CastLike" {
            target = node.input.get(1).and_then(|like| code_of(like));
        }
        for attribute in &mut node.attribute {
            for inside in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                widen(inside)?;
            }
            if matches!(attribute.name.as_str(), "to" | "output_dtype" | "dtype") {
                let code = i32::try_from(attribute.i).unwrap_or(0);
                target = target.or(Some(code));
                attribute.i = wider(code).unwrap_or(code).into();
            }
        }
        match target {
            Some(code) if SMALL_FLOATS.contains(&code) && node.op_type != "DequantizeLinear" => return refused(node),
            Some(code) if quantises || matches!(node.op_type.as_str(), "Cast" | "CastLike") => {
                if let Some((least, most)) = ends(code) {
                    let floats = vec![least, most];
                    let name = "assay_ends".to_owned();
                    node.attribute.push(pb::AttributeProto {
                        name,
                        r#type: AttributeType::Floats as i32,
                        floats,
                        ..Default::default()
                    });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Gives a tensor whose data is inside a wider type.
pub fn widen_tensor(tensor: &mut pb::TensorProto) {
    let code = tensor.data_type;
    let Some((kind, bits)) = wider(code).zip(bits_of(code)) else { return };
    let elements: usize = tensor.dims.iter().map(|d| usize::try_from(*d).unwrap_or(0)).product();
    if code == DOUBLE {
        let raw = tensor
            .raw_data
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]));
        tensor.raw_data = raw.chain(tensor.double_data.drain(..)).flat_map(|v| (v as f32).to_le_bytes()).collect();
        tensor.data_type = kind;
        return;
    }
    // numbers of 32 bits hold what bytes of the file would
    let raw: Vec<u8> = match (tensor.raw_data.is_empty(), bits) {
        (false, _) => std::mem::take(&mut tensor.raw_data),
        (true, 16) => tensor.int32_data.iter().flat_map(|v| (*v as u16).to_le_bytes()).collect(),
        (true, _) => tensor.int32_data.iter().map(|v| *v as u8).collect(),
    };
    tensor.int32_data.clear();
    let mut numbers: Vec<u32> = match bits {
        16 => raw.chunks_exact(2).map(|b| u32::from(u16::from_le_bytes([b[0], b[1]]))).collect(),
        bits => {
            let each = 8 / bits;
            raw.iter()
                .flat_map(|byte| (0..each).map(move |k| u32::from(*byte >> (k * bits)) & ((1 << bits) - 1)))
                .collect()
        }
    };
    // the last byte may be half full; a length that is wrong otherwise is found with all others
    if bits < 8 && numbers.len() >= elements && numbers.len() - elements < 8 / bits {
        numbers.truncate(elements);
    }
    tensor.data_type = kind;
    tensor.raw_data = match code {
        22 => numbers.iter().map(|v| ((*v as i8) << 4 >> 4) as u8).collect(),
        26 => numbers.iter().map(|v| ((*v as i8) << 6 >> 6) as u8).collect(),
        21 | 25 => numbers.iter().map(|v| *v as u8).collect(),
        _ => numbers.iter().flat_map(|v| small_float(code, *v).to_le_bytes()).collect(),
    };
}

/// The number that a float of few bits stands for.
fn small_float(code: i32, bits: u32) -> f32 {
    if code == FLOAT16 {
        return tract_onnx::prelude::f16::from_bits(bits as u16).to_f32();
    }
    if code == BFLOAT16 {
        return f32::from_bits(bits << 16);
    }
    if code == 24 {
        return if bits == 255 { f32::NAN } else { (bits as f32 - 127.0).exp2() };
    }
    // bits of exponent and fraction, and the exponent's offset
    let (exponent_bits, fraction_bits, offset) = match code {
        17 => (4, 3, 7),
        18 => (4, 3, 8),
        19 => (5, 2, 15),
        20 => (5, 2, 16),
        _ => (2, 1, 1),
    };
    let fraction = bits & ((1 << fraction_bits) - 1);
    let exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1);
    let negative = bits >> (exponent_bits + fraction_bits) & 1 == 1;
    let last = exponent == (1 << exponent_bits) - 1;
    let size = match code {
        17 if last && fraction == 7 => f32::NAN,
        19 if last => {
            if fraction == 0 {
                f32::INFINITY
            } else {
                f32::NAN
            }
        }
        18 | 20 if negative && exponent == 0 && fraction == 0 => f32::NAN,
        _ => {
            let part = fraction as f32 / (1 << fraction_bits) as f32;
            let (whole, power) = if exponent == 0 { (0.0, 1) } else { (1.0, exponent as i32) };
            (whole + part) * ((power - offset) as f32).exp2()
        }
    };
    if negative { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::small_float;

    #[test]
    fn small_floats_are_what_the_standard_says() {
        assert_eq!(small_float(16, 0x3FC0), 1.5);
        assert_eq!(small_float(17, 0b0111_1110), 448.0);
        assert_eq!(small_float(17, 0b1000_0001), -0.001_953_125);
        assert!(small_float(17, 0x7F).is_nan());
        assert_eq!(small_float(19, 0b0111_1011), 57344.0);
        assert_eq!(small_float(18, 0b0111_1111), 240.0);
        assert_eq!(small_float(23, 0b0111), 6.0);
        assert_eq!(small_float(23, 0b1001), -0.5);
        assert_eq!(small_float(24, 128), 2.0);
    }
}
