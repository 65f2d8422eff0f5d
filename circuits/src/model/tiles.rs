//! Blocks of secret weights, stored without most of the cells that only pad them.
//!
//! An axis of a block is padded to a power of two, so a matrix of 50,257 rows and 768 columns has 65,536 rows of 1,024
//! cells. A [`Cut`] says that the number which some bits of a cell's number make is below a length; cells where it is
//! not are 0, and are neither stored nor committed. The other bits number the cells of a *tile*. What is stored are the
//! tiles, one after the other, those of the lowest cut next to each other. Cells of tiles that are there may still be
//! padding.
//!
//! A cell's place among the stored ones is a sum of what each bit of its number adds, whether it is one of a cut or
//! not: so runs add to it one by one, as they add to the number of a cell of a whole block.

use super::{Index, MAX_LOG_BLOCK, Run};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most tiles of a block: verifiers take a few steps for each.
pub const MAX_TILES: usize = 1 << 10;

/// Consecutive bits of the cells' numbers, and how many of the numbers that they make have cells that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cut {
    /// The lowest bit.
    pub bit: u8,
    /// How many bits, at least 1.
    pub bits: u8,
    /// The numbers below it have cells: at least 1, and fewer than the bits can make.
    pub len: u32,
}

/// A block of secret weights, as far as it is public.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WeightBlock {
    /// Log of the number of its cells, those that are not stored included.
    pub log_size: u8,
    /// The lowest first, apart from each other.
    pub cuts: Vec<Cut>,
}

impl From<u8> for WeightBlock {
    /// A block whose cells are all stored.
    fn from(log_size: u8) -> Self {
        Self { log_size, cuts: Vec::new() }
    }
}

impl WeightBlock {
    /// Whether the cuts are within the block, apart from each other, in order, and leave no more than [`MAX_TILES`].
    pub fn is_valid(&self) -> bool {
        let mut from = 0;
        let apart = self.cuts.iter().all(|cut| {
            let end = u32::from(cut.bit) + u32::from(cut.bits);
            let fits = u32::from(cut.bit) >= from && cut.bits > 0 && end <= u32::from(self.log_size.min(MAX_LOG_BLOCK));
            from = end;
            fits && (1..1 << cut.bits).contains(&cut.len)
        });
        let tiles = self.cuts.iter().try_fold(1usize, |tiles, cut| tiles.checked_mul(cut.len as usize));
        apart && tiles.is_some_and(|tiles| tiles <= MAX_TILES)
    }

    /// Number of tiles, 1 without cuts.
    pub fn tiles(&self) -> usize {
        self.cuts.iter().map(|cut| cut.len as usize).product()
    }

    /// Log of the number of cells of a tile.
    pub fn log_tile(&self) -> u32 {
        u32::from(self.log_size) - self.cuts.iter().map(|cut| u32::from(cut.bits)).sum::<u32>()
    }

    /// Number of cells that are stored.
    pub fn stored(&self) -> usize {
        self.tiles() << self.log_tile()
    }

    /// What a bit of a cell's number adds to its place among the stored cells.
    pub fn unit(&self, bit: u32) -> usize {
        let mut tiles = 1usize;
        let mut below = 0;
        for cut in &self.cuts {
            let (first, after) = (u32::from(cut.bit), u32::from(cut.bit) + u32::from(cut.bits));
            if (first..after).contains(&bit) {
                return tiles << (self.log_tile() + bit - first);
            }
            below += if after <= bit { u32::from(cut.bits) } else { 0 };
            tiles *= cut.len as usize;
        }
        1 << (bit - below)
    }

    /// What a number of the bits from `start` on adds to a cell's place among the stored cells. `None` if such cells
    /// are not stored.
    pub fn place(&self, start: u32, number: usize) -> Option<usize> {
        if self.cuts.is_empty() {
            return Some(number << start);
        }
        let cell = number << start;
        let stored = self.cuts.iter().all(|cut| cut.number(cell) < cut.len as usize);
        let bits = (0..usize::BITS - number.leading_zeros()).filter(|bit| number >> bit & 1 == 1);
        stored.then(|| bits.map(|bit| self.unit(start + bit)).sum())
    }

    /// Whether the lowest bits number cells that are stored next to each other.
    pub fn is_plain(&self, bits: u32) -> bool {
        self.cuts.first().is_none_or(|cut| u32::from(cut.bit) >= bits)
    }

