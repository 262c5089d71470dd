//! Memory that docxy may have: it decides how many connections there are by default, so that no crowd uses it up.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConfig;

use crate::docxy::Docxy;
use crate::scrape::scrape;
use crate::stand::{MANIFEST, blob, get, own_error};
use crate::wire::client::narrow;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, PATIENCE, Server, noise};

const MB: u64 = 1 << 20;

/// What docxy reckons for a connection (`docxy::limits::capacity`).
const OF_ONE: u64 = MB / 2;

/// What it takes off a limit before that, at most: what it has, and what one worker's threads may need.
const ITS_OWN: u64 = 24 * MB;

/// docxy with one worker under a limit, such as `--data=BYTES` of prlimit(1).
fn under(limit: &str, args: &[&str]) -> Docxy {
    let mut command = Command::new("prlimit");
    let own = [limit, env!("CARGO_BIN_EXE_docxy"), "--workers", "1"];
    let listen = ["--listen", "http://127.0.0.1:0", "--admin", "127.0.0.1:0"];
    Docxy::start_with(command.args(own).args(listen).args(args))
}

fn places(docxy: &Docxy) -> u64 {
    let value = scrape(docxy).value("docxy_connections_max");
    value.to_string().parse().unwrap()
}

#[test]
fn without_a_flag_the_limit_on_data_decides() {
    for limit in [64 * MB, 96 * MB] {
        let places = places(&under(&format!("--data={limit}"), &[]));
        let expected = (limit - ITS_OWN) / OF_ONE..limit / OF_ONE;
        assert!(expected.contains(&places), "{places}, not {expected:?}");
    }
}

#[test]
fn without_a_flag_the_limit_on_address_space_decides() {
    // Of which a C library may set much apart for each thread.
    let limit = 640 * MB;
    let places = places(&under(&format!("--as={limit}"), &[]));
    assert!((8..limit / OF_ONE).contains(&places), "{places}");
}

#[test]
fn however_little_there_is_a_pull_needs_a_few() {
    assert_eq!(places(&under(&format!("--data={}", 12 * MB), &[])), 8);
}

#[test]
fn more_by_a_flag_are_had_and_warned_about() {
    let limit = format!("--data={}", 48 * MB);
    let docxy = under(&limit, &["--max-connections", "5000"]);
    assert_eq!(places(&docxy), 5000);
    let warning = docxy.wait_for_line("MB of memory that the limit on data leaves");
    assert!(warning.contains("--max-connections: 5000 connections may need more than the "));

    let docxy = under(&limit, &["--max-connections", "9"]);
    assert_eq!(places(&docxy), 9);
    let log = docxy.log();
    assert!(!log.iter().any(|line| line.contains("--max-connections")));
}

/// docxy before a registry, with TLS and without on this side, with TLS on the other.
struct Stand {
    docxy: Docxy,
    client: Arc<ClientConfig>,
    _registry: Server,
    _directory: tempfile::TempDir,
}

impl Stand {
    fn new(limit: &str, flags: &[&str], body: &[u8]) -> Stand {
        let identity = Identity::new();
        let directory = tempfile::tempdir().unwrap();
        let (cert, key) = identity.write(directory.path());
        let answer = Answer::ok(body);
        let registry = Server::start_tls(identity.server(), move |_| answer.clone());
        let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
        let (cert, key) = (text(&cert), text(&key));
        let upstream = format!("reg.test={}", registry.url());
        let secure = ["--listen", "https://127.0.0.1:0", "--tls-cert", &cert];
        let to = ["--upstream", &upstream, "--upstream-ca", &cert];
        let all = [&secure[..], &["--tls-key", &key], &to, flags].concat();
        let docxy = under(limit, &all);
        docxy.wait_for_lines("listening on ", 2);
        Stand {
            docxy,
            client: identity.client(&["http/1.1"]),
            _registry: registry,
            _directory: directory,
        }
    }

    /// A client of one of the listeners that has asked for the blob and reads no more than the head of the answer.
    fn stalled(&self, secure: bool) -> (Client, u16) {
        // Little, so that docxy has to keep what is not read.
        let tcp = narrow(self.docxy.listeners()[usize::from(secure)], 4096);
        let mut client = match secure {
            true => Client::over_tls(tcp, Arc::clone(&self.client)),
            false => Client::over(tcp),
        };
        // As long as it may be, nearly, since some of it is kept.
        let long = (0..10).fold(Ask::get(&blob()), |ask, number| {
            ask.field(&format!("X-{number}"), &"x".repeat(2900))
        });
        client.send(long.bytes());
        let status = client.receive_head().0.status();
        (client, status)
    }
}

#[test]
fn a_crowd_that_reads_nothing_does_not_use_up_the_memory() {
    // Without a bound these need more than there is.
    const CROWD: u64 = 360;
    let body = noise(1_000_000);
    let stand = Stand::new(&format!("--data={}", 40 * MB), &[], &body);
    let docxy = &stand.docxy;
    let places = places(docxy);
    assert!((32..64).contains(&places), "{places}");

    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let (client, status) = stand.stalled(number % 2 == 0);
        let expected = if number < places { 200 } else { 503 };
        assert_eq!(status, expected, "client {number} of {places}");
        crowd.push(client);
    }
    assert_eq!(get(docxy, "/health").status(), 200);
    let refused = get(docxy, &blob());
    assert_eq!(own_error(&refused, 503), "UNAVAILABLE");
    assert!(refused.text().contains("--max-connections"));

    drop(crowd);
    let deadline = Instant::now() + PATIENCE;
    while get(docxy, MANIFEST).status() != 200 {
        assert!(Instant::now() < deadline, "the crowd's places are not free");
    }
    let pulled = get(docxy, &blob()).complete();
    assert!(pulled.body == body, "{} bytes", pulled.body.len());
}
