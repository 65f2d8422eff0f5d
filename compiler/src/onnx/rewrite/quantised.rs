//! Quantised operators as what they mean: integers less their zero point, products, and a rounding. Assay quantises
//! what comes out by itself.

use super::integers::Centred;
use super::{Writer, input, int, integer, reals};
use crate::onnx::GuardError;
use tract_onnx::pb::{self, tensor_proto::DataType};

impl Writer<'_> {
    /// `x - zero` as reals; `zero` may be left out.
    fn centred_reals(&mut self, x: &str, zero: &str) -> String {
        if let Some((_, made)) = self.dynamic.centred.get(x).filter(|(of, _)| of == zero) {
            return made.clone();
        }
        if let Some(made) = self.centred.get(x).cloned()
            && (zero.is_empty() || self.one_number(zero).is_some())
        {
            let rest = made.zero - self.one_number(zero).unwrap_or(0.0);
            return self.shifted(&made.tensor, rest as f32);
        }
        let x = self.cast(x, DataType::Float);
        if zero.is_empty() || self.value(zero).is_some_and(|values| values.iter().all(|v| *v == 0.0)) {
            return x;
        }
        let zero = self.cast(zero, DataType::Float);
        self.node("Sub", &[&x, &zero], Vec::new())
    }

    /// A tensor and a number.
    fn shifted(&mut self, tensor: &str, by: f32) -> String {
        if by == 0.0 {
            return tensor.to_owned();
        }
        let by = self.number(by);
        self.node("Add", &[tensor, &by], Vec::new())
    }

    /// The only element of a constant, or 0 where there is none.
    pub(super) fn one_number(&mut self, name: &str) -> Option<f64> {
        if name.is_empty() {
            return Some(0.0);
        }
        let value = self.value(name)?;
        value.first().copied().filter(|_| value.len() == 1)
    }

    pub(super) fn matmul_integer(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let (a, b) =
            (self.centred_reals(input(node, 0), input(node, 2)), self.centred_reals(input(node, 1), input(node, 3)));
        let y = self.node("MatMul", &[&a, &b], Vec::new());
        let y = self.node("Round", &[&y], Vec::new());
        let y = self.cast(&y, DataType::Int32);
        self.output(node, 0, &y);
        Ok(true)
    }

    pub(super) fn conv_integer(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let (x, w) = (self.centred_reals(input(node, 0), input(node, 2)), self.centred_kernel(node)?);
        let y = self.node("Conv", &[&x, &w], node.attribute.clone());
        let y = self.node("Round", &[&y], Vec::new());
        let y = self.cast(&y, DataType::Int32);
        self.output(node, 0, &y);
        Ok(true)
    }

    /// A kernel, whose zero point may be one number for each output channel.
    fn centred_kernel(&mut self, node: &pb::NodeProto) -> Result<String, GuardError> {
        let Some(rank) = self.constant(input(node, 1)).map(|tensor| tensor.dims.len()) else {
            return self.refused("a kernel that is no constant");
        };
        let w = self.cast(input(node, 1), DataType::Float);
        if input(node, 3).is_empty() {
            return Ok(w);
        }
        let mut shape = vec![1; rank];
        shape[0] = -1;
        let zero = self.cast(input(node, 3), DataType::Float);
        let zero = self.reshaped(&zero, &shape);
        Ok(self.node("Sub", &[&w, &zero], Vec::new()))
    }

    pub(super) fn qlinear_matmul(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let at = |index| input(node, index);
        let last = |writer: &mut Self, tensor: &str| writer.shape(tensor).map_or(1, |shape| shape.len() as i64 - 1);
        let axis = last(self, at(3));
        self.between(node, "MatMul", &[(at(0), at(1), at(2), 0), (at(3), at(4), at(5), axis)], (at(6), at(7)))
    }

    pub(super) fn qlinear_conv(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let at = |index| input(node, index);
        let mut tensors = vec![(at(0), at(1), at(2), 1), (at(3), at(4), at(5), 0)];
        // the bias counts products of both steps
        let (x, w) = (self.cast(at(1), DataType::Float), self.cast(at(4), DataType::Float));
        let step = self.node("Mul", &[&x, &w], Vec::new());
        if !at(8).is_empty() {
            tensors.push((at(8), &step, "", 0));
        }
        self.between(node, "Conv", &tensors, (at(6), at(7)))
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
        let Some(at) = usize::try_from(axis).ok().filter(|at| *at < shape.len()) else {
            return self.refused("this axis");
        };
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
        let point = if zero.is_empty() { Some(0.0) } else { self.one_number(zero) };
        if let (Some(scale), Some(point)) = (self.one_number(input(node, 1)).filter(|scale| *scale > 0.0), point) {
            let ends = (least - point as f32, most - point as f32);
            let x = self.real_numbers(input(node, 0));
            let tensor = self.rounded(&x, scale as f32, ends);
            let y = self.shifted(&tensor, point as f32);
            let y = self.cast(&y, kind);
            self.output(node, 0, &y);
            let made = Centred { tensor, zero: point, ends };
            self.centred.extend(node.output.first().map(|name| (name.clone(), made)));
            return Ok(true);
        }
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

    /// A tensor as reals, under its own name where it is of reals.
    fn real_numbers(&mut self, x: &str) -> String {
        let real = self.known(x).is_none_or(|known| known.kind == DataType::Float);
        if real { x.to_owned() } else { self.cast(x, DataType::Float) }
    }

    /// `(x - zero) · scale`.
    pub(super) fn dequantize(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let scale = self.cast(input(node, 1), DataType::Float);
        let scale = self.spread(node, &scale)?;
        let zero = input(node, 2);
        let ends = self.centred.get(input(node, 0)).map(|made| (made.zero, made.ends));
        let ends = self.one_number(zero).and_then(|zero| ends.filter(|(of, _)| *of == zero)).map(|(_, ends)| ends);
        let x = if zero.is_empty() || self.one_number(zero).is_some() {
            self.centred_reals(input(node, 0), zero)
        } else {
            let x = self.cast(input(node, 0), DataType::Float);
            let zero = self.cast(zero, DataType::Float);
            let zero = self.spread(node, &zero)?;
            self.node("Sub", &[&x, &zero], Vec::new())
        };
        let y = self.node("Mul", &[&x, &scale], Vec::new());
        self.output(node, 0, &y);
        self.note_whole(node, &x, ends);
        Ok(true)
    }
}
