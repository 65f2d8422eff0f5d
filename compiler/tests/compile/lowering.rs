//! What operators become, in real numbers: the lowered network must give what tract gives, whatever the layout of its
//! blocks.

use crate::support::{Graph, Rng, float, int, ints, text};
use assay_circuits::model::Rule;
use assay_compiler::Options;
use tract_onnx::pb::{AttributeProto, tensor_proto::DataType};

/// Lowers `g` and compares; the number of its layers.
fn lowers(g: &mut Graph, output: &str) -> usize {
    let found = g.output(output).lower().unwrap_or_else(|e| panic!("{output}: {e}"));
    assert!(
        found.float.iter().flatten().flatten().any(|v| *v != 0.0),
        "{output}: all outputs are 0, which shows nothing"
    );
    assert!(found.error() < 1e-4, "{output}: {} from tract", found.error());
    found.layers
}

/// A node of one input.
fn one(operator: &str, input: &[i64], attributes: Vec<AttributeProto>) -> usize {
    let mut g = Graph::new(input);
    g.opset(if operator == "HardSwish" { 14 } else { 13 });
    lowers(g.node(operator, &["x"], "y", attributes), "y")
}

#[test]
fn functions_of_one_element() {
    for operator in [
        "Abs",
        "Exp",
        "Sigmoid",
        "Tanh",
        "Erf",
        "Neg",
        "Sign",
        "Floor",
        "Ceil",
        "Round",
        "Sin",
        "Cos",
        "Tan",
        "Asin",
        "Atan",
        "Sinh",
        "Cosh",
        "Asinh",
        "Softplus",
        "Softsign",
        "HardSwish",
        "HardSigmoid",
        "Elu",
        "Selu",
        "Celu",
        "Relu",
        "LeakyRelu",
        "Identity",
    ] {
        // shapes whose lengths are no powers of two
        one(operator, &[1, 3, 5], vec![]);
    }
    let mut g = Graph::new(&[1, 7]);
    g.integers("i", &[0]).weight("two", &[], vec![2.0]);
    g.node("Add", &["x", "two"], "p", vec![]).node("Log", &["p"], "l", vec![]).node("Sqrt", &["p"], "s", vec![]);
    g.node("Reciprocal", &["p"], "r", vec![]).node("Add", &["l", "s"], "a", vec![]).node(
        "Add",
        &["a", "r"],
        "y",
        vec![],
    );
    lowers(&mut g, "y");
}

/// An expression of one tensor is one table, and so one layer.
#[test]
fn expressions_of_one_tensor_are_one_table() {
    let silu = |g: &mut Graph| {
        g.node("Sigmoid", &["x"], "s", vec![]).node("Mul", &["x", "s"], "y", vec![]);
    };
    let gelu = |g: &mut Graph| {
        g.weight("r", &[], vec![std::f32::consts::SQRT_2]).weight("one", &[], vec![1.0]).weight("half", &[], vec![0.5]);
        g.node("Div", &["x", "r"], "d", vec![]).node("Erf", &["d"], "e", vec![]).node(
            "Add",
            &["e", "one"],
            "a",
            vec![],
        );
        g.node("Mul", &["x", "a"], "m", vec![]).node("Mul", &["m", "half"], "y", vec![]);
    };
    let mish = |g: &mut Graph| {
        g.node("Softplus", &["x"], "s", vec![]).node("Tanh", &["s"], "t", vec![]).node("Mul", &["x", "t"], "y", vec![]);
    };
    let clip = |g: &mut Graph| {
        g.weight("low", &[], vec![-0.25]).weight("high", &[], vec![0.5]).node(
            "Clip",
            &["x", "low", "high"],
            "y",
            vec![],
        );
    };
    // its branches are functions of what it tests
    let elu = |g: &mut Graph| {
        g.node("Elu", &["x"], "y", vec![float("alpha", 0.7)]);
    };
    let selu = |g: &mut Graph| {
        g.node("Selu", &["x"], "y", vec![]);
    };
    for build in [&silu as &dyn Fn(&mut Graph), &gelu, &mish, &clip, &elu, &selu] {
        let mut g = Graph::new(&[1, 3, 5]);
        build(&mut g);
        assert_eq!(lowers(&mut g, "y"), 1);
    }
}

