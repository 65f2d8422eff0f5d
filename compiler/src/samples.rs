//! Inputs from files: calibration samples and single inputs, in EZKL's JSON or NumPy's formats.
//!
//! Accepted: `{"input_data": [[…]]}` with one row per sample, rows flat or nested (EZKL writes one row per input
//! tensor, and a file with one sample has one row); a row that holds several samples back to back is split; `.npy`
//! arrays and the first float array of an `.npz` whose first axis counts samples, or which is one sample.

use crate::Sample;
use assay_circuits::model::Architecture;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// Largest input file in bytes.
pub const MAX_INPUT_BYTES: u64 = 1 << 29;

/// What is wrong with a file of inputs. Samples and elements are counted from 0.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what each field is")]
pub enum InputError {
    #[error("cannot read {path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path} has {bytes} bytes, and {max} are the most that are read", max = MAX_INPUT_BYTES)]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{path} is not valid JSON (line {line}, column {column}): it should read {{\"input_data\": [[…]]}}")]
    Json { path: PathBuf, line: usize, column: usize },
    #[error("{path} has no \"input_data\": it should read {{\"input_data\": [[…]]}}, one list of numbers per sample")]
    NoInputData { path: PathBuf },
    #[error("{path}: sample {sample}, element {index} is not a number")]
    NotANumber { path: PathBuf, sample: usize, index: usize },
    #[error("{path}: sample {sample}, element {index} is NaN or infinite")]
    NotFinite { path: PathBuf, sample: usize, index: usize },
    #[error("{path} is not a NumPy array of 32- or 64-bit floats or of integers")]
    Numpy { path: PathBuf },
    #[error("{path} holds no samples")]
    Empty { path: PathBuf },
    #[error("{path}: sample {sample} has {have} values and the model's input has {need}")]
    Length { path: PathBuf, sample: usize, have: usize, need: usize },
    #[error("{path} holds {have} samples, and one is needed")]
    NotOne { path: PathBuf, have: usize },
    #[error("{path}: sample {sample} has no input {name:?}")]
    MissingInput { path: PathBuf, sample: usize, name: String },
    #[error("the model's input has no elements")]
    EmptyShape,
}

/// An input tensor as a file of samples must fill it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name in the model.
    pub name: String,
    /// Number of its elements.
    pub elements: usize,
}

/// Samples for calibration, each of the lengths that the model turns out to need.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    path: PathBuf,
    rows: Rows,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
enum Rows {
    /// Lists in order.
    Plain(Vec<Vec<f32>>),
    /// Lists by the inputs' names, for each sample.
    Named(Vec<BTreeMap<String, Vec<f32>>>),
}

