//! Scales of inputs, columns and weights.

use super::factors::{factor_bits, fitting_scale, limit, map_bits};
use super::function;
use super::plan::{Planner, Trouble};
use crate::net::{Kind, NetIndex, NetInput, NetLayer, NetOperand, NetRule, NetTerm};
use assay_circuits::model::{Port, Source};

/// How much larger than all other scores a mask is where the scale of the scores leaves it out.
const MASK_ROOM: f32 = 4.0;

impl Planner<'_> {
    pub(super) fn input_scales(&mut self) {
        let parts = || self.net.inputs.iter().zip(&self.ranges.inputs);
        // what terms read has one scale, whatever the units of its parts
        let size = |name: &str| {
            parts().filter(|(port, _)| port.name == name).fold(0f32, |most, (_, range)| most.max(range.1.max(-range.0)))
        };
        let real: Vec<i32> = parts()
            .map(|(port, _)| match port.kind {
                Kind::Real => fitting_scale(size(&port.name), limit(self.widths.shift)).min(self.cap(Source::Input)),
                Kind::Integer | Kind::Boolean => 0,
            })
            .collect();
        let half = 1i32 << (self.plan.architecture.input.bits - 1);
        for ((port, range), scale) in self.net.inputs.iter().zip(&self.ranges.inputs).zip(&real) {
            let integer = |v: f32| {
                ((f64::from(v) * f64::from(*scale).exp2()).round() as i64).clamp((-half).into(), (half - 1).into())
                    as i32
            };
            let (low, high) = match port.kind {
                Kind::Boolean => (0, 1),
                Kind::Integer => {
                    // every place of a table that it indexes, seen in calibration or not
                    match port.places {
                        Some(_) if port.names_rows => (0, integer(port.places.unwrap_or(1) as f32 - 1.0)),
                        Some(places) => (integer(range.0.min(0.0).max(-(places as f32))), integer(places as f32 - 1.0)),
                        None => (integer(range.0.min(0.0)), integer(range.1.max(0.0))),
                    }
                }
                Kind::Real => (integer(range.0), integer(range.1)),
            };
            self.plan.architecture.input.ports.push(Port {
                name: port.name.clone(),
                scale: (*scale + i32::from(port.unit)).clamp(i8::MIN.into(), i8::MAX.into()) as i8,
                range: (low.min(high), high),
                shape: port.shape.clone(),
                cells: port.cells.clone(),
            });
        }
        self.inputs = real;
    }

    /// The scales that calibration asks for, before sums are looked at.
    pub(super) fn column_scales(&mut self) {
        let (net, ranges, widths) = (self.net, self.ranges, self.widths);
        let at = |list: &[(f32, f32)], l: usize| list.get(l).copied().unwrap_or_default();
        for (index, layer) in net.layers.iter().enumerate() {
            let l = index as u32;
            let (pre, post) = (at(&ranges.pre, index), at(&ranges.post, index));
            let both = |range: (f32, f32)| range.1.max(-range.0);
            // integers are exact where they fit; a function of integers, such as a comparison, needs that
            let fits = f64::from(both(pre)) <= limit(widths.table_bits);
            let kept = layer.rule == NetRule::Exact;
            let pre_scale = if layer.rounds().is_some() {
                0
            } else if layer.kind == Kind::Real || (!fits && !kept && layer.function().is_none()) {
                let size = self.masked(l, pre).unwrap_or(both(pre));
                let plain = fitting_scale(size, limit(widths.table_bits));
                match layer.function() {
                    Some(program) if !net.reads(Source::Pre(l)) => function::relevant_scale(
                        program,
                        pre,
                        plain,
                        limit(widths.table_bits),
                        both(post),
                        widths.table_bits,
                    ),
                    _ => plain,
                }
            } else {
                0
            };
            let pre_scale = pre_scale.min(self.cap(Source::Pre(l)));
            let post_scale = match layer.function() {
                Some(program) if function::is_relu(program) => pre_scale,
                Some(_) if layer.post_kind != Kind::Real => 0,
                Some(_) => fitting_scale(both(post), limit(widths.table_bits)).min(self.cap(Source::Post(l))),
                None => pre_scale,
            };
            self.scales.push([pre_scale, post_scale, pre_scale]);
        }
        // one table serves all layers of a function if they agree on its scales
        for index in 0..net.layers.len() {
            let Some(program) = net.layers[index].function().filter(|program| !function::is_relu(program)) else {
                continue;
            };
            let alike = |other: &usize| {
                let layer = &net.layers[*other];
                layer.function() == Some(program)
                    && std::mem::discriminant(&layer.rule) == std::mem::discriminant(&net.layers[index].rule)
                    && layer.kind == net.layers[index].kind
            };
            let same: Vec<usize> = (0..net.layers.len()).filter(alike).collect();
            let least = |of: usize| same.iter().map(|l| self.scales[*l][of]).min().unwrap_or(0);
            let (pre, post) = (least(0), least(1));
            // sharing is worth two bits
            for l in same {
                if self.scales[l][0] - pre <= 2 && !net.reads(Source::Pre(l as u32)) {
                    self.scales[l][0] = pre;
                    self.scales[l][2] = pre;
                }
                if self.scales[l][1] - post <= 2 {
                    self.scales[l][1] = post;
                }
            }
        }
    }

    /// The size that matters of scores that only a softmax reads: what is far below every maximum is 0 in any case.
    fn masked(&self, l: u32, (low, high): (f32, f32)) -> Option<f32> {
        let readers: Vec<usize> = (0..self.net.layers.len())
            .filter(|i| self.net.layers[*i].terms.iter().any(|t| t.reads(Source::Pre(l))))
            .collect();
        let [reader] = readers[..] else { return None };
        let reader_layer = &self.net.layers[reader];
        let softmax =
            matches!(&reader_layer.rule, NetRule::Maximum { function: Some(_), .. }) && reader_layer.terms.len() == 1;
        let output = self.net.outputs.iter().any(|o| o.source == Source::Pre(l));
        if !softmax || output || self.net.layers[l as usize].function().is_some() {
            return None;
        }
        let maxima = self.ranges.max.get(reader)?;
        let size = high.max(-(low.max(maxima.0 - 12.0))).max(f32::MIN_POSITIVE);
        // A mask of moderate size is kept whole: what is clamped is counted, and said of every inference.
        (-low > MASK_ROOM * size).then_some(size)
    }

    /// Weight blocks of products, at the finest scale that fits and that every reader can use.
    pub(super) fn weight_scales(&mut self) -> Result<(), Trouble> {
        for (w, block) in self.net.weights.iter().enumerate() {
            if !self.uses[w].1 {
                continue;
            }
            if self.whole[w] || self.multiplies_a_rounding(w as u32) {
                self.place_exactly(w as u32)?;
                continue;
            }
            let factor = self.own_factor(w as u32);
            let size = block.iter().fold(0f32, |m, v| m.max(v.abs())) * factor.abs() as f32;
            let mut scale = fitting_scale(size, limit(self.widths.weight_bits));
            let rows: Vec<usize> =
                (0..self.net.layers.len()).filter(|l| self.net.layers[*l].reads_rows_of(w as u32)).collect();
            scale = rows.iter().fold(scale, |scale, l| scale.min(self.cap(Source::Pre(*l as u32))));
            for (index, layer) in self.net.layers.iter().enumerate() {
                for term in &layer.terms {
                    let Some(right) = &term.right else { continue };
                    let other = match (term.left.source, right.source) {
                        (Source::Weight(a), other) if a as usize == w => self.scale_of(other, right),
                        (other, Source::Weight(b)) if b as usize == w => self.scale_of(other, &term.left),
                        _ => continue,
                    };
                    let wanted = match layer.rule {
                        NetRule::Requantise { .. } => self.scales[index][0] + i32::from(self.widths.shift),
                        _ => other + i32::from(self.widths.weight_bits) - 1,
                    };
                    scale = scale.min(wanted - other);
                }
            }
            let id = self.plan.architecture.matrices.len() as u32;
            self.plan.architecture.matrices.push((block.len().trailing_zeros() as u8).into());
            self.plan.matrices.push((w as u32, factor, scale));
            // what is read of a block has its scale, which readers of later blocks go by
            rows.into_iter().for_each(|l| self.scales[l] = [scale; 3]);
            self.placed.insert(w as u32, (Source::Weight(id), scale));
        }
        Ok(())
    }

    /// The factor of the only product that reads a block, which the block takes in.
    pub(super) fn own_factor(&self, w: u32) -> f64 {
        if self.uses[w as usize].0 != 1 || self.whole[w as usize] {
            return 1.0;
        }
        let terms = self.net.layers.iter().flat_map(|layer| &layer.terms);
        terms.filter(|term| term.reads(Source::Weight(w))).map(|term| term.coefficient).next().unwrap_or(1.0)
    }

    /// A term's factor: 1 where its block of weights takes it in.
    pub(super) fn coefficient(&self, term: &NetTerm) -> f64 {
        let takes = |w: u32| self.uses[w as usize] == (1, true) && !self.whole[w as usize];
        let mut operands = std::iter::once(&term.left).chain(&term.right);
        if operands.any(|o| matches!(o.source, Source::Weight(w) if takes(w))) { 1.0 } else { term.coefficient }
    }

    pub(super) fn scale_of(&self, source: Source, operand: &NetOperand) -> i32 {
        let at = |l: u32, of: usize| self.scales.get(l as usize).map_or(0, |s| s[of]);
        match source {
            Source::Input => {
                port_of(&self.net.inputs, operand).and_then(|port| self.inputs.get(port)).copied().unwrap_or(0)
            }
            Source::Pre(l) => at(l, 0),
            Source::Post(l) => at(l, 1),
            Source::Max(l) => at(l, 2),
            Source::Mark(_) => 0,
            Source::Weight(w) => self.placed.get(&w).map_or(0, |(_, scale)| *scale),
            Source::Bias(_) => 0,
        }
    }

    /// The log of what a term's integers are of, before its factor, and the least bits that the factor takes.
    pub(super) fn natural(&self, layer: &NetLayer, term: &NetTerm, accuracy: i32) -> Option<(i32, i32)> {
        let coefficient = self.coefficient(term);
        let maps: i32 = [&term.left]
            .into_iter()
            .chain(&term.right)
            .flat_map(|o| &o.runs)
            .map(|run| map_bits(&run.index, accuracy))
            .sum();
        if term.right.is_none() && matches!(term.left.source, Source::Weight(w) if !self.uses[w as usize].1) {
            // a bias has the scale of the sum
            return None;
        }
        let scale =
            self.scale_of(term.left.source, &term.left) + term.right.as_ref().map_or(0, |r| self.scale_of(r.source, r));
        Some((scale, factor_bits(coefficient, layer.kind == Kind::Real, accuracy) + maps))
    }
}

