//! Einsums of more than two operands, two at a time; diagonals, which are lists of places; and those that give a single
//! number.

use super::{Writer, attribute, input, int, text};
use crate::onnx::GuardError;
use tract_onnx::pb;

impl Writer<'_> {
    pub(super) fn einsum(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let equation: String = text(node, "equation", "").chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = match equation.split_once("->") {
            Some((left, right)) => (left, Some(right.to_owned())),
            None => (equation.as_str(), None),
        };
        let mut terms: Vec<String> = left.split(',').map(str::to_owned).collect();
        let twice = |term: &str| term.chars().enumerate().any(|(at, c)| c.is_alphabetic() && term[..at].contains(c));
        let diagonals = terms.iter().any(|term| twice(term));
        // tract takes a result that is empty for one that is not given
        let number = right.as_deref() == Some("");
        if (terms.len() <= 2 && !diagonals && !number) || terms.len() != node.input.len() || !equation.is_ascii() {
            return Ok(false);
        }
        if equation.contains('.') {
            return self.refused("an ellipsis together with a diagonal, more than two operands or a single number");
        }
        // without a result: letters that occur once, in alphabetical order
        let result = right.unwrap_or_else(|| {
            let mut letters: Vec<char> =
                left.chars().filter(|c| c.is_alphabetic() && left.matches(*c).count() == 1).collect();
            letters.sort_unstable();
            letters.into_iter().collect()
        });
        let mut names: Vec<String> = Vec::with_capacity(terms.len());
        for (at, term) in terms.iter_mut().enumerate() {
            let (name, letters) = self.diagonal(input(node, at), term)?;
            names.push(name);
            *term = letters;
        }
        let mut open: Vec<(String, String)> = names.into_iter().zip(terms).collect();
        while open.len() > 1 {
            let (a, of_a) = open.remove(0);
            let (b, of_b) = open.remove(0);
            let needed = |c: char| result.contains(c) || open.iter().any(|(_, term)| term.contains(c));
            let mut kept = String::new();
            for c in of_a.chars().chain(of_b.chars()) {
                if !kept.contains(c) && (needed(c) || open.is_empty() && result.contains(c)) {
                    kept.push(c);
                }
            }
            if open.is_empty() {
                kept.clone_from(&result);
            }
            let made = self.contracted(&format!("{of_a},{of_b}"), &kept, &[&a, &b], node);
            open.insert(0, (made, kept));
        }
        let Some((name, letters)) = open.pop() else { return self.refused("no operands") };
        let y = if letters == result { name } else { self.contracted(&letters, &result, &[&name], node) };
        self.output(node, 0, &y);
        Ok(true)
    }

    /// An einsum of one or two operands. Where a single number comes out one axis is kept, and summed behind it.
    fn contracted(&mut self, terms: &str, result: &str, operands: &[&str], like: &pb::NodeProto) -> String {
        let summed = terms.chars().find(|c| result.is_empty() && c.is_alphabetic());
        let kept = summed.map_or_else(|| result.to_owned(), String::from);
        let mut text = attribute(like, "equation").cloned().unwrap_or_default();
        text.s = format!("{terms}->{kept}").into_bytes();
        let y = self.node("Einsum", operands, vec![text]);
        if summed.is_none() {
            return y;
        }
        let sum = self.reduced("ReduceSum", &y, &[0]);
        self.reshaped(&sum, &[])
    }

    /// Letters that occur twice name places where both axes agree.
    fn diagonal(&mut self, name: &str, term: &str) -> Result<(String, String), GuardError> {
        let mut name = name.to_owned();
        let mut letters: Vec<char> = term.chars().collect();
        loop {
            let pair = letters.iter().enumerate().find_map(|(at, c)| letters[at + 1..].contains(c).then_some((at, *c)));
            let Some((first, letter)) = pair else { return Ok((name, letters.into_iter().collect())) };
            let Some(shape) = self.shape(&name).filter(|shape| shape.len() == letters.len()) else {
                return self.refused("a shape that is not known");
            };
            let second = letters.iter().rposition(|c| *c == letter).unwrap_or(first);
            let length = shape[first];
            // both axes to the front, as one
            let others: Vec<usize> = (0..shape.len()).filter(|at| *at != first && *at != second).collect();
            let order: Vec<i64> = [first, second].iter().chain(&others).map(|at| *at as i64).collect();
            let turned = self.node("Transpose", &[&name], vec![super::ints("perm", &order)]);
            let joined: Vec<i64> =
                std::iter::once((length * length) as i64).chain(others.iter().map(|at| shape[*at] as i64)).collect();
            let joined = self.reshaped(&turned, &joined);
            let places: Vec<i64> = (0..length).map(|at| (at * (length + 1)) as i64).collect();
            let places = self.ints(&places);
            name = self.node("Gather", &[&joined, &places], vec![int("axis", 0)]);
            letters = std::iter::once(letter).chain(others.iter().map(|at| letters[*at])).collect();
        }
    }
}
