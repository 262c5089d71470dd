//! docxy itself, started through its library as `main` does it, in a runtime and a thread of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use clap::Parser;
use docxy::args::Args;
use docxy::config::Config;
use docxy::server::{self, Ended, Listener};
use docxy::start;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use crate::Outcome;

/// A running docxy.
pub struct Docxy {
    pub address: SocketAddr,
    stop: Arc<Notify>,
    thread: JoinHandle<std::io::Result<Ended>>,
}

impl Docxy {
    /// `docxy --listen 127.0.0.1:0 --upstream docker.io=http://REGISTRY --log off`
    pub fn start(registry: SocketAddr) -> Outcome<Docxy> {
        let upstream = format!("docker.io=http://{registry}");
        let flags = [
            "--listen",
            "127.0.0.1:0",
            "--upstream",
            &upstream,
            "--log",
            "off",
        ];
        let args = Args::try_parse_from(["docxy"].iter().chain(&flags))?;
        let config = Config::from_args(args)?;
        let drain = config.drain;
        let bound = start::bind(&config)?.pop().ok_or("docxy listens nowhere")?;
        let address = bound.tcp.local_addr()?;
        let proxy = Arc::new(start::proxy(config)?);
        let runtime = Builder::new_multi_thread().enable_all().build()?;
        let stop = Arc::new(Notify::new());
        let signal = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let serve = async {
                let tcp = TcpListener::from_std(bound.tcp)?;
                let listeners = vec![Listener {
                    tcp,
                    tls: bound.tls,
                }];
                Ok(server::run(listeners, proxy, drain, async || signal.notified().await).await)
            };
            Runtime::block_on(&runtime, serve)
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
