//! Vector arithmetic: AVX-512 with or without IFMA, AVX2, found at run time. The only unsafe code of the prover is
//! here.
//!
//! [`lanes`] is what the code asks of an instruction set, [`field`] field elements in lanes, [`affine`] additions of
//! points, [`rounds`] rounds of sumchecks, [`small`] sums with small integers, [`ntt`] butterflies, [`program`]
//! programs on several rows. Everything is generic over the lanes and inlined into the few functions below, each
//! compiled for one instruction set. Everywhere else the prover knows only [`Isa`], and has a scalar version that the
//! tests compare with.

#![allow(unsafe_code)]

mod affine;
mod field;
mod lanes;
mod ntt;
mod program;
mod rounds;
mod small;

pub(crate) use ntt::BLOCK;
pub(crate) use program::{Limbs, Prepared};
pub(crate) use rounds::Nodes;
pub(crate) use small::raw_limbs;

use ark_bn254::{Fq, Fq2, Fr, g1, g2};
use ark_ec::AffineRepr;
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_ff::{AdditiveGroup, BigInt, Field, PrimeField};
use std::sync::OnceLock;

/// Vector instructions that this processor has: only [`Isa::available`] makes one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Isa(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// AVX-512 F, DQ and IFMA: eight lanes.
    Avx512Ifma,
    /// AVX-512 F and DQ: eight lanes.
    Avx512,
    /// AVX2 and FMA: four lanes.
    Avx2,
}

impl std::fmt::Display for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Kind::Avx512Ifma => "AVX-512 with IFMA",
            Kind::Avx512 => "AVX-512",
            Kind::Avx2 => "AVX2",
        })
    }
}

impl std::fmt::Debug for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Isa {
    /// What this processor has, the fastest first. Empty on other architectures than x86-64.
    pub fn available() -> &'static [Isa] {
        static FOUND: OnceLock<Vec<Isa>> = OnceLock::new();
        FOUND.get_or_init(|| {
            let mut found = Vec::new();
            #[cfg(target_arch = "x86_64")]
            {
                let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq");
                if avx512 && is_x86_feature_detected!("avx512ifma") {
                    found.push(Isa(Kind::Avx512Ifma));
                }
                if avx512 {
                    found.push(Isa(Kind::Avx512));
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    found.push(Isa(Kind::Avx2));
                }
            }
            // Not every kind is on the machine that the tests ran on, so each shows here, once, that it computes right.
            found.retain(|isa| {
                let right = agrees_with_scalars(*isa);
                if !right {
                    tracing::error!(
                        ?isa,
                        "vector instructions that compute wrongly are not used: please report the processor's model"
                    );
                }
                right
            });
            found
        })
    }

    /// The fastest, if there is any.
    pub fn best() -> Option<Isa> {
        Isa::available().first().copied()
    }
}

/// A round of a sumcheck over values from one end of the field to the other: it multiplies, adds, subtracts, reduces
/// and transposes.
fn agrees_with_scalars(isa: Isa) -> bool {
    let values: Vec<Fr> =
        std::iter::successors(Some(-Fr::ONE), |v| Some(v.square() * Fr::from(3u64) - Fr::ONE)).take(64).collect();
    let mut out = vec![Fr::ZERO; 32];
    let r = values[63];
    let done = bind(isa, &values, &r, &mut out);
    done > 0 && out.iter().zip(values.chunks(2)).take(done).all(|(out, v)| *out == v[0] + r * (v[1] - v[0]))
}

/// The coordinates of a point other than the identity as raw words below 2^256, `x` then `y`, on a cache line of its
/// own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct PointWords<const WORDS: usize>(pub(crate) [u64; WORDS]);

/// Additions to be done. A term is twice a point's index, plus 1 if it is subtracted.
#[derive(Default)]
pub(crate) struct Pairs {
    len: usize,
    left: Vec<u32>,
    right: Vec<u32>,
    to: Vec<u32>,
    /// Limbs of intermediate products, for [`VectorCurve::add_pairs`] alone.
    limbs: Vec<u64>,
}

