//! Which upstream is asked, and for what: path component, `ns`, Host, default, each from a closed table.

use crate::docxy::Docxy;
use crate::stand::{DIGEST, MANIFEST, ask, before, before_with, get, named, own_error, start};
use crate::wire::{Answer, Ask, Server};

/// A registry that says who it is.
fn saying(name: &'static str) -> Server {
    Server::start(move |_| Answer::ok(name))
}

struct Two {
    a: Server,
    b: Server,
    docxy: Docxy,
}

/// Two upstreams, `a.test` the default, `b.test` with the alias `mirror.test`.
fn two() -> Two {
    let (a, b) = (saying("a"), saying("b"));
    let (name_a, name_b) = (named("a.test", &a), named("b.test", &b));
    let docxy = start(&[
        "--upstream",
        &name_a,
        "--upstream",
        &name_b,
        "--upstream-alias",
        "b.test=mirror.test",
    ]);
    Two { a, b, docxy }
}

#[test]
fn the_first_match_chooses_the_upstream() {
    let two = two();
    let at_b = two.b.authority();
    let table: Vec<(Ask, &str, &str)> = vec![
        (Ask::get("/v2/x/y/manifests/t"), "a", "/v2/x/y/manifests/t"),
        (
            Ask::get("/v2/b.test/x/y/manifests/t"),
            "b",
            "/v2/x/y/manifests/t",
        ),
        (
            Ask::get("/v2/B.Test/x/y/manifests/t"),
            "b",
            "/v2/x/y/manifests/t",
        ),
        (
            Ask::get("/v2/mirror.test/x/y/manifests/t"),
            "b",
            "/v2/x/y/manifests/t",
        ),
        (
            Ask::get("/v2/x/y/manifests/t?ns=b.test"),
            "b",
            "/v2/x/y/manifests/t",
        ),
        (
            Ask::get("/v2/x/y/manifests/t?ns=MIRROR.test"),
            "b",
            "/v2/x/y/manifests/t",
        ),
        (
            Ask::get("/v2/x/y/manifests/t").host("b.test"),
            "b",
            "/v2/x/y/manifests/t",
        ),
        (
            Ask::get("/v2/x/y/manifests/t").host("B.test:5000"),
            "b",
            "/v2/x/y/manifests/t",
        ),
        (
            Ask::get("/v2/x/y/manifests/t").host("mirror.test"),
            "b",
            "/v2/x/y/manifests/t",
        ),
        (
            Ask::get("/v2/a.test/x/y/manifests/t").host("b.test"),
            "a",
            "/v2/x/y/manifests/t",
        ),
        (
            Ask::get("/v2/a.test/x/y/manifests/t?ns=b.test"),
            "a",
            "/v2/x/y/manifests/t",
        ),
        (
            Ask::get("/v2/b.test/x/y/manifests/t?ns=b.test"),
            "b",
            "/v2/x/y/manifests/t",
        ),
        (
            Ask::get("/v2/x/y/manifests/t?ns=a.test").host("b.test"),
            "a",
            "/v2/x/y/manifests/t",
        ),
        (
            Ask::get("/v2/c.test/x/manifests/t"),
            "a",
            "/v2/c.test/x/manifests/t",
        ),
        (
            Ask::get("/v2/x/y/manifests/t").host("c.test"),
            "a",
            "/v2/x/y/manifests/t",
        ),
    ];
    for (request, name, target) in table {
        let response = ask(&two.docxy, &request);
        assert_eq!(
            (response.status(), response.text().as_str()),
            (200, name),
            "{request:?}"
        );
        let chosen = if name == "a" { &two.a } else { &two.b };
        assert_eq!(
            chosen.requests().pop().unwrap().head.target(),
            target,
            "{request:?}"
        );
    }
    let by_address = get(&two.docxy, &format!("/v2/x/y/manifests/t?ns={at_b}"));
    assert_eq!(
        by_address.text(),
        "b",
        "its URL's host and port name it too"
    );
}

#[test]
fn ns_is_answered_but_not_forwarded() {
    let table = [
        ("?ns=reg.test", "", true),
        ("?ns=reg.test&n=5", "?n=5", true),
        ("?n=5&ns=reg.test&last=x%2Fy", "?n=5&last=x%2Fy", true),
        ("?n=5&last=x", "?n=5&last=x", false),
        ("?ns=reg%2Etest", "", true),
        ("?nst=1", "?nst=1", false),
        ("", "", false),
    ];
    let registry = saying("tags");
    let docxy = before(&registry);
    for (asked, forwarded, named) in table {
        let response = get(&docxy, &format!("/v2/a/b/tags/list{asked}"));
        assert_eq!(response.status(), 200, "{asked}");
        assert_eq!(
            response.head.one("oci-namespace"),
            named.then_some("reg.test"),
            "{asked}"
        );
        let target = registry.requests().pop().unwrap().head.target().to_owned();
        assert_eq!(target, format!("/v2/a/b/tags/list{forwarded}"), "{asked}");
    }
}

