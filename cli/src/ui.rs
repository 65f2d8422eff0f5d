//! What the user sees: progress on stderr, one result on stdout, warnings, and Ctrl-C.

use crate::exit::{Exit, Failure, Outcome};
use assay_prover::control::{Control, Phase};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::fmt::Display;
use std::future::Future;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Set by Ctrl-C. The second Ctrl-C ends the process at once.
static CANCEL: AtomicBool = AtomicBool::new(false);

/// One command's conversation with its user.
pub struct Ui {
    /// Whether stdout gets one JSON object instead of text.
    pub json: bool,
    seconds: Mutex<Map<String, Value>>,
    warned: Mutex<HashSet<String>>,
    started: Instant,
    /// Whether stdout got a file, so that everything else goes to stderr.
    taken: AtomicBool,
    /// The first error of stdout.
    fault: Mutex<Option<std::io::Error>>,
    /// What the user must know if the command fails now: where money is, and which command brings it back.
    aftermath: Mutex<Option<String>>,
    /// Whether stderr gets a line of JSON for each step and each warning, for programs that show them.
    steps: bool,
    finished: AtomicBool,
}

/// Writes a line to stderr. Nobody can be told that it cannot be written.
pub fn say(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

impl Ui {
    /// A conversation.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            seconds: Mutex::default(),
            warned: Mutex::default(),
            started: Instant::now(),
            taken: AtomicBool::new(false),
            fault: Mutex::default(),
            aftermath: Mutex::default(),
            steps: std::env::var_os("ASSAY_PROGRESS").is_some_and(|value| value == "json"),
            finished: AtomicBool::new(false),
        }
    }

    /// Writes a line to stdout, or to stderr where stdout got a file. A reader that has gone away, as in `assay inspect
    /// | head`, is no error.
    pub fn print(&self, text: impl Display) {
        if self.taken.load(Ordering::Relaxed) {
            return say(text);
        }
        self.note(writeln!(std::io::stdout(), "{text}").and_then(|()| std::io::stdout().flush()));
    }

    /// Writes a file's bytes to stdout; whatever else is printed goes to stderr from then on.
    pub fn write_stdout(&self, bytes: &[u8]) -> std::io::Result<()> {
        self.taken.store(true, Ordering::Relaxed);
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    fn note(&self, written: std::io::Result<()>) {
        if let (Err(error), Ok(mut fault)) = (written, self.fault.lock())
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            fault.get_or_insert(error);
        }
    }

    /// What went wrong with stdout.
    pub fn fault(&self) -> Option<std::io::Error> {
        self.fault.lock().ok()?.take()
    }

    /// Keeps what the user must know if the command fails from now on; `None`: nothing any more.
    pub fn set_aftermath(&self, text: Option<String>) {
        if let Ok(mut aftermath) = self.aftermath.lock() {
            *aftermath = text;
        }
    }

    /// See [`Ui::set_aftermath`].
    pub fn aftermath(&self) -> Option<String> {
        self.aftermath.lock().ok()?.clone()
    }

    /// Lets Ctrl-C raise the flag that [`Ui::control`] and [`Ui::until_cancelled`] watch. Needs a runtime.
    pub fn watch_interrupts() {
        tokio::spawn(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if CANCEL.swap(true, Ordering::Relaxed) {
                    std::process::exit(Exit::Cancelled as i32);
                }
                say("\ncancelling; press Ctrl-C again to end at once");
            }
        });
    }

    /// Ends the command if Ctrl-C was pressed.
    pub fn check_cancelled(&self) -> Outcome {
        if CANCEL.load(Ordering::Relaxed) { Err(cancelled()) } else { Ok(()) }
    }

    /// Runs a future until it is done, or Ctrl-C is pressed.
    pub async fn until_cancelled<T>(&self, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        let pressed = async {
            while !CANCEL.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            done = work => done,
            () = pressed => Err(cancelled()),
        }
    }

    /// Times a phase of the work and shows a spinner meanwhile. Ends early if Ctrl-C was pressed before it.
    pub fn phase<T, E: Into<Failure>>(
        &self,
        name: &str,
        work: impl FnOnce(&ProgressBar) -> Result<T, E>,
    ) -> Outcome<T> {
        self.check_cancelled()?;
        self.step(name, "");
        let bar = spinner(name);
        let start = Instant::now();
        let result = work(&bar).map_err(Into::into);
        bar.finish_and_clear();
        self.record(name, start.elapsed().as_secs_f64());
        result
    }

    /// [`Ui::phase`] for a future.
    pub async fn phase_async<T, E: Into<Failure>>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Outcome<T> {
        self.check_cancelled()?;
        self.step(name, "");
        let bar = spinner(name);
        let start = Instant::now();
        let result = work.await.map_err(Into::into);
        bar.finish_and_clear();
        self.record(name, start.elapsed().as_secs_f64());
        result
    }

    /// Proves under a progress bar, with the seconds of each of the proof's phases recorded.
    pub fn proof<T, E: Into<Failure>>(
        &self,
        phases: usize,
        work: impl FnOnce(&Control<'_>) -> Result<T, E>,
    ) -> Outcome<T> {
        let bar = ProgressBar::new(phases as u64).with_style(style("{spinner} prove [{bar:30}] {msg} {elapsed}"));
        bar.enable_steady_tick(Duration::from_millis(100));
        let report = |phase: Phase| {
            bar.set_message(format!("{phase:?}"));
            bar.set_position(Phase::ALL.iter().position(|p| *p == phase).unwrap_or_default() as u64);
        };
        let start = Instant::now();
        let control = Control::new().cancelled_by(&CANCEL).reporting_to(&report);
        let result = work(&control).map_err(Into::into);
        let timings = control.timings();
        bar.finish_and_clear();
        for timing in timings {
            self.record(&format!("prove.{}", phase_name(timing.phase)), timing.seconds);
        }
        self.record("prove", start.elapsed().as_secs_f64());
        result
    }

    /// Tells a program that asked for it (`ASSAY_PROGRESS=json`) what is being done.
    pub fn step(&self, step: &str, detail: &str) {
        if self.steps {
            say(json!({ "step": step, "detail": detail }));
        }
    }

    fn record(&self, name: &str, seconds: f64) {
        if let Ok(mut all) = self.seconds.lock() {
            let before = all.get(name).and_then(Value::as_f64).unwrap_or_default();
            all.insert(name.to_owned(), json!(((before + seconds) * 1e6).round() / 1e6));
        }
    }

    /// Seconds of a phase so far.
    pub fn seconds(&self, name: &str) -> f64 {
        self.seconds.lock().ok().and_then(|all| all.get(name)?.as_f64()).unwrap_or_default()
    }

    /// A line of text for people; nothing with `--json`.
    pub fn line(&self, text: impl Display) {
        if !self.json {
            self.print(text);
        }
    }

    /// Whether the command's result was printed: with `--json` there is one object, also where the command fails after
    /// it.
    pub fn has_finished(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }

    /// A warning, on stderr; once per command.
    pub fn warn(&self, text: impl Display) {
        let text = text.to_string();
        if self.warned.lock().is_ok_and(|mut warned| warned.insert(text.clone())) {
            if self.steps { say(json!({ "warning": text })) } else { say(format_args!("warning: {text}")) }
        }
    }

    /// The command's result: with `--json` the object with the seconds added, else `text`.
    pub fn finish(&self, mut object: Value, text: impl Display) {
        self.finished.store(true, Ordering::Relaxed);
        if !self.json {
            let text = text.to_string();
            if !text.is_empty() {
                self.print(text);
            }
            return;
        }
        let mut seconds = self.seconds.lock().map(|s| s.clone()).unwrap_or_default();
        seconds.insert("total".into(), json!((self.started.elapsed().as_secs_f64() * 1e6).round() / 1e6));
        if let Some(fields) = object.as_object_mut() {
            fields.insert("seconds".into(), Value::Object(seconds));
        }
        self.print(object);
    }
}

fn cancelled() -> Failure {
    Failure::message(Exit::Cancelled, "cancelled")
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn spinner(name: &str) -> ProgressBar {
    let bar =
        ProgressBar::new_spinner().with_style(style("{spinner} {prefix} {msg} {elapsed}")).with_prefix(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// A phase's name as in the service's events.
fn phase_name(phase: Phase) -> String {
    serde_json::to_value(phase).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
