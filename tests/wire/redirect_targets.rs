//! Redirects that go wrong at their other end, or are meant to hold docxy up.

use std::net::TcpListener;

use crate::stand::{MANIFEST, ask, before, blob, get, own_error};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, End, Server, noise};

#[test]
fn a_redirect_whose_body_never_ends_is_followed_at_once() {
    let cdn = Server::start(|_| Answer::ok("blob"));
    let location = format!("{}/x", cdn.url());
    let heads = [
        "Content-Length: 10000000000\r\n",
        "Transfer-Encoding: chunked\r\n",
        "",
    ];
    for head in heads {
        let head = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\n{head}\r\n");
        let registry = Server::start(move |_| Answer::raw(&head).then(Act::Stall));
        assert_eq!(get(&before(&registry), &blob()).text(), "blob");
    }
}

#[test]
fn a_target_that_refuses_is_503() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let location = format!("http://{}/x?sig=s3cret", listener.local_addr().unwrap());
    drop(listener);
    let registry = Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
    let docxy = before(&registry);
    let response = get(&docxy, &blob());
    own_error(&response, 503);
    assert!(!response.text().contains("s3cret"), "{}", response.text());
}

#[test]
fn a_target_that_cuts_its_body_cuts_the_clients() {
    let cdn = Server::start(|_| Answer::ok(noise(1_000_000)).cut(500_000, Act::Close));
    let location = format!("{}/x", cdn.url());
    let registry = Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
    let docxy = before(&registry);
    let response = crate::wire::Client::connect(docxy.addr()).ask(&Ask::get(&blob()));
    assert!(matches!(response.end, End::Cut(_)));
}

#[test]
fn a_target_that_talks_nonsense_is_502() {
    let cdn = Server::start(|_| Answer::raw("nonsense\r\n\r\n").then(Act::Stall));
    let location = format!("{}/x", cdn.url());
    let registry = Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
    own_error(&get(&before(&registry), &blob()), 502);
}

/// Up to what the head of an answer can hold, which is 128 KiB.
#[test]
fn a_redirect_to_two_places_leads_nowhere() {
    let cdn = Server::start(|_| Answer::ok("from the CDN"));
    let (here, there) = (format!("{}/x", cdn.url()), format!("{}/y", cdn.url()));
    for (second, status) in [(&here, 200), (&there, 502)] {
        let fields = [("Location", here.clone()), ("Location", second.clone())];
        let registry = Server::start(move |_| {
            let fields = fields
                .each_ref()
                .map(|(name, value)| (*name, value.as_str()));
            Answer::new("307 Temporary Redirect", &fields, "")
        });
        let asked = cdn.lines().len();
        let response = get(&before(&registry), &blob());
        assert_eq!(response.status(), status, "{second}");
        assert_eq!(cdn.lines().len() - asked, usize::from(status == 200));
    }
}

#[test]
fn a_signed_url_may_be_long() {
    let cdn = Server::start(|request| Answer::ok(request.head.target().len().to_string()));
    let fixed = Answer::redirect("307 Temporary Redirect", &cdn.url())
        .bytes()
        .len();
    for length in [
        24 * 1024,
        32 * 1024,
        128 * 1024 - fixed,
        128 * 1024 - fixed + 1,
    ] {
        let target = format!("/x?|\"{{}}{}", "s".repeat(length - 7));
        let location = format!("{}{target}", cdn.url());
        let registry =
            Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
        let response = get(&before(&registry), &blob());
        if fixed + length <= 128 * 1024 {
            assert_eq!(response.text(), target.len().to_string());
        } else {
            own_error(&response, 502);
        }
    }
}

#[test]
fn a_redirect_without_location_is_no_redirect() {
    for status in [
        "304 Not Modified",
        "300 Multiple Choices",
        "307 Temporary Redirect",
    ] {
        let registry = Server::start(move |_| Answer::head(status, &[("Content-Length", "0")]));
        let response = get(&before(&registry), MANIFEST);
        assert!(
            [status[..3].parse().unwrap(), 502].contains(&response.status()),
            "{status} is {}",
            response.status()
        );
        assert_eq!(registry.lines().len(), 1);
    }
}

#[test]
fn ranges_are_answered_by_the_target() {
    let cdn = Server::start(|request| match request.head.one("range") {
        Some("bytes=0-3") => Answer::new(
            "206 Partial Content",
            &[("Content-Range", "bytes 0-3/9")],
            "0123",
        ),
        _ => Answer::new(
            "416 Range Not Satisfiable",
            &[("Content-Range", "bytes */9")],
            "",
        ),
    });
    let location = format!("{}/x", cdn.url());
    let registry = Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
    let docxy = before(&registry);
    for (range, status, total) in [
        ("bytes=0-3", 206, "bytes 0-3/9"),
        ("bytes=9-", 416, "bytes */9"),
    ] {
        let response = ask(&docxy, &Ask::get(&blob()).field("Range", range));
        assert_eq!(
            (response.status(), response.head.one("content-range")),
            (status, Some(total))
        );
    }
}
