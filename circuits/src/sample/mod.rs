//! Networks with made-up weights, and inputs for them: the same on every machine, for tests and benchmarks.
//!
//! The named ones have the shapes of the benchmark networks and weights of a realistic spread (that of He's initialisation).
//! [`random_network`] makes small networks that together reach every term, table and rule of the semantics.

mod random;

pub use random::random_network;

use crate::model::{Architecture, AxisMap, Dims, Function, Input, NetworkBuilder, Source, Term, Weights, Window};

/// A small generator of pseudo-random numbers (SplitMix64, Steele et al., OOPSLA 2014). Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator whose numbers `seed` determines.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 uniform bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of `low..=high`.
    pub fn within(&mut self, low: i64, high: i64) -> i64 {
        low + (u128::from(self.bits()) % ((high - low) as u128 + 1)) as i64
    }

    /// Whether an event of this chance, in percent, happens.
    pub fn percent(&mut self, chance: i64) -> bool {
        self.within(0, 99) < chance
    }

    /// About normally distributed: the sum of four uniform numbers.
    fn normal(&mut self, deviation: f64) -> f64 {
        let uniform = |bits: u64| (bits >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
        (0..4).map(|_| uniform(self.bits())).sum::<f64>() * deviation * 3f64.sqrt()
    }
}

/// Activations and tables: 12 bits. Inputs and activations are `int · 2^-8`, weights `int · 2^-10`.
const BITS: u8 = 12;
const SCALE: i8 = 8;
const WEIGHT_SCALE: u8 = 10;

/// A network of convolutions, pools and dense layers.
struct Sample {
    builder: NetworkBuilder,
    random: Random,
    at: Source,
}

impl Sample {
    fn new(dims: Dims, seed: u64) -> Self {
        Self { builder: NetworkBuilder::new(Input::row_major(dims, BITS, SCALE), BITS), random: Random::new(seed), at: Source::Input }
    }

    fn add(
        &mut self,
        dims: Dims,
        fan_in: u32,
        function: Function,
        term: impl FnOnce(&mut NetworkBuilder, &mut dyn FnMut() -> i16) -> Term,
    ) {
        let deviation = (2.0 / f64::from(fan_in)).sqrt() * f64::from(1 << WEIGHT_SCALE);
        let limit = f64::from(1 << (BITS - 1)) - 1.0;
        let random = &mut self.random;
        let term = term(&mut self.builder, &mut || random.normal(deviation).clamp(-limit, limit) as i16);
        let unit = f64::from(1u32 << (WEIGHT_SCALE + SCALE as u8));
        let bias = (0..dims.channels).map(|_| self.random.normal(0.1 * unit) as i32).collect();
        let table = self.builder.table(BITS, function);
        self.at = self.builder.layer(dims, vec![term], Some(bias), WEIGHT_SCALE, table);
    }

    /// A convolution of stride 1 with ReLU.
    fn conv(&mut self, channels: u32, kernel: u32, padding: u32) {
        let (source, from) = (self.at, self.builder.dims(self.at));
        let length = |n: u32| n + 2 * padding + 1 - kernel;
        let window = Window { kernel: [kernel; 2], stride: [1; 2], padding: [padding; 2], dilation: [1; 2] };
        let dims = Dims::new(channels, length(from.height), length(from.width));
        let fan_in = from.channels * kernel * kernel;
        self.add(dims, fan_in, Function::Relu, |b, weight| b.conv(source, channels, window, |_, _, _, _| weight()));
    }

    fn dense(&mut self, outputs: u32, function: Function) {
        let source = self.at;
        let fan_in = self.builder.dims(source).len() as u32;
        self.add(Dims::vector(outputs), fan_in, function, |b, weight| b.dense(source, outputs, |_, _, _, _| weight()));
    }

    /// Maxima of 2 × 2 windows.
    fn max_pool(&mut self) {
        let from = self.builder.dims(self.at);
        self.at = self.builder.max_pool(self.at, BITS, [2; 2], [2; 2], [from.height / 2, from.width / 2]);
    }

    /// Averages of 2 × 2 windows: a stencil and a shift by 2.
    fn average_pool(&mut self) {
        let from = self.builder.dims(self.at);
        let dims = Dims::new(from.channels, from.height / 2, from.width / 2);
        let map = |length, from| AxisMap::window(length, from, 2, 2, 0);
        let term = Term::Stencil { source: self.at, rows: map(dims.height, from.height), cols: map(dims.width, from.width) };
        let table = self.builder.table(BITS, Function::Identity);
        self.at = self.builder.layer(dims, vec![term], None, 2, table);
    }

