//! Sumcheck rounds over slices of field elements.
//!
//! Slices are in arkworks' Montgomery form, which read as radix 2^260 is the element times 2^-4: sums, differences and
//! products with an imported constant keep that factor, and other products are set right at the end.
//!
//! Two neighbouring elements are a row of eight words. Reading `COUNT` rows gives the rows' first elements and their
//! second elements, so that a pair of a sumcheck round is a lane; reading every other row does that for the pairs whose
//! results are stored as the first of a row.
//!
//! Every function works on whole steps of `2 · COUNT` results and leaves the rest to the caller; it returns how many it
//! has done.

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
pub(super) fn store_as_is<L: Lanes>(
    first: Element<L>,
    second: Element<L>,
    words: &mut [u64],
    row: usize,
    stride: usize,
) {
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

/// `sum[i] += scale · p[i]`.
#[inline(always)]
pub(super) fn add_scaled<L: Lanes>(scale: &Fr, p: &[Fr], sum: &mut [Fr]) -> usize {
    let steps = p.len().min(sum.len()) / (2 * L::COUNT);
    let (p, sum, scale) = (words(p), words_mut(sum), broadcast::<L>(scale));
    for step in 0..steps {
        let row = L::COUNT * step;
        let ((first, second), (a, b)) = (load::<L>(sum, row, 1), load::<L>(p, row, 1));
        store(a.mul(&scale).add(&first), b.mul(&scale).add(&second), sum, row, 1);
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

/// `Σ weights·a·b` over the pairs' first elements, over their second elements, and over their differences.
#[inline(always)]
pub(super) fn weighted_sums<L: Lanes>(weights: &[Fr], a: &[Fr], b: &[Fr]) -> ([Fr; 3], usize) {
    let steps = (weights.len().min(a.len() / 2).min(b.len() / 2) / (2 * L::COUNT)).min(STEPS);
    let (weights, a, b) = (words(weights), words(a), words(b));
    let mut sums = [Products::<L>::zero(); 3];
    for step in 0..steps {
        let first = 2 * L::COUNT * step;
        let (even, odd) = load::<L>(weights, first / 2, 1);
        for (weight, pair) in [(even, first), (odd, first + 1)] {
            let ((a0, a1), (b0, b1)) = (load::<L>(a, pair, 2), load::<L>(b, pair, 2));
            sums[0].add(&a0.mul(&b0), &weight);
            sums[1].add(&a1.mul(&b1), &weight);
            sums[2].add(&a1.sub(&a0).mul(&b1.sub(&b0)), &weight);
        }
    }
    (sums.map(|products| sum(products.reduce(), 12)), steps * 2 * L::COUNT)
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
        let (a, b) = (parent::<L>(p, d, 2 * first, &scale), parent::<L>(p, d, 2 * first + 2, &scale));
        store(a.0, b.0, out_p, first / 2, 1);
        store(a.1, b.1, out_d, first / 2, 1);
    }
    steps * 2 * L::COUNT
}

/// The nodes above the rows `row, row + 4, …` and those after them.
#[inline(always)]
fn parent<L: Lanes>(p: &[u64], d: &[u64], row: usize, scale: &Element<L>) -> (Element<L>, Element<L>) {
    let ((p0, p1), (p2, p3)) = (load::<L>(p, row, 4), load::<L>(p, row + 1, 4));
    let ((d0, d1), (d2, d3)) = (load::<L>(d, row, 4), load::<L>(d, row + 1, 4));
    let (low, high) = (d0.mul(&d1), d2.mul(&d3));
    let sum_low = Packed::sum_of_products(&p0, &d1, &p1, &d0);
    let sum_high = Packed::sum_of_products(&p2, &d3, &p3, &d2);
    let sum = Packed::sum_of_products(&sum_low, &high, &sum_high, &low);
    (sum.mul(scale), low.mul(&high).mul(scale))
}

/// [`combine`] for numerators that are all 1.
#[inline(always)]
pub(super) fn combine_units<L: Lanes>(d: [&[Fr]; 4], out_p: &mut [Fr], out_d: &mut [Fr]) -> usize {
    let steps = out_p.len() / (2 * L::COUNT);
    let (d, out_p, out_d) = (d.map(words), words_mut(out_p), words_mut(out_d));
    let (scale_p, scale_d) = (broadcast::<L>(&Fr::from(1u64 << 8)), broadcast::<L>(&Fr::from(1u64 << 12)));
    for step in 0..steps {
        let row = L::COUNT * step;
        let [mut even, mut odd] = [[Element::<L>::zero(); 4]; 2];
        for i in 0..4 {
            (even[i], odd[i]) = load::<L>(d[i], row, 1);
        }
        let (a, b) = (unit_parent(&even), unit_parent(&odd));
        store(a.0.mul(&scale_p), b.0.mul(&scale_p), out_p, row, 1);
        store(a.1.mul(&scale_d), b.1.mul(&scale_d), out_d, row, 1);
    }
    steps * 2 * L::COUNT
}

#[inline(always)]
fn unit_parent<L: Lanes>([d0, d1, d2, d3]: &Node<L, 4>) -> (Element<L>, Element<L>) {
    let (low, high) = (d0.mul(d1), d2.mul(d3));
    (Packed::sum_of_products(&d0.add(d1), &high, &d2.add(d3), &low), low.mul(&high))
}

/// The nodes of a level of arity four, and the `λ` that joins numerators and denominators.
#[derive(Clone, Copy)]
pub(crate) enum Nodes<'a> {
    /// As the tree has them: the children's numerators and denominators, four to a node. `λ·d_1` is added to `p_1`.
    Rows(&'a [Fr], &'a [Fr], &'a Fr),
    /// `p_0, p_1 + λ·d_1, p_2, p_3, d_0, …, d_3`.
    Columns([&'a [Fr]; 8]),
    /// `d_0, …, d_3`: all numerators are 1.
    Units([&'a [Fr]; 4], &'a Fr),
}

/// Weighted sums of `g` at its four points, and of the weights.
type Sums<L> = ([Products<L>; 4], Element<L>);

/// The values of a node, one node in each lane.
type Node<L, const N: usize> = [Element<L>; N];

/// A linear polynomial at 0 and -1, and its leading coefficient, from its values below 4p at 0 and 1.
#[inline(always)]
fn linear<L: Lanes>(low: &Element<L>, high: &Element<L>) -> [Element<L>; 3] {
    [*low, low.add_lazy(low).sub(high), high.sub(low)]
}

/// A quadratic polynomial at 0, -1 and 2, and its leading coefficient. The value at -1 is below 2p, the others are
/// below 4p.
#[inline(always)]
fn quadratic<L: Lanes>(zero: Element<L>, minus_one: Element<L>, leading: Element<L>) -> [Element<L>; 4] {
    // 3 · (2·leading + zero) - 2·minus_one
    let third = leading.add_lazy(&leading).add_lazy(&zero);
    let two = third.add_lazy(&third).add_lazy(&third).sub(&minus_one.add_lazy(&minus_one));
    [zero, minus_one, two, leading]
}

/// The product of two linear polynomials.
#[inline(always)]
fn product<L: Lanes>(x: &[Element<L>; 3], y: &[Element<L>; 3]) -> [Element<L>; 4] {
    quadratic(x[0].mul(&y[0]), x[1].mul(&y[1]), x[2].mul(&y[2]))
}

/// `p_0·d_1 + p_1·d_0` for linear polynomials.
#[inline(always)]
fn numerator<L: Lanes>(
    p0: &[Element<L>; 3],
    p1: &[Element<L>; 3],
    d0: &[Element<L>; 3],
    d1: &[Element<L>; 3],
) -> [Element<L>; 4] {
    quadratic(
        Packed::sum_of_products(&p0[0], &d1[0], &p1[0], &d0[0]),
        Packed::sum_of_products(&p0[1], &d1[1], &p1[1], &d0[1]),
        Packed::sum_of_products(&p0[2], &d1[2], &p1[2], &d0[2]),
    )
}

/// Adds the sum of two linear polynomials, which has no quadratic coefficient.
#[inline(always)]
fn add_sum<L: Lanes>(to: &mut [Element<L>; 4], low: [&Element<L>; 2], high: [&Element<L>; 2]) {
    let (low, high) = (low[0].add(low[1]).reduce(), high[0].add(high[1]).reduce());
    to[0] = to[0].add(&low);
    to[1] = to[1].add(&low.add_lazy(&low).sub(&high));
    to[2] = to[2].add(&high.add_lazy(&high).sub(&low));
}

/// What `g` is made of, each at 0, -1 and 2 and its leading coefficient: `g = left · b + right · a` with `a = d_0·d_1`,
/// `b = d_2·d_3`.
struct Factors<L: Lanes> {
    left: [Element<L>; 4],
    right: [Element<L>; 4],
    a: [Element<L>; 4],
    b: [Element<L>; 4],
}

impl<L: Lanes> Factors<L> {
    /// For any numerators.
    #[inline(always)]
    fn general(low: &Node<L, 8>, high: &Node<L, 8>) -> Self {
        let (p0, p1) = (linear(&low[0], &high[0]), linear(&low[1], &high[1]));
        let (d0, d1) = (linear(&low[4], &high[4]), linear(&low[5], &high[5]));
        let (left, a) = (numerator(&p0, &p1, &d0, &d1), product(&d0, &d1));
        let (p2, p3) = (linear(&low[2], &high[2]), linear(&low[3], &high[3]));
        let (d2, d3) = (linear(&low[6], &high[6]), linear(&low[7], &high[7]));
        Self { left, right: numerator(&p2, &p3, &d2, &d3), a, b: product(&d2, &d3) }
    }

    /// For numerators that are 1: `left = d_0 + d_1 + λa`, `right = d_2 + d_3`.
    #[inline(always)]
    fn units(low: &Node<L, 4>, high: &Node<L, 4>, lambda: &Element<L>) -> Self {
        let a = product(&linear(&low[0], &high[0]), &linear(&low[1], &high[1]));
        let b = product(&linear(&low[2], &high[2]), &linear(&low[3], &high[3]));
        let mut left = quadratic(a[0].mul(lambda), a[1].mul(lambda), a[3].mul(lambda));
        let mut right = [Element::<L>::zero(); 4];
        add_sum(&mut left, [&low[0], &low[1]], [&high[0], &high[1]]);
        add_sum(&mut right, [&low[2], &low[3]], [&high[2], &high[3]]);
        Self { left, right, a, b }
    }

    /// Adds `g` and the weight itself, times the weight.
    #[inline(always)]
    fn add_to(&self, (sums, mass): &mut Sums<L>, weight: &Element<L>) {
        for (i, sum) in sums.iter_mut().enumerate() {
            sum.add(&Packed::sum_of_products(&self.left[i], &self.b[i], &self.right[i], &self.a[i]), weight);
        }
        *mass = mass.accumulate(weight);
    }
}

/// A way to store nodes. Its functions are methods since closures would not be compiled for the instruction set.
trait Store<L: Lanes, const N: usize> {
    /// The factors of 2^-4 that a message comes with.
    const SCALE: u64;
    /// The pairs of nodes `pair, pair + stride, …`.
    fn pairs(&self, pair: usize, stride: usize) -> (Node<L, N>, Node<L, N>);
    /// What `g` of a pair is made of.
    fn factors(&self, low: &Node<L, N>, high: &Node<L, N>) -> Factors<L>;
}

/// [`Nodes::Rows`].
struct Rows<'a, L: Lanes> {
    p: &'a [u64],
    d: &'a [u64],
    lambda: Element<L>,
}

/// [`Nodes::Columns`].
struct Columns<'a>([&'a [u64]; 8]);

/// [`Nodes::Units`], with `2^4·λ`.
struct Units<'a, L: Lanes> {
    columns: [&'a [u64]; 4],
    lambda: Element<L>,
}

impl<'a, L: Lanes> Units<'a, L> {
    fn new(columns: &[&'a [Fr]; 4], lambda: &Fr) -> Self {
        Self { columns: columns.map(words), lambda: broadcast(&(*lambda * Fr::from(1u64 << 4))) }
    }
}

/// Columns' values of pairs of nodes.
#[inline(always)]
fn load_pairs<L: Lanes, const N: usize>(columns: &[&[u64]; N], pair: usize, stride: usize) -> (Node<L, N>, Node<L, N>) {
    let (mut low, mut high) = ([Element::<L>::zero(); N], [Element::<L>::zero(); N]);
    for i in 0..N {
        (low[i], high[i]) = load::<L>(columns[i], pair, stride);
    }
    (low, high)
}

impl<L: Lanes> Store<L, 8> for Rows<'_, L> {
    const SCALE: u64 = 20;

    #[inline(always)]
    fn pairs(&self, pair: usize, stride: usize) -> (Node<L, 8>, Node<L, 8>) {
        let (mut low, mut high) = ([Element::<L>::zero(); 8], [Element::<L>::zero(); 8]);
        for (column, values) in [(0, self.p), (4, self.d)] {
            for half in 0..2 {
                let at = column + 2 * half;
                (low[at], low[at + 1]) = load::<L>(values, 4 * pair + half, 4 * stride);
                (high[at], high[at + 1]) = load::<L>(values, 4 * pair + 2 + half, 4 * stride);
            }
        }
        low[1] = low[1].add(&low[5].mul(&self.lambda)).reduce();
        high[1] = high[1].add(&high[5].mul(&self.lambda)).reduce();
        (low, high)
    }

    #[inline(always)]
    fn factors(&self, low: &Node<L, 8>, high: &Node<L, 8>) -> Factors<L> {
        Factors::general(low, high)
    }
}

impl<L: Lanes> Store<L, 8> for Columns<'_> {
    const SCALE: u64 = 20;

    #[inline(always)]
    fn pairs(&self, pair: usize, stride: usize) -> (Node<L, 8>, Node<L, 8>) {
        load_pairs(&self.0, pair, stride)
    }

    #[inline(always)]
    fn factors(&self, low: &Node<L, 8>, high: &Node<L, 8>) -> Factors<L> {
        Factors::general(low, high)
    }
}

impl<L: Lanes> Store<L, 4> for Units<'_, L> {
    const SCALE: u64 = 16;

    #[inline(always)]
    fn pairs(&self, pair: usize, stride: usize) -> (Node<L, 4>, Node<L, 4>) {
        load_pairs(&self.columns, pair, stride)
    }

    #[inline(always)]
    fn factors(&self, low: &Node<L, 4>, high: &Node<L, 4>) -> Factors<L> {
        Factors::units(low, high, &self.lambda)
    }
}

