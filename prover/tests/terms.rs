//! Terms of one and of two operands, whatever their runs: executor, prover and verifier read every one alike.

use assay_circuits::Fr;
use assay_circuits::batch::Batch;
use assay_circuits::exec::{self, Trace};
use assay_circuits::model::{
    Architecture, Entry, Index, Input, Layer, ModelError, Operand, Output, Port, Rule, Run, Source, Term, Weights,
    Window,
};
use assay_circuits::sample::{self, Random};
use assay_prover::control::Control;
use assay_prover::native::{self, Claim, NativeProof};
use assay_prover::package::{Metadata, Package};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use proptest::prelude::*;

/// A run along one axis of `2^log` places. In a product it reads one number at most for each.
fn along(random: &mut Random, axis: u8, log: u8, product: bool) -> Run {
    if random.percent(40) {
        return Run { log_len: log, index: Index::Axis(axis) };
    }
    let log_len = random.within(0, 3) as u8;
    if random.percent(30) {
        // the first places, as where a length is no power of two
        let count = random.within(1, 1 << log_len.min(log)) as u32;
        let coefficient = if product { 1 } else { random.within(1, 3) as i32 };
        let entries = (0..count).map(|k| Entry { to: k, from: k, coefficient }).collect();
        return Run { log_len, index: Index::Map { axis: Some(axis), entries } };
    }
    let mut entries: Vec<Entry> = Vec::new();
    for to in 0..1u32 << log {
        let from = random.within(0, (1 << log_len) - 1) as u32;
        match product {
            true if to == 0 || from != 1 => entries.push(Entry { to, from, coefficient: 1 }),
            true => {}
            false => entries.extend((0..=from).step_by(2).map(|from| Entry {
                to,
                from,
                coefficient: [-2, 1, 3][(to + from) as usize % 3],
            })),
        }
    }
    Run { log_len, index: Index::Map { axis: Some(axis), entries } }
}

/// A run through a window of two axes.
fn window(random: &mut Random, [out, kernel]: [u8; 2], axes: &[u8]) -> Run {
    let log_len = random.within(0, 3) as u8;
    let mut up_to = |log: u8| random.within(1, 1 << log) as u32;
    let [outputs, places, inputs] = [axes[usize::from(out)], axes[usize::from(kernel)], log_len].map(&mut up_to);
    let [stride, dilation, padding] = [random.within(1, 3), random.within(1, 3), random.within(0, 3)].map(|n| n as u32);
    let window = Window { outputs, kernel: places, inputs, stride, dilation, padding };
    Run { log_len, index: Index::Window { out, kernel, window } }
}

/// Runs that name all of these axes, in any order, and some that name none.
fn runs(random: &mut Random, mut named: Vec<u8>, axes: &[u8], product: bool) -> Vec<Run> {
    let mut runs = Vec::new();
    while !named.is_empty() {
        let mut take = || named.remove(random.within(0, named.len() as i64 - 1) as usize);
        let axis = take();
        if !named.is_empty() && random.percent(40) {
            let mut take = || named.remove(random.within(0, named.len() as i64 - 1) as usize);
            let other = take();
            runs.push(window(random, [axis, other], axes));
        } else {
            runs.push(along(random, axis, axes[usize::from(axis)], product));
        }
        if random.percent(20) {
            let from = random.within(0, 3) as u32;
            let read = if product { from..from + 1 } else { 0..from + 1 };
            let entries = read.map(|from| Entry { to: 0, from, coefficient: 1 }).collect();
            runs.push(Run { log_len: 2, index: Index::Map { axis: None, entries } });
        }
    }
    runs
}

fn size(runs: &[Run]) -> u8 {
    runs.iter().map(|run| run.log_len).sum()
}

