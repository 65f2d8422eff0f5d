//! Networks, weights and inputs that break a rule: each is refused with its own error, and nothing panics.

use assay_circuits::exec::{ExecError, dequantise_output, execute, quantise_input};
use assay_circuits::model::{
    Architecture, AxisMap, Dims, Function, Input, Layer, ModelError, NetworkBuilder, Output, Place, Source, Table, Term, Weights, Window,
};
use assay_circuits::plonk::Circuit;
use assay_circuits::sample::{Random, digits_cnn, random_input, random_network};
use assay_circuits::scalar::VerifyError;
use assay_circuits::shape::Shape;
use assay_circuits::wrap::constraints;
use proptest::prelude::*;

/// A small network with every kind of term: 0 conv, 1 stencil, 2 gather, 3 dense.
fn network() -> (Architecture, Weights) {
    let mut b = NetworkBuilder::new(Input::row_major(Dims::new(2, 3, 5), 8, 4), 8);
    let (relu, sigmoid) = (b.table(8, Function::Relu), b.table(6, Function::Sigmoid { scale_in: 3, scale_out: 5 }));
    let window = Window { kernel: [2, 3], stride: [1, 2], padding: [0, 1], dilation: [1, 1] };
    let conv = b.conv(Source::Input, 3, window, |co, ci, h, w| (co + 2 * ci + 3 * h) as i16 - 4 * w as i16);
    let conv = b.layer(Dims::new(3, 2, 3), vec![conv], Some(vec![1, -20, 300]), 5, relu);
    let pool = Term::Stencil { source: conv, rows: AxisMap::window(1, 2, 2, 1, 0), cols: AxisMap::identity(3) };
    let pool = b.layer(Dims::new(3, 1, 3), vec![pool], None, 1, relu);
    let transpose = Term::Gather { source: pool, coefficient: 2, pairs: vec![(0, 0), (1, 4), (2, 9)] };
    let transpose = b.layer(Dims::vector(3), vec![transpose], None, 0, sigmoid);
    let dense = b.dense(transpose, 2, |o, c, _, _| (7 * o) as i16 - c as i16);
    let dense = b.layer(Dims::vector(2), vec![dense], None, 3, relu);
    b.finish(dense, 4).unwrap()
}

/// What `validate` says after a change.
fn broken(change: impl FnOnce(&mut Architecture)) -> ModelError {
    let (mut arch, _) = network();
    change(&mut arch);
    arch.validate().expect_err("a rule is broken")
}

fn window(arch: &mut Architecture) -> &mut Window {
    match &mut arch.layers[0].terms[0] {
        Term::Conv { window, .. } => window,
        _ => unreachable!(),
    }
}

fn stencil(arch: &mut Architecture) -> (&mut AxisMap, &mut AxisMap) {
    match &mut arch.layers[1].terms[0] {
        Term::Stencil { rows, cols, .. } => (rows, cols),
        _ => unreachable!(),
    }
}

fn gather(arch: &mut Architecture) -> (&mut i32, &mut Vec<(u32, u32)>) {
    match &mut arch.layers[2].terms[0] {
        Term::Gather { coefficient, pairs, .. } => (coefficient, pairs),
        _ => unreachable!(),
    }
}

macro_rules! refuses {
    ($($change:expr => $error:pat),+ $(,)?) => {
        $({
            let error = broken($change);
            assert!(matches!(error, $error), "{} gives {error:?}", stringify!($change));
            assert!(!error.to_string().is_empty());
        })+
    };
}

#[test]
fn whole_network() {
    refuses! {
        |a| a.layers.clear() => ModelError::LayerCount { have: 0 },
        |a| a.layers = vec![a.layers[0].clone(); 4097] => ModelError::LayerCount { have: 4097 },
        |a| a.tables = vec![a.tables[0]; 65] => ModelError::TableCount { have: 65 },
        |a| a.input.bits = 17 => ModelError::InputBits { bits: 17 },
        |a| a.input.bits = 1 => ModelError::InputBits { bits: 1 },
        |a| a.weight_bits = 0 => ModelError::WeightBits { bits: 0 },
        |a| a.weight_bits = 17 => ModelError::WeightBits { bits: 17 },
        |a| a.tables[0].bits = 3 => ModelError::TableBits { table: 0, bits: 3 },
        |a| a.tables[1].bits = 255 => ModelError::TableBits { table: 1, bits: 255 },
        |a| a.tables[0].function = Function::LeakyRelu { slope: 65537 } => ModelError::Slope { table: 0, slope: 65537 },
        |a| a.tables[0].function = Function::LeakyRelu { slope: i32::MIN } => ModelError::Slope { .. },
        |a| a.tables[0] = Table { bits: 16, saturating: true, function: Function::LeakyRelu { slope: -65536 } }
            => ModelError::TableRange { table: 0, max: 32768, .. },
    }
}

