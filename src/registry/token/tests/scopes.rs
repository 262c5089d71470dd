//! Whose the scopes are, and whether they may pass.

use super::*;

#[test]
fn scopes_choose_the_upstream() {
    let cases: [(&str, Option<&str>); 13] = [
        ("", None),
        ("service=docxy", None),
        ("scope=repository:alpine:pull", None),
        ("scope=repository%3Alibrary%2Falpine%3Apull", None),
        ("scope=repository:ghcr.io/a/b:pull", Some("ghcr.io")),
        ("scope=repository%3AGHCR.io%2Fa%2Fb%3Apull", Some("ghcr.io")),
        (
            "scope=repository:127.0.0.1:5100/lib/x:pull",
            Some("127.0.0.1:5100"),
        ),
        ("scope=repository(plugin):ghcr.io/a/b:pull", Some("ghcr.io")),
        (
            "scope=repository:ghcr.io/a/b:pull+repository:ghcr.io/c:pull,push",
            Some("ghcr.io"),
        ),
        (
            "scope=repository:docker.io/a:pull&scope=repository:b:pull",
            Some("docker.io"),
        ),
        (
            "scope=registry:catalog:*&scope=repository:ghcr.io/a/b:pull",
            Some("ghcr.io"),
        ),
        ("scope=repository:corp/a:pull", None),
        ("scope=repository:my.project/a:pull", None),
    ];
    for (text, expected) in cases {
        let found = parse(text).upstream(&table(), None).unwrap();
        assert_eq!(
            found.map(|id| table().get(id).name.clone()).as_deref(),
            expected,
            "{text}"
        );
    }
}

#[test]
fn scopes_of_two_upstreams_are_refused() {
    let cases = [
        "scope=repository:alpine:pull&scope=repository:ghcr.io/a/b:pull",
        "scope=repository:ghcr.io/a/b:pull&scope=repository:alpine:pull",
        "scope=repository:ghcr.io/a/b:pull%20repository:127.0.0.1:5100/x:pull",
        "scope=repository:ghcr.io/a/b:pull+repository:docker.io/x:pull",
    ];
    for text in cases {
        let error = parse(text).upstream(&table(), None).unwrap_err();
        assert!(matches!(error, TokenError::TwoUpstreams(..)), "{text}");
        assert_eq!(error.status(), 400, "{text}");
    }
}

#[test]
fn a_repository_without_a_name_belongs_to_whom_the_host_chooses() {
    let ghcr = id("ghcr.io");
    for (text, expected) in [
        ("scope=repository:a/b:pull", None),
        (
            "scope=repository:a/b:pull&scope=repository:ghcr.io/c:pull",
            Some(ghcr),
        ),
        ("scope=repository:docker.io/a:pull", Some(id("docker.io"))),
    ] {
        assert_eq!(
            parse(text).upstream(&table(), Some(ghcr)),
            Ok(expected),
            "{text}"
        );
    }
    let of_two = "scope=repository:a/b:pull&scope=repository:docker.io/c:pull";
    let error = parse(of_two).upstream(&table(), Some(ghcr)).unwrap_err();
    let two = TokenError::TwoUpstreams("ghcr.io".to_owned(), "docker.io".to_owned());
    assert_eq!(error, two);
}

#[test]
fn a_repository_of_the_upstream_that_is_named_needs_no_name() {
    let cases = [
        // ggcr, once its token has expired; podman adds it behind.
        (
            "scope=repository:x/img:pull&scope=repository:ghcr.io/x/img:pull&a=b",
            "ghcr.io",
            "scope=repository:x/img:pull&a=b",
        ),
        (
            "scope=repository:ghcr.io/x/img:pull&scope=repository:x/img:pull",
            "ghcr.io",
            "scope=repository%3Ax%2Fimg%3Apull",
        ),
        (
            "scope=repository:ghcr.io/x/img:pull+repository:x/img:pull,push",
            "ghcr.io",
            "scope=repository%3Ax%2Fimg%3Apull%20repository%3Ax%2Fimg%3Apull%2Cpush",
        ),
        (
            "scope=repository:library/alpine:pull&scope=repository:docker.io/alpine:pull",
            "docker.io",
            "scope=repository:library/alpine:pull",
        ),
        (
            "scope=repository:alpine:pull+aws+aws&scope=repository:docker.io/alpine:pull&scope=&scope=x",
            "docker.io",
            "scope=repository%3Alibrary%2Falpine%3Apull%20aws&scope=&scope=x",
        ),
    ];
    for (text, expected, written) in cases {
        let found = parse(text).upstream(&table(), None);
        assert_eq!(found, Ok(Some(id(expected))), "{text}");
        let asked = parse(text).rewrite(&table(), id(expected), None, None, Identity::Anonymous);
        assert_eq!(asked, written, "{text}");
    }
}

