//! The executor against a second implementation, which follows `docs/semantics.md` alone: naive loops over `i128`.

use assay_circuits::exec::{Trace, execute};
use assay_circuits::model::{Architecture, Dims, Function, Layer, Source, Table, Term, Weights};
use assay_circuits::sample::{self, Random, extreme_input, random_input, random_network};
use proptest::prelude::*;

fn log(n: u32) -> u32 {
    (0..).find(|l| 1u64 << l >= u64::from(n)).unwrap()
}

/// Padded lengths, section 1.
fn padded(d: Dims) -> [usize; 3] {
    [d.channels, d.height, d.width].map(|n| 1 << log(n))
}

fn cell(d: Dims, [c, h, w]: [usize; 3]) -> usize {
    let [_, height, width] = padded(d);
    (c * height + h) * width + w
}

fn elements(d: Dims) -> impl Iterator<Item = [usize; 3]> {
    let [c, h, w] = [d.channels, d.height, d.width].map(|n| n as usize);
    (0..c).flat_map(move |c| (0..h).flat_map(move |h| (0..w).map(move |w| [c, h, w])))
}

/// Columns of a layer as in sections 2 and 5: `z, q, y, rem` and the limbs.
struct Columns {
    q: Vec<i128>,
    y: Vec<i128>,
    rem: Vec<i128>,
    limbs: Vec<Vec<i128>>,
}

struct Naive<'a> {
    arch: &'a Architecture,
    weights: &'a Weights,
    input: Vec<i128>,
    layers: Vec<Columns>,
}

impl Naive<'_> {
    fn column(&self, source: Source) -> (&[i128], Dims) {
        match source {
            Source::Input => (&self.input, self.arch.input.dims),
            Source::Pre(l) => (&self.layers[l as usize].q, self.arch.layers[l as usize].dims),
            Source::Post(l) => (&self.layers[l as usize].y, self.arch.layers[l as usize].dims),
        }
    }

    /// Section 3, and section 4 for stencils.
    fn term(&self, term: &Term, d: Dims, z: &mut [i128]) {
        let (x, from) = self.column(term.source());
        let [_, from_height, from_width] = padded(from);
        match term {
            Term::Dense { weight, .. } => {
                let block = &self.weights.matrices[*weight as usize];
                for o in 0..d.channels as usize {
                    z[o] += elements(from).map(|e| i128::from(block[o * x.len() + cell(from, e)]) * x[cell(from, e)]).sum::<i128>();
                }
            }
            Term::Conv { weight, window, .. } => {
                let block = &self.weights.matrices[*weight as usize];
                let kernel = Dims::new(from.channels, window.kernel[0], window.kernel[1]);
                let kernel_len: usize = padded(kernel).iter().product();
                let at = |axis: usize, out: usize, k: usize| {
                    out as i128 * i128::from(window.stride[axis]) + k as i128 * i128::from(window.dilation[axis])
                        - i128::from(window.padding[axis])
                };
                for [o, h, w] in elements(d) {
                    for [c, i, j] in elements(kernel) {
                        let (row, column) = (at(0, h, i), at(1, w, j));
                        if (0..i128::from(from.height)).contains(&row) && (0..i128::from(from.width)).contains(&column) {
                            let weight = i128::from(block[o * kernel_len + cell(kernel, [c, i, j])]);
                            z[cell(d, [o, h, w])] += weight * x[cell(from, [c, row as usize, column as usize])];
                        }
                    }
                }
            }
            Term::Stencil { rows, cols, .. } => {
                for c in 0..padded(d)[0] {
                    for &(h, i, row) in &rows.entries {
                        for &(w, j, col) in &cols.entries {
                            let x = x[(c * from_height + i as usize) * from_width + j as usize];
                            z[cell(d, [c, h as usize, w as usize])] += i128::from(row) * i128::from(col) * x;
                        }
                    }
                }
            }
            Term::Gather { coefficient, pairs, .. } => {
                pairs.iter().for_each(|&(to, from)| z[to as usize] += i128::from(*coefficient) * x[from as usize]);
            }
        }
    }

    fn layer(&mut self, index: usize, layer: &Layer) {
        let d = layer.dims;
        let [channels, height, width] = padded(d);
        let mut z = vec![0i128; channels * height * width];
        for term in &layer.terms {
            self.term(term, d, &mut z);
        }
        if layer.bias {
            z.iter_mut().enumerate().for_each(|(i, z)| *z += i128::from(self.weights.biases[index][i / (height * width)]));
        }
        let table = &self.arch.tables[layer.table as usize];
        let (bits, shift) = (u32::from(table.bits), u32::from(layer.shift));
        let (min, max) = (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1);
        let half = if shift == 0 { 0 } else { 1i128 << (shift - 1) };
        let mut columns = Columns { q: vec![], y: vec![], rem: vec![], limbs: vec![vec![]; layer.limbs.into()] };
        for z in z {
            let u = (z + half).div_euclid(1 << shift);
            let q = u.max(min).min(max);
            let over = u - q;
            columns.q.push(q);
            columns.y.push(function(table, q));
            columns.rem.push((z + half).rem_euclid(1 << shift));
            let mut rest = over.abs();
            for limb in &mut columns.limbs {
                limb.push(rest % (1 << (bits - 1)) * over.signum());
                rest /= 1 << (bits - 1);
            }
            assert_eq!(rest, 0, "layer {index} has too few limbs");
        }
        self.layers.push(columns);
    }
}

