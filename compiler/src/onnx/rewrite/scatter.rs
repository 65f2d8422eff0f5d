//! Scatters that multiply, or take the larger or smaller number, indices below 0, and writes into a cache.
//!
//! Updates that are written to the same place take turns: in each round every place has at most one.

use super::{Writer, input, int, integer, ints, text};
use crate::onnx::GuardError;
use tract_onnx::pb::{self, tensor_proto::DataType};

/// Most updates at places that depend on the input: each is a round.
const MAX_UPDATES: usize = 256;

impl Writer<'_> {
    pub(super) fn scatter_reduced(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let operator = match text(node, "reduction", "none") {
            "mul" => "Mul",
            "max" => "Max",
            "min" => "Min",
            _ if node.op_type == "ScatterND" => return self.counted_places(node),
            _ => return Ok(false),
        };
        let operands = [0, 1, 2].map(|at| self.shape(input(node, at)));
        let [Some(data), Some(indices), Some(updates)] = operands else {
            return self.refused("shapes that are not known");
        };
        let nd = node.op_type == "ScatterND";
        let fits = if nd {
            indices.last().is_some_and(|width| *width <= data.len())
        } else {
            !data.is_empty() && data.len() == updates.len()
        };
        if !fits || data.contains(&0) {
            return self.refused("indices or updates that do not fit its data");
        }
        // the block that each update writes, as a number, and how many elements it has
        let (flat, block) =
            if nd { self.places_nd(node, &data, &indices) } else { self.places_of_elements(node, &data, &updates) };
        let total: usize = data.iter().product::<usize>() / block;
        let rows = [total as i64, block as i64];
        let mut y = self.reshaped(input(node, 0), &rows);
        let updates = self.reshaped(input(node, 2), &[-1, block as i64]);
        match self.whole(&flat) {
            Some(places) => {
                let mut open: Vec<(usize, i64)> = places.iter().copied().enumerate().collect();
                while !open.is_empty() {
                    let mut now: Vec<(usize, i64)> = Vec::new();
                    let mut later = Vec::new();
                    for update in open {
                        let taken = now.iter().any(|(_, place)| *place == update.1);
                        if taken { later.push(update) } else { now.push(update) }
                    }
                    let places: Vec<i64> = now.iter().map(|(_, place)| *place).collect();
                    let chosen: Vec<i64> = now.iter().map(|(at, _)| *at as i64).collect();
                    let (at, chosen) = (self.ints(&places), self.ints(&chosen));
                    let old = self.node("Gather", &[&y, &at], vec![int("axis", 0)]);
                    let new = self.node("Gather", &[&updates, &chosen], vec![int("axis", 0)]);
                    let both = self.node(operator, &[&old, &new], Vec::new());
                    let at = self.whole_numbers(&[places.len(), 1], &places);
                    y = self.node("ScatterND", &[&y, &at, &both], Vec::new());
                    open = later;
                }
            }
            None => {
                let count: usize = self.shape(&updates).map_or(0, |shape| shape[0]);
                if count > MAX_UPDATES {
                    return self.refused("more than 256 updates at places that depend on the input");
                }
                let numbers: Vec<i64> = (0..total as i64).collect();
                let numbers = self.whole_numbers(&[total, 1], &numbers);
                for update in 0..count as i64 {
                    let at = self.ints(&[update]);
                    let place = self.node("Gather", &[&flat, &at], vec![int("axis", 0)]);
                    let here = self.node("Equal", &[&numbers, &place], Vec::new());
                    let new = self.node("Gather", &[&updates, &at], vec![int("axis", 0)]);
                    let both = self.node(operator, &[&y, &new], Vec::new());
                    y = self.node("Where", &[&here, &both, &y], Vec::new());
                }
            }
        }
        let shape: Vec<i64> = data.iter().map(|d| *d as i64).collect();
        let y = self.reshaped(&y, &shape);
        self.output(node, 0, &y);
        Ok(true)
    }

    /// The indices of a GatherND, or of a ScatterND that writes or adds: tract knows none below 0.
    pub(super) fn counted_places(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let (Some(data), Some(indices)) = (self.shape(input(node, 0)), self.shape(input(node, 1))) else {
            return Ok(false);
        };
        if self.whole(input(node, 1)).is_some_and(|indices| indices.iter().all(|index| *index >= 0)) {
            return Ok(false);
        }
        let batch = usize::try_from(integer(node, "batch_dims", 0)).unwrap_or(0);
        let width = indices.last().copied().unwrap_or(0);
        let Some(lengths) = data.get(batch..batch + width) else {
            return self.refused("indices that do not fit its data");
        };
        let lengths: Vec<i64> = lengths.iter().map(|length| *length as i64).collect();
        let lengths = self.ints(&lengths);
        let indices = self.cast(input(node, 1), DataType::Int64);
        let mut counted = node.clone();
        counted.input[1] = self.counted(&indices, &lengths);
        self.nodes.push(counted);
        Ok(true)
    }

    /// Negative indices count from the end.
    fn counted(&mut self, index: &str, length: &str) -> String {
        let zero = self.whole_numbers(&[], &[0]);
        let below = self.node("Less", &[index, &zero], Vec::new());
        let below = self.cast(&below, DataType::Int64);
        let more = self.node("Mul", &[&below, length], Vec::new());
        self.node("Add", &[index, &more], Vec::new())
    }

    fn places_nd(&mut self, node: &pb::NodeProto, data: &[usize], indices: &[usize]) -> (String, usize) {
        let width = indices.last().copied().unwrap_or(1);
        let lengths: Vec<i64> = data[..width].iter().map(|d| *d as i64).collect();
        let strides: Vec<i64> = (0..width).map(|axis| lengths[axis + 1..].iter().product()).collect();
        let rows = self.cast(input(node, 1), DataType::Int64);
        let rows = self.reshaped(&rows, &[-1, width as i64]);
        let (lengths, strides) = (self.ints(&lengths), self.ints(&strides));
        let rows = self.counted(&rows, &lengths);
        let parts = self.node("Mul", &[&rows, &strides], Vec::new());
        let sums = self.reduced("ReduceSum", &parts, &[1]);
        (self.reshaped(&sums, &[-1]), data[width..].iter().product())
    }

    fn places_of_elements(&mut self, node: &pb::NodeProto, data: &[usize], updates: &[usize]) -> (String, usize) {
        let rank = data.len();
        let axis = integer(node, "axis", 0).rem_euclid(rank.max(1) as i64) as usize;
        let stride = |axis: usize| data[axis + 1..].iter().product::<usize>() as i64;
        let total: usize = updates.iter().product();
        // what the other axes contribute is known
        let others: Vec<i64> = (0..total)
            .map(|flat| {
                let (mut rest, mut sum) = (flat, 0);
                for other in (0..rank).rev() {
                    if other != axis {
                        sum += (rest % updates[other]) as i64 * stride(other);
                    }
                    rest /= updates[other];
                }
                sum
            })
            .collect();
        let others = self.ints(&others);
        let index = self.cast(input(node, 1), DataType::Int64);
        let index = self.reshaped(&index, &[-1]);
        let (length, stride) =
            (self.whole_numbers(&[], &[data[axis] as i64]), self.whole_numbers(&[], &[stride(axis)]));
        let index = self.counted(&index, &length);
        let part = self.node("Mul", &[&index, &stride], Vec::new());
        (self.node("Add", &[&part, &others], Vec::new()), 1)
    }

    /// A cache of which each sequence is written from a place of its own on.
    pub(super) fn tensor_scatter(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let (Some(cache), Some(update)) = (self.shape(input(node, 0)), self.shape(input(node, 1))) else {
            return self.refused("shapes that are not known");
        };
        let rank = cache.len() as i64;
        let axis = integer(node, "axis", -2).rem_euclid(rank.max(1));
        if axis == 0 {
            return self.refused("the first axis");
        }
        let (length, steps) = (cache[axis as usize], update[axis as usize]);
        // [batch, axis, rest]
        let order: Vec<i64> = [0, axis].into_iter().chain((1..rank).filter(|other| *other != axis)).collect();
        let turned: Vec<i64> = order.iter().map(|from| cache[*from as usize] as i64).collect();
        let back: Vec<i64> =
            (0..rank).map(|to| order.iter().position(|from| *from == to).unwrap_or(0) as i64).collect();
        let flat = |writer: &mut Self, x: &str, length: usize| {
            let x = writer.node("Transpose", &[x], vec![ints("perm", &order)]);
            writer.reshaped(&x, &[cache[0] as i64, length as i64, -1])
        };
        let (past, new) = (flat(self, input(node, 0), length), flat(self, input(node, 1), steps));
        let numbers: Vec<i64> = (0..length as i64).collect();
        let numbers = self.whole_numbers(&[length, 1], &numbers);
        let from = match input(node, 2) {
            "" => self.whole_numbers(&[1, 1, 1], &[0]),
            from => {
                let from = self.cast(from, DataType::Int64);
                self.reshaped(&from, &[-1, 1, 1])
            }
        };
        // the step that is written to a place: its number less where writing begins
        let step = self.node("Sub", &[&numbers, &from], Vec::new());
        let each: Vec<i64> = (0..steps as i64).collect();
        let each = self.whole_numbers(&[1, steps], &each);
        let mut here = self.node("Equal", &[&step, &each], Vec::new());
        if text(node, "mode", "linear") == "circular" {
            let around: Vec<i64> = (0..steps as i64).map(|step| step - length as i64).collect();
            let around = self.whole_numbers(&[1, steps], &around);
            let again = self.node("Equal", &[&step, &around], Vec::new());
            here = self.node("Or", &[&here, &again], Vec::new());
        }
        let here = self.cast(&here, DataType::Float);
        let written = self.node("MatMul", &[&here, &new], Vec::new());
        let any = self.reduced("ReduceSum", &here, &[2]);
        let one = self.number(1.0);
        let kept = self.node("Sub", &[&one, &any], Vec::new());
        let kept = self.node("Mul", &[&past, &kept], Vec::new());
        let y = self.node("Add", &[&kept, &written], Vec::new());
        let y = self.reshaped(&y, &turned);
        let y = self.node("Transpose", &[&y], vec![ints("perm", &back)]);
        self.output(node, 0, &y);
        Ok(true)
    }
}
