//! Proofs, named by their Keccak-256 hash: in a folder, or in a bucket that several machines share.

use std::io;
use std::path::{Path, PathBuf};

use alloy::primitives::{B256, keccak256};

use crate::folder::Folder;
use crate::objects::{Bucket, ObjectError};

/// What can go wrong with a stored proof.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Reading or writing failed; a full disk lands here.
    #[error("cannot access {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bucket did not do what it was asked to.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The content is not what the name says.
    #[error("{name} is corrupt")]
    Corrupt {
        /// The file, or the object's name.
        name: String,
    },
    /// The thread that should have read or written died.
    #[error("a thread that stores proofs died")]
    Died,
}

/// Proofs by their hash, and notes which of them is whose. Clones share the place.
#[derive(Clone, Debug)]
pub struct Blobs {
    /// Notes are on this machine in any case: they bridge the time until the database knows of a proof.
    folder: Folder,
    bucket: Option<Bucket>,
}

impl Blobs {
    /// In a folder that is this process's alone. What an interrupted write left there is removed.
    pub fn open(dir: &Path) -> Result<Self, BlobError> {
        Ok(Self { folder: Folder::open(dir)?, bucket: None })
    }

    /// In a folder that several processes write to.
    pub fn shared(dir: &Path) -> Result<Self, BlobError> {
        Ok(Self { folder: Folder::shared(dir)?, bucket: None })
    }

    /// In a bucket, with notes in a folder.
    pub fn in_bucket(bucket: Bucket, dir: &Path) -> Result<Self, BlobError> {
        Ok(Self { folder: Folder::shared(dir)?, bucket: Some(bucket) })
    }

    /// Does work on the folder, which may take its time, on a thread of its own.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || work(&folder)).await.map_err(|_| BlobError::Died)?
    }

    /// Stores `bytes` durably and returns their hash. Storing the same bytes twice is one blob.
    pub async fn put(&self, bytes: Vec<u8>) -> Result<B256, BlobError> {
        match &self.bucket {
            None => self.on_disk(move |folder| folder.put(&bytes)).await,
            Some(bucket) => {
                let hash = keccak256(&bytes);
                bucket.put(&format!("{hash:x}"), bytes).await?;
                Ok(hash)
            }
        }
    }

    /// The bytes with this hash, `None` if there are none. Checks the content.
    pub async fn get(&self, hash: B256) -> Result<Option<Vec<u8>>, BlobError> {
        let Some(bucket) = &self.bucket else { return self.on_disk(move |folder| folder.get(hash)).await };
        match bucket.get(&format!("{hash:x}")).await? {
            Some(bytes) if keccak256(&bytes) != hash => Err(BlobError::Corrupt { name: format!("{hash:x}") }),
            found => Ok(found),
        }
    }

    /// Removes a blob, if it is there.
    pub async fn remove(&self, hash: B256) -> Result<(), BlobError> {
        match &self.bucket {
            None => self.on_disk(move |folder| folder.remove(hash)).await,
            Some(bucket) => Ok(bucket.remove(&format!("{hash:x}")).await?),
        }
    }

    /// Writes down which blob is a job's proof, for the time until its database says so. A note that is lost costs
    /// another proof.
    pub async fn note(&self, job: &str, hash: B256) -> Result<(), BlobError> {
        let job = job.to_owned();
        self.on_disk(move |folder| folder.note(&job, hash)).await
    }

    /// The blob that was written down for a job.
    pub async fn noted(&self, job: &str) -> Option<B256> {
        let job = job.to_owned();
        self.on_disk(move |folder| Ok(folder.noted(&job))).await.ok().flatten()
    }

    /// Forgets what was written down for a job.
    pub fn forget(&self, job: &str) {
        self.folder.forget(job);
    }
}