#[test]
fn two_activations() {
    for operator in ["Add", "Sub", "Mul", "Div", "Min", "Max"] {
        for shape in [vec![1, 3, 5], vec![1, 1, 5], vec![3, 1], vec![1, 3, 1]] {
            let mut g = Graph::new(&[1, 3, 5]);
            g.input("z", DataType::Float, &shape);
            lowers(g.node(operator, &["x", "z"], "y", vec![]), "y");
        }
    }
    for operator in ["Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Equal"] {
        let mut g = Graph::of(DataType::Int64, &[1, 3, 5]);
        g.input("z", DataType::Int64, &[1, 3, 5]).node(operator, &["x", "z"], "c", vec![]);
        lowers(g.node("Cast", &["c"], "y", vec![int("to", 1)]), "y");
    }
    for operator in ["And", "Or", "Xor"] {
        let mut g = Graph::of(DataType::Bool, &[1, 3, 5]);
        g.input("z", DataType::Bool, &[1, 3, 5]);
        lowers(g.node(operator, &["x", "z"], "y", vec![]), "y");
    }
}

/// A constant branch is what the model says, however large, unless it is as large as what stands for infinity.
#[test]
fn where_with_large_constants() {
    let mut g = Graph::of(DataType::Bool, &[1, 6]);
    g.input("z", DataType::Float, &[1, 6]).weight("k", &[], vec![255.0]);
    lowers(g.node("Where", &["x", "z", "k"], "y", vec![]), "y");
    // a mask: what it covers has no share in the softmax
    let mut g = Graph::of(DataType::Bool, &[1, 6]);
    g.input("z", DataType::Float, &[1, 6]).weight("k", &[], vec![f32::MIN]);
    g.node("Where", &["x", "z", "k"], "m", vec![]);
    lowers(g.node("Softmax", &["m"], "y", vec![int("axis", -1)]), "y");
    let mut g = Graph::new(&[1, 2, 3]);
    g.integers("pads", &[0, 1, 2, 0, 0, 1]).weight("k", &[], vec![100.0]);
    lowers(g.node("Pad", &["x", "pads", "k"], "y", vec![]), "y");
}

#[test]
fn matrix_products() {
    let mut rng = Rng(2);
    // activations with activations: lengths of the summed axis that are no powers of two
    for (a, b) in [(vec![1, 3, 5], vec![1, 5, 6]), (vec![1, 2, 3, 7], vec![1, 2, 7, 4]), (vec![1, 2, 3, 8], vec![8, 3])]
    {
        let mut g = Graph::new(&a);
        g.input("z", DataType::Float, &b);
        lowers(g.node("MatMul", &["x", "z"], "y", vec![]), "y");
    }
    // a matrix for each head
    let mut g = Graph::new(&[1, 3, 5, 6]);
    g.weight("w", &[3, 6, 7], rng.vector(126, 0.5));
    lowers(g.node("MatMul", &["x", "w"], "y", vec![]), "y");
    for (trans_a, trans_b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut g = Graph::new(if trans_a == 1 { &[6, 1] } else { &[1, 6] });
        g.weight("w", if trans_b == 1 { &[5, 6] } else { &[6, 5] }, rng.vector(30, 0.5)).weight("c", &[], vec![0.7]);
        let attributes = vec![int("transA", trans_a), int("transB", trans_b), float("alpha", 0.5), float("beta", 2.0)];
        lowers(g.node("Gemm", &["x", "w", "c"], "y", attributes), "y");
    }
}

