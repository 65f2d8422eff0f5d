//! Our multi-scalar multiplications beside `ark-ec`'s: `cargo bench -p assay-prover --bench msm`. Milliseconds of CPU
//! time of all threads (mean of 10 runs), where the system tells it (Linux), which a busy machine disturbs less; and of
//! wall clock (best of 10).

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{PrimeGroup, VariableBaseMSM, scalar_mul::BatchMulPreprocessing};
use ark_ff::PrimeField;
use assay_prover::msm::{Isa, with};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::Instant;

/// CPU time of the process so far, threads that have ended included; in steps of 10 ms.
fn cpu_ms() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok());
    Some(10.0 * (ticks(11)? + ticks(12)?))
}

/// The result, CPU and wall clock time in ms.
fn measure<G>(mut f: impl FnMut() -> G) -> (G, String) {
    let mut out = f();
    let (mut best, cpu) = (f64::MAX, cpu_ms());
    for _ in 0..RUNS {
        let start = Instant::now();
        out = f();
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    let cpu = cpu.zip(cpu_ms()).map_or(f64::NAN, |(from, to)| (to - from) / f64::from(RUNS));
    (out, format!("{cpu:.0} / {best:.1}"))
}

const RUNS: u32 = 10;

fn main() {
    let mut rng = StdRng::seed_from_u64(1);
    println!("threads {}", rayon::current_num_threads());
    println!("{:>5} {:>12} {:>15} {:>15} {:>15}", "log n", "instructions", "G1 full", "G1 i16", "G2 full");
    for log in [12, 14, 16] {
        let n = 1 << log;
        let scalars: Vec<Fr> = (0..n).map(|_| Fr::from_le_bytes_mod_order(&rng.random::<[u8; 32]>())).collect();
        let small: Vec<i32> = (0..n).map(|_| i32::from(rng.random::<i16>())).collect();
        let lifted: Vec<Fr> = small.iter().map(|s| Fr::from(*s)).collect();
        let bases: Vec<G1Affine> = BatchMulPreprocessing::new(G1Projective::generator(), n).batch_mul(&scalars);
        let bases_g2: Vec<G2Affine> = BatchMulPreprocessing::new(G2Projective::generator(), n).batch_mul(&scalars);
        let row = |name: &str, times: [&str; 3]| {
            println!("{log:>5} {name:>12} {:>15} {:>15} {:>15}", times[0], times[1], times[2])
        };
        let full = measure(|| G1Projective::msm_unchecked(&bases, &scalars));
        let short = measure(|| G1Projective::msm_unchecked(&bases, &lifted));
        let g2 = measure(|| G2Projective::msm_unchecked(&bases_g2, &scalars));
        row("arkworks", [&full.1, &short.1, &g2.1]);
        for isa in Isa::available().iter().map(|isa| Some(*isa)).chain([None]) {
            let ours = measure(|| with::msm(isa, &bases, &scalars));
            let ours_short = measure(|| with::msm_small(isa, &bases, &[&small[..]])[0]);
            let ours_g2 = measure(|| with::msm_g2(isa, &bases_g2, &scalars));
            assert!(ours.0 == full.0 && ours_short.0 == short.0 && ours_g2.0 == g2.0, "the results agree");
            row(&isa.map_or("scalar".to_owned(), |isa| format!("{isa:?}")), [&ours.1, &ours_short.1, &ours_g2.1]);
        }
    }
}
