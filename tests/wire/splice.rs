//! A large body between two plain connections goes through a pipe in the kernel: nothing of it is lost, added or taken
//! from what follows it, and no pipe outlives it.

use std::fs;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::blob_server::Blob;
use crate::docxy::Docxy;
use crate::stand::{before, before_with, blob, get};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, Client, End, Gate, Server, noise};

/// Larger than any pipe.
const LARGE: usize = 3 * 1024 * 1024 + 1;

/// What docxy's descriptors refer to.
fn descriptors(docxy: &Docxy) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{}/fd", docxy.pid())).unwrap();
    // One that is closed meanwhile has no link to read.
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links
        .map(|link| link.to_string_lossy().into_owned())
        .collect()
}

fn pipes(docxy: &Docxy) -> usize {
    let all = descriptors(docxy);
    all.iter().filter(|link| link.starts_with("pipe:")).count()
}

/// A blob whose second half comes when the gate opens.
fn halved(bytes: &[u8], gate: &Gate) -> Answer {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let length = bytes.len().to_string();
    let head = Answer::head("200 OK", &[("Content-Length", &length)]);
    head.send(first).then(Act::Wait(gate.clone())).send(second)
}

#[test]
fn a_large_body_has_a_pipe_while_it_runs() {
    let (bytes, gate) = (noise(LARGE), Gate::new());
    let answer = halved(&bytes, &gate);
    let registry = Server::start(move |_| answer.clone());
    let docxy = before(&registry);
    let idle = pipes(&docxy);
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get(&blob()).bytes());
    client.receive_head();
    let mut body = client.take(LARGE / 2).unwrap();
    assert_eq!(pipes(&docxy), idle + 2);
    gate.open();
    body.extend(client.take(LARGE - LARGE / 2).unwrap());
    assert!(body == bytes);
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
    assert_eq!(pipes(&docxy), idle);
}

#[test]
fn bodies_of_every_size_end_exactly_and_both_connections_go_on() {
    let sizes = [0, 1, 65_536, 131_071, 131_072, 131_073, 262_144, LARGE];
    let bytes = noise(LARGE);
    let served = bytes.clone();
    let registry = Server::start(move |request| {
        let size = request.head.one("x-size").unwrap().parse().unwrap();
        Answer::ok(&served[..size])
    });
    let docxy = before(&registry);
    let mut client = Client::connect(docxy.addr());
    for size in sizes {
        let ask = Ask::get(&blob()).field("X-Size", &size.to_string());
        let body = client.ask(&ask).complete().body;
        assert!(body == bytes[..size], "{size}");
    }
    assert_eq!(registry.connections(), 1);
}

#[test]
fn what_follows_a_body_is_cut_and_the_connection_closed() {
    let bytes = noise(LARGE);
    let smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad";
    let answer = [Answer::ok(&bytes).bytes(), smuggled.into()].concat();
    let registry = Server::start(move |_| Answer::raw(&answer));
    let docxy = before(&registry);
    let mut client = Client::connect(docxy.addr());
    for turn in 0..2 {
        assert!(client.ask(&Ask::get(&blob())).complete().body == bytes);
        registry.wait_for_leaving(turn);
    }
    assert_eq!(registry.connections(), 2);
}

#[test]
fn bytes_pass_as_they_come() {
    let gates: Vec<Gate> = (0..20).map(|_| Gate::new()).collect();
    let bytes = noise(200_000);
    let start = Answer::head("200 OK", &[("Content-Length", "200000")]).send(&bytes[..100]);
    let pieces = gates.iter().zip(bytes[100..120].chunks(1));
    let answer = pieces.fold(start, |answer, (gate, piece)| {
        answer.then(Act::Wait(gate.clone())).send(piece)
    });
    let answer = answer.send(&bytes[120..]);
    let registry = Server::start(move |_| answer.clone());
    let docxy = before(&registry);
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get(&blob()).bytes());
    client.receive_head();
    let mut body = client.take(100).unwrap();
    for gate in &gates {
        gate.open();
        body.extend(client.take(1).unwrap());
    }
    body.extend(client.take(200_000 - 120).unwrap());
    assert!(body == bytes);
}

#[test]
fn a_client_that_reads_little_at_a_time_gets_it_all() {
    let bytes = noise(LARGE);
    let answer = Answer::ok(&bytes);
    let registry = Server::start(move |_| answer.clone());
    let docxy = before(&registry);
    let mut client = Client::narrow(docxy.addr(), 4 * 1024);
    assert!(client.ask(&Ask::get(&blob())).complete().body == bytes);
}

#[test]
fn a_body_that_breaks_off_in_a_pipe_goes_on_where_it_stopped() {
    let bytes = noise(LARGE);
    let breaks = vec![
        (1_000_000, Act::Close),
        (1_000_001, Act::Drop),
        (150_000, Act::Stall),
        (LARGE - 2_150_001 - 1, Act::Close),
    ];
    let served = Blob::new(&bytes, breaks);
    let registry = Server::start(move |request| served.answer(request));
    let docxy = before_with(&registry, &["--body-timeout", "1s"]);
    assert!(get(&docxy, &blob()).complete().body == bytes);
    let asked = registry.requests();
    let ranges: Vec<_> = asked
        .iter()
        .filter_map(|request| request.head.one("range"))
        .collect();
    let last = format!("bytes={}-", LARGE - 1);
    assert_eq!(
        ranges,
        [
            "bytes=1000000-",
            "bytes=2000001-",
            "bytes=2150001-",
            last.as_str()
        ]
    );
}

#[test]
fn a_body_that_cannot_go_on_is_cut_after_what_came() {
    let bytes = noise(LARGE);
    let answer = Answer::ok(&bytes);
    let cut = answer.clone().cut(answer.bytes().len() - 1, Act::Close);
    let registry = Server::start(move |request| match request.head.has("range") {
        true => Answer::new("404 Not Found", &[], ""),
        false => cut.clone(),
    });
    let docxy = before(&registry);
    let response = Client::connect(docxy.addr()).ask(&Ask::get(&blob()));
    assert!(matches!(response.end, End::Cut(_)));
    assert!(response.body == bytes[..LARGE - 1]);
}

#[test]
fn without_pipes_a_large_body_goes_through_the_buffer() {
    let (bytes, gate) = (noise(LARGE), Gate::new());
    let (answer, asked) = (Answer::ok(&bytes), gate.clone());
    let registry = Server::start(move |_| Answer {
        acts: [vec![Act::Wait(asked.clone())], answer.acts.clone()].concat(),
    });
    let docxy = before(&registry);
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get(&blob()).bytes());
    registry.wait_for_requests(1);
    let none_left = Rlimit {
        current: Some(descriptors(&docxy).len() as u64),
        // This process and docxy have the same.
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    let pid = Pid::from_raw(docxy.pid().try_into().unwrap());
    prlimit(pid, Resource::Nofile, none_left).unwrap();
    gate.open();
    assert!(client.receive("GET").complete().body == bytes);
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
}
