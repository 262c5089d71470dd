//! Upstream connections: reused when in order, replaced without the client's noticing when stale.

use crate::stand::{MANIFEST, ask, connections, get, settled, with_one_worker};
use crate::wire::answer::Act;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, Gate, Request, Server};

#[test]
fn requests_of_several_clients_share_a_connection() {
    let registry = Server::start(|request| match request.head.method() {
        "HEAD" => Answer::head("200 OK", &[("Content-Length", "5")]),
        _ if request.head.target().ends_with("none") => Answer::new("404 Not Found", &[], "no"),
        _ => Answer::ok("hello"),
    });
    let docxy = with_one_worker(&registry, &[]);
    assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
    assert_eq!(
        settled(&docxy, &Ask::head(MANIFEST))
            .head
            .one("content-length"),
        Some("5")
    );
    assert_eq!(
        settled(&docxy, &Ask::get("/v2/a/b/manifests/none")).status(),
        404
    );
    assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
    assert_eq!(connections(&registry), [0, 0, 0, 0]);
}

#[test]
fn tls_connections_are_shared_too() {
    let identity = Identity::new();
    let directory = tempfile::tempdir().unwrap();
    let (roots, _) = identity.write(directory.path());
    let registry = Server::start_tls(identity.server(), |_| Answer::ok("hello"));
    let docxy = with_one_worker(&registry, &["--upstream-ca", roots.to_str().unwrap()]);
    for _ in 0..3 {
        assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
    }
    assert_eq!(connections(&registry), [0, 0, 0]);
}

