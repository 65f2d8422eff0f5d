//! What must be refused, with a typed error and never a panic.

use crate::support::{Graph, Rng, fixture, float, int, ints, text, value};
use assay_compiler::{
    Calibration, CompileError, GuardError, ImportError, InputError, Options, Refusal, Wanted, compile, read_input,
};
use std::path::Path;
use tract_onnx::pb::{self, tensor_proto::DataType};

fn dense() -> Graph {
    let mut g = Graph::new(&[1, 4]);
    g.weight("w", &[4, 3], Rng(1).vector(12, 1.0)).node("MatMul", &["x", "w"], "y", vec![]).output("y");
    g
}

fn error(g: &Graph) -> CompileError {
    g.compile(&Options::default()).expect_err("must be refused")
}

#[test]
fn every_truncation_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cut.onnx");
    let bytes = std::fs::read(fixture("digits_mlp.onnx")).expect("fixture");
    let calibration = Calibration::from_samples(vec![vec![0.5; 64]]);
    for len in (0..bytes.len()).step_by(397).chain(0..64).chain(bytes.len() - 64..bytes.len()) {
        std::fs::write(&path, &bytes[..len]).expect("write");
        assert!(compile(&path, &calibration, &Options::default(), &mut |_| ()).is_err(), "{len} bytes compile");
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flipped.onnx");
    let bytes = std::fs::read(fixture("digits_mlp.onnx")).expect("fixture");
    let calibration = Calibration::from_samples(vec![vec![0.5; 64]]);
    let mut rng = Rng(3);
    let mut refused = 0;
    for round in 0..150 {
        let mut damaged = bytes.clone();
        // The structure is at both ends; the middle is weights.
        let at = if round % 2 == 0 { rng.below(700) } else { bytes.len() - 1 - rng.below(300) };
        damaged[at] ^= 1 << rng.below(8);
        std::fs::write(&path, &damaged).expect("write");
        refused += usize::from(
            compile(&path, &calibration, &Options { max_samples: 1, ..Options::default() }, &mut |_| ()).is_err(),
        );
    }
    assert!(refused > 20, "{refused} of 150 refused");
}

#[test]
fn garbage_and_absent_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.onnx");
    let calibration = Calibration::from_samples(vec![vec![0.0; 4]]);
    let run = |path: &Path| compile(path, &calibration, &Options::default(), &mut |_| ()).expect_err("refused");
    assert!(matches!(run(&path), CompileError::Guard(GuardError::Io { .. })));
    std::fs::write(&path, b"not a model at all").expect("write");
    assert!(matches!(run(&path), CompileError::Guard(GuardError::NotOnnx { .. } | GuardError::NoGraph { .. })));
    // A length-delimited field that claims 2^63 bytes.
    std::fs::write(&path, [0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]).expect("write");
    assert!(matches!(run(&path), CompileError::Guard(GuardError::NotOnnx { .. })));
}

#[test]
fn operator_sets() {
    let mut g = dense();
    g.model.opset_import[0].version = 5;
    assert!(matches!(error(&g), CompileError::Guard(GuardError::OperatorSet { version: 5 })));
    g.model.opset_import.clear();
    assert!(matches!(error(&g), CompileError::Guard(GuardError::NoGraph { .. })));
}

#[test]
fn hostile_dimensions() {
    for dims in [vec![i64::MAX, 2], vec![1 << 40], vec![-1, 4], vec![1; 20]] {
        let mut g = dense();
        g.graph().initializer[0].dims = dims.clone();
        assert!(
            matches!(error(&g), CompileError::Guard(GuardError::Dimensions { tensor, dims: d }) if tensor == "w" && d == dims)
        );
    }
    let mut g = dense();
    g.graph().initializer[0].dims = vec![4, 4];
    assert!(matches!(error(&g), CompileError::Guard(GuardError::DataLength { need: 16, have: 12, .. })));
    let mut g = dense();
    g.graph().input[0] = value("x", &[1, 1 << 40]);
    assert!(matches!(error(&g), CompileError::Guard(GuardError::Dimensions { .. })));
}

