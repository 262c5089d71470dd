//! Flow: a client that leaves stops the upstream, one that does not read holds it back, and both stalls have an end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::docxy::Docxy;
use crate::stand::{before_with, blob, get, with_one_worker};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, Client, Closing, End, Gate, Server, noise};

const BLOCK: usize = 64 * 1024;
const BLOCKS: usize = 8 * 1024;
const WHOLE: usize = BLOCK * BLOCKS;

/// What the kernel may hold between the two ends: two pairs of socket buffers of at most 4 and 6 MB, and then some.
const IN_FLIGHT: usize = 48 * 1024 * 1024;

/// A registry with a blob of half a gigabyte.
fn endless() -> Server {
    let length = WHOLE.to_string();
    let range = format!("bytes 0-{}/{WHOLE}", WHOLE - 1);
    let fields = [
        ("Content-Length", length.as_str()),
        ("Content-Range", range.as_str()),
    ];
    let answer = Answer::head("206 Partial Content", &fields)
        .then(Act::Repeat(Arc::new(noise(BLOCK)), BLOCKS));
    Server::start(move |_| answer.clone())
}

fn open_range(docxy: &Docxy) -> Client {
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get(&blob()).field("Range", "bytes=8388608-").bytes());
    let (head, _) = client.receive_head();
    assert_eq!(head.status(), 206);
    client
}

#[test]
fn an_open_range_that_is_dropped_stops_the_upstream() {
    let registry = endless();
    let docxy = before_with(&registry, &[]);
    for connection in 0..3 {
        let mut client = open_range(&docxy);
        assert_eq!(client.take(8 * 1024 * 1024).unwrap().len(), 8 * 1024 * 1024);
        if connection == 0 {
            drop(client);
        } else {
            client.reset();
        }
        registry.wait_for_leaving(connection);
        assert!(
            registry.sent(connection) < WHOLE / 2,
            "{} bytes were sent for 8 MB",
            registry.sent(connection)
        );
        assert_eq!(
            registry.requests()[connection].head.one("range"),
            Some("bytes=8388608-")
        );
    }
    assert_eq!(get(&docxy, "/health").status(), 200);
}

/// What a client does before it resets its connection.
#[derive(Clone, Copy, Debug)]
enum Before {
    Nothing,
    /// It says that it will ask nothing more.
    End,
    /// It asks more than it waits for.
    NextRequest,
}

const BEFORE: [Before; 3] = [Before::Nothing, Before::End, Before::NextRequest];

/// Leaves a docxy of one worker.
fn leave(mut client: Client, docxy: &Docxy, before: Before) {
    match before {
        Before::Nothing => {}
        Before::End => client.finish_writing(),
        Before::NextRequest => client.send(Ask::get(&blob()).bytes()),
    }
    // When this is answered, the worker knows of that.
    assert_eq!(get(docxy, "/health").status(), 200);
    client.reset();
}

#[test]
fn a_client_that_leaves_before_the_answer_stops_the_upstream() {
    for before in BEFORE {
        let registry = Server::start(|_| Answer::default().then(Act::Stall));
        let docxy = with_one_worker(&registry, &[]);
        let mut client = Client::connect(docxy.addr());
        client.send(Ask::get(&blob()).bytes());
        registry.wait_for_requests(1);
        leave(client, &docxy, before);
        docxy.wait_for_line("status=499");
        registry.wait_for_leaving(0);
        registry.only_request();
    }
}

#[test]
fn a_client_that_leaves_within_a_stalled_body_stops_the_upstream() {
    let bodies = [
        Answer::head("200 OK", &[("Content-Length", "1000")]),
        // What is left of this one goes through a pipe.
        Answer::head("200 OK", &[("Content-Length", "1000000")]),
        Answer::head("200 OK", &[("Transfer-Encoding", "chunked")]).send("4\r\n"),
    ];
    for (head, before) in bodies.iter().flat_map(|head| BEFORE.map(|one| (head, one))) {
        let answer = head.clone().send("half").then(Act::Stall);
        let registry = Server::start(move |_| answer.clone());
        let docxy = with_one_worker(&registry, &["--body-timeout", "1h"]);
        let mut client = Client::connect(docxy.addr());
        client.send(Ask::get(&blob()).bytes());
        client.receive_head();
        client.take(4).unwrap();
        leave(client, &docxy, before);
        registry.wait_for_leaving(0);
        docxy.wait_for_line(&format!("target={}", blob()));
        registry.only_request();
    }
}

