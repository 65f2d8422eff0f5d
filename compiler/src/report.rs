//! What the compiler tells about a model it has compiled.

use crate::cost::Cost;
use crate::quantise::Widths;
use serde::Serialize;
use std::fmt;

/// Error of the integer network against tract's float run, in the output's units, over the calibration samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// Number of samples.
    pub samples: usize,
    /// Largest absolute error of an output element.
    pub max_error: f64,
    /// Mean absolute error.
    pub mean_error: f64,
    /// Largest absolute value of the float outputs, to judge the errors by.
    pub output_size: f64,
    /// Share of samples whose largest output element is the same one, 0 to 1.
    pub top1_agreement: f64,
}

impl Accuracy {
    /// Compares outputs, sample by sample.
    pub fn of(exact: &[Vec<f32>], float: &[Vec<f32>]) -> Self {
        let (mut max, mut sum, mut size, mut count, mut agree) = (0f64, 0f64, 0f64, 0usize, 0usize);
        for (a, b) in exact.iter().zip(float) {
            for (x, y) in a.iter().zip(b) {
                let error = f64::from((x - y).abs());
                max = max.max(error);
                sum += error;
                size = size.max(f64::from(y.abs()));
                count += 1;
            }
            agree += usize::from(top1_agrees(a, b));
        }
        let samples = exact.len().min(float.len());
        Self {
            samples,
            max_error: max,
            mean_error: sum / count.max(1) as f64,
            output_size: size,
            top1_agreement: agree as f64 / samples.max(1) as f64,
        }
    }

    /// Whether errors are at most `tolerance` of the output's size in the mean and five times that at worst, and at least `agreement` of the samples agree.
    pub fn meets(&self, tolerance: f64, agreement: f64) -> bool {
        let size = self.output_size.max(f64::MIN_POSITIVE);
        self.mean_error <= tolerance * size && self.max_error <= 5.0 * tolerance * size && self.top1_agreement >= agreement
    }
}

/// Whether the float output's largest element is a largest element of the integer one. Coarse integers tie; a tie is resolved by the first index,
/// as any argmax does.
fn top1_agrees(exact: &[f32], float: &[f32]) -> bool {
    let argmax = |v: &[f32]| v.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (i, &x)| if x > best.1 { (i, x) } else { best }).0;
    argmax(exact) == argmax(float)
}

/// Everything about a compilation but the model itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Elements of weights and biases in the ONNX file.
    pub parameters: u64,
    /// Multiplications by weights in one inference.
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
    /// Width choices that were tried on the samples.
    pub candidates_tried: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (c, a, w) = (&self.cost, &self.accuracy, &self.widths);
        writeln!(f, "parameters            {}", self.parameters)?;
        writeln!(f, "MACs                  {}", self.macs)?;
        writeln!(f, "layers                {}", self.layers)?;
        writeln!(f, "widths                tables {} bits, shift {} bits, weights {} bits", w.table_bits, w.shift, w.weight_bits)?;
        writeln!(f, "witness cells         {}", c.witness_cells)?;
        writeln!(f, "weight cells          {}", c.weight_cells)?;
        writeln!(f, "lookups               {} in {} tables of {} rows", c.lookups, c.tables, c.table_rows)?;
        writeln!(f, "predicted inner proof {:.2} s (cost model, not measured)", c.predicted_inner_seconds)?;
        writeln!(f, "predicted whole proof {:.1} s (cost model, not measured)", c.predicted_seconds)?;
        writeln!(f, "predicted gas         {} (cost model, not measured)", c.predicted_gas)?;
        writeln!(f, "error vs. float       max {:.3e}, mean {:.3e}, outputs up to {:.3e}", a.max_error, a.mean_error, a.output_size)?;
        write!(f, "top-1 agreement       {:.1} % of {} samples", 100.0 * a.top1_agreement, a.samples)?;
        if !self.accuracy_met {
            write!(
                f,
                "\nThe accuracy that was asked for is not reached: add calibration samples, raise the tolerance, or allow wider tables."
            )?;
        }
        Ok(())
    }
}
