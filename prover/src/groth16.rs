//! Groth16's prover (J. Groth, "On the size of pairing-based non-interactive arguments", EUROCRYPT 2016, section 3.2) over arkworks' keys, with
//! our multi-scalar multiplications. Key generation, the reduction to a quadratic arithmetic program and the format of keys are arkworks'.

use crate::msm::{msm, msm_g2};
use ark_bn254::{Bn254, Fr};
use ark_ec::{AffineRepr, CurveGroup};
use ark_groth16::r1cs_to_qap::{LibsnarkReduction, R1CSToQAP};
use ark_groth16::{Proof, ProvingKey};
use ark_poly::GeneralEvaluationDomain;
use ark_relations::gr1cs::{Matrix, SynthesisError};

/// Proves that `assignment` (1, the public inputs, the witness) satisfies the circuit of the three `matrices` with `constraints` rows.
/// `blinding` is Groth16's `r` and `s`, uniformly random for zero knowledge.
///
/// Errors: [`SynthesisError`] if the circuit is larger than the field's largest subgroup. An assignment that does not satisfy the circuit gives a
/// proof that does not verify.
///
/// # Panics
/// If key, matrices and assignment are not of one circuit.
pub fn prove(
    key: &ProvingKey<Bn254>,
    matrices: &[Matrix<Fr>],
    constraints: usize,
    assignment: &[Fr],
    blinding: [Fr; 2],
) -> Result<Proof<Bn254>, SynthesisError> {
    let [r, s] = blinding;
    let inputs = key.vk.gamma_abc_g1.len();
    let quotient =
        LibsnarkReduction::witness_map_from_matrices::<Fr, GeneralEvaluationDomain<Fr>>(matrices, inputs, constraints, assignment)?;

    let a = key.vk.alpha_g1 + key.delta_g1 * r + msm(&key.a_query, assignment);
    let b_g1 = key.beta_g1 + key.delta_g1 * s + msm(&key.b_g1_query, assignment);
    let b = key.vk.beta_g2 + key.vk.delta_g2 * s + msm_g2(&key.b_g2_query, assignment);
    // the quotient's degree is at most that of the last power in the key
    let quotient = msm(&key.h_query, &quotient[..key.h_query.len()]);
    let witness = msm(&key.l_query, &assignment[inputs..]);
    let c = a * s + b_g1 * r - key.delta_g1.into_group() * (r * s) + quotient + witness;
    Ok(Proof { a: a.into_affine(), b: b.into_affine(), c: c.into_affine() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::UniformRand;
    use ark_groth16::{Groth16, prepare_verifying_key};
    use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystem, ConstraintSystemRef, R1CS_PREDICATE_LABEL};

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
            let proof = prove(&key, &matrices, n, &assignment, blinding).unwrap();
            let theirs = Groth16::<Bn254>::create_proof_with_reduction(Power(x, n), &key, blinding[0], blinding[1]).unwrap();
            assert_eq!(proof, theirs);
            assert!(Groth16::<Bn254>::verify_proof(&verifying, &proof, &public[1..]).unwrap());
            let mut wrong = assignment;
            *wrong.last_mut().unwrap() += Fr::from(1u64);
            let proof = prove(&key, &matrices, n, &wrong, blinding).unwrap();
            assert!(!Groth16::<Bn254>::verify_proof(&verifying, &proof, &public[1..]).unwrap());
        }
    }
}
