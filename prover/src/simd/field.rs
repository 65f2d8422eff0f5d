//! Elements of a 254-bit prime field, one in each lane: five limbs of 52 bits, Montgomery form with radix 2^260.
//!
//! Values are not unique: each operation says how many times the modulus p its inputs and outputs stay below. 2^260 is
//! more than 84 p.

use super::lanes::{Binary, LIMB, Lanes, MASK};
use ark_bn254::{Fq, Fr};
use ark_ff::{BigInt, Fp, MontBackend, MontConfig, PrimeField};
use std::marker::PhantomData;

/// A modulus, and what depends on it.
pub(super) trait Modulus: Copy + Send + Sync + 'static {
    /// The same field as arkworks has it: Montgomery form with radix 2^256.
    type Scalar: PrimeField<BigInt = BigInt<4>>;
    /// p.
    const P: [u64; 4];
    /// The raw words of an element.
    fn words(value: &Self::Scalar) -> [u64; 4];
    /// An element from words below p.
    fn from_words(words: [u64; 4]) -> Self::Scalar;
}

/// Modulus of an arkworks field.
#[derive(Clone, Copy)]
pub(super) struct Of<F>(PhantomData<F>);

impl<C: MontConfig<4>> Modulus for Of<Fp<MontBackend<C, 4>, 4>> {
    type Scalar = Fp<MontBackend<C, 4>, 4>;
    const P: [u64; 4] = C::MODULUS.0;

    fn words(value: &Self::Scalar) -> [u64; 4] {
        value.0.0
    }
    fn from_words(words: [u64; 4]) -> Self::Scalar {
        Fp::new_unchecked(BigInt(words))
    }
}

/// The base field of BN254.
pub(super) type BaseField = Of<Fq>;

/// The scalar field of BN254.
pub(super) type ScalarField = Of<Fr>;

/// Five limbs of four words.
pub(super) const fn limbs(w: [u64; 4]) -> [u64; 5] {
    [
        w[0] & MASK,
        (w[0] >> 52 | w[1] << 12) & MASK,
        (w[1] >> 40 | w[2] << 24) & MASK,
        (w[2] >> 28 | w[3] << 36) & MASK,
        w[3] >> 16,
    ]
}

/// `2·a mod p` for `a < p`.
const fn double(a: [u64; 4], p: [u64; 4]) -> [u64; 4] {
    let twice = [a[0] << 1, a[1] << 1 | a[0] >> 63, a[2] << 1 | a[1] >> 63, a[3] << 1 | a[2] >> 63];
    let mut out = [0; 4];
    let (mut i, mut borrow) = (0, false);
    while i < 4 {
        let (d, first) = twice[i].overflowing_sub(p[i]);
        let (d, second) = d.overflowing_sub(borrow as u64);
        (out[i], borrow) = (d, first | second);
        i += 1;
    }
    if borrow { twice } else { out }
}

/// `2^exponent mod p`, as limbs.
const fn power_of_two(exponent: u32, p: [u64; 4]) -> [u64; 5] {
    let (mut value, mut i) = ([1, 0, 0, 0], 0);
    while i < exponent {
        value = double(value, p);
        i += 1;
    }
    limbs(value)
}

/// `-p^-1 mod 2^52`, by Newton's iteration.
const fn montgomery_inverse(p: [u64; 4]) -> u64 {
    let (mut inverse, mut i) = (1u64, 0);
    while i < 6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(p[0].wrapping_mul(inverse)));
        i += 1;
    }
    inverse.wrapping_neg() & MASK
}

/// `factor · p` in limbs, for a power of two up to 8.
const fn multiple(factor: u64, p: [u64; 4]) -> [u64; 5] {
    let p = limbs(p);
    let mut out = [0; 5];
    let (mut i, mut carry) = (0, 0);
    while i < 5 {
        let limb = p[i] * factor + carry;
        (out[i], carry) = if i < 4 { (limb & MASK, limb >> LIMB) } else { (limb, 0) };
        i += 1;
    }
    out
}

