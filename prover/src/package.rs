//! Files: the seller's package (`MODEL.assay`), the buyer's key (`MODEL.key`), the proving key (`MODEL.pk`).
//!
//! Each starts with a magic line and ends with the Keccak-256 of what is before, so that a truncated or damaged file is
//! an error and nothing else. A package holds the weights and their blinding: it is the seller's secret. A key holds
//! only what is public.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::canonical::is_canonical;
use crate::derived::{Nowhere, Recomputed};
use crate::inner::{Committed, fresh_rng, random_scalars};
use crate::key::{KeyError, PublicModel, SrsVerifier};
use crate::output::{self, Readers};
use crate::pcs::encode::{self, Reader};
use crate::srs::Srs;
use crate::wrap::{System, WrapError, WrapProvingKey, WrapVerifyingKey};
use ark_bn254::G1Affine;
use ark_ec::AffineRepr;
use ark_ff::AdditiveGroup;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use assay_circuits::Fr;
use assay_circuits::batch::Batch;
use assay_circuits::layout::Layout;
use assay_circuits::model::{Architecture, ModelError, Weights};
use assay_circuits::shape::{Shape, ShapeError};
use assay_circuits::system::ColumnId;
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};
use std::io::Write;
use std::path::{Path, PathBuf};
use zeroize::Zeroize;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is of another kind.
    #[error("{path} is not {expected}: give the right file, or make it again")]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// The file is truncated or damaged.
    #[error("{path} is truncated or damaged: make it again")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The model in the file is not valid.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The shape in the file is not valid.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The key in the file is not valid.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The SRS is not the one that the model was compiled for.
    #[error("the model was compiled for SRS {need}, not for {have}: pass the right one with --srs")]
    Srs {
        /// Id of the SRS given.
        have: String,
        /// Id of the SRS needed.
        need: String,
    },
    /// The SRS has too few powers.
    #[error("the SRS has 2^{have} powers and the model needs more than 2^{need}")]
    SrsTooSmall {
        /// Log of the powers there are.
        have: u32,
        /// Log of the chunk size.
        need: u32,
    },
    /// The proving key does not fit.
    #[error(transparent)]
    Wrap(#[from] WrapError),
}

/// What people are told about a model; not part of any digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// A name.
    pub name: String,
    /// Names of the layers, from the ONNX file.
    pub layer_names: Vec<String>,
}

const PACKAGE_MAGIC: &[u8] = b"assay-model-v1\n";
const KEY_MAGIC: &[u8] = b"assay-key-v3\n\0\0";
const PROVING_MAGIC: &[u8] = b"assay-prove-v2\n";

#[derive(Serialize, Deserialize)]
struct PackageBody {
    metadata: Metadata,
    architecture: Architecture,
    log_chunk: u32,
    weights: Weights,
    blinding: Vec<[u8; 32]>,
    public: PublicBody,
}

/// Curve points and flags, in arkworks' canonical compressed form, checked when read.
#[derive(Serialize, Deserialize)]
struct PublicBody {
    weights: Vec<u8>,
    tables: Vec<u8>,
    tau_h: Vec<u8>,
    srs_id: [u8; 32],
    srs_development: bool,
}

#[derive(Serialize, Deserialize)]
struct KeyBody {
    metadata: Metadata,
    architecture: Architecture,
    log_chunk: u32,
    log_batch: u32,
    separate: bool,
    public: PublicBody,
    wrap: Vec<u8>,
    wrap_development: bool,
}

/// The seller's package.
#[derive(Debug)]
pub struct Package {
    /// What people are told.
    pub metadata: Metadata,
    /// The public half.
    pub model: PublicModel,
    /// The secret half.
    pub weights: Weights,
    /// Weights as committed: cells, blinding, commitments.
    pub committed: Committed,
    /// Public table columns as committed.
    pub tables: Committed,
}

/// The buyer's key: everything needed to verify proofs of one model.
#[derive(Clone, Debug)]
pub struct BuyerKey {
    /// What people are told.
    pub metadata: Metadata,
    /// The public half of the model.
    pub model: PublicModel,
    /// The wrap's verifying key.
    pub wrap: WrapVerifyingKey,
    /// Whether one party alone made the wrap's key: fit for development only.
    pub wrap_development: bool,
}