/// Section 6.
fn function(table: &Table, q: i128) -> i128 {
    let rounded = |real: f64, scale: i8| (libm::ldexp(real, scale.into()) + 0.5).floor().clamp(-32768.0, 32767.0) as i128;
    let real = |scale: i8| libm::ldexp(q as f64, -i32::from(scale));
    match table.function {
        Function::Identity => q,
        Function::Relu => q.max(0),
        Function::LeakyRelu { slope } => {
            if q >= 0 {
                q
            } else {
                (q * i128::from(slope) + 32768).div_euclid(65536)
            }
        }
        Function::Sigmoid { scale_in, scale_out } => rounded(1.0 / (1.0 + libm::exp(-real(scale_in))), scale_out),
        Function::Tanh { scale_in, scale_out } => rounded(libm::tanh(real(scale_in)), scale_out),
    }
}

/// Runs both and compares every cell of every column. Returns the executor's trace.
fn compare(arch: &Architecture, weights: &Weights, input: &[i32]) -> Trace {
    let trace = execute(arch, weights, input).expect("valid network and input");
    let mut naive = Naive { arch, weights, input: wide(input), layers: vec![] };
    for (index, layer) in arch.layers.iter().enumerate() {
        naive.layer(index, layer);
        let (got, want) = (&trace.layers[index], &naive.layers[index]);
        assert_eq!(wide(&got.q), want.q, "q of layer {index}");
        let y = if arch.tables[layer.table as usize].function == Function::Identity { &[][..] } else { &want.y };
        assert_eq!(wide(&got.y), y, "y of layer {index}");
        let rem = if layer.shift == 0 { &[][..] } else { &want.rem };
        assert_eq!(wide(&got.rem), rem, "rem of layer {index}");
        assert_eq!(got.limbs.iter().map(|l| wide(l)).collect::<Vec<_>>(), want.limbs, "limbs of layer {index}");
    }
    let (column, _) = naive.column(arch.output.source);
    let output: Vec<i128> = arch.output.cells.iter().map(|&cell| column[cell as usize]).collect();
    assert_eq!(wide(&trace.output(arch)), output);
    trace
}

fn wide(column: &[i32]) -> Vec<i128> {
    column.iter().map(|&v| v.into()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_networks_agree(network: u64, input: u64) {
        let (arch, weights) = random_network(network);
        compare(&arch, &weights, &random_input(&arch, input));
        compare(&arch, &weights, &extreme_input(&arch, input));
    }

    /// Every cell of every layer, whatever the input, lies within the static bounds.
    #[test]
    fn bounds_hold(network: u64, input: u64) {
        let (arch, weights) = random_network(network);
        let bounds = arch.validate().unwrap();
        let trace = execute(&arch, &weights, &extreme_input(&arch, input)).unwrap();
        for at in 0..arch.layers.len() as u32 {
            for source in [Source::Pre(at), Source::Post(at)] {
                let (low, high) = bounds.range(source).unwrap();
                prop_assert!(trace.column(source).iter().all(|&v| (low..=high).contains(&v.into())));
            }
        }
    }
}

/// The samples really reach what they promise: without this, agreement could be agreement on too little.
#[test]
fn random_networks_reach_every_rule() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..400 {
        let (arch, weights) = random_network(seed);
        let trace = execute(&arch, &weights, &extreme_input(&arch, seed)).unwrap();
        for (layer, columns) in arch.layers.iter().zip(&trace.layers) {
            let name = |term: &Term| match term {
                Term::Dense { .. } => "dense",
                Term::Conv { .. } => "conv",
                Term::Stencil { .. } => "stencil",
                Term::Gather { .. } => "gather",
            };
            seen.extend(layer.terms.iter().map(name));
            seen.insert(if layer.terms.len() > 1 { "several terms" } else { "one term" });
            seen.insert(if layer.shift == 0 { "no shift" } else { "shift" });
            seen.insert(["no limbs", "one limb", "limbs", "limbs", "many limbs"][usize::from(layer.limbs).min(4)]);
            if columns.limbs.iter().flatten().any(|&v| v > 0) {
                seen.insert("upper rail");
            }
            if columns.limbs.iter().flatten().any(|&v| v < 0) {
                seen.insert("lower rail");
            }
            seen.insert(match arch.tables[layer.table as usize].function {
                Function::Identity => "identity",
                Function::Relu => "relu",
                Function::LeakyRelu { .. } => "leaky",
                Function::Sigmoid { .. } => "sigmoid",
                Function::Tanh { .. } => "tanh",
            });
            if layer.dims.len() != layer.dims.block_len() {
                seen.insert("padding");
            }
        }
    }
    assert_eq!(seen.len(), 20, "{seen:?}");
}