#[test]
fn convolutions_of_every_kind() {
    let conv = |operator: &str, input: &[i64], weight: &[i64], attributes: Vec<AttributeProto>| {
        let mut rng = Rng(3);
        let channels = if operator == "Conv" {
            weight[0]
        } else {
            weight[1] * attributes.iter().find(|a| a.name == "group").map_or(1, |a| a.i)
        };
        let mut g = Graph::new(input);
        g.weight("w", weight, rng.vector(weight.iter().product::<i64>() as usize, 0.5));
        g.weight("b", &[channels], rng.vector(channels as usize, 0.5));
        lowers(g.node(operator, &["x", "w", "b"], "y", attributes), "y")
    };
    conv(
        "Conv",
        &[1, 3, 5, 4, 6],
        &[2, 3, 3, 2, 3],
        vec![ints("pads", &[1, 0, 1, 1, 0, 1]), ints("strides", &[2, 1, 2])],
    );
    assert_eq!(conv("Conv", &[1, 6, 7, 5], &[6, 1, 3, 3], vec![int("group", 6), ints("pads", &[1, 1, 1, 1])]), 1);
    assert_eq!(conv("Conv", &[1, 6, 7, 5], &[9, 2, 3, 3], vec![int("group", 3)]), 1);
    // pads as long as the kernel and longer
    conv("Conv", &[1, 3, 4, 4], &[2, 3, 1, 1], vec![ints("pads", &[1, 1, 1, 1])]);
    conv("Conv", &[1, 3, 9], &[2, 3, 3], vec![ints("pads", &[5, 4]), ints("dilations", &[2])]);
    conv("ConvTranspose", &[1, 3, 4, 5], &[3, 2, 3, 3], vec![ints("strides", &[2, 2]), ints("pads", &[1, 1, 1, 1])]);
    let attributes =
        vec![ints("strides", &[2, 2]), ints("pads", &[1, 1, 1, 1]), ints("output_padding", &[1, 1]), int("group", 2)];
    conv("ConvTranspose", &[1, 4, 4, 5], &[4, 3, 3, 3], attributes);
    conv("ConvTranspose", &[1, 3, 5], &[3, 2, 2], vec![ints("strides", &[3])]);
}

#[test]
fn softmax_and_norms_on_any_axis() {
    for axis in [1, 2, -1] {
        one("Softmax", &[1, 3, 5, 6], vec![int("axis", axis)]);
        one("LogSoftmax", &[1, 3, 5, 6], vec![int("axis", axis)]);
    }
    // before operator set 13 all axes from this one on are one
    let mut g = Graph::new(&[1, 3, 5]);
    lowers(g.opset(11).node("Softmax", &["x"], "y", vec![int("axis", 1)]), "y");
    for (shape, axis) in [(vec![1, 4, 8], -1), (vec![1, 3, 7], -1), (vec![1, 3, 7], 1), (vec![1, 5, 6], -1)] {
        let mut rng = Rng(4);
        let len = if axis == -1 { shape[2] } else { shape[1] * shape[2] };
        let dims = if axis == -1 { vec![shape[2]] } else { vec![shape[1], shape[2]] };
        let mut g = Graph::new(&shape);
        g.weight("s", &dims, rng.vector(len as usize, 1.0)).weight("b", &dims, rng.vector(len as usize, 1.0));
        lowers(g.opset(17).node("LayerNormalization", &["x", "s", "b"], "y", vec![int("axis", axis)]), "y");
    }
    let mut g = Graph::new(&[1, 3, 4, 5]);
    g.weight("s", &[3], vec![0.5, 1.0, 1.5]).weight("b", &[3], vec![0.1, 0.2, 0.3]);
    lowers(g.node("InstanceNormalization", &["x", "s", "b"], "y", vec![]), "y");
}

