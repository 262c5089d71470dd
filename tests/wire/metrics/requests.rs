//! Requests, their answers and the bytes of these.

use std::collections::BTreeMap;

use super::{counting, expected, growth, request, until};
use crate::scrape::scrape;
use crate::stand::{DIGEST, MANIFEST, NAME, blob, settled};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, Client, Gate, Server};

#[test]
fn requests_are_counted_by_upstream_kind_and_status() {
    let registry = Server::start(|request| match request.head.target() {
        "/v2/" => Answer::challenge(&["Bearer realm=\"/token\",service=\"s\""]),
        target if target.starts_with("/token") => Answer::ok("{\"token\":\"t\"}"),
        target if target.ends_with("none") => Answer::new("404 Not Found", &[], "no"),
        target if target.ends_with("odd") => Answer::new("418 Teapot", &[], "tea"),
        _ => Answer::ok("hello"),
    });
    let docxy = counting(&registry);
    let before = scrape(&docxy);
    let asked = [
        (Ask::get(MANIFEST), "manifest", 200, "hello"),
        (Ask::head(MANIFEST), "manifest", 200, ""),
        (Ask::get("/v2/a/b/manifests/none"), "manifest", 404, "no"),
        (Ask::get(&blob()), "blob", 200, "hello"),
        (Ask::get("/v2/a/b/tags/list"), "tags", 200, "hello"),
        (
            Ask::get(&format!("/v2/a/b/referrers/{DIGEST}")),
            "referrers",
            200,
            "hello",
        ),
        (Ask::get("/v2/"), "v2", 401, ""),
        (
            Ask::get("/token?scope=repository:a/b:pull"),
            "token",
            200,
            "{\"token\":\"t\"}",
        ),
        (Ask::get("/v2/a/b/manifests/odd"), "manifest", 418, "tea"),
    ];
    let (mut requests, mut bytes) = (BTreeMap::new(), BTreeMap::new());
    for (ask, kind, status, body) in &asked {
        let response = settled(&docxy, ask);
        assert_eq!(
            (response.status(), &*response.text()),
            (*status, *body),
            "{kind}"
        );
        // Statuses of no meaning are counted by their class.
        let series = request(NAME, kind, *status).replace("418", "4xx");
        *requests.entry(series).or_insert(0.0) += 1.0;
        let series = format!("docxy_sent_bytes_total{{kind=\"{kind}\",upstream=\"{NAME}\"}}");
        *bytes.entry(series).or_insert(0.0) += body.len() as f64;
    }
    bytes.retain(|_, count| *count > 0.0);
    let refused = [
        ("/nothing", 404, "refused"),
        ("/v2/A/manifests/x", 400, "refused"),
        ("/ca.crt", 404, "own"),
    ];
    for (target, status, kind) in refused {
        assert_eq!(settled(&docxy, &Ask::get(target)).status(), status);
        *requests.entry(request("-", kind, status)).or_insert(0.0) += 1.0;
    }
    // Each of them was followed by one of these.
    let health = (asked.len() + refused.len()) as f64;
    requests.insert(request("-", "own", 200), health);
    let after = scrape(&docxy);
    let owned = |changes: BTreeMap<&str, f64>| -> BTreeMap<String, f64> {
        let changes = changes.into_iter();
        changes.map(|(name, by)| (name.to_owned(), by)).collect()
    };
    assert_eq!(
        owned(after.changes(&before, "docxy_requests_total")),
        requests
    );
    let mut sent = owned(after.changes(&before, "docxy_sent_bytes_total"));
    sent.retain(|series, _| series.contains(NAME));
    assert_eq!(sent, bytes);
    let mut durations = BTreeMap::new();
    for family in ["docxy_first_byte_seconds", "docxy_request_duration_seconds"] {
        for (kind, count) in [
            ("manifest", 4.0),
            ("blob", 1.0),
            ("v2", 1.0),
            ("token", 1.0),
        ] {
            durations.insert(format!("{family}_count{{kind=\"{kind}\"}}"), count);
        }
    }
    for (series, count) in durations {
        assert_eq!(
            after.value(&series) - before.value(&series),
            count,
            "{series}"
        );
    }
}

#[test]
fn what_is_no_request_is_counted_as_refused() {
    let registry = Server::start(|_| Answer::unscripted());
    let docxy = counting(&registry);
    let grown = growth(&docxy, "docxy_requests_total", || {
        let mut client = Client::connect(docxy.addr());
        client.send("GET / HTTP/3.0\r\n\r\n");
        assert_eq!(client.receive("GET").status(), 505);
        client.closing();
    });
    assert_eq!(grown, expected([(&request("-", "refused", 505), 1.0)]));
}

#[test]
fn bytes_are_counted_as_they_pass() {
    let gate = Gate::new();
    let slow = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        .then(Act::Wait(gate.clone()))
        .send("second");
    let registry = Server::start(move |_| slow.clone());
    let docxy = counting(&registry);
    let sent = format!("docxy_sent_bytes_total{{kind=\"blob\",upstream=\"{NAME}\"}}");
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get(&blob()).bytes());
    client.receive_head();
    assert_eq!(client.take(4).unwrap(), b"half");
    // The client may be ahead of docxy's own count.
    let halfway = until(&docxy, |now| now.value(&sent) > 0.0);
    let standing = [
        &*sent,
        "docxy_received_bytes_total",
        "docxy_requests_in_flight",
    ];
    assert_eq!(
        standing.map(|series| halfway.value(series)),
        [4.0, 4.0, 1.0]
    );
    assert_eq!(halfway.value(&request(NAME, "blob", 200)), 0.0);
    gate.open();
    assert_eq!(client.take(6).unwrap(), b"second");
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
    let after = scrape(&docxy);
    assert_eq!(after.value(&sent), 10.0);
    assert_eq!(after.value(&request(NAME, "blob", 200)), 1.0);
}

#[test]
fn requests_in_flight_come_and_go() {
    let gate = Gate::new();
    let held = gate.clone();
    let registry = Server::start(move |_| {
        Answer::raw("")
            .then(Act::Wait(held.clone()))
            .send(Answer::ok("x").bytes())
    });
    let docxy = counting(&registry);
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(docxy.addr())).collect();
    clients
        .iter_mut()
        .for_each(|client| client.send(Ask::get(MANIFEST).bytes()));
    registry.wait_for_requests(3);
    assert_eq!(scrape(&docxy).value("docxy_requests_in_flight"), 3.0);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.receive("GET").status(), 200);
    }
    docxy.wait_for_lines("manifests/latest status=200", 3);
    // What was logged is about to be over.
    let now = until(&docxy, |now| now.value("docxy_requests_in_flight") == 0.0);
    assert_eq!(now.value("docxy_connections_open"), 3.0);
    assert_eq!(now.value("docxy_connections_total"), 3.0);
}