#[test]
fn a_name_in_front_speaks_for_its_own_repositories_only() {
    let cases = [
        "scope=repository:x/img:pull+repository:ghcr.io/x/img:pull+repository:y/img:pull",
        "scope=repository:x/img:pull+repository:ghcr.io/x/img2:pull",
        // Whose of the two?
        "scope=repository:x/img:pull+repository:ghcr.io/x/img:pull+repository:127.0.0.1:5100/x/img:pull",
        "scope=repository:alpine:pull+repository:ghcr.io/library/alpine:pull",
    ];
    for text in cases {
        let error = parse(text).upstream(&table(), None).unwrap_err();
        assert!(matches!(error, TokenError::TwoUpstreams(..)), "{text}");
    }
    // On a Host of its own, a client has the upstream's own realm.
    let of_two = "scope=repository:x/img:pull+repository:ghcr.io/x/img:pull";
    let error = parse(of_two).upstream(&table(), Some(id("corp")));
    assert!(error.is_err());
    let rules = ["docker.io/x/img".to_owned(), "ghcr.io/y/*".to_owned()];
    let access = Access::parse(&rules, &table()).unwrap();
    let renewed = parse("scope=repository:x/img:pull&scope=repository:ghcr.io/x/img:pull");
    let checked = renewed.check(&table(), id("ghcr.io"), &access);
    assert_eq!(checked.map_err(|error| error.status()), Err(403));
}

#[test]
fn malformed_scopes_are_refused() {
    let texts = [
        "scope=repository:",
        "scope=repository:a",
        "scope=repository::pull",
        "scope=repository:a%00b:pull",
        "scope=repository:%ff:pull",
        "scope=a+repository:x",
    ];
    for text in texts {
        let error = parse(text).upstream(&table(), None).unwrap_err();
        assert!(matches!(error, TokenError::Scope(_)), "{text}");
        assert_eq!((error.status(), error.code()), (400, "NAME_INVALID"));
        assert!(
            parse(text)
                .check(&table(), id("docker.io"), &Access::default())
                .is_err(),
            "{text}"
        );
    }
    for text in [
        "scope=repository:A:pull",
        "scope=repository:a//b:pull",
        "scope=repository:../a:pull",
        "scope=repository:ghcr.io:pull",
    ] {
        let error = parse(text)
            .check(&table(), id("ghcr.io"), &Access::default())
            .err();
        assert!(matches!(error, Some(TokenError::Scope(_))), "{text}");
    }
}

#[test]
fn repositories_are_named_as_the_upstream_has_them() {
    let cases: [(&str, &str, &[&str]); 9] = [
        (
            "scope=repository:alpine:pull",
            "docker.io",
            &["library/alpine"],
        ),
        (
            "scope=repository:docker.io/alpine:pull",
            "docker.io",
            &["library/alpine"],
        ),
        (
            "scope=repository:registry-1.docker.io/a/b:pull",
            "docker.io",
            &["a/b"],
        ),
        ("scope=repository:alpine:pull", "ghcr.io", &["alpine"]),
        (
            "scope=repository:a/b:pull+repository:c/d:pull&scope=repository(plugin):e/f:pull",
            "ghcr.io",
            &["a/b", "c/d", "e/f"],
        ),
        (
            "scope=repository:127.0.0.1:5100/lib/x:pull",
            "127.0.0.1:5100",
            &["lib/x"],
        ),
        (
            "scope=repository:ghcr.io/a/b:pull",
            "corp",
            &["ghcr.io/a/b"],
        ),
        ("scope=registry:catalog:*&scope=aws", "ghcr.io", &[]),
        (
            "scope=repository:A:pull&scope=repository:b&scope=repository:c:pull",
            "ghcr.io",
            &["c"],
        ),
    ];
    for (text, upstream, expected) in cases {
        assert_eq!(
            parse(text).repositories(&table(), id(upstream)),
            expected,
            "{text}"
        );
    }
}

#[test]
fn only_allowed_scopes_pass() {
    let rules = ["ghcr.io/org/*".to_owned(), "docker.io/alpine".to_owned()];
    let allow = Access::parse(&rules, &table()).unwrap();
    let cases = [
        ("", "ghcr.io", true),
        ("scope=", "ghcr.io", true),
        ("scope=repository:org/a:pull", "ghcr.io", true),
        ("scope=repository:ghcr.io/org/a:pull", "ghcr.io", true),
        (
            "scope=repository:org/a:pull+repository:other/a:pull",
            "ghcr.io",
            false,
        ),
        (
            "scope=repository:org/a:pull&scope=repository:other/a:pull",
            "ghcr.io",
            false,
        ),
        ("%73cope=repository:other/a:pull", "ghcr.io", false),
        ("Scope=repository:other/a:pull", "ghcr.io", false),
        (
            "scope=repository:org/a:pull%0Arepository:other/a:pull",
            "ghcr.io",
            false,
        ),
        (
            "scope=repository%28plugin%29:other/a:pull",
            "ghcr.io",
            false,
        ),
        ("scope=repository:alpine:pull", "docker.io", true),
        ("scope=repository:docker.io/alpine:pull", "docker.io", true),
        ("scope=repository:alpine:pull", "ghcr.io", false),
        ("scope=registry:catalog:*", "ghcr.io", false),
        ("scope=aws", "ghcr.io", true),
        ("scope=aws", "corp", false),
        ("scope=repository:org/a:pull", "corp", false),
    ];
    for (text, upstream, passes) in cases {
        let checked = parse(text).check(&table(), id(upstream), &allow);
        assert_eq!(checked.is_ok(), passes, "{text}");
        if let Err(error) = checked {
            assert_eq!((error.status(), error.code()), (403, "DENIED"), "{text}");
        }
        assert!(
            parse(text)
                .check(&table(), id(upstream), &Access::default())
                .is_ok(),
            "{text}"
        );
    }
}
