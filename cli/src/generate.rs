//! Text of several tokens in one proof: prompts in files, and answers beside proofs (`assay_circuits::exec::decode`).

use crate::exit::{Exit, Failure, Outcome};
use crate::page::Page;
use crate::ui::Ui;
use assay_circuits::exec::{self, DecodeError};
use assay_circuits::shape::Shape;
use assay_prover::package::Package;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A prompt with its answer.
pub struct Text {
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens of the answer.
    pub answer: usize,
    /// Prompt, answer, and token 0 up to the model's length.
    pub tokens: Vec<f32>,
}

impl Text {
    /// The answer.
    pub fn answer(&self) -> &[f32] {
        self.tokens.get(self.prompt..self.prompt + self.answer).unwrap_or_default()
    }

    /// Whether a valid proof with these outputs shows all of the answer. Errors: a token is not the model's.
    pub fn check(&self, outputs: &[f32]) -> Outcome {
        let shown = exec::followed(&self.tokens, outputs, self.prompt);
        if shown >= self.answer {
            return Ok(());
        }
        let text = format!(
            "the proof is valid, and token {} of the answer is not the model's: keep it, it shows that the service \
             lied",
            shown + 1
        );
        Err(Failure::message(Exit::Failed, text))
    }

    /// As a file of inputs.
    pub fn to_json(&self) -> Value {
        json!({ "prompt": self.prompt, "answer": self.answer, "input_data": [self.tokens] })
    }
}

/// Where a proof's text is kept.
pub fn beside(proof: &Path) -> PathBuf {
    proof.with_extension("tokens.json")
}

/// The tokens in a file: a list of numbers, or the first sample of a file of inputs.
pub fn prompt(path: &Path) -> Outcome<Vec<f32>> {
    let bad = |why: String| Failure::on(Page::Inputs, Exit::Input, format!("{} is no prompt: {why}", path.display()));
    let text = std::fs::read(path).map_err(crate::files::unreadable(path))?;
    let mut value: Value = serde_json::from_slice(&text).map_err(|e| bad(e.to_string()))?;
    if let Some(samples) = value.get_mut("input_data") {
        value = samples.take();
    }
    while let Some(first) = value.get_mut(0).filter(|first| first.is_array()) {
        value = first.take();
    }
    let tokens: Vec<f32> =
        serde_json::from_value(value).map_err(|e| bad(format!("a list of token numbers is wanted; {e}")))?;
    if tokens.is_empty() { Err(bad("it has no tokens".to_owned())) } else { Ok(tokens) }
}

/// Decodes `count` tokens, each the likeliest. Errors: those of [`DecodeError`].
pub fn greedy(ui: &Ui, package: &Package, prompt: &[f32], count: usize) -> Outcome<Text> {
    let Shape { architecture, system, .. } = &package.model.shape;
    let cancelled = || ui.check_cancelled().is_err();
    ui.phase("generate", |_| match exec::decode((architecture, system), &package.weights, prompt, count, &cancelled) {
        Ok(tokens) => Ok(Text { prompt: prompt.len(), answer: count, tokens }),
        Err(cancelled @ DecodeError::Cancelled) => Err(Failure::new(Exit::Cancelled, cancelled)),
        Err(other) => Err(Failure::new(Exit::Input, other)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_in_files() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("prompt.json");
        let read = |text: &str| {
            std::fs::write(&file, text).expect("it is writable");
            prompt(&file)
        };
        for text in ["[1, 2, 3]", "[[1, 2, 3], [4]]", r#"{"input_data": [[1, 2, 3]]}"#] {
            assert_eq!(read(text).expect("a prompt"), [1.0, 2.0, 3.0], "{text}");
        }
        for text in ["[]", "{}", "[[]]", "7", "[1, \"a\"]", "not JSON"] {
            assert_eq!(read(text).map_err(|failure| failure.exit).unwrap_err(), Exit::Input, "{text}");
        }
    }
}