/// Attention with a causal mask, two key heads for four query heads, and rotary embeddings.
#[test]
fn attention_written_out() {
    let mut g = Graph::new(&[1, 6, 12]);
    let mut rng = Rng(5);
    g.weight("wq", &[12, 20], rng.vector(240, 0.4)).weight("wk", &[12, 10], rng.vector(120, 0.4)).weight(
        "wv",
        &[12, 10],
        rng.vector(120, 0.4),
    );
    let mask = (0..36).map(|i| if i % 6 > i / 6 { -10000.0 } else { 0.0 }).collect();
    g.weight("mask", &[1, 1, 6, 6], mask).weight("scale", &[], vec![0.4]);
    g.integers("q4", &[1, 6, 4, 5])
        .integers("k2", &[1, 6, 2, 5])
        .integers("two", &[2])
        .integers("all", &[1, 2, 2, 6, 5]);
    g.integers("k4", &[1, 4, 6, 5]).integers("flat", &[1, 6, 20]);
    g.node("MatMul", &["x", "wq"], "q", vec![]).node("Reshape", &["q", "q4"], "qr", vec![]);
    g.node("Transpose", &["qr"], "qh", vec![ints("perm", &[0, 2, 1, 3])]);
    for name in ["k", "v"] {
        let of = |suffix: &str| format!("{name}{suffix}");
        g.node("MatMul", &["x", &format!("w{name}")], &of("p"), vec![]).node(
            "Reshape",
            &[&of("p"), "k2"],
            &of("r"),
            vec![],
        );
        g.node("Transpose", &[&of("r")], &of("t"), vec![ints("perm", &[0, 2, 1, 3])]).node(
            "Unsqueeze",
            &[&of("t"), "two"],
            &of("u"),
            vec![],
        );
        g.node("Expand", &[&of("u"), "all"], &of("e"), vec![]).node("Reshape", &[&of("e"), "k4"], &of("h"), vec![]);
    }
    g.node("Transpose", &["kh"], "turned", vec![ints("perm", &[0, 1, 3, 2])]).node(
        "MatMul",
        &["qh", "turned"],
        "s",
        vec![],
    );
    g.node("Mul", &["s", "scale"], "ss", vec![]).node("Add", &["ss", "mask"], "m", vec![]).node(
        "Softmax",
        &["m"],
        "p",
        vec![int("axis", -1)],
    );
    g.node("MatMul", &["p", "vh"], "o", vec![]).node("Transpose", &["o"], "ot", vec![ints("perm", &[0, 2, 1, 3])]);
    lowers(g.node("Reshape", &["ot", "flat"], "y", vec![]), "y");
}

#[test]
fn movements_of_data() {
    let moved = |operator: &str, shape: &[i64], constants: &[&[i64]], attributes: Vec<AttributeProto>| {
        let mut g = Graph::new(shape);
        let names: Vec<String> = (0..constants.len()).map(|i| format!("c{i}")).collect();
        for (name, values) in names.iter().zip(constants) {
            g.integers(name, values);
        }
        let inputs: Vec<&str> = std::iter::once("x").chain(names.iter().map(String::as_str)).collect();
        lowers(g.node(operator, &inputs, "y", attributes), "y")
    };
    moved("Slice", &[1, 5, 6], &[&[1, -1], &[4, i64::MIN], &[1, 2], &[2, -1]], vec![]);
    moved("Gather", &[1, 5, 6], &[&[-1, 0, 3, 3]], vec![int("axis", 1)]);
    moved("Tile", &[1, 3, 5], &[&[1, 2, 3]], vec![]);
    moved("Expand", &[1, 3, 1], &[&[1, 3, 5]], vec![]);
    for mode in ["constant", "reflect", "edge"] {
        moved("Pad", &[1, 3, 5], &[&[0, 1, 2, 0, 2, 1]], vec![text("mode", mode)]);
    }
    // axes that regroup evenly, and axes that do not
    moved("Reshape", &[1, 6, 5], &[&[1, 2, 15]], vec![]);
    moved("Reshape", &[1, 6, 5], &[&[1, 10, 3]], vec![]);
    moved("Reshape", &[1, 4, 9, 2], &[&[1, 6, 12]], vec![]);
    moved("DepthToSpace", &[1, 8, 3, 2], &[], vec![int("blocksize", 2)]);
    moved("SpaceToDepth", &[1, 2, 6, 4], &[], vec![int("blocksize", 2)]);
    let mut g = Graph::new(&[1, 3, 5]);
    g.weight("k", &[1, 2, 5], Rng(6).vector(10, 1.0)).node("Relu", &["x"], "r", vec![]);
    lowers(g.node("Concat", &["x", "k", "r"], "y", vec![int("axis", 1)]), "y");
    let mut g = Graph::new(&[1, 3, 7]);
    g.integers("s", &[2, 5]).nodes("Split", &["x", "s"], &["a", "b"], vec![int("axis", 2)]).node(
        "Relu",
        &["b"],
        "c",
        vec![],
    );
    assert_eq!(lowers(g.node("Concat", &["c", "a"], "y", vec![int("axis", 2)]), "y"), 2);
    for upper in [0, 1] {
        let mut g = Graph::new(&[1, 5, 6]);
        lowers(g.opset(14).node("Trilu", &["x"], "y", vec![int("upper", upper)]), "y");
    }
    for (exclusive, reverse) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        let mut g = Graph::new(&[1, 3, 5]);
        g.shaped("a", &[], &[2]);
        lowers(g.node("CumSum", &["x", "a"], "y", vec![int("exclusive", exclusive), int("reverse", reverse)]), "y");
    }
}

