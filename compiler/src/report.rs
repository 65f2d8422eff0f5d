//! What a compilation tells its user.

use crate::Sample;
use crate::cost::Cost;
use crate::net::Kind;
use crate::quantise::Widths;
use serde::Serialize;
use std::fmt;

/// Fewer calibration samples mean little: what the next one holds is beyond the ranges of these more often than not.
pub(crate) const MIN_SAMPLES: usize = 8;

/// Layers that the report names to people.
const WORST_LAYERS: usize = 5;

/// Errors of one output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutputError {
    /// Its name in the model, or else its number.
    pub name: String,
    /// Largest absolute error of an element.
    pub max_error: f64,
    /// Mean absolute error.
    pub mean_error: f64,
    /// Largest less smallest float output.
    pub range: f64,
    /// Of an output of integers or truth values: the share of its elements that are the float model's.
    pub exact: Option<f64>,
}

/// How far the exact executor is from the float model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// Number of samples.
    pub samples: usize,
    /// By output.
    pub outputs: Vec<OutputError>,
    /// Share of samples whose largest element of the first output is the same.
    pub top1_agreement: f64,
    /// Where the first output is a list of scores: the share of other inputs whose largest score is expected to be
    /// another one.
    pub other_labels: Option<f64>,
    /// Cells that were clamped, over all samples.
    pub clamped: usize,
    /// Input elements outside the published range, over all samples.
    pub outside: usize,
}

impl Accuracy {
    /// Compares outputs, a list of them for each sample. `kinds` says what each output's elements are.
    pub fn of(exact: &[Sample], float: &[Sample], kinds: &[Kind]) -> Self {
        let output = |(index, kind): (usize, &Kind)| {
            let (mut max, mut sum, mut n, mut equal) = (0f64, 0f64, 0usize, 0usize);
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for (a, b) in exact.iter().zip(float) {
                for (x, y) in a.get(index).into_iter().flatten().zip(b.get(index).into_iter().flatten()) {
                    let error = f64::from((x - y).abs());
                    max = max.max(error);
                    sum += error;
                    n += 1;
                    equal += usize::from(error < 0.5);
                    (low, high) = (low.min(f64::from(*y)), high.max(f64::from(*y)));
                }
            }
            // outputs that are all the same are measured by their size
            let range = if high > low { high - low } else { high.abs().max(f64::MIN_POSITIVE) };
            let exact = (*kind != Kind::Real).then(|| equal as f64 / n.max(1) as f64);
            OutputError { name: index.to_string(), max_error: max, mean_error: sum / n.max(1) as f64, range, exact }
        };
        let agree = exact.iter().zip(float).filter(|(a, b)| match (a.first(), b.first()) {
            (Some(a), Some(b)) => top1_agrees(a, b),
            _ => true,
        });
        let samples = exact.len().min(float.len());
        Self {
            samples,
            outputs: kinds.iter().enumerate().map(output).collect(),
            top1_agreement: agree.count() as f64 / samples.max(1) as f64,
            other_labels: None,
            clamped: 0,
            outside: 0,
        }
    }

    /// Whether of every output errors are at most `target` of its range in the mean and five times that at worst, and
    /// at least `agreement` of the samples agree. Integers and truth values are right or wrong: of these, the share
    /// `agreement` must be right.
    pub fn meets(&self, target: f64, agreement: f64) -> bool {
        let good = |o: &OutputError| match o.exact {
            Some(share) => share >= agreement,
            None => o.mean_error <= target * o.range && o.max_error <= 5.0 * target * o.range,
        };
        self.outputs.iter().all(good) && self.top1_agreement >= agreement
    }

    /// The worst of the outputs: mean error, or a fifth of the largest, as a share of the range; or the share of
    /// integers that are wrong.
    pub fn worst(&self) -> f64 {
        let share = |o: &OutputError| match o.exact {
            Some(exact) => 1.0 - exact,
            None => (o.mean_error / o.range).max(o.max_error / (5.0 * o.range)),
        };
        self.outputs.iter().map(share).fold(0.0, f64::max)
    }
}

