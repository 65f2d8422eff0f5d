//! Blocks of weights of which not all cells are stored: they are the same function, they prove, and what is not stored
//! is 0.

use assay_circuits::batch::Batch;
use assay_circuits::exec;
use assay_circuits::model::{Architecture, Cut, Domain, Function, ModelError, Rule, Weights};
use assay_circuits::plonk::Circuit;
use assay_circuits::sample::builder::{NetworkBuilder, along, linear};
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

/// RQ8: The tiles of a block are in their places: whoever computes with two of them exchanged has no proof under the
/// commitments of the model.
#[test]
fn rq8_tiles_are_not_exchanged() {
    let mut tried = 0;
    for seed in 0..40 {
        let [whole, cut] = network(2000 + seed);
        let Some((at, block)) = cut.0.matrices.iter().enumerate().find(|(_, block)| block.tiles() > 1) else {
            continue;
        };
        let input = sample::random_input(&whole.0, seed);
        let mut stored = cut.1.matrices[at].clone();
        let (first, second) = stored.split_at_mut(1 << block.log_tile());
        first.swap_with_slice(&mut second[..first.len()]);
        let mut other = whole.1.clone();
        other.matrices[at] = block.unpack(&stored);
        let lie = exec::execute(&whole.0, &other, &input).unwrap();
        let truth = exec::execute(&whole.0, &whole.1, &input).unwrap();
        if lie.output(&whole.0, &System::new(&whole.0)) == truth.output(&whole.0, &System::new(&whole.0)) {
            continue;
        }
        tried += 1;
        let seller = seller(cut, 6);
        let committed = InputOpening::public(seller.shape(), input).commit(seller.shape(), &srs()).unwrap();
        let proved = seller.prove_trace(&committed, &lie, Fr::from(1u64), false, &Control::new()).unwrap();
        let claim = Claim::of(&proved, committed.commitments.clone(), Fr::from(1u64));
        let proof = NativeProof::new(proved, seller.shape(), &srs(), &Control::new()).unwrap();
        assert!(native::verify(&seller.package.model, &claim, &proof).is_err(), "{seed}");
    }
    assert!(tried >= 5, "{tried} networks whose output depends on the order of tiles");
}

/// Maxima of weights themselves: over an axis with cuts all of whose places count, and over one of which some do,
/// beside one with cuts.
#[test]
fn maxima_of_tiles_are_the_executors() {
    for (len, cut) in [
        (4, Cut { bit: 2, bits: 2, len: 3 }),
        (3, Cut { bit: 0, bits: 2, len: 3 }),
        (2, Cut { bit: 1, bits: 1, len: 1 }),
    ] {
        let (mut b, _) = NetworkBuilder::new(&[1], 4, 0, 4);
        let table = b.table(4, Domain::Unsigned, Function::Identity);
        let mut next = 0;
        let source = b.weight(&[4, 4], || {
            next += 5;
            next % 16 - 8
        });
        let term = linear(1, vec![2, 2], source, vec![along(2, 0), along(2, 1)]);
        let y = b.layer(&[4, 4], vec![term], 0, Rule::Maximum { low: 2, bits: 2, len, table });
        let mut network = b.finish(&y, 0).unwrap();
        network.0.matrices[0].cuts = vec![cut];
        network.1.matrices[0] = network.0.matrices[0].pack(network.1.matrices[0].clone());
        let mut whole = network.clone();
        whole.1.matrices[0] = network.0.matrices[0].unpack(&network.1.matrices[0]);
        whole.0.matrices[0].cuts.clear();
        let output = exec::execute(&whole.0, &whole.1, &[1]).unwrap().output(&whole.0, &System::new(&whole.0));
        let seller = seller(network, 5);
        let opening = InputOpening::public(seller.shape(), vec![1]);
        let (claim, proof) = seller.prove_native(&opening, Fr::from(1u64), &Control::new()).unwrap();
        assert!(native::verify(&seller.package.model, &claim, &proof).is_ok(), "{cut:?}");
        assert_eq!(claim.output.iter().map(|y| i32::from(*y)).collect::<Vec<_>>(), output, "{cut:?}");
    }
}

/// The circuits read tiles as the native verifier does: a true proof satisfies all of them.
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
        let rows = Circuit::new(seller.shape(), &id).unwrap();
        let advice = rows.advice(proved.statement, &proved.proof, proved.public).unwrap();
        assert_eq!(rows.first_violated(&advice, proved.public.to_array()), None);
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