/// The named samples, whose convolutions span several strips and whose dot products span several blocks.
#[test]
fn benchmark_networks_agree() {
    for (arch, weights) in [sample::digits_cnn(), sample::lenet5(), sample::cifar_cnn()] {
        compare(&arch, &weights, &random_input(&arch, 1));
        compare(&arch, &weights, &extreme_input(&arch, 2));
    }
}

/// A max pool built from layers is the maximum, and its limbs stay 0.
#[test]
fn max_pool_is_exact() {
    use assay_circuits::model::{Input, NetworkBuilder};
    let mut random = Random::new(7);
    for case in 0..50 {
        let dims = Dims::new(3, random.within(3, 9) as u32, random.within(3, 9) as u32);
        let (kernel, stride) =
            ([random.within(1, 3) as u32, random.within(1, 3) as u32], [random.within(1, 3) as u32, random.within(1, 3) as u32]);
        let out = [(dims.height - kernel[0]) / stride[0] + 1, (dims.width - kernel[1]) / stride[1] + 1];
        // Values of 7 bits: their differences have 8.
        let mut builder = NetworkBuilder::new(Input::row_major(dims, 7, 0), 8);
        let pooled = builder.max_pool(Source::Input, 8, kernel, stride, out);
        let (arch, weights) = builder.finish(pooled, 0).unwrap();
        let input = if case % 2 == 0 { random_input(&arch, case) } else { extreme_input(&arch, case) };
        let trace = compare(&arch, &weights, &input);
        let maximum = elements(Dims::new(3, out[0], out[1])).map(|[c, h, w]| {
            let taps = elements(Dims::new(1, kernel[0], kernel[1]));
            taps.map(|[_, i, j]| input[cell(dims, [c, h * stride[0] as usize + i, w * stride[1] as usize + j])]).max().unwrap()
        });
        assert_eq!(trace.output(&arch), maximum.collect::<Vec<_>>());
        assert!(trace.layers.iter().flat_map(|l| &l.limbs).flatten().all(|&v| v == 0));
    }
}

/// The table of section 9.
#[test]
fn the_documented_example() {
    use assay_circuits::model::{Input, NetworkBuilder};
    // One input of value 1; the bias makes z.
    let mut builder = NetworkBuilder::new(Input::row_major(Dims::vector(1), 2, 0), 8);
    let table = builder.table(4, Function::Relu);
    let term = builder.dense(Source::Input, 5, |_, _, _, _| 0);
    let y = builder.layer(Dims::vector(5), vec![term], Some(vec![5, -6, 30, 100, -75]), 2, table);
    let (arch, weights) = builder.finish(y, 0).unwrap();
    let trace = compare(&arch, &weights, &[1]);
    let layer = &trace.layers[0];
    assert_eq!(layer.q[..5], [1, -1, 7, 7, -8]);
    assert_eq!(layer.rem[..5], [3, 0, 0, 2, 3]);
    assert_eq!(layer.limbs[0][..5], [0, 0, 1, 2, -3]);
    assert_eq!(layer.limbs[1][..5], [0, 0, 0, 2, -1]);
    assert!(layer.limbs[2..].iter().flatten().all(|&v| v == 0));
    assert_eq!(trace.output(&arch), [1, 0, 7, 7, 0]);
    // Padding channels: z = 0.
    assert_eq!((&layer.q[5..], &layer.rem[5..]), (&[0, 0, 0][..], &[2, 2, 2][..]));
}
