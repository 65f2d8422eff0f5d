//! Runs a network in floats and records ranges.

use super::{Net, NetLayer, NetTerm};
use assay_circuits::model::{Dims, Source, Window};

/// All columns of one inference.
pub struct Run {
    input: Vec<f32>,
    layers: Vec<(Vec<f32>, Vec<f32>)>,
}

/// Extreme values over all samples, padding not counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranges {
    /// Of the input.
    pub input: (f32, f32),
    /// Of each layer before its function.
    pub pre: Vec<(f32, f32)>,
}

impl Ranges {
    /// Ranges over nothing, for a network of `layers` layers.
    pub fn empty(layers: usize) -> Self {
        Self { input: (0.0, 0.0), pre: vec![(0.0, 0.0); layers] }
    }

    /// Widens by another.
    #[must_use]
    pub fn merge(mut self, other: &Ranges) -> Self {
        let join = |a: &mut (f32, f32), b: &(f32, f32)| *a = (a.0.min(b.0), a.1.max(b.1));
        join(&mut self.input, &other.input);
        self.pre.iter_mut().zip(&other.pre).for_each(|(a, b)| join(a, b));
        self
    }
}

impl Run {
    /// Runs a sample: one value per element of the input's shape.
    pub fn of(net: &Net, sample: &[f32]) -> Self {
        let mut input = vec![0.0; net.input.dims.block_len()];
        for (&cell, &value) in net.input.cells.iter().zip(sample) {
            if let Some(slot) = input.get_mut(cell as usize) {
                *slot = value;
            }
        }
        let mut run = Run { input, layers: Vec::with_capacity(net.layers.len()) };
        for layer in &net.layers {
            let pre = run.linear(net, layer);
            let post = layer.activation.map_or_else(Vec::new, |f| pre.iter().map(|&x| f.apply(x)).collect());
            run.layers.push((pre, post));
        }
        run
    }

    /// The output's elements.
    pub fn output(&self, net: &Net) -> Vec<f32> {
        let column = self.column(net.output.source);
        net.output.cells.iter().map(|&c| column.get(c as usize).copied().unwrap_or(0.0)).collect()
    }

    /// Extreme values of this run.
    pub fn ranges(&self, net: &Net) -> Ranges {
        let of = |column: &[f32], dims: Dims| {
            let cells = column.iter().enumerate().filter(|(i, _)| dims.holds(*i as u32)).map(|(_, v)| *v);
            cells.fold((0f32, 0f32), |(low, high), v| (low.min(v), high.max(v)))
        };
        Ranges {
            input: of(&self.input, net.input.dims),
            pre: self.layers.iter().zip(&net.layers).map(|((pre, _), layer)| of(pre, layer.dims)).collect(),
        }
    }

    fn column(&self, source: Source) -> &[f32] {
        match source {
            Source::Input => &self.input,
            Source::Pre(l) => self.layers.get(l as usize).map_or(&[], |l| &l.0),
            Source::Post(l) => self.layers.get(l as usize).map_or(&[], |l| if l.1.is_empty() { &l.0 } else { &l.1 }),
        }
    }

    fn linear(&self, net: &Net, layer: &NetLayer) -> Vec<f32> {
        let mut z = vec![0.0f32; layer.dims.block_len()];
        if let Some(bias) = &layer.bias {
            for (block, &b) in z.chunks_exact_mut(1 << layer.dims.log_positions()).zip(bias) {
                block.fill(b);
            }
        }
        for term in &layer.terms {
            let x = self.column(term.source());
            let from = net.dims(term.source());
            match term {
                NetTerm::Dense { weight, .. } => {
                    for (out, row) in z.iter_mut().zip(weight.chunks_exact(x.len().max(1))) {
                        *out += row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
                    }
                }
                NetTerm::Conv { weight, window, .. } => convolve(&mut z, layer.dims, x, from, weight, window),
                NetTerm::Stencil { rows, cols, .. } => {
                    for c in 0..layer.dims.channels {
                        for &(oh, ih, a) in rows.entries() {
                            for &(ow, iw, b) in cols.entries() {
                                z[layer.dims.cell(c, oh, ow)] += (a * b) as f32 * x[from.cell(c, ih, iw)];
                            }
                        }
                    }
                }
                NetTerm::Gather { pairs, .. } => pairs.iter().for_each(|&(to, at)| z[to as usize] += x[at as usize]),
            }
        }
        z
    }
}

fn convolve(z: &mut [f32], dims: Dims, x: &[f32], from: Dims, weight: &[f32], window: &Window) {
    let rows: Vec<_> = window.taps(0, dims.height, from.height).collect();
    let cols: Vec<_> = window.taps(1, dims.width, from.width).collect();
    for co in 0..dims.channels {
        for ci in 0..from.channels {
            let kernel = ((co as usize) << from.log_channels() | ci as usize) << window.log_kernel();
            let kernel = &weight[kernel..kernel + (1 << window.log_kernel())];
            if kernel.iter().all(|w| *w == 0.0) {
                continue;
            }
            for &(oh, kh, ih) in &rows {
                let (to, at) = (dims.cell(co, oh as u32, 0), from.cell(ci, ih as u32, 0));
                for &(ow, kw, iw) in &cols {
                    z[to + ow] += kernel[kh << window.log_width() | kw] * x[at + iw];
                }
            }
        }
    }
}
