//! Forms of operators that tract reads otherwise than the standard, or not at all. What the standard says is computed
//! here: a comparison with tract would show nothing.

use crate::support::{Graph, Rng, int, ints, text, value};
use tract_onnx::pb::{self, tensor_proto::DataType};

/// Lowers `g` and compares its outputs, `y` if it names none, with what `wanted` makes of a sample.
fn gives(g: &mut Graph, what: &str, wanted: impl Fn(&[f32]) -> Vec<f32>) {
    let samples = g.samples(6, &mut Rng(1));
    if g.graph().output.is_empty() {
        g.output("y");
    }
    let found = g.lower().unwrap_or_else(|e| panic!("{what}: {e}"));
    for (sample, outputs) in samples.iter().zip(&found.lowered) {
        let (have, wanted) = (outputs.concat(), wanted(sample));
        assert_eq!(have.len(), wanted.len(), "{what}: the number of elements");
        for (at, (have, need)) in have.iter().zip(&wanted).enumerate() {
            assert!((have - need).abs() < 1e-4, "{what}, element {at}: {have} and should be {need}");
        }
    }
}

/// tract takes an empty result for one that is not given, and gave all elements instead of their sum.
#[test]
fn einsums_that_give_a_single_number() {
    let einsum = |equation: &str, input: &[i64], wanted: &dyn Fn(&[f32]) -> f32| {
        let mut g = Graph::new(input);
        g.weight("w", &[4, 2], vec![0.5, -1.0, 2.0, 0.25, -0.5, 1.5, 1.0, -2.0]).weight(
            "v",
            &[3],
            vec![1.0, 2.0, -1.0],
        );
        let operands = ["x", "w", "v"];
        let count = equation.split(',').count();
        g.node("Einsum", &operands[..count], "y", vec![text("equation", equation)]);
        gives(&mut g, equation, |x| vec![wanted(x)]);
    };
    let sum = |x: &[f32]| x.iter().sum();
    einsum("ij->", &[3, 4], &sum);
    einsum(" i j -> ", &[3, 4], &sum);
    einsum("ii->", &[4, 4], &|x| x.iter().step_by(5).sum());
    let rows = [-0.5f32, 2.25, 1.0, -1.0];
    let product = |x: &[f32]| x.iter().zip(rows.iter().cycle()).map(|(x, row)| x * row).sum();
    einsum("ij,jk->", &[3, 4], &product);
    einsum("ij,jk,l->", &[3, 4], &|x| 2.0 * product(x));
}

/// A state that is an output of its own beside the last one: its column is not there yet when the output is asked for.
#[test]
fn states_of_a_scan_that_are_outputs() {
    for function in ["Identity", "Relu", "Neg"] {
        let mut body = Graph::new(&[3]);
        body.graph().input.insert(0, value("state", &[3]));
        body.node("Add", &["state", "x"], "next", vec![]).node(function, &["next"], "each", vec![]);
        body.output("next").also("each");
        let body = pb::AttributeProto {
            name: "body".to_owned(),
            r#type: pb::attribute_proto::AttributeType::Graph as i32,
            g: body.model.graph,
            ..Default::default()
        };
        let mut g = Graph::new(&[4, 3]);
        g.weight("zero", &[3], vec![0.0; 3]);
        g.nodes("Scan", &["zero", "x"], &["last", "all"], vec![body, int("num_scan_inputs", 1)]);
        gives(g.output("all").also("last"), function, |x| {
            let sums: Vec<f32> = (0..12).map(|at| x[..=at].iter().skip(at % 3).step_by(3).sum()).collect();
            let each = |sum: &f32| match function {
                "Relu" => sum.max(0.0),
                "Neg" => -sum,
                _ => *sum,
            };
            sums.iter().map(each).chain(sums[9..].iter().copied()).collect()
        });
    }
}

