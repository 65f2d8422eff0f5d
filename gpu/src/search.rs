//! Where the library may be: `$ASSAY_GPU_LIBRARY`, beside the program, in `../lib`, or wherever the system looks.
//!
//! `ASSAY_GPU_LIBRARY=none` leaves the device alone, `ASSAY_GPU_DEVICE` is the number of the device (0 if not set).

use crate::backend::{Cuda, Least};
use crate::library::{Description, Library, Unavailable};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The library's file.
pub const FILE: &str = "libassay_gpu.so";

/// What a search found.
#[derive(Debug)]
pub struct Search {
    /// Libraries that were tried, and why they would not do.
    pub tried: Vec<(PathBuf, Unavailable)>,
    /// Whether the user wants no device.
    pub unwanted: bool,
    /// The library that was found.
    pub library: Option<PathBuf>,
    /// Its devices.
    pub devices: Vec<Description>,
    /// The backend.
    pub backend: Option<Cuda>,
}

fn named() -> Option<OsString> {
    std::env::var_os("ASSAY_GPU_LIBRARY").filter(|name| !name.is_empty())
}

/// Whether the user says which library it is, or that none is wanted.
pub fn is_named() -> bool {
    named().is_some()
}

/// Searches by this process's environment.
pub fn find() -> Search {
    let named = named();
    // what is no number is no device's
    let number = std::env::var("ASSAY_GPU_DEVICE").map_or(0, |number| number.parse().unwrap_or(u32::MAX));
    let program = std::env::current_exe().ok();
    search(named.as_deref(), program.as_deref(), number)
}

/// Searches; `named` is what the user says of the library, if anything.
pub fn search(named: Option<&OsStr>, program: Option<&Path>, number: u32) -> Search {
    let mut found = Search {
        tried: Vec::new(),
        unwanted: named == Some(OsStr::new("none")),
        library: None,
        devices: Vec::new(),
        backend: None,
    };
    if found.unwanted {
        return found;
    }
    for path in places(named, program) {
        let outcome = Library::load(&path).and_then(|library| {
            let devices = library.devices()?;
            // an emulated device is for tests: nobody gets one that did not ask
            if named.is_none() && devices.iter().any(|device| device.emulated) {
                return Err(Unavailable::NoDevice);
            }
            Ok((Cuda::new(&library, number, Least::default())?, devices))
        });
        match outcome {
            Ok((cuda, devices)) => {
                (found.library, found.devices, found.backend) = (Some(path), devices, Some(cuda));
                break;
            }
            Err(error) => found.tried.push((path, error)),
        }
    }
    found
}

fn places(named: Option<&OsStr>, program: Option<&Path>) -> Vec<PathBuf> {
    if let Some(named) = named {
        return vec![PathBuf::from(named)];
    }
    let folder = program.and_then(Path::parent);
    let beside = folder.map(|folder| folder.join(FILE));
    let lib = folder.and_then(Path::parent).map(|prefix| prefix.join("lib").join(FILE));
    // what is no file at all need not be mentioned
    let mut places: Vec<PathBuf> = beside.into_iter().chain(lib).filter(|path| path.is_file()).collect();
    places.push(PathBuf::from(FILE));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_loaded_is_named_with_its_reason() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join(FILE);
        std::fs::write(&file, "no library").unwrap();
        let found = search(Some(file.as_os_str()), None, 0);
        assert!(found.backend.is_none());
        assert!(matches!(found.tried.as_slice(), [(path, Unavailable::Load(_))] if *path == file), "{found:?}");

        let program = folder.path().join("assay");
        let found = search(None, Some(&program), 0);
        assert_eq!(found.tried.first().map(|(path, _)| path.clone()), Some(file), "beside the program");

        let unwanted = search(Some(OsStr::new("none")), Some(&program), 0);
        assert!(unwanted.unwanted && unwanted.tried.is_empty() && unwanted.backend.is_none());
    }
}
