//! Bodies under TLS, on one side or both: exact, whatever the records are in which they come and go.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::ClientConfig;

use crate::blob_server::Blob;
use crate::docxy::Docxy;
use crate::stand::blob;
use crate::wire::answer::Act;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, End, Gate, Request, Server, noise};

/// More than the kernel takes for a client that reads nothing, and so much that docxy reads it in its largest pieces.
const LARGE: usize = 20 * 1024 * 1024 + 1;

/// docxy and a registry, both under TLS with one certificate.
struct Stand {
    registry: Server,
    docxy: Docxy,
    client: Arc<ClientConfig>,
    _directory: tempfile::TempDir,
}

impl Stand {
    fn new(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Stand {
        Stand::with(&[], script)
    }

    fn with(flags: &[&str], script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Stand {
        let identity = Identity::new();
        let directory = tempfile::tempdir().unwrap();
        let (cert, key) = identity.write(directory.path());
        let registry = Server::start_tls(identity.server(), script);
        let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
        let own = [
            "--listen",
            "http://127.0.0.1:0",
            "--upstream",
            &format!("reg.test={}", registry.url()),
            "--upstream-ca",
            &text(&cert),
            "--listen",
            "https://127.0.0.1:0",
            "--tls-cert",
            &text(&cert),
            "--tls-key",
            &text(&key),
        ];
        let docxy = Docxy::start(&[&own[..], flags].concat());
        docxy.wait_for_lines("listening on ", 2);
        Stand {
            registry,
            docxy,
            client: identity.client(&["http/1.1"]),
            _directory: directory,
        }
    }

    fn plain(&self) -> Client {
        Client::connect(self.docxy.listeners()[0])
    }

    /// Waits until the registry cannot send on, to anyone.
    fn wait_until_nothing_moves(&self) {
        let sent = || {
            (0..self.registry.connections())
                .map(|one| self.registry.sent(one))
                .sum()
        };
        let (mut before, mut now): (usize, usize) = (0, sent());
        while before != now {
            thread::sleep(Duration::from_millis(500));
            (before, now) = (now, sent());
        }
    }

    fn secure(&self) -> Client {
        Client::connect_tls(self.docxy.listeners()[1], Arc::clone(&self.client))
    }
}

#[test]
fn bodies_of_every_size_end_exactly_and_both_connections_go_on() {
    let sizes = [
        0, 1, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769, 65_536, 262_145, LARGE,
    ];
    let bytes = noise(LARGE);
    let served = bytes.clone();
    let stand = Stand::new(move |request| {
        let size = request.head.one("x-size").unwrap().parse().unwrap();
        Answer::ok(&served[..size])
    });
    for mut client in [stand.plain(), stand.secure()] {
        for size in sizes {
            let ask = Ask::get(&blob()).field("X-Size", &size.to_string());
            let body = client.ask(&ask).complete().body;
            assert!(body == bytes[..size], "{size}");
        }
    }
    // Each of docxy's workers has connections of its own.
    assert!(stand.registry.connections() <= 2);
}

#[test]
fn bytes_pass_as_they_come() {
    let gates: Vec<Gate> = (0..20).map(|_| Gate::new()).collect();
    let bytes = noise(100_000);
    let start = Answer::head("200 OK", &[("Content-Length", "100000")]).send(&bytes[..50_000]);
    let pieces = gates.iter().zip(bytes[50_000..].chunks(1));
    let answer = pieces.fold(start, |answer, (gate, piece)| {
        answer.then(Act::Wait(gate.clone())).send(piece)
    });
    let answer = answer.send(&bytes[50_020..]);
    let stand = Stand::new(move |_| answer.clone());
    let mut client = stand.secure();
    client.send(Ask::get(&blob()).bytes());
    client.receive_head();
    let mut body = client.take(50_000).unwrap();
    for gate in &gates {
        gate.open();
        body.extend(client.take(1).unwrap());
    }
    body.extend(client.take(100_000 - 50_020).unwrap());
    assert!(body == bytes);
}

#[test]
fn new_keys_in_the_middle_of_a_body_change_nothing() {
    let bytes = noise(LARGE);
    let whole = Answer::ok(&bytes).bytes();
    let (first, rest) = whole.split_at(whole.len() / 3);
    let answer = Answer::raw(first)
        .then(Act::Rekey)
        .send(&rest[..1])
        .then(Act::Rekey)
        .send(&rest[1..]);
    let stand = Stand::new(move |_| answer.clone());
    let mut client = stand.secure();
    for _ in 0..2 {
        client.send(Ask::get(&blob()).bytes());
        client.receive_head();
        let mut body = client.take(LARGE / 2).unwrap();
        client.rekey();
        body.extend(client.take(LARGE - LARGE / 2).unwrap());
        assert!(body == bytes);
    }
    assert_eq!(stand.registry.connections(), 1, "it stays of use");
}

#[test]
fn a_body_that_breaks_off_goes_on_where_it_stopped() {
    let bytes = noise(LARGE);
    let breaks = vec![
        (100_000, Act::Drop),
        (200_001, Act::Close),
        (16_384, Act::Drop),
        (9_000_000, Act::Drop),
    ];
    let served = Blob::new(&bytes, breaks);
    let stand = Stand::new(move |request| served.answer(request));
    let body = stand.secure().ask(&Ask::get(&blob())).complete().body;
    assert!(body == bytes);
    let asked = stand.registry.requests();
    let ranges: Vec<_> = asked
        .iter()
        .filter_map(|request| request.head.one("range"))
        .collect();
    assert_eq!(
        ranges,
        [
            "bytes=100000-",
            "bytes=300001-",
            "bytes=316385-",
            "bytes=9316385-"
        ]
    );
}

#[test]
fn a_client_that_pauses_misses_nothing() {
    let bytes = noise(LARGE);
    let served = bytes.clone();
    let stand = Stand::new(move |_| Answer::ok(&served));
    for mut client in [stand.plain(), stand.secure()] {
        client.send(Ask::get(&blob()).bytes());
        client.receive_head();
        stand.wait_until_nothing_moves();
        let mut body = client.take(LARGE / 2).unwrap();
        stand.wait_until_nothing_moves();
        body.extend(client.take(LARGE - LARGE / 2).unwrap());
        assert!(body == bytes);
        assert!(client.ask(&Ask::get(&blob())).complete().body == bytes);
    }
}

#[test]
fn a_client_that_does_not_read_on_is_left() {
    let bytes = noise(LARGE);
    let served = bytes.clone();
    let stand = Stand::with(&["--client-timeout", "1s"], move |_| Answer::ok(&served));
    for (turn, mut client) in [stand.plain(), stand.secure()].into_iter().enumerate() {
        client.send(Ask::get(&blob()).bytes());
        stand.registry.wait_for_leaving(turn);
        let response = client.receive("GET");
        assert!(matches!(response.end, End::Cut(_)), "{:?}", response.end);
        assert!(bytes.starts_with(&response.body));
    }
}

#[test]
fn a_client_that_leaves_within_a_stalled_body_stops_the_upstream() {
    let half = Answer::head("200 OK", &[("Content-Length", "1000000")]).send("half");
    let answer = half.then(Act::Stall);
    let stand = Stand::with(&["--body-timeout", "1h"], move |_| answer.clone());
    for (turn, mut client) in [stand.plain(), stand.secure(), stand.secure()]
        .into_iter()
        .enumerate()
    {
        client.send(Ask::get(&blob()).bytes());
        client.receive_head();
        client.take(4).unwrap();
        if turn == 2 {
            // Under TLS this is no end that a client may come to.
            drop(client);
        } else {
            client.reset();
        }
        stand.registry.wait_for_leaving(turn);
    }
    stand.docxy.wait_for_lines(" target=", 3);
    assert_eq!(stand.registry.requests().len(), 3);
}

#[test]
fn only_a_close_notify_ends_a_body_that_ends_with_the_connection() {
    let bytes = noise(200_000);
    for (how, is_whole) in [(Act::Close, true), (Act::Drop, false)] {
        let answer = Answer::head("200 OK", &[]).send(&bytes).then(how);
        let stand = Stand::new(move |_| answer.clone());
        let response = stand.secure().ask(&Ask::get(&blob()));
        assert!(response.body == bytes);
        assert_eq!(response.end == End::Complete, is_whole);
    }
}

#[test]
fn what_follows_a_body_is_cut_and_the_connection_closed() {
    let bytes = noise(LARGE);
    let smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad";
    let answer = [Answer::ok(&bytes).bytes(), smuggled.into()].concat();
    let stand = Stand::new(move |_| Answer::raw(&answer));
    let mut client = stand.secure();
    for turn in 0..2 {
        assert!(client.ask(&Ask::get(&blob())).complete().body == bytes);
        stand.registry.wait_for_leaving(turn);
    }
}
