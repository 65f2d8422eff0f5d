//! Networks that use every rule: attention with softmax, layer normalisation, recurrence.

use super::builder::{NetworkBuilder, Tensor, along, linear, mapped, product};
use super::{BITS, Random, SCALE, Sample};
use crate::model::{Architecture, Domain, Function, Instruction, Rule, Source, Unary, Weights, log2_ceil};

fn identity(builder: &mut NetworkBuilder, bits: u8) -> u32 {
    builder.table(bits, Domain::Signed, Function::Identity)
}

/// The places of an axis that count, all to one place.
fn all(length: u32) -> impl Iterator<Item = (u32, u32, i32)> {
    (0..length).map(|k| (0, k, 1))
}

/// The places of an axis that count, each to itself.
fn each(length: u32) -> impl Iterator<Item = (u32, u32, i32)> {
    (0..length).map(|k| (k, k, 1))
}

/// Softmax over the last of three axes: one lookup for maximum and exponential, a division a row, a product.
fn softmax(builder: &mut NetworkBuilder, scores: &Tensor) -> Tensor {
    let [heads, rows, length] = scores.dims[..] else { unreachable!("scores have three axes") };
    let logs = scores.logs();
    let program = vec![Instruction::Argument, Instruction::Unary(Unary::Neg), Instruction::Unary(Unary::Exp)];
    let function = Function::Real { program, scale_in: SCALE, scale_out: 12, least: 0 };
    let table = builder.table(BITS, Domain::Unsigned, function);
    let same = builder.same(scores, 1);
    let exp = builder.layer(&scores.dims, vec![same], 0, Rule::Maximum { low: 0, bits: logs[0], len: length, table });
    let summed = linear(
        1,
        logs[1..].to_vec(),
        exp.source,
        vec![mapped(logs[0], None, all(length)), along(logs[1], 0), along(logs[2], 1)],
    );
    let sum = builder.layer(&[heads, rows], vec![summed], 1, Rule::Exact);
    let inverse = builder.quotient(&[heads, rows], Vec::new(), 1 << 26, &sum, 8);
    let left = (exp.source, vec![along(logs[0], 0), along(logs[1], 1), along(logs[2], 2)]);
    let right = (inverse.source, vec![along(logs[1], 1), along(logs[2], 2)]);
    let table = identity(builder, BITS);
    builder.requantise(&scores.dims, vec![product(logs, 0, left, right)], 16, table)
}

/// Self-attention of `heads` heads over `tokens` tokens of `width` numbers.
pub fn attention(tokens: u32, width: u32, heads: u32) -> (Architecture, Weights) {
    let (mut builder, x) = NetworkBuilder::new(&[tokens, width], BITS, SCALE, BITS);
    let mut random = Random::new(7);
    let size = width / heads;
    let [t, d, h, e] = [tokens, width, heads, size].map(log2_ceil);
    let project = |builder: &mut NetworkBuilder, random: &mut Random| {
        let weight = builder.weight(&[heads, size, width], Sample::weights(random, width));
        let left = (weight, vec![along(d, 3), along(e, 0), along(h, 2)]);
        let term = product(vec![e, t, h, d], 1, left, (x.source, vec![along(d, 3), along(t, 1)]));
        let table = identity(builder, BITS);
        builder.requantise(&[heads, tokens, size], vec![term], 10, table)
    };
    let [query, key, value] = [(); 3].map(|()| project(&mut builder, &mut random));
    let left = (query.source, vec![along(e, 3), along(t, 1), along(h, 2)]);
    let right = (key.source, vec![mapped(e, 3, each(size)), along(t, 0), along(h, 2)]);
    let table = identity(&mut builder, BITS);
    let scores =
        builder.requantise(&[heads, tokens, tokens], vec![product(vec![t, t, h, e], 1, left, right)], 10, table);
    let weights = softmax(&mut builder, &scores);
    let left = (weights.source, vec![mapped(t, 3, each(tokens)), along(t, 1), along(h, 2)]);
    let right = (value.source, vec![along(e, 0), along(t, 3), along(h, 2)]);
    let mixed = builder.requantise(&[heads, tokens, size], vec![product(vec![e, t, h, t], 1, left, right)], 10, table);
    builder.finish(&mixed, SCALE).expect("sample networks are valid by construction")
}

