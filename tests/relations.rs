//! What operators cost: lookups and committed cells for each element, counted in the compiled architecture. `--
//! --nocapture` prints the table of docs/benchmarks.md.

use assay_circuits::system::System;
use assay_compiler::{Calibration, Compiled, Options, compile};
use prost::Message;
use tract_onnx::pb::{self, attribute_proto::AttributeType, tensor_proto::DataType};

/// Rows of every network, and their length. Powers of two: so an element is a cell.
const ROWS: i64 = 64;
const LEN: i64 = 64;
const SAMPLES: usize = 16;

/// An operator that reads a product `h` of the input with weights.
struct Case {
    name: &'static str,
    /// Nodes: operator, inputs, output, an integer attribute. The last one's output is the network's.
    nodes: &'static [(&'static str, &'static [&'static str], &'static str, Option<(&'static str, i64)>)],
    /// The layers in front that are not the operator's: those of the products that it reads.
    before: usize,
    /// Lookups for each element of a row of 64 that it may take; an operator that is a part of the table of the layer
    /// before takes none.
    limit: f64,
    /// What it is meant to take, if that is less.
    goal: Option<f64>,
}

const CASES: [Case; 15] = [
    Case { name: "product with weights", nodes: &[], before: 0, limit: 3.0, goal: None },
    Case { name: "GELU", nodes: &[("Gelu", &["h"], "y", None)], before: 1, limit: 0.0, goal: None },
    Case {
        // as PyTorch's exporter writes it down
        name: "GELU by tanh, written out",
        nodes: &[
            ("Mul", &["h", "h"], "square", None),
            ("Mul", &["square", "h"], "cube", None),
            ("Mul", &["cube", "small"], "part", None),
            ("Add", &["h", "part"], "sum", None),
            ("Mul", &["sum", "root"], "argument", None),
            ("Tanh", &["argument"], "tanh", None),
            ("Add", &["tanh", "one"], "gate", None),
            ("Mul", &["h", "gate"], "double", None),
            ("Mul", &["double", "half"], "y", None),
        ],
        before: 1,
        limit: 9.0,
        goal: None,
    },
    Case {
        name: "softmax",
        nodes: &[("Softmax", &["h"], "y", Some(("axis", -1)))],
        before: 1,
        limit: 4.25,
        goal: Some(2.0),
    },
    Case {
        name: "layer norm, with gain and offset",
        nodes: &[("LayerNormalization", &["h", "gain", "offset"], "y", Some(("axis", -1)))],
        before: 1,
        limit: 5.5,
        goal: Some(2.0),
    },
    Case {
        // the product's own three lookups are counted too
        name: "layer norm, and a product that reads it",
        nodes: &[
            ("LayerNormalization", &["h", "gain", "offset"], "n", Some(("axis", -1))),
            ("MatMul", &["n", "keys"], "y", None),
        ],
        before: 1,
        limit: 6.5,
        goal: Some(5.0),
    },
    Case {
        name: "attention: scores, softmax, mixture",
        nodes: &[
            ("MatMul", &["x", "keys"], "k", None),
            ("MatMul", &["x", "values"], "v", None),
            ("Transpose", &["k"], "t", None),
            ("MatMul", &["h", "t"], "raw", None),
            ("Mul", &["raw", "eighth"], "scores", None),
            ("Softmax", &["scores"], "weights", Some(("axis", -1))),
            ("MatMul", &["weights", "v"], "y", None),
        ],
        before: 3,
        limit: 10.5,
        goal: None,
    },
    Case {
        // as in a head of 16: four scores for each cell of the mixture; the product that makes the values is counted
        name: "attention with values of 16",
        nodes: &[
            ("MatMul", &["x", "keys"], "k", None),
            ("MatMul", &["x", "narrow"], "v", None),
            ("Transpose", &["k"], "t", None),
            ("MatMul", &["h", "t"], "raw", None),
            ("Mul", &["raw", "eighth"], "scores", None),
            ("Softmax", &["scores"], "weights", Some(("axis", -1))),
            ("MatMul", &["weights", "v"], "y", None),
        ],
        before: 2,
        limit: 7.0,
        goal: None,
    },
    Case {
        name: "division by a column",
        nodes: &[("MatMul", &["x", "keys"], "k", None), ("Exp", &["k"], "d", None), ("Div", &["h", "d"], "y", None)],
        before: 2,
        limit: 12.0,
        goal: None,
    },
    Case {
        name: "division of a row",
        nodes: &[("ReduceL2", &["h"], "d", Some(("axis", -1))), ("Div", &["h", "d"], "y", None)],
        before: 1,
        limit: 3.5,
        goal: None,
    },
    Case {
        name: "square root (a table)",
        nodes: &[("Exp", &["h"], "e", None), ("Sqrt", &["e"], "y", None)],
        before: 1,
        limit: 0.0,
        goal: None,
    },
    Case {
        name: "root of a row's squares",
        nodes: &[("ReduceL2", &["h"], "y", Some(("axis", -1)))],
        before: 1,
        limit: 0.5,
        goal: None,
    },
    Case {
        name: "maximum of a row",
        nodes: &[("ReduceMax", &["h"], "y", Some(("axis", -1)))],
        before: 1,
        limit: 1.25,
        goal: None,
    },
    Case {
        // one of the products is never made: the difference takes its place
        name: "maximum of two tensors, one product counted",
        nodes: &[("MatMul", &["x", "keys"], "k", None), ("Max", &["h", "k"], "y", None)],
        before: 1,
        limit: 3.0,
        goal: None,
    },
    Case {
        name: "place of a row's maximum",
        nodes: &[("ArgMax", &["h"], "y", Some(("axis", -1)))],
        before: 1,
        limit: 2.25,
        goal: None,
    },
];

