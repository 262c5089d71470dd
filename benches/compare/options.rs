//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::proxies::{Kind, Proxy};

/// Compares docxy with nginx, HAProxy and a bare relay, in alternating rounds.
#[derive(Debug, Parser)]
#[command(name = "make bench ARGS=", no_binary_name = false)]
pub(crate) struct Options {
    /// Only cases whose name contains this, in any case; repeatable
    #[arg(long, value_name = "PART")]
    case: Vec<String>,

    /// Only these proxies: docxy, nginx, haproxy, relay
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    proxy: Vec<String>,

    /// Another docxy to compare instead of the one that was built; repeatable
    #[arg(long, value_name = "NAME=PATH")]
    docxy: Vec<String>,

    /// How often each proxy's turn comes
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) rounds: usize,

    /// How long each turn under load is, in seconds
    #[arg(long, value_name = "N", default_value_t = 3)]
    seconds: u64,

    /// Three rounds of one second
    #[arg(long)]
    quick: bool,

    /// Write benches/results and the table in the README
    #[arg(long, conflicts_with_all = ["case", "proxy", "docxy"])]
    pub(crate) save: bool,

    /// cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Reads the command line.
    pub(crate) fn read() -> Options {
        let mut options = Options::parse();
        if options.quick {
            options.seconds = 1;
            options.rounds = options.rounds.min(3);
        }
        options
    }

    /// How long wrk runs.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Whether a case of this name is asked for.
    pub(crate) fn wants(&self, case: &str) -> bool {
        let case = case.to_lowercase();
        self.case.is_empty()
            || self
                .case
                .iter()
                .any(|part| case.contains(&part.to_lowercase()))
    }

    /// Who is compared; docxy first.
    pub(crate) fn proxies(&self) -> Result<Vec<Proxy>, String> {
        let mut proxies = self.docxies()?;
        for (name, kind) in [
            ("nginx", Kind::Nginx),
            ("haproxy", Kind::Haproxy),
            ("relay", Kind::Relay),
        ] {
            proxies.push(Proxy {
                name: name.to_owned(),
                kind,
            });
        }
        if let Some(unknown) = self.proxy.iter().find(|name| !is_known(&proxies, name)) {
            return Err(format!("--proxy {unknown}: there is no such proxy"));
        }
        proxies.retain(|proxy| self.chooses(proxy));
        Ok(proxies)
    }

    fn docxies(&self) -> Result<Vec<Proxy>, String> {
        if self.docxy.is_empty() {
            let path = PathBuf::from(env!("CARGO_BIN_EXE_docxy"));
            return Ok(vec![Proxy {
                name: "docxy".to_owned(),
                kind: Kind::Docxy(path),
            }]);
        }
        self.docxy.iter().map(|text| named(text)).collect()
    }

    fn chooses(&self, proxy: &Proxy) -> bool {
        let is_docxy = matches!(proxy.kind, Kind::Docxy(_));
        self.proxy.is_empty()
            || self.proxy.contains(&proxy.name)
            || is_docxy && (!self.docxy.is_empty() || self.proxy.iter().any(|name| name == "docxy"))
    }
}

fn is_known(proxies: &[Proxy], name: &str) -> bool {
    name == "docxy" || proxies.iter().any(|proxy| proxy.name == name)
}

fn named(text: &str) -> Result<Proxy, String> {
    let (name, path) = text
        .split_once('=')
        .ok_or_else(|| format!("--docxy {text}: write NAME=PATH"))?;
    let path = std::fs::canonicalize(path).map_err(|error| format!("--docxy {text}: {error}"))?;
    Ok(Proxy {
        name: name.to_owned(),
        kind: Kind::Docxy(path),
    })
}