    fn finish(self) -> (Architecture, Weights) {
        self.builder.finish(self.at, SCALE).expect("sample networks are valid by construction")
    }
}

/// A CNN for 8 × 8 digits: 4,856 parameters, two convolutions with max pools, two dense layers.
pub fn digits_cnn() -> (Architecture, Weights) {
    let mut net = Sample::new(Dims::new(1, 8, 8), 1);
    for channels in [8, 16] {
        net.conv(channels, 3, 1);
        net.max_pool();
    }
    net.dense(48, Function::Relu);
    net.dense(10, Function::Identity);
    net.finish()
}

/// LeNet-5 for 28 × 28 images, with ReLU and max pools: 61,706 parameters.
pub fn lenet5() -> (Architecture, Weights) {
    let mut net = Sample::new(Dims::new(1, 28, 28), 2);
    for (channels, padding) in [(6, 2), (16, 0)] {
        net.conv(channels, 5, padding);
        net.max_pool();
    }
    net.dense(120, Function::Relu);
    net.dense(84, Function::Relu);
    net.dense(10, Function::Identity);
    net.finish()
}

/// A CNN for 3 × 32 × 32 images: about 264,000 parameters, three convolutions with average pools, two dense layers.
pub fn cifar_cnn() -> (Architecture, Weights) {
    let mut net = Sample::new(Dims::new(3, 32, 32), 3);
    for channels in [16, 32, 56] {
        net.conv(channels, 3, 1);
        net.average_pool();
    }
    net.dense(268, Function::Relu);
    net.dense(10, Function::Identity);
    net.finish()
}

/// Four dense layers of 1024: 4.2 million parameters.
pub fn mlp_4x1024() -> (Architecture, Weights) {
    mlp(1024, 4)
}

/// `depth` dense layers of `width`, with ReLU between them.
pub fn mlp(width: u32, depth: u32) -> (Architecture, Weights) {
    let mut net = Sample::new(Dims::vector(width), 4);
    for _ in 1..depth {
        net.dense(width, Function::Relu);
    }
    net.dense(width, Function::Identity);
    net.finish()
}

/// Convolutions of 8 channels on `size × size` images, halved down to 4 × 4, then a dense layer: activations grow with `size`, parameters hardly do.
/// `size` is a power of two, at least 4.
pub fn convolutions(size: u32) -> (Architecture, Weights) {
    let mut net = Sample::new(Dims::new(1, size, size), 5);
    net.conv(8, 3, 1);
    for _ in 2..size.ilog2() {
        net.conv(8, 3, 1);
        net.average_pool();
    }
    net.dense(10, Function::Identity);
    net.finish()
}

/// VGG-16's convolutions for 3 × 32 × 32 images and one dense layer, with average pools: 14.7 million parameters.
pub fn vgg16() -> (Architecture, Weights) {
    let mut net = Sample::new(Dims::new(3, 32, 32), 6);
    for (channels, layers) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)] {
        for _ in 0..layers {
            net.conv(channels, 3, 1);
        }
        net.average_pool();
    }
    net.dense(10, Function::Identity);
    net.finish()
}

fn fill(arch: &Architecture, mut value: impl FnMut(usize, i64, i64) -> i64) -> Vec<i32> {
    let mut block = vec![0; arch.input.dims.block_len()];
    let half = 1i64 << (arch.input.bits - 1);
    for (index, &cell) in arch.input.cells.iter().enumerate() {
        block[cell as usize] = value(index, -half, half - 1) as i32;
    }
    block
}

/// An input block of uniform values over the whole width, padding 0.
pub fn random_input(arch: &Architecture, seed: u64) -> Vec<i32> {
    let mut random = Random::new(seed);
    fill(arch, |_, min, max| random.within(min, max))
}

/// An input block of the largest and smallest values only: all largest, all smallest, alternating, or at random, by `seed % 4`.
pub fn extreme_input(arch: &Architecture, seed: u64) -> Vec<i32> {
    let mut random = Random::new(seed);
    fill(arch, |index, min, max| match seed % 4 {
        0 => max,
        1 => min,
        2 if index % 2 == 0 => min,
        2 => max,
        _ if random.percent(50) => min,
        _ => max,
    })
}