/// `4p` with limbs so large that any limb below 2^54 can be taken off them, but for the top one, which may wrap around
/// until the carry.
const fn minuend(p: [u64; 4]) -> [u64; 5] {
    let mut out = multiple(4, p);
    let mut i = 0;
    while i < 4 {
        out[i] += 1 << 54;
        out[i + 1] -= 4;
        i += 1;
    }
    out
}

/// Added to limbs it takes `factor · p` off and keeps all but the top limb positive.
const fn reduction(factor: u64, p: [u64; 4]) -> [u64; 5] {
    let mut out = multiple(factor, p);
    let mut i = 0;
    while i < 5 {
        let lend = if i < 4 { 1u64 << LIMB } else { 0 };
        out[i] = lend.wrapping_sub(out[i]).wrapping_sub((i > 0) as u64);
        i += 1;
    }
    out
}

/// What takes the biases of `products` products of elements off their columns.
const fn without_biases(products: u64, low: u64, high: u64) -> [u64; 10] {
    let mut out = [0u64; 10];
    let mut i = 0i64;
    while i < 5 {
        let mut j = 0i64;
        while j < 5 {
            let at = (i + j) as usize;
            out[at] = out[at].wrapping_sub(low.wrapping_mul(products));
            out[at + 1] = out[at + 1].wrapping_sub(high.wrapping_mul(products));
            j += 1;
        }
        i += 1;
    }
    out
}

/// The same value with the first `count` columns `2^bits` higher, each at the cost of the next. Signed low halves may
/// leave a column below zero, and shifts are logical.
const fn lifted(mut columns: [u64; 10], bits: u32, count: usize) -> [u64; 10] {
    let mut k = 0;
    while k < count {
        columns[k] = columns[k].wrapping_add(1 << bits);
        columns[k + 1] = columns[k + 1].wrapping_sub(1 << (bits - LIMB));
        k += 1;
    }
    columns
}

/// What ten columns start from to which `products` products of elements will be added.
const fn column_starts(products: u64, low: u64, high: u64) -> [u64; 10] {
    lifted(without_biases(products, low, high), 56, 9)
}

/// Elements of the field, one in each lane.
pub(super) struct Packed<L: Lanes, M>(pub(super) [L::Int; 5], PhantomData<M>);

impl<L: Lanes, M> Clone for Packed<L, M> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<L: Lanes, M> Copy for Packed<L, M> {}

/// The product as a function of its own: hundreds of instructions, which are better called than copied.
struct Product<M>(PhantomData<M>);

impl<L: Lanes, M: Modulus> Binary<L> for Product<M> {
    #[inline(always)]
    fn apply(self, a: [L::Int; 5], b: [L::Int; 5]) -> [L::Int; 5] {
        Packed::<L, M>(a, PhantomData).product(&Packed(b, PhantomData)).0
    }
}

/// Factors of a product.
type Factors<L> = [<L as Lanes>::Factor; 5];

impl<L: Lanes, M: Modulus> Packed<L, M> {
    const INVERSE: u64 = montgomery_inverse(M::P);
    const P: [u64; 5] = limbs(M::P);
    const MINUEND: [u64; 5] = minuend(M::P);
    const STARTS: [u64; 10] = column_starts(2, L::LOW_BIAS, L::HIGH_BIAS);

    /// The same limbs in all lanes.
    #[inline(always)]
    pub(super) fn constant(limbs: [u64; 5]) -> Self {
        Self(
            [L::splat(limbs[0]), L::splat(limbs[1]), L::splat(limbs[2]), L::splat(limbs[3]), L::splat(limbs[4])],
            PhantomData,
        )
    }

    /// 0.
    #[inline(always)]
    pub(super) fn zero() -> Self {
        Self::constant([0; 5])
    }

