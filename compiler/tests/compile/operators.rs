//! Every operator alone, and random chains of them. `compile` itself compares the lowered network with tract sample by
//! sample (an error if they differ); these tests add that the integer network is as close as it says, on inputs it was
//! not calibrated on.

use crate::support::{Graph, Rng, float, int, ints, text};
use assay_circuits::exec::{dequantise_output, execute, quantise_input};
use assay_circuits::system::System;
use assay_compiler::{Compiled, Options};

/// Compiles, checks validity, and that the mean error is small.
fn check(g: &mut Graph, output: &str) -> Compiled {
    g.output(output);
    let options = Options { min_agreement: 0.0, target_error: 0.01, ..Options::default() };
    let c = g.compile(&options).unwrap_or_else(|e| panic!("{e}"));
    c.architecture.validate().expect("valid");
    c.weights.validate(&c.architecture).expect("weights belong");
    assert!(c.report.accuracy_met, "{}", c.report);
    // Far outside the calibrated range everything saturates, and still executes.
    let (len, system) = (c.architecture.input_elements(), System::new(&c.architecture));
    for x in [vec![1e30f32; len], vec![-1e30; len], Rng(5).vector(len, 100.0)] {
        let input = quantise_input(&c.architecture, &[x]).expect("finite");
        assert!(input.outside > 0, "what is far outside is counted");
        let trace = execute(&c.architecture, &c.weights, &input.cells).expect("executes");
        assert!(
            dequantise_output(&c.architecture, &trace.output(&c.architecture, &system))
                .iter()
                .flatten()
                .all(|v| v.is_finite())
        );
    }
    c
}

fn conv(input: &[i64], weight: &[i64], attributes: Vec<tract_onnx::pb::AttributeProto>) -> Compiled {
    let mut rng = Rng(2);
    let mut g = Graph::new(input);
    g.weight("w", weight, rng.vector(weight.iter().product::<i64>() as usize, 0.5)).weight(
        "b",
        &weight[..1],
        rng.vector(weight[0] as usize, 0.5),
    );
    check(g.node("Conv", &["x", "w", "b"], "y", attributes), "y")
}

#[test]
fn gemm_with_all_its_attributes() {
    let mut rng = Rng(3);
    let mut g = Graph::new(&[1, 12]);
    g.weight("w", &[12, 5], rng.vector(60, 0.5)).weight("b", &[1, 5], rng.vector(5, 1.0));
    let c = check(g.node("Gemm", &["x", "w", "b"], "y", vec![float("alpha", 0.5), float("beta", 2.0)]), "y");
    assert_eq!(c.architecture.outputs[0].shape, [5]);
    let mut g = Graph::new(&[-1, 12]);
    g.weight("w", &[5, 12], rng.vector(60, 0.5));
    check(g.node("Gemm", &["x", "w"], "y", vec![int("transB", 1)]), "y");
}

#[test]
fn matmul_takes_its_bias_from_the_add_after_it() {
    let mut rng = Rng(4);
    let mut g = Graph::new(&[1, 9]);
    g.weight("w", &[9, 6], rng.vector(54, 0.5)).weight("b", &[6], rng.vector(6, 1.0));
    let c = check(g.node("MatMul", &["x", "w"], "m", vec![]).node("Add", &["m", "b"], "y", vec![]), "y");
    assert_eq!(c.architecture.layers.len(), 1);
    assert_eq!(c.architecture.biases.len(), 1);
}

#[test]
fn matmul_on_a_sequence() {
    let mut rng = Rng(4);
    let mut g = Graph::new(&[1, 7, 6]);
    g.weight("w", &[6, 5], rng.vector(30, 0.5)).weight("b", &[5], rng.vector(5, 1.0));
    let c = check(g.node("MatMul", &["x", "w"], "m", vec![]).node("Add", &["m", "b"], "y", vec![]), "y");
    assert_eq!(c.architecture.outputs[0].shape, [7, 5]);
}

