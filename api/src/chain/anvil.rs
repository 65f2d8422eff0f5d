//! anvil from npm's registry, for whoever has none: one program of one version, whose package's hash is built in.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use assay_prover::output::{self, Readers};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use sha2::{Digest, Sha512};

use crate::tls::{client_builder, is_usable};

/// The version, that of the contracts' tests (`verifier-contracts/package.json`).
const VERSION: &str = "1.7.1";
/// The packages: the system and the processor that Rust names, npm's name of the two, and SHA-512 of the package as npm
/// writes it.
const PACKAGES: [(&str, &str, &str, &str); 4] = [
    (
        "linux",
        "x86_64",
        "linux-amd64",
        "+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg==",
    ),
    (
        "linux",
        "aarch64",
        "linux-arm64",
        "ykHJmFOGdBR8+9smOKBm9ZZDCCCkLQctiHOAddLvmYx9mPeBDMfq6jP51hKYsO5MG8ClPLSlWe+JpiXPjoXgBQ==",
    ),
    (
        "macos",
        "aarch64",
        "darwin-arm64",
        "JNeu3+A3f/npXLn8SR8EahVcqE7BpO9VQZMcPvSIy27/RNc1GsoEBvSLR99aSvt8sGKWAgNg/EzrtjAPq6mxcA==",
    ),
    (
        "macos",
        "x86_64",
        "darwin-amd64",
        "OgwzwY+FsGrsPyDv4mmbhOwARO8s37YHrm2qaNzgSH4VlKnXgJCrnoT7bpgOhLyBPtxXjBT8L2E3b79deesXRg==",
    ),
];
/// Where the program is in a package.
const INSIDE: &str = "package/bin/anvil";
/// No package is as large.
const BYTES_MAX: u64 = 256 << 20;

/// Why anvil cannot be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// There is none for this machine.
    #[error(
        "there is no anvil for {os} on {processor} that could be fetched: install Foundry, or set ANVIL to its path"
    )]
    Machine {
        /// The system.
        os: &'static str,
        /// The processor.
        processor: &'static str,
    },
    /// This program was built without TLS.
    #[error(
        "this program was built without TLS and cannot fetch anvil: `npm install -g @foundry-rs/anvil` installs it, or \
         set ANVIL to its path"
    )]
    Tls,
    /// The registry does not answer.
    #[error(
        "anvil cannot be fetched from {url}: `npm install -g @foundry-rs/anvil` installs it, or set ANVIL to its path"
    )]
    Http {
        /// The address.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// What was fetched is something else.
    #[error("what {url} gives is not the anvil that this program knows: its hash is another; nothing was kept")]
    Hash {
        /// The address.
        url: String,
    },
    /// The package cannot be read, or the program not be written.
    #[error("anvil cannot be kept at {}", .path.display())]
    Keep {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What the program is called in a folder of programs.
pub fn name() -> String {
    format!("anvil-{VERSION}")
}

/// Fetches anvil into a folder that is there, and returns where it is.
///
/// # Errors
/// [`FetchError`]; nothing is kept then.
pub async fn fetch(folder: &Path) -> Result<PathBuf, FetchError> {
    let (os, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    let known = PACKAGES.iter().find(|(of, on, ..)| (*of, *on) == (os, processor));
    let (.., package, hash) = known.ok_or(FetchError::Machine { os, processor })?;
    let url = format!("https://registry.npmjs.org/@foundry-rs/anvil-{package}/-/anvil-{package}-{VERSION}.tgz");
    if !url.parse().is_ok_and(|url| is_usable(&url)) {
        return Err(FetchError::Tls);
    }
    let bytes = download(&url).await.map_err(|source| FetchError::Http { url: url.clone(), source })?;
    if !is(&bytes, hash) {
        return Err(FetchError::Hash { url });
    }
    let path = folder.join(name());
    let kept = program(&bytes).and_then(|program| keep(&path, &program));
    kept.map_err(|source| FetchError::Keep { path: path.clone(), source })?;
    Ok(path)
}

async fn download(url: &str) -> Result<Vec<u8>, reqwest::Error> {
    let answer = client_builder().build()?.get(url).send().await?.error_for_status()?;
    Ok(answer.bytes().await?.to_vec())
}

/// Whether these bytes have a hash, SHA-512 in base64.
fn is(bytes: &[u8], hash: &str) -> bool {
    STANDARD.encode(Sha512::digest(bytes)) == hash
}

/// The program in a package.
fn program(package: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Archive::new(GzDecoder::new(package).take(BYTES_MAX));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()?.as_ref() == Path::new(INSIDE) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
    }
    Err(std::io::Error::new(std::io::ErrorKind::NotFound, format!("the package has no {INSIDE}")))
}

/// Writes a program, which is there whole and can be started, or not at all.
fn keep(path: &Path, program: &[u8]) -> std::io::Result<()> {
    output::whole(path, Readers::Owner, |file| {
        file.write_all(program)?;
        #[cfg(unix)]
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package with a file.
    fn package(name: &str, bytes: &[u8]) -> Vec<u8> {
        let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, bytes).unwrap();
        archive.into_inner().unwrap().finish().unwrap()
    }

    /// Whoever answers for the registry cannot have another program started.
    #[test]
    fn only_the_package_with_the_hash_is_taken() {
        let made = package(INSIDE, b"a program");
        let hash = STANDARD.encode(Sha512::digest(&made));
        assert!(is(&made, &hash));
        let mut changed = made.clone();
        changed[20] ^= 1;
        assert!(!is(&changed, &hash));
        assert!(PACKAGES.iter().all(|(.., hash)| STANDARD.decode(hash).is_ok_and(|bytes| bytes.len() == 64)));
        // the hash that npm has for the contracts' tests
        let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../verifier-contracts/package-lock.json"));
        let (.., linux) = PACKAGES[0];
        assert!(lock.contains(&format!("sha512-{linux}")), "the version of verifier-contracts/package.json");
    }

    #[test]
    fn the_program_is_found_and_can_be_started() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name());
        keep(&path, &program(&package(INSIDE, b"#!/bin/sh\nexit 7\n")).unwrap()).unwrap();
        #[cfg(unix)]
        assert_eq!(std::process::Command::new(&path).status().unwrap().code(), Some(7));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(program(&package("package/README", b"nothing")).unwrap_err().to_string().contains(INSIDE));
        assert!(program(b"no package").is_err());
    }
}
