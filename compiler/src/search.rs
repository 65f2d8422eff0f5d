//! Calibration and the search for the cheapest widths that are accurate enough.

mod comparison;
mod labels;
mod losses;
mod scores;

use crate::cost::Cost;
use crate::net::{Net, NetLayer, NetTerm, Ranges, Run};
use crate::quantise::{self, Plan, Widths};
use crate::report::{Accuracy, MIN_SAMPLES, Report, Step};
use crate::samples::by_port;
use crate::{CompileError, Compiled, Options, Phase, Sample};
use assay_circuits::exec::{ExecError, TableValues, Trace, dequantise_output, quantise_input, run_with};
use assay_circuits::model::{Architecture, ModelError, Source, Weights};
use assay_circuits::system::System;
use rayon::prelude::*;

pub use comparison::Comparison;

/// Samples on which a candidate is tried before it is measured on all of them.
const TRIAL_SAMPLES: usize = 8;
/// Samples after which a trial ends if the candidate has failed whatever it does on the others.
const FIRST_SAMPLES: usize = 2;
/// Candidates that are tried in the order of their cost, at most.
const MOST_TRIALS: usize = 160;
/// Then so many of the widest are tried, so that nothing is called impossible that 16 bits can do.
const WIDEST_TRIALS: usize = 8;
/// How much more accurate than asked for the numbers shall be that a label beside them is chosen by, and those of
/// decision trees, where widths allow it. A label is another one wherever two classes are as near to each other as the
/// error, and what a test on the other side of its threshold does to a tree's answer is not seen on a few samples.
const OF_LABELS: f64 = 4.0;
/// How much more accurate still numbers are that a label is chosen by, if that takes few more trials.
const OF_CLOSE_CLASSES: f64 = 4.0;
/// Bits of tables that are looked for beside a label.
const FINER_BITS: u8 = 15;
/// Trials for it.
const FINER_TRIALS: usize = 32;

/// Runs the lowered network in floats on every sample: its ranges, and the check that it is the ONNX model.
pub fn calibrate(net: &Net, samples: &[Sample], float: &[Sample]) -> Result<Ranges, CompileError> {
    let outputs = net.output_tensors().count();
    let size = |output: usize| float.iter().filter_map(|s| s.get(output)).flatten().fold(0f32, |m, v| m.max(v.abs()));
    let sizes: Vec<f32> = (0..outputs).map(size).collect();
    // Where a comparison inside the network is a tie, float sums in another order answer the other way, and either is
    // right.
    let ties = net.compares();
    // A rounding by a scale that the input decides sends a whole step on where it goes the other way.
    let share = if net.rounds_by_input() { 2e-2 } else { 2e-3 };
    let weights: Vec<f32> = net.weights.iter().map(|block| largest(block)).collect();
    let one = |(sample, (x, need)): (usize, (&Sample, &Sample))| {
        let run = Run::of(net, x);
        for (output, (have, need)) in run.outputs(net).iter().zip(need).enumerate() {
            if have.len() != need.len() {
                return Err(CompileError::OutputLength { sample, have: have.len(), need: need.len() });
            }
            // Float sums in another order differ, and more in deep networks, and where large summands cancel; a wrong
            // lowering differs by far more.
            let limit = share * sizes[output] + 1e-5 * summand(net, &run, &weights).min(1.0);
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

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0f32, |m, v| m.max(v.abs()))
}

/// About the largest number that is added to another in a run: what is tiny beside it may be nothing but the rounding
/// of floats.
fn summand(net: &Net, run: &Run, weights: &[f32]) -> f32 {
    let size = |source: Source| match source {
        Source::Weight(w) => weights.get(w as usize).copied().unwrap_or(0.0),
        source => largest(run.column(net, source)),
    };
    let of_term = |term: &NetTerm| {
        term.coefficient.abs() as f32 * size(term.left.source) * term.right.as_ref().map_or(1.0, |r| size(r.source))
    };
    let of_layer = |(index, layer): (usize, &NetLayer)| {
        let post = size(Source::Post(index as u32));
        layer.terms.iter().map(of_term).fold(post.max(layer.constant.abs() as f32), f32::max)
    };
    net.layers.iter().enumerate().map(of_layer).fold(0.0, f32::max)
}

/// A quantised network with what running it takes.
struct Runner<'a> {
    architecture: &'a Architecture,
    system: System,
    tables: TableValues,
    weights: &'a Weights,
}

