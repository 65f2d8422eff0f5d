//! Quantised networks compute the integers that onnxruntime computes: `fixtures/quantised.py` made them.

use crate::support::{Graph, Rng, fixture, ints, typed};
use assay_circuits::exec::{dequantise_output, execute, quantise_input};
use assay_circuits::system::System;
use assay_compiler::{Calibration, Compiled, Options, Sample, compile};
use prost::Message;
use std::path::{Path, PathBuf};
use tract_onnx::pb::{self, tensor_proto::DataType};

/// Samples for calibration.
const CALIBRATION: usize = 48;

/// Rows of an array of numbers: `read` makes one of its bytes.
fn rows<T>(path: &Path, width: usize, read: fn(&[u8]) -> T) -> Vec<Vec<T>> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = String::from_utf8_lossy(&bytes[10..header]).into_owned();
    let shape = text.split("'shape': (").nth(1).expect("a shape").split(')').next().expect("its end");
    let count: usize = shape.split(',').next().expect("rows").trim().parse().expect("a number");
    let values: Vec<T> = bytes[header..].chunks_exact(width).map(read).collect();
    let each = values.len() / count;
    let mut values = values.into_iter();
    (0..count).map(|_| values.by_ref().take(each).collect()).collect()
}

/// Where a quantised operator has the zero point of its output.
fn zero_point(operator: &str) -> Option<usize> {
    Some(match operator {
        "QuantizeLinear" => 2,
        "QLinearSigmoid" | "QLinearAveragePool" | "QLinearGlobalAveragePool" => 4,
        "QLinearConv" | "QLinearMatMul" | "QLinearAdd" | "QLinearMul" => 7,
        "QGemm" => 8,
        _ => return None,
    })
}

/// Every tensor of integers becomes an output, and the outputs that there were go.
fn with_integers(path: &Path, folder: &Path) -> (PathBuf, Vec<String>) {
    let bytes = std::fs::read(path).expect("the model");
    let mut model = pb::ModelProto::decode(bytes.as_slice()).expect("ONNX");
    let graph = model.graph.as_mut().expect("a graph");
    let kind =
        |name: &str| graph.initializer.iter().find(|tensor| tensor.name == name).map_or(0, |tensor| tensor.data_type);
    let made = graph.node.iter().filter_map(|node| {
        let of_output = node.op_type == "DynamicQuantizeLinear";
        let kind = if of_output { DataType::Uint8 as i32 } else { kind(&node.input[zero_point(&node.op_type)?]) };
        Some((node.output[0].clone(), kind))
    });
    let outputs: Vec<(String, i32)> = made.collect();
    let value = |(name, kind): &(String, i32)| pb::ValueInfoProto {
        name: name.clone(),
        ..typed(name, DataType::try_from(*kind).expect("a type"), &[])
    };
    graph.output = outputs.iter().map(value).collect();
    let path = folder.join("integers.onnx");
    std::fs::write(&path, model.encode_to_vec()).expect("written");
    (path, outputs.into_iter().map(|(name, _)| name).collect())
}

fn run(compiled: &Compiled, x: Sample) -> Sample {
    let system = System::new(&compiled.architecture);
    let input = quantise_input(&compiled.architecture, &x).expect("finite");
    let trace = execute(&compiled.architecture, &compiled.weights, &input.cells).expect("executes");
    dequantise_output(&compiled.architecture, &trace.output(&compiled.architecture, &system))
}

/// How many integers of a tensor are not onnxruntime's.
#[derive(Debug)]
struct Wrong {
    tensor: String,
    count: usize,
    wrong: usize,
    /// By how much at most.
    by: i32,
}

