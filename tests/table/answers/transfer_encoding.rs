//! RFC 9112 §6.1: exactly one `chunked`, in HTTP/1.1, without a length beside it.

use crate::case::{Answer, Asked, bad, whole};

const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const BODY: &str = "5\r\nhello\r\n0\r\n\r\n";

pub fn cases() -> Vec<Answer> {
    let coded = |coding: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n{BODY}");
    let fields = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n{BODY}");
    vec![
        whole("chunked", coded("chunked"), HEAD, "hello"),
        whole("chunked in upper case", coded("CHUNKED"), HEAD, "hello"),
        whole("an empty element of the list", coded(", chunked,"), HEAD, "hello"),
        bad("empty", coded("")),
        bad("chunked twice", coded("chunked, chunked")),
        bad("xchunked", coded("xchunked")),
        bad("chunked with a parameter", coded("chunked;a=b")),
        bad("chunked in quotes", coded("\"chunked\"")),
        bad("identity", coded("identity")),
        bad("identity first", coded("identity, chunked")),
        bad("identity last", coded("chunked, identity")),
        bad("gzip first", coded("gzip, chunked")),
        bad("gzip last", coded("chunked, gzip")),
        bad("gzip until the end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello").closes(),
        bad("a vertical tab before it", coded("\x0bchunked")),
        bad("a blank before the colon", fields("Transfer-Encoding : chunked\r\n")),
        bad("chunked in two lines", fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
        bad("identity in a second line", fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n")),
        bad("a length first", fields("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")),
        bad("a length behind", fields("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")),
        bad("a length and identity", fields("Transfer-Encoding: identity\r\nContent-Length: 15\r\n")),
        bad("a length that Connection names", fields("Connection: Content-Length\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n")),
        bad("chunked in HTTP/1.0", format!("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{BODY}")),
        bad("both to HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n").to(Asked::Head),
        bad("both of a 304", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
    ]
}
