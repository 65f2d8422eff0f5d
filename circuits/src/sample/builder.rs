//! Builds architectures with their weights, layer by layer, from tensors with dimensions.

use crate::model::{
    Architecture, BiasBlock, Bounds, Divisor, Domain, Entry, Function, Index, Input, Instruction, Layer, Loop,
    ModelError, Operand, Output, Port, Rule, Run, Source, Table, Term, Unary, Weights, Window, log2_ceil,
};

/// A column as a tensor: each dimension padded to a power of two, the last one's places in the lowest bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// The column.
    pub source: Source,
    /// Lengths, outermost first.
    pub dims: Vec<u32>,
}

/// Logs of the padded lengths, lowest bits first: how terms number axes.
pub fn logs(dims: &[u32]) -> Vec<u8> {
    dims.iter().rev().map(|d| log2_ceil(*d)).collect()
}

/// The cells of all elements, row-major.
pub fn cells(dims: &[u32]) -> Vec<u32> {
    dims.iter().fold(vec![0], |cells, d| {
        cells.into_iter().flat_map(|cell| (0..*d).map(move |i| (cell << log2_ceil(*d)) | i)).collect()
    })
}

impl Tensor {
    /// Logs of its axes, lowest bits first.
    pub fn logs(&self) -> Vec<u8> {
        logs(&self.dims)
    }

    /// Log of its block's length.
    pub fn log_size(&self) -> u8 {
        self.logs().iter().sum()
    }
}

/// A run along an axis.
pub fn along(log_len: u8, axis: u8) -> Run {
    Run { log_len, index: Index::Axis(axis) }
}

/// A run through a map.
pub fn mapped(log_len: u8, axis: impl Into<Option<u8>>, entries: impl IntoIterator<Item = (u32, u32, i32)>) -> Run {
    let entries = entries.into_iter().map(|(to, from, coefficient)| Entry { to, from, coefficient }).collect();
    Run { log_len, index: Index::Map { axis: axis.into(), entries } }
}

/// `coefficient · left`.
pub fn linear(coefficient: i32, axes: Vec<u8>, source: Source, runs: Vec<Run>) -> Term {
    Term { coefficient, axes, summed: 0, left: Operand { source, runs }, right: None }
}

/// `left · right`, summed over the last `summed` axes.
pub fn product(axes: Vec<u8>, summed: u8, left: (Source, Vec<Run>), right: (Source, Vec<Run>)) -> Term {
    let operand = |(source, runs)| Operand { source, runs };
    Term { coefficient: 1, axes, summed, left: operand(left), right: Some(operand(right)) }
}

/// Entries of a map with factor 1: to and from.
type Entries = Vec<(u32, u32)>;

/// A sum of public maps of the rows and columns of `[channels, height, width]` tensors that no column holds yet.
#[derive(Clone)]
struct Pooled {
    parts: Vec<(Source, [Entries; 2])>,
    dims: Vec<u32>,
}

impl Pooled {
    fn of(tensor: &Tensor) -> Self {
        let same = |axis: usize| (0..tensor.dims[axis]).map(|i| (i, i)).collect();
        Self { parts: vec![(tensor.source, [same(1), same(2)])], dims: tensor.dims.clone() }
    }

    /// Every `stride`-th row (axis 0) or column (axis 1) from `offset`, `length` in all.
    fn strided(&self, axis: usize, length: u32, stride: u32, offset: u32) -> Self {
        let mut next = self.clone();
        next.dims[axis + 1] = length;
        for (_, maps) in &mut next.parts {
            maps[axis] = maps[axis]
                .iter()
                .filter_map(|(to, from)| {
                    let to = to.checked_sub(offset)?;
                    (to % stride == 0 && to / stride < length).then_some((to / stride, *from))
                })
                .collect();
        }
        next
    }

    fn terms(&self, sign: i32, logs_of: impl Fn(Source) -> Vec<u8>) -> Vec<Term> {
        let axes = logs(&self.dims);
        let term = |(source, [rows, columns]): &(Source, [Vec<(u32, u32)>; 2])| {
            let from = logs_of(*source);
            let entries = |map: &[(u32, u32)]| map.iter().map(|(to, from)| (*to, *from, 1)).collect::<Vec<_>>();
            let runs = vec![mapped(from[0], 0, entries(columns)), mapped(from[1], 1, entries(rows)), along(from[2], 2)];
            linear(sign, axes.clone(), *source, runs)
        };
        self.parts.iter().map(term).collect()
    }
}