impl Package {
    /// Commits a compiled model with fresh blinding. Errors: [`FileError`].
    pub fn new(
        metadata: Metadata,
        architecture: Architecture,
        weights: Weights,
        log_chunk: u32,
        srs: &Srs,
    ) -> Result<Self, FileError> {
        let shape = Shape::new(architecture, log_chunk)?;
        weights.validate(&shape.architecture)?;
        check_srs_size(srs, log_chunk)?;
        let blinding = random_scalars(&mut fresh_rng(), shape.layout.weights.chunks);
        let committed = Committed::new(srs, log_chunk, weight_cells(&shape, &weights), blinding);
        let tables = commit_tables(&shape, srs);
        let model = PublicModel {
            shape,
            weights: committed.commitments.clone(),
            tables: tables.commitments.clone(),
            srs: SrsVerifier::new(srs),
        };
        Ok(Self { metadata, model, weights, committed, tables })
    }

    /// Writes the package; the file appears whole or not at all. It is the same for every batch. Errors:
    /// [`FileError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let mut body = PackageBody {
            metadata: self.metadata.clone(),
            architecture: self.model.shape.architecture.clone(),
            log_chunk: self.model.shape.layout.log_chunk,
            weights: self.weights.clone(),
            blinding: self.committed.blinding.iter().map(encode::fr_word).collect(),
            public: PublicBody::new(&self.model),
        };
        let written = write_body(path, PACKAGE_MAGIC, &body);
        body.blinding.zeroize();
        written
    }

    /// Reads a package. Errors: [`FileError`].
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let mut body: PackageBody = read_body(path, PACKAGE_MAGIC, "a package that `assay compile` wrote")?;
        let model = body.public.model(path, Shape::new(body.architecture, body.log_chunk)?)?;
        body.weights.validate(&model.shape.architecture)?;
        let damaged = || FileError::Damaged { path: path.to_owned() };
        let blinding: Result<Vec<Fr>, _> =
            body.blinding.iter().map(|b| Reader::new(b).fr().map_err(|_| damaged())).collect();
        body.blinding.zeroize();
        let committed = Committed {
            cells: weight_cells(&model.shape, &body.weights).into(),
            blinding: blinding?.into(),
            commitments: model.weights.clone(),
        };
        if committed.blinding.len() != committed.commitments.len() {
            return Err(damaged());
        }
        let tables = Committed {
            cells: table_cells(&model.shape).into(),
            blinding: vec![Fr::ZERO; model.tables.len()].into(),
            commitments: model.tables.clone(),
        };
        Ok(Self { metadata: body.metadata, model, weights: body.weights, committed, tables })
    }

    /// Checks that an SRS is the model's. Errors: [`FileError::Srs`], [`FileError::SrsTooSmall`].
    pub fn check_srs(&self, srs: &Srs) -> Result<(), FileError> {
        if srs.id() != self.model.srs.id {
            return Err(FileError::Srs { have: hex(&srs.id()), need: hex(&self.model.srs.id) });
        }
        check_srs_size(srs, self.model.shape.layout.log_chunk)
    }
}

impl BuyerKey {
    /// The buyer's key of a package under a wrap key, for as many inferences in a proof as the package's model has.
    pub fn new(package: &Package, wrap: WrapVerifyingKey, wrap_development: bool) -> Self {
        Self { metadata: package.metadata.clone(), model: package.model.clone(), wrap, wrap_development }
    }

    /// Whether its maker could forge proofs under the wrap's key, as far as the key shows. Every Groth16 key is of this
    /// kind, whatever it says of itself: that it is a ceremony's only the transcript shows
    /// ([`crate::ceremony::circuit::Transcript::check`]).
    pub fn has_development_wrap(&self) -> bool {
        self.wrap_development || self.wrap.system() == System::Groth16
    }

    /// Whether the key must not be used for real money.
    pub fn is_development(&self) -> bool {
        self.has_development_wrap() || self.model.srs.development
    }

