//! AVX-512 (F, DQ) without integer multiply-add: 52-bit products by double-precision fused multiply-add.
//!
//! With rounding towards zero, `fma(a, b, 2^104)` is `2^104 + 2^52·⌊ab/2^52⌋`, whose bits are those of `2^104` plus the
//! high half of the product; subtracting it in a second `fma` leaves the low half in the same way. (N. Emmart, F.
//! Zheng, C. Weems, "Faster modular exponentiation using double precision floating point arithmetic on the GPU", ARITH
//! 2018.)

use super::{Binary, Lanes, MASK};
use std::arch::x86_64::*;

/// Eight lanes.
#[derive(Clone, Copy)]
pub(in crate::simd) struct Avx512;

const TWO_52: f64 = (1u64 << 52) as f64;
const TWO_104: f64 = TWO_52 * TWO_52;
const TRUNCATE: i32 = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;

/// 8×8 transposition of 64-bit integers.
#[inline(always)]
pub(super) fn transpose8(rows: &mut [__m512i]) {
    // SAFETY: as for `Lanes`: the caller runs on a processor with AVX-512F.
    unsafe {
        let low = |a, b| _mm512_unpacklo_epi64(a, b);
        let high = |a, b| _mm512_unpackhi_epi64(a, b);
        for block in rows.chunks_exact_mut(8) {
            let pairs = [
                low(block[0], block[1]),
                high(block[0], block[1]),
                low(block[2], block[3]),
                high(block[2], block[3]),
                low(block[4], block[5]),
                high(block[4], block[5]),
                low(block[6], block[7]),
                high(block[6], block[7]),
            ];
            // 128-bit pieces 0 and 2 (even words), then 1 and 3, of two vectors
            for odd in 0..2 {
                let (a, b, c, d) = (pairs[odd], pairs[odd + 2], pairs[odd + 4], pairs[odd + 6]);
                let (ab_even, ab_odd) =
                    (_mm512_shuffle_i64x2::<0b1000_1000>(a, b), _mm512_shuffle_i64x2::<0b1101_1101>(a, b));
                let (cd_even, cd_odd) =
                    (_mm512_shuffle_i64x2::<0b1000_1000>(c, d), _mm512_shuffle_i64x2::<0b1101_1101>(c, d));
                block[odd] = _mm512_shuffle_i64x2::<0b1000_1000>(ab_even, cd_even);
                block[4 + odd] = _mm512_shuffle_i64x2::<0b1101_1101>(ab_even, cd_even);
                block[2 + odd] = _mm512_shuffle_i64x2::<0b1000_1000>(ab_odd, cd_odd);
                block[6 + odd] = _mm512_shuffle_i64x2::<0b1101_1101>(ab_odd, cd_odd);
            }
        }
    }
}

