//! Clients that ask for a blob and read nothing of it: what each of them costs, by what is spoken on either side.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::docxy::Docxy;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, PATIENCE, Server, noise};

/// So many that a page more or less does not count.
const CLIENTS: u64 = 64;

/// What each may cost, in kB, by whether the client and whether the registry speaks TLS.
const LIMITS: [(bool, bool, u64); 4] = [
    (false, false, 16),
    (false, true, 112),
    (true, false, 32),
    (true, true, 80),
];

#[test]
fn a_client_that_reads_nothing_costs_little() {
    let identity = Identity::new();
    let directory = tempfile::tempdir().unwrap();
    let costs =
        LIMITS.map(|(client, registry, _)| cost(&identity, directory.path(), client, registry));
    println!("{costs:?} kB of {LIMITS:?}");
    for (cost, limit) in costs.into_iter().zip(LIMITS) {
        assert!(cost <= limit.2, "{cost} kB of {limit:?}");
    }
}

/// What each client adds to docxy's own memory, in kB.
fn cost(identity: &Identity, directory: &Path, client: bool, registry: bool) -> u64 {
    // More than the kernel holds for such a client, so that docxy could go on reading.
    let answer = Answer::ok(noise(2_000_000));
    let registry = match registry {
        true => Server::start_tls(identity.server(), move |_| answer.clone()),
        false => Server::start(move |_| answer.clone()),
    };
    let (cert, key) = identity.write(directory);
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let upstream = format!("reg.test={}", registry.url());
    let scheme = if client { "https" } else { "http" };
    let listen = format!("{scheme}://127.0.0.1:0");
    let mut args = vec![
        "--listen",
        &listen,
        "--upstream",
        &upstream,
        "--upstream-ca",
        cert,
    ];
    if client {
        args.extend(["--tls-cert", cert, "--tls-key", key]);
    }
    let docxy = Docxy::start(&args);
    let config = client.then(|| identity.client(&["http/1.1"]));
    drop(stalled(&docxy, config.as_ref()));
    let before = settled(&docxy);
    let crowd: Vec<Client> = (0..CLIENTS)
        .map(|_| stalled(&docxy, config.as_ref()))
        .collect();
    let grown = settled(&docxy).saturating_sub(before);
    drop(crowd);
    grown / CLIENTS
}

/// A client that has asked.
fn stalled(docxy: &Docxy, tls: Option<&Arc<ClientConfig>>) -> Client {
    let mut client = match tls {
        Some(config) => Client::connect_tls(docxy.addr(), Arc::clone(config)),
        None => Client::connect(docxy.addr()),
    };
    let path = format!("/v2/library/noise/blobs/sha256:{}", "0".repeat(64));
    client.send(Ask::get(&path).bytes());
    client
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
