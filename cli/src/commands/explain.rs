//! `assay explain`: a model's network as a drawing, with what each layer costs and what it loses.

use super::inspect::table_text;
use crate::args::ExplainArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::files::{self, ModelFile};
use crate::ui::Ui;
use assay_circuits::model::{Architecture, Layer, Rule, Source};
use assay_compiler::{Cost, LayerCost};
use assay_prover::output::Readers;
use assay_prover::package::{Metadata, hex};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

const WIDTH: usize = 290;
const HEIGHT: usize = 86;
const GAP: usize = 34;
const MARGIN: usize = 24;
/// Room for the model's name and figures.
const HEAD: usize = 84;
/// A layer is marked if it adds at least this share of what the worst one adds.
const MUCH: f64 = 0.5;

/// What a layer loses, as the compiler's report has it.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Loss {
    index: usize,
    error: f64,
    added: f64,
}

#[derive(Deserialize)]
struct Losses {
    losses: Vec<Loss>,
}

/// The file that `assay compile` writes beside a package.
#[derive(Deserialize)]
struct ReportFile {
    model_commitment: String,
    report: Losses,
}

/// The errors of a model's layers. A report that is only beside the model, and of another one, is not its report.
fn losses(ui: &Ui, args: &ExplainArgs, commitment: &str) -> Outcome<HashMap<usize, Loss>> {
    let path = args.report.clone().unwrap_or_else(|| files::beside(&args.model, "report.json"));
    if args.report.is_none() && !path.exists() {
        return Ok(HashMap::new());
    }
    let text = std::fs::read(&path).map_err(|e| Failure::message(Exit::Io, format!("cannot read {}: {e}", path.display())))?;
    let file: ReportFile = serde_json::from_slice(&text)
        .map_err(|e| Failure::message(Exit::Input, format!("{} is no report that `assay compile` wrote: {e}", path.display())))?;
    if file.model_commitment == commitment {
        return Ok(file.report.losses.into_iter().map(|loss| (loss.index, loss)).collect());
    }
    let text = format!("{} is the report of another compilation", path.display());
    if args.report.is_some() {
        return Err(Failure::message(Exit::Input, text));
    }
    ui.warn(format!("{text}, and the drawing shows no errors"));
    Ok(HashMap::new())
}

/// Draws a model.
pub fn explain(ui: &Ui, args: ExplainArgs) -> Outcome {
    let file = files::model(ui, &args.model)?;
    let (metadata, model) = match &file {
        ModelFile::Key(key) => (&key.metadata, &key.model),
        ModelFile::Package(package, _) => (&package.metadata, &package.model),
    };
    let architecture = &model.shape.architecture;
    let losses = losses(ui, &args, &hex(&model.commitment()))?;
    let costs = LayerCost::of(architecture);
    let output = args.output.unwrap_or_else(|| files::beside(&args.model, "svg"));
    let drawing = Drawing { architecture, metadata, costs: &costs, losses: &losses }.svg();
    files::write(ui, &output, Readers::Default, drawing.as_bytes())?;
    let layers: Vec<_> = (0..costs.len())
        .map(|i| json!({ "name": name(metadata, i), "cost": costs[i], "added_error": losses.get(&i).map(|loss| loss.added) }))
        .collect();
    if !files::is_stdout(&output) {
        let text =
            format!("{} layers{}\nwrote {}", layers.len(), if losses.is_empty() { ", without errors" } else { "" }, output.display());
        ui.finish(json!({ "file": output, "layers": layers }), text);
    }
    Ok(())
}

/// A network with what each layer costs, as buyers may see it: without errors.
pub fn drawing(metadata: &Metadata, architecture: &Architecture) -> String {
    Drawing { architecture, metadata, costs: &LayerCost::of(architecture), losses: &HashMap::new() }.svg()
}

fn name(metadata: &Metadata, layer: usize) -> String {
    metadata.layer_names.get(layer).filter(|name| !name.is_empty()).cloned().unwrap_or_else(|| format!("layer {layer}"))
}

/// A box of the drawing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    Input,
    Layer(usize),
    Output(usize),
}

struct Drawing<'a> {
    architecture: &'a Architecture,
    metadata: &'a Metadata,
    costs: &'a [LayerCost],
    losses: &'a HashMap<usize, Loss>,
}

/// Where a source comes from; nothing for weights.
fn origin(source: Source) -> Option<Node> {
    match source {
        Source::Input => Some(Node::Input),
        Source::Weight(_) | Source::Bias(_) => None,
        other => other.layer().map(|layer| Node::Layer(layer as usize)),
    }
}

