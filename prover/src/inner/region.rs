//! The committed vector `G`: four owners' chunks side by side.

use crate::backend;
use crate::secret::Secret;
use crate::srs::Srs;
use ark_bn254::{G1Affine, G1Projective};
use ark_ec::CurveGroup;
use ark_ff::AdditiveGroup;
use assay_circuits::Fr;
use assay_circuits::layout::{Layout, Region};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// One owner's chunks: cells, blinding, commitments.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Cells from the region's first chunk on; those beyond the end are zero.
    pub cells: Arc<Vec<i32>>,
    /// One blinding coefficient per chunk.
    pub blinding: Secret<Vec<Fr>>,
    /// One commitment per chunk.
    pub commitments: Vec<G1Affine>,
}

/// Cells and blinding may be secrets, so only the commitments are shown.
impl std::fmt::Debug for Committed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Committed").field("commitments", &self.commitments).finish_non_exhaustive()
    }
}

impl Committed {
    /// Commits cells in chunks of `2^log_chunk`, the blinding at `X^(2^log_chunk)`: one commitment per blinding
    /// coefficient, whether its cells are zero or not. The SRS has more than `2^log_chunk` powers.
    pub fn new(srs: &Srs, log_chunk: u32, cells: Vec<i32>, blinding: impl Into<Secret<Vec<Fr>>>) -> Self {
        let blinding = blinding.into();
        let chunk = 1usize << log_chunk;
        let parts: Vec<&[i32]> = (0..blinding.len())
            .map(|i| cells.get(i * chunk..cells.len().min((i + 1) * chunk)).unwrap_or_default())
            .collect();
        let sums = srs.g1.msm_small(&parts);
        let commitments: Vec<G1Projective> =
            sums.par_iter().zip(blinding.par_iter()).map(|(sum, blinding)| *sum + srs.g1[chunk] * blinding).collect();
        Self { commitments: G1Projective::normalize_batch(&commitments), cells: Arc::new(cells), blinding }
    }
}

/// One owner's part of `G`.
#[derive(Clone, Copy)]
pub struct Owned<'a> {
    /// Cells from the region's first chunk on.
    pub cells: &'a [i32],
    /// The same where sums over them are computed.
    pub held: &'a dyn backend::Cells,
    /// A coefficient per chunk.
    pub blinding: &'a [Fr],
}

/// A view of `G`.
pub struct Cells<'a> {
    log_chunk: u32,
    /// Weights, tables, input, witness.
    parts: [(Region, Owned<'a>); 4],
    /// First cells, and cells, of what is not known to be zero.
    stretches: Vec<(usize, &'a [i32])>,
}

impl<'a> Cells<'a> {
    /// From the four owners' chunks, in the order of [`Layout::regions`].
    pub fn new(layout: &Layout, owners: [Owned<'a>; 4]) -> Self {
        let regions = layout.regions();
        let parts = std::array::from_fn(|i| (regions[i], owners[i]));
        let whole = |(region, owned): &(Region, Owned<'a>)| (region.first_chunk << layout.log_chunk, owned.cells);
        let input = whole(&parts[2]);
        let pieces = layout.input.pieces().map(|piece| {
            let (from, to) = (piece.start - input.0, (piece.end - input.0).min(input.1.len()));
            (piece.start, input.1.get(from..to).unwrap_or_default())
        });
        let mut stretches = vec![whole(&parts[0]), whole(&parts[1])];
        stretches.extend(pieces);
        stretches.push(whole(&parts[3]));
        stretches.retain(|(_, cells)| !cells.is_empty());
        Self { log_chunk: layout.log_chunk, parts, stretches }
    }

    /// First cell and cells of each owner's part, or of each inference's input where these lie apart; in order.
    pub fn stretches(&self) -> impl Iterator<Item = (usize, &'a [i32])> + '_ {
        self.stretches.iter().copied()
    }

    /// Cells of a range within one owner's part; shorter than asked where the rest is zero.
    pub fn get(&self, range: Range<usize>) -> &'a [i32] {
        let Some((start, owned)) = self.part(range.start) else { return &[] };
        &owned.cells[range.start - start..(range.end - start).min(owned.cells.len())]
    }

    /// First cell and part of the owner of a cell, if it is not one of the zeros behind a part.
    fn part(&self, cell: usize) -> Option<(usize, Owned<'a>)> {
        let parts = self.parts.iter().map(|(region, owned)| (region.first_chunk << self.log_chunk, *owned));
        parts.into_iter().find(|(start, owned)| (*start..start + owned.cells.len()).contains(&cell))
    }

    /// `out[j] = Σ_r factors[r] · G[from + r·width + j]` within one owner's part.
    pub fn fold_rows(&self, from: usize, factors: &[Fr], width: usize) -> Vec<Fr> {
        self.part(from)
            .map_or_else(|| vec![Fr::ZERO; width], |(start, owned)| owned.held.fold_rows(from - start, factors, width))
    }

    /// `out[r] = Σ_j factors[j] · G[from + r·factors.len() + j]` for `rows` rows within one owner's part.
    pub fn dot_rows(&self, from: usize, factors: &[Fr], rows: usize) -> Vec<Fr> {
        self.part(from)
            .map_or_else(|| vec![Fr::ZERO; rows], |(start, owned)| owned.held.dot_rows(from - start, factors, rows))
    }

    /// `Σ_j weights[j] · chunk_j`, with the blinding as last coefficient: `2^c + 1` values.
    pub fn fold_chunks(&self, weights: &[Fr]) -> Vec<Fr> {
        let chunk = 1usize << self.log_chunk;
        let mut folded = vec![Fr::ZERO; chunk + 1];
        for (region, owned) in &self.parts {
            let weights = &weights[region.first_chunk..region.first_chunk + region.chunks];
            if region.chunks == 0 {
                continue;
            }
            let part = owned.held.fold_rows(0, weights, chunk);
            folded.par_iter_mut().zip(part).with_min_len(4096).for_each(|(sum, value)| *sum += value);
            folded[chunk] += owned.blinding.iter().zip(weights).map(|(b, w)| *b * w).sum::<Fr>();
        }
        folded
    }
}
