//! A docxy between clients and a registry, and what a crowd of clients adds to its memory.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::docxy::Docxy;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Client, PATIENCE, Server};

/// docxy, and how its clients reach it.
pub struct Stand {
    docxy: Docxy,
    _registry: Server,
    tls: Option<Arc<ClientConfig>>,
}

impl Stand {
    /// One whose registry answers so, with TLS on the client's side and on the registry's or without.
    pub fn start(answer: Answer, directory: &Path, client: bool, registry: bool) -> Stand {
        let identity = Identity::new();
        let registry = match registry {
            true => Server::start_tls(identity.server(), move |_| answer.clone()),
            false => Server::start(move |_| answer.clone()),
        };
        let (cert, key) = identity.write(directory);
        let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
        let upstream = format!("reg.test={}", registry.url());
        let scheme = if client { "https" } else { "http" };
        let listen = format!("{scheme}://127.0.0.1:0");
        let mut args = vec!["--listen", &listen, "--upstream", &upstream];
        args.extend(["--upstream-ca", cert]);
        if client {
            args.extend(["--tls-cert", cert, "--tls-key", key]);
        }
        Stand {
            docxy: Docxy::start(&args),
            _registry: registry,
            tls: client.then(|| identity.client(&["http/1.1"])),
        }
    }

    /// Where it listens.
    fn addr(&self) -> SocketAddr {
        self.docxy.addr()
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        match &self.tls {
            Some(config) => Client::connect_tls(self.addr(), Arc::clone(config)),
            None => Client::connect(self.addr()),
        }
    }

    /// What so many clients add to docxy's own memory, in bytes for each, once they have come and done something.
    pub fn cost(&self, count: u64, come: impl Fn() -> Client) -> u64 {
        // What is made once is not theirs.
        drop(come());
        let before = settled(&self.docxy);
        let crowd: Vec<Client> = (0..count).map(|_| come()).collect();
        let grown = settled(&self.docxy).saturating_sub(before);
        drop(crowd);
        grown * 1024 / count
    }
}

/// docxy's own memory in kB, once it has done nothing for a while: everything that may come has come then.
fn settled(docxy: &Docxy) -> u64 {
    let (mut last, mut since) = (String::new(), Instant::now());
    let deadline = since + PATIENCE;
    while since.elapsed() < Duration::from_millis(700) {
        assert!(Instant::now() < deadline, "docxy does not come to rest");
        let used = used(docxy);
        if used != last {
            (last, since) = (used, Instant::now());
        }
        thread::sleep(Duration::from_millis(20));
    }
    docxy.memory("RssAnon")
}

/// The processor time of each thread.
fn used(docxy: &Docxy) -> String {
    let tasks = fs::read_dir(format!("/proc/{}/task", docxy.pid())).unwrap();
    let of_one = |task: fs::DirEntry| fs::read_to_string(task.path().join("schedstat"));
    let all: Vec<String> = tasks.filter_map(|task| of_one(task.ok()?).ok()).collect();
    all.concat()
}
