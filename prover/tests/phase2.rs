//! The second phase of a ceremony: a Groth16 key that several people made, and the ways to cheat (CE6, CE7).

use ark_bn254::{Bn254, Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Field;
use ark_groth16::{Groth16, ProvingKey, VerifyingKey, prepare_verifying_key};
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, SynthesisError};
use assay_circuits::r1cs::Constraints;
use assay_prover::ceremony::circuit::{Circuit, Key, Step, Transcript};
use assay_prover::ceremony::{Beacon, Ceremony, CeremonyError, Fault};
use std::sync::LazyLock;

macro_rules! assert_err {
    ($value:expr, $pattern:pat $(if $guard:expr)?) => {
        let error = $value.err().expect("refused");
        assert!(matches!(error, $pattern $(if $guard)?), "{error:?}");
    };
}

/// `x^5` is public, as constraints and for arkworks: 1, the power, `x`, `x^2`, `x^3`, `x^4`.
fn constraints() -> Constraints {
    let one = Fr::ONE;
    let mut out = Constraints::default();
    (out.public, out.variables) = (2, 6);
    for (last, next) in [(2, 3), (3, 4), (4, 5), (5, 1)] {
        out.a.push(vec![(last, one)]);
        out.b.push(vec![(2, one)]);
        out.c.push(vec![(next, one)]);
    }
    out
}

struct FifthPower(Fr);

impl ConstraintSynthesizer<Fr> for FifthPower {
    fn generate_constraints(self, system: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let power = |n: u64| self.0.pow([n]);
        let public = system.new_input_variable(|| Ok(power(5)))?;
        let x = system.new_witness_variable(|| Ok(self.0))?;
        let mut last = x;
        for n in 2..=5 {
            let next = if n == 5 { public } else { system.new_witness_variable(|| Ok(power(n)))? };
            system.enforce_r1cs_constraint(|| last.into(), || x.into(), || next.into())?;
            last = next;
        }
        Ok(())
    }
}

fn circuit() -> Circuit {
    Circuit::new(constraints(), [1; 32]).unwrap()
}

fn powers_of(names: &[&str]) -> Ceremony {
    let mut powers = Ceremony::start(4).unwrap();
    names.iter().for_each(|name| powers.contribute(name).unwrap());
    powers
}

static POWERS: LazyLock<Ceremony> = LazyLock::new(|| powers_of(&["Ada", "Grace"]));

fn beacon(byte: u8) -> Beacon {
    Beacon::new(vec![byte; 32], 10).unwrap()
}

static OPEN: LazyLock<Key> = LazyLock::new(|| {
    let mut key = circuit().start(&POWERS).unwrap();
    ["Ada", "Grace", "Emmy"].iter().for_each(|name| circuit().contribute(&mut key, name).unwrap());
    key
});

static HELD: LazyLock<Key> = LazyLock::new(|| {
    let mut key = OPEN.clone();
    circuit().end(&mut key, "block 1", beacon(7)).unwrap();
    key
});

fn changed(change: impl FnOnce(&mut Key)) -> Result<(), CeremonyError> {
    let mut key = HELD.clone();
    change(&mut key);
    circuit().check(&key, &POWERS)
}

fn fault(result: Result<(), CeremonyError>) -> (usize, Fault) {
    match result.expect_err("refused") {
        CeremonyError::Contribution { number, fault, .. } => (number, fault),
        other => panic!("{other:?}"),
    }
}

fn two<G: AffineRepr>(point: G) -> G {
    (point + point).into_affine()
}

fn proves(key: &ProvingKey<Bn254>) -> bool {
    let mut rng = ark_std::test_rng();
    let x = Fr::from(3u64);
    let proof = Groth16::<Bn254>::create_random_proof_with_reduction(FifthPower(x), key, &mut rng).unwrap();
    Groth16::<Bn254>::verify_proof(&prepare_verifying_key(&key.vk), &proof, &[x.pow([5u64])]).unwrap()
}

