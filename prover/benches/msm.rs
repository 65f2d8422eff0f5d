//! Our multi-scalar multiplications beside `ark-ec`'s: `cargo bench -p assay-prover --bench msm`. Milliseconds of wall clock, the best of 5.

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::{VariableBaseMSM, scalar_mul::BatchMulPreprocessing};
use ark_ec::PrimeGroup;
use ark_ff::PrimeField;
use assay_prover::msm::{msm, msm_small};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::Instant;

fn best_ms(mut f: impl FnMut() -> G1Projective) -> (f64, G1Projective) {
    (0..5)
        .map(|_| {
            let start = Instant::now();
            let out = f();
            (start.elapsed().as_secs_f64() * 1e3, out)
        })
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .expect("five runs")
}

fn main() {
    let mut rng = StdRng::seed_from_u64(1);
    println!("threads {}", rayon::current_num_threads());
    println!("{:>5} {:>9} {:>9} {:>9} {:>9}", "log n", "full", "ark full", "i16", "ark i16");
    for log in [12, 14, 16] {
        let n = 1 << log;
        let scalars: Vec<Fr> = (0..n).map(|_| Fr::from_le_bytes_mod_order(&rng.random::<[u8; 32]>())).collect();
        let small: Vec<i32> = (0..n).map(|_| i32::from(rng.random::<i16>())).collect();
        let lifted: Vec<Fr> = small.iter().map(|s| Fr::from(*s)).collect();
        let bases: Vec<G1Affine> = BatchMulPreprocessing::new(G1Projective::generator(), n).batch_mul(&scalars);
        let runs = [
            best_ms(|| msm(&bases, &scalars)),
            best_ms(|| G1Projective::msm_unchecked(&bases, &scalars)),
            best_ms(|| msm_small(&bases, &small)),
            best_ms(|| G1Projective::msm_unchecked(&bases, &lifted)),
        ];
        assert!(runs[0].1 == runs[1].1 && runs[2].1 == runs[3].1, "the results agree");
        println!("{log:>5} {:>9.1} {:>9.1} {:>9.1} {:>9.1}", runs[0].0, runs[1].0, runs[2].0, runs[3].0);
    }
}
