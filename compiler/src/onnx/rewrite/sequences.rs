//! Sequences and optional values: lists of tensors, which are known by name before the graph runs. Only tensors are
//! left of them.

use super::{Writer, attribute, input, int, integer};
use crate::onnx::GuardError;
use tract_onnx::pb;

/// Most elements of a sequence.
const MAX_ELEMENTS: usize = 4096;

impl Writer<'_> {
    fn elements_of(&self, name: &str) -> Result<Vec<String>, GuardError> {
        match self.sequences.get(name) {
            Some(list) => Ok(list.clone()),
            None => self.refused("a sequence that is an input of the model, or that the input decides about,"),
        }
    }

    /// A place in a sequence; negative ones count from the end.
    fn place(&mut self, name: &str, default: i64, length: usize) -> Result<usize, GuardError> {
        let at = match name {
            "" => default,
            name => match self.whole(name).as_deref() {
                Some([at]) => *at,
                _ => return self.refused("a place that depends on the input"),
            },
        };
        let at = if at < 0 { at + length as i64 } else { at };
        match usize::try_from(at) {
            Ok(at) if at <= length => Ok(at),
            _ => self.refused("a place that is out of range"),
        }
    }

    fn keep(&mut self, node: &pb::NodeProto, list: Vec<String>) -> Result<bool, GuardError> {
        if list.len() > MAX_ELEMENTS {
            return self.refused("more than 4096 elements");
        }
        let output = node.output.first().cloned().unwrap_or_default();
        if self.outputs.iter().any(|declared| declared.name == output) {
            return self.refused("a sequence that is an output of the model");
        }
        self.sequences.insert(output, list);
        Ok(true)
    }

    /// Operators of sequences and optional values. Whether the node was one.
    pub(super) fn sequence(&mut self, node: &pb::NodeProto, depth: usize) -> Result<bool, GuardError> {
        match node.op_type.as_str() {
            "SequenceEmpty" => self.keep(node, Vec::new()),
            "SequenceConstruct" => self.keep(node, node.input.clone()),
            "SequenceInsert" => {
                let mut list = self.elements_of(input(node, 0))?;
                let at = self.place(input(node, 2), list.len() as i64, list.len())?;
                list.insert(at, input(node, 1).to_owned());
                self.keep(node, list)
            }
            "SequenceErase" => {
                let mut list = self.elements_of(input(node, 0))?;
                let at = self.place(input(node, 1), list.len() as i64 - 1, list.len())?;
                if at < list.len() {
                    list.remove(at);
                }
                self.keep(node, list)
            }
            "SequenceAt" => {
                let list = self.elements_of(input(node, 0))?;
                let at = self.place(input(node, 1), 0, list.len())?;
                let Some(element) = list.get(at) else { return self.refused("a place that is out of range") };
                self.output(node, 0, element);
                Ok(true)
            }
            "SequenceLength" => {
                let length = self.elements_of(input(node, 0))?.len() as i64;
                let length = self.whole_numbers(&[], &[length]);
                self.output(node, 0, &length);
                Ok(true)
            }
            "SplitToSequence" => self.split_to_sequence(node),
            "ConcatFromSequence" => self.concat_from_sequence(node),
            "SequenceMap" => self.sequence_map(node, depth),
            "Optional" if !input(node, 0).is_empty() => {
                self.output(node, 0, input(node, 0));
                Ok(true)
            }
            "OptionalGetElement" => {
                self.output(node, 0, input(node, 0));
                Ok(true)
            }
            "OptionalHasElement" => {
                let there = self.truths(&[], &[!input(node, 0).is_empty()]);
                self.output(node, 0, &there);
                Ok(true)
            }
            "Identity" if self.sequences.contains_key(input(node, 0)) => {
                let list = self.elements_of(input(node, 0))?;
                self.keep(node, list)
            }
            _ => Ok(false),
        }
    }

    fn split_to_sequence(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let Some(shape) = self.shape(input(node, 0)) else { return self.refused("a shape that is not known") };
        let axis = integer(node, "axis", 0).rem_euclid(shape.len().max(1) as i64);
        let length = shape[axis as usize] as i64;
        let given = input(node, 1).to_owned();
        let sizes: Vec<i64> = match given.as_str() {
            "" => vec![1; length as usize],
            name => match (self.shape(name).map(|shape| shape.len()), self.whole(name)) {
                (Some(0), Some(size)) if size[0] > 0 => {
                    (0..length).step_by(size[0] as usize).map(|at| size[0].min(length - at)).collect()
                }
                (Some(1), Some(sizes)) => sizes,
                _ => return self.refused("sizes that depend on the input"),
            },
        };
        let mut list = Vec::with_capacity(sizes.len());
        let mut from = 0;
        for size in sizes {
            let [begin, end, on] = [from, from + size, axis].map(|v| self.ints(&[v]));
            let mut part = self.node("Slice", &[input(node, 0), &begin, &end, &on], Vec::new());
            if given.is_empty() && integer(node, "keepdims", 1) == 0 {
                let shape: Vec<i64> = shape
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| *at as i64 != axis)
                    .map(|(_, length)| *length as i64)
                    .collect();
                part = self.reshaped(&part, &shape);
            }
            list.push(part);
            from += size;
        }
        self.keep(node, list)
    }

    fn concat_from_sequence(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let mut list = self.elements_of(input(node, 0))?;
        let axis = integer(node, "axis", 0);
        if list.is_empty() {
            return self.refused("an empty sequence");
        }
        if integer(node, "new_axis", 0) != 0 {
            for element in &mut list {
                *element = self.unsqueezed(&element.clone(), &[axis]);
            }
        }
        let list: Vec<&str> = list.iter().map(String::as_str).collect();
        let y = if let [one] = list[..] { one.to_owned() } else { self.node("Concat", &list, vec![int("axis", axis)]) };
        self.output(node, 0, &y);
        Ok(true)
    }

    /// A graph for each element.
    fn sequence_map(&mut self, node: &pb::NodeProto, depth: usize) -> Result<bool, GuardError> {
        let Some(body) = attribute(node, "body").and_then(|a| a.g.clone()) else { return self.refused("no body") };
        let count = self.elements_of(input(node, 0))?.len();
        let mut made: Vec<Vec<String>> = vec![Vec::with_capacity(count); node.output.len()];
        for at in 0..count {
            // further operands are sequences too, or the same tensor for each
            let inputs: Vec<String> = node
                .input
                .iter()
                .map(|name| {
                    self.sequences.get(name).map_or(name.clone(), |list| list.get(at).cloned().unwrap_or_default())
                })
                .collect();
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            for (list, element) in made.iter_mut().zip(self.graph(&body, &inputs, depth)?) {
                list.push(element);
            }
        }
        for (output, list) in node.output.iter().zip(made) {
            self.keep(&pb::NodeProto { output: vec![output.clone()], ..node.clone() }, list)?;
        }
        Ok(true)
    }
}