#[test]
fn input_and_output() {
    refuses! {
        |a| a.input.dims.height = 0 => ModelError::BlockSize { place: Place::Input, .. },
        |a| a.input.dims.width = u32::MAX => ModelError::BlockSize { place: Place::Input, .. },
        |a| a.input.dims = Dims::new(1 << 20, 1 << 20, 1 << 20) => ModelError::BlockSize { .. },
        |a| a.input.dims = Dims::new((1 << 13) + 1, 1 << 13, 1) => ModelError::BlockSize { .. },
        |a| { a.input.cells.pop(); } => ModelError::InputCoverage { have: 29, need: 30 },
        |a| a.input.shape = vec![31] => ModelError::Shape { place: Place::Input, cells: 30, .. },
        |a| a.input.shape = vec![u32::MAX; 9] => ModelError::Shape { .. },
        |a| a.input.cells[3] = 5 => ModelError::CellOutside { place: Place::Input, cell: 5 },
        |a| a.input.cells[3] = u32::MAX => ModelError::CellOutside { .. },
        |a| a.input.cells[3] = 0 => ModelError::CellRepeated { place: Place::Input, cell: 0 },
        |a| a.output.source = Source::Post(4) => ModelError::OutputSource { missing: Source::Post(4) },
        |a| a.output.source = Source::Pre(u32::MAX) => ModelError::OutputSource { .. },
        |a| a.output = Output { shape: vec![0], cells: vec![], ..a.output.clone() } => ModelError::Shape { place: Place::Output, .. },
        |a| a.output.cells[1] = 2 => ModelError::CellOutside { place: Place::Output, cell: 2 },
        |a| a.output.cells[1] = 0 => ModelError::CellRepeated { place: Place::Output, cell: 0 },
    }
}

#[test]
fn layers() {
    refuses! {
        |a| a.layers[2].dims.channels = 0 => ModelError::BlockSize { place: Place::Layer(2), .. },
        |a| a.layers[1].terms.clear() => ModelError::NoTerms { layer: 1 },
        |a| a.layers[1].shift = 17 => ModelError::Shift { layer: 1, shift: 17 },
        |a| a.layers[1].table = 2 => ModelError::UnknownTable { layer: 1, table: 2 },
        |a| a.layers.swap(0, 1) => ModelError::UnknownSource { layer: 0, missing: Source::Post(0) },
        |a| a.layers.swap(2, 3) => ModelError::UnknownSource { layer: 2, missing: Source::Post(2) },
        |a| a.layers[3].dims.width = 2 => ModelError::DenseDims { layer: 3, term: 0 },
        |a| { let again = a.layers[3].terms[0].clone(); a.layers[3].terms.push(again) } => ModelError::WeightIndex { layer: 3, term: 1, have: 1, need: 2 },
        |a| a.layers[3].dims.channels = 1 << 25 => ModelError::WeightBlock { layer: 3, term: 0, log_size: 27 },
        |a| a.layers[0].limbs = 0 => ModelError::TooFewLimbs { layer: 0, have: 0, .. },
        |a| a.layers[0].limbs = 255 => ModelError::TooManyLimbs { layer: 0, limbs: 255, limb_bits: 7, .. },
        |a| a.layers[1].limbs = 1 => ModelError::NeedlessLimbs { layer: 1, have: 1 },
        |a| a.tables[0].saturating = false => ModelError::TableNotSaturating { layer: 0, table: 0 },
    }
}

