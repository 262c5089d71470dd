//! A panic costs one connection, and one line of the log.

use std::process::Command;

use crate::docxy::Docxy;
use crate::stand::{NAME, blob, get, named};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, Client, Closing, Gate, Server};

/// docxy that panics when it is asked to, with one worker.
fn start(registry: &Server, args: &[&str]) -> Docxy {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--workers",
        "1",
        "--upstream",
        &named(NAME, registry),
    ]);
    Docxy::start_with(command.args(args).env("DOCXY_PROVOKE_PANICS", "1"))
}

fn told(docxy: &Docxy, count: usize) {
    docxy.wait_for_lines("a fault in docxy at src/server/provoked.rs", count);
    let more: Vec<_> = docxy
        .log()
        .into_iter()
        .filter(|line| !line.starts_with("docxy: listening") && !line.starts_with("time="))
        .collect();
    assert!(more.is_empty(), "a line each, and no more: {more:?}");
    let quoted = docxy
        .log()
        .into_iter()
        .any(|line| line.contains("as asked"));
    assert!(!quoted, "what a panic says may be a client's");
}

#[test]
fn a_panic_in_a_task_ends_its_connection_only() {
    let gate = Gate::new();
    let half = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
    let answer = half.then(Act::Wait(gate.clone())).send("rest");
    let registry = Server::start(move |_| answer.clone());
    let docxy = start(
        &registry,
        &["--max-connections", "2", "--max-connections-per-ip", "2"],
    );
    let mut other = Client::connect(docxy.addr());
    other.send(Ask::get(&blob()).bytes());
    other.receive_head();
    assert_eq!(other.take(4).unwrap(), b"half");
    for count in 1..=20 {
        let mut client = Client::connect(docxy.addr());
        client.send(Ask::get("/panic/task").bytes());
        assert_ne!(client.closing(), Closing::Silence);
        told(&docxy, count);
    }
    gate.open();
    assert_eq!(other.take(4).unwrap(), b"rest");
    assert_eq!(
        get(&docxy, &blob()).text(),
        "halfrest",
        "its place is free again"
    );
    docxy.signal("TERM");
    assert_eq!(docxy.wait().0.code(), Some(0));
}

#[test]
fn a_worker_outlives_a_panic_of_its_own() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = start(&registry, &[]);
    let mut before = Client::connect(docxy.addr());
    assert_eq!(before.ask(&Ask::get("/panic/worker")).status(), 404);
    assert_eq!(
        get(&docxy, &blob()).text(),
        "x",
        "the connection after which it panics"
    );
    told(&docxy, 1);
    assert_eq!(before.ask(&Ask::get(&blob())).text(), "x");
    assert_eq!(get(&docxy, &blob()).text(), "x");
    docxy.signal("TERM");
    assert_eq!(docxy.wait().0.code(), Some(0));
}

#[test]
fn without_the_variable_nothing_panics() {
    let docxy = crate::stand::start(&[]);
    for target in ["/panic/task", "/panic/worker"] {
        assert_eq!(get(&docxy, target).status(), 404);
    }
    assert_eq!(get(&docxy, "/health").status(), 200);
}
