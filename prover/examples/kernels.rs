//! One of the prover's kernels, or a small whole proof, so many times: `kernels NAME TIMES`. `tests/instructions.rs`
//! counts what that takes.
//!
//! Everything is the same in every run: seeds, inputs, one thread (RAYON_NUM_THREADS=1).

use ark_bn254::{Fr, G1Projective};
use ark_ec::{CurveGroup, PrimeGroup};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::poseidon::{WIDTH, permute_native};
use assay_circuits::sample;
use assay_prover::backend::{Backend, Cpu};
use assay_prover::control::Control;
use assay_prover::ntt::Domain;
use assay_prover::package::{Metadata, Package};
use assay_prover::plonk::quotient::{KEY_COLUMNS, Preprocessed, WITNESS_COLUMNS, Witness};
use assay_prover::plonk::{Challenges, Rows};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use std::hint::black_box;
use std::sync::Arc;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, times] = &arguments[..] else { panic!("kernels NAME TIMES") };
    let kernel: Box<dyn Fn()> = match name.as_str() {
        "multiplication" => multiplication(),
        "small multiplications" => small_multiplications(),
        "transform" => transform(),
        "hash" => hash(),
        "cells" => cells(),
        "product sumcheck" => product(),
        "quotient" => quotient(),
        "inner proof" => proof(),
        other => panic!("there is no kernel {other}"),
    };
    (0..times.parse().expect("a number of times")).for_each(|_: u32| kernel());
}

fn values(n: usize) -> Vec<Fr> {
    let step = Fr::from(u64::MAX).pow([5]);
    std::iter::successors(Some(step), |value| Some(value.square() + step)).take(n).collect()
}

fn small(n: usize) -> Vec<i32> {
    values(n).iter().map(|value| i32::from(value.0.0[0] as i16)).collect()
}

fn bases(n: usize) -> Arc<dyn assay_prover::backend::Bases> {
    let next = |p: &G1Projective| Some(p.double() + G1Projective::generator());
    let points: Vec<G1Projective> = std::iter::successors(Some(G1Projective::generator()), next).take(n).collect();
    Cpu.bases(Arc::new(G1Projective::normalize_batch(&points)))
}

fn multiplication() -> Box<dyn Fn()> {
    let (bases, scalars) = (bases(1 << 10), values(1 << 10));
    Box::new(move || _ = black_box(bases.msm(&scalars)))
}

fn small_multiplications() -> Box<dyn Fn()> {
    let (bases, scalars) = (bases(1 << 9), small(1 << 12));
    Box::new(move || _ = black_box(bases.msm_small(&scalars.chunks(1 << 9).collect::<Vec<_>>())))
}

fn transform() -> Box<dyn Fn()> {
    let (domain, values) = (Domain::new(12).expect("there are larger ones"), values(1 << 12));
    Box::new(move || {
        let mut values = values.clone();
        Cpu.to_coefficients(&domain, &mut values, None);
        Cpu.to_values(&domain, &mut values, None);
        black_box(values);
    })
}

fn hash() -> Box<dyn Fn()> {
    Box::new(|| {
        let mut state = [Fr::ONE; WIDTH];
        (0..200).for_each(|_| permute_native(&mut state));
        black_box(state);
    })
}

fn cells() -> Box<dyn Fn()> {
    let (cells, factors) = (Cpu.cells(Arc::new(small(1 << 16))), values(1 << 8));
    Box::new(move || {
        black_box(cells.fold_rows(0, &factors, 1 << 8));
        black_box(cells.dot_rows(0, &factors, 1 << 8));
    })
}

fn product() -> Box<dyn Fn()> {
    let factors = values(1 << 12);
    Box::new(move || {
        let mut product = Cpu.product(factors.clone(), factors.clone());
        for x in &factors[..12] {
            black_box(product.message());
            product.bind(x);
        }
    })
}

fn quotient() -> Box<dyn Fn()> {
    let columns = |count: usize| -> Vec<Vec<Fr>> { (0..count).map(|_| values(1 << 8)).collect() };
    let rows = Arc::new(Rows::new(8).expect("there are larger ones"));
    let quotients = Cpu.quotients(Arc::new(Preprocessed { rows, columns: columns(KEY_COLUMNS) }));
    let witness = columns(WITNESS_COLUMNS);
    Box::new(move || {
        let [advice @ .., public, product] = &witness[..] else { return };
        let challenges = Challenges::new([Fr::from(3u64), Fr::from(5u64)], Fr::from(7u64));
        black_box(quotients.quotient(&Witness { advice, public, product, tail: &[Fr::ONE] }, &challenges));
    })
}

/// Of a network of 64 inputs and a hidden layer; it verifies.
fn proof() -> Box<dyn Fn()> {
    let (architecture, weights) = sample::mlp(64, 2);
    let cells = sample::random_input(&architecture, 5);
    let srs = Srs::development(8);
    let package = Package::new(Metadata::default(), architecture, weights, 8, &srs).expect("a package");
    let seller = Seller::new(package, srs).expect("its own SRS");
    let input = InputOpening::public(seller.shape(), cells);
    Box::new(move || _ = black_box(seller.prove_native(&input, Fr::ZERO, &Control::new()).expect("a proof")))
}
