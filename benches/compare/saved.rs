//! The results for those who were not there: `benches/results` and the README's table.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::plot;
use crate::results::{Line, Results};
use crate::table;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Between these two lines of the README stands what the last saved run has found.
const BEGIN: &str = "<!-- make bench: begin -->\n";
const END: &str = "<!-- make bench: end -->\n";

/// Writes `latest.json`, `latest.svg` and the README's part.
pub(crate) fn write(results: &Results, machine: &Value) -> Result<(), String> {
    let dir = Path::new(ROOT).join("benches/results");
    let written = || {
        fs::create_dir_all(&dir)?;
        let json = serde_json::to_string_pretty(&json(results, machine))?;
        fs::write(dir.join("latest.json"), json + "\n")?;
        fs::write(
            dir.join("latest.svg"),
            plot::svg(results, &caption(machine)),
        )?;
        let readme = Path::new(ROOT).join("README.md");
        let text = fs::read_to_string(&readme)?;
        fs::write(readme, with_table(&text, results, machine)?)
    };
    written().map_err(|error: std::io::Error| format!("{}: {error}", dir.display()))
}

fn json(results: &Results, machine: &Value) -> Value {
    let lines: Vec<Value> = results
        .lines
        .iter()
        .map(|line| line_json(results, line))
        .collect();
    json!({ "machine": machine, "results": lines, "failures": results.failures })
}

fn line_json(results: &Results, line: &Line) -> Value {
    let rounds: serde_json::Map<String, Value> = results
        .proxies
        .iter()
        .zip(&line.rounds)
        .map(|(proxy, rounds)| (proxy.name.clone(), json!(rounds)))
        .collect();
    json!({
        "case": line.case,
        "figure": line.figure.name(),
        "rounds": rounds,
        "ahead": results.is_ahead(line, 0),
        "goal": line.goal.as_ref().map(table::goal),
        "reached": results.is_met(line, 0),
    })
}

/// One line: when, where, with which versions.
fn caption(machine: &Value) -> String {
    let text = |name: &str| machine[name].to_string().trim_matches('"').to_owned();
    let versions = machine["versions"].as_object().into_iter().flatten();
    let versions: Vec<&str> = versions
        .filter_map(|(_, version)| version.as_str())
        .collect();
    format!(
        "{}, {} cores of {} (load average before: {}), Linux {}; rounds of {} s: {}; {}; {}",
        text("date"),
        text("cores"),
        text("cpu"),
        text("load_before"),
        text("kernel"),
        text("seconds"),
        text("rounds"),
        text("tls"),
        versions.join("; "),
    )
}

fn with_table(readme: &str, results: &Results, machine: &Value) -> std::io::Result<String> {
    let missing = || std::io::Error::other("the README has lost the lines around its table");
    let (before, rest) = readme.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    let (caption, table) = (caption(machine), table::markdown(results));
    Ok(format!(
        "{before}{BEGIN}\n{caption}\n\n{table}\n{END}{after}"
    ))
}
