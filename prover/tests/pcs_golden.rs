//! The checked-in test vectors of the opening are what the code gives.

#[path = "support/golden.rs"]
mod golden;

#[test]
fn regenerating_the_golden_openings_changes_nothing() {
    let kept = std::fs::read_to_string(golden::path()).expect("fixtures/golden/opening.json is checked in");
    assert!(kept == golden::golden(), "run: cargo run --release -p assay-prover --example golden_opening");
}