impl Calibration {
    /// Reads samples from a file; their lengths are checked once the model is known.
    ///
    /// # Errors
    /// Everything in [`InputError`] but wrong lengths.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let rows = read_rows(path)?;
        let empty = match &rows {
            Rows::Plain(rows) => rows.iter().all(Vec::is_empty),
            Rows::Named(samples) => samples.is_empty(),
        };
        if empty { Err(InputError::Empty { path: path.to_owned() }) } else { Ok(Self { path: path.to_owned(), rows }) }
    }

    /// Samples of a model with one input that are at hand already.
    pub fn from_samples(samples: Vec<Vec<f32>>) -> Self {
        Self { path: PathBuf::from("(samples)"), rows: Rows::Plain(samples) }
    }

    /// Samples that a file of another format gave; errors name it.
    pub fn of(path: &Path, rows: Vec<Vec<f32>>) -> Self {
        Self { path: path.to_owned(), rows: Rows::Plain(rows) }
    }

    /// The samples: for each a list of values per input.
    ///
    /// # Errors
    /// [`InputError::Length`], [`InputError::NotFinite`], [`InputError::Empty`], [`InputError::MissingInput`].
    pub fn samples(&self, wanted: &[Wanted]) -> Result<Vec<Sample>, InputError> {
        if wanted.is_empty() || wanted.iter().any(|input| input.elements == 0) {
            return Err(InputError::EmptyShape);
        }
        let samples = match &self.rows {
            Rows::Named(samples) => self.named(samples, wanted)?,
            Rows::Plain(rows) => self.plain(rows, wanted)?,
        };
        for (sample, lists) in samples.iter().enumerate() {
            for (list, input) in lists.iter().zip(wanted) {
                if list.len() != input.elements {
                    return Err(InputError::Length {
                        path: self.path.clone(),
                        sample,
                        have: list.len(),
                        need: input.elements,
                    });
                }
                if let Some(index) = list.iter().position(|v| !v.is_finite()) {
                    return Err(InputError::NotFinite { path: self.path.clone(), sample, index });
                }
            }
        }
        if samples.is_empty() { Err(InputError::Empty { path: self.path.clone() }) } else { Ok(samples) }
    }

    fn named(&self, samples: &[BTreeMap<String, Vec<f32>>], wanted: &[Wanted]) -> Result<Vec<Sample>, InputError> {
        let one = |(sample, lists): (usize, &BTreeMap<String, Vec<f32>>)| {
            let mut all = Sample::new();
            for parts in wanted.chunk_by(|a, b| a.name == b.name) {
                let Some(name) = parts.first().map(|part| &part.name) else { continue };
                let missing = || InputError::MissingInput { path: self.path.clone(), sample, name: name.clone() };
                let list = lists.get(name).ok_or_else(missing)?;
                let need = parts.iter().map(|part| part.elements).sum();
                if list.len() != need {
                    return Err(InputError::Length { path: self.path.clone(), sample, have: list.len(), need });
                }
                all.extend(split(list, parts));
            }
            Ok(all)
        };
        samples.iter().enumerate().map(one).collect()
    }

    /// With one input every row holds one or more samples; with several, a sample is a row for each input, or all of
    /// them in one row.
    fn plain(&self, rows: &[Vec<f32>], wanted: &[Wanted]) -> Result<Vec<Sample>, InputError> {
        let need: usize = wanted.iter().map(|input| input.elements).sum();
        let fits = |rows: &[Vec<f32>]| {
            rows.len() == wanted.len() && rows.iter().zip(wanted).all(|(row, input)| row.len() == input.elements)
        };
        if wanted.len() > 1 && rows.len().is_multiple_of(wanted.len()) && rows.chunks(wanted.len()).all(fits) {
            return Ok(rows.chunks(wanted.len()).map(<[Vec<f32>]>::to_vec).collect());
        }
        let mut samples = Vec::new();
        for (sample, row) in rows.iter().enumerate() {
            if row.is_empty() || !row.len().is_multiple_of(need) {
                return Err(InputError::Length { path: self.path.clone(), sample, have: row.len(), need });
            }
            samples.extend(row.chunks_exact(need).map(|all| split(all, wanted)));
        }
        Ok(samples)
    }
}

/// The inputs of one sample, one after the other, by input.
fn split(all: &[f32], wanted: &[Wanted]) -> Sample {
    let mut rest = all;
    let mut take = |input: &Wanted| {
        let (list, after) = rest.split_at(input.elements.min(rest.len()));
        rest = after;
        list.to_vec()
    };
    wanted.iter().map(&mut take).collect()
}

/// A sample of the model's tensors as one of the architecture's ports, of which a tensor may have several.
pub(crate) fn by_port(architecture: &Architecture, sample: &Sample) -> Sample {
    split(&sample.concat(), &wanted(architecture))
}

/// The inputs that an architecture takes. Those of one name that follow each other are parts of one tensor.
pub fn wanted(architecture: &Architecture) -> Vec<Wanted> {
    architecture.input.ports.iter().map(|port| Wanted { name: port.name.clone(), elements: port.cells.len() }).collect()
}

/// Reads one input of an architecture, in the formats of [`Calibration::read`]: a list of values for each of its
/// tensors.
///
/// # Errors
/// Everything in [`InputError`]; [`InputError::NotOne`] where the file holds several samples.
pub fn read_input(path: &Path, architecture: &Architecture) -> Result<Sample, InputError> {
    let mut samples = Calibration::read(path)?.samples(&wanted(architecture))?;
    match samples.pop() {
        Some(sample) if samples.is_empty() => Ok(sample),
        _ => Err(InputError::NotOne { path: path.to_owned(), have: samples.len() + 1 }),
    }
}

fn read_rows(path: &Path) -> Result<Rows, InputError> {
    let io = |source| InputError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_INPUT_BYTES {
        return Err(InputError::TooLarge { path: path.to_owned(), bytes: bytes.len() as u64 });
    }
    let numpy = || InputError::Numpy { path: path.to_owned() };
    // By content, not by name: both formats have a signature.
    if bytes.starts_with(b"\x93NUMPY") {
        return array(&bytes).map(Rows::Plain).ok_or_else(numpy);
    }
    if bytes.starts_with(b"PK") {
        return npz(bytes).map(Rows::Plain).ok_or_else(numpy);
    }
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| InputError::Json {
        path: path.to_owned(),
        line: e.line(),
        column: e.column(),
    })?;
    if let Some(named) = value.get("inputs") {
        return named_rows(path, named).map(Rows::Named);
    }
    let rows = value
        .get("input_data")
        .and_then(Value::as_array)
        .ok_or_else(|| InputError::NoInputData { path: path.to_owned() })?;
    if rows.iter().all(|v| v.is_number() || v.is_boolean()) {
        // A single flat list is one sample.
        return Ok(Rows::Plain(vec![row(path, 0, &Value::Array(rows.clone()))?]));
    }
    rows.iter().enumerate().map(|(sample, value)| row(path, sample, value)).collect::<Result<_, _>>().map(Rows::Plain)
}

