//! Requests by the table of design §3, and those that go nowhere.

use super::super::name;
use super::super::table::Upstream;
use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn table(texts: &[&str]) -> Table {
    let upstreams = texts.iter().flat_map(|text| Upstream::parse(text).unwrap());
    let mut table = Table::new(upstreams.collect()).unwrap();
    if table.find("ghcr.io").is_some() {
        table.add_alias("ghcr.io", "gh.test").unwrap();
    }
    table
}

fn one() -> Table {
    table(&["docker.io"])
}

fn several() -> Table {
    table(&[
        "docker.io",
        "ghcr.io",
        "http://127.0.0.1:5100",
        "corp=https://reg.corp.test",
    ])
}

fn ask(table: &Table, method: &str, target: &str, host: &str) -> Result<Route, RouteError> {
    ask_allowed(table, &[], method, target, host)
}

fn ask_allowed(
    table: &Table,
    rules: &[&str],
    method: &str,
    target: &str,
    host: &str,
) -> Result<Route, RouteError> {
    let rules: Vec<String> = rules.iter().map(|&rule| rule.to_owned()).collect();
    let allow = Access::parse(&rules, table).unwrap();
    let host = (!host.is_empty()).then(|| Authority::parse(host.as_bytes()).unwrap());
    let asked = Asked {
        method: method.as_bytes(),
        target,
        host: host.as_ref(),
    };
    route(&asked, table, &allow)
}

fn content(table: &Table, target: &str, host: &str) -> Content {
    match ask(table, "GET", target, host) {
        Ok(Route::Content(content)) => content,
        other => panic!("{target}: {other:?}"),
    }
}

fn name_of(table: &Table, id: UpstreamId) -> &str {
    &table.get(id).name
}

#[test]
fn own_endpoints() {
    for table in [one(), several()] {
        assert_eq!(ask(&table, "GET", "/health", "x"), Ok(Route::Health));
        assert_eq!(ask(&table, "HEAD", "/ready?x=1", ""), Ok(Route::Ready));
        assert_eq!(ask(&table, "GET", "/ca.crt", "x"), Ok(Route::Ca));
    }
}

#[test]
fn content_of_one_upstream() {
    let long = format!("/v2/library/alpine/blobs/{DIGEST}");
    let short = format!("/v2/alpine/blobs/{DIGEST}");
    let referrers = format!("/v2/a/b/referrers/{DIGEST}?artifactType=x%2Fy");
    let cases = [
        (
            "/v2/alpine/manifests/latest",
            Kind::Manifest,
            "library/alpine",
            "/v2/library/alpine/manifests/latest",
        ),
        (
            "/v2/library/alpine/manifests/latest",
            Kind::Manifest,
            "library/alpine",
            "/v2/library/alpine/manifests/latest",
        ),
        (&long, Kind::Blob, "library/alpine", &long),
        (&short, Kind::Blob, "library/alpine", &long),
        (&referrers, Kind::Referrers, "a/b", &referrers),
        (
            "/v2/a/b/tags/list?n=2&last=x",
            Kind::Tags,
            "a/b",
            "/v2/a/b/tags/list?n=2&last=x",
        ),
        (
            "/v2/docker.io/alpine/manifests/3",
            Kind::Manifest,
            "library/alpine",
            "/v2/library/alpine/manifests/3",
        ),
        (
            "/v2/Index.Docker.IO/a/b/manifests/3",
            Kind::Manifest,
            "a/b",
            "/v2/a/b/manifests/3",
        ),
        (
            "/v2/my.project/x/manifests/3",
            Kind::Manifest,
            "my.project/x",
            "/v2/my.project/x/manifests/3",
        ),
        (
            "/v2/a/b/manifests/x?",
            Kind::Manifest,
            "a/b",
            "/v2/a/b/manifests/x?",
        ),
    ];
    for (target, kind, repository, path_and_query) in cases {
        let content = content(&one(), target, "evil.test");
        assert_eq!(content.kind, kind, "{target}");
        assert_eq!(content.repository(), repository, "{target}");
        assert_eq!(content.path_and_query, path_and_query, "{target}");
        assert!(!content.place.shared, "{target}");
        assert_eq!(content.place.identity, Identity::Own, "{target}");
    }
}

