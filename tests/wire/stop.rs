//! SIGTERM and SIGINT: what runs is finished, nothing new begins, and the second one ends it at once.

use std::io::Write;
use std::net::TcpStream;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::docxy::Docxy;
use crate::stand::{before_with, blob, get};
use crate::wire::answer::Act;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, Closing, Gate, Server, digest, noise};

struct Running {
    docxy: Docxy,
    client: Client,
    gate: Gate,
    registry: Server,
}

/// docxy in the middle of a body, whose rest comes when the gate is opened.
fn running(args: &[&str]) -> Running {
    let gate = Gate::new();
    let answer = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        .then(Act::Wait(gate.clone()))
        .send("rest");
    let registry = Server::start(move |_| answer.clone());
    let docxy = before_with(&registry, args);
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get(&blob()).bytes());
    client.receive_head();
    assert_eq!(client.take(4).unwrap(), b"half");
    Running {
        docxy,
        client,
        gate,
        registry,
    }
}

/// Waits until the listener is gone: connections are refused.
fn wait_until_refused(docxy: &Docxy) {
    let deadline = Instant::now() + crate::wire::PATIENCE;
    while TcpStream::connect(docxy.addr()).is_ok() {
        assert!(Instant::now() < deadline, "docxy still accepts");
        std::thread::yield_now();
    }
}

fn assert_clean(status: ExitStatus) {
    assert_eq!(status.code(), Some(0), "{status}");
}

#[test]
fn a_running_body_is_finished_before_the_end() {
    for signal in ["TERM", "INT"] {
        let Running {
            docxy,
            mut client,
            gate,
            registry: _registry,
        } = running(&[]);
        docxy.signal(signal);
        wait_until_refused(&docxy);
        gate.open();
        assert_eq!(client.take(4).unwrap(), b"rest");
        assert_eq!(client.closing(), Closing::Fin);
        assert_clean(docxy.wait().0);
    }
}

#[test]
fn the_first_request_of_a_connection_from_before_the_stop_is_answered() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = before_with(&registry, &[]);
    let mut early = Client::connect(docxy.addr());
    // Accepted after it, and answered.
    assert_eq!(get(&docxy, "/health").status(), 200);
    docxy.signal("TERM");
    wait_until_refused(&docxy);
    let response = early.ask(&Ask::get(&blob())).complete();
    assert_eq!(response.text(), "x");
    assert_eq!(response.head.one("connection"), Some("close"));
    assert_clean(docxy.wait().0);
}

/// Connections that docxy has had no time to accept when it is told to stop: it stands still until both have happened.
fn queued_at_a_stop(docxy: &Docxy, count: usize) -> Vec<Client> {
    docxy.signal("STOP");
    docxy.wait_for_state('T');
    let connect = |_| {
        let mut client = Client::connect(docxy.addr());
        client.send(Ask::get(&blob()).bytes());
        client
    };
    let clients = (0..count).map(connect).collect();
    docxy.signal("TERM");
    docxy.signal("CONT");
    clients
}

fn assert_answered(clients: Vec<Client>) {
    for mut client in clients {
        let response = client.receive("GET").complete();
        assert_eq!(
            (response.text().as_str(), response.head.one("connection")),
            ("x", Some("close"))
        );
        assert_eq!(client.closing(), Closing::Fin);
    }
}

#[test]
fn whoever_waits_to_be_accepted_at_a_stop_is_answered() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = before_with(&registry, &[]);
    assert_answered(queued_at_a_stop(&docxy, 100));
    assert_clean(docxy.wait().0);
}

#[test]
fn whoever_waits_for_a_place_at_a_stop_is_answered_too() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = before_with(&registry, &["--max-connections", "2"]);
    let clients = queued_at_a_stop(&docxy, 60);
    for mut client in clients {
        let response = client.receive("GET").complete();
        assert!(matches!(response.status(), 200 | 503), "{response:?}");
    }
    assert_clean(docxy.wait().0);
}

#[test]
fn a_connection_without_a_request_holds_a_stop_up_for_a_moment_only() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let (cert, key) = identity.write(directory.path());
    let certificate = [
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ];
    let header = &b"PROXY UNKNOWN\r\n"[..];
    // What comes before TLS or a request, and whether there is TLS.
    for (listen, before, is_secure) in [
        ("http://127.0.0.1:0", &b""[..], false),
        ("https://127.0.0.1:0", b"", true),
        ("proxy+http://127.0.0.1:0", header, false),
        ("proxy+https://127.0.0.1:0", header, true),
    ] {
        let docxy = match is_secure {
            true => Docxy::start(&[&["--listen", listen], &certificate[..]].concat()),
            false => Docxy::start(&["--listen", listen]),
        };
        let connect = |says: &[u8]| {
            let mut tcp = TcpStream::connect(docxy.addr()).unwrap();
            tcp.write_all(says).unwrap();
            tcp
        };
        let silent = [b"", before].map(|says| Client::over(connect(says)));
        // Accepted after them, and answered.
        let mut other = match is_secure {
            true => Client::over_tls(connect(before), identity.client(&[])),
            false => Client::over(connect(before)),
        };
        assert_eq!(other.ask(&Ask::get("/health")).status(), 200);
        let begun = Instant::now();
        docxy.signal("TERM");
        assert_clean(docxy.wait().0);
        let elapsed = begun.elapsed();
        assert!(elapsed < Duration::from_secs(7), "{listen}: {elapsed:?}");
        for mut client in silent {
            assert_ne!(client.closing(), Closing::Silence);
        }
    }
}

