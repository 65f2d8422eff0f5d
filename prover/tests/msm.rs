//! The fast multi-scalar multiplications against the definition.

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, PrimeGroup, VariableBaseMSM, scalar_mul::BatchMulPreprocessing};
use ark_ff::{AdditiveGroup, Field, Zero};
use assay_prover::msm::{Isa, msm, reference, with};
use rand::{Rng, SeedableRng, rngs::StdRng};

fn scalars(rng: &mut StdRng, n: usize) -> Vec<Fr> {
    use ark_ff::PrimeField;
    (0..n).map(|_| Fr::from_le_bytes_mod_order(&rng.random::<[u8; 32]>())).collect()
}

fn points(rng: &mut StdRng, n: usize) -> Vec<G1Affine> {
    BatchMulPreprocessing::new(G1Projective::generator(), n.max(1)).batch_mul(&scalars(rng, n))
}

fn lift(small: &[i32]) -> Vec<Fr> {
    small.iter().map(|s| Fr::from(*s)).collect()
}

fn msm_small(bases: &[G1Affine], scalars: &[i32]) -> G1Projective {
    assay_prover::msm::msm_small(bases, &[scalars])[0]
}

#[test]
fn several_lists_share_their_bases() {
    let mut rng = StdRng::seed_from_u64(6);
    let p = points(&mut rng, 300);
    let lists: Vec<Vec<i32>> =
        [300, 0, 7, 299, 1, 300].iter().map(|n| (0..*n).map(|_| rng.random::<i32>() >> (n % 30)).collect()).collect();
    let mut slices: Vec<&[i32]> = lists.iter().map(Vec::as_slice).collect();
    slices.push(&[0; 50]);
    let want: Vec<G1Projective> = slices.iter().map(|s| reference(&p[..s.len()], &lift(s))).collect();
    assert_eq!(assay_prover::msm::msm_small(&p, &slices), want);
    assert!(assay_prover::msm::msm_small(&p, &[]).is_empty());
}

#[test]
fn random_scalars_of_every_size_agree() {
    let mut rng = StdRng::seed_from_u64(1);
    for n in [0, 1, 2, 3, 7, 31, 64, 100, 257, 1000] {
        let (p, s) = (points(&mut rng, n), scalars(&mut rng, n));
        assert_eq!(msm(&p, &s), reference(&p, &s), "full, {n}");
        for bits in [1, 4, 8, 15, 16, 17, 24, 31] {
            let small: Vec<i32> = (0..n).map(|_| rng.random::<i32>() >> (31 - bits)).collect();
            assert_eq!(msm_small(&p, &small), reference(&p, &lift(&small)), "small, {n}, {bits}");
        }
    }
}

#[test]
fn all_instruction_sets_agree() {
    let mut rng = StdRng::seed_from_u64(5);
    let isas = || Isa::available().iter().map(|isa| Some(*isa)).chain([None]);
    for n in [1, 5, 64, 700, 5000] {
        let (p, s) = (points(&mut rng, n), scalars(&mut rng, n));
        let q: Vec<G2Affine> = BatchMulPreprocessing::new(G2Projective::generator(), n).batch_mul(&s);
        let small: Vec<i32> = (0..n).map(|_| i32::from(rng.random::<i16>())).collect();
        let want = (
            G1Projective::msm_unchecked(&p, &s),
            G1Projective::msm_unchecked(&p, &lift(&small)),
            G2Projective::msm_unchecked(&q, &s),
        );
        for isa in isas() {
            let have = (with::msm(isa, &p, &s), with::msm_small(isa, &p, &[&small[..]])[0], with::msm_g2(isa, &q, &s));
            assert_eq!(have, want, "{isa:?}, {n}");
        }
    }
}

#[test]
fn pieces_are_cut_correctly() {
    // more terms in one bucket than a piece holds, and buckets across the borders of pieces; the definition is too slow
    // here, so the bases are known multiples of one point
    let mut rng = StdRng::seed_from_u64(2);
    let n = 20_011;
    let logs = scalars(&mut rng, n);
    let g = G1Projective::generator();
    let p = BatchMulPreprocessing::new(g, n).batch_mul(&logs);
    for modulus in [1, 3, 1000, 70_000] {
        let small: Vec<i32> = (0..n).map(|_| rng.random_range(-modulus..=modulus)).collect();
        let want: Fr = logs.iter().zip(lift(&small)).map(|(l, s)| *l * s).sum();
        assert_eq!(msm_small(&p, &small), g * want);
        assert_eq!(msm(&p, &lift(&small)), g * want);
    }
    let equal = vec![-Fr::from(9).inverse().unwrap(); n];
    assert_eq!(msm(&p, &equal), g * (logs.iter().sum::<Fr>() * equal[0]));
    assert_eq!(msm_small(&p, &vec![i32::MIN; n]), g * (logs.iter().sum::<Fr>() * Fr::from(i32::MIN)));
}

#[test]
fn edge_scalars_agree() {
    let mut rng = StdRng::seed_from_u64(3);
    let small = [
        i32::MIN,
        i32::MIN + 1,
        -65536,
        -32769,
        -32768,
        -32767,
        -129,
        -128,
        -1,
        0,
        1,
        127,
        128,
        32767,
        32768,
        i32::MAX,
    ];
    let p = points(&mut rng, small.len());
    assert_eq!(msm_small(&p, &small), reference(&p, &lift(&small)));
    for (point, s) in p.iter().zip(small) {
        assert_eq!(msm_small(&[*point], &[s]), reference(&[*point], &[Fr::from(s)]));
    }
    let full =
        [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(2).pow([253]), -Fr::from(2).pow([253]), Fr::from(2).inverse().unwrap()];
    let p = &p[..full.len()];
    assert_eq!(msm(p, &full), reference(p, &full));
    assert!(msm(p, &[Fr::ZERO; 6]).is_zero() && msm_small(p, &[0; 6]).is_zero());
}

#[test]
fn repeated_cancelling_and_identity_bases_agree() {
    let mut rng = StdRng::seed_from_u64(4);
    let q = points(&mut rng, 3);
    let identity = G1Affine::zero();
    let p: Vec<G1Affine> = (0..240)
        .map(|i| match i % 8 {
            0 | 1 => q[0],
            2 => -q[0],
            3 | 4 => identity,
            5 => q[1],
            6 => -q[1],
            _ => q[2],
        })
        .collect();
    for case in 0..4 {
        let small: Vec<i32> =
            (0..p.len()).map(|_| if case == 0 { 3 } else { rng.random_range(-case..=case) }).collect();
        assert_eq!(msm_small(&p, &small), reference(&p, &lift(&small)));
        assert_eq!(msm(&p, &lift(&small)), reference(&p, &lift(&small)));
    }
    assert!(msm(&vec![identity; 50], &scalars(&mut rng, 50)).is_zero());
    let pair = [q[0], -q[0]];
    assert!(msm(&pair, &[Fr::from(77), Fr::from(77)]).is_zero() && msm_small(&pair, &[-5, -5]).is_zero());
}