#[test]
fn a_key_of_several_contributions_proves() {
    let circuit = circuit();
    assert_eq!(circuit.power(), 3, "four constraints, and one for each input");
    circuit.check(&OPEN, &POWERS).unwrap();
    circuit.check(&HELD, &POWERS).unwrap();
    HELD.transcript.check(&circuit, &HELD.key.vk, &POWERS).unwrap();
    assert!(proves(&HELD.key) && proves(&OPEN.key));
    let names: Vec<_> = HELD.transcript.0.iter().map(Step::name).collect();
    assert_eq!(names, ["Ada", "Grace", "Emmy", "block 1"]);
    assert_eq!((HELD.transcript.beacon(), OPEN.transcript.beacon()), (Some(&beacon(7)), None));
    // the transcript has one form
    let bytes = HELD.transcript.to_bytes();
    assert_eq!(Transcript::from_bytes(&bytes).unwrap(), HELD.transcript);
    // what a contributor keeps is there at the end
    let kept = OPEN.transcript.hashes(&circuit, &OPEN.key.vk);
    assert_eq!(HELD.transcript.hashes(&circuit, &HELD.key.vk)[..3], kept[..]);
    // with all factors known, the key is that of their product: δ scales what it divides and nothing else
    let mut own = circuit.start(&POWERS).unwrap();
    let first = own.clone();
    circuit.contribute_with(&mut own, "", Fr::from(5u64)).unwrap();
    circuit.contribute_with(&mut own, "", Fr::from(7u64)).unwrap();
    assert_eq!(own.key.vk.delta_g2, (G2Affine::generator() * Fr::from(35u64)).into_affine());
    assert_eq!(own.key.a_query, first.key.a_query);
    assert!(
        own.key.l_query.iter().zip(&first.key.l_query).all(|(own, first)| *own * Fr::from(35u64) == first.into_group())
    );
}

/// CE6: a contribution to the second phase that does not multiply what was there, or by a factor that is 1 or that
/// nobody knows; a beacon changed.
#[test]
fn ce6_each_factor_of_delta_is_known_and_builds_on_the_last() {
    for i in 0..3 {
        assert_eq!(fault(changed(|k| drop(k.transcript.0.remove(i)))).0, i + 1, "{i} left out");
        assert_eq!(fault(changed(|k| k.transcript.0.swap(i, i + 1))).0, i + 1, "{i} exchanged");
        assert_eq!(fault(changed(|k| k.transcript.0.insert(i, k.transcript.0[i].clone()))).0, i + 2, "{i} twice");
        let step = |change: &dyn Fn(&mut Step)| fault(changed(|k| change(&mut k.transcript.0[i])));
        assert_eq!(step(&|s| s.delta_g1 = two(s.delta_g1)), (i + 1, Fault::Follows("delta")));
        assert_eq!(step(&|s| s.delta_g2 = -s.delta_g2), (i + 1, Fault::Follows("delta")));
        assert_eq!(step(&|s| s.knowledge.s = s.knowledge.sx), (i + 1, Fault::Knowledge("delta")));
        assert_eq!(step(&|s| s.knowledge.px = two(s.knowledge.px)), (i + 1, Fault::Knowledge("delta")));
        assert_eq!(step(&|s| s.beacon = Some(beacon(7))), (i + 1, Fault::Beacon));
    }
    assert_err!(changed(|k| drop(k.transcript.0.pop())), CeremonyError::Key("delta"));
    // δ known to one alone, under the transcript of others
    let mut own = circuit().start(&POWERS).unwrap();
    circuit().contribute_with(&mut own, "Mallory", Fr::from(5u64)).unwrap();
    circuit().check(&own, &POWERS).unwrap();
    own.transcript = HELD.transcript.clone();
    assert_err!(circuit().check(&own, &POWERS), CeremonyError::Key("delta"));
    // a factor of 1
    let mut lazy = OPEN.clone();
    circuit().contribute_with(&mut lazy, "lazy", Fr::ONE).unwrap();
    assert_eq!(fault(circuit().check(&lazy, &POWERS)), (4, Fault::One("delta")));
    assert_err!(circuit().contribute_with(&mut lazy, "zero", Fr::from(0u64)), CeremonyError::Circuit);
    // a transcript of the same powers for another circuit
    let other = Circuit::new(constraints(), [2; 32]).unwrap();
    assert_eq!(fault(other.check(&HELD, &POWERS)), (1, Fault::Knowledge("delta")));
    // the beacon
    for other in [beacon(8), Beacon::new(vec![7; 32], 11).unwrap(), Beacon::new(vec![7; 31], 10).unwrap()] {
        assert_eq!(fault(changed(|k| k.transcript.0[3].beacon = Some(other.clone()))), (4, Fault::Beacon));
    }
    let mut ended = HELD.clone();
    assert_err!(circuit().contribute(&mut ended, "late"), CeremonyError::Ended);
    let taken = ended.transcript.0[3].beacon.take();
    circuit().contribute(&mut ended, "late").unwrap();
    ended.transcript.0[3].beacon = taken;
    assert_eq!(fault(circuit().check(&ended, &POWERS)), (5, Fault::AfterBeacon));
    // stripped, cut, longer
    assert_err!(changed(|k| k.transcript.0.clear()), CeremonyError::NoContributions);
    assert_err!(circuit().check(&circuit().start(&POWERS).unwrap(), &POWERS), CeremonyError::NoContributions);
    let bytes = HELD.transcript.to_bytes();
    for len in 0..bytes.len() {
        assert_err!(Transcript::from_bytes(&bytes[..len]), CeremonyError::Malformed { .. });
    }
    assert_err!(Transcript::from_bytes(&[&bytes[..], &[0]].concat()), CeremonyError::Malformed { number: 5 });
    let mut outside = bytes.clone();
    outside[4..68].fill(0);
    assert_err!(Transcript::from_bytes(&outside), CeremonyError::Malformed { number: 1 });
}

