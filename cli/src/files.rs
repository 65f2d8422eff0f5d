//! Finding and reading files: packages with their keys beside them, the SRS, the cache of development strings.

use crate::exit::{Exit, Failure, Outcome};
use crate::kept;
use crate::page::Page;
use crate::ui::Ui;
use assay_prover::key::SrsVerifier;
use assay_prover::output::{self, Readers};
use assay_prover::package::{BuyerKey, FileError, Package, hex};
use assay_prover::srs::{self, Srs};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The largest development SRS that is made on the fly.
const MAX_DEV_LOG: u32 = 23;

/// Whether a path stands for stdout.
pub fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What is said of a file or a folder that cannot be read.
pub fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> Failure + Copy + '_ {
    move |e| Failure::on(Page::Files, Exit::Io, format!("cannot read {}: {e}", path.display()))
}

/// Writes a file, or to stdout where the path is `-`.
pub fn write(ui: &Ui, path: &Path, readers: Readers, bytes: &[u8]) -> Outcome {
    let failed =
        |e: std::io::Error| Failure::on(Page::Files, Exit::Io, format!("cannot write {}: {e}", path.display()));
    if is_stdout(path) {
        return ui.write_stdout(bytes).map_err(failed);
    }
    output::whole(path, readers, |file| file.write_all(bytes)).map_err(failed)
}

/// Lets `save` write a file, or what then goes to stdout where the path is `-`. Returns the size in bytes.
pub fn save(ui: &Ui, path: &Path, save: impl FnOnce(&Path) -> Outcome) -> Outcome<u64> {
    if !is_stdout(path) {
        save(path)?;
        return Ok(size(path));
    }
    let file = tempfile::NamedTempFile::new()?;
    save(file.path())?;
    let bytes = std::fs::read(file.path())?;
    write(ui, path, Readers::Owner, &bytes)?;
    Ok(bytes.len() as u64)
}

/// A file beside another one, with another extension.
pub fn beside(path: &Path, extension: &str) -> PathBuf {
    path.with_extension(extension)
}

/// Size in bytes; 0 if it cannot be known.
pub fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map(|m| m.len()).unwrap_or_default()
}

/// Where files are kept between runs: `$ASSAY_HOME`, else the user's cache folder.
pub fn home() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = || {
        folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|h| h.join(".cache"))).unwrap_or_else(std::env::temp_dir)
    };
    folder("ASSAY_HOME").unwrap_or_else(|| cache().join("assay"))
}

/// Warns that proofs over a development SRS prove nothing.
pub fn warn_development(ui: &Ui) {
    ui.warn("development SRS: its trapdoor is public, so anybody can forge proofs over it; insecure, for tests only");
}

/// Says of a key who could forge proofs under it, if anybody could.
pub fn warn_key(ui: &Ui, key: &BuyerKey) {
    if key.has_development_wrap() {
        ui.warn("development key: its maker can forge proofs; for tests only");
    }
    if key.model.srs.development {
        warn_development(ui);
    }
}

/// Reads an SRS from a file, or takes the development SRS of at least `2^log` powers.
pub fn srs(ui: &Ui, file: Option<&Path>, log: u32) -> Outcome<Srs> {
    let srs = match file {
        Some(path) => ui.phase("read SRS", |_| srs::file::load(path)).map_err(|e| name(path, e))?,
        None => development(ui, log)?,
    };
    if srs.max_log() < log {
        return Err(FileError::SrsTooSmall { have: srs.max_log(), need: log }.into());
    }
    if srs.development {
        warn_development(ui);
    }
    Ok(srs)
}

/// Where `assay srs import` keeps the powers of an SRS. What lies there is the user's own: it is found by the id that a
/// model names, and all of it is checked wherever keys are recomputed from it.
pub fn imported_srs(id: &[u8; 32]) -> PathBuf {
    home().join("srs").join(format!("{}.srs", hex(id).trim_start_matches("0x")))
}

/// The file that the user named, or else the one that he imported for this id.
fn named_or_imported(file: Option<&Path>, model: &SrsVerifier) -> Option<PathBuf> {
    let imported = || Some(imported_srs(&model.id)).filter(|path| !model.development && kept::is_own(path));
    file.map(Path::to_owned).or_else(imported)
}