/// A layer that is one random term: the input, or a product of it with another column or with weights.
fn network(seed: u64) -> Result<(Architecture, Weights), ModelError> {
    let random = &mut Random::new(seed);
    let product = random.percent(75);
    let (outputs, summed) = (random.within(1, 4) as u8, if product { random.within(0, 2) as u8 } else { 0 });
    let axes: Vec<u8> = (0..outputs + summed).map(|_| random.within(0, 2) as u8).collect();
    let mut operand = || {
        let named = (0..outputs + summed).filter(|axis| *axis >= outputs || random.percent(60)).collect();
        runs(random, named, &axes, product)
    };
    let (left, right) = (operand(), operand());
    let (log_input, log_other) = (size(&left), size(&right));
    let entries = (0..1 << log_other)
        .map(|to| Entry { to, from: random.within(0, (1 << log_input) - 1) as u32, coefficient: 1 })
        .collect();
    let other = Term {
        coefficient: 1,
        axes: vec![log_other],
        summed: 0,
        left: Operand {
            source: Source::Input,
            runs: vec![Run { log_len: log_input, index: Index::Map { axis: Some(0), entries } }],
        },
        right: None,
    };
    let other = Layer { log_size: log_other, terms: vec![other], constant: 1, rule: Rule::Exact };
    let matrix: Vec<i16> = (0..1 << log_other).map(|_| random.within(-2, 1) as i16).collect();
    let source = if random.percent(30) { Source::Weight(0) } else { Source::Post(0) };
    let [left, right] = [(Source::Input, left), (source, right)].map(|(source, runs)| Operand { source, runs });
    let (left, right) = if !product || random.percent(50) { (left, right) } else { (right, left) };
    let log_size = axes[..usize::from(outputs)].iter().sum();
    let term = Term { coefficient: random.within(1, 3) as i32, axes, summed, left, right: product.then_some(right) };
    let layer = Layer { log_size, terms: vec![term], constant: 0, rule: Rule::Exact };
    let cells = |log: u8| (0..1u32 << log).collect::<Vec<_>>();
    let port =
        Port { name: "input".into(), scale: 0, range: (-2, 1), shape: vec![1 << log_input], cells: cells(log_input) };
    let output = Output {
        name: "output".into(),
        source: Source::Post(1),
        scale: 0,
        shape: vec![1 << log_size],
        cells: cells(log_size),
    };
    let architecture = Architecture {
        input: Input { log_size: log_input, bits: 2, ports: vec![port] },
        weight_bits: 2,
        matrices: vec![log_other.into()],
        biases: Vec::new(),
        tables: Vec::new(),
        layers: vec![other, layer],
        loops: Vec::new(),
        outputs: vec![output],
    };
    architecture.validate()?;
    Ok((architecture, Weights { matrices: vec![matrix], biases: Vec::new() }))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every term proves, in every kind of batch; with one of its cells changed it does not.
    #[test]
    fn every_term_is_provable(seed: u64, kind in 0usize..4) {
        let (architecture, weights) = network(seed).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let batch = [Batch::ONE, Batch::ONE, Batch::joint(2), Batch::separate(1)][kind];
        let inputs: Vec<Vec<i32>> = (0..batch.inferences() as u64).map(|i| sample::random_input(&architecture, seed ^ i)).collect();
        let trace = Trace::join(inputs.iter().map(|cells| exec::execute(&architecture, &weights, cells).unwrap()));
        let srs = Srs::development(6);
        let package = Package::new(Metadata::default(), architecture, weights, 5, &srs).unwrap();
        let seller = Seller::new(package, srs).unwrap().batched(batch).unwrap();
        let input = InputOpening::public(seller.shape(), inputs.concat()).commit(seller.shape(), &seller.srs).unwrap();
        let accepted = |trace: &Trace| {
            let proved = seller.prove_trace(&input, trace, Fr::from(1u64), false, &Control::new()).unwrap();
            let claim = Claim::of(&proved, input.commitments.clone(), Fr::from(1u64));
            let proof = NativeProof::new(proved, seller.shape(), &seller.srs, &Control::new()).unwrap();
            native::verify(&seller.package.model, &claim, &proof).is_ok()
        };
        prop_assert!(accepted(&trace));
        for column in 1..trace.columns.len() {
            let mut lie = trace.clone();
            let at = (seed % lie.columns[column].len() as u64) as usize;
            lie.columns[column][at] += 1;
            prop_assert!(!accepted(&lie), "column {} cell {}", column, at);
        }
    }
}