/// Numbers of about the normal distribution, the same on every machine.
fn numbers(seed: &mut u64, len: i64, deviation: f32) -> Vec<f32> {
    let mut uniform = || {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..len).map(|_| (0..4).map(|_| uniform()).sum::<f32>() * 3f32.sqrt() * deviation).collect()
}

fn tensor(name: &str, dims: &[i64], values: &[f32]) -> pb::TensorProto {
    let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    pb::TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        raw_data,
        ..Default::default()
    }
}

fn value(name: &str, shape: Option<&[i64]>) -> pb::ValueInfoProto {
    let dimension = |d: &i64| pb::tensor_shape_proto::Dimension {
        denotation: String::new(),
        value: Some(pb::tensor_shape_proto::dimension::Value::DimValue(*d)),
    };
    let shape = shape.map(|dims| pb::TensorShapeProto { dim: dims.iter().map(dimension).collect() });
    let tensor = pb::type_proto::Tensor { elem_type: DataType::Float as i32, shape };
    let kind = pb::TypeProto { denotation: String::new(), value: Some(pb::type_proto::Value::TensorType(tensor)) };
    pb::ValueInfoProto { name: name.to_owned(), r#type: Some(kind), doc_string: String::new() }
}

/// `h = x · weights`, and then the case's nodes.
fn model(case: &Case) -> pb::ModelProto {
    let mut seed = 1;
    let deviation = (LEN as f32).sqrt().recip();
    let mut initializer: Vec<pb::TensorProto> = ["first", "keys", "values"]
        .iter()
        .map(|name| tensor(name, &[LEN, LEN], &numbers(&mut seed, LEN * LEN, deviation)))
        .collect();
    initializer.push(tensor("narrow", &[LEN, 16], &numbers(&mut seed, LEN * 16, deviation)));
    let gain: Vec<f32> = numbers(&mut seed, LEN, 0.2).iter().map(|v| 1.0 + v).collect();
    let numbers_of_gelu = [("small", 0.044715), ("root", 0.797_884_6), ("one", 1.0), ("half", 0.5)];
    initializer.extend(numbers_of_gelu.map(|(name, value)| tensor(name, &[], &[value])));
    initializer.extend([
        tensor("gain", &[LEN], &gain),
        tensor("offset", &[LEN], &numbers(&mut seed, LEN, 0.2)),
        tensor("eighth", &[], &[0.125]),
    ]);
    let node = |operator: &str, inputs: &[&str], output: &str, attribute: Option<(&str, i64)>| {
        // a reduction takes a list of axes
        let attribute = attribute.map(|(name, i)| match operator.starts_with("Reduce") {
            true => pb::AttributeProto {
                name: "axes".to_owned(),
                r#type: AttributeType::Ints as i32,
                ints: vec![i],
                ..Default::default()
            },
            false => {
                pb::AttributeProto { name: name.to_owned(), r#type: AttributeType::Int as i32, i, ..Default::default() }
            }
        });
        pb::NodeProto {
            op_type: operator.to_owned(),
            name: output.to_owned(),
            input: inputs.iter().map(|s| (*s).to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute: attribute.into_iter().collect(),
            ..Default::default()
        }
    };
    let mut nodes = vec![node("MatMul", &["x", "first"], "h", None)];
    nodes.extend(
        case.nodes.iter().map(|(operator, inputs, output, attribute)| node(operator, inputs, output, *attribute)),
    );
    let output = nodes.last().and_then(|node| node.output.first()).cloned().unwrap_or_default();
    let graph = pb::GraphProto {
        name: "case".to_owned(),
        input: vec![value("x", Some(&[ROWS, LEN]))],
        output: vec![value(&output, None)],
        node: nodes,
        initializer,
        ..Default::default()
    };
    // the operator set in which GELU is one node; reductions have their axes as attributes up to 17
    let version = if case.nodes.iter().any(|(operator, ..)| *operator == "Gelu") { 20 } else { 17 };
    let opset = pb::OperatorSetIdProto { domain: String::new(), version };
    pb::ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(graph), ..Default::default() }
}

fn compiled(case: &Case) -> Compiled {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("network.onnx");
    std::fs::write(&path, model(case).encode_to_vec()).expect("written");
    let mut seed = 2;
    let samples = (0..SAMPLES).map(|_| numbers(&mut seed, ROWS * LEN, 1.0)).collect();
    compile(&path, &Calibration::from_samples(samples), &Options::default(), &mut |_| ())
        .unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

/// Lookups, cells and layers of the operator, the first two for each element.
fn cost(case: &Case, compiled: &Compiled) -> (f64, f64, usize) {
    let system = System::new(&compiled.architecture);
    let elements = (ROWS * LEN) as f64;
    let mine = system.layers.get(case.before..).unwrap_or_default();
    let within = |column: u32| mine.iter().any(|layer| (layer.span.0..layer.span.1).contains(&column));
    let lookups: u64 = system
        .lookups
        .iter()
        .filter(|lookup| lookup.keys[0].is_some_and(|key| within(key.0)))
        .map(|lookup| 1 << lookup.log_size)
        .sum();
    let mut cells: u64 =
        system.columns.iter().zip(0..).filter(|(_, at)| within(*at)).map(|(column, _)| 1u64 << column.log_size).sum();
    if mine.is_empty() {
        // a function in the table of the layer before: its value is one more column
        let last = system.layers.last().expect("there are layers");
        cells += if last.post == last.pre { 0 } else { 1 << system.column(last.post).log_size };
    }
    (lookups as f64 / elements, cells as f64 / elements, mine.len())
}

/// Defends the costs that people plan with: none of the operators takes more lookups an element than is said here.
/// Where a goal is not met yet, the table says so.
#[test]
fn lookups_of_an_element() {
    println!(
        "| rows of {LEN} | lookups an element | goal | cells an element | layers | tables, shift, weights \
         |\n|---|---|---|---|---|---|"
    );
    let mut over = Vec::new();
    for case in &CASES {
        let compiled = compiled(case);
        let (lookups, cells, layers) = cost(case, &compiled);
        let widths = compiled.report.widths;
        let goal = case
            .goal
            .map_or_else(String::new, |goal| format!("{goal}, {}", if lookups <= goal { "met" } else { "not met" }));
        println!(
            "| {} | {lookups:.2} | {goal} | {cells:.2} | {layers} | {}, {}, {} |",
            case.name, widths.table_bits, widths.shift, widths.weight_bits
        );
        if lookups > case.limit {
            over.push(format!("{}: {lookups:.2}, and {} are allowed", case.name, case.limit));
        }
    }
    assert!(over.is_empty(), "{over:#?}");
}
