//! Groth16's prover (J. Groth, "On the size of pairing-based non-interactive arguments", EUROCRYPT 2016, section 3.2)
//! over arkworks' keys, with our multi-scalar multiplications and transforms. Key generation and the format of keys are
//! arkworks'.

#![allow(clippy::indexing_slicing, reason = "only the prover runs this")]

use crate::backend::Backend;
use crate::ntt::{Coset, Domain};
use ark_bn254::{Bn254, Fr, G1Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, FftField, Field, One};
use ark_groth16::{Proof, ProvingKey};
use ark_relations::gr1cs::Matrix;
use rayon::prelude::*;

/// The circuit's matrices and the domain of its rows: what every proof under a key shares beside the key.
pub struct Program {
    matrices: Vec<Matrix<Fr>>,
    domain: Domain,
    /// From coefficients to those on the coset where the quotient is taken, and back.
    to_coset: Coset,
    from_coset: Coset,
}

impl Program {
    /// From the three matrices, and the number of public inputs (1 included), each of which takes a row more. `None` if
    /// they have more rows than the field's largest subgroup has elements.
    pub fn new(matrices: Vec<Matrix<Fr>>, inputs: usize) -> Option<Self> {
        let rows = matrices.first().map_or(0, Vec::len) + inputs;
        let domain = Domain::new(rows.next_power_of_two().trailing_zeros())?;
        let shift = Fr::GENERATOR;
        let (to_coset, from_coset) = (domain.coset(shift), domain.coset(shift.inverse()?));
        Some(Self { matrices, domain, to_coset, from_coset })
    }

    /// Number of constraints.
    pub fn constraints(&self) -> usize {
        self.matrices.first().map_or(0, Vec::len)
    }

    /// The quotient `(A·B - C) / Z` of the quadratic arithmetic program, as arkworks reduces to one: the first `len`
    /// coefficients.
    fn quotient(&self, backend: &dyn Backend, assignment: &[Fr], inputs: usize, len: usize) -> Vec<Fr> {
        let domain = &self.domain;
        let on_coset = |(matrix, inputs): (&Matrix<Fr>, &[Fr])| {
            let row = |row: &Vec<(Fr, usize)>| -> Fr {
                row.iter()
                    .map(|(factor, at)| if factor.is_one() { assignment[*at] } else { *factor * assignment[*at] })
                    .sum()
            };
            let mut values: Vec<Fr> = matrix.par_iter().with_min_len(256).map(row).collect();
            values.extend(inputs);
            values.resize(domain.order(), Fr::ZERO);
            backend.to_coefficients(domain, &mut values, None);
            backend.to_values(domain, &mut values, Some(&self.to_coset));
            values
        };
        // the inputs' rows keep them independent of each other
        let inputs: [&[Fr]; 3] = [&assignment[..inputs], &[], &[]];
        let mut columns = self.matrices.iter().zip(inputs).map(on_coset);
        let [Some(mut a), Some(b), Some(c)] = [columns.next(), columns.next(), columns.next()] else {
            return Vec::new();
        };
        let vanishing = (Fr::GENERATOR.pow([domain.order() as u64]) - Fr::ONE).inverse().unwrap_or_default();
        a.par_iter_mut()
            .zip(b.par_iter().zip(&c))
            .with_min_len(1024)
            .for_each(|(a, (b, c))| *a = (*a * b - c) * vanishing);
        backend.to_coefficients(domain, &mut a, Some(&self.from_coset));
        (0..len).map(|i| a[domain.place(i)]).collect()
    }
}

