//! The `docxy` command: read the flags, bind, say where, serve until a signal.

use std::process::ExitCode;
use std::sync::Arc;

use docxy::args::Args;
use docxy::config::Config;
use docxy::server::{self, Listener};
use docxy::start::{self, Bound};
use tokio::net::TcpListener;
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

fn run(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    start::raise_descriptor_limit();
    let bound = start::bind(&config)?;
    let drain = config.drain;
    for warning in config.warnings() {
        eprintln!("docxy: warning: {warning}");
    }
    let proxy = Arc::new(start::proxy(config)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let mut listeners = Vec::new();
        for Bound { tcp, tls, scheme } in bound {
            eprintln!(
                "docxy: listening on {}://{}",
                scheme.as_str(),
                tcp.local_addr()?
            );
            listeners.push(Listener {
                tcp: TcpListener::from_std(tcp)?,
                tls,
            });
        }
        let next_signal = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        server::run(listeners, proxy, drain, next_signal).await;
        Ok(())
    })
}