/// What the two AVX-512 variants share.
macro_rules! common {
    () => {
        const COUNT: usize = 8;
        type Int = __m512i;

        #[inline(always)]
        fn splat(value: u64) -> __m512i {
            // SAFETY: as for `Lanes`.
            unsafe { _mm512_set1_epi64(value as i64) }
        }
        #[inline(always)]
        fn read(from: &[u64]) -> __m512i {
            // SAFETY: as for `Lanes`; the slice has the eight words that are read.
            unsafe { _mm512_loadu_si512(from[..8].as_ptr().cast()) }
        }
        #[inline(always)]
        fn write(value: __m512i, to: &mut [u64]) {
            // SAFETY: as for `Lanes`; the slice has the eight words that are written.
            unsafe { _mm512_storeu_si512(to[..8].as_mut_ptr().cast(), value) }
        }
        #[inline(always)]
        fn prefetch(at: &[u64]) {
            // SAFETY: as for `Lanes`; a prefetch reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at.as_ptr().cast()) }
        }
        #[inline(always)]
        fn widen(from: &[u32]) -> __m512i {
            // SAFETY: as for `Lanes`; the slice has the eight words that are read.
            unsafe { _mm512_cvtepu32_epi64(_mm256_loadu_si256(from[..8].as_ptr().cast())) }
        }
        #[inline(always)]
        fn add(a: __m512i, b: __m512i) -> __m512i {
            // SAFETY: as for `Lanes`.
            unsafe { _mm512_add_epi64(a, b) }
        }
        #[inline(always)]
        fn sub(a: __m512i, b: __m512i) -> __m512i {
            // SAFETY: as for `Lanes`.
            unsafe { _mm512_sub_epi64(a, b) }
        }
        #[inline(always)]
        fn and(a: __m512i, b: __m512i) -> __m512i {
            // SAFETY: as for `Lanes`.
            unsafe { _mm512_and_si512(a, b) }
        }
        #[inline(always)]
        fn or(a: __m512i, b: __m512i) -> __m512i {
            // SAFETY: as for `Lanes`.
            unsafe { _mm512_or_si512(a, b) }
        }
        #[inline(always)]
        fn shr(a: __m512i, bits: u32) -> __m512i {
            // SAFETY: as for `Lanes`.
            unsafe { _mm512_srl_epi64(a, _mm_cvtsi32_si128(bits as i32)) }
        }
        #[inline(always)]
        fn shl(a: __m512i, bits: u32) -> __m512i {
            // SAFETY: as for `Lanes`.
            unsafe { _mm512_sll_epi64(a, _mm_cvtsi32_si128(bits as i32)) }
        }
        #[inline(always)]
        fn select(sign: __m512i, negative: __m512i, other: __m512i) -> __m512i {
            // SAFETY: as for `Lanes`.
            unsafe { _mm512_mask_blend_epi64(_mm512_movepi64_mask(sign), other, negative) }
        }
        #[inline(always)]
        fn transpose(rows: &mut [__m512i]) {
            $crate::simd::lanes::avx512::transpose8(rows);
        }
    };
}
pub(super) use common;

impl Lanes for Avx512 {
    common!();
    const LOW_BIAS: u64 = TWO_52.to_bits();
    const HIGH_BIAS: u64 = TWO_104.to_bits();
    type Factor = __m512d;

    #[inline(always)]
    fn factor(a: __m512i) -> __m512d {
        // SAFETY: as for `Lanes`.
        unsafe { _mm512_cvtepi64_pd(a) }
    }
    #[inline(always)]
    fn multiply_add(a: __m512d, b: __m512d, low: &mut __m512i, high: &mut __m512i) {
        // SAFETY: as for `Lanes`.
        unsafe {
            let upper = _mm512_fmadd_round_pd::<TRUNCATE>(a, b, _mm512_set1_pd(TWO_104));
            let lower = _mm512_fmadd_round_pd::<TRUNCATE>(a, b, _mm512_sub_pd(_mm512_set1_pd(TWO_104 + TWO_52), upper));
            *high = _mm512_add_epi64(*high, _mm512_castpd_si512(upper));
            *low = _mm512_add_epi64(*low, _mm512_castpd_si512(lower));
        }
    }
    #[inline(always)]
    fn multiply_low(a: __m512i, b: __m512d) -> __m512d {
        // SAFETY: as for `Lanes`.
        unsafe {
            let a = Self::factor(_mm512_and_si512(a, _mm512_set1_epi64(MASK as i64)));
            let upper = _mm512_fmadd_round_pd::<TRUNCATE>(a, b, _mm512_set1_pd(TWO_104));
            let lower = _mm512_fmadd_round_pd::<TRUNCATE>(a, b, _mm512_sub_pd(_mm512_set1_pd(TWO_104 + TWO_52), upper));
            _mm512_sub_pd(lower, _mm512_set1_pd(TWO_52))
        }
    }
    #[inline(always)]
    fn call(a: [__m512i; 5], b: [__m512i; 5], f: impl Binary<Self>) -> [__m512i; 5] {
        #[target_feature(enable = "avx512f,avx512dq")]
        #[inline(never)]
        fn apply(a: [__m512i; 5], b: [__m512i; 5], f: impl Binary<Avx512>) -> [__m512i; 5] {
            f.apply(a, b)
        }
        // SAFETY: as for `Lanes`.
        unsafe { apply(a, b, f) }
    }
}
