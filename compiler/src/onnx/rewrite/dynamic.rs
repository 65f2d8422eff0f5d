//! DynamicQuantizeLinear: the scale follows from the least and the largest number of the tensor itself.
//!
//! What comes out divides by the range, and not by a scale that has been rounded before: `round(255·x / range)` is the
//! nearest integer of the exact ratio, and these integers are less their zero point already, as products read them.

use super::{Writer, input, int, integers};
use crate::onnx::GuardError;
use std::collections::{HashMap, HashSet};
use tract_onnx::pb::{self, tensor_proto::DataType};

/// Steps from the least number to the largest.
const STEPS: f32 = 255.0;
/// Added to a range, so that a tensor of zeros is not divided by 0: less than any cell.
const LEAST_RANGE: f32 = 1e-30;

/// A real tensor as a number times sums of integers, which the range of the tensor before is multiplied by.
///
/// What is quantised next is divided by its own range, so that the number cancels out. Only the sums are left, which
/// are exact.
#[derive(Clone)]
pub(super) struct Sums {
    /// The sums, with a bias that is divided by the number.
    tensor: String,
    factor: f64,
    /// Whether numbers below 0 are 0.
    relu: bool,
    /// What was done to it then: nodes that move numbers, or take the largest.
    moves: Vec<pb::NodeProto>,
}

impl Sums {
    /// Whether the least and the largest number are still what they were before the moves. A pool keeps the largest,
    /// and after a ReLU the least counts for nothing.
    fn keep_ends(&self) -> bool {
        self.relu || self.moves.iter().all(|node| node.op_type != "MaxPool")
    }
}

/// What is known of the tensors between one DynamicQuantizeLinear and the next.
#[derive(Default)]
pub(super) struct Dynamic {
    /// By quantised tensor: the name of its zero point, and the integers less it.
    pub centred: HashMap<String, (String, String)>,
    /// By scale: the range that it is a number times.
    ranges: HashMap<String, (String, f64)>,
    /// Sums of products of the integers.
    products: HashSet<String>,
    sums: HashMap<String, Sums>,
}