    /// Whether each cut is of bits below `bit`, or of bits from there on.
    pub fn is_apart_at(&self, bit: u32) -> bool {
        self.cuts.iter().all(|cut| u32::from(cut.bit) >= bit || u32::from(cut.bit) + u32::from(cut.bits) <= bit)
    }

    /// Whether the block can be read through these runs: each cut is of bits of one of them, which follows an axis, and
    /// not the one of which only some places count (so that it is a map to the proof system). So what a tile is
    /// weighted with is a product over runs.
    pub fn goes_with(&self, runs: &[Run], partial: Option<u8>) -> bool {
        let mut start = 0;
        runs.iter().all(|run| {
            let first = start;
            start += u32::from(run.log_len);
            let is_cut = self.cuts_within(first, run.log_len.into()).next().is_some();
            self.is_apart_at(first) && (!is_cut || matches!(run.index, Index::Axis(axis) if Some(axis) != partial))
        })
    }

    /// Whether a bit is one of a cut.
    pub fn is_cut(&self, bit: u32) -> bool {
        self.cuts.iter().any(|cut| cut.has(bit))
    }

    /// The cuts among `len` bits from `start` on.
    pub fn cuts_within(&self, start: u32, len: u32) -> impl Iterator<Item = &Cut> {
        self.cuts.iter().filter(move |cut| (start..start + len).contains(&cut.bit.into()))
    }

    /// The numbers of the stored cells, in their order.
    pub fn cells(&self) -> impl Iterator<Item = usize> + '_ {
        let log = self.log_tile();
        let free: Vec<u32> = (0..u32::from(self.log_size)).filter(|bit| !self.is_cut(*bit)).collect();
        let stretch = free.iter().zip(0..).take_while(|(bit, at)| **bit == *at).count() as u32;
        let spread =
            move |place: usize| free.iter().enumerate().map(|(at, bit)| (place >> at & 1) << bit).sum::<usize>();
        (0..self.tiles()).flat_map(move |tile| {
            let first = self.first_cell(tile);
            let spread = spread.clone();
            (0..1usize << (log - stretch)).flat_map(move |part| {
                let from = first | spread(part << stretch);
                from..from + (1 << stretch)
            })
        })
    }

    /// The lowest number of a tile's cells.
    fn first_cell(&self, tile: usize) -> usize {
        self.numbers(tile).zip(&self.cuts).map(|(number, cut)| number << cut.bit).sum()
    }

    /// The numbers that a tile has in the bits of the cuts, cut by cut.
    pub fn numbers(&self, tile: usize) -> impl Iterator<Item = usize> + '_ {
        self.cuts.iter().scan(tile, |rest, cut| {
            let number = *rest % cut.len as usize;
            *rest /= cut.len as usize;
            Some(number)
        })
    }

    /// The stored cells of a block that is written out.
    pub fn pack<T: Copy>(&self, cells: Vec<T>) -> Vec<T> {
        if self.cuts.is_empty() {
            return cells;
        }
        self.cells().filter_map(|cell| cells.get(cell).copied()).collect()
    }

    /// All cells, from those that are stored.
    pub fn unpack<T: Copy + Default>(&self, stored: &[T]) -> Vec<T> {
        let mut cells = vec![T::default(); 1 << self.log_size];
        for (cell, value) in self.cells().zip(stored) {
            if let Some(cell) = cells.get_mut(cell) {
                *cell = *value;
            }
        }
        cells
    }
}

impl Cut {
    fn has(&self, bit: u32) -> bool {
        (u32::from(self.bit)..u32::from(self.bit) + u32::from(self.bits)).contains(&bit)
    }

    /// The number that its bits have in a cell's number.
    fn number(&self, cell: usize) -> usize {
        cell >> self.bit & ((1 << self.bits) - 1)
    }
}

/// Added to the first byte of a block that has cuts. Blocks without cuts are one byte, as they were before there were
/// cuts, so that digests of models that have none stay what they were.
const WITH_CUTS: u8 = 64;

impl Serialize for WeightBlock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.cuts.is_empty() {
            return serializer.serialize_u8(self.log_size);
        }
        let mut parts = serializer.serialize_tuple(2)?;
        parts.serialize_element(&self.log_size.saturating_add(WITH_CUTS))?;
        parts.serialize_element(&self.cuts)?;
        parts.end()
    }
}