#[test]
fn terms() {
    refuses! {
        |a| window(a).kernel[0] = 0 => ModelError::Window { layer: 0, term: 0 },
        |a| window(a).stride[1] = 0 => ModelError::Window { .. },
        |a| window(a).dilation[1] = 0 => ModelError::Window { .. },
        |a| window(a).kernel[1] = u32::MAX => ModelError::Window { .. },
        |a| window(a).padding[0] = 2 => ModelError::WindowLength { layer: 0, input: 3, output: 2, .. },
        |a| window(a).stride = [u32::MAX; 2] => ModelError::WindowLength { .. },
        |a| a.layers[0].dims.width = 4 => ModelError::WindowLength { output: 4, input: 5, .. },
        |a| a.layers[1].dims.channels = 2 => ModelError::StencilChannels { layer: 1, term: 0, have: 3, need: 2 },
        |a| stencil(a).0.entries[0].0 = 1 => ModelError::StencilEntry { layer: 1, to: 1, to_length: 1, .. },
        |a| stencil(a).1.entries[0].1 = 3 => ModelError::StencilEntry { from: 3, from_length: 3, .. },
        |a| stencil(a).1.entries[0].2 = 0 => ModelError::ZeroCoefficient { layer: 1, term: 0 },
        |a| stencil(a).1.entries.push((2, 2, 9)) => ModelError::StencilRepeated { to: 2, from: 2, .. },
        |a| *gather(a).0 = 0 => ModelError::ZeroCoefficient { layer: 2, term: 0 },
        |a| gather(a).1[0] = (3, 0) => ModelError::GatherPair { layer: 2, to: 3, from: 0, .. },
        |a| gather(a).1[0] = (0, 3) => ModelError::GatherPair { to: 0, from: 3, .. },
        |a| gather(a).1.push((1, 4)) => ModelError::GatherRepeated { to: 1, from: 4, .. },
    }
}

#[test]
fn accumulators_stay_exact() {
    let huge = |axis: &mut AxisMap| axis.entries.iter_mut().for_each(|e| e.2 = i32::MIN);
    refuses! {
        |a| { huge(stencil(a).0); huge(stencil(a).1) } => ModelError::AccumulatorTooWide { layer: 1, bits: 70 },
    }
    // 2 rows · 127 · 2^53 < 2^62, but what the clamp cuts off does not fit 62 bits of limbs of 7 bits: 8 limbs hold 56.
    let wide = |a: &mut Architecture| {
        stencil(a).0.entries.iter_mut().for_each(|e| e.2 = 1 << 30);
        stencil(a).1.entries.iter_mut().for_each(|e| e.2 = 1 << 23);
    };
    refuses! { wide => ModelError::TooManyLimbs { layer: 1, limbs: 9, limb_bits: 7, max_bits: 62 } }
}

#[test]
fn limbs_are_the_fewest() {
    let (arch, _) = network();
    let bounds = arch.validate().unwrap();
    // Layer 0: |z| <= 2·2·3 · 2^7 · 2^7 + 2^31 (bias): 2^26 after the shift, cut off 27 - 7 bits: 4 limbs of 7.
    assert_eq!(bounds.accumulator[0], 12 * (1 << 14) + (1 << 31));
    assert_eq!(arch.limbs_needed(0).unwrap(), 4);
    // Layer 1: the sum of two values in 0..=127, halved.
    assert_eq!((bounds.z[1], arch.limbs_needed(1).unwrap()), ((0, 254), 0));
    assert_eq!(bounds.range(Source::Post(1)), Some((0, 127)));
    assert_eq!(bounds.range(Source::Post(9)), None);
    assert!(matches!(arch.limbs_needed(9), Err(ModelError::LayerCount { .. })));
}

