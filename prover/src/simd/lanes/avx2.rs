//! AVX2 with FMA, four lanes. As in [`super::avx512`], but there is no rounding towards zero: the high half is the
//! nearest integer to `ab/2^52`, and the low half is signed.

use super::{Binary, Lanes, MASK};
use std::arch::x86_64::*;

/// Four lanes.
#[derive(Clone, Copy)]
pub(in crate::simd) struct Avx2;

const TWO_52: f64 = (1u64 << 52) as f64;
const TWO_104: f64 = TWO_52 * TWO_52;
/// Added to a signed low half it keeps the exponent that of 2^52.
const CENTRE: f64 = 1.5 * TWO_52;

impl Lanes for Avx2 {
    const COUNT: usize = 4;
    const LOW_BIAS: u64 = CENTRE.to_bits();
    const HIGH_BIAS: u64 = TWO_104.to_bits();
    type Int = __m256i;
    type Factor = __m256d;

    #[inline(always)]
    fn splat(value: u64) -> __m256i {
        // SAFETY: as for `Lanes`.
        unsafe { _mm256_set1_epi64x(value as i64) }
    }
    #[inline(always)]
    fn read(from: &[u64]) -> __m256i {
        // SAFETY: as for `Lanes`; the slice has the four words that are read.
        unsafe { _mm256_loadu_si256(from[..4].as_ptr().cast()) }
    }
    #[inline(always)]
    fn write(value: __m256i, to: &mut [u64]) {
        // SAFETY: as for `Lanes`; the slice has the four words that are written.
        unsafe { _mm256_storeu_si256(to[..4].as_mut_ptr().cast(), value) }
    }
    #[inline(always)]
    fn prefetch(at: &[u64]) {
        // SAFETY: as for `Lanes`; a prefetch reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.as_ptr().cast()) }
    }
    #[inline(always)]
    fn widen(from: &[u32]) -> __m256i {
        // SAFETY: as for `Lanes`; the slice has the four words that are read.
        unsafe { _mm256_cvtepu32_epi64(_mm_loadu_si128(from[..4].as_ptr().cast())) }
    }
    #[inline(always)]
    fn add(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as for `Lanes`.
        unsafe { _mm256_add_epi64(a, b) }
    }
    #[inline(always)]
    fn sub(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as for `Lanes`.
        unsafe { _mm256_sub_epi64(a, b) }
    }
    #[inline(always)]
    fn and(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as for `Lanes`.
        unsafe { _mm256_and_si256(a, b) }
    }
    #[inline(always)]
    fn or(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as for `Lanes`.
        unsafe { _mm256_or_si256(a, b) }
    }
    #[inline(always)]
    fn shr(a: __m256i, bits: u32) -> __m256i {
        // SAFETY: as for `Lanes`.
        unsafe { _mm256_srl_epi64(a, _mm_cvtsi32_si128(bits as i32)) }
    }
    #[inline(always)]
    fn shl(a: __m256i, bits: u32) -> __m256i {
        // SAFETY: as for `Lanes`.
        unsafe { _mm256_sll_epi64(a, _mm_cvtsi32_si128(bits as i32)) }
    }
    #[inline(always)]
    fn select(sign: __m256i, negative: __m256i, other: __m256i) -> __m256i {
        // SAFETY: as for `Lanes`.
        unsafe {
            let (sign, negative, other) =
                (_mm256_castsi256_pd(sign), _mm256_castsi256_pd(negative), _mm256_castsi256_pd(other));
            _mm256_castpd_si256(_mm256_blendv_pd(other, negative, sign))
        }
    }
    #[inline(always)]
    fn transpose(rows: &mut [__m256i]) {
        // SAFETY: as for `Lanes`.
        unsafe {
            for block in rows.chunks_exact_mut(4) {
                let (a, b) = (_mm256_unpacklo_epi64(block[0], block[1]), _mm256_unpackhi_epi64(block[0], block[1]));
                let (c, d) = (_mm256_unpacklo_epi64(block[2], block[3]), _mm256_unpackhi_epi64(block[2], block[3]));
                block[0] = _mm256_permute2x128_si256::<0x20>(a, c);
                block[1] = _mm256_permute2x128_si256::<0x20>(b, d);
                block[2] = _mm256_permute2x128_si256::<0x31>(a, c);
                block[3] = _mm256_permute2x128_si256::<0x31>(b, d);
            }
        }
    }
    #[inline(always)]
    fn factor(a: __m256i) -> __m256d {
        // SAFETY: as for `Lanes`.
        unsafe {
            let bits = _mm256_or_si256(a, _mm256_set1_epi64x(TWO_52.to_bits() as i64));
            _mm256_sub_pd(_mm256_castsi256_pd(bits), _mm256_set1_pd(TWO_52))
        }
    }
    #[inline(always)]
    fn multiply_add(a: __m256d, b: __m256d, low: &mut __m256i, high: &mut __m256i) {
        // SAFETY: as for `Lanes`.
        unsafe {
            let upper = _mm256_fmadd_pd(a, b, _mm256_set1_pd(TWO_104));
            let lower = _mm256_fmadd_pd(a, b, _mm256_sub_pd(_mm256_set1_pd(TWO_104), upper));
            *high = _mm256_add_epi64(*high, _mm256_castpd_si256(upper));
            *low = _mm256_add_epi64(*low, _mm256_castpd_si256(_mm256_add_pd(lower, _mm256_set1_pd(CENTRE))));
        }
    }
    #[inline(always)]
    fn multiply_low(a: __m256i, b: __m256d) -> __m256d {
        // SAFETY: as for `Lanes`.
        unsafe {
            let mask = _mm256_set1_epi64x(MASK as i64);
            let a = Self::factor(_mm256_and_si256(a, mask));
            let upper = _mm256_fmadd_pd(a, b, _mm256_set1_pd(TWO_104));
            let lower = _mm256_fmadd_pd(a, b, _mm256_sub_pd(_mm256_set1_pd(TWO_104), upper));
            let bits = _mm256_castpd_si256(_mm256_add_pd(lower, _mm256_set1_pd(CENTRE)));
            // the bias leaves 2^51 below bit 52
            Self::factor(_mm256_and_si256(_mm256_add_epi64(bits, _mm256_set1_epi64x(1 << 51)), mask))
        }
    }
    #[inline(always)]
    fn call(a: [__m256i; 5], b: [__m256i; 5], f: impl Binary<Self>) -> [__m256i; 5] {
        #[target_feature(enable = "avx2,fma")]
        #[inline(never)]
        fn apply(a: [__m256i; 5], b: [__m256i; 5], f: impl Binary<Avx2>) -> [__m256i; 5] {
            f.apply(a, b)
        }
        // SAFETY: as for `Lanes`.
        unsafe { apply(a, b, f) }
    }
}