/// Indices below 0 count from the end, whether they are known or depend on the input; tract takes them for wrong.
#[test]
fn indices_below_zero() {
    for known in [true, false] {
        let indexed = |wanted: &[i64]| {
            let mut g = Graph::new(&[3, 4]);
            g.opset(18).shaped("i", &[2, 1], wanted);
            // indices that depend on the input, and are the same for every input: half a sine is rounded down to 0
            g.node("ReduceSum", &["x"], "s", vec![int("keepdims", 0)]).node("Sin", &["s"], "t", vec![]);
            g.weight("half", &[], vec![0.5]).node("Mul", &["t", "half"], "h", vec![]);
            g.node("Cast", &["h"], "n", vec![int("to", 7)]).node("Add", &["n", "i"], "by_input", vec![]);
            g
        };
        let index = if known { "i" } else { "by_input" };
        let row = |x: &[f32], at: usize| x[4 * at..4 * at + 4].to_vec();
        let mut g = indexed(&[-1, -3]);
        g.node("GatherND", &["x", index], "y", vec![]);
        gives(&mut g, "GatherND", |x| [row(x, 2), row(x, 0)].concat());
        for reduction in ["none", "add"] {
            let mut g = indexed(&[-1, 0]);
            g.weight("u", &[2, 4], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
            g.node("ScatterND", &["x", index, "u"], "y", vec![text("reduction", reduction)]);
            gives(&mut g, reduction, |x| {
                let old = if reduction == "add" { 1.0 } else { 0.0 };
                let written = |at: usize, from: f32| -> Vec<f32> {
                    (0..4).map(|c| old * x[4 * at + c] + from + c as f32).collect()
                };
                [written(0, 5.0), row(x, 1), written(2, 1.0)].concat()
            });
        }
    }
}

/// Axes in any order, counted from either end; tract took each off without a look at the others.
#[test]
fn axes_that_are_taken_off() {
    for version in [11, 13] {
        for axes in [[-1, 1], [3, 1], [1, 3], [-3, -1], [1, -1]] {
            let mut g = Graph::new(&[2, 1, 4, 1]);
            g.opset(version).weight("w", &[4, 1], vec![1.0, 2.0, 3.0, 4.0]).integers("a", &axes);
            if version < 13 {
                g.node("Squeeze", &["x"], "s", vec![ints("axes", &axes)]);
            } else {
                g.node("Squeeze", &["x", "a"], "s", vec![]);
            }
            g.node("MatMul", &["s", "w"], "y", vec![]);
            let row = |x: &[f32]| x[0] + 2.0 * x[1] + 3.0 * x[2] + 4.0 * x[3];
            gives(&mut g, &format!("{axes:?}"), |x| x.chunks(4).map(row).collect());
        }
    }
}

/// The place of every product follows from pads that `output_shape` gives: of an odd number one more is in front, or
/// behind with SAME_UPPER. What onnxruntime gives; tract shifted all.
#[test]
fn transposed_convolutions_of_a_given_size() {
    let weights = [1.0f32, 2.0, -3.0];
    // four places, two apart, and a kernel of three: nine places
    for (mode, size, before) in [
        ("NOTSET", 9, 0),
        ("NOTSET", 8, 1),
        ("NOTSET", 7, 1),
        ("NOTSET", 6, 2),
        ("NOTSET", 11, 0),
        ("SAME_LOWER", 8, 1),
        ("SAME_UPPER", 8, 0),
        ("SAME_UPPER", 6, 1),
    ] {
        let mut g = Graph::new(&[1, 1, 4]);
        g.weight("w", &[1, 1, 3], weights.to_vec());
        let attributes = vec![ints("strides", &[2]), ints("output_shape", &[size]), text("auto_pad", mode)];
        g.node("ConvTranspose", &["x", "w"], "y", attributes);
        gives(&mut g, &format!("{mode} {size}"), |x| {
            let mut all = vec![0.0; 12];
            for (place, x) in x.iter().enumerate() {
                (0..3).for_each(|at| all[2 * place + at] += x * weights[at]);
            }
            all[before..before + size as usize].to_vec()
        });
    }
}

/// Truth values where tract takes numbers only.
#[test]
fn truth_values_that_are_compared() {
    let mut g = Graph::of(DataType::Bool, &[3, 1]);
    g.input("b", DataType::Bool, &[1, 4]).node("Equal", &["x", "b"], "y", vec![]);
    let equal = |a: f32, b: f32| f32::from(u8::from(a == b));
    gives(&mut g, "Equal", |all| (0..12).map(|at| equal(all[at / 4], all[3 + at % 4])).collect());
    for operator in ["ReduceMax", "ReduceMin"] {
        let mut g = Graph::of(DataType::Bool, &[4, 3]);
        g.opset(20).integers("a", &[1]).node(operator, &["x", "a"], "y", vec![int("keepdims", 0)]);
        let of = |row: &[f32]| {
            if operator == "ReduceMax" { row.iter().sum::<f32>().min(1.0) } else { row.iter().product() }
        };
        gives(&mut g, operator, |x| x.chunks(3).map(of).collect());
    }
}

/// Pads below 0 cut first: what is cut off does not come again at the other end.
#[test]
fn pads_that_cut_and_wrap() {
    let places = [
        ("wrap", [0, 3, 0, -2], [1, 2, 3, 0, 1, 2, 3]),
        ("wrap", [0, -1, 0, 2], [1, 2, 3, 4, 5, 1, 2]),
        ("reflect", [0, 3, 0, -2], [3, 2, 1, 0, 1, 2, 3]),
        ("edge", [0, -1, 0, 2], [1, 2, 3, 4, 5, 5, 5]),
    ];
    for (mode, pads, from) in places {
        let mut g = Graph::new(&[1, 6]);
        g.opset(19).integers("pads", &pads).node("Pad", &["x", "pads"], "y", vec![text("mode", mode)]);
        gives(&mut g, &format!("{mode} {pads:?}"), |x| from.map(|at| x[at]).to_vec());
    }
}

/// Bits of wide types, where the numbers are known to have 16: inputs and constants.
#[test]
fn bits_of_wide_integers() {
    let operators: [(&str, fn(i64, i64) -> i64); 3] =
        [("BitwiseAnd", |a, b| a & b), ("BitwiseOr", |a, b| a | b), ("BitwiseXor", |a, b| a ^ b)];
    for kind in [DataType::Int32, DataType::Int64] {
        for (operator, of) in operators {
            let mut g = Graph::of(kind, &[1, 4]);
            g.below = 30_000;
            let masks = [255, -7, 32_767, -32_768];
            g.opset(18).integers("k", &masks).node("Cast", &["k"], "mask", vec![int("to", kind as i64)]);
            g.node(operator, &["x", "mask"], "y", vec![]);
            gives(&mut g, operator, |x| x.iter().zip(masks).map(|(x, mask)| of(*x as i64, mask) as f32).collect());
        }
    }
    // the sum of two inputs may have more
    let mut g = Graph::of(DataType::Int64, &[1, 4]);
    g.opset(18).node("Add", &["x", "x"], "twice", vec![]).node("BitwiseAnd", &["twice", "x"], "y", vec![]).output("y");
    assert!(g.lower().is_err_and(|error| error.to_string().contains("cast what has fewer")));
}
