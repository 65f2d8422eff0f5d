//! Proof files on the disk, and the contexts that they are bound to. What they are, and what makes them valid:
//! [`assay_verifier::proof_file`].

use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::page::Page;
use crate::ui::Ui;
use alloy::primitives::B256;
use assay_prover::output::Readers;
use assay_verifier::proof_file::{Invalid, ProofFile, parse_context};
use std::path::Path;

/// No proof file is as large.
const MAX_BYTES: u64 = 64 << 20;

/// A context as users write it: 0x and 64 digits, or a text.
pub fn context(text: Option<&str>) -> Outcome<B256> {
    match text {
        None => Ok(B256::ZERO),
        Some(text) => parse_context(text).ok_or_else(|| {
            Failure::message(
                Exit::Usage,
                "--context: after 0x there must be 64 hex digits; a text must not begin with 0x",
            )
        }),
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
    let io = files::unreadable(path);
    let none = |why: &str| Failure::on(Page::InvalidProof, Exit::Input, format!("{name} is no proof file{why}"));
    if std::fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
        return Err(none(": it is too large"));
    }
    let text = std::fs::read(path).map_err(io)?;
    ProofFile::parse(&text).map_err(|error| match error {
        Invalid::Json(e) => none(&format!(", or is truncated: {e}")),
        other => files::name(path, other.into()),
    })
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
