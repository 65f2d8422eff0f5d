//! From what sizes on a device is faster than the processor beside it. That depends on both, and on what connects them,
//! so it is measured: a process that serves does so once, in some tenths of a second.

use crate::backend::{Cuda, Least};
use ark_bn254::{Fr, G1Projective};
use ark_ec::{CurveGroup, PrimeGroup};
use ark_ff::{AdditiveGroup, Field};
use assay_prover::backend::{Backend, Cpu};
use assay_prover::ntt::Domain;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs of each measurement; the best counts. The first makes everything ready.
const RUNS: usize = 3;

impl Cuda {
    /// The same device, asked for what it is faster at. An emulated one, which never is, stays as it is.
    pub fn measured(&self) -> Self {
        if self.device().description().emulated {
            return self.clone();
        }
        // what is measured must not be decided by what is known yet
        let device = self.with_least(Least::EVERYTHING);
        let least = Least {
            scalars: faster_from(8..=14, &device, multiplication),
            transform: faster_from(12..=20, &device, transform),
            cells: faster_from(14..=22, &device, cells),
            product: faster_from(12..=20, &device, product),
            ..Least::default()
        };
        self.with_least(least)
    }
}

/// The least power of two in a range of logs at which the device is faster, or a size that nothing has.
fn faster_from(mut logs: RangeInclusive<u32>, device: &Cuda, work: fn(&dyn Backend, u32) -> Duration) -> usize {
    logs.find(|log| work(device, *log) < work(&Cpu, *log)).map_or(usize::MAX, |log| 1 << log)
}

fn best(mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..RUNS).map(time).min().unwrap_or_default()
}

/// Different values of full width.
fn values(log: u32) -> Vec<Fr> {
    let step = Fr::from(u64::MAX).pow([5]);
    std::iter::successors(Some(step), |value| Some(value.square() + step)).take(1 << log).collect()
}

/// Of bases that stay, with full-width scalars.
fn multiplication(backend: &dyn Backend, log: u32) -> Duration {
    let scalars = values(log);
    let points: Vec<G1Projective> =
        std::iter::successors(Some(G1Projective::generator()), |p| Some(p.double() + G1Projective::generator()))
            .take(scalars.len())
            .collect();
    let bases = backend.bases(Arc::new(G1Projective::normalize_batch(&points)));
    best(|| _ = std::hint::black_box(bases.msm(&scalars)))
}

fn transform(backend: &dyn Backend, log: u32) -> Duration {
    let Some(domain) = Domain::new(log) else { return Duration::MAX };
    let mut values = values(log);
    best(|| backend.to_coefficients(&domain, &mut values, None))
}

/// A sum of rows of 1,024 cells.
fn cells(backend: &dyn Backend, log: u32) -> Duration {
    let cells = backend.cells(Arc::new((0..1 << log).map(|i| i % 1000 - 500).collect()));
    let factors = values(log - 10);
    best(|| _ = std::hint::black_box(cells.fold_rows(0, &factors, 1 << 10)))
}

/// All rounds, and the factors' way to where it is done.
fn product(backend: &dyn Backend, log: u32) -> Duration {
    let factors = values(log);
    best(|| {
        let mut product = backend.product(factors.clone(), factors.clone());
        for x in &factors[..log as usize] {
            product.message();
            product.bind(x);
        }
        std::hint::black_box(product.first());
    })
}
