//! What every backend must pass: the same cases, compared with another backend that is taken for right. Sizes go up to
//! `2^log_max`.

use super::Backend;
use crate::inner::{Leaves, TableRows, witness};
use crate::ntt::Domain;
use crate::plonk::quotient::{KEY_COLUMNS, Preprocessed, WITNESS_COLUMNS, Witness};
use crate::plonk::{Challenges, Rows};
use ark_bn254::{Fr, G1Affine, G2Affine};
use ark_ec::short_weierstrass::{Affine, Projective, SWCurveConfig};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, Field, UniformRand};
use ark_std::rand::{RngCore, SeedableRng, rngs::StdRng};
use assay_circuits::exec::{Trace, execute};
use assay_circuits::model::{Architecture, ModelError, Rule, Weights};
use assay_circuits::plonk::BLINDING_ROWS;
use assay_circuits::sample;
use assay_circuits::sample::builder::{NetworkBuilder, along, linear};
use assay_circuits::shape::Shape;
use std::sync::Arc;

/// Two backends that differ.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("wrong result: {case}")]
pub struct Mismatch {
    /// Where.
    pub case: String,
}

type Outcome = Result<(), Mismatch>;

fn same<T: PartialEq>(a: T, b: T, case: impl FnOnce() -> String) -> Outcome {
    if a == b { Ok(()) } else { Err(Mismatch { case: case() }) }
}

/// Everything. Errors: [`Mismatch`], as of all functions here.
pub fn all(backend: &dyn Backend, expected: &dyn Backend, log_max: u32) -> Outcome {
    msm(backend, expected, log_max)?;
    msm_small(backend, expected, log_max)?;
    msm_g2(backend, expected, log_max)?;
    transforms(backend, expected, log_max)?;
    cells(backend, expected, log_max)?;
    product(backend, expected, log_max)?;
    fractions(backend, expected)?;
    quotients(backend, expected, log_max)
}

/// One large case of what depends on size: multiplications, a transform, sums over cells.
pub fn large(backend: &dyn Backend, expected: &dyn Backend, log: u32) -> Outcome {
    let (rng, n) = (&mut rng(), 1usize << log);
    let points: Arc<Vec<G1Affine>> = Arc::new(points(rng, n));
    let values = random(rng, n);
    let (bases, others) = (backend.bases(Arc::clone(&points)), expected.bases(points));
    same(bases.msm(&values), others.msm(&values), || format!("msm of 2^{log}"))?;
    let cells: Vec<i32> = (0..4 * n).map(|_| rng.next_u32() as i32).collect();
    let lists: Vec<&[i32]> = cells.chunks(n).collect();
    same(bases.msm_small(&lists), others.msm_small(&lists), || format!("msm of four times 2^{log} small scalars"))?;
    let Some(domain) = Domain::new(log) else { return Ok(()) };
    let (mut a, mut b) = (values.clone(), values.clone());
    backend.to_coefficients(&domain, &mut a, None);
    expected.to_coefficients(&domain, &mut b, None);
    same(a, b, || format!("coefficients of 2^{log}"))?;
    let (held, others) = (backend.cells(Arc::new(cells.clone())), expected.cells(Arc::new(cells)));
    let fold = |cells: &dyn super::Cells| cells.fold_rows(0, &values[..n / 256], 1024);
    same(fold(held.as_ref()), fold(others.as_ref()), || format!("rows of four times 2^{log} cells"))?;
    let dot = |cells: &dyn super::Cells| cells.dot_rows(0, &values[..256], n / 64);
    same(dot(held.as_ref()), dot(others.as_ref()), || format!("sums of four times 2^{log} cells"))?;
    product(backend, expected, log)
}

