//! Many additions of affine points at once, their inversions shared (Montgomery's trick): 5 multiplications and a
//! squaring for each.
//!
//! Neither operand may be the identity, and the two may not have the same `x`; a batch in which that happens is refused
//! as a whole.

use super::field::{BaseField, Packed};
use super::lanes::{Lanes, read_rows, write_rows};
use super::{Pairs, PointWords};
use ark_bn254::{Fq, Fq2};
use ark_ff::{Field, Zero};

/// A coordinate of points: an element of the base field or of its quadratic extension, in each lane.
///
/// "Small" is below 2p in each base field element; what [`Coordinate::sub`] gives is a factor of a product, not small.
pub(super) trait Coordinate<L: Lanes>: Copy {
    /// Words of 64 bits.
    const WORDS: usize;
    /// Limbs of 52 bits.
    const LIMBS: usize;
    /// What arkworks calls it.
    type Scalar: Field;
    fn one() -> Self;
    fn from_words(words: &[L::Int]) -> Self;
    fn to_words(self, out: &mut [L::Int]);
    fn read(limbs: &[u64]) -> Self;
    fn write(self, limbs: &mut [u64]);
    fn mul(&self, b: &Self) -> Self;
    fn square(&self) -> Self;
    fn add_lazy(&self, b: &Self) -> Self;
    fn sub(&self, b: &Self) -> Self;
    fn negate_where(&self, sign: L::Int) -> Self;
    fn reduce(self) -> Self;
    fn to_scalars(self) -> [Self::Scalar; 8];
    fn from_scalars(values: &[Self::Scalar; 8]) -> Self;
    fn import(self) -> Self;
    fn export(self) -> Self;
}

/// Vectors that are fetched ahead.
const AHEAD: usize = 2;

/// Coordinates of G1.
pub(super) type Base<L> = Packed<L, BaseField>;
/// Coordinates of G2.
pub(super) type Extension<L> = Quadratic<Base<L>>;

impl<L: Lanes> Coordinate<L> for Base<L> {
    const WORDS: usize = 4;
    const LIMBS: usize = 5;
    type Scalar = Fq;

    #[inline(always)]
    fn one() -> Self {
        Packed::one()
    }
    #[inline(always)]
    fn from_words(words: &[L::Int]) -> Self {
        Packed::from_words(words)
    }
    #[inline(always)]
    fn to_words(self, out: &mut [L::Int]) {
        Packed::to_words(self, out);
    }
    #[inline(always)]
    fn read(limbs: &[u64]) -> Self {
        Packed::read(limbs)
    }
    #[inline(always)]
    fn write(self, limbs: &mut [u64]) {
        Packed::write(self, limbs);
    }
    #[inline(always)]
    fn mul(&self, b: &Self) -> Self {
        Packed::mul(self, b)
    }
    #[inline(always)]
    fn square(&self) -> Self {
        Packed::square(self)
    }
    #[inline(always)]
    fn add_lazy(&self, b: &Self) -> Self {
        Packed::add_lazy(self, b)
    }
    #[inline(always)]
    fn sub(&self, b: &Self) -> Self {
        Packed::sub(self, b)
    }
    #[inline(always)]
    fn negate_where(&self, sign: L::Int) -> Self {
        Packed::negate_where(self, sign)
    }
    #[inline(always)]
    fn reduce(self) -> Self {
        Packed::reduce(self)
    }
    #[inline(always)]
    fn to_scalars(self) -> [Fq; 8] {
        let mut out = [Fq::zero(); 8];
        Packed::to_scalars(self, &mut out);
        out
    }
    #[inline(always)]
    fn from_scalars(values: &[Fq; 8]) -> Self {
        Packed::from_scalars(values)
    }
    #[inline(always)]
    fn import(self) -> Self {
        Packed::import(self)
    }
    #[inline(always)]
    fn export(self) -> Self {
        Packed::export(self)
    }
}

/// `c0 + c1·u` with `u² = -1`.
#[derive(Clone, Copy)]
pub(super) struct Quadratic<T>(T, T);

impl<L: Lanes> Coordinate<L> for Extension<L> {
    const WORDS: usize = 8;
    const LIMBS: usize = 10;
    type Scalar = Fq2;

