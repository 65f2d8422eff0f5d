//! Blocks of weights of which not all cells are stored: they are the same function, they prove, and what is not stored
//! is 0.

use assay_circuits::batch::Batch;
use assay_circuits::exec;
use assay_circuits::model::{Architecture, Cut, ModelError, Weights};
use assay_circuits::sample::{self, tiled};
use assay_circuits::system::System;
use assay_circuits::{Fr, wrap};
use assay_prover::control::Control;
use assay_prover::native::{self, Claim, NativeProof};
use assay_prover::package::{Metadata, Package};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use proptest::prelude::*;
use std::sync::OnceLock;

fn srs() -> Srs {
    static SRS: OnceLock<Srs> = OnceLock::new();
    SRS.get_or_init(|| Srs::development(11)).clone()
}

fn seller((architecture, weights): (Architecture, Weights), log_chunk: u32) -> Seller {
    Seller::new(Package::new(Metadata::default(), architecture, weights, log_chunk, &srs()).unwrap(), srs()).unwrap()
}

/// The first random network from `seed` on that can be cut, whole and cut; every fifth an embedding, whose rows are
/// looked up.
fn network(seed: u64) -> [(Architecture, Weights); 2] {
    let of = |seed: u64| if seed.is_multiple_of(5) { sample::embedding(3, 5, 6) } else { sample::random_network(seed) };
    (seed..).find_map(|seed| tiled(of(seed), seed)).expect("most networks can be cut")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Networks with cuts prove what they give whole, in proofs of one inference and of several, whatever the chunks.
    #[test]
    fn what_is_cut_proves_the_same(seed in 0u64..10_000, log_len in 0u32..3, separate: bool, log_chunk in 5u32..11) {
        let [whole, cut] = network(seed);
        let batch = if separate { Batch::separate(log_len) } else { Batch::joint(log_len) };
        let inputs: Vec<Vec<i32>> = (0..1 << log_len).map(|i| sample::random_input(&whole.0, seed + i)).collect();
        let output = |cells: &Vec<i32>| exec::execute(&whole.0, &whole.1, cells).unwrap().output(&whole.0, &System::new(&whole.0));
        let outputs: Vec<i32> = inputs.iter().flat_map(output).collect();
        let seller = seller(cut, log_chunk).batched(batch).unwrap();
        let opening = InputOpening::private(seller.shape(), inputs.concat());
        let (claim, proof) = seller.prove_native(&opening, Fr::from(7u64), &Control::new()).unwrap();
        prop_assert!(native::verify(&seller.package.model, &claim, &proof).is_ok());
        prop_assert_eq!(claim.output.iter().map(|y| i32::from(*y)).collect::<Vec<_>>(), outputs);
    }
}

/// RQ8: a prover who computes with a number in a cell that is not stored has no proof: to the verifier that cell is 0.
#[test]
fn rq8_cells_that_are_not_stored_are_zero() {
    let mut tried = 0;
    for seed in 0..30 {
        let [whole, cut] = network(1000 + seed);
        let input = sample::random_input(&whole.0, seed);
        let (truth, mut other) = (exec::execute(&whole.0, &whole.1, &input).unwrap(), whole.1.clone());
        for (block, cells) in cut.0.matrices.iter().zip(&mut other.matrices).filter(|(block, _)| !block.cuts.is_empty())
        {
            (0..cells.len()).filter(|cell| block.place(0, *cell).is_none()).for_each(|cell| cells[cell] = 3);
        }
        let lie = exec::execute(&whole.0, &other, &input).unwrap();
        if lie.output(&whole.0, &System::new(&whole.0)) == truth.output(&whole.0, &System::new(&whole.0)) {
            continue;
        }
        tried += 1;
        let seller = seller(cut, 6);
        let committed = InputOpening::public(seller.shape(), input).commit(seller.shape(), &srs()).unwrap();
        let accepts = |trace| {
            let proved = seller.prove_trace(&committed, trace, Fr::from(1u64), false, &Control::new()).unwrap();
            let claim = Claim::of(&proved, committed.commitments.clone(), Fr::from(1u64));
            let proof = NativeProof::new(proved, seller.shape(), &srs(), &Control::new()).unwrap();
            native::verify(&seller.package.model, &claim, &proof).is_ok()
        };
        assert!(accepts(&truth) && !accepts(&lie), "{seed}");
    }
    assert!(tried >= 5, "{tried} networks whose output depends on what is cut");
}