#[test]
fn weights_belong_to_the_architecture() {
    type Case = (fn(&mut Weights), fn(&ModelError) -> bool);
    let cases: [Case; 8] = [
        (|w| drop(w.matrices.pop()), |e| matches!(e, ModelError::MatrixCount { have: 1, need: 2 })),
        (|w| w.matrices[1].push(0), |e| matches!(e, ModelError::MatrixLength { matrix: 1, have: 9, need: 8 })),
        (|w| w.matrices[0][0] = 128, |e| matches!(e, ModelError::WeightRange { matrix: 0, index: 0, value: 128, bits: 8 })),
        // Kernel column 3 of 4 is padding; so is channel 3 of a dense layer's source.
        (|w| w.matrices[0][3] = 1, |e| matches!(e, ModelError::WeightPadding { matrix: 0, index: 3, value: 1 })),
        (|w| w.matrices[1][3] = -1, |e| matches!(e, ModelError::WeightPadding { matrix: 1, index: 3, value: -1 })),
        (|w| drop(w.biases.pop()), |e| matches!(e, ModelError::BiasCount { have: 3, need: 4 })),
        (|w| w.biases[1].push(0), |e| matches!(e, ModelError::BiasLength { layer: 1, have: 1, need: 0 })),
        (|w| w.biases[0][3] = 5, |e| matches!(e, ModelError::BiasPadding { layer: 0, index: 3, value: 5 })),
    ];
    let (arch, weights) = network();
    for (case, (change, expected)) in cases.into_iter().enumerate() {
        let mut broken = weights.clone();
        change(&mut broken);
        let error = broken.validate(&arch).unwrap_err();
        assert!(expected(&error), "case {case}: {error:?}");
    }
    assert!(matches!(execute(&arch, &Weights::default(), &random_input(&arch, 0)), Err(ExecError::Model(ModelError::MatrixCount { .. }))));
}

#[test]
fn inputs() {
    let (arch, weights) = network();
    let good = vec![0.5; 30];
    let block = quantise_input(&arch, &good).unwrap();
    assert_eq!(block.iter().filter(|&&v| v == 8).count(), 30);
    assert!(matches!(quantise_input(&arch, &good[1..]), Err(ExecError::InputElements { have: 29, need: 30, .. })));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut input = good.clone();
        input[17] = bad;
        assert_eq!(quantise_input(&arch, &input), Err(ExecError::InputNotFinite { index: 17 }));
    }
    // Halves upwards; ends of the width (8 bits, scale 4); what is far outside saturates.
    let reals = [0.09375, -0.09375, 0.031_25, -0.031_25, 0.031_249_998, 1e30, -1e30, 7.96875, -8.03125];
    let mut input = good.clone();
    input[..9].copy_from_slice(&reals);
    let block = quantise_input(&arch, &input).unwrap();
    let cells: Vec<i32> = arch.input.cells[..9].iter().map(|&c| block[c as usize]).collect();
    assert_eq!(cells, [2, -1, 1, 0, 0, 127, -128, 127, -128]);

    assert!(matches!(execute(&arch, &weights, &block[1..]), Err(ExecError::InputCells { have: 63, need: 64 })));
    for (cell, value) in [(0, 128), (0, -129), (4, i32::MAX)] {
        let mut block = block.clone();
        block[cell] = value;
        assert_eq!(execute(&arch, &weights, &block), Err(ExecError::InputRange { cell, value, bits: 8 }));
    }
    let mut padded = block.clone();
    padded[5] = 1;
    assert_eq!(execute(&arch, &weights, &padded), Err(ExecError::InputPadding { cell: 5, value: 1 }));
    assert_eq!(dequantise_output(&arch, &[16, -8, 1]), [1.0, -0.5, 0.0625]);
}

#[test]
fn postcard_keeps_networks() {
    let (arch, weights) = digits_cnn();
    let bytes = postcard::to_allocvec(&(&arch, &weights)).unwrap();
    assert_eq!(postcard::from_bytes::<(Architecture, Weights)>(&bytes).unwrap(), (arch, weights));
}

