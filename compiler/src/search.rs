//! Calibration and the search for the cheapest widths that are accurate enough.

use crate::cost::Cost;
use crate::net::{Kind, Net, Ranges, Run};
use crate::quantise::{self, Plan, Widths};
use crate::report::{Accuracy, Loss, Report, Step};
use crate::{CompileError, Compiled, Options, Phase, Sample};
use assay_circuits::exec::{ExecError, Trace, dequantise_output, quantise_input, run};
use assay_circuits::model::{Architecture, Weights};
use assay_circuits::system::System;
use rayon::prelude::*;

/// Samples on which a candidate is tried before it is measured on all of them.
const TRIAL_SAMPLES: usize = 8;
/// Layers that the report names.
const WORST_LAYERS: usize = 5;
/// Candidates that are tried at most.
const MOST_TRIALS: usize = 160;

/// Runs the lowered network in floats on every sample: its ranges, and the check that it is the ONNX model.
pub fn calibrate(net: &Net, samples: &[Sample], float: &[Sample]) -> Result<Ranges, CompileError> {
    let outputs = net.outputs.len();
    let size = |output: usize| float.iter().filter_map(|s| s.get(output)).flatten().fold(0f32, |m, v| m.max(v.abs()));
    let sizes: Vec<f32> = (0..outputs).map(size).collect();
    // Where a comparison inside the network is a tie, float sums in another order answer the other way, and either is right.
    let ties = net.compares();
    let one = |(sample, (x, need)): (usize, (&Sample, &Sample))| {
        let run = Run::of(net, x);
        for (output, (have, need)) in run.outputs(net).iter().zip(need).enumerate() {
            if have.len() != need.len() {
                return Err(CompileError::OutputLength { sample, have: have.len(), need: need.len() });
            }
            // Float sums in another order differ, and more in deep networks; a wrong lowering differs by far more.
            let limit = 2e-3 * sizes[output] + 1e-5;
            let wrong = have.iter().zip(need).filter(|(a, b)| (*a - *b).abs() > limit).count();
            let allowed = if ties { have.len() / 50 } else { 0 };
            if wrong > allowed {
                let index = have.iter().zip(need).position(|(a, b)| (a - b).abs() > limit).unwrap_or(0);
                return Err(CompileError::Lowering { sample, index, have: have[index], need: need[index] });
            }
        }
        Ok(run.ranges(net))
    };
    let ranges: Vec<Ranges> = samples.par_iter().zip(float).enumerate().map(one).collect::<Result<_, _>>()?;
    Ok(ranges.iter().fold(Ranges::default(), Ranges::merge))
}

/// A quantised network with what running it takes.
struct Runner<'a> {
    architecture: &'a Architecture,
    system: System,
    weights: &'a Weights,
}

impl<'a> Runner<'a> {
    fn new(architecture: &'a Architecture, weights: &'a Weights) -> Self {
        Self { architecture, system: System::new(architecture), weights }
    }

    fn trace(&self, x: &Sample) -> Result<Trace, ExecError> {
        run(self.architecture, &self.system, self.weights, &quantise_input(self.architecture, x)?.cells)
    }

    /// Outputs in real units.
    fn outputs(&self, samples: &[Sample]) -> Result<Vec<Sample>, ExecError> {
        let one = |x: &Sample| Ok(dequantise_output(self.architecture, &self.trace(x)?.output(self.architecture, &self.system)));
        samples.par_iter().map(one).collect()
    }
}

/// How far a quantised network is from the float model on samples, and how many cells were clamped.
pub fn measure(
    architecture: &Architecture,
    weights: &Weights,
    samples: &[Sample],
    float: &[Sample],
    kinds: &[Kind],
) -> Result<Accuracy, ExecError> {
    let runner = Runner::new(architecture, weights);
    let mut clamped = 0;
    let mut outside = 0;
    let mut outputs = Vec::with_capacity(samples.len());
    for part in samples.chunks(64) {
        let results: Vec<(Sample, usize, usize)> = part
            .par_iter()
            .map(|x| {
                let quantised = quantise_input(architecture, x)?;
                let trace = run(architecture, &runner.system, weights, &quantised.cells)?;
                let clamped = trace.clamped(architecture, &runner.system).iter().map(|(_, n)| n).sum();
                Ok((dequantise_output(architecture, &trace.output(architecture, &runner.system)), clamped, quantised.outside))
            })
            .collect::<Result<_, ExecError>>()?;
        for (output, cells, inputs) in results {
            outputs.push(output);
            clamped += cells;
            outside += inputs;
        }
    }
    Ok(Accuracy { clamped, outside, ..Accuracy::of(&outputs, float, kinds) })
}

