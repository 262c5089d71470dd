//! Limits on connections: what is beyond them is told so or waits, idle ones make room, and what runs goes on.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Instant;

use socket2::{Domain, Socket, Type};

use crate::docxy::Docxy;
use crate::stand::NAME;
use crate::stand::{before_with, blob, get, named, own_error};
use crate::tls_keys::start_with;
use crate::wire::answer::Act;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, Closing, Gate, PATIENCE, Response, Server};

/// A registry whose blobs stop in the middle until the gate is opened.
fn halting(gate: &Gate) -> Server {
    let answer = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        .then(Act::Wait(gate.clone()))
        .send("rest");
    Server::start(move |_| answer.clone())
}

/// Asks for a blob and reads the first half of it.
fn in_the_middle(mut client: Client) -> Client {
    client.send(Ask::get(&blob()).bytes());
    client.receive_head();
    assert_eq!(client.take(4).unwrap(), b"half");
    client
}

fn running(docxy: &Docxy, count: usize) -> Vec<Client> {
    let connect = |_| in_the_middle(Client::connect(docxy.addr()));
    (0..count).map(connect).collect()
}

fn assert_finish(clients: Vec<Client>, gate: &Gate) {
    gate.open();
    for mut client in clients {
        assert_eq!(client.take(4).unwrap(), b"rest");
    }
}

fn assert_turned_away(response: &Response, flag: &str) {
    assert_eq!(own_error(response, 503), "UNAVAILABLE");
    assert!(response.text().contains(flag), "{}", response.text());
    assert_eq!(response.head.one("connection"), Some("close"));
    assert_eq!(response.head.one("retry-after"), Some("5"));
}

/// A connection to docxy from this address of loopback.
fn connect_from(docxy: &Docxy, from: [u8; 4]) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&docxy.addr().into()).unwrap();
    socket.into()
}

#[test]
fn beyond_the_limit_others_are_told_so_and_what_runs_goes_on() {
    let gate = Gate::new();
    let registry = halting(&gate);
    let docxy = before_with(&registry, &["--max-connections", "2"]);
    let clients = running(&docxy, 2);
    assert_turned_away(&get(&docxy, &blob()), "--max-connections)");
    for path in ["/health", "/ready"] {
        let response = get(&docxy, path);
        assert_eq!(
            (response.status(), response.head.one("connection")),
            (200, Some("close"))
        );
    }
    assert_finish(clients, &gate);
    assert_eq!(get(&docxy, &blob()).text(), "halfrest");
    let error = docxy.wait_for_line("all connections are in use");
    assert!(error.contains(&blob()), "{error}");
}

#[test]
fn beyond_the_limit_tls_clients_are_told_so_too() {
    let gate = Gate::new();
    let registry = halting(&gate);
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let pair = identity.write(directory.path());
    let upstream = named(NAME, &registry);
    let args = ["--upstream", &upstream, "--max-connections", "1"];
    let docxy = start_with(&[pair], &args);
    let connect = || Client::connect_tls(docxy.addr(), identity.client(&["http/1.1"]));
    let client = in_the_middle(connect());
    assert_turned_away(&connect().ask(&Ask::get(&blob())), "--max-connections)");
    assert_eq!(connect().ask(&Ask::get("/health")).status(), 200);
    assert_finish(vec![client], &gate);
}

#[test]
fn the_longest_idle_connection_makes_room() {
    let registry = Server::start(|_| Answer::ok("x"));
    // One worker begins with connections in the order in which they came.
    let docxy = before_with(&registry, &["--max-connections", "2", "--workers", "1"]);
    let mut longest = Client::connect(docxy.addr());
    let mut other = Client::connect(docxy.addr());
    assert_eq!(other.ask(&Ask::get(&blob())).text(), "x");
    let mut new = Client::connect(docxy.addr());
    let response = new.ask(&Ask::get(&blob())).complete();
    assert_eq!(
        (response.text().as_str(), response.head.one("connection")),
        ("x", None)
    );
    assert_eq!(longest.closing(), Closing::Fin);
    assert_eq!(other.ask(&Ask::get(&blob())).text(), "x");
    assert_eq!(
        new.ask(&Ask::get(&blob())).text(),
        "x",
        "it has come to stay"
    );
}