#[test]
fn paths_are_split_at_the_last_keyword() {
    let cases = [
        ("/v2/x/manifests/manifests/latest", "x/manifests"),
        (
            "/v2/manifests/manifests/manifests/latest",
            "manifests/manifests",
        ),
        ("/v2/x/tags/list/manifests/latest", "x/tags/list"),
        ("/v2/x/manifests/tags/list", "x/manifests"),
        ("/v2/x/tags/list/tags/list", "x/tags/list"),
        ("/v2/x/blobs/y/manifests/latest", "x/blobs/y"),
        ("/v2/x/referrers/manifests/blobs", "x/referrers"),
        ("/v2/x/uploads/manifests/list", "x/uploads"),
        ("/v2/blobs/manifests/x", "library/blobs"),
    ];
    for (target, repository) in cases {
        assert_eq!(
            content(&one(), target, "").repository(),
            repository,
            "{target}"
        );
    }
}

#[test]
fn the_first_that_names_an_upstream_chooses_it() {
    let cases = [
        // target, host, upstream, path there
        (
            "/v2/a/b/tags/list",
            "docxy.test",
            "docker.io",
            "/v2/a/b/tags/list",
        ),
        ("/v2/a/b/tags/list", "", "docker.io", "/v2/a/b/tags/list"),
        ("/v2/a/tags/list", "gh.test", "ghcr.io", "/v2/a/tags/list"),
        (
            "/v2/a/tags/list",
            "GH.test:5000",
            "ghcr.io",
            "/v2/a/tags/list",
        ),
        ("/v2/a/tags/list", "ghcr.io", "ghcr.io", "/v2/a/tags/list"),
        ("/v2/a/tags/list", "corp", "corp", "/v2/a/tags/list"),
        (
            "/v2/a/tags/list",
            "127.0.0.1:5100",
            "docker.io",
            "/v2/library/a/tags/list",
        ),
        (
            "/v2/a/tags/list?ns=ghcr.io",
            "docxy.test",
            "ghcr.io",
            "/v2/a/tags/list",
        ),
        (
            "/v2/a/tags/list?ns=docker.io",
            "gh.test",
            "docker.io",
            "/v2/library/a/tags/list",
        ),
        (
            "/v2/a/tags/list?ns=127.0.0.1%3A5100&n=1",
            "",
            "127.0.0.1:5100",
            "/v2/a/tags/list?n=1",
        ),
        (
            "/v2/a/tags/list?ns=127.0.0.1:5100",
            "",
            "127.0.0.1:5100",
            "/v2/a/tags/list",
        ),
        ("/v2/a/tags/list?ns=corp", "", "corp", "/v2/a/tags/list"),
        (
            "/v2/a/tags/list?ns=GHCR.IO",
            "",
            "ghcr.io",
            "/v2/a/tags/list",
        ),
        (
            "/v2/ghcr.io/a/tags/list",
            "docxy.test",
            "ghcr.io",
            "/v2/a/tags/list",
        ),
        (
            "/v2/ghcr.io/a/tags/list?ns=ghcr.io",
            "",
            "ghcr.io",
            "/v2/a/tags/list",
        ),
        (
            "/v2/ghcr.io/a/tags/list?ns=docker.io",
            "",
            "ghcr.io",
            "/v2/a/tags/list",
        ),
        (
            "/v2/ghcr.io/a/tags/list?ns=other.test",
            "",
            "ghcr.io",
            "/v2/a/tags/list",
        ),
        (
            "/v2/docker.io/a/tags/list",
            "gh.test",
            "docker.io",
            "/v2/library/a/tags/list",
        ),
        (
            "/v2/127.0.0.1:5100/lib/x/tags/list",
            "",
            "127.0.0.1:5100",
            "/v2/lib/x/tags/list",
        ),
        (
            "/v2/reg.corp.test/a/b/tags/list",
            "",
            "corp",
            "/v2/a/b/tags/list",
        ),
        (
            "/v2/corp/a/tags/list",
            "",
            "docker.io",
            "/v2/corp/a/tags/list",
        ),
        (
            "/v2/ghcr.io/ghcr.io/a/tags/list",
            "",
            "ghcr.io",
            "/v2/ghcr.io/a/tags/list",
        ),
        (
            "/v2/a/tags/list?ns=",
            "gh.test",
            "ghcr.io",
            "/v2/a/tags/list",
        ),
        (
            "/v2/a/tags/list?ns",
            "",
            "docker.io",
            "/v2/library/a/tags/list",
        ),
        (
            "/v2/a/tags/list?ns=&ns=ghcr.io",
            "",
            "ghcr.io",
            "/v2/a/tags/list",
        ),
    ];
    let table = several();
    for (target, host, upstream, path) in cases {
        let content = content(&table, target, host);
        assert_eq!(
            name_of(&table, content.upstream),
            upstream,
            "{target} {host}"
        );
        assert_eq!(content.path_and_query, path, "{target} {host}");
    }
}

