//! The second implementation, `tests/reference` in Python, against this one. Networks and proofs are written to a
//! folder as JSON, and the scripts say whether they agree. `ASSAY_REFERENCE_NETWORKS` is how many random networks there
//! are; `ASSAY_REFERENCE_KEEP` names a folder to keep what was written.

#[path = "../circuits/tests/support/loops.rs"]
mod loops;

use assay_circuits::Fr;
use assay_circuits::batch::Batch;
use assay_circuits::exec::{Trace, dequantise_output, execute, quantise_input};
use assay_circuits::model::{Architecture, Rule, Source, Weights};
use assay_circuits::sample;
use assay_circuits::sample::Random;
use assay_circuits::system::System;
use assay_compiler::{Options, wanted as wanted_inputs};
use assay_prover::control::Control;
use assay_prover::native::{Claim, NativeProof};
use assay_prover::package::{Metadata, Package};
use assay_prover::pcs::encode;
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use assay_tests::Network;
use loops::every_rule_in_a_loop;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Random networks where nobody asks for more.
const NETWORKS: u64 = 250;

/// The network of fixtures/networks that is always compared.
const SMALLEST: &str = "digits_mobile";

fn wanted() -> u64 {
    std::env::var("ASSAY_REFERENCE_NETWORKS").map_or(NETWORKS, |n| n.parse().expect("a number of networks"))
}

/// A folder for what is written: a temporary one, or the one that is to be kept.
struct Folder {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Folder {
    fn new(name: &str) -> Self {
        if let Some(kept) = std::env::var_os("ASSAY_REFERENCE_KEEP") {
            let path = Path::new(&kept).join(name);
            std::fs::create_dir_all(&path).expect("a folder to keep things in");
            return Self { path, _temporary: None };
        }
        let temporary = tempfile::tempdir().expect("a temporary folder");
        Self { path: temporary.path().to_owned(), _temporary: Some(temporary) }
    }

    fn write(&self, name: &str, export: &Value) {
        let text = serde_json::to_vec(export).expect("exports are JSON");
        std::fs::write(self.path.join(format!("{name}.json")), text).expect("written");
    }

