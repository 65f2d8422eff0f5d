//! The compilations of a service: made one at a time, kept in folders, and found again after a restart.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy::hex;
use alloy::primitives::B256;
use assay_prover::output::{Readers, whole};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use super::child::{Limits, Run, Said};
use super::compilation::Files;
use super::{Compilation, CompilationState, Fault, SellConfig, Shelf, Task};
use crate::store::{Event, now_ms};

/// What the drawing may take: it is made of a package that was just compiled.
const DRAWING_SECS: u64 = 60;
/// What the command finds its cache with.
const ENVIRONMENT: [&str; 4] = ["ASSAY_HOME", "HOME", "PATH", "TMPDIR"];

/// Why the workshop does not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The request is not one.
    #[error("{0}")]
    Task(&'static str),
    /// Too many wait.
    #[error("{waiting} compilations are waiting: come back when one is over, or cancel one")]
    Full {
        /// How many.
        waiting: usize,
    },
    /// There is none with this id.
    #[error("there is no such compilation here; those that nobody lists are forgotten when newer ones come")]
    Unknown,
    /// It is not where it would have to be.
    #[error("the compilation is {state:?}, and there is no package to go on with")]
    State {
        /// Where it is.
        state: CompilationState,
    },
    /// It is offered already.
    #[error("the model is offered already, as {model}")]
    Offered {
        /// Its id.
        model: B256,
    },
    /// The service does not take the package.
    #[error("{0}")]
    Offer(String),
    /// Its folder.
    #[error("the compilation's folder cannot be used")]
    Folder(#[from] io::Error),
}

/// A compilation, and what is not shown of it.
#[derive(Debug)]
struct Entry {
    shown: Compilation,
    events: Vec<Event>,
    cancel: Arc<AtomicBool>,
    files: Files,
}

impl Entry {
    fn tell(&mut self, kind: &str, data: Value) {
        let (id, at_ms) = (self.events.last().map_or(0, |last| last.id) + 1, now_ms());
        self.shown.updated_ms = at_ms;
        self.events.push(Event { id, kind: kind.to_owned(), data, at_ms });
    }

    fn set(&mut self, state: CompilationState) {
        self.shown.state = state;
        self.tell("state", json!({ "state": state }));
    }

    fn save(&self) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(&self.shown).map_err(io::Error::other)?;
        whole(&self.files.record(), Readers::Owner, |file| io::Write::write_all(file, &text))
    }
}

/// A service's compilations.
#[derive(Debug)]
pub struct Workshop {
    config: SellConfig,
    /// Folders of compilations.
    folder: PathBuf,
    /// Folders of what is offered.
    offered: PathBuf,
    shelf: Arc<dyn Shelf>,
    all: Mutex<BTreeMap<String, Entry>>,
    changes: watch::Sender<u64>,
    turn: Semaphore,
    stopping: watch::Receiver<bool>,
}

/// The packages that a service's data folder keeps of those that were offered through it.
pub fn offered(data_dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        folders(&data_dir.join("offered")).map(|dir| Files(dir).package()).filter(|path| path.is_file()).collect();
    found.sort();
    found
}

fn folders(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir())
}

impl Workshop {
    /// Opens the folders. What was not over when the service ended is gone; what was is there again.
    pub fn open(
        config: SellConfig,
        shelf: Arc<dyn Shelf>,
        data_dir: &Path,
        stopping: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let (folder, offered) = (data_dir.join("compilations"), data_dir.join("offered"));
        fs::create_dir_all(&folder)?;
        fs::create_dir_all(&offered)?;
        let mut all = BTreeMap::new();
        for dir in folders(&folder).chain(folders(&offered)) {
            let files = Files(dir.clone());
            let known =
                fs::read(files.record()).ok().and_then(|text| serde_json::from_slice::<Compilation>(&text).ok());
            match known {
                Some(shown) => {
                    let mut entry = Entry { shown, events: Vec::new(), cancel: Arc::default(), files };
                    entry.tell("state", json!({ "state": entry.shown.state }));
                    all.insert(entry.shown.id.clone(), entry);
                }
                // a compilation that the end of the service interrupted
                None if dir.starts_with(&folder) => fs::remove_dir_all(&dir)?,
                None => {}
            }
        }
        let changes = watch::Sender::new(0);
        Ok(Self { config, folder, offered, shelf, all: Mutex::new(all), changes, turn: Semaphore::new(1), stopping })
    }