#[inline(always)]
fn message<L: Lanes>(([zero, minus_one, two, leading], mass): Sums<L>, scale: u64) -> [Fr; 5] {
    [
        sum(zero.reduce(), scale),
        sum(minus_one.reduce(), scale),
        sum(two.reduce(), scale),
        sum(leading.reduce(), scale),
        sum(mass, 4),
    ]
}

/// For a level of arity four: the weighted sums of `g` at 0, -1, 2, of its leading coefficient, and of the weights.
/// Returns how many pairs of nodes it has done.
#[inline(always)]
pub(super) fn quartic_message<L: Lanes>(nodes: Nodes<'_>, weights: &[Fr]) -> ([Fr; 5], usize) {
    match nodes {
        Nodes::Rows(p, d, lambda) => {
            message_of(&Rows::<L> { p: words(p), d: words(d), lambda: broadcast(lambda) }, weights)
        }
        Nodes::Columns(columns) => message_of::<L, 8, _>(&Columns(columns.map(words)), weights),
        Nodes::Units(columns, lambda) => message_of(&Units::<L>::new(&columns, lambda), weights),
    }
}

#[inline(always)]
fn message_of<L: Lanes, const N: usize, S: Store<L, N>>(nodes: &S, weights: &[Fr]) -> ([Fr; 5], usize) {
    let steps = (weights.len() / (2 * L::COUNT)).min(STEPS);
    let weights = words(weights);
    let mut sums = ([Products::<L>::zero(); 4], Element::<L>::zero());
    for step in 0..steps {
        let first = 2 * L::COUNT * step;
        let (even, odd) = load::<L>(weights, first / 2, 1);
        for (weight, pair) in [(even, first), (odd, first + 1)] {
            let (low, high) = nodes.pairs(pair, 2);
            nodes.factors(&low, &high).add_to(&mut sums, &weight);
        }
    }
    (message(sums, S::SCALE), steps * 2 * L::COUNT)
}

