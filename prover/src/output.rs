//! Writing a file: whole or not at all where it is a regular file, and through to it where it is a device, a pipe or a
//! socket.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Only its owner: it holds secrets.
    Owner,
    /// Whoever the system's defaults say.
    Default,
}

/// Where bytes for a path go.
enum Target {
    /// A regular file, or nothing yet: replaced by a new one of this name.
    Regular(PathBuf),
    /// Something that must stay what it is.
    Special,
}

impl Target {
    fn of(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            // a link stays a link: what it leads to is replaced
            Ok(metadata) if metadata.is_file() => Ok(Self::Regular(fs::canonicalize(path)?)),
            Ok(_) => Ok(Self::Special),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
                Ok(target) => Ok(Self::Regular(path.parent().unwrap_or(Path::new("")).join(target))),
                Err(_) => Ok(Self::Regular(path.to_owned())),
            },
            Err(error) => Err(error),
        }
    }
}

/// Writes a file through `write`. A regular file is written beside, synced and renamed, so that a full disk or a crash
/// leaves no half file under the name; a symbolic link keeps leading where it does. A device, a pipe or a socket is
/// opened and written to: renaming would replace it.
///
/// # Errors
/// Those of the system, and of `write`.
pub fn whole(path: &Path, readers: Readers, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let target = match Target::of(path)? {
        Target::Special => return write(&mut OpenOptions::new().write(true).open(path)?),
        Target::Regular(target) => target,
    };
    let mut name = target.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = (|| {
        let mut file = create(&temporary, readers)?;
        write(&mut file)?;
        file.sync_all()?;
        fs::rename(&temporary, &target)
    })();
    if written.is_err() {
        // the first error is the one to report
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn create(path: &Path, readers: Readers) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = readers;
    options.open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::{FileTypeExt, symlink};

    fn put(path: &Path, text: &str) -> io::Result<()> {
        whole(path, Readers::Owner, |file| file.write_all(text.as_bytes()))
    }

    #[test]
    fn links_keep_leading_where_they_do() {
        let dir = tempfile::tempdir().unwrap();
        let [file, link, dangling] = ["file", "link", "dangling"].map(|name| dir.path().join(name));
        put(&file, "one").unwrap();
        symlink(&file, &link).unwrap();
        symlink("later", &dangling).unwrap();
        put(&link, "two").unwrap();
        put(&dangling, "three").unwrap();
        assert!(link.is_symlink() && dangling.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(fs::read_to_string(dir.path().join("later")).unwrap(), "three");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4, "nothing else is left there");
    }

    #[test]
    fn what_is_no_file_stays_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        put(&pipe, "through").unwrap();
        assert_eq!(reader.join().unwrap(), "through");
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        // not the system's own: another name for it
        let null = dir.path().join("null");
        symlink("/dev/null", &null).unwrap();
        put(&null, "nothing").unwrap();
        assert!(fs::metadata(&null).unwrap().file_type().is_char_device() && null.is_symlink());
        assert!(put(dir.path(), "x").is_err(), "a folder is no file");
    }

    #[test]
    fn what_fails_leaves_the_file_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        put(&file, "whole").unwrap();
        let failed = whole(&file, Readers::Default, |file| {
            file.write_all(b"ha")?;
            Err(io::Error::other("full"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "whole");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