/// `{"inputs": {"name": […], …}}`, or a list of such objects, one for each sample.
fn named_rows(path: &Path, value: &Value) -> Result<Vec<BTreeMap<String, Vec<f32>>>, InputError> {
    let none = || InputError::NoInputData { path: path.to_owned() };
    let one = |(sample, value): (usize, &Value)| {
        let object = value.as_object().ok_or_else(none)?;
        object.iter().map(|(name, value)| Ok((name.clone(), row(path, sample, value)?))).collect()
    };
    match value {
        Value::Array(samples) => samples.iter().enumerate().map(one).collect(),
        value => Ok(vec![one((0, value))?]),
    }
}

/// The numbers of a nested list in order. JSON has a depth limit, so that this recursion has one too.
fn row(path: &Path, sample: usize, value: &Value) -> Result<Vec<f32>, InputError> {
    fn flatten(value: &Value, out: &mut Vec<f32>) -> Result<(), bool> {
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| flatten(item, out)),
            _ => {
                let number = value.as_f64().or(value.as_bool().map(|b| f64::from(u8::from(b)))).ok_or(false)? as f32;
                out.push(number);
                if number.is_finite() { Ok(()) } else { Err(true) }
            }
        }
    }
    let mut out = Vec::new();
    match flatten(value, &mut out) {
        Ok(()) => Ok(out),
        Err(true) => Err(InputError::NotFinite { path: path.to_owned(), sample, index: out.len() - 1 }),
        Err(false) => Err(InputError::NotANumber { path: path.to_owned(), sample, index: out.len() }),
    }
}

/// A NumPy array as rows: one per index of the first axis, or one for a vector.
fn array(bytes: &[u8]) -> Option<Vec<Vec<f32>>> {
    let header = npyz::NpyHeader::from_reader(bytes).ok()?;
    let elements = header.shape().iter().try_fold(1u64, |n, &d| n.checked_mul(d))?;
    if elements == 0 || elements > bytes.len() as u64 || header.order() != npyz::Order::C {
        return None;
    }
    let shape = header.shape().to_vec();
    let narrow = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect::<Vec<f32>>();
    let open = || npyz::NpyFile::new(bytes).ok();
    let data: Vec<f32> = None
        .or_else(|| open()?.into_vec::<f32>().ok())
        .or_else(|| open()?.into_vec::<f64>().ok().map(narrow))
        .or_else(|| open()?.into_vec::<i64>().ok().map(|v| v.into_iter().map(|x| x as f32).collect()))
        .or_else(|| open()?.into_vec::<i32>().ok().map(|v| v.into_iter().map(|x| x as f32).collect()))
        .or_else(|| open()?.into_vec::<u8>().ok().map(|v| v.into_iter().map(f32::from).collect()))?;
    let rows = if shape.len() > 1 { usize::try_from(*shape.first()?).ok()? } else { 1 };
    let width = data.len() / rows;
    Some(data.chunks_exact(width).map(<[f32]>::to_vec).collect())
}

/// The array `input_data`, `inputs`, `images` or `x` of an archive, or else the first one.
fn npz(bytes: Vec<u8>) -> Option<Vec<Vec<f32>>> {
    let mut archive = npyz::npz::NpzArchive::new(Cursor::new(bytes)).ok()?;
    let names: Vec<String> = archive.array_names().map(str::to_owned).collect();
    let usual = ["input_data", "inputs", "input", "images", "x", "X"];
    let name = usual
        .iter()
        .find(|n| names.iter().any(|have| have == *n))
        .map(|n| (*n).to_owned())
        .or_else(|| names.first().cloned())?;
    let mut data = Vec::new();
    let entry = archive.zip_archive().by_name(&format!("{name}.npy")).ok()?;
    // A small archive may unpack to anything.
    entry.take(MAX_INPUT_BYTES).read_to_end(&mut data).ok()?;
    array(&data)
}
