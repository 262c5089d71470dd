//! What slow and nasty clients cost the others: latency of small requests while each kind is at it, and without any.
//!
//! `cargo bench --bench nasty -- [--seconds 60] [--kind NAME] [--docxy PATH]`. Before and after each kind the others are
//! measured undisturbed for as long; their latency should stay within twice that. An [`origin`] serves from memory, the
//! [`others`] ask docxy at a steady rate, and the [`nasty`] ones do what they do on a thread of their own. On a
//! machine of few cores all of these share them with docxy: kinds that keep one busy are let loose upon a second docxy as
//! well, while the others still ask the first, which shows what of their latency is the machine's.

// Counts of this size are exact in floating point.
#![allow(clippy::cast_precision_loss, clippy::unwrap_used, unreachable_pub)]

#[allow(dead_code, reason = "each program uses its part")]
#[path = "../../tests/support/docxy.rs"]
mod docxy;
mod nasty;
mod origin;
mod others;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use docxy::Docxy;
use nasty::{Kind, Target};
use others::Latency;

/// How long a crowd has to come and to fill the buffers of the kernel, before it is measured what it costs to have it.
const ARRIVAL: Duration = Duration::from_secs(15);

fn main() {
    // `cargo test --all-targets` runs benches as well, which are to do little then.
    if std::env::args().all(|arg| arg != "--bench") {
        println!("not measured: this takes half an hour, by `cargo bench --bench nasty`");
        return;
    }
    let seconds =
        option("--seconds").map_or(60, |value| value.parse().expect("a number of seconds"));
    let only = option("--kind");
    let is_wanted = |kind: &&Kind| only.as_ref().is_none_or(|name| name == kind.name);
    let duration = Duration::from_secs(seconds);
    let binary = option("--docxy").unwrap_or_else(|| env!("CARGO_BIN_EXE_docxy").to_owned());

    // Apart, so that what is measured does not wait behind blobs at the origin.
    let upstreams = [
        format!("manifests.test=http://{}", origin::start()),
        format!("blobs.test=http://{}", origin::start()),
    ];
    let state = tempfile::tempdir().unwrap();
    let (docxy, target) = start(&binary, state.path(), &upstreams);
    let (_elsewhere, apart) = start(&binary, state.path(), &upstreams);
    println!(
        "| clients | requests | median, µs | p99, µs | undisturbed | ratio | at another docxy | each, KB | of the kernel, KB |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    others::measure(target.plain, duration / 4);
    let mut before = others::measure(target.plain, duration);
    for kind in nasty::KINDS.iter().filter(is_wanted) {
        let beside = |crowded: Target| {
            let crowd = kind.start(crowded);
            thread::sleep(ARRIVAL);
            (others::measure(target.plain, duration), crowd)
        };
        let machine = kind.is_busy().then(|| beside(apart).0);
        let memory = Memory::of(&docxy);
        let (during, crowd) = beside(target);
        let costs = memory.each_since(&docxy, kind.count);
        drop(crowd);
        let after = others::measure(target.plain, duration);
        report(kind, during, [before, after], machine, costs);
        before = after;
    }
}

fn start(binary: &str, state: &Path, upstreams: &[String]) -> (Docxy, Target) {
    let mut command = Command::new(binary);
    command.args(["--listen", "127.0.0.1:0", "--listen", "https://127.0.0.1:0"]);
    command.args(["--log", "off", "--state-dir"]).arg(state);
    command.args(
        upstreams
            .iter()
            .flat_map(|upstream| ["--upstream", upstream]),
    );
    let docxy = Docxy::start_with(&mut command);
    docxy.wait_for_lines("listening on ", 2);
    let target = Target {
        plain: docxy.listeners()[0],
        tls: docxy.listeners()[1],
    };
    (docxy, target)
}

fn option(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.nth(1)
}

fn report(
    kind: &Kind,
    during: Latency,
    quiet: [Latency; 2],
    machine: Option<Latency>,
    (own, kernel): (u64, u64),
) {
    let mean = |of: fn(&Latency) -> f64| quiet.iter().map(of).sum::<f64>() / 2.0;
    let (median, p99) = (mean(|latency| latency.median), mean(|latency| latency.p99));
    let machine = machine.map_or_else(String::new, |latency| {
        format!("{:.0}, {:.0}", latency.median, latency.p99)
    });
    println!(
        "| {} {} | {} | {:.0} | {:.0} | {median:.0}, {p99:.0} | {:.2}, {:.2} | {machine} | {own} | {kernel} |",
        kind.count,
        kind.name,
        during.requests,
        during.median,
        during.p99,
        during.median / median,
        during.p99 / p99,
    );
}

/// What docxy has of its own, and what the kernel has for all sockets of the machine, in KB.
struct Memory {
    own: u64,
    kernel: u64,
}

impl Memory {
    fn of(docxy: &Docxy) -> Memory {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", docxy.pid())).unwrap();
        let sockets = fs::read_to_string("/proc/net/sockstat").unwrap();
        Memory {
            own: number_after(&rollup, "Pss:"),
            // In pages.
            kernel: number_after(&sockets, " mem ") * 4,
        }
    }

    fn each_since(&self, docxy: &Docxy, count: usize) -> (u64, u64) {
        let now = Memory::of(docxy);
        let each = |now: u64, before: u64| now.saturating_sub(before) / count as u64;
        (each(now.own, self.own), each(now.kernel, self.kernel))
    }
}

fn number_after(text: &str, label: &str) -> u64 {
    let (_, rest) = text.split_once(label).unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}