/// Binds the lowest variable of the nodes to `r`, and [`quartic_message`] of what comes out, while it is at hand. `out`
/// has eight columns, or four for units. Returns how many nodes have come out.
#[inline(always)]
pub(super) fn quartic_bind<L: Lanes>(
    nodes: Nodes<'_>,
    r: &Fr,
    weights: &[Fr],
    out: &mut [&mut [Fr]],
) -> ([Fr; 5], usize) {
    match nodes {
        Nodes::Rows(p, d, lambda) => {
            bind_of(&Rows::<L> { p: words(p), d: words(d), lambda: broadcast(lambda) }, r, weights, out)
        }
        Nodes::Columns(columns) => bind_of::<L, 8, _>(&Columns(columns.map(words)), r, weights, out),
        Nodes::Units(columns, lambda) => bind_of(&Units::<L>::new(&columns, lambda), r, weights, out),
    }
}

#[inline(always)]
fn bind_of<L: Lanes, const N: usize, S: Store<L, N>>(
    nodes: &S,
    r: &Fr,
    weights: &[Fr],
    out: &mut [&mut [Fr]],
) -> ([Fr; 5], usize) {
    let steps = (weights.len().min(out[0].len() / 2) / (2 * L::COUNT)).min(STEPS);
    let (weights, r) = (words(weights), broadcast::<L>(r));
    let mut sums = ([Products::<L>::zero(); 4], Element::<L>::zero());
    for step in 0..steps {
        let first = 4 * L::COUNT * step;
        let (even, odd) = load::<L>(weights, first / 4, 1);
        for (weight, node) in [(even, first), (odd, first + 2)] {
            let (mut low, mut high) = nodes.pairs(node, 4);
            let (low_next, high_next) = nodes.pairs(node + 1, 4);
            for i in 0..N {
                low[i] = fold((low[i], high[i]), &r).canonical();
                high[i] = fold((low_next[i], high_next[i]), &r).canonical();
                store_as_is(low[i], high[i], words_mut(out[i]), node / 2, 2);
            }
            nodes.factors(&low, &high).add_to(&mut sums, &weight);
        }
    }
    (message(sums, S::SCALE), steps * 4 * L::COUNT)
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
        values
            .iter()
            .enumerate()
            .map(|(i, v)| if i % 7 == 0 { edges[i / 7 % 4] } else { *v * Fr::from(i as u64) })
            .collect()
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

                let weights = random(n);
                let (sums, done) = dispatched::weighted_sums(*isa, &weights, &a[..2 * n], &b[..2 * n]);
                assert!(n - done < 16);
                let sum = |f: &dyn Fn(usize) -> Fr| (0..done).map(|i| weights[i] * f(i)).sum::<Fr>();
                assert_eq!(sums[0], sum(&|i| a[2 * i] * b[2 * i]));
                assert_eq!(sums[1], sum(&|i| a[2 * i + 1] * b[2 * i + 1]));
                assert_eq!(sums[2], sum(&|i| step(&a, i) * step(&b, i)));

                let (mut p, mut d) = (vec![Fr::ZERO; n], vec![Fr::ZERO; n]);
                let done = dispatched::combine(*isa, &a[..4 * n], &b[..4 * n], &mut p, &mut d);
                for i in 0..done {
                    let want = assay_circuits::verifier::lookup::combine(
                        &[&a[4 * i..4 * i + 4], &b[4 * i..4 * i + 4]].concat(),
                    );
                    assert_eq!((p[i], d[i]), want);
                }

                let columns: [&[Fr]; 8] = std::array::from_fn(|i| {
                    if i < 4 { &a[2 * n * i..2 * n * (i + 1)] } else { &b[2 * n * (i - 4)..2 * n * (i - 3)] }
                });
                let (message, done) = dispatched::quartic_message(*isa, Nodes::Columns(columns), &weights);
                let g = |f: &dyn Fn(Fr, Fr) -> Fr, j: usize| -> Fr {
                    let v: Vec<Fr> = columns.iter().map(|c| f(c[2 * j], c[2 * j + 1])).collect();
                    weights[j] * ((v[0] * v[5] + v[1] * v[4]) * v[6] * v[7] + (v[2] * v[7] + v[3] * v[6]) * v[4] * v[5])
                };
                let at: [&dyn Fn(Fr, Fr) -> Fr; 4] = [
                    &|low, _| low,
                    &|low, high| low.double() - high,
                    &|low, high| high.double() - low,
                    &|low, high| high - low,
                ];
                for (have, f) in message.iter().zip(at) {
                    assert_eq!(*have, (0..done).map(|j| g(f, j)).sum::<Fr>());
                }
                assert_eq!(message[4], weights[..done].iter().sum::<Fr>());

                let denominators: [&[Fr]; 4] = std::array::from_fn(|i| columns[4 + i]);
                let (mut p, mut d) = (vec![Fr::ZERO; n], vec![Fr::ZERO; n]);
                let done = dispatched::combine_units(*isa, denominators.map(|d| &d[..n]), &mut p, &mut d);
                assert!(n - done < 16);
                for i in 0..done {
                    let ones = [Fr::ONE; 4];
                    let want = assay_circuits::verifier::lookup::combine(&[ones, denominators.map(|d| d[i])].concat());
                    assert_eq!((p[i], d[i]), want);
                }

                // units are the same nodes as columns with these numerators
                let ones = vec![Fr::ONE; 2 * n];
                let second: Vec<Fr> = denominators[1].iter().map(|d| Fr::ONE + r * d).collect();
                let columns: [&[Fr]; 8] = std::array::from_fn(|i| match i {
                    1 => &second[..],
                    0..4 => &ones[..],
                    _ => denominators[i - 4],
                });
                let (units, columns) = (Nodes::Units(denominators, &r), Nodes::Columns(columns));
                assert_eq!(
                    dispatched::quartic_message(*isa, units, &weights),
                    dispatched::quartic_message(*isa, columns, &weights)
                );
                let mut out = vec![vec![Fr::ZERO; n]; 12];
                let mut views: Vec<&mut [Fr]> = out.iter_mut().map(|column| &mut column[..]).collect();
                let message = dispatched::quartic_bind(*isa, units, &r, &weights, &mut views[..4]);
                assert_eq!(message, dispatched::quartic_bind(*isa, columns, &r, &weights, &mut views[4..]));
                assert_eq!(out[..4], out[8..]);

                // rows hold the same nodes as these columns, but for `λ·d_1`
                let (p, d) = (&a[..8 * n], &b[..8 * n]);
                let column = |i: usize| -> Vec<Fr> {
                    let at = |node: usize| if i < 4 { p[4 * node + i] } else { d[4 * node + i - 4] };
                    (0..2 * n).map(|node| if i == 1 { at(node) + r * d[4 * node + 1] } else { at(node) }).collect()
                };
                let merged: [Vec<Fr>; 8] = std::array::from_fn(column);
                let columns = Nodes::Columns(std::array::from_fn(|i| &merged[i][..]));
                let rows = Nodes::Rows(p, d, &r);
                assert_eq!(
                    dispatched::quartic_message(*isa, rows, &weights),
                    dispatched::quartic_message(*isa, columns, &weights)
                );
                let x = r.square();
                for nodes in [rows, columns] {
                    let mut out = vec![vec![Fr::ZERO; n]; 8];
                    let mut views: Vec<&mut [Fr]> = out.iter_mut().map(|column| &mut column[..]).collect();
                    let (message, done) = dispatched::quartic_bind(*isa, nodes, &x, &weights, &mut views);
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