    /// 1.
    #[inline(always)]
    pub(super) fn one() -> Self {
        Self::constant(const { power_of_two(260, M::P) })
    }

    /// The lanes' words, any numbers below 2^256, lowest first.
    #[inline(always)]
    pub(super) fn from_words(w: &[L::Int]) -> Self {
        let mask = L::splat(MASK);
        let join = |low, down, high, up| L::and(L::or(L::shr(low, down), L::shl(high, up)), mask);
        Self(
            [
                L::and(w[0], mask),
                join(w[0], 52, w[1], 12),
                join(w[1], 40, w[2], 24),
                join(w[2], 28, w[3], 36),
                L::shr(w[3], 16),
            ],
            PhantomData,
        )
    }

    /// Of a value below 2^256.
    #[inline(always)]
    pub(super) fn to_words(self, out: &mut [L::Int]) {
        let v = self.0;
        out[0] = L::or(v[0], L::shl(v[1], 52));
        out[1] = L::or(L::shr(v[1], 12), L::shl(v[2], 40));
        out[2] = L::or(L::shr(v[2], 24), L::shl(v[3], 28));
        out[3] = L::or(L::shr(v[3], 36), L::shl(v[4], 16));
    }

    /// Limbs as [`Self::write`] wrote them.
    #[inline(always)]
    pub(super) fn read(limbs: &[u64]) -> Self {
        let mut out = [L::splat(0); 5];
        for (i, limb) in out.iter_mut().enumerate() {
            *limb = L::read(&limbs[i * L::COUNT..]);
        }
        Self(out, PhantomData)
    }

    /// To `5 · COUNT` places.
    #[inline(always)]
    pub(super) fn write(self, limbs: &mut [u64]) {
        for (i, limb) in self.0.into_iter().enumerate() {
            L::write(limb, &mut limbs[i * L::COUNT..]);
        }
    }

    /// From arkworks' form, below 2p.
    #[inline(always)]
    pub(super) fn import(self) -> Self {
        self.mul(&Self::constant(const { power_of_two(264, M::P) }))
    }

    /// To arkworks' form, below p.
    #[inline(always)]
    pub(super) fn export(self) -> Self {
        self.mul(&Self::constant(const { power_of_two(256, M::P) })).reduce_by::<1>()
    }

    #[inline(always)]
    fn carried(mut self) -> Self {
        let mask = L::splat(MASK);
        for i in 0..4 {
            self.0[i + 1] = L::add(self.0[i + 1], L::shr(self.0[i], LIMB));
            self.0[i] = L::and(self.0[i], mask);
        }
        self
    }

    /// `a + b` without carries: limbs of 53 bits, for [`Self::sub`] only.
    #[inline(always)]
    pub(super) fn add_lazy(&self, b: &Self) -> Self {
        let mut out = *self;
        for i in 0..5 {
            out.0[i] = L::add(out.0[i], b.0[i]);
        }
        out
    }

    /// `a + b`.
    #[inline(always)]
    pub(super) fn add(&self, b: &Self) -> Self {
        self.add_lazy(b).carried()
    }

    /// `a - b + 4p`, for `b < 4p`.
    #[inline(always)]
    pub(super) fn sub(&self, b: &Self) -> Self {
        let mut out = *self;
        for i in 0..5 {
            out.0[i] = L::sub(L::add(out.0[i], L::splat(Self::MINUEND[i])), b.0[i]);
        }
        out.carried()
    }

    /// `-a` where the highest bit of `sign` is set; below 4p, for `a < 4p`.
    #[inline(always)]
    pub(super) fn negate_where(&self, sign: L::Int) -> Self {
        let negative = Self::zero().sub(self);
        let mut out = *self;
        for i in 0..5 {
            out.0[i] = L::select(sign, negative.0[i], out.0[i]);
        }
        out
    }

