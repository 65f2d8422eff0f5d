//! A public random beacon, whose contribution is the last one: everybody computes it, and nobody could know it when the
//! others were made (BGM17, section 4).

use super::CeremonyError;
use super::stream::Stream;
use sha2::{Digest, Sha256};

/// Logs of how often a beacon is hashed. The ceremony tools take more, with which a file of a few bytes would keep its
/// reader busy for days.
pub const LOG_ITERATIONS: std::ops::RangeInclusive<u32> = 10..=26;

/// A beacon's value, such as the hash of a block, and how often it is hashed: a delay, for the case that somebody can
/// influence it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// 1 to 255 bytes.
    pub value: Vec<u8>,
    /// Log of the number of hashes.
    pub log_iterations: u32,
}

impl Beacon {
    /// Errors: [`CeremonyError::BeaconForm`].
    pub fn new(value: Vec<u8>, log_iterations: u32) -> Result<Self, CeremonyError> {
        let good = (1..256).contains(&value.len()) && LOG_ITERATIONS.contains(&log_iterations);
        if good { Ok(Self { value, log_iterations }) } else { Err(CeremonyError::BeaconForm) }
    }

    /// Where its secrets come from.
    pub fn stream(&self) -> Stream {
        let mut hash: [u8; 32] = Sha256::digest(&self.value).into();
        for _ in 1..1u64 << self.log_iterations {
            hash = Sha256::digest(hash).into();
        }
        Stream::new(hash)
    }
}