#[test]
fn a_connection_that_is_idle_after_a_request_makes_room_as_well() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = before_with(&registry, &["--max-connections", "1"]);
    let mut idle = Client::connect(docxy.addr());
    assert_eq!(idle.ask(&Ask::get(&blob())).text(), "x");
    let deadline = Instant::now() + PATIENCE;
    // It counts as busy for a moment, in which its next request would come.
    while get(&docxy, &blob()).status() != 200 {
        assert!(Instant::now() < deadline, "there is never room");
    }
    assert_eq!(idle.closing(), Closing::Fin);
}

#[test]
fn those_who_only_connect_cannot_keep_others_out() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = before_with(&registry, &["--max-connections", "8"]);
    let silent: Vec<_> = (0..1000)
        .map(|_| TcpStream::connect(docxy.addr()).unwrap())
        .collect();
    assert_eq!(get(&docxy, &blob()).text(), "x");
    drop(silent);
}

#[test]
fn beyond_the_spare_places_they_wait_their_turn() {
    let gate = Gate::new();
    let registry = halting(&gate);
    let docxy = before_with(&registry, &["--max-connections", "1"]);
    let clients = running(&docxy, 1);
    let silent: Vec<_> = (0..40)
        .map(|_| TcpStream::connect(docxy.addr()).unwrap())
        .collect();
    assert_turned_away(&get(&docxy, &blob()), "--max-connections)");
    assert_finish(clients, &gate);
    drop(silent);
}

#[test]
fn a_client_has_its_share() {
    let gate = Gate::new();
    let registry = halting(&gate);
    let docxy = before_with(&registry, &["--max-connections-per-ip", "2"]);
    let mut clients = running(&docxy, 2);
    assert_turned_away(&get(&docxy, &blob()), "--max-connections-per-ip");
    assert_eq!(get(&docxy, "/health").status(), 200);
    clients.push(in_the_middle(Client::over(connect_from(
        &docxy,
        [127, 0, 0, 2],
    ))));
    assert_finish(clients, &gate);
    assert_eq!(get(&docxy, &blob()).text(), "halfrest");
}

#[test]
fn the_connections_of_a_trusted_proxy_are_those_of_many() {
    let gate = Gate::new();
    let registry = halting(&gate);
    let flags = [
        "--max-connections-per-ip",
        "1",
        "--trusted-proxy",
        "127.0.0.1",
    ];
    let docxy = before_with(&registry, &flags);
    assert_finish(running(&docxy, 3), &gate);
}

#[test]
fn behind_a_balancer_the_client_that_it_names_counts() {
    let gate = Gate::new();
    let registry = halting(&gate);
    let docxy = Docxy::start(&[
        "--listen",
        "proxy+http://127.0.0.1:0",
        "--upstream",
        &named(NAME, &registry),
        "--max-connections-per-ip",
        "1",
        "--trusted-proxy",
        "127.0.0.0/8",
    ]);
    let connect = |client: &str| {
        let mut connection = Client::connect(docxy.addr());
        connection.send(format!("PROXY TCP4 {client} 192.0.2.99 1234 5000\r\n"));
        connection
    };
    let clients = vec![
        in_the_middle(connect("192.0.2.1")),
        in_the_middle(connect("192.0.2.2")),
    ];
    let refused = connect("192.0.2.1").ask(&Ask::get(&blob()));
    assert_turned_away(&refused, "--max-connections-per-ip");
    assert_finish(clients, &gate);
}

#[test]
fn without_a_flag_descriptors_decide() {
    let gate = Gate::new();
    let registry = halting(&gate);
    let mut command = Command::new("prlimit");
    command.args([
        "--nofile=160:160",
        env!("CARGO_BIN_EXE_docxy"),
        "--listen",
        "127.0.0.1:0",
    ]);
    let docxy = Docxy::start_with(command.args(["--upstream", &named(NAME, &registry)]));
    let clients = running(&docxy, 8);
    assert_turned_away(&get(&docxy, &blob()), "--max-connections)");
    assert_finish(clients, &gate);
}

#[test]
fn zero_is_no_limit_to_have() {
    for flag in ["--max-connections", "--max-connections-per-ip"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
        let (status, lines) = Docxy::spawn(command.args([flag, "0"])).wait();
        assert_eq!(status.code(), Some(2), "{lines:?}");
        assert!(lines[0].contains(flag), "{lines:?}");
    }
}
