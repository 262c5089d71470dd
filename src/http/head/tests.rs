//! Heads of both sides, taken and refused.

use bytes::Bytes;

use super::*;

#[test]
fn the_field_limit_is_exact() {
    let request =
        |count: usize| Bytes::from(format!("GET / HTTP/1.1\r\n{}\r\n", "a:b\r\n".repeat(count)));
    assert_eq!(
        RequestHead::parse(request(128))
            .unwrap()
            .fields
            .iter()
            .count(),
        128
    );
    assert_eq!(
        RequestHead::parse(request(129)).unwrap_err(),
        HeadError::TooManyFields
    );
    let answer = |count: usize| {
        Bytes::from(format!(
            "HTTP/1.1 200 OK\r\n{}\r\n",
            "a:b\r\n".repeat(count)
        ))
    };
    assert_eq!(
        ResponseHead::parse(answer(256))
            .unwrap()
            .fields
            .iter()
            .count(),
        256
    );
    assert_eq!(
        ResponseHead::parse(answer(257)).unwrap_err(),
        HeadError::TooManyFields
    );
}

#[test]
fn requests_are_parsed() {
    let head = RequestHead::parse(Bytes::from_static(
        b"GET /v2/?ns=docker.io HTTP/1.1\r\nHost: a\r\nX-Obs: \xff\r\nEmpty:\r\n\r\n",
    ))
    .unwrap();
    assert_eq!(
        (head.method(), head.target(), head.version),
        (&b"GET"[..], "/v2/?ns=docker.io", Version::Http11)
    );
    assert_eq!(head.fields.first("x-obs"), Some(&b"\xff"[..]));
    assert_eq!(head.fields.first("empty"), Some(&b""[..]));
}

#[test]
fn malformed_requests_are_refused() {
    let cases: [(&str, HeadError); 16] = [
        ("GET / HTTP/2.0\r\n\r\n", HeadError::Version),
        ("GET / HTTP/1.2\r\n\r\n", HeadError::Version),
        ("GET / http/1.1\r\n\r\n", HeadError::FirstLine),
        ("GET /  HTTP/1.1\r\n\r\n", HeadError::FirstLine),
        ("GET / HTTP/1\r\n\r\n", HeadError::FirstLine),
        ("GET  / HTTP/1.1\r\n\r\n", HeadError::FirstLine),
        ("GET / HTTP/1.1 \r\n\r\n", HeadError::Field),
        ("GET /\r\n\r\n", HeadError::FirstLine),
        (" GET / HTTP/1.1\r\n\r\n", HeadError::FirstLine),
        ("G(T / HTTP/1.1\r\n\r\n", HeadError::FirstLine),
        ("GET /\u{fc} HTTP/1.1\r\n\r\n", HeadError::FirstLine),
        ("GET /\t HTTP/1.1\r\n\r\n", HeadError::FirstLine),
        ("GET / HTTP/1.1\r\nA : b\r\n\r\n", HeadError::Field),
        ("GET / HTTP/1.1\r\nA b\r\n\r\n", HeadError::Field),
        ("GET / HTTP/1.1\r\n: b\r\n\r\n", HeadError::Field),
        ("GET / HTTP/1.1\r\nA: \x0b\r\n\r\n", HeadError::Field),
    ];
    for (head, error) in cases {
        assert_eq!(
            RequestHead::parse(Bytes::from(head)).unwrap_err(),
            error,
            "{}",
            head.escape_debug()
        );
    }
}

#[test]
fn a_broken_beginning_is_seen_early() {
    assert_eq!(
        RequestHead::check_partial(b"GET / HTTP/1.1\r\nHost: a\r\n"),
        Ok(())
    );
    assert_eq!(
        RequestHead::check_partial(b"GARBAGE\r\n"),
        Err(HeadError::FirstLine)
    );
    assert_eq!(
        RequestHead::check_partial(b"GET / HTTP/1.1\r\nA : b\r\n"),
        Err(HeadError::Field)
    );
}

#[test]
fn answers_are_parsed() {
    let cases: [(&str, u16, &str, Version); 4] = [
        (
            "HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
            200,
            "OK",
            Version::Http11,
        ),
        (
            "HTTP/1.0 404 Not Found\r\n\r\n",
            404,
            "Not Found",
            Version::Http10,
        ),
        ("HTTP/1.1 206\r\n\r\n", 206, "", Version::Http11),
        ("HTTP/1.1 599 \r\n\r\n", 599, "", Version::Http11),
    ];
    for (head, status, reason, version) in cases {
        let head = ResponseHead::parse(Bytes::from(head)).unwrap();
        assert_eq!(
            (head.status, head.reason(), head.version),
            (status, reason.as_bytes(), version)
        );
    }
    let bad = [
        ("HTTP/1.1 20 OK\r\n\r\n", HeadError::FirstLine),
        ("HTTP/1.1 2000 OK\r\n\r\n", HeadError::FirstLine),
        ("HTTP/1.1 099 OK\r\n\r\n", HeadError::StatusCode),
        ("HTTP/1.1 600 OK\r\n\r\n", HeadError::StatusCode),
        ("HTTP/2 200 OK\r\n\r\n", HeadError::Version),
        ("SSH-2.0-OpenSSH\r\n\r\n", HeadError::Version),
        ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", HeadError::Field),
        ("HTTP/1.1 200 OK\r\nA\r\n\r\n", HeadError::Field),
    ];
    for (head, error) in bad {
        assert_eq!(
            ResponseHead::parse(Bytes::from(head)).unwrap_err(),
            error,
            "{}",
            head.escape_debug()
        );
    }
}

#[test]
fn persistence_follows_version_and_options() {
    let cases = [
        ("HTTP/1.1", "", true),
        ("HTTP/1.1", "Connection: close\r\n", false),
        ("HTTP/1.1", "Connection: keep-alive, Close\r\n", false),
        ("HTTP/1.0", "", false),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
        (
            "HTTP/1.0",
            "Connection: keep-alive\r\nConnection: close\r\n",
            false,
        ),
    ];
    for (version, field, kept) in cases {
        let request =
            RequestHead::parse(Bytes::from(format!("GET / {version}\r\n{field}\r\n"))).unwrap();
        assert_eq!(request.wants_keep_alive(), kept, "{version} {field}");
        let answer =
            ResponseHead::parse(Bytes::from(format!("{version} 200 OK\r\n{field}\r\n"))).unwrap();
        assert_eq!(answer.allows_keep_alive(), kept, "{version} {field}");
    }
}