impl<'a> Runner<'a> {
    fn new(architecture: &'a Architecture, weights: &'a Weights) -> Self {
        Self { architecture, system: System::new(architecture), tables: TableValues::of(architecture), weights }
    }

    fn trace(&self, x: &Sample) -> Result<Trace, ExecError> {
        self.trace_of(&quantise_input(self.architecture, &by_port(self.architecture, x))?.cells)
    }

    fn trace_of(&self, cells: &[i32]) -> Result<Trace, ExecError> {
        run_with(self.architecture, &self.system, &self.tables, self.weights, cells)
    }

    /// Outputs in real units.
    fn outputs(&self, samples: &[Sample]) -> Result<Vec<Sample>, ExecError> {
        let one = |x: &Sample| {
            Ok(dequantise_output(self.architecture, &self.trace(x)?.output(self.architecture, &self.system)))
        };
        samples.par_iter().map(one).collect()
    }
}

/// How far a quantised network is from the float model on samples, and how many cells were clamped.
pub fn measure(
    architecture: &Architecture,
    weights: &Weights,
    samples: &[Sample],
    float: &[Sample],
    comparison: &Comparison,
) -> Result<Accuracy, ExecError> {
    let runner = Runner::new(architecture, weights);
    let mut clamped = 0;
    let mut outside = 0;
    let mut outputs = Vec::with_capacity(samples.len());
    for part in samples.chunks(64) {
        let results: Vec<(Sample, usize, usize)> = part
            .par_iter()
            .map(|x| {
                let quantised = quantise_input(architecture, &by_port(architecture, x))?;
                let trace = runner.trace_of(&quantised.cells)?;
                let clamped = trace.clamped(architecture, &runner.system).iter().map(|(_, n)| n).sum();
                Ok((
                    dequantise_output(architecture, &trace.output(architecture, &runner.system)),
                    clamped,
                    quantised.outside,
                ))
            })
            .collect::<Result<_, ExecError>>()?;
        for (output, cells, inputs) in results {
            outputs.push(output);
            clamped += cells;
            outside += inputs;
        }
    }
    let mut accuracy = Accuracy { clamped, outside, ..comparison.accuracy(&outputs, float) };
    accuracy
        .outputs
        .iter_mut()
        .zip(architecture.output_tensors())
        .for_each(|(error, tensor)| error.name.clone_from(&tensor[0].name));
    Ok(accuracy)
}

/// Every combination of widths that is worth a look.
fn candidates(options: &Options) -> Vec<Widths> {
    let bits = options.table_bits.map_or(8..=16, |b| b..=b);
    let mut list = Vec::new();
    for table_bits in bits {
        for shift in table_bits.saturating_sub(2).max(6)..=(table_bits + 3).min(16) {
            for weight_bits in
                [8, 10, 12, 14, 16].into_iter().filter(|b| *b < options.weight_bits).chain([options.weight_bits])
            {
                list.push(Widths { table_bits, shift, weight_bits });
            }
        }
    }
    list
}

/// The search for one model.
struct Search<'a> {
    net: &'a Net,
    ranges: Ranges,
    comparison: Comparison,
    samples: &'a [Sample],
    float: &'a [Sample],
    options: &'a Options,
    failed: Vec<Widths>,
    best: Option<(Accuracy, Widths)>,
    /// Those whose trials ended early, with what they are at best.
    ended: Vec<(Accuracy, Widths)>,
    /// The most accurate of those that are enough, where more accurate ones are looked for, and when the first was
    /// tried.
    enough: Option<(Measured, usize)>,
    /// What the cheapest costs that would do for ten times the error.
    coarse: Option<Step>,
    tried: usize,
}

/// A plan that was measured on all samples.
struct Measured {
    plan: Plan,
    weights: Weights,
    widths: Widths,
    accuracy: Accuracy,
}

