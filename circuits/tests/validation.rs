//! Networks, weights and inputs that break a rule: each is refused with its own error, and nothing panics.

use assay_circuits::exec::{ExecError, execute};
use assay_circuits::model::{
    Architecture, Cut, Domain, Entry, Function, Index, Input, Instruction, Layer, ModelError, Operand, Output, Place,
    Port, Rule, Run, Source, Table, Term, Unary, WeightBlock, Weights, Window,
};
use assay_circuits::sample::builder::{NetworkBuilder, Tensor, along, linear, mapped, product};
use assay_circuits::sample::{Random, attention, digits_cnn, layer_norm, random_input, random_network, recurrent};
use assay_circuits::system::System;
use proptest::prelude::*;

/// A convolution, a map of some columns, a layer over a channel's bias, a dense layer.
fn network() -> (Architecture, Weights) {
    let (mut b, x) = NetworkBuilder::new(&[2, 3, 5], 8, 4, 8);
    let relu = b.table(8, Domain::Signed, Function::Relu);
    let sigmoid = b.unary(6, Domain::Signed, Unary::Sigmoid, (3, 5), i16::MIN);
    let mut count = 0i16;
    let (term, dims) = b.conv(&x, 3, [2, 1, 1], || {
        count = (count + 7) % 40;
        count - 20
    });
    let bias = b.bias(5, vec![1, -20, 300]);
    let conv = b.requantise(&dims, vec![term, bias], 5, relu);
    let halves = b.average_pool(&conv, 2, 2, sigmoid);
    let dense = b.dense(&halves, 2, || 3);
    let dense = b.requantise(&[2], vec![dense], 3, relu);
    b.finish(&dense, 4).expect("the network is valid")
}

fn breaks(base: (Architecture, Weights), change: impl FnOnce(&mut Architecture)) -> ModelError {
    let mut arch = base.0;
    change(&mut arch);
    arch.validate().expect_err("a rule is broken")
}

macro_rules! refuses {
    ($base:expr; $($change:expr => $error:pat),+ $(,)?) => {
        $({
            let error = breaks($base, $change);
            assert!(matches!(error, $error), "{} gives {error:?}", stringify!($change));
            assert!(!error.to_string().is_empty());
        })+
    };
}

fn window(arch: &mut Architecture) -> &mut Window {
    match &mut arch.layers[0].terms[0].right.as_mut().expect("a convolution is a product").runs[0].index {
        Index::Window { window, .. } => window,
        other => unreachable!("{other:?}"),
    }
}

