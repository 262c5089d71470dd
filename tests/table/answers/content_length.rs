//! RFC 9112 §6.2, §6.3: one length in digits; what is beyond it reaches nobody.

use crate::case::{Answer, Asked, Then, bad, broken, whole};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

fn length(value: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\nhello").into_bytes()
}

pub fn cases() -> Vec<Answer> {
    [sound(), surplus(), malformed(), cut()].concat()
}

fn sound() -> Vec<Answer> {
    vec![
        whole("a length", length("5"), HEAD, "hello"),
        whole("leading zeros", length("0005"), HEAD, "hello"),
        whole("blanks around it", length(" \t5 "), HEAD, "hello"),
        whole("a name in lower case", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", HEAD, "hello"),
        whole("to HTTP/1.0", length("5"), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", "hello").to(Asked::Get10),
        whole("of HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", HEAD, "hello").spent(),
        whole("of HTTP/1.0 that stays", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", HEAD, "hello"),
    ]
}

/// Answers that nobody asked for must not become somebody's.
fn surplus() -> Vec<Answer> {
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let before = |bytes: &str| [&length("5")[..], bytes.as_bytes()].concat();
    vec![
        whole("an answer too many", before(evil), HEAD, "hello").spent(),
        whole("half an answer too many", before("HTTP/1.1 2"), HEAD, "hello").spent(),
        whole("a byte too many", before("!"), HEAD, "hello").spent(),
        whole("a line end too many", before("\r\n"), HEAD, "hello").spent(),
        whole("an answer after none", format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n{evil}"), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "").spent(),
        whole("a body after a length of none", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nhello", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "").spent(),
    ]
}

fn malformed() -> Vec<Answer> {
    let values = [
        ("empty", ""),
        ("a plus", "+5"),
        ("a minus", "-5"),
        ("hexadecimal", "0x5"),
        ("a fraction", "5.0"),
        ("a blank within", "5 5"),
        ("a letter behind", "5x"),
        ("a list of the same", "5, 5"),
        ("a list of two", "5, 0"),
        ("a list of one", "5,"),
        ("quotes", "\"5\""),
        ("a number of 2^64 and five", "18446744073709551621"),
        ("a word", "chunked"),
        ("digits of another script", "\u{665}"),
        ("a vertical tab", "\x0b5"),
    ];
    let mut cases = values.map(|(name, value)| bad(name, length(value))).to_vec();
    cases.extend([
        bad("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello"),
        bad("twice the same", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
        bad("two lengths in HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello"),
        bad("two lengths to HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n").to(Asked::Head),
        bad("a sign to HEAD", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n").to(Asked::Head),
        bad("two lengths of a 304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    ]);
    cases
}

fn cut() -> Vec<Answer> {
    let cut = |name, bytes: &[u8], begun| Answer { then: Then::Closes, ..broken(name, bytes, begun) };
    vec![
        cut("no byte of the body", &length("5")[..38], ""),
        cut("a byte short", &length("6"), "hello"),
        cut("a byte short, by HTTP/1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello", "hello"),
        cut("a byte short, to HTTP/1.0", &length("6"), "hello").to(Asked::Get10),
        cut("the largest length", &length("18446744073709551615"), "hello"),
        broken("a reset", length("6"), "hello").resets(),
    ]
}
