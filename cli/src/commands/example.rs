//! The network that comes with the program, with its samples and its card: for whoever has none of their own yet.

use super::demo::market::{CALIBRATION, MODEL, PICTURE};
use crate::exit::Outcome;
use std::path::Path;

/// Its name, which its files begin with.
pub const NAME: &str = "digits";
/// Its samples.
pub const SAMPLES: &str = "digits_calibration.json";
/// An input that it was not trained on.
pub const INPUT: &str = "digit_7.json";
/// What it does, in Markdown.
pub const DESCRIPTION: &str = "Reads **handwritten digits** of 8 × 8 pixels, white on black: a small convolutional \
    network, trained on scikit-learn's data set.";

/// What each of its outputs stands for.
pub fn labels() -> Vec<String> {
    (0..10).map(|digit| digit.to_string()).collect()
}

/// Its files, by their names: the network, samples to compile it with, an input.
pub fn files() -> [(&'static str, &'static [u8]); 3] {
    [("digits.onnx", MODEL), (SAMPLES, CALIBRATION), (INPUT, PICTURE)]
}

/// Writes its files into a folder.
pub fn write(dir: &Path) -> Outcome {
    for (name, bytes) in files() {
        std::fs::write(dir.join(name), bytes)?;
    }
    Ok(())
}
