//! A compilation: what was asked for, where it is, and what came out.

use std::path::{Path, PathBuf};

use alloy::primitives::B256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Fault;
use crate::routes::schemas::Hash;

/// Longest name of a model.
const NAME_MAX: usize = 100;

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SampleFormat {
    /// EZKL's `{"input_data": […]}`, or the inputs by name.
    Json,
    /// A sample in each line.
    Csv,
    /// NumPy's array.
    Npy,
    /// NumPy's arrays by name.
    Npz,
}

impl SampleFormat {
    /// The file's name in a compilation's folder.
    pub fn file(self) -> &'static str {
        match self {
            Self::Json => "samples.json",
            Self::Csv => "samples.csv",
            Self::Npy => "samples.npy",
            Self::Npz => "samples.npz",
        }
    }
}

fn file<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(d)?;
    STANDARD.decode(text.trim()).map_err(|_| serde::de::Error::custom("a file must be in Base64"))
}

/// A model to compile. Debug output does not show it.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// What the model is called, for people: 1 to 100 characters.
    pub name: String,
    /// The ONNX file, in Base64. Tensors that are stored in other files are refused.
    #[serde(deserialize_with = "file")]
    #[schema(value_type = String, format = Byte)]
    pub onnx: Vec<u8>,
    /// The file of samples, in Base64: what the model's inputs look like.
    #[serde(deserialize_with = "file")]
    #[schema(value_type = String, format = Byte)]
    pub samples: Vec<u8>,
    /// How the samples are written.
    pub format: SampleFormat,
    /// Mean error that is allowed, as a share of each output's range; 0.001 if left out.
    #[serde(default)]
    pub target_error: Option<f64>,
    /// How much wider than the samples the published range of inputs is, as a share; the compiler's own if left out.
    #[serde(default)]
    pub headroom: Option<f64>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("name", &self.name).field("format", &self.format).finish_non_exhaustive()
    }
}

impl Task {
    /// What is wrong with it, before the compiler looks at it.
    pub fn check(&self) -> Result<(), &'static str> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
            return Err("name: 1 to 100 characters in one line");
        }
        if self.onnx.is_empty() || self.samples.is_empty() {
            return Err("onnx and samples: the files must not be empty");
        }
        let share = |value: Option<f64>| value.is_none_or(|value| value.is_finite() && value >= 0.0);
        if share(self.target_error) && share(self.headroom) {
            Ok(())
        } else {
            Err("target_error and headroom: numbers from 0")
        }
    }

    /// The command's arguments.
    pub(super) fn args(&self, srs: Option<&Path>) -> Vec<String> {
        let words = ["compile", "model.onnx", "--calibrate", self.format.file(), "-o", "model.assay"];
        let mut args: Vec<String> = words.map(str::to_owned).to_vec();
        // one word each, so that nothing that is uploaded is taken for an option
        args.push(format!("--name={}", self.name.trim()));
        args.extend(self.target_error.map(|error| format!("--target-error={error}")));
        args.extend(self.headroom.map(|share| format!("--headroom={share}")));
        args.extend(srs.map(|path| format!("--srs={}", path.display())));
        args
    }
}

/// Where a compilation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CompilationState {
    /// Others are before it.
    Waiting,
    /// The compiler works.
    Running,
    /// There is a package.
    Done,
    /// There is none: `error` says why.
    Failed,
    /// Somebody cancelled it, or the service ended.
    Cancelled,
}

impl CompilationState {
    /// Whether nothing comes after.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }
}

/// A compilation, as its seller sees it. Who knows the id may read and cancel it; the package is the operator's.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Compilation {
    /// Its id.
    pub id: String,
    /// What the model is called.
    pub name: String,
    /// Where it is.
    pub state: CompilationState,
    /// What `assay --json compile` says, without the names of files.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// What the seller should know.
    pub warnings: Vec<String>,
    /// Why there is no package.
    pub error: Option<Fault>,
    /// Whether it is kept since the seller began to list it on chain.
    pub listing: bool,
    /// The model's id, once it is offered here.
    #[schema(value_type = Option<Hash>)]
    pub model: Option<B256>,
    /// What became of the proof that its weights are in range.
    pub weights: Option<String>,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
}

/// The files of a compilation.
#[derive(Clone, Debug)]
pub(super) struct Files(pub PathBuf);

impl Files {
    pub fn record(&self) -> PathBuf {
        self.0.join("compilation.json")
    }

    pub fn package(&self) -> PathBuf {
        self.0.join("model.assay")
    }

    pub fn key(&self) -> PathBuf {
        self.0.join("model.key")
    }

    pub fn card(&self) -> PathBuf {
        self.0.join("model.card.json")
    }

    pub fn drawing(&self) -> PathBuf {
        self.0.join("model.svg")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_uploaded_names_no_file_and_no_option() {
        let whole = json!({ "name": "--help ../../x", "onnx": "AAEC", "samples": "e30=", "format": "csv", "target_error": 0.01 });
        let task: Task = serde_json::from_value(whole.clone()).unwrap();
        assert_eq!(
            (task.onnx.as_slice(), task.samples.as_slice(), task.check()),
            (&[0, 1, 2][..], b"{}".as_slice(), Ok(()))
        );
        let args = task.args(Some(Path::new("/srs")));
        assert_eq!(args[..6], ["compile", "model.onnx", "--calibrate", "samples.csv", "-o", "model.assay"]);
        assert_eq!(args[6..], ["--name=--help ../../x", "--target-error=0.01", "--srs=/srs"]);
        for (field, bad) in [
            ("name", json!("")),
            ("name", json!("two\nlines")),
            ("name", json!("x".repeat(101))),
            ("onnx", json!("")),
            ("target_error", json!(-1)),
            ("headroom", json!(-0.5)),
        ] {
            let mut other = whole.clone();
            other[field] = bad;
            assert!(serde_json::from_value::<Task>(other).unwrap().check().is_err(), "{field}");
        }
        for (field, bad) in [("onnx", json!("%")), ("format", json!("exe")), ("path", json!("/etc/passwd"))] {
            let mut other = whole.clone();
            other[field] = bad;
            assert!(serde_json::from_value::<Task>(other).is_err(), "{field}");
        }
    }
}
