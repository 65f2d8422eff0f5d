//! The command as a process of its own: what a seller uploads can cost it its memory and its time, and nobody else's.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Most bytes of the command's result, and of a line of its progress, that are read.
const OUTPUT_MAX: u64 = 16 << 20;
/// How often it is looked whether the process should stop, or has.
const LOOK: Duration = Duration::from_millis(50);
/// Lines of what a process said last that are looked at if it fails.
const LAST_LINES: usize = 20;

/// What a process may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of a file that it writes.
    pub file_bytes: u64,
    /// Its time by the clock.
    pub time: Duration,
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// `refused`: the command says what is wrong with what it was given. `memory`, `time`: a limit of the operator's.
    /// `cancelled`; `failed`: anything else.
    pub code: String,
    /// What happened, and what to do.
    pub detail: String,
    /// The page of the documentation that says more, if one does.
    pub page: Option<String>,
}

impl Fault {
    pub(super) fn new(code: &str, detail: impl Into<String>) -> Self {
        Self { code: code.to_owned(), detail: detail.into(), page: None }
    }
}

/// What the command says while it works.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Said {
    /// What it does.
    Step {
        /// The phase.
        step: String,
        /// More, for people.
        #[serde(default)]
        detail: String,
    },
    /// What the user should know.
    Warning {
        /// In words.
        warning: String,
    },
}

/// A run of the command.
#[derive(Debug)]
pub struct Run {
    /// The program.
    pub program: PathBuf,
    /// The folder that it works in. Its arguments name files in there.
    pub folder: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment.
    pub env: Vec<(String, String)>,
    /// What it may use.
    pub limits: Limits,
}

impl Run {
    /// Runs to the end, or until `stop`. Returns the object that the command prints with `--json`.
    pub fn wait(&self, stop: &dyn Fn() -> bool, mut heard: impl FnMut(Said)) -> Result<Value, Fault> {
        let unusable = |e: std::io::Error| Fault::new("failed", format!("the compiler cannot be started: {e}"));
        let mut child = Command::new("/bin/sh")
            .args(["-c", CONFINED, "assay"])
            .args(ulimits(&self.limits))
            .arg(&self.program)
            .arg("--json")
            .args(&self.args)
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env("ASSAY_PROGRESS", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(unusable)?;
        let lines = lines(child.stderr.take());
        let output = read_all(child.stdout.take());
        let mut last = Vec::new();
        let ended = wait(&mut child, self.limits.time, stop, &lines, &mut |line| match serde_json::from_str(&line) {
            Ok(said) => heard(said),
            Err(_) => {
                if last.len() == LAST_LINES {
                    last.remove(0);
                }
                last.push(line);
            }
        });
        let status = match ended {
            Ok(status) => status,
            Err(fault) => {
                // it may have ended by itself meanwhile
                let _ = child.kill();
                let _ = child.wait();
                return Err(fault);
            }
        };
        let output = output.recv().unwrap_or_default();
        result(status, &output, &last, &self.limits)
    }
}

/// Starts a program under limits. They have to be there before it begins: its allocator takes room for later at once,
/// as much as it may.
const CONFINED: &str = r#"ulimit -c 0; ulimit -d "$1"; ulimit -f "$2"; ulimit -t "$3"; shift 3; exec nice -n 10 "$@""#;

/// The limits as `ulimit` takes them: memory in KiB, files in blocks of 512 bytes, the processor's time in seconds.
fn ulimits(limits: &Limits) -> [String; 3] {
    let count =
        |most: u64, unit: u64| if most == u64::MAX { "unlimited".to_owned() } else { (most / unit).to_string() };
    // several cores can use the processor for longer than the clock says: this bounds what outlives the service
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let cpu = limits.time.as_secs().max(1).saturating_mul(cores);
    [count(limits.memory_bytes, 1024), count(limits.file_bytes, 512), cpu.to_string()]
}

/// The lines of a pipe, as they come.
fn lines(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let Some(pipe) = pipe else { return };
        for line in BufReader::new(pipe.take(OUTPUT_MAX)).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn read_all(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(OUTPUT_MAX).read_to_end(&mut bytes); // what was read until then is judged
        }
        let _ = sender.send(bytes);
    });
    receiver
}

/// Waits for the end, and hands on what is said. Errors: it has to be stopped.
fn wait(
    child: &mut Child,
    time: Duration,
    stop: &dyn Fn() -> bool,
    lines: &Receiver<String>,
    heard: &mut dyn FnMut(String),
) -> Result<ExitStatus, Fault> {
    let start = Instant::now();
    loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) => heard(line),
            // nothing more is said: it ends
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if stop() {
            return Err(Fault::new("cancelled", "it was cancelled"));
        }
        if start.elapsed() > time {
            let text = format!(
                "it took longer than the {} s that this service gives a model: compile it with the command",
                time.as_secs()
            );
            return Err(Fault::new("time", text));
        }
        if let Ok(Some(status)) = child.try_wait() {
            while let Ok(line) = lines.recv_timeout(LOOK) {
                heard(line);
            }
            return Ok(status);
        }
    }
}

