//! Convolutions and transposed ones: sums of products through windows.

use super::expr::{Expr, Term, log};
use super::lower::{Lowerer, Value, floats};
use super::{Node, Refusal};
use crate::net::{Kind, NetIndex, NetOperand, NetRun};
use assay_circuits::model::Window;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::cnn::{Conv, Deconv, KernelFormat, PoolSpec};
use tract_onnx::tract_core::ops::nn::DataFormat;

/// Where an image's axes are.
struct ImageAxes {
    batch: Option<usize>,
    channel: usize,
    planes: Vec<usize>,
}

fn image_axes(format: DataFormat, rank: usize) -> ImageAxes {
    let n = usize::from(format.has_n());
    let spatial = rank - n - 1;
    let (channel, start) = if format.c_is_last() { (rank - 1, n) } else { (n, n + 1) };
    ImageAxes { batch: format.has_n().then_some(0), channel, planes: (start..start + spatial).collect() }
}

/// A kernel as `[output channels, input channels of a group, …planes]`.
fn kernel_values(tensor: &Tensor, format: KernelFormat, group: usize) -> Result<(Vec<usize>, Vec<f32>), Refusal> {
    let (values, shape) = (floats(tensor)?, tensor.shape().to_vec());
    let rank = shape.len();
    let order: Vec<usize> = match format {
        KernelFormat::OIHW => (0..rank).collect(),
        KernelFormat::OHWI => [&[0, rank - 1][..], &(1..rank - 1).collect::<Vec<_>>()].concat(),
        KernelFormat::HWIO => [&[rank - 1, rank - 2][..], &(0..rank - 2).collect::<Vec<_>>()].concat(),
    };
    if format != KernelFormat::OIHW && group > 1 {
        return Err(Refusal::Form("a grouped convolution whose kernel is not laid out as O,I,H,W"));
    }
    let strides: Vec<usize> = (0..rank).map(|axis| shape[axis + 1..].iter().product()).collect();
    let new: Vec<usize> = order.iter().map(|axis| shape[*axis]).collect();
    let total: usize = new.iter().product();
    let at = |index: usize| {
        let (mut rest, mut from) = (index, 0);
        for (len, axis) in new.iter().zip(&order).rev() {
            from += rest % len * strides[*axis];
            rest /= len;
        }
        values[from]
    };
    Ok((new.clone(), (0..total).map(at).collect()))
}

pub fn conv(lowerer: &mut Lowerer, node: &Node<'_>, op: &Conv) -> Result<Value, Refusal> {
    if op.q_params.is_some() {
        return Err(Refusal::Quantised);
    }
    let Value::Constant(kernel) = node.input(1)? else { return Err(Refusal::NotConstant) };
    let (shape, values) = kernel_values(kernel, op.kernel_fmt, op.group)?;
    let input = node.input(0)?.clone();
    let spec = &op.pool_spec;
    let (source, factor) = super::elementwise::operand_of(lowerer, &input)?;
    let source = lowerer.readable(source)?;
    let lead = lowerer.lead();
    let axes = image_axes(spec.data_format, source.axes.len() - lead);
    let hw: Vec<usize> = axes.planes.iter().map(|axis| source.shape()[axis + lead]).collect();
    let windows = windows(spec, &hw, &shape[2..]);
    let value = convolution(lowerer, source, &axes, op.group, (&shape, &values), &windows)?;
    let value = match value {
        Value::Lazy(lazy) if factor != 1.0 => Value::Lazy(lowerer.scaled(&lazy, factor, 0.0)),
        value => value,
    };
    with_bias(lowerer, node, value, axes.channel)
}

fn with_bias(lowerer: &mut Lowerer, node: &Node<'_>, value: Value, channel: usize) -> Result<Value, Refusal> {
    if node.inputs() < 3 {
        return Ok(value);
    }
    let Value::Constant(bias) = node.input(2)? else { return Err(Refusal::NotConstant) };
    let values = floats(bias)?;
    if values.iter().all(|v| *v == 0.0) {
        return Ok(value);
    }
    let Value::Lazy(lazy) = &value else { return Err(Refusal::Layout) };
    let rank = lowerer.axes(lazy).len() - lowerer.lead();
    let mut shape = vec![1; rank];
    if values.len() > 1 {
        shape[channel] = values.len();
    }
    let bias = Tensor::from_shape(&shape, &values).map_err(|_| Refusal::Type)?;
    super::elementwise::sum(lowerer, &value, &Value::Constant(bias.into()), 1.0)
}

