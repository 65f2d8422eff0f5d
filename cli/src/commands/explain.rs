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
/// Room for a line that passes boxes.
const LANE: i64 = 9;
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
    #[serde(default)]
    operators: Vec<Option<String>>,
}

/// What a drawing shows of a compilation, and only the seller knows.
#[derive(Default)]
struct Known {
    losses: HashMap<usize, Loss>,
    /// For each layer, the operator of the ONNX node that it comes from.
    operators: Vec<Option<String>>,
}

/// The file that `assay compile` writes beside a package.
#[derive(Deserialize)]
struct ReportFile {
    model_commitment: String,
    report: Losses,
}

/// What the compiler's report says. One that is only beside the model, and of another one, is not its report.
fn known(ui: &Ui, args: &ExplainArgs, commitment: &str) -> Outcome<Known> {
    let path = args.report.clone().unwrap_or_else(|| files::beside(&args.model, "report.json"));
    if args.report.is_none() && !path.exists() {
        return Ok(Known::default());
    }
    let text = std::fs::read(&path).map_err(files::unreadable(&path))?;
    let file: ReportFile = serde_json::from_slice(&text).map_err(|e| {
        Failure::message(Exit::Input, format!("{} is no report that `assay compile` wrote: {e}", path.display()))
    })?;
    if file.model_commitment == commitment {
        let losses = file.report.losses.into_iter().map(|loss| (loss.index, loss)).collect();
        return Ok(Known { losses, operators: file.report.operators });
    }
    let text = format!("{} is the report of another compilation", path.display());
    if args.report.is_some() {
        return Err(Failure::message(Exit::Input, text));
    }
    ui.warn(format!("{text}, and the drawing shows no errors"));
    Ok(Known::default())
}

/// Draws a model.
pub fn explain(ui: &Ui, args: ExplainArgs) -> Outcome {
    let file = files::model(ui, &args.model)?;
    let (metadata, model) = match &file {
        ModelFile::Key(key) => (&key.metadata, &key.model),
        ModelFile::Package(package, _) => (&package.metadata, &package.model),
    };
    let architecture = &model.shape.architecture;
    let known = known(ui, &args, &hex(&model.commitment()))?;
    let costs = LayerCost::of(architecture);
    let output = args.output.unwrap_or_else(|| files::beside(&args.model, "svg"));
    let drawing = Drawing { architecture, metadata, costs: &costs, known: &known }.svg();
    files::write(ui, &output, Readers::Default, drawing.as_bytes())?;
    let layers: Vec<_> = (0..costs.len())
        .map(|i| json!({ "name": name(metadata, i), "cost": costs[i], "operator": known.operators.get(i), "added_error": known.losses.get(&i).map(|loss| loss.added) }))
        .collect();
    if !files::is_stdout(&output) {
        let text = format!(
            "{} layers{}\nwrote {}",
            layers.len(),
            if known.losses.is_empty() { ", without errors" } else { "" },
            output.display()
        );
        ui.finish(json!({ "file": output, "layers": layers }), text);
    }
    Ok(())
}

/// A network with what each layer costs, as buyers may see it: without errors.
pub fn drawing(metadata: &Metadata, architecture: &Architecture) -> String {
    Drawing { architecture, metadata, costs: &LayerCost::of(architecture), known: &Known::default() }.svg()
}

/// A layer's name, with its number among those that come from the same node of the ONNX file.
fn name(metadata: &Metadata, layer: usize) -> String {
    let names = &metadata.layer_names;
    let Some(name) = names.get(layer).filter(|name| !name.is_empty()) else { return format!("layer {layer}") };
    let same = |names: &[String]| names.iter().filter(|other| *other == name).count();
    if same(names) == 1 { name.clone() } else { format!("{name} ({})", 1 + same(&names[..layer])) }
}

/// A box, and where its corner is.
type Place = (Node, (usize, usize));

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
    known: &'a Known,
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

