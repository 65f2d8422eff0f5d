//! Import of a powers-of-tau file of the ceremony tools (snarkjs `.ptau`): `"ptau"`, version (u32), number of sections
//! (u32), then sections of type (u32), length (u64) and data, all little-endian. Section 1 is the header, 2 the powers
//! in G1, 3 those in G2, 7 the transcript; [`crate::ceremony::powers`] reads the others too. Coordinates are
//! little-endian Montgomery residues. Nothing in the file is believed: see [`import`].

use super::{HeaderField, MAX_LOG, Srs, SrsError, is_development};
use crate::ceremony::codec::{G1_BYTES, G2_BYTES, read_g1, read_g2, read_limbs};
use crate::ceremony::{CeremonyError, Contribution, contribution, powers};
use ark_bn254::Fq;
use ark_ff::PrimeField;
use rayon::prelude::*;
use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

const HEADER_BYTES: u64 = 4 + 32 + 4 + 4;
/// More sections than any known version has.
const MAX_SECTIONS: u32 = 64;
/// Sections that are looked at.
const USED: usize = 7;
/// Points read at a time.
const BATCH: usize = 1 << 14;
/// Most bytes of a transcript.
const MAX_TRANSCRIPT: u64 = 16 << 20;

/// An SRS out of a ceremony's file, with what the file says of the ceremony.
#[derive(Clone)]
pub struct Import {
    /// The string.
    pub srs: Srs,
    /// Log of the powers that the ceremony was held for.
    pub ceremony_power: u32,
    /// Who contributed to it: checked, see [`import`].
    pub contributions: Vec<Contribution>,
}

/// Where a section's data is.
#[derive(Clone, Copy)]
struct Section {
    offset: u64,
    length: u64,
}

/// Where a file's sections are, by their numbers.
pub(crate) struct Sections([Option<Section>; USED]);

/// Reads the first `2^max_log + 1` powers and checks them: the prime is BN254's; sections once, of the right length,
/// inside the file; each coordinate canonical; each point on the curve, G2 in the subgroup, none the identity; the
/// first points the generators; `τ ∉ {0, 1}`; all powers consecutive powers of one `τ` ([`Srs::check`]); that `τ` not
/// the public development one; and the transcript, from the generators to this very `τ` ([`contribution::check`]).
/// `progress` is told points done and points in all.
///
/// # Errors
/// A [`CeremonyError`] that names the first thing wrong.
pub fn import(path: &Path, max_log: u32, progress: &mut dyn FnMut(u64, u64)) -> Result<Import, CeremonyError> {
    let file = File::open(path).map_err(SrsError::Io)?;
    let size = file.metadata().map_err(SrsError::Io)?.len();
    let mut file = BufReader::with_capacity(1 << 20, file);
    let sections = Sections::read(&mut file, size)?;
    let (power, ceremony_power) = sections.header(&mut file)?;
    sections.expect(2, ((1 << (power + 1)) - 1) * G1_BYTES as u64)?;
    sections.expect(3, (1 << power) * G2_BYTES as u64)?;
    if max_log == 0 || max_log > power {
        return Err(SrsError::TooSmall { have: power, need: max_log }.into());
    }
    let g2 = sections.first_points(
        &mut file,
        (3, 2),
        G2_BYTES,
        &read_g2,
        |index| SrsError::G2Point { index },
        &mut |_, _| (),
    )?;
    let [h, tau_h] = g2[..] else { return Err(SrsError::Section { section: 3 }.into()) };
    let count = (1 << max_log) + 1;
    let g1 = sections.first_points(
        &mut file,
        (2, count),
        G1_BYTES,
        &read_g1,
        |index| SrsError::G1Point { index },
        progress,
    )?;
    if is_development(&tau_h) {
        return Err(SrsError::DevelopmentTau.into());
    }
    let srs = Srs { g1: g1.into(), h, tau_h, development: false };
    srs.check()?;
    let transcript = sections.transcript(&mut file)?.ok_or(CeremonyError::NoContributions)?;
    let contributions = contribution::read(&transcript)?;
    if contributions.is_empty() {
        return Err(CeremonyError::NoContributions);
    }
    let left = contribution::check(&contributions, powers::first_hash(ceremony_power)?)?;
    if left.tau_g2 != tau_h || Some(&left.tau_g1) != srs.g1.get(1) {
        return Err(CeremonyError::LastPowers);
    }
    Ok(Import { srs, ceremony_power, contributions })
}

