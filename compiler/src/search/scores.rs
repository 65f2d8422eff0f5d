//! What labels are chosen by, where a model gives nothing but labels.

use crate::Sample;
use crate::net::{Kind, Net, NetLayer, NetOutput, NetRule, Run};
use assay_circuits::model::Source;

/// The network with one more output, which only the search for widths sees, and what that is on the samples: how far
/// each of the numbers that a label is chosen by is below the largest of them. Labels alone say next to nothing: on a
/// few samples they are all right, however near to each other two numbers may come on other inputs. `None` for a model
/// that gives other things than labels, and for a quantised one, whose numbers are exact.
pub fn shown(net: &Net, samples: &[Sample]) -> Option<(Net, Vec<Vec<f32>>)> {
    if net.output_kinds().contains(&Kind::Real) || net.rounds() || net.rounds_by_input() {
        return None;
    }
    let (index, layer) = net.layers.iter().enumerate().rev().find(|(index, layer)| chooses(net, *index, layer))?;
    let cells: Vec<u32> = (0..1u32 << layer.log_size()).filter(|cell| layer.counts(*cell as usize)).collect();
    let NetRule::Maximum { len, .. } = layer.rule else { return None };
    // a list has no row axis of length 1
    let rows = cells.len() as u32 / len;
    let shape = if rows == 1 { vec![len] } else { vec![rows, len] };
    let source = Source::Pre(index as u32);
    let mut net = net.clone();
    net.outputs.push(NetOutput { name: String::new(), kind: Kind::Real, source, shape, cells, log_unit: 0 });
    let distances = samples.iter().map(|x| Run::of(&net, x).outputs(&net).pop().unwrap_or_default()).collect();
    Some((net, distances))
}

/// Whether a layer finds the largest of real numbers for somebody who asks where it is.
fn chooses(net: &Net, index: usize, layer: &NetLayer) -> bool {
    let mark = Source::Mark(index as u32);
    let asks = |layer: &NetLayer| layer.terms.iter().any(|term| term.left.source == mark);
    layer.kind == Kind::Real
        && matches!(layer.rule, NetRule::Maximum { len: 2.., function: None, .. })
        && net.layers.iter().any(asks)
        && net.loops.iter().all(|of| !(of.first..of.first + of.layers).contains(&(index as u32)))
}