/// Quotients of random columns, which are none of a circuit's.
pub fn quotients(backend: &dyn Backend, expected: &dyn Backend, log_max: u32) -> Outcome {
    let rng = &mut rng();
    for log in [3, log_max.min(4), log_max.clamp(4, 12)] {
        let Some(rows) = Rows::new(log) else { break };
        let columns =
            |rng: &mut StdRng, count: usize| -> Vec<Vec<Fr>> { (0..count).map(|_| random(rng, 1 << log)).collect() };
        let key = Arc::new(Preprocessed { rows: Arc::new(rows), columns: columns(rng, KEY_COLUMNS) });
        let (own, other) = (backend.quotients(Arc::clone(&key)), expected.quotients(key));
        for tail in [random(rng, BLINDING_ROWS), Vec::new()] {
            let [advice @ .., public, product] =
                columns(rng, WITNESS_COLUMNS).try_into().unwrap_or([const { Vec::new() }; WITNESS_COLUMNS]);
            let witness = Witness { advice: &advice, public: &public, product: &product, tail: &tail };
            let challenges = Challenges::new([Fr::rand(rng), Fr::rand(rng)], Fr::rand(rng));
            let case = || format!("quotient of 2^{log} rows, {} coefficients behind", tail.len());
            same(own.quotient(&witness, &challenges), other.quotient(&witness, &challenges), case)?;
        }
    }
    Ok(())
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
pub fn msm(backend: &dyn Backend, expected: &dyn Backend, log_max: u32) -> Outcome {
    let rng = &mut rng();
    let points: Vec<G1Affine> = points(rng, 1 << log_max);
    let points = Arc::new(points);
    let (bases, expected_bases) = (backend.bases(Arc::clone(&points)), expected.bases(Arc::clone(&points)));
    for n in lengths(log_max) {
        for (sort, scalars) in scalars(rng, n).iter().enumerate() {
            let case = |what| move || format!("{what}, {n} scalars of sort {sort}");
            let expected_sum = expected_bases.msm(scalars);
            same(bases.msm(scalars), expected_sum, case("msm"))?;
            same(backend.msm(&points[..n], scalars), expected_sum, case("msm, once"))?;
        }
    }
    Ok(())
}

/// Lists of small scalars.
pub fn msm_small(backend: &dyn Backend, expected: &dyn Backend, log_max: u32) -> Outcome {
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
        let first = sums.iter().zip(&others).position(|(a, b)| a != b);
        same(sums, others, || format!("msm of {} lists of small scalars, first in list {first:?}", lists.len()))?;
    }
    Ok(())
}

/// Full-width sums in G2.
pub fn msm_g2(backend: &dyn Backend, expected: &dyn Backend, log_max: u32) -> Outcome {
    let rng = &mut rng();
    for n in lengths(log_max.min(9)) {
        let points: Vec<G2Affine> = points(rng, n);
        for (sort, scalars) in scalars(rng, n).iter().enumerate() {
            let (a, b) = (backend.msm_g2(&points, scalars), expected.msm_g2(&points, scalars));
            same(a, b, || format!("msm in G2, {n} scalars of sort {sort}"))?;
        }
    }
    Ok(())
}

/// Transforms both ways, with and without a coset.
pub fn transforms(backend: &dyn Backend, expected: &dyn Backend, log_max: u32) -> Outcome {
    let rng = &mut rng();
    for log in 0..=log_max {
        let Some(domain) = Domain::new(log) else { break };
        let coset = domain.coset(Fr::rand(rng));
        for values in [random(rng, 1 << log), vec![-Fr::ONE; 1 << log], vec![Fr::ZERO; 1 << log]] {
            for coset in [None, Some(&coset)] {
                let (mut a, mut b) = (values.clone(), values.clone());
                backend.to_coefficients(&domain, &mut a, coset);
                expected.to_coefficients(&domain, &mut b, coset);
                same(a, b, || format!("coefficients of 2^{log}, coset: {}", coset.is_some()))?;
                let (mut a, mut b) = (values.clone(), values.clone());
                backend.to_values(&domain, &mut a, coset);
                expected.to_values(&domain, &mut b, coset);
                same(a, b, || format!("values of 2^{log}, coset: {}", coset.is_some()))?;
            }
        }
    }
    Ok(())
}

/// Sums of rows and of columns, within the cells and beyond their end.
pub fn cells(backend: &dyn Backend, expected: &dyn Backend, log_max: u32) -> Outcome {
    let rng = &mut rng();
    let n = (1usize << log_max) + 11;
    let mut values: Vec<i32> = (0..n).map(|_| (rng.next_u32() as i32) >> (rng.next_u32() % 31)).collect();
    (values[0], values[1]) = (i32::MIN, i32::MAX);
    let values = Arc::new(values);
    let (held, others) = (backend.cells(Arc::clone(&values)), expected.cells(values));
    for (from, rows, width) in [
        (0, 1, 1),
        (0, n, 1),
        (0, 1, n),
        (0, 3, 256),
        (7, 20, 33),
        (n - 5, 4, 8),
        (n + 9, 2, 2),
        (0, 0, 4),
        (256, n / 256, 256),
    ] {
        for factors in [random(rng, rows), vec![-Fr::ONE; rows]] {
            let (a, b) = (held.fold_rows(from, &factors, width), others.fold_rows(from, &factors, width));
            same(a, b, || format!("{rows} rows of {width} cells from {from}"))?;
        }
        for factors in [random(rng, width), vec![-Fr::ONE; width]] {
            let (a, b) = (held.dot_rows(from, &factors, rows), others.dot_rows(from, &factors, rows));
            same(a, b, || format!("{rows} sums of {width} cells from {from}"))?;
        }
    }
    Ok(())
}

