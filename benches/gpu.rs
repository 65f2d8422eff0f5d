//! A CUDA device against the processor beside it: multiplications, transforms, whole proofs. `benches/gpu.sh` runs it,
//! `docs/gpu.md` has its figures.

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::{CurveGroup, PrimeGroup};
use ark_ff::{AdditiveGroup, Field};
// for its allocator
use assay_benches as _;
use assay_circuits::sample;
use assay_gpu::{Cuda, Least, search};
use assay_prover::backend::{Backend, Cpu};
use assay_prover::control::{Control, Phase};
use assay_prover::ntt::Domain;
use assay_prover::package::{Metadata, Package};
use assay_prover::plonk::quotient::{KEY_COLUMNS, Preprocessed, WITNESS_COLUMNS, Witness};
use assay_prover::plonk::{Challenges, Rows};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use assay_prover::wrap::{System, WrapProvingKey};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// Each figure is the best of so many.
const RUNS: usize = 5;

fn main() {
    let found = search::find();
    let Some(cuda) = found.backend else {
        println!("no device: nothing measured");
        found.tried.iter().for_each(|(path, reason)| println!("{}: {reason}", path.display()));
        return;
    };
    // for a try on a small machine, or on an emulated device
    let largest: u32 = std::env::var("ASSAY_BENCH_LOG").ok().and_then(|log| log.parse().ok()).unwrap_or(24);
    println!("device: {}\nprocessor: {}\n", cuda.name(), Cpu.name());
    println!("| work | device | kernels alone | processor | ratio |\n|---|---|---|---|---|");
    // small sizes too
    let cuda = cuda.with_least(Least::EVERYTHING);
    let backends: [Arc<dyn Backend>; 2] = [Arc::new(cuda.clone()), Arc::new(Cpu)];
    let up_to = |logs: &[u32]| logs.iter().copied().filter(|log| *log <= largest).collect::<Vec<u32>>();
    up_to(&[8, 10, 12, 14, 16, 18, 20, 24]).iter().for_each(|log| multiplications(&cuda, &backends, *log));
    up_to(&[11, 14, 16]).iter().for_each(|log| lists(&cuda, &backends, *log));
    up_to(&[12, 14, 16, 18, 20, 24]).iter().for_each(|log| transforms(&cuda, &backends, *log));
    up_to(&[14, 18, 20, 22]).iter().for_each(|log| sumchecks(&backends, *log));
    up_to(&[14, 20, 24]).iter().for_each(|log| cells(&cuda, &backends, *log));
    up_to(&[8, 12, 14, 16]).iter().for_each(|log| quotients(&cuda, &backends, *log));
    let start = Instant::now();
    let least = cuda.measured().least();
    println!(
        "| sizes from which on the device is asked, measured | {:.2} ms | | | |\n\n{least:?}\n",
        1e3 * start.elapsed().as_secs_f64()
    );
    println!("| proof | device | kernels alone | processor | ratio |\n|---|---|---|---|---|");
    let backends: [Arc<dyn Backend>; 2] = [Arc::new(cuda.with_least(least)), Arc::new(Cpu)];
    for (name, network, c, wrap) in [
        ("LeNet-5, universal wrap", sample::lenet5(), 16, Some(System::Universal)),
        ("LeNet-5, Groth16", sample::lenet5(), 16, Some(System::Groth16)),
        ("LeNet-5, inner", sample::lenet5(), 11, None),
        ("VGG-16, universal wrap", sample::vgg16(), 17, Some(System::Universal)),
        ("VGG-16, inner", sample::vgg16(), 14, None),
    ] {
        if c <= largest {
            proofs(&backends, name, network, c, wrap);
        }
    }
}

/// The best of some runs, in seconds.
fn best(mut f: impl FnMut()) -> f64 {
    (0..RUNS).map(|_| time(&mut f)).fold(f64::MAX, f64::min)
}

fn time(f: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_secs_f64()
}

/// `alone`: the device's own time of the last run, 0 where it is not known.
fn row(work: &str, [device, processor]: [f64; 2], alone: f64) {
    let alone = if alone > 0.0 { format!("{:.2} ms", 1e3 * alone) } else { String::new() };
    println!("| {work} | {:.2} ms | {alone} | {:.2} ms | {:.1} |", 1e3 * device, 1e3 * processor, processor / device);
}

