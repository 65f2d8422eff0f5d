//! Quantised operators as what they mean: integers less their zero point, products, and a rounding. Assay quantises
//! what comes out by itself.

use super::{Writer, input, int};
use crate::onnx::GuardError;
use tract_onnx::pb::{self, tensor_proto::DataType};

impl Writer<'_> {
    /// `x - zero` as reals; `zero` may be left out.
    fn centred(&mut self, x: &str, zero: &str) -> String {
        let x = self.cast(x, DataType::Float);
        if zero.is_empty() {
            return x;
        }
        let zero = self.cast(zero, DataType::Float);
        self.node("Sub", &[&x, &zero], Vec::new())
    }

    /// `(x - zero) · scale`.
    fn real_of(&mut self, x: &str, scale: &str, zero: &str) -> String {
        let centred = self.centred(x, zero);
        self.node("Mul", &[&centred, scale], Vec::new())
    }

    pub(super) fn matmul_integer(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let (a, b) = (self.centred(input(node, 0), input(node, 2)), self.centred(input(node, 1), input(node, 3)));
        let y = self.node("MatMul", &[&a, &b], Vec::new());
        let y = self.cast(&y, DataType::Int32);
        self.output(node, 0, &y);
        Ok(true)
    }

    pub(super) fn conv_integer(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let (x, w) = (self.centred(input(node, 0), input(node, 2)), self.real_kernel(node, 1, None, 3)?);
        let y = self.node("Conv", &[&x, &w], node.attribute.clone());
        let y = self.cast(&y, DataType::Int32);
        self.output(node, 0, &y);
        Ok(true)
    }

    /// A kernel, whose scale and zero point may have one number for each output channel.
    fn real_kernel(&mut self, node: &pb::NodeProto, weights: usize, scale: Option<usize>, zero: usize) -> Result<String, GuardError> {
        let Some(rank) = self.constant(input(node, weights)).map(|tensor| tensor.dims.len()) else {
            return self.refused("a kernel that is no constant");
        };
        let mut shape = vec![1; rank];
        shape[0] = -1;
        let spread = |writer: &mut Self, tensor: &str| {
            let tensor = writer.cast(tensor, DataType::Float);
            writer.reshaped(&tensor, &shape)
        };
        let mut w = self.cast(input(node, weights), DataType::Float);
        if !input(node, zero).is_empty() {
            let zero = spread(self, input(node, zero));
            w = self.node("Sub", &[&w, &zero], Vec::new());
        }
        if let Some(scale) = scale {
            let scale = spread(self, input(node, scale));
            w = self.node("Mul", &[&w, &scale], Vec::new());
        }
        Ok(w)
    }

    fn quantised(&mut self, node: &pb::NodeProto, y: &str, scale: &str, zero: &str) {
        let y = self.node("QuantizeLinear", &[y, scale, zero], Vec::new());
        self.output(node, 0, &y);
    }

    pub(super) fn qlinear_matmul(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let a = self.real_of(input(node, 0), input(node, 1), input(node, 2));
        let b = self.real_of(input(node, 3), input(node, 4), input(node, 5));
        let y = self.node("MatMul", &[&a, &b], Vec::new());
        self.quantised(node, &y, input(node, 6), input(node, 7));
        Ok(true)
    }

    pub(super) fn qlinear_conv(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let x = self.real_of(input(node, 0), input(node, 1), input(node, 2));
        let w = self.real_kernel(node, 3, Some(4), 5)?;
        let y = if input(node, 8).is_empty() {
            self.node("Conv", &[&x, &w], node.attribute.clone())
        } else {
            // the bias counts products of both steps
            let bias = self.cast(input(node, 8), DataType::Float);
            let bias = self.node("Mul", &[&bias, input(node, 1)], Vec::new());
            let bias = self.node("Mul", &[&bias, input(node, 4)], Vec::new());
            self.node("Conv", &[&x, &w, &bias], node.attribute.clone())
        };
        self.quantised(node, &y, input(node, 6), input(node, 7));
        Ok(true)
    }

    /// Scale and zero point of the least and largest number: `x` in 0…255.
    pub(super) fn dynamic_quantize(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let x = input(node, 0);
        let (zero, steps) = (self.number(0.0), self.number(255.0));
        let keep = || vec![int("keepdims", 0)];
        let most = self.node("ReduceMax", &[x], keep());
        let least = self.node("ReduceMin", &[x], keep());
        let most = self.node("Max", &[&most, &zero], Vec::new());
        let least = self.node("Min", &[&least, &zero], Vec::new());
        let range = self.node("Sub", &[&most, &least], Vec::new());
        let scale = self.node("Div", &[&range, &steps], Vec::new());
        let clipped = |writer: &mut Self, y: &str| {
            let low = writer.node("Max", &[y, &zero], Vec::new());
            writer.node("Min", &[&low, &steps], Vec::new())
        };
        let least = self.node("Neg", &[&least], Vec::new());
        let point = self.node("Div", &[&least, &scale], Vec::new());
        let point = clipped(self, &point);
        let point = self.node("Round", &[&point], Vec::new());
        let y = self.node("Div", &[x, &scale], Vec::new());
        let y = self.node("Round", &[&y], Vec::new());
        let y = self.node("Add", &[&y, &point], Vec::new());
        let y = clipped(self, &y);
        let (y, point) = (self.cast(&y, DataType::Uint8), self.cast(&point, DataType::Uint8));
        self.dynamic.extend(node.output.get(1).cloned());
        for (index, tensor) in [&y, &scale, &point].into_iter().enumerate() {
            self.output(node, index, tensor);
        }
        Ok(true)
    }

    /// With the scale of a dynamic quantisation, which is one number: tract reads constant scales only.
    pub(super) fn dequantize(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        if !self.dynamic.contains(input(node, 1)) {
            return Ok(false);
        }
        let y = self.real_of(input(node, 0), input(node, 1), input(node, 2));
        self.output(node, 0, &y);
        Ok(true)
    }
}
