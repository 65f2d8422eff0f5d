//! Greedy decoding: text of several tokens that one inference shows.
//!
//! A causal model that gives the likeliest next token at every position says, in one pass over prompt and answer, which
//! token follows each of them. So the answer is decoded with the executor, token by token, and then proven as one
//! inference of the whole text: each of its tokens is the output at the position before it.

use super::{ExecError, TableValues, quantise_input, run_with};
use crate::model::{Architecture, Weights};
use crate::system::System;

/// Why a prompt cannot be continued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what each field is")]
pub enum DecodeError {
    #[error(
        "the model does not take tokens and give one token for each of them: export it with the largest of its scores, \
         such as logits.argmax(-1)"
    )]
    NotGenerative,
    #[error("there is no prompt: one token at least is wanted")]
    NoPrompt,
    #[error("{prompt} tokens and {answer} more are {}, and the model takes {length}", prompt.saturating_add(*answer))]
    TooLong { prompt: usize, answer: usize, length: usize },
    #[error(
        "the model's outputs depend on later tokens: of {answer} only {shown} are shown by one inference, so it is not \
         causal"
    )]
    NotCausal { answer: usize, shown: usize },
    #[error("decoding was cancelled")]
    Cancelled,
    #[error(transparent)]
    Exec(#[from] ExecError),
}

/// How many tokens prompt and answer may have together, if the model takes tokens and gives one for each of them.
pub fn text_length(architecture: &Architecture) -> Option<usize> {
    let [port] = &architecture.input.ports[..] else { return None };
    let mut tensors = architecture.output_tensors().filter_map(|digits| digits.first());
    let (Some(output), None) = (tensors.next(), tensors.next()) else { return None };
    (port.scale == 0 && output.scale == 0 && port.cells.len() == output.cells.len()).then_some(port.cells.len())
}

/// The prompt, `answer` more tokens, each the likeliest behind those before it, and token 0 up to [`text_length`].
/// `weights` are of a validated architecture. Looks at `cancelled` before each token.
///
/// # Errors
/// [`DecodeError`]: also where a later token changes an earlier output, so that one inference would not show the
/// answer.
pub fn decode(
    (architecture, system): (&Architecture, &System),
    weights: &Weights,
    prompt: &[f32],
    answer: usize,
    cancelled: &dyn Fn() -> bool,
) -> Result<Vec<f32>, DecodeError> {
    let length = text_length(architecture).ok_or(DecodeError::NotGenerative)?;
    if prompt.is_empty() {
        return Err(DecodeError::NoPrompt);
    }
    let end = prompt.len().checked_add(answer).filter(|end| *end <= length);
    let end = end.ok_or(DecodeError::TooLong { prompt: prompt.len(), answer, length })?;
    let tables = TableValues::of(architecture);
    let next = |tokens: &[f32]| -> Result<Vec<f32>, DecodeError> {
        if cancelled() {
            return Err(DecodeError::Cancelled);
        }
        let cells = quantise_input(architecture, &[tokens.to_vec()])?.cells;
        let trace = run_with(architecture, system, &tables, weights, &cells)?;
        Ok(trace.outputs(architecture, system).into_iter().next().unwrap_or_default())
    };
    let mut tokens = prompt.to_vec();
    tokens.resize(length, 0.0);
    for at in prompt.len()..end {
        let outputs = next(&tokens)?;
        if let (Some(token), Some(likeliest)) = (tokens.get_mut(at), outputs.get(at - 1)) {
            *token = *likeliest;
        }
    }
    let shown = followed(&tokens, &next(&tokens)?, prompt.len());
    if shown < answer { Err(DecodeError::NotCausal { answer, shown }) } else { Ok(tokens) }
}

/// How many tokens behind the prompt are the outputs at the positions before them, without a gap.
pub fn followed(tokens: &[f32], outputs: &[f32], prompt: usize) -> usize {
    let pairs = tokens.iter().skip(prompt).zip(outputs.iter().skip(prompt.saturating_sub(1)));
    if prompt == 0 { 0 } else { pairs.take_while(|(token, output)| token == output).count() }
}

#[cfg(test)]
mod tests {
    use super::followed;

    /// A gap ends what is shown, and nothing is shown of a text without a prompt.
    #[test]
    fn what_follows_a_prompt() {
        let tokens = [5.0, 3.0, 4.0, 7.0, 0.0, 0.0];
        assert_eq!(followed(&tokens, &[9.0, 4.0, 7.0, 2.0, 0.0, 1.0], 2), 2);
        assert_eq!(
            followed(&tokens, &[3.0, 4.0, 7.0, 0.0, 0.0, 1.0], 1),
            5,
            "tokens that fill up may be the model's own"
        );
        assert_eq!(followed(&tokens, &[9.0, 5.0, 7.0, 0.0, 0.0, 1.0], 2), 0);
        assert_eq!(followed(&tokens, &[3.0; 6], 0), 0, "there is no output before the first token");
        assert_eq!(followed(&tokens, &[], 9), 0);
    }
}