#[test]
fn convolutions() {
    conv(&[1, 3, 9, 7], &[4, 3, 3, 3], vec![ints("pads", &[1, 1, 1, 1])]);
    conv(&[1, 3, 9, 7], &[4, 3, 3, 2], vec![ints("strides", &[2, 3]), ints("pads", &[2, 0, 1, 1])]);
    conv(&[1, 2, 9, 9], &[3, 2, 3, 3], vec![ints("dilations", &[2, 3]), ints("pads", &[1, 2, 0, 2])]);
    conv(&[1, 6, 5, 5], &[9, 2, 3, 3], vec![int("group", 3)]);
    conv(&[1, 4, 6, 6], &[4, 1, 3, 3], vec![int("group", 4), text("auto_pad", "SAME_UPPER"), ints("strides", &[2, 2])]);
    conv(&[1, 2, 6, 7], &[3, 2, 4, 4], vec![text("auto_pad", "SAME_LOWER")]);
    conv(&[1, 2, 6, 7], &[3, 2, 2, 2], vec![text("auto_pad", "VALID")]);
    // a single place that reads anything, and it is not the first
    conv(&[1, 3, 1, 1], &[1, 3, 1, 1], vec![ints("pads", &[1, 1, 1, 1])]);
    conv(&[1, 3, 20], &[5, 3, 4], vec![ints("strides", &[2]), ints("pads", &[1, 2])]);
}

#[test]
fn functions() {
    for (operator, attributes) in
        [("Relu", vec![]), ("LeakyRelu", vec![float("alpha", 0.2)]), ("Sigmoid", vec![]), ("Tanh", vec![])]
    {
        let mut g = Graph::new(&[1, 8]);
        g.weight("w", &[8, 8], Rng(6).vector(64, 0.8));
        g.node("MatMul", &["x", "w"], "m", vec![]).node(operator, &["m"], "y", attributes.clone());
        assert_eq!(check(&mut g, "y").architecture.layers.len(), 1, "{operator} is part of the layer");
        let mut g = Graph::new(&[1, 2, 3, 5]);
        check(g.node(operator, &["x"], "y", attributes), "y");
    }
}

#[test]
fn pools() {
    let pool = |operator: &str, input: &[i64], attributes: Vec<_>| {
        let mut g = Graph::new(input);
        check(g.node(operator, &["x"], "y", attributes), "y")
    };
    let c = pool("MaxPool", &[1, 3, 8, 8], vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]);
    assert_eq!(c.architecture.layers.len(), 3);
    pool(
        "MaxPool",
        &[1, 2, 9, 7],
        vec![ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2]), ints("pads", &[1, 1, 1, 1])],
    );
    pool(
        "MaxPool",
        &[1, 2, 9, 7],
        vec![ints("kernel_shape", &[2, 3]), ints("strides", &[1, 2]), ints("dilations", &[2, 1])],
    );
    pool("MaxPool", &[1, 2, 11], vec![ints("kernel_shape", &[3]), ints("strides", &[2])]);
    pool("MaxPool", &[1, 2, 7, 7], vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2]), int("ceil_mode", 1)]);
    pool("AveragePool", &[1, 2, 8, 8], vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]);
    for include in [0, 1] {
        let pads = vec![
            ints("kernel_shape", &[3, 3]),
            ints("strides", &[2, 2]),
            ints("pads", &[1, 1, 1, 1]),
            int("count_include_pad", include),
        ];
        pool("AveragePool", &[1, 2, 9, 7], pads);
    }
    let c = pool("GlobalAveragePool", &[1, 3, 7, 7], vec![]);
    assert_eq!(c.architecture.outputs[0].shape, [3, 1, 1]);
}

#[test]
fn batch_normalization_is_folded_into_what_it_follows() {
    let mut rng = Rng(7);
    let norm = |g: &mut Graph, rng: &mut Rng| {
        let variance = rng.vector(4, 0.5).iter().map(|v| v + 1.0).collect();
        g.weight("gamma", &[4], rng.vector(4, 2.0)).weight("beta", &[4], rng.vector(4, 1.0));
        g.weight("mean", &[4], rng.vector(4, 1.0)).weight("var", &[4], variance);
    };
    let mut g = Graph::new(&[1, 3, 6, 6]);
    norm(&mut g, &mut rng);
    g.weight("w", &[4, 3, 3, 3], rng.vector(108, 0.5)).node("Conv", &["x", "w"], "c", vec![]);
    g.node("BatchNormalization", &["c", "gamma", "beta", "mean", "var"], "n", vec![]).node("Relu", &["n"], "y", vec![]);
    assert_eq!(check(&mut g, "y").architecture.layers.len(), 1);
    let mut g = Graph::new(&[1, 4, 5, 5]);
    norm(&mut g, &mut rng);
    check(g.node("BatchNormalization", &["x", "gamma", "beta", "mean", "var"], "y", vec![]), "y");
}

