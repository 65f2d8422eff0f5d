//! What every backend must pass: the same cases, compared with another backend that is taken for right.
//!
//! Functions panic where results differ. Sizes go up to `2^log_max`.

use super::{Backend, Fractions};
use crate::inner::{Leaves, TableRows, witness};
use crate::ntt::Domain;
use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::short_weierstrass::{Affine, Projective, SWCurveConfig};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, Field, UniformRand};
use ark_std::rand::{RngCore, SeedableRng, rngs::StdRng};
use assay_circuits::exec::{Trace, execute};
use assay_circuits::model::{Architecture, Weights};
use assay_circuits::sample;
use assay_circuits::shape::Shape;
use std::sync::Arc;

/// Everything.
pub fn all(backend: &dyn Backend, expected: &dyn Backend, log_max: u32) {
    msm(backend, expected, log_max);
    msm_small(backend, expected, log_max);
    msm_g2(backend, expected, log_max);
    transforms(backend, expected, log_max);
    cells(backend, expected, log_max);
    product(backend, expected, log_max);
    fractions(backend, expected);
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(17)
}

/// `2^log_max`, and lengths that are no powers of two.
fn lengths(log_max: u32) -> Vec<usize> {
    let largest = 1usize << log_max;
    let mut lengths = vec![0, 1, 2, 3, 31, 100, 255, largest / 2 + 7, largest - 1, largest];
    lengths.retain(|n| *n <= largest);
    lengths
}

fn random(rng: &mut StdRng, n: usize) -> Vec<Fr> {
    (0..n).map(|_| Fr::rand(rng)).collect()
}

/// Different points, of which many repeat, some cancel and some are the identity.
fn points<P: SWCurveConfig>(rng: &mut StdRng, n: usize) -> Vec<Affine<P>> {
    let base: Vec<Projective<P>> = (0..(n / 2).clamp(1, 64)).map(|_| Projective::<P>::rand(rng)).collect();
    let base = Projective::<P>::normalize_batch(&base);
    // 64 random points and sums with multiples of one: cheap and different
    let step = Projective::<P>::rand(rng);
    let mut sum = Projective::<P>::ZERO;
    let mut points = Vec::with_capacity(n);
    for i in 0..n {
        sum += step;
        points.push(match i % 16 {
            3 => Projective::ZERO,
            5 => base[0].into_group(),
            7 => -base[0].into_group(),
            _ => sum + base[i % base.len()],
        });
    }
    Projective::<P>::normalize_batch(&points)
}

/// Lists of scalars that a multiplication may trip over: random, zeros, ones, equal ones, the largest, and all sorts.
fn scalars(rng: &mut StdRng, n: usize) -> Vec<Vec<Fr>> {
    let one = Fr::rand(rng);
    let sorts = |i: usize, value: Fr| match i % 7 {
        0 => Fr::ZERO,
        1 => Fr::ONE,
        2 => -Fr::ONE,
        3 => Fr::from(i as u64),
        4 => -Fr::from(1u64 << 40),
        _ => value,
    };
    let mixed = random(rng, n).into_iter().enumerate().map(|(i, value)| sorts(i, value)).collect();
    vec![random(rng, n), vec![Fr::ZERO; n], vec![Fr::ONE; n], vec![one; n], vec![-Fr::ONE; n], mixed]
}

/// Full-width sums in G1, over bases that stay and over others.
pub fn msm(backend: &dyn Backend, expected: &dyn Backend, log_max: u32) {
    let rng = &mut rng();
    let points: Vec<G1Affine> = points(rng, 1 << log_max);
    let points = Arc::new(points);
    let (bases, expected_bases) = (backend.bases(Arc::clone(&points)), expected.bases(Arc::clone(&points)));
    for n in lengths(log_max) {
        for (sort, scalars) in scalars(rng, n).iter().enumerate() {
            assert_same(bases.msm(scalars), expected_bases.msm(scalars), "msm", n, sort);
            assert_same(backend.msm(&points[..n], scalars), expected.msm(&points[..n], scalars), "msm, once", n, sort);
        }
    }
}

