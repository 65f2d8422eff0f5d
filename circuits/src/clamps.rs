//! How many clamps an execution made, which a proof states.
//!
//! A saturating table has *rails*, rows `(max, f(max), v)` and `(min, f(min), -v)`: a lookup finds one with `v ≠ 0`
//! exactly where a cell was clamped ([`crate::relation::requantise`]). Some rails do not *count*: where `f` is flat at
//! a rail, as ReLU is below 0, and no layer with that table has its `q` read, a clamp changes nothing that anybody
//! reads.
//!
//! * *Equation*: `N = Σ m_r` over the rows `r` of rails that count with `v ≠ 0`, `m_r` the multiplicity of the row: one
//!   more claim that is linear in committed columns, so it costs no sumcheck and no commitment.
//! * *One solution*: the rows in question are different from all others of all tables, so the lookup argument leaves
//!   `m_r` no choice: it is the number of lookups that find the row, since there are fewer lookups than the field has
//!   elements.
//! * *Bounds*: `N` is at most the number of lookups, which is below `2^32` ([`crate::shape`] limits cells).
//!
//! `N` counts limbs: a cell that was clamped by more than one limb holds counts once for each limb that is not 0. `N =
//! 0` says that no cell of any inference in the proof was clamped in a way that matters. Inferences that only fill up a
//! batch count too.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::exec::Trace;
use crate::model::{Architecture, Layer, Source, Table};
use crate::system::System;

/// Which rails of a table count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rails {
    /// The lower one.
    pub low: bool,
    /// The upper one.
    pub high: bool,
}

impl Rails {
    /// Those at which a table's function is not flat.
    pub fn of_function(table: &Table) -> Self {
        let flat = |q: i32, next: i32| !table.is_identity() && table.apply(q) == table.apply(next);
        Self { low: !flat(table.min(), table.min() + 1), high: !flat(table.max(), table.max() - 1) }
    }

    /// Whether any counts.
    pub fn any(self) -> bool {
        self.low || self.high
    }

    /// Whether a limb counts.
    pub fn count(self, limb: i32) -> bool {
        (limb > 0 && self.high) || (limb < 0 && self.low)
    }
}

/// The rails that count, by table. All of a table's do where some layer with it has its `q` read.
pub(crate) fn rails(architecture: &Architecture) -> Vec<Rails> {
    let none = Rails { low: false, high: false };
    let functions =
        architecture.tables.iter().map(|table| if table.is_saturating() { Rails::of_function(table) } else { none });
    let mut rails: Vec<Rails> = functions.collect();
    let layers = architecture.layers.iter();
    let read = layers.flat_map(Layer::sources).chain(architecture.outputs.iter().map(|output| output.source));
    for source in read {
        let Source::Pre(layer) = source else { continue };
        let table = architecture.layers.get(layer as usize).and_then(|layer| layer.rule.table()).map(|t| t as usize);
        let saturating = |t: &usize| architecture.tables.get(*t).is_some_and(Table::is_saturating);
        if let Some(rails) = table.filter(saturating).and_then(|t| rails.get_mut(t)) {
            *rails = Rails { low: true, high: true };
        }
    }
    rails
}

impl Trace {
    /// `N`.
    pub fn clamps(&self, architecture: &Architecture, system: &System) -> u32 {
        let of_layer = |index: usize, rails: Rails| -> u32 {
            let columns = system
                .limbs(index)
                .into_iter()
                .map(|limb| self.column(limb).iter().filter(|v| rails.count(**v)).count() as u32);
            columns.sum()
        };
        counted(architecture, system).map(|(index, rails)| of_layer(index, rails)).sum()
    }