/// What the command prints when it fails.
#[derive(Deserialize)]
struct Failure {
    error: String,
    exit_code: u8,
    page: Option<String>,
}

/// Exit codes of the command that mean that what it was given is wrong: docs/cli.md.
const REFUSED: [u8; 2] = [2, 3];

fn result(status: ExitStatus, output: &[u8], last: &[String], limits: &Limits) -> Result<Value, Fault> {
    if status.success() {
        return serde_json::from_slice(output)
            .map_err(|e| Fault::new("failed", format!("the compiler's answer cannot be read: {e}")));
    }
    if let Ok(Failure { error, exit_code, page }) = serde_json::from_slice(output) {
        let code = if REFUSED.contains(&exit_code) { "refused" } else { "failed" };
        return Err(Fault { code: code.to_owned(), detail: error, page });
    }
    let said = |text: &str| last.iter().any(|line| line.contains(text));
    // a thread needs memory for its stack
    if [
        "memory allocation",
        "out of memory",
        "os error 12",
        "failed to spawn thread",
        "Resource temporarily unavailable",
    ]
    .into_iter()
    .any(said)
    {
        let mib = limits.memory_bytes >> 20;
        let text = format!(
            "it needs more than the {mib} MiB of memory that this service gives a model: compile it with the command"
        );
        return Err(Fault::new("memory", text));
    }
    Err(Fault::new("failed", format!("the compiler ended with {status}: {}", last.join(" "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, limits: Limits) -> (Result<Value, Fault>, Vec<Said>) {
        let folder = tempfile::tempdir().unwrap();
        // the command's own arguments come first: `sh --json` would be an error, so the script is the program
        let program = folder.path().join("program");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let env = vec![("PATH".to_owned(), std::env::var("PATH").unwrap())];
        let run = Run { program, folder: folder.path().to_owned(), args: vec!["compile".to_owned()], env, limits };
        let mut heard = Vec::new();
        let done = run.wait(&|| false, |said| heard.push(said));
        (done, heard)
    }

    const WIDE: Limits = Limits { memory_bytes: 1 << 30, file_bytes: 1 << 20, time: Duration::from_secs(30) };

    #[test]
    fn results_steps_and_refusals() {
        let (done, heard) = run(
            r#"echo '{"step":"compile","detail":"reading"}' >&2; echo '{"warning":"w"}' >&2; echo "{\"args\":\"$*\"}""#,
            WIDE,
        );
        assert_eq!(done.unwrap()["args"], "--json compile");
        let step = Said::Step { step: "compile".into(), detail: "reading".into() };
        assert_eq!(heard, [step, Said::Warning { warning: "w".into() }]);
        let (refused, _) =
            run(r#"echo '{"error":"no model","exit_code":3,"money":null,"page":"docs/x.md"}'; exit 3"#, WIDE);
        assert_eq!(
            refused,
            Err(Fault { code: "refused".into(), detail: "no model".into(), page: Some("docs/x.md".into()) })
        );
        let (failed, _) = run("echo broken >&2; exit 7", WIDE);
        let failed = failed.unwrap_err();
        assert!(failed.code == "failed" && failed.detail.contains("broken"), "{failed:?}");
        let (memory, _) =
            run("echo 'memory allocation of 9 bytes failed' >&2; echo 'note: run' >&2; kill -ABRT $$", WIDE);
        assert_eq!(memory.unwrap_err().code, "memory");
    }

    #[test]
    fn nothing_of_this_process_is_in_its_environment() {
        let (done, _) = run(r#"echo "{\"home\":\"$HOME\",\"progress\":\"$ASSAY_PROGRESS\"}""#, WIDE);
        assert_eq!(done.unwrap(), serde_json::json!({ "home": "", "progress": "json" }));
    }

    #[test]
    fn time_and_cancelling_stop_it() {
        let (late, _) = run("sleep 60", Limits { time: Duration::from_millis(200), ..WIDE });
        assert_eq!(late.unwrap_err().code, "time");
        let folder = tempfile::tempdir().unwrap();
        let run = Run {
            program: "sleep".into(),
            folder: folder.path().into(),
            args: Vec::new(),
            env: Vec::new(),
            limits: WIDE,
        };
        // `sleep --json` ends with an error, unless it is cancelled before it is looked at
        assert_eq!(run.wait(&|| true, |_| ()).unwrap_err().code, "cancelled");
        let none = Run { program: folder.path().join("none"), ..run };
        assert!(none.wait(&|| false, |_| ()).unwrap_err().detail.contains("none"));
    }

    #[test]
    fn files_have_an_end() {
        let (done, _) = run("head -c 2000000 /dev/zero > big || exit 1; echo '{}'", WIDE);
        assert_eq!(done.unwrap_err().code, "failed");
    }
}
