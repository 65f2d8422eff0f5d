//! The prover's rounds, up to the opening.

#![allow(clippy::indexing_slicing, reason = "only the prover runs this")]

use super::key::{ProvingKey, interleave};
use super::{Evaluations, INTERLEAVED, Proof, permutation, quotient::Witness, verify};
use crate::control::{Cancelled, Control, Phase};
use crate::inner::random_scalars;
use crate::pcs::{self, Companion, PcsError, Transcript, eval, remainder};
use crate::secret::Secret;
use crate::srs::Srs;
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::plonk::{ADVICE, BLINDING_ROWS, CONSTRAINTS};
use assay_circuits::wrap::PublicInputs;
use rand::rngs::StdRng;
use rayon::prelude::*;

/// The challenges before `y`.
#[derive(Clone, Debug)]
pub struct Challenges {
    /// `β, γ`.
    pub permutation: [Fr; 2],
    /// Powers of `α`, one for each slot of a row and two for the permutation.
    pub alphas: [Fr; CONSTRAINTS + 2],
}

impl Challenges {
    /// From `β, γ` and `α`.
    pub fn new(permutation: [Fr; 2], alpha: Fr) -> Self {
        let mut alphas = [Fr::ONE; CONSTRAINTS + 2];
        (1..alphas.len()).for_each(|i| alphas[i] = alphas[i - 1] * alpha);
        Self { permutation, alphas }
    }
}

/// Polynomials that are still to be opened, with their claims.
pub struct Committed {
    /// The proof so far.
    pub proof: Proof,
    /// For [`pcs::open_with`].
    pub transcript: Transcript,
    advice: Secret<Vec<Fr>>,
    product: Secret<Vec<Fr>>,
    quotient: Secret<Vec<Fr>>,
    claims: verify::Claims,
}

impl Committed {
    /// What is to be opened, in the order of the verifier.
    pub fn companions<'a>(&'a self, key: &'a ProvingKey) -> Vec<Companion<&'a [Fr]>> {
        let polynomials = key
            .packed
            .iter()
            .map(Vec::as_slice)
            .chain([&self.advice, &self.product, &self.quotient].map(|polynomial| polynomial.as_slice()));
        self.claims.companions(polynomials)
    }
}

/// Why nothing was committed to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The work was cancelled.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The SRS is too small.
    #[error(transparent)]
    Pcs(#[from] PcsError),
}

/// Commits to a witness and all that follows from it. Cells of the last [`BLINDING_ROWS`] rows, and as many
/// coefficients of `z`, are random. A witness that violates the circuit gives a proof that does not verify. Errors:
/// [`ProveError`].
pub fn prove(
    srs: &Srs,
    key: &ProvingKey,
    columns: [Vec<Fr>; ADVICE],
    public: &PublicInputs,
    rng: &mut StdRng,
    control: &Control<'_>,
) -> Result<Committed, ProveError> {
    let (rows, n, backend) = (&key.rows, key.rows.len(), srs.backend().as_ref());
    let mut transcript = verify::begin(&key.verifying, public);

    let mut columns = Secret::from(columns);
    for column in columns.iter_mut() {
        column[n - BLINDING_ROWS..].copy_from_slice(&random_scalars(rng, BLINDING_ROWS));
    }
    let (interpolated, advice, advice_commitment) = control.phase(Phase::WrapColumns, || {
        let interpolated: Vec<Vec<Fr>> =
            columns.par_iter().map(|values| rows.interpolate(backend, values.clone())).collect();
        let coefficients: Secret<Vec<Vec<Fr>>> =
            interpolated.par_iter().map(|p| rows.coefficients(p)).collect::<Vec<_>>().into();
        let advice = interleave(&coefficients);
        let commitment = pcs::commit(srs, &advice)?;
        Ok::<_, PcsError>((Secret::from(interpolated), Secret::from(advice), commitment))
    })??;
    let permutation = [transcript.points(&[advice_commitment]), transcript.again()];

    let tail = Secret::from(random_scalars(rng, BLINDING_ROWS));
    let (interpolated_product, product, product_commitment) = control.phase(Phase::WrapPermutation, || {
        let values = permutation::products(&columns, &key.permutation, &rows.points, &permutation);
        let interpolated = rows.interpolate(backend, values);
        let mut product = rows.coefficients(&interpolated);
        product.extend(tail.iter());
        product.iter_mut().zip(tail.iter()).for_each(|(low, high)| *low -= high);
        let commitment = pcs::commit(srs, &product)?;
        Ok::<_, PcsError>((Secret::from(interpolated), Secret::from(product), commitment))
    })??;
    let challenges = Challenges::new(permutation, transcript.points(&[product_commitment]));

    let (quotient, quotient_commitment) = control.phase(Phase::WrapQuotient, || {
        let mut inputs = vec![Fr::ZERO; n];
        let public_inputs = public.to_array();
        inputs[..public_inputs.len()].copy_from_slice(&public_inputs);
        let inputs = rows.interpolate(backend, inputs);
        let witness = Witness { advice: &interpolated, public: &inputs, product: &interpolated_product, tail: &tail };
        let mut quotient = key.quotients.quotient(&witness, &challenges);
        while quotient.last() == Some(&Fr::ZERO) {
            quotient.pop();
        }
        let commitment = pcs::commit(srs, &quotient)?;
        Ok::<_, PcsError>((Secret::from(quotient), commitment))
    })??;
    let y = transcript.points(&[quotient_commitment]);

    let next = y * rows.root();
    let (evaluations, quotient_value) = control.phase(Phase::WrapValues, || {
        let preprocessed: Vec<Fr> =
            key.packed.par_iter().flat_map_iter(|packed| remainder(packed, INTERLEAVED, y)).collect();
        let advice = |at| -> [Fr; ADVICE] {
            let values = remainder(&advice, INTERLEAVED, at);
            std::array::from_fn(|i| values[i])
        };
        let product = |at| eval(&product, at);
        let ((own, next_row), (products, quotient)) = rayon::join(
            || rayon::join(|| advice(y), || advice(next)),
            || rayon::join(|| [product(y), product(next)], || eval(&quotient, y)),
        );
        (
            Evaluations {
                preprocessed: std::array::from_fn(|i| preprocessed[i]),
                advice: own,
                next: next_row,
                product: products,
            },
            quotient,
        )
    })?;
    let proof =
        Proof { advice: advice_commitment, product: product_commitment, quotient: quotient_commitment, evaluations };
    let claims = verify::Claims { y, next, evaluations, quotient: quotient_value };
    let transcript = verify::bind_values(transcript, &evaluations);
    Ok(Committed { proof, transcript, advice, product, quotient, claims })
}
