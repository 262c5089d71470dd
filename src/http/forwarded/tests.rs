//! What proxies write, and what stands before it.

use bytes::Bytes;

use super::*;
use crate::http::head::RequestHead;

/// What is read from these field lines where 10.0.0.0/8 and fd00::1 are trusted: client, scheme, host.
fn said(lines: &str) -> Result<String, ForwardedError> {
    let head = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n");
    let head = RequestHead::parse(Bytes::from(head)).unwrap();
    let is_trusted = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.octets()[0] == 10,
        IpAddr::V6(v6) => v6.to_string() == "fd00::1",
    };
    let known = read(&head.fields, is_trusted)?;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    Ok(format!(
        "{} {} {}",
        or_none(known.client.map(|client| client.to_string())),
        known.scheme.map_or("-", Scheme::as_str),
        or_none(known.host.map(|host| host.to_string()))
    ))
}

#[test]
fn x_forwarded_is_read_from_the_right() {
    let cases = [
        ("", "- - -"),
        ("X-Forwarded-For:\r\n", "- - -"),
        ("X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1 - -"),
        ("x-forwarded-for: 1.1.1.1, 192.0.2.1\r\n", "192.0.2.1 - -"),
        (
            "X-Forwarded-For: 192.0.2.1, 10.0.0.2,10.0.0.3\r\n",
            "192.0.2.1 - -",
        ),
        (
            "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 10.0.0.2\r\n",
            "192.0.2.1 - -",
        ),
        (
            "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 192.0.2.1\r\n",
            "192.0.2.1 - -",
        ),
        // All are trusted: the outermost is the client.
        ("X-Forwarded-For: 10.0.0.9, 10.0.0.2\r\n", "10.0.0.9 - -"),
        // What a client has put there itself is never looked at.
        (
            "X-Forwarded-For: nonsense, 192.0.2.1, 10.0.0.2\r\n",
            "192.0.2.1 - -",
        ),
        ("X-Forwarded-For: 192.0.2.1:4711\r\n", "192.0.2.1 - -"),
        (
            "X-Forwarded-For: 2001:DB8::1, fd00::1\r\n",
            "2001:db8::1 - -",
        ),
        ("X-Forwarded-For: [2001:db8::1]:4711\r\n", "2001:db8::1 - -"),
        (
            "X-Forwarded-For: ::ffff:192.0.2.1, ::ffff:10.0.0.1\r\n",
            "192.0.2.1 - -",
        ),
        ("X-Forwarded-Proto: HTTPS\r\n", "- https -"),
        ("X-Forwarded-Proto: https, http\r\n", "- http -"),
        (
            "X-Forwarded-Host: evil.test, A.test:5000\r\n",
            "- - a.test:5000",
        ),
        ("X-Forwarded-Host: [::1]:5000\r\n", "- - [::1]:5000"),
    ];
    for (lines, expected) in cases {
        assert_eq!(said(lines).as_deref(), Ok(expected), "{lines}");
    }
}

