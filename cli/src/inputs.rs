//! Inputs from files as people have them: JSON and NumPy's formats for every model, CSV too; pictures and texts where
//! the model's card says how they become numbers. A folder stands for the files in it.

use crate::exit::{Failure, Outcome};
use assay_api::preparation::{Order, Preparation};
use assay_circuits::model::Architecture;
use assay_compiler::{Calibration, InputError, Sample, wanted};
use image::{DynamicImage, ImageFormat, ImageReader, imageops::FilterType};
use std::ffi::OsStr;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// What is wrong with a file of inputs that is neither JSON nor NumPy's, or with what a card says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadInput(pub String);

impl BadInput {
    /// As a command's failure.
    pub fn failure(text: impl std::fmt::Display) -> Failure {
        Self(text.to_string()).into()
    }
}

impl std::fmt::Display for BadInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

/// Largest file of a picture, a table or a text.
const MAX_BYTES: u64 = 1 << 29;

/// What a file seems to hold: pictures by their signature or their name, the others by their name.
enum Form {
    Picture,
    Csv,
    Text,
    /// JSON, or NumPy's.
    Numbers,
}

impl Form {
    fn of(path: &Path, bytes: &[u8]) -> Self {
        let named = |name: &str| {
            path.extension().and_then(OsStr::to_str).is_some_and(|extension| extension.eq_ignore_ascii_case(name))
        };
        match bytes {
            _ if bytes.starts_with(b"\x89PNG") || bytes.starts_with(b"\xff\xd8\xff") => Self::Picture,
            // those of other formats are refused as pictures
            _ if ImageFormat::from_path(path).is_ok() => Self::Picture,
            _ if named("csv") => Self::Csv,
            _ if named("txt") => Self::Text,
            _ => Self::Numbers,
        }
    }
}

/// Samples of any format. `prepare` is what the model's card says.
pub fn calibration(path: &Path, prepare: Option<&Preparation>) -> Outcome<Calibration> {
    if path.is_dir() {
        return folder(path, prepare);
    }
    let bytes = contents(path)?;
    let rows = match Form::of(path, &bytes) {
        Form::Numbers => return Ok(Calibration::read(path)?),
        Form::Picture => vec![picture(path, bytes, prepare)?],
        Form::Csv => table(path, &bytes)?,
        Form::Text => lines(path, bytes, prepare)?,
    };
    if rows.is_empty() {
        Err(InputError::Empty { path: path.to_owned() }.into())
    } else {
        Ok(Calibration::of(path, rows))
    }
}

/// The pictures of a folder, by name: calibration samples are seldom one file.
fn folder(path: &Path, prepare: Option<&Preparation>) -> Outcome<Calibration> {
    let unreadable = crate::files::unreadable(path);
    let entries: Vec<_> = std::fs::read_dir(path).map_err(unreadable)?.collect::<Result<_, _>>().map_err(unreadable)?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    let mut rows = Vec::new();
    for file in files {
        let bytes = contents(&file)?;
        match Form::of(&file, &bytes) {
            Form::Picture => rows.push(picture(&file, bytes, prepare)?),
            Form::Text => rows.extend(lines(&file, bytes, prepare)?),
            Form::Csv => rows.extend(table(&file, &bytes)?),
            Form::Numbers => {
                let text = format!(
                    "{} is no picture, table or text, and only those are read from a folder: name the file itself",
                    file.display()
                );
                return Err(BadInput::failure(text));
            }
        }
    }
    if rows.is_empty() {
        Err(InputError::Empty { path: path.to_owned() }.into())
    } else {
        Ok(Calibration::of(path, rows))
    }
}

/// Whether a file becomes numbers only as a model's card says. What cannot be read is somebody else's error.
pub fn needs_card(path: &Path) -> bool {
    let mut head = [0; 8];
    let read = std::fs::File::open(path).and_then(|mut file| std::io::Read::read(&mut file, &mut head));
    let head = head.get(..read.unwrap_or_default()).unwrap_or_default();
    path.is_dir() || matches!(Form::of(path, head), Form::Picture | Form::Text)
}

/// All samples of all files.
pub fn samples(paths: &[PathBuf], architecture: &Architecture, prepare: Option<&Preparation>) -> Outcome<Vec<Sample>> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(calibration(path, prepare)?.samples(&wanted(architecture))?);
    }
    Ok(all)
}