/// Builds a network. What is wrong shows in [`NetworkBuilder::finish`].
#[derive(Clone)]
pub struct NetworkBuilder {
    /// What there is so far; it has no output yet.
    pub arch: Architecture,
    /// The weights so far.
    pub weights: Weights,
    dims: Vec<Vec<u32>>,
    input: Vec<u32>,
}

impl NetworkBuilder {
    /// A network without layers, and its input.
    pub fn new(dims: &[u32], bits: u8, scale: i8, weight_bits: u8) -> (Self, Tensor) {
        let half = 1i32 << (bits.clamp(1, 16) - 1);
        let port =
            Port { name: "input".into(), scale, range: (-half, half - 1), shape: dims.to_vec(), cells: cells(dims) };
        let arch = Architecture {
            input: Input { log_size: logs(dims).iter().sum(), bits, ports: vec![port] },
            weight_bits,
            matrices: Vec::new(),
            biases: Vec::new(),
            tables: Vec::new(),
            layers: Vec::new(),
            loops: Vec::new(),
            outputs: Vec::new(),
        };
        let builder = Self { arch, weights: Weights::default(), dims: Vec::new(), input: dims.to_vec() };
        (builder, Tensor { source: Source::Input, dims: dims.to_vec() })
    }

    /// Index of a table; the same description gives the same table.
    pub fn table(&mut self, bits: u8, domain: Domain, function: Function) -> u32 {
        let table = Table { bits, domain, function };
        let at = self.arch.tables.iter().position(|t| *t == table).unwrap_or_else(|| {
            self.arch.tables.push(table);
            self.arch.tables.len() - 1
        });
        at as u32
    }

    /// A table of a function of one step.
    pub fn unary(&mut self, bits: u8, domain: Domain, function: Unary, scales: (i8, i8), least: i16) -> u32 {
        let program = vec![Instruction::Argument, Instruction::Unary(function)];
        self.table(bits, domain, Function::Real { program, scale_in: scales.0, scale_out: scales.1, least })
    }

    /// A block of weights, padded with zeros to each of `dims`.
    pub fn weight(&mut self, dims: &[u32], mut value: impl FnMut() -> i16) -> Source {
        let log: u8 = logs(dims).iter().sum();
        let mut block = vec![0; 1 << log];
        cells(dims).into_iter().for_each(|cell| block[cell as usize] = value());
        self.weights.matrices.push(block);
        self.arch.matrices.push(log.into());
        Source::Weight(self.arch.matrices.len() as u32 - 1)
    }

    /// A bias for each of the channels of a layer whose other axes have these logs together.
    pub fn bias(&mut self, positions: u8, values: Vec<i32>) -> Term {
        let log = log2_ceil(values.len() as u32);
        let mut block = values;
        block.resize(1 << log, 0);
        self.arch.biases.push(BiasBlock { log_size: log, bits: BiasBlock::bits_of(&block) });
        self.weights.biases.push(block);
        linear(1, vec![positions, log], Source::Bias(self.arch.biases.len() as u32 - 1), vec![along(log, 1)])
    }

    /// A dense term over all elements of a tensor, `[outputs]`.
    pub fn dense(&mut self, from: &Tensor, outputs: u32, value: impl FnMut() -> i16) -> Term {
        let dims: Vec<u32> = std::iter::once(outputs).chain(from.dims.iter().copied()).collect();
        let weight = self.weight(&dims, value);
        let (o, k) = (log2_ceil(outputs), from.log_size());
        product(vec![o, k], 1, (weight, vec![along(k, 1), along(o, 0)]), (from.source, vec![along(k, 1)]))
    }

