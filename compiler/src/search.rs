//! Calibration and the search for the cheapest widths that are accurate enough.

use crate::cost::Cost;
use crate::net::{Net, Ranges, Run};
use crate::quantise::{self, Plan, Widths};
use crate::report::{Accuracy, Report};
use crate::{CompileError, Compiled, Options, Phase};
use assay_circuits::exec::{ExecError, dequantise_output, execute, quantise_input};
use assay_circuits::model::{Architecture, Weights};
use rayon::prelude::*;

/// Samples on which a candidate is tried before it is measured on all of them.
const TRIAL_SAMPLES: usize = 16;

/// Runs the lowered network in floats on every sample: its ranges, and the check that it is the ONNX model.
pub fn calibrate(net: &Net, samples: &[Vec<f32>], float: &[Vec<f32>]) -> Result<Ranges, CompileError> {
    let size = float.iter().flatten().fold(0f32, |m, v| m.max(v.abs()));
    let one = |(sample, (x, need)): (usize, (&Vec<f32>, &Vec<f32>))| {
        let run = Run::of(net, x);
        let have = run.output(net);
        if have.len() != need.len() {
            return Err(CompileError::OutputLength { sample, have: have.len(), need: need.len() });
        }
        // Float sums in another order differ, and more in deep networks; a wrong lowering differs by far more.
        let wrong = |(a, b): (&f32, &f32)| (a - b).abs() > 1e-3 * size.max(b.abs()) + 1e-5;
        match have.iter().zip(need).position(wrong) {
            Some(index) => Err(CompileError::Lowering { sample, index, have: have[index], need: need[index] }),
            None => Ok(run.ranges(net)),
        }
    };
    let ranges: Vec<Ranges> = samples.par_iter().zip(float).enumerate().map(one).collect::<Result<_, _>>()?;
    Ok(ranges.iter().fold(Ranges::empty(net.layers.len()), Ranges::merge))
}

/// Outputs of the exact executor in real units.
fn outputs(architecture: &Architecture, weights: &Weights, samples: &[Vec<f32>]) -> Result<Vec<Vec<f32>>, ExecError> {
    let one = |x: &Vec<f32>| {
        let trace = execute(architecture, weights, &quantise_input(architecture, x)?)?;
        Ok(dequantise_output(architecture, &trace.output(architecture)))
    };
    samples.par_iter().map(one).collect()
}

/// Every combination of widths that is worth a look.
fn candidates(options: &Options) -> Vec<Widths> {
    let bits = options.table_bits.map_or(8..=16, |b| b..=b);
    let mut list = Vec::new();
    for table_bits in bits {
        for shift in table_bits.saturating_sub(2).max(4)..=(table_bits + 4).min(16) {
            for weight_bits in [6, 8, 10, 12, 14, 16].into_iter().filter(|b| *b < options.weight_bits).chain([options.weight_bits]) {
                list.push(Widths { table_bits, shift, weight_bits });
            }
        }
    }
    list
}

/// Tries widths, the cheapest by the cost model first, until one is accurate enough; or else the best of those that were tried.
pub fn search(
    net: &Net,
    ranges: &Ranges,
    samples: &[Vec<f32>],
    float: &[Vec<f32>],
    options: &Options,
    progress: &mut dyn FnMut(Phase),
) -> Result<Compiled, CompileError> {
    let mut problem = None;
    let mut plans: Vec<(f64, Widths)> = Vec::new();
    for widths in candidates(options) {
        match quantise::plan(net, ranges, widths) {
            Ok(plan) => plans.push((Cost::of(&plan.architecture).predicted_inner_seconds, widths)),
            Err(error) => problem = Some(error),
        }
    }
    plans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut failed: Vec<Widths> = Vec::new();
    let mut best: Option<(Accuracy, Widths)> = None;
    let mut tried = 0;
    let trial = samples.len().min(TRIAL_SAMPLES);
    for (_, widths) in plans {
        // What is at most as wide as something that failed fails too, near enough.
        if failed.iter().any(|f| widths.within(*f)) {
            continue;
        }
        tried += 1;
        progress(Phase::Search { tried });
        let Ok(plan) = quantise::plan(net, ranges, widths) else { continue };
        let weights = quantise::weights(net, &plan);
        let mut accuracy = Accuracy::of(&outputs(&plan.architecture, &weights, &samples[..trial])?, &float[..trial]);
        if accuracy.meets(options.tolerance, options.min_agreement) {
            progress(Phase::Measure);
            accuracy = Accuracy::of(&outputs(&plan.architecture, &weights, samples)?, float);
            if accuracy.meets(options.tolerance, options.min_agreement) {
                return Ok(compiled(net, plan, weights, widths, accuracy, true, tried));
            }
        }
        failed.push(widths);
        let key = |a: &Accuracy| (a.top1_agreement, -a.mean_error);
        if best.as_ref().is_none_or(|(have, _)| key(&accuracy).partial_cmp(&key(have)).is_some_and(std::cmp::Ordering::is_gt)) {
            best = Some((accuracy, widths));
        }
    }
    let none = || CompileError::NoWidths(problem.unwrap_or(assay_circuits::model::ModelError::LayerCount { have: net.layers.len() }));
    let (_, widths) = best.ok_or_else(none)?;
    progress(Phase::Measure);
    let plan = quantise::plan(net, ranges, widths).map_err(CompileError::NoWidths)?;
    let weights = quantise::weights(net, &plan);
    let accuracy = Accuracy::of(&outputs(&plan.architecture, &weights, samples)?, float);
    let met = accuracy.meets(options.tolerance, options.min_agreement);
    Ok(compiled(net, plan, weights, widths, accuracy, met, tried))
}

fn compiled(
    net: &Net,
    plan: Plan,
    weights: Weights,
    widths: Widths,
    accuracy: Accuracy,
    accuracy_met: bool,
    candidates_tried: usize,
) -> Compiled {
    let report = Report {
        parameters: net.parameters,
        macs: net.macs,
        layers: net.layers.len(),
        widths,
        cost: Cost::of(&plan.architecture),
        accuracy,
        accuracy_met,
        candidates_tried,
    };
    Compiled { architecture: plan.architecture, weights, layer_names: net.layers.iter().map(|l| l.name.clone()).collect(), report }
}
