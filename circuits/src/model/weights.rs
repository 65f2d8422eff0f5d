//! Checks that weights belong to an architecture.

use super::{Architecture, Dims, Layer, ModelError, Term, Weights};
use rayon::prelude::*;

impl Weights {
    /// Checks that the weights belong to a valid architecture: block lengths, value ranges, zeros in the padding.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self, arch: &Architecture) -> Result<(), ModelError> {
        self.check_lengths(arch)?;
        self.check_ranges(arch)?;
        for layer in &arch.layers {
            for term in &layer.terms {
                let Some((matrix, block)) = term.weight().and_then(|at| Some((at, self.matrices.get(at)?))) else { continue };
                let padding = nonzero_padding(block, &extents(arch, layer, term));
                if let Some((index, value)) = padding {
                    return Err(ModelError::WeightPadding { matrix, index, value });
                }
            }
        }
        for (index, (block, layer)) in self.biases.iter().zip(&arch.layers).enumerate() {
            let padding = block.iter().copied().enumerate().skip(layer.dims.channels as usize).find(|(_, v)| *v != 0);
            if let Some((at, value)) = padding {
                return Err(ModelError::BiasPadding { layer: index, index: at, value });
            }
        }
        Ok(())
    }

    /// Checks that every weight fits the architecture's weight bits.
    pub(crate) fn check_ranges(&self, arch: &Architecture) -> Result<(), ModelError> {
        let bits = arch.weight_bits.clamp(1, 16);
        let half = 1i32 << (bits - 1);
        let fits = |v: &i16| (-half..half).contains(&i32::from(*v));
        for (matrix, block) in self.matrices.iter().enumerate() {
            // Minimum and maximum of a chunk are vector instructions; the search for the culprit runs only if there is one.
            let extremes = |c: &[i16]| c.iter().fold((0, 0), |(low, high): (i16, i16), &v| (low.min(v), high.max(v)));
            let good = block.par_chunks(1 << 14).map(extremes).all(|(low, high)| fits(&low) && fits(&high));
            let culprit = if good { None } else { block.iter().enumerate().find(|(_, v)| !fits(v)) };
            if let Some((index, &value)) = culprit {
                return Err(ModelError::WeightRange { matrix, index, value, bits });
            }
        }
        Ok(())
    }

    /// Checks block counts and lengths only: what makes execution possible.
    pub(crate) fn check_lengths(&self, arch: &Architecture) -> Result<(), ModelError> {
        let terms = || arch.layers.iter().flat_map(|layer| layer.terms.iter().map(move |term| (layer, term)));
        let need = terms().filter(|(_, term)| term.weight().is_some()).count();
        if self.matrices.len() != need {
            return Err(ModelError::MatrixCount { have: self.matrices.len(), need });
        }
        for (layer, term) in terms() {
            let Some(matrix) = term.weight() else { continue };
            let have = self.matrices.get(matrix).map_or(0, Vec::len);
            let need = 1 << arch.weight_log_size(layer, term).unwrap_or(0);
            if have != need {
                return Err(ModelError::MatrixLength { matrix, have, need });
            }
        }
        if self.biases.len() != arch.layers.len() {
            return Err(ModelError::BiasCount { have: self.biases.len(), need: arch.layers.len() });
        }
        for (layer, (block, of)) in self.biases.iter().zip(&arch.layers).enumerate() {
            let need = if of.bias { 1 << of.dims.log_channels() } else { 0 };
            if block.len() != need {
                return Err(ModelError::BiasLength { layer, have: block.len(), need });
            }
        }
        Ok(())
    }
}

/// Unpadded lengths of a weight block, outermost first.
fn extents(arch: &Architecture, layer: &Layer, term: &Term) -> [u32; 4] {
    let source = arch.dims(term.source()).unwrap_or(Dims::vector(1));
    match term {
        Term::Conv { window, .. } => [layer.dims.channels, source.channels, window.kernel[0], window.kernel[1]],
        _ => [layer.dims.channels, source.channels, source.height, source.width],
    }
}

/// The first padding cell that is not zero.
fn nonzero_padding(block: &[i16], extents: &[u32; 4]) -> Option<(usize, i16)> {
    let [_, b, c, d] = extents.map(super::dims::log2_ceil);
    let logical = |index: usize| {
        let coordinates = [index >> (b + c + d), index >> (c + d) & ((1 << b) - 1), index >> d & ((1 << c) - 1), index & ((1 << d) - 1)];
        coordinates.iter().zip(extents).all(|(&at, &length)| at < length as usize)
    };
    block.iter().copied().enumerate().find(|&(index, value)| value != 0 && !logical(index))
}
