//! What does not go on exactly is no continuation: the client's message stays visibly unfinished.

use crate::blob_server::Blob;
use crate::docxy::Docxy;
use crate::stand::{DIGEST, MANIFEST, before, blob, get};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, Client, End, Response, Server, noise};

const CUT: usize = 4_000;

fn unfinished(docxy: &Docxy, target: &str) -> Response {
    Client::connect(docxy.addr()).ask(&Ask::get(target))
}

/// A registry whose blob, with its validators, breaks off, and that answers every later request by `rest`.
fn breaking(bytes: &[u8], rest: impl Fn() -> Answer + Send + Sync + 'static) -> Server {
    let validators = [("ETag", "\"one\""), ("Docker-Content-Digest", DIGEST)];
    let whole = Answer::new("200 OK", &validators, bytes);
    let passed = whole.bytes().len() - (bytes.len() - CUT);
    Server::start(move |request| {
        if request.head.has("range") {
            rest()
        } else {
            whole.clone().cut(passed, Act::Drop)
        }
    })
}

fn part(range: &str, body: &[u8], more: &[(&str, &str)]) -> Answer {
    let fields = [&[("Content-Range", range)], more].concat();
    Answer::new("206 Partial Content", &fields, body)
}

#[test]
fn nothing_else_is_mixed_in() {
    let bytes = noise(10_000);
    let rest = bytes[CUT..].to_vec();
    let other = noise(10_001);
    let table: Vec<(&str, Answer)> = vec![
        ("another size", part("bytes 4000-9999/10001", &rest, &[])),
        (
            "one byte early",
            part("bytes 3999-9999/10000", &bytes[CUT - 1..], &[]),
        ),
        (
            "one byte late",
            part("bytes 4001-9999/10000", &bytes[CUT + 1..], &[]),
        ),
        (
            "an end too early",
            part("bytes 4000-9998/10000", &rest[..5_999], &[]),
        ),
        (
            "a length of its own",
            part("bytes 4000-9999/10000", &rest[..100], &[]),
        ),
        (
            "no Content-Range",
            Answer::new("206 Partial Content", &[], &rest),
        ),
        (
            "another coding",
            part(
                "bytes 4000-9999/10000",
                &rest,
                &[("Content-Encoding", "gzip")],
            ),
        ),
        ("another whole", Answer::ok(&other)),
        (
            "another tag",
            part("bytes 4000-9999/10000", &rest, &[("ETag", "\"two\"")]),
        ),
        (
            "another tag of the whole",
            Answer::new("200 OK", &[("ETag", "\"two\"")], &bytes),
        ),
        (
            "another digest",
            part(
                "bytes 4000-9999/10000",
                &rest,
                &[("Docker-Content-Digest", "sha256:0")],
            ),
        ),
        (
            "an error",
            Answer::new("500 Internal Server Error", &[], &rest),
        ),
        ("not found", Answer::new("404 Not Found", &[], &rest)),
        (
            "no length",
            Answer::head("200 OK", &[("Connection", "close")])
                .send(&bytes)
                .close(),
        ),
        ("nonsense", Answer::raw("nonsense\r\n\r\n").close()),
    ];
    let docxies: Vec<_> = table
        .into_iter()
        .map(|(what, answer)| {
            let registry = breaking(&bytes, move || answer.clone());
            let docxy = before(&registry);
            (what, registry, docxy)
        })
        .collect();
    // Each takes two pauses, so all are asked at once.
    std::thread::scope(|scope| {
        for (what, registry, docxy) in &docxies {
            let bytes = &bytes;
            scope.spawn(move || {
                let response = unfinished(docxy, &blob());
                assert!(matches!(response.end, End::Cut(_)), "{what}");
                assert!(response.body == bytes[..CUT], "{what}");
                assert_eq!(registry.lines().len(), 4, "{what}: three attempts");
                let line = docxy.wait_for_line(" target=");
                assert!(line.ends_with("resumes=0"), "{what}: {line}");
            });
        }
    });
}

#[test]
fn manifests_and_bodies_without_a_length_are_not_resumed() {
    let bytes = noise(10_000);
    let served = Blob::new(&bytes, vec![(CUT, Act::Drop)]);
    let registry = Server::start(move |request| served.answer(request));
    let docxy = before(&registry);
    let response = unfinished(&docxy, MANIFEST);
    assert!(matches!(response.end, End::Cut(_)));
    assert_eq!(registry.lines().len(), 1);

    let chunk = bytes[..CUT].to_vec();
    let registry = Server::start(move |_| {
        let whole = Answer::chunked(&[], &[&chunk]);
        let length = whole.bytes().len();
        whole.cut(length - 5, Act::Drop)
    });
    let docxy = before(&registry);
    let response = unfinished(&docxy, &blob());
    assert!(matches!(response.end, End::Cut(_)));
    assert_eq!(registry.lines().len(), 1);
}

#[test]
fn an_upstream_that_stays_away_is_given_up() {
    let bytes = noise(10_000);
    let registry = breaking(&bytes, || Answer::default().then(Act::Reset));
    let docxy = before(&registry);
    let response = unfinished(&docxy, &blob());
    assert!(matches!(response.end, End::Cut(_)) && response.body == bytes[..CUT]);
    assert_eq!(registry.lines().len(), 4, "the first and three attempts");
    assert_eq!(get(&docxy, "/health").status(), 200);
}