    /// Takes `FACTOR · p` off if the value is not below it.
    #[inline(always)]
    fn reduce_by<const FACTOR: u64>(self) -> Self {
        let constant = const { reduction(FACTOR, M::P) };
        let mut less = self;
        for (limb, constant) in less.0.iter_mut().zip(constant) {
            *limb = L::add(*limb, L::splat(constant));
        }
        let less = less.carried();
        let mut out = self;
        for i in 0..5 {
            out.0[i] = L::select(less.0[4], self.0[i], less.0[i]);
        }
        out
    }

    /// Below 2p, for values below 8p.
    #[inline(always)]
    pub(super) fn reduce(self) -> Self {
        self.reduce_by::<4>().reduce_by::<2>()
    }

    /// Below p, for values below 4p.
    #[inline(always)]
    pub(super) fn canonical(self) -> Self {
        self.reduce_by::<2>().reduce_by::<1>()
    }

    /// `a + b` below 2p, for both below 2p.
    #[inline(always)]
    pub(super) fn accumulate(&self, b: &Self) -> Self {
        self.add(b).reduce_by::<2>()
    }

    #[inline(always)]
    fn factors(&self) -> Factors<L> {
        let v = &self.0;
        [L::factor(v[0]), L::factor(v[1]), L::factor(v[2]), L::factor(v[3]), L::factor(v[4])]
    }

    /// `a · b`; below `(1 + αβ/84) p` for `a < αp`, `b < βp`.
    #[inline(always)]
    pub(super) fn mul(&self, b: &Self) -> Self {
        Self(L::call(self.0, b.0, Product(PhantomData::<M>)), PhantomData)
    }

    #[inline(always)]
    fn product(&self, b: &Self) -> Self {
        let mut t = Self::splat_all(&Self::STARTS);
        Self::add_product(&mut t, self, b);
        Self::montgomery(t)
    }

    #[inline(always)]
    fn add_product(t: &mut [L::Int; 10], a: &Self, b: &Self) {
        let (a, b) = (a.factors(), b.factors());
        for i in 0..5 {
            for j in 0..5 {
                let (low, high) = t.split_at_mut(i + j + 1);
                L::multiply_add(a[i], b[j], &mut low[i + j], &mut high[0]);
            }
        }
    }

    /// `a·b + c·d`, reduced once; below `(1 + (αβ + γδ)/84) p`.
    #[inline(always)]
    pub(super) fn sum_of_products(a: &Self, b: &Self, c: &Self, d: &Self) -> Self {
        let mut t = Self::splat_all(&const { column_starts(3, L::LOW_BIAS, L::HIGH_BIAS) });
        Self::add_product(&mut t, a, b);
        Self::add_product(&mut t, c, d);
        Self::montgomery(t)
    }

    /// `a²`; bounds as for [`Self::mul`].
    #[inline(always)]
    pub(super) fn square(&self) -> Self {
        self.mul(self)
    }

    #[inline(always)]
    fn splat_all(s: &[u64; 10]) -> [L::Int; 10] {
        [
            L::splat(s[0]),
            L::splat(s[1]),
            L::splat(s[2]),
            L::splat(s[3]),
            L::splat(s[4]),
            L::splat(s[5]),
            L::splat(s[6]),
            L::splat(s[7]),
            L::splat(s[8]),
            L::splat(s[9]),
        ]
    }

    /// The columns' value divided by 2^260, modulo p; a column starts without the biases of what is added here.
    #[inline(always)]
    fn montgomery(mut t: [L::Int; 10]) -> Self {
        let inverse = L::factor(L::splat(Self::INVERSE));
        for i in 0..5 {
            // one low half is yet to come, and its bias has been taken off
            let column = if L::LOW_BIAS & MASK == 0 { t[i] } else { L::add(t[i], L::splat(L::LOW_BIAS)) };
            let digit = L::multiply_low(column, inverse);
            for j in 0..5 {
                let (low, high) = t.split_at_mut(i + j + 1);
                L::multiply_add(digit, L::factor(L::splat(Self::P[j])), &mut low[i + j], &mut high[0]);
            }
            t[i + 1] = L::add(t[i + 1], L::shr(t[i], LIMB));
        }
        Self([t[5], t[6], t[7], t[8], t[9]], PhantomData).carried()
    }

