//! Writes the constants of the contract's gates and rows to test them with: `cargo run --release -p assay-prover
//! --example golden_gates`.

#[path = "../tests/support/gates.rs"]
mod gates;

fn main() -> std::io::Result<()> {
    for (path, text) in gates::files() {
        std::fs::write(&path, text)?;
        println!("wrote {}", path.display());
    }
    Ok(())
}