/// What a layer reads, each once.
fn reads(layer: &Layer) -> Vec<Node> {
    let operands = layer.terms.iter().flat_map(|term| std::iter::once(&term.left).chain(&term.right));
    let mut sources: BTreeSet<Source> = operands.map(|operand| operand.source).collect();
    if let Rule::Divide { by, .. } | Rule::Quotient { by, .. } = &layer.rule {
        sources.insert(by.operand.source);
    }
    let mut nodes = Vec::new();
    for node in sources.into_iter().filter_map(origin) {
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    nodes
}

fn rule_text(layer: &Layer) -> &'static str {
    match layer.rule {
        Rule::Exact => "exact sum",
        Rule::Requantise { .. } => "rounded sum",
        Rule::Divide { .. } => "quotient of sums",
        Rule::Quotient { .. } => "integer quotient",
        Rule::SquareRoot { .. } => "square root",
        Rule::Maximum { .. } => "maximum",
        Rule::Rows { .. } => "rows of weights",
    }
}

/// Text for XML.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other if other.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

/// The end of a name, which says more than its beginning.
fn short(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most { text.to_owned() } else { format!("…{}", text.chars().skip(length + 1 - most).collect::<String>()) }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Drawing<'_> {
    /// Boxes by their distance from the input: a layer stands below all that it reads.
    fn rows(&self) -> Vec<Vec<Node>> {
        let mut depth: Vec<usize> = Vec::new();
        let below = |depth: &[usize], node: &Node| match node {
            Node::Layer(layer) => depth.get(*layer).map_or(1, |depth| depth + 1),
            _ => 1,
        };
        for layer in &self.architecture.layers {
            let at = reads(layer).iter().map(|node| below(&depth, node)).max().unwrap_or(1);
            depth.push(at);
        }
        let mut rows = vec![Vec::new(); depth.iter().max().map_or(1, |deepest| deepest + 1) + 1];
        let last = rows.len() - 1;
        let mut put = |row: usize, node| {
            if let Some(row) = rows.get_mut(row) {
                row.push(node);
            }
        };
        put(0, Node::Input);
        depth.iter().enumerate().for_each(|(layer, row)| put(*row, Node::Layer(layer)));
        (0..self.architecture.outputs.len()).for_each(|output| put(last, Node::Output(output)));
        rows
    }

    fn svg(&self) -> String {
        let rows = self.rows();
        let widest = rows.iter().map(Vec::len).max().unwrap_or(1);
        let (width, height) = (2 * MARGIN + widest * (WIDTH + GAP) - GAP, HEAD + MARGIN + rows.len() * (HEIGHT + GAP) - GAP);
        let width = width.max(620);
        let mut places = Vec::new();
        for (y, row) in rows.iter().enumerate() {
            let left = (width - (row.len() * (WIDTH + GAP)).saturating_sub(GAP)) / 2;
            places.extend(row.iter().enumerate().map(|(x, node)| (*node, (left + x * (WIDTH + GAP), HEAD + y * (HEIGHT + GAP)))));
        }
        let title = escaped(&self.metadata.name);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
             aria-label=\"The network of {title}\">\n<style>{STYLE}</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n"
        );
        self.head(&mut svg, &title);
        for (node, at) in &places {
            self.edges(&mut svg, *node, *at, &places);
        }
        for (node, at) in &places {
            self.node(&mut svg, *node, *at);
        }
        svg + "</svg>\n"
    }

    /// The model's name and figures. Writing to a string does not fail.
    fn head(&self, svg: &mut String, title: &str) {
        let cost = Cost::of(self.architecture);
        let _ = writeln!(svg, "<text class=\"title\" x=\"{MARGIN}\" y=\"34\">{title}</text>");
        let figures = format!(
            "{} layers, {} witness cells, {} lookups, inner proof of about {:.2} s (predicted)",
            self.architecture.layers.len(),
            grouped(cost.witness_cells),
            grouped(cost.lookups),
            cost.predicted_inner_seconds
        );
        let _ = writeln!(svg, "<text class=\"small\" x=\"{MARGIN}\" y=\"56\">{figures}</text>");
    }

    fn edges(&self, svg: &mut String, node: Node, (x, y): (usize, usize), places: &[(Node, (usize, usize))]) {
        let from = match node {
            Node::Input => Vec::new(),
            Node::Layer(layer) => self.architecture.layers.get(layer).map(reads).unwrap_or_default(),
            Node::Output(output) => self.architecture.outputs.get(output).and_then(|output| origin(output.source)).into_iter().collect(),
        };
        for (_, (a, b)) in places.iter().filter(|(node, _)| from.contains(node)) {
            let (a, b, x) = (a + WIDTH / 2, b + HEIGHT, x + WIDTH / 2);
            let bend = (y.abs_diff(b) / 2).max(GAP);
            let _ = writeln!(svg, "<path class=\"edge\" d=\"M{a} {b}C{a} {} {x} {} {x} {y}\"/>", b + bend, y.saturating_sub(bend));
        }
    }

    fn node(&self, svg: &mut String, node: Node, (x, y): (usize, usize)) {
        let (class, lines, share) = match node {
            Node::Input => {
                ("port", self.tensors("input", self.architecture.input.ports.iter().map(|port| (&port.name, &port.shape))), None)
            }
            Node::Output(output) => (
                "port",
                self.tensors("output", self.architecture.outputs.get(output).iter().map(|output| (&output.name, &output.shape))),
                None,
            ),
            Node::Layer(layer) => self.layer(layer),
        };
        let _ = writeln!(svg, "<g transform=\"translate({x} {y})\"><title>{}</title>", escaped(&lines.join("\n")));
        let _ = writeln!(svg, "<rect class=\"box {class}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>");
        for (i, line) in lines.iter().enumerate() {
            let (class, most) = if i == 0 { ("name", 34) } else { ("small", 50) };
            let _ = writeln!(svg, "<text class=\"{class}\" x=\"10\" y=\"{}\">{}</text>", 19 + 17 * i, escaped(&short(line, most)));
        }
        if let Some(share) = share {
            let _ = writeln!(svg, "<rect class=\"bar\" y=\"{}\" width=\"{:.1}\" height=\"5\" rx=\"2\"/>", HEIGHT - 5, share * WIDTH as f64);
        }
        svg.push_str("</g>\n");
    }

    fn tensors<'t>(&self, kind: &str, tensors: impl Iterator<Item = (&'t String, &'t Vec<u32>)>) -> Vec<String> {
        let mut lines = vec![kind.to_owned()];
        lines.extend(tensors.take(3).map(|(name, shape)| format!("{name} {shape:?}")));
        lines
    }

    /// A layer's lines, whether it loses much, and its share of the predicted time.
    fn layer(&self, index: usize) -> (&'static str, Vec<String>, Option<f64>) {
        let (Some(layer), Some(cost)) = (self.architecture.layers.get(index), self.costs.get(index)) else { return ("", Vec::new(), None) };
        let all: f64 = self.costs.iter().map(|cost| cost.predicted_seconds).sum();
        let share = if all > 0.0 { cost.predicted_seconds / all } else { 0.0 };
        let table = self.architecture.table(layer).map(|table| format!(", {} of {} bits", table_text(&table.function), table.bits));
        let loss = self.losses.get(&index);
        let error = loss.map_or(String::new(), |loss| match loss.added {
            0.0 => format!("error {:.1e}, none of it added here", loss.error),
            added => format!("error {:.1e}, of which it adds {added:.1e}", loss.error),
        });
        let weights = if cost.weight_cells > 0 { format!(", {} weights", grouped(cost.weight_cells)) } else { String::new() };
        let worst = self.losses.values().map(|loss| loss.added).fold(0.0, f64::max);
        let lines = vec![
            name(self.metadata, index),
            format!("{}{}{weights}", rule_text(layer), table.unwrap_or_default()),
            format!("{:.0} %: {} cells, {} lookups", 100.0 * share, grouped(cost.witness_cells), grouped(cost.lookups)),
            error,
        ];
        let much = loss.is_some_and(|loss| loss.added > 0.0 && loss.added >= MUCH * worst);
        (if much { "much" } else { "" }, lines, Some(share))
    }
}

