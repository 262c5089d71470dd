//! RFC 9112 §4: version, three digits and a reason that may be empty.

use crate::case::{Answer, bad, whole};

/// An empty answer of this status line.
fn line(line: &str) -> Vec<u8> {
    format!("{line}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

pub fn cases() -> Vec<Answer> {
    let same = |name, text: &str| whole(name, line(text), line(text), "");
    vec![
        same("200", "HTTP/1.1 200 OK"),
        same("an empty reason", "HTTP/1.1 200 "),
        same("a reason of several words", "HTTP/1.1 404 Not  Here\tat all"),
        same("another status of its class", "HTTP/1.1 299 Odd"),
        same("the last status", "HTTP/1.1 599 Odd"),
        whole("HTTP/1.0", line("HTTP/1.0 200 OK"), line("HTTP/1.1 200 OK"), "").spent(),
        whole("no reason and no space", line("HTTP/1.1 200"), line("HTTP/1.1 200 "), ""),
        whole("a reason beyond ASCII", line("HTTP/1.1 200 \u{e9}"), line("HTTP/1.1 200 "), ""),
        bad("two digits", line("HTTP/1.1 20 OK")),
        bad("four digits", line("HTTP/1.1 2000 OK")),
        bad("a status below 100", line("HTTP/1.1 099 OK")),
        bad("a status above 599", line("HTTP/1.1 600 OK")),
        bad("999", line("HTTP/1.1 999 OK")),
        bad("no digits", line("HTTP/1.1 2x0 OK")),
        bad("a sign", line("HTTP/1.1 +20 OK")),
        bad("no status", line("HTTP/1.1 OK")),
        bad("a version alone", line("HTTP/1.1")),
        bad("two spaces before the status", line("HTTP/1.1  200 OK")),
        bad("a tab before the status", line("HTTP/1.1\t200 OK")),
        bad("a space first", line(" HTTP/1.1 200 OK")),
        bad("a NUL in the reason", line("HTTP/1.1 200 O\0K")),
        bad("a CR in the reason", line("HTTP/1.1 200 O\rK")),
        bad("a control byte in the reason", line("HTTP/1.1 200 O\x01K")),
        bad("DEL in the reason", line("HTTP/1.1 200 O\x7fK")),
        bad("HTTP/0.9", "<html>hello</html>").closes(),
        bad("HTTP/1.2", line("HTTP/1.2 200 OK")),
        bad("HTTP/2.0", line("HTTP/2.0 200 OK")),
        bad("HTTP/2", line("HTTP/2 200")),
        bad("lower case", line("http/1.1 200 OK")),
        bad("another protocol", line("ICY 200 OK")),
        bad("an empty line before it", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        bad("two empty lines before it", "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
        bad("LF after it", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"),
        bad("a request", "GET /v2/ HTTP/1.1\r\nHost: h\r\n\r\n"),
    ]
}