/// Lists of small scalars.
pub fn msm_small(backend: &dyn Backend, expected: &dyn Backend, log_max: u32) {
    let rng = &mut rng();
    let points: Arc<Vec<G1Affine>> = Arc::new(points(rng, 1 << log_max));
    let (bases, expected) = (backend.bases(Arc::clone(&points)), expected.bases(points));
    let edges = [i32::MIN, i32::MAX, -1, 0, 1, -32768, 32767, 255];
    let mut lists: Vec<Vec<i32>> = Vec::new();
    for n in lengths(log_max) {
        lists.push((0..n).map(|_| rng.next_u32() as i32).collect());
        lists.push((0..n).map(|_| (rng.next_u32() as i32) >> 20).collect());
        lists.push((0..n).map(|i| edges[i % edges.len()]).collect());
    }
    lists.extend([vec![i32::MIN; 300], vec![5; 300], vec![0; 300]].map(|list| list[..300.min(1 << log_max)].to_vec()));
    let lists: Vec<&[i32]> = lists.iter().map(Vec::as_slice).collect();
    for lists in [&lists[..], &lists[3..4], &[]] {
        let (sums, others) = (bases.msm_small(lists), expected.msm_small(lists));
        assert_eq!((sums.len(), others.len()), (lists.len(), lists.len()));
        for (i, (a, b)) in sums.into_iter().zip(others).enumerate() {
            assert_same(a, b, "small msm", lists[i].len(), i);
        }
    }
}

/// Full-width sums in G2.
pub fn msm_g2(backend: &dyn Backend, expected: &dyn Backend, log_max: u32) {
    let rng = &mut rng();
    for n in lengths(log_max.min(9)) {
        let points: Vec<G2Affine> = points(rng, n);
        for (sort, scalars) in scalars(rng, n).iter().enumerate() {
            let (a, b): (G2Projective, G2Projective) = (backend.msm_g2(&points, scalars), expected.msm_g2(&points, scalars));
            assert_eq!(a.into_affine(), b.into_affine(), "msm in G2, {n} scalars of sort {sort}");
        }
    }
}

fn assert_same(a: G1Projective, b: G1Projective, what: &str, n: usize, sort: usize) {
    assert_eq!(a.into_affine(), b.into_affine(), "{what}, {n} scalars of sort {sort}");
}

/// Transforms both ways, with and without a coset.
pub fn transforms(backend: &dyn Backend, expected: &dyn Backend, log_max: u32) {
    let rng = &mut rng();
    for log in 0..=log_max {
        let Some(domain) = Domain::new(log) else { return };
        let coset = domain.coset(Fr::rand(rng));
        for values in [random(rng, 1 << log), vec![-Fr::ONE; 1 << log], vec![Fr::ZERO; 1 << log]] {
            for coset in [None, Some(&coset)] {
                let (mut a, mut b) = (values.clone(), values.clone());
                backend.to_coefficients(&domain, &mut a, coset);
                expected.to_coefficients(&domain, &mut b, coset);
                assert!(a == b, "coefficients of 2^{log}, coset: {}", coset.is_some());
                let (mut a, mut b) = (values.clone(), values.clone());
                backend.to_values(&domain, &mut a, coset);
                expected.to_values(&domain, &mut b, coset);
                assert!(a == b, "values of 2^{log}, coset: {}", coset.is_some());
            }
        }
    }
}

