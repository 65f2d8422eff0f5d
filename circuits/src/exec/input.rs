//! From real numbers to the input block, and from the output cells back to real numbers.

use super::ExecError;
use crate::model::Architecture;

/// Quantises an input, given in the order of the model's input shape, to its padded block.
///
/// Each element becomes `clamp(floor(x · 2^scale + 1/2))`, the clamp to the input's bits; padding cells are 0. `arch` is a valid architecture.
///
/// # Errors
/// The number of elements is wrong, or one is NaN or infinite.
pub fn quantise_input(arch: &Architecture, input: &[f32]) -> Result<Vec<i32>, ExecError> {
    let spec = &arch.input;
    if input.len() != spec.cells.len() {
        return Err(ExecError::InputElements { have: input.len(), need: spec.cells.len(), shape: spec.shape.clone() });
    }
    let half = f64::from(1u32 << (u32::from(spec.bits).clamp(1, 16) - 1));
    let mut block = vec![0; spec.dims.block_len()];
    for (index, (&x, &cell)) in input.iter().zip(&spec.cells).enumerate() {
        if !x.is_finite() {
            return Err(ExecError::InputNotFinite { index });
        }
        // Doubles are exact here: a float's 24 bits, a power of two, and a half whose rounding cannot cross an integer.
        let rounded = libm::floor(libm::ldexp(f64::from(x), spec.scale.into()) + 0.5);
        if let Some(slot) = block.get_mut(cell as usize) {
            *slot = rounded.clamp(-half, half - 1.0) as i32;
        }
    }
    Ok(block)
}

/// Output cells as real numbers: `int · 2^-scale`.
pub fn dequantise_output(arch: &Architecture, output: &[i32]) -> Vec<f32> {
    output.iter().map(|&y| libm::ldexp(f64::from(y), -i32::from(arch.output.scale)) as f32).collect()
}

/// Checks that an input block can be executed.
pub(super) fn check(arch: &Architecture, block: &[i32]) -> Result<(), ExecError> {
    let (dims, bits) = (arch.input.dims, arch.input.bits);
    if block.len() != dims.block_len() {
        return Err(ExecError::InputCells { have: block.len(), need: dims.block_len() });
    }
    let half = 1i32 << (bits - 1);
    for (cell, &value) in block.iter().enumerate() {
        if !(-half..half).contains(&value) {
            return Err(ExecError::InputRange { cell, value, bits });
        }
        if value != 0 && !dims.holds(cell as u32) {
            return Err(ExecError::InputPadding { cell, value });
        }
    }
    Ok(())
}