#[test]
fn resizing() {
    for (mode, transform) in
        [("nearest", "asymmetric"), ("linear", "half_pixel"), ("linear", "align_corners"), ("cubic", "half_pixel")]
    {
        for sizes in [[1, 2, 7, 9], [1, 2, 8, 10], [1, 2, 3, 4]] {
            let mut g = Graph::new(&[1, 2, 4, 5]);
            g.integers("sizes", &sizes);
            let attributes = vec![
                text("mode", mode),
                text("coordinate_transformation_mode", transform),
                text("nearest_mode", "floor"),
            ];
            lowers(g.node("Resize", &["x", "", "", "sizes"], "y", attributes), "y");
        }
    }
}

/// Indices that depend on the input: rows of a table, negative ones counted from the end.
#[test]
fn gathers_by_the_input() {
    let mut rng = Rng(7);
    let mut g = Graph::of(DataType::Int64, &[1, 6]);
    g.weight("table", &[5, 3], rng.vector(15, 1.0)).node("Gather", &["table", "x"], "y", vec![]);
    lowers(&mut g, "y");
    let mut g = Graph::of(DataType::Int64, &[1, 6]);
    g.weight("table", &[5, 3], rng.vector(15, 1.0)).integers("five", &[5]).node("Sub", &["x", "five"], "n", vec![]);
    lowers(g.node("Gather", &["table", "n"], "y", vec![]), "y");
    let mut g = Graph::new(&[1, 3, 5]);
    g.input("i", DataType::Int64, &[1, 3, 2]);
    lowers(g.node("GatherElements", &["x", "i"], "y", vec![int("axis", 2)]), "y");
    let mut g = Graph::of(DataType::Int64, &[1, 6]);
    g.shaped("depth", &[], &[5]).weight("values", &[2], vec![-1.0, 3.0]);
    lowers(g.node("OneHot", &["x", "depth", "values"], "y", vec![]), "y");
}

/// Large blocks of weights are stored without most of their padding, whoever reads them: a dense layer, a convolution,
/// rows by an index and a head that is tied to them. The integers are those of the same weights with all of their
/// padding.
#[test]
fn padding_of_weights_is_not_stored() {
    let mut rng = Rng(18);
    let mut dense = Graph::new(&[1, 600]);
    dense.weight("w", &[600, 600], rng.vector(360_000, 0.1)).node("MatMul", &["x", "w"], "y", vec![]);
    let mut planes = Graph::new(&[1, 96, 4, 4]);
    planes.weight("w", &[160, 96, 3, 3], rng.vector(160 * 96 * 9, 0.1));
    planes.node("Conv", &["x", "w"], "y", vec![ints("pads", &[1, 1, 1, 1])]);
    let mut tied = Graph::of(DataType::Int64, &[1, 4]);
    tied.below = 9000;
    tied.weight("table", &[9000, 48], rng.vector(48 * 9000, 1.0)).node("Gather", &["table", "x"], "e", vec![]);
    tied.node("Transpose", &["table"], "head", vec![ints("perm", &[1, 0])]).node("Tanh", &["e"], "t", vec![]);
    tied.node("MatMul", &["t", "head"], "scores", vec![]);
    tied.node("ReduceMax", &["scores"], "y", vec![ints("axes", &[2]), int("keepdims", 0)]);
    for mut graph in [dense, planes, tied] {
        lowers(&mut graph, "y");
        let compiled = graph.compile(&Options { target_error: 5e-3, ..Options::default() }).expect("it compiles");
        let block = &compiled.architecture.matrices[0];
        assert!(!block.cuts.is_empty() && 4 * block.stored() <= 3 << block.log_size, "{block:?}");
        let stored: u64 = compiled.architecture.matrices.iter().map(|block| block.stored() as u64).sum();
        assert_eq!(compiled.report.cost.weight_cells, stored);
        let (mut architecture, mut weights) = (compiled.architecture.clone(), compiled.weights.clone());
        weights.matrices[0] = block.unpack(&weights.matrices[0]);
        architecture.matrices[0] = block.log_size.into();
        for seed in 0..3 {
            let input = assay_circuits::sample::random_input(&architecture, seed);
            let [cut, whole] = [(&compiled.architecture, &compiled.weights), (&architecture, &weights)].map(
                |(architecture, weights)| {
                    assay_circuits::exec::execute(architecture, weights, &input).expect("it runs").columns
                },
            );
            assert_eq!(cut, whole);
        }
    }
}