/// Sums of rows and of columns, within the cells and beyond their end.
pub fn cells(backend: &dyn Backend, expected: &dyn Backend, log_max: u32) {
    let rng = &mut rng();
    let n = (1usize << log_max) + 11;
    let mut values: Vec<i32> = (0..n).map(|_| (rng.next_u32() as i32) >> (rng.next_u32() % 31)).collect();
    (values[0], values[1]) = (i32::MIN, i32::MAX);
    let values = Arc::new(values);
    let (held, others) = (backend.cells(Arc::clone(&values)), expected.cells(values));
    for (from, rows, width) in
        [(0, 1, 1), (0, n, 1), (0, 1, n), (0, 3, 256), (7, 20, 33), (n - 5, 4, 8), (n + 9, 2, 2), (0, 0, 4), (256, n / 256, 256)]
    {
        for factors in [random(rng, rows), vec![-Fr::ONE; rows]] {
            assert!(held.fold_rows(from, &factors, width) == others.fold_rows(from, &factors, width), "{rows} rows of {width} from {from}");
        }
        for factors in [random(rng, width), vec![-Fr::ONE; width]] {
            assert!(held.dot_rows(from, &factors, rows) == others.dot_rows(from, &factors, rows), "{rows} dots of {width} from {from}");
        }
    }
}

/// A sumcheck of products.
pub fn product(backend: &dyn Backend, expected: &dyn Backend, log_max: u32) {
    let rng = &mut rng();
    for log in [0, 1, 2, 5, log_max] {
        let (a, b) = (random(rng, 1 << log), random(rng, 1 << log));
        let (mut product, mut other) = (backend.product(a.clone(), b.clone()), expected.product(a, b));
        for round in 0..log {
            assert_eq!(product.message(), other.message(), "round {round} of 2^{log} products");
            let x = Fr::rand(rng);
            product.bind(&x);
            other.bind(&x);
        }
        assert_eq!(product.first(), other.first(), "2^{log} products");
    }
}

/// The lookup argument's rounds for executions of networks, true and false.
pub fn fractions(backend: &dyn Backend, expected: &dyn Backend) {
    let networks: [(&str, (Architecture, Weights)); 2] = [("digits", sample::digits_cnn()), ("MLP", sample::mlp(16, 2))];
    for (name, (architecture, weights)) in networks {
        let input = sample::random_input(&architecture, 3);
        let Ok(trace) = execute(&architecture, &weights, &input) else { panic!("{name} does not run") };
        let Ok(shape) = Shape::new(architecture, 8) else { panic!("{name} has no shape") };
        let mut wrong = trace.clone();
        if let Some(value) = wrong.layers.first_mut().and_then(|layer| layer.q.first_mut()) {
            *value += 1 << 20;
        }
        for trace in [trace, wrong] {
            tree(backend, expected, &shape, &trace, name);
        }
    }
}

fn tree(backend: &dyn Backend, expected: &dyn Backend, shape: &Shape, trace: &Trace, name: &str) {
    let rng = &mut rng();
    let tables = TableRows::all(shape);
    let witness = witness::build(shape, &tables, trace);
    let (beta, gamma) = (Fr::rand(rng), Fr::rand(rng));
    let leaves = || Leaves { shape, tables: &tables, trace, cells: &witness.cells, rows: &witness.rows, beta, gamma };
    let arities = leaves().arities();
    let (mut tree, mut other) = (backend.fractions(leaves()), expected.fractions(leaves()));
    assert_eq!(tree.root(), other.root(), "{name}");
    let mut point: Vec<Fr> = Vec::new();
    for (level, arity) in arities.iter().enumerate().rev() {
        let what = format!("{name}, level {level}");
        point = level_of(tree.as_mut(), other.as_mut(), level, &point, rng, &what);
        point.splice(0..0, random(rng, *arity));
    }
}

/// Plays a level's rounds on both; the point at which they end.
fn level_of(a: &mut dyn Fractions, b: &mut dyn Fractions, level: usize, r: &[Fr], rng: &mut StdRng, what: &str) -> Vec<Fr> {
    let lambda = Fr::rand(rng);
    let check = |a: [Fr; 5], b: [Fr; 5], round: usize| {
        assert_eq!(a, b, "{what}, message {round}");
    };
    check(a.begin(level, &lambda, r), b.begin(level, &lambda, r), 0);
    let xs = random(rng, r.len());
    for (i, x) in xs.iter().enumerate() {
        check(a.bind(x), b.bind(x), i + 1);
    }
    assert_eq!(a.children(), b.children(), "{what}");
    xs
}
