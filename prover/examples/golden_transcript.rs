//! Writes the known answers, fixtures/golden/transcript-*.json and known-*.json: `cargo run --release -p assay-prover
//! --example golden_transcript`. They change when the protocol does, and never otherwise.

#[path = "../tests/support/transcript.rs"]
mod transcript;

fn main() -> std::io::Result<()> {
    for (path, text) in transcript::files() {
        std::fs::write(&path, text)?;
        println!("wrote {}", path.display());
    }
    Ok(())
}