/// Whether the float output's largest element is a largest element of the integer one. Coarse integers tie; a tie is
/// resolved by the first index, as any argmax does.
fn top1_agrees(exact: &[f32], float: &[f32]) -> bool {
    let argmax = |v: &[f32]| {
        v.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (i, &x)| if x > best.1 { (i, x) } else { best }).0
    };
    let (a, b) = (argmax(exact), argmax(float));
    a == b
        || (exact.get(b).zip(exact.get(a)).is_some_and(|(x, y)| x == y))
        || (float.get(a).zip(float.get(b)).is_some_and(|(x, y)| x == y))
}

/// What a proof would cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Predicted seconds of an inner proof.
    pub seconds: f64,
    /// Predicted gas.
    pub gas: u64,
}

impl Step {
    /// Of a cost.
    pub fn of(cost: &Cost) -> Self {
        Self { seconds: cost.predicted_inner_seconds, gas: cost.predicted_gas }
    }
}

/// What a layer loses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Loss {
    /// Which layer of the architecture it is.
    pub index: usize,
    /// The ONNX node it comes from.
    pub layer: String,
    /// Its largest error as a share of its largest value.
    pub error: f64,
    /// What it adds to that of the layers that it reads.
    pub added: f64,
}

/// Everything about a compilation but the model itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Elements of weights and biases.
    pub parameters: u64,
    /// Multiplications in one inference.
    pub macs: u64,
    /// Layers after fusion.
    pub layers: usize,
    /// The chosen widths.
    pub widths: Widths,
    /// Sizes and predictions.
    pub cost: Cost,
    /// Error against the float model.
    pub accuracy: Accuracy,
    /// Whether the accuracy that was asked for is reached; if not, this is the best that was found.
    pub accuracy_met: bool,
    /// What ten times the error would have cost, where something so coarse was met on the way.
    pub ten_times_coarser: Option<Step>,
    /// What each layer loses, the worst first.
    pub losses: Vec<Loss>,
    /// Whether there were too few samples for ranges and errors to mean much.
    pub few_samples: bool,
    /// Inputs that have one value throughout the samples: nothing is known about any other.
    pub constant_inputs: Vec<String>,
    /// Width choices that were tried on the samples.
    pub candidates_tried: usize,
}

impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for o in &self.outputs {
            let name = if self.outputs.len() == 1 {
                "error vs. float".to_owned()
            } else {
                format!("error of output {}", o.name)
            };
            let share = |v: f64| 100.0 * v / o.range;
            if let Some(exact) = o.exact {
                writeln!(
                    f,
                    "{name:<21} {:.2} % of its integers are the model's, largest difference {}",
                    100.0 * exact,
                    o.max_error
                )?;
                continue;
            }
            writeln!(
                f,
                "{name:<21} mean {:.3e} ({:.3} % of the range {:.3e}), max {:.3e} ({:.3} %)",
                o.mean_error,
                share(o.mean_error),
                o.range,
                o.max_error,
                share(o.max_error)
            )?;
        }
        write!(f, "top-1 agreement       {:.1} % of {} samples", 100.0 * self.top1_agreement, self.samples)?;
        if let Some(share) = self.other_labels {
            write!(f, ", of other inputs {:.2} % expected", 100.0 * (1.0 - share))?;
        }
        if self.clamped + self.outside > 0 {
            write!(
                f,
                "\nclamped cells         {}, input elements outside the published range {}",
                self.clamped, self.outside
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (c, w) = (&self.cost, &self.widths);
        writeln!(f, "parameters            {}", self.parameters)?;
        writeln!(f, "MACs                  {}", self.macs)?;
        writeln!(f, "layers                {}", self.layers)?;
        writeln!(
            f,
            "widths                tables {} bits, shift {} bits, weights {} bits",
            w.table_bits, w.shift, w.weight_bits
        )?;
        writeln!(f, "witness cells         {}", c.witness_cells)?;
        writeln!(f, "weight cells          {}", c.weight_cells)?;
        writeln!(f, "lookups               {} in {} tables of {} rows", c.lookups, c.tables, c.table_rows)?;
        writeln!(f, "predicted inner proof {:.2} s (cost model, not measured)", c.predicted_inner_seconds)?;
        writeln!(f, "predicted whole proof {:.1} s (cost model, not measured)", c.predicted_seconds)?;
        writeln!(f, "predicted gas         {} (cost model, not measured)", c.predicted_gas)?;
        if let Some(step) = &self.ten_times_coarser {
            let (seconds, gas) = (c.predicted_inner_seconds - step.seconds, c.predicted_gas.saturating_sub(step.gas));
            writeln!(
                f,
                "last factor of ten    of accuracy costs {seconds:.2} s and {gas} gas of these (see --target-error)"
            )?;
        }
        for loss in self.losses.iter().take(WORST_LAYERS).filter(|loss| loss.added > 0.0) {
            writeln!(f, "loses most            {}: adds {:.2e} of its largest value", loss.layer, loss.added)?;
        }
        write!(f, "{}", self.accuracy)?;
        if self.few_samples {
            write!(
                f,
                "\nThere are only {} calibration samples, and fewer than {MIN_SAMPLES} mean little: ranges and errors \
                 on other inputs may be larger. Give some dozens.",
                self.accuracy.samples
            )?;
        }
        for input in &self.constant_inputs {
            write!(
                f,
                "\nThe input {input} has one value in all calibration samples: what the errors are for others is \
                 unknown, and larger ones are clamped. Give samples in which it varies."
            )?;
        }
        if !self.accuracy_met {
            write!(
                f,
                "\nThe accuracy that was asked for is not reached: add calibration samples, raise --target-error, or \
                 allow wider tables."
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Kind;

    fn one(exact: &[f32], float: &[f32]) -> Accuracy {
        Accuracy::of(&[vec![exact.to_vec()]], &[vec![float.to_vec()]], &[Kind::Real])
    }

    /// Errors are measured by the range of the output, whatever its size and wherever it lies.
    #[test]
    fn errors_are_shares_of_the_range() {
        for (size, shift) in [(1.0, 0.0), (1e-9, 0.0), (1e6, 0.0), (1.0, 1000.0)] {
            let float = [shift, shift + 0.5 * size, shift + size];
            let exact = [shift, shift + 0.5 * size, shift + 0.96 * size];
            let worst = one(&exact, &float).worst();
            // the mean is 0.04 / 3, and more than a fifth of the largest
            assert!((worst / (0.04 / 3.0) - 1.0).abs() < 1e-2, "{size} {shift}: {worst}");
        }
    }

    /// Both halves of the promise count: the mean, and the largest of five times as much.
    #[test]
    fn mean_and_largest_error_must_both_be_small() {
        let mut float = vec![0.0f32; 1000];
        float[999] = 1.0;
        let with = |error: f32, cells: usize| {
            let mut exact = float.clone();
            exact[..cells].iter_mut().for_each(|v| *v += error);
            one(&exact, &float)
        };
        assert!(with(0.0009, 999).meets(0.001, 0.0));
        assert!(!with(0.0011, 999).meets(0.001, 0.0), "the mean is too large");
        assert!(with(0.0049, 10).meets(0.001, 0.0));
        assert!(!with(0.0051, 1).meets(0.001, 0.0), "one cell is too far off");
    }

    /// Every output counts by itself: a small one beside a large one is not forgiven, and integers are right or wrong.
    #[test]
    fn every_output_counts() {
        let float = vec![vec![vec![0.0, 1000.0], vec![0.0, 1.0], vec![3.0, 4.0]]];
        let mut exact = float.clone();
        let kinds = [Kind::Real, Kind::Real, Kind::Integer];
        assert!(Accuracy::of(&exact, &float, &kinds).meets(0.001, 1.0));
        exact[0][1][0] = 0.1;
        let accuracy = Accuracy::of(&exact, &float, &kinds);
        assert!(!accuracy.meets(0.001, 1.0));
        assert!(accuracy.to_string().contains("error of output 1"), "{accuracy}");
        exact[0][1][0] = 0.0;
        exact[0][2][0] = 4.0;
        assert!(!Accuracy::of(&exact, &float, &kinds).meets(0.001, 0.99), "an integer is wrong");
    }
}
