//! The shape of a proof: everything that prover, verifier and circuit derive from the public architecture.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::Fr;
use crate::batch::{Batch, MAX_LOG_BATCH};
use crate::layout::{Layout, Region};
use crate::model::{Architecture, ModelError, WeightBlock};
use crate::registration;
use crate::soundness::{self, MAX_LOG_ROWS, Wrap};
use crate::system::{ColumnId, Owner, System};
use crate::verifier::products;
use crate::wrap::MOST_VALUES;
use ark_ff::PrimeField;
use sha3::{Digest, Keccak256};

/// The smallest and the largest log of a chunk's size.
pub const LOG_CHUNK_RANGE: std::ops::RangeInclusive<u32> = 4..=24;

/// The largest log of the number of committed cells, and of lookups: beyond it nothing is allocated.
pub const MAX_LOG_CELLS: usize = 30;

/// Why there is no shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// The architecture is not valid.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The chunk size is out of range.
    #[error("chunks of 2^{log_chunk} cells are not supported: choose 4 to 24")]
    LogChunk {
        /// The log of the size asked for.
        log_chunk: u32,
    },
    /// The model is too large to be proven in one piece.
    #[error("the model needs 2^{log_cells} cells or lookups, 2^30 are supported: use a smaller model")]
    TooLarge {
        /// Log of the number of committed cells or of lookups, whichever is larger.
        log_cells: usize,
    },
    /// The model has more blocks and tiles of weights than one proof looks up.
    #[error(
        "the model has {have} blocks and tiles of weights, and a proof of weights is of at most {most}: compile it \
         again"
    )]
    Blocks {
        /// How many there are.
        have: usize,
        /// How many there may be.
        most: usize,
    },
    /// The batch is too large.
    #[error("a proof of 2^{log_len} inferences is not supported, 2^12 are: prove them in several batches")]
    Batch {
        /// Log of the number of inferences asked for.
        log_len: u32,
    },
    /// The architecture does not serialise.
    #[error("the architecture cannot be serialised: {0}")]
    Encoding(#[from] postcard::Error),
    /// The soundness error is too large.
    #[error("the configuration has {bits} bits of soundness, 100 are required: use fewer or smaller layers")]
    Soundness {
        /// Bits of soundness.
        bits: u32,
    },
}

/// An architecture, laid out in chunks of a given size, with its digest.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The public half of the model.
    pub architecture: Architecture,
    /// How many inferences a proof attests.
    pub batch: Batch,
    /// The same as columns, equations and lookups.
    pub system: System,
    /// Where every cell lives.
    pub layout: Layout,
    /// `keccak256("assay-shape-v2" ‖ postcard(architecture, c))`: the same for every batch. Of a proof of weights see
    /// [`Shape::of_weights`].
    pub model_digest: [u8; 32],
    /// The model digest for one inference, else its hash with the batch.
    pub digest: [u8; 32],
}

impl Shape {
    /// Validates and lays out an architecture, for one inference in a proof. Errors: [`ShapeError`].
    pub fn new(architecture: Architecture, log_chunk: u32) -> Result<Self, ShapeError> {
        Self::batched(architecture, log_chunk, Batch::ONE)
    }

    /// [`Self::new`] for several inferences in a proof.
    pub fn batched(architecture: Architecture, log_chunk: u32, batch: Batch) -> Result<Self, ShapeError> {
        if batch.log_len() > MAX_LOG_BATCH {
            return Err(ShapeError::Batch { log_len: batch.log_len() });
        }
        if !LOG_CHUNK_RANGE.contains(&log_chunk) {
            return Err(ShapeError::LogChunk { log_chunk });
        }
        architecture.validate()?;
        let system = System::new(&architecture);
        let mut hash = Keccak256::new_with_prefix(b"assay-shape-v2");
        hash.update(postcard::to_stdvec(&(&architecture, log_chunk))?);
        Self::laid_out(architecture, system, log_chunk, batch, hash.finalize().into())
    }

