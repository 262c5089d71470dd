//! docxy itself, started through its library as `main` does it, in a runtime and a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use clap::Parser;
use docxy::args::Args;
use docxy::config::Config;
use docxy::log::Log;
use docxy::metrics::Metrics;
use docxy::server::{self, Ended};
use docxy::start;
use docxy::systemd::activation::Passed;
use tokio::runtime;
use tokio::sync::Notify;

use crate::Outcome;

/// A running docxy.
pub struct Docxy {
    pub address: SocketAddr,
    stop: Arc<Notify>,
    thread: JoinHandle<io::Result<Ended>>,
}

impl Docxy {
    /// `docxy --listen 127.0.0.1:0 --upstream docker.io=http://REGISTRY --log off`
    pub fn start(registry: SocketAddr) -> Outcome<Docxy> {
        let upstream = format!("docker.io=http://{registry}");
        let mut flags = vec!["docxy", "--listen", "127.0.0.1:0"];
        flags.extend(["--upstream", &upstream, "--log", "off"]);
        let config = Config::from_args(Args::try_parse_from(flags)?)?;
        let drain = config.drain;
        let bound = start::bind(&config, None, &mut Passed::default())?;
        let first = bound.first().ok_or("docxy listens nowhere")?;
        let address = first.tcp.local_addr()?;
        let log = Log::new(config.log, config.log_format);
        let running = start::workers(&config, None, log, Metrics::off(), Vec::new())?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let stop = Arc::new(Notify::new());
        let signal = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let until_told = async || signal.notified().await;
            runtime.block_on(server::run(bound, running, || drain, until_told))
        });
        Ok(Docxy {
            address,
            stop,
            thread,
        })
    }

    /// Stops it as SIGTERM would; whether it ended with nothing running.
    pub fn stop(self) -> Outcome<bool> {
        self.stop.notify_one();
        let ended = self.thread.join().map_err(|_| "docxy panicked")??;
        Ok(ended == Ended::Drained)
    }
}
