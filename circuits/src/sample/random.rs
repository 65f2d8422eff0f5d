//! Small random networks that together reach every term, table and rule of the semantics.

use super::Random;
use super::builder::{NetworkBuilder, Tensor, along, cells, linear, logs, mapped, product};
use crate::model::{
    Architecture, Binary, Domain, Function, Index, Instruction, MAX_RAIL_BITS, Output, Rule, Run, Source, Term, Unary,
    Weights, Window, log2_ceil,
};

/// A valid random network of up to some ten layers, with at most a few thousand cells per column.
///
/// Over many seeds: every rule and every kind of term and run, alone and summed, odd and unit dimensions, shifts from
/// 0, layers that saturate and layers that cannot, every function, all weight widths, biases up to the ends of their
/// range, several outputs that are permuted parts of any columns.
pub fn random_network(seed: u64) -> (Architecture, Weights) {
    let mut random = Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5eed);
    let dims = random.tensor();
    let bits = if random.percent(10) { 16 } else { random.within(2, 10) as u8 };
    let weight_bits = if random.percent(15) { 16 } else { random.within(2, 12) as u8 };
    let (builder, input) = NetworkBuilder::new(&dims, bits, random.within(-4, 12) as i8, weight_bits);
    let mut net = Net { builder, random, tensors: vec![input], weight_bits };
    let wanted = net.random.within(1, 7) as usize;
    while net.builder.arch.layers.len() < wanted {
        net.layer();
    }
    let outputs = (0..net.random.within(1, 2)).map(|_| net.output()).collect();
    net.builder.finish_with(outputs).expect("random networks are valid by construction")
}

impl Random {
    fn length(&mut self, high: i64) -> u32 {
        self.within(1, high) as u32
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.within(0, of.len() as i64 - 1) as usize].clone()
    }

    /// Three dimensions.
    fn tensor(&mut self) -> Vec<u32> {
        if self.percent(20) {
            vec![self.length(20), 1, 1]
        } else {
            vec![self.length(4), self.length(7), self.length(7)]
        }
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.within(0, last as i64) as usize);
        }
    }
}

struct Net {
    builder: NetworkBuilder,
    random: Random,
    /// What can be read, all of three dimensions.
    tensors: Vec<Tensor>,
    weight_bits: u8,
}

impl Net {
    /// A table; sometimes one with wide rails. The others get narrow ones where they are needed.
    fn table(&mut self, domain: Domain, bits: u8) -> u32 {
        let random = &mut self.random;
        let (scale_in, scale_out) = (random.within(-1, i64::from(bits)) as i8, random.within(0, 15) as i8);
        let unary = random.pick(Unary::ALL);
        let (constant, binary) = (random.within(-20, 20) as f32 / 4.0, random.pick(Binary::ALL));
        let function = match random.within(0, 5) {
            0 | 1 => Function::Identity,
            2 if domain != Domain::Unsigned => Function::Relu,
            3 => {
                let program = vec![Instruction::Argument, Instruction::constant(constant), Instruction::Binary(binary)];
                Function::Real { program, scale_in, scale_out, least: i16::MIN }
            }
            _ => {
                let program = vec![Instruction::Argument, Instruction::Unary(unary)];
                Function::Real { program, scale_in, scale_out, least: random.pick(&[i16::MIN, 0, 1]) }
            }
        };
        let wide = domain == Domain::Signed && scale_in % 3 == 0;
        let limb_bits = (bits - 1 + scale_out as u8 % 4).min(MAX_RAIL_BITS);
        self.builder.table(bits, if wide { Domain::Saturating { limb_bits } } else { domain }, function)
    }

    fn tensor(&mut self) -> Tensor {
        self.random.pick(&self.tensors)
    }

    fn weight(&mut self, dims: &[u32]) -> Source {
        let half = 1i64 << (self.weight_bits - 1);
        let (random, extreme) = (&mut self.random, self.weight_bits > 8);
        self.builder.weight(dims, || {
            if extreme && random.percent(2) { -half as i16 } else { random.within(-half, half - 1) as i16 }
        })
    }

    /// Adds a layer of some kind, if what comes out is valid.
    fn layer(&mut self) {
        let before = self.builder.clone();
        let new = match self.random.within(0, 9) {
            0 => self.maximum(),
            1 => self.root(),
            2 if self.random.percent(40) => self.quotient(),
            2 => self.divided(),
            3 => self.recurrent(),
            4 => self.exact(),
            _ => self.requantised(),
        };
        match self.builder.check(&self.tensors[0].clone()) {
            Ok(_) => self.tensors.extend(new),
            Err(_) => self.builder = before,
        }
    }

