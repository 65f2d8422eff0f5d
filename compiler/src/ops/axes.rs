//! Axes that operators name: tract believes those of some operators, and so a damaged file may name one that is not
//! there.

use super::{Node, Refusal};
use tract_onnx::tract_core::ops::{array, nn};

/// Checks that every axis that an operator names is one of its first operand's.
///
/// # Errors
/// [`Refusal::IndexRange`].
pub fn check(of: &Node<'_>) -> Result<(), Refusal> {
    let node = of.node;
    let axes: Vec<usize> = if let Some(op) = node.op_as::<nn::Softmax>() {
        op.axes.to_vec()
    } else if let Some(op) = node.op_as::<nn::Reduce>() {
        op.axes.to_vec()
    } else if let Some(op) = node.op_as::<array::ScatterElements>() {
        vec![op.axis]
    } else if let Some(op) = node.op_as::<array::GatherElements>() {
        vec![op.axis]
    } else if let Some(op) = node.op_as::<array::Gather>() {
        vec![op.axis]
    } else if let Some(op) = node.op_as::<array::Topk>() {
        vec![op.axis]
    } else if let Some(op) = node.op_as::<array::CumSum>() {
        vec![op.axis]
    } else if let Some(op) = node.op_as::<nn::RmsNorm>() {
        vec![op.axis]
    } else {
        return Ok(());
    };
    let rank = of.input_shape(0)?.len();
    if axes.iter().all(|axis| *axis < rank) { Ok(()) } else { Err(Refusal::IndexRange) }
}
