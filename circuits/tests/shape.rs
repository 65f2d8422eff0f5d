//! Shapes and circuits have a size: what a stranger's architecture asks for is known before anything is made.

use assay_circuits::batch::Batch;
use assay_circuits::model::{
    Architecture, BiasBlock, Cut, Domain, Function, Index, Input, Layer, ModelError, Output, Place, Port, Rule, Run,
    Source, Table, Term, WeightBlock, Window,
};
use assay_circuits::plonk::Circuit;
use assay_circuits::sample::builder::{along, linear, mapped, product};
use assay_circuits::scalar::VerifyError;
use assay_circuits::shape::{Shape, ShapeError};
use assay_circuits::wrap::constraints;

/// A network of requantised layers that follow each other, each with the logs of its axes. Its output are listed cells
/// of the last.
fn network(log_input: u8, layers: Vec<(u8, Vec<Term>)>, cells: Vec<u32>) -> Architecture {
    let port = Port { name: "input".into(), scale: 0, range: (-2, 1), shape: vec![1], cells: vec![0] };
    let source = Source::Post(layers.len() as u32 - 1);
    let output = Output { name: "output".into(), source, scale: 0, shape: vec![cells.len() as u32], cells };
    let layer = |(log_size, terms)| Layer {
        log_size,
        terms,
        constant: 0,
        rule: Rule::Requantise { shift: 0, limbs: 0, table: 0 },
    };
    let mut architecture = Architecture {
        input: Input { log_size: log_input, bits: 2, ports: vec![port] },
        weight_bits: 2,
        matrices: Vec::new(),
        biases: Vec::new(),
        tables: vec![Table { bits: 8, domain: Domain::Saturating { limb_bits: 7 }, function: Function::Identity }],
        layers: layers.into_iter().map(layer).collect(),
        loops: Vec::new(),
        outputs: vec![output],
    };
    architecture.complete().unwrap();
    architecture
}

/// The input's one cell in each of `2^log` cells.
fn wide(log: u8) -> (u8, Vec<Term>) {
    (log, vec![linear(1, vec![log], Source::Input, Vec::new())])
}

/// The input's one cell, weighted by a kernel of so many places.
fn kernel(log: u8) -> Architecture {
    let window = Window { outputs: 1, kernel: 1 << log, inputs: 1, stride: 1, dilation: 1, padding: 0 };
    let run = Run { log_len: 0, index: Index::Window { out: 0, kernel: 1, window } };
    let mut architecture = network(0, vec![wide(0)], vec![0]);
    architecture.matrices.push(log.into());
    architecture.layers[0].terms =
        vec![product(vec![0, log], 1, (Source::Weight(0), vec![along(log, 1)]), (Source::Input, vec![run]))];
    architecture.complete().unwrap();
    architecture
}

/// One cell of many, by a map.
fn gathered(log: u8) -> Architecture {
    let term = linear(1, vec![0], Source::Post(0), vec![mapped(log, None, [(0, 5, 1)])]);
    network(0, vec![wide(log), (0, vec![term])], vec![0])
}

/// A layer that reads the input many times.
fn repeated(terms: usize) -> Architecture {
    let term = linear(1, vec![1], Source::Input, vec![mapped(1, 0, [(0, 1, 1)])]);
    network(1, vec![(1, vec![term; terms])], vec![0])
}

/// Architectures of a few bytes whose circuits would have millions of rows are valid networks, and have no circuit.
#[test]
fn circuits_have_a_size() {
    let scattered = |log: u8| network(0, vec![wide(log)], (0..1 << log).step_by(2).collect());
    let hostile =
        [("kernel", kernel(19)), ("column", gathered(20)), ("output", scattered(19)), ("terms", repeated(1 << 15))];
    for (name, architecture) in hostile {
        let shape = Shape::new(architecture, 16).unwrap();
        let refused = |error: &VerifyError| matches!(error, VerifyError::CircuitSize { .. });
        assert!(constraints(&shape, &[0; 32]).is_err_and(|error| refused(&error)), "{name}");
        assert!(Circuit::new(&shape, &[0; 32]).is_err_and(|error| refused(&error)), "{name}");
    }
    let all = network(0, vec![wide(18)], (0..1 << 18).collect());
    for architecture in [kernel(8), gathered(10), scattered(8), repeated(100), all] {
        assert!(Circuit::new(&Shape::new(architecture, 16).unwrap(), &[0; 32]).is_ok());
    }
}

