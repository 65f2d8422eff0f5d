//! Proof files on the disk, and the contexts that they are bound to. What they are, and what makes them valid: [`assay_verifier::proof_file`].

use crate::exit::{Context, Exit, Failure, Outcome};
use crate::files;
use crate::ui::Ui;
use alloy::primitives::B256;
use assay_api::Prediction;
use assay_prover::output::Readers;
use assay_prover::package::BuyerKey;
use assay_verifier::proof_file::{Answer, Invalid, ProofFile, Shared, parse_context};
use std::path::Path;

/// No proof file is as large.
const MAX_BYTES: u64 = 64 << 20;

/// A context as users write it: 0x and 64 digits, or a text.
pub fn context(text: Option<&str>) -> Outcome<B256> {
    match text {
        None => Ok(B256::ZERO),
        Some(text) => parse_context(text)
            .ok_or_else(|| Failure::message(Exit::Usage, "--context: after 0x there must be 64 hex digits; a text must not begin with 0x")),
    }
}

/// Writes a file; `-` is stdout. Returns its size.
pub fn write(ui: &Ui, file: &ProofFile, path: &Path) -> Outcome<u64> {
    let text = serde_json::to_string_pretty(file).map_err(|e| Failure::new(Exit::Failed, e))? + "\n";
    files::write(ui, path, Readers::Default, text.as_bytes())?;
    Ok(text.len() as u64)
}

/// Reads a file.
pub fn read(path: &Path) -> Outcome<ProofFile> {
    let name = path.display();
    let io = |e: std::io::Error| Failure::message(Exit::Io, format!("cannot read {name}: {e}"));
    if std::fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
        return Err(Failure::message(Exit::Input, format!("{name} is no proof file: it is too large")));
    }
    let text = std::fs::read(path).map_err(io)?;
    ProofFile::parse(&text).map_err(|error| match error {
        Invalid::Json(e) => Failure::message(Exit::Input, format!("{name} is no proof file, or is truncated: {e}")),
        other => files::name(path, other.into()),
    })
}

/// The file of a prediction, as its service answers it. `key` is for as many inferences as the proof has.
pub fn of_prediction(key: &BuyerKey, prediction: &Prediction, proof: Vec<u8>) -> Outcome<ProofFile> {
    let missing = |what: &str| Failure::message(Exit::Failed, format!("the prediction is {} and has no {what}", prediction.state));
    let shared = prediction.batch.as_ref().map(|batch| Shared {
        index: batch.index as usize,
        inferences: batch.statement.inferences as usize,
        input_commitments: batch.statement.input_commitments.clone(),
        output_cells: batch.statement.output_cells.clone(),
        clamps: batch.statement.clamps,
    });
    let answer = Answer {
        output_cells: prediction.output_cells.clone().ok_or_else(|| missing("output"))?,
        output: prediction.output.clone().ok_or_else(|| missing("output"))?,
        context: prediction.context.ok_or_else(|| missing("context"))?,
        input_commitments: prediction.input_commitments.clone(),
        clamps: prediction.clamps,
        shared,
    };
    ProofFile::of_answer(&key.model, &key.wrap, answer, proof).context("the proof does not hold")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::keccak256;

    #[test]
    fn contexts() {
        assert_eq!(context(None).unwrap(), B256::ZERO);
        assert_eq!(context(Some("job 1")).unwrap(), keccak256("job 1"));
        let hex = format!("0x{}", "ab".repeat(32));
        assert_eq!(context(Some(&hex)).unwrap(), B256::repeat_byte(0xab));
        assert_eq!(context(Some("0x1234")).unwrap_err().exit, Exit::Usage);
    }
}
