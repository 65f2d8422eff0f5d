//! Powers of a challenge at listed cells, and the extension of that at a point: where cells lie one after the other,
//! `Σ_j x^j · eq(p, j) = Π_k (1 - p_k + x^(2^k) p_k)`.

#![allow(
    clippy::indexing_slicing,
    reason = "places follow from the shape, and lengths of proofs were checked against it"
)]

use super::eq::{eq_index, eq_table};
use crate::scalar::{Scalar, sum};
use std::collections::BTreeMap;

/// `x^i` at the `i`-th of the listed cells.
#[derive(Clone, Debug)]
pub struct Powers<S> {
    runs: Vec<Run<S>>,
    /// `x, x^2, x^4, …`, the last to the power of the longest run.
    squares: Vec<S>,
    next: S,
}

/// `2^log` cells from a multiple of `2^log` on.
#[derive(Clone, Debug)]
struct Run<S> {
    cell: usize,
    log: u32,
    first: S,
}

impl<S: Scalar> Powers<S> {
    /// From distinct cells, in order.
    pub fn new(cells: impl IntoIterator<Item = usize>, x: &S) -> Self {
        let places = aligned(cells);
        let longest = places.iter().map(|(_, log)| *log).max().unwrap_or_default();
        let squares: Vec<S> =
            std::iter::successors(Some(x.clone()), |x| Some(x.square())).take(1 + longest as usize).collect();
        let mut next = S::one();
        let runs = places.into_iter().map(|(cell, log)| {
            let first = next.clone();
            next = first.clone() * &squares[log as usize];
            Run { cell, log, first }
        });
        Self { runs: runs.collect(), squares, next }
    }

    /// The power that would be next.
    pub fn next(&self) -> &S {
        &self.next
    }

    /// The sum of all.
    pub fn total(&self) -> S {
        let factors = self.products(|square| square.clone() + S::one());
        sum(self.runs.iter().map(|run| run.first.clone() * &factors[run.log as usize]).collect())
    }

    /// The extension at a point of the cells' coordinates.
    pub fn evaluate(&self, point: &[S]) -> S {
        let mut coordinates = point.iter();
        let within = self
            .products(|square| coordinates.next().map_or_else(S::one, |p| (square.clone() - S::one()) * p + S::one()));
        let mut by_log: BTreeMap<u32, Vec<&Run<S>>> = BTreeMap::new();
        self.runs.iter().for_each(|run| by_log.entry(run.log).or_default().push(run));
        let mut terms = Vec::new();
        for (log, runs) in by_log {
            let high = point.get(log as usize..).unwrap_or_default();
            let few = runs.len() * high.len() < 1 << high.len();
            let table = if few { Vec::new() } else { eq_table(high) };
            let place =
                |run: &Run<S>| table.get(run.cell >> log).cloned().unwrap_or_else(|| eq_index(high, run.cell >> log));
            let firsts = sum(runs.iter().map(|run| place(run) * &run.first).collect());
            terms.push(firsts * &within[log as usize]);
        }
        sum(terms)
    }

    /// The products of the first factors: none, one, and so on.
    fn products(&self, mut factor: impl FnMut(&S) -> S) -> Vec<S> {
        let mut products = vec![S::one()];
        for square in &self.squares[..self.squares.len() - 1] {
            products.push(products[products.len() - 1].clone() * factor(square));
        }
        products
    }

    /// Each cell with its value.
    pub fn cells(&self) -> impl Iterator<Item = (usize, S)> + '_ {
        let powers = |run: &Run<S>| {
            std::iter::successors(Some(run.first.clone()), |power| Some(power.clone() * &self.squares[0]))
        };
        self.runs.iter().flat_map(move |run| (run.cell..run.cell + (1 << run.log)).zip(powers(run)))
    }
}

/// How many runs listed cells make, which is how many terms their powers have.
pub fn count(cells: impl IntoIterator<Item = usize>) -> usize {
    aligned(cells).len()
}

/// The largest aligned runs, as first cells and logs.
fn aligned(cells: impl IntoIterator<Item = usize>) -> Vec<(usize, u32)> {
    let mut stretches: Vec<(usize, usize)> = Vec::new();
    for cell in cells {
        match stretches.last_mut() {
            Some((_, end)) if *end == cell => *end += 1,
            _ => stretches.push((cell, cell + 1)),
        }
    }
    let mut runs = Vec::new();
    for (mut start, end) in stretches {
        while start < end {
            let log = (end - start).ilog2().min(start.trailing_zeros());
            runs.push((start, log));
            start += 1 << log;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fr;
    use ark_ff::{AdditiveGroup, Field};

    #[test]
    fn runs_are_the_powers_at_their_cells() {
        let x = Fr::from(12345u64);
        let p: Vec<Fr> = (0..6).map(|i| Fr::from(99 + 7 * i)).collect();
        let image: Vec<usize> = (0..7).flat_map(|row| 8 * row..8 * row + 7).collect();
        let scattered: Vec<usize> = (0..20).map(|i| (i * 37 + 5) % 64).collect();
        for cells in
            [(0..64).collect(), (0..10).collect(), image, scattered, vec![63], vec![0], Vec::new(), vec![5, 6, 4, 3, 2]]
        {
            let powers = Powers::new(cells.iter().copied(), &x);
            let values: Vec<(usize, Fr)> =
                cells.iter().enumerate().map(|(i, cell)| (*cell, Field::pow(&x, [i as u64]))).collect();
            assert_eq!(powers.cells().collect::<Vec<_>>(), values, "{cells:?}");
            assert_eq!(*powers.next(), Field::pow(&x, [cells.len() as u64]));
            assert_eq!(powers.total(), values.iter().map(|(_, value)| value).sum::<Fr>());
            let e = eq_table(&p);
            assert_eq!(
                powers.evaluate(&p),
                values.iter().map(|(cell, value)| e[*cell] * value).fold(Fr::ZERO, |a, b| a + b),
                "{cells:?}"
            );
        }
    }
}
