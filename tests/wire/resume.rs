//! A blob that the upstream breaks off goes on where it stopped, and the client sees one body.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::blob_server::Blob;
use crate::docxy::Docxy;
use crate::stand::{
    MANIFEST, ask, before, before_with, blob, connections, get, settled, with_one_worker,
};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, Client, Gate, Request, Server, noise};

fn ranges(server: &Server) -> Vec<Option<String>> {
    server
        .requests()
        .iter()
        .map(|request| request.head.one("range").map(str::to_owned))
        .collect()
}

fn resumes(docxy: &Docxy) -> String {
    let line = docxy.wait_for_line(" target=");
    line.split_once("resumes=")
        .expect("the log says how often")
        .1
        .to_owned()
}

fn serving(blob: Blob) -> Server {
    Server::start(move |request| blob.answer(request))
}

/// A registry that sends to `whole` for a blob, and to `rest` for a part of one.
fn redirecting(whole: String, rest: String) -> Server {
    Server::start(move |request| {
        let location = if request.head.has("range") {
            &rest
        } else {
            &whole
        };
        Answer::redirect("307 Temporary Redirect", location)
    })
}

#[test]
fn a_body_that_breaks_off_anywhere_goes_on() {
    let bytes = noise(100_000);
    for (at, how) in [
        (0, Act::Drop),
        (1, Act::Close),
        (50_000, Act::Drop),
        (99_999, Act::Close),
    ] {
        let registry = serving(Blob::new(&bytes, vec![(at, how)]));
        let docxy = before(&registry);
        let response = get(&docxy, &blob()).complete();
        assert_eq!(
            (response.status(), response.body.len()),
            (200, bytes.len()),
            "cut at {at}"
        );
        assert!(response.body == bytes, "cut at {at}");
        let asked = ranges(&registry);
        assert_eq!(asked, [None, Some(format!("bytes={at}-"))]);
        assert_eq!(resumes(&docxy), "1");
    }
}

#[test]
fn a_body_that_is_reset_goes_on() {
    let bytes = noise(100_000);
    let (served, gate) = (Blob::new(&bytes, vec![]), Gate::new());
    let (half, reset) = (bytes[..50_000].to_vec(), gate.clone());
    let registry = Server::start(move |request| {
        if request.head.has("range") {
            return served.answer(request);
        }
        let head = Answer::head("200 OK", &[("Content-Length", "100000")]);
        head.send(&half)
            .then(Act::Wait(reset.clone()))
            .then(Act::Reset)
    });
    let docxy = before(&registry);
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get(&blob()).bytes());
    client.receive_head();
    let mut body = client.take(50_000).expect("half of the body");
    gate.open();
    body.extend(client.take(50_000).expect("the other half"));
    assert!(body == bytes);
    assert_eq!(ranges(&registry)[1].as_deref(), Some("bytes=50000-"));
}

#[test]
fn a_body_that_stalls_goes_on() {
    let bytes = noise(50_000);
    let registry = serving(Blob::new(&bytes, vec![(20_000, Act::Stall)]));
    let docxy = before_with(&registry, &["--body-timeout", "1s"]);
    assert!(get(&docxy, &blob()).complete().body == bytes);
    assert_eq!(ranges(&registry)[1].as_deref(), Some("bytes=20000-"));
}

#[test]
fn nothing_goes_on_for_a_client_that_has_left() {
    let registry = Server::start(|request| match request.head.has("range") {
        true => Answer::default().then(Act::Stall),
        false => Answer::head("200 OK", &[("Content-Length", "8")])
            .send("half")
            .then(Act::Drop),
    });
    let docxy = before(&registry);
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get(&blob()).bytes());
    client.receive_head();
    registry.wait_for_requests(2);
    let left = Instant::now();
    client.reset();
    registry.wait_for_leaving(1);
    assert!(
        left.elapsed() < Duration::from_secs(20),
        "no time-out ends it"
    );
    docxy.wait_for_line(" target=");
    assert_eq!(registry.requests().len(), 2);
}

#[test]
fn progress_is_enough_to_go_on_for_ever() {
    let bytes = noise(500_000);
    let registry = serving(Blob::new(&bytes, vec![(10_000, Act::Drop); 49]));
    let docxy = before(&registry);
    assert!(get(&docxy, &blob()).complete().body == bytes);
    assert_eq!(resumes(&docxy), "49");
}

#[test]
fn a_clients_own_range_is_shortened() {
    let bytes = noise(10_000);
    for (range, next, length) in [
        ("bytes=1000-", "bytes=3000-", 9_000),
        ("bytes=1000-4999", "bytes=3000-4999", 4_000),
        ("bytes=1000-9999", "bytes=3000-", 9_000),
    ] {
        let registry = serving(Blob::new(&bytes, vec![(2_000, Act::Drop)]));
        let docxy = before(&registry);
        let response = ask(&docxy, &Ask::get(&blob()).field("Range", range)).complete();
        assert_eq!(response.status(), 206);
        assert!(response.body == bytes[1_000..1_000 + length], "{range}");
        assert_eq!(ranges(&registry)[1].as_deref(), Some(next));
    }
}

