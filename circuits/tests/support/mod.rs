//! The semantics once more, as slowly and plainly as docs/semantics.md has them, for comparison.

use assay_circuits::model::{Index, Run};

/// A block read through runs: every place on the axes is tried with every cell.
pub struct Naive<'a> {
    pub cells: &'a [i64],
    pub runs: &'a [Run],
}

impl Naive<'_> {
    /// The value at places of the axes: the sum over all cells that the runs name, each times the runs' factors.
    pub fn value(&self, places: &[u32]) -> i128 {
        let mut sum = 0;
        'cells: for (cell, value) in self.cells.iter().enumerate() {
            let (mut rest, mut factor) = (cell, 1i128);
            for run in self.runs {
                let number = (rest & ((1 << run.log_len) - 1)) as u32;
                rest >>= run.log_len;
                factor *= match &run.index {
                    Index::Axis(axis) => i128::from(places[*axis as usize] == number),
                    Index::Map { axis, entries } => {
                        let place = axis.map_or(0, |axis| places[axis as usize]);
                        let hit = entries.iter().find(|e| e.to == place && e.from == number);
                        hit.map_or(0, |e| e.coefficient.into())
                    }
                    Index::Window { out, kernel, window } => {
                        let (o, k) = (places[*out as usize], places[*kernel as usize]);
                        let at = i64::from(o) * i64::from(window.stride) + i64::from(k) * i64::from(window.dilation)
                            - i64::from(window.padding);
                        let inside = o < window.outputs && k < window.kernel && number < window.inputs;
                        i128::from(inside && at == i64::from(number))
                    }
                };
                if factor == 0 {
                    continue 'cells;
                }
            }
            sum += factor * i128::from(*value);
        }
        sum
    }
}

/// Places on axes of these logs, the first varying fastest.
pub fn places(axes: &[u8], number: usize) -> Vec<u32> {
    let mut rest = number;
    axes.iter()
        .map(|log| {
            let place = rest & ((1 << log) - 1);
            rest >>= log;
            place as u32
        })
        .collect()
}

/// `Σ_k left · right` at one cell of a layer.
pub fn summand(axes: &[u8], summed: usize, cell: usize, left: &Naive<'_>, right: Option<&Naive<'_>>) -> i128 {
    let outputs = axes.len() - summed;
    let fixed = places(&axes[..outputs], cell);
    let count: u32 = axes[outputs..].iter().map(|log| u32::from(*log)).sum();
    (0..1usize << count)
        .map(|k| {
            let all = [fixed.clone(), places(&axes[outputs..], k)].concat();
            left.value(&all) * right.map_or(1, |right| right.value(&all))
        })
        .sum()
}
