//! A copy of a data folder while its server runs. Put in the folder's place, it is the server as it was.

use std::path::Path;

use crate::state::ServeError;
use crate::store::Store;

/// What a copy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Backup {
    /// Bytes of the database.
    pub database_bytes: u64,
    /// Files of proofs.
    pub proofs: usize,
}

/// Copies database and proofs from the data folder `from` to the folder `to`, which must not be there or be empty.
/// First the database, so that every proof that it names is among those that are copied after it.
pub async fn backup(from: &Path, to: &Path) -> Result<Backup, ServeError> {
    let io = |path: &Path| {
        let path = path.display().to_string();
        move |source| ServeError::Io { path, source }
    };
    let database = from.join("jobs.sqlite");
    std::fs::metadata(&database).map_err(io(&database))?;
    std::fs::create_dir_all(to).map_err(io(to))?;
    if std::fs::read_dir(to).map_err(io(to))?.next().is_some() {
        return Err(io(to)(std::io::Error::other("the folder for the copy is not empty")));
    }
    let copy = to.join("jobs.sqlite");
    Store::copy(&database, &copy).await?;
    let (have, give) = (from.join("proofs"), to.join("proofs"));
    std::fs::create_dir_all(&give).map_err(io(&give))?;
    let mut proofs = 0;
    for entry in std::fs::read_dir(&have).map_err(io(&have))?.flatten() {
        let path = entry.path();
        if path.extension().is_none() {
            match std::fs::copy(&path, give.join(entry.file_name())) {
                Ok(_) => proofs += 1,
                // the server forgot it meanwhile
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(io(&path)(e)),
            }
        }
    }
    Ok(Backup { database_bytes: std::fs::metadata(&copy).map_err(io(&copy))?.len(), proofs })
}