    /// The columns' value modulo p, below 2p, for columns between -2^58 and 2^63.
    #[inline(always)]
    pub(super) fn from_columns(columns: [L::Int; 6]) -> Self {
        let mut t = Self::splat_all(&const { lifted(column_starts(1, L::LOW_BIAS, L::HIGH_BIAS), 58, 5) });
        for (t, column) in t.iter_mut().zip(columns) {
            *t = L::add(*t, column);
        }
        Self::montgomery(t).mul(&Self::constant(const { power_of_two(520, M::P) }))
    }

    /// The lanes as arkworks' elements.
    #[inline(always)]
    pub(super) fn to_scalars(self, out: &mut [M::Scalar]) {
        self.export().write_raw(out);
    }

    /// The lanes' values, below 4p, as the raw words of arkworks' elements.
    #[inline(always)]
    pub(super) fn to_raw(self, out: &mut [M::Scalar]) {
        self.canonical().write_raw(out);
    }

    #[inline(always)]
    fn write_raw(self, out: &mut [M::Scalar]) {
        let mut words = [L::splat(0); 4];
        self.to_words(&mut words);
        let mut lanes = [[0u64; 8]; 4];
        for (lane, word) in lanes.iter_mut().zip(words) {
            L::write(word, lane);
        }
        for (i, out) in out.iter_mut().take(L::COUNT).enumerate() {
            *out = M::from_words([lanes[0][i], lanes[1][i], lanes[2][i], lanes[3][i]]);
        }
    }

    /// The inverse of [`Self::to_scalars`].
    #[inline(always)]
    pub(super) fn from_scalars(values: &[M::Scalar]) -> Self {
        let mut lanes = [[0u64; 8]; 4];
        for (i, value) in values.iter().take(L::COUNT).enumerate() {
            let words = M::words(value);
            (0..4).for_each(|w| lanes[w][i] = words[w]);
        }
        let mut words = [L::splat(0); 4];
        for (word, lane) in words.iter_mut().zip(&lanes) {
            *word = L::read(lane);
        }
        Self::from_words(&words).import()
    }
}

/// Products of a [`Sum`].
pub(super) const MOST_PRODUCTS: usize = 128;

/// A sum of products that is reduced once.
pub(super) struct Sum<L: Lanes, M> {
    columns: [L::Int; 10],
    products: u64,
    modulus: PhantomData<M>,
}

impl<L: Lanes, M> Clone for Sum<L, M> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<L: Lanes, M> Copy for Sum<L, M> {}

impl<L: Lanes, M: Modulus> Sum<L, M> {
    /// 0.
    #[inline(always)]
    pub(super) fn zero() -> Self {
        Self { columns: [L::splat(0); 10], products: 0, modulus: PhantomData }
    }

    /// Adds `a·b`; [`MOST_PRODUCTS`] times at most.
    #[inline(always)]
    pub(super) fn add(&mut self, a: &Packed<L, M>, b: &Packed<L, M>) {
        Packed::add_product(&mut self.columns, a, b);
        self.products += 1;
    }