/// Along each plane axis: the window, its outputs and inputs as computed by tract.
fn windows(spec: &PoolSpec, hw: &[usize], kernel: &[usize]) -> Vec<Window> {
    let computed = spec.computed_padding(hw);
    let (strides, dilations) = (spec.strides(), spec.dilations());
    let window = |i: usize| Window {
        outputs: computed[i].convoluted as u32,
        kernel: kernel[i] as u32,
        inputs: hw[i] as u32,
        stride: strides[i] as u32,
        dilation: dilations[i] as u32,
        padding: computed[i].pad_before as u32,
    };
    (0..hw.len()).map(window).collect()
}

fn convolution(
    lowerer: &mut Lowerer,
    source: Expr,
    axes: &ImageAxes,
    group: usize,
    (shape, values): (&[usize], &[f32]),
    windows: &[Window],
) -> Result<Value, Refusal> {
    let lead = lowerer.lead();
    // planes of one atom each, read as they stand; channels cut at the groups
    let mut source = source;
    for plane in &axes.planes {
        let axis = plane + lead;
        let first = source.first_atom(axis);
        // what no run reads is the same all along the axis, but not in the padding
        let read =
            |atom: usize| source.as_operand().is_some_and(|operand| super::expr::operand_names(operand, atom as u8));
        let one =
            source.axes[axis].len() <= 1 && source.axes[axis].iter().all(|_| source.is_plain(first) && read(first));
        if !one {
            source = lowerer.merged(source, axis)?;
            source = lowerer.copied(&source)?;
        }
    }
    let (outputs, per_group) = (shape[0] / group, shape[1]);
    let channel = axes.channel + lead;
    let mut in_channel: Vec<usize> = source.axes[channel].clone();
    let mut groups: Vec<usize> = Vec::new();
    if group > 1 {
        let wanted: Vec<usize> = [group, per_group].into_iter().filter(|len| *len > 1).collect();
        if in_channel != wanted {
            let merged = lowerer.merged(source, channel)?;
            source = lowerer.refined(merged, channel, &wanted)?;
        }
        groups = vec![group];
        in_channel = wanted[1..].to_vec();
    }
    // numbers: the result's atoms in the order of its axes, then kernel places and input channels
    let rank = source.axes.len();
    let out_channel: Vec<usize> = groups.iter().copied().chain((outputs > 1).then_some(outputs)).collect();
    let mut result: Vec<Vec<usize>> = Vec::with_capacity(rank);
    for axis in 0..rank {
        result.push(match axes.planes.iter().position(|plane| plane + lead == axis) {
            Some(i) if windows[i].outputs > 1 => vec![windows[i].outputs as usize],
            Some(_) => Vec::new(),
            None if axis == channel => out_channel.clone(),
            None => source.axes[axis].clone(),
        });
    }
    let outside = |window: &Window| (0..window.outputs).all(|o| (0..window.kernel).all(|k| window.at(o, k).is_none()));
    if windows.iter().any(outside) {
        // every window lies in the padding
        return Ok(lowerer.value(Expr { kind: Kind::Real, ..Expr::constant(0.0, result) }));
    }
    let first = |axis: usize| result[..axis].iter().map(Vec::len).sum::<usize>();
    let count = result.iter().map(Vec::len).sum::<usize>();
    let mut summed: Vec<usize> = Vec::new();
    let mut kernel_ids = Vec::new();
    // the last plane's kernel is the lowest variable
    for window in windows.iter().rev() {
        kernel_ids.push((window.kernel > 1).then_some((count + summed.len()) as u8));
        summed.extend((window.kernel > 1).then_some(window.kernel as usize));
    }
    kernel_ids.reverse();
    let channel_ids: Vec<u8> = (0..in_channel.len()).map(|k| (count + summed.len() + k) as u8).collect();
    // innermost atoms first among the variables, so that weights fold row by row
    let channel_ids: Vec<u8> = channel_ids.into_iter().rev().collect();
    summed.extend(in_channel.iter().rev());
    // the source
    let old = source.clone();
    let mut operand = Lowerer::operand(&source)?;
    let old_first = |axis: usize| old.first_atom(axis);
    for run in &mut operand.runs {
        let of = |id: u8| {
            (0..rank)
                .find(|axis| (old_first(*axis)..old_first(*axis) + old.axes[*axis].len()).contains(&usize::from(id)))
                .unwrap_or(0)
        };
        let renumbered = |id: u8| {
            let (axis, at) = (of(id), usize::from(id) - old_first(of(id)));
            if axis != channel {
                return (first(axis) + at) as u8;
            }
            if at < groups.len() { (first(channel) + at) as u8 } else { channel_ids[at - groups.len()] }
        };
        match &mut run.index {
            NetIndex::Axis(id) => {
                let axis = of(*id);
                match axes.planes.iter().position(|plane| plane + lead == axis) {
                    Some(i) => {
                        run.index = window_index(
                            &windows[i],
                            (windows[i].outputs > 1).then(|| first(axis) as u8),
                            kernel_ids[i],
                        )
                    }
                    None => *id = renumbered(*id),
                }
            }
            NetIndex::Map { axis, .. } => *axis = axis.map(renumbered),
            NetIndex::Window { out, kernel, .. } => (*out, *kernel) = (renumbered(*out), renumbered(*kernel)),
        }
    }
    // a plane of one place has no run: what its window reads of it is a question of the kernel's place alone
    for (i, plane) in axes.planes.iter().enumerate() {
        if old.axes[plane + lead].is_empty() && (windows[i].kernel > 1 || windows[i].outputs > 1) {
            let index =
                window_index(&windows[i], (windows[i].outputs > 1).then(|| first(plane + lead) as u8), kernel_ids[i]);
            operand.runs.push(NetRun { log_len: 0, index });
        }
    }
    // the weights: output channels above groups' input channels above the kernel's planes
    let mut dims: Vec<usize> = Vec::new();
    let mut ids: Vec<u8> = Vec::new();
    for (k, len) in out_channel.iter().enumerate() {
        dims.push(*len);
        ids.push((first(channel) + k) as u8);
    }
    dims.extend(&in_channel);
    ids.extend(&channel_ids);
    for (window, id) in windows.iter().zip(&kernel_ids) {
        dims.extend(id.map(|_| window.kernel as usize));
        ids.extend(id);
    }
    let weight = lowerer.weight(&dims, values)?;
    let runs = dims
        .iter()
        .zip(&ids)
        .rev()
        .map(|(len, id)| NetRun { log_len: log(*len), index: NetIndex::Axis(*id) })
        .collect();
    let left = NetOperand { source: weight, runs };
    if summed.is_empty() && !super::expr::operand_names(&operand, 0) && dims.is_empty() {
        // one number by another
        let coefficient = f64::from(*values.first().ok_or(Refusal::Layout)?);
        let term = Term { coefficient, left: operand, right: None, summed };
        return Ok(lowerer.value(Expr { axes: result, terms: vec![term], constant: 0.0, kind: Kind::Real }));
    }
    let term = Term { coefficient: 1.0, left, right: Some(operand), summed };
    let _ = axes.batch;
    Ok(lowerer.value(Expr { axes: result, terms: vec![term], constant: 0.0, kind: Kind::Real }))
}