/// A proof of weights has a lookup for each block, and no equation for most: those count as well.
#[test]
fn circuits_of_many_lookups_are_refused() {
    let of_weights = |blocks: usize| {
        let mut architecture = repeated(1);
        architecture.matrices = vec![0.into(); blocks];
        architecture.biases = vec![BiasBlock { log_size: 0, bits: 8 }; blocks];
        let shape = Shape::new(architecture, 16).unwrap();
        assert!(constraints(&shape, &[0; 32]).is_ok(), "no inference reads them");
        constraints(&shape.of_weights().unwrap(), &[0; 32])
    };
    assert!(of_weights(8192).is_err_and(|error| matches!(error, VerifyError::CircuitSize { .. })));
    assert!(of_weights(100).is_ok());
}

/// A dense layer: `2^inputs` numbers to `2^outputs`.
fn dense(inputs: u8, outputs: u8) -> Architecture {
    let mut architecture = network(0, vec![wide(0)], vec![0]);
    architecture.input.log_size = inputs;
    architecture.matrices.push((inputs + outputs).into());
    let matrix = vec![along(outputs, 0), along(inputs, 1)];
    let term = product(vec![outputs, inputs], 1, (Source::Input, vec![along(inputs, 1)]), (Source::Weight(0), matrix));
    (architecture.layers[0].log_size, architecture.layers[0].terms) = (outputs, vec![term]);
    architecture
}

/// The first dense layer of VGG-19, padded, is the largest block that there is; its proofs are as sound as any.
#[test]
fn the_largest_block_has_a_shape_and_a_circuit() {
    let mut architecture = dense(15, 12);
    architecture.complete().unwrap();
    let shape = Shape::new(architecture, 24).unwrap();
    assert_eq!(shape.soundness_bits(), 100);
    assert!(Circuit::new(&shape, &[0; 32]).is_ok());
    let error = dense(15, 13).complete().unwrap_err();
    assert!(matches!(error, ModelError::BlockSize { place: Place::Weight(0), log_size: 28 }), "{error}");
}

/// A product over axes that are longer than what they read has no table of its own that is larger than all columns may
/// be.
#[test]
fn products_have_a_size() {
    let architecture = |log: u8| {
        let run = || mapped(0, 1, [(0, 0, 1)]);
        let mut architecture = network(0, vec![wide(0)], vec![0]);
        let term = product(vec![0, log], 1, (Source::Input, vec![run()]), (Source::Input, vec![run()]));
        architecture.layers[0].terms = vec![term];
        architecture
    };
    assert!(Shape::new(architecture(10), 8).is_ok());
    let error = Shape::new(architecture(31), 8).unwrap_err();
    assert!(matches!(error, ShapeError::TooLarge { log_cells: 31 }), "{error}");
}

/// A block of which only the cells are stored whose bits from `bit` on make a number below `len`.
fn cut(log_size: u8, bit: u8, bits: u8, len: u32) -> WeightBlock {
    WeightBlock { log_size, cuts: vec![Cut { bit, bits, len }] }
}

/// A product of the input's one cell with the only cell that is stored of a block.
fn one_stored(bits: u8) -> Architecture {
    let mut architecture = network(0, vec![wide(0)], vec![0]);
    architecture.matrices.push(cut(bits, 0, bits, 1));
    let run = mapped(0, 1, [(0, 0, 1)]);
    let left = (Source::Weight(0), vec![along(bits, 1)]);
    architecture.layers[0].terms = vec![product(vec![0, bits], 1, left, (Source::Input, vec![run]))];
    architecture.complete().unwrap();
    architecture
}