#[test]
fn what_goes_nowhere_is_answered_in_its_namespace_too() {
    let registry = saying("registry");
    let docxy = before_with(&registry, &["--allow", "reg.test/a/*"]);
    for (method, path, status, named) in [
        ("GET", "/v2/x/y/manifests/1?ns=reg.test", 403, true),
        ("GET", "/v2/A/manifests/1?ns=reg%2Etest", 400, true),
        ("GET", "/v2/a/b/manifests/-?ns=reg.test", 400, true),
        ("GET", "/v2/a/b/blobs/x?ns=reg.test", 400, true),
        ("GET", "/v2/a/../b/tags/list?ns=reg.test", 400, true),
        ("GET", "/v2/a/b?ns=reg.test", 404, true),
        ("PUT", "/v2/a/b/manifests/1?ns=reg.test", 405, true),
        ("GET", "/v2/a/b?n=1", 404, false),
        ("GET", "/v2/a/b?ns=other.test", 404, false),
        ("GET", "/v2x/a/b?ns=reg.test", 404, false),
        ("GET", "/a/b?ns=reg.test", 404, false),
    ] {
        let response = ask(&docxy, &Ask::new(method, path));
        own_error(&response, status);
        assert_eq!(
            response.head.one("oci-namespace"),
            named.then_some("reg.test"),
            "{method} {path}"
        );
    }
    assert!(registry.lines().is_empty());
}

#[test]
fn an_unknown_ns_is_404_and_dials_nobody() {
    let stranger = saying("stranger");
    let registry = saying("registry");
    let docxy = before(&registry);
    for ns in [
        "other.test",
        &stranger.authority(),
        "reg.test.",
        "reg.test%00",
    ] {
        let response = get(&docxy, &format!("{MANIFEST}?ns={ns}"));
        if response.status() != 400 {
            assert_eq!(own_error(&response, 404), "NAME_UNKNOWN");
        }
    }
    assert_eq!((stranger.connections(), registry.lines().len()), (0, 0));
}

#[test]
fn docker_hubs_names_are_one_and_library_is_added_for_it_alone() {
    let (hub, other) = (saying("hub"), saying("other"));
    let docxy = start(&[
        "--upstream",
        &named("reg.test", &other),
        "--upstream",
        &named("docker.io", &hub),
    ]);
    let table = [
        (
            "/v2/docker.io/alpine/manifests/3",
            "hub",
            "/v2/library/alpine/manifests/3",
        ),
        (
            "/v2/index.docker.io/alpine/manifests/3",
            "hub",
            "/v2/library/alpine/manifests/3",
        ),
        (
            "/v2/registry-1.docker.io/alpine/tags/list",
            "hub",
            "/v2/library/alpine/tags/list",
        ),
        (
            "/v2/docker.io/library/alpine/manifests/3",
            "hub",
            "/v2/library/alpine/manifests/3",
        ),
        (
            "/v2/docker.io/me/alpine/manifests/3",
            "hub",
            "/v2/me/alpine/manifests/3",
        ),
        (
            "/v2/alpine/manifests/3?ns=docker.io",
            "hub",
            "/v2/library/alpine/manifests/3",
        ),
        (
            "/v2/alpine/manifests/3?ns=registry-1.docker.io",
            "hub",
            "/v2/library/alpine/manifests/3",
        ),
        ("/v2/alpine/manifests/3", "other", "/v2/alpine/manifests/3"),
    ];
    for (asked, name, target) in table {
        assert_eq!(get(&docxy, asked).text(), name, "{asked}");
        let chosen = if name == "hub" { &hub } else { &other };
        assert_eq!(
            chosen.requests().pop().unwrap().head.target(),
            target,
            "{asked}"
        );
    }
}

#[test]
fn a_name_without_a_dot_is_no_path_component() {
    let (a, b) = (saying("a"), saying("b"));
    let docxy = start(&[
        "--upstream",
        &named("a.test", &a),
        "--upstream",
        &named("local", &b),
    ]);
    assert_eq!(get(&docxy, "/v2/local/x/manifests/t").text(), "a");
    assert_eq!(a.requests()[0].head.target(), "/v2/local/x/manifests/t");
    assert_eq!(get(&docxy, "/v2/x/y/manifests/t?ns=local").text(), "b");
}

