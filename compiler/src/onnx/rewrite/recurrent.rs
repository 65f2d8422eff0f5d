//! Recurrent operators with other activations than the usual ones, or a clip: a Scan whose body is written out. tract
//! has the usual ones itself.

use super::{Writer, attribute, input, int, integer, ints, real, text};
use crate::onnx::GuardError;
use tract_onnx::pb::{self, tensor_proto::DataType};

/// A gate's function: the operator and its attributes.
#[derive(Clone)]
struct Activation {
    operator: String,
    attributes: Vec<pb::AttributeProto>,
}

/// Gates of each operator, and the usual functions.
fn usual(operator: &str) -> (usize, &'static [&'static str]) {
    match operator {
        "LSTM" => (4, &["Sigmoid", "Tanh", "Tanh"]),
        "GRU" => (3, &["Sigmoid", "Tanh"]),
        _ => (1, &["Tanh"]),
    }
}

impl Writer<'_> {
    /// The functions of all directions, or `None` if they are the usual ones and nothing is clipped.
    fn activations(&self, node: &pb::NodeProto) -> Result<Option<Vec<Activation>>, GuardError> {
        let (_, usual) = usual(&node.op_type);
        let named: Vec<String> = attribute(node, "activations")
            .map_or(Vec::new(), |a| a.strings.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect());
        let plain = named.iter().zip(usual.iter().cycle()).all(|(have, usual)| have.eq_ignore_ascii_case(usual));
        if plain && attribute(node, "clip").is_none() {
            return Ok(None);
        }
        let count = if text(node, "direction", "forward") == "bidirectional" { 2 } else { 1 };
        let named = if named.is_empty() {
            usual.iter().cycle().take(count * usual.len()).map(|s| (*s).to_owned()).collect()
        } else {
            named
        };
        if named.len() != count * usual.len() {
            return self.refused("another number of activations than of gates");
        }
        let (alphas, betas) = (super::reals(node, "activation_alpha"), super::reals(node, "activation_beta"));
        let (mut alpha, mut beta) = (alphas.iter(), betas.iter());
        let float = |name: &str, f: f32| pb::AttributeProto {
            name: name.to_owned(),
            r#type: pb::attribute_proto::AttributeType::Float as i32,
            f,
            ..Default::default()
        };
        let mut all = Vec::new();
        for name in named {
            let (operator, attributes) = match name.to_ascii_lowercase().as_str() {
                "relu" => ("Relu", Vec::new()),
                "tanh" => ("Tanh", Vec::new()),
                "sigmoid" => ("Sigmoid", Vec::new()),
                "softsign" => ("Softsign", Vec::new()),
                "softplus" => ("Softplus", Vec::new()),
                "leakyrelu" => ("LeakyRelu", vec![float("alpha", alpha.next().copied().unwrap_or(0.01))]),
                "elu" => ("Elu", vec![float("alpha", alpha.next().copied().unwrap_or(1.0))]),
                "hardsigmoid" => (
                    "HardSigmoid",
                    vec![
                        float("alpha", alpha.next().copied().unwrap_or(0.2)),
                        float("beta", beta.next().copied().unwrap_or(0.5)),
                    ],
                ),
                _ => return self.refused("this activation"),
            };
            all.push(Activation { operator: operator.to_owned(), attributes });
        }
        Ok(Some(all))
    }

    pub(super) fn recurrent(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let Some(activations) = self.activations(node)? else { return Ok(false) };
        let operator = node.op_type.clone();
        let (gates, usual) = usual(&operator);
        let present = |index: usize| !input(node, index).is_empty();
        if integer(node, "layout", 0) != 0 || integer(node, "input_forget", 0) != 0 || present(4) || present(7) {
            return self
                .refused("other activations or a clip together with lengths, peepholes, layout or input_forget");
        }
        let hidden = integer(node, "hidden_size", 0);
        if hidden < 1 {
            return self.refused("no hidden_size");
        }
        let direction = text(node, "direction", "forward").to_owned();
        let count = if direction == "bidirectional" { 2 } else { 1 };
        let mut outputs: Vec<Vec<String>> = Vec::new();
        for at in 0..count {
            let functions = &activations[at * usual.len()..(at + 1) * usual.len()];
            let turned = i64::from(direction == "reverse" || at == 1);
            // the tensors of this direction, without its axis
            let part = |writer: &mut Self, index: usize| {
                let number = writer.index_of(at as i64);
                writer.node("Gather", &[input(node, index), &number], vec![int("axis", 0)])
            };
            let w = part(self, 1);
            let w = self.node("Transpose", &[&w], vec![ints("perm", &[1, 0])]);
            let r = part(self, 2);
            let r = self.node("Transpose", &[&r], vec![ints("perm", &[1, 0])]);
            let bias = if present(3) {
                part(self, 3)
            } else {
                let zeros = vec![0.0; 2 * gates * hidden as usize];
                self.floats(&[zeros.len()], &zeros)
            };
            let states = if operator == "LSTM" { 2 } else { 1 };
            let mut inputs = Vec::new();
            for state in 0..states {
                inputs.push(if present(5 + state) {
                    part(self, 5 + state)
                } else {
                    self.zero_state(input(node, 0), hidden)
                });
            }
            let body = self.body(node, functions, hidden, [&w, &r, &bias])?;
            inputs.push(input(node, 0).to_owned());
            let names: Vec<String> = (0..=states).map(|_| self.fresh()).collect();
            self.count += 1;
            self.nodes.push(pb::NodeProto {
                op_type: "Scan".to_owned(),
                name: format!("{}.Scan{}", self.name, self.count),
                input: inputs,
                output: names.clone(),
                attribute: vec![
                    body,
                    int("num_scan_inputs", 1),
                    ints("scan_input_directions", &[turned]),
                    ints("scan_output_directions", &[turned]),
                ],
                ..Default::default()
            });
            outputs.push(names);
        }
        let states = outputs[0].len() - 1;
        // Y is [steps, directions, batch, hidden], the last states [directions, batch, hidden]
        for (index, axis) in std::iter::once((states, 1)).chain((0..states).map(|state| (state, 0))) {
            let parts: Vec<String> = outputs.iter().map(|names| self.unsqueezed(&names[index], &[axis])).collect();
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let whole = self.node("Concat", &parts, vec![int("axis", axis)]);
            self.output(node, if index == states { 0 } else { index + 1 }, &whole);
        }
        Ok(true)
    }

    /// A scalar index.
    fn index_of(&mut self, value: i64) -> String {
        let name = self.fresh();
        self.tensor(pb::TensorProto {
            name,
            data_type: DataType::Int64 as i32,
            int64_data: vec![value],
            ..Default::default()
        })
    }

    /// `[batch, hidden]` of zeros.
    fn zero_state(&mut self, x: &str, hidden: i64) -> String {
        let shape = self.node("Shape", &[x], Vec::new());
        let one = self.ints(&[1]);
        let batch = self.node("Gather", &[&shape, &one], vec![int("axis", 0)]);
        let hidden = self.ints(&[hidden]);
        let shape = self.node("Concat", &[&batch, &hidden], vec![int("axis", 0)]);
        self.zeros_of(&shape)
    }

    /// One step as a graph: the states and x in, the new states and the output out.
    fn body(
        &mut self,
        node: &pb::NodeProto,
        functions: &[Activation],
        hidden: i64,
        shared: [&str; 3],
    ) -> Result<pb::AttributeProto, GuardError> {
        let operator = node.op_type.as_str();
        let (gates, _) = usual(operator);
        let outer =
            (std::mem::take(&mut self.nodes), std::mem::take(&mut self.initializers), std::mem::take(&mut self.index));
        let result = self.step(node, functions, hidden, gates, shared);
        let nodes = std::mem::replace(&mut self.nodes, outer.0);
        let initializer = std::mem::replace(&mut self.initializers, outer.1);
        self.index = outer.2;
        let (inputs, outputs) = result?;
        let value = |name: String| pb::ValueInfoProto {
            name,
            r#type: Some(super::tensor_type(DataType::Float)),
            doc_string: String::new(),
        };
        let g = pb::GraphProto {
            name: format!("{}.body", self.name),
            node: nodes,
            initializer,
            input: inputs.into_iter().map(value).collect(),
            output: outputs.into_iter().map(value).collect(),
            ..Default::default()
        };
        Ok(pb::AttributeProto {
            name: "body".to_owned(),
            r#type: pb::attribute_proto::AttributeType::Graph as i32,
            g: Some(g),
            ..Default::default()
        })
    }

    fn step(
        &mut self,
        node: &pb::NodeProto,
        functions: &[Activation],
        hidden: i64,
        gates: usize,
        [w, r, bias]: [&str; 3],
    ) -> Result<(Vec<String>, Vec<String>), GuardError> {
        let operator = node.op_type.as_str();
        let clip = attribute(node, "clip").map(|_| real(node, "clip", 0.0));
        let h = self.fresh();
        let c = (operator == "LSTM").then(|| self.fresh());
        let x = self.fresh();
        let cut = |writer: &mut Self, tensor: &str, gate: usize, axis: i64| {
            let gate = gate as i64;
            writer.sliced(tensor, axis, gate * hidden, (gate + 1) * hidden)
        };
        let activated = |writer: &mut Self, tensor: &str, which: usize| {
            let limited = match clip {
                Some(limit) => {
                    let (low, high) = (writer.number(-limit), writer.number(limit));
                    let above = writer.node("Max", &[tensor, &low], Vec::new());
                    writer.node("Min", &[&above, &high], Vec::new())
                }
                None => tensor.to_owned(),
            };
            writer.node(&functions[which].operator, &[&limited], functions[which].attributes.clone())
        };
        let xw = self.node("MatMul", &[&x, w], Vec::new());
        let hr = self.node("MatMul", &[&h, r], Vec::new());
        let (xs, hs): (Vec<String>, Vec<String>) = (0..gates)
            .map(|gate| {
                let (a, b) = (cut(self, &xw, gate, 1), cut(self, bias, gate, 0));
                let (d, e) = (cut(self, &hr, gate, 1), cut(self, bias, gates + gate, 0));
                (self.node("Add", &[&a, &b], Vec::new()), self.node("Add", &[&d, &e], Vec::new()))
            })
            .unzip();
        let both = |writer: &mut Self, gate: usize| writer.node("Add", &[&xs[gate], &hs[gate]], Vec::new());
        let (new_h, new_c) = match (operator, &c) {
            ("LSTM", Some(c)) => {
                let [i, o, f, g] = [0, 1, 2, 3].map(|gate| both(self, gate));
                let (i, o, f) = (activated(self, &i, 0), activated(self, &o, 0), activated(self, &f, 0));
                let g = activated(self, &g, 1);
                let kept = self.node("Mul", &[&f, c], Vec::new());
                let added = self.node("Mul", &[&i, &g], Vec::new());
                let state = self.node("Add", &[&kept, &added], Vec::new());
                let shown = activated(self, &state, 2);
                (self.node("Mul", &[&o, &shown], Vec::new()), Some(state))
            }
            ("GRU", _) => {
                let (z, reset) = (both(self, 0), both(self, 1));
                let (z, reset) = (activated(self, &z, 0), activated(self, &reset, 0));
                let inner = if integer(node, "linear_before_reset", 0) != 0 {
                    self.node("Mul", &[&reset, &hs[2]], Vec::new())
                } else {
                    let partly = self.node("Mul", &[&reset, &h], Vec::new());
                    let weights = cut(self, r, 2, 1);
                    let product = self.node("MatMul", &[&partly, &weights], Vec::new());
                    let bias = cut(self, bias, 5, 0);
                    self.node("Add", &[&product, &bias], Vec::new())
                };
                let sum = self.node("Add", &[&xs[2], &inner], Vec::new());
                let new = activated(self, &sum, 1);
                let difference = self.node("Sub", &[&h, &new], Vec::new());
                let kept = self.node("Mul", &[&z, &difference], Vec::new());
                (self.node("Add", &[&new, &kept], Vec::new()), None)
            }
            _ => {
                let sum = both(self, 0);
                (activated(self, &sum, 0), None)
            }
        };
        let shown = self.node("Identity", &[&new_h], Vec::new());
        let inputs = std::iter::once(h).chain(c).chain([x]).collect();
        let outputs = std::iter::once(new_h).chain(new_c).chain([shown]).collect();
        Ok((inputs, outputs))
    }

    fn sliced(&mut self, tensor: &str, axis: i64, begin: i64, end: i64) -> String {
        if self.version < 10 {
            return self.node(
                "Slice",
                &[tensor],
                vec![ints("starts", &[begin]), ints("ends", &[end]), ints("axes", &[axis])],
            );
        }
        let [begin, end, axis] = [begin, end, axis].map(|v| self.ints(&[v]));
        self.node("Slice", &[tensor, &begin, &end, &axis], Vec::new())
    }
}
