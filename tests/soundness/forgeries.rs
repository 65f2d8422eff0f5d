//! Forgers of single messages, each tried on the verifier in use.
//!
//! Defends: that a message has its one place, one length and one degree (FS5), that an opening of another polynomial is
//! none (PC1), and that numbers have the width that their columns say (RQ6, LU2).

#[path = "forgetful.rs"]
mod forgetful;
#[path = "../support/mod.rs"]
mod support;

use ark_ff::{AdditiveGroup, Field, PrimeField};
use assay_circuits::Fr;
use assay_circuits::batch::Batch;
use assay_circuits::model::Rule;
use assay_circuits::sample::builder::NetworkBuilder;
use assay_circuits::scalar::{Check, VerifyError};
use assay_circuits::shape::{MAX_LOG_CELLS, Shape, ShapeError};
use assay_circuits::verifier::InnerProof;
use assay_prover::control::Control;
use assay_prover::native::{self, Claim, NativeProof, ProofError};
use assay_prover::pcs::{self, OPENING_BYTES, Opening, PcsError};
use assay_prover::seller::InputOpening;
use assay_prover::srs::Srs;
use support::Case;

/// An honest native proof, to be changed.
struct Honest {
    case: Case,
    claim: Claim,
    proof: NativeProof,
}

impl Honest {
    fn of(case: Case) -> Self {
        let (claim, proof) = case.seller.prove_native(&case.input, Fr::from(7u64), &Control::new()).expect("provable");
        Self { case, claim, proof }
    }

    fn verdict(&self, change: impl FnOnce(&mut InnerProof<Fr>)) -> Result<(), ProofError> {
        let mut proof = self.proof.clone();
        change(&mut proof.inner);
        assert_ne!(proof, self.proof, "nothing was changed");
        native::verify(&self.case.seller.package.model, &self.claim, &proof)
    }

    fn refuses(&self, what: &str, change: impl FnOnce(&mut InnerProof<Fr>)) {
        assert!(matches!(self.verdict(change), Err(ProofError::Inner(VerifyError::Unequal(_)))), "{what}");
    }

    fn has_another_length(&self, what: &str, change: impl FnOnce(&mut InnerProof<Fr>)) {
        assert!(matches!(self.verdict(change), Err(ProofError::Inner(VerifyError::Length { .. }))), "{what}");
    }
}

/// FS5: rounds that change places, that are sent twice, of a higher or a lower degree, one too many or too few, of
/// another argument.
#[test]
fn fs5_rounds_have_their_place_their_degree_and_their_number() {
    // the last has rounds of degree 3
    let attention = assay_circuits::sample::attention(2, 2, 1);
    let cells = assay_circuits::sample::random_input(&attention.0, 5);
    for honest in [Honest::of(Case::random(3, 6)), Honest::of(Case::new("attention", attention, 6, cells))] {
        let inner = &honest.proof.inner;
        let swap = |what: &str, i: usize, rounds: fn(&mut InnerProof<Fr>) -> &mut Vec<Vec<Fr>>| {
            honest.refuses(&format!("{what} {i} swapped"), |proof| rounds(proof).swap(i, i + 1));
            honest.refuses(&format!("{what} {i} twice"), |proof| {
                let rounds = rounds(proof);
                rounds[i + 1] = rounds[i].clone();
            });
        };
        (0..inner.product_rounds.len() - 1).for_each(|i| swap("product round", i, |proof| &mut proof.product_rounds));
        let last = inner.levels.last().expect("a tree has levels").rounds.len();
        (0..last - 1).for_each(|i| {
            swap("round of the last level", i, |proof| &mut proof.levels.last_mut().expect("as before").rounds)
        });
        for i in 0..inner.opening_rounds.len() - 1 {
            honest.refuses("opening rounds swapped", |proof| proof.opening_rounds.swap(i, i + 1));
            honest.refuses("an opening round twice", |proof| proof.opening_rounds[i + 1] = proof.opening_rounds[i]);
        }
        honest.refuses("a product's operands swapped", |proof| {
            let different = proof.product_evaluations.iter_mut().find(|[a, b]| a != b);
            // their product is the same, and only the claims on them differ
            different.expect("not all are squares").reverse();
        });
        honest.refuses("a round of another argument", |proof| {
            let [a, b] = proof.opening_rounds[0];
            proof.product_rounds[0][..2].copy_from_slice(&[a, b]);
        });

        for value in [Fr::ZERO, Fr::ONE] {
            honest.has_another_length("a higher degree", |proof| proof.product_rounds[0].push(value));
            honest.has_another_length("a higher degree in the tree", |proof| {
                let level = proof.levels.iter_mut().find(|level| !level.rounds.is_empty());
                level.expect("a level with rounds").rounds[0].push(value);
            });
            honest.has_another_length("a round more", |proof| {
                proof.product_rounds.push(vec![value; proof.product_rounds[0].len()])
            });
            honest.has_another_length("an opening round more", |proof| proof.opening_rounds.push([value; 2]));
            honest.has_another_length("a product more", |proof| proof.product_evaluations.push([value; 2]));
            honest.has_another_length("a child more", |proof| proof.levels[0].children.push(value));
        }
        honest.has_another_length("a lower degree", |proof| {
            _ = proof.product_rounds[0].pop();
        });
        honest.has_another_length("a round less", |proof| {
            _ = proof.product_rounds.pop();
        });
        honest.has_another_length("no rounds", |proof| proof.product_rounds.clear());
        honest.has_another_length("an opening round less", |proof| {
            _ = proof.opening_rounds.pop();
        });
        honest.has_another_length("a product less", |proof| {
            _ = proof.product_evaluations.pop();
        });
        honest.has_another_length("a level less", |proof| {
            _ = proof.levels.pop();
        });
        honest.has_another_length("a level twice", |proof| proof.levels.push(proof.levels[0].clone()));
        honest.has_another_length("no levels", |proof| proof.levels.clear());
    }
}

