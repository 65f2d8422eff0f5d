//! Builds architectures with their weights: lays out blocks, shares tables, computes saturation limbs.

use super::{Architecture, AxisMap, Dims, Function, Input, Layer, ModelError, Output, Source, Table, Term, Weights, Window};

impl Dims {
    /// The cells of all elements, channel by channel, row by row.
    pub fn cells(&self) -> Vec<u32> {
        let rows = (0..self.channels).flat_map(|c| (0..self.height).map(move |h| (c, h)));
        rows.flat_map(|(c, h)| (0..self.width).map(move |w| self.cell(c, h, w) as u32)).collect()
    }

    /// The shape that a user sees: `[channels]` for a vector, else `[channels, height, width]`.
    pub fn shape(&self) -> Vec<u32> {
        if self.height == 1 && self.width == 1 { vec![self.channels] } else { vec![self.channels, self.height, self.width] }
    }
}

impl Input {
    /// An input whose elements are those of `dims`, row-major.
    pub fn row_major(dims: Dims, bits: u8, scale: i8) -> Self {
        Self { dims, bits, scale, shape: dims.shape(), cells: dims.cells() }
    }
}

impl AxisMap {
    /// Every position to itself.
    pub fn identity(length: u32) -> Self {
        Self::select(length, 1, 0)
    }

    /// Position `i` reads `i·stride + offset`.
    pub fn select(length: u32, stride: u32, offset: u32) -> Self {
        Self { entries: (0..length).map(|to| (to, to * stride + offset, 1)).collect() }
    }

    /// Position `i` reads the sum of `i·stride + k - padding` over `k < kernel`, positions outside `0..from` being left out.
    pub fn window(length: u32, from: u32, kernel: u32, stride: u32, padding: u32) -> Self {
        let taps = (0..length).flat_map(|to| (0..kernel).map(move |k| (to, (to * stride + k).checked_sub(padding))));
        Self { entries: taps.filter_map(|(to, at)| at.filter(|&at| at < from).map(|at| (to, at, 1))).collect() }
    }

    /// All coefficients times `factor`.
    pub fn scaled(mut self, factor: i32) -> Self {
        self.entries.iter_mut().for_each(|entry| entry.2 *= factor);
        self
    }

    /// Reads, where `self` is what position `i·stride + offset` reads, what position `i` of `0..length` does.
    fn strided(&self, length: u32, stride: u32, offset: u32) -> Self {
        let entry = |&(to, from, c): &(u32, u32, i32)| {
            let to = to.checked_sub(offset)?;
            (to % stride == 0 && to / stride < length).then_some((to / stride, from, c))
        };
        Self { entries: self.entries.iter().filter_map(entry).collect() }
    }
}

/// A sum of public maps of columns that no column holds yet.
#[derive(Clone)]
struct View {
    parts: Vec<(Source, AxisMap, AxisMap)>,
    dims: Dims,
}

impl View {
    fn of(source: Source, dims: Dims) -> Self {
        Self { parts: vec![(source, AxisMap::identity(dims.height), AxisMap::identity(dims.width))], dims }
    }

    /// Every `stride`-th row (axis 0) or column (axis 1) from `offset`, `length` in all.
    fn strided(&self, axis: usize, length: u32, stride: u32, offset: u32) -> Self {
        let part = |(source, rows, cols): &(Source, AxisMap, AxisMap)| match axis {
            0 => (*source, rows.strided(length, stride, offset), cols.clone()),
            _ => (*source, rows.clone(), cols.strided(length, stride, offset)),
        };
        let mut dims = self.dims;
        *(if axis == 0 { &mut dims.height } else { &mut dims.width }) = length;
        Self { parts: self.parts.iter().map(part).collect(), dims }
    }

    fn terms(&self, sign: i32) -> impl Iterator<Item = Term> + '_ {
        self.parts.iter().map(move |(source, rows, cols)| Term::Stencil {
            source: *source,
            rows: rows.clone(),
            cols: cols.clone().scaled(sign),
        })
    }
}

/// Builds a network layer by layer. Weights are given by closures over unpadded indices.
///
/// A term with weights must be used in a layer before the next one is made. What is wrong shows in [`NetworkBuilder::finish`].
pub struct NetworkBuilder {
    arch: Architecture,
    weights: Weights,
}

impl NetworkBuilder {
    /// A network without layers.
    pub fn new(input: Input, weight_bits: u8) -> Self {
        let output = Output { source: Source::Input, scale: 0, shape: Vec::new(), cells: Vec::new() };
        let arch = Architecture { input, weight_bits, tables: Vec::new(), layers: Vec::new(), output };
        Self { arch, weights: Weights::default() }
    }

    /// Index of a table; the same description gives the same table.
    pub fn table(&mut self, bits: u8, function: Function) -> u32 {
        let table = Table { bits, saturating: false, function };
        let at = self.arch.tables.iter().position(|t| *t == table).unwrap_or_else(|| {
            self.arch.tables.push(table);
            self.arch.tables.len() - 1
        });
        at as u32
    }

    /// Dimensions of a column. One element where there is no such column, which `finish` reports.
    pub fn dims(&self, source: Source) -> Dims {
        self.arch.dims(source).unwrap_or(Dims::vector(1))
    }

    /// Number of layers so far.
    pub fn layers(&self) -> usize {
        self.arch.layers.len()
    }

