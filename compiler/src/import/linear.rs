//! `Gemm`, `MatMul`, `Conv`, `BatchNormalization`.

use super::view::View;
use super::window::Geometry;
use super::{Form, Importer, MAX_LOG_BLOCK, Op};
use crate::net::{NetTerm, Scaling};
use crate::onnx::Constant;
use assay_circuits::model::{Dims, Source, Window};

/// A matrix of weights, row-major, one row per output.
struct Matrix {
    outputs: usize,
    inputs: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// From `[inputs, outputs]`, or from `[outputs, inputs]` if `transposed`, times `factor`.
    fn of(constant: &Constant, transposed: bool, factor: f32) -> Result<Self, Form> {
        let [rows, cols] = constant.shape[..] else { return Err(Form::Rank) };
        if rows == 0 || cols == 0 || constant.floats.len() != rows * cols {
            return Err(Form::Shapes);
        }
        let scaled = |v: f32| v * factor;
        if transposed {
            return Ok(Self { outputs: rows, inputs: cols, values: constant.floats.iter().copied().map(scaled).collect() });
        }
        let values = (0..cols).flat_map(|o| constant.floats.iter().skip(o).step_by(cols).copied().map(scaled)).collect();
        Ok(Self { outputs: cols, inputs: rows, values })
    }
}

/// A bias of `n` values from a constant of `n` values or one.
fn bias(constant: Option<&Constant>, n: usize, factor: f32) -> Result<Option<Vec<f32>>, Form> {
    match constant.map(|c| &c.floats[..]) {
        None => Ok(None),
        Some([one]) => Ok(Some(vec![one * factor; n])),
        Some(many) if many.len() == n => Ok(Some(many.iter().map(|v| v * factor).collect())),
        Some(_) => Err(Form::Broadcast),
    }
}

fn log_ceil(n: usize) -> u32 {
    n.max(1).next_power_of_two().trailing_zeros()
}

impl Importer {
    pub(super) fn gemm(&mut self, op: &Op<'_>) -> Result<View, Form> {
        let x = op.view(0)?;
        if op.attributes.int("transA", 0) != 0 && x.shape.iter().filter(|d| **d != 1).count() > 1 {
            return Err(Form::Attribute);
        }
        let alpha = op.attributes.float("alpha", 1.0);
        let matrix = Matrix::of(op.required(1)?, op.attributes.int("transB", 0) != 0, alpha)?;
        let bias = bias(op.constant(2)?, matrix.outputs, op.attributes.float("beta", 1.0))?;
        self.dense(op.name(), x, &matrix, bias)
    }

