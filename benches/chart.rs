//! Charts as SVG, readable on light and dark pages.

use std::fmt::Write;

/// Colours of the parts of bars and of lines, told apart by readers with any colour vision (Okabe and Ito).
const COLOURS: [&str; 8] = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#999999"];
const TEXT: &str = "#7f7f7f";

/// A bar: its label and the length of each part.
pub struct Bar {
    /// Beside it.
    pub label: String,
    /// In the order of the kinds.
    pub parts: Vec<f64>,
}

/// A line: its label and its points.
pub struct Line {
    /// In the legend.
    pub label: String,
    /// Both coordinates of each.
    pub points: Vec<(f64, f64)>,
}

fn open(width: u32, height: u32, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\" fill=\"{TEXT}\">\n\
         <title>{title}</title>\n<text x=\"10\" y=\"22\" font-size=\"15\" font-weight=\"bold\">{title}</text>\n"
    )
}

fn legend(svg: &mut String, names: &[String], y: u32) {
    let mut x = 10;
    for (name, colour) in names.iter().zip(COLOURS) {
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{colour}\"/><text x=\"{}\" \
             y=\"{y}\">{name}</text>",
            y - 11,
            x + 17
        );
        x += 30 + 13 * name.len() as u32 / 2;
    }
}

/// Bars of seconds, one below the other, each made of the same kinds of parts.
pub fn bars(title: &str, kinds: &[String], bars: &[Bar]) -> String {
    const LEFT: f64 = 130.0;
    const WIDTH: f64 = 560.0;
    let height = 90 + 30 * bars.len() as u32;
    let mut svg = open(840, height, title);
    legend(&mut svg, kinds, 48);
    let longest = bars.iter().map(|bar| bar.parts.iter().sum::<f64>()).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    for (i, bar) in bars.iter().enumerate() {
        let y = 64 + 30 * i as u32;
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", LEFT - 8.0, y + 15, bar.label);
        let mut x = LEFT;
        for (part, colour) in bar.parts.iter().zip(COLOURS) {
            let width = part / longest * WIDTH;
            let _ =
                writeln!(svg, "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"20\" fill=\"{colour}\"/>");
            x += width;
        }
        let _ =
            writeln!(svg, "<text x=\"{:.1}\" y=\"{}\">{:.2} s</text>", x + 6.0, y + 15, bar.parts.iter().sum::<f64>());
    }
    svg + "</svg>\n"
}

/// Seconds (up) against a size, both axes logarithmic with a grid line for each power of ten.
pub fn lines(title: &str, across: &str, lines: &[Line]) -> String {
    const LEFT: f64 = 70.0;
    const TOP: f64 = 70.0;
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 300.0;
    let mut svg = open(780, 430, title);
    legend(&mut svg, &lines.iter().map(|line| line.label.clone()).collect::<Vec<_>>(), 48);
    let points = || lines.iter().flat_map(|line| line.points.iter().map(|(x, y)| (x.log10(), y.log10())));
    let bounds = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        (low.floor(), high.ceil().max(low.floor() + 1.0))
    };
    let (left, right) = bounds(&mut points().map(|(x, _)| x));
    let (bottom, top) = bounds(&mut points().map(|(_, y)| y));
    let x_of = |x: f64| LEFT + (x - left) / (right - left) * WIDTH;
    let y_of = |y: f64| TOP + (top - y) / (top - bottom) * HEIGHT;
    for power in left as i32..=right as i32 {
        let x = x_of(f64::from(power));
        let _ = writeln!(svg, "<path d=\"M{x:.1} {TOP}V{}\" stroke=\"{TEXT}\" stroke-opacity=\".3\"/>", TOP + HEIGHT);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">10<tspan dy=\"-5\" \
             font-size=\"9\">{power}</tspan></text>",
            TOP + HEIGHT + 20.0
        );
    }
    for power in bottom as i32..=top as i32 {
        let y = y_of(f64::from(power));
        let _ = writeln!(svg, "<path d=\"M{LEFT} {y:.1}h{WIDTH}\" stroke=\"{TEXT}\" stroke-opacity=\".3\"/>");
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{} s</text>",
            LEFT - 8.0,
            y + 4.0,
            10f64.powi(power)
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{across}</text>",
        LEFT + WIDTH / 2.0,
        TOP + HEIGHT + 45.0
    );
    for (line, colour) in lines.iter().zip(COLOURS) {
        let path: Vec<String> =
            line.points.iter().map(|(x, y)| format!("{:.1} {:.1}", x_of(x.log10()), y_of(y.log10()))).collect();
        let _ = writeln!(svg, "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", path.join("L"));
        for (x, y) in &line.points {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
                x_of(x.log10()),
                y_of(y.log10())
            );
        }
    }
    svg + "</svg>\n"
}