/// Layer normalisation of `rows` rows of `width` numbers.
pub fn layer_norm(rows: u32, width: u32) -> (Architecture, Weights) {
    let (mut builder, x) = NetworkBuilder::new(&[rows, width], 8, 4, BITS);
    let (r, n) = (log2_ceil(rows), log2_ceil(width));
    let scaled = builder.same(&x, width as i32);
    let summed = linear(-1, vec![n, r], x.source, vec![mapped(n, None, all(width)), along(r, 1)]);
    let centred = builder.layer(&x.dims, vec![scaled, summed], 0, Rule::Exact);
    let squares = (centred.source, vec![mapped(n, 1, each(width)), along(r, 0)]);
    let term = product(vec![r, n], 1, squares.clone(), squares);
    let root = builder.layer(&[rows], vec![term], 1, Rule::SquareRoot { limb_bits: 8, parts: 0 });
    let inverse = builder.quotient(&[rows], Vec::new(), 1 << 20, &root, 8);
    let left = (centred.source, vec![along(n, 0), along(r, 1)]);
    let term = product(vec![n, r], 0, left, (inverse.source, vec![along(r, 1)]));
    let table = identity(&mut builder, BITS);
    let normal = builder.requantise(&x.dims, vec![term], 12, table);
    builder.finish(&normal, SCALE).expect("sample networks are valid by construction")
}

/// A gated recurrent layer of `width` numbers over `steps` steps: `g_t = sigmoid(A x_t + B s_(t-1))`, `s_t = g_t ·
/// tanh(C x_t + D s_(t-1))`.
pub fn recurrent(steps: u32, width: u32) -> (Architecture, Weights) {
    let (mut builder, x) = NetworkBuilder::new(&[steps, width], BITS, SCALE, BITS);
    let mut random = Random::new(9);
    let (s, w) = (log2_ceil(steps), log2_ceil(width));
    let state = crate::model::Source::Post(2);
    let mut gate = |builder: &mut NetworkBuilder, function: Unary| {
        let [a, b] = [(); 2].map(|()| {
            (builder.weight(&[width, width], Sample::weights(&mut random, width)), vec![along(w, 2), along(w, 0)])
        });
        let now = product(vec![w, s, w], 1, a, (x.source, vec![along(w, 2), along(s, 1)]));
        let before = mapped(s, 1, (1..1 << s).map(|t| (t, t - 1, 1)));
        let then = product(vec![w, s, w], 1, b, (state, vec![along(w, 2), before]));
        let table = builder.unary(BITS, Domain::Signed, function, (SCALE, 10), -1 << 15);
        builder.requantise(&[steps, width], vec![now, then], 10, table)
    };
    let open = gate(&mut builder, Unary::Sigmoid);
    let new = gate(&mut builder, Unary::Tanh);
    let both = |tensor: &Tensor| (tensor.source, vec![along(w, 0), along(s, 1)]);
    let table = identity(&mut builder, BITS);
    let state = builder.requantise(&[steps, width], vec![product(vec![w, s], 0, both(&open), both(&new))], 12, table);
    builder.repeat(3, s);
    builder.finish(&state, SCALE).expect("sample networks are valid by construction")
}

/// Rows of `width` weights for `tokens` ids, of a table of `rows` rows, each added to the one before it and through a
/// dense layer. Ids have a bit more than the table needs, so some name no row.
pub fn embedding(tokens: u32, rows: u32, width: u32) -> (Architecture, Weights) {
    let (r, n, t) = (log2_ceil(rows), log2_ceil(width), log2_ceil(tokens));
    let (mut builder, ids) = NetworkBuilder::new(&[tokens], r + 2, 0, BITS);
    let mut random = Random::new(13);
    let Source::Weight(matrix) = builder.weight(&[rows, width], Sample::weights(&mut random, 1)) else {
        unreachable!("it is one")
    };
    let rule = Rule::Rows { matrix, bits: n, index: ids.source, index_bits: r + 2 };
    let embedded = builder.layer(&[tokens, width], Vec::new(), 0, rule);
    let before = mapped(t, 1, (1..tokens).map(|at| (at, at - 1, 1)));
    let shifted = linear(1, vec![n, t], embedded.source, vec![along(n, 0), before]);
    let same = builder.same(&embedded, 1);
    let sums = builder.layer(&[tokens, width], vec![same, shifted], 0, Rule::Exact);
    let dense = builder.dense(&sums, 3, Sample::weights(&mut random, tokens * width));
    let table = identity(&mut builder, BITS);
    let out = builder.requantise(&[3], vec![dense], 8, table);
    builder.finish(&out, SCALE).expect("sample networks are valid by construction")
}
