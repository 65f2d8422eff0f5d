//! Defends what the prover's speed was won with: the instructions that its kernels and a small whole proof take,
//! counted by valgrind's callgrind, are within a few percent of those that were written down. Counts do not depend on
//! how busy a machine is, as seconds do.
//!
//! `ASSAY_BLESS=1 cargo test --release -p assay-tests --test instructions` writes the counts down anew: after a change
//! that is meant to move them, whose message says why. Valgrind plays a processor with AVX2 and without AVX-512, so it
//! is these kernels that are counted, on every machine that has AVX2.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const KERNELS: [&str; 8] = [
    "multiplication",
    "small multiplications",
    "transform",
    "hash",
    "cells",
    "product sumcheck",
    "quotient",
    "inner proof",
];

/// Share by which a count may differ. A proof draws randomness, by which its work differs a little.
const TOLERANCE: f64 = 0.03;

/// What is counted with: the example beside this test's binary.
fn program() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.parent()?.parent()?.join("examples/kernels");
    path.is_file().then_some(path)
}

fn instructions(program: &Path, kernel: &str, times: u32) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([kernel, &times.to_string()])
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .expect("valgrind starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{kernel}: {text}");
    let line = text.lines().find_map(|line| line.split_once("Collected :")).expect("callgrind's count");
    line.1.trim().parse().expect("a number")
}

#[test]
fn kernels_take_as_many_instructions_as_were_written_down() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: there is no valgrind (Debian's package has this name)");
        return;
    }
    #[cfg(target_arch = "x86_64")]
    let counts_fit = std::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    let counts_fit = false;
    if !counts_fit {
        println!("skipped: the counts are those of a processor with AVX2");
        return;
    }
    let program = program().expect("examples are built with the tests: `cargo test --workspace`");
    // less what it takes to begin
    let found: BTreeMap<&str, u64> = std::thread::scope(|scope| {
        let count = |kernel| {
            let program = &program;
            scope.spawn(move || (kernel, instructions(program, kernel, 1) - instructions(program, kernel, 0)))
        };
        KERNELS.map(count).into_iter().map(|thread| thread.join().expect("counted")).collect()
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json");
    if std::env::var_os("ASSAY_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&found).expect("plain data") + "\n";
        std::fs::write(&path, text).expect("the tests' folder is writable");
        return;
    }
    let known: BTreeMap<String, u64> =
        serde_json::from_slice(&std::fs::read(&path).expect("instructions.json")).expect("its JSON");
    assert!(known.keys().eq(found.keys()), "instructions.json has other kernels");
    let moved: Vec<String> = found
        .iter()
        .filter_map(|(kernel, count)| {
            let ratio = *count as f64 / known[*kernel] as f64;
            (!(1.0 - TOLERANCE..=1.0 + TOLERANCE).contains(&ratio))
                .then(|| format!("{kernel}: {count}, {ratio:.3} of {}", known[*kernel]))
        })
        .collect();
    assert!(
        moved.is_empty(),
        "instructions moved; if they are meant to, write them down anew (see the head of this file):\n{}",
        moved.join("\n")
    );
}