fn scalars(n: usize) -> Vec<Fr> {
    let step = Fr::from(rand::random::<u64>()).pow([5]);
    std::iter::successors(Some(step), |value| Some(*value * step + Fr::ONE)).take(n).collect()
}

/// Different points, without a multiplication for each.
fn points(n: usize) -> Vec<G1Affine> {
    const PART: usize = 1 << 12;
    let mut sum = G1Projective::generator();
    let mut points = Vec::with_capacity(n);
    while points.len() < n {
        let part: Vec<G1Projective> = (0..PART.min(n - points.len()))
            .map(|i| {
                sum.double_in_place();
                if i % 2 == 1 {
                    sum += G1Projective::generator()
                }
                sum
            })
            .collect();
        points.extend(G1Projective::normalize_batch(&part));
    }
    points
}

fn multiplications(cuda: &Cuda, backends: &[Arc<dyn Backend>; 2], log: u32) {
    let n = 1usize << log;
    let (points, scalars) = (Arc::new(points(n)), scalars(n));
    let small: Vec<i32> = scalars.iter().map(|s| (s.0.0[0] as i16).into()).collect();
    let bases = backends.each_ref().map(|backend| backend.bases(Arc::clone(&points)));
    let sums =
        bases.each_ref().map(|bases| (bases.msm(&scalars).into_affine(), bases.msm_small(&[&small])[0].into_affine()));
    assert!(sums[0] == sums[1], "the device is wrong");
    // the processor's runs do not touch the device's last call
    let seconds = bases.each_ref().map(|bases| best(|| _ = black_box(bases.msm(&scalars))));
    row(&format!("msm 2^{log}, scalars uploaded"), seconds, cuda.device().seconds());
    let seconds = bases.each_ref().map(|bases| best(|| _ = black_box(bases.msm_small(&[&small]))));
    row(&format!("msm 2^{log}, 16-bit scalars"), seconds, cuda.device().seconds());
}

/// 64 lists of 16-bit scalars over the same bases.
fn lists(cuda: &Cuda, backends: &[Arc<dyn Backend>; 2], log: u32) {
    let n = 1usize << log;
    let points = Arc::new(points(n));
    let cells: Vec<i32> = scalars(64 * n).iter().map(|s| (s.0.0[0] as i16).into()).collect();
    let lists: Vec<&[i32]> = cells.chunks(n).collect();
    let bases = backends.each_ref().map(|backend| backend.bases(Arc::clone(&points)));
    assert!(bases[0].msm_small(&lists) == bases[1].msm_small(&lists), "the device is wrong");
    let seconds = bases.each_ref().map(|bases| best(|| _ = black_box(bases.msm_small(&lists))));
    row(&format!("64 lists of 2^{log} 16-bit scalars"), seconds, cuda.device().seconds());
}

/// All rounds of a sumcheck of products.
fn sumchecks(backends: &[Arc<dyn Backend>; 2], log: u32) {
    let factors = scalars(1 << log);
    let seconds = backends.each_ref().map(|backend| {
        best(|| {
            let mut product = backend.product(factors.clone(), factors.clone());
            for x in &factors[..log as usize] {
                black_box(product.message());
                product.bind(x);
            }
        })
    });
    row(&format!("product sumcheck 2^{log}"), seconds, 0.0);
}

/// Sums over rows of 1,024 cells, both ways.
fn cells(cuda: &Cuda, backends: &[Arc<dyn Backend>; 2], log: u32) {
    const WIDTH: usize = 1024;
    let rows = (1usize << log) / WIDTH;
    let cells: Arc<Vec<i32>> = Arc::new(scalars(1 << log).iter().map(|s| (s.0.0[0] as i16).into()).collect());
    let factors = scalars(rows.max(WIDTH));
    let held = backends.each_ref().map(|backend| backend.cells(Arc::clone(&cells)));
    let seconds = held.each_ref().map(|held| best(|| _ = black_box(held.fold_rows(0, &factors[..rows], WIDTH))));
    row(&format!("fold {rows} rows of {WIDTH} cells"), seconds, cuda.device().seconds());
    let seconds = held.each_ref().map(|held| best(|| _ = black_box(held.dot_rows(0, &factors[..WIDTH], rows))));
    row(&format!("dot {rows} rows of {WIDTH} cells"), seconds, cuda.device().seconds());
}

