//! Pooling.
//!
//! A maximum over a window is a tournament: `m_0` is the first tap of the window, `r_t = relu(tap_t - m_(t-1))`, `m_t =
//! m_(t-1) + r_t`. Only the `r_t` are layers; `m_t` stays a sum until somebody reads it. The axes of the plane are
//! pooled one after the other, the axis that shrinks the tensor most first. For 2 x 2 over a tensor of N cells that is
//! 1.75 N committed cells and N lookups; for 3 x 3 with stride 2 it is 3.25 N and not 4.25 N. (The rule Maximum would
//! look up every cell of every window.)

use super::expr::{AxisMap, Expr};
use super::lower::{Lowerer, Value};
use super::movement::map_axis;
use super::{Node, Refusal};
use crate::net::Kind;
use assay_circuits::model::{Binary, Instruction};
use tract_onnx::tract_core::ops::cnn::{MaxPool, PoolSpec, SumPool};

/// Longest side of a max pool's window: each place of it is a layer.
const MAX_STEPS: usize = 64;

/// Along one axis: for each output and place of the kernel, the input that is read; `None` in the padding.
struct Taps {
    axis: usize,
    kernel: usize,
    inputs: usize,
    reads: Vec<Vec<Option<usize>>>,
    /// Places of each window that count towards its mean, padding included where that counts.
    counted: Vec<usize>,
}

fn taps(lowerer: &Lowerer, node: &Node<'_>, spec: &PoolSpec, include_pad: bool) -> Result<Vec<Taps>, Refusal> {
    let shape = node.input_shape(0)?;
    let n = usize::from(spec.data_format.has_n());
    let start = if spec.data_format.c_is_last() { n } else { n + 1 };
    let spatial = spec.kernel_shape.len();
    let hw: Vec<usize> = shape[start..start + spatial].to_vec();
    let computed = spec.computed_padding(&hw);
    let (strides, dilations) = (spec.strides(), spec.dilations());
    let of = |i: usize| {
        let (before, after) = (computed[i].pad_before, computed[i].pad_after);
        let place =
            |out: usize, k: usize| (out * strides[i] + k * dilations[i]).checked_sub(before).filter(|at| *at < hw[i]);
        let reads: Vec<Vec<Option<usize>>> =
            (0..computed[i].convoluted).map(|out| (0..spec.kernel_shape[i]).map(|k| place(out, k)).collect()).collect();
        let padded = |out: usize, k: usize| out * strides[i] + k * dilations[i] < before + hw[i] + after;
        let counted = (0..computed[i].convoluted)
            .map(|out| {
                (0..spec.kernel_shape[i])
                    .filter(|k| if include_pad { padded(out, *k) } else { place(out, *k).is_some() })
                    .count()
            })
            .collect();
        Taps { axis: start + i + lowerer.lead(), kernel: spec.kernel_shape[i], inputs: hw[i], reads, counted }
    };
    Ok((0..spatial).map(of).collect())
}

pub fn max_pool(lowerer: &mut Lowerer, node: &Node<'_>, op: &MaxPool) -> Result<Value, Refusal> {
    if op.with_index_outputs.is_some() {
        return Err(Refusal::Form("the second output, indices"));
    }
    let mut taps = taps(lowerer, node, &op.pool_spec, false)?;
    if taps.iter().any(|t| t.kernel > MAX_STEPS) {
        return Err(Refusal::TooLarge);
    }
    taps.sort_by(|a, b| {
        let shrink = |t: &Taps| t.reads.len() as f64 / t.inputs as f64;
        shrink(a).total_cmp(&shrink(b)).then(b.axis.cmp(&a.axis))
    });
    let mut pooled = lowerer.column(&node.input(0)?.clone())?;
    for taps in &taps {
        let mut best: Option<Expr> = None;
        for k in 0..taps.kernel {
            // a tap in the padding is replaced by another one of its window
            let map: AxisMap = taps
                .reads
                .iter()
                .enumerate()
                .filter_map(|(out, reads)| {
                    Some((out as u32, reads[k].or_else(|| reads.iter().copied().flatten().next())? as u32, 1.0))
                })
                .collect();
            let candidate = map_axis(lowerer, pooled.clone(), taps.axis, &map, taps.reads.len())?;
            best = Some(match best {
                None => candidate,
                Some(best) => {
                    let difference = candidate.plus(best.clone().affine(-1.0, 0.0));
                    let lazy = lowerer.lazy(difference);
                    let relu = [Instruction::Argument, Instruction::constant(0.0), Instruction::Binary(Binary::Max)];
                    let excess = lowerer.apply(&lazy, &relu, lazy.kind);
                    let excess = lowerer.column(&Value::Lazy(excess))?;
                    best.plus(excess)
                }
            });
        }
        pooled = best.ok_or(Refusal::Window)?;
    }
    Ok(lowerer.value(pooled))
}

/// Sums and means: a map along each axis, and one factor where all windows have the same number of places.
pub fn sum_pool(lowerer: &mut Lowerer, node: &Node<'_>, op: &SumPool) -> Result<Value, Refusal> {
    let taps = taps(lowerer, node, &op.pool_spec, op.count_include_pad)?;
    let (mut expr, mut factor) = super::elementwise::operand_of(lowerer, &node.input(0)?.clone())?;
    for taps in &taps {
        let first = taps.counted.first().copied().unwrap_or(1).max(1);
        let uniform = !op.normalize || taps.counted.iter().all(|count| *count == first);
        if op.normalize && uniform {
            factor /= first as f64;
        }
        let mut map: AxisMap = Vec::new();
        for (out, (reads, count)) in taps.reads.iter().zip(&taps.counted).enumerate() {
            let weight = if uniform { 1.0 } else { 1.0 / (*count).max(1) as f64 };
            map.extend(reads.iter().flatten().map(|at| (out as u32, *at as u32, weight)));
        }
        expr = map_axis(lowerer, expr, taps.axis, &map, taps.reads.len())?;
    }
    Ok(lowerer.value(Expr { kind: Kind::Real, ..expr.affine(factor, 0.0) }))
}