    /// The shape of the proof of weights ([`registration`]) of a model with this shape. Its model digest is
    /// `keccak256("assay-weights-v1" ‖ model digest)`, so a key says of which models it shows the weights. Errors:
    /// [`ShapeError`] if there are more weights than fit one proof.
    pub fn of_weights(&self) -> Result<Self, ShapeError> {
        // no circuit takes more, and a file of few bytes may say that there are millions
        let of = &self.architecture;
        let have = of.biases.len() + of.matrices.iter().map(WeightBlock::tiles).sum::<usize>();
        if have > MOST_VALUES {
            return Err(ShapeError::Blocks { have, most: MOST_VALUES });
        }
        let architecture = registration::architecture(of);
        let system = System::of_weights(&architecture);
        let mut hash = Keccak256::new_with_prefix(b"assay-weights-v1");
        hash.update(self.model_digest);
        Self::laid_out(architecture, system, self.layout.log_chunk, Batch::ONE, hash.finalize().into())
    }

    fn laid_out(
        architecture: Architecture,
        system: System,
        log_chunk: u32,
        batch: Batch,
        model_digest: [u8; 32],
    ) -> Result<Self, ShapeError> {
        // the layout's numbers are the machine's words, which in a browser have 32 bits
        let log_cells = log_least(&system, log_chunk, batch);
        if log_cells > MAX_LOG_CELLS {
            return Err(ShapeError::TooLarge { log_cells });
        }
        let layout = Layout::new(&system, log_chunk, batch);
        let log_cells = layout.variables().max(layout.log_leaves as usize).max(products(&system, batch).rounds());
        if log_cells > MAX_LOG_CELLS {
            return Err(ShapeError::TooLarge { log_cells });
        }
        let shape =
            Self { architecture, batch, system, layout, model_digest, digest: batch_digest(model_digest, batch) };
        match shape.soundness_bits() {
            bits if bits < 100 => Err(ShapeError::Soundness { bits }),
            _ => Ok(shape),
        }
    }

    /// `-log2` of the soundness error of one proof in the random-oracle and algebraic-group models, with the largest
    /// wrap that there is: [`crate::soundness`] has the sum. No more than BN254 itself offers, about 100.
    pub fn soundness_bits(&self) -> u32 {
        soundness::bits(&soundness::terms(self, Wrap::Universal { log_rows: MAX_LOG_ROWS }))
    }

    /// Number of output cells of all inferences.
    pub fn outputs(&self) -> usize {
        self.architecture.output_cells() << self.batch.log_len()
    }

    /// The digest as a field element.
    pub fn digest_scalar(&self) -> Fr {
        Fr::from_be_bytes_mod_order(&self.digest)
    }

    /// Commitment counts: weights, tables, input, witness.
    pub fn chunk_counts(&self) -> [usize; 4] {
        self.layout.regions().map(|r: Region| r.chunks)
    }
}

/// Log of the number of committed cells, or of leaves if there are more, without what is between regions: a layout has
/// no fewer.
fn log_least(system: &System, log_chunk: u32, batch: Batch) -> usize {
    let batched = |of: u64, batched: bool| of << if batched { batch.log_len() } else { 0 };
    let cells = |id: ColumnId| {
        let column = system.column(id);
        let apart = batch.is_separate() && column.owner == Owner::Buyer;
        let item = if apart { 1u64 << u32::from(column.log_size).max(log_chunk) } else { system.stored(id) as u64 };
        batched(item, column.is_batched())
    };
    let columns = (0..system.columns.len() as u32).map(ColumnId);
    let rows = system.counts().map(|column| 1u64 << system.column(column).log_size);
    let lookups = system.lookups.iter().map(|lookup| batched(1 << lookup.log_size, system.is_batched(lookup)));
    let most = columns.map(cells).sum::<u64>().max(rows.chain(lookups).sum());
    most.next_power_of_two().ilog2() as usize
}

/// `keccak256("assay-batch-v1" ‖ model digest ‖ batch word)`, for more than one inference.
fn batch_digest(model_digest: [u8; 32], batch: Batch) -> [u8; 32] {
    if batch == Batch::ONE {
        return model_digest;
    }
    let mut hash = Keccak256::new_with_prefix(b"assay-batch-v1");
    hash.update(model_digest);
    hash.update(batch.word());
    hash.finalize().into()
}
