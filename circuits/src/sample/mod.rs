//! Networks with made-up weights, and inputs for them: the same on every machine, for tests and benchmarks.
//!
//! The named ones have the shapes of the benchmark networks and weights of a realistic spread (that of He's
//! initialisation). [`random_network`] makes small networks that together reach every term, table and rule of the
//! semantics.

#![allow(clippy::expect_used, reason = "networks for tests, which are valid as they are written")]

pub mod builder;
mod random;
mod rules;
mod tiled;

pub use builder::{NetworkBuilder, Tensor};
pub use random::random_network;
pub use rules::{attention, embedding, layer_norm, recurrent};
pub use tiled::tiled;

use crate::model::{Architecture, Domain, Function, Term, Weights};

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
    at: Tensor,
}

impl Sample {
    fn new(dims: &[u32], seed: u64) -> Self {
        let (builder, at) = NetworkBuilder::new(dims, BITS, SCALE, BITS);
        Self { builder, random: Random::new(seed), at }
    }

    /// Weights of a realistic spread for this many inputs.
    fn weights(random: &mut Random, fan_in: u32) -> impl FnMut() -> i16 + '_ {
        let deviation = (2.0 / f64::from(fan_in)).sqrt() * f64::from(1 << WEIGHT_SCALE);
        let limit = f64::from(1 << (BITS - 1)) - 1.0;
        move || random.normal(deviation).clamp(-limit, limit) as i16
    }

    fn add(&mut self, dims: Vec<u32>, term: Term, function: Function) {
        let unit = f64::from(1u32 << (WEIGHT_SCALE + SCALE as u8));
        let bias = (0..dims[0]).map(|_| self.random.normal(0.1 * unit) as i32).collect();
        let positions = builder::logs(&dims[1..]).iter().sum();
        let bias = self.builder.bias(positions, bias);
        let table = self.builder.table(BITS, Domain::Signed, function);
        self.at = self.builder.requantise(&dims, vec![term, bias], WEIGHT_SCALE, table);
    }

    /// A convolution of stride 1 with ReLU.
    fn conv(&mut self, channels: u32, kernel: u32, padding: u32) {
        let fan_in = self.at.dims[0] * kernel * kernel;
        let weights = Self::weights(&mut self.random, fan_in);
        let (term, dims) = self.builder.conv(&self.at, channels, [kernel, 1, padding], weights);
        self.add(dims, term, Function::Relu);
    }

    fn dense(&mut self, outputs: u32, function: Function) {
        let fan_in = self.at.dims.iter().product();
        let weights = Self::weights(&mut self.random, fan_in);
        let term = self.builder.dense(&self.at, outputs, weights);
        self.add(vec![outputs], term, function);
    }

    /// Maxima of 2 × 2 windows.
    fn max_pool(&mut self) {
        let out = [self.at.dims[1] / 2, self.at.dims[2] / 2];
        self.at = self.builder.max_pool(&self.at, BITS, [2; 2], [2; 2], out);
    }

    /// Averages of 2 × 2 windows: a map and a shift by 2.
    fn average_pool(&mut self) {
        let table = self.builder.table(BITS, Domain::Signed, Function::Identity);
        self.at = self.builder.average_pool(&self.at, 2, 2, table);
    }

    fn finish(self) -> (Architecture, Weights) {
        self.builder.finish(&self.at, SCALE).expect("sample networks are valid by construction")
    }
}

/// A CNN for 8 × 8 digits: 4,856 parameters, two convolutions with max pools, two dense layers.
pub fn digits_cnn() -> (Architecture, Weights) {
    let mut net = Sample::new(&[1, 8, 8], 1);
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
    let mut net = Sample::new(&[1, 28, 28], 2);
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
    let mut net = Sample::new(&[3, 32, 32], 3);
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
    let mut net = Sample::new(&[width], 4);
    for _ in 1..depth {
        net.dense(width, Function::Relu);
    }
    net.dense(width, Function::Identity);
    net.finish()
}

/// Convolutions of 8 channels on `size × size` images, halved down to 4 × 4, then a dense layer: activations grow with
/// `size`, parameters hardly do. `size` is a power of two, at least 4.
pub fn convolutions(size: u32) -> (Architecture, Weights) {
    let mut net = Sample::new(&[1, size, size], 5);
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
    let mut net = Sample::new(&[3, 32, 32], 6);
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
    let mut block = vec![0; 1 << arch.input.log_size];
    let half = 1i64 << (arch.input.bits - 1);
    for (index, &cell) in arch.input.ports.iter().flat_map(|port| &port.cells).enumerate() {
        block[cell as usize] = value(index, -half, half - 1) as i32;
    }
    block
}

/// An input block of uniform values over the whole width, padding 0.
pub fn random_input(arch: &Architecture, seed: u64) -> Vec<i32> {
    let mut random = Random::new(seed);
    fill(arch, |_, min, max| random.within(min, max))
}

/// An input block of the largest and smallest values only: all largest, all smallest, alternating, or at random, by
/// `seed % 4`.
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