impl Writer<'_> {
    /// Integers in 0…255, scale and zero point.
    pub(super) fn dynamic_quantize(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let of = input(node, 0);
        let sums = self.dynamic.sums.get(of).filter(|sums| sums.keep_ends()).cloned();
        let x = sums.as_ref().map_or(of, |sums| &sums.tensor);
        let positive = match &sums {
            Some(sums) => sums.relu,
            None => self.is_never_negative(x),
        };
        let least = if positive { None } else { Some(self.end("ReduceMin", x)) };
        let most = self.end("ReduceMax", x);
        let range = match &least {
            Some(least) => self.node("Sub", &[&most, least], Vec::new()),
            None => most,
        };
        let tiny = self.number(LEAST_RANGE);
        let range = self.node("Add", &[&range, &tiny], Vec::new());
        let step = sums.as_ref().map_or(1.0, |sums| sums.factor) / f64::from(STEPS);
        let number = self.number(step as f32);
        let scale = self.node("Mul", &[&range, &number], Vec::new());
        let low = if positive { 0.0 } else { -STEPS };
        let centred = self.in_steps(x, &range, low);
        let moves = sums.map(|sums| sums.moves).unwrap_or_default();
        let centred = moves.iter().fold(centred, |tensor, node| self.on(node, &tensor));
        // the rounded least number is read by itself, so that it is one layer
        let (y, point) = match &least {
            Some(least) => {
                let least = self.in_steps(least, &range, low);
                (self.node("Sub", &[&centred, &least], Vec::new()), self.node("Neg", &[&least], Vec::new()))
            }
            None => (centred.clone(), self.number(0.0)),
        };
        let (y, point) = (self.cast(&y, DataType::Uint8), self.cast(&point, DataType::Uint8));
        for (index, tensor) in [&y, &scale, &point].into_iter().enumerate() {
            self.output(node, index, tensor);
        }
        if let [y, scale, zero] = &node.output[..] {
            self.dynamic.centred.insert(y.clone(), (zero.clone(), centred));
            self.dynamic.ranges.insert(scale.clone(), (range, step));
        }
        Ok(true)
    }

    /// Writes down what a node makes of sums of integers.
    pub(super) fn sums_of(&mut self, node: &pb::NodeProto) {
        let Some(output) = node.output.first().cloned().filter(|name| !name.is_empty()) else { return };
        let x = input(node, 0);
        let found = match node.op_type.as_str() {
            "MatMulInteger" | "ConvInteger" if self.dynamic.centred.contains_key(x) => {
                self.dynamic.products.insert(output);
                return;
            }
            "Cast" if self.dynamic.products.contains(x) => {
                self.dynamic.products.insert(output);
                return;
            }
            "Mul" => {
                [(x, input(node, 1)), (input(node, 1), x)].into_iter().find_map(|(a, b)| self.times(a, b, &output))
            }
            "Add" => [(x, input(node, 1)), (input(node, 1), x)].into_iter().find_map(|(a, b)| self.with_bias(a, b)),
            "Relu" => self.dynamic.sums.get(x).cloned().map(|sums| Sums { relu: true, ..sums }),
            "Reshape" | "Transpose" | "Flatten" | "Squeeze" | "Unsqueeze" | "Identity" => self.moved_sums(node),
            "MaxPool" if self.covers(node) => self.moved_sums(node),
            _ => None,
        };
        if let Some(found) = found {
            self.dynamic.sums.insert(output, found);
        }
    }

    /// A scale times a number, or sums times a scale.
    fn times(&mut self, a: &str, b: &str, output: &str) -> Option<Sums> {
        let (range, factor) =
            self.dynamic.ranges.get(b).cloned().filter(|(_, factor)| *factor > f64::from(f32::MIN_POSITIVE))?;
        if self.dynamic.products.contains(a) {
            let tensor = self.node("Mul", &[a, &range], Vec::new());
            // numbers stay about as large as those of the model, or they would grow from one tensor to the next
            let power = factor.log2().round().exp2();
            let size = self.number(power as f32);
            let tensor = self.node("Mul", &[&tensor, &size], Vec::new());
            return Some(Sums { tensor, factor: factor / power, relu: false, moves: Vec::new() });
        }
        let number = self.one_number(a).filter(|number| *number > 0.0 && !a.is_empty())?;
        self.dynamic.ranges.insert(output.to_owned(), (range, factor * number));
        None
    }

    fn with_bias(&mut self, a: &str, bias: &str) -> Option<Sums> {
        let sums = self.dynamic.sums.get(a).filter(|sums| !sums.relu && sums.moves.is_empty()).cloned()?;
        let (values, shape) = (self.value(bias)?, self.shape(bias)?);
        let divided: Vec<f32> = values.iter().map(|v| (v / sums.factor) as f32).collect();
        if divided.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let bias = self.floats(&shape, &divided);
        let tensor = self.node("Add", &[&sums.tensor, &bias], Vec::new());
        Some(Sums { tensor, ..sums })
    }

    fn moved_sums(&mut self, node: &pb::NodeProto) -> Option<Sums> {
        let mut sums = self.dynamic.sums.get(input(node, 0)).cloned()?;
        sums.moves.push(node.clone());
        Some(sums)
    }

    /// Whether a pool's windows leave nothing out, so that the largest number of all is among what it gives.
    fn covers(&mut self, node: &pb::NodeProto) -> bool {
        let (Some(shape), [_]) = (self.shape(input(node, 0)), &node.output[..]) else { return false };
        let (kernel, strides) = (integers(node, "kernel_shape"), integers(node, "strides"));
        let plain = ["pads", "dilations"]
            .iter()
            .zip([0, 1])
            .all(|(name, usual)| integers(node, name).iter().all(|v| *v == usual));
        let axis = |(at, kernel): (usize, &i64)| {
            let (len, stride) = (shape.get(at + 2).map_or(0, |len| *len as i64), strides.get(at).copied().unwrap_or(1));
            stride >= 1 && stride <= *kernel && len >= *kernel && (len - kernel) % stride == 0
        };
        plain && kernel.iter().enumerate().all(axis)
    }

    /// `round(255·x / range)`, and at least `low`.
    fn in_steps(&mut self, x: &str, range: &str, low: f32) -> String {
        let (low, high) = (self.number(low), self.number(STEPS));
        let x = self.node("Mul", &[x, &high], Vec::new());
        let ratio = self.node("Div", &[&x, range], Vec::new());
        let y = self.node("Round", &[&ratio], Vec::new());
        let y = self.node("Max", &[&y, &low], Vec::new());
        self.node("Min", &[&y, &high], Vec::new())
    }

    /// The largest number of a tensor, or the least, or 0 if that is beyond it. The 0 is a second place of a maximum,
    /// which is exact.
    fn end(&mut self, operator: &str, x: &str) -> String {
        let one = match self.shape(x) {
            Some(shape) => {
                // axis by axis, so that nothing is moved
                let long = (0..shape.len()).rev().filter(|axis| shape[*axis] > 1);
                let end = long.fold(x.to_owned(), |end, axis| self.reduced(operator, &end, &[axis as i64]));
                self.reshaped(&end, &[1])
            }
            None => {
                let end = self.node(operator, &[x], vec![int("keepdims", 0)]);
                self.reshaped(&end, &[1])
            }
        };
        let zero = self.floats(&[1], &[0.0]);
        let both = self.node("Concat", &[&one, &zero], vec![int("axis", 0)]);
        self.node(operator, &[&both], vec![int("keepdims", 0)])
    }

    /// Whether what makes a tensor makes no number below 0.
    fn is_never_negative(&self, x: &str) -> bool {
        let made = self.nodes.iter().rev().find(|node| node.output.iter().any(|output| output == x));
        made.is_some_and(|node| match node.op_type.as_str() {
            "Relu" | "Sigmoid" | "Softmax" => true,
            "MaxPool" | "AveragePool" | "GlobalAveragePool" | "Reshape" | "Flatten" | "Transpose" | "Squeeze"
            | "Unsqueeze" | "Identity" => self.is_never_negative(input(node, 0)),
            _ => false,
        })
    }
}