#[test]
fn places_say_how_the_upstream_was_named() {
    let table = several();
    let cases = [
        (
            "/v2/a/b/tags/list",
            "x.test",
            None,
            None,
            true,
            Identity::Own,
        ),
        (
            "/v2/GHCR.io/b/tags/list",
            "x.test",
            Some("GHCR.io"),
            None,
            true,
            Identity::Anonymous,
        ),
        (
            "/v2/a/b/tags/list?ns=ghcr.io",
            "x.test",
            None,
            Some("ghcr.io"),
            true,
            Identity::Anonymous,
        ),
        (
            "/v2/a/b/tags/list?ns=docker.io",
            "x.test",
            None,
            Some("docker.io"),
            true,
            Identity::Own,
        ),
        (
            "/v2/docker.io/b/tags/list",
            "x.test",
            Some("docker.io"),
            None,
            true,
            Identity::Own,
        ),
        (
            "/v2/a/b/tags/list",
            "gh.test",
            None,
            None,
            false,
            Identity::Own,
        ),
        (
            "/v2/ghcr.io/b/tags/list",
            "gh.test",
            Some("ghcr.io"),
            None,
            false,
            Identity::Own,
        ),
        (
            "/v2/docker.io/b/tags/list",
            "gh.test",
            Some("docker.io"),
            None,
            false,
            Identity::Anonymous,
        ),
        (
            "/v2/ghcr.io/b/tags/list?ns=127.0.0.1%3a5100",
            "",
            Some("ghcr.io"),
            Some("127.0.0.1%3a5100"),
            true,
            Identity::Anonymous,
        ),
        (
            "/v2/ghcr.io/b/tags/list?ns=other.test",
            "",
            Some("ghcr.io"),
            Some("other.test"),
            true,
            Identity::Anonymous,
        ),
        (
            "/v2/ghcr.io/b/tags/list?ns=%0d%0aX:y",
            "",
            Some("ghcr.io"),
            None,
            true,
            Identity::Anonymous,
        ),
        (
            "/v2/ghcr.io/b/tags/list?ns=a>;rel=x",
            "",
            Some("ghcr.io"),
            None,
            true,
            Identity::Anonymous,
        ),
    ];
    for (target, host, prefix, ns, shared, identity) in cases {
        let place = content(&table, target, host).place;
        let expected = Place {
            prefix: prefix.map(str::to_owned),
            ns: ns.map(str::to_owned),
            shared,
            identity,
            mount: None,
        };
        assert_eq!(place, expected, "{target} {host}");
    }
    let place = content(&table, "/v2/a/tags/list?ns=127.0.0.1%3a5100", "").place;
    assert_eq!(place.namespace().as_deref(), Some("127.0.0.1:5100"));
    assert_eq!(Place::default().namespace(), None);
}

