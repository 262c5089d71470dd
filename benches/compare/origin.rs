//! The origin: one nginx that serves the site in plain, under TLS and in chunks.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use crate::client;
use crate::process::Process;
use crate::route::{Scheme, Upstream};
use crate::site::Site;

/// The running origin; stopped when dropped.
pub(crate) struct Origin {
    plain: SocketAddr,
    secure: SocketAddr,
    chunked: SocketAddr,
    _nginx: Process,
}

impl Origin {
    /// Starts it and waits until it answers.
    pub(crate) fn start(site: &Site) -> Result<Origin, String> {
        let [plain, secure, chunked] = [free_address()?, free_address()?, free_address()?];
        let addresses = [plain, secure, chunked].map(|address| address.to_string());
        let words = ["PLAIN", "SECURE", "CHUNKED"];
        let words: Vec<_> = words
            .into_iter()
            .zip(addresses.iter().map(String::as_str))
            .collect();
        let config = site.configure("origin.conf", "origin.conf", &words)?;
        let mut nginx = Command::new("nginx");
        nginx.args(["-e", "stderr", "-c"]).arg(config);
        let mut nginx = Process::start(&mut nginx, site.file("origin.out"))?;
        for (address, scheme) in [
            (plain, Scheme::Plain),
            (secure, Scheme::Tls),
            (chunked, Scheme::Plain),
        ] {
            client::wait_for_manifest(site, address, scheme, &mut nginx)?;
        }
        Ok(Origin {
            plain,
            secure,
            chunked,
            _nginx: nginx,
        })
    }

    /// Where it speaks that.
    pub(crate) fn address(&self, upstream: Upstream) -> SocketAddr {
        match upstream {
            Upstream::Plain => self.plain,
            Upstream::Tls => self.secure,
            Upstream::Chunked => self.chunked,
        }
    }
}

/// An address on loopback that nobody listens at. nginx and HAProxy cannot say which port the kernel gave them.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("no free port on loopback: {error}"))
}