#[test]
fn what_must_not_be_reused_is_not() {
    let table = [
        (
            "Connection: close",
            Answer::new("200 OK", &[("Connection", "close")], "hello"),
        ),
        (
            "close among others",
            Answer::new("200 OK", &[("Connection", "x, Close")], "hello"),
        ),
        (
            "HTTP/1.0",
            Answer::raw("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        ),
        ("bytes after a length", Answer::ok("hello").send("surplus")),
        (
            "bytes in the same write",
            Answer::raw(
                [
                    Answer::ok("hello").bytes(),
                    b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
                ]
                .concat(),
            ),
        ),
        (
            "bytes after chunks",
            Answer::raw(
                [
                    Answer::chunked(&[], &[b"hello"]).bytes(),
                    b"surplus".to_vec(),
                ]
                .concat(),
            ),
        ),
    ];
    for (case, answer) in table {
        let size = answer.bytes().len();
        let registry = Server::start(move |_| answer.clone());
        let docxy = with_one_worker(&registry, &[]);
        for connection in 0..2 {
            assert_eq!(
                settled(&docxy, &Ask::get(MANIFEST)).text(),
                "hello",
                "{case}"
            );
            registry.wait_for_sent(connection, size);
        }
        assert_eq!(connections(&registry), [0, 1], "{case}");
        registry.wait_for_leaving(0);
    }
}

#[test]
fn what_comes_on_an_idle_connection_is_never_the_next_answer() {
    let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    let gate = Gate::new();
    let first = Answer::ok("hello")
        .then(Act::Wait(gate.clone()))
        .send(forged);
    let registry = Server::start(move |request| match request.connection {
        0 => first.clone(),
        _ => Answer::ok("hello"),
    });
    let docxy = with_one_worker(&registry, &[]);
    assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
    gate.open();
    registry.wait_for_sent(0, Answer::ok("hello").bytes().len() + forged.len());
    assert_eq!(get(&docxy, MANIFEST).text(), "hello");
    assert_eq!(connections(&registry), [0, 1]);
    registry.wait_for_leaving(0);
}

#[test]
fn a_connection_closed_while_idle_is_replaced() {
    let registry = Server::start(|_| Answer::ok("hello").close());
    let docxy = with_one_worker(&registry, &[]);
    for _ in 0..5 {
        assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
    }
    let mut used = connections(&registry);
    used.dedup();
    assert_eq!(used, [0, 1, 2, 3, 4]);
}

/// A registry that leaves in `how` when it sees the second request of its first connection.
fn leaving_on_the_second(how: Act) -> Server {
    let seen = std::sync::atomic::AtomicUsize::new(0);
    Server::start(move |request: &Request| {
        let second =
            request.connection == 0 && seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1;
        if second {
            Answer::default().then(how.clone())
        } else {
            Answer::ok("hello")
        }
    })
}

#[test]
fn a_request_lost_on_a_reused_connection_is_repeated_once_on_a_fresh_one() {
    for how in [Act::Close, Act::Reset, Act::Drop] {
        for request in [Ask::get(MANIFEST), Ask::head(MANIFEST)] {
            let registry = leaving_on_the_second(how.clone());
            let docxy = with_one_worker(&registry, &[]);
            assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
            let mut client = Client::connect(docxy.addr());
            client.send(request.bytes());
            let (head, _) = client.receive_head();
            assert_eq!(head.status(), 200);
            assert_eq!(connections(&registry), [0, 0, 1]);
            drop(client);
            let line = docxy.wait_for_lines(" target=/v2/", 2).remove(1);
            assert!(line.contains(" retries=1 "), "{line}");
        }
    }
}

#[test]
fn the_repetition_is_not_repeated() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let registry = Server::start(move |_| {
        let first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        if first {
            Answer::ok("hello")
        } else {
            Answer::default().close()
        }
    });
    let docxy = with_one_worker(&registry, &[]);
    assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
    let status = settled(&docxy, &Ask::get(MANIFEST)).status();
    assert!(status == 502 || status == 503, "{status}");
    assert_eq!(connections(&registry), [0, 0, 1]);
}

#[test]
fn a_request_lost_on_a_fresh_connection_is_not_repeated() {
    for how in [Act::Close, Act::Reset] {
        let registry = Server::start(move |_| Answer::default().then(how.clone()));
        let status = get(&with_one_worker(&registry, &[]), MANIFEST).status();
        assert!(status == 502 || status == 503, "{status}");
        assert_eq!(connections(&registry), [0]);
    }
}

#[test]
fn a_request_whose_answer_has_begun_is_not_repeated() {
    let registry = Server::start(|request| match request.head.target() {
        MANIFEST => Answer::ok("hello"),
        _ => Answer::raw("HTTP/1.1 200").close(),
    });
    let docxy = with_one_worker(&registry, &[]);
    assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
    assert_eq!(get(&docxy, "/v2/a/b/manifests/other").status(), 502);
    assert_eq!(registry.lines().len(), 2);
}

#[test]
fn a_form_is_not_repeated() {
    let auth = Server::start(|request| match request.head.method() {
        "POST" => Answer::default().close(),
        _ => Answer::ok("{}"),
    });
    let challenge = format!("Bearer realm=\"{}/token\"", auth.url());
    let registry = Server::start(move |_| Answer::challenge(&[&challenge]));
    let docxy = with_one_worker(&registry, &[]);
    assert_eq!(
        settled(
            &docxy,
            &Ask::get("/auth/reg.test/token?scope=repository:a/b:pull")
        )
        .status(),
        200
    );
    for form in [
        Ask::form("/auth/reg.test/token", "scope=repository:a/b:pull"),
        Ask::form("/auth/reg.test/token?scope=repository:a/b:pull", ""),
    ] {
        assert_eq!(ask(&docxy, &form).status(), 502);
    }
    let methods: Vec<_> = auth
        .requests()
        .iter()
        .map(|request| request.head.method().to_owned())
        .collect();
    assert_eq!(methods, ["GET", "POST", "POST"]);
}

#[test]
fn a_connection_serves_a_thousand_requests() {
    let registry = Server::start(|_| Answer::ok("hello"));
    let docxy = with_one_worker(&registry, &["--log", "off"]);
    let mut client = Client::connect(docxy.addr());
    for _ in 0..1001 {
        assert_eq!(client.ask(&Ask::get(MANIFEST)).complete().text(), "hello");
    }
    let used = connections(&registry);
    assert_eq!((used[999], used[1000], registry.connections()), (0, 1, 2));
}

#[test]
fn at_most_64_idle_connections_are_kept() {
    let gate = Gate::new();
    let held = gate.clone();
    let registry = Server::start(move |_| {
        Answer::default()
            .then(Act::Wait(held.clone()))
            .send(Answer::ok("x").bytes())
    });
    let docxy = with_one_worker(&registry, &["--log", "off"]);
    let mut clients: Vec<Client> = (0..80).map(|_| Client::connect(docxy.addr())).collect();
    clients
        .iter_mut()
        .for_each(|client| client.send(Ask::get(MANIFEST).bytes()));
    registry.wait_for_requests(80);
    gate.open();
    clients
        .iter_mut()
        .for_each(|client| assert_eq!(client.receive("GET").complete().text(), "x"));
    assert_eq!(registry.connections(), 80);
    registry.wait_for_leavings(16);
    for client in &mut clients {
        assert_eq!(client.ask(&Ask::get(MANIFEST)).complete().text(), "x");
    }
    assert_eq!(
        (registry.connections(), registry.leavings()),
        (80, 16),
        "the others are kept and reused"
    );
}