    #[inline(always)]
    fn one() -> Self {
        Self(Packed::one(), Packed::zero())
    }
    #[inline(always)]
    fn from_words(words: &[L::Int]) -> Self {
        Self(Packed::from_words(&words[..4]), Packed::from_words(&words[4..]))
    }
    #[inline(always)]
    fn to_words(self, out: &mut [L::Int]) {
        self.0.to_words(&mut out[..4]);
        self.1.to_words(&mut out[4..]);
    }
    #[inline(always)]
    fn read(limbs: &[u64]) -> Self {
        Self(Packed::read(limbs), Packed::read(&limbs[5 * L::COUNT..]))
    }
    #[inline(always)]
    fn write(self, limbs: &mut [u64]) {
        self.0.write(limbs);
        self.1.write(&mut limbs[5 * L::COUNT..]);
    }
    /// Karatsuba; small, for factors below 6p.
    #[inline(always)]
    fn mul(&self, b: &Self) -> Self {
        let (low, high) = (self.0.mul(&b.0), self.1.mul(&b.1));
        let cross = self.0.add(&self.1).mul(&b.0.add(&b.1));
        Self(low.sub(&high).reduce(), cross.sub(&low.add_lazy(&high)).reduce())
    }
    #[inline(always)]
    fn square(&self) -> Self {
        let (sum, difference) = (self.0.add(&self.1), self.0.sub(&self.1));
        let cross = self.0.mul(&self.1);
        Self(sum.mul(&difference).reduce(), cross.add(&cross).reduce())
    }
    #[inline(always)]
    fn add_lazy(&self, b: &Self) -> Self {
        Self(self.0.add_lazy(&b.0), self.1.add_lazy(&b.1))
    }
    #[inline(always)]
    fn sub(&self, b: &Self) -> Self {
        Self(self.0.sub(&b.0), self.1.sub(&b.1))
    }
    #[inline(always)]
    fn negate_where(&self, sign: L::Int) -> Self {
        Self(self.0.negate_where(sign), self.1.negate_where(sign))
    }
    #[inline(always)]
    fn reduce(self) -> Self {
        Self(self.0.reduce(), self.1.reduce())
    }
    #[inline(always)]
    fn to_scalars(self) -> [Fq2; 8] {
        let (c0, c1) = (Coordinate::to_scalars(self.0), Coordinate::to_scalars(self.1));
        std::array::from_fn(|i| Fq2::new(c0[i], c1[i]))
    }
    #[inline(always)]
    fn from_scalars(values: &[Fq2; 8]) -> Self {
        Self(Packed::from_scalars(&values.map(|v| v.c0)), Packed::from_scalars(&values.map(|v| v.c1)))
    }
    #[inline(always)]
    fn import(self) -> Self {
        Self(self.0.import(), self.1.import())
    }
    #[inline(always)]
    fn export(self) -> Self {
        Self(self.0.export(), self.1.export())
    }
}

/// The `x` and `y` of the points at `at`, of which `WORDS` words each are `2 · C::WORDS`.
#[inline(always)]
fn gather<L: Lanes, C: Coordinate<L>, const WORDS: usize>(points: &[PointWords<WORDS>], at: &[u32]) -> (C, C) {
    let mut words = [L::splat(0); WORDS];
    read_rows::<L>(&mut words, |lane, word| L::read(&points[(at[lane] >> 1) as usize].0[word..]));
    (C::from_words(&words[..C::WORDS]), C::from_words(&words[C::WORDS..]))
}

#[inline(always)]
fn scatter<L: Lanes, C: Coordinate<L>, const WORDS: usize>(x: C, y: C, points: &mut [PointWords<WORDS>], at: &[u32]) {
    let mut words = [L::splat(0); WORDS];
    x.to_words(&mut words[..C::WORDS]);
    y.to_words(&mut words[C::WORDS..]);
    write_rows::<L>(&mut words, |lane, word, value| L::write(value, &mut points[at[lane] as usize].0[word..]));
}