    /// Runs a script on the folder.
    fn agrees(&self, script: &str) {
        agrees(Command::new("python3").arg("-B").arg(scripts().join(script)).arg(&self.path));
    }
}

/// Networks of whose weights not all cells are stored, from so many random ones and from an embedding.
fn cut(count: u64) -> impl Iterator<Item = (String, (Architecture, Weights))> {
    let networks = (500..500 + count).map(sample::random_network).chain([sample::embedding(3, 5, 6)]);
    let tiled =
        networks.zip(0u64..).filter_map(|(network, seed)| Some((format!("cut-{seed}"), sample::tiled(network, seed)?)));
    tiled.map(|(name, [_, cut])| (name, cut))
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reference")
}

/// Fails with what a script says if it does.
fn agrees(command: &mut Command) {
    let run = command.output().expect("python3 must be installed: the second implementation is in Python 3.11");
    let said = [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    println!("{said}");
    assert!(run.status.success(), "the implementations do not agree:\n{said}");
}

/// The columns of a trace that can be read, by layer and name.
fn columns(arch: &Architecture, system: &System, trace: &Trace) -> Value {
    let of_layer = |index: usize| {
        let at = index as u32;
        let mut sources = vec![("Pre", Source::Pre(at)), ("Post", Source::Post(at))];
        if matches!(arch.layers[index].rule, Rule::Maximum { .. }) {
            sources.extend([("Max", Source::Max(at)), ("Mark", Source::Mark(at))]);
        }
        let column = |(name, source): (&str, Source)| (name.to_owned(), json!(trace.column(system.source(source))));
        Value::Object(sources.into_iter().map(column).collect::<Map<_, _>>())
    };
    (0..arch.layers.len()).map(of_layer).collect()
}

/// A network's execution on one input.
fn run_of(arch: &Architecture, weights: &Weights, input: &[i32]) -> Value {
    let (system, trace) = (System::new(arch), execute(arch, weights, input).expect("every input is executed"));
    json!({
        "input": input,
        "columns": columns(arch, &system, &trace),
        "output": trace.output(arch, &system),
        "clamps": trace.clamps(arch, &system),
    })
}

/// Numbers to be made integers: halves in between, ends of the range and what lies far outside, and any.
fn numbers_of(arch: &Architecture, random: &mut Random) -> Value {
    let half = 1i64 << (arch.input.bits - 1);
    let mut number = |scale: i8| {
        let unit = (-f32::from(scale)).exp2();
        match random.within(0, 4) {
            0 => (random.within(-half, half) as f32 - 0.5) * unit,
            1 => ([half as f32, -half as f32][random.within(0, 1) as usize] - 0.5) * unit,
            2 => random.within(-3, 3) as f32 * 1e20,
            3 => f32::from_bits(random.bits() as u32 & 0xbfff_ffff),
            _ => random.within(-half, half - 1) as f32 * unit,
        }
    };
    let inputs: Vec<Vec<f32>> =
        arch.input.ports.iter().map(|port| port.cells.iter().map(|_| number(port.scale)).collect()).collect();
    let quantised = quantise_input(arch, &inputs).expect("finite numbers");
    let output: Vec<i32> = (0..arch.output_cells()).map(|_| random.within(-1 << 15, (1 << 15) - 1) as i32).collect();
    let exact = |tensors: Vec<Vec<f32>>| {
        tensors.into_iter().map(|t| t.into_iter().map(f64::from).collect()).collect::<Vec<Vec<f64>>>()
    };
    json!({
        "numbers": exact(inputs),
        "cells": quantised.cells,
        "outside": quantised.outside,
        "clamped": quantised.clamped,
        "output_numbers": exact(dequantise_output(arch, &output)),
        "output": output,
    })
}

/// The input's tensor as two tensors, with scales of their own.
fn with_two_inputs(arch: &mut Architecture) {
    let mut first = arch.input.ports[0].clone();
    if first.cells.len() < 2 {
        return;
    }
    let mut second = first.clone();
    second.cells = first.cells.split_off(first.cells.len() / 2);
    (first.shape, second.shape) = (vec![first.cells.len() as u32], vec![second.cells.len() as u32]);
    (second.scale, second.range) = (first.scale - 1, (-1, 1));
    arch.input.ports = vec![first, second];
    arch.validate().expect("no cell belongs to both");
}

/// A network on a random input, on the largest and smallest numbers, and on those mixed.
fn network(arch: &Architecture, weights: &Weights, seed: u64) -> Value {
    let inputs =
        [sample::random_input(arch, seed)].into_iter().chain((0..4).map(|kind| sample::extreme_input(arch, kind)));
    json!({
        "architecture": arch,
        "weights": weights,
        "runs": inputs.map(|input| run_of(arch, weights, &input)).collect::<Vec<_>>(),
        "numbers": [numbers_of(arch, &mut Random::new(seed))],
    })
}

/// Defends what a proof shows of each rule: what the executor computes fulfils the equations and lookups that
/// docs/protocol.md section 3 lists, which are written down there once more and not taken from the code.
#[test]
fn the_page_of_the_protocol_has_the_executors_equations() {
    let folder = Folder::new("system");
    let named = [
        ("attention", sample::attention(3, 4, 2)),
        ("layer-norm", sample::layer_norm(3, 6)),
        ("recurrent", sample::recurrent(5, 3)),
        ("embedding", sample::embedding(3, 5, 6)),
    ];
    let random = (0..wanted() / 3).map(|seed| (format!("random-{seed}"), sample::random_network(seed)));
    for (name, (arch, weights)) in
        named.map(|(name, network)| (name.to_owned(), network)).into_iter().chain(random).chain(cut(20))
    {
        let inputs = [sample::random_input(&arch, 5), sample::extreme_input(&arch, 3)];
        let traces: Vec<_> = inputs
            .iter()
            .map(|input| execute(&arch, &weights, input).expect("every input is executed").columns)
            .collect();
        folder.write(&name, &json!({ "architecture": arch, "weights": weights, "traces": traces }));
    }
    folder.agrees("system.py");
}

/// Defends the same for networks that were compiled from ONNX: those of fixtures/networks, on one of their own inputs.
/// They take minutes, so this is done only where more than the usual number of networks is asked for.
#[test]
fn the_page_of_semantics_gives_the_same_bits_for_compiled_networks() {
    let folder = Folder::new("compiled");
    let named = Network::all().into_iter().filter(|network| wanted() > NETWORKS || network.name == SMALLEST);
    for network in named {
        let compiled = network.compiled(&Options::default());
        let (arch, weights) = (&compiled.architecture, &compiled.weights);
        let samples = network.samples("inputs.json").samples(&wanted_inputs(arch)).expect("the model's inputs");
        let input = quantise_input(arch, &samples[0]).expect("finite samples").cells;
        let runs = [run_of(arch, weights, &input)];
        folder.write(&network.name, &json!({ "architecture": arch, "weights": weights, "runs": runs, "numbers": [] }));
    }
    agrees(Command::new("python3").arg("-B").arg(scripts().join("semantics.py")).arg(&folder.path).arg("some"));
}

/// Defends the meaning of a proof: docs/semantics.md, written again by itself, gives every bit of every column that can
/// be read, the outputs and the number of clamps.
#[test]
fn the_page_of_semantics_gives_the_same_bits() {
    let folder = Folder::new("semantics");
    let named = [
        ("attention", sample::attention(3, 4, 2)),
        ("layer-norm", sample::layer_norm(3, 6)),
        ("recurrent", sample::recurrent(5, 3)),
        ("digits-cnn", sample::digits_cnn()),
        ("embedding", sample::embedding(3, 5, 6)),
        ("every-rule-in-a-loop", every_rule_in_a_loop()),
    ];
    for (name, (arch, weights)) in named {
        folder.write(name, &network(&arch, &weights, 1));
    }
    for seed in 0..wanted() {
        let (mut arch, weights) = sample::random_network(seed);
        if seed % 2 == 1 {
            with_two_inputs(&mut arch);
        }
        folder.write(&format!("random-{seed}"), &network(&arch, &weights, seed));
    }
    for (name, (arch, weights)) in cut(60) {
        folder.write(&name, &network(&arch, &weights, 2));
    }
    folder.agrees("semantics.py");
}

/// What is proven, and how.
struct Case {
    name: String,
    network: (Architecture, Weights),
    log_chunk: u32,
    batch: Batch,
    /// Blinds all commitments, the input's too, and masks the opening.
    hiding: bool,
    /// Whether the script changes every word of it.
    alter: bool,
    /// Whether proofs of false executions come with it.
    lies: bool,
}

impl Case {
    fn new(name: &str, network: (Architecture, Weights), log_chunk: u32) -> Self {
        Self { name: name.to_owned(), network, log_chunk, batch: Batch::ONE, hiding: false, alter: false, lies: false }
    }

    /// Proves it, and writes down what a verifier gets: what it knows of the model, the claim, the proof's bytes.
    fn export(self, srs: &Srs) -> Value {
        let (arch, weights) = self.network;
        let package = Package::new(Metadata::default(), arch.clone(), weights, self.log_chunk, srs).expect("a package");
        let seller = Seller::new(package, srs.clone()).expect("its own powers").batched(self.batch).expect("a batch");
        let inputs =
            |seed: u64| if seed == 1 { sample::extreme_input(&arch, 3) } else { sample::random_input(&arch, seed) };
        let cells: Vec<i32> = (0..self.batch.inferences() as u64).flat_map(inputs).collect();
        let shape = seller.shape();
        let input = if self.hiding {
            InputOpening::private(shape, cells.clone())
        } else {
            InputOpening::public(shape, cells.clone())
        };
        let (claim, proof) = prove(&seller, &input, self.hiding);
        let model = &seller.package.model;
        assay_prover::native::verify(model, &claim, &proof).expect("an honest proof verifies");
        let lies = if self.lies { lies(&seller, &input) } else { Vec::new() };
        let points = |points: &[_]| points.iter().map(|p| hex(&encode::g1_bytes(p))).collect::<Vec<_>>();
        json!({
            "architecture": arch,
            "log_chunk": self.log_chunk,
            "batch": { "log": self.batch.log_len(), "separate": self.batch.is_separate() },
            "digest": hex(&shape.digest),
            "weights": points(&model.weights),
            "tables": points(&model.tables),
            "generator_g2": hex(&encode::g2_bytes(&srs.h)),
            "tau_g2": hex(&encode::g2_bytes(&srs.tau_h)),
            "powers": points(&srs.g1[..1 << self.log_chunk]),
            "input": (!self.hiding).then_some(cells),
            "claim": {
                "input": points(&claim.input),
                "output": claim.output,
                "clamps": claim.clamps,
                "context": hex(&encode::fr_word(&claim.context)),
            },
            "proof": hex(&proof.to_bytes()),
            "alter": self.alter,
            "lies": lies,
        })
    }
}

/// A native proof, or one with the mask that a wrapped one would have.
fn prove(seller: &Seller, input: &InputOpening, hiding: bool) -> (Claim, NativeProof) {
    let (context, control) = (Fr::from(77u64), Control::new());
    if !hiding {
        return seller.prove_native(input, context, &control).expect("a proof");
    }
    let (arch, weights) = (&seller.shape().architecture, &seller.package.weights);
    let len = 1 << arch.input.log_size;
    let trace = Trace::join(input.cells.chunks(len).map(|cells| execute(arch, weights, cells).expect("it runs")));
    let committed = input.commit(seller.shape(), &seller.srs).expect("a commitment");
    let proved = seller.prove_trace(&committed, &trace, context, true, &control).expect("a proof");
    let claim = Claim::of(&proved, committed.commitments, context);
    (claim, NativeProof::new(proved, seller.shape(), &seller.srs, &control).expect("an opening"))
}

/// Proofs of executions in which one cell of one column is false, of each column in turn.
fn lies(seller: &Seller, input: &InputOpening) -> Vec<String> {
    let (arch, control) = (&seller.shape().architecture, Control::new());
    let trace = execute(arch, &seller.package.weights, &input.cells).expect("it runs");
    let committed = input.commit(seller.shape(), &seller.srs).expect("a commitment");
    let lie = |column: usize| {
        let mut lie = trace.clone();
        let cells = &mut lie.columns[column];
        let at = 7 * column % cells.len();
        cells[at] ^= 1;
        let proved = seller.prove_trace(&committed, &lie, Fr::from(77u64), false, &control).expect("a false proof");
        hex(&NativeProof::new(proved, seller.shape(), &seller.srs, &control).expect("an opening").to_bytes())
    };
    (1..trace.columns.len()).map(lie).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Defends the proof system's page: a second verifier, which docs/protocol.md describes, accepts native proofs of every
/// rule, of batches and with a mask, and refuses them with any one word changed.
#[test]
fn the_page_of_the_protocol_verifies_proofs() {
    let folder = Folder::new("proofs");
    let srs = Srs::development(10);
    let cases = [
        Case { alter: true, ..Case::new("altered", sample::layer_norm(1, 2), 10) },
        Case {
            alter: true,
            hiding: true,
            batch: Batch::separate(1),
            ..Case::new("altered-hiding", sample::random_network(1), 10)
        },
        Case::new("attention", sample::attention(2, 4, 2), 8),
        Case { lies: true, ..Case::new("every-rule-in-a-loop", every_rule_in_a_loop(), 9) },
        Case { lies: true, ..Case::new("embedding", sample::embedding(3, 5, 6), 8) },
        Case {
            hiding: true,
            batch: Batch::separate(1),
            ..Case::new("embedding-hiding", sample::embedding(2, 9, 3), 6)
        },
        Case { hiding: true, ..Case::new("layer-norm-hiding", sample::layer_norm(3, 6), 9) },
        Case { batch: Batch::joint(1), ..Case::new("recurrent-joint", sample::recurrent(5, 3), 7) },
        Case { batch: Batch::separate(2), ..Case::new("attention-separate", sample::attention(2, 2, 1), 6) },
    ];
    let random = (0..wanted() / 30).map(|seed| {
        let batch = [Batch::ONE, Batch::joint(1), Batch::separate(1)][seed as usize % 3];
        let case = Case::new(&format!("random-{seed}"), sample::random_network(seed), 5 + (seed as u32 * 7) % 6);
        Case { batch, hiding: seed % 2 == 1, ..case }
    });
    let cut =
        cut(8).map(|(name, network)| Case { hiding: true, batch: Batch::joint(1), ..Case::new(&name, network, 6) });
    for case in cases.into_iter().chain(random).chain(cut) {
        folder.write(&case.name.clone(), &case.export(&srs));
    }
    folder.agrees("verifier.py");
}

/// Defends what buyers and contracts check: a second verifier, which docs/protocol.md describes, accepts the golden
/// proofs of both wraps, alone and in batches, under their keys' bytes, and refuses them with a word changed.
#[test]
fn the_page_of_the_protocol_verifies_wrapped_proofs() {
    let all = wanted() > NETWORKS;
    let names = ["wrapped", "batch_separate", "universal", "universal_small", "universal_joint", "universal_separate"];
    let files = names.map(|name| assay_tests::fixture(&format!("golden/{name}.json")));
    let step = if all { "1" } else { "37" };
    agrees(Command::new("python3").arg("-B").arg(scripts().join("wrapped.py")).arg(step).args(files));
}

/// A place in a JSON value.
type Place = Vec<Value>;

/// All places of a value below the top, those of lists and of what is in them included.
fn places(value: &Value, at: &Place, found: &mut Vec<Place>) {
    let mut child = |key: Value, value: &Value| {
        let here = [at.as_slice(), &[key]].concat();
        places(value, &here, found);
        found.push(here);
    };
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| child(json!(i), item)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| child(json!(name), field)),
        _ => {}
    }
}

fn get_mut<'a>(value: &'a mut Value, path: &[Value]) -> &'a mut Value {
    path.iter().fold(value, |value, key| match key {
        Value::String(name) => &mut value[name.as_str()],
        key => &mut value[key.as_u64().expect("a number") as usize],
    })
}