    /// A convolution of a `[channels, height, width]` tensor: kernel, stride and padding of both axes. Returns the term
    /// and the output's dimensions.
    pub fn conv(
        &mut self,
        from: &Tensor,
        channels: u32,
        shape: [u32; 3],
        value: impl FnMut() -> i16,
    ) -> (Term, Vec<u32>) {
        let [kernel, stride, padding] = shape;
        let length = |n: u32| (n + 2 * padding - kernel) / stride + 1;
        let dims = vec![channels, length(from.dims[1]), length(from.dims[2])];
        let weight = self.weight(&[channels, from.dims[0], kernel, kernel], value);
        let (f, to, k) = (from.logs(), logs(&dims), log2_ceil(kernel));
        let axes = [to.clone(), vec![k, k, f[2]]].concat();
        let window = |of: usize, out: u8| {
            let window = Window { outputs: dims[of], kernel, inputs: from.dims[of], stride, dilation: 1, padding };
            Run { log_len: log2_ceil(from.dims[of]), index: Index::Window { out, kernel: out + 3, window } }
        };
        let left = vec![along(k, 3), along(k, 4), along(f[2], 5), along(to[2], 2)];
        (product(axes, 3, (weight, left), (from.source, vec![window(2, 0), window(1, 1), along(f[2], 5)])), dims)
    }

    /// A depthwise convolution with "same" padding: one kernel a channel.
    pub fn depthwise(&mut self, from: &Tensor, kernel: u32, value: impl FnMut() -> i16) -> Term {
        let weight = self.weight(&[from.dims[0], kernel, kernel], value);
        let (f, k) = (from.logs(), log2_ceil(kernel));
        let window = |of: usize, out: u8| {
            let window = Window {
                outputs: from.dims[of],
                kernel,
                inputs: from.dims[of],
                stride: 1,
                dilation: 1,
                padding: kernel / 2,
            };
            Run { log_len: log2_ceil(from.dims[of]), index: Index::Window { out, kernel: out + 3, window } }
        };
        let left = vec![along(k, 3), along(k, 4), along(f[2], 2)];
        product(
            [f.clone(), vec![k, k]].concat(),
            2,
            (weight, left),
            (from.source, vec![window(2, 0), window(1, 1), along(f[2], 2)]),
        )
    }

    /// A residual connection: a column, cell by cell.
    pub fn same(&self, from: &Tensor, coefficient: i32) -> Term {
        let axes = from.logs();
        let runs = axes.iter().zip(0..).map(|(log, axis)| along(*log, axis)).collect();
        linear(coefficient, axes, from.source, runs)
    }

    /// Adds a layer; returns what its later readers read: `f(q)`.
    pub fn layer(&mut self, dims: &[u32], terms: Vec<Term>, constant: i64, rule: Rule) -> Tensor {
        self.arch.layers.push(Layer { log_size: logs(dims).iter().sum(), terms, constant, rule });
        self.dims.push(dims.to_vec());
        Tensor { source: Source::Post(self.arch.layers.len() as u32 - 1), dims: dims.to_vec() }
    }

    /// Takes the last layer back.
    pub fn undo(&mut self) {
        self.arch.layers.pop();
        self.dims.pop();
    }

    /// A requantised layer.
    pub fn requantise(&mut self, dims: &[u32], terms: Vec<Term>, shift: u8, table: u32) -> Tensor {
        self.layer(dims, terms, 0, Rule::Requantise { shift, limbs: 0, table })
    }

    /// The layer divided by a tensor over its highest axes: rows that share a divisor.
    pub fn divide(
        &mut self,
        dims: &[u32],
        terms: Vec<Term>,
        constant: i64,
        by: &Tensor,
        limb_bits: u8,
        table: u32,
    ) -> Tensor {
        let (log, rows): (u8, u8) = (logs(dims).iter().sum(), by.log_size());
        let operand = Operand { source: by.source, runs: vec![along(rows, 1)] };
        let by = Divisor { axes: vec![log - rows, rows], operand };
        self.layer(dims, terms, constant, Rule::Divide { by, limb_bits, parts: 0, limbs: 0, table })
    }

    /// A quotient, kept whole, by a tensor over the layer's highest axes.
    pub fn quotient(&mut self, dims: &[u32], terms: Vec<Term>, constant: i64, by: &Tensor, limb_bits: u8) -> Tensor {
        let (log, rows): (u8, u8) = (logs(dims).iter().sum(), by.log_size());
        let operand = Operand { source: by.source, runs: vec![along(rows, 1)] };
        let by = Divisor { axes: vec![log - rows, rows], operand };
        self.layer(dims, terms, constant, Rule::Quotient { by, limb_bits, parts: 0 })
    }

