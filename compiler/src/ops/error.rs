//! What can be wrong with a graph that has passed the guard.

use std::fmt;

/// An operator without a lowering.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UnsupportedNode {
    /// The operator, as tract calls it.
    pub operator: String,
    /// The node's name.
    pub node: String,
}

/// All of them, one per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedNodes(pub Vec<UnsupportedNode>);

impl fmt::Display for UnsupportedNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for UnsupportedNode { operator, node } in &self.0 {
            write!(f, "\n  {operator} (node {node:?})")?;
        }
        Ok(())
    }
}

/// Why an operator cannot be lowered as it is used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// An operator or a form of one that has no lowering.
    #[error("{0} is not supported: `assay operators` lists what is")]
    Operator(String),
    /// A use of a supported operator that is not supported.
    #[error("{0} is not supported")]
    Form(&'static str),
    /// An operand must be known at compile time.
    #[error("its weights, bias or shape must be constants of the model")]
    NotConstant,
    /// An operand must depend on the input.
    #[error("at least one operand must depend on the model's input")]
    NoActivation,
    /// A shape that is not fixed.
    #[error(
        "its shape depends on data or on an open dimension: fix dimensions with --dim NAME=N, and avoid operators such \
         as NonZero"
    )]
    DynamicShape,
    /// An element type.
    #[error("its element type is not supported: export the model in 32-bit floats")]
    Type,
    /// Quantised operators.
    #[error("quantised operators are not supported: export the model in 32-bit floats, Assay quantises it itself")]
    Quantised,
    /// Result too large.
    #[error(
        "its padded result or weights have more than 2^27 cells, it lists more than 2^16 places one by one, or the \
         network has more than 4096 layers"
    )]
    TooLarge,
    /// Too many comparisons of pairs.
    #[error(
        "it compares every element of an axis with every other, and these are more than 2^20 pairs: choose among fewer \
         elements"
    )]
    Pairs,
    /// Kernel, stride, dilation or pads.
    #[error("kernel, strides, dilations or pads are not usable")]
    Window,
    /// An index that is not there.
    #[error("an index is out of range")]
    IndexRange,
    /// A division by a constant that is 0.
    #[error("it divides by a constant that is 0")]
    DivisionByZero,
    /// Axes that fit no layout.
    #[error("its axes are regrouped in a way that fits no layout: please report this model")]
    Layout,
}

/// Why a graph cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what each field is")]
pub enum ImportError {
    #[error("{} of the model's operators are not supported (`assay operators` lists what is):{}", nodes.0.len(), nodes)]
    Unsupported { nodes: UnsupportedNodes },
    #[error("node {node:?}: {refusal}")]
    Node { node: String, refusal: Refusal },
    #[error("the model has no inputs that its outputs depend on")]
    Inputs,
    #[error("the model has no outputs")]
    Outputs,
    #[error("input {input:?} has no shape, or more than 8 axes: export the model with the shapes of its inputs")]
    Shape { input: String },
    #[error("input {input:?}: axis {axis} ({name}) is open: fix it with --dim {name}=N")]
    OpenAxis { input: String, axis: usize, name: String },
    #[error("--dim {name}: no input has an axis of that name; there are {known:?}")]
    UnknownAxis { name: String, known: Vec<String> },
    #[error(
        "input {input:?}: the batch size is fixed to {batch}: export the model with batch size 1 or a symbolic batch"
    )]
    Batch { input: String, batch: i64 },
    #[error("input {input:?} has element type {code}: floats, integers and booleans are read")]
    InputType { input: String, code: i32 },
    #[error("tract cannot read the model: {source}")]
    Tract { source: Box<dyn std::error::Error + Send + Sync> },
    #[error(
        "reading the model failed inside: it is probably damaged, check it with onnx.checker, and report it if that \
         finds nothing"
    )]
    Panic,
}
