//! Layers that nothing reads, such as a reciprocal that every reader of a softmax did without.

use super::{Net, NetLayer, NetOperand};
use assay_circuits::model::{Loop, Source};

impl Net {
    /// Drops the layers that no output depends on.
    pub fn without_unread(mut self) -> Self {
        let used = self.used();
        // by layer: its new number
        let numbers: Vec<u32> = used
            .iter()
            .scan(0, |next, used| {
                let number = *next;
                *next += u32::from(*used);
                Some(number)
            })
            .collect();
        let renumbered = |source: Source| match source {
            Source::Pre(l) => Source::Pre(numbers[l as usize]),
            Source::Post(l) => Source::Post(numbers[l as usize]),
            Source::Max(l) => Source::Max(numbers[l as usize]),
            Source::Mark(l) => Source::Mark(numbers[l as usize]),
            Source::Input | Source::Weight(_) | Source::Bias(_) => source,
        };
        self.loops = self.loops.iter().filter_map(|l| shortened(l, &used, &numbers)).collect();
        let mut kept = used.iter();
        self.layers.retain(|_| kept.next().copied().unwrap_or(true));
        self.layers
            .iter_mut()
            .for_each(|layer| each_operand(layer, |operand| operand.source = renumbered(operand.source)));
        for output in &mut self.outputs {
            output.source = renumbered(output.source);
        }
        self
    }

    /// By layer: whether an output depends on it.
    fn used(&self) -> Vec<bool> {
        let mut used = vec![false; self.layers.len()];
        let mut open: Vec<u32> = self.outputs.iter().filter_map(|output| output.source.layer()).collect();
        while let Some(l) = open.pop() {
            if !std::mem::replace(&mut used[l as usize], true) {
                open.extend(operands(&self.layers[l as usize]).filter_map(|operand| operand.source.layer()));
            }
        }
        used
    }
}

/// A loop without the layers that are not used. `None` if there are no others.
fn shortened(of: &Loop, used: &[bool], numbers: &[u32]) -> Option<Loop> {
    let inside = used.get(of.first as usize..(of.first + of.layers) as usize)?;
    let layers = inside.iter().filter(|used| **used).count() as u32;
    (layers > 0).then(|| Loop { first: numbers[of.first as usize], layers, ..of.clone() })
}

/// Everything that a layer reads.
fn operands(layer: &NetLayer) -> impl Iterator<Item = &NetOperand> {
    layer.terms.iter().flat_map(|term| std::iter::once(&term.left).chain(&term.right)).chain(layer.beside())
}

/// Does something to everything that a layer reads.
fn each_operand(layer: &mut NetLayer, f: impl Fn(&mut NetOperand)) {
    layer.terms.iter_mut().flat_map(|term| std::iter::once(&mut term.left).chain(&mut term.right)).for_each(&f);
    layer.beside_mut().into_iter().for_each(f);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantise::samples::{Small, dense};

    /// A layer that nothing reads goes, and what comes behind it is still read by its new number.
    #[test]
    fn what_nobody_reads_is_dropped() {
        let mut small = Small::new(8);
        let first = small.add(dense(Source::Input, 3, 3, 0), true);
        small.add(dense(Source::Post(first), 3, 3, 0), true);
        let third = small.add(dense(Source::Post(first), 3, 2, 1), false);
        small.add(dense(Source::Pre(third), 2, 2, 2), false);
        let net = small.net([vec![1.0; 64], vec![1.0; 32], vec![1.0; 16]]);
        assert_eq!(net.layers.len(), 4);
        let net = net.without_unread();
        assert_eq!(net.layers.len(), 3);
        let reads: Vec<Source> = net.layers.iter().map(|layer| layer.terms[0].left.source).collect();
        assert_eq!(reads, [Source::Input, Source::Post(0), Source::Pre(1)]);
        assert_eq!(net.outputs[0].source, Source::Pre(2));
        assert_eq!(net.clone().without_unread(), net, "all that is left is read");
    }
}