#[test]
fn every_kind_of_path_passes_as_it_was_written() {
    let registry = saying("ok");
    let docxy = before(&registry);
    let paths = [
        "/v2/".to_owned(),
        format!("/v2/a/manifests/{DIGEST}"),
        "/v2/a/manifests/b/manifests/latest".to_owned(),
        "/v2/a/blobs/b/manifests/v1.0_x-y".to_owned(),
        format!("/v2/a/b-c/d__e/f.g/blobs/{DIGEST}"),
        "/v2/a/b/tags/list?n=2&last=a%2Fb".to_owned(),
        format!("/v2/a/b/referrers/{DIGEST}?artifactType=application%2Fx"),
    ];
    for path in paths {
        assert_eq!(get(&docxy, &path).status(), 200, "{path}");
        assert_eq!(registry.requests().pop().unwrap().head.target(), path);
    }
}

#[test]
fn what_the_grammar_refuses_reaches_no_upstream() {
    let registry = saying("never");
    let docxy = before(&registry);
    let attacks = [
        "v2/a/b/manifests/t",
        "/v2/a/b/manifests/t\u{e9}",
        "/v2/../secret",
        "/v2/a/../b/manifests/t",
        "/v2/a/./b/manifests/t",
        "/v2/a//b/manifests/t",
        "//v2/a/manifests/t",
        "/v2/a%2fb/manifests/t",
        "/v2/a%2Fb/manifests/t",
        "/v2/a%5cb/manifests/t",
        "/v2/a/b/manifests/t%00",
        "/v2/a/b/manifests/t%0d%0ax",
        "/v2/a/b/manifests/..",
    ];
    for path in attacks {
        assert_eq!(get(&docxy, path).status(), 400, "{path}");
    }
    let ungrammatical = [
        "/v2/%2e%2e/b/manifests/t",
        "/v2/a/b/manifests/%2e%2e",
        "/v2/A/b/manifests/t",
        "/v2/a/b/manifests/-t",
        "/v2/a/b/manifests/sha256:123",
        "/v2/a/b/blobs/latest",
        "/v2/a/b/blobs/sha256:zz",
        "/v2/-a/b/manifests/t",
        "/v2/a/b./manifests/t",
        "/v2/a/b/manifests/",
        &format!("/v2/a/b/manifests/{}", "t".repeat(129)),
    ];
    for path in ungrammatical {
        let status = get(&docxy, path).status();
        assert!(status == 400 || status == 404, "{path} is {status}");
    }
    assert_eq!(registry.connections(), 0);
}

#[test]
fn everything_else_is_404() {
    let registry = saying("never");
    let docxy = before(&registry);
    for path in [
        "/",
        "/v1/",
        "/metrics",
        "/favicon.ico",
        "/auth/other.test/token",
        "/v2/a/b",
        "/healthz",
        "/token/x",
    ] {
        let response = get(&docxy, path);
        assert_eq!(response.status(), 404, "{path}");
        assert!(response.head.has("date"), "{path}");
    }
    assert_eq!(registry.connections(), 0);
}

#[test]
fn an_upstream_without_name_is_called_by_its_host_and_port() {
    let auth = saying("token");
    let challenge = format!("Bearer realm=\"{}/token\"", auth.url());
    let registry = Server::start(move |request| match request.head.target() {
        "/v2/" => Answer::challenge(&[&challenge]),
        _ => Answer::ok("manifest"),
    });
    let docxy = start(&["--upstream", &registry.url()]);
    let (name, response) = (registry.authority(), get(&docxy, "/v2/"));
    let realm = format!("Bearer realm=\"http://docxy.test/auth/{name}/token\"");
    assert_eq!(response.head.one("www-authenticate"), Some(realm.as_str()));
    assert_eq!(get(&docxy, &format!("/auth/{name}/token")).text(), "token");
    assert_eq!(
        get(&docxy, &format!("/v2/{name}/a/b/manifests/t")).text(),
        "manifest"
    );
    assert_eq!(
        registry.requests().pop().unwrap().head.target(),
        "/v2/a/b/manifests/t"
    );
}

#[test]
fn health_and_ready_answer_without_the_upstream() {
    let registry = saying("never");
    let docxy = before(&registry);
    for path in ["/health", "/ready"] {
        assert_eq!(get(&docxy, path).status(), 200, "{path}");
        assert_eq!(ask(&docxy, &Ask::head(path)).status(), 200, "{path}");
    }
    assert_eq!(registry.connections(), 0);
}

#[test]
fn an_absolute_target_chooses_as_a_host_does() {
    let two = two();
    let request = Ask::get("http://b.test/v2/x/y/manifests/t").host("a.test");
    assert_eq!(ask(&two.docxy, &request).text(), "b");
    assert_eq!(
        two.b.only_request().head.one("host"),
        Some(two.b.authority().as_str())
    );
}