#[test]
fn not_a_number_is_named() {
    for bad in [f32::NAN, -f32::NAN] {
        let mut g = dense();
        g.graph().initializer.clear();
        let mut values = vec![0.5; 12];
        values[7] = bad;
        g.weight("w", &[4, 3], values);
        assert!(matches!(error(&g), CompileError::Guard(GuardError::NotFinite { tensor, index: 7 }) if tensor == "w"));
    }
    let mut g = Graph::new(&[1, 4]);
    g.node("LeakyRelu", &["x"], "y", vec![float("alpha", f32::NAN)]).output("y");
    assert!(matches!(error(&g), CompileError::Guard(GuardError::AttributeNotFinite { .. })));
}

fn external(location: &str) -> Graph {
    let mut g = dense();
    let entry = |key: &str, value: &str| pb::StringStringEntryProto { key: key.to_owned(), value: value.to_owned() };
    let tensor = &mut g.graph().initializer[0];
    tensor.raw_data.clear();
    tensor.data_location = Some(pb::tensor_proto::DataLocation::External as i32);
    tensor.external_data = vec![entry("location", location)];
    g
}

#[test]
fn external_data_stays_in_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let data: Vec<u8> = Rng(1).vector(12, 1.0).iter().flat_map(|v| v.to_le_bytes()).collect();
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).expect("folder");
    std::fs::write(folder.path().join("secret.bin"), &data).expect("write");
    std::fs::write(inside.join("weights.bin"), &data).expect("write");
    std::os::unix::fs::symlink(folder.path().join("secret.bin"), inside.join("link.bin")).expect("link");
    std::os::unix::fs::symlink(folder.path(), inside.join("up")).expect("link");
    std::fs::hard_link(folder.path().join("secret.bin"), inside.join("hard.bin")).expect("link");
    let calibration = Calibration::from_samples(vec![vec![0.25, -0.5, 1.0, 0.0]]);
    let run =
        |location: &str| compile(&external(location).write(&inside), &calibration, &Options::default(), &mut |_| ());
    run("weights.bin").expect("plain external data is read");
    let absolute = folder.path().join("secret.bin");
    for location in [
        "../secret.bin",
        "a/../../secret.bin",
        absolute.to_str().expect("text"),
        "link.bin",
        "up/secret.bin",
        "hard.bin",
        "",
        ".",
        "absent.bin",
    ] {
        let refused = run(location).expect_err(location);
        assert!(matches!(refused, CompileError::Guard(GuardError::ExternalPath { .. })), "{location}: {refused}");
    }
    std::fs::write(inside.join("short.bin"), &data[..40]).expect("write");
    assert!(matches!(run("short.bin"), Err(CompileError::Guard(GuardError::ExternalRange { .. }))));
}

#[test]
fn unsupported_operators_are_all_named_at_once() {
    let mut g = Graph::new(&[1, 4]);
    g.node("NonZero", &["x"], "a", vec![])
        .node("Cast", &["a"], "b", vec![int("to", 1)])
        .node("NonZero", &["b"], "y", vec![])
        .output("y");
    let CompileError::Import(ImportError::Unsupported { nodes }) = error(&g) else {
        panic!("another error: {}", error(&g))
    };
    let named: Vec<_> = nodes.0.iter().map(|n| n.node.as_str()).collect();
    assert_eq!(named, ["a_node", "y_node"]);
    let text = ImportError::Unsupported { nodes }.to_string();
    assert!(
        text.contains("NonZero")
            && text.contains("a_node")
            && text.contains("y_node")
            && text.contains("assay operators"),
        "{text}"
    );
}

