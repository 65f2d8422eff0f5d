//! Forgers for transcripts that forget one message.
//!
//! The verifier is the one in use, over numbers that have two halves: one is what the protocol computes with, the other
//! is what the sponge sees. Of a message that is forgotten the sponge sees what the real prover would have sent,
//! whatever the forger sends, so that all challenges are known before it is chosen. The forger proves a false execution
//! with the real prover, and then chooses the forgotten message so that every check holds. With the message absorbed it
//! is refused.
//!
//! Not every absorption can be missed so: a message that the checks leave no choice of binds itself (docs/testing.md).

use super::support::Case;
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::poseidon::{WIDTH, permute_native};
use assay_circuits::scalar::{Check, Scalar, VerifyError};
use assay_circuits::verifier::{self, InnerProof, Reduced};
use assay_prover::control::Control;
use assay_prover::inner::Proved;
use std::cell::RefCell;
use std::ops::{Add, Mul, Neg, Sub};

thread_local! {
    /// The checks of a verification: what they are, and by how much their sides differ.
    static CHECKS: RefCell<Vec<(Check, Fr)>> = const { RefCell::new(Vec::new()) };
}

/// A number, and what the sponge takes it for.
#[derive(Clone)]
struct Halves {
    value: Fr,
    seen: Fr,
}

macro_rules! operator {
    ($trait:ident, $method:ident) => {
        impl $trait for Halves {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                $trait::$method(self, &other)
            }
        }
        impl $trait<&Self> for Halves {
            type Output = Self;
            fn $method(self, other: &Self) -> Self {
                Self { value: $trait::$method(self.value, other.value), seen: $trait::$method(self.seen, other.seen) }
            }
        }
    };
}
operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);

impl Neg for Halves {
    type Output = Self;
    fn neg(self) -> Self {
        Self { value: -self.value, seen: -self.seen }
    }
}

impl Scalar for Halves {
    fn constant(value: Fr) -> Self {
        Self { value, seen: value }
    }

    fn inverse(&self) -> Result<Self, VerifyError> {
        let of = |x: Fr| Field::inverse(&x).ok_or(VerifyError::ZeroDivisor);
        Ok(Self { value: of(self.value)?, seen: of(self.seen).unwrap_or_default() })
    }

    fn require_equal(&self, other: &Self, check: Check) -> Result<(), VerifyError> {
        CHECKS.with_borrow_mut(|checks| checks.push((check, self.value - other.value)));
        Ok(())
    }

    fn permute(state: &mut [Self; WIDTH]) {
        let mut seen = state.clone().map(|cell| cell.seen);
        permute_native(&mut seen);
        *state = seen.map(Self::constant);
    }
}

/// A proof of a false execution by the real prover.
struct Lie {
    case: Case,
    proved: Proved,
    /// The numbers of the proof's elements in the transcript's order.
    places: InnerProof<usize>,
}

impl Lie {
    /// What the verifier that is in use says.
    fn verdict(&self, statement: Fr, proof: &InnerProof<Fr>) -> Result<Reduced<Fr>, VerifyError> {
        verifier::verify(self.case.shape(), &self.case.seller.srs.id(), &statement, proof)
    }

    /// What is left for the opening by the verifier that forgets, which sees the real prover's messages whatever it is
    /// sent, and its checks.
    fn forgetful(&self, statement: Fr, sent: &InnerProof<Fr>) -> (Reduced<Fr>, Vec<(Check, Fr)>) {
        CHECKS.take();
        let mut seen = self.proved.proof.elements().into_iter();
        let halves = sent.map(|value| Halves { value: *value, seen: seen.next().expect("as many elements") });
        let statement = Halves { value: statement, seen: self.proved.statement };
        let reduced =
            verifier::verify(self.case.shape(), &self.case.seller.srs.id(), &statement, &halves).expect("no zeros");
        let Reduced { delta, output_sum, point, value, rho, digest } = reduced;
        let reduced = Reduced {
            delta: delta.value,
            output_sum: output_sum.value,
            point: point.iter().map(|x| x.value).collect(),
            value: value.value,
            rho: rho.map(|rho| rho.value),
            digest: digest.value,
        };
        (reduced, CHECKS.take())
    }

    fn with(&self, changes: &[(usize, Fr)]) -> InnerProof<Fr> {
        let mut elements = self.proved.proof.elements();
        changes.iter().for_each(|(at, value)| elements[*at] = *value);
        InnerProof::from_elements(self.case.shape(), self.proved.proof.mask.is_some(), &elements)
            .expect("as many elements")
    }

