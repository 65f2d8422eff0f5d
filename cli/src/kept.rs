//! The cache of derived keys, in the user's cache folder. What lies there is believed, so it must be nobody else's.

use crate::files;
use alloy::primitives::keccak256;
use assay_prover::derived::Kept;
use std::fs::Metadata;
use std::io::Write;
use std::path::{Path, PathBuf};

const MAGIC: &[u8] = b"assay-derived-v1\n";

/// A folder of files, one for each derived key: a magic line, the name of what was derived, the bytes, and the hash of
/// all that.
pub struct Folder(PathBuf);

impl Folder {
    /// The user's.
    pub fn of_user() -> Self {
        Self(files::home().join("derived"))
    }

    fn file(&self, name: &[u8; 32]) -> PathBuf {
        self.0.join(name.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    fn read(&self, name: &[u8; 32]) -> std::io::Result<Option<Vec<u8>>> {
        let mut file = std::fs::File::open(self.file(name))?;
        if !is_in_own_folder(&file, &self.0)? {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes)?;
        Ok(unwrap(&bytes, name))
    }

    fn write(&self, name: &[u8; 32], bytes: &[u8]) -> std::io::Result<()> {
        create(&self.0)?;
        let body = [MAGIC, name, bytes].concat();
        // made for this user alone, and there whole or not at all
        let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
        file.write_all(&body)?;
        file.write_all(keccak256(&body).as_slice())?;
        file.persist(self.file(name)).map(drop).map_err(|error| error.error)
    }
}

/// Whether folder and file are this user's, and nobody else can write to them.
fn is_in_own_folder(file: &std::fs::File, folder: &Path) -> std::io::Result<bool> {
    // a file that was just made is this user's: what it is compared with
    let own = tempfile::tempfile_in(folder)?.metadata()?;
    // no link: somebody else's folder could hold it
    let folder = std::fs::symlink_metadata(folder)?;
    Ok(folder.is_dir() && is_private(&folder, &own) && is_private(&file.metadata()?, &own))
}

/// Whether there is a file that nobody but this user can have put there.
pub fn is_own(path: &Path) -> bool {
    let own = |folder| is_in_own_folder(&std::fs::File::open(path)?, folder);
    path.parent().is_some_and(|folder| own(folder).unwrap_or(false))
}

/// The bytes of a file that is whole, and of this name: a file of the user's own under another name is no more believed
/// than a damaged one.
fn unwrap(file: &[u8], name: &[u8; 32]) -> Option<Vec<u8>> {
    let (body, hash) = file.split_at_checked(file.len().checked_sub(32)?)?;
    let bytes = body.strip_prefix(MAGIC)?.strip_prefix(name)?;
    (keccak256(body).as_slice() == hash).then(|| bytes.to_vec())
}

/// Whether something is of the owner of `own`, and nobody else can write to it.
#[cfg(unix)]
fn is_private(of: &Metadata, own: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    of.uid() == own.uid() && of.mode() & 0o022 == 0
}

/// Where owners are not known, nothing is believed.
#[cfg(not(unix))]
fn is_private(_: &Metadata, _: &Metadata) -> bool {
    false
}

/// Makes a folder that only this user can read and write.
#[cfg(unix)]
pub fn create(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes a folder.
#[cfg(not(unix))]
pub fn create(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)
}

impl Kept for Folder {
    fn get(&self, name: &[u8; 32]) -> Option<Vec<u8>> {
        self.read(name).ok().flatten()
    }

    fn keep(&self, name: &[u8; 32], bytes: &[u8]) {
        if let Err(error) = self.write(name, bytes) {
            tracing::debug!(%error, "a derived key is not kept");
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    const NAME: [u8; 32] = [7; 32];

    fn kept() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder(dir.path().join("home/derived"));
        assert_eq!(folder.get(&NAME), None);
        folder.keep(&NAME, b"a key");
        assert_eq!(folder.get(&NAME), Some(b"a key".to_vec()));
        (dir, folder)
    }

    #[test]
    fn what_is_damaged_or_of_another_name_is_not_there() {
        let (_dir, folder) = kept();
        let path = folder.file(&NAME);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert_eq!(folder.get(&NAME), None, "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(folder.get(&NAME), None, "{at} bytes");
        }
        // the user's own file, and whole, but under another name
        let other = [8; 32];
        fs::write(folder.file(&other), &whole).unwrap();
        assert_eq!(folder.get(&other), None);
        folder.keep(&NAME, b"again");
        assert_eq!(folder.get(&NAME), Some(b"again".to_vec()));
    }

    /// What others could have written is not believed, whether they did or not.
    #[test]
    fn what_others_can_write_is_not_believed() {
        let (dir, folder) = kept();
        let allow = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let file = folder.file(&NAME);
        for (path, open, closed) in
            [(&file, 0o620, 0o600), (&file, 0o602, 0o600), (&folder.0, 0o770, 0o700), (&folder.0, 0o707, 0o700)]
        {
            allow(path, open);
            assert_eq!(folder.get(&NAME), None, "{open:o}");
            allow(path, closed);
            assert!(folder.get(&NAME).is_some(), "{closed:o}");
        }
        let link = Folder(dir.path().join("link"));
        symlink(&folder.0, &link.0).unwrap();
        assert_eq!(link.get(&NAME), None, "a link may lead into somebody else's folder");
    }

    /// Owners are compared. Only root can give a file away, so elsewhere it is compared with a file of root's.
    #[test]
    fn what_is_of_another_owner_is_not_believed() {
        let (_dir, folder) = kept();
        let file = folder.file(&NAME);
        if std::os::unix::fs::chown(&file, Some(12345), None).is_ok() {
            assert_eq!(folder.get(&NAME), None);
        } else {
            let (roots, own) = (fs::metadata("/").unwrap(), fs::metadata(&file).unwrap());
            assert!(!is_private(&roots, &own));
        }
    }
}
