//! AVX-512 with IFMA: the processor multiplies 52-bit integers.

use super::avx512::common;
use super::{Binary, Lanes, MASK};
use std::arch::x86_64::*;

/// Eight lanes.
#[derive(Clone, Copy)]
pub(in crate::simd) struct Ifma;

impl Lanes for Ifma {
    common!();
    const LOW_BIAS: u64 = 0;
    const HIGH_BIAS: u64 = 0;
    type Factor = __m512i;

    #[inline(always)]
    fn factor(a: __m512i) -> __m512i {
        a
    }
    #[inline(always)]
    fn multiply_add(a: __m512i, b: __m512i, low: &mut __m512i, high: &mut __m512i) {
        // SAFETY: as for `Lanes`.
        unsafe {
            *high = _mm512_madd52hi_epu64(*high, a, b);
            *low = _mm512_madd52lo_epu64(*low, a, b);
        }
    }
    #[inline(always)]
    fn multiply_low(a: __m512i, b: __m512i) -> __m512i {
        // The instruction takes the low 52 bits of its factors and gives those of the product.
        // SAFETY: as for `Lanes`.
        unsafe { _mm512_and_si512(_mm512_madd52lo_epu64(_mm512_setzero_si512(), a, b), _mm512_set1_epi64(MASK as i64)) }
    }
    #[inline(always)]
    fn call(a: [__m512i; 5], b: [__m512i; 5], f: impl Binary<Self>) -> [__m512i; 5] {
        #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
        #[inline(never)]
        fn apply(a: [__m512i; 5], b: [__m512i; 5], f: impl Binary<Ifma>) -> [__m512i; 5] {
            f.apply(a, b)
        }
        // SAFETY: as for `Lanes`.
        unsafe { apply(a, b, f) }
    }
}