#[test]
fn conditions_of_the_client_do_not_stand_in_the_way() {
    let bytes = noise(10_000);
    let registry = serving(Blob::new(&bytes, vec![(2_000, Act::Drop)]));
    let docxy = before(&registry);
    let conditional = Ask::get(&blob()).field("If-None-Match", "\"other\"");
    assert!(ask(&docxy, &conditional).complete().body == bytes);
    let asked = registry.requests();
    assert!(asked[0].head.has("if-none-match") && !asked[1].head.has("if-none-match"));
}

#[test]
fn the_signed_url_is_asked_again_on_a_fresh_connection_and_without_credentials() {
    let bytes = noise(10_000);
    let cdn = serving(Blob::new(&bytes, vec![(4_000, Act::Close)]));
    let location = format!("{}/data?sig=1", cdn.url());
    let registry = Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
    let docxy = before(&registry);
    let signed_in = Ask::get(&blob()).field("Authorization", "Bearer t");
    assert!(ask(&docxy, &signed_in).complete().body == bytes);
    assert_eq!(
        registry.lines().len(),
        1,
        "the registry need not be asked again"
    );
    let asked = cdn.requests();
    assert_eq!(asked.len(), 2);
    assert_ne!(asked[0].connection, asked[1].connection);
    assert!(
        asked
            .iter()
            .all(|request| !request.head.has("authorization"))
    );
    assert_eq!(asked[1].head.one("range"), Some("bytes=4000-"));
}

#[test]
fn what_is_idle_beside_the_broken_connection_is_not_trusted() {
    let gate = Gate::new();
    let held = gate.clone();
    let registry = Server::start(move |request| {
        if request.head.target() == MANIFEST {
            return Answer::ok("hello");
        }
        if request.head.has("range") {
            let range = [("Content-Range", "bytes 4-7/8")];
            return Answer::new("206 Partial Content", &range, "rest");
        }
        Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
            .then(Act::Wait(held.clone()))
            .close()
    });
    let docxy = with_one_worker(&registry, &[]);
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get(&blob()).bytes());
    client.receive_head();
    // Over a connection of its own, which is idle when the first one breaks.
    assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "hello");
    gate.open();
    assert_eq!(client.take(8).unwrap(), b"halfrest");
    assert_eq!(connections(&registry), [0, 1, 2]);
}

#[test]
fn an_expired_url_is_asked_for_anew() {
    let bytes = noise(10_000);
    let served = Blob::new(&bytes, vec![(4_000, Act::Drop)]);
    let cdn =
        Server::start(
            move |request| match (request.head.target(), request.head.has("range")) {
                ("/old", true) => Answer::new("403 Forbidden", &[], "expired"),
                _ => served.answer(request),
            },
        );
    let (old, new) = (format!("{}/old", cdn.url()), format!("{}/new", cdn.url()));
    let registry = redirecting(old, new);
    let docxy = before(&registry);
    let signed_in = Ask::get(&blob()).field("Authorization", "Bearer t");
    assert!(ask(&docxy, &signed_in).complete().body == bytes);
    assert_eq!(cdn.lines(), ["GET /old", "GET /old", "GET /new"]);
    assert_eq!(
        registry.requests()[1].head.one("authorization"),
        Some("Bearer t")
    );
}

#[test]
fn another_store_may_tag_the_same_bytes_otherwise() {
    let bytes = noise(10_000);
    let served = Blob::new(&bytes, vec![(4_000, Act::Drop)]);
    let store = |tag: &'static str| {
        let served = served.clone();
        Server::start(move |request| match (tag, request.head.has("range")) {
            ("\"one\"", true) => Answer::new("403 Forbidden", &[], "expired"),
            _ => served.answer_with(request, &[("ETag", tag)]),
        })
    };
    let (one, two) = (store("\"one\""), store("\"two\""));
    let (first, second) = (format!("{}/x", one.url()), format!("{}/x", two.url()));
    let registry = redirecting(first, second);
    let docxy = before(&registry);
    assert!(get(&docxy, &blob()).complete().body == bytes);
    assert_eq!((one.lines().len(), two.lines().len()), (2, 1));
}

#[test]
fn a_store_need_not_tag_what_it_sends_or_not_strongly() {
    let bytes = noise(10_000);
    for (first, then) in [
        ("\"one\"", None),
        ("\"one\"", Some("W/\"two\"")),
        ("W/\"one\"", Some("W/\"two\"")),
    ] {
        let served = Blob::new(&bytes, vec![(4_000, Act::Drop)]);
        let registry = Server::start(move |request| {
            let tag = match request.head.has("range") {
                false => Some(first),
                true => then,
            };
            let tag: Vec<_> = tag.map(|tag| ("ETag", tag)).into_iter().collect();
            served.answer_with(request, &tag)
        });
        let docxy = before(&registry);
        let response = get(&docxy, &blob()).complete();
        assert!(response.body == bytes, "{first} {then:?}");
        assert_eq!(resumes(&docxy), "1");
    }
}

