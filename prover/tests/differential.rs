//! RQ7, G8: one network, four readers. Executor, native verifier, constraints and rows agree on every rule, on the ends
//! of the input's range as well; and where the native verifier refuses, the two circuits have no witness.

#[path = "../../circuits/tests/support/loops.rs"]
mod loops;

use assay_circuits::model::{Architecture, Rule, Weights};
use assay_circuits::plonk::Circuit;
use assay_circuits::verifier::{self, InnerProof};
use assay_circuits::{Fr, sample, wrap};
use assay_prover::control::Control;
use assay_prover::native::{self, Claim, NativeProof};
use assay_prover::package::{Metadata, Package};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use std::collections::{BTreeMap, BTreeSet};

const LOG_CHUNK: u32 = 8;

/// Everything that a network's layers have of what there is.
fn kinds(arch: &Architecture) -> BTreeSet<&'static str> {
    let mut kinds = BTreeSet::new();
    for (index, layer) in arch.layers.iter().enumerate() {
        let inside = arch.loop_of(index as u32).is_some();
        let (name, looped) = match &layer.rule {
            Rule::Exact => ("exact", "exact in a loop"),
            Rule::Requantise { limbs: 0, .. } => ("requantise", "requantise in a loop"),
            Rule::Requantise { .. } => ("requantise with limbs", "requantise with limbs in a loop"),
            Rule::Divide { limbs: 0, .. } => ("divide", "divide in a loop"),
            Rule::Divide { .. } => ("divide with limbs", "divide with limbs in a loop"),
            Rule::Quotient { .. } => ("quotient", "quotient in a loop"),
            Rule::SquareRoot { .. } => ("root", "root in a loop"),
            Rule::Maximum { bits, len, .. } if *len < 1 << bits => ("maximum of some", "maximum of some in a loop"),
            Rule::Maximum { .. } => ("maximum of all", "maximum of all in a loop"),
            Rule::Rows { .. } => ("rows of weights", "rows of weights in a loop"),
        };
        kinds.insert(name);
        kinds.extend(inside.then_some(looped));
    }
    kinds.extend((arch.outputs.len() > 1).then_some("two outputs"));
    kinds.extend(arch.matrices.iter().any(|block| !block.cuts.is_empty()).then_some("cut weights"));
    kinds
}

/// The kinds that every run must have.
const NEEDED: [&str; 18] = [
    "cut weights",
    "exact",
    "requantise",
    "requantise with limbs",
    "divide",
    "divide with limbs",
    "quotient",
    "root",
    "maximum of some",
    "maximum of all",
    "two outputs",
    "rows of weights",
    "exact in a loop",
    "requantise with limbs in a loop",
    "divide with limbs in a loop",
    "quotient in a loop",
    "root in a loop",
    "maximum of some in a loop",
];

/// Named networks, and as many random ones as it takes until each kind that random networks have is there three times.
fn networks() -> Vec<(String, (Architecture, Weights))> {
    let mut networks = vec![
        ("attention".to_owned(), sample::attention(3, 4, 2)),
        ("layer norm".to_owned(), sample::layer_norm(3, 6)),
        ("embedding".to_owned(), sample::embedding(3, 5, 6)),
        ("every rule in a loop".to_owned(), loops::every_rule_in_a_loop()),
    ];
    let cut: Vec<_> = networks
        .iter()
        .zip(0..)
        .filter_map(|((name, network), seed)| Some((name, sample::tiled(network.clone(), seed)?)))
        .collect();
    let cut: Vec<_> = cut.into_iter().map(|(name, [_, cut])| (format!("{name}, cut"), cut)).collect();
    networks.extend(cut);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..200 {
        let network = sample::random_network(seed);
        let new: Vec<&str> =
            kinds(&network.0).into_iter().filter(|kind| seen.get(kind).is_none_or(|count| *count < 3)).collect();
        if !new.is_empty() {
            new.into_iter().for_each(|kind| *seen.entry(kind).or_default() += 1);
            networks.push((format!("seed {seed}"), network));
        }
    }
    networks
}

#[test]
fn rq7_all_readers_agree_on_every_rule() {
    let mut tried: BTreeMap<&str, usize> = BTreeMap::new();
    let srs = Srs::development(LOG_CHUNK + 1);
    for (number, (name, network)) in networks().into_iter().enumerate() {
        kinds(&network.0).into_iter().for_each(|kind| *tried.entry(kind).or_default() += 1);
        let inputs: Vec<Vec<i32>> = (0..4).map(|kind| sample::extreme_input(&network.0, kind)).collect();
        let package = Package::new(Metadata::default(), network.0, network.1, LOG_CHUNK, &srs).unwrap();
        let seller = Seller::new(package, srs.clone()).unwrap();
        let (shape, id) = (seller.shape(), srs.id());
        let constraints = wrap::constraints(shape, &id).unwrap();
        let circuit = Circuit::new(shape, &id).unwrap();
        for (kind, cells) in inputs.into_iter().enumerate() {
            let what = format!("{name}, extreme {kind}");
            let opening = InputOpening::private(shape, cells);
            let trace = seller.execute(&opening).unwrap();
            let input = opening.commit(shape, &srs).unwrap();
            let proved = seller.prove_trace(&input, &trace, Fr::from(1u64), true, &Control::new()).unwrap();
            let (statement, public, elements) = (proved.statement, proved.public, proved.proof.elements());

            // one element of the proof is changed: no reader takes it
            let mut lie = elements.clone();
            lie[(5 * number + 11 * kind) % elements.len()] += Fr::from(1u64);
            let lie = InnerProof::from_elements(shape, true, &lie).unwrap();
            assert!(verifier::verify(shape, &id, &statement, &lie).is_err(), "{what}");
            assert!(wrap::assignment(shape, &id, statement, &lie, public).is_err(), "{what}");
            assert!(circuit.advice(statement, &lie, public).is_err(), "{what}");

            let assignment = wrap::assignment(shape, &id, statement, &proved.proof, public).unwrap();
            assert_eq!(constraints.first_violated(&assignment), None, "{what}");
            let advice = circuit.advice(statement, &proved.proof, public).unwrap();
            assert!(circuit.first_violated(&advice, public.to_array()).is_none(), "{what}");
            let claim = Claim::of(&proved, input.commitments, Fr::from(1u64));
            let proof = NativeProof::new(proved, shape, &srs, &Control::new()).unwrap();
            native::verify(&seller.package.model, &claim, &proof).unwrap();
        }
    }
    for kind in NEEDED {
        assert!(tried.contains_key(kind), "no network has {kind}: {tried:?}");
    }
}