    /// Layers in which cells were clamped in a way that counts, with the number of cells. Empty exactly where
    /// [`Self::clamps`] is 0.
    pub fn clamped(&self, architecture: &Architecture, system: &System) -> Vec<(usize, usize)> {
        let of_layer = |(index, rails): (usize, Rails)| {
            let limbs: Vec<&[i32]> = system.limbs(index).into_iter().map(|limb| self.column(limb)).collect();
            let cells = limbs.first().map_or(0, |column| column.len());
            let clamped = |cell: &usize| limbs.iter().any(|limb| limb.get(*cell).is_some_and(|v| rails.count(*v)));
            let count = (0..cells).filter(clamped).count();
            (count > 0).then_some((index, count))
        };
        counted(architecture, system).filter_map(of_layer).collect()
    }
}

/// Layers with a table that has rails that count, and those.
fn counted(architecture: &Architecture, system: &System) -> impl Iterator<Item = (usize, Rails)> {
    let rails = |layer: &Layer| {
        layer.rule.table().and_then(|t| system.rails.get(t as usize)).copied().filter(|rails| rails.any())
    };
    architecture.layers.iter().enumerate().filter_map(move |(index, layer)| Some((index, rails(layer)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::execute;
    use crate::model::{Domain, Function, Rule};
    use crate::sample::builder::NetworkBuilder;

    /// `x · 2^factor` through a table of 8 bits, from inputs of 8 bits; the second layer doubles and reads `q` or
    /// `f(q)`.
    fn network(function: Function, read_q: bool) -> (Architecture, crate::model::Weights) {
        let (mut b, x) = NetworkBuilder::new(&[4], 8, 4, 8);
        let table = b.table(8, Domain::Signed, function);
        let identity = b.table(8, Domain::Signed, Function::Identity);
        let first = b.dense(&x, 4, || 2);
        let mut h = b.requantise(&[4], vec![first], 0, table);
        if read_q {
            h.source = Source::Pre(0);
        }
        let second = b.dense(&h, 1, || 1);
        let y = b.requantise(&[1], vec![second], 0, identity);
        b.finish(&y, 4).expect("a valid network")
    }

    fn clamps(function: Function, read_q: bool, input: [i32; 4]) -> (u32, Vec<(usize, usize)>) {
        let (architecture, weights) = network(function, read_q);
        let trace = execute(&architecture, &weights, &input).expect("it runs");
        let system = System::new(&architecture);
        (trace.clamps(&architecture, &system), trace.clamped(&architecture, &system))
    }

    /// What fits is no clamp; each limb of each cell that does not fit is one.
    #[test]
    fn limbs_of_cells_that_do_not_fit_are_counted() {
        assert_eq!(clamps(Function::Identity, false, [1, 2, 3, 4]), (0, vec![]));
        let (count, layers) = clamps(Function::Identity, false, [30, 20, 20, 20]);
        // all four sums of the first layer are 180, and 4 · 127 is too much as well
        assert_eq!(layers, [(0, 4), (1, 1)]);
        assert!(count >= 5);
    }

    /// A clamp below 0 changes nothing of a ReLU, unless what is before the ReLU is read too.
    #[test]
    fn flat_rails_do_not_count() {
        let low = [-100, -100, -100, -100];
        assert_eq!(clamps(Function::Relu, false, low), (0, vec![]));
        assert_eq!(clamps(Function::Relu, true, low).1, [(0, 4), (1, 1)]);
        assert_eq!(clamps(Function::Relu, false, [100, 100, 100, 100]).1, [(0, 4), (1, 1)]);
    }

    /// Rows of weights that a clamped `q` names are others than those of the number before the clamp, so that clamp
    /// counts.
    #[test]
    fn an_index_is_read() {
        let (mut architecture, _) = network(Function::Relu, false);
        let count = |architecture: &Architecture| rails(architecture)[0];
        assert_eq!(count(&architecture), Rails { low: false, high: true });
        architecture.matrices.push(10.into());
        architecture.layers[1] = Layer {
            log_size: architecture.layers[0].log_size + 2,
            terms: Vec::new(),
            constant: 0,
            rule: Rule::Rows {
                matrix: architecture.matrices.len() as u32 - 1,
                bits: 2,
                index: Source::Pre(0),
                index_bits: 9,
            },
        };
        assert_eq!(count(&architecture), Rails { low: true, high: true });
    }
}