/// FS5: claims without variables. A network of single numbers, in which every column has one cell.
#[test]
fn fs5_claims_without_variables_count() {
    let (mut builder, x) = NetworkBuilder::new(&[1], 4, 0, 4);
    let term = builder.same(&x, 3);
    let y = builder.layer(&[1], vec![term], 1, Rule::Exact);
    let honest = Honest::of(Case::new("one", builder.finish(&y, 0).expect("a valid network"), 5, vec![5]));
    assert_eq!(honest.claim.output, [16]);
    let products = &honest.proof.inner.product_rounds;
    assert!(products.is_empty(), "nothing is summed over");
    let model = &honest.case.seller.package.model;
    native::verify(model, &honest.claim, &honest.proof).expect("it is honest");
    for output in [15, 17, -16, 0] {
        let lie = Claim { output: vec![output], ..honest.claim.clone() };
        assert!(native::verify(model, &lie, &honest.proof).is_err(), "{output}");
    }
    let elements = honest.proof.inner.elements();
    for i in 0..elements.len() {
        honest.refuses("an element", |proof| {
            let mut changed = elements.clone();
            changed[i] += Fr::ONE;
            *proof = InnerProof::from_elements(honest.case.shape(), false, &changed).expect("as many");
        });
    }
}

/// PC1: openings that are honest for another polynomial, whose value is the false one that is claimed; and each mixture
/// of two honest ones, of which one has the commitment right and the other the value.
#[test]
fn pc1_folds_of_another_polynomial_are_refused() {
    let srs = Srs::development(5);
    let seed = [7; 32];
    let polynomial = |seed: u64| (0..17).map(|i| Fr::from(seed + 3 * i).pow([1001])).collect::<Vec<Fr>>();
    let point: Vec<Fr> = (0..4).map(|i| Fr::from(5u64 + i).pow([77])).collect();
    let eq = |i: usize| {
        point.iter().enumerate().map(|(k, u)| if i >> k & 1 == 1 { *u } else { Fr::ONE - u }).product::<Fr>()
    };
    let value = |t: &[Fr]| (0..16).map(|i| eq(i) * t[i]).sum::<Fr>();
    let truth = polynomial(3);
    let commitment = pcs::commit(&srs, &truth).expect("enough powers");
    let verdict = |value, opening: &Opening| {
        pcs::verify(srs.h, srs.tau_h, &[(Fr::ONE, commitment)], &point, value, seed, opening)
    };
    let honest = pcs::open(&srs, &truth, &point, value(&truth), seed).expect("its value");
    assert_eq!(verdict(value(&truth), &honest), Ok(()));

    // one coefficient is another, in several rows and columns that the opening folds
    for at in (0..16).step_by(5) {
        let mut other = truth.clone();
        other[at] += Fr::from(5u64);
        let false_value = value(&other);
        let forged = pcs::open(&srs, &other, &point, false_value, seed).expect("its value");
        assert_eq!(verdict(false_value, &forged), Err(PcsError::Rejected), "coefficient {at}");
        let [a, b] = [&honest, &forged].map(Opening::to_bytes);
        // the 13 fields: seven points of two words, then six values
        let fields: Vec<std::ops::Range<usize>> =
            (0..7).map(|i| 64 * i..64 * i + 64).chain((0..6).map(|i| 448 + 32 * i..480 + 32 * i)).collect();
        assert_eq!(fields.last().map(|field| field.end), Some(OPENING_BYTES));
        for mixture in (1u32..1 << fields.len()).step_by(97) {
            let mut mixed = a;
            for (i, field) in fields.iter().enumerate().filter(|(i, _)| mixture >> i & 1 == 1) {
                assert!(i < 13);
                mixed[field.clone()].copy_from_slice(&b[field.clone()]);
            }
            let mixed = Opening::from_bytes(&mixed).expect("points of the curve");
            assert_eq!(verdict(false_value, &mixed), Err(PcsError::Rejected), "coefficient {at}, mixture {mixture}");
            if mixed != honest {
                assert_eq!(
                    verdict(value(&truth), &mixed),
                    Err(PcsError::Rejected),
                    "coefficient {at}, mixture {mixture}"
                );
            }
        }
    }
}