/// Proves that `assignment` (1, the public inputs, the witness) satisfies the program's circuit. `blinding` is
/// Groth16's `r` and `s`, uniformly random for zero knowledge. An assignment that does not satisfy the circuit gives a
/// proof that does not verify.
///
/// # Panics
/// If key, program and assignment are not of one circuit.
pub fn prove(
    backend: &dyn Backend,
    key: &ProvingKey<Bn254>,
    program: &Program,
    assignment: &[Fr],
    blinding: [Fr; 2],
) -> Proof<Bn254> {
    let [r, s] = blinding;
    let inputs = key.vk.gamma_abc_g1.len();
    // its degree is at most that of the last power in the key
    let quotient = program.quotient(backend, assignment, inputs, key.h_query.len());

    let a = key.vk.alpha_g1 + key.delta_g1 * r + backend.msm(&key.a_query, assignment);
    let b = key.vk.beta_g2 + key.vk.delta_g2 * s + backend.msm_g2(&key.b_g2_query, assignment);
    // `C = sA + rB - rsδ + …` with `B = β + sδ + …` in G1, whose δ cancels: one multi-scalar multiplication for all
    // sums in it
    let used = key.b_g1_query.iter().zip(assignment).filter(|(base, _)| !base.is_zero());
    let (mut bases, mut scalars): (Vec<G1Affine>, Vec<Fr>) = used.map(|(base, value)| (*base, r * value)).unzip();
    bases.extend(key.h_query.iter().chain(&key.l_query));
    scalars.extend(quotient.iter().chain(&assignment[inputs..]));
    let c = a * s + key.beta_g1 * r + backend.msm(&bases, &scalars);
    Proof { a: a.into_affine(), b: b.into_affine(), c: c.into_affine() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Cpu;
    use ark_ff::UniformRand;
    use ark_groth16::{Groth16, prepare_verifying_key};
    use ark_relations::gr1cs::{
        ConstraintSynthesizer, ConstraintSystem, ConstraintSystemRef, R1CS_PREDICATE_LABEL, SynthesisError,
    };

    /// `x^(n + 1)` is public.
    struct Power(Fr, usize);

    impl ConstraintSynthesizer<Fr> for Power {
        fn generate_constraints(self, system: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
            let value = ark_ff::Field::pow(&self.0, [self.1 as u64 + 1]);
            let public = system.new_input_variable(|| Ok(value))?;
            let x = system.new_witness_variable(|| Ok(self.0))?;
            let (mut last, mut power) = (x, self.0);
            for i in 0..self.1 {
                power *= self.0;
                let next = if i + 1 == self.1 { public } else { system.new_witness_variable(|| Ok(power))? };
                system.enforce_r1cs_constraint(|| last.into(), || x.into(), || next.into())?;
                last = next;
            }
            Ok(())
        }
    }

    #[test]
    fn arkworks_makes_the_same_proof_and_accepts_it() {
        let mut rng = ark_std::test_rng();
        let x = Fr::rand(&mut rng);
        for n in [1, 2, 61, 200] {
            let key = Groth16::<Bn254>::generate_random_parameters_with_reduction(Power(x, n), &mut rng).unwrap();
            let verifying = prepare_verifying_key(&key.vk);
            let system = ConstraintSystem::new_ref();
            Power(x, n).generate_constraints(system.clone()).unwrap();
            system.finalize();
            let matrices = system.to_matrices().unwrap()[R1CS_PREDICATE_LABEL].clone();
            let public = system.instance_assignment().unwrap().to_vec();
            let assignment = [public.clone(), system.witness_assignment().unwrap().to_vec()].concat();
            let blinding = [Fr::rand(&mut rng), Fr::rand(&mut rng)];
            let program = Program::new(matrices, public.len()).unwrap();
            let proof = prove(&Cpu, &key, &program, &assignment, blinding);
            let theirs =
                Groth16::<Bn254>::create_proof_with_reduction(Power(x, n), &key, blinding[0], blinding[1]).unwrap();
            assert_eq!(proof, theirs);
            assert!(Groth16::<Bn254>::verify_proof(&verifying, &proof, &public[1..]).unwrap());
            let mut wrong = assignment;
            *wrong.last_mut().unwrap() += Fr::from(1u64);
            let proof = prove(&Cpu, &key, &program, &wrong, blinding);
            assert!(!Groth16::<Bn254>::verify_proof(&verifying, &proof, &public[1..]).unwrap());
        }
    }
}
