//! Keys: what anybody derives from a shape's circuit and the powers of tau.

#![allow(
    clippy::indexing_slicing,
    reason = "lengths are constants or the number of rows, of which a proof chooses none"
)]

use super::quotient::Preprocessed;
use super::rows::Rows;
use super::{INTERLEAVED, KEY_COMMITMENTS, PREPROCESSED, coset};
use crate::backend::{Backend, Quotients};
use crate::pcs::{self, PcsError};
use crate::srs::Srs;
use ark_bn254::G1Affine;
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::plonk::{Circuit, DEGREE};
use rayon::prelude::*;
use std::sync::Arc;

/// What a verifier needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    /// `k`: the circuit has `2^k` rows.
    pub log_rows: u32,
    /// Commitments to fixed columns and permutation.
    pub commitments: [G1Affine; KEY_COMMITMENTS],
}

/// What a prover needs.
pub struct ProvingKey {
    /// The circuit.
    pub circuit: Circuit,
    /// Its commitments.
    pub verifying: VerifyingKey,
    pub(super) rows: Arc<Rows>,
    /// Interleaved coefficients of what is committed.
    pub(super) packed: [Vec<Fr>; KEY_COMMITMENTS],
    /// By wires, what each cell's place is sent to.
    pub(super) permutation: Vec<Vec<Fr>>,
    preprocessed: Arc<Preprocessed>,
    /// Where quotients are computed.
    pub(super) quotients: Arc<dyn Quotients>,
}

/// `Σ_i X^i·p_i(X^8)`.
pub(super) fn interleave(polynomials: &[Vec<Fr>]) -> Vec<Fr> {
    let len = polynomials.iter().map(Vec::len).max().unwrap_or(0);
    let mut packed = crate::poly::filled(Fr::ZERO, INTERLEAVED * len);
    packed.par_chunks_mut(INTERLEAVED).enumerate().with_min_len(512).for_each(|(i, packed)| {
        packed.iter_mut().zip(polynomials).for_each(|(slot, p)| *slot = p.get(i).copied().unwrap_or(Fr::ZERO));
    });
    packed
}

impl ProvingKey {
    /// Of a circuit. Deterministic. Errors: [`PcsError::SrsTooSmall`] unless the SRS has [`Self::powers`].
    pub fn new(circuit: Circuit, srs: &Srs) -> Result<Self, PcsError> {
        let need = Self::powers(circuit.log_rows);
        let too_small = PcsError::SrsTooSmall { have: srs.g1.len(), need };
        if srs.g1.len() < need {
            return Err(too_small);
        }
        let rows = Rows::new(circuit.log_rows).ok_or(too_small)?;
        let backend = srs.backend().as_ref();
        let n = rows.len();
        let at = |cell: u32| coset(cell as usize / n) * rows.points[cell as usize % n];
        let permutation: Vec<Vec<Fr>> =
            circuit.permutation.par_chunks(n).map(|column| column.iter().map(|cell| at(*cell)).collect()).collect();
        let mut first = vec![Fr::ZERO; n];
        first[0] = Fr::ONE;

        let columns: Vec<&Vec<Fr>> = circuit.fixed.iter().chain(&permutation).chain([&first, &rows.points]).collect();
        let interpolated: Vec<Vec<Fr>> =
            columns.par_iter().map(|values| rows.interpolate(backend, (*values).clone())).collect();
        let coefficients: Vec<Vec<Fr>> =
            interpolated[..PREPROCESSED].par_iter().map(|p| rows.coefficients(p)).collect();
        let packed: [Vec<Fr>; KEY_COMMITMENTS] = std::array::from_fn(|i| {
            interleave(&coefficients[INTERLEAVED * i..PREPROCESSED.min(INTERLEAVED * (i + 1))])
        });
        let mut commitments = [G1Affine::default(); KEY_COMMITMENTS];
        for (commitment, packed) in commitments.iter_mut().zip(&packed) {
            *commitment = pcs::commit(srs, packed)?;
        }
        let verifying = VerifyingKey { log_rows: circuit.log_rows, commitments };
        let rows = Arc::new(rows);
        let preprocessed = Arc::new(Preprocessed { rows: Arc::clone(&rows), columns: interpolated });
        let quotients = backend.quotients(Arc::clone(&preprocessed));
        Ok(Self { circuit, verifying, rows, packed, permutation, preprocessed, quotients })
    }

    /// The same key, its quotients computed by another backend.
    pub fn on(self, backend: &dyn Backend) -> Self {
        Self { quotients: backend.quotients(Arc::clone(&self.preprocessed)), ..self }
    }

    /// Powers of tau that a circuit of `2^log_rows` rows takes.
    pub fn powers(log_rows: u32) -> usize {
        INTERLEAVED.max(DEGREE) << log_rows
    }
}