#[test]
fn ns_is_left_out_and_the_rest_of_the_query_stays() {
    let cases = [
        ("", ""),
        ("?", "?"),
        ("?ns=docker.io", ""),
        ("?ns=", ""),
        ("?n=1", "?n=1"),
        ("?ns=docker.io&n=1&last=b%2fc", "?n=1&last=b%2fc"),
        ("?n=1&ns=docker.io&last=x", "?n=1&last=x"),
        ("?n=1&ns=docker.io", "?n=1"),
        ("?&ns=docker.io&&n=1", "?&&n=1"),
        ("?nsx=1&xns=2", "?nsx=1&xns=2"),
        ("?ns=docker.io&ns=ghcr.io", ""),
        ("?last=a?b&n=%zz", "?last=a?b&n=%zz"),
    ];
    for (query, kept) in cases {
        let target = format!("/v2/a/b/tags/list{query}");
        let expected = format!("/v2/a/b/tags/list{kept}");
        assert_eq!(
            content(&several(), &target, "").path_and_query,
            expected,
            "{query}"
        );
    }
}

#[test]
fn pings_go_to_the_upstream_that_is_named() {
    let cases = [
        ("/v2/", "x.test", None),
        ("/v2", "x.test", None),
        ("/v2/", "gh.test", Some("ghcr.io")),
        ("/v2/?ns=ghcr.io", "x.test", Some("ghcr.io")),
        ("/v2/ghcr.io/", "x.test", Some("ghcr.io")),
        ("/v2/ghcr.io", "x.test", Some("ghcr.io")),
        ("/v2/docker.io/?ns=ghcr.io", "gh.test", Some("docker.io")),
        ("/v2/127.0.0.1:5100/", "", Some("127.0.0.1:5100")),
    ];
    let table = several();
    for (target, host, expected) in cases {
        match (ask(&table, "GET", target, host), expected) {
            (Ok(Route::SharedPing), None) => {}
            (Ok(Route::Ping { upstream, .. }), Some(name)) => {
                assert_eq!(name_of(&table, upstream), name, "{target}");
            }
            (other, _) => panic!("{target} {host}: {other:?}"),
        }
    }
    for target in ["/v2/", "/v2", "/v2/docker.io/"] {
        assert!(
            matches!(ask(&one(), "GET", target, "x.test"), Ok(Route::Ping { .. })),
            "{target}"
        );
    }
    let Ok(Route::Ping { place, .. }) = ask(&table, "GET", "/v2/ghcr.io/", "x.test") else {
        panic!("no ping");
    };
    assert_eq!(place.prefix.as_deref(), Some("ghcr.io"));
}

#[test]
fn tokens_go_to_the_upstream_of_the_path() {
    let cases = [
        ("/auth/ghcr.io/token", "x.test", Some("ghcr.io"), None, true),
        (
            "/auth/127.0.0.1%3A5100/token",
            "x.test",
            Some("127.0.0.1:5100"),
            None,
            true,
        ),
        (
            "/auth/127.0.0.1:5100/token",
            "x.test",
            Some("127.0.0.1:5100"),
            None,
            true,
        ),
        ("/auth/corp/token", "", Some("corp"), None, true),
        (
            "/auth/GHCR.IO/token?service=x&scope=repository%3Aa%3Apull",
            "gh.test",
            Some("ghcr.io"),
            Some("ghcr.io"),
            false,
        ),
        ("/auth/token?a=b", "x.test", None, None, true),
        ("/token", "gh.test", None, Some("ghcr.io"), false),
    ];
    let table = several();
    for method in ["GET", "HEAD", "POST"] {
        for (target, host, upstream, by_host, shared) in cases {
            let Ok(Route::Token(token)) = ask(&table, method, target, host) else {
                panic!("{target}");
            };
            assert_eq!(
                token.upstream.map(|id| name_of(&table, id)),
                upstream,
                "{target}"
            );
            assert_eq!(
                token.by_host.map(|id| name_of(&table, id)),
                by_host,
                "{target}"
            );
            assert_eq!(token.shared, shared, "{target}");
            assert_eq!(
                token.query,
                split_query(target).1.trim_start_matches('?'),
                "{target}"
            );
        }
    }
    let Ok(Route::Token(token)) = ask(&one(), "GET", "/token?password=secret", "x.test") else {
        panic!("no token route");
    };
    assert!(!token.shared);
    assert!(!format!("{token:?}").contains("secret"));
    assert_eq!(
        token.identity(&one(), one().default_upstream()),
        Identity::Own
    );
}

