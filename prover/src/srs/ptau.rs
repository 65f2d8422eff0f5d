//! Import of a powers-of-tau file of the ceremony tools (snarkjs `.ptau`): `"ptau"`, version (u32), number of sections (u32), then sections of
//! type (u32), length (u64) and data, all little-endian. Section 1 is the header, 2 the powers in G1, 3 those in G2; the others are not needed.
//! Coordinates are little-endian Montgomery residues. Nothing in the file is believed: see [`import`].

use super::{HeaderField, MAX_LOG, Srs, SrsError, is_development};
use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, PrimeField};
use rayon::prelude::*;
use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

const G1_BYTES: u64 = 64;
const G2_BYTES: u64 = 128;
const HEADER_BYTES: u64 = 4 + 32 + 4 + 4;
/// More sections than any known version has.
const MAX_SECTIONS: u32 = 64;
/// G1 points read at a time.
const BATCH: usize = 1 << 14;

/// Where a section's data is.
#[derive(Clone, Copy)]
struct Section {
    offset: u64,
    length: u64,
}

/// Reads the first `2^max_log + 1` powers and checks them: the prime is BN254's; sections once, of the right length, inside the file; each
/// coordinate canonical; each point on the curve, G2 in the subgroup, none the identity; the first points the generators; `τ ∉ {0, 1}`; all powers
/// consecutive powers of one `τ` ([`Srs::check`]); and that `τ` not the public development one. `progress` is told points done and points in all.
///
/// # Errors
/// A [`SrsError`] that names the first thing wrong.
pub fn import(path: &Path, max_log: u32, progress: &mut dyn FnMut(u64, u64)) -> Result<Srs, SrsError> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut file = BufReader::with_capacity(1 << 20, file);
    let [header, g1_section, g2_section] = sections(&mut file, size)?;
    let power = read_header(&mut file, header)?;
    expect_length(2, g1_section, ((1 << (power + 1)) - 1) * G1_BYTES)?;
    expect_length(3, g2_section, (1 << power) * G2_BYTES)?;
    if max_log == 0 || max_log > power {
        return Err(SrsError::TooSmall { have: power, need: max_log });
    }
    file.seek(SeekFrom::Start(g2_section.offset))?;
    let h = read_g2(&mut file, 0)?;
    let tau_h = read_g2(&mut file, 1)?;
    file.seek(SeekFrom::Start(g1_section.offset))?;
    let g1 = read_g1(&mut file, (1usize << max_log) + 1, progress)?;
    if is_development(&tau_h) {
        return Err(SrsError::DevelopmentTau);
    }
    let srs = Srs { g1: g1.into(), h, tau_h, development: false };
    srs.check()?;
    Ok(srs)
}

/// Walks the table of sections and finds the three that are needed.
fn sections(file: &mut (impl Read + Seek), size: u64) -> Result<[Section; 3], SrsError> {
    const PREFIX: u64 = 12;
    if size < PREFIX {
        return Err(SrsError::Length { have: size, need: PREFIX });
    }
    let mut magic = [0; 4];
    file.read_exact(&mut magic)?;
    if &magic != b"ptau" {
        return Err(SrsError::Magic);
    }
    let version = read_u32(file)?;
    if version != 1 {
        return Err(SrsError::Version { version });
    }
    let count = read_u32(file)?;
    if count > MAX_SECTIONS {
        return Err(SrsError::Header { field: HeaderField::Sections, value: u64::from(count) });
    }
    let mut found: [Option<Section>; 3] = [None; 3];
    let mut at = PREFIX;
    for _ in 0..count {
        let offset = at + 12;
        if offset > size {
            return Err(SrsError::Length { have: size, need: offset });
        }
        file.seek(SeekFrom::Start(at))?;
        let (section, length) = (read_u32(file)?, read_u64(file)?);
        // a length that is "negative" or runs past the end of the file
        let left = size - offset;
        if length > left {
            return Err(SrsError::SectionLength { section, have: left, need: length });
        }
        if let Some(slot) = (section as usize).checked_sub(1).and_then(|i| found.get_mut(i))
            && slot.replace(Section { offset, length }).is_some()
        {
            return Err(SrsError::Section { section });
        }
        at = offset + length;
    }
    if at != size {
        return Err(SrsError::Length { have: size, need: at });
    }
    let [a, b, c] = found;
    let need = |s: Option<Section>, section| s.ok_or(SrsError::Section { section });
    Ok([need(a, 1)?, need(b, 2)?, need(c, 3)?])
}

