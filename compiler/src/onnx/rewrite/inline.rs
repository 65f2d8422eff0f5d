//! Graphs inside nodes that are written out: loops whose number of rounds is known, choices, and the operators that a
//! model defines itself.

use super::{Writer, attribute, input, int, integer, real};
use crate::onnx::GuardError;
use std::collections::HashMap;
use tract_onnx::pb;

/// Most rounds of a loop.
const MAX_ROUNDS: i64 = 4096;
/// Graphs and functions inside each other.
const MAX_DEPTH: usize = 16;

impl Writer<'_> {
    /// Whether the node was written out.
    pub(super) fn inlined(&mut self, node: &pb::NodeProto, depth: usize) -> Result<bool, GuardError> {
        if depth > MAX_DEPTH {
            return self.refused("more than 16 graphs or functions inside each other");
        }
        match (node.domain.as_str(), node.op_type.as_str()) {
            ("" | "ai.onnx", "Loop") => self.unroll(node, depth),
            ("" | "ai.onnx", "Scan") => self.unroll_scan(node, depth),
            ("" | "ai.onnx", "If") => self.choose(node, depth),
            ("ai.onnx.preview", "FlexAttention") => self.flex_attention(node, depth),
            (domain, name) => {
                let functions = self.functions;
                match functions.iter().find(|f| f.domain() == domain && f.name() == name) {
                    Some(function) => self.call(node, function, depth),
                    None => Ok(false),
                }
            }
        }
    }

    /// Writes a list of nodes out. Tensors that they make get new names; those of `names` are given, and others are of
    /// the graph around.
    fn written(
        &mut self,
        nodes: &[pb::NodeProto],
        names: &mut HashMap<String, String>,
        depth: usize,
    ) -> Result<(), GuardError> {
        let (name, operator) = (self.name.clone(), self.operator.clone());
        for node in nodes {
            let mut node = node.clone();
            for tensor in node.input.iter_mut() {
                if let Some(new) = names.get(tensor) {
                    tensor.clone_from(new);
                }
            }
            for graph in node.attribute.iter_mut().flat_map(|a| a.g.iter_mut().chain(&mut a.graphs)) {
                renamed(graph, names);
            }
            self.count += 1;
            node.name = format!("{name}.{}.{}", self.count, node.op_type);
            for tensor in node.output.iter_mut().filter(|tensor| !tensor.is_empty()) {
                self.name.clone_from(&name);
                let new = self.fresh();
                names.insert(std::mem::replace(tensor, new.clone()), new);
            }
            self.take(node, depth + 1)?;
        }
        (self.name, self.operator) = (name, operator);
        Ok(())
    }

    /// Writes a graph out, and returns what its outputs are called.
    pub(super) fn graph(
        &mut self,
        graph: &pb::GraphProto,
        inputs: &[&str],
        depth: usize,
    ) -> Result<Vec<String>, GuardError> {
        if graph.input.len() != inputs.len() {
            return self.refused("another number of operands than its graph takes");
        }
        let mut names: HashMap<String, String> =
            graph.input.iter().zip(inputs).map(|(input, name)| (input.name.clone(), (*name).to_owned())).collect();
        for constant in &graph.initializer {
            let name = self.fresh();
            names.insert(constant.name.clone(), name.clone());
            self.tensor(pb::TensorProto { name, ..constant.clone() });
        }
        self.written(&graph.node, &mut names, depth)?;
        Ok(graph.output.iter().map(|output| names.get(&output.name).unwrap_or(&output.name).clone()).collect())
    }

    fn unroll(&mut self, node: &pb::NodeProto, depth: usize) -> Result<bool, GuardError> {
        let Some(body) = attribute(node, "body").and_then(|a| a.g.clone()) else { return self.refused("no body") };
        let rounds = match input(node, 0) {
            "" => i64::MAX,
            trips => match self.whole(trips).as_deref() {
                Some([rounds]) => *rounds,
                _ => return self.refused("a number of rounds that depends on the input"),
            },
        };
        let mut condition = input(node, 1).to_owned();
        let carried = node.input.len().saturating_sub(2);
        let mut state: Vec<String> = node.input.iter().skip(2).cloned().collect();
        let scanned = body.output.len().saturating_sub(carried + 1);
        let mut rows: Vec<Vec<String>> = vec![Vec::new(); scanned];
        let mut round = 0;
        while round < rounds {
            let goes_on = match condition.as_str() {
                "" => true,
                name => match self.whole(name).as_deref() {
                    Some([value]) => *value != 0,
                    _ => return self.refused("an end that depends on the input"),
                },
            };
            if !goes_on {
                break;
            }
            if round >= MAX_ROUNDS {
                return self.refused("more than 4096 rounds");
            }
            let number = self.whole_numbers(&[], &[round]);
            let before = if condition.is_empty() { self.truths(&[], &[true]) } else { condition.clone() };
            let inputs: Vec<&str> =
                [number.as_str(), &before].into_iter().chain(state.iter().map(String::as_str)).collect();
            let mut made = self.graph(&body, &inputs, depth)?.into_iter();
            condition = made.next().unwrap_or_default();
            state = made.by_ref().take(carried).collect();
            for (rows, made) in rows.iter_mut().zip(made) {
                rows.push(self.unsqueezed(&made, &[0]));
            }
            round += 1;
        }
        for (at, value) in state.iter().enumerate() {
            self.output(node, at, value);
        }
        for (at, rows) in rows.iter().enumerate() {
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            let all = match rows[..] {
                [] if node.output.get(carried + at).is_none_or(String::is_empty) => continue,
                [] => return self.refused("no rounds, so that an output has no elements,"),
                [one] => one.to_owned(),
                _ => self.node("Concat", &rows, vec![int("axis", 0)]),
            };
            self.output(node, carried + at, &all);
        }
        Ok(true)
    }

    /// Step by step, where the body reads tensors from around it, which tract does not do.
    fn unroll_scan(&mut self, node: &pb::NodeProto, depth: usize) -> Result<bool, GuardError> {
        let Some(body) = attribute(node, "body").and_then(|a| a.g.clone()) else { return self.refused("no body") };
        let own: Vec<&str> = (body.input.iter().map(|input| input.name.as_str()))
            .chain(body.initializer.iter().map(|tensor| tensor.name.as_str()))
            .chain(body.node.iter().flat_map(|node| node.output.iter().map(String::as_str)))
            .collect();
        let outside =
            body.node.iter().flat_map(|node| &node.input).any(|name| !name.is_empty() && !own.contains(&name.as_str()));
        if !outside || self.version < 9 {
            return Ok(false);
        }
        let scanned = integer(node, "num_scan_inputs", 1) as usize;
        let Some(states) = node.input.len().checked_sub(scanned) else {
            return self.refused("fewer operands than it scans");
        };
        let backwards = |name: &str, at: usize| super::integers(node, name).get(at) == Some(&1);
        let axis_of = |name: &str, at: usize| super::integers(node, name).get(at).copied().unwrap_or(0);
        let mut steps = 0;
        for at in 0..scanned {
            let Some(shape) = self.shape(input(node, states + at)) else {
                return self.refused("a shape that is not known");
            };
            let axis = axis_of("scan_input_axes", at).rem_euclid(shape.len().max(1) as i64);
            steps = shape.get(axis as usize).map_or(0, |length| *length as i64);
        }
        if !(1..=MAX_ROUNDS).contains(&steps) {
            return self.refused("no steps, or more than 4096,");
        }
        let mut state: Vec<String> = node.input[..states].to_vec();
        let mut rows: Vec<Vec<String>> = vec![Vec::new(); body.output.len().saturating_sub(states)];
        for step in 0..steps {
            let mut inputs = state.clone();
            for at in 0..scanned {
                let place = if backwards("scan_input_directions", at) { steps - 1 - step } else { step };
                let place = self.whole_numbers(&[], &[place]);
                let axis = int("axis", axis_of("scan_input_axes", at));
                inputs.push(self.node("Gather", &[input(node, states + at), &place], vec![axis]));
            }
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            let mut made = self.graph(&body, &inputs, depth)?.into_iter();
            state = made.by_ref().take(states).collect();
            for (at, (row, made)) in rows.iter_mut().zip(made).enumerate() {
                let made = self.unsqueezed(&made, &[axis_of("scan_output_axes", at)]);
                row.push(made);
            }
        }
        for (at, value) in state.iter().enumerate() {
            self.output(node, at, value);
        }
        for (at, mut row) in rows.into_iter().enumerate() {
            if backwards("scan_output_directions", at) {
                row.reverse();
            }
            let row: Vec<&str> = row.iter().map(String::as_str).collect();
            let axis = int("axis", axis_of("scan_output_axes", at));
            let all = if let [one] = row[..] { one.to_owned() } else { self.node("Concat", &row, vec![axis]) };
            self.output(node, states + at, &all);
        }
        Ok(true)
    }

    /// A branch that is known; else both, and a choice element by element.
    fn choose(&mut self, node: &pb::NodeProto, depth: usize) -> Result<bool, GuardError> {
        let branch = |name| attribute(node, name).and_then(|a| a.g.clone());
        let (Some(then), Some(other)) = (branch("then_branch"), branch("else_branch")) else {
            return self.refused("a branch missing");
        };
        if let Some([condition]) = self.whole(input(node, 0)).as_deref() {
            let made = self.graph(if *condition != 0 { &then } else { &other }, &[], depth)?;
            for (at, value) in made.iter().enumerate() {
                self.output(node, at, value);
            }
            return Ok(true);
        }
        let (yes, no) = (self.graph(&then, &[], depth)?, self.graph(&other, &[], depth)?);
        for (at, (yes, no)) in yes.iter().zip(&no).enumerate() {
            if self.sequences.contains_key(yes) || self.sequences.contains_key(no) {
                return self.refused("a condition that depends on the input, and sequences,");
            }
            if self.shape(yes).zip(self.shape(no)).is_none_or(|(a, b)| a != b) {
                return self.refused("a condition that depends on the input, and branches of different shapes,");
            }
            let chosen = self.node("Where", &[input(node, 0), yes, no], Vec::new());
            self.output(node, at, &chosen);
        }
        Ok(true)
    }

    /// An operator that the model defines.
    fn call(&mut self, node: &pb::NodeProto, function: &pb::FunctionProto, depth: usize) -> Result<bool, GuardError> {
        let version = function
            .opset_import
            .iter()
            .find(|set| set.domain.is_empty() || set.domain == "ai.onnx")
            .map(|set| set.version);
        if version.is_some_and(|version| version != self.version) {
            return self.refused("a function of another operator set than the model's");
        }
        let mut names: HashMap<String, String> = HashMap::new();
        for (at, name) in function.input.iter().enumerate() {
            names.insert(name.clone(), input(node, at).to_owned());
        }
        let mut nodes = function.node.clone();
        for inner in &mut nodes {
            if !given(inner, node, &function.attribute) {
                return self.refused("an attribute left out that its function has a default for");
            }
        }
        self.written(&nodes, &mut names, depth)?;
        for (at, output) in function.output.iter().enumerate() {
            if let Some(value) = names.get(output).cloned() {
                self.output(node, at, &value);
            }
        }
        Ok(true)
    }

    /// `softmax(q · k)` with a graph for the scores and one for the weights.
    fn flex_attention(&mut self, node: &pb::NodeProto, depth: usize) -> Result<bool, GuardError> {
        let heads = |writer: &mut Self, at: usize| {
            writer.shape(input(node, at)).and_then(|shape| <[usize; 4]>::try_from(shape).ok())
        };
        let (Some(q), Some(k), Some(v)) = (heads(self, 0), heads(self, 1), heads(self, 2)) else {
            return self.refused("operands that have not four axes of known length");
        };
        let scale = attribute(node, "scale").map_or(1.0 / (q[3] as f32).sqrt(), |_| real(node, "scale", 1.0));
        let product = self.attended(input(node, 0), q, input(node, 1), k, true)?;
        let scale = self.number(scale);
        let mut scores = self.node("Mul", &[&product, &scale], Vec::new());
        if let Some(change) = attribute(node, "score_mod").and_then(|a| a.g.clone()) {
            scores = self.graph(&change, &[&scores], depth)?.into_iter().next().unwrap_or(scores);
        }
        let mut weights = self.node("Softmax", &[&scores], vec![int("axis", -1)]);
        if let Some(change) = attribute(node, "prob_mod").and_then(|a| a.g.clone()) {
            weights = self.graph(&change, &[&weights], depth)?.into_iter().next().unwrap_or(weights);
        }
        let y = self.attended(&weights, [q[0], q[1], q[2], k[2]], input(node, 2), v, false)?;
        self.output(node, 0, &y);
        Ok(true)
    }
}