/// Every one of them is an error of the import, and says where it is or what to do; none is a panic, and none hangs.
/// Nodes of every kind that cannot be compiled are named together, but not those that only read what such a node gives,
/// and no node on which no output depends.
#[test]
fn refused_nodes_are_all_named_at_once() {
    let mut g = Graph::new(&[1, 4]);
    g.node("Foo", &["x"], "a", vec![])
        .node("Einsum", &["a", "x", "x"], "b", vec![text("equation", "...i,...i,...i->...")])
        .node("Einsum", &["x", "x", "x"], "c", vec![text("equation", "...i,...i,...i->...")])
        .node("Bar", &["x"], "d", vec![])
        .node("Baz", &["x"], "unread", vec![])
        .node("Add", &["c", "d"], "e", vec![])
        .node("Add", &["e", "b"], "y", vec![])
        .output("y");
    let said = error(&g).to_string();
    assert!(said.starts_with("3 of the model's nodes cannot be compiled:"), "{said}");
    for named in ["\"a_node\": Foo is not supported", "\"c_node\": Einsum with", "\"d_node\": Bar is not supported"] {
        assert!(said.contains(named), "{said}");
    }
    assert!(!said.contains("b_node") && !said.contains("Baz"), "{said}");
    // an operator that is not known does no harm where nothing depends on it
    let mut g = Graph::new(&[1, 4]);
    g.node("Foo", &["x"], "unread", vec![]).node("Relu", &["x"], "y", vec![]).output("y");
    assert!(g.lower().is_ok());
}

#[test]
fn graphs_that_make_no_sense() {
    let refused = |g: &Graph, what: &str| {
        let error = error(g);
        assert!(matches!(error, CompileError::Import(_) | CompileError::Guard(_)), "{what}: {error}");
        error.to_string()
    };
    let mut g = Graph::new(&[1, 2, 4, 4]);
    g.node("Transpose", &["x"], "y", vec![ints("perm", &[0, 0, 1, 2])]).output("y");
    refused(&g, "a permutation that is none");
    let mut g = Graph::new(&[1, 2]);
    g.node("Relu", &["nothing"], "y", vec![]).output("y");
    refused(&g, "a tensor that nothing makes");
    let mut g = Graph::new(&[1, 2]);
    g.node("Add", &["x", "b"], "a", vec![]).node("Relu", &["a"], "b", vec![]).output("b");
    refused(&g, "a cycle");
    let mut g = Graph::new(&[1, 2]);
    g.node("Add", &["x", "a"], "a", vec![]).output("a");
    refused(&g, "a node that reads itself");
    let mut g = Graph::new(&[1, 3]);
    g.weight("w", &[4, 2], vec![0.5; 8]).node("MatMul", &["x", "w"], "y", vec![]).output("y");
    refused(&g, "shapes that do not fit");
    let mut g = Graph::new(&[1, 3]);
    g.integers("k", &[2]).node("Add", &["x", "k"], "y", vec![]).output("y");
    refused(&g, "types that do not fit");
    let mut g = Graph::new(&[1, 3]);
    g.node("NonZero", &["x"], "y", vec![]).output("y");
    refused(&g, "a shape that depends on data");
    let mut g = Graph::new(&[4]);
    g.nodes("Unique", &["x"], &["y"], vec![]).output("y");
    refused(&g, "as many elements as the data has");
    let mut g = Graph::new(&[1, 3, 5]);
    g.integers("i", &[7]).node("Gather", &["x", "i"], "y", vec![int("axis", 1)]).output("y");
    refused(&g, "an index out of range");
    let mut g = Graph::new(&[1, 2]);
    g.node("Nonsense", &["x"], "y", vec![]).output("y");
    refused(&g, "an operator that nobody knows");
    let mut g = Graph::new(&[1, 2]);
    g.node("Relu", &["x"], "a", vec![]).output("nowhere");
    refused(&g, "an output that nothing makes");
}

