//! Quantised operators of onnxruntime's own, which its quantizer writes beside those of the standard: a standard
//! operator between a DequantizeLinear of each input and a QuantizeLinear.

use super::{Writer, input, integer, real};
use crate::onnx::GuardError;
use tract_onnx::pb::{self, tensor_proto::DataType};

/// The domain of these operators.
pub(super) const DOMAIN: &str = "com.microsoft";

impl Writer<'_> {
    /// Whether the node was replaced.
    pub(super) fn contrib(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        if node.domain != DOMAIN {
            return Ok(false);
        }
        let at = |index| input(node, index);
        let (first, second) = ((at(0), at(1), at(2), 1), (at(3), at(4), at(5), 1));
        let one = (at(3), at(4));
        match node.op_type.as_str() {
            "QLinearAdd" => self.between(&plain(node), "Add", &[first, second], (at(6), at(7))),
            "QLinearMul" => self.between(&plain(node), "Mul", &[first, second], (at(6), at(7))),
            "QLinearSigmoid" => self.between(&plain(node), "Sigmoid", &[first], one),
            "QLinearLeakyRelu" => self.between(node, "LeakyRelu", &[first], one),
            "QLinearAveragePool" | "QLinearGlobalAveragePool" if integer(node, "channels_last", 0) != 0 => {
                self.refused("channels behind the plane")
            }
            "QLinearAveragePool" => {
                let mut pool = node.clone();
                pool.attribute.retain(|attribute| attribute.name != "channels_last");
                self.between(&pool, "AveragePool", &[first], one)
            }
            "QLinearGlobalAveragePool" => self.between(&plain(node), "GlobalAveragePool", &[first], one),
            "QGemm" => self.quantised_gemm(node),
            _ => Ok(false),
        }
    }

    fn quantised_gemm(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let at = |index| input(node, index);
        if real(node, "alpha", 1.0) != 1.0 {
            return self.refused("a factor alpha");
        }
        if at(7).is_empty() {
            return self.refused("an output that is not quantised");
        }
        let channels = if integer(node, "transB", 0) == 0 { 1 } else { 0 };
        let mut tensors = vec![(at(0), at(1), at(2), 1), (at(3), at(4), at(5), channels)];
        let (a, b) = (self.cast(at(1), DataType::Float), self.cast(at(4), DataType::Float));
        let step = self.node("Mul", &[&a, &b], Vec::new());
        if !at(6).is_empty() {
            tensors.push((at(6), &step, "", 0));
        }
        self.between(node, "Gemm", &tensors, (at(7), at(8)))
    }
}

/// A node without attributes that its standard operator does not have.
fn plain(node: &pb::NodeProto) -> pb::NodeProto {
    pb::NodeProto { attribute: Vec::new(), ..node.clone() }
}