    /// By how much the checks with these numbers fail. (Numbers, since levels have a check each.)
    fn differences(&self, changes: &[(usize, Fr)], checks: &[usize]) -> Vec<Fr> {
        let (_, all) = self.forgetful(self.proved.statement, &self.with(changes));
        checks.iter().map(|check| all[*check].1).collect()
    }

    /// Which checks the real prover's messages fail.
    fn failed(&self) -> Vec<usize> {
        let (_, all) = self.forgetful(self.proved.statement, &self.proved.proof);
        (0..all.len()).filter(|check| all[*check].1 != Fr::ZERO).collect()
    }

    fn number_of(&self, check: Check) -> usize {
        let (_, all) = self.forgetful(self.proved.statement, &self.proved.proof);
        all.iter().position(|(of, _)| *of == check).expect("the verifier has the check")
    }

    /// Chooses elements so that checks hold, all of which are linear in them; `given` is changed first.
    fn solved(&self, given: &[(usize, Fr)], unknown: &[usize], checks: &[usize]) -> Vec<(usize, Fr)> {
        let honest = self.proved.proof.elements();
        let at = |steps: &[Fr]| {
            let moved = unknown.iter().zip(steps).map(|(place, step)| (*place, honest[*place] + step));
            [given, &moved.collect::<Vec<_>>()].concat()
        };
        let zeros = vec![Fr::ZERO; unknown.len()];
        let start = self.differences(&at(&zeros), checks);
        let mut rows: Vec<Vec<Fr>> = start.iter().map(|difference| vec![-*difference]).collect();
        for i in (0..unknown.len()).rev() {
            let mut steps = zeros.clone();
            steps[i] = Fr::ONE;
            let moved = self.differences(&at(&steps), checks);
            rows.iter_mut()
                .zip(moved.iter().zip(&start))
                .for_each(|(row, (moved, start))| row.insert(0, *moved - start));
        }
        at(&gauss(rows))
    }

    /// The forgery passes where the message is forgotten, with the opening that the real prover makes; and is refused
    /// in use.
    fn succeeds_only_where_forgotten(&self, what: &str, changes: &[(usize, Fr)]) {
        let forged = self.with(changes);
        assert_ne!(forged, *self.proved.proof, "{what}: nothing was changed");
        let (reduced, checks) = self.forgetful(self.proved.statement, &forged);
        assert!(checks.iter().all(|(_, difference)| *difference == Fr::ZERO), "{what}: {checks:?}");
        assert_eq!(reduced, self.proved.reduced, "{what}: what is opened is what the prover committed to");
        assert!(self.verdict(self.proved.statement, &forged).is_err(), "{what}");
    }
}

/// Solves a square system whose rows end with their right sides.
fn gauss(mut rows: Vec<Vec<Fr>>) -> Vec<Fr> {
    let n = rows.len();
    for i in 0..n {
        let pivot = (i..n).find(|r| rows[*r][i] != Fr::ZERO).expect("the elements decide the checks");
        rows.swap(i, pivot);
        let inverse = Field::inverse(&rows[i][i]).expect("not zero");
        rows[i].iter_mut().for_each(|v| *v *= inverse);
        let row = rows[i].clone();
        for other in (0..n).filter(|other| *other != i) {
            let factor = rows[other][i];
            rows[other].iter_mut().zip(&row).for_each(|(v, of)| *v -= factor * of);
        }
    }
    rows.iter().map(|row| row[n]).collect()
}

impl Lie {
    /// An honest proof of a random network.
    fn none(seed: u64, hiding: bool) -> Self {
        let case = Case::random(seed, 6);
        let proved = if hiding { case.proved() } else { case.proved_openly() };
        Self { places: places(&proved.proof), case, proved }
    }

    /// A proof of an execution with one false cell, of which this check fails and no other.
    fn failing(check: Check, hiding: bool) -> Self {
        for seed in 0..64 {
            let mut lie = Self::none(seed, hiding);
            let Case { seller, input, .. } = &lie.case;
            let committed = input.commit(seller.shape(), &seller.srs).expect("a valid input");
            let honest = seller.execute(input).expect("a valid input");
            for column in (1..honest.columns.len()).filter(|column| !honest.columns[*column].is_empty()) {
                let mut trace = honest.clone();
                trace.columns[column][0] += 1;
                let proved = lie.case.seller.prove_trace(&committed, &trace, Fr::from(7u64), hiding, &Control::new());
                let Ok(proved) = proved else { continue };
                (lie.places, lie.proved) = (places(&proved.proof), proved);
                if lie.places.product_evaluations.len() > 1 && lie.failed() == [lie.number_of(check)] {
                    return lie;
                }
            }
        }
        panic!("no execution with one false cell fails {check} alone");
    }
}