#[test]
fn residual_additions_join_the_later_layer() {
    let mut rng = Rng(8);
    let mut g = Graph::new(&[1, 4, 6, 6]);
    for w in ["w1", "w2"] {
        g.weight(w, &[4, 4, 3, 3], rng.vector(144, 0.3));
    }
    let pads = || vec![ints("pads", &[1, 1, 1, 1])];
    g.node("Conv", &["x", "w1"], "a", pads()).node("Relu", &["a"], "b", vec![]).node("Conv", &["b", "w2"], "c", pads());
    g.node("Add", &["c", "b"], "d", vec![]).node("Relu", &["d"], "y", vec![]);
    let c = check(&mut g, "y");
    assert_eq!(c.architecture.layers.len(), 2);
    assert!(c.architecture.layers[1].terms.len() >= 2);
    // Both operands have other readers: a layer of its own.
    let mut g = Graph::new(&[1, 6]);
    g.node("Relu", &["x"], "a", vec![]).node("Tanh", &["x"], "b", vec![]).node("Add", &["a", "b"], "y", vec![]);
    check(&mut g, "y");
}

#[test]
fn arithmetic_with_constants() {
    let mut rng = Rng(9);
    for (operator, dims) in
        [("Add", vec![3, 1, 1]), ("Sub", vec![1]), ("Mul", vec![1, 3, 1, 1]), ("Mul", vec![1]), ("Div", vec![3, 1, 1])]
    {
        let mut g = Graph::new(&[1, 3, 4, 4]);
        let values = rng.vector(dims.iter().product::<i64>() as usize, 0.5).iter().map(|v| v + 1.0).collect();
        g.weight("k", &dims, values);
        check(g.node(operator, &["x", "k"], "y", vec![]), "y");
    }
}

#[test]
fn reshapes_and_transpositions_cost_nothing() {
    let mut rng = Rng(10);
    // NHWC input, transposed for the convolution, transposed back, flattened in the other order, dense.
    let mut g = Graph::new(&[1, 6, 5, 3]);
    g.weight("w", &[4, 3, 3, 3], rng.vector(108, 0.5))
        .weight("d", &[48, 7], rng.vector(336, 0.3))
        .integers("s", &[1, -1]);
    g.node("Transpose", &["x"], "t", vec![ints("perm", &[0, 3, 1, 2])]).node("Conv", &["t", "w"], "c", vec![]).node(
        "Relu",
        &["c"],
        "r",
        vec![],
    );
    g.node("Transpose", &["r"], "u", vec![ints("perm", &[0, 2, 3, 1])]).node("Reshape", &["u", "s"], "f", vec![]).node(
        "MatMul",
        &["f", "d"],
        "y",
        vec![],
    );
    let c = check(&mut g, "y");
    assert_eq!(c.architecture.layers.len(), 2);
    assert_eq!(c.architecture.input.ports[0].shape, [6, 5, 3]);
    // Squeeze, Unsqueeze, Identity, Dropout, Flatten.
    let mut g = Graph::new(&[1, 1, 4, 5]);
    g.integers("one", &[1]).integers("two", &[2]);
    g.node("Identity", &["x"], "a", vec![]).node("Squeeze", &["a", "one"], "b", vec![]).node(
        "Unsqueeze",
        &["b", "two"],
        "c",
        vec![],
    );
    g.node("Dropout", &["c"], "d", vec![]).node("Flatten", &["d"], "e", vec![]).node("Relu", &["e"], "y", vec![]);
    assert_eq!(check(&mut g, "y").architecture.layers.len(), 1);
}

#[test]
fn shapes_that_exporters_compute_are_constants() {
    let mut g = Graph::new(&[-1, 2, 3, 4]);
    g.integers("zero", &[0]).integers("rest", &[-1]).weight("d", &[24, 5], Rng(13).vector(120, 0.3));
    g.node("Shape", &["x"], "s", vec![]).node("Gather", &["s", "zero"], "b", vec![]);
    g.node("Concat", &["b", "rest"], "t", vec![int("axis", 0)]).node("Reshape", &["x", "t"], "f", vec![]);
    assert_eq!(check(g.node("MatMul", &["f", "d"], "y", vec![]), "y").architecture.layers.len(), 1);
}

#[test]
fn options_are_obeyed() {
    let mut g = Graph::new(&[1, 8]);
    g.weight("w", &[8, 8], Rng(14).vector(64, 0.8))
        .node("MatMul", &["x", "w"], "m", vec![])
        .node("Relu", &["m"], "y", vec![])
        .output("y");
    let c = g.compile(&Options { table_bits: Some(13), weight_bits: 9, ..Options::default() }).expect("compiles");
    assert_eq!((c.architecture.tables[0].bits, c.report.widths.table_bits), (13, 13));
    assert!(c.architecture.weight_bits <= 9);
    // What cannot be reached is said, and the best that was found comes out.
    let c = g.compile(&Options { target_error: 1e-9, ..Options::default() }).expect("compiles");
    assert!(!c.report.accuracy_met && c.report.to_string().contains("not reached"));
    assert!(c.report.accuracy.outputs[0].mean_error < 1e-3, "{}", c.report);
    // A wider search is never less accurate than a coarse table.
    let coarse =
        g.compile(&Options { table_bits: Some(5), target_error: 1e-9, ..Options::default() }).expect("compiles");
    assert!(coarse.report.accuracy.outputs[0].mean_error > 10.0 * c.report.accuracy.outputs[0].mean_error);
}

