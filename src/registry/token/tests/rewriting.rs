//! What the realm is asked.

use super::*;

#[test]
fn only_scopes_that_change_are_written_anew() {
    let cases = [
        ("", "docker.io", ""),
        (
            "scope=repository%3Alib%2Fmulti%3Apull&service=registry",
            "docker.io",
            "scope=repository%3Alib%2Fmulti%3Apull&service=registry",
        ),
        (
            "scope=repository:a/b:pull",
            "docker.io",
            "scope=repository:a/b:pull",
        ),
        (
            "scope=repository:alpine:pull",
            "docker.io",
            "scope=repository%3Alibrary%2Falpine%3Apull",
        ),
        (
            "scope=repository:alpine:pull",
            "ghcr.io",
            "scope=repository:alpine:pull",
        ),
        (
            "scope=repository%3Aghcr.io%2Fa%2Fb%3Apull%2Cpush&x=%7e",
            "ghcr.io",
            "scope=repository%3Aa%2Fb%3Apull%2Cpush&x=%7e",
        ),
        (
            "scope=repository:127.0.0.1:5100/lib/x:pull",
            "127.0.0.1:5100",
            "scope=repository%3Alib%2Fx%3Apull",
        ),
        (
            "scope=repository:alpine:pull+repository:a/b:pull&scope=registry:catalog:*",
            "docker.io",
            "scope=repository%3Alibrary%2Falpine%3Apull%20repository%3Aa%2Fb%3Apull&scope=registry:catalog:*",
        ),
        (
            "scope=repository(plugin):docker.io/sshfs:pull",
            "docker.io",
            "scope=repository%28plugin%29%3Alibrary%2Fsshfs%3Apull",
        ),
        (
            "scope=repository:ghcr.io/a:pull",
            "corp",
            "scope=repository:ghcr.io/a:pull",
        ),
        ("a=1&&b&=c&", "docker.io", "a=1&&b&=c&"),
        ("scope=aws", "docker.io", "scope=aws"),
        (
            "password=a%20b+c&username=me",
            "docker.io",
            "password=a%20b+c&username=me",
        ),
    ];
    for (text, upstream, expected) in cases {
        assert_eq!(own(text, upstream), expected, "{text}");
    }
}

#[test]
fn the_upstreams_service_is_put_in() {
    let cases = [
        (
            "service=docxy&scope=aws",
            Some("registry.docker.io"),
            "service=registry.docker.io&scope=aws",
        ),
        (
            "scope=aws&service=registry%2Edocker.io",
            Some("registry.docker.io"),
            "scope=aws&service=registry%2Edocker.io",
        ),
        (
            "scope=aws",
            Some("a b&c=d"),
            "scope=aws&service=a%20b%26c%3Dd",
        ),
        ("", Some("x"), "service=x"),
        ("service=a&service=b", Some("x"), "service=x"),
        ("service=a&service=b", None, "service=a"),
        ("service=docxy&scope=aws", None, "scope=aws"),
        ("service=", Some("x"), "service=x"),
        ("SERVICE=docxy&a=1", Some("x"), "service=x&a=1"),
        ("Service=x", Some("x"), "service=x"),
    ];
    for (text, service, expected) in cases {
        let written = parse(text).rewrite(&table(), id("docker.io"), service, None, Identity::Own);
        assert_eq!(written, expected, "{text}");
    }
}

#[test]
fn the_realms_own_query_comes_first() {
    let cases = [
        (
            "scope=a&service=s",
            None,
            Some("account=$oauthtoken"),
            "account=$oauthtoken&scope=a&service=s",
        ),
        (
            "scope=a",
            None,
            Some("scope=b&scope=c&x=1&x=2"),
            "x=1&x=2&scope=a",
        ),
        ("", None, Some("scope=b&scope=c"), "scope=b&scope=c"),
        ("", Some("s"), Some("service=t&x=%2f"), "x=%2f&service=s"),
        ("", None, Some("service=t"), "service=t"),
        ("a=1", None, Some(""), "a=1"),
        ("", None, Some("flag"), "flag"),
    ];
    for (text, service, realm_query, expected) in cases {
        let written = parse(text).rewrite(
            &table(),
            id("docker.io"),
            service,
            realm_query,
            Identity::Own,
        );
        assert_eq!(written, expected, "{text} {realm_query:?}");
    }
}

#[test]
fn the_anonymous_leave_no_trace_of_themselves() {
    let text = "account=me&client_id=docker&grant_type=password&username=me&password=x&refresh_token=y&PassWord=z\
                &access_type=offline&offline_token=true&pass%77ord=w&client_secret=v&service=docxy&scope=repository:a/b:pull";
    let written = parse(text).rewrite(
        &table(),
        id("ghcr.io"),
        Some("ghcr.io"),
        None,
        Identity::Anonymous,
    );
    assert_eq!(
        written,
        "client_id=docker&service=ghcr.io&scope=repository:a/b:pull"
    );
    assert!(!parse(&written).carries_secret());
}

#[test]
fn what_is_written_can_be_read_and_stays() {
    let texts = [
        "scope=repository:docker.io/alpine:pull+repository:b:pull&service=docxy",
        "account=a%26b&scope=repository%3Aalpine%3Apull",
    ];
    for text in texts {
        let once = parse(text).rewrite(
            &table(),
            id("docker.io"),
            Some("s"),
            Some("x=1"),
            Identity::Own,
        );
        let twice = parse(&once).rewrite(
            &table(),
            id("docker.io"),
            Some("s"),
            Some("x=1"),
            Identity::Own,
        );
        assert_eq!(once, twice, "{text}");
    }
}
