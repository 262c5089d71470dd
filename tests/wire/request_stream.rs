//! Requests one after another on one connection: pipelined, split anywhere, with bodies that nobody asked for, and
//! with methods that docxy does not have.

use crate::stand::{MANIFEST, before, blob, own_error};
use crate::wire::{Answer, Ask, Client, Closing, Server, noise};

/// A registry that answers with what it was asked for.
fn echo() -> Server {
    Server::start(|request| Answer::ok(request.line()))
}

fn manifest(number: usize) -> Ask {
    Ask::get(&format!("/v2/a/b/manifests/t{number}"))
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let registry = echo();
    let docxy = before(&registry);
    let mut client = Client::connect(docxy.addr());
    let requests: Vec<u8> = (0..8).flat_map(|number| manifest(number).bytes()).collect();
    client.send(&requests);
    for number in 0..8 {
        assert_eq!(
            client.receive("GET").complete().text(),
            format!("GET /v2/a/b/manifests/t{number}")
        );
    }
    client.finish_writing();
    assert_eq!(client.closing(), Closing::Fin);
    assert_eq!(registry.lines().len(), 8);
}

#[test]
fn a_head_may_be_split_at_every_byte() {
    let registry = echo();
    let docxy = before(&registry);
    let bytes = manifest(1)
        .field("Accept", "a")
        .field("Accept", "b")
        .bytes();
    let mut client = Client::connect(docxy.addr());
    for at in 0..=bytes.len() {
        client.send(&bytes[..at]);
        client.send(&bytes[at..]);
        assert_eq!(
            client.receive("GET").complete().text(),
            "GET /v2/a/b/manifests/t1",
            "split at {at}"
        );
    }
    client.send_bytewise(&bytes);
    assert_eq!(client.receive("GET").complete().status(), 200);
    let first = registry.requests()[0].head.raw.clone();
    assert!(
        registry
            .requests()
            .iter()
            .all(|request| request.head.raw == first)
    );
}

#[test]
fn a_request_may_come_with_the_end_of_the_one_before() {
    let registry = echo();
    let docxy = before(&registry);
    let pair = [manifest(1).bytes(), manifest(2).bytes()].concat();
    let first = manifest(1).bytes().len();
    let mut client = Client::connect(docxy.addr());
    for at in [first - 1, first, first + 1, first + 20] {
        client.send(&pair[..at]);
        client.send(&pair[at..]);
        assert!(client.receive("GET").complete().text().ends_with("t1"));
        assert!(client.receive("GET").complete().text().ends_with("t2"));
    }
}

const SMUGGLED: &str = "GET /v2/smuggled/x/manifests/t HTTP/1.1\r\nHost: x\r\n\r\n";

fn get_with_body(body: &[u8], chunked: bool) -> Vec<u8> {
    let length = body.len();
    if chunked {
        let head = manifest(1).field("Transfer-Encoding", "chunked").bytes();
        return [
            &head,
            format!("{length:x}\r\n").as_bytes(),
            body,
            b"\r\n0\r\n\r\n",
        ]
        .concat();
    }
    [
        &manifest(1)
            .field("Content-Length", &length.to_string())
            .bytes(),
        body,
    ]
    .concat()
}

fn smuggling(length: usize) -> Vec<u8> {
    SMUGGLED.bytes().cycle().take(length).collect()
}

#[test]
fn a_larger_body_of_a_get_closes_the_connection() {
    for chunked in [false, true] {
        let registry = echo();
        let docxy = before(&registry);
        let mut client = Client::connect(docxy.addr());
        client.send(get_with_body(&smuggling(256 * 1024), chunked));
        client.send(manifest(2).bytes());
        let (answers, closing) = client.drain();
        assert_ne!(closing, Closing::Silence);
        let heads = String::from_utf8_lossy(&answers)
            .matches("HTTP/1.1 ")
            .count();
        assert!(heads <= 1, "{heads} answers");
        assert!(
            registry
                .lines()
                .iter()
                .all(|line| !line.contains("smuggled") && !line.contains("t2")),
            "{:?}",
            registry.lines()
        );
    }
}

