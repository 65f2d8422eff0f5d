//! The opening: honest, tampered and malformed, and the attacks that the literature knows.

use ark_bn254::{Fr, G1Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, Field, PrimeField, Zero};
use assay_prover::{
    pcs::{self, EncodeError, OPENING_BYTES, Opening, PcsError},
    srs::Srs,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::sync::LazyLock;

static SRS: LazyLock<Srs> = LazyLock::new(|| Srs::development(9));
const SEED: [u8; 32] = [7; 32];

fn random(rng: &mut StdRng, n: usize) -> Vec<Fr> {
    (0..n).map(|_| Fr::from_le_bytes_mod_order(&rng.random::<[u8; 32]>())).collect()
}

/// The definition of the claimed value; the blinding coefficient is no part of it.
fn evaluate(t: &[Fr], point: &[Fr]) -> Fr {
    let eq = |i: usize| {
        point.iter().enumerate().map(|(k, u)| if i >> k & 1 == 1 { *u } else { Fr::ONE - u }).product::<Fr>()
    };
    (0..1 << point.len()).map(|i| eq(i) * t[i]).sum()
}

struct Case {
    terms: Vec<(Fr, G1Affine)>,
    point: Vec<Fr>,
    value: Fr,
    opening: Opening,
}

impl Case {
    fn new(t: &[Fr], point: Vec<Fr>) -> Case {
        let value = evaluate(t, &point);
        let opening = pcs::open(&SRS, t, &point, value, SEED).unwrap();
        Case { terms: vec![(Fr::ONE, pcs::commit(&SRS, t).unwrap())], point, value, opening }
    }

    fn random(c: usize) -> Case {
        let mut rng = StdRng::seed_from_u64(c as u64);
        let t = random(&mut rng, (1 << c) + 1);
        Case::new(&t, random(&mut rng, c))
    }

    fn verify(&self) -> Result<(), PcsError> {
        self.with(&self.opening)
    }

    fn with(&self, opening: &Opening) -> Result<(), PcsError> {
        pcs::verify(SRS.h, SRS.tau_h, &self.terms, &self.point, self.value, SEED, opening)
    }
}

#[test]
fn random_polynomials_of_every_size_open() {
    for c in 1..=9 {
        let case = Case::random(c);
        assert_eq!(case.verify(), Ok(()), "c = {c}");
        assert_eq!(Opening::from_bytes(&case.opening.to_bytes()), Ok(case.opening));
    }
}

#[test]
fn special_polynomials_and_points_open() {
    for c in [1, 2, 3, 4, 5] {
        let n = 1usize << c;
        let mut rng = StdRng::seed_from_u64(40 + c as u64);
        let blinding = random(&mut rng, 1)[0];
        let zeros = vec![Fr::ZERO; n + 1];
        let mut only_blinding = zeros.clone();
        only_blinding[n] = blinding;
        let mut constant = vec![blinding; n];
        constant.push(Fr::ZERO);
        let mut one_cell = zeros.clone();
        one_cell[0] = Fr::ONE;
        for t in [zeros, only_blinding, constant, one_cell] {
            for point in [random(&mut rng, c), vec![Fr::ZERO; c], vec![Fr::ONE; c]] {
                assert_eq!(Case::new(&t, point).verify(), Ok(()), "c = {c}, t = {t:?}");
            }
        }
    }
}

#[test]
fn small_commitments_are_those_of_the_same_coefficients() {
    let mut rng = StdRng::seed_from_u64(5);
    let cells: Vec<i32> = (0..256).map(|_| rng.random_range(-70_000..70_000)).collect();
    for blinding in [Fr::ZERO, Fr::from(123_456_789u64).inverse().unwrap()] {
        let coeffs: Vec<Fr> = cells.iter().map(|x| Fr::from(*x)).chain([blinding]).collect();
        assert_eq!(pcs::commit_small(&SRS, &cells, blinding), pcs::commit(&SRS, &coeffs));
    }
    assert_eq!(pcs::commit_small(&SRS, &cells[..3], Fr::ZERO), Err(PcsError::CoefficientCount { have: 3, need: 4 }));
    assert_eq!(pcs::commit_small(&SRS, &[0; 1024], Fr::ZERO), Err(PcsError::SrsTooSmall { have: 513, need: 1024 }));
    assert_eq!(pcs::commit_small(&SRS, &[0; 512], Fr::ZERO), Ok(G1Affine::zero()));
}

#[test]
fn a_folded_commitment_is_given_by_its_terms() {
    // chunks folded by eq(r_hi, ·), plus ρ times a mask, as in section 7
    let (mut rng, c) = (StdRng::seed_from_u64(6), 4);
    let chunks: Vec<Vec<Fr>> = (0..3).map(|_| random(&mut rng, 17)).collect();
    let weights = random(&mut rng, 3);
    let folded: Vec<Fr> = (0..17).map(|i| chunks.iter().zip(&weights).map(|(chunk, w)| chunk[i] * w).sum()).collect();
    let mut case = Case::new(&folded, random(&mut rng, c));
    case.terms = chunks.iter().zip(&weights).map(|(chunk, w)| (*w, pcs::commit(&SRS, chunk).unwrap())).collect();
    assert_eq!(case.verify(), Ok(()));
    let honest = case.terms.clone();
    // chunks swapped, omitted, duplicated (PC4)
    (case.terms[0].1, case.terms[1].1) = (honest[1].1, honest[0].1);
    assert_eq!(case.verify(), Err(PcsError::Rejected));
    case.terms = honest[..2].to_vec();
    assert_eq!(case.verify(), Err(PcsError::Rejected));
    case.terms = [honest.clone(), vec![honest[2]]].concat();
    assert_eq!(case.verify(), Err(PcsError::Rejected));
    case.terms = vec![];
    assert_eq!(case.verify(), Err(PcsError::Rejected));
}

#[test]
fn every_field_of_the_opening_counts() {
    for c in [1, 2, 3, 6] {
        let case = Case::random(c);
        let bytes = case.opening.to_bytes();
        let g = G1Affine::generator();
        for i in 0..7 {
            for replacement in
                [(case.opening.points()[i] + g).into_affine(), -case.opening.points()[i], G1Affine::zero(), g]
            {
                let mut bad = bytes;
                bad[64 * i..64 * i + 64].copy_from_slice(&pcs::encode::g1_bytes(&replacement));
                let bad = Opening::from_bytes(&bad).unwrap();
                // c = 1 has the natural coincidence that some commitments are equal multiples of the generator
                if bad != case.opening {
                    assert_eq!(case.with(&bad), Err(PcsError::Rejected), "c = {c}, point {i}");
                }
            }
        }
        for i in 0..6 {
            for replacement in [case.opening.evaluations()[i] + Fr::ONE, Fr::ZERO, -case.opening.evaluations()[i]] {
                let mut bad = bytes;
                bad[448 + 32 * i..480 + 32 * i].copy_from_slice(&pcs::encode::fr_word(&replacement));
                let bad = Opening::from_bytes(&bad).unwrap();
                if bad != case.opening {
                    assert_eq!(case.with(&bad), Err(PcsError::Rejected), "c = {c}, evaluation {i}");
                }
            }
        }
    }
}

#[test]
fn every_part_of_the_claim_counts() {
    for c in [2, 3, 5] {
        let case = Case::random(c);
        let check = |terms: &[(Fr, G1Affine)], point: &[Fr], value, seed| {
            pcs::verify(SRS.h, SRS.tau_h, terms, point, value, seed, &case.opening)
        };
        assert_eq!(check(&case.terms, &case.point, case.value, SEED), Ok(()));
        assert_eq!(check(&case.terms, &case.point, case.value + Fr::ONE, SEED), Err(PcsError::Rejected));
        assert_eq!(check(&case.terms, &case.point, case.value, [8; 32]), Err(PcsError::Rejected));
        for i in 0..c {
            let mut point = case.point.clone();
            point[i] += Fr::ONE;
            assert_eq!(check(&case.terms, &point, case.value, SEED), Err(PcsError::Rejected));
        }
        // a longer point claims something about the coefficients above; with 0 it would be the same claim, and true
        for point in [&case.point[1..], &[case.point.clone(), vec![Fr::ONE]].concat()] {
            assert_eq!(check(&case.terms, point, case.value, SEED), Err(PcsError::Rejected));
        }
        let other = [(Fr::ONE, (case.terms[0].1 + G1Affine::generator()).into_affine())];
        assert_eq!(check(&other, &case.point, case.value, SEED), Err(PcsError::Rejected));
        // an infinity commitment with a nonzero evaluation (PC3)
        assert_eq!(check(&[(Fr::ONE, G1Affine::zero())], &case.point, case.value, SEED), Err(PcsError::Rejected));
        assert_eq!(
            pcs::verify(SRS.h, SRS.h, &case.terms, &case.point, case.value, SEED, &case.opening),
            Err(PcsError::Rejected)
        );
    }
}

#[test]
fn an_opening_of_zeros_opens_only_zero() {
    let c = 4;
    let case = Case::new(&vec![Fr::ZERO; 17], random(&mut StdRng::seed_from_u64(9), c));
    assert_eq!(case.opening.to_bytes(), [0; OPENING_BYTES]);
    assert!(case.value.is_zero());
    assert_eq!(case.verify(), Ok(()));
    let check =
        |value| pcs::verify(SRS.h, SRS.tau_h, &[(Fr::ONE, G1Affine::zero())], &case.point, value, SEED, &case.opening);
    assert_eq!(check(Fr::ONE), Err(PcsError::Rejected));
    assert_eq!(check(-Fr::ONE), Err(PcsError::Rejected));
}

#[test]
fn coefficients_above_the_chunk_do_not_move_the_value() {
    // PC2: the SRS is longer than a chunk, so a prover can commit to more. The natural attack opens the chunk to the
    // value that the long vector has if all of it counted (or to anything else): the honest value is the only one that
    // goes through, whatever stands above.
    let (mut rng, c) = (StdRng::seed_from_u64(10), 4);
    let n = 1usize << c;
    let long = random(&mut rng, 2 * n);
    let point = random(&mut rng, c);
    let low = evaluate(&long[..n], &point);
    let commitment = [(Fr::ONE, pcs::commit(&SRS, &long).unwrap())];
    let check = |value, opening: &Opening| pcs::verify(SRS.h, SRS.tau_h, &commitment, &point, value, SEED, opening);
    // the prover refuses a value that is not the polynomial's, and other lengths
    let short = [&long[..n], &[long[n]]].concat();
    assert_eq!(pcs::open(&SRS, &short, &point, low + long[n], SEED), Err(PcsError::WrongValue));
    assert_eq!(pcs::open(&SRS, &long, &point, low, SEED), Err(PcsError::CoefficientCount { have: 2 * n, need: n + 1 }));
    // an opening of the low part does not open the long commitment
    let opening = pcs::open(&SRS, &short, &point, low, SEED).unwrap();
    assert_eq!(check(low, &opening), Err(PcsError::Rejected));
    // the whole vector opened as a longer chunk at (point, t): the value of another claim, refused at `point`
    for t in [Fr::ZERO, Fr::ONE, Fr::from(2).inverse().unwrap()] {
        let longer = [point.clone(), vec![t]].concat();
        let blinded = [long.clone(), vec![Fr::ZERO]].concat();
        let value = evaluate(&blinded, &longer);
        let opening = pcs::open(&SRS, &blinded, &longer, value, SEED).unwrap();
        assert_eq!(pcs::verify(SRS.h, SRS.tau_h, &commitment, &longer, value, SEED, &opening), Ok(()));
        assert_eq!(check(value, &opening), Err(PcsError::Rejected));
    }
}

#[test]
fn malformed_bytes_are_typed_errors() {
    let good = Case::random(4).opening.to_bytes();
    for len in [0, 1, 32, 639] {
        assert_eq!(
            Opening::from_bytes(&good[..len]),
            Err(EncodeError::Length { have: len, need: OPENING_BYTES }.into())
        );
    }
    let longer = [&good[..], &[0]].concat();
    assert_eq!(Opening::from_bytes(&longer), Err(EncodeError::Length { have: 641, need: OPENING_BYTES }.into()));
    for i in 0..7 {
        let mut bad = good;
        bad[64 * i + 63] ^= 1;
        assert_eq!(Opening::from_bytes(&bad), Err(EncodeError::NotOnCurve { at: 64 * i }.into()));
        // the same point with q added to x
        let x = pcs::encode::Reader::new(&good[64 * i..]).fq().unwrap().into_bigint();
        let mut over = x;
        ark_ff::BigInteger::add_with_carry(&mut over, &ark_bn254::Fq::MODULUS);
        let mut bad = good;
        for (slot, limb) in bad[64 * i..64 * i + 32].chunks_exact_mut(8).zip(over.0.iter().rev()) {
            slot.copy_from_slice(&limb.to_be_bytes());
        }
        assert_eq!(Opening::from_bytes(&bad), Err(EncodeError::NotCanonical { at: 64 * i }.into()));
        let mut bad = good;
        bad[64 * i..64 * i + 32].fill(0);
        assert_eq!(Opening::from_bytes(&bad), Err(EncodeError::NotOnCurve { at: 64 * i }.into()));
    }
    for i in 0..6 {
        let mut bad = good;
        bad[448 + 32 * i..480 + 32 * i].fill(0xff);
        assert_eq!(Opening::from_bytes(&bad), Err(EncodeError::NotCanonical { at: 448 + 32 * i }.into()));
    }
}

#[test]
fn sizes_out_of_range_are_typed_errors() {
    let case = Case::random(3);
    let t = vec![Fr::ZERO; 1025];
    assert_eq!(
        pcs::open(&SRS, &t, &[Fr::ZERO; 10], Fr::ZERO, SEED).unwrap_err(),
        PcsError::SrsTooSmall { have: 513, need: 993 }
    );
    assert_eq!(pcs::open(&SRS, &t[..2], &[], Fr::ZERO, SEED), Err(PcsError::ChunkLog { log: 0 }));
    for log in [0, 29, 100, 1000] {
        let point = vec![Fr::ZERO; log];
        assert_eq!(
            pcs::verify(SRS.h, SRS.tau_h, &case.terms, &point, case.value, SEED, &case.opening),
            Err(PcsError::ChunkLog { log })
        );
    }
}

#[test]
fn encodings_round_trip_and_are_strict() {
    use pcs::encode::{Reader, fr_word, g1_bytes, g2_bytes};
    let p = Case::random(2).opening.h;
    assert_eq!(Reader::new(&g1_bytes(&p)).g1(), Ok(p));
    assert_eq!(Reader::new(&[0; 64]).g1(), Ok(G1Affine::zero()));
    assert_eq!(Reader::new(&g2_bytes(&SRS.tau_h)).g2(), Ok(SRS.tau_h));
    assert_eq!((g1_bytes(&G1Affine::zero()), g2_bytes(&ark_bn254::G2Affine::zero())), ([0; 64], [0; 128]));
    assert_eq!(Reader::new(&fr_word(&-Fr::ONE)).fr(), Ok(-Fr::ONE));
    // G2: on the curve but outside the subgroup (PC5)
    let stray = (1u64..)
        .filter_map(|i| ark_bn254::G2Affine::get_point_from_x_unchecked(ark_bn254::Fq2::new(i.into(), 1.into()), true))
        .find(|p| !p.is_in_correct_subgroup_assuming_on_curve())
        .unwrap();
    assert_eq!(Reader::new(&g2_bytes(&stray)).g2(), Err(EncodeError::NotInSubgroup { at: 0 }));
    let mut off = g2_bytes(&SRS.tau_h);
    off[127] ^= 1;
    assert_eq!(Reader::new(&off).g2(), Err(EncodeError::NotOnCurve { at: 0 }));
    let mut reader = Reader::new(&off[..40]);
    assert!(reader.word().is_ok());
    assert_eq!(reader.end(), Err(EncodeError::Length { have: 40, need: 32 }));
    assert_eq!(reader.word(), Err(EncodeError::Length { have: 40, need: 64 }));
}
