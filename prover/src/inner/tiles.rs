//! Sums over the rows of a block of weights of which only some tiles are stored ([`WeightBlock`]), from sums over the
//! tiles' own rows.
//!
//! The bits of a cell's number are those of a row's cells, low ones, and those that number the rows. Each cut is of
//! bits of one kind.

use ark_ff::AdditiveGroup;
use assay_circuits::Fr;
use assay_circuits::model::WeightBlock;

/// The numbers, among those of `bits` bits from `start` on, of a tile's cells: in the order in which they are stored.
fn numbers(block: &WeightBlock, tile: usize, start: u32, bits: u32) -> Vec<usize> {
    let cuts = block.numbers(tile).zip(&block.cuts).filter(|(_, cut)| (start..start + bits).contains(&cut.bit.into()));
    let first: usize = cuts.map(|(number, cut)| number << (u32::from(cut.bit) - start)).sum();
    let free = (0..bits).filter(|bit| !block.is_cut(start + bit));
    free.fold(vec![first], |numbers, bit| {
        numbers.iter().copied().chain(numbers.iter().map(|number| number | 1 << bit)).collect()
    })
}

/// `out[j] = Σ_r factors[r] · block[r · width + j]` over all `width` cells of a row. `of_tile` gives the same of a
/// tile's rows, by its number, the factors of its rows and its number of cells in a row.
pub fn fold_rows(block: &WeightBlock, factors: &[Fr], of_tile: impl Fn(usize, &[Fr], usize) -> Vec<Fr>) -> Vec<Fr> {
    let rows = factors.len().ilog2();
    let width = u32::from(block.log_size) - rows;
    let mut out = vec![Fr::ZERO; 1 << width];
    for tile in 0..block.tiles() {
        let factors: Vec<Fr> = numbers(block, tile, width, rows).into_iter().map(|row| factors[row]).collect();
        let places = numbers(block, tile, 0, width);
        let part = of_tile(tile, &factors, places.len());
        places.into_iter().zip(part).for_each(|(place, sum)| out[place] += sum);
    }
    out
}

/// `out[r] = Σ_j factors[j] · block[r · factors.len() + j]` for all rows. `of_tile` gives the same of a tile's rows, by
/// its number, the factors of its cells in a row and its number of rows.
pub fn dot_rows(block: &WeightBlock, factors: &[Fr], of_tile: impl Fn(usize, &[Fr], usize) -> Vec<Fr>) -> Vec<Fr> {
    let width = factors.len().ilog2();
    let rows = u32::from(block.log_size) - width;
    let mut out = vec![Fr::ZERO; 1 << rows];
    for tile in 0..block.tiles() {
        let factors: Vec<Fr> = numbers(block, tile, 0, width).into_iter().map(|place| factors[place]).collect();
        let places = numbers(block, tile, width, rows);
        let part = of_tile(tile, &factors, places.len());
        places.into_iter().zip(part).for_each(|(row, sum)| out[row] += sum);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::small::{Values, reference};
    use super::*;
    use assay_circuits::model::Cut;

    /// Sums over tiles are those over the whole block.
    #[test]
    fn tiles_add_up_to_the_block() {
        let cut = |bit, bits, len| Cut { bit, bits, len };
        for cuts in [
            vec![],
            vec![cut(2, 2, 3)],
            vec![cut(6, 2, 3)],
            vec![cut(0, 1, 1), cut(2, 2, 3), cut(4, 3, 5)],
            vec![cut(0, 2, 3), cut(5, 3, 7)],
        ] {
            let block = WeightBlock { log_size: 8, cuts };
            assert!(block.is_valid());
            let stored: Vec<i32> = (0..block.stored() as i32).map(|i| 3 * i - 100).collect();
            let cells = block.unpack(&stored);
            let tile = |tile: usize| &stored[tile << block.log_tile()..][..1 << block.log_tile()];
            let factors: Vec<Fr> = (0..16).map(|i| Fr::from(100 + 7 * i)).collect();
            let folded =
                fold_rows(&block, &factors, |at, factors, width| reference::fold_rows(tile(at), factors, width));
            assert_eq!(folded, reference::fold_rows(&cells, &factors, 16), "{block:?}");
            let dots = |cells: &[i32], factors: &[Fr], rows: usize| {
                let mut out = vec![Fr::ZERO; rows];
                Values::new(factors).dot_rows(cells, &mut out);
                out
            };
            assert_eq!(
                dot_rows(&block, &factors, |at, factors, rows| dots(tile(at), factors, rows)),
                dots(&cells, &factors, 16),
                "{block:?}"
            );
        }
    }
}
