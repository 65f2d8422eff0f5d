//! Inner proofs: every honest one verifies, whatever the network and the input; every lie is refused.

use assay_circuits::batch::Batch;
use assay_circuits::exec::{self, Trace};
use assay_circuits::model::{Architecture, Rule, Weights};
use assay_circuits::sample::builder::{NetworkBuilder, along, linear};
use assay_circuits::system::{ColumnId, System};
use assay_circuits::{Fr, sample, wrap};
use assay_prover::control::Control;
use assay_prover::native::{self, Claim, NativeProof};
use assay_prover::package::{Metadata, Package};
use assay_prover::seller::{InputOpening, ProveError, Seller};
use assay_prover::srs::Srs;
use proptest::prelude::*;
use std::sync::OnceLock;

const LOG_CHUNK: u32 = 8;

fn srs() -> Srs {
    static SRS: OnceLock<Srs> = OnceLock::new();
    SRS.get_or_init(|| Srs::development(11)).clone()
}

fn seller((architecture, weights): (Architecture, Weights), log_chunk: u32) -> Seller {
    let package = Package::new(Metadata::default(), architecture, weights, log_chunk, &srs()).unwrap();
    Seller::new(package, srs()).unwrap()
}

fn honest(seller: &Seller, cells: Vec<i32>) -> (Claim, NativeProof) {
    let input = InputOpening::public(seller.shape(), cells);
    seller.prove_native(&input, Fr::from(7u64), &Control::new()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Random networks of every kind of term × random and extreme inputs × chunk sizes always prove.
    #[test]
    fn every_input_is_provable(seed in 0u64..10_000, extreme: bool, log_chunk in 5u32..11) {
        let network = sample::random_network(seed);
        let cells = if extreme { sample::extreme_input(&network.0, seed) } else { sample::random_input(&network.0, seed) };
        let seller = seller(network, log_chunk);
        let (claim, proof) = honest(&seller, cells);
        let model = &seller.package.model;
        prop_assert!(native::verify(model, &claim, &proof).is_ok());
        prop_assert_eq!(&NativeProof::from_bytes(model, &proof.to_bytes()).unwrap(), &proof);
    }
}

/// H1: every word of the proof counts, and no length but the right one is read.
#[test]
fn h1_every_element_of_the_proof_counts() {
    // the last has rounds of degree 3
    for (seed, network) in
        [sample::random_network(1), sample::random_network(4), sample::attention(2, 2, 1)].into_iter().enumerate()
    {
        let cells = sample::random_input(&network.0, 3);
        let seller = seller(network, LOG_CHUNK);
        let model = &seller.package.model;
        let (claim, proof) = honest(&seller, cells);
        let bytes = proof.to_bytes();
        for word in 0..bytes.len() / 32 {
            for change in [1u8, 2] {
                let mut changed = bytes.clone();
                changed[32 * word + 31] ^= change;
                if let Ok(changed) = NativeProof::from_bytes(model, &changed) {
                    assert!(native::verify(model, &claim, &changed).is_err(), "seed {seed} word {word}");
                }
            }
        }
        for len in (0..bytes.len()).step_by(97) {
            assert!(NativeProof::from_bytes(model, &bytes[..len]).is_err());
        }
        assert!(NativeProof::from_bytes(model, &[bytes.as_slice(), &[0; 32]].concat()).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Batches of random networks, with joint and separate inputs, prove; each inference has the output that it has
    /// alone.
    #[test]
    fn batches_are_provable(seed in 0u64..10_000, log_len in 1u32..4, separate: bool, log_chunk in 5u32..11) {
        let network = sample::random_network(seed);
        let inputs: Vec<Vec<i32>> = (0..1 << log_len).map(|i| if i == 1 {
            sample::extreme_input(&network.0, seed)
        } else {
            sample::random_input(&network.0, seed + i)
        }).collect();
        let alone: Vec<i32> = inputs.iter().flat_map(|cells| exec::execute(&network.0, &network.1, cells).unwrap().output(&network.0, &System::new(&network.0))).collect();
        let batch = if separate { Batch::separate(log_len) } else { Batch::joint(log_len) };
        let seller = seller(network, log_chunk).batched(batch).unwrap();
        let (claim, proof) = honest(&seller, inputs.concat());
        prop_assert!(native::verify(&seller.package.model, &claim, &proof).is_ok());
        prop_assert_eq!(claim.output.iter().map(|y| i32::from(*y)).collect::<Vec<_>>(), alone);
        prop_assert_eq!(claim.input.len() % if separate { 1 << log_len } else { 1 }, 0);
    }
}

/// H4 in a batch: one cell of any column of any inference, and one output that belongs to another inference.
#[test]
fn h4_a_false_cell_of_a_batch_is_refused() {
    let mut tried = 0;
    for (seed, batch) in [(2, Batch::joint(2)), (3, Batch::separate(1)), (5, Batch::separate(2)), (7, Batch::joint(1))]
    {
        let network = sample::random_network(seed);
        let inputs: Vec<Vec<i32>> =
            (0..batch.inferences() as u64).map(|i| sample::random_input(&network.0, seed + 7 * i)).collect();
        let trace = Trace::join(inputs.iter().map(|cells| exec::execute(&network.0, &network.1, cells).unwrap()));
        let cells = inputs.concat();
        let seller = seller(network, LOG_CHUNK).batched(batch).unwrap();
        assert!(accepted(&seller, &cells, &trace));
        for column in 1..trace.columns.len() {
            let mut lie = trace.clone();
            let values = &mut lie.columns[column];
            let at = (seed as usize * 31 + column * 7) % values.len();
            values[at] += 1;
            assert!(!accepted(&seller, &cells, &lie), "seed {seed} column {column}");
            tried += 1;
        }
        let input = InputOpening::public(seller.shape(), cells);
        let (claim, proof) = seller.prove_native(&input, Fr::from(7u64), &Control::new()).unwrap();
        let mut swapped = claim.clone();
        swapped.output.rotate_left(claim.output.len() / batch.inferences());
        assert_eq!(native::verify(&seller.package.model, &swapped, &proof).is_ok(), swapped == claim);
        if batch.is_separate() {
            let mut swapped = claim.clone();
            swapped.input.rotate_left(claim.input.len() / batch.inferences());
            assert_eq!(native::verify(&seller.package.model, &swapped, &proof).is_ok(), swapped == claim);
        }
        let other = seller.package.model.batched(if batch.is_separate() {
            Batch::joint(batch.log_len())
        } else {
            Batch::separate(batch.log_len())
        });
        assert!(native::verify(&other.unwrap(), &claim, &proof).is_err());
    }
    assert!(tried > 20);
}

#[test]
fn batches_take_exactly_their_inputs() {
    let network = sample::random_network(2);
    let cells = sample::random_input(&network.0, 3);
    let batched = seller(network, LOG_CHUNK).batched(Batch::joint(2)).unwrap();
    let input = InputOpening::public(batched.shape(), cells.repeat(3));
    let error = batched.prove_native(&input, Fr::from(7u64), &Control::new()).unwrap_err();
    assert!(matches!(error, ProveError::Inputs { have: 3, need: 4 }), "{error}");
    assert!(batched.batched(Batch::joint(13)).is_err());
}

/// FS1: the statement is bound.
#[test]
fn fs1_every_part_of_the_claim_counts() {
    let network = sample::random_network(2);
    let cells = sample::random_input(&network.0, 3);
    let seller = seller(network, LOG_CHUNK);
    let model = &seller.package.model;
    let (claim, proof) = honest(&seller, cells);
    let refused = |claim: &Claim| native::verify(model, claim, &proof).is_err();
    assert!(!refused(&claim));
    assert!(refused(&Claim { context: Fr::from(8u64), ..claim.clone() }));
    assert!(refused(&Claim { input: vec![-claim.input[0]], ..claim.clone() }));
    assert!(refused(&Claim { input: Vec::new(), ..claim.clone() }));
    assert!(refused(&Claim { output: claim.output[1..].to_vec(), ..claim.clone() }));
    for i in 0..claim.output.len() {
        let mut output = claim.output.clone();
        output[i] = output[i].wrapping_add(1);
        assert!(refused(&Claim { output, ..claim.clone() }));
    }
    for clamps in [claim.clamps + 1, claim.clamps.wrapping_sub(1)] {
        assert!(refused(&Claim { clamps, ..claim.clone() }));
    }
    let mut other = model.clone();
    other.srs.id[0] ^= 1;
    assert!(native::verify(&other, &claim, &proof).is_err());
    let mut other = model.clone();
    other.weights.swap(0, model.weights.len() - 1);
    assert!(model.weights.len() == 1 || native::verify(&other, &claim, &proof).is_err());
}

/// Proves a trace as it is and says whether the proof verifies.
fn accepted(seller: &Seller, cells: &[i32], trace: &Trace) -> bool {
    let input = InputOpening::public(seller.shape(), cells.to_vec()).commit(seller.shape(), &seller.srs).unwrap();
    let context = Fr::from(1u64);
    let proved = seller.prove_trace(&input, trace, context, false, &Control::new()).unwrap();
    let claim = Claim::of(&proved, input.commitments, context);
    native::verify(
        &seller.package.model,
        &claim,
        &NativeProof::new(proved, seller.shape(), &seller.srs, &Control::new()).unwrap(),
    )
    .is_ok()
}

/// H4: one cell of any column of any layer, padding included, is changed; the prover proves it as well as it can.
#[test]
fn h4_a_false_cell_is_refused() {
    let mut tried = 0;
    for seed in 0..16 {
        let network = match seed {
            12 => sample::attention(3, 4, 2),
            13 => sample::layer_norm(3, 6),
            14 => sample::recurrent(5, 3),
            _ => sample::random_network(seed),
        };
        let cells = if seed % 2 == 0 {
            sample::random_input(&network.0, seed)
        } else {
            sample::extreme_input(&network.0, seed)
        };
        let trace = exec::execute(&network.0, &network.1, &cells).unwrap();
        let seller = seller(network, LOG_CHUNK);
        assert!(accepted(&seller, &cells, &trace));
        for column in 1..trace.columns.len() {
            let mut lie = trace.clone();
            let values = &mut lie.columns[column];
            // Somewhere, or the last cell, which is padding wherever a dimension is not a power of two.
            let somewhere = (seed as usize * 31 + column * 7) % values.len();
            let at = if (seed as usize + column).is_multiple_of(2) { somewhere } else { values.len() - 1 };
            values[at] += 1;
            assert!(!accepted(&seller, &cells, &lie), "seed {seed} column {column} cell {at}");
            tried += 1;
        }
    }
    assert!(tried > 50);
}

/// H4 for every single cell that the prover commits to, but for multiplicities: none of them is free in any rule.
#[test]
fn h4_every_cell_counts() {
    let mut tried = 0;
    for (name, network) in [
        ("attention", sample::attention(2, 2, 1)),
        ("norm", sample::layer_norm(2, 2)),
        ("recurrent", sample::recurrent(2, 2)),
    ] {
        let cells = sample::random_input(&network.0, 5);
        let trace = exec::execute(&network.0, &network.1, &cells).unwrap();
        let seller = seller(network, 6);
        assert!(accepted(&seller, &cells, &trace));
        for column in 1..trace.columns.len() {
            for at in 0..trace.columns[column].len() {
                let mut lie = trace.clone();
                lie.columns[column][at] += if (column + at).is_multiple_of(2) { 1 } else { -1 };
                assert!(!accepted(&seller, &cells, &lie), "{name}, column {column}, cell {at}");
                tried += 1;
            }
        }
    }
    assert!(tried > 150, "{tried}");
}

/// RQ1, RQ3: the quotient one off with the remainder made up for it, and a clamp where nothing overflows: the sums are
/// right, the ranges are not.
#[test]
fn rq1_wrong_quotients_with_matching_remainders_are_refused() {
    let (mut shifted, mut carried, mut clamped) = (0, 0, 0);
    for seed in 0..24 {
        let network = sample::random_network(seed);
        let cells = sample::random_input(&network.0, seed);
        let trace = exec::execute(&network.0, &network.1, &cells).unwrap();
        let architecture = network.0.clone();
        let seller = seller(network, LOG_CHUNK);
        let system = &seller.shape().system;
        for (index, layer) in architecture.layers.iter().enumerate() {
            let Rule::Requantise { shift, table, .. } = layer.rule else { continue };
            let table = &architecture.tables[table as usize];
            let columns = system.layers[index];
            let move_quotient = |lie: &mut Trace, at: usize, step: i32| {
                let q = lie.column(columns.pre)[at] + step;
                lie.column_mut(columns.pre).unwrap()[at] = q;
                if columns.post != columns.pre {
                    lie.column_mut(columns.post).unwrap()[at] = table.apply(q);
                }
            };
            if shift > 0 {
                // the remainder's limbs come behind q and f(q), the highest last
                let count = shift.div_ceil(16);
                let bits = shift.div_ceil(count);
                let rem = |limb: u8| ColumnId(columns.post.0.max(columns.pre.0) + 1 + u32::from(limb));
                for step in [1, -1] {
                    let mut lie = trace.clone();
                    move_quotient(&mut lie, 0, step);
                    lie.column_mut(rem(count - 1)).unwrap()[0] -= step << (shift - bits * (count - 1));
                    assert!(!accepted(&seller, &cells, &lie), "seed {seed} layer {index}");
                    shifted += 1;
                }
                if count > 1 {
                    // the same remainder, whose digits are not in their ranges
                    let mut lie = trace.clone();
                    lie.column_mut(rem(0)).unwrap()[0] += 1 << bits;
                    lie.column_mut(rem(1)).unwrap()[0] -= 1;
                    assert!(!accepted(&seller, &cells, &lie), "seed {seed} layer {index}");
                    carried += 1;
                }
            }
            let inside = trace.column(columns.pre).iter().position(|q| *q != table.max() && *q != table.min());
            if let (Some(at), Some(limb)) = (inside, system.limbs(index).first()) {
                // q + over is the same; the limb is nonzero away from the rail.
                let mut lie = trace.clone();
                move_quotient(&mut lie, at, -1);
                lie.column_mut(*limb).unwrap()[at] += 1;
                assert!(!accepted(&seller, &cells, &lie), "seed {seed} layer {index}");
                clamped += 1;
            }
        }
    }
    assert!(shifted > 10 && carried > 1 && clamped > 5, "{shifted} {carried} {clamped}");
}

/// A consistent witness of other weights, and of another input.
#[test]
fn another_models_execution_is_refused() {
    let (architecture, weights) = sample::attention(3, 4, 2);
    let cells = sample::random_input(&architecture, 6);
    let mut other = weights.clone();
    other.matrices[0][0] += 100;
    let lie = exec::execute(&architecture, &other, &cells).unwrap();
    let truth = exec::execute(&architecture, &weights, &cells).unwrap();
    let other_cells = sample::random_input(&architecture, 7);
    let elsewhere = exec::execute(&architecture, &weights, &other_cells).unwrap();
    let seller = seller((architecture, weights), LOG_CHUNK);
    assert!(accepted(&seller, &cells, &truth));
    assert_ne!(lie, truth);
    assert!(!accepted(&seller, &cells, &lie));
    assert_ne!(elsewhere, truth);
    assert!(!accepted(&seller, &cells, &elsewhere));
}

/// One equation, three readers: the circuit accepts what the native verifier accepts, and G8: no variable of its
/// witness is free.
#[test]
fn g8_the_circuit_agrees_and_determines_its_witness() {
    determines_its_witness(Batch::ONE);
}

/// G8 where inputs lie apart.
#[test]
fn g8_the_circuit_of_a_batch_agrees_and_determines_its_witness() {
    determines_its_witness(Batch::separate(1));
}

fn determines_its_witness(batch: Batch) {
    let network = sample::random_network(3);
    let cells: Vec<i32> =
        (0..batch.inferences() as u64).flat_map(|i| sample::random_input(&network.0, 3 + i)).collect();
    let seller = seller(network, LOG_CHUNK).batched(batch).unwrap();
    let shape = seller.shape();
    assert_eq!(shape.layout.input.gap > 0, batch.is_separate());
    let id = seller.srs.id();
    let opening = InputOpening::private(shape, cells);
    let input = opening.commit(shape, &seller.srs).unwrap();
    let trace = seller.execute(&opening).unwrap();
    let proved = seller.prove_trace(&input, &trace, Fr::from(1u64), true, &Control::new()).unwrap();
    let constraints = wrap::constraints(shape, &id).unwrap();
    let assignment = wrap::assignment(shape, &id, proved.statement, &proved.proof, proved.public).unwrap();
    assert_eq!(assignment.len(), constraints.variables);
    assert_eq!(constraints.first_violated(&assignment), None);

    // Sparse columns: which constraints mention a variable.
    let mut mentions = vec![Vec::new(); constraints.variables];
    for (row, ((a, b), c)) in constraints.a.iter().zip(&constraints.b).zip(&constraints.c).enumerate() {
        a.iter().chain(b).chain(c).for_each(|(variable, _)| mentions[*variable as usize].push(row));
    }
    let dot = |lc: &[(u32, Fr)], z: &[Fr]| lc.iter().map(|(v, k)| z[*v as usize] * k).sum::<Fr>();
    let mut changed = assignment.clone();
    for variable in 1..constraints.variables {
        changed[variable] += Fr::from(1u64);
        let violated = mentions[variable].iter().any(|&row| {
            let [a, b, c] = [&constraints.a, &constraints.b, &constraints.c].map(|m| dot(&m[row], &changed));
            a * b != c
        });
        assert!(violated, "variable {variable} is free");
        changed[variable] = assignment[variable];
    }

    // Where the native verifier refuses, there is no witness.
    let elements = proved.proof.elements();
    for i in (0..elements.len()).step_by(7) {
        let mut lie = elements.clone();
        lie[i] += Fr::from(1u64);
        let lie = assay_circuits::verifier::InnerProof::from_elements(shape, true, &lie).unwrap();
        assert!(wrap::assignment(shape, &id, proved.statement, &lie, proved.public).is_err(), "element {i}");
    }
}

/// A test of the configuration that ships, not of the code: at least 100 bits.
#[test]
fn shipped_configurations_have_100_bits_of_soundness() {
    for (architecture, _) in [sample::digits_cnn(), sample::lenet5(), sample::cifar_cnn(), sample::mlp_4x1024()] {
        for log_chunk in [13, 16, 18] {
            let shape = assay_circuits::shape::Shape::new(architecture.clone(), log_chunk).unwrap();
            assert!(shape.soundness_bits() >= 100);
            // FS7: what is not committed is the lookup tree; its multiplicative depth stays below the hash's.
            assert!(2 * shape.layout.log_leaves < 68);
        }
    }
}

/// A sum that is read exactly is not looked up: such a layer may have more cells than all lookups together, and is
/// checked in all of them.
#[test]
fn exact_layers_may_be_larger_than_all_lookups() {
    let (mut builder, input) = NetworkBuilder::new(&[2], 4, 0, 4);
    let term = linear(3, vec![1, 7], input.source, vec![along(1, 0)]);
    let large = builder.layer(&[128, 2], vec![term], 5, Rule::Exact);
    let (architecture, weights) = builder.finish(&large, 0).unwrap();
    for batch in [Batch::ONE, Batch::joint(1), Batch::separate(2)] {
        let network = (architecture.clone(), weights.clone());
        let cells: Vec<i32> = (0..2 * batch.inferences() as i32).map(|i| i - 3).collect();
        let trace = Trace::join(cells.chunks(2).map(|cells| exec::execute(&network.0, &network.1, cells).unwrap()));
        let seller = seller(network, 6).batched(batch).unwrap();
        let layout = &seller.shape().layout;
        assert!(layout.leaf_count < (256 * batch.inferences()) / 2);
        assert!(accepted(&seller, &cells, &trace));
        for at in [0, 100, trace.columns[1].len() - 1] {
            let mut lie = trace.clone();
            lie.columns[1][at] += 1;
            assert!(!accepted(&seller, &cells, &lie), "cell {at}");
        }
    }
}