fn entries(term: &mut Term) -> &mut Vec<Entry> {
    match &mut term.left.runs[0].index {
        Index::Map { entries, .. } => entries,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn whole_network() {
    refuses! { network();
        |a| a.layers.clear() => ModelError::LayerCount { have: 0 },
        |a| a.layers = vec![a.layers[0].clone(); 4097] => ModelError::LayerCount { have: 4097 },
        |a| a.tables = vec![a.tables[0].clone(); 65] => ModelError::TableCount { have: 65 },
        |a| a.matrices = vec![0.into(); 8193] => ModelError::SecretCount { have: 8193 },
        |a| a.matrices[0] = 28.into() => ModelError::BlockSize { place: Place::Weight(0), log_size: 28 },
        |a| a.biases[0].log_size = 255 => ModelError::BlockSize { place: Place::Bias(0), .. },
        |a| a.input.bits = 19 => ModelError::InputBits { bits: 19 },
        |a| a.input.bits = 1 => ModelError::InputBits { bits: 1 },
        |a| a.biases[0].bits = 1 => ModelError::BiasBits { bias: 0, bits: 1 },
        |a| a.biases[0].bits = 33 => ModelError::BiasBits { bias: 0, bits: 33 },
        |a| a.weight_bits = 0 => ModelError::WeightBits { bits: 0 },
        |a| a.weight_bits = 17 => ModelError::WeightBits { bits: 17 },
        |a| a.tables[0].bits = 3 => ModelError::TableBits { table: 0, bits: 3 },
        |a| a.tables[1].bits = 255 => ModelError::TableBits { table: 1, bits: 255 },
        |a| a.tables[0].domain = Domain::Unsigned => ModelError::TableRange { table: 0, .. },
        |a| a.tables[0].domain = Domain::Saturating { limb_bits: 1 } => ModelError::RailBits { table: 0, limb_bits: 1, .. },
        |a| a.tables[0].domain = Domain::Saturating { limb_bits: 17 } => ModelError::RailBits { table: 0, limb_bits: 17, .. },
        |a| a.tables[0].domain = Domain::Signed => ModelError::TableNotSaturating { layer: 0, table: 0 },
    }
}

#[test]
fn programs() {
    let program = |of: Vec<Instruction>| {
        move |a: &mut Architecture| {
            a.tables[1].function = Function::Real { program: of, scale_in: 0, scale_out: 0, least: 0 };
        }
    };
    let exp = Instruction::Unary(Unary::Exp);
    refuses! { network();
        program(vec![]) => ModelError::Program { table: 1 },
        program(vec![exp]) => ModelError::Program { table: 1 },
        program(vec![Instruction::Argument; 2]) => ModelError::Program { table: 1 },
        program(vec![Instruction::Argument, Instruction::Binary(assay_circuits::model::Binary::Add)]) => ModelError::Program { table: 1 },
        program([vec![Instruction::Argument], vec![exp; 64]].concat()) => ModelError::Program { table: 1 },
    }
}

#[test]
fn input_and_output() {
    refuses! { network();
        |a| a.input.log_size = 28 => ModelError::BlockSize { place: Place::Input, .. },
        |a| a.input.ports.clear() => ModelError::PortCount { inputs: 0, .. },
        |a| a.outputs.clear() => ModelError::PortCount { outputs: 0, .. },
        |a| a.input.ports[0].shape = vec![31] => ModelError::Shape { place: Place::Port(0), cells: 30, .. },
        |a| a.input.ports[0].shape = vec![u32::MAX; 9] => ModelError::Shape { .. },
        |a| a.input.ports[0].range = (1, 0) => ModelError::PortRange { place: Place::Port(0), .. },
        |a| a.input.ports[0].range = (-129, 0) => ModelError::PortRange { .. },
        |a| a.input.ports[0].cells[3] = 64 => ModelError::CellOutside { place: Place::Input, cell: 64 },
        |a| a.input.ports[0].cells[3] = 0 => ModelError::CellRepeated { place: Place::Input, cell: 0 },
        |a| { let again = a.input.ports[0].clone(); a.input.ports.push(again) } => ModelError::CellRepeated { .. },
        |a| a.outputs[0].source = Source::Post(3) => ModelError::OutputSource { output: 0, missing: Source::Post(3) },
        |a| a.outputs[0].source = Source::Pre(u32::MAX) => ModelError::OutputSource { .. },
        |a| a.outputs[0].source = Source::Weight(0) => ModelError::OutputSource { .. },
        |a| a.outputs[0].source = Source::Max(0) => ModelError::OutputSource { .. },
        |a| { a.outputs[0].shape = vec![0]; a.outputs[0].cells.clear() } => ModelError::Shape { place: Place::Output(0), .. },
        |a| a.outputs[0].cells[1] = 2 => ModelError::CellOutside { place: Place::Output(0), cell: 2 },
        |a| a.outputs[0].cells[1] = 0 => ModelError::CellRepeated { place: Place::Output(0), cell: 0 },
    }
    // an exact sum of more than 16 bits is no output
    let (mut arch, _) = layer_norm(3, 6);
    arch.outputs[0].source = Source::Pre(0);
    assert!(arch.complete().is_ok());
    arch.layers[0].terms[0].coefficient = 300;
    assert!(matches!(arch.complete(), Err(ModelError::OutputSource { output: 0, missing: Source::Pre(0) })));
}

#[test]
fn layers() {
    let shift = |a: &mut Architecture, to: u8| {
        if let Rule::Requantise { shift, .. } = &mut a.layers[1].rule {
            *shift = to
        }
    };
    let limbs = |a: &mut Architecture, to: u8| {
        if let Rule::Requantise { limbs, .. } = &mut a.layers[0].rule {
            *limbs = to
        }
    };
    refuses! { network();
        |a| a.layers[2].log_size = 28 => ModelError::BlockSize { place: Place::Layer(2), .. },
        |a| a.layers[2].log_size = 2 => ModelError::Axes { layer: 2, term: 0 },
        |a| shift(a, 49) => ModelError::Shift { layer: 1, shift: 49 },
        |a| if let Rule::Requantise { table, .. } = &mut a.layers[1].rule { *table = 2 } => ModelError::UnknownTable { layer: 1, table: 2 },
        |a| a.layers.swap(0, 1) => ModelError::Runs { layer: 0, .. },
        |a| a.layers[1].terms[0].left.source = Source::Weight(9) => ModelError::UnknownSource { layer: 1, missing: Source::Weight(9) },
        |a| limbs(a, 0) => ModelError::Limbs { layer: 0, have: 0, .. },
        |a| limbs(a, 255) => ModelError::Limbs { layer: 0, have: 255, .. },
        |a| a.layers[1].constant = i64::MAX => ModelError::AccumulatorTooWide { layer: 1, .. },
    }
}

#[test]
fn terms() {
    refuses! { network();
        |a| a.layers[1].terms[0].coefficient = 0 => ModelError::ZeroCoefficient { layer: 1, term: 0 },
        |a| a.layers[1].terms[0].axes = vec![0; 17] => ModelError::Axes { layer: 1, term: 0 },
        |a| a.layers[1].terms[0].axes[0] += 1 => ModelError::Axes { layer: 1, term: 0 },
        |a| a.layers[1].terms[0].summed = 200 => ModelError::Axes { layer: 1, term: 0 },
        |a| { a.layers[1].terms[0].axes.push(1); a.layers[1].terms[0].summed = 1 } => ModelError::Summed { layer: 1, term: 0 },
        |a| { a.layers[0].terms[0].axes.push(1); a.layers[0].terms[0].summed += 1 } => ModelError::Summed { layer: 0, term: 0 },
        |a| a.layers[0].terms[0].left.runs[0].log_len += 1 => ModelError::Runs { layer: 0, term: 0, of: Source::Weight(0) },
        |a| a.layers[0].terms[0].left.runs[0].index = Index::Axis(16) => ModelError::Runs { .. },
        |a| a.layers[0].terms[0].left.runs[0].index = Index::Axis(4) => ModelError::Runs { .. },
        |a| { a.layers[0].terms[0].left.runs.pop(); } => ModelError::Runs { .. },
        |a| entries(&mut a.layers[1].terms[0])[0].to = 9 => ModelError::Entry { layer: 1, to: 9, .. },
        |a| entries(&mut a.layers[1].terms[0])[0].from = 99 => ModelError::Entry { from: 99, .. },
        |a| entries(&mut a.layers[1].terms[0])[0].coefficient = 0 => ModelError::ZeroCoefficient { layer: 1, term: 0 },
        |a| { let list = entries(&mut a.layers[1].terms[0]); let again = list[0]; list.push(again) } => ModelError::Entry { .. },
        |a| window(a).kernel = 0 => ModelError::Window { layer: 0, term: 0 },
        |a| window(a).stride = 0 => ModelError::Window { .. },
        |a| window(a).dilation = 0 => ModelError::Window { .. },
        |a| window(a).kernel = u32::MAX => ModelError::Window { .. },
        |a| window(a).outputs = 9 => ModelError::Window { .. },
        |a| window(a).inputs = 9 => ModelError::Window { .. },
        |a| window(a).padding = u32::MAX => ModelError::Window { .. },
    }
    // products select: one cell a place, times 1
    let map = |a: &mut Architecture, change: fn(&mut Entry)| {
        let term = &mut a.layers[5].terms[0];
        assert!(a.loops.is_empty() && term.right.is_none());
        change(&mut entries(term)[0]);
    };
    refuses! { attention(3, 4, 2); |a| map(a, |e| e.coefficient = 0) => ModelError::ZeroCoefficient { layer: 5, term: 0 } }
    let mixed = |a: &mut Architecture| {
        entries(a.layers.last_mut().map(|l| &mut l.terms[0]).expect("there are layers"))[0].coefficient = 2
    };
    refuses! { attention(3, 4, 2); mixed => ModelError::Selection { .. } }
}

/// A few bytes of a stranger's file must not become gigabytes: places that do not count are written out one by one.
#[test]
fn maxima_over_too_many_places() {
    let (bits, table) = (17, 0);
    let axis = Run { log_len: bits, index: Index::Axis(0) };
    let same = Term {
        coefficient: 1,
        axes: vec![bits],
        summed: 0,
        left: Operand { source: Source::Input, runs: vec![axis] },
        right: None,
    };
    let layer = |len| Layer {
        log_size: bits,
        terms: vec![same.clone()],
        constant: 0,
        rule: Rule::Maximum { low: 0, bits, len, table },
    };
    let architecture = |len, layers: usize| Architecture {
        input: Input {
            log_size: bits,
            bits: 8,
            ports: vec![Port { name: String::new(), scale: 0, range: (-128, 127), shape: vec![1], cells: vec![0] }],
        },
        weight_bits: 8,
        matrices: Vec::new(),
        biases: Vec::new(),
        tables: vec![Table { bits: 8, domain: Domain::Unsigned, function: Function::Identity }],
        layers: vec![layer(len); layers],
        loops: Vec::new(),
        outputs: vec![Output { name: String::new(), source: Source::Max(0), scale: 0, shape: vec![1], cells: vec![0] }],
    };
    let part = (1 << 17) - 1;
    architecture(part, 10).analyse().expect("within the limit");
    assert_eq!(architecture(part, 11).analyse(), Err(ModelError::MaximumPlaces { layer: 10 }));
    architecture(1 << 17, 11).analyse().expect("a whole axis is not written out");
}

#[test]
fn rules() {
    refuses! { attention(3, 4, 2);
        |a| if let Rule::Maximum { len, .. } = &mut a.layers[4].rule { *len = 0 } => ModelError::MaximumAxis { layer: 4, .. },
        |a| if let Rule::Maximum { len, .. } = &mut a.layers[4].rule { *len = 5 } => ModelError::MaximumAxis { layer: 4, .. },
        |a| if let Rule::Maximum { low, .. } = &mut a.layers[4].rule { *low = 1 } => ModelError::MaximumAxis { layer: 4, .. },
        |a| if let Rule::Maximum { bits, .. } = &mut a.layers[4].rule { *bits = 18 } => ModelError::MaximumAxis { layer: 4, .. },
        |a| if let Rule::Maximum { bits, .. } = &mut a.layers[4].rule { *bits = 255 } => ModelError::MaximumAxis { layer: 4, .. },
        |a| a.layers[4].constant = 1 => ModelError::MaximumAxis { layer: 4, .. },
        |a| a.layers[4].terms[0].coefficient = 9 => ModelError::MaximumRange { layer: 4, .. },
        |a| if let Rule::Maximum { table, .. } = &mut a.layers[4].rule { *table = 0 } => ModelError::TableDomain { layer: 4 },
        |a| if let Rule::Requantise { table, .. } = &mut a.layers[3].rule { *table = 1 } => ModelError::TableDomain { layer: 3 },
        |a| a.layers[5].constant = 0 => ModelError::DivisorRange { layer: 6, least: 0 },
        |a| a.layers[5].constant = 1 << 31 => ModelError::ExactTooWide { layer: 5, .. },
        |a| if let Rule::Quotient { by, .. } = &mut a.layers[6].rule { by.operand.source = Source::Weight(0) } => ModelError::Runs { layer: 6, .. },
        |a| if let Rule::Quotient { by, .. } = &mut a.layers[6].rule { by.axes.push(1) } => ModelError::Axes { layer: 6, .. },
        |a| if let Rule::Quotient { limb_bits, .. } = &mut a.layers[6].rule { *limb_bits = 3 } => ModelError::LimbBits { layer: 6, bits: 3 },
        |a| if let Rule::Quotient { parts, .. } = &mut a.layers[6].rule { *parts += 1 } => ModelError::Limbs { layer: 6, .. },
        |a| a.layers[6].constant = -1 => ModelError::RootRange { layer: 6, least: -1 },
    }
    refuses! { layer_norm(3, 6);
        |a| a.layers[1].constant = -1 => ModelError::RootRange { layer: 1, least: -1 },
        |a| if let Rule::SquareRoot { limb_bits, .. } = &mut a.layers[1].rule { *limb_bits = 17 } => ModelError::LimbBits { layer: 1, bits: 17 },
    }
}

/// RQ3: numbers that lie close together may be far from 0. Their maximum is a column, so a cell must hold it.
#[test]
fn rq3_a_maximum_fits_a_cell() {
    let far = |coefficient: i32| {
        let (mut builder, x) = NetworkBuilder::new(&[4], 4, 0, 4);
        let same = builder.same(&x, 1);
        let far = builder.layer(&[4], vec![same], 1 << 29, Rule::Exact);
        let table = builder.table(8, Domain::Unsigned, Function::Identity);
        let terms = vec![builder.same(&far, coefficient)];
        let distance = builder.layer(&[4], terms, 0, Rule::Maximum { low: 0, bits: 2, len: 4, table });
        builder.finish(&distance, 0)
    };
    for coefficient in [3, -3] {
        let (arch, weights) = far(coefficient).expect("3 · 2^29 fits a cell");
        let maximum = System::new(&arch).source(Source::Max(1));
        let trace = execute(&arch, &weights, &[-8, 7, 0, 3]).expect("every input is executed");
        let most = [-8, 7].map(|x: i32| coefficient * ((1 << 29) + x)).into_iter().max();
        assert_eq!(trace.column(maximum).first().copied(), most);
    }
    for coefficient in [4, -4, 8, -9] {
        assert!(matches!(far(coefficient), Err(ModelError::ExactTooWide { layer: 1, .. })), "{coefficient}");
    }
}

/// The maxima over the first `len` of four numbers, of weights times the input's one cell, which is summed over with
/// zeros where that is asked for.
fn maxima_of_weights(len: u32, product_of: bool, cuts: &[(u8, u8, u32)]) -> Architecture {
    let (mut b, _) = NetworkBuilder::new(&[1], 2, 0, 2);
    let table = b.table(4, Domain::Unsigned, Function::Identity);
    b.weight(&[4, 4], || -1);
    let left = (Source::Weight(0), vec![along(2, 0), along(2, 1)]);
    let term = if product_of {
        product(
            vec![2, 2, 0],
            1,
            (left.0, [left.1, vec![along(0, 2)]].concat()),
            (Source::Input, vec![mapped(0, 2, [(0, 0, 1)])]),
        )
    } else {
        linear(1, vec![2, 2], left.0, left.1)
    };
    let y = b.layer(&[4, 4], vec![term], 0, Rule::Maximum { low: 2, bits: 2, len, table });
    let (mut architecture, _) = b.finish(&y, 0).expect("the network is valid");
    architecture.matrices[0].cuts = cuts.iter().map(|&(bit, bits, len)| Cut { bit, bits, len }).collect();
    architecture
}

/// RQ8: Where not all places of an axis count for a maximum, a run along it is proven as a map, which no cut goes with.
/// With one the verifier took the tiles behind the first for zeros and was of degree 2 in the coordinates that number
/// them: equal tiles had a proof of another output than the executor's, and there were shapes with which it panicked.
#[test]
fn rq8_no_cut_is_along_a_maximum_of_some_places() {
    let refused = Err(ModelError::Cuts { matrix: 0 });
    for product_of in [false, true] {
        let valid = |len: u32, cuts: &[(u8, u8, u32)]| maxima_of_weights(len, product_of, cuts).validate().map(|_| ());
        for len in 1..4 {
            for cuts in [&[(2, 2, 3)][..], &[(2, 2, 1)], &[(3, 1, 1)], &[(0, 2, 3), (2, 1, 1)]] {
                assert_eq!(valid(len, cuts), refused, "{len} {cuts:?}");
                let block = maxima_of_weights(len, product_of, cuts).matrices[0].clone();
                assert!(!maxima_of_weights(len, product_of, &[]).goes_with(0, &block));
            }
            assert_eq!(valid(len, &[(0, 2, 3)]), Ok(()), "the other axis");
        }
        assert_eq!(valid(4, &[(0, 2, 3), (2, 2, 3)]), Ok(()), "all places count");
    }
    // an axis that is not there, of so many bits as no number has
    let mut broken = maxima_of_weights(3, false, &[(2, 2, 3)]);
    broken.layers[0].rule = Rule::Maximum { low: 2, bits: 200, len: 3, table: 0 };
    assert!(broken.validate().is_err());
}

/// S2: Lists of cuts that no compiler writes are refused, whatever is in them.
#[test]
fn s2_hostile_cuts() {
    let cut = |bit: u8, bits: u8, len: u32| Cut { bit, bits, len };
    let lists: [Vec<Cut>; 8] = [
        vec![cut(0, 255, u32::MAX)],
        vec![cut(255, 255, 1)],
        vec![cut(0, 32, 1)],
        vec![cut(0, 2, u32::MAX)],
        vec![cut(1, 1, 1), cut(0, 1, 1)],
        vec![cut(0, 0, 0); 1000],
        vec![cut(0, 1, 1); 1 << 16],
        vec![cut(0, 2, 4)],
    ];
    for (list, cuts) in lists.into_iter().enumerate() {
        let mut architecture = maxima_of_weights(4, false, &[]);
        architecture.matrices[0].cuts = cuts;
        assert_eq!(architecture.validate().map(|_| ()), Err(ModelError::Cuts { matrix: 0 }), "{list}");
    }
    // without cuts a byte of 64 and more would be the beginning of some
    for log_size in [28, 63, 64, 68, 191, 255] {
        let mut architecture = maxima_of_weights(4, false, &[]);
        architecture.matrices[0] = WeightBlock::from(log_size);
        assert!(matches!(architecture.validate(), Err(ModelError::BlockSize { place: Place::Weight(0), .. })));
    }
}

/// A loop's layers read other steps only where these are computed before.
#[test]
fn loops() {
    let state = |a: &mut Architecture, change: fn(&mut Index)| {
        change(&mut a.layers[0].terms[1].right.as_mut().expect("a product").runs[1].index)
    };
    let later = |index: &mut Index| {
        if let Index::Map { entries, .. } = index {
            entries[0].from = entries[0].to;
        }
    };
    refuses! { recurrent(5, 3);
        |a| state(a, later) => ModelError::UnknownSource { layer: 0, missing: Source::Post(2) },
        |a| state(a, |index| *index = Index::Axis(1)) => ModelError::UnknownSource { layer: 0, .. },
        |a| a.loops.clear() => ModelError::UnknownSource { layer: 0, .. },
        |a| a.loops[0].layers = 2 => ModelError::UnknownSource { layer: 0, .. },
        |a| a.loops[0].layers = 9 => ModelError::Loop { index: 0 },
        |a| a.loops[0].layers = u32::MAX => ModelError::Loop { index: 0 },
        |a| a.loops[0].layers = 0 => ModelError::Loop { index: 0 },
        |a| a.loops[0].log_steps = 9 => ModelError::Loop { index: 0 },
        |a| a.loops[0].log_steps = 2 => ModelError::Axes { .. },
        |a| { let again = a.loops[0]; a.loops.push(again) } => ModelError::Loop { index: 1 },
    }
}

#[test]
fn sums_stay_exact() {
    let huge = |a: &mut Architecture| {
        entries(&mut a.layers[1].terms[0]).iter_mut().for_each(|e| e.coefficient = i32::MIN);
        a.layers[1].terms[0].coefficient = i32::MIN;
    };
    refuses! { network(); huge => ModelError::AccumulatorTooWide { layer: 1, .. } }
    // fits an accumulator, but what the clamp cuts off does not fit 62 bits of limbs of 5 bits
    let wide = |a: &mut Architecture| {
        entries(&mut a.layers[1].terms[0]).iter_mut().for_each(|e| e.coefficient = 1 << 21);
        a.layers[1].terms[0].coefficient = 3 << 29;
        if let Rule::Requantise { shift, .. } = &mut a.layers[1].rule {
            *shift = 0;
        }
    };
    refuses! { network(); wide => ModelError::TooManyLimbs { layer: 1, limbs: 13, limb_bits: 5, .. } }
}

#[test]
fn limbs_are_the_fewest() {
    let (arch, _) = network();
    let bounds = arch.validate().expect("the network is valid");
    // Layer 0: z <= 2·2·2 · 2^7 · 2^7 + 2^9 (the largest bias, 300, takes 10 bits): 4112 after the shift, of which 3985
    // are cut off, 2 limbs of 7.
    assert_eq!(bounds.z[0], (-8 * 127 * 128 - (1 << 9), (8 << 14) + (1 << 9) - 1));
    assert_eq!((bounds.cuts[0], bounds.limbs[0]), (3985, 2));
    // Layer 1: the sum of four values in 0..=127, by 4, into 6 bits: 127 - 31 takes 2 limbs of 5.
    assert_eq!((bounds.z[1], bounds.limbs[1]), ((0, 508), 2));
    assert_eq!(bounds.range(Source::Pre(1)), Some((0, 31)));
    assert_eq!(bounds.range(Source::Post(9)), None);
}

#[test]
fn weights_belong_to_the_architecture() {
    type Case = (fn(&mut Weights), fn(&ModelError) -> bool);
    let cases: [Case; 6] = [
        (
            |w| w.biases[0][1] = i32::MIN,
            |e| matches!(e, ModelError::BiasRange { bias: 0, index: 1, value: i32::MIN, .. }),
        ),
        (|w| drop(w.matrices.pop()), |e| matches!(e, ModelError::MatrixCount { have: 1, need: 2 })),
        (|w| w.matrices[1].push(0), |e| matches!(e, ModelError::MatrixLength { matrix: 1, have: 65, need: 64 })),
        (
            |w| w.matrices[0][0] = 128,
            |e| matches!(e, ModelError::WeightRange { matrix: 0, index: 0, value: 128, bits: 8 }),
        ),
        (|w| drop(w.biases.pop()), |e| matches!(e, ModelError::BiasCount { have: 0, need: 1 })),
        (|w| w.biases[0].push(0), |e| matches!(e, ModelError::BiasLength { bias: 0, have: 5, need: 4 })),
    ];
    let (arch, weights) = network();
    for (case, (change, expected)) in cases.into_iter().enumerate() {
        let mut broken = weights.clone();
        change(&mut broken);
        let error = broken.validate(&arch).expect_err("the weights do not fit");
        assert!(expected(&error), "case {case}: {error:?}");
    }
    assert!(matches!(
        execute(&arch, &Weights::default(), &random_input(&arch, 0)),
        Err(ExecError::Model(ModelError::MatrixCount { .. }))
    ));
}

#[test]
fn input_blocks() {
    let (arch, weights) = network();
    let block = random_input(&arch, 1);
    assert!(matches!(execute(&arch, &weights, &block[1..]), Err(ExecError::InputCells { have: 63, need: 64 })));
    for (cell, value) in [(0, 128), (0, -129), (4, i32::MAX)] {
        let mut block = block.clone();
        block[cell] = value;
        assert_eq!(execute(&arch, &weights, &block), Err(ExecError::InputRange { cell, value, bits: 8 }));
    }
}

#[test]
fn postcard_keeps_networks() {
    for (arch, weights) in [digits_cnn(), attention(3, 4, 2), recurrent(5, 3)] {
        let bytes = postcard::to_allocvec(&(&arch, &weights)).expect("it serialises");
        assert_eq!(postcard::from_bytes::<(Architecture, Weights)>(&bytes).expect("and back"), (arch, weights));
    }
}

/// A term of a layer of one cell may have no axes at all.
#[test]
fn a_layer_may_be_one_cell() {
    let (mut b, x) = NetworkBuilder::new(&[1], 8, 0, 8);
    let table = b.table(8, Domain::Signed, Function::Identity);
    let term = Term { axes: Vec::new(), ..b.same(&Tensor { dims: Vec::new(), ..x }, 1) };
    let y = b.requantise(&[], vec![term], 0, table);
    let (arch, weights) = b.finish(&y, 0).expect("the network is valid");
    let trace = execute(&arch, &weights, &[5]).expect("it runs");
    assert_eq!(trace.output(&arch, &System::new(&arch)), [5]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// A file in which some bytes were changed is refused or runs; it never panics.
    #[test]
    fn hostile_networks(network: u64, seed: u64) {
        let (arch, weights) = random_network(network);
        let mut bytes = postcard::to_allocvec(&arch).expect("it serialises");
        let mut random = Random::new(seed);
        for _ in 0..random.within(1, 4) {
            let at = random.within(0, bytes.len() as i64 - 1) as usize;
            bytes[at] = [0, 1, 2, 3, 15, 26, 64, 127, 128, 255, bytes[at] ^ 1, bytes[at].wrapping_add(1)][random.within(0, 11) as usize];
        }
        let Ok(arch) = postcard::from_bytes::<Architecture>(&bytes) else { return Ok(()) };
        match arch.validate() {
            Err(error) => prop_assert!(matches!(execute(&arch, &weights, &[]), Err(ExecError::Model(e)) if e == error)),
            // blocks that take long are valid too
            Ok(_) if arch.layers.iter().any(|layer| layer.log_size > 14) || arch.input.log_size > 14 => {}
            Ok(_) => {
                let fits = weights.validate(&arch).is_ok();
                prop_assert_eq!(execute(&arch, &weights, &random_input(&arch, seed)).is_ok(), fits);
            }
        }
    }
}
