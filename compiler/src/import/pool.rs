//! Pooling.
//!
//! A maximum is a tournament: `m_0` is the first tap of the window, `r_t = relu(view_t - m_(t-1))`, `m_t = m_(t-1) + r_t`. Only the
//! `r_t` are layers; `m_t` stays a linear combination of columns until the end, where one layer holds it for its readers. Rows
//! and columns are pooled one after the other, `k - 1` steps each, the axis that shrinks the tensor most first. For 2 x 2 over a tensor
//! of N cells that is 1.75 N committed cells and N lookups, as many as without separation, in three layers and not four; for 3 x 3 with
//! stride 2 it is 3.25 N and not 4.25 N.

use super::view::View;
use super::window::Geometry;
use super::{Form, Importer, Op};
use crate::net::{Activation, NetTerm, RealAxis, Scaling};
use assay_circuits::model::{Dims, Source};

/// Longest side of a max pool's window: each position of it is a layer.
const MAX_STEPS: u32 = 64;

/// A linear combination of columns, each moved along both axes (`[rows, columns]`).
type Combination = Vec<(Source, [RealAxis; 2])>;

/// Adds `map` of `source` to a combination, merged with a part that differs along `axis` only.
fn add(to: &mut Combination, source: Source, maps: [RealAxis; 2], axis: usize, sign: f64) {
    let other = 1 - axis;
    if let Some((_, have)) = to.iter_mut().find(|(s, have)| *s == source && have[other] == maps[other]) {
        have[axis] = have[axis].plus(&maps[axis], sign);
        return;
    }
    let mut maps = maps;
    maps[axis] = RealAxis::default().plus(&maps[axis], sign);
    to.push((source, maps));
}

fn selected(of: &Combination, axis: usize, by: &RealAxis) -> Combination {
    of.iter()
        .map(|(source, maps)| {
            let mut maps = maps.clone();
            maps[axis] = maps[axis].then(by);
            (*source, maps)
        })
        .collect()
}

fn terms(of: &Combination) -> Vec<NetTerm> {
    let nonzero = of.iter().filter(|(_, maps)| maps.iter().all(|m| !m.entries().is_empty()));
    nonzero.map(|(source, [rows, cols])| NetTerm::Stencil { source: *source, rows: rows.clone(), cols: cols.clone() }).collect()
}

impl Importer {
    pub(super) fn max_pool(&mut self, op: &Op<'_>) -> Result<View, Form> {
        let view = op.view(0)?;
        let rank = view.shape.len();
        let (source, from) = self.image(op.name(), view)?;
        let kernel = op.attributes.ints("kernel_shape").ok_or(Form::Window)?;
        let geometry = Geometry::of(op, rank, from, kernel)?;
        if op.attributes.int("storage_order", 0) != 0 {
            return Err(Form::Attribute);
        }
        if geometry.window.kernel.iter().any(|k| *k > MAX_STEPS) {
            return Err(Form::TooLarge);
        }
        let mut pooled: Combination = vec![(source, [RealAxis::identity(from.height), RealAxis::identity(from.width)])];
        let mut sizes = geometry.from;
        // The axis that leaves fewer cells first; columns if in doubt.
        let shrink = |a: usize| f64::from(geometry.out[a]) / f64::from(geometry.from[a]);
        for axis in if shrink(0) < shrink(1) { [0, 1] } else { [1, 0] } {
            sizes[axis] = geometry.out[axis];
            let dims = Dims::new(from.channels, sizes[0], sizes[1]);
            let mut best: Option<Combination> = None;
            for (t, tap) in geometry.selections(axis)?.iter().enumerate() {
                let candidate = selected(&pooled, axis, tap);
                let Some(best) = &mut best else {
                    best = Some(candidate);
                    continue;
                };
                let mut difference = candidate;
                best.iter().for_each(|(s, maps)| add(&mut difference, *s, maps.clone(), axis, -1.0));
                let terms = terms(&difference);
                if terms.is_empty() {
                    continue;
                }
                let layer =
                    self.push(&format!("{}/{}{t}", op.name(), ["row", "column"][axis]), dims, terms, None, Scaling::Same(source))?;
                let Source::Pre(index) = layer else { return Err(Form::Shapes) };
                if let Some(layer) = self.layers.get_mut(index as usize) {
                    layer.activation = Some(Activation::Relu);
                }
                best.push((Source::Post(index), [RealAxis::identity(sizes[0]), RealAxis::identity(sizes[1])]));
            }
            pooled = best.unwrap_or(pooled);
        }
        let dims = geometry.dims(from.channels)?;
        let layer = self.push(op.name(), dims, terms(&pooled), None, Scaling::Same(source))?;
        Ok(View::whole(layer, dims, geometry.shape(rank, from.channels)))
    }

    pub(super) fn average_pool(&mut self, op: &Op<'_>) -> Result<View, Form> {
        let view = op.view(0)?;
        let rank = view.shape.len();
        let (source, from) = self.image(op.name(), view)?;
        let global = op.attributes.0.op_type == "GlobalAveragePool";
        let whole: Vec<i64> = view.shape.iter().skip(2).map(|&d| i64::from(d)).collect();
        let kernel = if global { &whole[..] } else { op.attributes.ints("kernel_shape").ok_or(Form::Window)? };
        let geometry = Geometry::of(op, rank, from, kernel)?;
        let include_pad = op.attributes.int("count_include_pad", 0) != 0;
        let mut maps = [geometry.average(0, include_pad)?, geometry.average(1, include_pad)?];
        // Where every window has the same number of columns, the whole division goes into the rows: one rounding, not two.
        if let Some(&(_, _, share)) = maps[1].entries().first()
            && maps[1].entries().iter().all(|e| e.2 == share)
        {
            maps[0] = RealAxis::default().plus(&maps[0], share);
            maps[1] = RealAxis::new(maps[1].entries().iter().map(|&(to, from, _)| (to, from, 1.0)).collect());
        }
        let [rows, cols] = maps;
        let dims = geometry.dims(from.channels)?;
        let layer = self.push(op.name(), dims, vec![NetTerm::Stencil { source, rows, cols }], None, Scaling::Own)?;
        Ok(View::whole(layer, dims, geometry.shape(rank, from.channels)))
    }
}