/// Something else for a place: another number, one item twice, one item less (none: null), another kind of thing.
fn other(value: &Value, random: &mut Random) -> Value {
    match value {
        Value::Number(number) => {
            let n = number.as_i64().unwrap_or(0);
            let near = [
                n + 1,
                n - 1,
                n * 2,
                0,
                1,
                -n,
                n + random.within(-20, 20),
                1 << random.within(0, 31),
                (1 << random.within(0, 31)) - 1,
            ];
            json!(near[random.within(0, near.len() as i64 - 1) as usize])
        }
        Value::String(name) => {
            let kinds =
                ["Pre", "Post", "Input", "Signed", "Saturating", "Unsigned", "Identity", "Relu", "Exact", "Argument"];
            let kind = kinds[random.within(0, kinds.len() as i64 - 1) as usize];
            if kind == name { Value::Null } else { json!(kind) }
        }
        Value::Array(items) if !items.is_empty() => {
            let mut items = items.clone();
            let item = items[random.within(0, items.len() as i64 - 1) as usize].clone();
            items.push(item);
            Value::Array(items)
        }
        Value::Object(fields) if fields.len() == 1 => {
            // a choice: the same of another kind
            let (kind, what) = fields.iter().next().expect("one field");
            let kinds = [
                "Pre",
                "Post",
                "Max",
                "Mark",
                "Weight",
                "Bias",
                "Unary",
                "Constant",
                "Requantise",
                "Divide",
                "Quotient",
            ];
            let new = kinds[random.within(0, kinds.len() as i64 - 1) as usize];
            if new == kind { Value::Null } else { json!({ new: what }) }
        }
        _ => Value::Null,
    }
}

