//! Ceremonies: several people, one after the other, multiply secrets by factors that each of them forgets, so that
//! nobody knows a product as long as one of them was honest (BGM17: Bowe, Gabizon, Miers, "Scalable Multi-party
//! Computation for zk-SNARK Parameters in the Random Beacon Model", ePrint 2017/1050).
//!
//! [`powers`] is the first phase, powers of tau, in the files of snarkjs (`.ptau`), which verifies what is made here as
//! this verifies what is made there. [`circuit`] is the second phase, the `δ` of a shape's Groth16 key.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod beacon;
#[allow(clippy::indexing_slicing, reason = "places in blocks of 128 bytes")]
mod blake2b;
pub mod circuit;
pub mod codec;
pub mod contribution;
pub mod files;
pub mod knowledge;
pub mod known;
pub mod powers;
mod stream;

use crate::package::FileError;
use crate::srs::SrsError;
use assay_circuits::scalar::VerifyError;

pub use beacon::Beacon;
pub use contribution::Contribution;
pub use powers::Ceremony;

/// Why a ceremony, or a contribution to it, is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// The file, or the powers in it.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// No transcript, or one that says nothing.
    #[error("the file has no contributions: whoever made it knows its tau, so it must not be used")]
    NoContributions,
    /// The transcript cannot be read.
    #[error("contribution {number} is malformed")]
    Malformed {
        /// Its number, from 1.
        number: usize,
    },
    /// A contribution is wrong.
    #[error("contribution {number} ({name}): {fault}")]
    Contribution {
        /// Its number, from 1.
        number: usize,
        /// What its maker calls himself.
        name: String,
        /// What is wrong.
        fault: Fault,
    },
    /// The last contribution made other powers than those in the file.
    #[error("the powers in the file are not those that the last contribution made")]
    LastPowers,
    /// The hash that the next contribution would begin with is not that of the file.
    #[error("the hash of the last contribution is not that of the file's points")]
    LastHash,
    /// The file holds fewer powers than the ceremony had.
    #[error("the file holds 2^{power} of the ceremony's 2^{ceremony} powers: only whole files can be contributed to")]
    Reduced {
        /// Log of the powers in the file.
        power: u32,
        /// Log of the ceremony's powers.
        ceremony: u32,
    },
    /// More powers than are handled here.
    #[error("2^{power} powers are more than this command handles; it takes at most 2^{most}")]
    TooLarge {
        /// Log of the powers.
        power: u32,
        /// Log of the most.
        most: u32,
    },
    /// After a beacon there is nothing to add.
    #[error("the ceremony ended with its beacon: nothing can be added")]
    Ended,
    /// The beacon is none.
    #[error("a beacon has 1 to 255 bytes and is hashed 2^10 to 2^26 times")]
    BeaconForm,
    /// The beacon is not the one that was announced.
    #[error("the last contribution is not that of the beacon that was announced")]
    OtherBeacon,
    /// A file of the second phase.
    #[error(transparent)]
    File(#[from] FileError),
    /// The shape has no circuit.
    #[error(transparent)]
    Shape(#[from] VerifyError),
    /// A file is of another shape, batch or SRS.
    #[error("the file is of another model's shape, of another batch or over another SRS")]
    OtherCircuit,
    /// The powers are not those that the model is committed with.
    #[error("the model is over another SRS than the one of these powers of tau")]
    OtherPowers,
    /// The circuit is none that has a key.
    #[error("the circuit has more constraints than the field's largest subgroup has elements")]
    Circuit,
    /// A circuit takes more powers than the first phase has.
    #[error("the circuit's key takes 2^{need} powers of tau, the ceremony's file has 2^{have}: use a larger one")]
    TooFewPowers {
        /// Log of the powers there are.
        have: u32,
        /// Log of the powers needed.
        need: u32,
    },
    /// A key that is not the circuit's.
    #[error("{0} of the key is not what the circuit, the powers of tau and the transcript give: do not use this key")]
    Key(&'static str),
    /// A name that a file cannot hold.
    #[error("a contributor's name has at most 64 bytes")]
    Name,
}

/// What is wrong with a contribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The proof of knowledge does not hold.
    #[error("the proof that its maker knew the factor of {0} does not hold")]
    Knowledge(&'static str),
    /// A factor of 1.
    #[error("its factor of {0} is 1, so it adds nothing")]
    One(&'static str),
    /// It does not build on the one before.
    #[error("its {0} is not the one before it times its factor")]
    Follows(&'static str),
    /// The beacon's factors are others.
    #[error("it is not what its beacon gives")]
    Beacon,
    /// A beacon that is not the last.
    #[error("it comes after a beacon, which ends a ceremony")]
    AfterBeacon,
}