    fn requantised(&mut self) -> Vec<Tensor> {
        let (dims, mut terms) = self.sum();
        let (bits, mut shift) = (self.random.within(4, 10) as u8, self.random.within(0, 12) as u8);
        if shift == 12 {
            // as much larger a sum: a remainder of two or three limbs
            let wide = self.random.within(17, 36) as u8;
            terms.iter_mut().for_each(|term| term.coefficient <<= wide - shift);
            shift = wide;
        }
        let table = self.table(Domain::Signed, bits);
        let constant = self.random.within(-9, 9);
        let new = self.builder.layer(&dims, terms, constant, Rule::Requantise { shift, limbs: 0, table });
        self.both(new)
    }

    /// `f(q)`, and `q`.
    fn both(&self, new: Tensor) -> Vec<Tensor> {
        let pre = Source::Pre(self.builder.arch.layers.len() as u32 - 1);
        vec![Tensor { source: pre, dims: new.dims.clone() }, new]
    }

    fn exact(&mut self) -> Vec<Tensor> {
        let (dims, terms) = self.sum();
        vec![self.builder.layer(&dims, terms, 5, Rule::Exact)]
    }

    fn root(&mut self) -> Vec<Tensor> {
        let x = self.tensor();
        let (axes, (kept, summed)) = (x.logs(), (x.dims[..2].to_vec(), x.dims[2]));
        // squares summed over the last axis
        let read =
            (x.source, vec![mapped(axes[0], 2, (0..summed).map(|k| (k, k, 1))), along(axes[1], 0), along(axes[2], 1)]);
        let term = product(vec![axes[1], axes[2], axes[0]], 1, read.clone(), read);
        let dims = [kept, vec![1]].concat();
        let limb_bits = self.random.within(4, 9) as u8;
        let constant = self.random.within(0, 3);
        vec![self.builder.layer(&dims, vec![term], constant, Rule::SquareRoot { limb_bits, parts: 0 })]
    }

    fn divided(&mut self) -> Vec<Tensor> {
        // a positive divisor: a root, a distance or a function, plus 1
        let x = self.tensor();
        let mut read = self.builder.same(&x, 1);
        if self.random.percent(50) {
            read.right = Some(read.left.clone());
        }
        let positive = self.builder.layer(&x.dims, vec![read], 1, Rule::Exact);
        let (dims, terms) = if self.random.percent(30) { (x.dims.clone(), Vec::new()) } else { self.sum_over(&x.dims) };
        let bits = self.random.within(4, 10) as u8;
        let (table, limb_bits) = (self.table(Domain::Signed, bits), self.random.within(4, 9) as u8);
        let constant = self.random.within(-2000, 2000);
        let new = self.builder.divide(&dims, terms, constant, &positive, limb_bits, table);
        self.both(new)
    }

    fn quotient(&mut self) -> Vec<Tensor> {
        // squares plus 1, of a number and of a tensor
        let x = self.tensor();
        let mut read = self.builder.same(&x, 1);
        read.right = Some(read.left.clone());
        let positive = self.builder.layer(&x.dims, vec![read.clone()], 1, Rule::Exact);
        let terms = if self.random.percent(50) { Vec::new() } else { vec![read] };
        let (limb_bits, constant) = (self.random.within(4, 9) as u8, self.random.within(0, 1 << 20));
        vec![self.builder.quotient(&x.dims, terms, constant, &positive, limb_bits)]
    }

    fn maximum(&mut self) -> Vec<Tensor> {
        let (dims, terms) = self.sum();
        let (axes, axis) = (logs(&dims), self.random.within(0, 2) as usize);
        // of a sum whose axes are those of the tensor
        let terms: Vec<Term> = terms.into_iter().filter(|term| term.axes.get(..3) == Some(&axes[..])).collect();
        let length = dims[2 - axis];
        let len = if self.random.percent(50) { length } else { self.random.length(length.into()) };
        let bits = self.random.within(8, 12) as u8;
        let table = self.table(Domain::Unsigned, bits);
        let low = axes[..axis].iter().sum();
        let new = self.builder.layer(&dims, terms, 0, Rule::Maximum { low, bits: axes[axis], len, table });
        let layer = self.builder.arch.layers.len() as u32 - 1;
        let mut rows = dims.clone();
        rows[2 - axis] = 1;
        vec![Tensor { source: Source::Max(layer), dims: rows }, Tensor { source: Source::Mark(layer), dims }, new]
    }

