//! Step 1 of a layer: the exact linear map.
//!
//! Dense layers and convolutions are dot products of 16-bit vectors. Products are summed in `i32` over blocks short enough not to overflow
//! (compilers turn that loop into multiply-and-add-pairs instructions), and blocks in `i64`. A convolution first writes out the patch of every
//! position of a strip, so that all strides and dilations cost the same.

use crate::model::{AxisMap, Dims, Layer, Term, Window};
use rayon::prelude::*;

/// Bytes of patches per strip: they stay in the second-level cache while every output channel passes over them.
const STRIP_BYTES: usize = 1 << 17;
/// Output channels that a thread computes at a time.
const CHANNELS: usize = 16;
/// Patches are padded to a multiple of this length, so that dot products have no odd ends.
const LANES: usize = 16;

/// Accumulators with the bias in every cell of a channel, padding positions included; 0 without bias.
pub(super) fn bias(layer: &Layer, bias: &[i32]) -> Vec<i64> {
    let mut z = vec![0; layer.dims.block_len()];
    for (cells, &b) in z.chunks_mut(1 << layer.dims.log_positions()).zip(bias) {
        cells.fill(b.into());
    }
    z
}

/// What a term of a valid architecture works on.
pub(super) struct Operands<'a> {
    /// The layer's dimensions.
    pub dims: Dims,
    /// The source's dimensions.
    pub from: Dims,
    /// The source's padded block; every value fits 16 bits.
    pub x: &'a [i32],
    /// The padded weight block; empty for terms without weights.
    pub matrix: &'a [i16],
    /// Bits of a weight.
    pub weight_bits: u8,
}

impl Operands<'_> {
    /// Adds a term to the accumulators.
    pub fn accumulate(&self, term: &Term, z: &mut [i64]) {
        match term {
            Term::Dense { .. } => self.dense(z),
            Term::Conv { window, .. } => self.conv(window, z),
            Term::Stencil { rows, cols, .. } => self.stencil(rows, cols, z),
            Term::Gather { coefficient, pairs, .. } => {
                for &(to, from) in pairs {
                    if let (Some(z), Some(&x)) = (z.get_mut(to as usize), self.x.get(from as usize)) {
                        *z += i64::from(*coefficient) * i64::from(x);
                    }
                }
            }
        }
    }

    /// How many products of a weight and a cell can be summed in an `i32`, at least 1.
    fn block(&self) -> usize {
        let size = self.x.iter().map(|x| x.unsigned_abs()).max().unwrap_or(0).max(1);
        let product = u64::from(size) << (self.weight_bits - 1);
        // 2^15 · 2^15 at most, so that one product always fits.
        ((i32::MAX as u64 / product).max(1)) as usize
    }

    fn narrow(&self) -> Vec<i16> {
        self.x.iter().map(|&x| x as i16).collect()
    }

    fn dense(&self, z: &mut [i64]) {
        // Padding cells have weight 0, so that whole rows can be multiplied; trailing padding channels are left out.
        let (x, block) = (self.narrow(), self.block());
        let used = (self.from.channels as usize) << self.from.log_positions();
        let rows = self.matrix.par_chunks_exact(x.len());
        z.par_iter_mut().zip(rows).take(self.dims.channels as usize).with_min_len(8).for_each(|(z, row)| {
            *z += dot(row.get(..used).unwrap_or(row), &x, block);
        });
    }

    fn conv(&self, window: &Window, z: &mut [i64]) {
        let kernels = self.kernels(window);
        let length = kernels.len() / (self.dims.channels as usize).max(1);
        let (x, block) = (self.narrow(), self.block());
        let (height, width) = (self.dims.height as usize, self.dims.width as usize);
        let strip = (STRIP_BYTES / 2 / length / width).clamp(1, height);
        let starts: Vec<usize> = (0..height).step_by(strip).collect();
        let sums: Vec<(usize, Vec<i64>)> = starts
            .into_par_iter()
            .map(|top| {
                let rows = top..(top + strip).min(height);
                let patches = self.patches(window, &x, rows, length);
                let some = |kernels| products(kernels, &patches, length, block);
                (top, kernels.par_chunks(CHANNELS * length).flat_map_iter(some).collect())
            })
            .collect();
        let (log_width, log_positions) = (self.dims.log_width(), self.dims.log_positions());
        for (top, sums) in sums {
            let positions = strip.min(height - top) * width;
            for (plane, sums) in z.chunks_mut(1 << log_positions).zip(sums.chunks_exact(positions)) {
                for (row, sums) in plane.chunks_mut(1 << log_width).skip(top).zip(sums.chunks_exact(width)) {
                    row.iter_mut().zip(sums).for_each(|(z, sum)| *z += sum);
                }
            }
        }
    }

    /// The kernels without padding, one after another: input channel, row, column; each padded to a multiple of [`LANES`].
    fn kernels(&self, window: &Window) -> Vec<i16> {
        let (log_height, log_width) = (window.log_height(), window.log_width());
        let [height, width] = window.kernel.map(|k| k as usize);
        let length = (self.from.channels as usize * height * width).next_multiple_of(LANES);
        let mut kernels = vec![0; self.dims.channels as usize * length];
        let pack = match log_width {
            0 => pack_lines::<1>,
            1 => pack_lines::<2>,
            2 => pack_lines::<4>,
            _ => pack_lines::<8>,
        };
        kernels.par_chunks_mut(length).enumerate().for_each(|(co, kernel)| {
            let first = co << (self.from.log_channels() + log_height + log_width);
            for ci in 0..self.from.channels as usize {
                let lines = self.matrix.get(first + (ci << (log_height + log_width))..).unwrap_or(&[]);
                pack(lines, 1 << log_width, &mut kernel[ci * height * width..], [height, width]);
            }
        });
        kernels
    }

    /// What each position of some output rows sees, in the order of [`Operands::kernels`].
    fn patches(&self, window: &Window, x: &[i16], rows: std::ops::Range<usize>, length: usize) -> Vec<i16> {
        let width = self.dims.width as usize;
        let [kernel_height, kernel_width] = window.kernel.map(|k| k as usize);
        let mut patches = vec![0; rows.len() * width * length];
        let vertical: Vec<_> = window.taps(0, self.dims.height, self.from.height).filter(|tap| rows.contains(&tap.0)).collect();
        let horizontal: Vec<_> = window.taps(1, self.dims.width, self.from.width).collect();
        for ci in 0..self.from.channels as usize {
            for &(oh, kh, ih) in &vertical {
                let line = ((ci << self.from.log_height()) | ih) << self.from.log_width();
                let target = (oh - rows.start) * width * length + (ci * kernel_height + kh) * kernel_width;
                for &(ow, kw, iw) in &horizontal {
                    if let (Some(slot), Some(&x)) = (patches.get_mut(target + ow * length + kw), x.get(line + iw)) {
                        *slot = x;
                    }
                }
            }
        }
        patches
    }

    fn stencil(&self, rows: &AxisMap, cols: &AxisMap, z: &mut [i64]) {
        if rows.entries.is_empty() || cols.entries.is_empty() {
            return;
        }
        let (to, from) = (1usize << self.dims.log_width(), 1usize << self.from.log_width());
        let planes = z.par_chunks_mut(1 << self.dims.log_positions()).zip(self.x.par_chunks(1 << self.from.log_positions()));
        planes.with_min_len(4).for_each(|(z, x)| {
            // Coefficients are not 0, so that the sums along a row are no larger than the final ones and cannot overflow either.
            let mut lines = vec![0i64; self.from.height as usize * to];
            for (line, x) in lines.chunks_exact_mut(to).zip(x.chunks_exact(from)) {
                for &(ow, iw, coefficient) in &cols.entries {
                    if let (Some(sum), Some(&x)) = (line.get_mut(ow as usize), x.get(iw as usize)) {
                        *sum += i64::from(coefficient) * i64::from(x);
                    }
                }
            }
            for &(oh, ih, coefficient) in &rows.entries {
                let target = z.get_mut(oh as usize * to..).into_iter().flatten();
                let line = lines.get(ih as usize * to..(ih as usize + 1) * to).unwrap_or(&[]);
                target.zip(line).for_each(|(z, sum)| *z += i64::from(coefficient) * sum);
            }
        });
    }
}

