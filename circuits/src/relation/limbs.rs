//! Numbers that are too wide for one table: sums of limbs, each looked up in a range.

use crate::system::{Builder, ColumnId, Owner};

/// How a non-negative number is cut: `n = Σ_j 2^(bits·j) · limb_j`, each limb in `[0, 2^bits)`, lowest first.
///
/// *One solution*: a number below `2^(bits·count)` has one such sum, and no other number of the field has any, since
/// `bits · count <= 62`.
#[derive(Clone, Copy)]
pub(super) struct Limbs {
    /// Bits of a limb.
    pub bits: u8,
    /// How many.
    pub count: u8,
}

impl Limbs {
    /// How many limbs of `bits` bits hold every number up to `most`. `None` if that takes more than 62 bits.
    pub fn needed(bits: u8, most: u128) -> Option<u8> {
        let count = (128 - most.leading_zeros()).div_ceil(u32::from(bits.max(1))).max(1);
        (count * u32::from(bits) <= super::requantise::MAX_LIMB_BITS).then_some(count as u8)
    }

    /// Adds the columns with their lookups.
    pub fn columns(self, log_size: u8, system: &mut Builder) -> Vec<ColumnId> {
        (0..self.count).map(|_| system.ranged(log_size, Owner::Prover, self.bits)).collect()
    }

    /// `sign · n` as summands over cells of the columns' own size.
    pub fn sum(self, columns: &[ColumnId], sign: i128) -> Vec<(i128, ColumnId)> {
        columns.iter().enumerate().map(|(j, column)| (sign << (usize::from(self.bits) * j), *column)).collect()
    }

    /// The limbs of numbers that fit.
    pub fn cut(self, numbers: &[u64]) -> Vec<Vec<i32>> {
        let mask = (1u64 << self.bits) - 1;
        let limb =
            |j: u8| numbers.iter().map(|n| ((n >> (u32::from(self.bits) * u32::from(j))) & mask) as i32).collect();
        (0..self.count).map(limb).collect()
    }
}
