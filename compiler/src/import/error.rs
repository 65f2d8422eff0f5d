//! What can be wrong with a graph that is well-formed ONNX.

use std::fmt;

/// A node that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UnsupportedNode {
    /// ONNX operator.
    pub operator: String,
    /// The node's name, or its first output's.
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

/// A use of a supported operator that is not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Form {
    /// An operand must be known at compile time.
    #[error("its weights, bias or shape must be constants of the model")]
    NotConstant,
    /// An operand must depend on the input.
    #[error("at least one operand must depend on the model's input")]
    NoActivation,
    /// Ranks other than those of ONNX's operator.
    #[error("its operands have ranks that it does not take; images are N,C,H,W or N,C,L")]
    Rank,
    /// Operand sizes that do not belong together.
    #[error("the sizes of its operands do not fit together")]
    Shapes,
    /// Kernel, stride, dilation or pads.
    #[error("kernel, strides, dilations or pads are not usable: pads must be smaller than the dilated kernel")]
    Window,
    /// Broadcasting other than by channel.
    #[error("a constant operand must be one value or one per channel")]
    Broadcast,
    /// Product of two activations.
    #[error("both operands depend on the input: only Add takes two activations")]
    TwoActivations,
    /// Result too large.
    #[error(
        "its padded result or weights have more than 2^26 cells, its window more than 64 rows or columns, or the whole network more than 4096 layers or 2^36 MACs"
    )]
    TooLarge,
    /// BatchNormalization in training mode, or a variance below 0.
    #[error("training mode, or a negative variance: export the model for inference")]
    Training,
    /// LeakyRelu.
    #[error("alpha must be in -1..=1")]
    Alpha,
    /// Axes or permutation.
    #[error("its axes do not fit the shape")]
    Axes,
    /// Attributes that ask for something else.
    #[error("it has an attribute value that is not supported")]
    Attribute,
}

/// Why a graph cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what each field is")]
pub enum ImportError {
    #[error("{} of the model's operators are not supported:{}", nodes.0.len(), nodes)]
    Unsupported { nodes: UnsupportedNodes },
    #[error("{operator} (node {node:?}): {form}")]
    Form { operator: String, node: String, form: Form },
    #[error("node {node:?} reads {tensor:?}, which nothing before it makes: the graph must be in topological order")]
    Undefined { node: String, tensor: String },
    #[error("the model has {have} inputs, and must have one")]
    Inputs { have: usize },
    #[error("the model has {have} outputs, and must have one")]
    Outputs { have: usize },
    #[error("the model's input must be of 32-bit floats (element type {code})")]
    InputType { code: i32 },
    #[error(
        "the model's input has no shape, or axis {axis} of it is symbolic: only the first axis, the batch, may be; export it with fixed sizes"
    )]
    SymbolicAxis { axis: usize },
    #[error("the model's batch size is fixed to {batch}: export it with batch size 1 or a symbolic batch")]
    Batch { batch: i64 },
    #[error("the model's output does not depend on its input")]
    ConstantOutput,
    #[error("the model's input is too large")]
    InputTooLarge,
}
