//! Running the command, and a model with keys that is made once.

use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

/// The command with a cache folder of the tests' own, and nothing of the caller's settings.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    for name in [
        "ASSAY_SRS",
        "ASSAY_RPC",
        "ASSAY_MARKET",
        "ASSAY_PRIVATE_KEY",
        "ASSAY_OPERATOR_TOKEN",
        "ASSAY_LOG",
        "ASSAY_RPC_FALLBACK",
        "ASSAY_API_KEY",
        "DATABASE_URL",
    ] {
        command.env_remove(name);
    }
    command.env("ASSAY_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("assay-home"));
    command
}

pub fn assay<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    command().args(arguments).output().unwrap()
}

/// Runs with `--json`, demands the exit code, and returns the object.
pub fn json<S: AsRef<OsStr>>(code: i32, arguments: impl IntoIterator<Item = S>) -> Value {
    let output = command().arg("--json").args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    assert_eq!(out.trim().lines().count(), 1, "one object on stdout: {out}");
    serde_json::from_str(&out).unwrap()
}

/// Runs a command that must fail with an exit code, and returns what it says. It never panics.
pub fn fails<S: AsRef<OsStr>>(code: i32, arguments: impl IntoIterator<Item = S>) -> String {
    let output = assay(arguments);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{err}");
    assert!(!err.contains("panicked"), "{err}");
    err
}

/// A server or a worker, which is killed when this is dropped.
pub struct Running(Child);

impl Running {
    /// Starts a command with `--json`, and waits for the object that says that it is ready.
    pub fn start(command: &mut Command) -> (Self, Value) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let running = Self(child);
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).unwrap();
        (running, serde_json::from_str(&line).unwrap_or_else(|_| panic!("it says {line:?}")))
    }

    /// Kills it, and waits for its end.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // it may be gone already
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A file of the repository's fixtures.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/models").join(name)
}

/// A compiled digits network with its keys: `digits.assay`, `digits.pk`, `digits.key`.
pub fn model() -> &'static Path {
    static MODEL: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = MODEL.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("digits.assay");
        compile("digits_mlp.onnx", &package);
        let made = json(0, [OsStr::new("setup"), package.as_os_str()]);
        assert_eq!(made["wrap"], "universal");
        assert_eq!(made["development"], true, "over the development SRS");
        dir
    });
    Box::leak(dir.path().join("digits.assay").into_boxed_path())
}

pub fn compile(onnx: &str, package: &Path) -> Value {
    let (onnx, inputs) = (fixture(onnx), fixture("digits_calibration.json"));
    let arguments = [
        "compile".as_ref(),
        onnx.as_os_str(),
        "--calibrate".as_ref(),
        inputs.as_os_str(),
        "-o".as_ref(),
        package.as_os_str(),
    ];
    json(0, arguments)
}

/// A copy of the model and its keys in a folder of the test's own.
pub fn copy(to: &Path) -> PathBuf {
    for extension in ["assay", "pk", "key"] {
        std::fs::copy(model().with_extension(extension), to.join("digits").with_extension(extension)).unwrap();
    }
    to.join("digits.assay")
}

/// `path` as an argument.
pub fn s(path: &Path) -> &str {
    path.to_str().unwrap()
}