#[test]
fn a_url_that_is_refused_at_once_is_asked_for_once_more() {
    for (status, good) in [
        ("403 Forbidden", 1),
        ("400 Bad Request", 1),
        ("403 Forbidden", 9),
    ] {
        let cdn = Server::start(
            move |request| match request.head.target() == format!("/{good}") {
                true => Answer::ok("blob"),
                false => Answer::new(status, &[], "expired"),
            },
        );
        let (base, turn) = (cdn.url(), AtomicUsize::new(0));
        let registry = Server::start(move |_| {
            let location = format!("{base}/{}", turn.fetch_add(1, Ordering::SeqCst));
            Answer::redirect("307 Temporary Redirect", &location)
        });
        let docxy = before(&registry);
        let signed_in = Ask::get(&blob()).field("Authorization", "Bearer t");
        let response = ask(&docxy, &signed_in);
        let expected = if good == 1 { "blob" } else { "expired" };
        assert_eq!(response.text(), expected, "{status}");
        assert_eq!(
            (registry.lines().len(), cdn.lines().len()),
            (2, 2),
            "{status}"
        );
        assert_eq!(
            registry.requests()[1].head.one("authorization"),
            Some("Bearer t")
        );
    }
}

#[test]
fn an_expired_path_on_the_registry_itself_is_asked_for_anew() {
    for status in ["403 Forbidden", "400 Bad Request"] {
        let turn = AtomicUsize::new(0);
        let registry = Server::start(move |request| match request.head.target() {
            "/signed/0" => Answer::new(status, &[], "expired"),
            "/signed/1" => Answer::ok("blob"),
            _ => {
                let location = format!("/signed/{}", turn.fetch_add(1, Ordering::SeqCst));
                Answer::redirect("307 Temporary Redirect", &location)
            }
        });
        let docxy = before(&registry);
        let signed_in = Ask::get(&blob()).field("Authorization", "Bearer t");
        assert_eq!(ask(&docxy, &signed_in).text(), "blob", "{status}");
        let asked = registry.requests();
        let login = |request: &Request| request.head.one("authorization") == Some("Bearer t");
        assert!(asked.len() == 4 && asked.iter().all(login), "{status}");
    }
}

/// A registry that takes each token once.
fn forgetful(bytes: &[u8], realm: String) -> Server {
    let served = Blob::new(bytes, vec![(4_000, Act::Drop)]);
    Server::start(move |request| {
        let token = request.head.one("authorization");
        let is_known = token
            == Some(if request.head.has("range") {
                "Bearer new"
            } else {
                "Bearer old"
            });
        if is_known
            || token.is_some_and(|token| token.starts_with("Basic ") && !request.head.has("range"))
        {
            return served.answer(request);
        }
        Answer::challenge(&[&format!(
            "Bearer realm=\"{realm}/token\",service=\"s\",scope=\"repository:a/b:pull\""
        )])
    })
}

fn token_server(asked: impl Fn(&Request) + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        asked(request);
        Answer::ok(r#"{"access_token":"new"}"#)
    })
}

#[test]
fn an_expired_token_is_replaced_by_an_anonymous_one() {
    let bytes = noise(10_000);
    let auth = token_server(|_| ());
    let registry = forgetful(&bytes, auth.url());
    let docxy = before(&registry);
    let signed_in = Ask::get(&blob())
        .field("Authorization", "Bearer old")
        .field("Accept-Encoding", "gzip");
    assert!(ask(&docxy, &signed_in).complete().body == bytes);
    let asked = auth.only_request();
    assert_eq!(
        asked.line(),
        "GET /token?scope=repository%3Aa%2Fb%3Apull&service=s"
    );
    for field in ["authorization", "range", "accept-encoding"] {
        assert!(!asked.head.has(field), "{field}");
    }
    assert_eq!(resumes(&docxy), "1");
}

#[test]
fn a_login_is_not_replaced() {
    let bytes = noise(10_000);
    let auth = token_server(|_| ());
    let registry = forgetful(&bytes, auth.url());
    let docxy = before(&registry);
    let signed_in = Ask::get(&blob()).field("Authorization", "Basic YWxpY2U6czNjcmV0");
    let response = Client::connect(docxy.addr()).ask(&signed_in);
    assert!(response.body == bytes[..4_000]);
    assert!(auth.lines().is_empty());
}

#[test]
fn what_comes_again_is_dropped() {
    let bytes = noise(300_000);
    let served = Blob::new(&bytes, vec![(200_000, Act::Drop), (100_000, Act::Drop)]);
    let registry = Server::start(move |_| served.whole());
    let docxy = before(&registry);
    assert!(get(&docxy, &blob()).complete().body == bytes);
    assert_eq!(
        registry.lines().len(),
        3,
        "the second broke off among what had passed already"
    );
}
