//! The contract's gates have the circuit's constants, and the rows that they are tested with are the circuit's.

#[path = "support/gates.rs"]
mod gates;

#[test]
fn regenerating_the_golden_gates_changes_nothing() {
    for (path, text) in gates::files() {
        let kept = std::fs::read_to_string(&path).expect("a file that is checked in");
        assert!(kept == text, "{}: run: cargo run --release -p assay-prover --example golden_gates", path.display());
    }
}
