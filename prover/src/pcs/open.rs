//! The opening's prover: two multi-scalar multiplications of the size of a chunk, everything else linear or of
//! square-root size.

#![allow(clippy::indexing_slicing, reason = "only the prover runs this")]

use super::{
    MAX_LOG, MIN_LOG, Opening, PcsError, commit,
    companion::{Companion, common},
    poly::{add_scaled, divide, divide_rows, eval, inner, symmetric_upper},
    transcript::{Transcript, inverse_of_vanishing, inverse_of_z, refuse_opened_point},
};
use crate::poly::eq_table;
use crate::srs::Srs;
use ark_bn254::{Fr, G1Affine};
use ark_ff::Field;
use rayon::prelude::*;

/// Opens `t` (`2^c + 1` coefficients, the last one the blinding) at `point` (`c` coordinates, lowest variable first) to
/// `value = Σ_{i<2^c} eq(point, i)·t_i`. `seed` is `K` of the specification and must bind the commitment, the point and
/// the value.
///
/// # Errors
/// Lengths that do not fit, an SRS that is too small, a value that is not the polynomial's, a degenerate challenge.
pub fn open(srs: &Srs, t: &[Fr], point: &[Fr], value: Fr, seed: [u8; 32]) -> Result<Opening, PcsError> {
    open_with(srs, t, point, value, Transcript::new(&seed), &[])
}

/// [`open`] together with companions, whose commitments and residues the transcript must bind as well.
///
/// # Errors
/// As [`open`].
pub fn open_with(
    srs: &Srs,
    t: &[Fr],
    point: &[Fr],
    value: Fr,
    mut transcript: Transcript,
    companions: &[Companion<&[Fr]>],
) -> Result<Opening, PcsError> {
    let c = point.len();
    if !(MIN_LOG..=MAX_LOG).contains(&c) {
        return Err(PcsError::ChunkLog { log: c });
    }
    if t.len() != (1 << c) + 1 {
        return Err(PcsError::CoefficientCount { have: t.len(), need: (1 << c) + 1 });
    }
    let (u1, u2) = point.split_at(c.div_ceil(2));
    let (p1, p2) = (eq_table(u1), eq_table(u2));
    let b = p1.len();

    // 1. fold the rows; the last row is the blinding coefficient alone
    let h: Vec<Fr> = t.par_chunks(b).map(|row| inner(row, &p1)).collect();
    if inner(&h, &p2) != value {
        return Err(PcsError::WrongValue);
    }
    let c_h = commit(srs, &h)?;
    let alpha = transcript.points(&[c_h]);

    // 2. T = (X^b - α)·Q + g
    let (q, g) = divide_rows(t, b, alpha);
    let (c_q, c_g) = commit_both(srs, &q, &g)?;
    let gamma = transcript.points(&[c_q, c_g]);

    // 3. both inner products as one symmetric product; the degree of g by its reversal
    let mut s = symmetric_upper(&g, &p1);
    add_scaled(&mut s, gamma, &symmetric_upper(&h, &p2));
    let d: Vec<Fr> = g.iter().rev().copied().collect();
    let (c_s, c_d) = commit_both(srs, &s, &d)?;
    let z = transcript.points(&[c_s, c_d]);
    let zi = inverse_of_z(z, alpha)?;

    // 4. evaluations
    let evaluations = [(&g, z), (&g, zi), (&h, z), (&h, zi), (&s, z), (&s, zi)].map(|(p, at)| eval(p, at));
    let eta = transcript.scalars(&evaluations);

    // 5. W: the quotient of each claim by the vanishing polynomial of its points
    let opened = [z, zi, alpha];
    let small = joined([&d, &g, &s, &h], eta);
    let etas: Vec<Fr> =
        std::iter::successors(Some(eta.pow([5u64])), |power| Some(*power * eta)).take(companions.len()).collect();
    let mut w = small.quotient(opened);
    let quotients: Vec<Vec<Fr>> = companions.par_iter().map(Companion::quotient).collect();
    quotients.iter().zip(&etas).for_each(|(quotient, eta)| add_scaled(&mut w, *eta, quotient));
    let c_w = commit(srs, &w)?;
    let x = transcript.points(&[c_w]);
    refuse_opened_point(x, opened)?;

    // 6. L vanishes at x
    let others = common(companions, x);
    let mut l = small.with_rows(t, &q, &g, b, alpha, x, opened, &w, others);
    let own: Fr = opened.iter().map(|point| x - point).product();
    for (companion, eta) in companions.iter().zip(etas) {
        let rest = others * inverse_of_vanishing(companion, x)?;
        add_scaled(&mut l, own * rest * eta, companion.polynomial);
    }
    let c_w_prime = commit(srs, &divide(&l, x))?;

    let [g_z, g_zi, h_z, h_zi, s_z, s_zi] = evaluations;
    Ok(Opening { h: c_h, q: c_q, g: c_g, s: c_s, d: c_d, w: c_w, w_prime: c_w_prime, g_z, g_zi, h_z, h_zi, s_z, s_zi })
}

