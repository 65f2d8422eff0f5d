//! Text of several tokens in one proof: greedy decoding.
//!
//! A causal model that gives the likeliest next token at every position says, in one pass over prompt and answer, which token follows each of
//! them. So the answer is decoded with the executor, token by token, and then proven as one inference of the whole text: each of its tokens is the output at the position before it.

use crate::exit::{Exit, Failure, Outcome};
use crate::ui::Ui;
use assay_circuits::exec::{self, quantise_input};
use assay_circuits::model::Architecture;
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
    let bad = |why: String| Failure::message(Exit::Input, format!("{} is no prompt: {why}", path.display()));
    let text = std::fs::read(path).map_err(|e| Failure::message(Exit::Io, format!("cannot read {}: {e}", path.display())))?;
    let mut value: Value = serde_json::from_slice(&text).map_err(|e| bad(e.to_string()))?;
    if let Some(samples) = value.get_mut("input_data") {
        value = samples.take();
    }
    while let Some(first) = value.get_mut(0).filter(|first| first.is_array()) {
        value = first.take();
    }
    let tokens: Vec<f32> = serde_json::from_value(value).map_err(|e| bad(format!("a list of token numbers is wanted; {e}")))?;
    if tokens.is_empty() { Err(bad("it has no tokens".to_owned())) } else { Ok(tokens) }
}

/// How many tokens a model takes, if it gives one for each of them.
fn length(architecture: &Architecture) -> Option<usize> {
    let [port] = &architecture.input.ports[..] else { return None };
    let mut tensors = architecture.output_tensors().filter_map(|digits| digits.first());
    let (Some(output), None) = (tensors.next(), tensors.next()) else { return None };
    (port.scale == 0 && output.scale == 0 && port.cells.len() == output.cells.len()).then_some(port.cells.len())
}

/// Decodes `count` tokens, each the likeliest. Errors: the model gives no token for each position, the text is too long, or a later token changes an earlier output, so that
/// one inference does not show the answer.
pub fn greedy(ui: &Ui, package: &Package, prompt: Vec<f32>, count: usize) -> Outcome<Text> {
    let Shape { architecture, system, .. } = &package.model.shape;
    let refused = |text: String| Failure::message(Exit::Input, text);
    let length = length(architecture).ok_or_else(|| {
        refused("--generate needs a model that takes tokens and gives one token for each: export it with the largest of its scores, such as logits.argmax(-1)".to_owned())
    })?;
    let start = prompt.len();
    if start + count > length {
        return Err(refused(format!("{start} tokens and {count} more are {}, and the model takes {length}", start + count)));
    }
    let mut tokens = prompt;
    tokens.resize(length, 0.0);
    let next = |tokens: &[f32]| -> Outcome<Vec<f32>> {
        let cells = quantise_input(architecture, &[tokens.to_vec()])?.cells;
        // architecture and weights were validated when the package was read
        let trace = exec::run(architecture, system, &package.weights, &cells)?;
        Ok(trace.outputs(architecture, system).into_iter().next().unwrap_or_default())
    };
    ui.phase("generate", |_| {
        for at in start..start + count {
            ui.check_cancelled()?;
            tokens[at] = next(&tokens)?.get(at - 1).copied().unwrap_or_default();
        }
        let shown = followed(&tokens, &next(&tokens)?, start);
        if shown < count {
            return Err(refused(format!(
                "the model's outputs depend on later tokens: of {count} only {shown} are shown by one inference, so it is not causal"
            )));
        }
        Ok(Text { prompt: start, answer: count, tokens })
    })
}

/// How many tokens behind the prompt are the outputs at the positions before them, without a gap.
pub fn followed(tokens: &[f32], outputs: &[f32], prompt: usize) -> usize {
    let pairs = tokens.iter().skip(prompt).zip(outputs.iter().skip(prompt.saturating_sub(1)));
    if prompt == 0 { 0 } else { pairs.take_while(|(token, output)| token == output).count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_prompt() {
        let tokens = [5.0, 3.0, 4.0, 7.0, 0.0, 0.0];
        assert_eq!(followed(&tokens, &[9.0, 4.0, 7.0, 2.0, 0.0, 1.0], 2), 2);
        assert_eq!(followed(&tokens, &[3.0, 4.0, 7.0, 0.0, 0.0, 1.0], 1), 5, "tokens that fill up may be the model's own");
        assert_eq!(followed(&tokens, &[9.0, 5.0, 7.0, 0.0, 0.0, 1.0], 2), 0);
        assert_eq!(followed(&tokens, &[3.0; 6], 0), 0, "there is no output before the first token");
        assert_eq!(followed(&tokens, &[], 9), 0);
    }

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