/// A vocabulary of 50,000 tokens: a lookup for each of them instead of one-hot rows. Indices beyond 16 bits, several
/// axes of indices and of rows, a table that is indexed along its second axis, an input beside it.
#[test]
fn rows_of_large_tables() {
    const WORDS: i64 = 50_000;
    let mut rng = Rng(8);
    let mut g = Graph::of(DataType::Int64, &[1, 6]);
    g.below = WORDS as usize;
    g.weight("table", &[WORDS, 5], rng.vector(5 * WORDS as usize, 1.0)).node("Gather", &["table", "x"], "e", vec![]);
    g.weight("w", &[5, 3], rng.vector(15, 1.0)).node("MatMul", &["e", "w"], "y", vec![]);
    lowers(&mut g, "y");
    let compiled = g.compile(&Options { target_error: 2e-3, ..Options::default() }).expect("it compiles");
    let (arch, report) = (&compiled.architecture, &compiled.report);
    let rows = arch.layers.iter().filter(|layer| matches!(layer.rule, Rule::Rows { .. })).count();
    assert_eq!((rows, arch.input.bits, arch.input.ports[0].range), (1, 17, (0, WORDS as i32 - 1)));
    assert!(report.accuracy_met && report.cost.lookups < 1 << 12, "{report:?}");

    // with headroom for what is not an index, and another table by the same ids
    let mut g = Graph::of(DataType::Int64, &[1, 6]);
    g.below = 40_000;
    g.weight("table", &[40_000, 2], rng.vector(80_000, 1.0)).node("Gather", &["table", "x"], "e", vec![]);
    g.weight("longer", &[70_000, 2], rng.vector(140_000, 1.0)).node("Gather", &["longer", "x"], "f", vec![]);
    lowers(g.node("Add", &["e", "f"], "y", vec![]), "y");
    let two = g.compile(&Options { target_error: 2e-3, headroom: 0.5, ..Options::default() }).expect("it compiles");
    assert_eq!(
        (two.architecture.input.ports[0].range, two.report.accuracy_met),
        ((0, 39_999), true),
        "{:?}",
        two.report
    );

    // a head that is tied to the embedding is the same block
    let mut g = Graph::of(DataType::Int64, &[1, 4]);
    g.below = 9000;
    g.weight("table", &[9000, 3], rng.vector(3 * 9000, 1.0)).node("Gather", &["table", "x"], "e", vec![]);
    g.node("Transpose", &["table"], "head", vec![ints("perm", &[1, 0])]).node("Tanh", &["e"], "t", vec![]);
    g.node("MatMul", &["t", "head"], "scores", vec![]).node(
        "ReduceMax",
        &["scores"],
        "y",
        vec![ints("axes", &[2]), int("keepdims", 0)],
    );
    lowers(&mut g, "y");
    let tied = g.compile(&Options { target_error: 5e-3, ..Options::default() }).expect("it compiles");
    assert_eq!(tied.architecture.matrices, [16.into()]);
    assert!(tied.report.accuracy_met, "{:?}", tied.report);

    let mut g = Graph::of(DataType::Int64, &[1, 2, 3]);
    g.below = 9000;
    g.input("z", DataType::Float, &[1, 4]);
    g.weight("table", &[2, 9000, 3], rng.vector(6 * 9000, 1.0)).node(
        "Gather",
        &["table", "x"],
        "e",
        vec![int("axis", 1)],
    );
    g.node("ReduceSum", &["z"], "s", vec![int("keepdims", 0)]).node("Add", &["e", "s"], "y", vec![]);
    lowers(&mut g, "y");
}