impl<'de> Deserialize<'de> for WeightBlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> Visitor<'de> for Parts {
            type Value = WeightBlock;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the log of a block's size, and its cuts if there are any")
            }

            fn visit_u64<E: serde::de::Error>(self, log_size: u64) -> Result<WeightBlock, E> {
                let invalid = || E::invalid_value(serde::de::Unexpected::Unsigned(log_size), &self);
                u8::try_from(log_size).map(WeightBlock::from).map_err(|_| invalid())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<WeightBlock, A::Error> {
                let first: u8 = parts.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let Some(log_size) = first.checked_sub(WITH_CUTS) else { return Ok(first.into()) };
                let cuts: Vec<Cut> = parts.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
                // one encoding for each block
                if cuts.is_empty() {
                    return Err(A::Error::custom("a block without cuts is one byte"));
                }
                Ok(WeightBlock { log_size, cuts })
            }
        }

        // text says by itself whether a number or a list follows
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Parts)
        } else {
            deserializer.deserialize_tuple(2, Parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(log_size: u8, cuts: &[(u8, u8, u32)]) -> WeightBlock {
        let cuts = cuts.iter().map(|&(bit, bits, len)| Cut { bit, bits, len });
        WeightBlock { log_size, cuts: cuts.collect() }
    }

    fn some() -> Vec<WeightBlock> {
        vec![
            6.into(),
            block(6, &[(4, 2, 3)]),
            block(6, &[(0, 2, 3)]),
            block(9, &[(1, 2, 3), (5, 3, 5)]),
            block(8, &[(0, 2, 3), (2, 2, 3)]),
            block(4, &[(0, 4, 9)]),
        ]
    }

    /// A cell's place is the sum of what its runs add, wherever the runs are cut.
    #[test]
    fn places_add_up() {
        for block in some() {
            assert!(block.is_valid());
            let cells: Vec<usize> = block.cells().collect();
            assert_eq!(cells.len(), block.stored(), "{block:?}");
            for cut in (0..=u32::from(block.log_size)).filter(|bit| block.is_apart_at(*bit)) {
                let mut seen = 0;
                for cell in 0..1usize << block.log_size {
                    let (low, high) = (block.place(0, cell & ((1 << cut) - 1)), block.place(cut, cell >> cut));
                    let place = low.zip(high).map(|(low, high)| low + high);
                    seen += usize::from(place.is_some());
                    assert_eq!(
                        place,
                        cells.iter().position(|have| *have == cell),
                        "{block:?}, cell {cell}, cut at {cut}"
                    );
                }
                assert_eq!(seen, block.stored());
            }
        }
    }

    #[test]
    fn packing_keeps_what_is_stored() {
        for block in some() {
            let cells: Vec<i16> = (0..1i16 << block.log_size).collect();
            let stored = block.pack(cells.clone());
            assert_eq!(stored.len(), block.stored());
            let again = block.unpack(&stored);
            for (cell, value) in cells.iter().enumerate() {
                assert_eq!(again[cell], if block.place(0, cell).is_some() { *value } else { 0 });
            }
        }
    }

    #[test]
    fn cuts_that_make_no_sense_are_not_valid() {
        for cuts in [
            &[(4, 3, 3)][..],
            &[(0, 2, 4)],
            &[(0, 2, 0)],
            &[(0, 0, 1)],
            &[(0, 2, 3), (1, 2, 3)],
            &[(3, 1, 1), (0, 1, 1)],
        ] {
            assert!(!block(6, cuts).is_valid(), "{cuts:?}");
        }
        assert!(!block(20, &[(0, 6, 33), (6, 6, 33)]).is_valid(), "too many tiles");
    }

    /// Digests of models without cuts are those of before: a block is its log, one byte.
    #[test]
    fn a_block_has_one_encoding() {
        assert_eq!(postcard::to_stdvec(&WeightBlock::from(17)).unwrap(), [17]);
        assert_eq!(postcard::to_stdvec(&block(9, &[(1, 2, 3), (5, 3, 5)])).unwrap(), [73, 2, 1, 2, 3, 5, 3, 5]);
        for block in some() {
            assert_eq!(postcard::from_bytes::<WeightBlock>(&postcard::to_stdvec(&block).unwrap()).unwrap(), block);
        }
        assert!(postcard::from_bytes::<WeightBlock>(&[73, 0]).is_err());
        assert!(postcard::from_bytes::<WeightBlock>(&[73]).is_err());
    }
}