/// Control flow that depends on data.
#[test]
fn conditions_on_data() {
    let branch = |value: f32| {
        let mut g = Graph::new(&[1, 2]);
        g.graph().input.clear();
        g.weight("k", &[1, 2], vec![value; 2]).node("Identity", &["k"], "z", vec![]).output("z");
        let attribute = |name: &str, g: Graph| pb::AttributeProto {
            name: name.to_owned(),
            r#type: pb::attribute_proto::AttributeType::Graph as i32,
            g: g.model.graph,
            ..Default::default()
        };
        move |name: &str| attribute(name, g.clone())
    };
    let mut g = Graph::of(DataType::Bool, &[1]);
    g.node("If", &["x"], "y", vec![branch(1.0)("then_branch"), branch(2.0)("else_branch")]).output("y");
    let compiled = g.compile(&Options::default()).expect("branches of one shape are both run, and one is chosen");
    assert_eq!(compiled.architecture.outputs[0].shape, [2]);
    // of different shapes no choice can be made
    let mut g = Graph::of(DataType::Bool, &[1]);
    let mut other = branch(2.0)("else_branch");
    for tensor in other.g.iter_mut().flat_map(|graph| &mut graph.initializer) {
        tensor.dims = vec![2, 1];
    }
    g.node("If", &["x"], "y", vec![branch(1.0)("then_branch"), other]).output("y");
    assert!(matches!(error(&g), CompileError::Guard(GuardError::Attribute { .. })), "{}", error(&g));
    // what lies inside is looked at like the rest
    let mut g = Graph::of(DataType::Bool, &[1]);
    g.node("If", &["x"], "y", vec![branch(f32::NAN)("then_branch"), branch(2.0)("else_branch")]).output("y");
    assert!(matches!(error(&g), CompileError::Guard(GuardError::NotFinite { .. })), "{}", error(&g));
}

/// Counts of a Scan that its body does not have: tract would count below zero, and take all memory.
#[test]
fn scans_of_what_is_not_there() {
    let mut body = Graph::new(&[2]);
    body.node("Identity", &["x"], "z", vec![]).output("z");
    for count in [0, -1, 2, 1 << 40, i64::MAX] {
        let attribute = pb::AttributeProto {
            name: "body".to_owned(),
            r#type: pb::attribute_proto::AttributeType::Graph as i32,
            g: body.model.graph.clone(),
            ..Default::default()
        };
        let mut g = Graph::new(&[3, 2]);
        g.node("Scan", &["x"], "y", vec![attribute, int("num_scan_inputs", count)]).output("y");
        assert!(matches!(error(&g), CompileError::Guard(GuardError::Attribute { .. })), "{count}: {}", error(&g));
    }
}

/// Of a OneHot tract would make axes without end; other operators would count from an axis that is not there.
#[test]
fn axes_that_no_tensor_has() {
    for (operator, name) in [("OneHot", "axis"), ("Softmax", "axis"), ("ReduceMax", "axes"), ("GatherND", "batch_dims")]
    {
        for axis in [i64::MIN, 1 << 40, i64::MAX] {
            let attribute = if name == "axes" { ints(name, &[axis]) } else { int(name, axis) };
            let mut g = Graph::of(DataType::Int64, &[4]);
            g.integers("depth", &[3]).weight("values", &[2], vec![0.0, 1.0]);
            let operands = if operator == "OneHot" { &["x", "depth", "values"][..] } else { &["x"] };
            g.node(operator, operands, "y", vec![attribute]).output("y");
            let error = error(&g);
            assert!(matches!(error, CompileError::Guard(GuardError::Attribute { .. })), "{operator} {axis}: {error}");
        }
    }
}

/// Indices that name more axes than there are, and updates of another rank: the places that they name were looked up
/// beyond the shape.
#[test]
fn scatters_that_do_not_fit() {
    for (operator, indices) in [("ScatterND", [1, 3]), ("ScatterElements", [3, 1])] {
        let mut g = Graph::new(&[4, 2]);
        g.opset(18).shaped("i", &indices, &[0; 3]).weight("u", &[1], vec![1.0]);
        g.node(operator, &["x", "i", "u"], "y", vec![text("reduction", "mul")]).output("y");
        let error = error(&g);
        assert!(matches!(error, CompileError::Guard(GuardError::Attribute { .. })), "{operator}: {error}");
    }
}

/// What tract would silently read otherwise.
#[test]
fn attributes_that_would_be_ignored() {
    let recurrent = |operator: &str, attribute| {
        let mut g = Graph::new(&[3, 1, 2]);
        g.weight("w", &[1, 4, 2], vec![0.1; 8]).weight("r", &[1, 4, 4], vec![0.1; 16]);
        g.nodes(operator, &["x", "w", "r"], &["", "y"], vec![int("hidden_size", 4), attribute]).output("y");
        error(&g)
    };
    let odd = pb::AttributeProto {
        name: "activations".to_owned(),
        r#type: pb::attribute_proto::AttributeType::Strings as i32,
        strings: vec![b"Affine".to_vec()],
        ..Default::default()
    };
    for refused in [recurrent("RNN", odd), recurrent("LSTM", int("input_forget", 1))] {
        assert!(
            matches!(&refused, CompileError::Guard(GuardError::Attribute { node, .. }) if node == "y_node"),
            "{refused}"
        );
    }
    let mut g = Graph::new(&[1, 2, 3]);
    g.weight("k", &[2], vec![1.0; 2]);
    g.node("BatchNormalization", &["x", "k", "k", "k", "k"], "y", vec![int("training_mode", 1)]).output("y");
    assert!(matches!(error(&g), CompileError::Guard(GuardError::Attribute { .. })));
}