/// The power of the file (base-2 logarithm of its G2 powers).
fn read_header(file: &mut (impl Read + Seek), section: Section) -> Result<u32, SrsError> {
    expect_length(1, section, HEADER_BYTES)?;
    file.seek(SeekFrom::Start(section.offset))?;
    let field_bytes = read_u32(file)?;
    if field_bytes != 32 {
        return Err(SrsError::Header { field: HeaderField::FieldBytes, value: u64::from(field_bytes) });
    }
    let mut prime = [0; 32];
    file.read_exact(&mut prime)?;
    if read_limbs(&prime) != Fq::MODULUS {
        return Err(SrsError::Prime);
    }
    let power = read_u32(file)?;
    if !(1..=MAX_LOG).contains(&power) {
        return Err(SrsError::Header { field: HeaderField::Power, value: u64::from(power) });
    }
    Ok(power)
}

fn expect_length(section: u32, found: Section, need: u64) -> Result<(), SrsError> {
    if found.length == need { Ok(()) } else { Err(SrsError::SectionLength { section, have: found.length, need }) }
}

fn read_u32(file: &mut impl Read) -> Result<u32, SrsError> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn read_u64(file: &mut impl Read) -> Result<u64, SrsError> {
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn read_limbs(bytes: &[u8]) -> BigInt<4> {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = chunk.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
    }
    BigInt(limbs)
}

/// A coordinate; its Montgomery form (the same `R = 2^256` as ours) is canonical below `q`.
fn coordinate(bytes: &[u8]) -> Option<Fq> {
    let limbs = read_limbs(bytes);
    (limbs < Fq::MODULUS).then(|| Fq::new_unchecked(limbs))
}

fn g1_point(bytes: &[u8]) -> Option<G1Affine> {
    let (x, y) = bytes.split_at_checked(32)?;
    Some(G1Affine::new_unchecked(coordinate(x)?, coordinate(y)?)).filter(|p| !p.is_zero() && p.is_on_curve())
}

fn read_g1(file: &mut impl Read, count: usize, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<G1Affine>, SrsError> {
    let mut points = Vec::with_capacity(count);
    let mut buffer = vec![0; BATCH * G1_BYTES as usize];
    while points.len() < count {
        let (done, batch) = (points.len(), BATCH.min(count - points.len()));
        let bytes = buffer.get_mut(..batch * G1_BYTES as usize).unwrap_or_default();
        file.read_exact(bytes)?;
        let read: Result<Vec<_>, _> = bytes
            .par_chunks_exact(G1_BYTES as usize)
            .enumerate()
            .map(|(i, p)| g1_point(p).ok_or(SrsError::G1Point { index: (done + i) as u64 }))
            .collect();
        points.append(&mut read?);
        progress(points.len() as u64, count as u64);
    }
    Ok(points)
}

fn read_g2(file: &mut impl Read, index: u64) -> Result<G2Affine, SrsError> {
    let mut bytes = [0; G2_BYTES as usize];
    file.read_exact(&mut bytes)?;
    let mut c = bytes.chunks_exact(32).map(coordinate);
    let mut next = || c.next().flatten().ok_or(SrsError::G2Point { index });
    let p = G2Affine::new_unchecked(Fq2::new(next()?, next()?), Fq2::new(next()?, next()?));
    let good = !p.is_zero() && p.is_on_curve() && p.is_in_correct_subgroup_assuming_on_curve();
    if good { Ok(p) } else { Err(SrsError::G2Point { index }) }
}
