//! Functions of one or two tensors that tract reads otherwise than the standard, or not in every form.

use super::{Writer, attribute, input, integer, real, text};
use crate::onnx::GuardError;
use tract_onnx::pb::{self, tensor_proto::DataType};

impl Writer<'_> {
    /// `alpha · elu(x / alpha)`: tract divides nothing.
    pub(super) fn celu(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let alpha = real(node, "alpha", 1.0);
        if alpha == 1.0 {
            return Ok(false);
        }
        if alpha == 0.0 {
            return self.refused("an alpha of 0");
        }
        let (down, up) = (self.number(1.0 / alpha), self.number(alpha));
        let x = self.node("Mul", &[input(node, 0), &down], Vec::new());
        let y = self.node("Elu", &[&x], Vec::new());
        let y = self.node("Mul", &[&y, &up], Vec::new());
        self.output(node, 0, &y);
        Ok(true)
    }

    /// tract compares numbers only, and takes the largest and smallest of nothing else: truth values are 0 and 1.
    pub(super) fn truths_as_numbers(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        if self.known(input(node, 0)).is_none_or(|known| known.kind != DataType::Bool) {
            return Ok(false);
        }
        let mut numbers = node.clone();
        let operands = if node.op_type == "Equal" { 2 } else { 1 };
        for operand in numbers.input.iter_mut().take(operands) {
            *operand = self.cast(operand, DataType::Int8);
        }
        if node.op_type == "Equal" {
            self.nodes.push(numbers);
            return Ok(true);
        }
        let largest = self.fresh();
        numbers.output = vec![largest.clone()];
        self.nodes.push(numbers);
        let y = self.cast(&largest, DataType::Bool);
        self.output(node, 0, &y);
        Ok(true)
    }

    /// Two vectors: a sum of products.
    pub(super) fn vector_product(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let vectors = [0, 1].map(|at| {
            let declared = self.constant(input(node, at)).map(|tensor| tensor.dims.len());
            declared.or_else(|| self.inputs.rank(input(node, at)))
        });
        // what is made by other nodes is looked at only where one operand is known to be a vector
        if vectors.iter().all(|rank| *rank != Some(1)) {
            return Ok(false);
        }
        if [0, 1].map(|at| self.shape(input(node, at)).map(|shape| shape.len())) != [Some(1), Some(1)] {
            return Ok(false);
        }
        let product = self.node("Mul", &[input(node, 0), input(node, 1)], Vec::new());
        let sum = self.reduced("ReduceSum", &product, &[0]);
        let y = self.reshaped(&sum, &[]);
        self.output(node, 0, &y);
        Ok(true)
    }

    /// A power of two tensors is an exponential of a logarithm: where the base is 0, so is the power.
    pub(super) fn power_of_tensors(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let constant = |writer: &Self, at: usize| writer.constant(input(node, at)).is_some();
        if constant(self, 0)
            || constant(self, 1)
            || self.value(input(node, 1)).is_some()
            || self.value(input(node, 0)).is_some()
        {
            return Ok(false);
        }
        let Some(kinds) = self.known(input(node, 0)).zip(self.known(input(node, 1))) else { return Ok(false) };
        let kind = kinds.0.kind;
        let (x, power) = (self.cast(input(node, 0), DataType::Float), self.cast(input(node, 1), DataType::Float));
        // the logarithm of 1 where there is none
        let there = self.node("Sign", &[&x], Vec::new());
        let y = self.node("Pow", &[&x, &power], Vec::new());
        let mut y = self.node("Mul", &[&y, &there], Vec::new());
        if kind != DataType::Float {
            let half = self.number(0.5);
            let up = self.node("Add", &[&y, &half], Vec::new());
            let whole = self.node("Floor", &[&up], Vec::new());
            y = self.cast(&whole, kind);
        }
        self.output(node, 0, &y);
        Ok(true)
    }

    /// `m + log Σ exp(x - m)`: with the largest number taken off no exponential is large.
    pub(super) fn log_of_exponentials(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let Some(shape) = self.shape(input(node, 0)) else { return Ok(false) };
        let rank = shape.len() as i64;
        let named = match (attribute(node, "axes"), input(node, 1)) {
            (Some(axes), _) => axes.ints.clone(),
            (None, "") => Vec::new(),
            (None, axes) => match self.whole(axes) {
                Some(axes) => axes,
                None => return self.refused("axes that depend on the input"),
            },
        };
        if named.is_empty() && integer(node, "noop_with_empty_axes", 0) != 0 {
            return Ok(false);
        }
        let axes: Vec<i64> = if named.is_empty() {
            (0..rank).collect()
        } else {
            named.iter().map(|axis| axis.rem_euclid(rank.max(1))).collect()
        };
        let largest = self.reduced("ReduceMax", input(node, 0), &axes);
        let below = self.node("Sub", &[input(node, 0), &largest], Vec::new());
        let powers = self.node("Exp", &[&below], Vec::new());
        let sum = self.reduced("ReduceSum", &powers, &axes);
        let log = self.node("Log", &[&sum], Vec::new());
        let mut y = self.node("Add", &[&log, &largest], Vec::new());
        if integer(node, "keepdims", 1) == 0 {
            let kept: Vec<i64> =
                (0..rank).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis as usize] as i64).collect();
            y = self.reshaped(&y, &kept);
        }
        self.output(node, 0, &y);
        Ok(true)
    }

    /// Nothing is dropped in an inference, so that a mask is all true.
    pub(super) fn dropout(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let training = match input(node, 2) {
            "" => false,
            mode => self.whole(mode).is_none_or(|mode| mode != [0]),
        };
        let ratio = match input(node, 1) {
            "" => attribute(node, "ratio").map_or(0.5, |a| a.f.into()),
            ratio => self.value(ratio).and_then(|list| list.first().copied()).unwrap_or(0.5),
        };
        if training && ratio != 0.0 {
            return self.refused("training_mode, which drops at random,");
        }
        self.output(node, 0, input(node, 0));
        if node.output.get(1).is_some_and(|name| !name.is_empty()) {
            let Some(shape) = self.shape(input(node, 0)) else {
                return self.refused("a mask of a shape that is not known");
            };
            let mask = self.truths(&shape, &vec![true; shape.iter().product()]);
            self.output(node, 1, &mask);
        }
        Ok(true)
    }

    /// In training the batch's own mean and variance are used.
    pub(super) fn batch_statistics(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        if integer(node, "training_mode", 0) == 0 || self.version < 14 {
            return Ok(false);
        }
        let Some(shape) = self.shape(input(node, 0)).filter(|shape| shape.len() >= 2) else {
            return self.refused("a shape that is not known");
        };
        let others: Vec<i64> = (0..shape.len() as i64).filter(|axis| *axis != 1).collect();
        let along: Vec<i64> = (0..shape.len()).map(|axis| if axis == 1 { -1 } else { 1 }).collect();
        let x = input(node, 0);
        let mean = self.reduced("ReduceMean", x, &others);
        let centred = self.node("Sub", &[x, &mean], Vec::new());
        let squares = self.node("Mul", &[&centred, &centred], Vec::new());
        let variance = self.reduced("ReduceMean", &squares, &others);
        let epsilon = self.number(real(node, "epsilon", 1e-5));
        let more = self.node("Add", &[&variance, &epsilon], Vec::new());
        let root = self.node("Sqrt", &[&more], Vec::new());
        let normal = self.node("Div", &[&centred, &root], Vec::new());
        let (scale, bias) = (self.reshaped(input(node, 1), &along), self.reshaped(input(node, 2), &along));
        let y = self.node("Mul", &[&normal, &scale], Vec::new());
        let y = self.node("Add", &[&y, &bias], Vec::new());
        self.output(node, 0, &y);
        let momentum = real(node, "momentum", 0.9);
        for (at, now) in [&mean, &variance].into_iter().enumerate() {
            if node.output.get(at + 1).is_none_or(String::is_empty) {
                continue;
            }
            let (kept, new) = (self.number(momentum), self.number(1.0 - momentum));
            let now = self.reshaped(now, &[-1]);
            let old = self.node("Mul", &[input(node, 3 + at), &kept], Vec::new());
            let now = self.node("Mul", &[&now, &new], Vec::new());
            let both = self.node("Add", &[&old, &now], Vec::new());
            self.output(node, at + 1, &both);
        }
        Ok(true)
    }

    /// A region beyond the image has a number of its own there, which is read as the border here. tract lists what
    /// every place of an axis is made of, which a damaged scale can make more than any memory holds.
    pub(super) fn resize_region(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        const MOST: f64 = 1024.0;
        const LONGEST: f64 = 65536.0;
        let scales = self.value(input(node, if self.version < 11 { 1 } else { 2 })).unwrap_or_default();
        if scales.iter().any(|scale| !(1.0 / MOST..=MOST).contains(scale)) {
            return self.refused("a scale above 1024, or below a 1024th,");
        }
        let sizes = self.value(input(node, 3)).unwrap_or_default();
        if sizes.iter().any(|size| !(1.0..=LONGEST).contains(size)) {
            return self.refused("an axis of no places, or of more than 65536,");
        }
        if text(node, "coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize" {
            return Ok(false);
        }
        let inside =
            self.value(input(node, 1)).is_some_and(|region| region.iter().all(|end| (0.0..=1.0).contains(end)));
        if inside { Ok(false) } else { self.refused("a region that is no constant, or reaches beyond the image,") }
    }
}