/// Log of the powers in a file. Errors: a [`CeremonyError`].
pub fn power(path: &Path) -> Result<u32, CeremonyError> {
    let file = File::open(path).map_err(SrsError::Io)?;
    let size = file.metadata().map_err(SrsError::Io)?.len();
    let mut file = BufReader::new(file);
    Ok(Sections::read(&mut file, size)?.header(&mut file)?.0)
}

impl Sections {
    /// Walks the table of sections and finds those that are used.
    pub(crate) fn read(file: &mut (impl Read + Seek), size: u64) -> Result<Self, SrsError> {
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
        let mut found: [Option<Section>; USED] = [None; USED];
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
        Ok(Self(found))
    }

    fn get(&self, section: u32) -> Result<Section, SrsError> {
        let found = (section as usize).checked_sub(1).and_then(|i| self.0.get(i)).copied().flatten();
        found.ok_or(SrsError::Section { section })
    }

    fn expect(&self, section: u32, need: u64) -> Result<Section, SrsError> {
        let found = self.get(section)?;
        if found.length == need {
            Ok(found)
        } else {
            Err(SrsError::SectionLength { section, have: found.length, need })
        }
    }

    /// The powers of the file and of its ceremony (base-2 logarithms of their G2 powers).
    pub(crate) fn header(&self, file: &mut (impl Read + Seek)) -> Result<(u32, u32), SrsError> {
        let section = self.expect(1, HEADER_BYTES)?;
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
        let (power, ceremony) = (read_u32(file)?, read_u32(file)?);
        if !(1..=MAX_LOG).contains(&power) {
            return Err(SrsError::Header { field: HeaderField::Power, value: u64::from(power) });
        }
        if !(power..=MAX_LOG).contains(&ceremony) {
            return Err(SrsError::Header { field: HeaderField::CeremonyPower, value: u64::from(ceremony) });
        }
        Ok((power, ceremony))
    }

    /// The bytes of the transcript. `None` if there is none.
    pub(crate) fn transcript(&self, file: &mut (impl Read + Seek)) -> Result<Option<Vec<u8>>, SrsError> {
        let Ok(section) = self.get(7) else { return Ok(None) };
        if section.length > MAX_TRANSCRIPT {
            return Err(SrsError::SectionLength { section: 7, have: section.length, need: MAX_TRANSCRIPT });
        }
        file.seek(SeekFrom::Start(section.offset))?;
        let mut bytes = vec![0; section.length as usize];
        file.read_exact(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// All points of a section, which has `count` of them.
    pub(crate) fn points<P: Send>(
        &self,
        file: &mut (impl Read + Seek),
        section: u32,
        count: u64,
        bytes: usize,
        read: &(impl Fn(&[u8]) -> Option<P> + Sync),
        wrong: impl Fn(u64) -> SrsError + Sync,
    ) -> Result<Vec<P>, SrsError> {
        self.expect(section, count * bytes as u64)?;
        self.first_points(file, (section, count as usize), bytes, read, wrong, &mut |_, _| ())
    }

    /// The first points of a section.
    fn first_points<P: Send>(
        &self,
        file: &mut (impl Read + Seek),
        (section, count): (u32, usize),
        bytes: usize,
        read: &(impl Fn(&[u8]) -> Option<P> + Sync),
        wrong: impl Fn(u64) -> SrsError + Sync,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<P>, SrsError> {
        file.seek(SeekFrom::Start(self.get(section)?.offset))?;
        let mut points = Vec::with_capacity(count);
        let mut buffer = vec![0; BATCH.min(count) * bytes];
        while points.len() < count {
            let (done, batch) = (points.len(), BATCH.min(count - points.len()));
            let batch = buffer.get_mut(..batch * bytes).unwrap_or_default();
            file.read_exact(batch)?;
            let decode = |(i, point)| read(point).ok_or_else(|| wrong((done + i) as u64));
            let decoded: Result<Vec<_>, _> = batch.par_chunks_exact(bytes).enumerate().map(decode).collect();
            points.append(&mut decoded?);
            progress(points.len() as u64, count as u64);
        }
        Ok(points)
    }
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
