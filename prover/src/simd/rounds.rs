//! Sumcheck rounds over slices of field elements.
//!
//! Slices are in arkworks' Montgomery form, which read as radix 2^260 is the element times 2^-4: sums, differences and products with an imported constant
//! keep that factor, and other products are set right at the end.
//!
//! Two neighbouring elements are a row of eight words. Reading `COUNT` rows gives the rows' first elements and their second elements, so that a
//! pair of a sumcheck round is a lane; reading every other row does that for the pairs whose results are stored as the first of a row.
//!
//! Every function works on whole steps of `2 · COUNT` results and leaves the rest to the caller; it returns how many it has done.

use super::field::{Packed, ScalarField, Sum};
use super::lanes::{Lanes, read_rows, write_rows};
use assay_circuits::Fr;

pub(super) type Element<L> = Packed<L, ScalarField>;
type Products<L> = Sum<L, ScalarField>;

/// Steps after which the sums of products are full: the rest is left to the caller, who has not that much.
const STEPS: usize = super::field::MOST_PRODUCTS / 2;

const WORDS: usize = 8;

/// The raw words of a slice.
pub(super) fn words(values: &[Fr]) -> &[u64] {
    const { assert!(size_of::<Fr>() == 32 && align_of::<Fr>() == align_of::<u64>()) }
    // SAFETY: an element has a field of type [u64; 4] and, by its size, nothing else.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), 4 * values.len()) }
}

pub(super) fn words_mut(values: &mut [Fr]) -> &mut [u64] {
    const { assert!(size_of::<Fr>() == 32 && align_of::<Fr>() == align_of::<u64>()) }
    // SAFETY: as above; only canonical elements are left there in the end.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), 4 * values.len()) }
}

/// The first and the second elements of the rows `row, row + stride, …`.
#[inline(always)]
pub(super) fn load<L: Lanes>(words: &[u64], row: usize, stride: usize) -> (Element<L>, Element<L>) {
    let mut rows = [L::splat(0); WORDS];
    read_rows::<L>(&mut rows, |lane, word| L::read(&words[(row + lane * stride) * WORDS + word..]));
    (Packed::from_words(&rows[..4]), Packed::from_words(&rows[4..]))
}

/// The inverse of [`load`], for values below 4p.
#[inline(always)]
pub(super) fn store<L: Lanes>(first: Element<L>, second: Element<L>, words: &mut [u64], row: usize, stride: usize) {
    store_as_is(first.canonical(), second.canonical(), words, row, stride);
}

/// [`store`] of values below 2^256, not reduced.
#[inline(always)]
pub(super) fn store_as_is<L: Lanes>(first: Element<L>, second: Element<L>, words: &mut [u64], row: usize, stride: usize) {
    let mut rows = [L::splat(0); WORDS];
    first.to_words(&mut rows[..4]);
    second.to_words(&mut rows[4..]);
    write_rows::<L>(&mut rows, |lane, word, value| L::write(value, &mut words[(row + lane * stride) * WORDS + word..]));
}

/// The same element in all lanes, in the vectors' form.
#[inline(always)]
fn broadcast<L: Lanes>(value: &Fr) -> Element<L> {
    Packed::from_scalars(&[*value; 8])
}

/// The sum of the lanes, times `2^bits`.
#[inline(always)]
fn sum<L: Lanes>(lanes: Element<L>, bits: u64) -> Fr {
    let mut out = [Fr::from(0u64); 8];
    lanes.to_scalars(&mut out);
    out.iter().take(L::COUNT).sum::<Fr>() * Fr::from(1u64 << bits)
}

/// `out[i] = values[2i] + r · (values[2i + 1] - values[2i])`.
#[inline(always)]
pub(super) fn bind<L: Lanes>(values: &[Fr], r: &Fr, out: &mut [Fr]) -> usize {
    let steps = out.len() / (2 * L::COUNT);
    let (values, out, r) = (words(values), words_mut(out), broadcast::<L>(r));
    for step in 0..steps {
        let row = 2 * L::COUNT * step;
        let (first, second) = (fold(load::<L>(values, row, 2), &r), fold(load::<L>(values, row + 1, 2), &r));
        store(first, second, out, row / 2, 1);
    }
    steps * 2 * L::COUNT
}

#[inline(always)]
fn fold<L: Lanes>((low, high): (Element<L>, Element<L>), r: &Element<L>) -> Element<L> {
    high.sub(&low).mul(r).add(&low)
}

