//! The golden openings: deterministic inputs, every intermediate value that another implementation of the verifier
//! wants to compare.

use ark_bn254::{Fr, G1Affine};
use ark_ec::CurveGroup;
use ark_ff::PrimeField;
use assay_prover::{
    pcs::{
        self, Challenges, Transcript,
        encode::{fr_word, g1_bytes, g2_bytes, keccak},
    },
    srs::Srs,
};
use std::{fmt::Write, path::PathBuf};

/// Where the file is kept.
pub fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/golden/opening.json")
}

fn draw(label: &str, index: usize) -> Fr {
    Fr::from_be_bytes_mod_order(&keccak(&[b"assay golden opening", label.as_bytes(), &(index as u64).to_be_bytes()]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("\"0x"), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    }) + "\""
}

fn list(items: impl IntoIterator<Item = Vec<u8>>) -> String {
    let words: Vec<String> = items.into_iter().map(|i| hex(&i)).collect();
    format!("[{}]", words.join(", "))
}

/// `C_T` is given as two terms, `w_0·C_0 + w_1·C_1`, both with blinding coefficients.
fn case(srs: &Srs, c: usize) -> String {
    let label = format!("c{c}");
    let n = (1 << c) + 1;
    let chunks: Vec<Vec<Fr>> =
        (0..2).map(|j| (0..n).map(|i| draw(&format!("{label} chunk{j}"), i)).collect()).collect();
    let weights = [draw(&label, 1), draw(&label, 2)];
    let t: Vec<Fr> = (0..n).map(|i| weights[0] * chunks[0][i] + weights[1] * chunks[1][i]).collect();
    let point: Vec<Fr> = (0..c).map(|i| draw(&format!("{label} point"), i)).collect();
    let eq = |i: usize| {
        point.iter().enumerate().map(|(k, u)| if i >> k & 1 == 1 { *u } else { Fr::from(1) - u }).product::<Fr>()
    };
    let value: Fr = (0..n - 1).map(|i| eq(i) * t[i]).sum();
    let seed = keccak(&[label.as_bytes()]);
    let commitments: Vec<G1Affine> =
        chunks.iter().map(|p| pcs::commit(srs, p).expect("the SRS is large enough")).collect();
    let terms: Vec<(Fr, G1Affine)> = weights.into_iter().zip(commitments.iter().copied()).collect();
    let opening = pcs::open(srs, &t, &point, value, seed).expect("honest");
    let ch = Challenges::replay(Transcript::new(&seed), &opening).expect("not degenerate");
    let (left, right) = pcs::pairing_inputs(&terms, &point, value, seed, &opening).expect("honest");
    pcs::verify(srs.h, srs.tau_h, &terms, &point, value, seed, &opening).expect("honest");
    let folded = pcs::commit(srs, &t).expect("the SRS is large enough");
    let word = |s: &Fr| fr_word(s).to_vec();
    let mut out = String::from("    {\n");
    let mut field = |name: &str, value: String, last: bool| {
        let _ = writeln!(out, "      \"{name}\": {value}{}", if last { "" } else { "," });
    };
    field("c", c.to_string(), false);
    field("point", list(point.iter().map(word)), false);
    field("value", hex(&fr_word(&value)), false);
    field("seed", hex(&seed), false);
    field("termScalars", list(weights.iter().map(word)), false);
    field("termPoints", list(commitments.iter().map(|p| g1_bytes(p).to_vec())), false);
    field("commitment", hex(&g1_bytes(&folded)), false);
    field("alpha", hex(&fr_word(&ch.alpha)), false);
    field("gamma", hex(&fr_word(&ch.gamma)), false);
    field("z", hex(&fr_word(&ch.z)), false);
    field("zInverse", hex(&fr_word(&ch.zi)), false);
    field("eta", hex(&fr_word(&ch.eta)), false);
    field("x", hex(&fr_word(&ch.x)), false);
    field("opening", hex(&opening.to_bytes()), false);
    field("left", hex(&g1_bytes(&left.into_affine())), false);
    field("right", hex(&g1_bytes(&right)), true);
    out + "    }"
}

/// The whole file.
pub fn golden() -> String {
    let srs = Srs::development(8);
    let cases: Vec<String> = [2, 3, 5, 8].iter().map(|c| case(&srs, *c)).collect();
    format!(
        "{{\n  \"comment\": \"left = C_L + x*C_W', right = C_W'; e(left, [1]_2) = e(right, [tau]_2). Regenerate: cargo \
         run --release -p assay-prover --example golden_opening\",\n  \"srsId\": {},\n  \"tauG2\": {},\n  \"cases\": \
         [\n{}\n  ]\n}}\n",
        hex(&srs.id()),
        hex(&g2_bytes(&srs.tau_h)),
        cases.join(",\n")
    )
}
