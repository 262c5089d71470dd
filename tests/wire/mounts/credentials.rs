//! A client's credentials under mounts: they go to the origin that asks for them, though all mounts are one host to it.

use super::{SIGNED, mount, stand};
use crate::stand::{ask, start};
use crate::wire::{Answer, Ask, Server};

const BASIC: &str = "Basic YWxpY2U6czNjcmV0";
const BEARER: &str = "Bearer t0ken";

#[test]
fn they_go_where_registries_and_token_servers_ask_for_them() {
    let stand = stand(&[]);
    let store = format!("/docker-blob{SIGNED}");
    let cases = [
        ("/docker-registry/v2/", BEARER, &stand.registry, true),
        (
            "/docker-registry/v2/library/a/tags/list",
            BASIC,
            &stand.registry,
            true,
        ),
        ("/docker-registry/other", BEARER, &stand.registry, false),
        (
            "/docker-auth/token?service=x&scope=y",
            BASIC,
            &stand.auth,
            true,
        ),
        (
            "/docker-auth/token?account=a&scope=y",
            BASIC,
            &stand.auth,
            true,
        ),
        ("/docker-auth/token?service=x", BEARER, &stand.auth, false),
        (&store, BEARER, &stand.store, false),
        (&store, BASIC, &stand.store, false),
    ];
    for (target, credentials, server, passes) in cases {
        let request = Ask::get(target)
            .field("Authorization", credentials)
            .field("Cookie", "c=1");
        ask(&stand.docxy, &request);
        let seen = server.requests().pop().unwrap().head;
        assert_eq!(
            seen.one("authorization"),
            passes.then_some(credentials),
            "{target}"
        );
        assert!(!seen.has("cookie"), "{target}");
    }
}

#[test]
fn a_redirect_takes_them_to_no_other_registry() {
    let other = Server::start(|_| Answer::ok("manifest"));
    let location = format!("{}/v2/a/manifests/t", other.url());
    let registry = Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
    let mounts = [mount("/one", &registry), mount("/other", &other)].concat();
    let mounts: Vec<&str> = mounts.iter().map(String::as_str).collect();
    let docxy = start(&mounts);
    let anonymous = Ask::get("/one/v2/a/manifests/t");
    let answer = ask(&docxy, &anonymous);
    assert_eq!(
        answer.head.one("location"),
        Some("http://docxy.test/other/v2/a/manifests/t")
    );
    assert_eq!(other.connections(), 0);
    for credentials in [BEARER, BASIC] {
        let answer = ask(
            &docxy,
            &anonymous.clone().field("Authorization", credentials),
        );
        assert_eq!((answer.status(), answer.text().as_str()), (200, "manifest"));
        assert!(!other.requests().pop().unwrap().head.has("authorization"));
        let seen = registry.requests().pop().unwrap().head;
        assert_eq!(seen.one("authorization"), Some(credentials));
    }
}

#[test]
fn the_log_shows_no_signature_and_the_mount_by_its_prefix() {
    let stand = stand(&["--log", "debug"]);
    let secret = "s1gned";
    let target = format!("/docker-blob/x?sig={secret}");
    ask(
        &stand.docxy,
        &Ask::get(&target).field("Authorization", BEARER),
    );
    let line = stand.docxy.wait_for_line(" target=/docker-blob/x ");
    assert!(
        line.contains(" upstream=/docker-blob upstream_status=200 "),
        "{line}"
    );
    let log = stand.docxy.log().join("\n");
    assert!(!log.contains(secret) && !log.contains("t0ken"), "{log}");
}