/// CE7: a key that is not the circuit's, or not over these powers.
#[test]
fn ce7_every_point_of_a_key_is_what_circuit_and_powers_give() {
    let vk = |change: &dyn Fn(&mut VerifyingKey<Bn254>)| {
        let whole = changed(|k| change(&mut k.key.vk)).expect_err("refused");
        let mut key = HELD.key.vk.clone();
        change(&mut key);
        let alone = HELD.transcript.check(&circuit(), &key, &POWERS).expect_err("refused");
        assert_eq!(whole.to_string(), alone.to_string());
        whole
    };
    assert!(matches!(vk(&|k| k.alpha_g1 = two(k.alpha_g1)), CeremonyError::Key("alpha")));
    assert!(matches!(vk(&|k| k.beta_g2 = two(k.beta_g2)), CeremonyError::Key("beta")));
    assert!(matches!(vk(&|k| k.gamma_g2 = two(k.gamma_g2)), CeremonyError::Key("gamma")));
    assert!(matches!(vk(&|k| k.delta_g2 = two(k.delta_g2)), CeremonyError::Key("delta")));
    for i in 0..2 {
        let what = "the points of the public inputs";
        assert!(
            matches!(vk(&|k| k.gamma_abc_g1[i] = two(k.gamma_abc_g1[i])), CeremonyError::Key(found) if found == what)
        );
    }
    assert!(matches!(vk(&|k| k.gamma_abc_g1.swap(0, 1)), CeremonyError::Key(_)));
    assert!(matches!(vk(&|k| k.gamma_abc_g1.truncate(1)), CeremonyError::Key(_)));

    type Query = fn(&mut ProvingKey<Bn254>) -> &mut Vec<G1Affine>;
    let queries: [(&str, Query); 4] = [
        ("the A query", |k| &mut k.a_query),
        ("the B query in G1", |k| &mut k.b_g1_query),
        ("the L query", |k| &mut k.l_query),
        ("the H query", |k| &mut k.h_query),
    ];
    for (name, query) in queries {
        for i in 0..query(&mut HELD.key.clone()).len() {
            let one = G1Affine::generator();
            assert_err!(changed(|k| query(&mut k.key)[i] = (query(&mut k.key)[i] + one).into_affine()), CeremonyError::Key(found) if found == name);
        }
        assert_err!(changed(|k| query(&mut k.key).swap(1, 2)), CeremonyError::Key(found) if found == name || name == "the B query in G1");
        assert_err!(changed(|k| query(&mut k.key).truncate(3)), CeremonyError::Key("a query's length"));
    }
    for i in 0..6 {
        let one = G2Affine::generator();
        let result = changed(|k| k.key.b_g2_query[i] = (k.key.b_g2_query[i] + one).into_affine());
        assert_err!(result, CeremonyError::Key("the B query in G2"));
    }
    assert_err!(changed(|k| k.key.beta_g1 = two(k.key.beta_g1)), CeremonyError::Key("beta"));
    assert_err!(changed(|k| k.key.delta_g1 = two(k.key.delta_g1)), CeremonyError::Key("delta"));
    // other powers, and too few
    let other = powers_of(&["Mallory"]);
    assert_err!(circuit().check(&HELD, &other), CeremonyError::Key("alpha"));
    let mut small = Ceremony::start(2).unwrap();
    small.contribute("").unwrap();
    assert_err!(circuit().check(&HELD, &small), CeremonyError::TooFewPowers { have: 2, need: 3 });
    assert_err!(circuit().start(&small), CeremonyError::TooFewPowers { have: 2, need: 3 });
    // a circuit with a constraint less: what one could forge with
    let mut weaker = constraints();
    [&mut weaker.a, &mut weaker.b, &mut weaker.c].into_iter().for_each(|rows| drop(rows.pop()));
    let weaker = Circuit::new(weaker, [1; 32]).unwrap();
    let mut forged = weaker.start(&POWERS).unwrap();
    weaker.contribute(&mut forged, "Mallory").unwrap();
    weaker.check(&forged, &POWERS).unwrap();
    assert_err!(circuit().check(&forged, &POWERS), CeremonyError::Key(_));
}