/// Compiles a folder's network with all its integers as outputs and compares each of them.
fn compared(name: &str) -> (Vec<Wrong>, Compiled) {
    let (folder, scratch) = (fixture("../quantised").join(name), tempfile::tempdir().expect("a folder"));
    let real = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    let inputs = rows(&folder.join("inputs.npy"), 4, real);
    let expected = rows(&folder.join("integers.npy"), 1, |b| b[0]);
    let (model, outputs) = with_integers(&folder.join("model.onnx"), scratch.path());
    let calibration = Calibration::from_samples(inputs[..CALIBRATION].to_vec());
    let compiled =
        compile(&model, &calibration, &Options::default(), &mut |_| ()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut all: Vec<Wrong> = outputs.into_iter().map(|tensor| Wrong { tensor, count: 0, wrong: 0, by: 0 }).collect();
    for (x, need) in inputs.iter().zip(&expected) {
        let have = run(&compiled, vec![x.clone()]);
        assert_eq!(have.iter().map(Vec::len).sum::<usize>(), need.len(), "{name}: as many integers");
        let mut need = need.iter();
        for (output, found) in have.iter().zip(&mut all) {
            for (have, need) in output.iter().zip(need.by_ref()) {
                assert_eq!(have.fract(), 0.0, "{name}: {} has integers", found.tensor);
                // the last 8 bits of both, as a number with a sign
                let by = i32::from((*have as i32 as u8).wrapping_sub(*need) as i8);
                found.count += 1;
                found.wrong += usize::from(by != 0);
                found.by = found.by.max(by.abs());
            }
        }
    }
    (all, compiled)
}

/// All integers are onnxruntime's.
fn all_integers(name: &str) {
    let (all, compiled) = compared(name);
    let count: usize = all.iter().map(|of| of.count).sum();
    let wrong: Vec<&Wrong> = all.iter().filter(|of| of.wrong > 0).collect();
    assert!(wrong.is_empty(), "{name}: of {count} integers differ {wrong:?}\n{}", compiled.report);
    assert!(count > 100_000, "{name}: only {count} integers were compared");
}

#[test]
fn a_network_with_one_scale_a_tensor() {
    all_integers("digits");
}

#[test]
fn a_network_with_scales_by_channel() {
    all_integers("digits_channels");
}

#[test]
fn a_network_of_quantised_operators() {
    all_integers("digits_operators");
}

#[test]
fn a_network_with_residuals_means_and_functions() {
    all_integers("residual");
}

#[test]
fn the_same_of_quantised_operators() {
    all_integers("residual_operators");
}

/// Scales that follow from the input: the integers are onnxruntime's, those of hidden tensors too.
fn all_integers_of_ranges(name: &str, tensors: usize) {
    let (all, compiled) = compared(name);
    assert_eq!(all.len(), tensors, "{name}: the tensors that are quantised");
    let wrong: Vec<&Wrong> = all.iter().filter(|of| of.wrong > 0).collect();
    assert!(wrong.is_empty(), "{name}: {wrong:?}\n{}", compiled.report);
    let count: usize = all.iter().map(|of| of.count).sum();
    assert!(count > 10_000, "{name}: only {count} integers were compared");
    // with the outputs that the model has
    let folder = fixture("../quantised").join(name);
    let inputs = rows(&folder.join("inputs.npy"), 4, |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let calibration = Calibration::from_samples(inputs[..CALIBRATION].to_vec());
    let compiled =
        compile(&folder.join("model.onnx"), &calibration, &Options::default(), &mut |_| ()).expect("compiles");
    assert!(compiled.report.accuracy_met, "{name}: {}", compiled.report);
}

#[test]
fn a_network_with_scales_by_input() {
    all_integers_of_ranges("digits_dynamic", 4);
}

#[test]
fn a_network_with_scales_by_input_of_both_signs() {
    all_integers_of_ranges("dense_dynamic", 3);
}

/// By itself: the integers and the zero point as onnxruntime computes them, and the scale as near as a cell.
#[test]
fn a_scale_by_input_alone() {
    let mut g = Graph::new(&[1, 48]);
    let outputs = ["q", "scale", "zero"];
    let compiled = g.nodes("DynamicQuantizeLinear", &["x"], &outputs, vec![]).output("q").also("scale").also("zero");
    let compiled = compiled.compile(&Options::default()).expect("compiles");
    let mut random = Rng(5);
    let mut compared = 0;
    for shift in [0, 0, 0, 0, 90, -90, 30, -30].repeat(8) {
        let x: Vec<f32> = (0..48).map(|_| (random.below(101) as f32 - 50.0 + shift as f32) / 256.0).collect();
        let (least, most) = x.iter().fold((0f32, 0f32), |(a, b), v| (a.min(*v), b.max(*v)));
        let scale = (most - least) / 255.0;
        let steps = |v: f32| f64::from(v) * 255.0 / f64::from(most - least);
        if x.iter().chain([&least]).any(|v| (steps(*v).fract().abs() - 0.5).abs() < 1e-4) {
            continue;
        }
        let zero = (-least / scale).round_ties_even();
        let q: Vec<f32> = x.iter().map(|v| ((v / scale).round_ties_even() + zero).clamp(0.0, 255.0)).collect();
        let have = run(&compiled, vec![x]);
        assert_eq!((&have[0], &have[2]), (&q, &vec![zero]), "shifted by {shift}");
        assert!((have[1][0] - scale).abs() <= 2e-3 * scale, "{} and {scale}", have[1][0]);
        compared += 1;
    }
    assert!(compared > 20, "only {compared} inputs have no number near a half");
}

/// Calibrated on numbers that are never below 0, so that the zero point is 0 in every sample.
#[test]
fn a_scale_of_positive_numbers() {
    let mut g = Graph::new(&[1, 8]);
    g.node("Abs", &["x"], "a", vec![]).nodes("DynamicQuantizeLinear", &["a"], &["q", "scale", "zero"], vec![]);
    let compiled = g.output("q").also("zero").compile(&Options::default()).expect("compiles");
    let have = run(&compiled, vec![[4, -8, 3, 0, 12, -9, 1, 5].map(|x| x as f32 / 16.0).to_vec()]);
    assert_eq!(have, [vec![85.0, 170.0, 64.0, 0.0, 255.0, 191.0, 21.0, 106.0], vec![0.0]]);
}

/// A mean of four is a half as often as not: a table holds it whole, and rounds halves to even numbers.
#[test]
fn halves_are_rounded_to_even_numbers() {
    let mut g = Graph::new(&[1, 1, 4, 4]);
    g.weight("step", &[], vec![0.0625]);
    let zero = pb::TensorProto {
        name: "zero".to_owned(),
        data_type: DataType::Uint8 as i32,
        int32_data: vec![40],
        ..Default::default()
    };
    g.graph().initializer.push(zero);
    g.node("QuantizeLinear", &["x", "step", "zero"], "q", vec![]).node(
        "DequantizeLinear",
        &["q", "step", "zero"],
        "d",
        vec![],
    );
    g.node("AveragePool", &["d"], "p", vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]);
    let compiled = g
        .node("QuantizeLinear", &["p", "step", "zero"], "y", vec![])
        .output("y")
        .compile(&Options::default())
        .expect("compiles");
    let mut halves = 0;
    for seed in 0..64 {
        let x: Vec<f32> = (0..16).map(|i| ((i * 7 + seed * 5) % 31 - 15) as f32 / 16.0).collect();
        let mean = |at: usize| [0, 1, 4, 5].map(|k| x[at + k] * 16.0).iter().sum::<f32>() / 4.0;
        let need: Vec<f32> = [0, 2, 8, 10].map(|at| mean(at).round_ties_even() + 40.0).to_vec();
        halves += [0, 2, 8, 10].iter().filter(|at| mean(**at).fract().abs() == 0.5).count();
        assert_eq!(run(&compiled, vec![x])[0], need, "input {seed}");
    }
    assert!(halves > 20, "only {halves} halves");
}