#[test]
fn reductions() {
    for operator in [
        "ReduceSum",
        "ReduceMean",
        "ReduceMax",
        "ReduceMin",
        "ReduceL1",
        "ReduceL2",
        "ReduceSumSquare",
        "ReduceLogSumExp",
    ] {
        for axes in [vec![1], vec![2], vec![1, 2]] {
            for keep in [0, 1] {
                let mut g = Graph::new(&[1, 3, 5]);
                if operator == "ReduceSum" {
                    g.integers("axes", &axes).node(operator, &["x", "axes"], "y", vec![int("keepdims", keep)]);
                } else {
                    g.node(operator, &["x"], "y", vec![int("keepdims", keep), ints("axes", &axes)]);
                }
                lowers(&mut g, "y");
            }
        }
    }
    for operator in ["ArgMax", "ArgMin"] {
        for last in [0, 1] {
            // integers, so that there are ties
            let mut g = Graph::of(DataType::Int64, &[1, 4, 6]);
            g.node("Cast", &["x"], "f", vec![int("to", 1)]);
            lowers(
                g.node(operator, &["f"], "y", vec![int("axis", 2), int("keepdims", 0), int("select_last_index", last)]),
                "y",
            );
        }
    }
}

#[test]
fn pooling() {
    for operator in ["MaxPool", "AveragePool"] {
        one(
            operator,
            &[1, 3, 7, 6],
            vec![ints("kernel_shape", &[3, 2]), ints("strides", &[2, 2]), ints("pads", &[1, 0, 1, 1])],
        );
        one(
            operator,
            &[1, 3, 7, 6],
            vec![ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2]), int("ceil_mode", 1)],
        );
    }
    one("GlobalAveragePool", &[1, 3, 7, 6], vec![]);
    one("GlobalMaxPool", &[1, 3, 7, 6], vec![]);
}

/// Recurrence in every direction, with initial states, over lengths that are no powers of two: a loop and no copies of
/// the body.
#[test]
fn recurrence() {
    for (operator, gates) in [("LSTM", 4), ("GRU", 3), ("RNN", 1)] {
        let mut layers = Vec::new();
        for (direction, count) in [("forward", 1), ("reverse", 1), ("bidirectional", 2)] {
            for steps in [3, 5, 8] {
                let (mut rng, hidden, width) = (Rng(8), 4, 3);
                let mut g = Graph::new(&[steps, 1, width]);
                let mut tensor = |g: &mut Graph, name: &str, dims: &[i64]| {
                    g.weight(name, dims, rng.vector(dims.iter().product::<i64>() as usize, 0.5));
                };
                tensor(&mut g, "w", &[count, gates * hidden, width]);
                tensor(&mut g, "r", &[count, gates * hidden, hidden]);
                tensor(&mut g, "b", &[count, 2 * gates * hidden]);
                tensor(&mut g, "h", &[count, 1, hidden]);
                tensor(&mut g, "c", &[count, 1, hidden]);
                let mut inputs = vec!["x", "w", "r", "b", "", "h"];
                inputs.extend((operator == "LSTM").then_some("c"));
                let mut attributes = vec![int("hidden_size", hidden), text("direction", direction)];
                attributes.extend((operator == "GRU").then(|| int("linear_before_reset", 1)));
                g.nodes(operator, &inputs, &["y", "last"], attributes);
                layers.push((direction, lowers(&mut g, "y")));
                lowers(&mut g, "last");
            }
        }
        let of = |direction| layers.iter().filter(|(d, _)| *d == direction).map(|(_, n)| *n).collect::<Vec<_>>();
        assert_eq!(of("forward")[1], of("forward")[2], "{operator}: layers do not grow with the steps");
        assert!(of("bidirectional").iter().all(|n| *n < 30));
    }
}

