//! Slow and nasty clients: each has its end by a time-out or a limit, costs a bounded piece of memory, and holds up nobody.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, NAME};
use crate::stand::{before_with, blob, get, named, with_one_worker};
use crate::tls_keys::start_with;
use crate::wire::answer::Act;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, Closing, Gate, PATIENCE, Server, noise};

/// A client's head and a TLS handshake may take this long; a second is left for a busy machine.
const ALMOST_TEN: Duration = Duration::from_secs(9);

/// Connections on which `sent` has been sent and nothing more will be.
fn begun(addr: SocketAddr, sent: &[u8], count: usize) -> Vec<TcpStream> {
    let open = |_| {
        let mut tcp = TcpStream::connect(addr).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        // Whoever was pushed out meanwhile has been reset.
        let _ = tcp.write_all(sent);
        tcp
    };
    (0..count).map(open).collect()
}

/// How many of them docxy has not closed yet.
fn still_open(connections: &[TcpStream]) -> usize {
    let is_open = |mut tcp: &TcpStream| {
        tcp.set_nonblocking(true).unwrap();
        matches!(tcp.read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    };
    connections.iter().filter(|tcp| is_open(tcp)).count()
}

/// Waits for something that comes about by itself.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn descriptors(docxy: &Docxy) -> usize {
    fs::read_dir(format!("/proc/{}/fd", docxy.pid()))
        .unwrap()
        .count()
}

/// The memory that is docxy's own, and its part of what it shares, in bytes.
fn memory(docxy: &Docxy) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", docxy.pid())).unwrap();
    let line = rollup
        .lines()
        .find(|line| line.starts_with("Pss:"))
        .unwrap();
    let kilobytes = line.split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

#[test]
fn a_head_that_drips_has_ten_seconds_in_all() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = before_with(&registry, &[]);
    let begun = Instant::now();
    let mut slow = Client::connect(docxy.addr());
    let mut tcp = slow.tcp().try_clone().unwrap();
    let dripping = thread::spawn(move || {
        let head = Ask::get(MANIFEST).field("X-Slow", &"x".repeat(200)).bytes();
        for byte in head {
            if tcp.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    });
    let mut others = Client::connect(docxy.addr());
    while begun.elapsed() < ALMOST_TEN / 2 {
        assert_eq!(others.ask(&Ask::get(&blob())).text(), "x");
    }
    let response = slow.receive("GET");
    assert_eq!(response.status(), 408);
    assert!(begun.elapsed() > ALMOST_TEN, "{:?}", begun.elapsed());
    dripping.join().unwrap();
}

#[test]
fn of_too_many_unfinished_heads_the_oldest_go() {
    let registry = Server::start(|_| Answer::ok("x"));
    // With one worker they are served in the order in which they came.
    let docxy = with_one_worker(&registry, &["--max-connections", "400"]);
    let slow = begun(docxy.addr(), b"GET /v2/ HTTP/1.1\r\nHost: a", 200);
    wait_until("a quarter of all stays", || still_open(&slow) == 100);
    assert_eq!(still_open(&slow[..50]), 0, "the oldest went first");
    assert_eq!(get(&docxy, &blob()).text(), "x");
}

#[test]
fn of_too_many_unfinished_hellos_the_oldest_go() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let pair = identity.write(directory.path());
    let registry = Server::start(|_| Answer::ok("x"));
    let upstream = named(NAME, &registry);
    let args = ["--upstream", &upstream, "--max-connections", "400"];
    let docxy = start_with(&[pair], &args);
    // A record of 512 bytes, of which a ClientHello begins and does not end.
    let slow = begun(
        docxy.addr(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        200,
    );
    wait_until("a quarter of all stays", || still_open(&slow) == 100);
    let mut client = Client::connect_tls(docxy.addr(), identity.client(&["http/1.1"]));
    assert_eq!(client.ask(&Ask::get(&blob())).text(), "x");
}