    pub(super) fn matmul(&mut self, op: &Op<'_>) -> Result<View, Form> {
        let x = op.view(0)?.clone();
        let matrix = Matrix::of(op.required(1)?, false, 1.0)?;
        let mut shape = x.shape.clone();
        let last = shape.last_mut().ok_or(Form::Rank)?;
        if *last as usize != matrix.inputs {
            return Err(Form::Shapes);
        }
        *last = matrix.outputs as u32;
        let rows = x.cells.len() / matrix.inputs;
        if rows == 1 {
            return self.dense(op.name(), &x, &matrix, None)?.reshaped(shape);
        }
        // A sequence of vectors: a convolution of width 1 along the sequence, the vectors as channels.
        let turned = x.reshaped(vec![1, rows as u32, matrix.inputs as u32])?.transposed(&[0, 2, 1])?;
        let (source, from) = self.image(op.name(), &turned)?;
        let dims = Dims::new(matrix.outputs as u32, 1, rows as u32);
        let window = Window { kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] };
        let weight = self.block(&matrix.values, matrix.outputs, from.log_channels(), |i| i as usize, matrix.inputs)?;
        self.parameters += matrix.values.len() as u64;
        self.macs += (matrix.values.len() * rows) as u64;
        let layer = self.push(op.name(), dims, vec![NetTerm::Conv { source, weight, window }], None, Scaling::Own)?;
        View::whole(layer, dims, vec![1, matrix.outputs as u32, rows as u32]).transposed(&[0, 2, 1])?.reshaped(shape)
    }

    fn dense(&mut self, name: &str, x: &View, matrix: &Matrix, bias: Option<Vec<f32>>) -> Result<View, Form> {
        if x.cells.len() != matrix.inputs {
            return Err(Form::Shapes);
        }
        let x = self.settle(x);
        let log = self.dims(x.source).log_size();
        let cell = |i: u32| x.cells.get(i as usize).map_or(0, |&c| c as usize);
        let weight = self.block(&matrix.values, matrix.outputs, log, cell, matrix.inputs)?;
        self.parameters += (matrix.values.len() + bias.as_ref().map_or(0, Vec::len)) as u64;
        self.macs += matrix.values.len() as u64;
        let dims = Dims::vector(matrix.outputs as u32);
        let layer = self.push(name, dims, vec![NetTerm::Dense { source: x.source, weight }], bias, Scaling::Own)?;
        Ok(View::whole(layer, dims, vec![1, matrix.outputs as u32]))
    }

    /// A padded weight block: row `o` at `o << log`, its element `i` at `cell(i)`.
    fn block(&self, values: &[f32], outputs: usize, log: u32, cell: impl Fn(u32) -> usize, inputs: usize) -> Result<Vec<f32>, Form> {
        if log + log_ceil(outputs) > MAX_LOG_BLOCK {
            return Err(Form::TooLarge);
        }
        let mut block = vec![0.0; outputs.next_power_of_two() << log];
        for (row, out) in values.chunks_exact(inputs.max(1)).zip(block.chunks_exact_mut(1 << log)) {
            for (i, &v) in row.iter().enumerate() {
                if let Some(slot) = out.get_mut(cell(i as u32)) {
                    *slot = v;
                }
            }
        }
        Ok(block)
    }

    pub(super) fn conv(&mut self, op: &Op<'_>) -> Result<View, Form> {
        let x = op.view(0)?;
        let w = op.required(1)?;
        let rank = x.shape.len();
        if !matches!(rank, 3 | 4) || w.shape.len() != rank {
            return Err(Form::Rank);
        }
        let (source, from) = self.image(op.name(), x)?;
        let kernel: Vec<i64> = w.shape.iter().skip(2).map(|&k| k as i64).collect();
        if op.attributes.ints("kernel_shape").is_some_and(|k| k != kernel) {
            return Err(Form::Window);
        }
        let geometry = Geometry::of(op, rank, from, &kernel)?;
        let groups = usize::try_from(op.attributes.int("group", 1)).ok().filter(|g| *g >= 1).ok_or(Form::Attribute)?;
        let (outputs, per_group) = (w.shape[0], w.shape[1]);
        if outputs == 0 || per_group.checked_mul(groups) != Some(from.channels as usize) || !outputs.is_multiple_of(groups) {
            return Err(Form::Shapes);
        }
        let window = geometry.window;
        let log = from.log_channels() + window.log_kernel();
        if log + log_ceil(outputs) > MAX_LOG_BLOCK {
            return Err(Form::TooLarge);
        }
        let mut block = vec![0.0; outputs.next_power_of_two() << log];
        let [kernel_h, kernel_w] = window.kernel.map(|k| k as usize);
        for (at, &value) in w.floats.iter().enumerate() {
            let (kw, rest) = (at % kernel_w, at / kernel_w);
            let (kh, rest) = (rest % kernel_h, rest / kernel_h);
            let (ci, co) = (rest % per_group, rest / per_group);
            // The group of an output channel decides which input channels it reads; other weights stay zero.
            let ci = co / (outputs / groups) * per_group + ci;
            let cell = ((co << from.log_channels() | ci) << window.log_height() | kh) << window.log_width() | kw;
            if let Some(slot) = block.get_mut(cell) {
                *slot = value;
            }
        }
        let bias = match op.constant(2)? {
            Some(b) if b.floats.len() != outputs => return Err(Form::Shapes),
            b => bias(b, outputs, 1.0)?,
        };
        let dims = geometry.dims(outputs as u32)?;
        self.parameters += (w.floats.len() + bias.as_ref().map_or(0, Vec::len)) as u64;
        self.macs += w.floats.len() as u64 * u64::from(dims.height) * u64::from(dims.width);
        let layer = self.push(op.name(), dims, vec![NetTerm::Conv { source, weight: block, window }], bias, Scaling::Own)?;
        Ok(View::whole(layer, dims, geometry.shape(rank, outputs as u32)))
    }

    /// `(x - mean)·gamma/sqrt(var + eps) + beta` per channel: a factor and a shift.
    pub(super) fn batch_normalization(&mut self, op: &Op<'_>) -> Result<View, Form> {
        let view = op.view(0)?;
        let channels = *view.shape.get(1).ok_or(Form::Rank)? as usize;
        let constants = [1, 2, 3, 4].map(|i| op.required(i));
        let [gamma, beta, mean, variance] = constants;
        let (gamma, beta, mean, variance) = (&gamma?.floats, &beta?.floats, &mean?.floats, &variance?.floats);
        if [gamma, beta, mean, variance].iter().any(|c| c.len() != channels) {
            return Err(Form::Shapes);
        }
        let epsilon = op.attributes.float("epsilon", 1e-5);
        if op.attributes.int("training_mode", 0) != 0 || variance.iter().any(|v| v + epsilon <= 0.0) {
            return Err(Form::Training);
        }
        let factor: Vec<f32> = gamma.iter().zip(variance).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
        let shift: Vec<f32> = beta.iter().zip(mean).zip(&factor).map(|((b, m), f)| b - m * f).collect();
        self.parameters += 4 * channels as u64;
        let mut shape = vec![1; view.shape.len()];
        shape[1] = channels;
        let constant = |floats| Constant { shape: shape.clone(), floats, ints: None };
        self.affine(op.name(), view, &constant(factor), &constant(shift))
    }

    /// A convolution of size 1 that multiplies each channel by its own secret factor.
    pub(super) fn channel_factors(
        &mut self,
        name: &str,
        source: Source,
        dims: Dims,
        factors: &[f32],
        shifts: Vec<f32>,
    ) -> Result<Source, Form> {
        let log = dims.log_channels();
        if 2 * log > MAX_LOG_BLOCK {
            return Err(Form::TooLarge);
        }
        let mut weight = vec![0.0; 1 << (2 * log)];
        for (c, &factor) in factors.iter().enumerate() {
            if let Some(slot) = weight.get_mut(c << log | c) {
                *slot = factor;
            }
        }
        self.macs += dims.len() as u64;
        let window = Window { kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] };
        self.push(name, dims, vec![NetTerm::Conv { source, weight, window }], Some(shifts), Scaling::Own)
    }
}
