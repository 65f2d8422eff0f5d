//! Files of the second phase: the key that is passed from one contributor to the next, and the transcript that goes
//! with a finished one.

use super::CeremonyError;
use super::circuit::{Circuit, Key, Transcript};
use crate::key::PublicModel;
use crate::package::{self, FileError};
use crate::pcs::encode::keccak;
use ark_groth16::ProvingKey;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use assay_circuits::wrap;
use std::path::Path;

const KEY_MAGIC: &[u8] = b"assay-phase2-v1\n";
const TRANSCRIPT_MAGIC: &[u8] = b"assay-deltas-v1\n";

/// What ties a file to a shape, with its batch, and an SRS.
fn header(model: &PublicModel) -> [u8; 64] {
    let mut header = [0; 64];
    header.iter_mut().zip(model.shape.digest.iter().chain(&model.srs.id)).for_each(|(to, from)| *to = *from);
    header
}

/// The circuit of a model's shape. Errors: [`CeremonyError::Shape`], [`CeremonyError::Circuit`].
pub fn circuit(model: &PublicModel) -> Result<Circuit, CeremonyError> {
    Circuit::new(wrap::constraints(&model.shape, &model.srs.id)?, keccak(&[&header(model)]))
}

/// Writes a key that is being made. Errors: [`CeremonyError::File`].
pub fn write_key(path: &Path, model: &PublicModel, key: &Key) -> Result<(), CeremonyError> {
    let transcript = key.transcript.to_bytes();
    let mut points = Vec::with_capacity(key.key.uncompressed_size());
    key.key.serialize_uncompressed(&mut points).map_err(|_| FileError::Damaged { path: path.to_owned() })?;
    let length = (transcript.len() as u32).to_le_bytes();
    Ok(package::write_parts(path, &[KEY_MAGIC, &header(model), &length, &transcript, &points])?)
}

/// What follows magic and header of a file.
fn body(path: &Path, model: &PublicModel, magic: &[u8], expected: &'static str) -> Result<Vec<u8>, CeremonyError> {
    let bytes = package::checked_parts(package::read(path)?, path, magic, expected)?;
    let body = bytes.get(magic.len()..).and_then(|body| body.strip_prefix(&header(model)));
    body.map(<[u8]>::to_vec).ok_or(CeremonyError::OtherCircuit)
}

/// Reads a key that is being made: every point in its group. What the points are to each other [`Circuit::check`] says.
///
/// # Errors
/// [`CeremonyError::File`], [`CeremonyError::OtherCircuit`], [`CeremonyError::Malformed`].
pub fn read_key(path: &Path, model: &PublicModel) -> Result<Key, CeremonyError> {
    let body = body(path, model, KEY_MAGIC, "a key that `assay ceremony` wrote")?;
    let damaged = || FileError::Damaged { path: path.to_owned() };
    let (length, rest) = body.split_first_chunk::<4>().ok_or_else(damaged)?;
    let (transcript, mut points) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
    let key = ProvingKey::deserialize_uncompressed(&mut points).map_err(|_| damaged())?;
    if !points.is_empty() {
        return Err(damaged().into());
    }
    Ok(Key { key, transcript: Transcript::from_bytes(transcript)? })
}

/// Writes the transcript of a finished key. Errors: [`CeremonyError::File`].
pub fn write_transcript(path: &Path, model: &PublicModel, transcript: &Transcript) -> Result<(), CeremonyError> {
    Ok(package::write_parts(path, &[TRANSCRIPT_MAGIC, &header(model), &transcript.to_bytes()])?)
}

/// Reads the transcript of a finished key. Errors: as [`read_key`].
pub fn read_transcript(path: &Path, model: &PublicModel) -> Result<Transcript, CeremonyError> {
    Transcript::from_bytes(&body(path, model, TRANSCRIPT_MAGIC, "a transcript that `assay ceremony finish` wrote")?)
}
