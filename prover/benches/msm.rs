//! Our multi-scalar multiplications beside `ark-ec`'s: `cargo bench -p assay-prover --bench msm`. Milliseconds of CPU time of all threads (mean
//! of 10 runs), where the system tells it (Linux), which a busy machine disturbs less; and of wall clock (best of 10).

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::{PrimeGroup, VariableBaseMSM, scalar_mul::BatchMulPreprocessing};
use ark_ff::PrimeField;
use assay_prover::msm::{msm, msm_small};
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
fn measure(mut f: impl FnMut() -> G1Projective) -> (G1Projective, String) {
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
    println!("{:>5} {:>15} {:>15} {:>15} {:>15}", "log n", "full", "ark full", "i16", "ark i16");
    for log in [12, 14, 16] {
        let n = 1 << log;
        let scalars: Vec<Fr> = (0..n).map(|_| Fr::from_le_bytes_mod_order(&rng.random::<[u8; 32]>())).collect();
        let small: Vec<i32> = (0..n).map(|_| i32::from(rng.random::<i16>())).collect();
        let lifted: Vec<Fr> = small.iter().map(|s| Fr::from(*s)).collect();
        let bases: Vec<G1Affine> = BatchMulPreprocessing::new(G1Projective::generator(), n).batch_mul(&scalars);
        let runs = [
            measure(|| msm(&bases, &scalars)),
            measure(|| G1Projective::msm_unchecked(&bases, &scalars)),
            measure(|| msm_small(&bases, &[&small[..]])[0]),
            measure(|| G1Projective::msm_unchecked(&bases, &lifted)),
        ];
        assert!(runs[0].0 == runs[1].0 && runs[2].0 == runs[3].0, "the results agree");
        println!("{log:>5} {:>15} {:>15} {:>15} {:>15}", runs[0].1, runs[1].1, runs[2].1, runs[3].1);
    }
}
