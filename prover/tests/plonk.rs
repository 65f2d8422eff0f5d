//! The three readers of the verifier, on inner proofs of executed networks: native values, R1CS, and rows of a fixed
//! gate set.

use assay_circuits::batch::Batch;
use assay_circuits::plonk::Circuit;
use assay_circuits::verifier::{self, InnerProof};
use assay_circuits::{Fr, sample, wrap};
use assay_prover::control::Control;
use assay_prover::package::{Metadata, Package};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;

#[test]
fn the_three_machines_agree() {
    let srs = Srs::development(11);
    for (seed, log_chunk, batch) in
        [(1, 8, Batch::ONE), (4, 6, Batch::ONE), (6, 9, Batch::joint(2)), (3, 8, Batch::separate(1))]
    {
        let (architecture, weights) = sample::random_network(seed);
        let cells: Vec<i32> =
            (0..batch.inferences() as u64).flat_map(|i| sample::random_input(&architecture, seed + i)).collect();
        let package = Package::new(Metadata::default(), architecture, weights, log_chunk, &srs).unwrap();
        let seller = Seller::new(package, srs.clone()).unwrap().batched(batch).unwrap();
        let (shape, id) = (seller.shape(), seller.srs.id());
        let opening = InputOpening::private(shape, cells);
        let input = opening.commit(shape, &seller.srs).unwrap();
        let trace = seller.execute(&opening).unwrap();
        let proved = seller.prove_trace(&input, &trace, Fr::from(1u64), true, &Control::new()).unwrap();

        let circuit = Circuit::new(shape, &id).unwrap();
        let refused_by = |proof: &InnerProof<Fr>| {
            let native = verifier::verify(shape, &id, &proved.statement, proof).is_err();
            let r1cs = wrap::assignment(shape, &id, proved.statement, proof, proved.public).is_err();
            [native, r1cs, circuit.advice(proved.statement, proof, proved.public).is_err()]
        };
        assert_eq!(refused_by(&proved.proof), [false; 3], "seed {seed}");
        let advice = circuit.advice(proved.statement, &proved.proof, proved.public).unwrap();
        assert_eq!(circuit.first_violated(&advice, proved.public.to_array()), None, "seed {seed}");
        let constraints = wrap::constraints(shape, &id).unwrap();
        let assignment = wrap::assignment(shape, &id, proved.statement, &proved.proof, proved.public).unwrap();
        assert_eq!(constraints.first_violated(&assignment), None, "seed {seed}");

        let elements = proved.proof.elements();
        for i in 0..elements.len() {
            let mut lie = elements.clone();
            lie[i] += Fr::from(1u64);
            let lie = InnerProof::from_elements(shape, true, &lie).unwrap();
            assert_eq!(refused_by(&lie), [true; 3], "seed {seed} element {i}");
        }
    }
}