/// A sumcheck of products.
pub fn product(backend: &dyn Backend, expected: &dyn Backend, log_max: u32) -> Outcome {
    let rng = &mut rng();
    for log in [0, 1, 2, 5, log_max] {
        let (a, b) = (random(rng, 1 << log), random(rng, 1 << log));
        let (mut product, mut other) = (backend.product(a.clone(), b.clone()), expected.product(a, b));
        for round in 0..log {
            same(product.message(), other.message(), || format!("round {round} of 2^{log} products"))?;
            let x = Fr::rand(rng);
            product.bind(&x);
            other.bind(&x);
        }
        same(product.first(), other.first(), || format!("last of 2^{log} products"))?;
    }
    Ok(())
}

/// The lookup argument's rounds for executions of networks, true and false.
pub fn fractions(backend: &dyn Backend, expected: &dyn Backend) -> Outcome {
    let exact = exact().map_err(|e| Mismatch { case: format!("exact does not exist: {e}") })?;
    let networks = [
        ("digits", sample::digits_cnn()),
        ("MLP", sample::mlp(16, 2)),
        ("attention", sample::attention(3, 4, 2)),
        ("exact", exact),
    ];
    for (name, (architecture, weights)) in networks {
        let input = sample::random_input(&architecture, 3);
        let unfit = |error: &dyn std::fmt::Display| Mismatch { case: format!("{name} does not run: {error}") };
        let trace = execute(&architecture, &weights, &input).map_err(|e| unfit(&e))?;
        let shape = Shape::new(architecture, 8).map_err(|e| unfit(&e))?;
        let mut wrong = trace.clone();
        if let Some(value) = wrong.columns.get_mut(1).and_then(|column| column.first_mut()) {
            *value += 1 << 20;
        }
        for trace in [trace, wrong] {
            tree(backend, expected, &shape, &trace, name)?;
        }
    }
    Ok(())
}

/// A network whose tree of fractions is mostly unused.
fn exact() -> Result<(Architecture, Weights), ModelError> {
    let (mut builder, input) = NetworkBuilder::new(&[2], 4, 0, 4);
    let term = linear(3, vec![1, 9], input.source, vec![along(1, 0)]);
    let large = builder.layer(&[512, 2], vec![term], 5, Rule::Exact);
    builder.finish(&large, 0)
}

fn tree(backend: &dyn Backend, expected: &dyn Backend, shape: &Shape, trace: &Trace, name: &str) -> Outcome {
    let rng = &mut rng();
    let tables = TableRows::all(shape);
    // none of these networks reads rows of weights
    let witness = witness::build(shape, &tables, &[], trace);
    let (beta, gamma) = (Fr::rand(rng), Fr::rand(rng));
    let leaves = || Leaves {
        shape,
        tables: &tables,
        trace,
        cells: &witness.cells,
        rows: &witness.rows,
        beta,
        gamma,
        row: &[],
        combined: &[],
    };
    let arities = leaves().arities();
    let (mut tree, mut other) = (backend.fractions(leaves()), expected.fractions(leaves()));
    same(tree.root(), other.root(), || format!("{name}, root"))?;
    let mut point: Vec<Fr> = Vec::new();
    for (level, arity) in arities.iter().enumerate().rev() {
        let what = format!("{name}, level {level}");
        let lambda = Fr::rand(rng);
        let mut messages = (tree.begin(level, &lambda, &point), other.begin(level, &lambda, &point));
        let mut xs = random(rng, point.len());
        for (round, x) in xs.iter().enumerate() {
            same(messages.0, messages.1, || format!("{what}, message {round}"))?;
            messages = (tree.bind(x), other.bind(x));
        }
        same(tree.children(), other.children(), || format!("{what}, children"))?;
        xs.splice(0..0, random(rng, *arity));
        point = xs;
    }
    Ok(())
}