    /// How it compiles.
    pub fn config(&self) -> &SellConfig {
        &self.config
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, id: &str, work: impl FnOnce(&mut Entry) -> T) -> Result<T, Refused> {
        let mut all = self.all();
        let done = work(all.get_mut(id).ok_or(Refused::Unknown)?);
        drop(all);
        self.changes.send_modify(|n| *n += 1);
        Ok(done)
    }

    /// A compilation.
    pub fn get(&self, id: &str) -> Result<Compilation, Refused> {
        self.all().get(id).map(|entry| entry.shown.clone()).ok_or(Refused::Unknown)
    }

    /// All of them, the newest first.
    pub fn list(&self) -> Vec<Compilation> {
        let mut list: Vec<Compilation> = self.all().values().map(|entry| entry.shown.clone()).collect();
        list.sort_by_key(|shown| std::cmp::Reverse(shown.created_ms));
        list
    }

    /// What happened after the event `after`, and whether nothing more will.
    pub fn events(&self, id: &str, after: i64) -> Result<(Vec<Event>, bool), Refused> {
        let all = self.all();
        let entry = all.get(id).ok_or(Refused::Unknown)?;
        Ok((entry.events.iter().filter(|event| event.id > after).cloned().collect(), entry.shown.state.is_terminal()))
    }

    /// Changes with every event.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Takes a model, and compiles it when it is its turn.
    pub fn take(self: &Arc<Self>, task: Task) -> Result<Compilation, Refused> {
        task.check().map_err(Refused::Task)?;
        let waiting = self.all().values().filter(|entry| !entry.shown.state.is_terminal()).count();
        if waiting > self.config.waiting_max {
            return Err(Refused::Full { waiting });
        }
        self.forget_oldest()?;
        let id = hex::encode(&B256::random()[..16]);
        let files = Files(self.folder.join(&id));
        fs::create_dir(&files.0)?;
        let kept = fs::write(files.0.join("model.onnx"), &task.onnx)
            .and_then(|()| fs::write(files.0.join(task.format.file()), &task.samples))
            .inspect_err(|_| drop(fs::remove_dir_all(&files.0)));
        kept?;
        let now = now_ms();
        let shown = Compilation {
            id: id.clone(),
            name: task.name.trim().to_owned(),
            state: CompilationState::Waiting,
            result: None,
            warnings: Vec::new(),
            error: None,
            listing: false,
            model: None,
            weights: None,
            created_ms: now,
            updated_ms: now,
        };
        let mut entry = Entry { shown: shown.clone(), events: Vec::new(), cancel: Arc::default(), files };
        entry.set(CompilationState::Waiting);
        self.all().insert(id.clone(), entry);
        let (workshop, args) = (self.clone(), task.args(self.config.srs.as_deref()));
        tokio::spawn(async move {
            let Ok(_turn) = workshop.turn.acquire().await else { return };
            let work = workshop.clone();
            // a panic would be a defect; the next one has its turn all the same
            let _ = tokio::task::spawn_blocking(move || work.work(&id, args)).await;
        });
        Ok(shown)
    }

    /// Makes room: those that nobody lists are kept only so long.
    fn forget_oldest(&self) -> io::Result<()> {
        let mut all = self.all();
        let mut over: Vec<(i64, String)> = all
            .values()
            .filter(|entry| entry.shown.state.is_terminal() && !entry.shown.listing && entry.shown.model.is_none())
            .map(|entry| (entry.shown.created_ms, entry.shown.id.clone()))
            .collect();
        over.sort();
        let surplus = over.len().saturating_sub(self.config.kept_max.saturating_sub(1));
        for (_, id) in over.into_iter().take(surplus) {
            if let Some(entry) = all.remove(&id) {
                fs::remove_dir_all(&entry.files.0)?;
            }
        }
        Ok(())
    }

    /// Has a compilation stop.
    pub fn cancel(&self, id: &str) -> Result<Compilation, Refused> {
        self.with(id, |entry| {
            entry.cancel.store(true, Ordering::Relaxed);
            entry.shown.clone()
        })
    }

    fn work(&self, id: &str, args: Vec<String>) {
        let Ok((cancel, files)) = self.with(id, |entry| (entry.cancel.clone(), entry.files.clone())) else { return };
        let stop = || cancel.load(Ordering::Relaxed) || *self.stopping.borrow();
        let done = if stop() {
            Err(Fault::new("cancelled", "it was cancelled"))
        } else {
            let _ = self.with(id, |entry| entry.set(CompilationState::Running));
            self.compile(id, &files, args, &stop)
        };
        for upload in ["model.onnx", "samples.json", "samples.csv", "samples.npy", "samples.npz"] {
            let _ = fs::remove_file(files.0.join(upload)); // most of them are not there
        }
        let _ = self.with(id, |entry| {
            let state = match done {
                Ok(result) => {
                    entry.shown.result = Some(result);
                    CompilationState::Done
                }
                Err(fault) => {
                    let cancelled = fault.code == "cancelled";
                    entry.shown.error = Some(fault);
                    if cancelled { CompilationState::Cancelled } else { CompilationState::Failed }
                }
            };
            entry.shown.state = state;
            // before anybody hears that it is done
            if let Err(error) = entry.save() {
                tracing::warn!(id, %error, "a compilation's record cannot be written: it will be gone after a restart");
            }
            entry.set(state);
        });
    }

