//! Keys: what anybody derives from a shape's circuit and the powers of tau.

#![allow(clippy::indexing_slicing, reason = "lengths are constants or the number of rows, of which a proof chooses none")]

use super::{INTERLEAVED, KEY_COMMITMENTS, PREPROCESSED, coset};
use crate::backend::Backend;
use crate::ntt::{Coset, Domain};
use crate::pcs::{self, PcsError};
use crate::srs::Srs;
use ark_bn254::G1Affine;
use ark_ff::{AdditiveGroup, FftField, Field};
use assay_circuits::Fr;
use assay_circuits::plonk::{Circuit, DEGREE};
use rayon::prelude::*;

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
    pub(super) rows: Rows,
    /// Interleaved coefficients of what is committed.
    pub(super) packed: [Vec<Fr>; KEY_COMMITMENTS],
    /// By wires, what each cell's place is sent to.
    pub(super) permutation: Vec<Vec<Fr>>,
    /// Values of fixed columns, permutation and `L_0` on each coset of the quotient.
    pub(super) on_cosets: Vec<Vec<Vec<Fr>>>,
}

/// The rows' domain, and the cosets that cover the quotient's.
pub(super) struct Rows {
    pub(super) domain: Domain,
    /// `1, ω, ω², …`.
    pub(super) points: Vec<Fr>,
    /// The domain of [`DEGREE`] times the rows.
    pub(super) large: Domain,
    pub(super) cosets: Vec<Coset>,
    /// From the cosets together, which are one of [`Self::large`], to coefficients.
    pub(super) from_cosets: Coset,
    /// `1/n`.
    scale: Fr,
}

impl Rows {
    /// `None` for more rows than the field has room for.
    fn new(log: u32) -> Option<Self> {
        const { assert!(DEGREE.is_power_of_two()) }
        let log_large = log + DEGREE.ilog2();
        let (domain, large) = (Domain::new(log)?, Domain::new(log_large)?);
        let (root, fine) = (Fr::get_root_of_unity(1 << log)?, Fr::get_root_of_unity(1 << log_large)?);
        let points = std::iter::successors(Some(Fr::ONE), |x| Some(*x * root)).take(1 << log).collect();
        let shifts = std::iter::successors(Some(Fr::GENERATOR), |x| Some(*x * fine)).take(DEGREE);
        let cosets = shifts.map(|shift| domain.coset(shift)).collect();
        let from_cosets = large.coset(Field::inverse(&Fr::GENERATOR)?);
        let scale = Field::inverse(&Fr::from(1u64 << log))?;
        Some(Self { domain, points, large, cosets, from_cosets, scale })
    }

    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// `ω`.
    pub(super) fn root(&self) -> Fr {
        self.points.get(1).copied().unwrap_or(Fr::ONE)
    }

    /// From values on the rows: what [`Self::on_coset`] and [`Self::coefficients`] take.
    pub(super) fn interpolate(&self, backend: &dyn Backend, mut values: Vec<Fr>) -> Vec<Fr> {
        backend.to_coefficients(&self.domain, &mut values, None);
        values
    }

    /// Values on a coset.
    pub(super) fn on_coset(&self, backend: &dyn Backend, interpolated: &[Fr], coset: usize) -> Vec<Fr> {
        let mut values = interpolated.to_vec();
        backend.to_values(&self.domain, &mut values, Some(&self.cosets[coset]));
        values
    }

    /// Coefficients from the constant one on.
    pub(super) fn coefficients(&self, interpolated: &[Fr]) -> Vec<Fr> {
        (0..self.len()).map(|i| interpolated[self.domain.place(i)] * self.scale).collect()
    }
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

        let columns: Vec<&Vec<Fr>> = circuit.fixed.iter().chain(&permutation).chain([&first]).collect();
        let interpolated: Vec<Vec<Fr>> = columns.par_iter().map(|values| rows.interpolate(backend, (*values).clone())).collect();
        let coefficients: Vec<Vec<Fr>> = interpolated[..PREPROCESSED].par_iter().map(|p| rows.coefficients(p)).collect();
        let packed: [Vec<Fr>; KEY_COMMITMENTS] =
            std::array::from_fn(|i| interleave(&coefficients[INTERLEAVED * i..PREPROCESSED.min(INTERLEAVED * (i + 1))]));
        let mut commitments = [G1Affine::default(); KEY_COMMITMENTS];
        for (commitment, packed) in commitments.iter_mut().zip(&packed) {
            *commitment = pcs::commit(srs, packed)?;
        }
        let on_cosets = (0..DEGREE).map(|coset| interpolated.par_iter().map(|p| rows.on_coset(backend, p, coset)).collect()).collect();
        let verifying = VerifyingKey { log_rows: circuit.log_rows, commitments };
        Ok(Self { circuit, verifying, rows, packed, permutation, on_cosets })
    }

    /// Powers of tau that a circuit of `2^log_rows` rows takes.
    pub fn powers(log_rows: u32) -> usize {
        INTERLEAVED.max(DEGREE) << log_rows
    }
}
