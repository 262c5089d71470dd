//! HEAD of a blob whose URL was signed for GET: one GET of one byte finds the length, and never for a manifest.

use crate::stand::{MANIFEST, before, blob, get, head};
use crate::wire::answer::Act;
use crate::wire::{Answer, Framing, Request, Server};

/// A CDN that refuses HEAD with `status` and answers GET with `answer`.
fn cdn(status: &'static str, answer: Answer) -> Server {
    Server::start(move |request| match request.head.method() {
        "HEAD" => Answer::head(status, &[("Content-Length", "99")]),
        _ => answer.clone(),
    })
}

fn redirecting_to(cdn: &Server) -> Server {
    let location = format!("{}/x?sig=1", cdn.url());
    Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location))
}

fn one_byte(total: &str) -> Answer {
    let range = format!("bytes 0-0/{total}");
    Answer::new(
        "206 Partial Content",
        &[
            ("Content-Range", &range),
            ("Content-Type", "application/octet-stream"),
        ],
        "x",
    )
}

fn method_and_range(request: &Request) -> (String, Option<String>) {
    (
        request.head.method().to_owned(),
        request.head.one("range").map(str::to_owned),
    )
}

#[test]
fn the_total_of_content_range_becomes_the_length() {
    for status in ["403 Forbidden", "405 Method Not Allowed"] {
        let cdn = cdn(status, one_byte("5242880"));
        let registry = redirecting_to(&cdn);
        let docxy = before(&registry);
        let response = head(&docxy, &blob());
        assert_eq!(response.status(), 200, "{status}");
        assert_eq!(response.head.one("content-length"), Some("5242880"));
        assert!(!response.head.has("content-range"), "{:?}", response.head);
        assert_eq!(response.framing, Framing::None);
        assert_eq!(registry.only_request().head.method(), "HEAD");
        let asked: Vec<_> = cdn.requests().iter().map(method_and_range).collect();
        assert_eq!(
            asked,
            [
                ("HEAD".to_owned(), None),
                ("GET".to_owned(), Some("bytes=0-0".to_owned()))
            ]
        );
        assert!(
            cdn.requests()
                .iter()
                .all(|request| request.head.target() == "/x?sig=1")
        );
    }
}

#[test]
fn an_unknown_total_means_no_length() {
    let cdn = cdn("403 Forbidden", one_byte("*"));
    let registry = redirecting_to(&cdn);
    let docxy = before(&registry);
    let response = head(&docxy, &blob());
    assert_eq!(response.status(), 200);
    assert!(
        !response.head.has("content-length") && !response.head.has("transfer-encoding"),
        "{:?}",
        response.head
    );
}

#[test]
fn another_part_than_the_first_byte_tells_no_size() {
    let part = |ranges: &[&str]| {
        let kind = [("Content-Type", "multipart/byteranges; boundary=x")];
        let ranges = ranges.iter().map(|range| ("Content-Range", *range));
        let fields: Vec<_> = kind.into_iter().chain(ranges).collect();
        Answer::new("206 Partial Content", &fields, "x")
    };
    for ranges in [
        &["bytes 0-0/10", "bytes 0-0/11"][..],
        &["bytes 5-5/10"],
        &["bytes 0-1/10"],
        &["items 0-0/10"],
        &[],
    ] {
        let cdn = cdn("403 Forbidden", part(ranges));
        let registry = redirecting_to(&cdn);
        let docxy = before(&registry);
        let response = head(&docxy, &blob());
        assert_eq!(response.status(), 403, "{ranges:?}");
    }
}

#[test]
fn a_manifest_is_never_got_in_place_of_its_head() {
    for status in ["403 Forbidden", "405 Method Not Allowed"] {
        let cdn = cdn(status, one_byte("7"));
        let registry = redirecting_to(&cdn);
        let docxy = before(&registry);
        assert_eq!(head(&docxy, MANIFEST).status().to_string(), status[..3]);
        assert_eq!(cdn.only_request().head.method(), "HEAD");
    }
}

#[test]
fn a_registrys_own_refusal_of_head_is_not_asked_again() {
    let registry = cdn("403 Forbidden", one_byte("7"));
    let docxy = before(&registry);
    assert_eq!(head(&docxy, &blob()).status(), 403);
    assert_eq!(registry.only_request().head.method(), "HEAD");
}

#[test]
fn a_signed_path_of_the_registrys_own_is_asked_as_a_cdn_is() {
    let registry =
        Server::start(
            move |request| match (request.head.target(), request.head.method()) {
                ("/signed", "HEAD") => Answer::head("403 Forbidden", &[]),
                ("/signed", _) => one_byte("777"),
                _ => Answer::redirect("307 Temporary Redirect", "/signed"),
            },
        );
    let docxy = before(&registry);
    let response = head(&docxy, &blob());
    assert_eq!(response.status(), 200);
    assert_eq!(response.head.one("content-length"), Some("777"));
    let asked = registry.lines();
    assert_eq!(asked[1..], ["HEAD /signed", "GET /signed"]);
}

#[test]
fn a_get_refused_too_stays_refused() {
    let cdn = cdn("403 Forbidden", Answer::new("403 Forbidden", &[], "no"));
    let registry = redirecting_to(&cdn);
    let docxy = before(&registry);
    assert_eq!(head(&docxy, &blob()).status(), 403);
    assert!(cdn.lines().len() <= 3, "{:?}", cdn.lines());
    assert_eq!(get(&docxy, "/health").status(), 200);
}

#[test]
fn a_target_that_ignores_the_range_does_not_send_the_blob() {
    let whole = Answer::head("200 OK", &[("Content-Length", "10000000000")]).then(Act::Stall);
    let cdn = cdn("403 Forbidden", whole);
    let registry = redirecting_to(&cdn);
    let docxy = before(&registry);
    let response = head(&docxy, &blob());
    assert_eq!(response.status(), 200);
    assert!(
        [None, Some("10000000000")].contains(&response.head.one("content-length")),
        "{:?}",
        response.head
    );
    cdn.wait_for_leaving(cdn.requests().pop().unwrap().connection);
}
