//! The compiler as its users see it: ONNX files in, integer networks out, compared with tract's float run.

mod bad_input;
mod digits;
mod features_apart;
mod fixtures;
mod forms;
mod lowering;
mod mutated;
mod operators;
mod quantised;
mod random_graphs;
mod reported;
mod support;
