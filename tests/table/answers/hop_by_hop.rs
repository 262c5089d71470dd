//! RFC 9110 §7.6.1: what is of one hop only stays there, and `Connection` cannot take away what frames.

use crate::case::{Answer, whole};

fn with(fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 5\r\n\r\nhello").into_bytes()
}

/// What reaches the client of an answer [`with`] fields.
fn head(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 5\r\n\r\n")
}

pub fn cases() -> Vec<Answer> {
    let dropped = |name, field: &str| whole(name, with(&format!("{field}\r\n")), head(""), "hello");
    vec![
        dropped("close", "Connection: close").spent(),
        dropped("close in a list", "Connection: x, CLOSE").spent(),
        dropped("close in a second line", "Connection: keep-alive\r\nConnection: close").spent(),
        dropped("keep-alive", "Connection: keep-alive\r\nKeep-Alive: timeout=5"),
        dropped("a named field", "Connection: X-Own\r\nX-Own: 1"),
        dropped("a named field before it", "X-Own: 1\r\nConnection: x-own"),
        dropped("Content-Length that is named", "Connection: Content-Length"),
        dropped("both framings that are named", "Connection: Transfer-Encoding, Content-Length"),
        dropped("Content-Length that is named, and close", "Connection: content-length, close").spent(),
        dropped("Transfer-Encoding that is named", "Connection: Transfer-Encoding"),
        dropped("Proxy-Authenticate", "Proxy-Authenticate: Basic realm=x"),
        dropped("Proxy-Connection", "Proxy-Connection: keep-alive"),
        dropped("Upgrade", "Connection: upgrade\r\nUpgrade: h2c"),
        dropped("Trailer", "Trailer: X"),
        dropped("TE", "TE: trailers"),
        dropped("Set-Cookie", "Set-Cookie: a=b"),
        dropped("Alt-Svc", "Alt-Svc: h3=\":443\""),
        dropped("Strict-Transport-Security", "Strict-Transport-Security: max-age=1"),
        dropped("a Date that is named, for which docxy has its own", "Connection: Date\r\nDate: Sun, 22 Nov 2026 10:59:12 GMT"),
        dropped("OCI-Namespace of the upstream", "OCI-Namespace: evil.test"),
        whole("a field that is not named", with("Connection: X-Own\r\nX-Other: 1\r\n"), head("X-Other: 1\r\n"), "hello"),
    ]
}