/// Every combination of widths that is worth a look.
fn candidates(options: &Options) -> Vec<Widths> {
    let bits = options.table_bits.map_or(8..=16, |b| b..=b);
    let mut list = Vec::new();
    for table_bits in bits {
        for shift in table_bits.saturating_sub(2).max(6)..=(table_bits + 3).min(16) {
            for weight_bits in [8, 10, 12, 14, 16].into_iter().filter(|b| *b < options.weight_bits).chain([options.weight_bits]) {
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
    samples: &[Sample],
    float: &[Sample],
    options: &Options,
    progress: &mut dyn FnMut(Phase),
) -> Result<Compiled, CompileError> {
    let prepared = quantise::prepared(net, ranges, samples);
    let (net, ranges) = prepared.as_ref().map_or((net, ranges), |(net, ranges)| (net, ranges));
    let (ranges, kinds) = (&ranges.widened(net, options.headroom), net.output_kinds());
    let planned: Vec<(Widths, Result<f64, assay_circuits::model::ModelError>)> = candidates(options)
        .into_par_iter()
        .map(|widths| {
            let plan = quantise::plan(net, ranges, widths);
            (widths, plan.map(|plan| Cost::of(&plan.architecture).predicted_inner_seconds))
        })
        .collect();
    let mut problem = None;
    let mut plans: Vec<(f64, Widths)> = Vec::new();
    for (widths, cost) in planned {
        match cost {
            Ok(cost) => plans.push((cost, widths)),
            Err(error) => problem = Some(error),
        }
    }
    plans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let target = options.target_error;
    let mut failed: Vec<Widths> = Vec::new();
    let mut best: Option<(Accuracy, Widths)> = None;
    // the cheapest that would do for ten times the error
    let mut coarse: Option<Step> = None;
    let mut tried = 0;
    let trial = samples.len().min(TRIAL_SAMPLES);
    for (_, widths) in plans {
        // What is at most as wide as something that failed fails too, near enough.
        if failed.iter().any(|f| widths.within(*f)) || tried >= MOST_TRIALS {
            continue;
        }
        tried += 1;
        progress(Phase::Search { tried });
        let Ok(plan) = quantise::plan(net, ranges, widths) else { continue };
        let weights = quantise::weights(net, &plan);
        let runner = Runner::new(&plan.architecture, &weights);
        let mut accuracy = Accuracy::of(&runner.outputs(&samples[..trial])?, &float[..trial], &kinds);
        if coarse.is_none() && accuracy.meets(10.0 * target, options.min_agreement) {
            coarse = Some(Step::of(&Cost::of(&plan.architecture)));
        }
        if accuracy.meets(target, options.min_agreement) {
            progress(Phase::Measure);
            accuracy = measure(&plan.architecture, &weights, samples, float, &kinds)?;
            if accuracy.meets(target, options.min_agreement) {
                return compiled(net, plan, weights, widths, accuracy, coarse, (samples, true, tried));
            }
        }
        failed.push(widths);
        let better = |have: &Accuracy| accuracy.worst() < have.worst();
        if best.as_ref().is_none_or(|(have, _)| better(have)) {
            best = Some((accuracy, widths));
        }
    }
    let none = || CompileError::NoWidths(problem.unwrap_or(assay_circuits::model::ModelError::LayerCount { have: net.layers.len() }));
    let (_, widths) = best.ok_or_else(none)?;
    progress(Phase::Measure);
    let plan = quantise::plan(net, ranges, widths).map_err(CompileError::NoWidths)?;
    let weights = quantise::weights(net, &plan);
    let accuracy = measure(&plan.architecture, &weights, samples, float, &kinds)?;
    let met = accuracy.meets(target, options.min_agreement);
    compiled(net, plan, weights, widths, accuracy, coarse, (samples, met, tried))
}

/// What each layer adds to the error: the largest distance of its column from the float run's, as a share of the column's range, less the same of the columns that it reads.
fn losses(net: &Net, plan: &Plan, weights: &Weights, samples: &[Sample]) -> Result<Vec<Loss>, ExecError> {
    let runner = Runner::new(&plan.architecture, weights);
    let mut errors = vec![0f64; net.layers.len()];
    for sample in samples.iter().take(2) {
        let (trace, float) = (runner.trace(sample)?, Run::of(net, sample));
        for (index, layer) in net.layers.iter().enumerate() {
            let Some(columns) = float.columns(index) else { continue };
            let scale = (-f64::from(plan.scales[index][0])).exp2();
            let have = trace.column(runner.system.layers[index].pre);
            let (mut worst, mut size) = (0f64, f64::MIN_POSITIVE);
            for (_, (int, real)) in have.iter().zip(&columns.pre).enumerate().filter(|(cell, _)| layer.counts(*cell)) {
                worst = worst.max((f64::from(*int) * scale - f64::from(*real)).abs());
                size = size.max(f64::from(real.abs()));
            }
            errors[index] = errors[index].max(worst / size);
        }
    }
    let inherited = |index: usize| {
        let layer = &net.layers[index];
        let reads = layer.terms.iter().flat_map(|t| std::iter::once(&t.left).chain(&t.right)).filter_map(|o| o.source.layer());
        reads.filter(|l| (*l as usize) < index).map(|l| errors[l as usize]).fold(0.0, f64::max)
    };
    let mut losses: Vec<Loss> = (0..net.layers.len())
        .map(|i| Loss { layer: net.layers[i].name.clone(), error: errors[i], added: (errors[i] - inherited(i)).max(0.0) })
        .collect();
    losses.sort_by(|a, b| b.added.total_cmp(&a.added));
    losses.truncate(WORST_LAYERS);
    Ok(losses)
}

fn compiled(
    net: &Net,
    plan: Plan,
    weights: Weights,
    widths: Widths,
    accuracy: Accuracy,
    coarse: Option<Step>,
    (samples, accuracy_met, candidates_tried): (&[Sample], bool, usize),
) -> Result<Compiled, CompileError> {
    let report = Report {
        parameters: net.parameters,
        macs: net.macs,
        layers: net.layers.len(),
        widths,
        cost: Cost::of(&plan.architecture),
        accuracy,
        accuracy_met,
        ten_times_coarser: coarse,
        losses: losses(net, &plan, &weights, samples)?,
        few_samples: samples.len() < 8,
        candidates_tried,
    };
    Ok(Compiled { architecture: plan.architecture, weights, layer_names: net.layers.iter().map(|l| l.name.clone()).collect(), report })
}
