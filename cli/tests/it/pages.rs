//! What the pages show is what the program reads.

use assay_verifier::proof_file::ProofFile;
use std::path::Path;

/// The blocks of code of a page.
fn blocks(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page)).unwrap();
    text.split("\n```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap().1.to_owned()).collect()
}

#[test]
fn the_proof_file_of_the_page_is_read() {
    let all = blocks("cli.md");
    let shown: Vec<&String> = all.iter().filter(|block| block.contains(r#""kind": "wrapped""#)).collect();
    assert_eq!(shown.len(), 1);
    // what the page leaves out of long numbers
    let (point, hash) = ("ab".repeat(64), "cd".repeat(32));
    let whole = shown[0].replace("0x…64 bytes…", &format!("0x{point}")).replace("0x…", &format!("0x{hash}"));
    let file = ProofFile::parse(whole.as_bytes()).unwrap_or_else(|e| panic!("{e}: {whole}"));
    assert_eq!(file.input_commitments[0].len(), 64);
    assert_eq!(serde_json::to_value(&file).unwrap(), serde_json::from_str::<serde_json::Value>(&whole).unwrap());
    let without = whole.replace(r#""clamps": 0, "#, "");
    assert!(without != whole && ProofFile::parse(without.as_bytes()).is_err(), "every field is needed");
}
