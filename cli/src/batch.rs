//! Several inferences in one proof: names of key files, and inputs that fill a batch.

use crate::exit::Outcome;
use assay_circuits::batch::{Batch, MAX_LOG_BATCH};
use assay_circuits::exec::quantise_input;
use assay_circuits::model::Architecture;
use assay_compiler::Sample;
use assay_prover::wrap::System;
use std::path::{Path, PathBuf};

/// Why inputs, a key and a proof do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// The number of inferences asked for is no batch.
    Size,
    /// More inputs than a batch has inferences.
    Inputs {
        /// How many there are.
        have: usize,
        /// How many there may be.
        most: usize,
    },
    /// A key for a batch, where inferences are sold one at a time.
    NotSingle {
        /// How many inferences its proofs have.
        inferences: usize,
    },
}

impl std::fmt::Display for BatchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Size => write!(f, "a batch is a power of two from 2 to {}", 1 << MAX_LOG_BATCH),
            Self::Inputs { have, most: 1 } => {
                write!(
                    f,
                    "there are {have} inputs and one is needed: `assay setup --batch` makes keys for several in a proof"
                )
            }
            Self::Inputs { have, most } => {
                write!(f, "there are {have} inputs and the proof has {most} inferences: prove them in several proofs")
            }
            Self::NotSingle { inferences } => {
                write!(
                    f,
                    "the key is for {inferences} inferences in a proof, and they are sold one at a time: pass the \
                     model's key for one"
                )
            }
        }
    }
}

impl std::error::Error for BatchError {}

/// A batch of `inferences`, a power of two; 1 is one inference.
pub fn of(inferences: usize, separate: bool) -> Result<Batch, BatchError> {
    Batch::of(inferences, separate).ok_or(BatchError::Size)
}

/// `--batch`.
pub fn parse(argument: &str) -> Result<usize, BatchError> {
    argument.parse().ok().filter(|n| *n > 1 && of(*n, false).is_ok()).ok_or(BatchError::Size)
}

/// The proving key of a package, by default: `MODEL.pk`, for a batch `MODEL.x64.pk` or `MODEL.x64s.pk`;
/// `MODEL.groth16.pk` and so on for the other wrap.
pub fn proving_key(package: &Path, batch: Batch, wrap: System) -> PathBuf {
    let size = match (batch.inferences(), batch.is_separate()) {
        (1, _) => String::new(),
        (n, separate) => format!("x{n}{}.", if separate { "s" } else { "" }),
    };
    let wrap = match wrap {
        System::Universal => String::new(),
        other => format!("{other}."),
    };
    package.with_extension(size + &wrap + "pk")
}

/// The cells of a batch's inputs: fewer inputs than inferences are filled up with the last one.
pub fn cells(architecture: &Architecture, samples: &[Sample], batch: Batch) -> Outcome<Vec<i32>> {
    let (have, most) = (samples.len(), batch.inferences());
    if have > most {
        return Err(BatchError::Inputs { have, most }.into());
    }
    let mut cells = Vec::new();
    let mut last = 0..0;
    for sample in samples {
        last.start = cells.len();
        cells.extend(quantise_input(architecture, sample)?.cells);
        last.end = cells.len();
    }
    (have..most).for_each(|_| cells.extend_from_within(last.clone()));
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, size) in [("2", Ok(2)), ("64", Ok(64)), ("4096", Ok(4096))] {
            assert_eq!(parse(text), size);
        }
        for text in ["0", "1", "3", "48", "8192", "-2", "x", "", "18446744073709551616"] {
            assert_eq!(parse(text), Err(BatchError::Size), "{text}");
        }
        assert_eq!(of(1, true), Ok(Batch::ONE));
        assert_eq!(of(0, false), Err(BatchError::Size));
    }

    #[test]
    fn keys_of_every_batch_and_wrap_have_names_of_their_own() {
        let package = Path::new("a/model.assay");
        let names =
            |wrap| [Batch::ONE, Batch::joint(6), Batch::separate(6)].map(|batch| proving_key(package, batch, wrap));
        assert_eq!(names(System::Universal), ["a/model.pk", "a/model.x64.pk", "a/model.x64s.pk"].map(PathBuf::from));
        let groth16 = ["a/model.groth16.pk", "a/model.x64.groth16.pk", "a/model.x64s.groth16.pk"].map(PathBuf::from);
        assert_eq!(names(System::Groth16), groth16);
    }
}
