//! Writes fixtures/golden/{wrapped,batch_joint,batch_separate}.json and the same with `universal` for the wrap with a
//! universal setup: wrapped proofs of a LeNet-5 with random weights, of one inference, of 64 of one buyer and of 64 of
//! as many buyers, for the contracts' tests. And fixtures/golden/universal_small.json, of a network with less regular
//! counts.
//!
//! `cargo run --release -p assay-prover --example golden_wrapped [NAME [LOG_CHUNK]]`, from the repository's root. The
//! binding context comes from the contracts' test orders (`verifier-contracts/test/vectors/order.mjs`, run with Node).
//! Proofs and Groth16 keys are randomised, so every run writes other files.

use ark_ff::PrimeField;
use assay_circuits::batch::Batch;
use assay_circuits::shape::Shape;
use assay_circuits::{Fr, sample};
use assay_prover::control::Control;
use assay_prover::key::points_bytes;
use assay_prover::package::{Metadata, Package, hex};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use assay_prover::statement::output_bytes;
use assay_prover::wrap::{System, WrapProvingKey};
use std::process::Command;
use std::time::Instant;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let (groth16, universal) = (System::Groth16, System::Universal);
    let goldens = [
        ("wrapped", groth16, Batch::ONE, 16),
        ("batch_joint", groth16, Batch::joint(6), 17),
        ("batch_separate", groth16, Batch::separate(6), 17),
        ("universal", universal, Batch::ONE, 16),
        ("universal_joint", universal, Batch::joint(6), 17),
        ("universal_separate", universal, Batch::separate(6), 17),
        ("universal_small", universal, Batch::separate(2), 6),
    ];
    let mut arguments = std::env::args().skip(1);
    let (name, log_chunk) = (arguments.next(), arguments.next().map(|c| c.parse()).transpose()?);
    for (golden, system, batch, default) in goldens {
        if name.as_ref().is_none_or(|name| name == golden) {
            make(golden, system, batch, log_chunk.unwrap_or(default))?;
        }
    }
    Ok(())
}

fn make(name: &str, system: System, batch: Batch, log_chunk: u32) -> Result<(), Error> {
    let (architecture, weights) = if name.ends_with("small") { sample::random_network(3) } else { sample::lenet5() };
    let cells = (0..batch.inferences()).flat_map(|i| sample::random_input(&architecture, 5 + i as u64)).collect();
    let shape = Shape::batched(architecture.clone(), log_chunk, batch)?;
    let srs = Srs::development(WrapProvingKey::srs_log(system, &shape)?);
    let package = Package::new(Metadata::default(), architecture, weights, log_chunk, &srs)?;
    let seller = Seller::new(package, srs)?.batched(batch)?;
    println!("{name}: {} inferences in chunks of 2^{log_chunk}", batch.inferences());
    println!("chunks (weights, tables, input, witness): {:?}", seller.shape().chunk_counts());
    let start = Instant::now();
    let proving = match system {
        System::Universal => WrapProvingKey::universal(seller.shape(), &seller.srs)?,
        System::Groth16 => WrapProvingKey::development(seller.shape(), &seller.package.model.srs.id)?,
    };
    println!("{} rows or constraints, key in {:.1} s", proving.size(), start.elapsed().as_secs_f64());
    let key = proving.verifying_key().contract_bytes(&seller.package.model);
    let seller = seller.with_wrap_key(proving);
    let input = InputOpening::private(seller.shape(), cells);
    let commitments = points_bytes(&seller.commit_input(&input)?);

    let path = format!("fixtures/golden/{name}.json");
    let fixed = [
        ("key", hex(&key)),
        ("weights", hex(&seller.package.model.weights_bytes())),
        ("inputCommitments", hex(&commitments)),
    ];
    write(&path, &fixed)?;
    let derived = Command::new("node").args(["verifier-contracts/test/vectors/order.mjs", &path]).output()?;
    let derived = String::from_utf8(derived.stdout)?;
    let context =
        derived.split("\"context\": \"0x").nth(1).and_then(|rest| rest.get(..64)).ok_or("no context from order.mjs")?;
    let bytes: Vec<u8> = (0..32).filter_map(|i| u8::from_str_radix(context.get(2 * i..2 * i + 2)?, 16).ok()).collect();

    let control = Control::new();
    let start = Instant::now();
    let (claim, proof) = seller.prove_wrapped(&input, Fr::from_be_bytes_mod_order(&bytes), &control)?;
    let seconds = start.elapsed().as_secs_f64();
    for timing in control.timings() {
        println!("{:?} {:.3} s", timing.phase, timing.seconds);
    }
    println!("proof {seconds:.2} s, {:.3} s an inference", seconds / batch.inferences() as f64);
    let proof = [
        ("context", hex(&bytes)),
        ("output", hex(&output_bytes(&claim.output, claim.clamps))),
        ("proof", hex(&proof.to_bytes())),
    ];
    write(&path, &fixed.iter().cloned().chain(proof).collect::<Vec<_>>())?;
    Ok(())
}

fn write(path: &str, fields: &[(&str, String)]) -> std::io::Result<()> {
    let lines: Vec<String> = fields.iter().map(|(name, value)| format!(" \"{name}\": \"{value}\"")).collect();
    std::fs::write(path, format!("{{\n{}\n}}\n", lines.join(",\n")))
}
