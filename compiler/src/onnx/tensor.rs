//! Constants of a graph that has passed the guard.

use tract_onnx::pb::{self, tensor_proto::DataType};

/// A constant tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Dimensions; none for a scalar.
    pub shape: Vec<usize>,
    /// Elements as floats.
    pub floats: Vec<f32>,
    /// Elements as integers, where the tensor is one of integers.
    pub ints: Option<Vec<i64>>,
}

impl Constant {
    /// A tensor of the graph. The guard has checked length and type.
    pub fn of(tensor: &pb::TensorProto) -> Self {
        let shape = tensor.dims.iter().map(|&d| d as usize).collect();
        let raw = &tensor.raw_data;
        let eight = |b: &[u8]| <[u8; 8]>::try_from(b).unwrap_or_default();
        let four = |b: &[u8]| <[u8; 4]>::try_from(b).unwrap_or_default();
        let ints: Vec<i64> = match DataType::try_from(tensor.data_type) {
            Ok(DataType::Float) => {
                let floats = raw.chunks_exact(4).map(|b| f32::from_le_bytes(four(b))).chain(tensor.float_data.iter().copied()).collect();
                return Self { shape, floats, ints: None };
            }
            Ok(DataType::Double) => {
                let wide = raw.chunks_exact(8).map(|b| f64::from_le_bytes(eight(b))).chain(tensor.double_data.iter().copied());
                return Self { shape, floats: wide.map(|v| v as f32).collect(), ints: None };
            }
            Ok(DataType::Int64) => {
                raw.chunks_exact(8).map(|b| i64::from_le_bytes(eight(b))).chain(tensor.int64_data.iter().copied()).collect()
            }
            Ok(DataType::Int32) => {
                let narrow = raw.chunks_exact(4).map(|b| i32::from_le_bytes(four(b))).chain(tensor.int32_data.iter().copied());
                narrow.map(i64::from).collect()
            }
            _ => raw.iter().map(|&b| i64::from(b)).chain(tensor.int32_data.iter().map(|&v| i64::from(v))).collect(),
        };
        Self::integers(shape, ints)
    }

    /// A tensor of integers.
    pub fn integers(shape: Vec<usize>, ints: Vec<i64>) -> Self {
        Self { shape, floats: ints.iter().map(|&v| v as f32).collect(), ints: Some(ints) }
    }
}
