//! Load by `wrk`, and what it costs the proxy.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::cost;
use crate::figure::Figure;
use crate::process::Process;
use crate::proxies::{Running, cores};
use crate::route::Scheme;
use crate::site::{MANIFEST, Site, own_file};

/// What wrk asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The manifest.
    Manifest,
    /// The blob.
    Blob,
}

/// What one run of wrk has shown.
pub(crate) struct Sample {
    /// CPU time of the proxy, in seconds.
    cpu: f64,
    /// The share of its busiest thread or process, up to 1.
    busiest: f64,
    seconds: f64,
    requests: f64,
    bytes: f64,
    /// In milliseconds.
    p99: f64,
}

impl Sample {
    /// One of the figures of load; NaN for others.
    pub(crate) fn figure(&self, figure: Figure) -> f64 {
        match figure {
            Figure::CpuPerRequest => self.cpu * 1e6 / self.requests,
            Figure::CpuPerGb => self.cpu * 1e9 / self.bytes,
            Figure::Requests => self.requests / self.seconds,
            Figure::P99 => self.p99,
            Figure::Throughput => self.bytes / 1e6 / self.seconds,
            Figure::Share => self.busiest,
            _ => f64::NAN,
        }
    }
}

/// Puts load on a proxy that is quiet.
///
/// # Errors
/// If anything but complete answers of status 200 came, or nothing.
pub(crate) fn run(
    site: &Site,
    proxy: &Running,
    target: Target,
    connections: usize,
    duration: Duration,
) -> Result<Sample, String> {
    let duration = duration * lengthened(connections);
    cost::wait_until_quiet(proxy.pid())?;
    let before = cost::cpu_time(proxy.pid());
    let text = wrk(site, proxy, target, connections, duration)?;
    let after = cost::cpu_time(proxy.pid());
    let found: Value =
        serde_json::from_str(&text).map_err(|error| format!("wrk says {text:?}: {error}"))?;
    check(&found)?;
    let number = |name: &str| found[name].as_f64().unwrap_or(0.0);
    Ok(Sample {
        cpu: after.since(&before).as_secs_f64(),
        busiest: after.busiest_share(&before),
        seconds: number("micros") / 1e6,
        requests: number("requests"),
        bytes: number("bytes"),
        p99: number("p99") / 1e3,
    })
}

/// Connecting costs, too, and with many connections more than a short run can hide.
fn lengthened(connections: usize) -> u32 {
    match connections {
        0..250 => 1,
        250..500 => 2,
        _ => 3,
    }
}

fn wrk(
    site: &Site,
    proxy: &Running,
    target: Target,
    connections: usize,
    duration: Duration,
) -> Result<String, String> {
    let path = match target {
        Target::Manifest => MANIFEST.to_owned(),
        Target::Blob => site.blob(),
    };
    let mut wrk = Command::new("wrk");
    wrk.arg(format!("-t{}", cores().min(connections)))
        .arg(format!("-c{connections}"))
        .arg(format!("-d{}", duration.as_secs()))
        .args(["--timeout", "60s", "-s"])
        .arg(own_file("wrk.lua"))
        .arg(format!("{}://{}{path}", proxy.scheme.name(), proxy.address));
    if proxy.scheme == Scheme::Tls {
        wrk.env("OPENSSL_CONF", own_file("openssl.cnf"));
    }
    let text = Process::start(&mut wrk, site.file("wrk.out"))?
        .finish(duration + Duration::from_secs(60))?;
    let line = text.lines().find(|line| line.starts_with('{'));
    line.map(str::to_owned)
        .ok_or_else(|| format!("wrk says {text:?}"))
}

fn check(found: &Value) -> Result<(), String> {
    for kind in ["connect", "read", "write", "status", "timeout"] {
        let count = found[kind].as_u64().unwrap_or(u64::MAX);
        if count > 0 {
            return Err(format!("wrk counts {count} errors of kind {kind}"));
        }
    }
    if found["bytes"].as_u64().unwrap_or(0) == 0 {
        return Err("wrk got nothing".to_owned());
    }
    Ok(())
}