const STYLE: &str = "\
text{font-family:system-ui,sans-serif;fill:#1d2733}.title{font-size:20px;font-weight:600}.name{font-size:13px;font-weight:600}.small{font-size:11px}\
.page{fill:#fff}.box{fill:#f3f6fa;stroke:#7a8ba0}.port{fill:#e3eefb}.much{stroke:#c2410c;stroke-width:2}.bar{fill:#2563eb}.edge{fill:none;stroke:#7a8ba0}\
@media (prefers-color-scheme:dark){text{fill:#e6ebf1}.page{fill:#14181d}.box{fill:#1f262e}.port{fill:#1b2f4a}.much{stroke:#fb923c}.bar{fill:#60a5fa}}";

#[cfg(test)]
mod tests {
    use super::*;
    use assay_circuits::sample;

    #[test]
    fn every_layer_is_drawn_below_what_it_reads() {
        for (architecture, _) in [sample::lenet5(), sample::random_network(3), sample::random_network(5)] {
            let metadata = Metadata { name: "a <model> & \"more\"".to_owned(), layer_names: Vec::new() };
            let (costs, losses) = (LayerCost::of(&architecture), HashMap::from([(0, Loss { index: 0, error: 0.5, added: 0.25 })]));
            let drawing = Drawing { architecture: &architecture, metadata: &metadata, costs: &costs, losses: &losses };
            let rows = drawing.rows();
            let row = |node: Node| rows.iter().position(|row| row.contains(&node)).unwrap();
            for (index, layer) in architecture.layers.iter().enumerate() {
                assert!(reads(layer).into_iter().filter(|node| *node != Node::Layer(index)).all(|node| match node {
                    // what a loop reads of its last step stands further down
                    Node::Layer(read) if read > index => true,
                    node => row(node) < row(Node::Layer(index)),
                }));
            }
            let svg = drawing.svg();
            assert_eq!(svg.matches("class=\"box").count(), architecture.layers.len() + 1 + architecture.outputs.len());
            assert!(svg.contains("a &lt;model&gt; &amp; &quot;more&quot;") && !svg.contains("<model>"));
            assert_eq!(svg.matches("box much").count(), 1);
            assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
        }
    }

    #[test]
    fn numbers_and_names() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(short("/encoder/layer/1", 8), "…layer/1");
        assert_eq!(short("fc1", 8), "fc1");
    }
}
