//! The rows of a circuit as a domain of polynomials.

#![allow(
    clippy::indexing_slicing,
    reason = "lengths are constants or the number of rows, of which a proof chooses none"
)]

use crate::backend::Backend;
use crate::ntt::{Coset, Domain};
use ark_ff::{FftField, Field};
use assay_circuits::Fr;
use assay_circuits::plonk::DEGREE;

/// The rows' domain, and the cosets that cover the quotient's.
pub struct Rows {
    pub(crate) domain: Domain,
    /// `1, ω, ω², …`.
    pub(crate) points: Vec<Fr>,
    /// The domain of [`DEGREE`] times the rows.
    pub(crate) large: Domain,
    pub(crate) cosets: Vec<Coset>,
    /// From the cosets together, which are one of [`Self::large`], to coefficients.
    pub(crate) from_cosets: Coset,
    /// `1/n`.
    scale: Fr,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "2^{} rows", self.log())
    }
}

impl Rows {
    /// `None` for more rows than the field has room for.
    pub fn new(log: u32) -> Option<Self> {
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

    /// How many there are.
    #[allow(clippy::len_without_is_empty, reason = "there is one at least")]
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Log of their number.
    pub fn log(&self) -> u32 {
        self.domain.log()
    }

    /// `ω`.
    pub fn root(&self) -> Fr {
        self.points.get(1).copied().unwrap_or(Fr::ONE)
    }

    /// From values on the rows: `n` times the coefficients, in bit-reversed order.
    pub(crate) fn interpolate(&self, backend: &dyn Backend, mut values: Vec<Fr>) -> Vec<Fr> {
        backend.to_coefficients(&self.domain, &mut values, None);
        values
    }

    /// `X^n - 1` on a coset; never zero, since the coset is none of a subgroup of order 2^i.
    pub(crate) fn vanishing(&self, coset: &Coset) -> Fr {
        coset.factor().pow([self.len() as u64]) - Fr::ONE
    }

    /// `1 / (X^n - 1)` on each coset, and so at neighbouring points of all cosets together.
    pub fn inverse_vanishing(&self) -> [Fr; DEGREE] {
        std::array::from_fn(|i| Field::inverse(&self.vanishing(&self.cosets[i])).unwrap_or_default())
    }

    /// Where coefficient `i` of a polynomial is that [`Self::interpolate`] found.
    pub fn place(&self, i: usize) -> usize {
        self.domain.place(i)
    }

    /// Values on a coset.
    pub(crate) fn on_coset(&self, mut interpolated: Vec<Fr>, coset: &Coset) -> Vec<Fr> {
        self.domain.to_values(&mut interpolated, Some(coset));
        interpolated
    }

    /// Coefficients from the constant one on.
    pub(crate) fn coefficients(&self, interpolated: &[Fr]) -> Vec<Fr> {
        (0..self.len()).map(|i| interpolated[self.domain.place(i)] * self.scale).collect()
    }
}
