//! docs/semantics.md against the executor: every column that can be read, computed once more from the page alone.

#[path = "support/loops.rs"]
mod loops;
mod support;

use assay_circuits::exec::{Trace, dequantise_output, execute, quantise_input};
use assay_circuits::model::{Architecture, Index, Layer, Operand, Rule, Source, Weights};
use assay_circuits::sample;
use assay_circuits::system::System;
use loops::every_rule_in_a_loop;
use std::collections::BTreeSet;
use support::{Naive, places, summand};

struct Page<'a> {
    arch: &'a Architecture,
    weights: &'a Weights,
    system: System,
    trace: &'a Trace,
}

impl Page<'_> {
    /// A block of weights, the cells that are not stored included.
    fn block(&self, matrix: u32) -> Vec<i16> {
        self.arch.matrices[matrix as usize].unpack(&self.weights.matrices[matrix as usize])
    }

    fn cells(&self, source: Source) -> Vec<i64> {
        match source {
            Source::Weight(w) => self.block(w).into_iter().map(i64::from).collect(),
            Source::Bias(b) => self.weights.biases[b as usize].iter().map(|v| i64::from(*v)).collect(),
            source => self.trace.column(self.system.source(source)).iter().map(|v| i64::from(*v)).collect(),
        }
    }

    /// `z` of a layer's cells, before a maximum leaves places out.
    fn z(&self, layer: &Layer) -> Vec<i128> {
        let mut z = vec![i128::from(layer.constant); 1 << layer.log_size];
        for term in &layer.terms {
            let read = |operand: &Operand| self.cells(operand.source);
            let (left, right) = (read(&term.left), term.right.as_ref().map(read));
            let left = Naive { cells: &left, runs: &term.left.runs };
            let right =
                right.as_ref().zip(term.right.as_ref()).map(|(cells, operand)| Naive { cells, runs: &operand.runs });
            for (cell, z) in z.iter_mut().enumerate() {
                *z +=
                    i128::from(term.coefficient) * summand(&term.axes, term.summed.into(), cell, &left, right.as_ref());
            }
        }
        z
    }

    fn check(&self, index: usize, name: &str) {
        let layer = &self.arch.layers[index];
        let (z, at) = (self.z(layer), index as u32);
        let column = |source: Source| self.cells(source).into_iter().map(i128::from).collect::<Vec<i128>>();
        let pre = match &layer.rule {
            Rule::Exact => z,
            Rule::SquareRoot { .. } => {
                z.iter().map(|z| (0..).find(|q: &i128| (q + 1) * (q + 1) > *z).unwrap_or(0)).collect()
            }
            Rule::Requantise { shift, .. } => {
                let half = if *shift == 0 { 0 } else { 1i128 << (shift - 1) };
                z.iter().map(|z| self.clamp(layer, (z + half).div_euclid(1 << shift))).collect()
            }
            Rule::Divide { by, .. } => {
                let cells = self.cells(by.operand.source);
                let divisor = Naive { cells: &cells, runs: &by.operand.runs };
                let rounded = |(cell, z): (usize, &i128)| {
                    let d = divisor.value(&places(&by.axes, cell));
                    self.clamp(layer, (2 * z + d).div_euclid(2 * d))
                };
                z.iter().enumerate().map(rounded).collect()
            }
            Rule::Quotient { by, .. } => {
                let cells = self.cells(by.operand.source);
                let divisor = Naive { cells: &cells, runs: &by.operand.runs };
                let rounded = |(cell, z): (usize, &i128)| {
                    let d = divisor.value(&places(&by.axes, cell));
                    (2 * z + d).div_euclid(2 * d)
                };
                z.iter().enumerate().map(rounded).collect()
            }
            Rule::Maximum { low, bits, len, .. } => {
                let row = |cell: usize| (cell & ((1 << low) - 1)) | (cell >> (low + bits) << low);
                let counts = |cell: &usize| ((cell >> low) & ((1 << bits) - 1)) < *len as usize;
                let mut maxima = vec![i128::MIN; 1 << (layer.log_size - bits)];
                (0..z.len()).filter(counts).for_each(|cell| maxima[row(cell)] = maxima[row(cell)].max(z[cell]));
                let distance = |cell: usize| if counts(&cell) { maxima[row(cell)] - z[cell] } else { 0 };
                let distances: Vec<i128> = (0..z.len()).map(distance).collect();
                assert_eq!(column(Source::Max(at)), maxima, "{name}, layer {index}: maxima");
                let marks: Vec<i128> = distances.iter().map(|d| i128::from(*d == 0)).collect();
                assert_eq!(column(Source::Mark(at)), marks, "{name}, layer {index}: marks");
                distances
            }
            Rule::Rows { matrix, bits, index, .. } => {
                let (rows, width) = (self.block(*matrix), 1usize << bits);
                let cell = |i: i64, at: usize| {
                    usize::try_from(i).ok().and_then(|i| rows.get(i * width + at)).map_or(0, |w| i128::from(*w))
                };
                self.cells(*index).into_iter().flat_map(|i| (0..width).map(move |at| cell(i, at))).collect()
            }
        };
        assert_eq!(column(Source::Pre(at)), pre, "{name}, layer {index}: q");
        let post: Vec<i128> = match self.arch.table(layer) {
            Some(table) => pre.iter().map(|q| table.apply(*q as i32).into()).collect(),
            None => pre,
        };
        assert_eq!(column(Source::Post(at)), post, "{name}, layer {index}: f(q)");
    }

    fn clamp(&self, layer: &Layer, quotient: i128) -> i128 {
        let table = self.arch.table(layer).expect("the layer has a table");
        quotient.clamp(table.min().into(), table.max().into())
    }
}

