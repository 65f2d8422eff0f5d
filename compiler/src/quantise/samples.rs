//! Small networks for the tests of this module.

use super::{Widths, plan, weights};
use crate::Sample;
use crate::net::{
    Axis, Kind, Net, NetIndex, NetInput, NetLayer, NetOperand, NetOutput, NetRule, NetRun, NetTerm, Ranges, Run,
};
use assay_circuits::exec::{dequantise_output, execute, quantise_input};
use assay_circuits::model::{Binary, Instruction, Source};
use assay_circuits::system::System;

/// A network under construction, with one input and one output: its last layer.
pub struct Small {
    layers: Vec<NetLayer>,
    inputs: u32,
}

/// Runs that are whole axes, lowest first.
pub fn axes(list: &[(u8, u8)]) -> Vec<NetRun> {
    list.iter().map(|(axis, log_len)| NetRun { log_len: *log_len, index: NetIndex::Axis(*axis) }).collect()
}

/// A vector of `2^from` numbers times a matrix whose rows of `2^to` numbers are the block `weight`.
pub fn dense(source: Source, from: u8, to: u8, weight: u32) -> NetTerm {
    NetTerm {
        coefficient: 1.0,
        axes: vec![to, from],
        summed: 1,
        left: NetOperand { source, runs: axes(&[(1, from)]) },
        right: Some(NetOperand { source: Source::Weight(weight), runs: axes(&[(0, to), (1, from)]) }),
    }
}

impl Small {
    pub fn new(inputs: u32) -> Self {
        Self { layers: Vec::new(), inputs }
    }

    /// Adds a layer of one term, with a ReLU or without; its index.
    pub fn add(&mut self, term: NetTerm, relu: bool) -> u32 {
        let outputs = &term.axes[..term.axes.len() - usize::from(term.summed)];
        let axes = outputs.iter().map(|log| Axis { log: *log, len: 1 << log }).collect();
        let program = vec![Instruction::Argument, Instruction::constant(0.0), Instruction::Binary(Binary::Max)];
        self.layers.push(NetLayer {
            name: format!("layer {}", self.layers.len()),
            axes,
            terms: vec![term],
            constant: 0.0,
            rule: NetRule::Requantise { function: relu.then_some(program) },
            kind: Kind::Real,
            post_kind: Kind::Real,
        });
        self.layers.len() as u32 - 1
    }

    pub fn net(self, weights: impl IntoIterator<Item = Vec<f32>>) -> Net {
        let last = self.layers.len() as u32 - 1;
        let cells: Vec<u32> = (0..1 << self.layers[last as usize].log_size()).collect();
        let input = NetInput {
            name: "x".to_owned(),
            kind: Kind::Real,
            shape: vec![self.inputs],
            cells: (0..self.inputs).collect(),
            places: None,
            names_rows: false,
            unit: 0,
        };
        let output = NetOutput {
            name: "y".to_owned(),
            kind: Kind::Real,
            source: Source::Pre(last),
            shape: vec![cells.len() as u32],
            cells,
            log_unit: 0,
        };
        Net {
            input_log_size: assay_circuits::model::log2_ceil(self.inputs),
            inputs: vec![input],
            weights: weights.into_iter().collect(),
            layers: self.layers,
            outputs: vec![output],
            ..Net::default()
        }
    }
}

pub fn ranges(net: &Net, samples: &[Sample]) -> Ranges {
    samples.iter().map(|x| Run::of(net, x).ranges(net)).fold(Ranges::default(), |a, b| a.merge(&b))
}

/// The largest error of the integers that these widths give, as a share of the range of the results.
pub fn error(net: &Net, samples: &[Sample], widths: Widths) -> f64 {
    let plan = plan(net, &ranges(net, samples), widths).expect("a plan");
    plan.architecture.validate().expect("valid");
    let (weights, system) = (weights(net, &plan), System::new(&plan.architecture));
    let (mut worst, mut low, mut high) = (0f64, f64::INFINITY, f64::NEG_INFINITY);
    for x in samples {
        let cells = quantise_input(&plan.architecture, x).expect("finite").cells;
        let trace = execute(&plan.architecture, &weights, &cells).expect("runs");
        let have = dequantise_output(&plan.architecture, &trace.output(&plan.architecture, &system));
        for (a, b) in have[0].iter().zip(&Run::of(net, x).outputs(net)[0]) {
            worst = worst.max(f64::from((a - b).abs()));
            (low, high) = (low.min(f64::from(*b)), high.max(f64::from(*b)));
        }
    }
    worst / (high - low)
}
