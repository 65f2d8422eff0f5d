//! What does not fit: inputs outside the range that a model is made for are refused unless the user allows them, and
//! what was clamped is said.

use crate::exit::Outcome;
use crate::ui::Ui;
use assay_api::engine::{Clamped, native, outside};
use assay_circuits::model::Architecture;
use assay_compiler::Sample;

/// How many input elements are outside the published ranges, in all samples together. Errors: there are some, and they
/// are not allowed.
pub fn check(ui: &Ui, architecture: &Architecture, samples: &[Sample], allow: bool) -> Outcome<usize> {
    let inputs = native::inputs(architecture);
    let mut elements = 0;
    for sample in samples {
        let found = outside(&inputs, &sample.concat());
        if let Some(first) = found.first.filter(|_| !allow) {
            return Err(first.into());
        }
        elements += found.elements;
    }
    if elements > 0 {
        ui.warn(format!(
            "input elements outside the range that the model is made for: {elements}; what it answers \
            there means little"
        ));
    }
    Ok(elements)
}

/// Says which layers clamped cells.
pub fn report(ui: &Ui, clamped: &[Clamped]) {
    if !clamped.is_empty() {
        let layers: Vec<String> = clamped.iter().map(|of| format!("{} of layer {}", of.cells, of.layer)).collect();
        ui.warn(format!("cells that were clamped, since their values did not fit: {}", layers.join(", ")));
    }
}

/// Adds what several executions clamped, by layer, in the order in which the layers are met.
pub fn add(sum: &mut Vec<Clamped>, more: Vec<Clamped>) {
    for of in more {
        match sum.iter_mut().find(|have| have.layer == of.layer) {
            Some(have) => have.cells += of.cells,
            None => sum.push(of),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer that several samples clamp is said once, with all of its cells.
    #[test]
    fn counts_of_a_layer_are_added() {
        let of = |layer: &str, cells| Clamped { layer: layer.into(), cells };
        let mut sum = vec![of("a", 1)];
        add(&mut sum, vec![of("b", 2), of("a", 3)]);
        assert_eq!(sum, [of("a", 4), of("b", 2)]);
    }
}