/// `out[2i + 1] = values[i] · x`, `out[2i] = values[i] - out[2i + 1]`.
#[inline(always)]
pub(super) fn split<L: Lanes>(values: &[Fr], x: &Fr, out: &mut [Fr]) -> usize {
    let steps = values.len().min(out.len() / 2) / (2 * L::COUNT);
    let (values, out, x) = (words(values), words_mut(out), broadcast::<L>(x));
    for step in 0..steps {
        let row = L::COUNT * step;
        let (even, odd) = load::<L>(values, row, 1);
        let (even_high, odd_high) = (even.mul(&x), odd.mul(&x));
        store(even.sub(&even_high).reduce(), even_high, out, 2 * row, 2);
        store(odd.sub(&odd_high).reduce(), odd_high, out, 2 * row + 1, 2);
    }
    steps * 2 * L::COUNT
}

/// `Σ a·b` over the pairs' first elements, and over their differences.
#[inline(always)]
pub(super) fn product_message<L: Lanes>(a: &[Fr], b: &[Fr]) -> ([Fr; 2], usize) {
    let steps = (a.len().min(b.len()) / (2 * L::COUNT)).min(STEPS);
    let (a, b) = (words(a), words(b));
    let mut sums = [Products::<L>::zero(); 2];
    for step in 0..steps {
        let row = L::COUNT * step;
        let ((a0, a1), (b0, b1)) = (load::<L>(a, row, 1), load::<L>(b, row, 1));
        sums[0].add(&a0, &b0);
        sums[1].add(&a1.sub(&a0), &b1.sub(&b0));
    }
    (sums.map(|products| sum(products.reduce(), 8)), steps * L::COUNT)
}

/// One level of a tree of fractions: four children each.
#[inline(always)]
pub(super) fn combine<L: Lanes>(p: &[Fr], d: &[Fr], out_p: &mut [Fr], out_d: &mut [Fr]) -> usize {
    let steps = out_p.len() / (2 * L::COUNT);
    let (p, d, out_p, out_d) = (words(p), words(d), words_mut(out_p), words_mut(out_d));
    // four factors of 2^-4 where there should be one
    let scale = broadcast::<L>(&Fr::from(1u64 << 12));
    for step in 0..steps {
        let first = 2 * L::COUNT * step;
        let (a, b) = (node::<L>(p, d, 2 * first, &scale), node::<L>(p, d, 2 * first + 2, &scale));
        store(a.0, b.0, out_p, first / 2, 1);
        store(a.1, b.1, out_d, first / 2, 1);
    }
    steps * 2 * L::COUNT
}

/// The nodes above the rows `row, row + 4, …` and those after them.
#[inline(always)]
fn node<L: Lanes>(p: &[u64], d: &[u64], row: usize, scale: &Element<L>) -> (Element<L>, Element<L>) {
    let ((p0, p1), (p2, p3)) = (load::<L>(p, row, 4), load::<L>(p, row + 1, 4));
    let ((d0, d1), (d2, d3)) = (load::<L>(d, row, 4), load::<L>(d, row + 1, 4));
    let (low, high) = (d0.mul(&d1), d2.mul(&d3));
    let sum_low = Packed::sum_of_products(&p0, &d1, &p1, &d0);
    let sum_high = Packed::sum_of_products(&p2, &d3, &p3, &d2);
    let sum = Packed::sum_of_products(&sum_low, &high, &sum_high, &low);
    (sum.mul(scale), low.mul(&high).mul(scale))
}