    /// Writes the key. Errors: [`FileError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        write_parts(path, &[&self.body().ok_or_else(|| FileError::Damaged { path: path.to_owned() })?])
    }

    /// The bytes of the key's file. `None` only where a key cannot be encoded, which no valid one is.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let body = self.body()?;
        let hash = Keccak256::digest(&body);
        Some([&body[..], &hash[..]].concat())
    }

    /// The file, but for the hash at its end.
    fn body(&self) -> Option<Vec<u8>> {
        let wrap = self.wrap.to_bytes().ok()?;
        let body = KeyBody {
            metadata: self.metadata.clone(),
            architecture: self.model.shape.architecture.clone(),
            log_chunk: self.model.shape.layout.log_chunk,
            log_batch: self.model.shape.batch.log_len(),
            separate: self.model.shape.batch.is_separate(),
            public: PublicBody::new(&self.model),
            wrap,
            wrap_development: self.wrap_development,
        };
        postcard::to_extend(&body, KEY_MAGIC.to_vec()).ok()
    }

    /// Reads a key and checks that it is not degenerate. Errors: [`FileError`].
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Self::from_bytes(read(path)?, path)
    }

    /// A key from the bytes of its file, which errors call `path`. Errors: as [`Self::read`].
    pub fn from_bytes(bytes: Vec<u8>, path: &Path) -> Result<Self, FileError> {
        let body: KeyBody = parse_body(bytes, path, KEY_MAGIC, "a key that `assay setup` wrote")?;
        let batch = if body.separate { Batch::separate(body.log_batch) } else { Batch::joint(body.log_batch) };
        if batch.is_separate() != body.separate {
            return Err(FileError::Damaged { path: path.to_owned() });
        }
        let model = body.public.model(path, Shape::batched(body.architecture, body.log_chunk, batch)?)?;
        let wrap =
            WrapVerifyingKey::from_bytes(&body.wrap).ok_or_else(|| FileError::Damaged { path: path.to_owned() })?;
        wrap.check()?;
        Ok(Self { metadata: body.metadata, model, wrap, wrap_development: body.wrap_development })
    }

    /// Recomputes from the public description what can be recomputed without the seller: shape, table commitments, SRS
    /// points, and a universal wrap's key. Of a Groth16 key the sanity: that it is *this circuit's* only its ceremony's
    /// transcript can show. Errors: [`KeyError`].
    pub fn recompute(&self, srs: &Srs) -> Result<Recomputed, KeyError> {
        self.model.recompute(Some(&self.wrap), |_| Ok(srs.clone()), &Nowhere)
    }
}

impl PublicBody {
    fn new(model: &PublicModel) -> Self {
        Self {
            weights: points(&model.weights),
            tables: points(&model.tables),
            tau_h: points(std::slice::from_ref(&model.srs.tau_h)),
            srs_id: model.srs.id,
            srs_development: model.srs.development,
        }
    }

    fn model(&self, path: &Path, shape: Shape) -> Result<PublicModel, FileError> {
        let damaged = || FileError::Damaged { path: path.to_owned() };
        let [tau_h] = read_points(&self.tau_h).ok_or_else(damaged)?[..] else { return Err(damaged()) };
        let srs = SrsVerifier {
            h: ark_bn254::G2Affine::generator(),
            tau_h,
            id: self.srs_id,
            development: self.srs_development,
        };
        let model = PublicModel {
            shape,
            weights: read_points(&self.weights).ok_or_else(damaged)?,
            tables: read_points(&self.tables).ok_or_else(damaged)?,
            srs,
        };
        model.srs.check()?;
        model.check()?;
        Ok(model)
    }
}

/// Writes a proving key for a shape over one SRS. Errors: [`FileError::Write`].
pub fn write_proving_key(path: &Path, key: &WrapProvingKey, model: &PublicModel) -> Result<(), FileError> {
    let bytes = key.to_bytes().map_err(|_| FileError::Damaged { path: path.to_owned() })?;
    write_parts(path, &[PROVING_MAGIC, &model.shape.digest, &model.srs.id, &bytes])
}

/// Reads the proving key of a model, and derives what the SRS gives. Errors: [`FileError`].
pub fn read_proving_key(path: &Path, model: &PublicModel, srs: &Srs) -> Result<WrapProvingKey, FileError> {
    let bytes = checked_parts(read(path)?, path, PROVING_MAGIC, "a proving key that `assay setup` wrote")?;
    let body = bytes.get(PROVING_MAGIC.len()..).unwrap_or_default();
    match body.split_at_checked(64) {
        Some((header, key)) if header == [model.shape.digest, model.srs.id].concat() => {
            Ok(WrapProvingKey::from_bytes(key, &model.shape, srs)?)
        }
        _ => Err(WrapError::WrongKey.into()),
    }
}

/// Lays the weights out in the seller's region.
pub fn weight_cells(shape: &Shape, weights: &Weights) -> Vec<i32> {
    let layout = &shape.layout;
    let mut cells = vec![0; layout.weights.chunks << layout.log_chunk];
    let mut put = |column: ColumnId, values: &mut dyn Iterator<Item = i32>| {
        let block = cells.get_mut(layout.block(column).range()).unwrap_or_default();
        // zeros are there, and memory that nobody writes to is not taken: padding at the end of a block costs nothing
        block.iter_mut().zip(values).filter(|(_, value)| *value != 0).for_each(|(cell, value)| *cell = value);
    };
    for (column, matrix) in shape.system.weights.iter().zip(&weights.matrices) {
        put(*column, &mut matrix.iter().map(|w| i32::from(*w)));
    }
    for (column, bias) in shape.system.biases.iter().zip(&weights.biases) {
        put(*column, &mut bias.iter().copied());
    }
    cells
}