    /// Two layers over steps, the first of which reads the second one's last step.
    fn recurrent(&mut self) -> Vec<Tensor> {
        let x = self.tensor();
        let (axes, layer) = (x.logs(), self.builder.arch.layers.len() as u32);
        let before = mapped(axes[2], 1, (1..1 << axes[2]).map(|t| (t, t - 1, 1)));
        let inner = axes[0] + axes[1];
        let state = linear(1, vec![inner, axes[2]], Source::Post(layer + 1), vec![along(inner, 0), before]);
        let now = linear(2, vec![inner, axes[2]], x.source, vec![along(inner, 0), along(axes[2], 1)]);
        let bits = self.random.within(4, 9) as u8;
        let table = self.table(Domain::Signed, bits);
        let first = self.builder.requantise(&x.dims, vec![now, state], 1, table);
        let read = |tensor: &Tensor| (tensor.source, vec![along(inner, 0), along(axes[2], 1)]);
        let square = product(vec![inner, axes[2]], 0, read(&first), read(&x));
        let second = self.builder.requantise(&x.dims, vec![square], 4, table);
        self.builder.repeat(2, axes[2]);
        vec![first, second]
    }

    /// A sum of one to three terms, and its dimensions.
    fn sum(&mut self) -> (Vec<u32>, Vec<Term>) {
        let x = self.tensor();
        let (term, dims) = match self.random.within(0, 3) {
            0 => self.dense(&x),
            1 => self.conv(&x),
            2 => self.attention(&x),
            _ => (self.map(&x, &x.dims.clone()), x.dims.clone()),
        };
        let mut terms = vec![term];
        while self.random.percent(40) {
            let more = self.over(&dims);
            terms.push(more);
        }
        (dims, terms)
    }

    fn sum_over(&mut self, dims: &[u32]) -> (Vec<u32>, Vec<Term>) {
        let terms = (0..self.random.within(1, 2)).map(|_| self.over(dims)).collect();
        (dims.to_vec(), terms)
    }

    /// A term over given dimensions.
    fn over(&mut self, dims: &[u32]) -> Term {
        let axes = logs(dims);
        let same: Vec<Tensor> = self.tensors.iter().filter(|t| t.dims == dims).cloned().collect();
        match self.random.within(0, 3) {
            0 => {
                let high = if self.random.percent(5) { i64::from(i32::MAX) } else { 2000 };
                let values = (0..dims[0]).map(|_| self.random.within(-high - 1, high) as i32).collect();
                self.builder.bias(axes[0] + axes[1], values)
            }
            1 if !same.is_empty() => {
                let [a, b] = [(); 2].map(|()| self.random.pick(&same));
                let read = |tensor: &Tensor| {
                    (tensor.source, axes.iter().zip(0..).map(|(log, axis)| along(*log, axis)).collect())
                };
                product(axes.clone(), 0, read(&a), read(&b))
            }
            2 => {
                // times a weight for each channel
                let weight = self.weight(&dims[..1]);
                let read = axes.iter().zip(0..).map(|(log, axis)| along(*log, axis)).collect();
                let x = same.first().cloned().unwrap_or_else(|| self.tensors[0].clone());
                if x.dims != dims {
                    return self.map(&x, dims);
                }
                product(axes.clone(), 0, (weight, vec![along(axes[2], 2)]), (x.source, read))
            }
            _ => {
                let x = self.tensor();
                self.map(&x, dims)
            }
        }
    }

    fn dense(&mut self, x: &Tensor) -> (Term, Vec<u32>) {
        let outputs = self.random.length(20);
        let dims: Vec<u32> = std::iter::once(outputs).chain(x.dims.iter().copied()).collect();
        let (weight, o, k) = (self.weight(&dims), log2_ceil(outputs), x.log_size());
        let term =
            product(vec![0, 0, o, k], 1, (weight, vec![along(k, 3), along(o, 2)]), (x.source, vec![along(k, 3)]));
        (term, vec![outputs, 1, 1])
    }

    /// A convolution, of all channels or of each by itself.
    fn conv(&mut self, x: &Tensor) -> (Term, Vec<u32>) {
        let random = &mut self.random;
        let depthwise = random.percent(40);
        let channels = if depthwise { x.dims[0] } else { random.length(4) };
        let mut windows = Vec::new();
        for of in [2, 1] {
            let (kernel, stride, dilation) = (random.length(3), random.length(2), random.length(2));
            let padding = random.within(0, 4) as u32;
            let reach = (kernel - 1) * dilation + 1;
            let room = (x.dims[of] + 2 * padding).saturating_sub(reach);
            windows.push(Window { outputs: room / stride + 1, kernel, inputs: x.dims[of], stride, dilation, padding });
        }
        let dims = vec![channels, windows[1].outputs, windows[0].outputs];
        let kernel = [windows[1].kernel, windows[0].kernel];
        let (f, to, k) = (x.logs(), logs(&dims), windows.iter().map(|w| log2_ceil(w.kernel)).collect::<Vec<_>>());
        let run = |of: usize| Run {
            log_len: f[of],
            index: Index::Window { out: of as u8, kernel: of as u8 + 3, window: windows[of] },
        };
        if depthwise {
            let weight = self.weight(&[channels, kernel[0], kernel[1]]);
            let left = (weight, vec![along(k[0], 3), along(k[1], 4), along(to[2], 2)]);
            let term = product([to.clone(), k].concat(), 2, left, (x.source, vec![run(0), run(1), along(f[2], 2)]));
            return (term, dims);
        }
        let weight = self.weight(&[channels, x.dims[0], kernel[0], kernel[1]]);
        let left = (weight, vec![along(k[0], 3), along(k[1], 4), along(f[2], 5), along(to[2], 2)]);
        let term = product([to, k, vec![f[2]]].concat(), 3, left, (x.source, vec![run(0), run(1), along(f[2], 5)]));
        (term, dims)
    }

