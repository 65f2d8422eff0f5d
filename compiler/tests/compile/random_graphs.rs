//! Random graphs that `fixtures/random_graphs.py` made, with onnxruntime's answers; and those that it found wrong,
//! refused or panicking, cut down to what made them so.

use crate::support::{Graph, Rng, fixture, int, ints, text};
use assay_compiler::{Calibration, CompileError, Sample, lowering};
use npyz::npz::NpzArchive;
use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::path::Path;

/// Largest error of an element as a share of the largest of all.
const CLOSE: f32 = 1e-4;

/// An array of the archive: its elements, and how many rows they are.
fn array<T: npyz::Deserialize>(archive: &mut NpzArchive<impl Read + Seek>, name: &str) -> (Vec<T>, usize) {
    let file = archive.by_name(name).expect("a zip file").unwrap_or_else(|| panic!("{name} is not there"));
    let rows = file.shape()[0] as usize;
    (file.into_vec().unwrap_or_else(|e| panic!("{name}: {e}")), rows)
}

/// What is wrong with the lowering of a graph, if anything is; whether it was refused otherwise.
fn lowered(model: &Path, inputs: Vec<Sample>, need: &[f32], lengths: &[i64]) -> Result<bool, String> {
    let samples = inputs.into_iter().map(|sample| sample.concat()).collect();
    let found = match lowering(model, &Calibration::from_samples(samples), &BTreeMap::new()) {
        Err(CompileError::Import(_)) => return Ok(true),
        Err(error) => return Err(error.to_string()),
        Ok(found) => found,
    };
    let have: Vec<f32> = found.lowered.iter().flatten().flatten().copied().collect();
    if found.lowered[0].iter().map(|output| output.len() as i64).ne(lengths.iter().copied()) || have.len() != need.len()
    {
        return Err("its outputs have other lengths".to_owned());
    }
    let size = need.iter().fold(1e-9f32, |m, v| m.max(v.abs()));
    let error = have.iter().zip(need).fold(0f32, |m, (a, b)| m.max((a - b).abs())) / size;
    if error < CLOSE { Ok(false) } else { Err(format!("{error} from onnxruntime")) }
}

/// Graphs of up to eight operators, of reals, integers and truth values: every one that is not refused gives what
/// onnxruntime gives, and hardly any is refused.
#[test]
fn hundreds_of_random_graphs_agree_with_onnxruntime() {
    let file = std::fs::File::open(fixture("../random_graphs.npz")).expect("fixtures/random_graphs.npz is there");
    let mut archive = NpzArchive::new(file).expect("an archive");
    let count = archive.array_names().filter(|name| name.ends_with(".model")).count();
    let folder = tempfile::tempdir().expect("a folder");
    let (mut wrong, mut refused) = (Vec::new(), Vec::new());
    for graph in 0..count {
        let (model, _) = array::<u8>(&mut archive, &format!("{graph}.model"));
        let (inputs, samples) = array::<f32>(&mut archive, &format!("{graph}.inputs"));
        let (outputs, _) = array::<f32>(&mut archive, &format!("{graph}.outputs"));
        let (lengths, _) = array::<i64>(&mut archive, &format!("{graph}.lengths"));
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, model).expect("written");
        let inputs = inputs.chunks(inputs.len() / samples).map(|sample| vec![sample.to_vec()]).collect();
        match lowered(&path, inputs, &outputs, &lengths) {
            Ok(true) => refused.push(graph),
            Ok(false) => {}
            Err(why) => wrong.push(format!("graph {graph}: {why}")),
        }
    }
    println!("{count} graphs, of which {refused:?} are refused");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count >= 300 && refused.len() * 100 <= count, "{count} graphs, refused: {refused:?}");
}

/// Lowers a graph, which must agree with the reference.
fn agrees(g: &mut Graph) -> Vec<Vec<Vec<f32>>> {
    let found = g.lower().unwrap_or_else(|e| panic!("{e}"));
    assert!(found.error() < 1e-4, "{} from the reference", found.error());
    assert!(found.lowered.iter().flatten().flatten().any(|v| *v != 0.0), "all outputs are 0, which shows nothing");
    found.lowered
}

/// An output that repeats a function's column along an axis has an element for each place.
#[test]
fn outputs_that_are_repeated() {
    let mut g = Graph::new(&[1, 8]);
    g.node("Cos", &["x"], "c", vec![]).integers("t", &[2, 1]).node("Tile", &["c", "t"], "y", vec![]);
    let outputs = agrees(g.output("y").also("c"));
    assert_eq!((outputs[0][0].len(), outputs[0][1].len()), (16, 8));
}

/// A maximum over several axes of length 1.
#[test]
fn maxima_of_one_element() {
    let mut g = Graph::new(&[1, 5, 1]);
    agrees(g.node("ReduceMax", &["x"], "y", vec![ints("axes", &[0, 2]), int("keepdims", 0)]).output("y"));
}

