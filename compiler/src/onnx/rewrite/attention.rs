//! Attention of the standard, written out: a product, a scale, masks, a softmax, a product.
//!
//! Everything that must not be seen (a causal mask, a window, padding, a mask of truth values) is one condition, and
//! one choice writes a large negative number there. A row that sees nothing has the answer 0.

use super::{Writer, attribute, input, int, integer, ints, real};
use crate::onnx::GuardError;
use tract_onnx::pb::{self, tensor_proto::DataType};

/// What a score is that must not be seen.
const UNSEEN: f32 = -1e4;

/// Heads and lengths: `[batch, heads, length, width]` of what is called `name`.
struct Heads {
    name: String,
    shape: [usize; 4],
}

impl Writer<'_> {
    /// Splits `[batch, length, heads · width]` into heads.
    fn heads(&mut self, name: &str, heads: i64) -> Result<Heads, GuardError> {
        let Some(shape) = self.shape(name) else { return self.refused("a shape that is not known beforehand") };
        match shape[..] {
            [batch, heads, length, width] => Ok(Heads { name: name.to_owned(), shape: [batch, heads, length, width] }),
            [batch, length, all] => {
                let Some(heads) = usize::try_from(heads).ok().filter(|heads| *heads > 0 && all.is_multiple_of(*heads))
                else {
                    return self.refused("operands of three axes and no number of heads");
                };
                let width = all / heads;
                let apart = self.reshaped(name, &[batch as i64, length as i64, heads as i64, width as i64]);
                let name = self.node("Transpose", &[&apart], vec![ints("perm", &[0, 2, 1, 3])]);
                Ok(Heads { name, shape: [batch, heads, length, width] })
            }
            _ => self.refused("operands that have neither three axes nor four"),
        }
    }

    /// Puts an older part in front along the axis of lengths.
    fn with_past(&mut self, heads: Heads, past: &str) -> Result<(Heads, usize), GuardError> {
        if past.is_empty() {
            return Ok((heads, 0));
        }
        let Some([_, _, length, _]) = self.shape(past).and_then(|shape| <[usize; 4]>::try_from(shape).ok()) else {
            return self.refused("a past of which the shape is not known");
        };
        let name = self.node("Concat", &[past, &heads.name], vec![int("axis", 2)]);
        let [batch, count, own, width] = heads.shape;
        Ok((Heads { name, shape: [batch, count, own + length, width] }, length))
    }

    /// Scores `[batch, heads of queries, length of queries, length of keys]`; heads of keys are shared by groups.
    fn grouped_product(&mut self, a: &Heads, b: &Heads, turned: bool) -> Result<String, GuardError> {
        let ([batch, heads, rows, inner], [_, shared, length, width]) = (a.shape, b.shape);
        let right =
            if turned { self.node("Transpose", &[&b.name], vec![ints("perm", &[0, 1, 3, 2])]) } else { b.name.clone() };
        if heads == shared {
            return Ok(self.node("MatMul", &[&a.name, &right], Vec::new()));
        }
        if shared == 0 || !heads.is_multiple_of(shared) {
            return self.refused("heads of queries that are no multiple of those of keys");
        }
        let group = heads / shared;
        let dims = |list: [usize; 5]| list.map(|d| d as i64);
        let left = self.reshaped(&a.name, &dims([batch, shared, group, rows, inner]));
        let right = self.unsqueezed(&right, &[2]);
        let product = self.node("MatMul", &[&left, &right], Vec::new());
        let columns = if turned { length } else { width };
        Ok(self.reshaped(&product, &dims([batch, heads, rows, columns, 0])[..4]))
    }

    /// The same of tensors whose shapes are known.
    pub(super) fn attended(
        &mut self,
        a: &str,
        of_a: [usize; 4],
        b: &str,
        of_b: [usize; 4],
        turned: bool,
    ) -> Result<String, GuardError> {
        let heads = |name: &str, shape| Heads { name: name.to_owned(), shape };
        self.grouped_product(&heads(a, of_a), &heads(b, of_b), turned)
    }

    pub(super) fn attention(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let three = self.shape(input(node, 0)).is_some_and(|shape| shape.len() == 3);
        let q = self.heads(input(node, 0), integer(node, "q_num_heads", 0))?;
        let k = self.heads(input(node, 1), integer(node, "kv_num_heads", 0))?;
        let v = self.heads(input(node, 2), integer(node, "kv_num_heads", 0))?;
        let (k, past) = self.with_past(k, input(node, 4))?;
        let (v, _) = self.with_past(v, input(node, 5))?;
        self.output(node, 1, &k.name.clone());
        self.output(node, 2, &v.name.clone());
        let scale = attribute(node, "scale").map_or(1.0 / (q.shape[3] as f32).sqrt(), |a| a.f);
        let mode = integer(node, "qk_matmul_output_mode", 0);
        let product = self.grouped_product(&q, &k, true)?;
        let scale = self.number(scale);
        let mut scores = self.node("Mul", &[&product, &scale], Vec::new());
        let mut shown = scores.clone();
        let softcap = real(node, "softcap", 0.0);
        if softcap > 0.0 {
            let (down, up) = (self.number(1.0 / softcap), self.number(softcap));
            let small = self.node("Mul", &[&scores, &down], Vec::new());
            let cut = self.node("Tanh", &[&small], Vec::new());
            scores = self.node("Mul", &[&cut, &up], Vec::new());
            if mode == 1 {
                shown.clone_from(&scores);
            }
        }
        let seen = self.seen(node, &q, &k, past, &mut scores)?;
        if let Some((condition, _)) = &seen {
            let unseen = self.number(UNSEEN);
            scores = self.node("Where", &[condition, &scores, &unseen], Vec::new());
        }
        if mode == 2 && seen.is_some() && node.output.get(3).is_some_and(|name| !name.is_empty()) {
            return self.refused("masked scores as an output, which are infinite,");
        }
        if mode == 2 {
            shown.clone_from(&scores);
        }
        let mut weights = self.node("Softmax", &[&scores], vec![int("axis", -1)]);
        if mode == 3 {
            if let Some((_, Some(rows))) = &seen {
                weights = self.node("Mul", &[&weights, rows], Vec::new());
            }
            shown.clone_from(&weights);
        }
        self.output(node, 3, &shown);
        let weights = Heads { name: weights, shape: [q.shape[0], q.shape[1], q.shape[2], k.shape[2]] };
        let mut y = self.grouped_product(&weights, &v, false)?;
        if let Some((_, Some(rows))) = &seen
            && mode != 3
        {
            y = self.node("Mul", &[&y, rows], Vec::new());
        }
        if three {
            let turned = self.node("Transpose", &[&y], vec![ints("perm", &[0, 2, 1, 3])]);
            y = self.reshaped(&turned, &[q.shape[0] as i64, q.shape[2] as i64, (q.shape[1] * v.shape[3]) as i64]);
        }
        self.output(node, 0, &y);
        Ok(true)
    }

    /// Which keys each query sees, and, where that may be none, 1 for the rows that see something and 0 for the others.
    /// A mask of numbers is added to the scores.
    fn seen(
        &mut self,
        node: &pb::NodeProto,
        q: &Heads,
        k: &Heads,
        past: usize,
        scores: &mut String,
    ) -> Result<Option<(String, Option<String>)>, GuardError> {
        let (rows, columns) = (q.shape[2], k.shape[2]);
        let mut mask_columns = columns;
        let mut conditions: Vec<String> = Vec::new();
        let mask = input(node, 3);
        if !mask.is_empty() {
            let Some(known) = self.known(mask) else { return self.refused("a mask of which the shape is not known") };
            mask_columns = known.shape.last().copied().unwrap_or(columns);
            let mut mask = mask.to_owned();
            if mask_columns < columns {
                let mut rest = known.shape.clone();
                if let Some(last) = rest.last_mut() {
                    *last = columns - mask_columns;
                }
                let kind = known.kind;
                let zeros = self.filled(&rest, kind);
                mask = self.node("Concat", &[&mask, &zeros], vec![int("axis", -1)]);
            }
            if known.kind == DataType::Bool {
                conditions.push(mask);
            } else {
                *scores = self.node("Add", &[scores, &mask], Vec::new());
            }
        }
        let causal = integer(node, "is_causal", 0) != 0;
        let (left, mut right) = (integer(node, "left_window_size", -1), integer(node, "right_window_size", -1));
        if causal {
            right = 0;
        }
        let lengths = input(node, 6);
        let moves = !lengths.is_empty() && past == 0;
        // a query's place less a key's, but for the number of keys before the queries where that depends on the input
        let offset = if moves { -(rows as i64) } else { past as i64 };
        let apart = |row: usize, column: usize| row as i64 + offset - column as i64;
        let places = move || (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)));
        if moves {
            let lengths = self.reshaped(lengths, &[-1, 1, 1, 1]);
            let counted = self.cast(&lengths, DataType::Int64);
            let number: Vec<i64> = (0..columns as i64).collect();
            let number = self.whole_numbers(&[columns], &number);
            conditions.push(self.node("Less", &[&number, &counted], Vec::new()));
            // -right <= apart + length <= left
            if right >= 0 {
                let least: Vec<i64> = places().map(|(row, column)| -right - apart(row, column)).collect();
                let least = self.whole_numbers(&[rows, columns], &least);
                conditions.push(self.node("LessOrEqual", &[&least, &counted], Vec::new()));
            }
            if left >= 0 {
                let most: Vec<i64> = places().map(|(row, column)| left - apart(row, column)).collect();
                let most = self.whole_numbers(&[rows, columns], &most);
                conditions.push(self.node("LessOrEqual", &[&counted, &most], Vec::new()));
            }
        } else if !lengths.is_empty() {
            return self.refused("both a past and numbers of keys that count");
        }
        let fixed = |row: usize, column: usize| {
            let near =
                moves || ((right < 0 || apart(row, column) >= -right) && (left < 0 || apart(row, column) <= left));
            near && column < mask_columns
        };
        let depends = !conditions.is_empty();
        let allowed: Vec<bool> = places().map(|(row, column)| fixed(row, column)).collect();
        let mut some = None;
        if allowed.iter().any(|seen| !seen) {
            conditions.push(self.truths(&[rows, columns], &allowed));
            let rows_seen: Vec<f32> =
                allowed.chunks(columns).map(|row| f32::from(u8::from(row.contains(&true)))).collect();
            if rows_seen.contains(&0.0) && !depends {
                some = Some(self.floats(&[rows, 1], &rows_seen));
            }
        }
        let Some(mut condition) = conditions.pop() else { return Ok(None) };
        for other in conditions {
            condition = self.node("And", &[&other, &condition], Vec::new());
        }
        if depends {
            let numbers = self.cast(&condition, DataType::Float);
            some = Some(self.reduced("ReduceMax", &numbers, &[-1]));
        }
        Ok(Some((condition, some)))
    }

    /// `silu(a) · b` of the halves of the last axis, or what its form says.
    pub(super) fn swiglu(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        if input(node, 1).is_empty() {
            return self.refused("one operand");
        }
        let alpha = self.number(real(node, "alpha", 1.0));
        let scaled = self.node("Mul", &[input(node, 0), &alpha], Vec::new());
        let gate = self.node("Sigmoid", &[&scaled], Vec::new());
        let part = self.node("Mul", &[input(node, 0), &gate], Vec::new());
        let y = self.node("Mul", &[&part, input(node, 1)], Vec::new());
        self.output(node, 0, &y);
        Ok(true)
    }
}