#[test]
fn open_axes_are_named() {
    let symbolic = |g: &mut Graph, axis: usize| {
        let kind = g.graph().input[0].r#type.as_mut().and_then(|t| t.value.as_mut());
        if let Some(pb::type_proto::Value::TensorType(tensor)) = kind
            && let Some(shape) = &mut tensor.shape
        {
            shape.dim[axis].value = Some(pb::tensor_shape_proto::dimension::Value::DimParam("steps".to_owned()));
        }
    };
    let mut g = Graph::new(&[1, 5, 3]);
    g.weight("w", &[3, 2], vec![0.5; 6]).node("MatMul", &["x", "w"], "y", vec![]).output("y");
    symbolic(&mut g, 1);
    let refused = error(&g);
    assert!(
        matches!(&refused, CompileError::Import(ImportError::OpenAxis { axis: 1, name, .. }) if name == "steps"),
        "{refused}"
    );
    assert!(refused.to_string().contains("--dim steps="), "{refused}");
    g.dims.insert("steps".to_owned(), 5);
    assert_eq!(g.lower().expect("the axis is fixed").float[0][0].len(), 10);
    g.dims.insert("other".to_owned(), 5);
    assert!(matches!(g.lower(), Err(CompileError::Import(ImportError::UnknownAxis { name, .. })) if name == "other"));
    // a size that nobody can want
    g.dims = [("steps".to_owned(), 1 << 40)].into();
    assert!(matches!(g.lower(), Err(CompileError::Import(_))));
}

#[test]
fn unsupported_forms_say_which_node() {
    // every element with every other: too many pairs
    let mut g = Graph::new(&[1, 2000]);
    let refused = g
        .integers("k", &[2])
        .nodes("TopK", &["x", "k"], &["y", "j"], vec![])
        .output("y")
        .lower()
        .expect_err("too many");
    assert!(
        matches!(&refused, CompileError::Import(ImportError::Node { node, refusal: Refusal::Pairs }) if node == "y_node"),
        "{refused}"
    );
    let mut g = Graph::new(&[1, 2, 4, 4]);
    g.node("AveragePool", &["x"], "y", vec![ints("kernel_shape", &[9, 9]), text("auto_pad", "VALID")]).output("y");
    assert!(matches!(error(&g), CompileError::Import(_)), "a window that is larger than the image: {}", error(&g));
}

