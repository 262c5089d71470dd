//! What goes nowhere: errors, other methods, paths that could be read in two ways, and what may not pass.

use super::*;

/// Asked on a Host of ghcr.io's own.
const ERRORS: &str = "
    method   target                               status  code
    GET      /v2/A/manifests/x                    400     NAME_INVALID
    GET      /v2/a_/manifests/x                   400     NAME_INVALID
    GET      /v2/manifests/x                      404     NOT_FOUND
    GET      /v2/ghcr.io/manifests/x              404     NOT_FOUND
    GET      /v2/a/manifests/                     400     TAG_INVALID
    GET      /v2/a/manifests/.x                   400     TAG_INVALID
    GET      /v2/a/manifests/x/y                  400     TAG_INVALID
    GET      /v2/a/manifests/x%20y                400     NAME_INVALID
    GET      /v2/a/manifests/x%41y                400     TAG_INVALID
    GET      /v2/a/manifests/sha256:x             400     DIGEST_INVALID
    GET      /v2/a/blobs/latest                   400     DIGEST_INVALID
    GET      /v2/a/blobs/uploads/                 400     DIGEST_INVALID
    GET      /v2/a/referrers/latest               400     DIGEST_INVALID
    GET      /v2/unknown.test:5000/a/manifests/x  400     NAME_INVALID
    GET      /v2/a/manifests/x?ns=evil.test       404     NAME_UNKNOWN
    GET      /v2/a/manifests/x?ns=ghcr.io%2f      404     NAME_UNKNOWN
    GET      /v2/a/manifests/x?ns=%00             404     NAME_UNKNOWN
    GET      /v2/?ns=evil.test                    404     NAME_UNKNOWN
    GET      /auth/evil.test/token                404     NAME_UNKNOWN
    GET      /auth/a/b/token                      404     NOT_FOUND
    GET      /auth/ghcr.io/token/                 404     NOT_FOUND
    GET      /                                    404     NOT_FOUND
    GET      /v1/                                 404     NOT_FOUND
    GET      /v22                                 404     NOT_FOUND
    GET      /health/                             404     NOT_FOUND
    GET      /metrics                             404     NOT_FOUND
    GET      /v2/_catalog                         404     NOT_FOUND
    GET      /v2/a                                404     NOT_FOUND
    GET      /v2/a/tags/list/x                    404     NOT_FOUND
    GET      /v2/a/tags/list/                     404     NOT_FOUND
    POST     /v2/a/blobs/uploads/                 405     UNSUPPORTED
    PUT      /v2/a/manifests/x                    405     UNSUPPORTED
    DELETE   /v2/a/manifests/x                    405     UNSUPPORTED
    POST     /v2/                                 405     UNSUPPORTED
    get      /v2/                                 405     UNSUPPORTED
    -        /v2/                                 405     UNSUPPORTED
    CONNECT  a.test:443                           405     UNSUPPORTED
    OPTIONS  *                                    405     UNSUPPORTED
    PUT      /auth/ghcr.io/token                  405     UNSUPPORTED
    GET      *                                    400     NAME_INVALID
    GET      -                                    400     NAME_INVALID
    GET      a.test:443                           400     NAME_INVALID
";

#[test]
fn errors_have_status_and_code() {
    for [method, target, status, code] in rows(ERRORS) {
        let error = ask(&several(), method, target, "gh.test").unwrap_err();
        let found = (error.status().to_string(), error.code());
        assert_eq!(found, (status.to_owned(), code), "{method} {target}");
        let message = error.to_string();
        let is_plain = |b| u8::is_ascii_graphic(&b) || b == b' ';
        assert!(message.bytes().all(is_plain), "{message}");
    }
}

#[test]
fn library_counts_for_the_length_of_a_name() {
    let too_long = format!("/v2/{}/manifests/x", "a".repeat(250));
    let error = ask(&one(), "GET", &too_long, "").unwrap_err();
    assert_eq!(error.status(), 400);
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