/// Overwrites one field with a value that a hostile file could hold.
fn vandalise(arch: &mut Architecture, random: &mut Random) {
    let value = [0, 1, 2, 3, 15, 31, 32, 64, 255, 1 << 10, 1 << 27, 1 << 31, u32::MAX][random.within(0, 12) as usize];
    let at = random.within(0, arch.layers.len() as i64 - 1) as usize;
    let Layer { dims, terms, bias, shift, limbs, table } = &mut arch.layers[at];
    match random.within(0, 13) {
        0 => arch.input.dims.width = value,
        1 => arch.input.bits = value as u8,
        2 => arch.weight_bits = value as u8,
        3 => arch.tables[0].bits = value as u8,
        4 => arch.tables[0].function = Function::LeakyRelu { slope: value as i32 },
        5 => arch.tables[0].function = Function::Tanh { scale_in: value as i8, scale_out: value as i8 },
        6 => dims.channels = value,
        7 => dims.height = value,
        8 => *shift = value as u8,
        9 => *limbs = value as u8,
        10 => *table = value,
        11 => *bias = !*bias,
        12 => arch.output.source = Source::Post(value),
        _ => match &mut terms[0] {
            Term::Dense { source, weight } => {
                if value % 2 == 0 {
                    *source = Source::Pre(value)
                } else {
                    *weight = value
                }
            }
            Term::Conv { window, .. } => {
                let Window { kernel, stride, padding, dilation } = window;
                [kernel, stride, padding, dilation][random.within(0, 3) as usize][random.within(0, 1) as usize] = value;
            }
            Term::Stencil { rows, .. } => rows.entries.iter_mut().for_each(|e| e.2 = value as i32),
            Term::Gather { coefficient, .. } => *coefficient = value as i32,
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A vandalised network is refused or runs; it never panics. The weights fit or are refused as well.
    #[test]
    fn hostile_networks(network: u64, seed: u64) {
        let (mut arch, weights) = random_network(network);
        let mut random = Random::new(seed);
        for _ in 0..random.within(1, 3) {
            vandalise(&mut arch, &mut random);
        }
        match arch.validate() {
            Err(error) => prop_assert!(matches!(execute(&arch, &weights, &[]), Err(ExecError::Model(e)) if e == error)),
            Ok(_) => {
                // The executor does not look at padding; everything else it checks again.
                let fits = !matches!(weights.validate(&arch), Err(e) if !matches!(e, ModelError::WeightPadding { .. } | ModelError::BiasPadding { .. }));
                prop_assert_eq!(execute(&arch, &weights, &random_input(&arch, seed)).is_ok(), fits);
            }
        }
    }
}

/// Architectures of a few bytes whose circuits would have millions of rows are valid networks, and have no circuit.
#[test]
fn circuits_have_a_size() {
    let one = Dims::vector(1);
    let bare = |terms: Vec<(Dims, Term)>, cells: Vec<u32>| {
        let output = Output { source: Source::Post(terms.len() as u32 - 1), scale: 0, shape: vec![cells.len() as u32], cells };
        let layer = |(dims, term)| Layer { dims, terms: vec![term], bias: false, shift: 0, limbs: 0, table: 0 };
        let tables = vec![Table { bits: 8, saturating: true, function: Function::Identity }];
        let layers = terms.into_iter().map(layer).collect();
        let mut arch = Architecture { input: Input::row_major(one, 2, 0), weight_bits: 2, tables, layers, output };
        // as many limbs as the bounds ask for, a layer after the other
        for _ in 0..=arch.layers.len() {
            let bounds = arch.analyse().unwrap();
            arch.layers.iter_mut().zip(&bounds.limbs).for_each(|(layer, limbs)| layer.limbs = *limbs);
        }
        arch.validate().unwrap();
        Shape::new(arch, 16).unwrap()
    };
    let dense = |source| Term::Dense { source, weight: 0 };
    let wide = |log: u32| (Dims::vector(1 << log), dense(Source::Input));
    let window = |kernel: u32| Window { kernel: [kernel, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] };
    let kernel = |kernel| (one, Term::Conv { source: Source::Input, weight: 0, window: window(kernel) });
    let gather = (one, Term::Gather { source: Source::Post(0), coefficient: 1, pairs: vec![(0, 0)] });
    let hostile = [
        ("kernel", bare(vec![kernel(1 << 18)], vec![0])),
        ("gathered column", bare(vec![wide(18), gather.clone()], vec![0])),
        ("scattered output", bare(vec![wide(18)], (0..1 << 18).step_by(2).collect())),
    ];
    for (name, shape) in hostile {
        let refused = |error: &VerifyError| matches!(error, VerifyError::CircuitSize { .. });
        assert!(constraints(&shape, &[0; 32]).is_err_and(|error| refused(&error)), "{name}");
        assert!(Circuit::new(&shape, &[0; 32]).is_err_and(|error| refused(&error)), "{name}");
    }
    for shape in [bare(vec![kernel(16)], vec![0]), bare(vec![wide(10), gather], vec![0]), bare(vec![wide(18)], (0..1 << 18).collect())] {
        assert!(Circuit::new(&shape, &[0; 32]).is_ok());
    }
}
