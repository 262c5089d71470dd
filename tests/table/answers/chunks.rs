//! RFC 9112 §7.1: chunks are framed anew; a malformed one is never passed as the end.

use crate::case::{Answer, Asked, Then, broken, whole};

const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn chunked(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into_bytes()
}

pub fn cases() -> Vec<Answer> {
    [sound(), malformed(), cut()].concat()
}

fn sound() -> Vec<Answer> {
    let same = |name, body: &str| whole(name, chunked(body), HEAD, "hello");
    vec![
        same("a chunk for each byte", "1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n"),
        same("leading zeros", "0000000000000005\r\nhello\r\n000\r\n\r\n"),
        same("extensions", "5;a=b;c=\"d;e\\\"\"\r\nhello\r\n0;x\r\n\r\n"),
        same("trailers", "5\r\nhello\r\n0\r\nX: y\r\nContent-Length: 9\r\nSet-Cookie: a=b\r\n\r\n"),
        same("an answer too many", "5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").spent(),
        same("a line end too many", "5\r\nhello\r\n0\r\n\r\n\r\n").spent(),
        whole("an answer as a chunk", chunked("13\r\nHTTP/1.1 200 OK\r\n\r\n\r\n0\r\n\r\n"), HEAD, "HTTP/1.1 200 OK\r\n\r\n"),
        whole("no chunk but the last", chunked("0\r\n\r\n"), HEAD, ""),
        whole("to HTTP/1.0", chunked("5\r\nhello\r\n0\r\n\r\n"), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "hello").to(Asked::Get10),
    ]
}

fn malformed() -> Vec<Answer> {
    let first = |name, body: &str| broken(name, chunked(body), "");
    let later = |name, body: &str| broken(name, chunked(&format!("5\r\nhello\r\n{body}")), "hello");
    vec![
        first("a plus", "+5\r\nhello\r\n0\r\n\r\n"),
        first("a minus", "-5\r\nhello\r\n0\r\n\r\n"),
        first("a mark of hexadecimal", "0x5\r\nhello\r\n0\r\n\r\n"),
        first("a blank before a size", " 5\r\nhello\r\n0\r\n\r\n"),
        first("a blank behind a size", "5 \r\nhello\r\n0\r\n\r\n"),
        first("no size", "\r\nhello\r\n0\r\n\r\n"),
        first("17 digits", "00000000000000005\r\nhello\r\n0\r\n\r\n"),
        first("2^64 minus one", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        first("LF after a size", "5\nhello\r\n0\r\n\r\n"),
        first("CR after a size", "5\rhello\r\n0\r\n\r\n"),
        first("a bare LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        first("a bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        first("a NUL in an extension", "5;\0\r\nhello\r\n0\r\n\r\n"),
        first("a quote in an extension that is not closed", "5;a=\"\r\nhello\r\n0\r\n\r\n"),
        first("an extension of 257 bytes", &format!("5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(257))),
        first("no chunks", "hello"),
        broken("LF after data", chunked("5\r\nhello\n0\r\n\r\n"), "hello"),
        broken("CR and another byte after data", chunked("5\r\nhello\rX0\r\n\r\n"), "hello"),
        broken("any two bytes after data", chunked("5\r\nhelloXX0\r\n\r\n"), "hello"),
        broken("less data than its size", chunked("6\r\nhello\r\n0\r\n\r\n"), "hello\r"),
        broken("more data than its size", chunked("5\r\nhelloX\r\n0\r\n\r\n"), "hello"),
        later("a size that is none", "x\r\n"),
        later("LF after the last size", "0\n\r\n"),
        later("LF at the end", "0\r\n\n"),
        later("a trailer without a colon", "0\r\nX\r\n\r\n"),
        later("a folded trailer", "0\r\nX: y\r\n z\r\n\r\n"),
        later("trailers of more than 8 KiB", &format!("0\r\nX: {}\r\n\r\n", "y".repeat(8192))),
        later("an answer for a trailer", "0\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
        later("to HTTP/1.0", "x\r\n").to(Asked::Get10),
    ]
}

fn cut() -> Vec<Answer> {
    let cut = |name, body: &str, begun| Answer { then: Then::Closes, ..broken(name, chunked(body), begun) };
    vec![
        cut("before a size", "", ""),
        cut("within a size line", "5", ""),
        cut("within data", "5\r\nhel", "hel"),
        cut("after data", "5\r\nhello", "hello"),
        cut("before the last chunk", "5\r\nhello\r\n", "hello"),
        cut("within the last chunk", "5\r\nhello\r\n0", "hello"),
        cut("before the empty line", "5\r\nhello\r\n0\r\n", "hello"),
        cut("within the empty line", "5\r\nhello\r\n0\r\n\r", "hello"),
        cut("within a trailer", "5\r\nhello\r\n0\r\nX: y\r\n", "hello"),
        cut("within data, to HTTP/1.0", "5\r\nhel", "hel").to(Asked::Get10),
        broken("a reset before the last chunk", chunked("5\r\nhello\r\n"), "hello").resets(),
    ]
}