/// The one sample of a file.
pub fn one(path: &Path, architecture: &Architecture, prepare: Option<&Preparation>) -> Outcome<Sample> {
    let mut samples = calibration(path, prepare)?.samples(&wanted(architecture))?;
    match samples.pop() {
        Some(sample) if samples.is_empty() => Ok(sample),
        _ => Err(InputError::NotOne { path: path.to_owned(), have: samples.len() + 1 }.into()),
    }
}

/// The label of each sample's largest element, where the card has labels for all elements.
pub fn winners<'a>(outputs: impl Iterator<Item = Vec<f32>>, labels: &'a [String]) -> Vec<&'a str> {
    let largest = |scores: &[f32]| {
        scores
            .iter()
            .enumerate()
            .fold((0, f32::NEG_INFINITY), |best, (i, score)| if *score > best.1 { (i, *score) } else { best })
            .0
    };
    outputs
        .filter(|scores| scores.len() == labels.len())
        .filter_map(|scores| labels.get(largest(&scores)).map(String::as_str))
        .collect()
}

fn contents(path: &Path) -> Outcome<Vec<u8>> {
    let io = |source| InputError::Io { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(io)?.len();
    if bytes > MAX_BYTES {
        return Err(InputError::TooLarge { path: path.to_owned(), bytes }.into());
    }
    Ok(std::fs::read(path).map_err(io)?)
}

/// A card that does not say how a file becomes numbers.
fn unsaid(path: &Path, what: &str, example: &str) -> Failure {
    let text = format!(
        "{} is {what}, and the model's card does not say how it becomes numbers: put {example} into MODEL.card.json \
         beside the model's file",
        path.display()
    );
    BadInput::failure(text)
}

/// A picture's numbers.
fn picture(path: &Path, bytes: Vec<u8>, prepare: Option<&Preparation>) -> Outcome<Vec<f32>> {
    let Some(Preparation::Image { width, height, channels, order, mean, std, invert }) = prepare else {
        return Err(unsaid(
            path,
            "a picture",
            r#""prepare": {"kind": "image", "width": 28, "height": 28, "channels": 1}"#,
        ));
    };
    let bad = |e: &dyn std::fmt::Display| {
        BadInput::failure(format!("{} is no whole PNG or JPEG picture: {e}", path.display()))
    };
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| bad(&e))?;
    let decoded = reader.decode().map_err(|e| bad(&e))?;
    let levels = levels(&decoded, (*width, *height), *channels);
    let channels = *channels as usize;
    let of = |list: &[f32], channel: usize, otherwise: f32| match list {
        [] => otherwise,
        [all] => *all,
        each => each.get(channel).copied().unwrap_or(otherwise),
    };
    let number = |(at, level): (usize, &u8)| {
        let (channel, level) = (at % channels, f32::from(*level) / 255.0);
        let level = if *invert { 1.0 - level } else { level };
        (level - of(mean, channel, 0.0)) / of(std, channel, 1.0)
    };
    let pixels: Vec<f32> = levels.iter().enumerate().map(number).collect();
    Ok(match order {
        Order::Pixels => pixels,
        Order::Planes => {
            (0..channels).flat_map(|channel| pixels.iter().skip(channel).step_by(channels).copied()).collect()
        }
    })
}

/// Scaled and in so many channels, pixel by pixel. What is transparent has the colour that lies under it.
fn levels(picture: &DynamicImage, (width, height): (u32, u32), channels: u32) -> Vec<u8> {
    let scaled = if (picture.width(), picture.height()) == (width, height) {
        picture.clone()
    } else {
        picture.resize_exact(width, height, FilterType::Triangle)
    };
    if channels == 1 { scaled.into_luma8().into_raw() } else { scaled.into_rgb8().into_raw() }
}

/// A sample in each line. A first line without numbers is a heading.
fn table(path: &Path, bytes: &[u8]) -> Outcome<Vec<Vec<f32>>> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).flexible(true).from_reader(bytes);
    let mut rows = Vec::new();
    for (line, record) in reader.records().enumerate() {
        let bad = |e| BadInput::failure(format!("{} is no table of comma-separated values: {e}", path.display()));
        let record = record.map_err(bad)?;
        let numbers: Vec<Option<f32>> = record.iter().map(|field| field.parse().ok()).collect();
        if line == 0 && numbers.iter().all(Option::is_none) {
            continue;
        }
        let sample = rows.len();
        if let Some(index) = numbers.iter().position(Option::is_none) {
            return Err(InputError::NotANumber { path: path.to_owned(), sample, index }.into());
        }
        rows.push(numbers.into_iter().flatten().collect());
    }
    Ok(rows)
}