/// Which input an operand of the input block reads. Inputs lie side by side, each in the aligned power of two of cells
/// that begins with its first element: the import places them so, and picks one by a run that reads a single number,
/// which nothing that moves data touches, for it has no axis. So any cell that the operand reads tells the input, and
/// the one with the smallest number on every run is as good as another.
pub fn port_of(inputs: &[NetInput], operand: &NetOperand) -> Option<usize> {
    let (mut cell, mut shift) = (0u64, 0u32);
    for run in &operand.runs {
        if let NetIndex::Map { entries, .. } = &run.index {
            cell |= u64::from(entries.iter().map(|(_, from, _)| *from).min()?) << shift;
        }
        shift += u32::from(run.log_len);
    }
    inputs.iter().position(|input| {
        let (Some(first), Some(last)) = (input.cells.iter().min(), input.cells.iter().max()) else { return false };
        // the highest bit of every axis is set somewhere, so that the last element tells how many cells there are
        let cells = u64::from(last - first + 1).next_power_of_two();
        (u64::from(*first)..u64::from(*first) + cells).contains(&cell)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::NetRun;

    fn input(cells: Vec<u32>) -> NetInput {
        NetInput {
            name: String::new(),
            kind: Kind::Real,
            shape: vec![cells.len() as u32],
            cells,
            places: None,
            names_rows: false,
            unit: 0,
        }
    }

    /// Three inputs of 3 × 3, 3 and 1 elements: an operand is given the scale of the input that it reads, through
    /// whatever maps it reads it.
    #[test]
    fn an_operand_reads_the_input_whose_cells_it_reads() {
        let first = (0..3).flat_map(|row| (0..3).map(move |column| row << 2 | column)).collect();
        let inputs = [input(first), input(vec![16, 17, 18]), input(vec![20])];
        let map = |axis, entries: &[(u32, u32)]| NetIndex::Map {
            axis,
            entries: entries.iter().map(|(to, from)| (*to, *from, 1.0)).collect(),
        };
        let operand = |runs: Vec<(u8, NetIndex)>| NetOperand {
            source: Source::Input,
            runs: runs.into_iter().map(|(log_len, index)| NetRun { log_len, index }).collect(),
        };
        let port = |runs| port_of(&inputs, &operand(runs));
        assert_eq!(port(vec![(2, NetIndex::Axis(0)), (2, NetIndex::Axis(1)), (1, map(None, &[(0, 0)]))]), Some(0));
        // its last element only
        assert_eq!(
            port(vec![(2, map(None, &[(0, 2)])), (2, map(None, &[(0, 2)])), (1, map(None, &[(0, 0)]))]),
            Some(0)
        );
        // reversed, and the first element cut off
        assert_eq!(port(vec![(2, map(Some(0), &[(0, 2), (1, 1)])), (3, map(None, &[(0, 4)]))]), Some(1));
        // a sum over its places
        assert_eq!(port(vec![(2, map(None, &[(0, 1), (0, 2)])), (3, map(None, &[(0, 4)]))]), Some(1));
        assert_eq!(port(vec![(5, map(None, &[(0, 20)]))]), Some(2));
        assert_eq!(port(vec![(5, map(None, &[(0, 24)]))]), None, "no input has this cell");
    }
}
