//! A docxy that runs, checked as its clients see it.

use super::stand::stand;
use super::{Said, check};
use crate::stand::{NAME, named, start};
use crate::tls_keys;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Server};

#[test]
fn a_docxy_that_runs_is_well_from_a_clients_side() {
    let stand = stand();
    let docxy = start(&["--upstream", &named(NAME, &stand.registry)]);
    let url = docxy.url();
    for image in [
        "a/b".to_owned(),
        format!("{NAME}/a/b"),
        format!("{}/{NAME}/a/b:latest", docxy.addr()),
    ] {
        let said = check(&["check", "--via", &url, &image]);
        assert_eq!(said.code, Some(0), "{image}: {}", said.document);
        let expected = [
            "dns",
            "connect",
            "ready",
            "v2",
            "challenge",
            "token",
            "manifest",
            "quota",
            "platform",
            "image",
            "config",
            "layer",
            "layer",
        ];
        assert_eq!(said.names(), expected, "{image}");
        assert_eq!(said.step("token")["facts"]["realm"], url);
    }
    let said = check(&["check", "--via", &url, "a/b:gone"]);
    said.assert_failed(
        "manifest",
        "404, \"manifest unknown\"",
        "no such thing behind this docxy",
    );
}

#[test]
fn what_is_wrong_with_a_docxy_is_told() {
    let registry = stand().registry;
    let upstream = named(NAME, &registry);
    let said = check(&["check", "--via", "http://127.0.0.1:1"]);
    said.assert_failed("connect", "Connection refused", "start docxy");
    let other = Server::start(|_| Answer::new("404 Not Found", &[], ""));
    let said = check(&["check", "--via", &other.url()]);
    said.assert_failed("ready", "404", "no docxy");
    let closed = start(&["--upstream", &upstream, "--deny-client", "127.0.0.1"]);
    let said = check(&["check", "--via", &closed.url()]);
    said.assert_failed("ready", "403", "--allow-client");
    // A realm that clients cannot reach, and one that is nobody's of docxy.
    let stand = stand();
    let upstream = named(NAME, &stand.registry);
    let lost = [
        "--upstream",
        &upstream,
        "--public-url",
        "http://127.0.0.1:1",
    ];
    let said = check(&["check", "--via", &start(&lost).url()]);
    said.assert_failed("token", "Connection refused", "--public-url");
    let (past, said) = past_docxy();
    said.assert_failed("challenge", "which is no docxy's", "past docxy");
    drop(past);
    let gone = start(&["--upstream", &format!("{NAME}=http://127.0.0.1:1")]);
    let said = check(&["check", "--via", &gone.url(), "a/b"]);
    said.assert_failed(
        "v2",
        "no connection: Connection refused",
        "run docxy check on its machine",
    );
}

/// A registry that is taken for a docxy, since something in front answers `/ready`.
fn past_docxy() -> (Server, Said) {
    let server = Server::start(|request| match request.head.target() {
        "/ready" => Answer::ok("ready\n"),
        _ => Answer::challenge(&["Bearer realm=\"https://auth.test/oauth\",service=\"x\""]),
    });
    let said = check(&["check", "--via", &server.url()]);
    (server, said)
}

#[test]
fn the_certificate_of_a_docxy_is_told_and_how_to_trust_it() {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = Identity::new().write(directory.path());
    let ca = cert.to_str().unwrap().to_owned();
    let registry = Server::start(|_| Answer::ok("{}"));
    let upstream = named(NAME, &registry);
    let docxy = tls_keys::start_with(&[(cert, key)], &["--upstream", &upstream]);
    let url = format!("https://localhost:{}", docxy.addr().port());
    let said = check(&["check", "--via", &url]);
    said.assert_failed("tls", "whom docxy does not trust", "--via-ca FILE");
    let said = check(&["check", "--via", &url, "--via-ca", &ca]);
    assert_eq!(said.code, Some(0), "{}", said.document);
    assert_eq!(said.names(), ["dns", "connect", "tls", "ready", "v2"]);
    let plain = format!("http://{}", docxy.addr());
    let said = check(&["check", "--via", &plain]);
    said.assert_failed("ready", "400", "https://");
}