    /// The products of a tensor's rows with each other, plane by plane.
    fn attention(&mut self, x: &Tensor) -> (Term, Vec<u32>) {
        let (f, length) = (x.logs(), x.dims[2]);
        let each = || (0..length).map(|k| (k, k, 1));
        let left = (x.source, vec![mapped(f[0], 3, each()), along(f[1], 0), along(f[2], 2)]);
        let right = (x.source, vec![mapped(f[0], 3, each()), along(f[1], 1), along(f[2], 2)]);
        (product(vec![f[1], f[1], f[2], f[0]], 1, left, right), vec![x.dims[0], x.dims[1], x.dims[1]])
    }

    /// A linear term over `dims`: each axis of the source follows some axis, sums, or is one place; or cells are
    /// listed.
    fn map(&mut self, x: &Tensor, dims: &[u32]) -> Term {
        let (from, axes) = (x.logs(), logs(dims));
        let coefficient = if self.random.percent(20) { -3 } else { self.random.length(3) as i32 };
        if self.random.percent(15) {
            let (mut to, mut at) = (cells(dims), cells(&x.dims));
            self.random.shuffle(&mut to);
            self.random.shuffle(&mut at);
            let count = self.random.length(to.len().min(at.len()) as i64) as usize;
            let pairs: Vec<(u32, u32, i32)> = to.into_iter().zip(at).take(count).map(|(to, at)| (to, at, 1)).collect();
            return linear(coefficient, vec![axes.iter().sum()], x.source, vec![mapped(x.log_size(), 0, pairs)]);
        }
        let mut free: Vec<u8> = vec![0, 1, 2];
        self.random.shuffle(&mut free);
        let mut runs = Vec::new();
        for (of, log) in from.iter().enumerate() {
            let lengths = (x.dims[2 - of], free.last().map_or(1, |axis| dims[2 - usize::from(*axis)]));
            match self.random.within(0, 4) {
                0 => runs.push(mapped(*log, None, [(0, self.random.length(lengths.0.into()) - 1, 1)])),
                1 => runs.push(mapped(*log, None, (0..lengths.0).map(|k| (0, k, 1 - 2 * (k as i32 % 2))))),
                2 | 3 if free.iter().any(|axis| axes[usize::from(*axis)] == *log) => {
                    let at = free.iter().position(|axis| axes[usize::from(*axis)] == *log).unwrap_or(0);
                    runs.push(along(*log, free.remove(at)));
                }
                _ => {
                    let axis = free.pop().unwrap_or(0);
                    let (stride, shift) = (self.random.within(-1, 2), self.random.within(-2, 2));
                    let entry = |to: i64| {
                        Some((
                            to as u32,
                            u32::try_from(to * stride + shift).ok().filter(|at| *at < lengths.0)?,
                            2 - (to as i32 % 2),
                        ))
                    };
                    runs.push(mapped(*log, axis, (0..i64::from(lengths.1)).filter_map(entry)));
                }
            }
        }
        linear(coefficient, axes, x.source, runs)
    }

    fn output(&mut self) -> Output {
        let narrow = |tensor: &&Tensor| match tensor.source.layer() {
            Some(layer) => {
                matches!(self.builder.arch.layers[layer as usize].rule, Rule::Requantise { .. } | Rule::Divide { .. })
            }
            None => true,
        };
        let all: Vec<Tensor> = self.tensors.iter().filter(narrow).cloned().collect();
        let tensor = self.random.pick(&all);
        let mut cells = cells(&tensor.dims);
        self.random.shuffle(&mut cells);
        cells.truncate(self.random.within(1, cells.len().min(20) as i64) as usize);
        Output {
            name: "output".into(),
            source: tensor.source,
            scale: self.random.within(-4, 12) as i8,
            shape: vec![cells.len() as u32],
            cells,
        }
    }
}