#[test]
fn what_is_refused_anyway_is_told_so_though_its_body_does_not_come() {
    let registry = echo();
    let docxy = before(&registry);
    let put = |fields: &str| format!("PUT {MANIFEST} HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n");
    for (begun, is_cut) in [
        (put("Content-Length: 10"), false),
        (put("Content-Length: 10") + "abc", true),
        (put("Transfer-Encoding: chunked") + "5\r\nhel", true),
    ] {
        let mut client = Client::connect(docxy.addr());
        client.send(&begun);
        if is_cut {
            client.finish_writing();
        }
        let response = client.receive("PUT").complete();
        assert_eq!(response.status(), 405, "{begun}");
        assert_eq!(response.head.one("connection"), Some("close"));
        assert_ne!(client.closing(), Closing::Silence);
    }
}

#[test]
fn other_methods_are_405_without_continue() {
    let registry = echo();
    let docxy = before(&registry);
    for method in [
        "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "FOO",
    ] {
        for target in [
            MANIFEST.to_owned(),
            blob(),
            "/v2/a/b/blobs/uploads/".to_owned(),
            "/v2/".to_owned(),
        ] {
            let mut client = Client::connect(docxy.addr());
            let request = Ask::new(method, &target)
                .field("Content-Length", "5")
                .field("Expect", "100-continue");
            let response = client.ask(&request);
            assert_eq!(own_error(&response, 405), "UNSUPPORTED");
            let allow = response.head.one("allow").unwrap();
            assert!(allow.contains("GET") && allow.contains("HEAD"), "{allow}");
            assert!(
                response.interim.is_empty(),
                "{method} {target}: {:?}",
                response.interim
            );
        }
    }
    assert_eq!(registry.connections(), 0);
}

#[test]
fn a_form_is_asked_for_with_100_continue() {
    let auth = Server::start(|request| Answer::ok(&request.body));
    let challenge = format!("Bearer realm=\"{}/token\"", auth.url());
    let registry = Server::start(move |_| Answer::challenge(&[&challenge]));
    let docxy = before(&registry);
    let form = "grant_type=password&scope=repository:a/b:pull";
    let whole = Ask::form("/auth/reg.test/token", form)
        .field("Expect", "100-continue")
        .bytes();
    let (head, body) = whole.split_at(whole.len() - form.len());
    let mut client = Client::connect(docxy.addr());
    client.send(head);
    assert_eq!(client.take(25).unwrap(), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send(body);
    assert_eq!(client.receive("POST").complete().status(), 200);
    assert!(!auth.only_request().head.has("expect"));
}

#[test]
fn what_an_own_answer_says_about_the_connection_is_true() {
    let docxy = before(&echo());
    let mut client = Client::connect(docxy.addr());
    for path in ["/health", "/nowhere", "/ready", "/health"] {
        let response = client.ask(&Ask::get(path)).complete();
        assert_ne!(
            response.head.one("connection"),
            Some("close"),
            "{path} leaves the framing intact"
        );
    }
    let last = client
        .ask(&Ask::get("/health").field("Connection", "close"))
        .complete();
    assert_eq!(last.head.one("connection"), Some("close"));
    assert_eq!(client.closing(), Closing::Fin);
}

#[test]
fn a_client_that_only_stops_sending_still_gets_its_answer() {
    let body = noise(3_000_000);
    let sent = body.clone();
    let registry = Server::start(move |_| Answer::ok(&sent));
    let docxy = before(&registry);
    let mut client = Client::connect(docxy.addr());
    client.send(manifest(1).bytes());
    client.finish_writing();
    assert!(client.receive("GET").complete().body == body);
    assert_eq!(client.closing(), Closing::Fin);
}

#[test]
fn nothing_after_connection_close_is_served() {
    let registry = echo();
    let docxy = before(&registry);
    let mut client = Client::connect(docxy.addr());
    client.send(
        [
            manifest(1).field("Connection", "close").bytes(),
            manifest(2).bytes(),
        ]
        .concat(),
    );
    assert!(client.receive("GET").complete().text().ends_with("t1"));
    client.closing();
    assert_eq!(registry.lines().len(), 1);
}