impl Pairs {
    /// Empties it and makes room for `len` pairs.
    pub(crate) fn reserve(&mut self, len: usize) {
        self.len = 0;
        // and for those that fill the last vector
        let need = (len + 8).max(self.to.len());
        for column in [&mut self.left, &mut self.right, &mut self.to] {
            column.resize(need, 0);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a pair, for which there is room.
    #[inline]
    pub(crate) fn push(&mut self, left: u32, right: u32, to: u32) {
        let i = self.len;
        (self.left[i], self.right[i], self.to[i]) = (left, right, to);
        self.len += 1;
    }

    /// The terms on the left.
    pub(crate) fn left(&self) -> &[u32] {
        &self.left[..self.len]
    }

    /// The terms on the right.
    pub(crate) fn right(&self) -> &[u32] {
        &self.right[..self.len]
    }

    /// Where the sums go.
    pub(crate) fn to(&self) -> &[u32] {
        &self.to[..self.len]
    }

    /// The number of vectors of `count` pairs; the last one is filled by repeating the last pair, which is then
    /// computed again.
    fn pad(&mut self, count: usize) -> usize {
        let vectors = self.len.div_ceil(count);
        for i in self.len..vectors * count {
            (self.left[i], self.right[i], self.to[i]) =
                (self.left[self.len - 1], self.right[self.len - 1], self.to[self.len - 1]);
        }
        vectors
    }
}

/// A curve whose points can be added in lanes.
pub(crate) trait VectorCurve: SWCurveConfig {
    /// A point's coordinates; zeros are the identity, which no vector function takes.
    type Words: Copy + Send + Sync + PartialEq + std::fmt::Debug;
    /// The identity.
    const IDENTITY: Self::Words;
    /// In arkworks' Montgomery form.
    fn to_words(point: &Affine<Self>) -> Self::Words;
    /// The inverse.
    fn from_words(words: &Self::Words) -> Affine<Self>;
    /// The point with the other sign, in either form.
    fn negate(words: &Self::Words) -> Self::Words;
    /// `out[to] = ±points[left] ± points[right]` for all pairs, in the vectors' form. False, with `out` undefined, if
    /// the identity or an exceptional addition (equal or opposite points) is among them.
    fn add_pairs(isa: Isa, points: &[Self::Words], pairs: &mut Pairs, out: &mut [Self::Words]) -> bool;
    /// In place from arkworks' Montgomery form to the vectors', or back.
    fn convert(isa: Isa, points: &mut [Self::Words], import: bool);
}

/// `-y` for `y < 2p`; below p if `y` is.
fn negate_words(y: &mut [u64]) {
    if y.iter().all(|word| *word == 0) {
        return;
    }
    let subtract = |from: [u64; 4]| {
        let mut borrow = false;
        let difference: [u64; 4] = std::array::from_fn(|i| {
            let (d, first) = from[i].overflowing_sub(y[i]);
            let (d, second) = d.overflowing_sub(u64::from(borrow));
            borrow = first | second;
            d
        });
        (difference, borrow)
    };
    let p = Fq::MODULUS.0;
    let twice = [p[0] << 1, p[1] << 1 | p[0] >> 63, p[2] << 1 | p[1] >> 63, p[3] << 1 | p[2] >> 63];
    let (below, negative) = subtract(p);
    let negated = if negative { subtract(twice).0 } else { below };
    y.copy_from_slice(&negated);
}

fn fq(words: &[u64]) -> Fq {
    Fq::new_unchecked(BigInt([words[0], words[1], words[2], words[3]]))
}

/// One function for each instruction set, and the choice between them.
macro_rules! dispatch {
    ($visibility:vis $name:ident = $function:path, ($($argument:ident: $type:ty),*) -> $output:ty) => {
        $visibility fn $name(isa: Isa, $($argument: $type),*) -> $output {
            #[cfg(target_arch = "x86_64")]
            {
                use lanes::{avx2::Avx2, avx512::Avx512, ifma::Ifma};
                use $function as function;
                #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
                fn ifma($($argument: $type),*) -> $output {
                    function::<Ifma>($($argument),*)
                }
                #[target_feature(enable = "avx512f,avx512dq")]
                fn avx512($($argument: $type),*) -> $output {
                    function::<Avx512>($($argument),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $type),*) -> $output {
                    function::<Avx2>($($argument),*)
                }
                // SAFETY: an `Isa` is only ever made by `Isa::available`, which asked the processor.
                unsafe {
                    match isa.0 {
                        Kind::Avx512Ifma => ifma($($argument),*),
                        Kind::Avx512 => avx512($($argument),*),
                        Kind::Avx2 => avx2($($argument),*),
                    }
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            {
                let _ = (isa, $($argument),*);
                unreachable!("there is no `Isa` on this architecture")
            }
        }
    };
}

dispatch!(add_pairs_g1 = affine::add_pairs_g1, (points: &[PointWords<8>], pairs: &mut Pairs, out: &mut [PointWords<8>]) -> bool);
dispatch!(add_pairs_g2 = affine::add_pairs_g2, (points: &[PointWords<16>], pairs: &mut Pairs, out: &mut [PointWords<16>]) -> bool);
dispatch!(convert_g1 = affine::convert_g1, (points: &mut [PointWords<8>], import: bool) -> ());
dispatch!(convert_g2 = affine::convert_g2, (points: &mut [PointWords<16>], import: bool) -> ());
dispatch!(pub(crate) bind = rounds::bind, (values: &[Fr], r: &Fr, out: &mut [Fr]) -> usize);
dispatch!(pub(crate) split = rounds::split, (values: &[Fr], x: &Fr, out: &mut [Fr]) -> usize);
dispatch!(pub(crate) add_scaled = rounds::add_scaled, (scale: &Fr, p: &[Fr], sum: &mut [Fr]) -> usize);
dispatch!(pub(crate) product_message = rounds::product_message, (a: &[Fr], b: &[Fr]) -> ([Fr; 2], usize));
dispatch!(pub(crate) weighted_sums = rounds::weighted_sums, (weights: &[Fr], a: &[Fr], b: &[Fr]) -> ([Fr; 3], usize));
dispatch!(pub(crate) combine = rounds::combine, (p: &[Fr], d: &[Fr], out_p: &mut [Fr], out_d: &mut [Fr]) -> usize);
dispatch!(pub(crate) combine_units = rounds::combine_units, (d: [&[Fr]; 4], out_p: &mut [Fr], out_d: &mut [Fr]) -> usize);
dispatch!(pub(crate) fold_columns = small::fold_columns, (cells: &[i32], width: usize, coefficients: &[[u64; 5]], out: &mut [Fr]) -> usize);
dispatch!(pub(crate) dot_rows = small::dot_rows, (cells: &[i32], values: &[[u64; 5]], out: &mut [Fr]) -> usize);
dispatch!(pub(crate) decimate_in_frequency = ntt::decimate_in_frequency, (a: &mut [Fr], b: &mut [Fr], w: &[Fr]) -> usize);
dispatch!(pub(crate) decimate_in_time = ntt::decimate_in_time, (a: &mut [Fr], b: &mut [Fr], w: &[Fr], last: bool) -> usize);
dispatch!(pub(crate) last_levels = ntt::last_levels, (x: &mut [Fr], w: &[Fr; BLOCK]) -> usize);
dispatch!(pub(crate) first_levels = ntt::first_levels, (x: &mut [Fr], w: &[Fr; BLOCK]) -> usize);
dispatch!(run_program = program::run, (prepared: &Prepared<'_>, reads: &[(&[Fr], usize)], memory: &mut [program::Limbs], out: &mut [Fr]) -> usize);
dispatch!(pub(crate) quartic_message = rounds::quartic_message, (nodes: Nodes<'_>, weights: &[Fr]) -> ([Fr; 5], usize));
dispatch!(pub(crate) quartic_bind = rounds::quartic_bind, (nodes: Nodes<'_>, r: &Fr, weights: &[Fr], out: &mut [&mut [Fr]]) -> ([Fr; 5], usize));

impl VectorCurve for g1::Config {
    type Words = PointWords<8>;
    const IDENTITY: PointWords<8> = PointWords([0; 8]);

    fn to_words(point: &Affine<Self>) -> PointWords<8> {
        let mut words = [0; 8];
        if let Some((x, y)) = point.xy() {
            words[..4].copy_from_slice(&x.0.0);
            words[4..].copy_from_slice(&y.0.0);
        }
        PointWords(words)
    }
    fn from_words(words: &PointWords<8>) -> Affine<Self> {
        let point = Affine::new_unchecked(fq(&words.0[..4]), fq(&words.0[4..]));
        if *words == Self::IDENTITY { Affine::identity() } else { point }
    }
    fn negate(words: &PointWords<8>) -> PointWords<8> {
        let mut words = *words;
        negate_words(&mut words.0[4..]);
        words
    }
    fn add_pairs(isa: Isa, points: &[PointWords<8>], pairs: &mut Pairs, out: &mut [PointWords<8>]) -> bool {
        add_pairs_g1(isa, points, pairs, out)
    }
    fn convert(isa: Isa, points: &mut [PointWords<8>], import: bool) {
        convert_g1(isa, points, import);
    }
}

impl VectorCurve for g2::Config {
    type Words = PointWords<16>;
    const IDENTITY: PointWords<16> = PointWords([0; 16]);

    fn to_words(point: &Affine<Self>) -> PointWords<16> {
        let mut words = [0; 16];
        if let Some((x, y)) = point.xy() {
            for (words, value) in words.chunks_exact_mut(4).zip([x.c0, x.c1, y.c0, y.c1]) {
                words.copy_from_slice(&value.0.0);
            }
        }
        PointWords(words)
    }
    fn from_words(words: &PointWords<16>) -> Affine<Self> {
        let value = |i: usize| Fq2::new(fq(&words.0[i..i + 4]), fq(&words.0[i + 4..i + 8]));
        if *words == Self::IDENTITY { Affine::identity() } else { Affine::new_unchecked(value(0), value(8)) }
    }
    fn negate(words: &PointWords<16>) -> PointWords<16> {
        let mut words = *words;
        words.0[8..].chunks_exact_mut(4).for_each(negate_words);
        words
    }
    fn add_pairs(isa: Isa, points: &[PointWords<16>], pairs: &mut Pairs, out: &mut [PointWords<16>]) -> bool {
        add_pairs_g2(isa, points, pairs, out)
    }
    fn convert(isa: Isa, points: &mut [PointWords<16>], import: bool) {
        convert_g2(isa, points, import);
    }
}