/// Convolutions of sums, of what is the same along an axis, and of nothing but padding.
#[test]
fn convolutions_of_what_is_no_column() {
    let mut g = Graph::new(&[1, 6, 2, 8]);
    g.shaped("one", &[], &[1]).node("CumSum", &["x", "one"], "s", vec![int("exclusive", 1)]);
    agrees(g.weight("k", &[1, 6, 1, 3], Rng(1).vector(18, 0.5)).node("Conv", &["s", "k"], "y", vec![]).output("y"));
    let mut g = Graph::new(&[1, 1, 1, 2]);
    g.integers("to", &[1, 1, 4, 2]).node("Expand", &["x", "to"], "e", vec![]).weight(
        "k",
        &[1, 1, 3, 1],
        Rng(2).vector(3, 1.0),
    );
    agrees(g.node("Conv", &["e", "k"], "y", vec![ints("pads", &[1, 0, 1, 0])]).output("y"));
    // the second axis has one place, and the windows are beside it
    let mut g = Graph::new(&[1, 1, 4, 1]);
    g.weight("k", &[1, 1, 2, 1], Rng(3).vector(2, 1.0)).weight("b", &[1], vec![0.5]);
    let padded = vec![ints("pads", &[0, 1, 0, 0]), ints("strides", &[1, 2])];
    let outputs = agrees(g.node("Conv", &["x", "k", "b"], "y", padded).output("y"));
    assert!(outputs.iter().flatten().flatten().all(|v| *v == 0.5), "{outputs:?}");
}

/// A recurrence of one step, and one whose steps are an axis that was regrouped.
#[test]
fn recurrences_of_one_step_and_of_regrouped_steps() {
    for (operator, gates) in [("RNN", 1), ("GRU", 3), ("LSTM", 4)] {
        for shape in [[1, 5, 2], [12, 3, 1]] {
            let mut g = Graph::new(&[1, 3, 2, 6]);
            let (hidden, inputs, mut rng) = (2, shape[2], Rng(4));
            if shape[0] == 1 {
                g = Graph::new(&[1, 5, 2]);
                g.node("Identity", &["x"], "sequence", vec![]);
            } else {
                g.integers("to", &shape).node("Reshape", &["x", "to"], "sequence", vec![]);
            }
            g.weight("w", &[2, gates * hidden, inputs], rng.vector((2 * gates * hidden * inputs) as usize, 0.7));
            g.weight("r", &[2, gates * hidden, hidden], rng.vector((2 * gates * hidden * hidden) as usize, 0.7));
            let both = vec![int("hidden_size", hidden), text("direction", "bidirectional")];
            agrees(g.node(operator, &["sequence", "w", "r"], "y", both).output("y"));
        }
    }
}

/// An axis of 24 that others have as 2 · 4 · 3, in a sum and with a constant.
#[test]
fn axes_that_split_twice() {
    let mut g = Graph::new(&[1, 2, 4, 3]);
    g.integers("to", &[24, 1]).node("Reshape", &["x", "to"], "r", vec![]).weight("c", &[24, 1], Rng(5).vector(24, 1.0));
    agrees(g.node("Add", &["r", "c"], "y", vec![]).output("y"));
}

/// Sums over an axis that one operand has, or that is 1 in the other.
#[test]
fn products_over_an_axis_of_one_operand() {
    let mut g = Graph::new(&[4, 3]);
    g.weight("u", &[3, 2], Rng(6).vector(6, 1.0));
    agrees(g.node("Einsum", &["x", "u"], "y", vec![text("equation", "ij,jk->k")]).output("y"));
    let mut g = Graph::new(&[1, 1]);
    g.integers("to", &[1, 6]).node("Expand", &["x", "to"], "e", vec![]).weight("w", &[6, 5], Rng(7).vector(30, 1.0));
    agrees(g.node("MatMul", &["e", "w"], "y", vec![]).output("y"));
}

/// tract simplifies a slice of a softmax along its axis to a softmax of the slice, and a product over a repeated axis
/// to one over a single place. What it reads first is right, and so is what is proven.
#[test]
fn graphs_that_tract_simplifies_wrongly() {
    let mut g = Graph::new(&[1, 3, 2]);
    g.node("Softmax", &["x"], "s", vec![int("axis", -1)]);
    g.integers("from", &[1]).integers("end", &[2]).integers("axis", &[2]);
    let outputs = agrees(g.node("Slice", &["s", "from", "end", "axis"], "y", vec![]).output("y"));
    assert!(outputs.iter().flatten().flatten().all(|v| *v < 0.999), "a softmax of one place is 1: {outputs:?}");
    let mut g = Graph::new(&[2, 8, 1]);
    g.integers("to", &[2, 8, 5]).node("Expand", &["x", "to"], "e", vec![]);
    g.node("Transpose", &["e"], "t", vec![ints("perm", &[0, 2, 1])]).node("MatMul", &["e", "t"], "y", vec![]);
    let of = |g: &mut Graph| agrees(g);
    let outputs = of(g.output("y").also("x"));
    // the first element is the first number's square, five times
    for sample in &outputs {
        let (product, x) = (sample[0][0], sample[1][0]);
        assert!((product - 5.0 * x * x).abs() < 1e-4, "{product} {x}");
    }
}

/// A slice with steps behind a reshape, which tract reads and cannot simplify.
#[test]
fn slices_with_steps_behind_a_reshape() {
    let mut g = Graph::new(&[1, 2, 5, 3]);
    g.integers("to", &[2, 3, 1, 1, 5]).node("Reshape", &["x", "to"], "r", vec![]);
    g.integers("from", &[0]).integers("end", &[-2]).integers("axis", &[3]).integers("step", &[-2]);
    agrees(g.node("Slice", &["r", "from", "end", "axis", "step"], "y", vec![]).output("y"));
}
