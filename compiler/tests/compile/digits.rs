//! The digits models: real weights, real images.

use crate::support::{fixture, int, typed};
use assay_circuits::exec::{dequantise_output, execute, quantise_input};
use assay_circuits::system::System;
use assay_compiler::{Calibration, Compiled, Options, Sample, compile, read_input, wanted};
use prost::Message;
use tract_onnx::pb;

fn compiled(model: &str) -> Compiled {
    let calibration = Calibration::read(&fixture("digits_calibration.json")).expect("calibration reads");
    compile(&fixture(model), &calibration, &Options::default(), &mut |_| ()).expect("the model compiles")
}

fn argmax(v: &[f32]) -> usize {
    v.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (i, &x)| if x > best.1 { (i, x) } else { best }).0
}

fn labels() -> Vec<i64> {
    let mut archive = npyz::npz::NpzArchive::open(fixture("digits_test.npz")).expect("an archive");
    archive.by_name("labels").expect("readable").expect("there").into_vec().expect("64-bit integers")
}

/// The integer network's answer.
fn answer(c: &Compiled, x: &Sample) -> usize {
    let input = quantise_input(&c.architecture, x).expect("finite");
    let trace = execute(&c.architecture, &c.weights, &input.cells).expect("executes");
    argmax(&dequantise_output(&c.architecture, &trace.output(&c.architecture, &System::new(&c.architecture)))[0])
}

fn accuracy(c: &Compiled) -> f64 {
    let images = Calibration::read(&fixture("digits_test.npz"))
        .expect("test set reads")
        .samples(&wanted(&c.architecture))
        .expect("64 pixels");
    let labels = labels();
    assert_eq!((images.len(), labels.len()), (200, 200));
    let right = images.iter().zip(&labels).filter(|(x, label)| answer(c, x) as i64 == **label);
    right.count() as f64 / 200.0
}

#[test]
fn cnn_agrees_with_float_and_keeps_its_accuracy() {
    let c = compiled("digits_cnn.onnx");
    println!("{}", c.report);
    assert!(c.report.accuracy_met && c.report.accuracy.top1_agreement >= 0.98, "{:?}", c.report.accuracy);
    // labels of other inputs are kept, and no larger commitments are taken for it
    let others = c.report.accuracy.other_labels.expect("a list of scores");
    assert!(others <= 1e-3 && assay_compiler::chunks::log_chunk_for_gas(&c.architecture) == Ok(14), "{others}");
    assert_eq!(c.report.parameters, 4858);
    assert_eq!(c.architecture.input.ports[0].shape, [1, 8, 8]);
    assert_eq!(c.architecture.outputs[0].shape, [10]);
    assert_eq!(c.layer_names.len(), c.architecture.layers.len());
    c.weights.validate(&c.architecture).expect("the weights belong to the architecture");
    let accuracy = accuracy(&c);
    assert!(accuracy >= 0.95, "accuracy {accuracy}");
}

/// A model that gives nothing but its label is as exact as one that shows its scores: that the labels of a few samples
/// are right does not say how near to each other two scores may come.
#[test]
fn a_label_alone_is_guarded_by_what_it_is_chosen_by() {
    let bytes = std::fs::read(fixture("digits_cnn.onnx")).unwrap();
    let mut model = pb::ModelProto::decode(&bytes[..]).unwrap();
    let graph = model.graph.as_mut().unwrap();
    graph.node.push(pb::NodeProto {
        input: vec![graph.output[0].name.clone()],
        output: vec!["label".to_owned()],
        op_type: "ArgMax".to_owned(),
        attribute: vec![int("axis", 1)],
        ..Default::default()
    });
    graph.output = vec![typed("label", pb::tensor_proto::DataType::Int64, &[1, 1])];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("label.onnx");
    std::fs::write(&path, model.encode_to_vec()).unwrap();
    let calibration = Calibration::read(&fixture("digits_calibration.json")).unwrap();
    let label = compile(&path, &calibration, &Options::default(), &mut |_| ()).expect("the model compiles");
    let scores = compiled("digits_cnn.onnx");
    assert!(label.report.widths.table_bits >= scores.report.widths.table_bits, "{}", label.report);
    let others = label.report.accuracy.other_labels.expect("scores that only the search sees");
    assert!(others <= 1e-3, "{others}");
    // they are no output of the model, and nothing is said of them
    assert_eq!((label.architecture.outputs.len(), label.report.accuracy.outputs.len()), (1, 1));
    assert_eq!(label.architecture.validate().map(|_| ()), Ok(()));
}

#[test]
fn mlp_agrees_with_float_and_has_small_tables() {
    let c = compiled("digits_mlp.onnx");
    println!("{}", c.report);
    assert!(c.report.accuracy_met && c.report.accuracy.top1_agreement >= 0.98, "{:?}", c.report.accuracy);
    assert!(c.architecture.tables.iter().all(|t| t.bits <= 12), "{:?}", c.architecture.tables);
    assert!(accuracy(&c) >= 0.94);
}

#[test]
fn a_seven_is_a_seven() {
    let c = compiled("digits_cnn.onnx");
    let x = read_input(&fixture("digit_7.json"), &c.architecture).expect("one image");
    assert_eq!(answer(&c, &x), 7);
}