/// RQ7: the executor computes what docs/semantics.md says, in every cell of every column, on random inputs, on the
/// largest and smallest ones, and on those two mixed.
#[test]
fn the_executor_follows_the_page() {
    let named = [
        sample::attention(3, 4, 2),
        sample::layer_norm(3, 6),
        sample::recurrent(5, 3),
        sample::digits_cnn(),
        sample::embedding(3, 5, 6),
        every_rule_in_a_loop(),
    ];
    let random = (0..150).map(sample::random_network);
    let cut = named.iter().cloned().chain((200..300).map(sample::random_network)).zip(0..);
    let cut: Vec<_> = cut.filter_map(|(network, seed)| sample::tiled(network, seed)).flatten().collect();
    assert!(cut.len() > 100, "{} networks with cuts", cut.len());
    for (number, (arch, weights)) in named.into_iter().chain(random).chain(cut).enumerate() {
        let name = format!("network {number}");
        for input in
            [sample::random_input(&arch, 3)].into_iter().chain((0..4).map(|kind| sample::extreme_input(&arch, kind)))
        {
            let trace = execute(&arch, &weights, &input).expect("every input is executed");
            let page = Page { arch: &arch, weights: &weights, system: System::new(&arch), trace: &trace };
            (0..arch.layers.len()).for_each(|index| page.check(index, &name));
        }
    }
}

/// The random networks of all these tests reach every rule and every kind of run.
#[test]
fn random_networks_reach_everything() {
    let mut seen = BTreeSet::new();
    for seed in 0..150 {
        let (arch, _) = sample::random_network(seed);
        for (layer, limbs) in arch.layers.iter().zip(arch.validate().expect("random networks are valid").limbs) {
            seen.insert(match &layer.rule {
                Rule::Exact => "exact",
                Rule::Requantise { .. } if limbs > 0 => "requantise with limbs",
                Rule::Requantise { .. } => "requantise",
                Rule::Divide { .. } if limbs > 0 => "divide with limbs",
                Rule::Divide { .. } => "divide",
                Rule::SquareRoot { .. } => "root",
                Rule::Quotient { .. } => "quotient",
                Rule::Maximum { bits, len, .. } if *len < 1 << bits => "maximum of some",
                Rule::Maximum { .. } => "maximum of all",
                // embeddings are networks of their own
                Rule::Rows { .. } => "rows",
            });
            for term in &layer.terms {
                seen.insert(match (&term.right, term.summed) {
                    (None, _) => "linear",
                    (Some(_), 0) => "elementwise product",
                    (Some(_), _) => "sum of products",
                });
                for run in term.operands().flat_map(|operand| &operand.runs) {
                    seen.insert(match &run.index {
                        Index::Axis(_) => "axis",
                        Index::Map { axis: None, .. } => "map without an axis",
                        Index::Map { .. } => "map",
                        Index::Window { .. } => "window",
                    });
                }
            }
        }
        seen.extend((!arch.loops.is_empty()).then_some("loop"));
        seen.extend((arch.outputs.len() > 1).then_some("two outputs"));
    }
    assert_eq!(seen.len(), 18, "{seen:?}");
}

/// Inputs are rounded half up, clamped to their width, counted where they leave the published range; outputs come back
/// by their scale.
#[test]
fn inputs_and_outputs_have_scales() {
    let (mut arch, weights) = sample::layer_norm(1, 4);
    arch.input.ports[0].scale = 2;
    arch.input.ports[0].range = (-8, 8);
    let quantised = quantise_input(&arch, &[vec![0.125, -0.125, 2.25, 1e9]]).expect("numbers are finite");
    assert_eq!(quantised.cells, [1, 0, 9, 127]);
    assert_eq!((quantised.outside, quantised.clamped), (2, 1));
    assert!(
        quantise_input(&arch, &[vec![f32::NAN, 0.0, 0.0, 0.0]]).is_err()
            && quantise_input(&arch, &[vec![0.0; 3]]).is_err()
    );
    assert!(quantise_input(&arch, &[]).is_err());
    let trace = execute(&arch, &weights, &quantised.cells).expect("it runs");
    let output = trace.output(&arch, &System::new(&arch));
    assert_eq!(dequantise_output(&arch, &output)[0].len(), 4);
    assert_eq!(dequantise_output(&arch, &[256, -128, 0, 1])[0], [1.0, -0.5, 0.0, 1.0 / 256.0]);
}