/// How a run follows a window one or both of whose axes may have one place.
fn window_index(window: &Window, out: Option<u8>, kernel: Option<u8>) -> NetIndex {
    match (out, kernel) {
        (Some(out), Some(kernel)) => NetIndex::Window { out, kernel, window: *window },
        (Some(axis), None) => {
            let entries = (0..window.outputs).filter_map(|o| Some((o, window.at(o, 0)? as u32, 1.0)));
            NetIndex::Map { axis: Some(axis), entries: entries.collect() }
        }
        (None, Some(axis)) => {
            let entries = (0..window.kernel).filter_map(|k| Some((k, window.at(0, k)? as u32, 1.0)));
            NetIndex::Map { axis: Some(axis), entries: entries.collect() }
        }
        (None, None) => {
            NetIndex::Map { axis: None, entries: window.at(0, 0).map(|at| (0, at as u32, 1.0)).into_iter().collect() }
        }
    }
}

/// A transposed convolution: the input with zeros between its places, convolved with the kernel turned around.
pub fn deconv(lowerer: &mut Lowerer, node: &Node<'_>, op: &Deconv) -> Result<Value, Refusal> {
    let Value::Constant(kernel) = node.input(1)? else { return Err(Refusal::NotConstant) };
    let spec = &op.pool_spec;
    let lead = lowerer.lead();
    let mut source = lowerer.natural(&node.input(0)?.clone())?;
    let axes = image_axes(spec.data_format, source.axes.len() - lead);
    let (shape, values) = kernel_values(kernel, op.kernel_format, 1)?;
    let (outputs, inputs) = (shape[0], shape[1]);
    let kernel_hw: Vec<usize> = shape[2..].to_vec();
    let hw: Vec<usize> = axes.planes.iter().map(|axis| source.shape()[axis + lead]).collect();
    let output = node.output_shape(0)?;
    let (strides, dilations) = (spec.strides().to_vec(), spec.dilations().to_vec());
    let computed = spec
        .padding
        .compute_for_deconv(&hw, &kernel_hw, &dilations, &strides, &op.adjustments)
        .map_err(|_| Refusal::Window)?;
    let mut windows = Vec::new();
    for (i, plane) in axes.planes.iter().enumerate() {
        let (stride, dilation) = (strides[i], dilations[i]);
        let stuffed = (hw[i] - 1) * stride + 1;
        if stride > 1 && hw[i] > 1 {
            let map = (0..hw[i] as u32).map(|at| (at * stride as u32, at, 1.0)).collect();
            let column = lowerer.copied(&source)?;
            let expr = column.mapped(plane + lead, &map, stuffed).ok_or(Refusal::Layout)?;
            source = lowerer.copied(&expr)?;
        }
        let reach = (kernel_hw[i] - 1) * dilation;
        let before = computed[i].pad_before;
        // output o gets what input i sends to i·stride + k·dilation - before: k turned around reads o - reach + before
        // + k·dilation
        let Some(padding) = reach.checked_sub(before) else { return Err(Refusal::Window) };
        windows.push(Window {
            outputs: output[*plane] as u32,
            kernel: kernel_hw[i] as u32,
            inputs: stuffed as u32,
            stride: 1,
            dilation: dilation as u32,
            padding: padding as u32,
        });
    }
    // tract's kernel for a group is [outputs, inputs of the group]
    let planes: usize = kernel_hw.iter().product();
    let (groups, per_out) = (op.group, spec.output_channels / op.group);
    let per_in = spec.input_channels / op.group;
    if outputs * inputs != groups * per_out * per_in && outputs * inputs != per_out * per_in * groups {
        return Err(Refusal::Form("a transposed convolution of this kernel"));
    }
    let mut turned = vec![0.0; spec.output_channels * per_in * planes];
    for co in 0..spec.output_channels {
        for ci in 0..per_in {
            for at in 0..planes {
                let from = deconv_kernel_at(co, ci, groups, per_out, per_in, outputs, inputs) * planes + at;
                // the kernel turned around in every plane
                turned[(co * per_in + ci) * planes + (planes - 1 - at)] = *values.get(from).ok_or(Refusal::Window)?;
            }
        }
    }
    let new_shape: Vec<usize> = [&[spec.output_channels, per_in][..], &kernel_hw].concat();
    let value = convolution(lowerer, source, &axes, groups, (&new_shape, &turned), &windows)?;
    with_bias(lowerer, node, value, axes.channel)
}

/// The row of a transposed convolution's kernel for an output channel and an input channel of its group.
fn deconv_kernel_at(
    co: usize,
    ci: usize,
    groups: usize,
    per_out: usize,
    per_in: usize,
    rows: usize,
    columns: usize,
) -> usize {
    let group = co / per_out;
    if rows == per_out && columns == per_in * groups {
        // [outputs of a group, all inputs]
        (co % per_out) * columns + group * per_in + ci
    } else {
        co * columns + ci
    }
}
