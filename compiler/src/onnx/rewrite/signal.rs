//! Fourier transforms, which are products with a matrix; products along an axis; determinants.

use super::{Writer, input, int, integer, ints};
use crate::onnx::GuardError;
use tract_onnx::pb::{self, tensor_proto::DataType};

/// Most elements of a transform's matrix.
const MAX_MATRIX: usize = 1 << 22;
/// Longest axis of a running product.
const MAX_FACTORS: usize = 64;

/// What a transform is like.
#[derive(Clone, Copy)]
struct Transform {
    /// Elements that are transformed, and those that are there.
    length: usize,
    there: usize,
    /// Parts of an element that is read, and of one that is made: 2 of complex numbers.
    parts: usize,
    made: usize,
    /// Frequencies.
    kept: usize,
    inverse: bool,
    /// Of an inverse one: only half of the frequencies are there, the others mirror them.
    mirrored: bool,
}

impl Transform {
    /// `[there · parts, kept · made]`.
    fn matrix(&self) -> Vec<f32> {
        let mut rows = Vec::with_capacity(self.there * self.parts * self.kept * self.made);
        let n = self.length as f64;
        let sign = if self.inverse { 1.0 } else { -1.0 };
        let size = if self.inverse { 1.0 / n } else { 1.0 };
        for at in 0..self.there {
            // a frequency that stands for its mirror image too counts twice
            let twice = self.mirrored && at > 0 && 2 * at != self.length;
            let size = if at >= self.length {
                0.0
            } else if twice {
                2.0 * size
            } else {
                size
            };
            for part in 0..self.parts {
                for k in 0..self.kept {
                    let angle = sign * std::f64::consts::TAU * ((at * k) % self.length) as f64 / n;
                    for made in 0..self.made {
                        let value = match (part, made) {
                            (0, 0) | (1, 1) => angle.cos(),
                            (0, _) => angle.sin(),
                            _ => -angle.sin(),
                        };
                        rows.push((value * size) as f32);
                    }
                }
            }
        }
        rows
    }
}

