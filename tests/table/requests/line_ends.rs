//! RFC 9112 §2.2: every line ends in CRLF, one empty line before a request is passed over, and nothing else is.

use crate::case::{Request, get, passed, refused, unfinished};

pub fn cases() -> Vec<Request> {
    vec![
        passed("as it should be", get("\r\n"), ""),
        passed("an empty line before it", [b"\r\n", &get("\r\n")[..]].concat(), ""),
        refused(400, "two empty lines before it", [b"\r\n\r\n", &get("\r\n")[..]].concat()),
        refused(400, "a bare LF before it", [b"\n", &get("\r\n")[..]].concat()),
        refused(400, "a bare CR before it", [b"\r", &get("\r\n")[..]].concat()),
        refused(400, "a CR CR LF before it", [b"\r\r\n", &get("\r\n")[..]].concat()),
        refused(400, "a blank line of one space before it", [b" \r\n", &get("\r\n")[..]].concat()),
        refused(400, "a NUL before it", [b"\0", &get("\r\n")[..]].concat()),
        refused(400, "a byte order mark before it", [b"\xef\xbb\xbf", &get("\r\n")[..]].concat()),
        refused(400, "LF after the request line", "GET /v2/a/manifests/CASE HTTP/1.1\nHost: h\r\n\r\n"),
        refused(400, "LF after a field line", get("A: b\n\r\n")),
        refused(400, "LF as the empty line", get("A: b\r\n\n")),
        refused(400, "LF throughout", "GET /v2/a/manifests/CASE HTTP/1.1\nHost: h\n\n"),
        refused(400, "CR CR LF after the request line", "GET /v2/a/manifests/CASE HTTP/1.1\r\r\nHost: h\r\n\r\n"),
        refused(400, "CR CR LF after a field line", get("A: b\r\r\n\r\n")),
        refused(400, "CR CR LF as the empty line", get("A: b\r\n\r\r\n")),
        refused(400, "CR after the request line", "GET /v2/a/manifests/CASE HTTP/1.1\rHost: h\r\n\r\n"),
        refused(400, "CR throughout", "GET /v2/a/manifests/CASE HTTP/1.1\rHost: h\r\rX"),
        refused(400, "CR within a value", get("A: b\rc\r\n\r\n")),
        refused(400, "CR before a smuggled field", get("A: b\rTransfer-Encoding: chunked\r\n\r\n")),
        refused(400, "CR before the colon", get("A\r: b\r\n\r\n")),
        refused(400, "CR within a name", get("A\rB: c\r\n\r\n")),
        refused(400, "LF CR", get("A: b\n\r\n\r\n")),
        refused(400, "NUL within a value", get("A: b\0c\r\n\r\n")),
        refused(400, "NUL within a name", get("A\0: b\r\n\r\n")),
        refused(400, "NUL as the empty line", get("A: b\r\n\0\r\n\r\n")),
        refused(400, "NUL within the target", "GET /v2/a/manifests/CASE\0 HTTP/1.1\r\nHost: h\r\n\r\n"),
        refused(400, "vertical tab as a line end", get("A: b\x0b\r\n\r\n")),
        refused(400, "form feed as a line end", get("A: b\x0cB: c\r\n\r\n")),
        refused(400, "unicode line separator in a name", get("A\u{2028}: c\r\n\r\n")),
        unfinished("nothing after the request line", "GET /v2/a/manifests/CASE HTTP/1.1\r\n"),
        unfinished("a head without its empty line", get("A: b\r\n")),
        unfinished("a head without its last LF", get("A: b\r\n\r")),
        unfinished("half a request line", "GET /v2/a/manif"),
        unfinished("an empty line alone", "\r\n"),
    ]
}