/// Changes of one thing of an architecture each, with what validation says. What is no architecture at all is left out.
fn changes(arch: &Architecture, count: usize, random: &mut Random) -> Vec<Value> {
    let original = json!(arch);
    let mut all = Vec::new();
    places(&original, &Vec::new(), &mut all);
    // most places are of lists of cells and entries, whose items are alike
    let is_item = |place: &&Place| place.iter().any(|key| key == "cells" || key == "entries");
    let (items, others): (Vec<&Place>, Vec<&Place>) = all.iter().partition(is_item);
    let mut found = Vec::new();
    for _ in 0..count {
        let from = if random.percent(15) { &items } else { &others };
        let path = from[random.within(0, from.len() as i64 - 1) as usize];
        let mut changed = original.clone();
        let place = get_mut(&mut changed, path);
        let new = other(place, random);
        if new.is_null() {
            let (last, parent) = path.split_last().expect("no path is empty");
            match get_mut(&mut changed, parent) {
                Value::Array(items) => {
                    items.remove(last.as_u64().expect("an index") as usize);
                }
                _ => continue,
            }
        } else {
            *place = new.clone();
        }
        // a field too many is ignored where it is read, and so says nothing
        let read = serde_json::from_value::<Architecture>(changed.clone());
        if let Some(arch) = read.ok().filter(|arch| json!(arch) == changed) {
            found.push(json!([path, new, arch.validate().is_ok()]));
        }
    }
    found
}

/// Defends what keys are made for: an architecture with any one thing changed is valid by docs/semantics.md section 8,
/// written again, exactly where validation lets it pass.
#[test]
fn the_page_of_semantics_has_the_rules_of_valid_networks() {
    let folder = Folder::new("validity");
    let named = [
        ("attention", sample::attention(3, 4, 2)),
        ("recurrent", sample::recurrent(5, 3)),
        ("embedding", sample::embedding(3, 5, 6)),
        ("loop", every_rule_in_a_loop()),
    ];
    let random = (0..wanted() / 8).map(|seed| (format!("random-{seed}"), sample::random_network(seed)));
    let networks = named.map(|(name, network)| (name.to_owned(), network)).into_iter().chain(random).chain(cut(12));
    for (seed, (name, (arch, _))) in networks.enumerate() {
        let changes = changes(&arch, 80, &mut Random::new(seed as u64));
        folder.write(&name, &json!({ "architecture": arch, "changes": changes }));
    }
    folder.agrees("validity.py");
}