#[test]
fn calibration_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("inputs.json");
    let one = |elements| [Wanted { name: "x".to_owned(), elements }];
    let read = |text: &str, need: usize| {
        std::fs::write(&path, text).expect("write");
        Calibration::read(&path).and_then(|c| c.samples(&one(need))).map(|samples| samples.concat())
    };
    assert_eq!(read(r#"{"input_data": [[1, 2.5], [3, 4]]}"#, 2).expect("two samples"), [[1.0, 2.5], [3.0, 4.0]]);
    assert_eq!(read(r#"{"input_data": [[1, 2, 3, 4]]}"#, 2).expect("a batch in one row").len(), 2);
    assert_eq!(read(r#"{"input_data": [[[1], [2]]]}"#, 2).expect("nested").len(), 1);
    assert_eq!(read(r#"{"input_data": [1, 2]}"#, 2).expect("flat").len(), 1);
    assert!(matches!(
        read(r#"{"input_data": [[1, 2], [3]]}"#, 2),
        Err(InputError::Length { sample: 1, have: 1, need: 2, .. })
    ));
    assert!(matches!(
        read(r#"{"input_data": [[1, 2], [3, "x"]]}"#, 2),
        Err(InputError::NotANumber { sample: 1, index: 1, .. })
    ));
    assert!(matches!(
        read(r#"{"input_data": [[1, 2], [3, 1e39]]}"#, 2),
        Err(InputError::NotFinite { sample: 1, index: 1, .. })
    ));
    assert!(matches!(read(r#"{"input_data": [[1, NaN]]}"#, 2), Err(InputError::Json { .. })));
    assert!(matches!(read(r#"{"input": 3}"#, 2), Err(InputError::NoInputData { .. })));
    assert!(matches!(read(r#"{"input_data": []}"#, 2), Err(InputError::Empty { .. })));
    assert!(matches!(read("\u{93}NUMPYx", 2), Err(InputError::Json { .. })));
    std::fs::write(&path, b"\x93NUMPY\x01\x00\xff").expect("write");
    assert!(matches!(Calibration::read(&path), Err(InputError::Numpy { .. })));
    std::fs::write(&path, b"PK\x03\x04").expect("write");
    assert!(matches!(Calibration::read(&path), Err(InputError::Numpy { .. })));
    assert!(matches!(Calibration::read(folder.path().join("absent").as_path()), Err(InputError::Io { .. })));
    let npz = Calibration::read(&fixture("digits_test.npz")).expect("NumPy archive");
    assert_eq!(npz.samples(&one(64)).expect("200 images").len(), 200);
    let mut architecture = dense().compile(&Options::default()).expect("compiles").architecture;
    architecture.input.ports[0].cells = (0..64).collect();
    assert!(matches!(
        read_input(&fixture("digits_test.npz"), &architecture),
        Err(InputError::NotOne { have: 200, .. })
    ));
    let not_finite = Calibration::from_samples(vec![vec![0.0; 4], vec![0.0, f32::NAN, 0.0, 0.0]]);
    assert!(matches!(not_finite.samples(&one(4)), Err(InputError::NotFinite { sample: 1, index: 1, .. })));
}

#[test]
fn wrong_calibration_for_the_model() {
    let calibration = Calibration::from_samples(vec![vec![0.0; 63]]);
    let refused =
        compile(&fixture("digits_mlp.onnx"), &calibration, &Options::default(), &mut |_| ()).expect_err("wrong length");
    assert!(matches!(refused, CompileError::Input(InputError::Length { sample: 0, have: 63, need: 64, .. })));
    let options = Options { table_bits: Some(20), ..Options::default() };
    let calibration = Calibration::from_samples(vec![vec![0.0; 64]]);
    let refused = compile(&fixture("digits_mlp.onnx"), &calibration, &options, &mut |_| ()).expect_err("20 bits");
    assert!(matches!(refused, CompileError::Option { option: "table_bits", .. }));
}

/// An integer beyond 16 bits is named before anything takes long.
#[test]
fn integers_of_an_input_that_are_too_large() {
    let mut g = Graph::of(DataType::Int64, &[1, 4]);
    g.below = 1 << 20;
    g.node("Cast", &["x"], "y", vec![int("to", 1)]).output("y");
    let error = error(&g);
    assert!(
        matches!(error, CompileError::Integer { ref input, value, .. } if input == "x" && value > 32767.0),
        "{error}"
    );
}

/// Rows of large tables are named from the start, and of no more than indices have bits for.
#[test]
fn indices_of_large_tables() {
    let graph = |rows: i64| {
        let mut g = Graph::of(DataType::Int64, &[1, 16]);
        g.below = 100;
        g.weight("table", &[rows, 1], Rng(1).vector(rows as usize, 1.0))
            .node("Gather", &["table", "x"], "y", vec![])
            .output("y");
        g
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let from_the_end = Calibration::from_samples(vec![vec![-1.0; 16]; 4]);
    let refused = compile(&graph(5000).write(folder.path()), &from_the_end, &Options::default(), &mut |_| ())
        .expect_err("it is negative");
    assert!(matches!(refused, CompileError::Integer { value: -1.0, least: 0.0, .. }), "{refused}");
    let refused = error(&graph((1 << 17) + 1));
    assert!(refused.to_string().contains("131072 rows"), "{refused}");
}