    /// A dense term; `weight(o, c, h, w)` multiplies element `(c, h, w)` of the source in output `o`.
    pub fn dense(&mut self, source: Source, outputs: u32, mut weight: impl FnMut(u32, u32, u32, u32) -> i16) -> Term {
        let from = self.dims(source);
        let mut block = vec![0; from.block_len() << Dims::vector(outputs).log_channels()];
        for (o, row) in (0..outputs).zip(block.chunks_exact_mut(from.block_len())) {
            for c in 0..from.channels {
                for h in 0..from.height {
                    (0..from.width).for_each(|w| row[from.cell(c, h, w)] = weight(o, c, h, w));
                }
            }
        }
        self.weights.matrices.push(block);
        Term::Dense { source, weight: self.weights.matrices.len() as u32 - 1 }
    }

    /// A convolution; `weight(co, ci, kh, kw)` is the kernel.
    pub fn conv(&mut self, source: Source, outputs: u32, window: Window, mut weight: impl FnMut(u32, u32, u32, u32) -> i16) -> Term {
        let kernel = Dims::new(self.dims(source).channels, window.kernel[0], window.kernel[1]);
        let mut block = vec![0; kernel.block_len() << Dims::vector(outputs).log_channels()];
        for (co, row) in (0..outputs).zip(block.chunks_exact_mut(kernel.block_len())) {
            for ci in 0..kernel.channels {
                for kh in 0..kernel.height {
                    (0..kernel.width).for_each(|kw| row[kernel.cell(ci, kh, kw)] = weight(co, ci, kh, kw));
                }
            }
        }
        self.weights.matrices.push(block);
        Term::Conv { source, weight: self.weights.matrices.len() as u32 - 1, window }
    }

    /// A residual connection: the source, cell by cell.
    pub fn same(&self, source: Source) -> Term {
        let dims = self.dims(source);
        Term::Stencil { source, rows: AxisMap::identity(dims.height), cols: AxisMap::identity(dims.width) }
    }

    /// Adds a layer with a bias per channel, or none; returns `y`.
    pub fn layer(&mut self, dims: Dims, terms: Vec<Term>, bias: Option<Vec<i32>>, shift: u8, table: u32) -> Source {
        let (has_bias, mut bias) = (bias.is_some(), bias.unwrap_or_default());
        if has_bias {
            bias.resize(1 << dims.log_channels(), 0);
        }
        self.weights.biases.push(bias);
        self.arch.layers.push(Layer { dims, terms, bias: has_bias, shift, limbs: 0, table });
        Source::Post(self.arch.layers.len() as u32 - 1)
    }

    /// A maximum over windows without padding, by a tournament along the width and then along the height.
    ///
    /// With `m_0 = x_0` (the first tap), `m_t = x_t + ReLU(m_(t-1) - x_t)`: one layer per further tap, which reads three shifted views of the source
    /// or of earlier layers; since `m_t` is a sum of two columns it need not be a column itself, but for the last, which the returned layer holds.
    /// A `k × k` window costs `2k - 2` layers instead of `k² - 1`, the first `k - 1` over unpooled rows.
    ///
    /// The result is the exact maximum if differences of the source's values fit `bits` bits: values in `[0, 2^(bits-1))`, or of `bits - 1` bits.
    /// The static bounds are wider than the values, so that the layers may get limbs, which are always 0.
    pub fn max_pool(&mut self, source: Source, bits: u8, kernel: [u32; 2], stride: [u32; 2], out: [u32; 2]) -> Source {
        let (relu, identity) = (self.table(bits, Function::Relu), self.table(bits, Function::Identity));
        let mut view = View::of(source, self.dims(source));
        for axis in [1, 0] {
            let mut best = view.strided(axis, out[axis], stride[axis], 0);
            for offset in 1..kernel[axis] {
                let next = view.strided(axis, out[axis], stride[axis], offset);
                let terms = best.terms(1).chain(next.terms(-1)).collect();
                let excess = self.layer(best.dims, terms, None, 0, relu);
                best = next;
                best.parts.extend(View::of(excess, best.dims).parts);
            }
            view = best;
        }
        let terms = view.terms(1).collect();
        self.layer(view.dims, terms, None, 0, identity)
    }

    /// Ends the network with all elements of a column as the output, row-major.
    ///
    /// # Errors
    /// As [`NetworkBuilder::finish_with`].
    pub fn finish(self, source: Source, scale: i8) -> Result<(Architecture, Weights), ModelError> {
        let dims = self.dims(source);
        self.finish_with(Output { source, scale, shape: dims.shape(), cells: dims.cells() })
    }

    /// Ends the network: sets the limbs of each layer and the rails of each table from the static bounds, and validates.
    ///
    /// # Errors
    /// The first rule of [`Architecture::validate`] or [`Weights::validate`] that is broken.
    pub fn finish_with(mut self, output: Output) -> Result<(Architecture, Weights), ModelError> {
        self.arch.output = output;
        let bounds = self.arch.analyse()?;
        for (layer, limbs) in self.arch.layers.iter_mut().zip(bounds.limbs) {
            layer.limbs = limbs;
            if let Some(table) = self.arch.tables.get_mut(layer.table as usize) {
                table.saturating |= limbs > 0;
            }
        }
        self.arch.validate()?;
        self.weights.validate(&self.arch)?;
        Ok((self.arch, self.weights))
    }
}