/// The beginning of a line.
fn first(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

/// The end of a name, which says more than its beginning.
fn last(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        text.to_owned()
    } else {
        format!("…{}", text.chars().skip(length + 1 - most).collect::<String>())
    }
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
        let (width, height) =
            (2 * MARGIN + widest * (WIDTH + GAP) - GAP, HEAD + MARGIN + rows.len() * (HEIGHT + GAP) - GAP);
        let width = width.max(620);
        let mut places = Vec::new();
        for (y, row) in rows.iter().enumerate() {
            let left = (width - (row.len() * (WIDTH + GAP)).saturating_sub(GAP)) / 2;
            places.extend(
                row.iter().enumerate().map(|(x, node)| (*node, (left + x * (WIDTH + GAP), HEAD + y * (HEIGHT + GAP)))),
            );
        }
        let edges = self.edges(&places);
        // lines that pass boxes at the side may need room there
        let (left, right) = (edges.left.unwrap_or(0).min(0), edges.right.unwrap_or(0).max(width as i64));
        let width = right - left;
        let title = escaped(&self.metadata.name);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{left} 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-label=\"The network of {title}\">\n<style>{STYLE}</style>\n<rect \
             class=\"page\" x=\"{left}\" width=\"100%\" height=\"100%\"/>\n"
        );
        self.head(&mut svg, &title);
        svg.push_str(&edges.paths);
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

    /// All edges.
    fn edges(&self, places: &[Place]) -> Edges {
        let mut edges = Edges::default();
        for (node, to) in places {
            let from = match node {
                Node::Input => Vec::new(),
                Node::Layer(layer) => self.architecture.layers.get(*layer).map(reads).unwrap_or_default(),
                Node::Output(output) => self
                    .architecture
                    .outputs
                    .get(*output)
                    .and_then(|output| origin(output.source))
                    .into_iter()
                    .collect(),
            };
            for (_, from) in places.iter().filter(|(node, _)| from.contains(node)) {
                edges.draw(*from, *to, places);
            }
        }
        edges
    }

    fn node(&self, svg: &mut String, node: Node, (x, y): (usize, usize)) {
        let (class, lines, share) = match node {
            Node::Input => (
                "port",
                self.tensors("input", self.architecture.input.ports.iter().map(|port| (&port.name, &port.shape))),
                None,
            ),
            Node::Output(output) => (
                "port",
                self.tensors(
                    "output",
                    self.architecture.outputs.get(output).iter().map(|output| (&output.name, &output.shape)),
                ),
                None,
            ),
            Node::Layer(layer) => self.layer(layer),
        };
        let _ = writeln!(svg, "<g transform=\"translate({x} {y})\"><title>{}</title>", escaped(&lines.join("\n")));
        let _ = writeln!(svg, "<rect class=\"box {class}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>");
        for (i, line) in lines.iter().enumerate() {
            let (class, text) = if i == 0 { ("name", last(line, 34)) } else { ("small", first(line, 46)) };
            let _ = writeln!(svg, "<text class=\"{class}\" x=\"10\" y=\"{}\">{}</text>", 19 + 17 * i, escaped(&text));
        }
        if let Some(share) = share {
            let _ = writeln!(
                svg,
                "<rect class=\"bar\" y=\"{}\" width=\"{:.1}\" height=\"5\" rx=\"2\"/>",
                HEIGHT - 5,
                share * WIDTH as f64
            );
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
        let (Some(layer), Some(cost)) = (self.architecture.layers.get(index), self.costs.get(index)) else {
            return ("", Vec::new(), None);
        };
        let all: f64 = self.costs.iter().map(|cost| cost.predicted_seconds).sum();
        let share = if all > 0.0 { cost.predicted_seconds / all } else { 0.0 };
        let table = self
            .architecture
            .table(layer)
            .map(|table| format!(", {} of {} bits", table_text(&table.function), table.bits));
        let loss = self.known.losses.get(&index);
        let error = loss.map_or(String::new(), |loss| match loss.added {
            0.0 => format!("error {:.1e}, none of it added here", loss.error),
            added => format!("error {:.1e}, of which it adds {added:.1e}", loss.error),
        });
        let weights =
            if cost.weight_cells > 0 { format!("{} weights, ", grouped(cost.weight_cells)) } else { String::new() };
        let worst = self.known.losses.values().map(|loss| loss.added).fold(0.0, f64::max);
        let operator = self
            .known
            .operators
            .get(index)
            .and_then(Option::as_ref)
            .map_or(String::new(), |operator| format!("{operator}: "));
        let lines = vec![
            name(self.metadata, index),
            format!("{operator}{}{}", rule_text(layer), table.unwrap_or_default()),
            format!(
                "{:.0} %: {weights}{} cells, {} lookups",
                100.0 * share,
                grouped(cost.witness_cells),
                grouped(cost.lookups)
            ),
            error,
        ];
        let much = loss.is_some_and(|loss| loss.added > 0.0 && loss.added >= MUCH * worst);
        (if much { "much" } else { "" }, lines, Some(share))
    }
}

/// Lines between boxes. One that passes rows of boxes does so at their side, in a lane of its own.
#[derive(Default)]
struct Edges {
    paths: String,
    /// The lanes that are taken: where they are, and from where to where.
    lanes: Vec<(i64, i64, i64)>,
    /// How far lanes reach to the sides.
    left: Option<i64>,
    right: Option<i64>,
}

impl Edges {
    /// A line from the bottom of one box to the top of another one. Writing to a string does not fail.
    fn draw(&mut self, from: (usize, usize), to: (usize, usize), places: &[Place]) {
        let [(a, b), (x, y)] =
            [(from.0 + WIDTH / 2, from.1 + HEIGHT), (to.0 + WIDTH / 2, to.1)].map(|(x, y)| (x as i64, y as i64));
        let gap = GAP as i64;
        if y - b == gap {
            let _ = writeln!(self.paths, "<path class=\"edge\" d=\"M{a} {b}C{a} {y} {x} {b} {x} {y}\"/>");
            return;
        }
        // what lies between: the rows that are passed, or, on the way back up, all from the one box to the other
        let (first, last) = if y > b { (b + gap, y - gap) } else { (y, b) };
        let lane = self.lane((a + x) / 2, first, last, places);
        let (leave, enter) = if y > b { (b + gap, y - gap) } else { (b, y) };
        let _ = writeln!(
            self.paths,
            "<path class=\"edge\" d=\"M{a} {b}C{a} {} {lane} {} {lane} {leave}L{lane} {enter}C{lane} {} {x} {} {x} \
             {y}\"/>",
            b + gap,
            if y > b { b } else { b + gap },
            if y > b { y } else { y - gap },
            y - gap,
        );
    }