    fn compile(&self, id: &str, files: &Files, args: Vec<String>, stop: &dyn Fn() -> bool) -> Result<Value, Fault> {
        let heard = |said| {
            let _ = self.with(id, |entry| match said {
                Said::Step { step, detail } => entry.tell("step", json!({ "step": step, "detail": detail })),
                Said::Warning { warning } => {
                    entry.tell("warning", json!({ "warning": warning }));
                    entry.shown.warnings.push(warning);
                }
            });
        };
        let mut result = self.run(files, args, self.config.limits).wait(stop, heard)?;
        let limits = Limits { time: std::time::Duration::from_secs(DRAWING_SECS), ..self.config.limits };
        let words = ["explain", "model.assay", "-o", "model.svg"];
        // a model without a drawing can be sold
        if let Err(fault) = self.run(files, words.map(str::to_owned).to_vec(), limits).wait(stop, |_| ()) {
            tracing::warn!(id, fault.detail, "a compilation has no drawing");
        }
        if let Some(fields) = result.as_object_mut() {
            for name in ["file", "key", "report_file"] {
                fields.remove(name);
            }
        }
        Ok(result)
    }

    fn run(&self, files: &Files, args: Vec<String>, limits: Limits) -> Run {
        let env = ENVIRONMENT.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
        Run { program: self.config.program.clone(), folder: files.0.clone(), args, env, limits }
    }

    /// The files of a compilation that is done.
    fn done(&self, id: &str) -> Result<(Compilation, Files), Refused> {
        let all = self.all();
        let entry = all.get(id).ok_or(Refused::Unknown)?;
        match entry.shown.state {
            CompilationState::Done => Ok((entry.shown.clone(), entry.files.clone())),
            state => Err(Refused::State { state }),
        }
    }

    /// The package: the seller's secret.
    pub fn package(&self, id: &str) -> Result<Vec<u8>, Refused> {
        Ok(fs::read(self.done(id)?.1.package())?)
    }

    /// The buyers' key.
    pub fn key(&self, id: &str) -> Result<Vec<u8>, Refused> {
        Ok(fs::read(self.done(id)?.1.key())?)
    }

    /// The network, drawn.
    pub fn drawing(&self, id: &str) -> Result<Vec<u8>, Refused> {
        Ok(fs::read(self.done(id)?.1.drawing())?)
    }

    /// Notes that its listing begins. What is on its way to the chain is never forgotten here: without its package
    /// nobody could prove it.
    pub fn begin_listing(&self, id: &str) -> Result<Compilation, Refused> {
        self.done(id)?;
        self.with(id, |entry| {
            entry.shown.listing = true;
            entry.save().map(|()| entry.shown.clone())
        })?
        .map_err(Refused::from)
    }

    /// Offers a model that is listed, with what its seller says of it. Its files move to where the service looks for
    /// them when it starts.
    pub async fn offer(self: &Arc<Self>, id: &str, card: &Value) -> Result<Compilation, Refused> {
        let (shown, from) = self.done(id)?;
        if let Some(model) = shown.model {
            return Err(Refused::Offered { model });
        }
        let to = Files(self.offered.join(id));
        fs::write(from.card(), serde_json::to_vec_pretty(card).map_err(io::Error::other)?)?;
        fs::rename(&from.0, &to.0)?;
        let info = match self.shelf.offer(&to.package()).await {
            Ok(info) => info,
            Err(why) => {
                fs::rename(&to.0, &from.0)?;
                return Err(Refused::Offer(why));
            }
        };
        let shown = self.with(id, |entry| {
            entry.files = to.clone();
            entry.shown.model = Some(info.id);
            entry.tell("offered", json!({ "model": info.id }));
            entry.save().map(|()| entry.shown.clone())
        })??;
        let (workshop, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            let text = workshop.shelf.prove_weights(&to.package()).await;
            let _ = workshop.with(&id, |entry| {
                entry.tell("weights", json!({ "weights": text }));
                entry.shown.weights = Some(text);
                entry.save()
            });
        });
        Ok(shown)
    }
}
