//! The networks of fixtures/networks, as tests read them; and all readers of bytes.

pub mod decoders;

use assay_circuits::exec::{quantise_input, run};
use assay_circuits::system::System;
use assay_compiler::{Calibration, Compiled, Options, Sample, compile};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A file or folder of fixtures.
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(path)
}

/// A folder of fixtures/networks.
#[derive(Clone, Debug)]
pub struct Network {
    /// The folder's name.
    pub name: String,
    folder: PathBuf,
}

impl Network {
    /// All of them, by name. A folder without a network is an error of whoever made it.
    pub fn all() -> Vec<Self> {
        let folders = std::fs::read_dir(fixture("networks"))
            .expect("fixtures/networks is there")
            .map(|entry| entry.expect("readable").path());
        let name =
            |folder: &Path| folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut all: Vec<Self> =
            folders.filter(|path| path.is_dir()).map(|folder| Self { name: name(&folder), folder }).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Samples of one of the folder's files.
    pub fn samples(&self, file: &str) -> Calibration {
        Calibration::read(&self.file(file)).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The network at these settings.
    pub fn compiled(&self, options: &Options) -> Compiled {
        let calibration = self.samples("calibration.json");
        compile(&self.file("network.onnx"), &calibration, options, &mut |_| ())
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// onnxruntime's answers for `inputs.json`: the outputs of each sample, one after the other.
    pub fn expected(&self) -> Vec<Vec<f32>> {
        let text = std::fs::read_to_string(self.file("expected.json")).expect("expected.json is there");
        let value: Value = serde_json::from_str(&text).expect("expected.json is JSON");
        let rows = value["output_data"].as_array().expect("one output, a row for each sample");
        let number = |v: &Value| v.as_f64().expect("a number") as f32;
        rows.iter().map(|row| row.as_array().expect("a row").iter().map(number).collect()).collect()
    }
}

/// A compiled network's answers in real units: for each sample its outputs.
pub fn answers(compiled: &Compiled, samples: &[Sample]) -> Vec<Sample> {
    let (architecture, system) = (&compiled.architecture, System::new(&compiled.architecture));
    let answer = |sample: &Sample| {
        let input = quantise_input(architecture, sample).expect("finite samples");
        let trace = run(architecture, &system, &compiled.weights, &input.cells).expect("every input can be run");
        trace.outputs(architecture, &system)
    };
    samples.iter().map(answer).collect()
}