/// Checks that the SRS that the user named, or the development SRS, is the one that a model was made over. It reads no
/// powers.
pub fn is_srs_of(file: Option<&Path>, model: &SrsVerifier) -> Outcome {
    let need = hex(&model.id);
    let have = match named_or_imported(file, model) {
        Some(path) => srs::id_of(&srs::file::load_tau(&path).map_err(|e| name(&path, e.into()))?),
        None if model.development => return Ok(()),
        None => {
            let text = format!(
                "the model is over the SRS {need}: pass its file with --srs, set ASSAY_SRS, or import the ceremony \
                 with `assay srs import`"
            );
            return Err(Failure::message(Exit::Usage, text));
        }
    };
    if have == model.id { Ok(()) } else { Err(FileError::Srs { have: hex(&have), need }.into()) }
}

/// Reads an SRS, or the development SRS, for a model that was made over one.
pub fn srs_of(ui: &Ui, file: Option<&Path>, model: &SrsVerifier, log: u32) -> Outcome<Srs> {
    is_srs_of(file, model)?;
    let srs = srs(ui, named_or_imported(file, model).as_deref(), log)?;
    if srs.id() == model.id {
        Ok(srs)
    } else {
        Err(FileError::Srs { have: hex(&srs.id()), need: hex(&model.id) }.into())
    }
}

/// The development SRS from the cache, or made and cached. A cache that is damaged or cannot be written is no reason to
/// fail.
fn development(ui: &Ui, log: u32) -> Outcome<Srs> {
    if log > MAX_DEV_LOG {
        return Err(Failure::message(
            Exit::Usage,
            format!("a development SRS has at most 2^{MAX_DEV_LOG} powers; 2^{log} are needed"),
        ));
    }
    let path = home().join(format!("srs-dev-{log}.bin"));
    if let Ok(srs) = srs::file::load(&path)
        && srs.development
        && srs.max_log() >= log
    {
        return Ok(srs);
    }
    let srs = ui.phase("make development SRS", |_| Ok::<_, Failure>(Srs::development(log)))?;
    let saved = std::fs::create_dir_all(home()).map_err(srs::SrsError::Io).and_then(|()| srs::file::save(&srs, &path));
    if let Err(error) = saved {
        ui.warn(format!("cannot keep the development SRS in {}: {error}", path.display()));
    }
    Ok(srs)
}

/// Puts the file's name before an error that does not name it.
pub fn name(path: &Path, failure: Failure) -> Failure {
    if failure.text().contains(&path.display().to_string()) {
        return failure;
    }
    Failure { exit: failure.exit, error: failure.error.context(path.display().to_string()) }
}

/// Reads a package.
pub fn package(ui: &Ui, path: &Path) -> Outcome<Package> {
    ui.phase("read package", |_| Package::read(path)).map_err(|e| name(path, e))
}

/// Reads a buyer's key.
pub fn key(ui: &Ui, path: &Path) -> Outcome<BuyerKey> {
    ui.phase("read key", |_| BuyerKey::read(path)).map_err(|e| name(path, e))
}

/// What `--model` names: a key, or a package with its key beside it (if there is one).
pub enum ModelFile {
    /// The public half alone.
    Key(Box<BuyerKey>),
    /// The seller's package.
    Package(Box<Package>, Option<Box<BuyerKey>>),
}

/// Reads a package or a key, whichever the file is.
pub fn model(ui: &Ui, path: &Path) -> Outcome<ModelFile> {
    let package = match Package::read(path) {
        Err(FileError::Kind { .. }) => None,
        other => Some(other.map_err(|e| name(path, e.into()))?),
    };
    let Some(package) = package else {
        return match BuyerKey::read(path) {
            Err(FileError::Kind { .. }) => {
                Err(FileError::Kind { path: path.to_owned(), expected: "a package (MODEL.assay) or a key (MODEL.key)" }
                    .into())
            }
            other => Ok(ModelFile::Key(Box::new(other.map_err(|e| name(path, e.into()))?))),
        };
    };
    let beside = beside(path, "key");
    let key = if beside.exists() { Some(Box::new(checked_key(ui, &beside, &package)?)) } else { None };
    Ok(ModelFile::Package(Box::new(package), key))
}

/// Reads a key and checks that it is the package's, for any batch.
pub fn checked_key(ui: &Ui, path: &Path, package: &Package) -> Outcome<BuyerKey> {
    let key = key(ui, path)?;
    let (a, b) = (&key.model, &package.model);
    if a.shape.model_digest == b.shape.model_digest && a.weights == b.weights && a.srs == b.srs {
        return Ok(key);
    }
    let text = format!("{} is the key of another model: make it again with `assay setup`", path.display());
    Err(Failure::message(Exit::Input, text))
}
