//! Honest proofs of small networks, and a smallest network for each relation.

#![allow(dead_code, reason = "each test takes what it needs")]

use assay_circuits::batch::Batch;
use assay_circuits::model::{Architecture, Domain, Function, Rule, Weights};
use assay_circuits::sample::builder::{NetworkBuilder, Tensor};
use assay_circuits::shape::Shape;
use assay_circuits::{Fr, sample};
use assay_prover::control::Control;
use assay_prover::inner::Proved;
use assay_prover::package::{Metadata, Package};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;

/// A model with an input.
pub struct Case {
    /// Names what the network is of.
    pub name: &'static str,
    pub seller: Seller,
    pub input: InputOpening,
}

impl Case {
    /// Over the development SRS.
    pub fn new(
        name: &'static str,
        (architecture, weights): (Architecture, Weights),
        log_chunk: u32,
        cells: Vec<i32>,
    ) -> Self {
        let srs = Srs::development(log_chunk + 1);
        let package =
            Package::new(Metadata::default(), architecture, weights, log_chunk, &srs).expect("a valid network");
        let seller = Seller::new(package, srs).expect("its own powers");
        let input = InputOpening::private(seller.shape(), cells);
        Self { name, seller, input }
    }

    /// A random network with every kind of term.
    pub fn random(seed: u64, log_chunk: u32) -> Self {
        let network = sample::random_network(seed);
        let cells = sample::random_input(&network.0, seed);
        Self::new("random", network, log_chunk, cells)
    }

    pub fn shape(&self) -> &Shape {
        self.seller.shape()
    }

    /// The same model with several inferences in a proof, each with this case's input.
    pub fn batched(self, batch: Batch) -> Self {
        let cells = self.input.cells.repeat(batch.inferences());
        let seller = self.seller.batched(batch).expect("a small batch");
        let input = InputOpening::private(seller.shape(), cells);
        Self { name: self.name, seller, input }
    }

    /// A hiding inner proof.
    pub fn proved(&self) -> Proved {
        self.prove(true)
    }

    /// An inner proof that hides nothing.
    pub fn proved_openly(&self) -> Proved {
        self.prove(false)
    }

    fn prove(&self, hiding: bool) -> Proved {
        let committed = self.input.commit(self.shape(), &self.seller.srs).expect("a valid input");
        let trace = self.seller.execute(&self.input).expect("a valid input");
        self.seller.prove_trace(&committed, &trace, Fr::from(7u64), hiding, &Control::new()).expect("provable")
    }
}

/// Of every relation one layer, over two numbers.
pub fn relations() -> Vec<Case> {
    let build = |name, bits: u8, layer: &dyn Fn(&mut NetworkBuilder, &Tensor) -> Tensor| {
        let (mut builder, x) = NetworkBuilder::new(&[2], bits, 0, 4);
        let y = layer(&mut builder, &x);
        Case::new(name, builder.finish(&y, 0).expect("a valid network"), 5, vec![-5, 9])
    };
    // x + 33, which is never less than 1
    let divisor = |builder: &mut NetworkBuilder, x: &Tensor| {
        let term = builder.same(x, 1);
        builder.layer(&[2], vec![term], 33, Rule::Exact)
    };
    vec![
        build("Exact", 6, &divisor),
        build("Requantise", 6, &|builder, x| {
            let (table, term) = (builder.table(4, Domain::Signed, Function::Relu), builder.same(x, 3));
            builder.requantise(&[2], vec![term], 2, table)
        }),
        build("Divide", 6, &|builder, x| {
            let by = divisor(builder, x);
            let (table, term) = (builder.table(4, Domain::Signed, Function::Identity), builder.same(x, 20));
            builder.divide(&[2], vec![term], 7, &by, 4, table)
        }),
        build("Quotient", 6, &|builder, x| {
            let by = divisor(builder, x);
            let term = builder.same(x, 30);
            builder.quotient(&[2], vec![term], 1000, &by, 4)
        }),
        build("SquareRoot", 6, &|builder, x| {
            let term = builder.same(x, 40);
            builder.layer(&[2], vec![term], 1280, Rule::SquareRoot { limb_bits: 4, parts: 0 })
        }),
        build("Maximum", 6, &|builder, x| {
            let (table, term) = (builder.table(7, Domain::Unsigned, Function::Identity), builder.same(x, 1));
            builder.layer(&[2], vec![term], 0, Rule::Maximum { low: 0, bits: 1, len: 2, table })
        }),
    ]
}
