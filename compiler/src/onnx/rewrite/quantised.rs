//! Quantised operators as what they mean: integers less their zero point, products, and a rounding. Assay quantises
//! what comes out by itself.

use super::{Writer, input, int, integer, reals};
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

    fn quantised(&mut self, node: &pb::NodeProto, y: &str, scale: &str, zero: &str) -> Result<(), GuardError> {
        let output = node.output.first().cloned().unwrap_or_default();
        let input = [y, scale, zero].map(str::to_owned).to_vec();
        let rounded = pb::NodeProto { op_type: "QuantizeLinear".to_owned(), input, output: vec![output], ..Default::default() };
        self.quantize(&rounded).map(|_| ())
    }

    pub(super) fn qlinear_matmul(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let a = self.real_of(input(node, 0), input(node, 1), input(node, 2));
        let b = self.real_of(input(node, 3), input(node, 4), input(node, 5));
        let y = self.node("MatMul", &[&a, &b], Vec::new());
        self.quantised(node, &y, input(node, 6), input(node, 7))?;
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
        self.quantised(node, &y, input(node, 6), input(node, 7))?;
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
        for (index, tensor) in [&y, &scale, &point].into_iter().enumerate() {
            self.output(node, index, tensor);
        }
        Ok(true)
    }

    /// One number an axis, or one a block of places of it, so that it spreads over a tensor of this shape.
    fn spread(&mut self, node: &pb::NodeProto, tensor: &str) -> Result<String, GuardError> {
        let (Some(shape), Some(own)) = (self.shape(input(node, 0)), self.shape(tensor)) else {
            return self.refused("a shape that is not known beforehand");
        };
        let rank = shape.len() as i64;
        let axis = integer(node, "axis", 1);
        let axis = if axis < 0 { axis + rank } else { axis };
        if own.iter().product::<usize>() == 1 {
            return Ok(self.reshaped(tensor, &[1]));
        }
        let Some(at) = usize::try_from(axis).ok().filter(|at| *at < shape.len()) else { return self.refused("this axis") };
        if own.len() == 1 && shape.len() != 1 || own == [shape[at]] {
            let mut along = vec![1; shape.len()];
            along[at] = -1;
            return Ok(self.reshaped(tensor, &along));
        }
        let block = integer(node, "block_size", 0) as usize;
        if own.len() != shape.len() || block == 0 || own[at] * block < shape[at] {
            return self.refused("a scale that fits neither an axis nor blocks of it");
        }
        let places: Vec<i64> = (0..shape[at]).map(|place| (place / block) as i64).collect();
        let places = self.ints(&places);
        Ok(self.node("Gather", &[tensor, &places], vec![int("axis", axis)]))
    }

    /// `clamp(round(x / scale) + zero)`.
    pub(super) fn quantize(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let zero = input(node, 2);
        let named = DataType::try_from(integer(node, "output_dtype", 0) as i32).unwrap_or(DataType::Undefined);
        let kind = match zero {
            "" if named == DataType::Undefined => DataType::Uint8,
            "" => named,
            zero => match self.known(zero) {
                Some(known) => known.kind,
                None => return Ok(false),
            },
        };
        let narrow = reals(node, "assay_ends").to_vec();
        let (least, most) = match (&narrow[..], kind) {
            ([least, most], _) => (*least, *most),
            (_, DataType::Uint8) => (0.0, 255.0),
            (_, DataType::Int8) => (-128.0, 127.0),
            (_, DataType::Uint16) => (0.0, 65535.0),
            (_, DataType::Int16) => (-32768.0, 32767.0),
            _ => return self.refused("another type than integers of 16 bits or fewer"),
        };
        let scale = self.cast(input(node, 1), DataType::Float);
        let scale = self.spread(node, &scale)?;
        let x = self.cast(input(node, 0), DataType::Float);
        let ratio = self.node("Div", &[&x, &scale], Vec::new());
        let mut y = self.node("Round", &[&ratio], Vec::new());
        if !zero.is_empty() {
            let zero = self.cast(zero, DataType::Float);
            let zero = self.spread(node, &zero)?;
            y = self.node("Add", &[&y, &zero], Vec::new());
        }
        let (least, most) = (self.number(least), self.number(most));
        let y = self.node("Max", &[&y, &least], Vec::new());
        let y = self.node("Min", &[&y, &most], Vec::new());
        let y = self.cast(&y, kind);
        self.output(node, 0, &y);
        Ok(true)
    }

    /// `(x - zero) · scale`.
    pub(super) fn dequantize(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let scale = self.cast(input(node, 1), DataType::Float);
        let scale = self.spread(node, &scale)?;
        let mut x = self.cast(input(node, 0), DataType::Float);
        if !input(node, 2).is_empty() {
            let zero = self.cast(input(node, 2), DataType::Float);
            let zero = self.spread(node, &zero)?;
            x = self.node("Sub", &[&x, &zero], Vec::new());
        }
        let y = self.node("Mul", &[&x, &scale], Vec::new());
        self.output(node, 0, &y);
        Ok(true)
    }
}
