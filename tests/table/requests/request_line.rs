//! RFC 9112 §3: method, target and version, one space between them, and nothing else.

use crate::case::{Request, answered, passed, refused};

/// A request of this request line.
fn line(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: h\r\n\r\n").into_bytes()
}

pub fn cases() -> Vec<Request> {
    [white_space(), methods(), versions()].concat()
}

fn white_space() -> Vec<Request> {
    vec![
        refused(400, "two spaces after the method", line("GET  /v2/a/manifests/CASE HTTP/1.1")),
        refused(400, "two spaces before the version", line("GET /v2/a/manifests/CASE  HTTP/1.1")),
        refused(400, "a space after the version", line("GET /v2/a/manifests/CASE HTTP/1.1 ")),
        refused(400, "a space before the method", line(" GET /v2/a/manifests/CASE HTTP/1.1")),
        refused(400, "a tab after the method", line("GET\t/v2/a/manifests/CASE HTTP/1.1")),
        refused(400, "a tab before the version", line("GET /v2/a/manifests/CASE\tHTTP/1.1")),
        refused(400, "a tab before the method", line("\tGET /v2/a/manifests/CASE HTTP/1.1")),
        refused(400, "a vertical tab after the method", line("GET\x0b/v2/a/manifests/CASE HTTP/1.1")),
        refused(400, "a form feed before the version", line("GET /v2/a/manifests/CASE\x0cHTTP/1.1")),
        refused(400, "a CR before the version", line("GET /v2/a/manifests/CASE\rHTTP/1.1")),
        refused(400, "a space within the target", line("GET /v2/a/manifests/CASE x HTTP/1.1")),
        refused(400, "a version within the target", line("GET /v2/a/manifests/CASE HTTP/1.1 HTTP/1.1")),
        refused(400, "no target", line("GET HTTP/1.1")),
        refused(400, "no target but its spaces", line("GET  HTTP/1.1")),
        refused(400, "a method alone", line("GET")),
        refused(400, "a non-breaking space", line("GET\u{a0}/v2/a/manifests/CASE HTTP/1.1")),
        refused(400, "a status line", line("HTTP/1.1 200 OK")),
        refused(400, "HEAD, which is answered without a body", "HEAD /v2/a/manifests/CASE HTTP/1.1 \r\nHost: h\r\n\r\n"),
        refused(400, "HEAD with a blank before a colon", "HEAD /v2/a/manifests/CASE HTTP/1.1\r\nHost : h\r\n\r\n"),
        refused(400, "a field line first", "Host: h\r\nGET /v2/a/manifests/CASE HTTP/1.1\r\n\r\n"),
    ]
}

fn methods() -> Vec<Request> {
    vec![
        passed("HEAD", line("HEAD /v2/a/manifests/CASE HTTP/1.1"), "").line("HEAD /v2/a/manifests/CASE"),
        answered(405, "a method in lower case", line("get /v2/a/manifests/CASE HTTP/1.1")),
        answered(405, "a method in mixed case", line("Get /v2/a/manifests/CASE HTTP/1.1")),
        answered(405, "PUT", line("PUT /v2/a/manifests/CASE HTTP/1.1")),
        answered(405, "DELETE", line("DELETE /v2/a/manifests/CASE HTTP/1.1")),
        answered(405, "PATCH", line("PATCH /v2/a/manifests/CASE HTTP/1.1")),
        answered(405, "POST", line("POST /v2/a/manifests/CASE HTTP/1.1")),
        answered(405, "TRACE", line("TRACE /v2/a/manifests/CASE HTTP/1.1")),
        answered(405, "OPTIONS", line("OPTIONS /v2/a/manifests/CASE HTTP/1.1")),
        answered(405, "a method of every token character", line("!#$%&'*+-.^_`|~09AZaz /v2/a/manifests/CASE HTTP/1.1")),
        answered(405, "a method that begins with GET", line("GETX /v2/a/manifests/CASE HTTP/1.1")),
        refused(400, "a method with a separator", line("G(T /v2/a/manifests/CASE HTTP/1.1")),
        refused(400, "a method with a colon", line("GET: /v2/a/manifests/CASE HTTP/1.1")),
        refused(400, "a method in quotes", line("\"GET\" /v2/a/manifests/CASE HTTP/1.1")),
        refused(400, "a method with NUL", line("G\0T /v2/a/manifests/CASE HTTP/1.1")),
        refused(400, "a method beyond ASCII", line("G\u{c9}T /v2/a/manifests/CASE HTTP/1.1")),
        refused(400, "an empty method", line(" /v2/a/manifests/CASE HTTP/1.1")),
    ]
}

fn versions() -> Vec<Request> {
    vec![
        passed("HTTP/1.0", line("GET /v2/a/manifests/CASE HTTP/1.0"), "").closing(),
        passed("HTTP/1.0 without Host", "GET /v2/a/manifests/CASE HTTP/1.0\r\n\r\n", "").closing(),
        refused(400, "HTTP/0.9", line("GET /v2/a/manifests/CASE")),
        refused(400, "HTTP/0.9 with its space", line("GET /v2/a/manifests/CASE ")),
        refused(505, "HTTP/0.9 by name", line("GET /v2/a/manifests/CASE HTTP/0.9")),
        refused(505, "HTTP/1.2", line("GET /v2/a/manifests/CASE HTTP/1.2")),
        refused(505, "HTTP/1.9", line("GET /v2/a/manifests/CASE HTTP/1.9")),
        refused(505, "HTTP/2.0", line("GET /v2/a/manifests/CASE HTTP/2.0")),
        refused(505, "HTTP/3.0", line("GET /v2/a/manifests/CASE HTTP/3.0")),
        refused(505, "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        refused(400, "a version without a minor one", line("GET /v2/a/manifests/CASE HTTP/1")),
        refused(400, "an empty minor version", line("GET /v2/a/manifests/CASE HTTP/1.")),
        refused(400, "a comma for the dot", line("GET /v2/a/manifests/CASE HTTP/1,1")),
        refused(400, "a leading zero", line("GET /v2/a/manifests/CASE HTTP/01.1")),
        refused(400, "a minus", line("GET /v2/a/manifests/CASE HTTP/-1.1")),
        refused(400, "a hexadecimal version", line("GET /v2/a/manifests/CASE HTTP/0x1.1")),
        refused(400, "lower case", line("GET /v2/a/manifests/CASE http/1.1")),
        refused(400, "mixed case", line("GET /v2/a/manifests/CASE HtTP/1.1")),
        refused(400, "another protocol", line("GET /v2/a/manifests/CASE HTTPS/1.1")),
        refused(400, "RTSP", line("GET /v2/a/manifests/CASE RTSP/1.0")),
        refused(400, "a slash too many", line("GET /v2/a/manifests/CASE HTTP//1.1")),
        refused(400, "two minor digits", line("GET /v2/a/manifests/CASE HTTP/1.10")),
        refused(400, "three numbers", line("GET /v2/a/manifests/CASE HTTP/1.1.1")),
        refused(400, "a letter behind", line("GET /v2/a/manifests/CASE HTTP/1.1x")),
        refused(400, "a comma behind", line("GET /v2/a/manifests/CASE HTTP/1.1,HTTP/1.0")),
    ]
}
