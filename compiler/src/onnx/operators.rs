//! Which operator a layer comes from, by its name.

use super::node_name;
use std::collections::HashMap;
use tract_onnx::pb;

/// The operators of a model's nodes, by the nodes' names.
pub struct Operators(HashMap<String, String>);

impl Operators {
    /// Those of a model.
    pub fn of(model: &pb::ModelProto) -> Self {
        let nodes = model.graph.iter().flat_map(|graph| &graph.node);
        Self(nodes.map(|node| (node_name(node).to_owned(), node.op_type.clone())).collect())
    }

    /// The operator of the node that a layer is named after. What is made of one node has names that begin with the
    /// node's.
    pub fn named(&self, layer: &str) -> Option<String> {
        let ends = layer.char_indices().filter(|(_, c)| !c.is_alphanumeric()).map(|(at, _)| at).chain([layer.len()]);
        ends.rev().find_map(|end| self.0.get(layer.get(..end)?)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_node_are_found_by_their_beginning() {
        let known = [("/conv", "Conv"), ("/conv/Relu", "Relu"), ("fc1", "Gemm")];
        let operators = Operators(known.map(|(name, operator)| (name.to_owned(), operator.to_owned())).into());
        assert_eq!(operators.named("/conv").as_deref(), Some("Conv"));
        assert_eq!(operators.named("/conv/Relu.low").as_deref(), Some("Relu"));
        assert_eq!(operators.named("/conv.bias#1").as_deref(), Some("Conv"));
        assert_eq!(operators.named("fc10"), None);
        assert_eq!(operators.named(""), None);
    }
}
