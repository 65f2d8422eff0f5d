//! Operators of the standard that tract does not have, or whose attributes it does not look at.

use super::{Writer, attribute, input, int, integer, integers, ints, real, text};
use crate::onnx::GuardError;
use tract_onnx::pb;

/// Most places of an axis that is upsampled, and most entries of the matrix that does it.
const MOST_PLACES: f32 = 16384.0;
const MOST_ENTRIES: f32 = 1e6;

impl Writer<'_> {
    /// `|x|^p`, as what is summed.
    fn power(&mut self, x: &str, p: i64) -> String {
        match p {
            1 => self.node("Abs", &[x], Vec::new()),
            2 => self.node("Mul", &[x, x], Vec::new()),
            _ => {
                let size = self.node("Abs", &[x], Vec::new());
                let p = self.number(p as f32);
                self.node("Pow", &[&size, &p], Vec::new())
            }
        }
    }

    fn root(&mut self, x: &str, p: i64) -> String {
        match p {
            1 => x.to_owned(),
            2 => self.node("Sqrt", &[x], Vec::new()),
            _ => {
                let inverse = self.number(1.0 / p as f32);
                self.node("Pow", &[x, &inverse], Vec::new())
            }
        }
    }

    /// `(Σ |x|^p)^(1/p)` over a window: a sum pool between two powers.
    pub(super) fn lp_pool(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let p = integer(node, "p", 2);
        let places: i64 = integers(node, "kernel_shape").iter().product();
        if p < 1 || places < 1 {
            return self.refused("this p or kernel");
        }
        let powers = self.power(input(node, 0), p);
        let mut attributes: Vec<pb::AttributeProto> =
            node.attribute.iter().filter(|a| a.name != "p").cloned().collect();
        // padding is zeros that count, so that all windows have as many places
        attributes.push(int("count_include_pad", 1));
        let means = self.node("AveragePool", &[&powers], attributes);
        let places = self.number(places as f32);
        let sums = self.node("Mul", &[&means, &places], Vec::new());
        let y = self.root(&sums, p);
        self.output(node, 0, &y);
        Ok(true)
    }

    pub(super) fn global_lp_pool(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let p = integer(node, "p", 2);
        if p < 1 {
            return self.refused("this p");
        }
        let powers = self.power(input(node, 0), p);
        // all places of the plane are one axis for the sum; a mean pool first keeps the rank
        let means = self.node("GlobalAveragePool", &[&powers], Vec::new());
        let shape = self.node("Shape", &[input(node, 0)], Vec::new());
        let (begin, end, axis) = (self.ints(&[2]), self.ints(&[i64::from(i32::MAX)]), self.ints(&[0]));
        let planes = self.node("Slice", &[&shape, &begin, &end, &axis], Vec::new());
        let places = self.reduced_product(&planes);
        let places = self.cast(&places, pb::tensor_proto::DataType::Float);
        let sums = self.node("Mul", &[&means, &places], Vec::new());
        let y = self.root(&sums, p);
        self.output(node, 0, &y);
        Ok(true)
    }

    fn reduced_product(&mut self, x: &str) -> String {
        self.node("ReduceProd", &[x], vec![int("keepdims", 0)])
    }

    /// `x / (bias + alpha · mean of squares over a window of channels)^beta`: the mean is a pool along the channels.
    pub(super) fn local_response(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let size = integer(node, "size", 0);
        if size < 1 {
            return self.refused("this size");
        }
        let x = input(node, 0);
        let squares = self.node("Mul", &[x, x], Vec::new());
        // [batch, 1, channels, places]
        let flat = self.reshaped(&squares, &[0, 0, -1]);
        let image = self.unsqueezed(&flat, &[1]);
        let (before, after) = ((size - 1) / 2, size / 2);
        let pool =
            vec![ints("kernel_shape", &[size, 1]), ints("pads", &[before, 0, after, 0]), int("count_include_pad", 1)];
        let means = self.node("AveragePool", &[&image], pool);
        let shape = self.node("Shape", &[x], Vec::new());
        let means = self.node("Reshape", &[&means, &shape], Vec::new());
        let (alpha, bias) = (self.number(real(node, "alpha", 1e-4)), self.number(real(node, "bias", 1.0)));
        let scaled = self.node("Mul", &[&means, &alpha], Vec::new());
        let shifted = self.node("Add", &[&scaled, &bias], Vec::new());
        let beta = self.number(-real(node, "beta", 0.75));
        let factor = self.node("Pow", &[&shifted, &beta], Vec::new());
        let y = self.node("Mul", &[x, &factor], Vec::new());
        self.output(node, 0, &y);
        Ok(true)
    }

    /// `x · sigmoid(alpha x)`: tract takes alpha for 1.
    pub(super) fn swish(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let alpha = real(node, "alpha", 1.0);
        if alpha == 1.0 {
            return Ok(false);
        }
        let alpha = self.number(alpha);
        let scaled = self.node("Mul", &[input(node, 0), &alpha], Vec::new());
        let gate = self.node("Sigmoid", &[&scaled], Vec::new());
        let y = self.node("Mul", &[input(node, 0), &gate], Vec::new());
        self.output(node, 0, &y);
        Ok(true)
    }

    /// What Resize was before operator set 10: every place several times over, or lines between them.
    pub(super) fn upsample(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let known = |list: &pb::TensorProto| super::nodes::floats(list);
        let scales =
            attribute(node, "scales").map(|a| a.floats.clone()).or_else(|| self.constant(input(node, 1)).map(known));
        let Some(scales) = scales else { return self.refused("scales that are no constants") };
        let whole = scales.iter().all(|scale| *scale >= 1.0 && *scale <= 64.0 && scale.fract() == 0.0);
        if text(node, "mode", "nearest") != "nearest" || !whole {
            return self.upsample_by_matrices(node, &scales);
        }
        let mut x = input(node, 0).to_owned();
        for (axis, scale) in scales.iter().enumerate().filter(|(_, scale)| **scale > 1.0) {
            let after = axis as i64 + 1;
            let mut factors = vec![1; scales.len()];
            factors[axis] = *scale as i64;
            let (shape, factors) = (self.node("Shape", &[&x], Vec::new()), self.ints(&factors));
            let shape = self.node("Mul", &[&shape, &factors], Vec::new());
            let apart = self.unsqueezed(&x, &[after]);
            let copies = vec![apart.as_str(); *scale as usize];
            let copies = self.node("Concat", &copies, vec![int("axis", after)]);
            x = self.node("Reshape", &[&copies, &shape], Vec::new());
        }
        self.output(node, 0, &x);
        Ok(true)
    }

    /// The same by a matrix for each axis: place `o` is at `o / scale`, and takes the place before it, or a share of
    /// both beside it.
    fn upsample_by_matrices(&mut self, node: &pb::NodeProto, scales: &[f32]) -> Result<bool, GuardError> {
        let lines = match text(node, "mode", "nearest") {
            "nearest" => false,
            "linear" | "bilinear" => true,
            _ => return self.refused("another mode than nearest and linear"),
        };
        let shape = self.shape(input(node, 0)).filter(|shape| shape.len() == scales.len());
        let Some(shape) = shape else { return self.refused("a shape that does not fit its scales") };
        let mut x = input(node, 0).to_owned();
        for (axis, (len, scale)) in shape.iter().zip(scales).enumerate().filter(|(_, (_, scale))| **scale != 1.0) {
            let places = (*len as f32 * scale).floor();
            if !(1.0..=MOST_PLACES).contains(&places) || places * *len as f32 > MOST_ENTRIES || *scale < 1.0 {
                return self.refused("scales below 1, or so large");
            }
            let places = places as usize;
            let mut matrix = vec![0.0; len * places];
            for place in 0..places {
                let at = (place as f32 / scale).min(*len as f32 - 1.0);
                let (before, share) = (at.floor() as usize, if lines { at.fract() } else { 0.0 });
                matrix[before * places + place] += 1.0 - share;
                matrix[(before + 1).min(len - 1) * places + place] += share;
            }
            let mut order: Vec<i64> = (0..shape.len() as i64).collect();
            order.swap(axis, shape.len() - 1);
            let matrix = self.floats(&[*len, places], &matrix);
            let last = self.node("Transpose", &[&x], vec![ints("perm", &order)]);
            let wide = self.node("MatMul", &[&last, &matrix], Vec::new());
            x = self.node("Transpose", &[&wide], vec![ints("perm", &order)]);
        }
        self.output(node, 0, &x);
        Ok(true)
    }

    /// The pads that give the `output_shape` that is asked for: tract leaves those of the file. What is asked for
    /// beyond all that there is lies behind it.
    pub(super) fn conv_transpose(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let wanted = integers(node, "output_shape");
        if wanted.is_empty() {
            return Ok(false);
        }
        let (Some(shape), Some(weights)) = (self.shape(input(node, 0)), self.shape(input(node, 1))) else {
            return self.refused("an output_shape, and a shape that is not known,");
        };
        let planes = shape.len().saturating_sub(2);
        let list = |name: &str, default: i64| match integers(node, name) {
            [] => vec![default; planes],
            list => list.to_vec(),
        };
        let (strides, dilations, mut more) = (list("strides", 1), list("dilations", 1), list("output_padding", 0));
        // it may name the batch and the channels too
        let wanted = &wanted[wanted.len().saturating_sub(planes)..];
        let fits = [weights.len(), wanted.len() + 2, strides.len() + 2, dilations.len() + 2, more.len() + 2];
        if fits != [shape.len(); 5] || wanted.iter().chain(&more).any(|places| !(0..=1 << 20).contains(places)) {
            return self.refused("an output_shape that does not fit");
        }
        let mut pads = vec![0; 2 * planes];
        for plane in 0..planes {
            let (places, kernel) = (shape[plane + 2] as i64, weights[plane + 2] as i64);
            let all = strides[plane] * (places - 1) + more[plane] + (kernel - 1) * dilations[plane] + 1;
            let cut = (all - wanted[plane]).max(0);
            // of an odd number the one more is in front, unless the file says otherwise
            let before = if text(node, "auto_pad", "NOTSET") == "SAME_UPPER" { cut / 2 } else { cut - cut / 2 };
            pads[plane] = before;
            pads[plane + planes] = cut - before;
            more[plane] += (wanted[plane] - all).max(0);
        }
        let mut padded = node.clone();
        let replaced = ["auto_pad", "output_shape", "output_padding", "pads"];
        padded.attribute.retain(|attribute| !replaced.contains(&attribute.name.as_str()));
        padded.attribute.extend([ints("pads", &pads), ints("output_padding", &more)]);
        self.nodes.push(padded);
        Ok(true)
    }

    /// tract takes axes off from the last that is named to the first, so that they must be in ascending order.
    pub(super) fn squeeze(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let named = match attribute(node, "axes") {
            Some(axes) => Some(axes.ints.clone()),
            None => self.whole(input(node, 1)),
        };
        let Some(mut axes) = named.filter(|axes| axes.len() > 1) else { return Ok(false) };
        let Some(rank) = self.shape(input(node, 0)).map(|shape| shape.len() as i64) else { return Ok(false) };
        axes.iter_mut().filter(|axis| **axis < 0).for_each(|axis| *axis += rank);
        if axes.iter().any(|axis| !(0..rank).contains(axis)) {
            return self.refused("an axis that is out of range");
        }
        axes.sort_unstable();
        let y = if self.version >= 13 {
            let axes = self.ints(&axes);
            self.node("Squeeze", &[input(node, 0), &axes], Vec::new())
        } else {
            self.node("Squeeze", &[input(node, 0)], vec![ints("axes", &axes)])
        };
        self.output(node, 0, &y);
        Ok(true)
    }

    /// Pads less than 0 cut off; tract takes them for large ones.
    pub(super) fn pad(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let pads = match attribute(node, "pads") {
            Some(list) => list.ints.clone(),
            None => match self.whole(input(node, 1)) {
                Some(pads) => pads,
                None => return self.refused("pads that depend on the input"),
            },
        };
        if !pads.len().is_multiple_of(2) {
            return self.refused("an odd number of pads");
        }
        if pads.iter().any(|pad| pad.unsigned_abs() > 1 << 20) {
            return self.refused("pads of more than 2^20 places");
        }
        let rank = pads.len() / 2;
        let axes: Vec<i64> = match input(node, 3) {
            "" => (0..rank as i64).collect(),
            name => match self.whole(name) {
                Some(axes) if axes.len() == rank => axes,
                _ => return self.refused("axes that depend on the input"),
            },
        };
        let mode = text(node, "mode", "constant");
        if mode == "wrap" || (mode != "constant" && pads.iter().any(|pad| *pad < 0)) {
            return self.pad_by_places(node, &pads, &axes);
        }
        if pads.iter().all(|pad| *pad >= 0) {
            // what is computed of constants is written as one for tract
            let computed = node.input.iter().skip(1).any(|name| !name.is_empty() && self.constant(name).is_none());
            if !computed {
                return Ok(false);
            }
            let mut padded = node.clone();
            padded.input[1] = self.ints(&pads);
            if let Some(name) = padded.input.get(2).filter(|name| !name.is_empty()).cloned() {
                let Some(known) = self.known(&name) else { return self.refused("a number that depends on the input") };
                let Some(value) = known.value.as_ref().and_then(|list| list.first()) else {
                    return self.refused("a number that depends on the input");
                };
                let number = self.number(*value as f32);
                padded.input[2] = if known.kind == pb::tensor_proto::DataType::Float {
                    number
                } else {
                    self.cast(&number, known.kind)
                };
            }
            if padded.input.len() > 3 && !padded.input[3].is_empty() {
                padded.input[3] = self.ints(&axes);
            }
            self.nodes.push(padded);
            return Ok(true);
        }
        let cut: Vec<usize> = (0..rank).filter(|axis| pads[*axis] < 0 || pads[axis + rank] < 0).collect();
        let begins: Vec<i64> = cut.iter().map(|axis| (-pads[*axis]).max(0)).collect();
        let ends: Vec<i64> = cut
            .iter()
            .map(|axis| if pads[axis + rank] < 0 { pads[axis + rank] } else { i64::from(i32::MAX) })
            .collect();
        let chosen: Vec<i64> = cut.iter().map(|axis| axes[*axis]).collect();
        let x = if self.version >= 10 {
            let (begins, ends, chosen) = (self.ints(&begins), self.ints(&ends), self.ints(&chosen));
            self.node("Slice", &[input(node, 0), &begins, &ends, &chosen], Vec::new())
        } else {
            self.node(
                "Slice",
                &[input(node, 0)],
                vec![ints("starts", &begins), ints("ends", &ends), ints("axes", &chosen)],
            )
        };
        let rest: Vec<i64> = pads.iter().map(|pad| (*pad).max(0)).collect();
        let mut padded = node.clone();
        padded.input[0] = x;
        match padded.attribute.iter_mut().find(|a| a.name == "pads") {
            Some(list) => list.ints = rest,
            None => padded.input[1] = self.ints(&rest),
        }
        self.nodes.push(padded);
        Ok(true)
    }

    /// A list of truth values that is known chooses places that are known.
    pub(super) fn compress(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let Some(kept) = self.constant_ints(input(node, 1)) else {
            return self
                .refused("a condition that depends on the input: how much it keeps is not known beforehand; it");
        };
        let places: Vec<i64> = (0..).zip(&kept).filter(|(_, keep)| **keep != 0).map(|(at, _)| at).collect();
        let places = self.ints(&places);
        let (x, axis) = match attribute(node, "axis") {
            Some(axis) => (input(node, 0).to_owned(), axis.i),
            None => (self.reshaped(input(node, 0), &[-1]), 0),
        };
        let y = self.node("Gather", &[&x, &places], vec![int("axis", axis)]);
        self.output(node, 0, &y);
        Ok(true)
    }

    /// Zeros of a shape.
    pub(super) fn zeros_of(&mut self, shape: &str) -> String {
        let raw_data = vec![0; 4];
        let zero = pb::TensorProto {
            dims: vec![1],
            data_type: pb::tensor_proto::DataType::Float as i32,
            raw_data,
            ..Default::default()
        };
        let value = pb::AttributeProto {
            name: "value".to_owned(),
            r#type: pb::attribute_proto::AttributeType::Tensor as i32,
            t: Some(zero),
            ..Default::default()
        };
        self.node("ConstantOfShape", &[shape], vec![value])
    }

    /// Without a value it makes 32-bit floats; tract makes 64-bit ones.
    pub(super) fn constant_of_shape(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        if attribute(node, "value").is_some() {
            return Ok(false);
        }
        let zeros = self.zeros_of(input(node, 0));
        self.output(node, 0, &zeros);
        Ok(true)
    }
}
