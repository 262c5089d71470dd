//! What it takes to have an answer: connections, retries, redirects, resumes.

use std::collections::BTreeMap;

use super::{ADMIN, counting, expected, growth, of_upstream, request};
use crate::blob_server::Blob;
use crate::scrape::scrape;
use crate::stand::{MANIFEST, blob, settled, start};
use crate::wire::answer::Act;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, Server, noise};

#[test]
fn the_pool_counts_hits_misses_and_the_dead() {
    let registry = Server::start(|request| {
        let answer = Answer::ok("hello");
        // The third request is the second one of its connection, and gets no answer there.
        if request.connection == 0 && request.head.target().ends_with("dead") {
            return Answer::raw("").close();
        }
        answer
    });
    let docxy = counting(&registry);
    let result = |result: &str| format!("docxy_pool_requests_total{{result=\"{result}\"}}");
    let cases = [
        (MANIFEST, vec![("miss", 1.0)]),
        (MANIFEST, vec![("hit", 1.0)]),
        ("/v2/a/b/manifests/dead", vec![("stale", 1.0)]),
    ];
    for (target, changes) in cases {
        let grown = growth(&docxy, "docxy_pool_requests_total", || {
            assert_eq!(settled(&docxy, &Ask::get(target)).status(), 200);
        });
        let changes: BTreeMap<_, _> = changes
            .into_iter()
            .map(|(name, by)| (result(name), by))
            .collect();
        assert_eq!(grown, changes, "{target}");
    }
    let now = scrape(&docxy);
    assert_eq!(now.value(&of_upstream("docxy_retries_total")), 1.0);
    assert_eq!(now.value("docxy_dial_seconds_count{step=\"connect\"}"), 2.0);
    assert_eq!(now.value("docxy_received_bytes_total"), 15.0);
}

#[test]
fn redirects_are_counted() {
    let cdn = Server::start(|_| Answer::ok("hello"));
    let location = format!("{}/signed?x=1", cdn.url());
    let registry = Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
    let docxy = counting(&registry);
    let grown = growth(&docxy, "docxy_redirects_total", || {
        assert_eq!(settled(&docxy, &Ask::get(&blob())).text(), "hello");
    });
    assert_eq!(
        grown,
        expected([(&of_upstream("docxy_redirects_total"), 1.0)])
    );
}

#[test]
fn resumes_are_counted_and_so_is_what_is_lost() {
    let bytes = noise(100_000);
    let served = Blob::new(&bytes, vec![(10, Act::Drop), (50_000, Act::Close)]);
    let registry = Server::start(
        move |request| match request.head.target().ends_with("list") {
            true => Answer::head("200 OK", &[("Content-Length", "9")])
                .send("half")
                .close(),
            false => served.answer(request),
        },
    );
    let docxy = counting(&registry);
    assert!(settled(&docxy, &Ask::get(&blob())).complete().body == bytes);
    let mut client = Client::connect(docxy.addr());
    client.send(Ask::get("/v2/a/b/tags/list").bytes());
    client.drain();
    docxy.wait_for_line("tags/list status=200");
    let now = scrape(&docxy);
    assert_eq!(now.value(&of_upstream("docxy_resumes_total")), 2.0);
    assert_eq!(now.value(&of_upstream("docxy_lost_bodies_total")), 1.0);
}

#[test]
fn the_steps_to_a_connection_are_timed_and_their_failures_counted() {
    let (identity, directory) = (Identity::new(), tempfile::tempdir().unwrap());
    let (roots, _) = identity.write(directory.path());
    let registry = Server::start_tls(identity.server(), |_| Answer::ok("hello"));
    let port = registry.addr().port();
    let upstream = |name: &str, url: &str| format!("{name}={url}");
    let docxy = start(
        &[
            &ADMIN[..],
            &["--upstream-ca", roots.to_str().unwrap()],
            &[
                "--upstream",
                &upstream("good.test", &format!("https://localhost:{port}")),
            ],
            &["--upstream", &upstream("closed.test", "http://127.0.0.1:1")],
            &["--upstream", &upstream("plain.test", "https://127.0.0.1:1")],
        ]
        .concat(),
    );
    let manifest = |name: &str| Ask::get(&format!("/v2/{name}/a/manifests/x"));
    assert_eq!(settled(&docxy, &manifest("good.test")).status(), 200);
    let now = scrape(&docxy);
    for step in ["lookup", "connect", "tls"] {
        let count = format!("docxy_dial_seconds_count{{step=\"{step}\"}}");
        assert_eq!(now.value(&count), 1.0, "{step}");
        let failures = format!("docxy_dial_failures_total{{step=\"{step}\"}}");
        assert_eq!(now.get(&failures), Some(0.0), "{step}");
    }
    assert_eq!(settled(&docxy, &manifest("closed.test")).status(), 503);
    let now = scrape(&docxy);
    // Three tries, none of which was sent.
    assert_eq!(
        now.value("docxy_dial_failures_total{step=\"connect\"}"),
        3.0
    );
    assert_eq!(
        now.value("docxy_retries_total{upstream=\"closed.test\"}"),
        2.0
    );
    assert_eq!(now.value(&request("closed.test", "manifest", 503)), 1.0);
}
