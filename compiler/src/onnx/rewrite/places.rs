//! Operators that move elements to places that are known: lists of indices.

use super::{Writer, attribute, input, int, integer, integers, ints, text};
use crate::onnx::GuardError;
use tract_onnx::pb::{self, tensor_proto::DataType};

impl Writer<'_> {
    /// Cut or padded around the middle, to a size that is known.
    pub(super) fn center_crop_pad(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let (Some(shape), Some(wanted)) = (self.shape(input(node, 0)), self.whole(input(node, 1))) else {
            return self.refused("a size that depends on the input");
        };
        let rank = shape.len() as i64;
        let axes: Vec<i64> = match attribute(node, "axes") {
            Some(axes) => axes.ints.iter().map(|axis| axis.rem_euclid(rank.max(1))).collect(),
            None => (0..rank).collect(),
        };
        let mut x = input(node, 0).to_owned();
        let mut pads = vec![0; 2 * shape.len()];
        for (axis, to) in axes.iter().zip(&wanted) {
            let from = shape[*axis as usize] as i64;
            if *to < from {
                let [begin, end, on] = [(from - to) / 2, (from - to) / 2 + to, *axis].map(|v| self.ints(&[v]));
                x = self.node("Slice", &[&x, &begin, &end, &on], Vec::new());
            } else {
                pads[*axis as usize] = (to - from) / 2;
                pads[*axis as usize + shape.len()] = (to - from) - (to - from) / 2;
            }
        }
        if pads.iter().any(|pad| *pad > 0) {
            let pads = self.ints(&pads);
            x = self.node("Pad", &[&x, &pads], Vec::new());
        }
        self.output(node, 0, &x);
        Ok(true)
    }

    /// Columns back to an image: every element is added to its pixel.
    pub(super) fn columns_to_image(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let operands = (self.shape(input(node, 0)), self.whole(input(node, 1)), self.whole(input(node, 2)));
        let (Some(shape), Some(image), Some(block)) = operands else {
            return self.refused("shapes that depend on the input");
        };
        let [batch, all, columns] = shape[..] else { return self.refused("an operand that has not three axes") };
        let planes = image.len();
        let list = |name: &str, default: i64, count: usize| match integers(node, name) {
            [] => vec![default; count],
            list => list.to_vec(),
        };
        let (dilations, pads, strides) =
            (list("dilations", 1, planes), list("pads", 0, 2 * planes), list("strides", 1, planes));
        let lengths = [block.len(), dilations.len(), strides.len(), pads.len()] == [planes, planes, planes, 2 * planes];
        let sizes = |list: &[i64], least: i64| list.iter().all(|v| (least..=1 << 20).contains(v));
        if !lengths
            || !sizes(&image, 1)
            || !sizes(&block, 1)
            || !sizes(&dilations, 1)
            || !sizes(&strides, 1)
            || !sizes(&pads, 0)
        {
            return self.refused("sizes that do not fit");
        }
        let places = block.iter().try_fold(1i64, |product, len| product.checked_mul(*len)).unwrap_or(0);
        if block.len() != planes || places < 1 || all as i64 % places != 0 {
            return self.refused("a block that does not fit");
        }
        let channels = all as i64 / places;
        let along: Vec<i64> = (0..planes)
            .map(|i| (image[i] + pads[i] + pads[i + planes] - (dilations[i] * (block[i] - 1) + 1)) / strides[i] + 1)
            .collect();
        // every column is a place of the block on the image
        if along.iter().any(|len| *len < 1)
            || along.iter().try_fold(1i64, |product, len| product.checked_mul(*len)) != Some(columns as i64)
        {
            return self.refused("columns that are not the places of the block");
        }
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for place in 0..places {
            for column in 0..columns as i64 {
                let (mut in_block, mut in_grid, mut pixel, mut stride, mut inside) = (place, column, 0, 1, true);
                for i in (0..planes).rev() {
                    let at = in_grid % along[i] * strides[i] + in_block % block[i] * dilations[i] - pads[i];
                    (in_block, in_grid) = (in_block / block[i], in_grid / along[i]);
                    inside &= (0..image[i]).contains(&at);
                    pixel += at * stride;
                    stride *= image[i];
                }
                if inside {
                    from.push(place * columns as i64 + column);
                    to.push(pixel);
                }
            }
        }
        let pixels: i64 = image.iter().product();
        let rows = self.reshaped(input(node, 0), &[batch as i64 * channels, places * columns as i64]);
        let rows = self.node("Transpose", &[&rows], vec![ints("perm", &[1, 0])]);
        let chosen = self.ints(&from);
        let updates = self.node("Gather", &[&rows, &chosen], vec![int("axis", 0)]);
        let at = self.whole_numbers(&[to.len(), 1], &to);
        let zeros = self.filled(&[pixels as usize, batch * channels as usize], DataType::Float);
        let add = pb::AttributeProto {
            name: "reduction".to_owned(),
            r#type: pb::attribute_proto::AttributeType::String as i32,
            s: b"add".to_vec(),
            ..Default::default()
        };
        let sums = self.node("ScatterND", &[&zeros, &at, &updates], vec![add]);
        let sums = self.node("Transpose", &[&sums], vec![ints("perm", &[1, 0])]);
        let shape: Vec<i64> = [batch as i64, channels].into_iter().chain(image).collect();
        let y = self.reshaped(&sums, &shape);
        self.output(node, 0, &y);
        Ok(true)
    }

    /// Pads that wrap around, and pads below 0 of the other modes: each axis read by a list of places.
    pub(super) fn pad_by_places(
        &mut self,
        node: &pb::NodeProto,
        pads: &[i64],
        axes: &[i64],
    ) -> Result<bool, GuardError> {
        let Some(shape) = self.shape(input(node, 0)) else { return self.refused("a shape that is not known") };
        let mode = text(node, "mode", "constant").to_owned();
        let mut x = input(node, 0).to_owned();
        let rank = shape.len() as i64;
        for (at, axis) in axes.iter().enumerate() {
            let axis = axis.rem_euclid(rank.max(1));
            let length = shape[axis as usize] as i64;
            let (before, after) = (pads[at], pads[at + axes.len()]);
            if (before, after) == (0, 0) {
                continue;
            }
            // what is cut off is not there for the padding
            let (first, length) = ((-before).max(0), length + before.min(0) + after.min(0));
            if length < 1 {
                return self.refused("pads that leave nothing");
            }
            let place = |i: i64| match mode.as_str() {
                "wrap" => i.rem_euclid(length),
                "edge" => i.clamp(0, length - 1),
                _ => {
                    let around = i.rem_euclid((2 * (length - 1)).max(1));
                    around.min(2 * (length - 1) - around)
                }
            };
            let places: Vec<i64> = (-before.max(0)..length + after.max(0)).map(|i| first + place(i)).collect();
            let places = self.ints(&places);
            x = self.node("Gather", &[&x, &places], vec![int("axis", axis)]);
        }
        self.output(node, 0, &x);
        Ok(true)
    }

    /// Sequences of known lengths, each with its first places turned around.
    pub(super) fn reverse_sequences(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let (Some(shape), Some(lengths)) = (self.shape(input(node, 0)), self.whole(input(node, 1))) else {
            return self.refused("lengths that depend on the input");
        };
        let time_first = integer(node, "time_axis", 0) == 0;
        let [first, second, rest @ ..] = &shape[..] else { return self.refused("an operand of fewer than two axes") };
        let steps = if time_first { *first } else { *second } as i64;
        let mut places = Vec::with_capacity(first * second);
        for outer in 0..*first as i64 {
            for inner in 0..*second as i64 {
                let (step, sequence) = if time_first { (outer, inner) } else { (inner, outer) };
                let Some(length) = lengths.get(sequence as usize).filter(|length| (1..=steps).contains(*length)) else {
                    return self.refused("lengths that do not fit");
                };
                let step = if step < *length { length - 1 - step } else { step };
                places.push(if time_first {
                    step * *second as i64 + sequence
                } else {
                    sequence * *second as i64 + step
                });
            }
        }
        let inner: usize = rest.iter().product();
        let flat = self.reshaped(input(node, 0), &[(first * second) as i64, inner as i64]);
        let places = self.ints(&places);
        let y = self.node("Gather", &[&flat, &places], vec![int("axis", 0)]);
        let shape: Vec<i64> = shape.iter().map(|d| *d as i64).collect();
        let y = self.reshaped(&y, &shape);
        self.output(node, 0, &y);
        Ok(true)
    }

    /// With the channels outermost; tract knows the other order only.
    pub(super) fn space_to_depth(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        if text(node, "mode", "DCR") == "DCR" {
            return Ok(false);
        }
        let Some([batch, channels, height, width]) =
            self.shape(input(node, 0)).and_then(|shape| <[usize; 4]>::try_from(shape).ok())
        else {
            return self.refused("an operand that has not four axes");
        };
        let block = integer(node, "blocksize", 1).max(1) as usize;
        let dims = |list: &[usize]| list.iter().map(|d| *d as i64).collect::<Vec<_>>();
        let (rows, columns) = (height / block, width / block);
        let apart = self.reshaped(input(node, 0), &dims(&[batch, channels, rows, block, columns, block]));
        let turned = self.node("Transpose", &[&apart], vec![ints("perm", &[0, 1, 3, 5, 2, 4])]);
        let y = self.reshaped(&turned, &dims(&[batch, channels * block * block, rows, columns]));
        self.output(node, 0, &y);
        Ok(true)
    }

    /// The second operand gives nothing but its type.
    pub(super) fn cast_like(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let of_constant = self.constant(input(node, 1)).and_then(|tensor| DataType::try_from(tensor.data_type).ok());
        let Some(kind) = of_constant.or_else(|| self.known(input(node, 1)).map(|known| known.kind)) else {
            return Ok(false);
        };
        let attributes =
            node.attribute.iter().filter(|a| a.name == "assay_ends").cloned().chain([int("to", kind as i64)]).collect();
        let cast = pb::NodeProto { op_type: "Cast".to_owned(), attribute: attributes, ..node.clone() };
        let cast = pb::NodeProto { input: vec![input(node, 0).to_owned()], ..cast };
        if !self.narrow_cast(&cast)? {
            self.nodes.push(cast);
        }
        Ok(true)
    }

    /// Integers of 4 and 2 bits, which wrap around: they are read as integers of 8.
    pub(super) fn narrow_cast(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let Some([least, most]) =
            attribute(node, "assay_ends").and_then(|a| <[f32; 2]>::try_from(a.floats.clone()).ok())
        else {
            return Ok(false);
        };
        let whole = self.cast(input(node, 0), DataType::Int32);
        let x = self.cast(&whole, DataType::Float);
        let least = self.number(least);
        let above = self.node("Sub", &[&x, &least], Vec::new());
        let low = self.wrapped(&above, most - reals_first(node) + 1.0);
        let y = self.node("Add", &[&low, &least], Vec::new());
        let kind = DataType::try_from(integer(node, "to", 0) as i32).unwrap_or(DataType::Int8);
        let y = self.cast(&y, kind);
        self.output(node, 0, &y);
        Ok(true)
    }
}

fn reals_first(node: &pb::NodeProto) -> f32 {
    super::reals(node, "assay_ends").first().copied().unwrap_or(0.0)
}