#[test]
fn a_handshake_that_stops_has_ten_seconds() {
    let directory = tempfile::tempdir().unwrap();
    let pair = Identity::new().write(directory.path());
    let docxy = start_with(&[pair], &[]);
    let start = Instant::now();
    let mut slow = begun(docxy.addr(), b"\x16\x03\x01\x02", 1).remove(0);
    assert_eq!(slow.read(&mut [0]).unwrap_or(0), 0);
    assert!(start.elapsed() > ALMOST_TEN, "{:?}", start.elapsed());
}

#[test]
fn a_thousand_requests_at_once_are_answered_in_order() {
    let registry = Server::start(|request| Answer::ok(request.line()));
    let docxy = before_with(&registry, &["--log", "off"]);
    let mut client = Client::connect(docxy.addr());
    let mut tcp = client.tcp().try_clone().unwrap();
    let target = |number: usize| format!("/v2/a/b/manifests/t{number}");
    let all: Vec<u8> = (0..1000)
        .flat_map(|number| Ask::get(&target(number)).bytes())
        .collect();
    let sending = thread::spawn(move || tcp.write_all(&all).unwrap());
    let mut other = Client::connect(docxy.addr());
    for number in 0..1000 {
        let response = client.receive("GET").complete();
        assert_eq!(response.text(), format!("GET {}", target(number)));
        if number % 100 == 0 {
            assert_eq!(
                other.ask(&Ask::get(MANIFEST)).text(),
                format!("GET {MANIFEST}")
            );
        }
    }
    sending.join().unwrap();
}

#[test]
fn resets_in_the_middle_leave_nothing_behind() {
    let registry = Server::start(|_| Answer::ok(noise(300_000)));
    // Each worker keeps an idle connection of its own to the registry.
    let docxy = with_one_worker(&registry, &["--log", "off"]);
    assert_eq!(get(&docxy, &blob()).body.len(), 300_000);
    let before = descriptors(&docxy);
    for _ in 0..200 {
        let mut client = Client::connect(docxy.addr());
        client.send(Ask::get(&blob()).bytes());
        client.take(1000).unwrap();
        client.reset();
    }
    assert_eq!(get(&docxy, &blob()).body.len(), 300_000);
    wait_until("descriptors go back to where they were", || {
        descriptors(&docxy) <= before
    });
}

/// Most of it is the buffer of 64 KiB; the rest is for both heads, the task, and what the allocator keeps.
const MEMORY_OF_ONE: u64 = 128 * 1024;

#[test]
fn a_stalled_blob_costs_a_bounded_piece_of_memory() {
    const CLIENTS: usize = 300;
    let gate = Gate::new();
    let piece = noise(100_000);
    let whole = Answer::head("200 OK", &[("Content-Length", "200000")]).send(&piece);
    let answer = whole.then(Act::Wait(gate.clone())).send(&piece);
    let registry = Server::start(move |request| match request.line().contains("/blobs/") {
        true => answer.clone(),
        false => Answer::ok("x"),
    });
    let docxy = before_with(&registry, &["--log", "off"]);
    assert_eq!(get(&docxy, MANIFEST).text(), "x");
    let (memory_before, descriptors_before) = (memory(&docxy), descriptors(&docxy));
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| Client::connect(docxy.addr()))
        .collect();
    for client in &mut clients {
        client.send(Ask::get(&blob()).bytes());
    }
    for client in &mut clients {
        client.receive_head();
        assert_eq!(client.take(piece.len()).unwrap().len(), piece.len());
    }
    assert_eq!(get(&docxy, MANIFEST).text(), "x");
    let each = memory(&docxy).saturating_sub(memory_before) / CLIENTS as u64;
    println!("{each} bytes for each of {CLIENTS} stalled blobs");
    assert!(each < MEMORY_OF_ONE, "{each} bytes for each");
    gate.open();
    for client in &mut clients {
        assert!(client.take(piece.len()).unwrap() == piece);
        client.finish_writing();
        assert_eq!(client.closing(), Closing::Fin);
    }
    // Connections to upstreams that were used are kept for others.
    wait_until("nothing is left of them", || {
        descriptors(&docxy) <= descriptors_before + 64
    });
}
