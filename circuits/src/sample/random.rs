//! Small random networks that together reach every term, table and rule of the semantics.

use super::Random;
use crate::model::{Architecture, AxisMap, Dims, Function, Input, NetworkBuilder, Output, Source, Term, Weights, Window};

/// A valid random network of 1 to 10 layers, with at most a few thousand cells per column.
///
/// Over many seeds: all kinds of terms alone and summed, odd and unit dimensions, shifts from 0, layers that saturate and layers that cannot,
/// every function, all weight widths, biases up to the ends of their range, outputs that are a permuted part of any column.
pub fn random_network(seed: u64) -> (Architecture, Weights) {
    let mut random = Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5eed);
    let dims = random.tensor();
    let bits = if random.percent(10) { 16 } else { random.within(2, 10) as u8 };
    let input = Input::row_major(dims, bits, random.within(-4, 12) as i8);
    let weight_bits = if random.percent(15) { 16 } else { random.within(2, 12) as u8 };
    let mut net = Net { builder: NetworkBuilder::new(input, weight_bits), random, tables: Vec::new(), weight_bits };
    for _ in 0..net.random.within(1, 3) {
        let table = net.random_table();
        net.tables.push(table);
    }
    for _ in 0..net.random.within(1, 5) {
        net.layer();
    }
    let source = match net.random.within(0, 5) {
        0 => net.source(),
        1 => Source::Pre(net.builder.layers() as u32 - 1),
        _ => Source::Post(net.builder.layers() as u32 - 1),
    };
    let mut cells = net.builder.dims(source).cells();
    net.random.shuffle(&mut cells);
    cells.truncate(net.random.within(1, cells.len().min(20) as i64) as usize);
    let output = Output { source, scale: net.random.within(-4, 12) as i8, shape: vec![cells.len() as u32], cells };
    net.builder.finish_with(output).expect("random networks are valid by construction")
}

impl Random {
    fn length(&mut self, high: i64) -> u32 {
        self.within(1, high) as u32
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.within(0, of.len() as i64 - 1) as usize]
    }

    fn tensor(&mut self) -> Dims {
        if self.percent(30) { Dims::vector(self.length(20)) } else { Dims::new(self.length(4), self.length(7), self.length(7)) }
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
    tables: Vec<u32>,
    weight_bits: u8,
}

impl Net {
    fn random_table(&mut self) -> u32 {
        let random = &mut self.random;
        let bits = random.within(4, 10) as u8;
        let (scale_in, scale_out) = (random.within(-1, i64::from(bits)) as i8, random.within(0, 15) as i8);
        let function = match random.within(0, 5) {
            0 => Function::LeakyRelu { slope: random.within(-(1 << 16), 1 << 16) as i32 },
            1 => Function::Sigmoid { scale_in, scale_out },
            2 => Function::Tanh { scale_in, scale_out },
            3 => Function::Identity,
            _ => Function::Relu,
        };
        self.builder.table(bits, function)
    }

    /// Any column so far.
    fn source(&mut self) -> Source {
        let layers = self.builder.layers() as i64;
        match self.random.within(-1, layers - 1) {
            -1 => Source::Input,
            at if self.random.percent(25) => Source::Pre(at as u32),
            at => Source::Post(at as u32),
        }
    }

    fn layer(&mut self) {
        let source = self.source();
        let from = self.builder.dims(source);
        match self.random.within(0, 6) {
            0 | 1 => self.dense_layer(),
            2 | 3 => {
                let (dims, term) = self.conv(source);
                let mut terms = vec![term];
                if self.random.percent(30) {
                    terms.push(self.gather(dims));
                }
                if let Some(residual) = self.residual(dims).filter(|_| self.random.percent(50)) {
                    terms.push(residual);
                }
                self.finish_layer(dims, terms);
            }
            4 => {
                let dims = Dims::new(from.channels, self.random.length(i64::from(from.height)), self.random.length(i64::from(from.width)));
                let terms = (0..self.random.within(1, 2)).map(|_| self.stencil(source, dims)).collect();
                self.finish_layer(dims, terms);
            }
            5 => {
                let dims = self.random.tensor();
                let terms = (0..self.random.within(1, 2)).map(|_| self.gather(dims)).collect();
                self.finish_layer(dims, terms);
            }
            _ => self.max_pool(source),
        }
    }

    fn finish_layer(&mut self, dims: Dims, terms: Vec<Term>) {
        let random = &mut self.random;
        let bias = |random: &mut Random| match random.within(0, 9) {
            0 => random.pick(&[i32::MIN, i32::MAX, -1, 1]),
            _ => random.within(-5000, 5000) as i32,
        };
        let bias = random.percent(60).then(|| (0..dims.channels).map(|_| bias(random)).collect());
        let shift = random.pick(&[0, 0, 1, 2, 5, 8, 10]);
        let table = random.pick(&self.tables);
        self.builder.layer(dims, terms, bias, shift, table);
    }

