//! The results as a table in Markdown, in columns of equal width so that it can be read in a terminal, too.

use crate::figure::Goal;
use crate::results::{Line, Results};

/// The whole table, with a line per figure.
pub(crate) fn markdown(results: &Results) -> String {
    let mut rows = vec![heading(results)];
    rows.extend(results.lines.iter().map(|line| row(results, line)));
    let columns = rows[0].len();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let dashes = widths.iter().map(|&width| "-".repeat(width)).collect();
    rows.insert(1, dashes);
    rows.iter().map(|row| written(row, &widths)).collect()
}

/// The lines of a case that has just been run, for those who wait.
pub(crate) fn preview(results: &Results, case: &str) -> String {
    let lines = results.lines.iter().filter(|line| line.case == case);
    lines.map(|line| brief(results, line)).collect()
}

fn brief(results: &Results, line: &Line) -> String {
    let columns = results.proxies.iter().enumerate();
    let figures = columns.map(|(column, proxy)| format!("  {} {}", proxy.name, cell(line, column)));
    format!(
        "    {:24}{}\n",
        line.figure.name(),
        figures.collect::<String>()
    )
}

fn heading(results: &Results) -> Vec<String> {
    let mut row = vec!["case".to_owned(), "figure".to_owned()];
    row.extend(results.proxies.iter().map(|proxy| proxy.name.clone()));
    row.extend(yardsticks(results).map(|column| format!("÷ {}", results.proxies[column].name)));
    row.extend(["ahead", "goal", "reached"].map(str::to_owned));
    row
}

fn row(results: &Results, line: &Line) -> Vec<String> {
    let mut row = vec![line.case.clone(), line.figure.name().to_owned()];
    let columns = 0..results.proxies.len();
    row.extend(columns.map(|column| cell(line, column)));
    row.extend(yardsticks(results).map(|column| number(line.ratio(0, column))));
    row.push(word(results.is_ahead(line, 0)));
    row.push(line.goal.as_ref().map(goal).unwrap_or_default());
    row.push(word(results.is_met(line, 0)));
    row
}

fn cell(line: &Line, column: usize) -> String {
    if line.failed[column] {
        return "failed".to_owned();
    }
    number(line.median(column))
}

fn word(answer: Option<bool>) -> String {
    let word = answer.map(|yes| if yes { "yes" } else { "no" });
    word.unwrap_or_default().to_owned()
}

/// The first column is held against all others.
fn yardsticks(results: &Results) -> impl Iterator<Item = usize> {
    1..results.proxies.len()
}

/// A goal in a few words.
pub(crate) fn goal(goal: &Goal) -> String {
    match goal {
        Goal::OfNginx(most) => format!("≤ {most} nginx"),
        Goal::OverNginx(least) => format!("≥ {least} nginx"),
        Goal::AtMost(most) => format!("≤ {most}"),
        Goal::OfCase(most, name) => format!("≤ {most} of \"{name}\""),
        Goal::Flat(most, name) => format!("within {most} of \"{name}\""),
    }
}

/// Three significant digits, or whole numbers above.
pub(crate) fn number(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

fn written(row: &[String], widths: &[usize]) -> String {
    let cells = row
        .iter()
        .zip(widths)
        .map(|(cell, &width)| format!("| {cell:width$} "));
    cells.collect::<String>() + "|\n"
}