    /// A free lane beside the boxes between two heights, on the side that is nearer.
    fn lane(&mut self, x: i64, first: i64, last: i64, places: &[Place]) -> i64 {
        let passed = places.iter().filter(|(_, (_, top))| (*top as i64) < last && (*top + HEIGHT) as i64 > first);
        let lefts = passed.map(|(_, (left, _))| *left as i64);
        let (left, right) = lefts.fold((x, x), |(least, most), left| (least.min(left), most.max(left + WIDTH as i64)));
        let (start, step) = if x - left < right - x { (left - LANE, -LANE) } else { (right + LANE, LANE) };
        let is_free =
            |lane: i64| !self.lanes.iter().any(|(taken, from, to)| *taken == lane && *from <= last && first <= *to);
        let lane = (0..).map(|n| start + n * step).find(|lane| is_free(*lane)).unwrap_or(start);
        self.lanes.push((lane, first, last));
        self.left = Some(self.left.unwrap_or(lane).min(lane - LANE));
        self.right = Some(self.right.unwrap_or(lane).max(lane + LANE));
        lane
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
            let (costs, losses) =
                (LayerCost::of(&architecture), HashMap::from([(0, Loss { index: 0, error: 0.5, added: 0.25 })]));
            let known = Known { losses, operators: vec![Some("Conv".to_owned())] };
            let drawing = Drawing { architecture: &architecture, metadata: &metadata, costs: &costs, known: &known };
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
            assert_eq!(svg.matches(">Conv: ").count(), 1, "the operator is in its box");
            assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
        }
    }

    /// Points of a line as drawings have them: `M`, then `C` and `L`.
    fn points(path: &str) -> Vec<(f64, f64)> {
        let numbers =
            |text: &str| text.split([' ', 'M']).filter_map(|number| number.parse().ok()).collect::<Vec<f64>>();
        let mut points: Vec<(f64, f64)> = Vec::new();
        for part in path.split_inclusive(['C', 'L']).map(|part| part.trim_end_matches(['C', 'L'])) {
            let all: Vec<(f64, f64)> = numbers(part).chunks(2).map(|pair| (pair[0], pair[1])).collect();
            let start = points.last().copied().unwrap_or(all[0]);
            for step in 0..=20 {
                let t = f64::from(step) / 20.0;
                let along = |from: f64, a: f64, b: f64, to: f64| {
                    let s = 1.0 - t;
                    s * s * s * from + 3.0 * s * s * t * a + 3.0 * s * t * t * b + t * t * t * to
                };
                points.push(match all[..] {
                    [to] => (start.0 + t * (to.0 - start.0), start.1 + t * (to.1 - start.1)),
                    [a, b, to] => (along(start.0, a.0, b.0, to.0), along(start.1, a.1, b.1, to.1)),
                    _ => panic!("{path}"),
                });
            }
        }
        points
    }

    #[test]
    fn no_line_goes_through_a_box() {
        let mut long = 0;
        for architecture in [sample::lenet5().0].into_iter().chain((0..12).map(|seed| sample::random_network(seed).0)) {
            let metadata = Metadata { name: "a model".to_owned(), layer_names: Vec::new() };
            let costs = LayerCost::of(&architecture);
            let svg =
                Drawing { architecture: &architecture, metadata: &metadata, costs: &costs, known: &Known::default() }
                    .svg();
            let between = |text: &str, before: &str, after: &str| -> Vec<String> {
                text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap().to_owned()).collect()
            };
            let corner = |text: &String| text.split(' ').map(|n| n.parse::<f64>().unwrap()).collect::<Vec<_>>();
            let boxes: Vec<Vec<f64>> = between(&svg, "translate(", ")").iter().map(corner).collect();
            let page = corner(&between(&svg, "viewBox=\"", "\"")[0]);
            for path in between(&svg, " d=\"", "\"") {
                long += usize::from(path.contains('L'));
                for (x, y) in points(&path) {
                    let inside = |at: &&Vec<f64>| {
                        x > at[0] && x < at[0] + WIDTH as f64 && y > at[1] + 0.01 && y < at[1] + HEIGHT as f64 - 0.01
                    };
                    assert!(!boxes.iter().any(|at| inside(&at)), "{path} is in a box at {x} {y}");
                    assert!(
                        x >= page[0] && x <= page[0] + page[2] && y >= 0.0 && y <= page[3],
                        "{path} leaves the page at {x} {y}"
                    );
                }
            }
        }
        assert!(long > 0, "some lines pass rows");
    }

    #[test]
    fn numbers_and_names() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(last("/encoder/layer/1", 8), "…layer/1");
        assert_eq!(last("fc1", 8), "fc1");
        assert_eq!(first("MaxPool: maximum", 8), "MaxPool…");
    }
}
