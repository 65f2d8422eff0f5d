//! The gates' constants as Solidity, and rows with what the gates make of them: how the contract's hand-written
//! evaluation is tied to the circuit's.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, PrimeField};
use assay_circuits::plonk::hash::constants;
use assay_circuits::plonk::{ADVICE, CONSTANTS, FIXED, Kind, constraints};
use assay_circuits::poseidon::WIDTH;
use assay_prover::pcs::encode::{fr_word, keccak};
use std::{fmt::Write, path::PathBuf};

/// Both files with what belongs in them.
pub fn files() -> [(PathBuf, String); 2] {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    [
        (root.join("verifier-contracts/src/lib/GateConstants.sol"), solidity()),
        (root.join("fixtures/golden/gates.json"), vectors()),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

fn solidity() -> String {
    let mut out = String::from(
        "// SPDX-License-Identifier: MIT OR Apache-2.0\npragma solidity ^0.8.28;\n\n// Constants of the Poseidon \
         gates, by their names in circuits/src/plonk/gates.rs.\n// Generated: cargo run --release -p assay-prover \
         --example golden_gates\n\n",
    );
    let c = constants();
    let mut vector = |name: &str, values: &[Fr], first: usize| {
        for (i, value) in values.iter().enumerate() {
            let _ = writeln!(out, "uint256 constant {name}_{} = {};", i + first, hex(&fr_word(value)));
        }
    };
    vector("F", &c.first[1..], 1);
    vector("R", &c.response, 0);
    vector("A", &c.linear, 1);
    vector("B", &c.powers, 0);

    // columns in the order of the S-boxes' inputs: the first element of the state is the last of five
    let column = |rows: &[&[Fr]], j: usize| -> [Fr; WIDTH] {
        std::array::from_fn(|i| rows.get(i).map_or(Fr::ZERO, |row| row[j]))
    };
    let (m, p) = (c.matrix.each_ref().map(|row| &row[..]), c.leave_powers.each_ref().map(|row| &row[..]));
    let (l, e) = (c.leave_linear.each_ref().map(|row| &row[..]), c.enter.each_ref().map(|row| &row[..]));
    let columns = [1, 2, 3, 4, 0].map(|j| column(&m, j)).into_iter().chain((0..4).map(|j| column(&l, j)));
    let columns: Vec<[Fr; WIDTH]> =
        columns.chain((0..5).map(|j| column(&p, j))).chain((0..4).map(|j| column(&e, j))).collect();
    let _ = write!(
        out,
        "\nuint256 constant COLUMNS = {};\n\n/// @notice Writes `COLUMNS` columns of five words: of `M` (the first one \
         last), `L`, `P`, `E` (with a row of zeros).\nfunction writeColumns(uint256 ptr) pure {{\n    assembly \
         (\"memory-safe\") {{\n",
        columns.len()
    );
    for (i, value) in columns.iter().flatten().enumerate() {
        let value = if *value == Fr::ZERO { String::from("0") } else { hex(&fr_word(value)) };
        let _ = writeln!(out, "        mstore(add(ptr, {:#x}), {value})", 32 * i);
    }
    out + "    }\n}\n"
}

/// Of each kind a row, and rows whose kind is not one: every term counts in those.
fn vectors() -> String {
    let kinds = Kind::ALL.iter().map(|kind| Some(kind.code())).chain([None; 4]);
    let cases: Vec<String> = kinds.enumerate().map(|(i, code)| case(i, code)).collect();
    format!("{{\n  \"cases\": [\n{}\n  ]\n}}\n", cases.join(",\n"))
}

fn case(index: usize, code: Option<[Fr; 2]>) -> String {
    let draw = |i: usize| Fr::from_be_bytes_mod_order(&keccak(&[b"assay golden gates", &[index as u8, i as u8]]));
    let mut fixed: [Fr; FIXED] = std::array::from_fn(draw);
    if let Some(code) = code {
        fixed[CONSTANTS..].copy_from_slice(&code);
    }
    let advice: [Fr; ADVICE] = std::array::from_fn(|i| draw(20 + i));
    let next: [Fr; ADVICE] = std::array::from_fn(|i| draw(40 + i));
    let (public, alpha) = (draw(60), draw(61));
    let slots = constraints(&advice, &next, &fixed, &public);
    let sum = slots.iter().rev().fold(Fr::ZERO, |sum, slot| sum * alpha + slot);
    let words = |values: &[Fr]| hex(&values.iter().flat_map(fr_word).collect::<Vec<_>>());
    let fields = [
        ("fixed", words(&fixed)),
        ("advice", words(&advice)),
        ("next", words(&next)),
        ("public", words(&[public])),
        ("alpha", words(&[alpha])),
        ("sum", words(&[sum])),
    ];
    let lines: Vec<String> = fields.iter().map(|(name, value)| format!("      \"{name}\": \"{value}\"")).collect();
    format!("    {{\n{}\n    }}", lines.join(",\n"))
}