/// Lays the columns of tables without a closed form out in their region.
pub(crate) fn table_cells(shape: &Shape) -> Vec<i32> {
    let layout: &Layout = &shape.layout;
    let start = layout.tables_region.first_chunk << layout.log_chunk;
    let mut cells = vec![0; layout.tables_region.chunks << layout.log_chunk];
    for (table, column) in shape.architecture.tables.iter().zip(&shape.system.functions) {
        if let Some(block) = column.map(|column| layout.block(column)) {
            let values = table.rows().into_iter().map(|(_, y, _)| y);
            let cells = cells.get_mut(block.offset - start..).unwrap_or_default();
            cells.iter_mut().take(block.size()).zip(values).for_each(|(cell, value)| *cell = value);
        }
    }
    cells
}

/// Commits to public table columns, without blinding, so that anyone gets the same.
pub fn commit_tables(shape: &Shape, srs: &Srs) -> Committed {
    let blinding = vec![Fr::ZERO; shape.layout.tables_region.chunks];
    Committed::new(srs, shape.layout.log_chunk, table_cells(shape), blinding)
}

fn check_srs_size(srs: &Srs, log_chunk: u32) -> Result<(), FileError> {
    if srs.holds_chunks(log_chunk) {
        Ok(())
    } else {
        Err(FileError::SrsTooSmall { have: srs.max_log(), need: log_chunk })
    }
}

/// Reads [`points`]. `None` if malformed, or if more bytes follow.
fn read_points<P: CanonicalDeserialize>(mut bytes: &[u8]) -> Option<Vec<P>> {
    let points = CanonicalDeserialize::deserialize_compressed(&mut bytes).ok()?;
    bytes.is_empty().then_some(points)
}

fn points<P: CanonicalSerialize>(points: &[P]) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to a vector does not fail.
    let _ = points.serialize_compressed(&mut bytes);
    bytes
}

/// `0x…`.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |text, byte| text + &format!("{byte:02x}"))
}

/// The points of an input commitment from their bytes, 64 each. `None` if malformed.
pub fn points_from_bytes(bytes: &[u8]) -> Option<Vec<G1Affine>> {
    let (chunks, rest) = bytes.as_chunks::<64>();
    if rest.is_empty() { chunks.iter().map(|chunk| Reader::new(chunk).g1().ok()).collect() } else { None }
}

fn write_body(path: &Path, magic: &[u8], body: &impl Serialize) -> Result<(), FileError> {
    let body = postcard::to_stdvec(body).map_err(|_| FileError::Damaged { path: path.to_owned() })?;
    write_parts(path, &[magic, &body])
}

/// Writes parts and their hash, for nobody but the owner to read: a package holds weights and blinding.
pub(crate) fn write_parts(path: &Path, parts: &[&[u8]]) -> Result<(), FileError> {
    let written = output::whole(path, Readers::Owner, |file| {
        let mut hash = Keccak256::new();
        for part in parts {
            hash.update(part);
            file.write_all(part)?;
        }
        file.write_all(&hash.finalize())
    });
    written.map_err(|source| FileError::Write { path: path.to_owned(), source })
}

fn read_body<T: Serialize + for<'de> Deserialize<'de>>(
    path: &Path,
    magic: &[u8],
    expected: &'static str,
) -> Result<T, FileError> {
    parse_body(read(path)?, path, magic, expected)
}