#[test]
fn a_reshape_in_front_of_a_convolution_is_gathered() {
    let mut rng = Rng(11);
    let mut g = Graph::new(&[1, 6]);
    g.weight("d", &[6, 48], rng.vector(288, 0.5))
        .weight("w", &[2, 3, 3, 3], rng.vector(54, 0.5))
        .integers("s", &[1, 3, 4, 4]);
    g.node("MatMul", &["x", "d"], "m", vec![]).node("Reshape", &["m", "s"], "r", vec![]).node(
        "Conv",
        &["r", "w"],
        "y",
        vec![],
    );
    assert!(check(&mut g, "y").architecture.layers.len() <= 3);
}

#[test]
fn a_tensor_with_two_readers_keeps_both_values() {
    let mut rng = Rng(12);
    let mut g = Graph::new(&[1, 8]);
    g.weight("w", &[8, 8], rng.vector(64, 0.5)).weight("b", &[8], rng.vector(8, 1.0));
    g.node("MatMul", &["x", "w"], "m", vec![]).node("Add", &["m", "b"], "p", vec![]).node("Relu", &["m"], "q", vec![]);
    check(g.node("Add", &["p", "q"], "y", vec![]), "y");
}

#[test]
fn random_networks() {
    for seed in 0..12 {
        let mut rng = Rng(1000 + seed);
        let (mut channels, mut size) = (1 + rng.below(3), 6 + rng.below(6));
        let mut g = Graph::new(&[1, channels as i64, size as i64, size as i64]);
        let mut x = "x".to_owned();
        for at in 0..3 + rng.below(4) {
            let y = format!("t{at}");
            match rng.below(6) {
                0 | 1 => {
                    let out = 1 + rng.below(6);
                    let w = format!("w{at}");
                    g.weight(&w, &[out as i64, channels as i64, 3, 3], rng.vector(out * channels * 9, 0.4));
                    g.node("Conv", &[&x, &w], &y, vec![ints("pads", &[1, 1, 1, 1])]);
                    channels = out;
                }
                2 => drop(g.node(["Relu", "Tanh", "Sigmoid", "LeakyRelu"][rng.below(4)], &[&x], &y, vec![])),
                3 if size >= 4 => {
                    g.node(
                        ["MaxPool", "AveragePool"][rng.below(2)],
                        &[&x],
                        &y,
                        vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])],
                    );
                    size /= 2;
                }
                4 => drop(g.node("Transpose", &[&x], &y, vec![ints("perm", &[0, 1, 3, 2])])),
                _ => {
                    g.node("Relu", &[&x], &format!("r{at}"), vec![]);
                    g.node("Add", &[&x, &format!("r{at}")], &y, vec![]);
                }
            }
            x = y;
        }
        g.weight("d", &[(channels * size * size) as i64, 5], rng.vector(channels * size * size * 5, 0.3));
        check(g.node("Flatten", &[&x], "f", vec![]).node("MatMul", &["f", "d"], "y", vec![]), "y");
    }
}

/// Rows of lengths that are no powers of two, in columns so large that their squares are summed exactly and what is
/// common to a row goes where it costs least: a mean's factor, such as 1/192, has no end in binary, and squares of sums
/// with it would take more bits than there are.
#[test]
fn normalised_rows_of_any_length() {
    for (rows, width) in [(86, 48), (44, 96), (22, 192), (11, 384), (6, 768)] {
        let mut rng = Rng(9);
        let mut g = Graph::new(&[1, rows, width]);
        g.weight("p", &[rows, width], rng.vector((rows * width) as usize, 0.5)).node("Add", &["x", "p"], "a", vec![]);
        g.weight("s", &[width], rng.vector(width as usize, 0.4)).weight("b", &[width], rng.vector(width as usize, 0.3));
        g.opset(17).node("LayerNormalization", &["a", "s", "b"], "n", vec![int("axis", -1)]);
        g.weight("w", &[width, 8], rng.vector(8 * width as usize, 0.1)).node("MatMul", &["n", "w"], "y", vec![]);
        check(&mut g, "y");
    }
}
