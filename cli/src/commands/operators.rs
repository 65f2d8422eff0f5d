//! `assay operators`.

use crate::args::OperatorsArgs;
use crate::exit::Outcome;
use crate::ui::Ui;
use assay_compiler::{OPERATORS, Operator, operators_page};
use serde_json::json;

/// The register for a terminal.
fn plain() -> String {
    let entry = |of: &Operator| format!("{}\n    {}; lookups: {}", of.onnx, of.becomes, of.lookups);
    OPERATORS.iter().map(entry).collect::<Vec<_>>().join("\n")
}

/// Lists the operators that the compiler takes.
pub fn operators(ui: &Ui, args: &OperatorsArgs) -> Outcome {
    let text = if args.markdown { operators_page() } else { plain() };
    ui.finish(json!({ "operators": OPERATORS }), text.trim_end());
    Ok(())
}