/// Tries widths, the cheapest by the cost model first, until one is accurate enough; or else the best of those that
/// were tried.
pub fn search(
    net: &Net,
    ranges: &Ranges,
    samples: &[Sample],
    float: &[Sample],
    options: &Options,
    progress: &mut dyn FnMut(Phase),
) -> Result<Compiled, CompileError> {
    let constant = net
        .inputs
        .iter()
        .zip(&ranges.inputs)
        .filter(|(_, range)| range.0 == range.1)
        .map(|(input, _)| input.name.clone());
    let constant: Vec<String> = constant.collect();
    let prepared = quantise::prepared(net, ranges, samples);
    let (net, ranges) = prepared.as_ref().map_or((net, ranges), |(net, ranges)| (net, ranges));
    let given = net.output_kinds().len();
    let shown = scores::shown(net, samples).map(|(net, distances)| {
        let with = |(sample, distances): (&Sample, Vec<f32>)| sample.iter().cloned().chain([distances]).collect();
        (net, float.iter().zip(distances).map(with).collect::<Vec<Sample>>())
    });
    let (net, float) = shown.as_ref().map_or((net, float), |(net, float)| (net, float));
    let mut search = Search {
        net,
        ranges: ranges.widened(net, options.headroom),
        comparison: Comparison::of(net, float, given),
        samples,
        float,
        options,
        failed: Vec::new(),
        best: None,
        ended: Vec::new(),
        enough: None,
        coarse: None,
        tried: 0,
    };
    let (mut plans, problem) = search.plans();
    plans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut open = Vec::new();
    let plans: Vec<Widths> = plans.into_iter().map(|(_, widths)| widths).collect();
    for widths in &plans {
        if search.is_settled() {
            break;
        } else if search.enough.is_some() && widths.table_bits < FINER_BITS {
            continue;
        } else if search.tried >= MOST_TRIALS {
            open.push(*widths);
        } else if let Some(found) = search.attempt(*widths, progress)? {
            return search.compiled(found, true, constant);
        }
    }
    // stable, so that the cheapest of equally wide ones comes first
    open.sort_by_key(|w| std::cmp::Reverse(u32::from(w.table_bits) + u32::from(w.shift) + u32::from(w.weight_bits)));
    open.retain(|widths| !search.is_hopeless(*widths) && !search.is_settled());
    for widths in open.into_iter().take(WIDEST_TRIALS) {
        if let Some(found) = search.attempt(widths, progress)? {
            return search.compiled(found, true, constant);
        }
    }
    let wider = search.wider(&plans, progress)?;
    if let Some(found) = wider.or(search.enough.take().map(|(found, _)| found)) {
        return search.compiled(found, true, constant);
    }
    let none = || CompileError::NoWidths(problem.unwrap_or(ModelError::LayerCount { have: net.layers.len() }));
    search.finish_trials()?;
    let (_, widths) = search.best.clone().ok_or_else(none)?;
    progress(Phase::Measure);
    let plan = quantise::plan(net, &search.ranges, widths).map_err(CompileError::NoWidths)?;
    let found = search.measured(plan, widths)?;
    let met = search.is_met(&search.comparison.of_given(found.accuracy.clone()));
    search.compiled(found, met, constant)
}