#[test]
fn forwarded_is_read_from_the_right() {
    let cases = [
        ("Forwarded:\r\n", "- - -"),
        ("Forwarded: for=192.0.2.1\r\n", "192.0.2.1 - -"),
        (
            "Forwarded: For=192.0.2.1;Proto=https;by=10.0.0.1;HOST=a.test\r\n",
            "192.0.2.1 https a.test",
        ),
        (
            "Forwarded: for=\"[2001:db8::1]:4711\" ; host=\"a.test:5000\"\r\n",
            "2001:db8::1 - a.test:5000",
        ),
        ("Forwarded: for=[2001:db8::1]\r\n", "2001:db8::1 - -"),
        ("Forwarded: for=\"192.0.2.1:_port\"\r\n", "192.0.2.1 - -"),
        ("Forwarded: for=\"192.0\\.2.1\"\r\n", "192.0.2.1 - -"),
        (
            "Forwarded: for=1.1.1.1;proto=http;host=evil.test, for=192.0.2.1;proto=https;host=a.test, for=10.0.0.1;proto=http\r\n",
            "192.0.2.1 https a.test",
        ),
        (
            "Forwarded: for=192.0.2.1\r\nForwarded: for=10.0.0.2\r\n",
            "192.0.2.1 - -",
        ),
        (
            "Forwarded: for=unknown, for=192.0.2.1, for=10.0.0.1\r\n",
            "192.0.2.1 - -",
        ),
        ("Forwarded: for=192.0.2.1, proto=https\r\n", "- https -"),
        (
            "Forwarded: , ;, for=192.0.2.1;;ext=\"a,b;c\",\r\n",
            "192.0.2.1 - -",
        ),
        (
            "Forwarded: for=192.0.2.1;proto=https\r\nX-Forwarded-For: 192.0.2.1\r\n",
            "192.0.2.1 https -",
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(said(lines).as_deref(), Ok(expected), "{lines}");
    }
}

fn assert_refused(cases: &[(&str, ForwardedError)]) {
    for (lines, error) in cases {
        assert_eq!(said(lines), Err(*error), "{lines}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    use ForwardedError::Address;
    assert_refused(&[
        ("X-Forwarded-For: nonsense\r\n", Address("X-Forwarded-For")),
        ("X-Forwarded-For: unix:\r\n", Address("X-Forwarded-For")),
        (
            "X-Forwarded-For: 1.1.1.1, unknown, 10.0.0.2\r\n",
            Address("X-Forwarded-For"),
        ),
        (
            "X-Forwarded-For: 192.0.2.1:\r\n",
            Address("X-Forwarded-For"),
        ),
        (
            "X-Forwarded-For: 192.0.2.01\r\n",
            Address("X-Forwarded-For"),
        ),
        (
            "X-Forwarded-For: [192.0.2.1]\r\n",
            Address("X-Forwarded-For"),
        ),
        (
            "X-Forwarded-For: fe80::1%eth0\r\n",
            Address("X-Forwarded-For"),
        ),
        ("Forwarded: for=unknown\r\n", Address("Forwarded")),
        ("Forwarded: for=_hidden\r\n", Address("Forwarded")),
        (
            "Forwarded: for=\"192.0.2.1:123456\"\r\n",
            Address("Forwarded"),
        ),
    ]);
}

#[test]
fn what_is_no_scheme_or_host_is_refused() {
    use ForwardedError::{Host, Scheme};
    assert_refused(&[
        ("X-Forwarded-Proto: wss\r\n", Scheme("X-Forwarded-Proto")),
        ("X-Forwarded-Host: a.test/x\r\n", Host("X-Forwarded-Host")),
        ("X-Forwarded-Host: a.test\"\r\n", Host("X-Forwarded-Host")),
        ("X-Forwarded-Host: u@a.test\r\n", Host("X-Forwarded-Host")),
        (
            "Forwarded: for=192.0.2.1;proto=ftp\r\n",
            Scheme("Forwarded"),
        ),
        (
            "Forwarded: for=192.0.2.1;host=\"a b\"\r\n",
            Host("Forwarded"),
        ),
    ]);
}

#[test]
fn what_is_no_element_is_refused() {
    for lines in [
        "Forwarded: for=192.0.2.1;for=192.0.2.2\r\n",
        "Forwarded: for=\"192.0.2.1\r\n",
        "Forwarded: for=\"192.0.2.1\\\r\n",
        "Forwarded: for=\"192.0.2.1\"x\r\n",
        "Forwarded: for\r\n",
        "Forwarded: =192.0.2.1\r\n",
        "Forwarded: for=\r\n",
        "Forwarded: for =192.0.2.1\r\n",
        "Forwarded: for=\u{fc}\r\n",
    ] {
        assert_eq!(said(lines), Err(ForwardedError::Syntax), "{lines}");
    }
}

#[test]
fn fields_that_contradict_each_other_are_refused() {
    for lines in [
        "Forwarded: for=1.1.1.1\r\nX-Forwarded-For: 192.0.2.1\r\n",
        "Forwarded: proto=https\r\nX-Forwarded-Proto: http\r\n",
        "Forwarded: host=a.test\r\nX-Forwarded-Host: b.test\r\n",
    ] {
        assert_eq!(said(lines), Err(ForwardedError::Contradiction), "{lines}");
    }
}

/// Whatever stands in these fields, reading it ends with an answer.
#[test]
fn no_value_is_too_odd() {
    let parts = [
        "for", "=", "\"", "\\", ";", ",", "[", "]", ":", "1.1.1.1", " ", "_", "é", "proto", "::1",
    ];
    let mut seed: usize = 1;
    for _ in 0..20_000 {
        let mut value = String::new();
        for _ in 0..8 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            value.push_str(parts[(seed >> 33) % parts.len()]);
        }
        let lines = format!("Forwarded: {value}\r\nX-Forwarded-For: {value}\r\n");
        let _ = said(&lines);
    }
}