/// Copies the first `width` elements of each of `height` lines, which begin `pitch` elements apart, one after the other. Where there is room, `N` elements are
/// copied at a time, which is quicker than to copy as few as it takes; the next line overwrites what is too much, and behind the last one it does not matter.
fn pack_lines<const N: usize>(lines: &[i16], pitch: usize, to: &mut [i16], [height, width]: [usize; 2]) {
    for line in 0..height {
        let (Some(from), Some(to)) = (lines.get(line * pitch..), to.get_mut(line * width..)) else { return };
        match (from.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
            (Some(from), Some(to)) if width <= N => *to = *from,
            _ => to.iter_mut().zip(from).take(width).for_each(|(to, from)| *to = *from),
        }
    }
}

/// The dot products of every vector of `a` with every one of `b`, all of the same length: by the vectors of `a`, then by those of `b`. Four of `b` are taken
/// at a time, so that a load of `a` serves them all.
fn products(a: &[i16], b: &[i16], length: usize, block: usize) -> Vec<i64> {
    let count = b.len() / length;
    let mut out = Vec::with_capacity(a.len() / length * count);
    for a in a.chunks_exact(length) {
        let mut fours = b.chunks_exact(4 * length);
        for four in &mut fours {
            let (b0, rest) = four.split_at(length);
            let (b1, rest) = rest.split_at(length);
            let (b2, b3) = rest.split_at(length);
            let mut sums = [0i64; 4];
            for start in (0..length).step_by(block) {
                let range = start..length.min(start + block);
                let (a, b) = (&a[range.clone()], [b0, b1, b2, b3].map(|b| &b[range.clone()]));
                let mut part = [0i32; 4];
                for (i, a) in a.iter().enumerate() {
                    for (part, b) in part.iter_mut().zip(b) {
                        *part += i32::from(*a) * i32::from(b[i]);
                    }
                }
                sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += i64::from(part));
            }
            out.extend(sums);
        }
        out.extend(fours.remainder().chunks_exact(length).map(|b| dot(a, b, block)));
    }
    out
}

/// Dot product, exact if `block` products fit an `i32`. The shorter vector's length counts.
fn dot(a: &[i16], b: &[i16], block: usize) -> i64 {
    let sum = |(a, b): (&[i16], &[i16])| i64::from(a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>());
    a.chunks(block).zip(b.chunks(block)).map(sum).sum()
}