#[test]
fn ipv6_upstreams_have_token_paths() {
    let table = table(&["http://[2001:db8::1]:5000", "docker.io"]);
    for target in [
        "/auth/[2001:db8::1]:5000/token",
        "/auth/%5B2001%3Adb8%3A%3A1%5D%3A5000/token",
    ] {
        let Ok(Route::Token(token)) = ask(&table, "GET", target, "") else {
            panic!("{target}");
        };
        assert_eq!(token.upstream, Some(table.default_upstream()), "{target}");
    }
}

#[test]
fn errors_have_status_and_code() {
    let cases = [
        ("GET", "/v2/A/manifests/x", 400, "NAME_INVALID"),
        ("GET", "/v2/a_/manifests/x", 400, "NAME_INVALID"),
        ("GET", "/v2/manifests/x", 404, "NOT_FOUND"),
        ("GET", "/v2/ghcr.io/manifests/x", 404, "NOT_FOUND"),
        ("GET", "/v2/a/manifests/", 400, "TAG_INVALID"),
        ("GET", "/v2/a/manifests/.x", 400, "TAG_INVALID"),
        ("GET", "/v2/a/manifests/x/y", 400, "TAG_INVALID"),
        ("GET", "/v2/a/manifests/x%20y", 400, "NAME_INVALID"),
        ("GET", "/v2/a/manifests/x%41y", 400, "TAG_INVALID"),
        ("GET", "/v2/a/manifests/sha256:x", 400, "DIGEST_INVALID"),
        ("GET", "/v2/a/blobs/latest", 400, "DIGEST_INVALID"),
        ("GET", "/v2/a/blobs/uploads/", 400, "DIGEST_INVALID"),
        ("GET", "/v2/a/referrers/latest", 400, "DIGEST_INVALID"),
        (
            "GET",
            "/v2/unknown.test:5000/a/manifests/x",
            400,
            "NAME_INVALID",
        ),
        ("GET", "/v2/a/manifests/x?ns=evil.test", 404, "NAME_UNKNOWN"),
        (
            "GET",
            "/v2/a/manifests/x?ns=ghcr.io%2f",
            404,
            "NAME_UNKNOWN",
        ),
        ("GET", "/v2/a/manifests/x?ns=%00", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/?ns=evil.test", 404, "NAME_UNKNOWN"),
        ("GET", "/auth/evil.test/token", 404, "NAME_UNKNOWN"),
        ("GET", "/auth/a/b/token", 404, "NOT_FOUND"),
        ("GET", "/auth/ghcr.io/token/", 404, "NOT_FOUND"),
        ("GET", "/", 404, "NOT_FOUND"),
        ("GET", "/v1/", 404, "NOT_FOUND"),
        ("GET", "/v22", 404, "NOT_FOUND"),
        ("GET", "/health/", 404, "NOT_FOUND"),
        ("GET", "/metrics", 404, "NOT_FOUND"),
        ("GET", "/v2/_catalog", 404, "NOT_FOUND"),
        ("GET", "/v2/a", 404, "NOT_FOUND"),
        ("GET", "/v2/a/tags/list/x", 404, "NOT_FOUND"),
        ("GET", "/v2/a/tags/list/", 404, "NOT_FOUND"),
        ("POST", "/v2/a/blobs/uploads/", 405, "UNSUPPORTED"),
        ("PUT", "/v2/a/manifests/x", 405, "UNSUPPORTED"),
        ("DELETE", "/v2/a/manifests/x", 405, "UNSUPPORTED"),
        ("POST", "/v2/", 405, "UNSUPPORTED"),
        ("get", "/v2/", 405, "UNSUPPORTED"),
        ("", "/v2/", 405, "UNSUPPORTED"),
        ("CONNECT", "a.test:443", 405, "UNSUPPORTED"),
        ("OPTIONS", "*", 405, "UNSUPPORTED"),
        ("PUT", "/auth/ghcr.io/token", 405, "UNSUPPORTED"),
        ("GET", "*", 400, "NAME_INVALID"),
        ("GET", "", 400, "NAME_INVALID"),
        ("GET", "a.test:443", 400, "NAME_INVALID"),
    ];
    for (method, target, status, code) in cases {
        let error = ask(&several(), method, target, "gh.test").unwrap_err();
        assert_eq!(
            (error.status(), error.code()),
            (status, code),
            "{method} {target}: {error}"
        );
        let message = error.to_string();
        assert!(
            message.bytes().all(|b| b.is_ascii_graphic() || b == b' '),
            "{message}"
        );
    }
    let too_long = format!("/v2/{}/manifests/x", "a".repeat(250));
    assert_eq!(
        ask(&one(), "GET", &too_long, "").unwrap_err().status(),
        400,
        "with library/"
    );
    assert!(ask(&table(&["ghcr.io"]), "GET", &too_long, "").is_ok());
}

#[test]
fn a_405_names_the_methods_that_are_served() {
    let cases = [
        ("PUT", "/v2/", Some("GET, HEAD")),
        ("POST", "/health", Some("GET, HEAD")),
        ("PUT", "/auth/ghcr.io/token", Some("GET, HEAD, POST")),
        ("DELETE", "/token", Some("GET, HEAD, POST")),
        ("PUT", "/auth/token?x", Some("GET, HEAD, POST")),
        ("GET", "/x", None),
    ];
    for (method, target, allowed) in cases {
        let error = ask(&several(), method, target, "").unwrap_err();
        assert_eq!(error.allow_methods(), allowed, "{method} {target}");
    }
}

#[test]
fn paths_that_could_be_read_in_two_ways_are_malformed() {
    let paths = [
        "/v2/../a/manifests/x",
        "/v2/a/../b/manifests/x",
        "/v2/./a/manifests/x",
        "/v2/a/manifests/..",
        "/v2/a/manifests/.",
        "/..",
        "//v2/a/manifests/x",
        "/v2//a/manifests/x",
        "/v2/a/manifests//x",
        "/v2//",
        "/v2/a%2fb/manifests/x",
        "/v2/a%2Fb/manifests/x",
        "/v2/a%5cb/manifests/x",
        "/v2/%2e%2e/manifests/x",
        "/v2/%2E./manifests/x",
        "/v2/a%00/manifests/x",
        "/v2/a%0d%0a/manifests/x",
        "/v2/a%7f/manifests/x",
        "/v2/a%c0%af/manifests/x",
        "/v2/a%252fb/manifests/x",
        "/v2/a%/manifests/x",
        "/v2/a%2/manifests/x",
        "/v2/a%zz/manifests/x",
        "/v2/a\\b/manifests/x",
        "/v2/a b/manifests/x",
        "/v2/a\tb/manifests/x",
        "/v2/a\r\nb/manifests/x",
        "/v2/a\0/manifests/x",
        "/v2/ü/manifests/x",
        "/v2/a#b/manifests/x",
        "/auth/%2e%2e/token",
        "/auth/a%2fb/token",
        "/auth//token",
        "/v2/a/manifests/x?a=\r\nX:",
        "/v2/a/manifests/x?a= b",
        "/v2/a/manifests/x?a=é",
        "/v2/a/manifests/x?a#b",
    ];
    for path in paths {
        assert_eq!(
            ask(&several(), "GET", path, ""),
            Err(RouteError::Malformed),
            "{path:?}"
        );
    }
}

#[test]
fn only_what_is_allowed_passes() {
    let rules = ["ghcr.io/org/*", "docker.io/alpine"];
    let blob = format!("/v2/ghcr.io/org/x/blobs/{DIGEST}");
    let other_blob = format!("/v2/ghcr.io/other/x/blobs/{DIGEST}");
    let cases = [
        ("/v2/ghcr.io/org/x/manifests/1", true),
        (&blob, true),
        (&other_blob, false),
        ("/v2/ghcr.io/other/x/manifests/1", false),
        ("/v2/ghcr.io/other/x/tags/list", false),
        ("/v2/alpine/manifests/1", true),
        ("/v2/library/alpine/tags/list", true),
        ("/v2/docker.io/alpine/tags/list", true),
        ("/v2/org/x/manifests/1", false),
        ("/v2/org/x/manifests/1?ns=ghcr.io", true),
        ("/v2/127.0.0.1:5100/org/x/manifests/1", false),
    ];
    for (target, passes) in cases {
        let answer = ask_allowed(&several(), &rules, "GET", target, "");
        match answer {
            Ok(_) => assert!(passes, "{target}"),
            Err(error) => {
                assert!(!passes, "{target}: {error}");
                assert_eq!((error.status(), error.code()), (403, "DENIED"), "{target}");
            }
        }
    }
    assert!(ask_allowed(&several(), &rules, "GET", "/v2/", "").is_ok());
}

#[test]
fn messages_quote_little_and_only_what_is_printable() {
    let error = RouteError::UnknownName(format!("a\r\n\"<é{}", "x".repeat(500)));
    let message = error.to_string();
    assert!(message.len() < 150, "{message}");
    assert!(
        message.starts_with("no upstream is named 'a?????xx"),
        "{message}"
    );
    assert!(message.ends_with("...'"), "{message}");
}

#[test]
fn methods_are_told_apart_by_case() {
    for method in [Method::Get, Method::Head, Method::Post] {
        assert_eq!(Method::parse(method.as_str().as_bytes()), Some(method));
        assert_eq!(
            Method::parse(method.as_str().to_lowercase().as_bytes()),
            None
        );
    }
}

#[test]
fn any_byte_anywhere_is_survived() {
    let target = format!("/v2/ghcr.io/a/blobs/{DIGEST}?ns=127.0.0.1%3A5100&n=1");
    let table = several();
    for at in 0..=target.len() {
        let _ = ask(&table, "GET", &target[..at], "");
        for c in ['\0', '%', '/', '.', ':', '?', '&', '\u{7f}', 'é'] {
            let changed = format!("{}{c}{}", &target[..at], &target[at..]);
            if let Ok(Route::Content(content)) = ask(&table, "GET", &changed, "") {
                assert!(name::is_repository(content.repository()), "{changed}");
                assert!(
                    content.path_and_query.bytes().all(|b| b.is_ascii_graphic()),
                    "{changed}"
                );
            }
        }
    }
}

#[test]
fn catalogues_are_404_unless_they_are_shown() {
    let table = several();
    let asked = |target, host: &str, access: &Access| {
        let host = (!host.is_empty()).then(|| Authority::parse(host.as_bytes()).unwrap());
        let asked = Asked {
            method: b"GET",
            target,
            host: host.as_ref(),
        };
        route(&asked, &table, access)
    };
    let mut shown = Access::parse(&["ghcr.io/org/*".to_owned()], &table).unwrap();
    shown.show_catalogs();
    let mut all = Access::open(&table);
    assert_eq!(asked("/v2/_catalog", "", &all), Err(RouteError::NotFound));
    all.show_catalogs();
    let cases = [
        ("/v2/_catalog", "", "docker.io", "/v2/_catalog"),
        (
            "/v2/_catalog?n=2&last=a%2fb",
            "gh.test",
            "ghcr.io",
            "/v2/_catalog?n=2&last=a%2fb",
        ),
        (
            "/v2/ghcr.io/_catalog?n=2",
            "",
            "ghcr.io",
            "/v2/_catalog?n=2",
        ),
        (
            "/v2/_catalog?ns=ghcr.io&n=2",
            "",
            "ghcr.io",
            "/v2/_catalog?n=2",
        ),
        ("/v2/_catalog?ns=ghcr.io", "", "ghcr.io", "/v2/_catalog"),
    ];
    for (target, host, upstream, path_and_query) in cases {
        let Ok(Route::Catalog(catalog)) = asked(target, host, &all) else {
            panic!("{target}");
        };
        assert_eq!(name_of(&table, catalog.upstream), upstream, "{target}");
        assert_eq!(catalog.path_and_query, path_and_query, "{target}");
        let refused = asked(target, host, &shown).unwrap_err();
        assert_eq!(
            (refused.status(), refused.code()),
            (403, "DENIED"),
            "{target}"
        );
    }
    for target in ["/v2/_catalog/", "/v2/a/_catalog", "/v2/_catalogs"] {
        assert_eq!(
            asked(target, "", &all),
            Err(RouteError::NotFound),
            "{target}"
        );
    }
}
