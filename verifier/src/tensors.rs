//! Tensors in real units: what a model takes and gives, with the ranges that it was made for.

use assay_circuits::exec::dequantise_output;
use assay_circuits::model::{Architecture, Output};
use assay_circuits::shape::Shape;
use serde::{Deserialize, Serialize};

/// A tensor that a model takes or gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TensorInfo {
    /// The model's name for it.
    pub name: String,
    /// Its shape, without the batch dimension.
    pub shape: Vec<u32>,
    /// `real = cell · 2^-scale`.
    pub scale: i32,
    /// Of inputs: the smallest and the largest number that the model is made for. What lies outside is refused unless
    /// the request allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<Vec<f32>>))]
    pub range: Option<[f32; 2]>,
}

impl TensorInfo {
    /// Number of elements. `None` if the shape overflows.
    pub fn len(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d as usize))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Whether a number is outside the range, once it is rounded to a cell.
    pub fn is_outside(&self, value: f32) -> bool {
        let half = 0.5 * f64::from(-self.scale).exp2();
        self.range.is_some_and(|[low, high]| {
            f64::from(value) < f64::from(low) - half || f64::from(value) >= f64::from(high) + half
        })
    }
}

/// The outputs of an inference, in real units, each row-major in its shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Outputs {
    /// Of a model with one output.
    One(Vec<f32>),
    /// Of a model with several: a list for each.
    Several(Vec<Vec<f32>>),
}

impl Outputs {
    /// A list for each output.
    pub fn new(mut lists: Vec<Vec<f32>>) -> Self {
        match lists.pop() {
            Some(list) if lists.is_empty() => Self::One(list),
            last => {
                lists.extend(last);
                Self::Several(lists)
            }
        }
    }

    /// All elements, one output after the other.
    pub fn elements(&self) -> Vec<f32> {
        match self {
            Self::One(list) => list.clone(),
            Self::Several(lists) => lists.concat(),
        }
    }

    /// Cuts a list of all outputs' elements. Where they are not as many as the model's, they stay one list.
    pub fn cut(all: Vec<f32>, outputs: &[TensorInfo]) -> Self {
        let lengths: Vec<usize> = outputs.iter().map(|output| output.len().unwrap_or(usize::MAX)).collect();
        if lengths.len() < 2 || lengths.iter().try_fold(0usize, |n, len| n.checked_add(*len)) != Some(all.len()) {
            return Self::One(all);
        }
        let mut rest = all.into_iter();
        Self::Several(lengths.into_iter().map(|len| rest.by_ref().take(len).collect()).collect())
    }
}

/// The tensors that a network takes, with the ranges that it was calibrated for. Of a tensor whose elements have
/// several scales, its parts: `x[0..3]`, `x[3..4]`.
pub fn inputs(architecture: &Architecture) -> Vec<TensorInfo> {
    let real = |cell: i32, scale: i8| cell as f32 * (-f32::from(scale)).exp2();
    let mut tensors = Vec::new();
    for parts in architecture.input.ports.chunk_by(|a, b| a.name == b.name) {
        let mut first = 0;
        for port in parts {
            let after = first + port.cells.len();
            let name = if parts.len() > 1 { format!("{}[{first}..{after}]", port.name) } else { port.name.clone() };
            let range = Some([real(port.range.0, port.scale), real(port.range.1, port.scale)]);
            tensors.push(TensorInfo { name, shape: port.shape.clone(), scale: port.scale.into(), range });
            first = after;
        }
    }
    tensors
}

/// The tensors that a network gives.
pub fn outputs(architecture: &Architecture) -> Vec<TensorInfo> {
    // the first digit of several is the lowest
    let tensor = |output: &Output| TensorInfo {
        name: output.name.clone(),
        shape: output.shape.clone(),
        scale: output.scale.into(),
        range: None,
    };
    architecture.output_tensors().filter_map(|digits| digits.first()).map(tensor).collect()
}

/// The output's cells of all inferences in real units, by inference.
pub fn real_outputs(shape: &Shape, cells: &[i16]) -> Vec<Outputs> {
    let wide: Vec<i32> = cells.iter().map(|y| i32::from(*y)).collect();
    let len = shape.architecture.output_cells().max(1);
    wide.chunks(len).map(|one| Outputs::new(dequantise_output(&shape.architecture, one))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tensor of one scale has its own name, parts of a tensor have their places in it.
    #[test]
    fn parts_of_a_tensor_are_named_by_their_places() {
        let mut architecture = assay_circuits::sample::random_network(3).0;
        let whole = architecture.input.ports[0].clone();
        let part = |scale, cells: std::ops::Range<usize>| assay_circuits::model::Port {
            scale,
            shape: vec![cells.len() as u32],
            cells: whole.cells[cells].to_vec(),
            ..whole.clone()
        };
        let len = whole.cells.len();
        assert_eq!(inputs(&architecture)[0].name, whole.name);
        architecture.input.ports = vec![part(3, 0..1), part(9, 1..len)];
        let [first, second] = &inputs(&architecture)[..] else { panic!("two parts") };
        assert_eq!(
            (first.name.as_str(), first.len(), first.scale),
            (format!("{}[0..1]", whole.name).as_str(), Some(1), 3)
        );
        assert_eq!(
            (second.name.as_str(), second.len(), second.scale),
            (format!("{}[1..{len}]", whole.name).as_str(), Some(len - 1), 9)
        );
    }
}
