//! The `docxy` command: read the flags, bind, say where, serve until a signal.

use std::error::Error;
use std::process::ExitCode;

use docxy::args::Args;
use docxy::config::Config;
use docxy::server::{self, Ended};
use docxy::start::{self, Bound, Running};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

/// The exit code for bad usage; clap's own.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let config = match Config::from_args(Args::from_process()) {
        Ok(config) => config,
        Err(error) => return fail(&error, USAGE),
    };
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&*error, 1),
    }
}

fn fail(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    eprintln!("docxy: {error}");
    ExitCode::from(code)
}

fn run(config: Config) -> Result<(), Box<dyn Error>> {
    start::raise_descriptor_limit();
    let acme = start::acme(&config)?;
    let bound = start::bind(&config, acme.as_ref())?;
    let (warnings, drain) = (config.warnings(), config.drain);
    let running = start::workers(config)?;
    if let Some(acme) = acme {
        acme.start(running.stop.clone(), running.log)?;
    }
    for warning in warnings {
        eprintln!("docxy: warning: {warning}");
    }
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(bound, running, drain))
}

async fn serve(
    bound: Vec<Bound>,
    running: Running,
    drain: std::time::Duration,
) -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Only now, when a signal is heard, does whoever waits for this line learn that docxy runs.
    for Bound { tcp, scheme, .. } in &bound {
        eprintln!(
            "docxy: listening on {}://{}",
            scheme.as_str(),
            tcp.local_addr()?
        );
    }
    let next_signal = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    if server::run(bound, running, drain, next_signal).await? == Ended::CutShort {
        eprintln!("docxy: stopped while transfers were running; see --drain");
    }
    Ok(())
}