/// The polynomials that are opened, times their powers of `η`, those with the same points added up.
pub(super) struct Joined {
    at_z: Vec<Fr>,
    at_both: Vec<Fr>,
    at_all: Vec<Fr>,
}

/// For `d, g, S, h`.
pub(super) fn joined([d, g, s, h]: [&[Fr]; 4], eta: Fr) -> Joined {
    let e = Powers::new(eta);
    let scaled = |terms: &[(Fr, &[Fr])]| {
        let mut sum = Vec::new();
        terms.iter().for_each(|(scale, p)| add_scaled(&mut sum, *scale, p));
        sum
    };
    Joined { at_z: scaled(&[(e.1, d)]), at_both: scaled(&[(e.2, g), (e.3, s)]), at_all: scaled(&[(e.4, h)]) }
}

impl Joined {
    /// `W`.
    pub(super) fn quotient(&self, [z, zi, alpha]: [Fr; 3]) -> Vec<Fr> {
        let mut w = divide(&self.at_z, z);
        add_scaled(&mut w, Fr::ONE, &divide(&divide(&self.at_both, z), zi));
        add_scaled(&mut w, Fr::ONE, &divide(&divide(&divide(&self.at_all, z), zi), alpha));
        w
    }

    /// `L`, but for companions and for the interpolants: those are constants at `x` and do not change the quotient by
    /// `X - x`. `others` is the companions' vanishing polynomial at `x`.
    #[allow(clippy::too_many_arguments, reason = "the names are those of the specification")]
    pub(super) fn with_rows(
        &self,
        t: &[Fr],
        q: &[Fr],
        g: &[Fr],
        b: usize,
        alpha: Fr,
        x: Fr,
        opened: [Fr; 3],
        w: &[Fr],
        others: Fr,
    ) -> Vec<Fr> {
        let [vz, vzi, va] = opened.map(|point| x - point);
        let mut l = t.to_vec();
        add_scaled(&mut l, alpha - x.pow([b as u64]), q);
        add_scaled(&mut l, -Fr::ONE, g);
        for (scale, p) in
            [(vzi * va, &self.at_z[..]), (va, &self.at_both), (Fr::ONE, &self.at_all), (-(vz * vzi * va), w)]
        {
            add_scaled(&mut l, scale * others, p);
        }
        l
    }
}

/// `η^1 … η^4`, at the index of their claim.
pub(super) struct Powers((), pub Fr, pub Fr, pub Fr, pub Fr);

impl Powers {
    pub(super) fn new(eta: Fr) -> Self {
        let square = eta.square();
        Powers((), eta, square, square * eta, square.square())
    }
}

fn commit_both(srs: &Srs, a: &[Fr], b: &[Fr]) -> Result<(G1Affine, G1Affine), PcsError> {
    let (a, b) = rayon::join(|| commit(srs, a), || commit(srs, b));
    Ok((a?, b?))
}
