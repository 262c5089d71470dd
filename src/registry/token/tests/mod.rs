//! Parameters as clients send them, and worse ones.

mod rewriting;
mod scopes;

use super::*;
use crate::registry::access::Refusal;
use crate::registry::identity::Identity;

fn table() -> Table {
    Table::of(&[
        "docker.io",
        "ghcr.io",
        "http://127.0.0.1:5100",
        "corp=https://reg.corp.test",
    ])
}

fn id(name: &str) -> UpstreamId {
    table().find(name).unwrap()
}

fn parse(text: &str) -> Parameters<'_> {
    Parameters::parse(text).unwrap()
}

fn own(text: &str, upstream: &str) -> String {
    parse(text).rewrite(&table(), id(upstream), None, None, Identity::Own)
}

#[test]
fn values_are_decoded_and_the_first_counts() {
    let parameters = parse(
        "service=registry.docker.io&scope=repository%3Aa%2Fb%3Apull+x%20y&a=1&a=2&%62=3&flag&c=&d=x=y",
    );
    let cases = [
        ("service", Some("registry.docker.io")),
        ("scope", Some("repository:a/b:pull x y")),
        ("a", Some("1")),
        ("b", Some("3")),
        ("flag", Some("")),
        ("c", Some("")),
        ("d", Some("x=y")),
        ("e", None),
        ("Service", None),
    ];
    for (name, value) in cases {
        assert_eq!(parameters.value(name).as_deref(), value, "{name}");
    }
    assert_eq!(parse("").value("").as_deref(), None);
}

#[test]
fn what_is_not_urlencoded_is_an_error() {
    for text in [
        "a=%",
        "a=%2",
        "a=%zz",
        "%g0=1",
        "a=b c",
        "a=\r\n",
        "a=é",
        "a=\0",
        "a=b#c",
        "a=%1%41",
        "a=b&c=%",
        "a=b;scope=c",
        ";",
    ] {
        assert_eq!(
            Parameters::parse(text).err(),
            Some(TokenError::Encoding),
            "{text:?}"
        );
    }
    for text in ["", "&", "=", "a", "a=%00", "a=%ff", "a=\"|{}"] {
        assert!(Parameters::parse(text).is_ok(), "{text:?}");
    }
}

#[test]
fn secrets_are_seen() {
    let with = [
        "password=x",
        "a=b&refresh_token=x",
        "client_secret=x",
        "assertion=",
        "PASSWORD=x",
        "pass%77ord=x",
        "access_token=x",
    ];
    for text in with {
        assert!(parse(text).carries_secret(), "{text}");
    }
    for text in [
        "",
        "account=me&service=x",
        "scope=password",
        "xpassword=1",
        "grant_type=password&username=me",
    ] {
        assert!(!parse(text).carries_secret(), "{text}");
    }
}

#[test]
fn any_cut_and_any_byte_is_survived() {
    let text = "scope=repository%3Aghcr.io%2Fa%2Fb%3Apull+repository(plugin):x:pull&service=docxy&password=a%20b";
    for at in 0..=text.len() {
        for inserted in ["", "%", "&", "=", ":", "+", "%00", "%ff", "é"] {
            let changed = format!("{}{inserted}{}", &text[..at], &text[at..]);
            let Ok(parameters) = Parameters::parse(&changed) else {
                continue;
            };
            let written = parameters.rewrite(
                &table(),
                id("ghcr.io"),
                Some("s"),
                Some("x=1"),
                Identity::Anonymous,
            );
            assert!(written.bytes().all(|b| b.is_ascii_graphic()), "{changed}");
            let read = parse(&written);
            assert!(!read.carries_secret(), "{changed}");
            let _ = (
                read.upstream(&table(), None),
                read.check(&table(), id("ghcr.io"), &Access::default()),
            );
        }
    }
}

#[test]
fn a_name_that_some_would_read_as_a_scope_is_an_error() {
    for name in [
        "scope[]",
        "scope[0]",
        "+scope",
        "%20scope",
        "scope+",
        "scope%00",
        "??scope",
        "Scope.x",
        "%5Bscope%5D",
        "scope%ff",
        "password[]",
        "+refresh_token",
    ] {
        let text = format!("service=s&{name}=repository:a/b:pull");
        let refused = Parameters::parse(&text).err();
        assert!(matches!(refused, Some(TokenError::Name(_))), "{name}");
    }
    for name in [
        "scope",
        "SCOPE",
        "scopes",
        "my_scope",
        "scope_x",
        "account",
        "service[]",
        "+",
    ] {
        let text = format!("{name}=x");
        assert!(Parameters::parse(&text).is_ok(), "{name}");
    }
}

#[test]
fn messages_hold_no_control_bytes() {
    let errors = [
        TokenError::Kind,
        TokenError::Name("\0scope".to_owned()),
        TokenError::Encoding,
        TokenError::Scope("a\r\n\"".to_owned()),
        TokenError::Denied("\0".repeat(500), Refusal::default()),
        TokenError::TwoUpstreams("a".to_owned(), "b".to_owned()),
    ];
    for error in errors {
        let message = error.to_string();
        assert!(
            message.len() < 200 && message.bytes().all(|b| b.is_ascii_graphic() || b == b' '),
            "{message}"
        );
    }
}
