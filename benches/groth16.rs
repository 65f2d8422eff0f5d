//! Groth16's prover beside arkworks', of which it has the keys: the same key, circuit, assignment and blinding, so the
//! same proof.
//!
//! `cargo bench --locked -p assay-benches --bench groth16`. Both run in turns; the ratio means more than the seconds.

use ark_bn254::{Bn254, Fr};
use ark_ff::UniformRand;
use ark_groth16::Groth16;
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystem, ConstraintSystemRef, R1CS_PREDICATE_LABEL, SynthesisError,
};
use assay_benches::RUNS;
use assay_prover::backend::Cpu;
use assay_prover::wrap::groth16::{Program, prove};
use std::time::Instant;

/// `x^(n + 1)` is public: `n` constraints, each of a witness of full length, as most of the wrap's are.
#[derive(Clone, Copy)]
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

/// What a proof takes, and what it is.
fn seconds<T>(make: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let made = make();
    (start.elapsed().as_secs_f64(), made)
}

fn main() {
    let mut rng = ark_std::test_rng();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores; best of {RUNS}, in turns\n\n| constraints | arkworks | here | ratio |\n|---|---|---|---|");
    for log in [12, 14, 16] {
        let circuit = Power(Fr::rand(&mut rng), (1 << log) - 2);
        let key = Groth16::<Bn254>::generate_random_parameters_with_reduction(circuit, &mut rng).expect("a key");
        let system = ConstraintSystem::new_ref();
        circuit.generate_constraints(system.clone()).expect("constraints");
        system.finalize();
        let matrices = system.to_matrices().expect("matrices")[R1CS_PREDICATE_LABEL].clone();
        let public = system.instance_assignment().expect("an assignment").to_vec();
        let assignment = [public.clone(), system.witness_assignment().expect("a witness").to_vec()].concat();
        let [r, s] = [Fr::rand(&mut rng), Fr::rand(&mut rng)];
        let program = Program::new(matrices.clone(), public.len()).expect("a domain");
        let (mut theirs, mut ours) = (f64::MAX, f64::MAX);
        for _ in 0..RUNS {
            let (took, proof) = seconds(|| {
                Groth16::<Bn254>::create_proof_with_reduction_and_matrices(
                    &key,
                    r,
                    s,
                    &matrices,
                    public.len(),
                    circuit.1,
                    &assignment,
                )
            });
            theirs = theirs.min(took);
            let (took, ours_is) = seconds(|| prove(&Cpu, &key, &program, &assignment, [r, s]));
            ours = ours.min(took);
            assert_eq!(proof.expect("a proof"), ours_is, "the same proof");
        }
        println!("| 2^{log} | {theirs:.3} s | {ours:.3} s | {:.1} |", theirs / ours);
    }
}
