//! How people are shown a model's inputs and outputs: what the seller says of them in the model's card. Nothing is
//! computed from it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::engine::TensorInfo;

/// What the seller says of a model's inputs and outputs. Tensors of which nothing is said are lists of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Presentation {
    /// Of inputs.
    #[serde(default)]
    pub inputs: Vec<DescribedTensor>,
    /// Of outputs.
    #[serde(default)]
    pub outputs: Vec<DescribedTensor>,
}

/// What one tensor is, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribedTensor {
    /// The tensor's name in the model.
    pub name: String,
    /// What it is.
    #[serde(default)]
    pub kind: TensorKind,
    /// What the elements of its last dimension are called, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// What its numbers are measured in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// What a tensor is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TensorKind {
    /// A picture: its last dimensions are height and width, or height, width and channels.
    Image,
    /// Rows of named columns.
    Table,
    /// Characters, by the alphabet of the card's `prepare`, or bytes of UTF-8.
    Text,
    /// Numbers of tokens.
    Tokens,
    /// Just numbers.
    #[default]
    Numbers,
}

/// Why a description cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresentationError {
    /// A name that no tensor has.
    #[error("{name:?} is none of the model's {what}, which are {known}: `assay inspect` shows them")]
    Unknown {
        /// The name.
        name: String,
        /// Inputs or outputs.
        what: &'static str,
        /// The names that there are.
        known: String,
    },
    /// A tensor that is described twice.
    #[error("{name:?} is described twice among the {what}")]
    Twice {
        /// The name.
        name: String,
        /// Inputs or outputs.
        what: &'static str,
    },
    /// Names of columns, and another number of columns.
    #[error("{name:?} has {columns} names of columns, and its last dimension has {last} elements")]
    Columns {
        /// The tensor.
        name: String,
        /// How many names there are.
        columns: usize,
        /// How many there should be.
        last: usize,
    },
}

impl Presentation {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.outputs.is_empty()
    }

    /// Whether it is about these tensors. Errors: [`PresentationError`].
    pub fn check(&self, inputs: &[TensorInfo], outputs: &[TensorInfo]) -> Result<(), PresentationError> {
        check(&self.inputs, inputs, "inputs")?;
        check(&self.outputs, outputs, "outputs")
    }
}

fn check(described: &[DescribedTensor], tensors: &[TensorInfo], what: &'static str) -> Result<(), PresentationError> {
    let mut seen = std::collections::HashSet::new();
    for DescribedTensor { name, columns, .. } in described {
        let Some(tensor) = tensors.iter().find(|tensor| tensor.name == *name) else {
            let known = tensors.iter().map(|tensor| tensor.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(PresentationError::Unknown { name: name.clone(), what, known });
        };
        if !seen.insert(name) {
            return Err(PresentationError::Twice { name: name.clone(), what });
        }
        let last = tensor.shape.last().map_or(1, |last| *last as usize);
        if !columns.is_empty() && columns.len() != last {
            return Err(PresentationError::Columns { name: name.clone(), columns: columns.len(), last });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_card_may_say() {
        let tensor = |name: &str, shape: &[u32]| TensorInfo {
            name: name.to_owned(),
            shape: shape.to_vec(),
            scale: 0,
            range: None,
        };
        let (inputs, outputs) = ([tensor("x", &[2, 3])], [tensor("y", &[2])]);
        let checked = |text: &str| {
            let read: Presentation = serde_json::from_str(text).map_err(|e| e.to_string())?;
            read.check(&inputs, &outputs).map_err(|e| e.to_string())
        };
        for good in [
            "{}",
            r#"{"inputs": [{"name": "x", "kind": "table", "columns": ["age", "height", "weight"], "unit": "SI"}]}"#,
            r#"{"outputs": [{"name": "y"}], "inputs": [{"name": "x", "kind": "image"}]}"#,
        ] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            (r#"{"inputs": [{"name": "y"}]}"#, "none of the model's inputs, which are x"),
            (r#"{"outputs": [{"name": "y"}, {"name": "y"}]}"#, "described twice"),
            (
                r#"{"inputs": [{"name": "x", "columns": ["a", "b"]}]}"#,
                "2 names of columns, and its last dimension has 3",
            ),
            (r#"{"inputs": [{"name": "x", "kind": "sound"}]}"#, "unknown variant"),
            (r#"{"inputs": [{"name": "x", "colums": []}]}"#, "unknown field"),
        ] {
            let error = checked(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