/// The nodes of a level of arity four.
#[derive(Clone, Copy)]
pub(crate) enum Nodes<'a> {
    /// As the tree has them: the children's numerators and denominators, four to a node, and the `λ` with which `λ·d_1` is added to `p_1`.
    Rows(&'a [Fr], &'a [Fr], &'a Fr),
    /// `p_0, p_1 + λ·d_1, p_2, p_3, d_0, …, d_3`.
    Columns([&'a [Fr]; 8]),
}

/// Weighted sums of `g` at its four points, and of the weights.
type Sums<L> = ([Products<L>; 4], Element<L>);

/// Values of `p_0 … d_3` in the lanes.
type Node<L> = [Element<L>; 8];

/// The pairs of nodes `pair, pair + stride, …`.
#[inline(always)]
fn pairs<L: Lanes>(nodes: &Nodes<'_>, lambda: &Element<L>, pair: usize, stride: usize) -> (Node<L>, Node<L>) {
    let (mut low, mut high) = ([Element::<L>::zero(); 8], [Element::<L>::zero(); 8]);
    match nodes {
        Nodes::Rows(p, d, _) => {
            for (column, values) in [(0, p), (4, d)] {
                let values = words(values);
                for half in 0..2 {
                    let at = column + 2 * half;
                    (low[at], low[at + 1]) = load::<L>(values, 4 * pair + half, 4 * stride);
                    (high[at], high[at + 1]) = load::<L>(values, 4 * pair + 2 + half, 4 * stride);
                }
            }
            for node in [&mut low, &mut high] {
                node[1] = node[1].add(&node[5].mul(lambda)).reduce();
            }
        }
        Nodes::Columns(columns) => {
            for (i, column) in columns.iter().enumerate() {
                (low[i], high[i]) = load::<L>(words(column), pair, stride);
            }
        }
    }
    (low, high)
}

/// Adds `g` at 0, -1, 2, its leading coefficient and the weight itself, times the weight.
#[inline(always)]
fn add_message<L: Lanes>((sums, mass): &mut Sums<L>, low: &Node<L>, high: &Node<L>, weight: &Element<L>) {
    let mut at = [[Element::<L>::zero(); 8]; 4];
    for i in 0..8 {
        at[0][i] = low[i];
        at[1][i] = low[i].add(&low[i]).sub(&high[i]);
        at[2][i] = high[i].add(&high[i]).sub(&low[i]);
        at[3][i] = high[i].sub(&low[i]);
    }
    for (sum, v) in sums.iter_mut().zip(&at) {
        let left = Packed::sum_of_products(&v[0], &v[5], &v[1], &v[4]);
        let right = Packed::sum_of_products(&v[2], &v[7], &v[3], &v[6]);
        let g = Packed::sum_of_products(&left, &v[6].mul(&v[7]), &right, &v[4].mul(&v[5]));
        sum.add(&g, weight);
    }
    *mass = mass.accumulate(weight);
}

#[inline(always)]
fn message<L: Lanes>((sums, mass): Sums<L>) -> [Fr; 5] {
    let [zero, minus_one, two, leading] = sums.map(|products| sum(products.reduce(), 20));
    [zero, minus_one, two, leading, sum(mass, 4)]
}

#[inline(always)]
fn merging<L: Lanes>(nodes: &Nodes<'_>) -> Element<L> {
    match nodes {
        Nodes::Rows(.., lambda) => broadcast(lambda),
        Nodes::Columns(_) => Element::<L>::zero(),
    }
}

/// For a level of arity four: the weighted sums of `g` at 0, -1, 2, of its leading coefficient, and of the weights. Returns how many pairs of nodes it
/// has done.
#[inline(always)]
pub(super) fn quartic_message<L: Lanes>(nodes: Nodes<'_>, weights: &[Fr]) -> ([Fr; 5], usize) {
    let steps = (weights.len() / (2 * L::COUNT)).min(STEPS);
    let (weights, lambda) = (words(weights), merging::<L>(&nodes));
    let mut sums = ([Products::<L>::zero(); 4], Element::<L>::zero());
    for step in 0..steps {
        let first = 2 * L::COUNT * step;
        let (even, odd) = load::<L>(weights, first / 2, 1);
        for (weight, pair) in [(even, first), (odd, first + 1)] {
            let (low, high) = pairs::<L>(&nodes, &lambda, pair, 2);
            add_message(&mut sums, &low, &high, &weight);
        }
    }
    (message(sums), steps * 2 * L::COUNT)
}

/// Binds the lowest variable of the nodes to `r`, and [`quartic_message`] of what comes out, while it is at hand. Returns how many nodes have come out.
#[inline(always)]
pub(super) fn quartic_bind<L: Lanes>(nodes: Nodes<'_>, r: &Fr, weights: &[Fr], out: &mut [&mut [Fr]; 8]) -> ([Fr; 5], usize) {
    let steps = (weights.len().min(out[0].len() / 2) / (2 * L::COUNT)).min(STEPS);
    let (weights, lambda, r) = (words(weights), merging::<L>(&nodes), broadcast::<L>(r));
    let mut sums = ([Products::<L>::zero(); 4], Element::<L>::zero());
    for step in 0..steps {
        let first = 4 * L::COUNT * step;
        let (even, odd) = load::<L>(weights, first / 4, 1);
        for (weight, node) in [(even, first), (odd, first + 2)] {
            let (mut low, mut high) = pairs::<L>(&nodes, &lambda, node, 4);
            let (low_next, high_next) = pairs::<L>(&nodes, &lambda, node + 1, 4);
            for i in 0..8 {
                low[i] = fold((low[i], high[i]), &r).reduce();
                high[i] = fold((low_next[i], high_next[i]), &r).reduce();
                store(low[i], high[i], words_mut(out[i]), node / 2, 2);
            }
            add_message(&mut sums, &low, &high, &weight);
        }
    }
    (message(sums), steps * 4 * L::COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{self as dispatched, Isa};
    use ark_ff::{AdditiveGroup, Field, UniformRand};

    fn random(n: usize) -> Vec<Fr> {
        let mut rng = ark_std::test_rng();
        let edges = [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(2u64).pow([253])];
        let values: Vec<Fr> = (0..n).map(|_| Fr::rand(&mut rng)).collect();
        values.iter().enumerate().map(|(i, v)| if i % 7 == 0 { edges[i / 7 % 4] } else { *v * Fr::from(i as u64) }).collect()
    }

    #[test]
    fn rounds_equal_their_definitions() {
        let r = random(9)[8];
        for isa in Isa::available() {
            for n in [0, 15, 16, 40, 64] {
                let (a, b) = (random(8 * n), random(9 * n)[n..].to_vec());
                let mut out = vec![Fr::ZERO; n];
                let done = dispatched::bind(*isa, &a[..2 * n], &r, &mut out);
                assert!(n - done < 16);
                assert!((0..done).all(|i| out[i] == a[2 * i] + r * (a[2 * i + 1] - a[2 * i])));

                let mut out = vec![Fr::ZERO; 2 * n];
                let done = dispatched::split(*isa, &a[..n], &r, &mut out);
                assert!((0..done).all(|i| out[2 * i + 1] == a[i] * r && out[2 * i] == a[i] - a[i] * r));

                let (message, done) = dispatched::product_message(*isa, &a[..2 * n], &b[..2 * n]);
                let step = |v: &[Fr], i: usize| v[2 * i + 1] - v[2 * i];
                assert_eq!(message[0], (0..done).map(|i| a[2 * i] * b[2 * i]).sum::<Fr>());
                assert_eq!(message[1], (0..done).map(|i| step(&a, i) * step(&b, i)).sum::<Fr>());

                let (mut p, mut d) = (vec![Fr::ZERO; n], vec![Fr::ZERO; n]);
                let done = dispatched::combine(*isa, &a[..4 * n], &b[..4 * n], &mut p, &mut d);
                for i in 0..done {
                    let want = assay_circuits::verifier::lookup::combine(&[&a[4 * i..4 * i + 4], &b[4 * i..4 * i + 4]].concat());
                    assert_eq!((p[i], d[i]), want);
                }

                let columns: [&[Fr]; 8] =
                    std::array::from_fn(|i| if i < 4 { &a[2 * n * i..2 * n * (i + 1)] } else { &b[2 * n * (i - 4)..2 * n * (i - 3)] });
                let weights = random(n);
                let (message, done) = dispatched::quartic_message(*isa, Nodes::Columns(columns), &weights);
                let g = |f: &dyn Fn(Fr, Fr) -> Fr, j: usize| -> Fr {
                    let v: Vec<Fr> = columns.iter().map(|c| f(c[2 * j], c[2 * j + 1])).collect();
                    weights[j] * ((v[0] * v[5] + v[1] * v[4]) * v[6] * v[7] + (v[2] * v[7] + v[3] * v[6]) * v[4] * v[5])
                };
                let at: [&dyn Fn(Fr, Fr) -> Fr; 4] =
                    [&|low, _| low, &|low, high| low.double() - high, &|low, high| high.double() - low, &|low, high| high - low];
                for (have, f) in message.iter().zip(at) {
                    assert_eq!(*have, (0..done).map(|j| g(f, j)).sum::<Fr>());
                }
                assert_eq!(message[4], weights[..done].iter().sum::<Fr>());

                // rows hold the same nodes as these columns, but for `λ·d_1`
                let (p, d) = (&a[..8 * n], &b[..8 * n]);
                let column = |i: usize| -> Vec<Fr> {
                    let at = |node: usize| if i < 4 { p[4 * node + i] } else { d[4 * node + i - 4] };
                    (0..2 * n).map(|node| if i == 1 { at(node) + r * d[4 * node + 1] } else { at(node) }).collect()
                };
                let merged: [Vec<Fr>; 8] = std::array::from_fn(column);
                let columns = Nodes::Columns(std::array::from_fn(|i| &merged[i][..]));
                let rows = Nodes::Rows(p, d, &r);
                assert_eq!(dispatched::quartic_message(*isa, rows, &weights), dispatched::quartic_message(*isa, columns, &weights));
                let x = r.square();
                for nodes in [rows, columns] {
                    let mut out = vec![vec![Fr::ZERO; n]; 8];
                    let mut views: Vec<&mut [Fr]> = out.iter_mut().map(|column| &mut column[..]).collect();
                    let views: &mut [&mut [Fr]; 8] = views.as_mut_slice().try_into().unwrap();
                    let (message, done) = dispatched::quartic_bind(*isa, nodes, &x, &weights, views);
                    for (out, merged) in out.iter().zip(&merged) {
                        assert!((0..done).all(|i| out[i] == merged[2 * i] + x * (merged[2 * i + 1] - merged[2 * i])));
                    }
                    let bound = Nodes::Columns(std::array::from_fn(|i| &out[i][..done]));
                    assert_eq!(message, dispatched::quartic_message(*isa, bound, &weights[..done / 2]).0);
                }
            }
        }
    }
}
