//! How a file that people have, a picture or a text, becomes a model's numbers: what the seller says of it in the
//! model's card.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What inputs are made of, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Preparation {
    /// A picture: scaled to this size, then each channel is `(level - mean) / std`, where levels are from 0 to 1.
    Image {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// 1 for grey, 3 for red, green and blue.
        #[serde(default = "three")]
        channels: u32,
        /// The order of the numbers.
        #[serde(default)]
        order: Order,
        /// What is taken away, for each channel or for all of them; 0 if left out.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mean: Vec<f32>,
        /// What the rest is divided by, for each channel or for all of them; 1 if left out.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        std: Vec<f32>,
        /// Whether black is 1 and white is 0.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        invert: bool,
    },
    /// A line of text: a number for each of its characters.
    Text {
        /// How many numbers the model takes. A shorter line is filled up, and a longer one is refused.
        length: u32,
        /// Characters in the order of their numbers, from 0; left out, a line is its UTF-8 bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alphabet: Option<String>,
        /// The number of a character that is not in the alphabet; left out, such a line is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unknown: Option<u32>,
        /// What a short line is filled up with.
        #[serde(default)]
        pad: u32,
    },
}

/// The order of a picture's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// One channel after the other, as PyTorch has it.
    #[default]
    Planes,
    /// All channels of a pixel together, as Keras has it.
    Pixels,
}

fn three() -> u32 {
    3
}

/// Why a preparation cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PreparationError {
    /// No pixels, or too many.
    #[error("a picture has a width and a height from 1 to {MAX_SIDE}")]
    Size,
    /// A number of channels that pictures do not have.
    #[error("channels is 1 (grey) or 3 (red, green, blue)")]
    Channels,
    /// Lists of another length than there are channels.
    #[error("mean and std have one number, or one for each channel")]
    PerChannel,
    /// Numbers with which nothing can be computed.
    #[error("mean and std are finite numbers, and std is not 0")]
    Numbers,
    /// No text.
    #[error("length is from 1 to {MAX_TEXT}")]
    Length,
    /// An alphabet that names a character twice, or none.
    #[error("the alphabet has each of its characters once, and at least one")]
    Alphabet,
}

/// Most pixels of a side.
const MAX_SIDE: u32 = 4096;
/// Most characters of a text.
const MAX_TEXT: u32 = 1 << 20;

impl Preparation {
    /// How many numbers it makes.
    pub fn elements(&self) -> usize {
        match self {
            Self::Image { width, height, channels, .. } => *width as usize * *height as usize * *channels as usize,
            Self::Text { length, .. } => *length as usize,
        }
    }

    /// Whether it can be used. Errors: [`PreparationError`].
    pub fn check(&self) -> Result<(), PreparationError> {
        let hold = |good: bool, error| if good { Ok(()) } else { Err(error) };
        match self {
            Self::Image { width, height, channels, mean, std, .. } => {
                hold([width, height].iter().all(|side| (1..=MAX_SIDE).contains(*side)), PreparationError::Size)?;
                hold([1, 3].contains(channels), PreparationError::Channels)?;
                let fits = |list: &[f32]| list.len() <= 1 || list.len() == *channels as usize;
                hold(fits(mean) && fits(std), PreparationError::PerChannel)?;
                hold(
                    mean.iter().chain(std).all(|value| value.is_finite()) && !std.contains(&0.0),
                    PreparationError::Numbers,
                )
            }
            Self::Text { length, alphabet, .. } => {
                hold((1..=MAX_TEXT).contains(length), PreparationError::Length)?;
                let Some(alphabet) = alphabet else { return Ok(()) };
                let mut seen = std::collections::HashSet::new();
                hold(
                    !alphabet.is_empty() && alphabet.chars().all(|character| seen.insert(character)),
                    PreparationError::Alphabet,
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Preparation, String> {
        let read: Preparation = serde_json::from_str(text).map_err(|e| e.to_string())?;
        read.check().map(|()| read).map_err(|e| e.to_string())
    }

    #[test]
    fn what_a_card_may_say() {
        let image =
            parsed(r#"{"kind": "image", "width": 32, "height": 28, "mean": [0.5], "std": [0.1, 0.2, 0.3]}"#).unwrap();
        assert_eq!(image.elements(), 3 * 28 * 32);
        assert!(matches!(&image, Preparation::Image { channels: 3, order: Order::Planes, invert: false, .. }));
        assert_eq!(serde_json::from_value::<Preparation>(serde_json::to_value(&image).unwrap()).unwrap(), image);
        assert_eq!(parsed(r#"{"kind": "text", "length": 64}"#).unwrap().elements(), 64);
        for (bad, why) in [
            (r#"{"kind": "sound"}"#, "unknown variant"),
            (r#"{"kind": "image", "width": 8}"#, "height"),
            (r#"{"kind": "image", "width": 8, "height": 8, "scale": 2}"#, "unknown field"),
            (r#"{"kind": "image", "width": 0, "height": 8}"#, "a width and a height"),
            (r#"{"kind": "image", "width": 8, "height": 8, "channels": 2}"#, "channels"),
            (r#"{"kind": "image", "width": 8, "height": 8, "mean": [1, 2]}"#, "one for each channel"),
            (r#"{"kind": "image", "width": 8, "height": 8, "std": [0]}"#, "not 0"),
            (r#"{"kind": "text", "length": 0}"#, "length"),
            (r#"{"kind": "text", "length": 8, "alphabet": "abca"}"#, "once"),
            (r#"{"kind": "text", "length": 8, "alphabet": ""}"#, "at least one"),
        ] {
            let error = parsed(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
