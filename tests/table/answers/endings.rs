//! RFC 9112 §6.3, §8, §9.6: a body until the connection's end, and connections that end too early.

use crate::case::{Answer, Asked, bad, broken, whole};

pub fn cases() -> Vec<Answer> {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let until_close = "HTTP/1.1 200 OK\r\n\r\nhello";
    vec![
        whole("a body until the end", until_close, chunked, "hello").closes(),
        whole("a body until the end of HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nhello", chunked, "hello").closes(),
        whole("a body until the end of HTTP/1.0 that stays", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello", chunked, "hello").closes(),
        whole("an empty body until the end", "HTTP/1.1 200 OK\r\n\r\n", chunked, "").closes(),
        whole("an answer as a body until the end", format!("{until_close}HTTP/1.1 200 OK\r\n\r\n"), chunked, "helloHTTP/1.1 200 OK\r\n\r\n").closes(),
        whole("until the end, to HTTP/1.0", until_close, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "hello").closes().to(Asked::Get10),
        broken("a reset of a body until the end", until_close, "hello").resets(),
        broken("a reset of a body until the end, to HTTP/1.0", until_close, "hello").resets().to(Asked::Get10),
        bad("half a status line", "HTTP/1.1 20").closes(),
        bad("half a head", "HTTP/1.1 200 OK\r\nContent-Le").closes(),
        bad("a head without its empty line", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n").closes(),
        bad("a head without its last LF", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r").closes(),
        bad("a reset within a head", "HTTP/1.1 200 OK\r\nContent-Le").resets(),
        bad("nothing", "").closes(),
        bad("a reset at once", "").resets(),
    ]
}