/// Attributes that refer to the call's take its values. `optional` are those that a call may leave out: then the node's
/// own default holds. What a function has a default for is not among them, and the default is not read: the answer is
/// no.
fn given(node: &mut pb::NodeProto, call: &pb::NodeProto, optional: &[String]) -> bool {
    let mut known = true;
    for inner in node.attribute.iter_mut().filter_map(|a| a.g.as_mut()).flat_map(|graph| &mut graph.node) {
        known &= given(inner, call, optional);
    }
    node.attribute.retain_mut(|attribute| {
        if attribute.ref_attr_name.is_empty() {
            return true;
        }
        let value = call.attribute.iter().find(|a| a.name == attribute.ref_attr_name);
        match value {
            Some(value) => *attribute = pb::AttributeProto { name: attribute.name.clone(), ..value.clone() },
            None => known &= optional.contains(&attribute.ref_attr_name),
        }
        value.is_some()
    });
    known
}

/// Gives tensors that a graph reads from around it their new names.
fn renamed(graph: &mut pb::GraphProto, names: &HashMap<String, String>) {
    let own: Vec<String> = graph
        .input
        .iter()
        .map(|input| input.name.clone())
        .chain(graph.initializer.iter().map(|tensor| tensor.name.clone()))
        .chain(graph.node.iter().flat_map(|node| node.output.iter().cloned()))
        .collect();
    let mut outer = names.clone();
    outer.retain(|name, _| !own.contains(name));
    for node in &mut graph.node {
        for tensor in &mut node.input {
            if let Some(new) = outer.get(tensor) {
                tensor.clone_from(new);
            }
        }
        for inside in node.attribute.iter_mut().flat_map(|a| a.g.iter_mut().chain(&mut a.graphs)) {
            renamed(inside, &outer);
        }
    }
    for output in &mut graph.output {
        if let Some(new) = outer.get(&output.name) {
            output.name.clone_from(new);
        }
    }
}
