//! Forms of operator set 6, which the next one dropped: the axis at which a second operand stands is an attribute.

use super::{Writer, input, integer};
use crate::onnx::GuardError;
use tract_onnx::pb;

const BINARY: &[&str] = &["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Less", "Greater", "Equal"];

/// Makes a node of operator set 6 one of set 7.
pub(super) fn modern(writer: &mut Writer<'_>, node: &mut pb::NodeProto) -> Result<(), GuardError> {
    if writer.version >= 7 || !matches!(node.domain.as_str(), "" | "ai.onnx") {
        return Ok(());
    }
    if BINARY.contains(&node.op_type.as_str()) && node.attribute.iter().any(|a| a.name == "axis") {
        let axis = integer(node, "axis", 0);
        let ranks = writer
            .shape(input(node, 0))
            .zip(writer.shape(input(node, 1)))
            .map(|(a, b)| (a.len() as i64, b.len() as i64));
        let Some((left, right)) = ranks else {
            return writer.refused("an axis of operator set 6, and a shape that is not known");
        };
        let axis = if axis < 0 { axis + left } else { axis };
        if axis + right > left {
            return writer.refused("an axis that is out of range");
        }
        let behind: Vec<i64> = (right..left - axis).collect();
        if !behind.is_empty() {
            node.input[1] = writer.unsqueezed(&node.input[1].clone(), &behind);
        }
    }
    if node.op_type == "PRelu" {
        let Some((x, slope)) = writer.shape(input(node, 0)).zip(writer.shape(input(node, 1))) else {
            return writer.refused("a shape that is not known");
        };
        // one slope a channel, which is the second axis
        if slope.len() == 1 && slope[0] > 1 && x.len() > 2 {
            let behind: Vec<i64> = (1..x.len() as i64 - 1).collect();
            node.input[1] = writer.unsqueezed(&node.input[1].clone(), &behind);
        }
    }
    node.attribute.retain(|a| {
        !matches!(a.name.as_str(), "broadcast" | "axis")
            || (a.name == "axis" && !BINARY.contains(&node.op_type.as_str()))
    });
    Ok(())
}
