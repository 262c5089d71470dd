//! RFC 9112 §9.3, RFC 9110 §7.6.1: who stays, what is of one hop only, and what `Connection` cannot take away.

use crate::case::{Request, get, passed};

pub fn cases() -> Vec<Request> {
    [persistence(), hop_by_hop(), named()].concat()
}

fn persistence() -> Vec<Request> {
    let old = |fields: &str| format!("GET /v2/a/manifests/CASE HTTP/1.0\r\n{fields}\r\n");
    vec![
        passed("close", get("Connection: close\r\n\r\n"), "").closing(),
        passed("close in upper case", get("CONNECTION: CLOSE\r\n\r\n"), "").closing(),
        passed("close in a list", get("Connection: x, close\r\n\r\n"), "").closing(),
        passed("close in a second line", get("Connection: keep-alive\r\nConnection: close\r\n\r\n"), "").closing(),
        passed("close and keep-alive", get("Connection: close, keep-alive\r\n\r\n"), "").closing(),
        passed("a word with close in it", get("Connection: closed\r\n\r\n"), ""),
        passed("keep-alive", get("Connection: keep-alive\r\n\r\n"), ""),
        passed("an empty Connection", get("Connection:\r\n\r\n"), ""),
        passed("commas", get("Connection: ,,\r\n\r\n"), ""),
        passed("HTTP/1.0 that stays", old("Connection: keep-alive\r\n"), ""),
        passed("HTTP/1.0 that does not", old("Connection: keep-alive, close\r\n"), "").closing(),
        passed("close with a body", get("Connection: close\r\nContent-Length: 5\r\n\r\nhello"), "").closing(),
        passed("close and another request", [get("Connection: close\r\n\r\n"), get("\r\n")].concat(), "").closing(),
    ]
}

fn hop_by_hop() -> Vec<Request> {
    let dropped = |name, field: &str| passed(name, get(&format!("{field}\r\n\r\n")), "");
    vec![
        dropped("Keep-Alive", "Keep-Alive: timeout=5"),
        dropped("Proxy-Connection", "Proxy-Connection: close"),
        dropped("Proxy-Authorization", "Proxy-Authorization: Basic eDp5"),
        dropped("TE", "TE: trailers"),
        dropped("TE in a list", "Connection: TE\r\nTE: trailers, deflate"),
        dropped("Trailer", "Trailer: Host"),
        dropped("Upgrade", "Connection: Upgrade\r\nUpgrade: websocket").laxer("RFC 9110 §7.8: an Upgrade may be ignored, and it is dropped; HAProxy misses Sec-WebSocket-Key"),
        dropped("Upgrade to HTTP/2", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__"),
        dropped("HTTP2-Settings that Connection does not name", "HTTP2-Settings: AAMAAABkAAQAAP__"),
        dropped("Cookie", "Cookie: a=b"),
        dropped("X-Forwarded-For", "X-Forwarded-For: 10.0.0.1"),
        dropped("X-Forwarded-Host", "X-Forwarded-Host: evil.test"),
        dropped("Forwarded", "Forwarded: host=evil.test"),
        dropped("X-Real-IP", "X-Real-IP: 10.0.0.1"),
        dropped("Max-Forwards", "Max-Forwards: 0"),
        passed("Via", get("Via: 1.0 a, 1.1 b\r\n\r\n"), "Via: 1.0 a, 1.1 b\r\n"),
    ]
}

fn named() -> Vec<Request> {
    let named = |name, fields: &str, kept: &str| passed(name, get(&format!("{fields}\r\n")), kept);
    vec![
        named("a field that is named", "Connection: X-Own\r\nX-Own: 1\r\nX-Other: 2\r\n", "X-Other: 2\r\n"),
        named("a field that is named in other case", "Connection: x-OWN\r\nX-Own: 1\r\n", ""),
        named("a field that is named behind it", "X-Own: 1\r\nX-Own: 2\r\nConnection: X-Own\r\n", ""),
        named("a field that is named in a second line", "Connection: keep-alive\r\nX-Own: 1\r\nConnection: X-Own\r\n", ""),
        named("a field that is not there", "Connection: X-None\r\nX-Own: 1\r\n", "X-Own: 1\r\n"),
        named("a field that is named in quotes", "Connection: \"X-Own\"\r\nX-Own: 1\r\n", "X-Own: 1\r\n"),
        named("Connection itself", "Connection: Connection, X-Own\r\nX-Own: 1\r\n", ""),
        named("Host", "Connection: Host\r\n", ""),
        named("Authorization", "Connection: Authorization\r\nAuthorization: Bearer t\r\n", ""),
        named("Accept", "Connection: Accept\r\nAccept: a/b\r\n", ""),
        named("Via", "Connection: Via\r\nVia: 1.1 a\r\n", "Via: 1.1 a\r\n"),
        named("Content-Length", "Connection: Content-Length\r\nContent-Length: 0\r\n", ""),
        passed("Host and Content-Length of a body", get("Connection: Host, Content-Length\r\nContent-Length: 49\r\n\r\nGET /v2/evil/manifests/CASE HTTP/1.1\r\nHost: h\r\n\r\n"), ""),
        passed("Content-Length of a body", get("Connection: Content-Length\r\nContent-Length: 5\r\n\r\nhello"), ""),
        passed("Transfer-Encoding", get("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), ""),
    ]
}