/// Every stored cell counts: other weights give another commitment, and a proof with them is none under the model's.
#[test]
fn other_weights_have_no_proof() {
    let [_, cut] = network(3);
    let (mut other, input) = (cut.clone(), sample::random_input(&cut.0, 3));
    let (matrix, _) = cut.0.matrices.iter().enumerate().find(|(_, block)| !block.cuts.is_empty()).unwrap();
    let last = other.1.matrices[matrix].len() - 1;
    other.1.matrices[matrix][last] ^= 1;
    let [cut, other] = [cut, other].map(|network| seller(network, 6));
    let opening = InputOpening::public(cut.shape(), input);
    let (claim, proof) = other.prove_native(&opening, Fr::from(1u64), &Control::new()).unwrap();
    assert!(native::verify(&other.package.model, &claim, &proof).is_ok());
    let mut model = other.package.model.clone();
    model.weights.clone_from(&cut.package.model.weights);
    assert!(native::verify(&model, &claim, &proof).is_err());
}

/// The circuits read tiles as the native verifier does: a true proof satisfies both.
#[test]
fn circuits_take_proofs_with_tiles() {
    for seed in [0, 1, 2, 3] {
        let [_, cut] = network(100 * seed);
        let input = sample::random_input(&cut.0, 1);
        let seller = seller(cut, 7);
        let id = srs().id();
        let opening = InputOpening::private(seller.shape(), input);
        let (trace, committed) = (seller.execute(&opening).unwrap(), opening.commit(seller.shape(), &srs()).unwrap());
        let proved = seller.prove_trace(&committed, &trace, Fr::from(1u64), true, &Control::new()).unwrap();
        let assignment = wrap::assignment(seller.shape(), &id, proved.statement, &proved.proof, proved.public).unwrap();
        assert_eq!(wrap::constraints(seller.shape(), &id).unwrap().first_violated(&assignment), None);
    }
}

/// Cuts that readers cannot read, or that overlap, make no model.
#[test]
fn cuts_that_do_not_fit_are_refused() {
    let [_, (architecture, weights)] = network(3);
    let (matrix, _) = architecture.matrices.iter().enumerate().find(|(_, block)| !block.cuts.is_empty()).unwrap();
    let with = |cuts: Vec<Cut>| {
        let mut changed = architecture.clone();
        changed.matrices[matrix].cuts = cuts;
        changed.validate()
    };
    let first = architecture.matrices[matrix].cuts[0];
    assert_eq!(with(vec![first, first]), Err(ModelError::Cuts { matrix }));
    assert_eq!(with(vec![Cut { len: 0, ..first }]), Err(ModelError::Cuts { matrix }));
    assert_eq!(with(vec![Cut { bit: 200, ..first }]), Err(ModelError::Cuts { matrix }));
    // one cut over all bits is across runs, but for a block of one run
    let all = Cut { bit: 0, bits: architecture.matrices[matrix].log_size, len: 3 };
    let runs = architecture
        .layers
        .iter()
        .flat_map(|layer| layer.operands())
        .find(|operand| operand.source == assay_circuits::model::Source::Weight(matrix as u32));
    if runs.is_some_and(|operand| operand.runs.iter().filter(|run| run.log_len > 0).count() > 1) {
        assert_eq!(with(vec![all]), Err(ModelError::Cuts { matrix }));
    }
    let mut short = weights.clone();
    short.matrices[matrix].pop();
    assert!(matches!(short.validate(&architecture), Err(ModelError::MatrixLength { .. })));
}