#[test]
fn whoever_has_only_connected_at_a_stop_has_time_for_a_request() {
    let docxy = Docxy::start(&["--listen", "proxy+http://127.0.0.1:0"]);
    let mut early = Client::connect(docxy.addr());
    let mut other = Client::connect(docxy.addr());
    let request = [&b"PROXY UNKNOWN\r\n"[..], &Ask::get("/health").bytes()].concat();
    // Accepted after it, and answered.
    other.send(&request);
    assert_eq!(other.receive("GET").status(), 200);
    docxy.signal("TERM");
    wait_until_refused(&docxy);
    early.send(&request);
    assert_eq!(early.receive("GET").complete().status(), 200);
    assert_clean(docxy.wait().0);
}

#[test]
fn without_anything_to_finish_it_ends_at_once() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = before_with(&registry, &[]);
    let mut idle = Client::connect(docxy.addr());
    assert_eq!(idle.ask(&Ask::get(&blob())).text(), "x");
    docxy.signal("TERM");
    assert_ne!(idle.closing(), Closing::Silence);
    assert_clean(docxy.wait().0);
}

#[test]
fn ready_is_503_and_health_200_while_draining() {
    let Running {
        docxy,
        mut client,
        gate,
        registry: _registry,
    } = running(&[]);
    assert_eq!(get(&docxy, "/ready").status(), 200);
    let ready = Ask::get("/ready").bytes();
    let (first, rest) = ready.split_at(10);
    let mut probe = Client::connect(docxy.addr());
    // In one write with a whole request, so that its answer says that docxy has read the part as well.
    probe.send([&ready, first].concat());
    assert_eq!(probe.receive("GET").complete().status(), 200);
    docxy.signal("TERM");
    wait_until_refused(&docxy);
    probe.send(rest);
    let response = probe.receive("GET").complete();
    assert_eq!(response.status(), 503);
    assert_eq!(response.head.one("connection"), Some("close"));
    gate.open();
    assert_eq!(client.take(4).unwrap(), b"rest");
    assert_clean(docxy.wait().0);
}

#[test]
fn an_answer_given_while_draining_says_close() {
    let gate = Gate::new();
    let answer = Answer::default()
        .then(Act::Wait(gate.clone()))
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let registry = Server::start(move |_| answer.clone());
    let docxy = before_with(&registry, &[]);
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get(&blob()).bytes());
    registry.wait_for_requests(1);
    docxy.signal("TERM");
    wait_until_refused(&docxy);
    gate.open();
    let response = client.receive("GET").complete();
    assert_eq!(
        (response.text().as_str(), response.head.one("connection")),
        ("ok", Some("close"))
    );
    assert_eq!(client.closing(), Closing::Fin);
    assert_clean(docxy.wait().0);
}

#[test]
fn the_drain_has_an_end() {
    let Running {
        docxy,
        mut client,
        registry: _registry,
        ..
    } = running(&["--drain", "1s"]);
    let begun = Instant::now();
    docxy.signal("TERM");
    docxy.wait();
    let elapsed = begun.elapsed();
    assert!(
        elapsed >= Duration::from_millis(900) && elapsed < Duration::from_secs(10),
        "{elapsed:?}"
    );
    assert!(client.take(4).is_err());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let Running {
        docxy,
        mut client,
        registry: _registry,
        ..
    } = running(&[]);
    docxy.signal("TERM");
    wait_until_refused(&docxy);
    docxy.signal("TERM");
    docxy.wait();
    assert!(client.take(4).is_err(), "the rest was never sent");
}

#[test]
fn a_hundred_pulls_survive_a_stop() {
    const PULLS: usize = 100;
    let gate = Gate::new();
    let whole = noise(300_000);
    let (first, rest) = whole.split_at(1000);
    let answer = Answer::head("200 OK", &[("Content-Length", "300000")])
        .send(first)
        .then(Act::Wait(gate.clone()))
        .send(rest);
    let registry = Server::start(move |_| answer.clone());
    let docxy = before_with(&registry, &["--log", "off"]);
    let mut pulls: Vec<_> = (0..PULLS).map(|_| Client::connect(docxy.addr())).collect();
    for client in &mut pulls {
        client.send(Ask::get(&blob()).bytes());
    }
    registry.wait_for_requests(PULLS);
    docxy.signal("TERM");
    wait_until_refused(&docxy);
    gate.open();
    for client in &mut pulls {
        let response = client.receive("GET").complete();
        assert_eq!(digest(&response.body), digest(&whole));
        assert_eq!(client.closing(), Closing::Fin);
    }
    assert_clean(docxy.wait().0);
}
