//! What a model file declares of its inputs and outputs, before anything is made of it.

use super::guard::{GuardError, read};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use tract_onnx::pb;

/// An input or an output as the file declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredTensor {
    /// Its name.
    pub name: String,
    /// Its axes, the batch axis included; `None` for one that the file leaves open.
    pub shape: Vec<Option<u64>>,
}

/// What a model file takes and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its inputs, in the file's order.
    pub inputs: Vec<DeclaredTensor>,
    /// Its outputs, in the file's order.
    pub outputs: Vec<DeclaredTensor>,
}

/// Reads what a model file declares.
///
/// # Errors
/// Everything in [`GuardError`].
pub fn declared(onnx: &Path) -> Result<Declared, GuardError> {
    let graph = read(onnx, &BTreeMap::new())?.graph.ok_or_else(|| GuardError::NoGraph { path: onnx.to_owned() })?;
    // older files declare constants as inputs as well
    let constants: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let inputs = graph.input.iter().filter(|input| !constants.contains(input.name.as_str())).map(tensor).collect();
    Ok(Declared { inputs, outputs: graph.output.iter().map(tensor).collect() })
}

fn tensor(value: &pb::ValueInfoProto) -> DeclaredTensor {
    let declared = value.r#type.as_ref().and_then(|t| t.value.as_ref());
    let dims = match declared {
        Some(pb::type_proto::Value::TensorType(tensor)) => {
            tensor.shape.iter().flat_map(|shape| &shape.dim).map(size).collect()
        }
        _ => Vec::new(),
    };
    DeclaredTensor { name: value.name.clone(), shape: dims }
}

fn size(dim: &pb::tensor_shape_proto::Dimension) -> Option<u64> {
    match dim.value {
        Some(pb::tensor_shape_proto::dimension::Value::DimValue(n)) => u64::try_from(n).ok().filter(|n| *n > 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_takes_and_gives() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/models");
        let Declared { inputs, outputs } = declared(&models.join("digits_cnn.onnx")).unwrap();
        assert_eq!(inputs.len(), 1);
        assert_eq!(inputs[0].shape[1..], [Some(1), Some(8), Some(8)]);
        assert_eq!((outputs.len(), outputs[0].shape.last()), (1, Some(&Some(10))));
        assert!(matches!(
            declared(&models.join("digit_7.json")),
            Err(GuardError::NotOnnx { .. } | GuardError::NoGraph { .. })
        ));
    }
}