impl Writer<'_> {
    /// Applies it along an axis of a tensor whose last axis has the parts.
    fn transformed(&mut self, x: &str, shape: &[usize], axis: usize, of: Transform) -> Result<String, GuardError> {
        if of.there * of.parts * of.kept * of.made > MAX_MATRIX {
            return self.refused("a transform of so many elements");
        }
        let rank = shape.len() as i64;
        let last = rank - 1;
        let others: Vec<i64> = (0..last).filter(|other| *other != axis as i64).collect();
        let there: Vec<i64> = others.iter().copied().chain([axis as i64, last]).collect();
        let back: Vec<i64> =
            (0..rank).map(|to| there.iter().position(|from| *from == to).unwrap_or(0) as i64).collect();
        let lengths: Vec<i64> = others.iter().map(|other| shape[*other as usize] as i64).collect();
        let turned = self.node("Transpose", &[x], vec![ints("perm", &there)]);
        let flat: Vec<i64> = lengths.iter().copied().chain([(of.there * of.parts) as i64]).collect();
        let flat = self.reshaped(&turned, &flat);
        let matrix = self.floats(&[of.there * of.parts, of.kept * of.made], &of.matrix());
        let product = self.node("MatMul", &[&flat, &matrix], Vec::new());
        let apart: Vec<i64> = lengths.into_iter().chain([of.kept as i64, of.made as i64]).collect();
        let apart = self.reshaped(&product, &apart);
        Ok(self.node("Transpose", &[&apart], vec![ints("perm", &back)]))
    }

    pub(super) fn fourier(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let Some(shape) = self.shape(input(node, 0)) else { return self.refused("a shape that is not known") };
        let rank = shape.len() as i64;
        let axis = if self.version >= 20 {
            match input(node, 2) {
                "" => -2,
                axis => match self.whole(axis).as_deref() {
                    Some([axis]) => *axis,
                    _ => return self.refused("an axis that depends on the input"),
                },
            }
        } else {
            integer(node, "axis", 1)
        };
        let axis = axis.rem_euclid(rank.max(1)) as usize;
        let (inverse, onesided) = (integer(node, "inverse", 0) != 0, integer(node, "onesided", 0) != 0);
        let parts = shape.last().copied().unwrap_or(0);
        if !matches!(parts, 1 | 2) || axis + 1 >= shape.len() {
            return self.refused("a last axis that holds no real or complex numbers, or is transformed,");
        }
        let there = shape[axis];
        let length = match input(node, 1) {
            "" if inverse && onesided => 2 * (there - 1),
            "" => there,
            length => match self.whole(length).as_deref() {
                Some([length]) if *length > 0 => *length as usize,
                _ => return self.refused("a length that depends on the input"),
            },
        };
        if length == 0 {
            return self.refused("a length of 0");
        }
        let of = Transform {
            length,
            there,
            parts,
            made: if inverse && onesided { 1 } else { 2 },
            kept: if onesided && !inverse { length / 2 + 1 } else { length },
            inverse,
            mirrored: inverse && onesided,
        };
        let y = self.transformed(input(node, 0), &shape, axis, of)?;
        self.output(node, 0, &y);
        Ok(true)
    }

    /// Frames of a signal, each transformed.
    pub(super) fn short_fourier(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let Some(shape) = self.shape(input(node, 0)) else { return self.refused("a shape that is not known") };
        let (signal, length, parts) = match shape[..] {
            [_, length] => (self.unsqueezed(input(node, 0), &[2]), length, 1),
            [_, length, parts] => (input(node, 0).to_owned(), length, parts),
            _ => return self.refused("a signal that has not two or three axes"),
        };
        let Some([step]) = self.whole(input(node, 1)).and_then(|list| <[i64; 1]>::try_from(list).ok()) else {
            return self.refused("a step that depends on the input");
        };
        let window = input(node, 2).to_owned();
        let frame = match (input(node, 3), window.as_str()) {
            ("", "") => None,
            ("", window) => self.shape(window).and_then(|shape| shape.first().copied()),
            (frame, _) => {
                self.whole(frame).and_then(|list| list.first().copied()).and_then(|v| usize::try_from(v).ok())
            }
        };
        let Some(frame) = frame.filter(|frame| *frame > 0 && *frame <= length && step > 0) else {
            return self.refused("a frame whose length is not known");
        };
        let step = step as usize;
        let frames = (length - frame) / step + 1;
        let places: Vec<i64> = (0..frames).flat_map(|at| (0..frame).map(move |k| (at * step + k) as i64)).collect();
        let places = self.whole_numbers(&[frames, frame], &places);
        let mut x = self.node("Gather", &[&signal, &places], vec![int("axis", 1)]);
        if !window.is_empty() {
            let window = self.reshaped(&window, &[-1, 1]);
            x = self.node("Mul", &[&x, &window], Vec::new());
        }
        let kept = if integer(node, "onesided", 1) != 0 { frame / 2 + 1 } else { frame };
        let of = Transform { length: frame, there: frame, parts, made: 2, kept, inverse: false, mirrored: false };
        let y = self.transformed(&x, &[shape[0], frames, frame, parts], 2, of)?;
        self.output(node, 0, &y);
        Ok(true)
    }

    /// Products of all places up to each.
    pub(super) fn running_product(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let (Some(known), Some([axis])) = (
            self.known(input(node, 0)),
            self.whole(input(node, 1)).as_deref().and_then(|l| <[i64; 1]>::try_from(l).ok()),
        ) else {
            return self.refused("an axis that depends on the input");
        };
        let axis = axis.rem_euclid(known.shape.len().max(1) as i64);
        let length = known.shape[axis as usize];
        if length > MAX_FACTORS {
            return self.refused("more than 64 factors");
        }
        let (exclusive, reverse) = (integer(node, "exclusive", 0) != 0, integer(node, "reverse", 0) != 0);
        let mut places: Vec<usize> = (0..length).collect();
        if reverse {
            places.reverse();
        }
        let mut made: Vec<String> = vec![String::new(); length];
        let mut product: Option<String> = None;
        for place in places {
            let at = self.ints(&[place as i64]);
            let factor = self.node("Gather", &[input(node, 0), &at], vec![int("axis", axis)]);
            let next = match &product {
                None => factor.clone(),
                Some(before) => self.node("Mul", &[before, &factor], Vec::new()),
            };
            made[place] = if exclusive {
                match &product {
                    Some(before) => before.clone(),
                    None => {
                        let mut shape = known.shape.clone();
                        shape[axis as usize] = 1;
                        let ones = self.floats(&shape, &vec![1.0; shape.iter().product()]);
                        self.cast(&ones, known.kind)
                    }
                }
            } else {
                next.clone()
            };
            product = Some(next);
        }
        let made: Vec<&str> = made.iter().map(String::as_str).collect();
        let y = self.node("Concat", &made, vec![int("axis", axis)]);
        self.output(node, 0, &y);
        Ok(true)
    }

    /// By the first row, as long as matrices are small.
    pub(super) fn determinant(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let Some(shape) = self.shape(input(node, 0)).filter(|shape| shape.len() >= 2) else {
            return self.refused("a shape that is not known");
        };
        let size = shape[shape.len() - 1];
        if !(1..=4).contains(&size) || shape[shape.len() - 2] != size {
            return self.refused("matrices of more than 4 rows");
        }
        let outer: Vec<i64> = shape[..shape.len() - 2].iter().map(|d| *d as i64).collect();
        let flat: Vec<i64> = outer.iter().copied().chain([(size * size) as i64]).collect();
        let flat = self.reshaped(input(node, 0), &flat);
        let rows: Vec<usize> = (0..size).collect();
        let y = self.minor(&flat, size, &rows, &rows);
        let y = self.reshaped(&y, &outer);
        self.output(node, 0, &y);
        Ok(true)
    }

    fn minor(&mut self, flat: &str, size: usize, rows: &[usize], columns: &[usize]) -> String {
        let mut sum: Option<String> = None;
        for (at, column) in columns.iter().enumerate() {
            let place = self.ints(&[(rows[0] * size + column) as i64]);
            let element = self.node("Gather", &[flat, &place], vec![int("axis", -1)]);
            let part = if rows.len() == 1 {
                element
            } else {
                let others: Vec<usize> = columns.iter().copied().filter(|other| other != column).collect();
                let below = self.minor(flat, size, &rows[1..], &others);
                self.node("Mul", &[&element, &below], Vec::new())
            };
            sum = Some(match sum {
                None => part,
                Some(sum) => self.node(if at % 2 == 0 { "Add" } else { "Sub" }, &[&sum, &part], Vec::new()),
            });
        }
        sum.unwrap_or_default()
    }

    /// Numbers from a first one on.
    pub(super) fn range(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let Some(kind) = self.known(input(node, 0)).map(|known| known.kind) else { return Ok(false) };
        let ends = [0, 1, 2].map(|at| self.value(input(node, at)).and_then(|list| list.first().copied()));
        let [Some(first), Some(end), Some(step)] = ends else { return Ok(false) };
        let count = ((end - first) / step).ceil().max(0.0);
        if !(count >= 1.0 && count <= MAX_MATRIX as f64) {
            return Ok(false);
        }
        let numbers: Vec<f64> = (0..count as usize).map(|i| first + i as f64 * step).collect();
        let y = if matches!(kind, DataType::Float) {
            let numbers: Vec<f32> = numbers.iter().map(|v| *v as f32).collect();
            self.floats(&[numbers.len()], &numbers)
        } else {
            let numbers: Vec<i64> = numbers.iter().map(|v| *v as i64).collect();
            let numbers = self.ints(&numbers);
            if kind == DataType::Int64 { numbers } else { self.cast(&numbers, kind) }
        };
        self.output(node, 0, &y);
        Ok(true)
    }
}