fn places(proof: &InnerProof<Fr>) -> InnerProof<usize> {
    let mut next = 0..;
    proof.map(|_| next.next().expect("there are more"))
}

/// A statement that is not absorbed: an honest proof is one of every other statement.
#[test]
fn h2_a_statement_must_be_absorbed() {
    for hiding in [false, true] {
        let honest = Lie::none(3, hiding);
        let other = honest.proved.statement + Fr::ONE;
        let (reduced, checks) = honest.forgetful(other, &honest.proved.proof);
        assert!(checks.iter().all(|(_, difference)| *difference == Fr::ZERO) && reduced == honest.proved.reduced);
        assert!(honest.verdict(honest.proved.statement, &honest.proved.proof).is_ok());
        assert!(honest.verdict(other, &honest.proved.proof).is_err());
    }
}

/// A root that is not absorbed: it is said to be 0, with the denominator that the first level asks for.
#[test]
fn h2_the_root_must_be_absorbed() {
    for hiding in [false, true] {
        let lie = Lie::failing(Check::LookupRoot, hiding);
        let [numerator, denominator] = lie.places.root;
        let forged = lie.solved(&[(numerator, Fr::ZERO)], &[denominator], &[lie.number_of(Check::LookupLevel)]);
        lie.succeeds_only_where_forgotten("the root", &forged);
    }
}

/// The last children of the tree are claims on the leaves: two of them make up for an equation that does not hold.
#[test]
fn h2_the_leaves_claims_must_be_absorbed() {
    let lie = Lie::failing(Check::Opening, false);
    let last = lie.places.levels.last().expect("a tree has levels");
    let level = lie.number_of(Check::LookupLevel) + lie.places.levels.len() - 1;
    let forged = lie.solved(&[], &last.children[..2], &[level, lie.number_of(Check::Opening)]);
    lie.succeeds_only_where_forgotten("the leaves' claims", &forged);
}

/// Two evaluations whose products' sum is right, and which make up for an equation that does not hold.
#[test]
fn h2_evaluations_of_products_must_be_absorbed() {
    let lie = Lie::failing(Check::Opening, true);
    let lefts: Vec<usize> = lie.places.product_evaluations[..2].iter().map(|[left, _]| *left).collect();
    let forged = lie.solved(&[], &lefts, &[lie.number_of(Check::Product), lie.number_of(Check::Opening)]);
    lie.succeeds_only_where_forgotten("evaluations of products", &forged);
}

/// Any round of the opening's sumcheck takes the false claim back to the true one.
#[test]
fn h2_each_opening_round_must_be_absorbed() {
    for hiding in [false, true] {
        let lie = Lie::failing(Check::Opening, hiding);
        let opening = lie.number_of(Check::Opening);
        for (k, round) in lie.places.opening_rounds.iter().enumerate() {
            for place in round {
                let forged = lie.solved(&[], &[*place], &[opening]);
                lie.succeeds_only_where_forgotten(&format!("opening round {k}"), &forged);
            }
        }
    }
}

/// Two errors in one message cancel under a challenge that was known before: in rounds of both other sumchecks, and in
/// the children of a level.
#[test]
fn h2_errors_cancel_in_messages_that_are_not_absorbed() {
    let honest = Lie::none(5, true);
    let elements = honest.proved.proof.elements();
    let (first, product) = (honest.number_of(Check::LookupLevel), honest.number_of(Check::Product));
    let cancel = |what: &str, message: &[usize], unknown: &[usize], checks: &[usize]| {
        let forged = honest.solved(&[(message[0], elements[message[0]] + Fr::ONE)], unknown, checks);
        honest.succeeds_only_where_forgotten(what, &forged);
    };
    let mut tried = [0; 3];
    for (k, level) in honest.places.levels.iter().enumerate() {
        for round in &level.rounds {
            cancel(&format!("a round of level {k}"), round, &round[1..2], &[first + k]);
            tried[0] += 1;
        }
        // four numerators, of which the sums with λ and that with the next challenges are claims
        if level.children.len() == 8 && k + 1 < honest.places.levels.len() {
            cancel(
                &format!("children of level {k}"),
                &level.children,
                &level.children[1..3],
                &[first + k, first + k + 1],
            );
            tried[1] += 1;
        }
    }
    for round in &honest.places.product_rounds {
        cancel("a product round", round, &round[1..2], &[product]);
        tried[2] += 1;
    }
    assert!(tried.iter().all(|count| *count > 0), "{tried:?}");
}