/// A sample in each line.
fn lines(path: &Path, bytes: Vec<u8>, prepare: Option<&Preparation>) -> Outcome<Vec<Vec<f32>>> {
    let Some(Preparation::Text { length, alphabet, unknown, pad }) = prepare else {
        return Err(unsaid(path, "a text", r#""prepare": {"kind": "text", "length": 64}"#));
    };
    let text =
        String::from_utf8(bytes).map_err(|_| BadInput::failure(format!("{} is no UTF-8 text", path.display())))?;
    let length = *length as usize;
    let numbers = |(sample, line): (usize, &str)| {
        let wrong = |what: String| BadInput::failure(format!("{}, line {}: {what}", path.display(), sample + 1));
        let mut numbers: Vec<u32> = match alphabet {
            None => line.bytes().map(u32::from).collect(),
            Some(alphabet) => {
                let place = |character| {
                    alphabet.chars().position(|one| one == character).map(|place| place as u32).or(*unknown)
                };
                let of = |character| {
                    place(character).ok_or_else(|| wrong(format!("{character:?} is not in the model's alphabet")))
                };
                line.chars().map(of).collect::<Outcome<_>>()?
            }
        };
        if numbers.len() > length {
            return Err(wrong(format!("it becomes {} numbers, and the model takes {length}", numbers.len())));
        }
        numbers.resize(length, *pad);
        Ok(numbers.into_iter().map(|number| number as f32).collect())
    };
    text.lines().enumerate().map(numbers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;
    use image::{GrayImage, Luma, Rgb, RgbImage};

    fn prepare(text: &str) -> Preparation {
        serde_json::from_str(text).unwrap()
    }

    fn rows(path: &Path, card: Option<&Preparation>, elements: usize) -> Vec<Vec<f32>> {
        let one = [assay_compiler::Wanted { name: "x".to_owned(), elements }];
        calibration(path, card).unwrap().samples(&one).unwrap().into_iter().map(|lists| lists.concat()).collect()
    }

    #[test]
    fn pictures() {
        let dir = tempfile::tempdir().unwrap();
        let grey = dir.path().join("grey.png");
        GrayImage::from_fn(2, 2, |x, y| Luma([(51 * (x + 2 * y)) as u8])).save(&grey).unwrap();
        let plain = prepare(r#"{"kind": "image", "width": 2, "height": 2, "channels": 1}"#);
        assert_eq!(rows(&grey, Some(&plain), 4), [[0.0, 0.2, 0.4, 0.6]]);
        let inverted = prepare(
            r#"{"kind": "image", "width": 2, "height": 2, "channels": 1, "invert": true, "mean": [0.5], "std": [0.5]}"#,
        );
        let near = |have: &[f32], want: &[f32]| have.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near(&rows(&grey, Some(&inverted), 4)[0], &[1.0, 0.6, 0.2, -0.2]));
        let colours = dir.path().join("colours.png");
        RgbImage::from_fn(2, 1, |x, _| if x == 0 { Rgb([255, 0, 51]) } else { Rgb([0, 255, 102]) })
            .save(&colours)
            .unwrap();
        let planes = prepare(r#"{"kind": "image", "width": 2, "height": 1, "mean": [0, 0, 0.2], "std": [1, 2, 1]}"#);
        assert_eq!(rows(&colours, Some(&planes), 6), [[1.0, 0.0, 0.0, 0.5, 0.0, 0.2]]);
        let pixels = prepare(r#"{"kind": "image", "width": 2, "height": 1, "order": "pixels"}"#);
        assert_eq!(rows(&colours, Some(&pixels), 6), [[1.0, 0.0, 0.2, 0.0, 1.0, 0.4]]);
        // a photograph, scaled: one colour stays that colour
        let photograph = dir.path().join("photograph.jpg");
        RgbImage::from_pixel(40, 30, Rgb([204, 204, 204])).save(&photograph).unwrap();
        let scaled =
            rows(&photograph, Some(&prepare(r#"{"kind": "image", "width": 4, "height": 4, "channels": 1}"#)), 16);
        assert!(scaled[0].iter().all(|level| (level - 0.8).abs() < 0.02), "{scaled:?}");
        // a folder is all of its pictures
        let all = calibration(dir.path(), Some(&plain)).unwrap();
        let one = [assay_compiler::Wanted { name: "x".to_owned(), elements: 4 }];
        assert_eq!(all.samples(&one).unwrap().len(), 3);

        let other = dir.path().join("photograph.webp");
        std::fs::write(&other, b"RIFF\x10\0\0\0WEBPVP8 ").unwrap();
        let refused = calibration(&other, Some(&plain)).unwrap_err().text();
        assert!(refused.contains("is no whole PNG or JPEG picture"), "{refused}");

        let unsaid = calibration(&grey, None).unwrap_err();
        assert!(unsaid.exit == Exit::Input && unsaid.text().contains("MODEL.card.json"), "{}", unsaid.text());
        let whole = std::fs::read(&grey).unwrap();
        std::fs::write(&grey, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(calibration(&grey, Some(&plain)).unwrap_err().exit, Exit::Input);
    }

    #[test]
    fn tables() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("inputs.csv");
        for text in ["a,b\n1,2\n-3.5, 4e-1\n", "1,2\n-3.5,0.4"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(rows(&path, None, 2), [[1.0, 2.0], [-3.5, 0.4]], "{text}");
        }
        for (text, why) in [
            ("1,x\n", "sample 0, element 1"),
            ("1,2\n3,\n", "sample 1, element 1"),
            ("a,b\n", "no samples"),
            ("", "no samples"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = calibration(&path, None).unwrap_err();
            assert!(error.exit == Exit::Input && error.text().contains(why), "{text}: {}", error.text());
        }
        std::fs::write(&path, "1,2,3\n").unwrap();
        let one = [assay_compiler::Wanted { name: "x".to_owned(), elements: 2 }];
        assert!(matches!(
            calibration(&path, None).unwrap().samples(&one),
            Err(InputError::Length { have: 3, need: 2, .. })
        ));
    }

    #[test]
    fn texts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("input.txt");
        std::fs::write(&path, "bad\nca\n").unwrap();
        assert_eq!(
            rows(&path, Some(&prepare(r#"{"kind": "text", "length": 4}"#)), 4),
            [[98.0, 97.0, 100.0, 0.0], [99.0, 97.0, 0.0, 0.0]]
        );
        let letters = r#"{"kind": "text", "length": 3, "alphabet": "_abc", "unknown": 9, "pad": 0}"#;
        assert_eq!(rows(&path, Some(&prepare(letters)), 3), [[2.0, 1.0, 9.0], [3.0, 1.0, 0.0]]);
        for (card, why) in [
            (Some(r#"{"kind": "text", "length": 3, "alphabet": "abc"}"#), "line 1: 'd' is not in the model's alphabet"),
            (Some(r#"{"kind": "text", "length": 2}"#), "3 numbers, and the model takes 2"),
            (None, "MODEL.card.json"),
        ] {
            let error = calibration(&path, card.map(prepare).as_ref()).unwrap_err();
            assert!(error.exit == Exit::Input && error.text().contains(why), "{}", error.text());
        }
    }

    /// The site makes the same numbers of the same texts: its tests read this file as well.
    #[test]
    fn texts_as_the_site_reads_them() {
        #[derive(serde::Deserialize)]
        struct Case {
            prepare: Preparation,
            text: String,
            #[serde(default)]
            samples: Vec<Vec<f32>>,
            refused: Option<String>,
        }
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../fixtures/texts.json")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("input.txt");
        for Case { prepare, text, samples, refused } in cases {
            std::fs::write(&path, &text).unwrap();
            match refused {
                None => assert_eq!(rows(&path, Some(&prepare), prepare.elements()), samples, "{text:?}"),
                Some(why) => {
                    let said = calibration(&path, Some(&prepare)).unwrap_err().text();
                    assert!(said.ends_with(&why), "{text:?}: {said}");
                }
            }
        }
    }

    #[test]
    fn labels_of_the_largest() {
        let labels = ["cat", "dog"].map(str::to_owned);
        assert_eq!(winners([vec![0.1, 0.2], vec![3.0, -1.0]].into_iter(), &labels), ["dog", "cat"]);
        assert!(winners([vec![0.1, 0.2]].into_iter(), &[]).is_empty());
    }
}
