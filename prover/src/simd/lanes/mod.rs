//! What the vector code asks of an instruction set: lanes of 64-bit integers, and products of 52-bit integers in two
//! halves.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
#[cfg(target_arch = "x86_64")]
pub(super) mod ifma;
#[cfg(test)]
pub(super) mod portable;

/// Bits of a limb.
pub(super) const LIMB: u32 = 52;
/// The largest limb.
pub(super) const MASK: u64 = (1 << LIMB) - 1;

/// Vectors of [`Lanes::COUNT`] lanes. Every method is a few instructions and is inlined into a function compiled for
/// the instruction set.
///
/// Implementations other than the portable one may be called only on a processor that has their instructions;
/// `simd::Isa` sees to it.
pub(super) trait Lanes: Copy + Send + Sync + 'static {
    /// Lanes of a vector, a divisor of 8.
    const COUNT: usize;
    /// What [`Lanes::multiply_add`] adds to the low half beside the product's, modulo 2^64.
    const LOW_BIAS: u64;
    /// The same of the high half.
    const HIGH_BIAS: u64;
    /// A vector of 64-bit integers.
    type Int: Copy;
    /// A vector of integers below 2^52, ready to be multiplied.
    type Factor: Copy;

    /// The same integer in all lanes.
    fn splat(value: u64) -> Self::Int;
    /// The first `COUNT` integers of a slice.
    fn read(from: &[u64]) -> Self::Int;
    /// To the first `COUNT` places of a slice.
    fn write(value: Self::Int, to: &mut [u64]);
    /// Asks for the cache line at the slice's start.
    fn prefetch(at: &[u64]);
    /// The first `COUNT` integers of a slice.
    fn widen(from: &[u32]) -> Self::Int;
    /// Modulo 2^64.
    fn add(a: Self::Int, b: Self::Int) -> Self::Int;
    /// Modulo 2^64.
    fn sub(a: Self::Int, b: Self::Int) -> Self::Int;
    /// Bitwise.
    fn and(a: Self::Int, b: Self::Int) -> Self::Int;
    /// Bitwise.
    fn or(a: Self::Int, b: Self::Int) -> Self::Int;
    /// Logical shift; `bits` is a constant.
    fn shr(a: Self::Int, bits: u32) -> Self::Int;
    /// Logical shift; `bits` is a constant.
    fn shl(a: Self::Int, bits: u32) -> Self::Int;
    /// `negative` in the lanes where the highest bit of `sign` is set, else `other`.
    fn select(sign: Self::Int, negative: Self::Int, other: Self::Int) -> Self::Int;
    /// Transposes square blocks of `COUNT` vectors; the length of `rows` is a multiple of `COUNT`.
    fn transpose(rows: &mut [Self::Int]);
    /// Prepares an integer below 2^52.
    fn factor(a: Self::Int) -> Self::Factor;
    /// Adds the low 52 bits of `a·b` to `low` and the others to `high`, each with its bias.
    fn multiply_add(a: Self::Factor, b: Self::Factor, low: &mut Self::Int, high: &mut Self::Int);
    /// The low 52 bits of `(a mod 2^52)·b`.
    fn multiply_low(a: Self::Int, b: Self::Factor) -> Self::Factor;
    /// `f(a, b)`, where `f` is not inlined into the caller.
    fn call(a: [Self::Int; 5], b: [Self::Int; 5], f: impl Binary<Self>) -> [Self::Int; 5];
}

/// Rows of as many words as `columns` has vectors, one row to a lane: `read(lane, word)` are `COUNT` words of a row,
/// from `word` on.
#[inline(always)]
pub(super) fn read_rows<L: Lanes>(columns: &mut [L::Int], read: impl Fn(usize, usize) -> L::Int) {
    let words = columns.len();
    for word in (0..words).step_by(L::COUNT) {
        for lane in 0..L::COUNT {
            columns[word + lane] = read(lane, word);
        }
    }
    L::transpose(columns);
}

/// The inverse of [`read_rows`].
#[inline(always)]
pub(super) fn write_rows<L: Lanes>(columns: &mut [L::Int], mut write: impl FnMut(usize, usize, L::Int)) {
    L::transpose(columns);
    for word in (0..columns.len()).step_by(L::COUNT) {
        for lane in 0..L::COUNT {
            write(lane, word, columns[word + lane]);
        }
    }
}

/// A function of two elements' limbs.
pub(super) trait Binary<L: Lanes> {
    /// Its value.
    fn apply(self, a: [L::Int; 5], b: [L::Int; 5]) -> [L::Int; 5];
}
