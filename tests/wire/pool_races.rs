//! Upstream connections that go wrong at the worst moment: forgotten by a firewall, timed out by the server, answered
//! before the request was whole.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, ask, connections, settled, with_one_worker};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, Client, Gate, Server};

/// Answers `hello`, but in this way the second time that it is asked over its first connection.
fn second_time(other: Answer) -> Server {
    let seen = AtomicUsize::new(0);
    Server::start(move |request| {
        let again = request.connection == 0 && seen.fetch_add(1, Ordering::SeqCst) == 1;
        if again {
            other.clone()
        } else {
            Answer::ok("hello")
        }
    })
}

#[test]
fn a_connection_that_a_firewall_has_forgotten_does_not_cost_the_wait_for_an_answer() {
    let registry = Server::start(|request| match request.connection {
        0 => Answer::ok("hello").then(Act::Deafen),
        _ => Answer::ok("hello"),
    });
    let docxy = with_one_worker(&registry, &["--log", "debug"]);
    assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
    // To wait for a head on it would end in 504.
    assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
    assert_eq!(connections(&registry), [0, 1]);
    let line = docxy.wait_for_lines(" target=/v2/", 2).remove(1);
    assert!(line.contains(" retries=1 "), "{line}");
    docxy.wait_for_line("an idle connection was dead");
}

/// Two requests that are at the upstream at once, after so many others, until the gate opens.
fn ask_two(docxy: &Docxy, registry: &Server, gate: &Gate, before: usize) {
    let mut clients = [Client::connect(docxy.addr()), Client::connect(docxy.addr())];
    for client in &mut clients {
        client.send(Ask::get(MANIFEST).bytes());
    }
    registry.wait_for_requests(before + 2);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.receive("GET").complete().text(), "hello");
        assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
    }
}

#[test]
fn what_was_idle_beside_a_dead_connection_is_not_tried() {
    let gates = [Gate::new(), Gate::new()];
    let (held, turn) = (gates.clone(), AtomicUsize::new(0));
    let registry = Server::start(move |request| {
        let wait = match turn.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => Answer::default().then(Act::Wait(held[0].clone())),
            2 => Answer::default(),
            _ => Answer::default().then(Act::Wait(held[1].clone())),
        };
        let answer = wait.send(Answer::ok("hello").bytes());
        match request.connection {
            0 | 1 => answer.then(Act::Deafen),
            _ => answer,
        }
    });
    let docxy = with_one_worker(&registry, &["--log", "debug"]);
    ask_two(&docxy, &registry, &gates[0], 0);
    assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
    ask_two(&docxy, &registry, &gates[1], 3);
    // The last two come at once, in any order.
    let mut last = connections(&registry).split_off(2);
    last.sort_unstable();
    assert_eq!(last, [2, 2, 3]);
    // What is said of the dead one stands before the last of the five.
    docxy.wait_for_lines(" target=/v2/", 5);
    let log = docxy.log();
    let dead = log.iter().filter(|line| line.contains("was dead"));
    assert_eq!(dead.count(), 1, "{log:#?}");
}

#[test]
fn a_408_on_a_reused_connection_is_no_answer() {
    let late = Answer::new("408 Request Timeout", &[("Connection", "close")], "");
    let registry = second_time(late.close());
    let docxy = with_one_worker(&registry, &[]);
    for _ in 0..2 {
        assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
    }
    assert_eq!(connections(&registry), [0, 0, 1]);
}

#[test]
fn a_408_on_a_fresh_connection_passes() {
    let registry = Server::start(|_| Answer::new("408 Request Timeout", &[], ""));
    let docxy = with_one_worker(&registry, &[]);
    assert_eq!(ask(&docxy, &Ask::get(MANIFEST)).status(), 408);
    assert_eq!(registry.lines().len(), 1);
}

#[test]
fn an_interim_answer_is_the_beginning_of_one() {
    let registry = second_time(Answer::raw("HTTP/1.1 103 Early Hints\r\n\r\n").close());
    let docxy = with_one_worker(&registry, &[]);
    assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
    assert_eq!(ask(&docxy, &Ask::get(MANIFEST)).status(), 502);
    assert_eq!(connections(&registry), [0, 0]);
}

#[test]
fn what_is_left_of_another_answer_is_none() {
    let left = [
        "hello",
        "\r\n",
        "\n",
        "hello\r\n\r\n",
        "\0\0\0",
        "helloHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong",
        "\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong",
    ];
    for left in left {
        let registry = second_time(Answer::raw(left).close());
        let docxy = with_one_worker(&registry, &[]);
        for _ in 0..2 {
            assert_eq!(
                settled(&docxy, &Ask::get(MANIFEST)).text(),
                "hello",
                "{left:?}"
            );
        }
        assert_eq!(connections(&registry), [0, 0, 1], "{left:?}");
        let fresh = Server::start(move |_| Answer::raw(left).close());
        let docxy = with_one_worker(&fresh, &[]);
        assert_eq!(ask(&docxy, &Ask::get(MANIFEST)).status(), 502, "{left:?}");
        assert_eq!(fresh.lines().len(), 1, "{left:?}");
    }
    for begun in ["HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nA"] {
        let registry = second_time(Answer::raw(begun).close());
        let docxy = with_one_worker(&registry, &[]);
        assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
        assert_eq!(ask(&docxy, &Ask::get(MANIFEST)).status(), 502, "{begun:?}");
        assert_eq!(connections(&registry), [0, 0], "{begun:?}");
    }
}

/// Reads a head only, answers, and goes on as it is told.
fn hasty(listener: TcpListener, answer: &'static str, then: fn(TcpStream)) {
    std::thread::spawn(move || {
        for mut tcp in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if tcp.read(&mut byte).unwrap_or(0) == 0 {
                    break;
                }
                head.extend(byte);
            }
            let _ = tcp.write_all(answer.as_bytes());
            then(tcp);
        }
    });
}

fn realm(listener: &TcpListener) -> Server {
    let challenge = format!(
        "Bearer realm=\"http://{}/token\"",
        listener.local_addr().unwrap()
    );
    Server::start(move |_| Answer::challenge(&[&challenge]))
}

fn form() -> Ask {
    let padding = "x".repeat(15_000);
    Ask::form(
        "/auth/reg.test/token",
        &format!("grant_type=password&password={padding}"),
    )
}

#[test]
fn an_answer_before_the_form_was_read_passes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let registry = realm(&listener);
    // What is unread when the connection is dropped makes the kernel reset it.
    hasty(
        listener,
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}",
        drop,
    );
    let docxy = with_one_worker(&registry, &[]);
    for _ in 0..20 {
        let response = ask(&docxy, &form()).complete();
        assert_eq!((response.status(), response.text().as_str()), (401, "{}"));
    }
}

#[test]
fn a_connection_that_has_carried_a_form_carries_nothing_else() {
    let auth = Server::start(|_| Answer::ok("{}"));
    let challenge = format!("Bearer realm=\"{}/token\"", auth.url());
    let registry = Server::start(move |_| Answer::challenge(&[&challenge]));
    let docxy = with_one_worker(&registry, &[]);
    assert_eq!(settled(&docxy, &form()).status(), 200);
    let query = Ask::get("/auth/reg.test/token?scope=repository:a/b:pull");
    assert_eq!(settled(&docxy, &query).status(), 200);
    assert_eq!(connections(&auth), [0, 1]);
    auth.wait_for_leaving(0);
}
