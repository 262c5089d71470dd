//! docxy beside nginx, HAProxy and a bare relay: what each request, each gigabyte and each client costs.
//!
//! `make bench` runs it; `--help` after `ARGS=` lists what can be chosen. A [`site`] is served from memory by an
//! [`origin`]; the [`proxies`] are started before it, as the [`cases`] say with their [`figure`]s and goals, and measured in
//! alternating [`rounds`]: by [`load`], for [`memory`], at [`startup`], with a [`whole`] configuration file. What they [`cost`] is read from `/proc`. The
//! [`results`] become a [`table`], and with `--save` the [files](saved) in `benches/results`, the [plot] and the README's
//! table. [`relay`], with [`splice`], is the yardstick; it runs in a process of its own.

// Memory and counts of this size are exact in floating point.
#![allow(clippy::cast_precision_loss)]

mod cases;
mod client;
mod cost;
mod figure;
mod load;
mod machine;
mod memory;
mod options;
mod origin;
mod plot;
mod process;
mod proxies;
mod relay;
mod results;
mod rounds;
mod route;
mod saved;
mod site;
mod splice;
mod startup;
mod table;
mod whole;

use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use options::Options;
use origin::Origin;
use results::Results;
use rounds::Bench;
use site::Site;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = match arguments.split_first() {
        Some((first, rest)) if first == "relay" => {
            relay::run(rest).map_err(|error| error.to_string())
        }
        _ if !is_wanted(&arguments) => Ok(()),
        _ => compare(&Options::read()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// `cargo test --all-targets` runs benches as well, which are to do little then; it is `cargo bench` that says so.
fn is_wanted(arguments: &[String]) -> bool {
    let is_wanted = arguments.iter().any(|argument| argument == "--bench");
    if !is_wanted {
        println!("not measured: this takes half an hour, by `make bench`");
    }
    is_wanted
}

fn compare(options: &Options) -> Result<(), String> {
    raise_descriptor_limit();
    let proxies = options.proxies()?;
    let machine = machine::describe(&proxies, options);
    let site = Site::new()?;
    process::end_all_on_signals(site.dir());
    let origin = Origin::start(&site)?;
    let bench = Bench {
        site,
        origin,
        proxies,
        rounds: options.rounds,
        duration: options.duration(),
    };
    let results = run(&bench, options);
    print!("{}", table::markdown(&results));
    if options.save {
        saved::write(&results, &machine)?;
    }
    match results.failures.as_slice() {
        [] => Ok(()),
        failures => Err(format!("failed:\n{}", failures.join("\n"))),
    }
}

fn run(bench: &Bench, options: &Options) -> Results {
    let mut results = Results::new(&bench.proxies);
    for case in cases::all() {
        if options.wants(&case.name) {
            eprintln!("{}", case.name);
            results.add(&case, &rounds::run(bench, &case));
            eprint!("{}", table::preview(&results, &case.name));
        }
    }
    results
}

/// For 2000 connections on each side; children inherit it.
fn raise_descriptor_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    // It was allowed before, so it is now.
    let _ = setrlimit(Resource::Nofile, limit);
}