/// tract runs a reverse LSTM forwards; onnxruntime and the standard do not. The last state of a reversed sequence is
/// that of a forward run over the turned one.
#[test]
fn reverse_is_not_forward() {
    let build = |direction: &str, turned: bool| {
        let mut rng = Rng(9);
        let mut g = Graph::new(&[5, 1, 3]);
        g.weight("w", &[1, 16, 3], rng.vector(48, 0.5)).weight("r", &[1, 16, 4], rng.vector(64, 0.5));
        g.integers("b", &[-1]).integers("e", &[i64::MIN]).integers("a", &[0]).integers("s", &[-1]);
        g.node("Slice", &["x", "b", "e", "a", "s"], "t", vec![]);
        let x = if turned { "t" } else { "x" };
        g.nodes("LSTM", &[x, "w", "r"], &["", "y"], vec![int("hidden_size", 4), text("direction", direction)])
            .output("y");
        g.lower().unwrap_or_else(|e| panic!("{e}")).lowered
    };
    assert_eq!(build("reverse", false), build("forward", true));
    assert_ne!(build("reverse", false), build("forward", false));
}

#[test]
fn quantise_and_dequantise() {
    let mut g = Graph::new(&[1, 3, 5]);
    g.weight("s", &[], vec![0.0625]);
    let zero = tract_onnx::pb::TensorProto {
        name: "z".into(),
        data_type: DataType::Uint8 as i32,
        int32_data: vec![7],
        ..Default::default()
    };
    g.graph().initializer.push(zero);
    g.node("QuantizeLinear", &["x", "s", "z"], "q", vec![]);
    lowers(g.node("DequantizeLinear", &["q", "s", "z"], "y", vec![]), "y");
}

#[test]
fn several_inputs_outputs_and_types() {
    let mut g = Graph::of(DataType::Double, &[1, 4]);
    let raw_data = [0.5f64, -1.0, 2.0, 0.25].iter().flat_map(|v| v.to_le_bytes()).collect();
    let tensor = tract_onnx::pb::TensorProto {
        name: "k".into(),
        dims: vec![4],
        data_type: DataType::Double as i32,
        raw_data,
        ..Default::default()
    };
    g.graph().initializer.push(tensor);
    lowers(g.node("Mul", &["x", "k"], "y", vec![]), "y");
    let mut g = Graph::new(&[1, 3, 5]);
    g.input("ids", DataType::Int64, &[1, 4]).input("mask", DataType::Bool, &[1, 3, 5]).weight(
        "t",
        &[5, 2],
        Rng(3).vector(10, 1.0),
    );
    g.weight("zero", &[], vec![0.0]).node("Where", &["mask", "x", "zero"], "a", vec![]).node(
        "Gather",
        &["t", "ids"],
        "b",
        vec![],
    );
    g.output("a").also("b");
    let found = g.lower().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(found.float[0].iter().map(Vec::len).collect::<Vec<_>>(), [15, 8]);
    assert!(found.error() < 1e-4, "{}", found.error());
}

/// Places that are known, some of them twice.
#[test]
fn scatters() {
    let mut rng = Rng(11);
    for reduction in ["none", "add"] {
        let mut g = Graph::new(&[3, 5]);
        g.opset(16).shaped("i", &[3, 1], &[2, 0, 2]).weight("u", &[3, 5], rng.vector(15, 1.0));
        lowers(g.node("ScatterND", &["x", "i", "u"], "y", vec![text("reduction", reduction)]), "y");
        let mut g = Graph::new(&[3, 5]);
        g.opset(16).input("u", DataType::Float, &[2, 3]).shaped("i", &[2, 3], &[1, -1, 1, 0, 2, 4]);
        lowers(
            g.node("ScatterElements", &["x", "i", "u"], "y", vec![int("axis", 1), text("reduction", reduction)]),
            "y",
        );
    }
}

/// docs/operators.md is printed, never typed: `UPDATE=1 cargo test` writes it.
#[test]
fn the_page_of_operators_is_the_register() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operators.md");
    let page = assay_compiler::operators_page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).expect("docs is writable");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((written, printed)) = written.lines().zip(page.lines()).find(|(written, printed)| written != printed) {
        panic!("docs/operators.md has\n{written}\nand the register\n{printed}");
    }
    assert_eq!(written.lines().count(), page.lines().count());
}
