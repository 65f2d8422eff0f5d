//! Writes fixtures/golden/wrapped.json: a wrapped proof of a LeNet-5 with random weights, for the contracts' tests.
//!
//! `cargo run --release -p assay-prover --example golden_wrapped`, from the repository's root. The binding context comes from the contracts' test order
//! (`verifier-contracts/test/vectors/order.mjs`, run with Node). Keys and proofs are randomised, so every run writes another file.

use ark_ff::PrimeField;
use assay_circuits::{Fr, sample};
use assay_prover::control::Control;
use assay_prover::key::points_bytes;
use assay_prover::package::{Metadata, Package, hex};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use assay_prover::wrap::WrapProvingKey;
use std::process::Command;

const PATH: &str = "fixtures/golden/wrapped.json";
const LOG_CHUNK: u32 = 17;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (architecture, weights) = sample::lenet5();
    let cells = sample::random_input(&architecture, 5);
    let srs = Srs::development(LOG_CHUNK);
    let package = Package::new(Metadata::default(), architecture, weights, LOG_CHUNK, &srs)?;
    println!("chunks (weights, tables, input, witness): {:?}", package.model.shape.chunk_counts());
    let start = std::time::Instant::now();
    let proving = WrapProvingKey::development(&package.model.shape, &package.model.srs.id)?;
    println!("{} constraints, key in {:.1} s", proving.constraints(), start.elapsed().as_secs_f64());
    let key = proving.verifying_key().contract_bytes(&package.model);
    let seller = Seller::new(package, srs)?.with_wrap_key(proving);
    let input = InputOpening::private(seller.shape(), cells);
    let commitments = points_bytes(&seller.commit_input(&input)?);

    let fixed = [("key", hex(&key)), ("weights", hex(&seller.package.model.weights_bytes())), ("inputCommitments", hex(&commitments))];
    write(&fixed)?;
    let derived = Command::new("node").args(["verifier-contracts/test/vectors/order.mjs", PATH]).output()?;
    let derived = String::from_utf8(derived.stdout)?;
    let context = derived.split("\"context\": \"0x").nth(1).and_then(|rest| rest.get(..64)).ok_or("no context from order.mjs")?;
    let bytes: Vec<u8> = (0..32).filter_map(|i| u8::from_str_radix(context.get(2 * i..2 * i + 2)?, 16).ok()).collect();

    let control = Control::new();
    let (claim, proof) = seller.prove_wrapped(&input, Fr::from_be_bytes_mod_order(&bytes), &control)?;
    for timing in control.timings() {
        println!("{:?} {:.3} s", timing.phase, timing.seconds);
    }
    let output: Vec<u8> = claim.output.iter().flat_map(|y| y.to_be_bytes()).collect();
    let proof = [("context", hex(&bytes)), ("output", hex(&output)), ("proof", hex(&proof.to_bytes()))];
    write(&fixed.iter().cloned().chain(proof).collect::<Vec<_>>())?;
    Ok(())
}

fn write(fields: &[(&str, String)]) -> std::io::Result<()> {
    let lines: Vec<String> = fields.iter().map(|(name, value)| format!(" \"{name}\": \"{value}\"")).collect();
    std::fs::write(PATH, format!("{{\n{}\n}}\n", lines.join(",\n")))
}
