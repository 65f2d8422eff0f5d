//! A folder of files named by their Keccak-256 hash. A file appears whole or not at all: it is written beside, synced,
//! then renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use alloy::primitives::{B256, keccak256};

use crate::blobs::BlobError;

/// A folder of content-addressed files.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
}

impl Folder {
    /// Opens (and makes) a folder that several processes write to.
    pub fn shared(dir: &Path) -> Result<Self, BlobError> {
        fs::create_dir_all(dir).map_err(|source| BlobError::Io { path: dir.to_owned(), source })?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Opens (and makes) the folder, and removes what an interrupted write left.
    pub fn open(dir: &Path) -> Result<Self, BlobError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| BlobError::Io { path, source }
        };
        fs::create_dir_all(dir).map_err(at(dir))?;
        for entry in fs::read_dir(dir).map_err(at(dir))?.flatten() {
            if entry.path().extension().is_some_and(|e| e == "tmp") {
                fs::remove_file(entry.path()).map_err(at(&entry.path()))?;
            }
        }
        Ok(Self { dir: dir.to_owned() })
    }

    fn path(&self, hash: B256) -> PathBuf {
        self.dir.join(format!("{hash:x}"))
    }

    /// Stores `bytes` durably and returns their hash. Storing the same bytes twice is one file.
    pub fn put(&self, bytes: &[u8]) -> Result<B256, BlobError> {
        let hash = keccak256(bytes);
        let path = self.path(hash);
        if self.get(hash).is_ok_and(|found| found.is_some()) {
            return Ok(hash);
        }
        let temporary = self.dir.join(format!("{hash:x}.{:x}.tmp", B256::random()));
        let written = (|| {
            let mut file = File::create(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(&self.dir)?.sync_all()
        })();
        written.map(|()| hash).map_err(|source| {
            let _ = fs::remove_file(&temporary); // nothing more can be done about it; `open` sweeps it
            BlobError::Io { path, source }
        })
    }

    fn note_path(&self, job: &str) -> PathBuf {
        self.dir.join(format!("{job}.of"))
    }

    /// Writes down which blob is a job's proof, for the time until its database says so. A note that is lost costs
    /// another proof.
    pub fn note(&self, job: &str, hash: B256) -> Result<(), BlobError> {
        let path = self.note_path(job);
        fs::write(&path, hash.to_string()).map_err(|source| BlobError::Io { path, source })
    }

    /// The blob that was written down for a job.
    pub fn noted(&self, job: &str) -> Option<B256> {
        fs::read_to_string(self.note_path(job)).ok()?.trim().parse().ok()
    }

    /// Forgets what was written down for a job.
    pub fn forget(&self, job: &str) {
        // what stays there is a few bytes
        let _ = fs::remove_file(self.note_path(job));
    }

    /// Removes a blob, if it is there.
    pub fn remove(&self, hash: B256) -> Result<(), BlobError> {
        let path = self.path(hash);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(BlobError::Io { path, source }),
            _ => Ok(()),
        }
    }

    /// The bytes with this hash, `None` if there are none here. Checks the content.
    pub fn get(&self, hash: B256) -> Result<Option<Vec<u8>>, BlobError> {
        let path = self.path(hash);
        match fs::read(&path) {
            Ok(bytes) if keccak256(&bytes) == hash => Ok(Some(bytes)),
            Ok(_) => Err(BlobError::Corrupt { name: path.display().to_string() }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(BlobError::Io { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_by_hash_and_detects_corruption() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("left.tmp"), b"half").unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert!(!dir.path().join("left.tmp").exists(), "an interrupted write is swept");

        let hash = folder.put(b"proof").unwrap();
        assert_eq!(hash, keccak256(b"proof"));
        assert_eq!(folder.put(b"proof").unwrap(), hash);
        assert_eq!(folder.get(hash).unwrap().as_deref(), Some(&b"proof"[..]));
        assert_eq!(folder.get(B256::ZERO).unwrap(), None);

        fs::write(folder.path(hash), b"forged").unwrap();
        assert!(matches!(folder.get(hash), Err(BlobError::Corrupt { .. })));
        assert_eq!(folder.put(b"proof").unwrap(), hash, "a corrupt file is written again");
        assert_eq!(folder.get(hash).unwrap().as_deref(), Some(&b"proof"[..]));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(&dir.path().join("proofs")).unwrap();
        fs::remove_dir(dir.path().join("proofs")).unwrap();
        assert!(matches!(folder.put(b"proof"), Err(BlobError::Io { .. })));
    }
}
