//! Attributes that tract does not look at, or believes. It runs recurrent operators with the usual activations and,
//! unless they have two directions, forwards, and normalises batches by the statistics in the file, whatever the
//! attributes say. What would mean something else is rewritten here, or refused.

use super::GuardError;
use tract_onnx::pb::{self, tensor_proto::DataType};

/// Names of the constants that turn an axis around.
const TURN: [&str; 3] = ["assay.turn.begin", "assay.turn.end", "assay.turn.step"];

/// Reverse operators become forward ones between two slices that turn the sequence around.
pub fn rewrite(graph: &mut pb::GraphProto) -> Result<(), GuardError> {
    let mut axes: Vec<i64> = Vec::new();
    let mut nodes = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        check(&mut node)?;
        if !is_recurrent(&node) || text(&node, "direction") != "reverse" {
            nodes.push(node);
            continue;
        }
        // the axis of steps, in X and in Y
        let axis = i64::from(node.attribute.iter().any(|a| a.name == "layout" && a.i == 1));
        if !axes.contains(&axis) {
            axes.push(axis);
        }
        node.attribute.retain(|attribute| attribute.name != "direction");
        let name = super::node_name(&node).to_owned();
        if let Some(x) = node.input.first_mut() {
            let turned = format!("{name}.turned");
            nodes.push(turn(x, &turned, axis));
            *x = turned;
        }
        let after = node.output.first_mut().filter(|y| !y.is_empty()).map(|y| {
            let forwards = format!("{name}.forwards");
            let slice = turn(&forwards, y, axis);
            *y = forwards;
            slice
        });
        nodes.push(node);
        nodes.extend(after);
    }
    graph.node = nodes;
    if !axes.is_empty() {
        graph
            .initializer
            .extend(TURN.iter().zip([-1, i64::MIN, -1]).map(|(name, value)| number((*name).to_owned(), value)));
        graph.initializer.extend(axes.iter().map(|axis| number(axis_name(*axis), *axis)));
    }
    Ok(())
}

fn is_recurrent(node: &pb::NodeProto) -> bool {
    matches!(node.op_type.as_str(), "LSTM" | "GRU" | "RNN") && matches!(node.domain.as_str(), "" | "ai.onnx")
}

/// Attributes that tract does not look at, anywhere in the node.
fn check(node: &mut pb::NodeProto) -> Result<(), GuardError> {
    let refused = |what| {
        Err(GuardError::Attribute { node: super::node_name(node).to_owned(), operator: node.op_type.clone(), what })
    };
    if is_recurrent(node) {
        let usual: &[&str] = match node.op_type.as_str() {
            "LSTM" => &["sigmoid", "tanh", "tanh"],
            "GRU" => &["sigmoid", "tanh"],
            _ => &["tanh"],
        };
        for attribute in &node.attribute {
            let others = || {
                attribute
                    .strings
                    .iter()
                    .zip(usual.iter().cycle())
                    .any(|(have, usual)| !have.eq_ignore_ascii_case(usual.as_bytes()))
            };
            match attribute.name.as_str() {
                "activations" if others() => return refused("other activations than the usual ones"),
                "clip" => return refused("a clip"),
                "input_forget" if attribute.i != 0 => return refused("input_forget"),
                _ => {}
            }
        }
    }
    if node.op_type == "BatchNormalization" && node.attribute.iter().any(|a| a.name == "training_mode" && a.i != 0) {
        return refused("training_mode");
    }
    // tract looks for the steps of a permutation until it has found them
    if node.op_type == "Transpose"
        && let Some(perm) = node.attribute.iter().find(|a| a.name == "perm")
        && (0..perm.ints.len() as i64).any(|axis| !perm.ints.contains(&axis))
    {
        return refused("a perm that is no permutation");
    }
    // graphs inside nodes
    for graph in node.attribute.iter_mut().flat_map(|a| a.g.iter_mut().chain(&mut a.graphs)) {
        rewrite(graph)?;
    }
    Ok(())
}

fn text<'a>(node: &'a pb::NodeProto, name: &str) -> &'a str {
    node.attribute.iter().find(|a| a.name == name).and_then(|a| std::str::from_utf8(&a.s).ok()).unwrap_or("")
}

fn axis_name(axis: i64) -> String {
    format!("assay.turn.axis{axis}")
}

fn turn(from: &str, to: &str, axis: i64) -> pb::NodeProto {
    let [begin, end, step] = TURN.map(str::to_owned);
    pb::NodeProto {
        op_type: "Slice".to_owned(),
        name: format!("{to}.turn"),
        input: vec![from.to_owned(), begin, end, axis_name(axis), step],
        output: vec![to.to_owned()],
        ..Default::default()
    }
}

fn number(name: String, value: i64) -> pb::TensorProto {
    pb::TensorProto {
        name,
        dims: vec![1],
        data_type: DataType::Int64 as i32,
        int64_data: vec![value],
        ..Default::default()
    }
}
