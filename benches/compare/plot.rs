//! The results as a plot: each case's cost as bars, nginx's being 1.

use std::fmt::Write;

use crate::figure::Figure;
use crate::proxies::Kind;
use crate::results::{Line, Results};
use crate::table::number;

const WIDTH: f64 = 900.0;
const LABEL_WIDTH: f64 = 330.0;
/// Length of a bar that is 1.
const UNIT: f64 = 300.0;
const BAR_HEIGHT: f64 = 13.0;
const GAP: f64 = 10.0;
const TOP: f64 = 62.0;
/// What is longer is cut here; its number stands beside it.
const LONGEST: f64 = 1.5;
const COLORS: [&str; 5] = ["#0b6e4f", "#9aa5b1", "#c9b458", "#d98f6c", "#7a6fb0"];

/// An SVG image with this caption.
pub(crate) fn svg(results: &Results, caption: &str) -> String {
    let Some(nginx) = results.column(&Kind::Nginx) else {
        return String::new();
    };
    let lines: Vec<&Line> = results
        .lines
        .iter()
        .filter(|line| is_cost(line.figure))
        .collect();
    let (mut body, mut top) = (String::new(), TOP);
    for line in lines {
        top += group(&mut body, results, line, nginx, top) + GAP;
    }
    let legend = legend(results);
    let (caption, foot) = written(caption, top);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"22\" font-size=\"15\">Cost, nginx = 1 (shorter is better)</text>\n{legend}{body}\
         {caption}</svg>\n",
        height = foot + 10.0,
    )
}

/// Only what is better when it is less, and is not in another figure already.
fn is_cost(figure: Figure) -> bool {
    matches!(
        figure,
        Figure::CpuPerRequest
            | Figure::CpuPerGb
            | Figure::P99
            | Figure::PerClient
            | Figure::FirstAnswer
            | Figure::Idle
    )
}

/// Draws one line's bars and returns their height.
fn group(body: &mut String, results: &Results, line: &Line, nginx: usize, top: f64) -> f64 {
    let bars: Vec<(usize, f64)> = (0..results.proxies.len())
        .filter_map(|column| Some((column, line.ratio(column, nginx)?)))
        .collect();
    let height = BAR_HEIGHT * bars.len() as f64;
    let _ = writeln!(
        body,
        "<text x=\"10\" y=\"{}\">{}, {}</text>",
        top + height / 2.0 + 4.0,
        escaped(&line.case),
        escaped(line.figure.name()),
    );
    for (index, (column, ratio)) in bars.into_iter().enumerate() {
        bar(
            body,
            column,
            ratio,
            top + BAR_HEIGHT * index as f64,
            line.median(column),
        );
    }
    height
}

fn bar(body: &mut String, column: usize, ratio: f64, top: f64, value: Option<f64>) {
    let length = UNIT * ratio.min(LONGEST);
    let _ = writeln!(
        body,
        "<rect x=\"{LABEL_WIDTH}\" y=\"{top}\" width=\"{length:.1}\" height=\"{}\" fill=\"{}\"/>\
         <text x=\"{:.1}\" y=\"{}\" font-size=\"10\">{} ({})</text>",
        BAR_HEIGHT - 1.0,
        color(column),
        LABEL_WIDTH + length + 4.0,
        top + 10.0,
        number(Some(ratio)),
        number(value),
    );
}

/// The caption's parts below each other, and where they end.
fn written(caption: &str, top: f64) -> (String, f64) {
    let (mut text, mut line) = (String::new(), top);
    for part in caption.split("; ") {
        line += 12.0;
        let part = escaped(part);
        let _ = writeln!(
            text,
            "<text x=\"10\" y=\"{line}\" font-size=\"9\" fill=\"#555\">{part}</text>"
        );
    }
    (text, line)
}

fn legend(results: &Results) -> String {
    let mut text = String::new();
    for (column, proxy) in results.proxies.iter().enumerate() {
        let left = 10.0 + 110.0 * column as f64;
        let _ = writeln!(
            text,
            "<rect x=\"{left}\" y=\"34\" width=\"12\" height=\"12\" fill=\"{}\"/><text x=\"{}\" y=\"44\">{}</text>",
            color(column),
            left + 17.0,
            escaped(&proxy.name),
        );
    }
    text
}

fn color(column: usize) -> &'static str {
    COLORS[column % COLORS.len()]
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