/// Quotients of the universal wrap.
fn quotients(cuda: &Cuda, backends: &[Arc<dyn Backend>; 2], log: u32) {
    let Some(rows) = Rows::new(log) else { return };
    let columns = |count: usize| -> Vec<Vec<Fr>> { (0..count).map(|_| scalars(1 << log)).collect() };
    let key = Arc::new(Preprocessed { rows: Arc::new(rows), columns: columns(KEY_COLUMNS) });
    let witness = columns(WITNESS_COLUMNS);
    let [advice @ .., public, product] = &witness[..] else { return };
    let witness = Witness { advice, public, product, tail: &[Fr::ONE] };
    let challenges = Challenges::new([Fr::from(3u64), Fr::from(5u64)], Fr::from(7u64));
    let quotients = backends.each_ref().map(|backend| backend.quotients(Arc::clone(&key)));
    assert!(
        quotients[0].quotient(&witness, &challenges) == quotients[1].quotient(&witness, &challenges),
        "the device is wrong"
    );
    let seconds =
        quotients.each_ref().map(|quotients| best(|| _ = black_box(quotients.quotient(&witness, &challenges))));
    row(&format!("quotient of 2^{log} rows"), seconds, cuda.device().seconds());
}

fn transforms(cuda: &Cuda, backends: &[Arc<dyn Backend>; 2], log: u32) {
    let Some(domain) = Domain::new(log) else { return };
    let values = scalars(1 << log);
    let transformed = backends.each_ref().map(|backend| {
        let mut values = values.clone();
        backend.to_coefficients(&domain, &mut values, None);
        values
    });
    assert!(transformed[0] == transformed[1], "the device is wrong");
    let mut values = values;
    let seconds = backends.each_ref().map(|backend| best(|| backend.to_coefficients(&domain, &mut values, None)));
    row(&format!("transform 2^{log}, there and back over the bus"), seconds, cuda.device().seconds());
}

fn proofs(
    backends: &[Arc<dyn Backend>; 2],
    name: &str,
    network: (assay_circuits::model::Architecture, assay_circuits::model::Weights),
    c: u32,
    wrap: Option<System>,
) {
    let (architecture, weights) = network;
    let cells = sample::random_input(&architecture, 1);
    let runs = backends.each_ref().map(|backend| {
        let srs = Srs::development(c + 1).on(Arc::clone(backend));
        let package = Package::new(Metadata::default(), architecture.clone(), weights.clone(), c, &srs)
            .expect("the network has a package");
        let shape = package.model.shape.clone();
        let key = wrap.map(|system| match system {
            System::Universal => WrapProvingKey::universal(&shape, &srs).expect("the powers are enough"),
            System::Groth16 => WrapProvingKey::development(&shape, &srs.id()).expect("the circuit is made"),
        });
        let seller = Seller::new(package, srs).expect("the powers are enough");
        let seller = key.into_iter().fold(seller, Seller::with_wrap_key);
        let input = InputOpening::private(&shape, cells.clone());
        // both verify before they are handed out
        let run = || {
            let (control, start) = (Control::new(), Instant::now());
            match wrap {
                Some(_) => drop(seller.prove_wrapped(&input, Fr::ZERO, &control).expect("it is proven")),
                None => drop(seller.prove_native(&input, Fr::ZERO, &control).expect("it is proven")),
            }
            (start.elapsed().as_secs_f64(), control.timings())
        };
        (0..RUNS).map(|_| run()).min_by(|a, b| a.0.total_cmp(&b.0)).expect("there are runs")
    });
    row(name, runs.each_ref().map(|(seconds, _)| *seconds), 0.0);
    for phase in Phase::ALL {
        let seconds = runs
            .each_ref()
            .map(|(_, timings)| timings.iter().filter(|t| t.phase == phase).map(|t| t.seconds).sum::<f64>());
        if seconds[0] > 0.0 {
            row(&format!("– {phase:?}"), seconds, 0.0);
        }
    }
}
