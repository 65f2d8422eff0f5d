//! Reading an image at places that are computed: along each axis a kernel of the distance to every pixel, and their
//! product with the image. Where the places are constants, so is all of it but the last product.

use super::{Writer, attribute, input, int, integer, ints, text};
use crate::onnx::GuardError;
use tract_onnx::pb;

/// Most elements of the matrix from pixels to places.
const MAX_MATRIX: usize = 1 << 22;

impl Writer<'_> {
    fn scalar(&mut self, operator: &str, x: &str, number: f32) -> String {
        let number = self.number(number);
        self.node(operator, &[x, &number], Vec::new())
    }

    pub(super) fn grid_sample(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let (Some(image), Some(grid)) = (self.shape(input(node, 0)), self.shape(input(node, 1))) else {
            return self.refused("shapes that are not known");
        };
        let planes = image.len().saturating_sub(2);
        if planes == 0 || grid.len() != image.len() || grid.last() != Some(&planes) {
            return self.refused("a grid that does not fit the image");
        }
        let mode = text(node, "mode", "linear").to_owned();
        let padding = text(node, "padding_mode", "zeros").to_owned();
        let corners = integer(node, "align_corners", 0) != 0;
        let (batch, channels) = (image[0], image[1]);
        let places: usize = grid[1..=planes].iter().product();
        if places.saturating_mul(image[2..].iter().product()) > MAX_MATRIX {
            return self.refused("an image and a grid that are too large");
        }
        let flat = self.reshaped(input(node, 1), &[batch as i64, places as i64, planes as i64]);
        let mut matrix: Option<String> = None;
        let mut width = 1;
        for axis in 0..planes {
            // the grid names the innermost axis first
            let at = self.ints(&[(planes - 1 - axis) as i64]);
            let place = self.node("Gather", &[&flat, &at], vec![int("axis", 2)]);
            let length = image[2 + axis];
            let weights = self.axis_weights(&place, length, &mode, &padding, corners)?;
            width *= length;
            matrix = Some(match matrix {
                None => weights,
                Some(before) => {
                    let (outer, inner) = (self.unsqueezed(&before, &[3]), self.unsqueezed(&weights, &[2]));
                    let both = self.node("Mul", &[&outer, &inner], Vec::new());
                    self.reshaped(&both, &[batch as i64, places as i64, width as i64])
                }
            });
        }
        let Some(matrix) = matrix else { return self.refused("an image without planes") };
        let pixels = self.reshaped(input(node, 0), &[batch as i64, channels as i64, width as i64]);
        let turned = self.node("Transpose", &[&matrix], vec![ints("perm", &[0, 2, 1])]);
        let y = self.node("MatMul", &[&pixels, &turned], Vec::new());
        let shape: Vec<i64> =
            [batch, channels].into_iter().chain(grid[1..=planes].iter().copied()).map(|d| d as i64).collect();
        let y = self.reshaped(&y, &shape);
        self.output(node, 0, &y);
        Ok(true)
    }

    /// `[batch, places, 1]` to `[batch, places, pixels]`.
    fn axis_weights(
        &mut self,
        place: &str,
        length: usize,
        mode: &str,
        padding: &str,
        corners: bool,
    ) -> Result<String, GuardError> {
        let size = length as f32;
        let half = if corners { (size - 1.0) / 2.0 } else { size / 2.0 };
        let scaled = self.scalar("Mul", place, half);
        let mut x = self.scalar("Add", &scaled, if corners { half } else { half - 0.5 });
        if mode == "nearest" {
            x = self.node("Round", &[&x], Vec::new());
        }
        let (low, high) = if corners { (0.0, size - 1.0) } else { (-0.5, size - 0.5) };
        let period = 2.0 * (high - low);
        match padding {
            "border" => {
                let above = self.scalar("Max", &x, 0.0);
                x = self.scalar("Min", &above, size - 1.0);
            }
            // there and back again
            "reflection" if period > 0.0 => {
                let from = self.scalar("Add", &x, -low);
                let wave = self.wrapped(&from, period);
                let off = self.scalar("Add", &wave, -period / 2.0);
                let off = self.node("Abs", &[&off], Vec::new());
                let back = self.node("Neg", &[&off], Vec::new());
                x = self.scalar("Add", &back, low + period / 2.0);
                if mode == "nearest" {
                    // a pixel's number, as halves are cut off
                    let whole = self.scalar("Max", &x, 0.0);
                    x = self.node("Floor", &[&whole], Vec::new());
                }
            }
            "reflection" => x = self.scalar("Mul", &x, 0.0),
            "zeros" => {}
            _ => return self.refused("this padding"),
        }
        // pixels, and those beyond the border that a kernel reaches
        let reach: i64 = match mode {
            "nearest" => 0,
            "linear" | "bilinear" => 1,
            "cubic" | "bicubic" => 2,
            _ => return self.refused("this mode"),
        };
        let count = length as i64;
        let reached: Vec<i64> = (-reach..count + reach).collect();
        let source = |at: i64| -> Option<i64> {
            match padding {
                _ if (0..count).contains(&at) => Some(at),
                "border" => Some(at.clamp(0, count - 1)),
                "reflection" if corners && count > 1 => {
                    let around = at.rem_euclid(2 * (count - 1));
                    Some(around.min(2 * (count - 1) - around))
                }
                "reflection" => {
                    let around = at.rem_euclid(2 * count);
                    Some(around.min(2 * count - 1 - around))
                }
                _ => None,
            }
        };
        let numbers: Vec<f32> = reached.iter().map(|at| *at as f32).collect();
        let numbers = self.floats(&[numbers.len()], &numbers);
        let apart = self.node("Sub", &[&x, &numbers], Vec::new());
        let kernel = self.pixel_kernel(&apart, reach);
        if reach == 0 || (padding == "zeros" && mode != "cubic" && mode != "bicubic") {
            return Ok(self.inner(&kernel, reach, count));
        }
        let mut fold = vec![0.0; reached.len() * length];
        for (row, at) in reached.iter().enumerate() {
            if let Some(to) = source(*at) {
                fold[row * length + to as usize] = 1.0;
            }
        }
        let fold = self.floats(&[reached.len(), length], &fold);
        Ok(self.node("MatMul", &[&kernel, &fold], Vec::new()))
    }

    /// The columns of pixels alone.
    fn inner(&mut self, kernel: &str, reach: i64, count: i64) -> String {
        if reach == 0 {
            return kernel.to_owned();
        }
        let [begin, end, axis] = [reach, reach + count, 2].map(|v| self.ints(&[v]));
        self.node("Slice", &[kernel, &begin, &end, &axis], Vec::new())
    }

    /// How much a pixel at this distance counts.
    fn pixel_kernel(&mut self, apart: &str, reach: i64) -> String {
        let size = self.node("Abs", &[apart], Vec::new());
        match reach {
            0 => {
                let half = self.number(0.5);
                let near = self.node("Less", &[&size, &half], Vec::new());
                self.cast(&near, pb::tensor_proto::DataType::Float)
            }
            1 => {
                let less = self.node("Neg", &[&size], Vec::new());
                let less = self.scalar("Add", &less, 1.0);
                self.node("Relu", &[&less], Vec::new())
            }
            _ => {
                let a = -0.75;
                // Horner's scheme for both pieces
                let polynomial = |writer: &mut Self, terms: &[f32]| {
                    let mut sum = writer.scalar("Mul", &size, terms[0]);
                    for (at, term) in terms[1..].iter().enumerate() {
                        sum = writer.scalar("Add", &sum, *term);
                        if at + 2 < terms.len() {
                            sum = writer.node("Mul", &[&sum, &size], Vec::new());
                        }
                    }
                    sum
                };
                let near = polynomial(self, &[a + 2.0, -(a + 3.0), 0.0, 1.0]);
                let far = polynomial(self, &[a, -5.0 * a, 8.0 * a, -4.0 * a]);
                let (one, two, zero) = (self.number(1.0), self.number(2.0), self.number(0.0));
                let is_near = self.node("LessOrEqual", &[&size, &one], Vec::new());
                let is_far = self.node("Less", &[&size, &two], Vec::new());
                let far = self.node("Where", &[&is_far, &far, &zero], Vec::new());
                self.node("Where", &[&is_near, &near, &far], Vec::new())
            }
        }
    }

    /// A plane of places, turned and moved: a product with the matrix.
    pub(super) fn affine_grid(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let Some(size) = self.whole(input(node, 1)) else { return self.refused("a size that depends on the input") };
        let planes: Vec<usize> = size.iter().skip(2).map(|d| usize::try_from(*d).unwrap_or(0)).collect();
        let total: usize = planes.iter().product();
        if planes.is_empty() || total == 0 || total > MAX_MATRIX {
            return self.refused("this size");
        }
        let corners = attribute(node, "align_corners").is_some_and(|a| a.i != 0);
        let mut rows = Vec::with_capacity(total * (planes.len() + 1));
        for flat in 0..total {
            let mut rest = flat;
            let mut row: Vec<f32> = Vec::new();
            for length in planes.iter().rev() {
                let (at, length) = ((rest % length) as f32, *length as f32);
                row.push(if corners {
                    2.0 * at / (length - 1.0).max(1.0) - 1.0
                } else {
                    (2.0 * at + 1.0) / length - 1.0
                });
                rest /= length as usize;
            }
            rows.extend(row);
            rows.push(1.0);
        }
        let places = self.floats(&[total, planes.len() + 1], &rows);
        let theta = self.node("Transpose", &[input(node, 0)], vec![ints("perm", &[0, 2, 1])]);
        let y = self.node("MatMul", &[&places, &theta], Vec::new());
        let shape: Vec<i64> =
            [size[0]].into_iter().chain(planes.iter().map(|d| *d as i64)).chain([planes.len() as i64]).collect();
        let y = self.reshaped(&y, &shape);
        self.output(node, 0, &y);
        Ok(true)
    }
}
