//! Where and with what a run was made.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::options::Options;
use crate::proxies::{Kind, Proxy, cores};

/// Date, machine, how busy it was before, kernel and versions, and how long was measured.
pub(crate) fn describe(proxies: &[Proxy], options: &Options) -> Value {
    json!({
        "date": humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        "cpu": cpu(),
        "cores": cores(),
        "load_before": first_word("/proc/loadavg"),
        "kernel": first_word("/proc/sys/kernel/osrelease"),
        "rounds": options.rounds,
        "seconds": options.duration().as_secs(),
        "tls": "TLS 1.3, AES-128-GCM, P-256",
        "versions": versions(proxies),
    })
}

fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(": "));
    name.map_or("unknown", |(_, name)| name).to_owned()
}

fn first_word(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn versions(proxies: &[Proxy]) -> Value {
    let mut versions = serde_json::Map::new();
    for proxy in proxies {
        let version = match &proxy.kind {
            Kind::Docxy(path) => said(path, "--version"),
            Kind::Nginx => said(Path::new("nginx"), "-v"),
            Kind::Haproxy => said(Path::new("haproxy"), "-v"),
            Kind::Relay => continue,
        };
        versions.insert(proxy.name.clone(), version.into());
    }
    versions.insert("wrk".to_owned(), said(Path::new("wrk"), "-v").into());
    versions.into()
}

/// The first line of what a program says to this, on either output.
fn said(program: &Path, argument: &str) -> String {
    let Ok(output) = Command::new(program).arg(argument).output() else {
        return "unknown".to_owned();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().trim().to_owned()
}
