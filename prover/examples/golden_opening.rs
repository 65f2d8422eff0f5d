//! Writes `fixtures/golden/opening.json`, the test vectors of the opening: `cargo run --release -p assay-prover
//! --example golden_opening`.

#[path = "../tests/support/golden.rs"]
mod golden;

fn main() -> std::io::Result<()> {
    let path = golden::path();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&path, golden::golden())?;
    println!("wrote {}", path.display());
    Ok(())
}
