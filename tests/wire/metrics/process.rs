//! The process, its build and the connections it has.

use super::{ADMIN, counting, request};
use crate::docxy::Docxy;
use crate::scrape::scrape;
use crate::stand::{MANIFEST, blob, get, with_one_worker};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, Client, Gate, Server};

#[test]
fn the_process_and_its_build_are_shown() {
    let registry = Server::start(|_| Answer::unscripted());
    let now = scrape(&counting(&registry));
    let build = format!(
        "docxy_build_info{{version={:?}}}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(now.value(&build), 1.0);
    assert!(now.value("process_resident_memory_bytes") > 1e6);
    assert!(now.value("process_open_fds") > 3.0);
    assert!(now.value("process_max_fds") >= now.value("process_open_fds"));
    assert!(now.value("process_cpu_seconds_total") > 0.0);
    assert!(now.value("process_start_time_seconds") > 1.6e9);
    assert_eq!(now.get("docxy_handshakes_in_progress"), Some(0.0));
}

#[test]
fn connections_over_a_limit_are_counted_and_the_operator_still_gets_in() {
    let gate = Gate::new();
    let held = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        .then(Act::Wait(gate.clone()))
        .send("rest");
    let registry = Server::start(move |_| held.clone());
    let docxy = with_one_worker(
        &registry,
        &[&ADMIN[..], &["--max-connections", "1"]].concat(),
    );
    let mut running = Client::connect(docxy.addr());
    running.send(Ask::get(&blob()).bytes());
    running.receive_head();
    assert_eq!(get(&docxy, MANIFEST).status(), 503);
    // It is counted before it is logged.
    docxy.wait_for_line("status=503");
    let now = scrape(&docxy);
    assert_eq!(now.value("docxy_connections_max"), 1.0);
    assert_eq!(
        now.value("docxy_connections_refused_total{limit=\"all\"}"),
        1.0
    );
    assert_eq!(now.value(&request("-", "manifest", 503)), 1.0);
    gate.open();
    assert_eq!(running.take(8).unwrap(), b"halfrest");

    let docxy = with_one_worker(
        &registry,
        &[&ADMIN[..], &["--max-connections-per-ip", "1"]].concat(),
    );
    let _first = settled_client(&docxy);
    assert_eq!(get(&docxy, MANIFEST).status(), 503);
    let now = scrape(&docxy);
    assert_eq!(
        now.value("docxy_connections_refused_total{limit=\"client\"}"),
        1.0
    );
    assert_eq!(
        now.value("docxy_connections_refused_total{limit=\"all\"}"),
        0.0
    );
}

fn settled_client(docxy: &Docxy) -> Client {
    let mut client = Client::connect(docxy.addr());
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
    client
}