/// S2: What a verifier does for a cut grows with the tiles that it leaves, and not with all numbers that its bits make,
/// which cost a stranger's file nothing: with a table of these numbers this circuit would take hours and 80 GB.
#[test]
fn s2_circuits_do_not_grow_with_what_is_not_stored() {
    let rows = |bits: u8| Circuit::new(&Shape::new(one_stored(bits), 8).unwrap(), &[0; 32]).unwrap().log_rows;
    assert!(rows(26) <= rows(4) + 1);
}

/// Embeddings by the input's one cell, each of a block of its own with a thousand tiles.
fn embeddings(count: u32) -> Architecture {
    let mut architecture = network(0, vec![wide(0)], vec![0]);
    architecture.matrices = vec![cut(12, 0, 11, 1024); count as usize];
    let rule = |matrix: u32| Rule::Rows { matrix, bits: 11, index: Source::Input, index_bits: 2 };
    let layers = (0..count).map(|matrix| Layer { log_size: 11, terms: Vec::new(), constant: 0, rule: rule(matrix) });
    architecture.layers.extend(layers);
    architecture.complete().unwrap();
    architecture
}

/// S2: Tiles count wherever a block is read, also where rows of it are looked up: 20 such blocks took a minute, and a
/// network may have 4,000.
#[test]
fn s2_circuits_of_many_tiles_are_refused() {
    let made = |count: u32| Circuit::new(&Shape::new(embeddings(count), 16).unwrap(), &[0; 32]);
    assert!(made(1).is_ok());
    assert!(made(20).is_err_and(|error| matches!(error, VerifyError::CircuitSize { .. })));
}

/// S2: A file of 50 KB may have eight million tiles: for a proof of weights, which looks each up, not even the list of
/// them is made.
#[test]
fn s2_proofs_of_weights_of_many_tiles_are_refused() {
    let of_weights = |blocks: usize| {
        let mut architecture = network(0, vec![wide(0)], vec![0]);
        architecture.matrices = vec![cut(11, 0, 11, 1024); blocks];
        Shape::new(architecture, 16).unwrap().of_weights()
    };
    assert!(of_weights(2).is_ok());
    let error = of_weights(8192).unwrap_err();
    assert!(matches!(error, ShapeError::Blocks { have: 8_388_608, .. }), "{error}");
}

/// S2: Sizes are added up in 64 bits before anything is placed. In a browser, where the machine's words have 32, 2^32
/// cells of weights were none: blocks lay one upon the other, and on the prover's cells, and the key of such a model
/// was opened.
#[test]
fn s2_sizes_are_added_up_before_they_are_placed() {
    let with = |blocks: usize, batch: Batch| {
        let mut architecture = network(0, vec![wide(0)], vec![0]);
        architecture.matrices = vec![27.into(); blocks];
        Shape::batched(architecture, 16, batch).map(|shape| shape.layout.variables())
    };
    assert_eq!(with(7, Batch::ONE), Ok(30));
    for (blocks, log) in [(8, 31), (32, 33), (4096, 40)] {
        assert_eq!(with(blocks, Batch::ONE), Err(ShapeError::TooLarge { log_cells: log }));
    }
    // a batch's inputs, each of chunks of its own
    let inputs = |log_chunk: u32, batch: Batch| Shape::batched(network(0, vec![wide(0)], vec![0]), log_chunk, batch);
    assert!(inputs(24, Batch::separate(4)).is_ok());
    assert!(matches!(inputs(24, Batch::separate(8)), Err(ShapeError::TooLarge { log_cells: 33 })));
    assert!(matches!(inputs(24, Batch::separate(12)), Err(ShapeError::TooLarge { log_cells: 37 })));
}
