//! Listeners: connections are accepted, handed to the worker that has the fewest, and let finish at a stop.

mod acceptor;
pub mod admin;
pub mod ahead;
pub mod arrival;
mod beat;
pub mod exchange;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod intake;
mod pace;
#[cfg(debug_assertions)]
mod provoked;
pub mod relay;
mod request;
pub mod session;
pub mod started;
mod watchdog;
pub mod worker;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::proxy::Entrance;
use crate::server::acceptor::Acceptor;
use crate::server::started::{Bound, Running};
use crate::server::worker::Worker;
use crate::systemd::supervisor::{Supervisor, watchdog_period};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All transfers were finished.
    Drained,
    /// Some still ran when the time was up, or when a second signal came.
    CutShort,
}

/// Serves until the first `signal`, then waits for what runs: as long as `drain` says then, or until the second signal.
///
/// Fails if a listener has ended without a signal: whoever supervises docxy can do more about it than docxy.
pub async fn run(
    bound: Vec<Bound>,
    running: Running,
    drain: impl Fn() -> Duration,
    mut signal: impl AsyncFnMut(),
) -> io::Result<Ended> {
    let (stopper, log) = (&running.stopper, running.log);
    let workers: Arc<[Worker]> = running.workers.into();
    // Every acceptor and every connection holds a sender; when all are gone, so is all work.
    let (working, mut all_done) = mpsc::channel(1);
    let mut acceptors = JoinSet::new();
    for bound in bound {
        let listener = TcpListener::from_std(bound.tcp)?;
        let acceptor = Acceptor {
            tls: bound.tls,
            proxy_protocol: bound.proxy_protocol,
            entrance: Entrance::Clients,
            workers: Arc::clone(&workers),
            admission: Arc::clone(&running.admission),
            log,
            working: working.clone(),
        };
        acceptors.spawn(acceptor.run(listener, running.stop.clone()));
    }
    drop(working);
    if let Some(admin) = running.admin {
        for (acceptor, listener) in admin.acceptors(log)? {
            acceptors.spawn(acceptor.run(listener, running.stop.clone()));
        }
    }
    let supervisor = Supervisor::from_environment();
    if let Some(period) = watchdog_period() {
        tokio::spawn(watchdog::run(
            supervisor.clone(),
            period,
            Arc::clone(&workers),
        ));
    }
    supervisor.ready("Serving");
    tokio::select! {
        () = signal() => {}
        Some(_) = acceptors.join_next() => return Err(io::Error::other("a listener has failed, see the log")),
    }
    stopper.stop();
    let drain = drain();
    let stopping = format!(
        "stopping; running transfers have {} to finish",
        humantime::format_duration(drain)
    );
    supervisor.stopping(&stopping);
    log.info(format_args!("{stopping}"));
    Ok(tokio::select! {
        _ = all_done.recv() => Ended::Drained,
        () = sleep(drain) => Ended::CutShort,
        () = signal() => Ended::CutShort,
    })
}
