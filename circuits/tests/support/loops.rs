//! A network that no ONNX model needs: every rule inside a loop, each reading the one before, and the first the last
//! one's step before.

use assay_circuits::model::{Architecture, Domain, Function, Instruction, Rule, Source, Unary, Weights};
use assay_circuits::sample::builder::{NetworkBuilder, along, linear, mapped, product};

/// Three steps of three numbers, so that steps and places both have padding. The maximum counts three of four places.
pub fn every_rule_in_a_loop() -> (Architecture, Weights) {
    let (mut b, x) = NetworkBuilder::new(&[3, 3], 8, 4, 8);
    let (s, w) = (2, 2);
    let narrow = b.table(8, Domain::Signed, Function::Identity);
    let program = vec![Instruction::Argument, Instruction::Unary(Unary::Neg), Instruction::Unary(Unary::Exp)];
    let decay = b.table(8, Domain::Unsigned, Function::Real { program, scale_in: 4, scale_out: 7, least: 0 });
    let each = || vec![along(w, 0), along(s, 1)];
    let by_row = || vec![along(s, 1)];

    let earlier = mapped(s, 1, (1..1 << s).map(|t| (t, t - 1, 1)));
    let state = linear(1, vec![w, s], Source::Post(6), vec![along(w, 0), earlier]);
    let now = b.same(&x, 1);
    let mixed = b.requantise(&[3, 3], vec![now, state], 1, narrow);
    let same = b.same(&mixed, 1);
    let decayed = b.layer(&[3, 3], vec![same], 0, Rule::Maximum { low: 0, bits: w, len: 3, table: decay });
    let maxima = || (Source::Max(1), vec![along(s, 0)]);
    let square = b.layer(&[3], vec![product(vec![s], 0, maxima(), maxima())], 1, Rule::Exact);
    let term = b.same(&square, 1);
    let root = b.layer(&[3], vec![term], 0, Rule::SquareRoot { limb_bits: 4, parts: 0 });
    let inverse = b.quotient(&[3], Vec::new(), 1 << 10, &root, 4);
    let scaled = product(vec![w, s], 0, (mixed.source, each()), (inverse.source, by_row()));
    let divided = b.divide(&[3, 3], vec![scaled], 7, &square, 4, narrow);
    let marks = linear(20, vec![w, s], Source::Mark(1), each());
    let terms = vec![b.same(&divided, 1), b.same(&decayed, 1), marks];
    let last = b.requantise(&[3, 3], terms, 0, narrow);
    b.repeat(7, s);
    b.finish(&last, 4).expect("the network is valid")
}