#[test]
fn a_client_that_only_ends_its_side_within_a_stalled_body_gets_all_of_it() {
    let gate = Gate::new();
    let answer = Answer::head("200 OK", &[("Content-Length", "8")])
        .send("half")
        .then(Act::Wait(gate.clone()))
        .send("rest");
    let registry = Server::start(move |_| answer.clone());
    let docxy = with_one_worker(&registry, &[]);
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get(&blob()).bytes());
    client.receive_head();
    client.finish_writing();
    assert_eq!(get(&docxy, "/health").status(), 200);
    gate.open();
    assert_eq!(client.take(8).unwrap(), b"halfrest");
}

#[test]
fn a_client_that_does_not_read_holds_the_upstream_back_and_is_left() {
    let registry = endless();
    let docxy = before_with(&registry, &["--client-timeout", "1s"]);
    let mut client = Client::narrow(docxy.addr(), 16 * 1024);
    let begun = Instant::now();
    client.send(Ask::get(&blob()).bytes());
    registry.wait_for_leaving(0);
    assert!(
        begun.elapsed() >= Duration::from_millis(900),
        "after {:?}",
        begun.elapsed()
    );
    assert!(
        registry.sent(0) < IN_FLIGHT,
        "{} bytes were taken for a client that reads nothing",
        registry.sent(0)
    );
    let response = client.receive("GET");
    assert!(matches!(response.end, End::Cut(_)));
    assert_eq!(get(&docxy, "/health").status(), 200);
}

#[test]
fn an_upstream_that_stalls_in_a_body_is_left_and_the_client_sees_it() {
    let fields = [("Content-Length", "1000")];
    for (head, request) in [
        (Answer::head("200 OK", &fields), Ask::get(&blob())),
        (Answer::head("200 OK", &[]), Ask::get(&blob()).http10()),
    ] {
        let answer = head.send("half").then(Act::Stall);
        let registry = Server::start(move |_| answer.clone());
        let docxy = before_with(&registry, &["--body-timeout", "1s"]);
        let begun = Instant::now();
        let response = Client::connect(docxy.addr()).ask(&request);
        assert!(
            begun.elapsed() >= Duration::from_millis(900),
            "after {:?}",
            begun.elapsed()
        );
        assert_eq!(response.text(), "half");
        assert!(matches!(response.end, End::Cut(_)), "{:?}", response.end);
        assert_ne!(response.end, End::Cut(Closing::Silence));
        registry.wait_for_leaving(0);
    }
}

#[test]
fn bytes_pass_as_they_come() {
    let gates: Vec<Gate> = (0..20).map(|_| Gate::new()).collect();
    let start = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
    let answer = gates.iter().fold(start, |answer, gate| {
        answer.then(Act::Wait(gate.clone())).send("x")
    });
    let registry = Server::start(move |_| answer.clone());
    let docxy = before_with(&registry, &[]);
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get(&blob()).bytes());
    client.receive_head();
    for gate in &gates {
        gate.open();
        assert_eq!(
            client.take(1).unwrap(),
            b"x",
            "each byte before the next one is sent"
        );
    }
}

#[test]
fn one_stalled_blob_does_not_hold_up_the_others() {
    let registry = Server::start(|request| {
        if request.head.target() == blob() {
            Answer::default().then(Act::Stall)
        } else {
            Answer::ok("x")
        }
    });
    let docxy = before_with(&registry, &[]);
    let mut stalled: Vec<Client> = (0..80).map(|_| Client::connect(docxy.addr())).collect();
    stalled
        .iter_mut()
        .for_each(|client| client.send(Ask::get(&blob()).bytes()));
    registry.wait_for_requests(stalled.len());
    assert_eq!(get(&docxy, crate::stand::MANIFEST).text(), "x");
}
