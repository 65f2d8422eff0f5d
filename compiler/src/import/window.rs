//! Geometry of convolutions and pools.

use super::{Form, Op};
use crate::net::RealAxis;
use assay_circuits::model::{Dims, Window};

/// Most taps along an axis, all windows together.
const MAX_TAPS: u64 = 1 << 22;

/// A window with its output sizes, `[vertical, horizontal]`.
pub(super) struct Geometry {
    pub window: Window,
    /// Padding at the bottom and the right.
    pub end: [u32; 2],
    pub from: [u32; 2],
    pub out: [u32; 2],
}

impl Geometry {
    /// Reads strides, dilations, pads, `auto_pad` and `ceil_mode` of a node on an image of `rank` (3 or 4) axes.
    pub fn of(op: &Op<'_>, rank: usize, dims: Dims, kernel: &[i64]) -> Result<Self, Form> {
        let axes = rank - 2;
        let positive = |v: i64| u32::try_from(v).ok().filter(|v| (1..=1 << 20).contains(v)).ok_or(Form::Window);
        // A vector has one row.
        let pair = |list: &[i64]| -> Result<[u32; 2], Form> {
            match (list, axes) {
                ([w], 1) => Ok([1, positive(*w)?]),
                ([h, w], 2) => Ok([positive(*h)?, positive(*w)?]),
                _ => Err(Form::Window),
            }
        };
        let ones = [1i64; 2];
        let kernel = pair(kernel)?;
        let stride = pair(op.attributes.ints("strides").unwrap_or(&ones[..axes]))?;
        let dilation = pair(op.attributes.ints("dilations").unwrap_or(&ones[..axes]))?;
        let from = [dims.height, dims.width];
        let reach = |a: usize| (u64::from(kernel[a]) - 1) * u64::from(dilation[a]) + 1;
        let (begin, end) = pads(op, axes, from, stride, [reach(0), reach(1)])?;
        let ceil = op.attributes.int("ceil_mode", 0) != 0;
        let mut out = [0; 2];
        for a in 0..2 {
            let padded = u64::from(from[a]) + u64::from(begin[a]) + u64::from(end[a]);
            let room = padded.checked_sub(reach(a)).ok_or(Form::Window)?;
            let step = u64::from(stride[a]);
            let mut n = if ceil { room.div_ceil(step) } else { room / step } + 1;
            // A window may not start in the padding at the end.
            if ceil && (n - 1) * step >= u64::from(from[a]) + u64::from(begin[a]) {
                n -= 1;
            }
            if u64::from(begin[a]) >= reach(a) || u64::from(end[a]) >= reach(a) || u64::from(kernel[a]) * n > MAX_TAPS {
                return Err(Form::Window);
            }
            out[a] = n as u32;
        }
        Ok(Self { window: Window { kernel, stride, padding: begin, dilation }, end, from, out })
    }

    /// Dimensions of the result.
    pub fn dims(&self, channels: u32) -> Result<Dims, Form> {
        let dims = Dims::new(channels, self.out[0], self.out[1]);
        if channels == 0 || channels > 1 << 26 || dims.log_size() > super::MAX_LOG_BLOCK { Err(Form::TooLarge) } else { Ok(dims) }
    }

    /// The result's shape.
    pub fn shape(&self, rank: usize, channels: u32) -> Vec<u32> {
        if rank == 3 { vec![1, channels, self.out[1]] } else { vec![1, channels, self.out[0], self.out[1]] }
    }

    /// For each tap along an axis, the map that selects it. A tap that falls into the padding selects another tap of the same window,
    /// which changes no maximum.
    pub fn selections(&self, axis: usize) -> Result<Vec<RealAxis>, Form> {
        let mut taps = vec![vec![None; self.window.kernel[axis] as usize]; self.out[axis] as usize];
        for (out, k, at) in self.window.taps(axis, self.out[axis], self.from[axis]) {
            if let Some(slot) = taps.get_mut(out).and_then(|t| t.get_mut(k)) {
                *slot = Some(at as u32);
            }
        }
        let first: Vec<u32> = taps.iter().map(|t| t.iter().flatten().next().copied().ok_or(Form::Window)).collect::<Result<_, _>>()?;
        let select = |k: usize| {
            let entries = taps
                .iter()
                .zip(&first)
                .enumerate()
                .map(|(out, (t, &fallback))| (out as u32, t.get(k).copied().flatten().unwrap_or(fallback), 1.0));
            RealAxis::new(entries.collect())
        };
        Ok((0..self.window.kernel[axis] as usize).map(select).collect())
    }

    /// The averaging map of an axis: each position's taps over their number, which counts padding if `include_pad`.
    pub fn average(&self, axis: usize, include_pad: bool) -> Result<RealAxis, Form> {
        let (w, len, end) = (&self.window, u64::from(self.from[axis]), u64::from(self.end[axis]));
        let taps: Vec<_> = w.taps(axis, self.out[axis], self.from[axis]).collect();
        let mut counts = vec![0u32; self.out[axis] as usize];
        for (out, count) in counts.iter_mut().enumerate() {
            let at = |k: u32| out as u64 * u64::from(w.stride[axis]) + u64::from(k) * u64::from(w.dilation[axis]);
            let padding = u64::from(w.padding[axis]);
            let counted = |k: &u32| if include_pad { at(*k) < padding + len + end } else { (padding..padding + len).contains(&at(*k)) };
            *count = (0..w.kernel[axis]).filter(counted).count() as u32;
        }
        let entry = |(out, _, at): (usize, usize, usize)| {
            let count = counts.get(out).copied().filter(|c| *c > 0).ok_or(Form::Window)?;
            Ok((out as u32, at as u32, 1.0 / f64::from(count)))
        };
        Ok(RealAxis::new(taps.into_iter().map(entry).collect::<Result<_, _>>()?))
    }
}

fn pads(op: &Op<'_>, axes: usize, from: [u32; 2], stride: [u32; 2], reach: [u64; 2]) -> Result<([u32; 2], [u32; 2]), Form> {
    let same = |a: usize, upper: bool| {
        let out = u64::from(from[a]).div_ceil(u64::from(stride[a]));
        let total = ((out - 1) * u64::from(stride[a]) + reach[a]).saturating_sub(u64::from(from[a])) as u32;
        if upper { (total / 2, total - total / 2) } else { (total - total / 2, total / 2) }
    };
    match op.attributes.text("auto_pad") {
        "" | "NOTSET" => {
            let zeros = [0i64; 4];
            let list = op.attributes.ints("pads").unwrap_or(&zeros[..2 * axes]);
            let size = |v: i64| u32::try_from(v).ok().filter(|v| *v <= 1 << 20).ok_or(Form::Window);
            match (list, axes) {
                (&[l, r], 1) => Ok(([0, size(l)?], [0, size(r)?])),
                (&[t, l, b, r], 2) => Ok(([size(t)?, size(l)?], [size(b)?, size(r)?])),
                _ => Err(Form::Window),
            }
        }
        "VALID" => Ok(([0; 2], [0; 2])),
        mode @ ("SAME_UPPER" | "SAME_LOWER") => {
            let upper = mode == "SAME_UPPER";
            let ((t, b), (l, r)) = (same(0, upper), same(1, upper));
            Ok(([t, l], [b, r]))
        }
        _ => Err(Form::Attribute),
    }
}