impl Search<'_> {
    /// All candidates that work, with their predicted cost, and what was wrong with one that does not.
    fn plans(&self) -> (Vec<(f64, Widths)>, Option<ModelError>) {
        let one = |widths: Widths| {
            let plan = quantise::plan(self.net, &self.ranges, widths);
            (widths, plan.map(|plan| Cost::of(&plan.architecture).predicted_inner_seconds))
        };
        let planned: Vec<(Widths, Result<f64, ModelError>)> =
            candidates(self.options).into_par_iter().map(one).collect();
        let mut problem = None;
        let mut plans = Vec::new();
        for (widths, cost) in planned {
            match cost {
                Ok(cost) => plans.push((cost, widths)),
                Err(error) => problem = Some(error),
            }
        }
        // where real numbers are compared or rounded, the widest inputs that work: a sample does not show who is how
        // near to a threshold
        if self.net.decides() || self.net.rounds() {
            let widest = plans.iter().map(|(_, widths)| widths.shift).max();
            plans.retain(|(_, widths)| Some(widths.shift) == widest);
        }
        // a column that is divided and rounded is as fine as columns can be: a step of 255 is not many cells
        if self.net.rounds_quotients() {
            let widest = plans.iter().map(|(_, widths)| widths.table_bits).max();
            plans.retain(|(_, widths)| Some(widths.table_bits) == widest);
        }
        (plans, problem)
    }

    fn is_met(&self, accuracy: &Accuracy) -> bool {
        accuracy.meets(self.options.target_error, self.options.min_agreement)
    }

    /// Whether it would do if ten times the error were allowed.
    fn is_coarse(&self, accuracy: &Accuracy) -> bool {
        accuracy.meets(10.0 * self.options.target_error, self.options.min_agreement)
    }

    /// Whether no wider integers are needed.
    fn is_enough(&self, accuracy: &Accuracy) -> bool {
        let share = if self.comparison.has_labels() || self.net.decides() { OF_LABELS } else { 1.0 };
        accuracy.meets(self.options.target_error / share, self.options.min_agreement)
    }

    /// Whether no wider integers are looked for.
    fn is_good(&self, accuracy: &Accuracy) -> bool {
        self.is_enough(accuracy)
            && if self.comparison.has_labels() { self.is_fine(accuracy) } else { self.keeps_labels(accuracy) }
    }

    /// Whether it is as accurate as numbers beside a label shall be.
    fn is_fine(&self, accuracy: &Accuracy) -> bool {
        accuracy.meets(self.options.target_error / (OF_LABELS * OF_CLOSE_CLASSES), self.options.min_agreement)
    }

    /// Whether it is enough, and nothing was before; or beside a label, is more accurate than what was.
    fn is_better(&self, accuracy: &Accuracy) -> bool {
        let more = |best: &Accuracy| self.comparison.has_labels() && accuracy.worst() < best.worst();
        self.is_enough(accuracy) && self.enough.as_ref().is_none_or(|(best, _)| more(&best.accuracy))
    }

    /// Whether nothing else is looked for among the cheapest: beside a label that takes some trials, without one there
    /// is `wider`.
    fn is_settled(&self) -> bool {
        let enough = |first: usize| !self.comparison.has_labels() || self.tried >= first + FINER_TRIALS;
        self.enough.as_ref().is_some_and(|(_, first)| enough(*first))
    }

    /// What is at most as wide as something that failed fails too, near enough.
    fn is_hopeless(&self, widths: Widths) -> bool {
        self.failed.iter().any(|failed| widths.within(*failed))
    }

    /// Tries widths on a few samples, and if they do there on all.
    fn attempt(&mut self, widths: Widths, progress: &mut dyn FnMut(Phase)) -> Result<Option<Measured>, CompileError> {
        if self.is_hopeless(widths) {
            return Ok(None);
        }
        self.tried += 1;
        progress(Phase::Search { tried: self.tried });
        let Ok(plan) = quantise::plan(self.net, &self.ranges, widths) else { return Ok(None) };
        let weights = quantise::weights(self.net, &plan);
        let (mut accuracy, whole) = self.trial(&plan, &weights, |search, at_best| {
            let is_coarse = search.coarse.is_none() && search.is_coarse(at_best);
            search.is_enough(at_best) || is_coarse
        })?;
        if !whole {
            self.failed.push(widths);
            self.ended.push((accuracy, widths));
            return Ok(None);
        }
        if self.coarse.is_none() && self.is_coarse(&accuracy) {
            self.coarse = Some(Step::of(&Cost::of(&plan.architecture)));
        }
        if self.is_good(&accuracy) || self.is_better(&accuracy) {
            progress(Phase::Measure);
            let measured = self.measured(plan, widths)?;
            if self.is_good(&measured.accuracy) {
                return Ok(Some(measured));
            }
            accuracy = measured.accuracy.clone();
            if self.is_better(&accuracy) {
                let first = self.enough.as_ref().map_or(self.tried, |(_, first)| *first);
                self.enough = Some((measured, first));
            }
        }
        self.failed.push(widths);
        self.keep_best(accuracy, widths);
        Ok(None)
    }

    /// How accurate a plan is on a few samples, and whether all of them were run. After the first ones `goes_on` is
    /// asked, with what the plan is if it is exact on the others.
    fn trial(
        &self,
        plan: &Plan,
        weights: &Weights,
        goes_on: impl FnOnce(&Self, &Accuracy) -> bool,
    ) -> Result<(Accuracy, bool), ExecError> {
        let samples = &self.samples[..self.samples.len().min(TRIAL_SAMPLES)];
        let float = &self.float[..samples.len()];
        let first = samples.len().min(FIRST_SAMPLES);
        let runner = Runner::new(&plan.architecture, weights);
        let mut outputs = runner.outputs(&samples[..first])?;
        if first < samples.len() {
            let at_best = self.comparison.accuracy(&[&outputs, &float[first..]].concat(), float);
            if !goes_on(self, &at_best) {
                return Ok((at_best, false));
            }
            outputs.extend(runner.outputs(&samples[first..])?);
        }
        Ok((self.comparison.accuracy(&outputs, float), true))
    }

    fn keep_best(&mut self, accuracy: Accuracy, widths: Widths) {
        if self.best.as_ref().is_none_or(|(best, _)| accuracy.worst() < best.worst()) {
            self.best = Some((accuracy, widths));
        }
    }

    /// Runs the rest of those trials that ended early and may still be the best.
    fn finish_trials(&mut self) -> Result<(), CompileError> {
        let mut ended = std::mem::take(&mut self.ended);
        ended.sort_by(|(a, _), (b, _)| a.worst().total_cmp(&b.worst()));
        for (at_best, widths) in ended {
            if self.best.as_ref().is_some_and(|(best, _)| best.worst() <= at_best.worst()) {
                break;
            }
            let plan = quantise::plan(self.net, &self.ranges, widths).map_err(CompileError::NoWidths)?;
            let weights = quantise::weights(self.net, &plan);
            let (accuracy, _) = self.trial(&plan, &weights, |_, _| true)?;
            self.keep_best(accuracy, widths);
        }
        Ok(())
    }

    fn measured(&self, plan: Plan, widths: Widths) -> Result<Measured, CompileError> {
        let weights = quantise::weights(self.net, &plan);
        let accuracy = measure(&plan.architecture, &weights, self.samples, self.float, &self.comparison)?;
        Ok(Measured { plan, weights, widths, accuracy })
    }

    fn compiled(
        self,
        found: Measured,
        accuracy_met: bool,
        constant_inputs: Vec<String>,
    ) -> Result<Compiled, CompileError> {
        let Measured { mut plan, weights, widths, accuracy } = found;
        let net = self.net;
        let accuracy = self.comparison.of_given(accuracy);
        let losses = losses::losses(net, &plan, &weights, self.samples)?;
        if self.comparison.sees_more() {
            plan.architecture.outputs.pop();
        }
        let (architecture, weights) = quantise::without_padding(net, plan, weights);
        let report = Report {
            parameters: net.parameters,
            macs: net.macs,
            layers: net.layers.len(),
            widths,
            cost: Cost::of(&architecture),
            accuracy,
            accuracy_met,
            ten_times_coarser: self.coarse,
            losses,
            few_samples: self.samples.len() < MIN_SAMPLES,
            constant_inputs,
            candidates_tried: self.tried,
        };
        let layer_names = net.layers.iter().map(|layer| layer.name.clone()).collect();
        Ok(Compiled { architecture, weights, layer_names, operators: Vec::new(), report })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantise::samples::{Small, dense, ranges};

    fn vector(len: usize, seed: f32, size: f32) -> Vec<f32> {
        (0..len).map(|i| size * ((i as f32 + 1.0) * seed).sin()).collect()
    }

    /// Two dense layers; the samples, and what the network gives for them.
    fn network(size: f32, count: usize) -> (Net, Vec<Sample>, Vec<Sample>) {
        let mut small = Small::new(8);
        let hidden = small.add(dense(Source::Input, 3, 3, 0), true);
        small.add(dense(Source::Post(hidden), 3, 2, 1), false);
        let net = small.net([vector(64, 1.7, size), vector(32, 2.3, 1.0)]);
        let samples: Vec<Sample> = (0..count).map(|s| vec![vector(8, 0.9 + s as f32, 1.0)]).collect();
        let float = samples.iter().map(|x| Run::of(&net, x).outputs(&net)).collect();
        (net, samples, float)
    }

    fn found(net: &Net, samples: &[Sample], float: &[Sample], options: &Options) -> Compiled {
        search(net, &ranges(net, samples), samples, float, options, &mut |_| ()).expect("widths")
    }

    /// What is chosen does what was asked for, and no more than that: ten times the accuracy costs more.
    #[test]
    fn the_cheapest_that_is_accurate_enough_is_chosen() {
        let (net, samples, float) = network(1.0, 24);
        let options = Options { min_agreement: 0.0, ..Options::default() };
        let usual = found(&net, &samples, &float, &options).report;
        let fine = found(&net, &samples, &float, &Options { target_error: 0.0001, ..options }).report;
        assert!(usual.accuracy_met && fine.accuracy_met);
        assert!(fine.accuracy.worst() <= 0.0001 && usual.accuracy.worst() <= 0.001);
        assert!(usual.cost.witness_cells < fine.cost.witness_cells, "{usual}\n{fine}");
    }

    /// Where the output is a list of scores, the largest one stays the largest on other inputs too. Where the scores
    /// are so near to each other that no widths help, nothing is paid for it.
    #[test]
    fn labels_are_kept_on_other_inputs() {
        let (net, samples, float) = network(1.0, 100);
        let report = |target_error: f64, min_agreement: f64| {
            found(&net, &samples, &float, &Options { target_error, min_agreement, ..Options::default() }).report
        };
        let others = |report: &Report| report.accuracy.other_labels.expect("scores");
        let (coarse, kept) = (report(0.0001, 0.0), report(0.0001, 0.99));
        assert!(others(&coarse) > 1e-3 && others(&kept) <= others(&coarse) / 2.0, "{coarse}\n{kept}");
        assert!(coarse.widths.within(kept.widths) && coarse.widths != kept.widths);
        let hopeless = report(0.005, 0.99);
        assert!(others(&hopeless) > 0.01);
        assert_eq!(hopeless.widths.table_bits, report(0.005, 0.0).widths.table_bits);
    }

    /// Where nothing is accurate enough, the report says so, and the result is as good as the widest: the search does
    /// not end among the cheap ones.
    #[test]
    fn what_cannot_be_reached_is_said_and_the_best_is_given() {
        let (net, samples, float) = network(1.0, 24);
        let report =
            found(&net, &samples, &float, &Options { target_error: 1e-9, min_agreement: 0.0, ..Options::default() })
                .report;
        assert!(!report.accuracy_met && report.to_string().contains("is not reached"));
        assert!(report.accuracy.worst() < 2e-5, "{report}");
    }

    /// Warnings: samples that are too few, and an input that never varies. Neither without a reason.
    #[test]
    fn poor_samples_are_named() {
        let (net, samples, float) = network(1.0, 24);
        let options = Options { min_agreement: 0.0, ..Options::default() };
        let report = found(&net, &samples, &float, &options).report;
        assert!(!report.few_samples && report.constant_inputs.is_empty(), "{report}");
        let report = found(&net, &samples[..3], &float[..3], &options).report;
        assert!(report.few_samples && report.to_string().contains("only 3 calibration samples"), "{report}");
        let ones = vec![vec![vec![1.0; 8]]; 24];
        let outputs: Vec<Sample> = ones.iter().map(|x| Run::of(&net, x).outputs(&net)).collect();
        let report = found(&net, &ones, &outputs, &options).report;
        assert_eq!(report.constant_inputs, ["x"]);
        assert!(report.to_string().contains("one value in all calibration samples"), "{report}");
    }

    /// The layer that loses most is named first. One that is 0 throughout has no size to lose a share of, and is not
    /// named for it.
    #[test]
    fn the_layer_that_loses_most_is_named() {
        let (mut net, samples, _) = network(1.0, 24);
        net.weights[0] = vec![0.0; 64];
        net.layers[1].terms.push(dense(Source::Input, 3, 2, 2));
        net.weights.push(vector(32, 1.1, 1.0));
        let float: Vec<Sample> = samples.iter().map(|x| Run::of(&net, x).outputs(&net)).collect();
        let report = found(&net, &samples, &float, &Options { min_agreement: 0.0, ..Options::default() }).report;
        assert_eq!(report.losses[0].layer, "layer 1");
        assert!(report.losses.iter().all(|loss| loss.added.is_finite() && loss.error < 0.1), "{:?}", report.losses);
        assert_eq!(report.losses[1].error, 0.0);
    }

    /// A lowering that is wrong by a hundredth is found whatever the size of the outputs.
    #[test]
    fn a_wrong_lowering_is_found_at_every_size() {
        for size in [1e-9, 1.0, 1e6] {
            let (net, samples, mut float) = network(size, 8);
            assert!(calibrate(&net, &samples, &float).is_ok());
            float.iter_mut().flatten().flatten().for_each(|v| *v *= 1.01);
            assert!(matches!(calibrate(&net, &samples, &float), Err(CompileError::Lowering { .. })), "{size}");
        }
    }
}
