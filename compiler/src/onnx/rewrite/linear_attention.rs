//! Attention whose state is a matrix that every step adds to, and a causal convolution that begins where another ended.

use super::{Writer, input, int, integer, ints, real, text};
use crate::onnx::GuardError;
use tract_onnx::pb;

/// Most steps that are written out.
const MAX_STEPS: usize = 512;

impl Writer<'_> {
    /// `[batch, steps, heads · width]` as `[batch, heads, steps, width]`.
    fn stepped(&mut self, name: &str, shape: &[usize; 3], heads: usize) -> Result<String, GuardError> {
        let [batch, steps, all] = *shape;
        if heads == 0 || !all.is_multiple_of(heads) {
            return self.refused("a width that is no multiple of the number of heads");
        }
        let apart = self.reshaped(name, &[batch as i64, steps as i64, heads as i64, (all / heads) as i64]);
        Ok(self.node("Transpose", &[&apart], vec![ints("perm", &[0, 2, 1, 3])]))
    }

    fn three(&mut self, name: &str) -> Result<[usize; 3], GuardError> {
        match self.shape(name).and_then(|shape| <[usize; 3]>::try_from(shape).ok()) {
            Some(shape) => Ok(shape),
            None => self.refused("operands that have not three axes"),
        }
    }

    /// One step of a tensor, `[batch, heads, 1, width]`.
    fn at_step(&mut self, name: &str, step: usize) -> String {
        let [begin, end, axis] = [step as i64, step as i64 + 1, 2].map(|v| self.ints(&[v]));
        self.node("Slice", &[name, &begin, &end, &axis], Vec::new())
    }

    /// Step by step: the state decays, what it answers to the key is taken off the value, their product is added, and
    /// the query reads it.
    pub(super) fn linear_attention(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let (q_heads, heads) = (integer(node, "q_num_heads", 0) as usize, integer(node, "kv_num_heads", 0) as usize);
        let rule = text(node, "update_rule", "gated_delta");
        let (gated, delta) = (matches!(rule, "gated" | "gated_delta"), matches!(rule, "delta" | "gated_delta"));
        let (q_shape, k_shape, v_shape) =
            (self.three(input(node, 0))?, self.three(input(node, 1))?, self.three(input(node, 2))?);
        let [batch, steps, _] = q_shape;
        if heads == 0 || !q_heads.is_multiple_of(heads) || q_heads == 0 || steps > MAX_STEPS {
            return self.refused("these numbers of heads, or more than 512 steps");
        }
        let (width, value_width, group) = (k_shape[2] / heads, v_shape[2] / heads, q_heads / heads);
        let q = self.stepped(input(node, 0), &q_shape, q_heads)?;
        let k = self.stepped(input(node, 1), &k_shape, heads)?;
        let v = self.stepped(input(node, 2), &v_shape, heads)?;
        let decay = if gated {
            let shape = self.three(input(node, 4))?;
            let decay = self.stepped(input(node, 4), &shape, heads)?;
            Some(self.node("Exp", &[&decay], Vec::new()))
        } else {
            None
        };
        let beta = if delta {
            let shape = self.three(input(node, 5))?;
            Some(self.stepped(input(node, 5), &shape, shape[2])?)
        } else {
            None
        };
        let scale = match real(node, "scale", 0.0) {
            0.0 => 1.0 / (width as f32).sqrt(),
            scale => scale,
        };
        let turn = |writer: &mut Self, x: &str| writer.node("Transpose", &[x], vec![ints("perm", &[0, 1, 3, 2])]);
        let mut state = Some(input(node, 3).to_owned()).filter(|state| !state.is_empty());
        let mut answers = Vec::with_capacity(steps);
        for step in 0..steps {
            let [q, k, mut v] = [&q, &k, &v].map(|x| self.at_step(x, step));
            let column = turn(self, &k);
            if let (Some(decay), Some(before)) = (&decay, &state) {
                let decay = self.at_step(decay, step);
                let decay = turn(self, &decay);
                state = Some(self.node("Mul", &[before, &decay], Vec::new()));
            }
            if let Some(beta) = &beta {
                if let Some(state) = &state {
                    let answer = self.node("MatMul", &[&k, state], Vec::new());
                    v = self.node("Sub", &[&v, &answer], Vec::new());
                }
                let beta = self.at_step(beta, step);
                v = self.node("Mul", &[&v, &beta], Vec::new());
            }
            let written = self.node("Mul", &[&column, &v], Vec::new());
            let now = match &state {
                Some(before) => self.node("Add", &[before, &written], Vec::new()),
                None => written,
            };
            // heads of queries that share a state
            let rows = self.reshaped(&q, &[batch as i64, heads as i64, group as i64, width as i64]);
            let answer = self.node("MatMul", &[&rows, &now], Vec::new());
            answers.push(self.reshaped(&answer, &[batch as i64, 1, (q_heads * value_width) as i64]));
            state = Some(now);
        }
        let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
        let all =
            if let [one] = answers[..] { one.to_owned() } else { self.node("Concat", &answers, vec![int("axis", 1)]) };
        let scale = self.number(scale);
        let y = self.node("Mul", &[&all, &scale], Vec::new());
        self.output(node, 0, &y);
        if let Some(state) = state {
            self.output(node, 1, &state);
        }
        Ok(true)
    }

    /// A convolution of every channel by itself over what came before and the input; what comes after it is the state.
    pub(super) fn causal_conv(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let ([batch, channels, length], [_, _, kernel]) = (self.three(input(node, 0))?, self.three(input(node, 1))?);
        let past = match input(node, 3) {
            "" => self.floats(&[batch, channels, kernel - 1], &vec![0.0; batch * channels * (kernel - 1)]),
            past => past.to_owned(),
        };
        let all = if kernel > 1 {
            self.node("Concat", &[&past, input(node, 0)], vec![int("axis", 2)])
        } else {
            input(node, 0).to_owned()
        };
        let operands: Vec<&str> =
            [all.as_str(), input(node, 1), input(node, 2)].into_iter().filter(|name| !name.is_empty()).collect();
        let mut y =
            self.node("Conv", &operands, vec![int("group", channels as i64), ints("kernel_shape", &[kernel as i64])]);
        if matches!(text(node, "activation", "none"), "silu" | "swish") {
            let gate = self.node("Sigmoid", &[&y], Vec::new());
            y = self.node("Mul", &[&y, &gate], Vec::new());
        }
        self.output(node, 0, &y);
        let [begin, end, axis] = [length as i64, i64::from(i32::MAX), 2].map(|v| self.ints(&[v]));
        if kernel > 1 {
            let state = self.node("Slice", &[&all, &begin, &end, &axis], Vec::new());
            self.output(node, 1, &state);
        } else if node.output.get(1).is_some_and(|name| !name.is_empty()) {
            return self.refused("a kernel of one place, whose state has no elements,");
        }
        Ok(true)
    }
}
