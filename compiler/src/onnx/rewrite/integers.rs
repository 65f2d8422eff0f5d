//! Quantised networks as the integers that they compute with.
//!
//! Exporters write such a network in reals: integers are multiplied by a scale (DequantizeLinear), a convolution or the
//! like is made of those, and its result is divided by the next scale and rounded (QuantizeLinear). What runs the
//! network does it in integers. So does this: beside each real tensor that is integers times a scale, the integers are
//! written down, and a rounding reads these, times the ratio of the scales. Real tensors that nobody reads are dropped
//! later.
//!
//! Integers are *centred*: less their zero point, so that a convolution's padding is 0.

use super::{Writer, input, integer, real};
use crate::onnx::GuardError;
use tract_onnx::pb;

/// How far a bias's scale may be from that of the products that it is added to, as a share.
const SAME_SCALE: f32 = 1e-5;

/// What integers are multiplied by.
#[derive(Clone)]
pub(super) enum Steps {
    /// One number.
    One(f32),
    /// One number for each place of an axis, of so many that the tensor has at least.
    Along { values: Vec<f32>, axis: usize, rank: usize },
}

/// A real tensor as integers times a scale, clamped.
#[derive(Clone)]
pub(super) struct Whole {
    /// The integers, as reals. (With a scale of 1, real numbers that are still to be clamped.)
    tensor: String,
    steps: Steps,
    /// The ends of the integers, where they are known.
    ends: Option<(f32, f32)>,
    /// What the product is at least, and at most.
    low: Option<f32>,
    high: Option<f32>,
}

impl Whole {
    fn of(tensor: &str, steps: Steps) -> Self {
        Self { tensor: tensor.to_owned(), steps, ends: None, low: None, high: None }
    }

    /// The integers and their scale, if that is one number and nothing has been clamped.
    fn plain(&self) -> Option<(&str, f32)> {
        match self.steps {
            Steps::One(step) if self.low.is_none() && self.high.is_none() => Some((&self.tensor, step)),
            _ => None,
        }
    }
}

/// Integers that a rounding made.
#[derive(Clone)]
pub(super) struct Centred {
    /// The integers less their zero point, as reals.
    pub tensor: String,
    /// The zero point.
    pub zero: f64,
    /// What they are at least and at most, less the zero point.
    pub ends: (f32, f32),
}

