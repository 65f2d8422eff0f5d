//! Our own file of an SRS: `"ASSAYSRS"`, version (u32, little-endian), mark (u32: 1 for development), number of G1
//! points (u64), `[τ]_2`, the G1 points as `x ‖ y` words, and the Keccak-256 of all that. Points are uncompressed, so
//! loading takes no square roots.

use super::{HeaderField, MAX_LOG, Srs, SrsError};
use crate::output::{self, Readers};
use crate::pcs::encode::{Reader, g1_bytes, g2_bytes, keccak};
use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr;
use rayon::prelude::*;
use std::{
    fs,
    io::{Read, Write},
    path::Path,
};

const MAGIC: &[u8; 8] = b"ASSAYSRS";
const VERSION: u32 = 1;
const HEADER: usize = 8 + 4 + 4 + 8;
const OVERHEAD: u64 = HEADER as u64 + 128 + 32;

/// Writes the file: whole or not at all, see [`output::whole`].
///
/// # Errors
/// [`SrsError::Io`].
pub fn save(srs: &Srs, path: &Path) -> Result<(), SrsError> {
    let bytes = with_powers(srs, &srs.g1);
    Ok(output::whole(path, Readers::Default, |file| file.write_all(&bytes))?)
}

/// The bytes of a file with the first `2^log + 1` powers, or with all where there are fewer. Its id is the whole
/// string's.
pub fn to_bytes(srs: &Srs, log: u32) -> Vec<u8> {
    let powers = (1usize << log.min(MAX_LOG)) + 1;
    with_powers(srs, srs.g1.get(..powers).unwrap_or(&srs.g1))
}

fn with_powers(srs: &Srs, g1: &[G1Affine]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(OVERHEAD as usize + 64 * g1.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&u32::from(srs.development).to_le_bytes());
    bytes.extend_from_slice(&(g1.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&g2_bytes(&srs.tau_h));
    bytes.extend(g1.iter().flat_map(g1_bytes));
    let hash = keccak(&[&bytes]);
    bytes.extend_from_slice(&hash);
    bytes
}

/// Reads and checks a file: length, hash, every point canonical and on the curve, generators, `[τ]_1` against `[τ]_2`,
/// the mark against `τ`. That the *other* powers are right is what [`Srs::check`] shows. A prover need not ask: a
/// string that fails there gives proofs that fail, never false ones that pass, since verifiers use `[τ]_2` only. Who
/// recomputes keys or table commitments must: they are made of all powers.
///
/// # Errors
/// A [`SrsError`] that names the first thing wrong.
pub fn load(path: &Path) -> Result<Srs, SrsError> {
    from_bytes(&fs::read(path)?)
}

/// `[τ]_2` alone, read from the head of a file: which string it is, for whoever needs no powers. Nothing else of the
/// file is looked at.
///
/// # Errors
/// A [`SrsError`].
pub fn load_tau(path: &Path) -> Result<G2Affine, SrsError> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(HEADER as u64 + 128).read_to_end(&mut bytes)?;
    if bytes.get(..8).is_some_and(|magic| magic != MAGIC) {
        return Err(SrsError::Magic);
    }
    let (Some(version), Some(tau)) = (bytes.get(8..12), bytes.get(HEADER..HEADER + 128)) else {
        return Err(SrsError::Length { have: bytes.len() as u64, need: OVERHEAD });
    };
    if version != VERSION.to_le_bytes() {
        return Err(SrsError::Version { version: version.iter().rev().fold(0, |n, b| n << 8 | u32::from(*b)) });
    }
    Reader::new(tau).g2().map_err(|_| SrsError::G2Point { index: 1 })
}

/// [`load`] of a file that is in memory.
///
/// # Errors
/// As [`load`].
pub fn from_bytes(bytes: &[u8]) -> Result<Srs, SrsError> {
    let short = SrsError::Length { have: bytes.len() as u64, need: OVERHEAD };
    if bytes.get(..8).is_some_and(|magic| magic != MAGIC) {
        return Err(SrsError::Magic);
    }
    let (Some(header), true) = (bytes.get(..HEADER), bytes.len() as u64 >= OVERHEAD) else { return Err(short) };
    let number =
        |from: usize, len: usize| header.iter().skip(from).take(len).rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
    let (version, mark, count) = (number(8, 4), number(12, 4), number(16, 8));
    if version != u64::from(VERSION) {
        return Err(SrsError::Version { version: version as u32 });
    }
    if mark > 1 {
        return Err(SrsError::Header { field: HeaderField::Mark, value: mark });
    }
    if !(2..=(1u64 << (MAX_LOG + 1))).contains(&count) {
        return Err(SrsError::Header { field: HeaderField::Count, value: count });
    }
    let need = OVERHEAD + 64 * count;
    if bytes.len() as u64 != need {
        return Err(SrsError::Length { have: bytes.len() as u64, need });
    }
    let (body, hash) = bytes.split_at(bytes.len() - 32);
    if keccak(&[body]) != hash {
        return Err(SrsError::Hash);
    }
    let (tau_bytes, points) = body.split_at(HEADER + 128);
    let tau_h =
        Reader::new(tau_bytes.get(HEADER..).unwrap_or_default()).g2().map_err(|_| SrsError::G2Point { index: 1 })?;
    let g1 = points
        .par_chunks_exact(64)
        .enumerate()
        .map(|(i, p)| Reader::new(p).g1().ok().filter(|p| !p.is_zero()).ok_or(SrsError::G1Point { index: i as u64 }))
        .collect::<Result<Vec<_>, _>>()?;
    let srs = Srs { g1: g1.into(), h: G2Affine::generator(), tau_h, development: mark == 1 };
    srs.check_ends()?;
    Ok(srs)
}