/// RQ6: a number just outside the input's width, with everything after it as it follows. All equations hold, so the
/// lookup must see it. An input has no second form either: cells are 32-bit integers, and what is committed to is what
/// is looked up.
#[test]
fn rq6_inputs_outside_their_width_are_refused() {
    let (mut builder, x) = NetworkBuilder::new(&[2], 4, 0, 4);
    let term = builder.same(&x, 1);
    let y = builder.layer(&[2], vec![term], 0, Rule::Exact);
    let case = Case::new("exact", builder.finish(&y, 0).expect("a valid network"), 5, vec![-8, 7]);
    let (seller, control) = (&case.seller, Control::new());
    for cells in [[-8, 7], [8, 7], [-8, -9], [1 << 20, 0], [i32::MAX, 0], [0, i32::MIN]] {
        let valid = cells == [-8, 7];
        let input = InputOpening::public(case.shape(), cells.to_vec());
        assert_eq!(seller.execute(&input).is_ok(), valid, "{cells:?}");
        let mut trace = seller.execute(&case.input).expect("a valid input");
        for column in &mut trace.columns {
            column[..2].copy_from_slice(&cells);
        }
        let committed = input.commit(case.shape(), &seller.srs).expect("any cells can be committed to");
        let proved =
            seller.prove_trace(&committed, &trace, Fr::from(7u64), false, &control).expect("a lie can be proven");
        let claim = Claim::of(&proved, committed.commitments, Fr::from(7u64));
        let proof = NativeProof::new(proved, case.shape(), &seller.srs, &control).expect("and opened");
        let verdict = native::verify(&seller.package.model, &claim, &proof);
        match verdict {
            Ok(()) => assert!(valid, "{cells:?}"),
            Err(error) => assert!(
                !valid && matches!(error, ProofError::Inner(VerifyError::Unequal(Check::LookupRoot))),
                "{error}"
            ),
        }
    }
}

/// LU2: a count that is a multiple of the field's order cancels a lookup of a value that is not in the table. A prover
/// has no way to get there: it commits to what it likes, but the lookups that there are it cannot make more, and shapes
/// of more than 2^30 do not exist.
#[test]
fn lu2_no_number_of_lookups_wraps_around_the_field() {
    const { assert!((MAX_LOG_CELLS as u32) < 31 && Fr::MODULUS_BIT_SIZE > 31) };
    let network = assay_circuits::sample::vgg16().0;
    let lookups = |log_len| {
        Shape::batched(network.clone(), 20, Batch::joint(log_len)).map(|shape| shape.layout.log_leaves as usize)
    };
    let (mut shapes, mut refused) = (0, 0);
    for log_len in 0..=12 {
        match lookups(log_len) {
            Ok(lookups) => {
                assert!(lookups <= MAX_LOG_CELLS, "{log_len}");
                shapes += 1;
            }
            Err(error) => {
                assert!(matches!(error, ShapeError::TooLarge { .. }), "{log_len}: {error}");
                refused += 1;
            }
        }
    }
    assert!(shapes > 0 && refused > 0, "{shapes} {refused}");
}
