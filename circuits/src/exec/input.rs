//! From real numbers to the input block, and from the output cells back to real numbers.

use super::ExecError;
use crate::model::Architecture;

/// An input block, and what had to be bent to fit it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantised {
    /// The block's cells.
    pub cells: Vec<i32>,
    /// Elements outside the range that the model was calibrated for ([`crate::model::Port::range`]).
    pub outside: usize,
    /// Elements that do not fit the input's width, and were clamped to it: these are among those outside.
    pub clamped: usize,
}

/// Quantises the input tensors, each given in the order of its shape, to the input block.
///
/// Each element becomes `clamp(floor(x · 2^scale + 1/2))`, the clamp to the input's bits; cells that no tensor names
/// are 0. `arch` is a valid architecture.
///
/// # Errors
/// The number of tensors or of elements is wrong, or an element is NaN or infinite.
pub fn quantise_input(arch: &Architecture, inputs: &[Vec<f32>]) -> Result<Quantised, ExecError> {
    let ports = &arch.input.ports;
    if inputs.len() != ports.len() {
        return Err(ExecError::Inputs { have: inputs.len(), need: ports.len() });
    }
    let half = f64::from(1u32 << (u32::from(arch.input.bits).clamp(1, 31) - 1));
    let mut quantised = Quantised { cells: vec![0; 1 << arch.input.log_size], outside: 0, clamped: 0 };
    for (port, input) in ports.iter().zip(inputs) {
        let name = || port.name.clone();
        if input.len() != port.cells.len() {
            return Err(ExecError::InputElements {
                name: name(),
                have: input.len(),
                need: port.cells.len(),
                shape: port.shape.clone(),
            });
        }
        for (index, (&x, &cell)) in input.iter().zip(&port.cells).enumerate() {
            if !x.is_finite() {
                return Err(ExecError::InputNotFinite { name: name(), index });
            }
            // Doubles are exact here: a float's 24 bits, a power of two, and a half whose rounding cannot cross an
            // integer.
            let rounded = libm::floor(libm::ldexp(f64::from(x), port.scale.into()) + 0.5);
            quantised.clamped += usize::from(rounded < -half || rounded > half - 1.0);
            quantised.outside += usize::from(rounded < f64::from(port.range.0) || rounded > f64::from(port.range.1));
            if let Some(slot) = quantised.cells.get_mut(cell as usize) {
                *slot = rounded.clamp(-half, half - 1.0) as i32;
            }
        }
    }
    Ok(quantised)
}

/// Output cells of one inference as real numbers, by tensor: `Σ int · 2^-scale` over its digits.
pub fn dequantise_output(arch: &Architecture, output: &[i32]) -> Vec<Vec<f32>> {
    let mut rest = output;
    let tensor = |digits: &[crate::model::Output]| {
        let mut elements = vec![0f64; digits.first().map_or(0, |digit| digit.cells.len()).min(rest.len())];
        for digit in digits {
            let (cells, after) = rest.split_at(digit.cells.len().min(rest.len()));
            rest = after;
            let real = cells.iter().map(|&y| libm::ldexp(f64::from(y), -i32::from(digit.scale)));
            elements.iter_mut().zip(real).for_each(|(element, real)| *element += real);
        }
        elements.into_iter().map(|element| element as f32).collect()
    };
    arch.output_tensors().map(tensor).collect()
}

/// Checks that an input block can be executed.
pub(super) fn check(arch: &Architecture, block: &[i32]) -> Result<(), ExecError> {
    let bits = arch.input.bits;
    if block.len() != 1 << arch.input.log_size {
        return Err(ExecError::InputCells { have: block.len(), need: 1 << arch.input.log_size });
    }
    let half = 1i32 << (bits - 1);
    match block.iter().enumerate().find(|(_, value)| !(-half..half).contains(*value)) {
        Some((cell, &value)) => Err(ExecError::InputRange { cell, value, bits }),
        None => Ok(()),
    }
}
