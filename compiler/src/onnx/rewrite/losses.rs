//! The two losses of the standard, which trained models seldom have but exporters may leave in.

use super::{Writer, attribute, input, int, ints, text};
use crate::onnx::GuardError;
use tract_onnx::pb::{self, tensor_proto::DataType};

impl Writer<'_> {
    /// `-Σ weight · x` at the classes that are named: one-hot rows of the classes, which leave out the one to ignore.
    pub(super) fn likelihood_loss(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let y = self.loss(node, input(node, 0))?;
        self.output(node, 0, &y);
        Ok(true)
    }

    pub(super) fn cross_entropy_loss(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let Some(shape) = self.shape(input(node, 0)) else {
            return self.refused("a shape that is not known beforehand");
        };
        let likelihood = if self.version >= 13 || shape.len() == 2 {
            self.node("LogSoftmax", &[input(node, 0)], vec![int("axis", 1)])
        } else {
            // older softmaxes take all axes behind the first for one, unless it is the last
            let rank = shape.len() as i64;
            let there: Vec<i64> = std::iter::once(0).chain(2..rank).chain([1]).collect();
            let back: Vec<i64> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
            let turned = self.node("Transpose", &[input(node, 0)], vec![ints("perm", &there)]);
            let turned = self.node("LogSoftmax", &[&turned], vec![int("axis", rank - 1)]);
            self.node("Transpose", &[&turned], vec![ints("perm", &back)])
        };
        let y = self.loss(node, &likelihood)?;
        self.output(node, 0, &y);
        self.output(node, 1, &likelihood);
        Ok(true)
    }

    fn loss(&mut self, node: &pb::NodeProto, x: &str) -> Result<String, GuardError> {
        let Some(shape) = self.shape(x).filter(|shape| shape.len() >= 2) else {
            return self.refused("a shape that is not known beforehand");
        };
        let classes = shape[1];
        let ignored = attribute(node, "ignore_index").map(|a| a.i);
        let named = self.unsqueezed(input(node, 1), &[1]);
        let named = self.cast(&named, DataType::Int64);
        let along = |rank: usize| (0..rank).map(|axis| if axis == 1 { classes } else { 1 }).collect::<Vec<_>>();
        let along = along(shape.len());
        let numbers: Vec<i64> = (0..classes as i64).collect();
        let numbers = self.whole_numbers(&along, &numbers);
        let hot = self.node("Equal", &[&named, &numbers], Vec::new());
        let mut hot = self.cast(&hot, DataType::Float);
        // a class that is to be ignored, and weights
        let kept: Vec<f32> = (0..classes as i64).map(|class| f32::from(u8::from(Some(class) != ignored))).collect();
        if kept.contains(&0.0) {
            let kept = self.floats(&along, &kept);
            hot = self.node("Mul", &[&hot, &kept], Vec::new());
        }
        let weights = input(node, 2);
        if !weights.is_empty() {
            let spread: Vec<i64> = along.iter().map(|d| *d as i64).collect();
            let weights = self.reshaped(weights, &spread);
            hot = self.node("Mul", &[&hot, &weights], Vec::new());
        }
        let product = self.node("Mul", &[&hot, x], Vec::new());
        let sum = |writer: &mut Self, of: &str, axes: &[i64]| -> String {
            if writer.version >= 13 {
                let axes = writer.ints(axes);
                writer.node("ReduceSum", &[of, &axes], vec![int("keepdims", 0)])
            } else {
                writer.node("ReduceSum", &[of], vec![ints("axes", axes), int("keepdims", 0)])
            }
        };
        let every: Vec<i64> = (0..shape.len() as i64).collect();
        let reduction = text(node, "reduction", "mean");
        let total = sum(self, &product, if reduction == "none" { &[1] } else { &every });
        let loss = self.node("Neg", &[&total], Vec::new());
        if reduction != "mean" {
            return Ok(loss);
        }
        if weights.is_empty() && ignored.is_none() {
            let places = shape.iter().product::<usize>() / classes.max(1);
            let share = self.number(1.0 / places as f32);
            return Ok(self.node("Mul", &[&loss, &share], Vec::new()));
        }
        let counted = sum(self, &hot, &every);
        Ok(self.node("Div", &[&loss, &counted], Vec::new()))
    }
}