    fn weight(random: &mut Random, bits: u8) -> i16 {
        let half = 1i64 << (bits - 1);
        match random.within(0, 19) {
            0 => -half as i16,
            1 => (half - 1) as i16,
            2..6 => 0,
            _ => random.within(-half, half - 1) as i16,
        }
    }

    fn dense_layer(&mut self) {
        let outputs = self.random.length(20);
        let mut terms = Vec::new();
        for _ in 0..self.random.within(1, 2) {
            let (source, bits, random) = (self.source(), self.weight_bits, &mut self.random);
            terms.push(self.builder.dense(source, outputs, |_, _, _, _| Self::weight(random, bits)));
        }
        if self.random.percent(20) {
            terms.push(self.gather(Dims::vector(outputs)));
        }
        self.finish_layer(Dims::vector(outputs), terms);
    }

    fn conv(&mut self, source: Source) -> (Dims, Term) {
        let from = self.builder.dims(source);
        let lengths = [from.height, from.width];
        let random = &mut self.random;
        let mut window = Window { kernel: [1; 2], stride: [1; 2], padding: [0; 2], dilation: [1; 2] };
        let mut out = [1; 2];
        for axis in 0..2 {
            let (kernel, dilation, stride) = (random.length(3), random.length(2), random.length(3));
            let reach = (kernel - 1) * dilation + 1;
            let padding = random.within(0, i64::from(reach) - 1) as u32;
            let longest = (lengths[axis] + padding - 1) / stride + 1;
            // Sometimes fewer positions than fit.
            out[axis] = if random.percent(25) { random.length(longest.into()) } else { longest };
            (window.kernel[axis], window.dilation[axis], window.stride[axis], window.padding[axis]) = (kernel, dilation, stride, padding);
        }
        let (channels, bits) = (random.length(5), self.weight_bits);
        let term = self.builder.conv(source, channels, window, |_, _, _, _| Self::weight(random, bits));
        (Dims::new(channels, out[0], out[1]), term)
    }

    /// Some earlier column of the same dimensions, added as it is.
    fn residual(&mut self, dims: Dims) -> Option<Term> {
        let sources = (0..self.builder.layers() as u32).flat_map(|at| [Source::Pre(at), Source::Post(at)]).chain([Source::Input]);
        let fitting: Vec<Source> = sources.filter(|&s| self.builder.dims(s) == dims).collect();
        if fitting.is_empty() { None } else { Some(self.builder.same(self.random.pick(&fitting))) }
    }

    fn stencil(&mut self, source: Source, dims: Dims) -> Term {
        let from = self.builder.dims(source);
        let random = &mut self.random;
        let mut axis = |length: u32, from: u32| {
            if random.percent(50) {
                let stride = (from / length).max(1);
                return AxisMap::window(length, from, random.length(3), stride, 0).scaled(random.pick(&[1, -1, 3]));
            }
            let all = (0..length).flat_map(|to| (0..from).map(move |at| (to, at)));
            let mut pairs: Vec<(u32, u32)> = all.collect();
            random.shuffle(&mut pairs);
            pairs.truncate(random.within(0, 12) as usize);
            AxisMap { entries: pairs.into_iter().map(|(to, at)| (to, at, random.pick(&[-70, -2, -1, 1, 2, 5, 1000]))).collect() }
        };
        let (rows, cols) = (axis(dims.height, from.height), axis(dims.width, from.width));
        Term::Stencil { source, rows, cols }
    }

    /// A permutation, or any pairs at all.
    fn gather(&mut self, dims: Dims) -> Term {
        let source = self.source();
        let (mut to, mut from) = (dims.cells(), self.builder.dims(source).cells());
        let random = &mut self.random;
        random.shuffle(&mut to);
        random.shuffle(&mut from);
        let pairs = if random.percent(50) {
            to.into_iter().zip(from).collect()
        } else {
            // All of a few by a few: every cell is read and written several times.
            to.truncate(6);
            from.truncate(6);
            to.iter().flat_map(|&to| from.iter().map(move |&from| (to, from))).collect()
        };
        Term::Gather { source, coefficient: random.pick(&[1, 1, -1, 7, 1 << 12]), pairs }
    }

    fn max_pool(&mut self, source: Source) {
        let from = self.builder.dims(source);
        let random = &mut self.random;
        let kernel = [from.height, from.width].map(|n| random.length(i64::from(n.min(3))));
        let stride = [random.length(2), random.length(2)];
        let out = [(from.height - kernel[0]) / stride[0] + 1, (from.width - kernel[1]) / stride[1] + 1];
        let bits = random.within(4, 9) as u8;
        self.builder.max_pool(source, bits, kernel, stride, out);
    }
}