    /// The sum; below `(1 + 128·αβ/84) p` for factors below αp and βp.
    #[inline(always)]
    pub(super) fn reduce(self) -> Packed<L, M> {
        let biases = const { without_biases(1, L::LOW_BIAS, L::HIGH_BIAS) };
        // higher than for one product: 128 times five signed low halves
        let starts = const { lifted(column_starts(1, L::LOW_BIAS, L::HIGH_BIAS), 62, 9) };
        let mut t = self.columns;
        for k in 0..10 {
            t[k] = L::add(t[k], L::splat(starts[k].wrapping_add(biases[k].wrapping_mul(self.products))));
        }
        Packed::montgomery(t)
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::portable::Portable;
    use super::super::{Isa, Kind};
    use super::*;
    use ark_ff::UniformRand;

    /// Every pair of edge and random values, through every operation.
    fn check<L: Lanes, M: Modulus>() {
        let mut rng = ark_std::test_rng();
        let two = M::Scalar::from(2u64);
        let mut values: Vec<M::Scalar> = [0u64, 1, 2, MASK, MASK + 1].map(M::Scalar::from).to_vec();
        values.extend([
            -values[1],
            -values[2],
            ark_ff::Field::pow(&two, [253]),
            ark_ff::Field::pow(&two, [208]),
            -ark_ff::Field::pow(&two, [52]),
            M::from_words([u64::MAX, u64::MAX, u64::MAX, 0]),
        ]);
        values.extend((0..21).map(|_| M::Scalar::rand(&mut rng)));
        let vector = |from: usize, step: usize| -> Vec<M::Scalar> {
            (0..L::COUNT).map(|i| values[(from + step * i) % values.len()]).collect()
        };
        let read = |v: Packed<L, M>| {
            let mut out = vec![M::Scalar::from(0u64); L::COUNT];
            v.to_scalars(&mut out);
            out
        };
        for i in 0..values.len() {
            for j in 0..values.len() {
                let (a, b) = (vector(i, 1), vector(j, 3));
                let (x, y) = (Packed::<L, M>::from_scalars(&a), Packed::<L, M>::from_scalars(&b));
                let want = |f: &dyn Fn(M::Scalar, M::Scalar) -> M::Scalar| {
                    a.iter().zip(&b).map(|(a, b)| f(*a, *b)).collect::<Vec<_>>()
                };
                assert_eq!(read(x.mul(&y)), want(&|a, b| a * b));
                assert_eq!(read(x.square()), want(&|a, _| a * a));
                assert_eq!(read(Packed::sum_of_products(&x, &y, &y, &y)), want(&|a, b| a * b + b * b));
                let mut sum = Sum::<L, M>::zero();
                (0..=i * 3).for_each(|_| sum.add(&x, &y));
                let count = M::Scalar::from(i as u64 * 3 + 1);
                assert_eq!(read(sum.reduce()), want(&|a, b| a * b * count));
                assert_eq!(read(x.add(&y)), want(&|a, b| a + b));
                assert_eq!(read(x.sub(&y)), want(&|a, b| a - b));
                // products of the largest factors that occur
                assert_eq!(read(x.sub(&y).mul(&x.sub(&y)).reduce()), want(&|a, b| (a - b) * (a - b)));
                assert_eq!(
                    read(x.sub(&y).sub(&y.add_lazy(&y).carried().reduce()).reduce()),
                    want(&|a, b| a - b - b - b)
                );
            }
            let (a, lanes) = (vector(i, 1), (0..8).map(|i| u64::from(i % 3 == 0) << 63).collect::<Vec<_>>());
            let x = Packed::<L, M>::from_scalars(&a);
            let negated: Vec<_> = a.iter().enumerate().map(|(i, a)| if i % 3 == 0 { -*a } else { *a }).collect();
            assert_eq!(read(x.negate_where(L::read(&lanes))), negated);
        }
    }

    #[test]
    fn lanes_agree_with_arkworks() {
        check::<Portable, BaseField>();
        check::<Portable, ScalarField>();
        #[cfg(target_arch = "x86_64")]
        for isa in Isa::available() {
            use super::super::lanes::{avx2::Avx2, avx512::Avx512, ifma::Ifma};
            match isa.0 {
                Kind::Avx512Ifma => check::<Ifma, BaseField>(),
                Kind::Avx512 => check::<Avx512, BaseField>(),
                Kind::Avx2 => check::<Avx2, BaseField>(),
            }
        }
    }
}
