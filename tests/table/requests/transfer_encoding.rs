//! RFC 9112 §6.1: exactly one `chunked`, in HTTP/1.1, without a length beside it.

use crate::case::{Request, get, passed, refused};

/// A chunked body that holds a request, for servers that do not read it as one.
const BODY: &str = "0\r\n\r\nGET /v2/evil/manifests/CASE HTTP/1.1\r\nHost: h\r\n\r\n";

pub fn cases() -> Vec<Request> {
    [sound(), codings(), both()].concat()
}

fn sound() -> Vec<Request> {
    let end = "0\r\n\r\n";
    vec![
        passed("chunked", get(&format!("Transfer-Encoding: chunked\r\n\r\n{end}")), ""),
        passed("chunked in upper case", get(&format!("TRANSFER-ENCODING: CHUNKED\r\n\r\n{end}")), ""),
        passed("blanks around it", get(&format!("Transfer-Encoding: \t chunked \t\r\n\r\n{end}")), "").laxer("RFC 9110 §5.6.3: white space is spaces and tabs; nginx takes spaces only"),
        passed("no blank", get(&format!("Transfer-Encoding:chunked\r\n\r\n{end}")), ""),
        passed("an empty element of the list", get(&format!("Transfer-Encoding: ,chunked\r\n\r\n{end}")), "")
            .laxer("RFC 9110 §5.6.1: a recipient must read empty elements, and passes none on"),
        passed("an empty element behind", get(&format!("Transfer-Encoding: chunked,\r\n\r\n{end}")), "")
            .laxer("RFC 9110 §5.6.1, as above"),
    ]
}

fn codings() -> Vec<Request> {
    let with = |status, name, value: &str| {
        refused(status, name, get(&format!("Transfer-Encoding: {value}\r\n\r\n{BODY}")))
    };
    vec![
        with(400, "empty", ""),
        with(400, "a comma", ","),
        with(400, "chunked twice", "chunked, chunked"),
        with(501, "xchunked", "xchunked"),
        with(501, "chunkedx", "chunkedx"),
        with(501, "x chunked", "x chunked"),
        with(501, "chunked in quotes", "\"chunked\""),
        with(501, "chunked in single quotes", "'chunked'"),
        with(501, "chunked with a parameter", "chunked;q=1"),
        with(501, "chunked with a semicolon", "chunked;"),
        with(501, "identity", "identity"),
        with(501, "identity first", "identity, chunked"),
        with(501, "identity last", "chunked, identity"),
        with(501, "gzip", "gzip"),
        with(501, "gzip first", "gzip, chunked"),
        with(501, "gzip last", "chunked, gzip"),
        with(501, "compress and deflate", "compress, deflate, chunked"),
        with(501, "null", "null"),
        with(501, "a semicolon for the comma", "gzip;chunked"),
        with(501, "a letter beyond ASCII", "chun\u{212a}ed"),
        with(501, "a non-breaking space", "\u{a0}chunked"),
        with(501, "a byte order mark", "\u{feff}chunked"),
        with(501, "a colon", ": chunked"),
        with(400, "a vertical tab before it", "\x0bchunked"),
        with(400, "a form feed behind", "chunked\x0c"),
        with(400, "a NUL behind", "chunked\0"),
        with(400, "a control byte before it", "\x01chunked"),
        with(400, "DEL behind", "chunked\x7f"),
        with(400, "a CR before it", "\rchunked"),
        refused(400, "chunked in two lines", get(&format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n{BODY}"))),
        refused(501, "identity in a line before", get(&format!("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n{BODY}"))),
        refused(501, "identity in a line behind", get(&format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n{BODY}"))),
        refused(501, "another in a line in different case", get(&format!("Transfer-Encoding: chunked\r\ntransfer-encoding: x\r\n\r\n{BODY}"))),
        refused(400, "a blank before the colon", get(&format!("Transfer-Encoding : chunked\r\n\r\n{BODY}"))),
        refused(400, "a tab before the colon", get(&format!("Transfer-Encoding\t: chunked\r\n\r\n{BODY}"))),
        refused(400, "a blank before the name", get(&format!("X: y\r\n Transfer-Encoding: chunked\r\n\r\n{BODY}"))),
        refused(400, "chunked in HTTP/1.0", format!("GET /v2/a/manifests/CASE HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{BODY}")),
        refused(400, "chunked in HTTP/1.0 that stays", format!("GET /v2/a/manifests/CASE HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n{BODY}")),
        refused(400, "identity in HTTP/1.0", "GET /v2/a/manifests/CASE HTTP/1.0\r\nTransfer-Encoding: identity\r\n\r\n"),
        refused(501, "gzip of a HEAD", "HEAD /v2/a/manifests/CASE HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n"),
        refused(501, "gzip of a PUT", "PUT /v2/a/manifests/CASE HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n"),
    ]
}

fn both() -> Vec<Request> {
    let both = |name, fields: &str| refused(400, name, get(&format!("{fields}\r\n{BODY}")));
    vec![
        both("a length first", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        both("a length behind", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        both("a length of the whole", "Content-Length: 61\r\nTransfer-Encoding: chunked\r\n"),
        both("a length of nothing", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
        both("an empty length", "Content-Length:\r\nTransfer-Encoding: chunked\r\n"),
        both("a length and identity", "Content-Length: 5\r\nTransfer-Encoding: identity\r\n"),
        both("a length and no coding", "Content-Length: 5\r\nTransfer-Encoding:\r\n"),
        both("a length and an unknown coding", "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n"),
        both("two lengths and chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        both("a length that Connection names", "Connection: Content-Length\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        refused(400, "both in HTTP/1.0", format!("GET /v2/a/manifests/CASE HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{BODY}")),
    ]
}
