//! Max pools that also say where their maxima lie, and what puts them back there.

use super::{Writer, input, int, integer, integers, text};
use crate::onnx::GuardError;
use tract_onnx::pb::{self, tensor_proto::DataType};

/// Most elements of all windows of one channel.
const MAX_TAPS: usize = 1 << 16;

impl Writer<'_> {
    /// Every window as a row: its largest element, and the number of that in the tensor.
    pub(super) fn max_pool(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        if node.output.get(1).is_none_or(String::is_empty) {
            return Ok(false);
        }
        let Some(shape) = self.shape(input(node, 0)).filter(|shape| shape.len() > 2) else {
            return self.refused("a shape that is not known");
        };
        let planes: Vec<i64> = shape[2..].iter().map(|d| *d as i64).collect();
        let rank = planes.len();
        let list = |name: &str, default: i64, count: usize| match integers(node, name) {
            [] => vec![default; count],
            list => list.to_vec(),
        };
        let (kernel, strides) = (integers(node, "kernel_shape").to_vec(), list("strides", 1, rank));
        let (dilations, mut pads) = (list("dilations", 1, rank), list("pads", 0, 2 * rank));
        let auto = text(node, "auto_pad", "NOTSET").to_owned();
        if kernel.len() != rank || pads.len() != 2 * rank {
            return self.refused("a kernel or pads that do not fit");
        }
        let reach = |axis: usize| dilations[axis] * (kernel[axis] - 1) + 1;
        let mut outputs = Vec::with_capacity(rank);
        for axis in 0..rank {
            if auto.starts_with("SAME") {
                let count = (planes[axis] + strides[axis] - 1) / strides[axis];
                let total = ((count - 1) * strides[axis] + reach(axis) - planes[axis]).max(0);
                pads[axis] = if auto == "SAME_UPPER" { total / 2 } else { total - total / 2 };
                outputs.push(count);
                continue;
            }
            let room = planes[axis] + pads[axis] + pads[axis + rank] - reach(axis);
            let ceil = integer(node, "ceil_mode", 0) != 0;
            let mut count = if ceil { (room + strides[axis] - 1) / strides[axis] } else { room / strides[axis] } + 1;
            // a window that begins behind the input is none
            if ceil && (count - 1) * strides[axis] >= planes[axis] + pads[axis] {
                count -= 1;
            }
            outputs.push(count);
        }
        let windows: i64 = outputs.iter().product();
        let taps: i64 = kernel.iter().product();
        if windows < 1 || taps < 1 || (windows * taps) as usize > MAX_TAPS {
            return self.refused("places of maxima, and so many windows,");
        }
        let columns = integer(node, "storage_order", 0) != 0;
        let (mut reads, mut numbers) = (Vec::new(), Vec::new());
        for window in 0..windows {
            let mut row: Vec<Option<(i64, i64)>> = Vec::new();
            for tap in 0..taps {
                let (mut in_windows, mut in_taps, mut inside) = (window, tap, true);
                let mut at = vec![0; rank];
                for axis in (0..rank).rev() {
                    at[axis] = in_windows % outputs[axis] * strides[axis] + in_taps % kernel[axis] * dilations[axis]
                        - pads[axis];
                    (in_windows, in_taps) = (in_windows / outputs[axis], in_taps / kernel[axis]);
                    inside &= (0..planes[axis]).contains(&at[axis]);
                }
                let flat = at.iter().zip(&planes).fold(0, |flat, (at, length)| flat * length + at);
                let turned = at.iter().zip(&planes).rev().fold(0, |flat, (at, length)| flat * length + at);
                row.push(inside.then_some((flat, if columns { turned } else { flat })));
            }
            let Some(some) = row.iter().flatten().next().copied() else {
                return self.refused("a window that lies in the padding");
            };
            for tap in row {
                // a place in the padding stands for the window's first, which is found before it
                let (flat, number) = tap.unwrap_or(some);
                reads.push(flat);
                numbers.push(number as f32);
            }
        }
        let (batch, channels, plane) = (shape[0] as i64, shape[1] as i64, planes.iter().product::<i64>());
        let flat = self.reshaped(input(node, 0), &[batch * channels, plane]);
        let reads = self.whole_numbers(&[windows as usize, taps as usize], &reads);
        let rows = self.node("Gather", &[&flat, &reads], vec![int("axis", 1)]);
        let largest = self.reduced("ReduceMax", &rows, &[2]);
        let first = self.node("ArgMax", &[&rows], vec![int("axis", 2), int("keepdims", 1)]);
        let each: Vec<i64> = (0..taps).collect();
        let each = self.ints(&each);
        let hot = self.node("Equal", &[&first, &each], Vec::new());
        let hot = self.cast(&hot, DataType::Float);
        let numbers = self.floats(&[windows as usize, taps as usize], &numbers);
        let named = self.node("Mul", &[&hot, &numbers], Vec::new());
        let named = self.reduced("ReduceSum", &named, &[2]);
        let offsets: Vec<f32> = (0..batch * channels).map(|at| (at * plane) as f32).collect();
        let offsets = self.floats(&[offsets.len(), 1, 1], &offsets);
        let named = self.node("Add", &[&named, &offsets], Vec::new());
        let named = self.cast(&named, DataType::Int64);
        let to: Vec<i64> = [batch, channels].into_iter().chain(outputs).collect();
        let (y, places) = (self.reshaped(&largest, &to), self.reshaped(&named, &to));
        self.output(node, 0, &y);
        self.output(node, 1, &places);
        Ok(true)
    }

    /// Zeros, and the elements at the places that are named.
    pub(super) fn max_unpool(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let Some(shape) = self.shape(input(node, 0)).filter(|shape| shape.len() > 2) else {
            return self.refused("a shape that is not known");
        };
        let rank = shape.len() - 2;
        let kernel = integers(node, "kernel_shape").to_vec();
        let list = |name: &str, default: i64, count: usize| match integers(node, name) {
            [] => vec![default; count],
            list => list.to_vec(),
        };
        let (strides, pads) = (list("strides", 1, rank), list("pads", 0, 2 * rank));
        if kernel.len() != rank || pads.len() != 2 * rank {
            return self.refused("a kernel or pads that do not fit");
        }
        let mut made: Vec<i64> = vec![shape[0] as i64, shape[1] as i64];
        made.extend((0..rank).map(|i| (shape[i + 2] as i64 - 1) * strides[i] - pads[i] - pads[i + rank] + kernel[i]));
        let wanted = match input(node, 2) {
            "" => made.clone(),
            size => match self.whole(size) {
                Some(size) if size.len() == made.len() && size.iter().zip(&made).all(|(a, b)| a >= b) => size,
                _ => return self.refused("a size that depends on the input, or is too small,"),
            },
        };
        let total: i64 = made.iter().product();
        let (x, places) = (self.reshaped(input(node, 0), &[-1]), self.reshaped(input(node, 1), &[-1]));
        let zeros = self.filled(&[total as usize], DataType::Float);
        let y = self.node("ScatterElements", &[&zeros, &places, &x], vec![int("axis", 0)]);
        let mut y = self.reshaped(&y, &made);
        if wanted != made {
            let pads: Vec<i64> =
                std::iter::repeat_n(0, made.len()).chain(wanted.iter().zip(&made).map(|(a, b)| a - b)).collect();
            let pads = self.ints(&pads);
            y = self.node("Pad", &[&y, &pads], Vec::new());
        }
        self.output(node, 0, &y);
        Ok(true)
    }
}