impl Writer<'_> {
    /// Remembers that a tensor is integers times the scale of a node.
    pub(super) fn note_whole(&mut self, node: &pb::NodeProto, tensor: &str, ends: Option<(f32, f32)>) {
        let Some(name) = node.output.first().cloned() else { return };
        let Some(scales) = self.value(input(node, 1)) else { return };
        let values: Vec<f32> = scales.iter().map(|v| *v as f32).collect();
        if values.iter().any(|v| !v.is_finite() || *v <= 0.0) {
            return;
        }
        let steps = match values[..] {
            [step] => Steps::One(step),
            _ => {
                let (Some(shape), Some(own)) = (self.shape(input(node, 0)), self.shape(input(node, 1))) else { return };
                let axis = integer(node, "axis", 1);
                let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
                let Some(axis) = usize::try_from(axis).ok().filter(|at| shape.get(*at) == Some(&values.len())) else {
                    return;
                };
                if own.len() != 1 {
                    return;
                }
                Steps::Along { values, axis, rank: shape.len() }
            }
        };
        self.whole_tensors.insert(name, Whole { ends, ..Whole::of(tensor, steps) });
    }

    /// Writes down the integers of a node's output, where its inputs have some.
    pub(super) fn integers_of(&mut self, node: &pb::NodeProto) {
        let Some(output) = node.output.first().cloned().filter(|name| !name.is_empty()) else { return };
        let moves =
            matches!(node.op_type.as_str(), "Reshape" | "Transpose" | "Flatten" | "Squeeze" | "Unsqueeze" | "Identity")
                || (node.op_type == "MaxPool" && node.output.len() == 1);
        if let Some(made) = self.centred.get(input(node, 0)).cloned().filter(|_| moves) {
            let tensor = self.on(node, &made.tensor);
            self.centred.insert(output, Centred { tensor, ..made });
            return;
        }
        let found = match node.op_type.as_str() {
            "Conv" => self.whole_product(node, 0),
            "MatMul" => self.whole_product(node, usize::MAX),
            "Gemm" => {
                let plain = real(node, "alpha", 1.0) == 1.0 && integer(node, "transA", 0) == 0;
                let biased = input(node, 2).is_empty() || real(node, "beta", 1.0) == 1.0;
                let axis = usize::from(integer(node, "transB", 0) == 0);
                if plain && biased { self.whole_product(node, axis) } else { None }
            }
            "Relu" => self.clamped(node, Some(0.0), None),
            "Clip" => self.clipped(node),
            _ if moves => self.moved(node),
            _ => None,
        };
        if let Some(found) = found {
            self.whole_tensors.insert(output, found);
        }
    }

    /// A product with weights. `axis` is where the weights have the result's channels; beyond their axes, the last one.
    fn whole_product(&mut self, node: &pb::NodeProto, axis: usize) -> Option<Whole> {
        let (x, w) = (self.whole_tensors.get(input(node, 0))?.clone(), self.whole_tensors.get(input(node, 1))?.clone());
        let (x, step) = x.plain().map(|(x, step)| (x.to_owned(), step))?;
        if w.low.is_some() || w.high.is_some() {
            return None;
        }
        let steps = match &w.steps {
            Steps::One(of) => Steps::One(step * of),
            Steps::Along { values, axis: at, rank } => {
                let values = values.iter().map(|of| step * of).collect();
                match node.op_type.as_str() {
                    "Conv" if *at == 0 && *rank > 1 => Steps::Along { values, axis: 1, rank: *rank },
                    "MatMul" if *at + 1 == *rank && *rank > 1 => Steps::Along { values, axis: 1, rank: 2 },
                    "Gemm" if *at == axis => Steps::Along { values, axis: 1, rank: 2 },
                    _ => return None,
                }
            }
        };
        // products of vectors are written otherwise
        if node.op_type == "MatMul" && self.shape(input(node, 1)).is_none_or(|shape| shape.len() < 2) {
            return None;
        }
        let mut inputs = vec![x, w.tensor.clone()];
        if !input(node, 2).is_empty() {
            let bias = self.whole_tensors.get(input(node, 2))?;
            let near = |have: &f32, need: &f32| (have - need).abs() <= SAME_SCALE * need;
            let same = match (&bias.steps, &steps) {
                (Steps::One(have), Steps::One(need)) => near(have, need),
                (Steps::One(have), Steps::Along { values, .. }) => values.iter().all(|need| near(have, need)),
                (Steps::Along { values: have, .. }, Steps::One(need)) => have.iter().all(|have| near(have, need)),
                (Steps::Along { values: have, .. }, Steps::Along { values: need, .. }) => {
                    have.len() == need.len() && have.iter().zip(need).all(|(have, need)| near(have, need))
                }
            };
            if !same {
                return None;
            }
            inputs.push(bias.tensor.clone());
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let sum = self.node(&node.op_type, &inputs, node.attribute.clone());
        // integers are their own rounding: it keeps the factors that come next out of the weights
        let sum = self.node("Round", &[&sum], Vec::new());
        Some(Whole::of(&sum, steps))
    }

    /// What was clamped is clamped once it is rounded, which comes to the same.
    fn clamped(&mut self, node: &pb::NodeProto, low: Option<f32>, high: Option<f32>) -> Option<Whole> {
        let x = input(node, 0);
        let of = self.whole_tensors.get(x).cloned().unwrap_or_else(|| Whole::of(x, Steps::One(1.0)));
        if low.is_none() && high.is_none() && !self.whole_tensors.contains_key(x) {
            return None;
        }
        let tighter =
            |a: Option<f32>, b: Option<f32>, f: fn(f32, f32) -> f32| a.zip(b).map(|(a, b)| f(a, b)).or(a).or(b);
        let (low, high) = (tighter(of.low, low, f32::max), tighter(of.high, high, f32::min));
        // which end holds where they cross is a question of their order
        let crossed = low.zip(high).is_some_and(|(low, high)| low > high);
        (!crossed).then_some(Whole { low, high, ..of })
    }

    fn clipped(&mut self, node: &pb::NodeProto) -> Option<Whole> {
        let mut end = |at: usize, name: &str| match input(node, at) {
            "" => Some(super::attribute(node, name).map(|a| a.f)),
            tensor => self.value(tensor).and_then(|v| v.first().map(|v| Some(*v as f32))),
        };
        let (low, high) = (end(1, "min")?, end(2, "max")?);
        self.clamped(node, low, high)
    }

    /// A node that only moves numbers, or takes the largest, done to the integers.
    fn moved(&mut self, node: &pb::NodeProto) -> Option<Whole> {
        let of = self.whole_tensors.get(input(node, 0))?.clone();
        let Steps::One(_) = of.steps else { return None };
        let tensor = self.on(node, &of.tensor);
        Some(Whole { tensor, ..of })
    }

    /// What a node makes of another tensor in its first input's place.
    pub(super) fn on(&mut self, node: &pb::NodeProto, tensor: &str) -> String {
        let inputs: Vec<&str> = std::iter::once(tensor).chain(node.input.iter().skip(1).map(String::as_str)).collect();
        self.node(&node.op_type, &inputs, node.attribute.clone())
    }

    /// The integers that a rounding makes of `x / scale`, clamped to these ends: all of them less the zero point.
    pub(super) fn rounded(&mut self, x: &str, scale: f32, (low, high): (f32, f32)) -> String {
        let of = self.whole_tensors.get(x).cloned().unwrap_or_else(|| Whole::of(x, Steps::One(1.0)));
        // ends of a half are rounded as the numbers are
        let end = |end: Option<f32>| end.map(|end| (end / scale).round_ties_even());
        let (low, high) = (
            end(of.low).map_or(low, |end| end.clamp(low, high)),
            end(of.high).map_or(high, |end| end.clamp(low, high)),
        );
        let ratio = match &of.steps {
            Steps::One(step) if *step == scale => {
                if of.ends.is_some_and(|ends| low <= ends.0 && ends.1 <= high) {
                    return of.tensor;
                }
                of.tensor
            }
            // what is not integers yet is divided, as the standard says
            Steps::One(1.0) => {
                let scale = self.number(scale);
                self.node("Div", &[&of.tensor, &scale], Vec::new())
            }
            Steps::One(step) => {
                let ratio = self.number(*step / scale);
                self.node("Mul", &[&of.tensor, &ratio], Vec::new())
            }
            Steps::Along { values, axis, rank } => {
                let ratios: Vec<f32> = values.iter().map(|step| step / scale).collect();
                let mut dims = vec![1; rank - axis];
                dims[0] = ratios.len();
                let ratio = if ratios.iter().all(|ratio| *ratio == ratios[0]) {
                    self.number(ratios[0])
                } else {
                    self.floats(&dims, &ratios)
                };
                self.node("Mul", &[&of.tensor, &ratio], Vec::new())
            }
        };
        let y = self.node("Round", &[&ratio], Vec::new());
        let (low, high) = (self.number(low), self.number(high));
        let y = self.node("Max", &[&y, &low], Vec::new());
        self.node("Min", &[&y, &high], Vec::new())
    }

    /// A node of quantised numbers as one of reals between dequantised inputs and a quantised output: `tensors` are its
    /// inputs' numbers, scales and zero points, with the axis of the scale.
    pub(super) fn between(
        &mut self,
        node: &pb::NodeProto,
        operator: &str,
        tensors: &[(&str, &str, &str, i64)],
        (scale, zero): (&str, &str),
    ) -> Result<bool, GuardError> {
        let mut inputs = Vec::new();
        for (tensor, scale, zero, axis) in tensors {
            let real = self.fresh();
            let input = [*tensor, *scale, *zero].map(str::to_owned).to_vec();
            let attribute = vec![super::int("axis", *axis)];
            let part =
                pb::NodeProto { op_type: "DequantizeLinear".to_owned(), attribute, ..self.like(node, input, &real) };
            self.standard(&part)?;
            inputs.push(real);
        }
        let sum = self.fresh();
        let part = pb::NodeProto {
            op_type: operator.to_owned(),
            attribute: node.attribute.clone(),
            ..self.like(node, inputs, &sum)
        };
        self.integers_of(&part);
        if !self.standard(&part)? {
            self.nodes.push(part);
        }
        let output = node.output.first().cloned().unwrap_or_default();
        let input = [&sum, scale, zero].map(str::to_owned).to_vec();
        let part = pb::NodeProto { op_type: "QuantizeLinear".to_owned(), ..self.like(node, input, &output) };
        self.quantize(&part).map(|_| true)
    }

    fn like(&self, node: &pb::NodeProto, input: Vec<String>, output: &str) -> pb::NodeProto {
        pb::NodeProto { name: node.name.clone(), input, output: vec![output.to_owned()], ..Default::default() }
    }
}