/// See [`super::VectorCurve::add_pairs`].
#[inline(always)]
fn add_pairs<L: Lanes, C: Coordinate<L>, const WORDS: usize>(
    points: &[PointWords<WORDS>],
    pairs: &mut Pairs,
    out: &mut [PointWords<WORDS>],
) -> bool {
    let chunks = pairs.pad(L::COUNT);
    let range = |k: usize| k * L::COUNT..(k + 1) * L::COUNT;
    let Pairs { left, right, to, limbs, .. } = pairs;
    let step = C::LIMBS * L::COUNT;
    if limbs.len() < chunks * step {
        limbs.resize(chunks * step, 0);
    }
    // Two chains of products, so that one's latency hides behind the other.
    let mut products = [C::one(); 2];
    for k in 0..chunks {
        // the points are anywhere in memory: ask for those to come
        let ahead = range((k + AHEAD).min(chunks - 1));
        for term in left[ahead.clone()].iter().chain(&right[ahead]) {
            L::prefetch(&points[(term >> 1) as usize].0);
        }
        let (x1, _) = gather::<L, C, WORDS>(points, &left[range(k)]);
        let (x2, _) = gather::<L, C, WORDS>(points, &right[range(k)]);
        products[k % 2].write(&mut limbs[k * step..]);
        products[k % 2] = products[k % 2].mul(&x2.sub(&x1));
    }
    let Some(mut inverses) = invert::<L, C>(products) else { return false };
    for k in (0..chunks).rev() {
        let (x1, y1) = gather::<L, C, WORDS>(points, &left[range(k)]);
        let (x2, y2) = gather::<L, C, WORDS>(points, &right[range(k)]);
        // the lowest bit of a term is its sign
        let sign = |terms: &[u32]| L::shl(L::widen(terms), 63);
        let (y1, y2) = (y1.negate_where(sign(&left[range(k)])), y2.negate_where(sign(&right[range(k)])));
        let difference = x2.sub(&x1);
        let inverse = inverses[k % 2].mul(&C::read(&limbs[k * step..]));
        inverses[k % 2] = inverses[k % 2].mul(&difference);
        let slope = y2.sub(&y1).mul(&inverse);
        let x = slope.square().sub(&x1.add_lazy(&x2)).reduce();
        let y = slope.mul(&x1.sub(&x)).sub(&y1).reduce();
        scatter::<L, C, WORDS>(x, y, out, &to[range(k)]);
    }
    true
}

/// Inverts all lanes; `None` if one is zero.
#[inline(always)]
fn invert<L: Lanes, C: Coordinate<L>>(values: [C; 2]) -> Option<[C; 2]> {
    let mut scalars = [values[0].to_scalars(), values[1].to_scalars()].concat();
    scalars.truncate(8 + L::COUNT);
    scalars.drain(L::COUNT..8);
    if scalars.iter().any(Zero::is_zero) {
        return None;
    }
    ark_ff::batch_inversion(&mut scalars);
    let mut lanes = [[C::Scalar::ONE; 8]; 2];
    for (lanes, inverted) in lanes.iter_mut().zip(scalars.chunks(L::COUNT)) {
        lanes[..L::COUNT].copy_from_slice(inverted);
    }
    Some([C::from_scalars(&lanes[0]), C::from_scalars(&lanes[1])])
}

/// Converts the points in place, from arkworks' Montgomery form or to it.
#[inline(always)]
fn convert<L: Lanes, C: Coordinate<L>, const WORDS: usize>(points: &mut [PointWords<WORDS>], import: bool) {
    for points in points.chunks_mut(L::COUNT) {
        let len = points.len() as u32;
        let at: [u32; 8] = std::array::from_fn(|i| (i as u32).min(len - 1));
        let (x, y) = gather::<L, C, WORDS>(points, &at.map(|i| i << 1));
        let (x, y) = if import { (x.import(), y.import()) } else { (x.export(), y.export()) };
        scatter::<L, C, WORDS>(x, y, points, &at);
    }
}

/// [`add_pairs`] in G1.
#[inline(always)]
pub(super) fn add_pairs_g1<L: Lanes>(points: &[PointWords<8>], pairs: &mut Pairs, out: &mut [PointWords<8>]) -> bool {
    add_pairs::<L, Base<L>, 8>(points, pairs, out)
}

/// [`add_pairs`] in G2.
#[inline(always)]
pub(super) fn add_pairs_g2<L: Lanes>(points: &[PointWords<16>], pairs: &mut Pairs, out: &mut [PointWords<16>]) -> bool {
    add_pairs::<L, Extension<L>, 16>(points, pairs, out)
}

/// [`convert`] in G1.
#[inline(always)]
pub(super) fn convert_g1<L: Lanes>(points: &mut [PointWords<8>], import: bool) {
    convert::<L, Base<L>, 8>(points, import);
}

/// [`convert`] in G2.
#[inline(always)]
pub(super) fn convert_g2<L: Lanes>(points: &mut [PointWords<16>], import: bool) {
    convert::<L, Extension<L>, 16>(points, import);
}