    /// Marks the last `layers` layers as a loop over their outermost dimension, which is padded to `2^log_steps`.
    pub fn repeat(&mut self, layers: u32, log_steps: u8) {
        self.arch.loops.push(Loop { first: self.arch.layers.len() as u32 - layers, layers, log_steps });
    }

    /// A maximum over windows without padding of a `[channels, height, width]` tensor, by a tournament along the width
    /// and then along the height.
    ///
    /// With `m_0 = x_0` (the first tap), `m_t = x_t + ReLU(m_(t-1) - x_t)`: one layer per further tap, which reads
    /// three shifted views of the source or of earlier layers; since `m_t` is a sum of two columns it need not be a
    /// column itself, but for the last, which the returned layer holds.
    ///
    /// The result is the exact maximum if differences of the source's values fit `bits` bits.
    pub fn max_pool(&mut self, from: &Tensor, bits: u8, kernel: [u32; 2], stride: [u32; 2], out: [u32; 2]) -> Tensor {
        let relu = self.table(bits, Domain::Signed, Function::Relu);
        let identity = self.table(bits, Domain::Signed, Function::Identity);
        let mut view = Pooled::of(from);
        for axis in [1, 0] {
            let mut best = view.strided(axis, out[axis], stride[axis], 0);
            for offset in 1..kernel[axis] {
                let next = view.strided(axis, out[axis], stride[axis], offset);
                let terms = [best.terms(1, |s| self.logs_of(s)), next.terms(-1, |s| self.logs_of(s))].concat();
                let excess = self.requantise(&best.dims, terms, 0, relu);
                best = next;
                best.parts.extend(Pooled::of(&excess).parts);
            }
            view = best;
        }
        let terms = view.terms(1, |s| self.logs_of(s));
        self.requantise(&view.dims, terms, 0, identity)
    }

    fn logs_of(&self, source: Source) -> Vec<u8> {
        logs(source.layer().map_or(&self.input, |layer| &self.dims[layer as usize]))
    }

    /// Averages of windows without padding, the sum's division being a shift.
    pub fn average_pool(&mut self, from: &Tensor, kernel: u32, shift: u8, table: u32) -> Tensor {
        let dims = vec![from.dims[0], from.dims[1] / kernel, from.dims[2] / kernel];
        let (f, axes) = (from.logs(), logs(&dims));
        let map = |length: u32| (0..length).flat_map(move |to| (0..kernel).map(move |k| (to, to * kernel + k, 1)));
        let runs = vec![mapped(f[0], 0, map(dims[2])), mapped(f[1], 1, map(dims[1])), along(f[2], 2)];
        let terms = vec![linear(1, axes, from.source, runs)];
        self.requantise(&dims, terms, shift, table)
    }

    /// Bounds of what there is so far.
    ///
    /// # Errors
    /// As [`Architecture::analyse`].
    pub fn check(&mut self, output: &Tensor) -> Result<Bounds, ModelError> {
        self.arch.outputs = vec![Output {
            name: "output".into(),
            source: output.source,
            scale: 0,
            shape: output.dims.clone(),
            cells: cells(&output.dims),
        }];
        self.arch.clone().complete()
    }

    /// Ends the network with all elements of a tensor as the output, row-major.
    ///
    /// # Errors
    /// As [`NetworkBuilder::finish_with`].
    pub fn finish(self, output: &Tensor, scale: i8) -> Result<(Architecture, Weights), ModelError> {
        let cells = cells(&output.dims);
        self.finish_with(vec![Output {
            name: "output".into(),
            source: output.source,
            scale,
            shape: output.dims.clone(),
            cells,
        }])
    }

    /// Ends the network: sets limbs and rails from the static bounds, and validates.
    ///
    /// # Errors
    /// The first rule of [`Architecture::validate`] or [`Weights::validate`] that is broken.
    pub fn finish_with(mut self, outputs: Vec<Output>) -> Result<(Architecture, Weights), ModelError> {
        self.arch.outputs = outputs;
        self.arch.complete()?;
        self.weights.validate(&self.arch)?;
        Ok((self.arch, self.weights))
    }
}