/// Reads what [`write_body`] wrote. A file has one form: longer forms of its numbers are refused.
fn parse_body<T: Serialize + for<'de> Deserialize<'de>>(
    bytes: Vec<u8>,
    path: &Path,
    magic: &[u8],
    expected: &'static str,
) -> Result<T, FileError> {
    let bytes = checked_parts(bytes, path, magic, expected)?;
    let bytes = bytes.get(magic.len()..).unwrap_or_default();
    match postcard::take_from_bytes(bytes) {
        Ok((body, [])) if is_canonical(&body, bytes) => Ok(body),
        _ => Err(FileError::Damaged { path: path.to_owned() }),
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    std::fs::read(path).map_err(|source| FileError::Read { path: path.to_owned(), source })
}

/// Checks magic and hash of a file's bytes, and returns them without the hash.
pub(crate) fn checked_parts(
    mut bytes: Vec<u8>,
    path: &Path,
    magic: &[u8],
    expected: &'static str,
) -> Result<Vec<u8>, FileError> {
    if !bytes.starts_with(magic) {
        return Err(FileError::Kind { path: path.to_owned(), expected });
    }
    let damaged = || FileError::Damaged { path: path.to_owned() };
    let (body, hash) = bytes.split_last_chunk::<32>().ok_or_else(damaged)?;
    if Keccak256::digest(body)[..] != hash[..] {
        return Err(damaged());
    }
    bytes.truncate(body.len());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_bn254::G2Affine;
    use assay_circuits::sample;

    /// Well formed, and of no circuit.
    fn wrap() -> WrapVerifyingKey {
        let (g, h) = (G1Affine::generator(), G2Affine::generator());
        let (beta_g2, delta_g2) = ((h + h).into(), (h + h + h).into());
        let gamma_abc_g1 = vec![g; assay_circuits::wrap::PUBLIC_INPUTS + 1];
        WrapVerifyingKey::Groth16(Box::new(ark_groth16::VerifyingKey {
            alpha_g1: g,
            beta_g2,
            gamma_g2: h,
            delta_g2,
            gamma_abc_g1,
        }))
    }

    fn package() -> (Package, Srs) {
        let (architecture, weights) = sample::random_network(3);
        let srs = Srs::development(9);
        (Package::new(Metadata::default(), architecture, weights, 9, &srs).unwrap(), srs)
    }

    #[test]
    fn a_key_comes_back_with_its_batch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.key");
        let (mut package, srs) = package();
        let single = package.model.clone();
        let mut hashes = std::collections::HashSet::new();
        for batch in [Batch::ONE, Batch::joint(3), Batch::separate(3), Batch::joint(1)] {
            package.model = single.batched(batch).unwrap();
            let key = BuyerKey::new(&package, wrap(), true);
            key.write(&path).unwrap();
            let read = BuyerKey::read(&path).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), key.to_bytes().unwrap());
            assert_eq!((read.model.shape.batch, read.model.shape.digest), (batch, package.model.shape.digest));
            assert_eq!(read.model.commitment(), single.commitment(), "orders name the model, whatever the batch");
            read.recompute(&srs).unwrap();
            assert_eq!(read.wrap.hash(&read.model), key.wrap.hash(&key.model));
            assert!(hashes.insert(read.wrap.hash(&read.model)), "{batch:?}");
            let mut other = read;
            other.model.shape.digest = [7; 32];
            assert!(matches!(other.recompute(&srs), Err(KeyError::Mismatch("the shape digest"))));
        }
        // a package is the same for every batch
        package.write(&path).unwrap();
        assert_eq!(Package::read(&path).unwrap().model.shape.batch, Batch::ONE);
    }

    /// The name's length in a longer form, with the hash of what is then before it: the same key, and no file of one.
    #[test]
    fn longer_forms_of_numbers_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m");
        let (package, _) = package();
        let longer = |magic: &[u8]| {
            let bytes = std::fs::read(&path).unwrap();
            let (body, _) = bytes[magic.len()..].split_last_chunk::<32>().unwrap();
            write_parts(&path, &[magic, &[body[0] | 0x80, 0], &body[1..]]).unwrap();
        };
        package.write(&path).unwrap();
        Package::read(&path).unwrap();
        longer(PACKAGE_MAGIC);
        assert!(matches!(Package::read(&path), Err(FileError::Damaged { .. })));
        BuyerKey::new(&package, wrap(), true).write(&path).unwrap();
        BuyerKey::read(&path).unwrap();
        longer(KEY_MAGIC);
        assert!(matches!(BuyerKey::read(&path), Err(FileError::Damaged { .. })));
    }

    #[test]
    fn a_key_of_no_batch_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.key");
        let (package, _) = package();
        let read = |log_batch, separate| {
            let key = BuyerKey::new(&package, wrap(), true);
            let bytes = key.wrap.to_bytes().unwrap();
            let (metadata, architecture) = (Metadata::default(), package.model.shape.architecture.clone());
            let (public, wrap_development) = (PublicBody::new(&package.model), true);
            let body = KeyBody {
                metadata,
                architecture,
                log_chunk: 9,
                log_batch,
                separate,
                public,
                wrap: bytes,
                wrap_development,
            };
            write_body(&path, KEY_MAGIC, &body).unwrap();
            BuyerKey::read(&path)
        };
        assert_eq!(read(2, true).unwrap().model.shape.batch, Batch::separate(2));
        assert!(matches!(read(0, true), Err(FileError::Damaged { .. })));
        for log_len in [13, 64, 256, u32::MAX] {
            assert!(
                matches!(read(log_len, false), Err(FileError::Shape(ShapeError::Batch { log_len: have })) if have == log_len)
            );
        }
    }
}
