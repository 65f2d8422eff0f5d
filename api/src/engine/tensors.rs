//! Tensors as requests hold them: inputs by name or one after the other, and what of them lies outside the published
//! range.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::EngineError;

pub use assay_verifier::tensors::{Outputs, TensorInfo};

/// The inputs of a request, in real units, each row-major in its shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "`input` must be a list of numbers, or an object with a list of numbers for each input's name"
)]
pub enum Inputs {
    /// All inputs one after the other.
    List(Vec<f32>),
    /// By the inputs' names.
    Named(BTreeMap<String, Vec<f32>>),
}

impl Inputs {
    /// What is given for a model's only input, however long.
    ///
    /// # Errors
    /// The input that is named is not the model's.
    pub fn only(self, inputs: &[TensorInfo]) -> Result<Vec<f32>, EngineError> {
        let mut named = match self {
            Self::List(list) => return Ok(list),
            Self::Named(named) => named,
        };
        let name = inputs.first().map(|input| input.name.clone()).unwrap_or_default();
        let list = named.remove(&name).ok_or(EngineError::InputMissing { name })?;
        named.into_keys().next().map_or(Ok(list), |name| Err(EngineError::InputUnknown { name }))
    }

    /// All inputs one after the other, in the model's order.
    ///
    /// # Errors
    /// A named input is missing, is none of the model's, or has the wrong number of values. The length of a list is not
    /// checked.
    pub fn in_order(self, inputs: &[TensorInfo]) -> Result<Vec<f32>, EngineError> {
        let mut named = match self {
            Self::List(list) => return Ok(list),
            Self::Named(named) => named,
        };
        let mut all = Vec::new();
        for input in inputs {
            let list =
                named.remove(&input.name).ok_or_else(|| EngineError::InputMissing { name: input.name.clone() })?;
            let (have, need) = (list.len(), input.len().unwrap_or(usize::MAX));
            if have != need {
                return Err(EngineError::InputElements { name: input.name.clone(), have, need });
            }
            all.extend(list);
        }
        match named.into_keys().next() {
            Some(name) => Err(EngineError::InputUnknown { name }),
            None => Ok(all),
        }
    }
}

/// What of an input is outside the published range.
#[derive(Debug, Default)]
pub struct Outside {
    /// How many elements.
    pub elements: usize,
    /// The first of them, as the error that refuses it.
    pub first: Option<EngineError>,
}

/// Compares all inputs, one after the other, with their published ranges.
pub fn outside(inputs: &[TensorInfo], data: &[f32]) -> Outside {
    let (mut found, mut rest) = (Outside::default(), data);
    for input in inputs {
        let (mine, after) = rest.split_at(input.len().unwrap_or(usize::MAX).min(rest.len()));
        rest = after;
        let Some([low, high]) = input.range else { continue };
        for (index, &value) in mine.iter().enumerate().filter(|(_, value)| input.is_outside(**value)) {
            found.elements += 1;
            found.first.get_or_insert_with(|| EngineError::OutsideRange {
                name: input.name.clone(),
                index,
                value,
                low,
                high,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, len: u32, range: Option<[f32; 2]>) -> TensorInfo {
        TensorInfo { name: name.into(), shape: vec![len], scale: 2, range }
    }

    /// An element counts as outside exactly where its cell is, and the first one is named by input and place.
    #[test]
    fn ranges_hold_up_to_rounding() {
        let inputs = [tensor("a", 3, Some([-1.0, 1.0])), tensor("b", 1, None), tensor("c", 2, Some([0.0, 2.0]))];
        // at scale 2 a cell is a quarter: 1.1249 is rounded to 1, and 1.125 to 1.25
        assert_eq!(outside(&inputs, &[-1.125, 1.1249, 0.0, 1e9, 2.0, -0.1]).elements, 0);
        let found = outside(&inputs, &[-1.126, 1.125, 0.0, 1e9, 2.0, 2.2]);
        assert_eq!(found.elements, 3);
        assert!(
            matches!(found.first, Some(EngineError::OutsideRange { ref name, index: 0, .. }) if name == "a"),
            "{found:?}"
        );
        let last = outside(&inputs, &[0.0, 0.0, 0.0, 0.0, 0.0, -7.0]).first;
        assert!(
            matches!(last, Some(EngineError::OutsideRange { ref name, index: 1, value: -7.0, low: 0.0, high: 2.0 }) if name == "c")
        );
    }

    /// Names decide the order, and every name must be there once.
    #[test]
    fn named_inputs_are_put_in_order() {
        let inputs = [tensor("b", 2, None), tensor("a", 1, None)];
        let parse = |text: &str| serde_json::from_str::<Inputs>(text).unwrap().in_order(&inputs);
        assert_eq!(parse(r#"{"a": [3], "b": [1, 2]}"#).unwrap(), [1.0, 2.0, 3.0]);
        assert_eq!(parse("[1, 2, 3]").unwrap(), [1.0, 2.0, 3.0]);
        assert!(matches!(parse(r#"{"b": [1, 2]}"#), Err(EngineError::InputMissing { name }) if name == "a"));
        assert!(
            matches!(parse(r#"{"a": [3], "b": [1, 2], "c": []}"#), Err(EngineError::InputUnknown { name }) if name == "c")
        );
        assert!(matches!(parse(r#"{"a": [3], "b": [1]}"#), Err(EngineError::InputElements { have: 1, need: 2, .. })));
    }

    /// One output stays a flat list; several are cut apart.
    #[test]
    fn outputs_are_cut() {
        let outputs = [tensor("b", 2, None), tensor("a", 1, None)];
        let json = |outputs: &Outputs| serde_json::to_string(outputs).unwrap();
        assert_eq!(json(&Outputs::cut(vec![1.0, 2.0], &outputs[..1])), "[1.0,2.0]");
        let several = Outputs::cut(vec![1.0, 2.0, 3.0], &outputs);
        assert_eq!(json(&several), "[[1.0,2.0],[3.0]]");
        assert_eq!(serde_json::from_str::<Outputs>(&json(&several)).unwrap(), several);
        assert_eq!(Outputs::new(vec![vec![1.0, 2.0], vec![3.0]]), several);
        assert_eq!(several.elements(), [1.0, 2.0, 3.0]);
        assert_eq!(json(&Outputs::new(vec![vec![1.0]])), "[1.0]");
    }
}
