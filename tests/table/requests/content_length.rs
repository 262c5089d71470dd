//! RFC 9112 §6.2, §6.3, RFC 9110 §8.6: one length in digits, or none.

use crate::case::{Request, answered, get, passed, post, refused, unfinished};

/// What an attacker wants to be taken for a request.
const SMUGGLED: &str = "GET /v2/evil/manifests/CASE HTTP/1.1\r\nHost: h\r\n\r\n";

pub fn cases() -> Vec<Request> {
    [sound(), malformed(), repeated(), forms()].concat()
}

/// A GET's body is read and dropped, never taken for a request.
fn sound() -> Vec<Request> {
    vec![
        passed("no body", get("Content-Length: 0\r\n\r\n"), ""),
        passed("a body", get("Content-Length: 5\r\n\r\nhello"), ""),
        passed("leading zeros", get("Content-Length: 0005\r\n\r\nhello"), ""),
        passed("blanks around it", get("Content-Length: \t5 \t\r\n\r\nhello"), "").laxer("RFC 9110 §5.6.3: white space is spaces and tabs; nginx takes spaces only"),
        passed("a name in lower case", get("content-length:5\r\n\r\nhello"), ""),
        passed("a request as the body", get(&format!("Content-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len())), ""),
        passed("a request as the body of HTTP/1.0", format!("GET /v2/a/manifests/CASE HTTP/1.0\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()), "")
            .closing()
            .laxer("the body is read, dropped and the connection closed; HAProxy takes no body of a GET in HTTP/1.0"),
        passed("a body of a HEAD", "HEAD /v2/a/manifests/CASE HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "").line("HEAD /v2/a/manifests/CASE"),
        passed("line ends as the body", get("Content-Length: 4\r\n\r\n\r\n\r\n"), ""),
        passed("NULs as the body", get("Content-Length: 3\r\n\r\n\0\0\0"), ""),
        answered(405, "a PUT with a request as its body", format!("PUT /v2/a/manifests/CASE HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len())),
        answered(404, "a refused path with a request as its body", format!("GET /x/CASE HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len())),
        passed("a body of 64 KiB", get(&format!("Content-Length: 65536\r\n\r\n{}", "x".repeat(65536))), ""),
        refused(413, "a body of more than 64 KiB", get("Content-Length: 65537\r\n\r\n")),
        refused(413, "the largest length", get("Content-Length: 18446744073709551615\r\n\r\n")),
        unfinished("a body that is too short", get("Content-Length: 5\r\n\r\nhell")),
        unfinished("a body that does not come", get("Content-Length: 5\r\n\r\n")),
    ]
}

fn malformed() -> Vec<Request> {
    let values = [
        ("empty", ""),
        ("a plus", "+5"),
        ("a minus", "-5"),
        ("minus nothing", "-0"),
        ("hexadecimal", "0x5"),
        ("hexadecimal without its mark", "a"),
        ("octal by name", "0o5"),
        ("a fraction", "5.0"),
        ("an exponent", "5e0"),
        ("a separator", "5_0"),
        ("a blank within", "5 5"),
        ("a tab within", "5\t5"),
        ("a letter behind", "5x"),
        ("a semicolon", "5;"),
        ("a parameter", "5; a=b"),
        ("quotes", "\"5\""),
        ("digits of another script", "\u{665}"),
        ("full-width digits", "\u{ff15}"),
        ("a number of 2^64", "18446744073709551616"),
        ("a number of 2^64 and five", "18446744073709551621"),
        ("a number of 2^128 and five", "340282366920938463463374607431768211461"),
        ("a list of one", "5,"),
        ("a list of the same", "5, 5"),
        ("a list without blanks", "5,5"),
        ("a list of two", "5, 0"),
        ("an empty element first", ",5"),
        ("a word", "five"),
        ("a vertical tab before it", "\x0b5"),
        ("a vertical tab behind", "5\x0b"),
        ("a NUL behind", "5\0"),
        ("a CR behind", "5\r5"),
        ("a control byte before it", "\x015"),
        ("a superscript", "\u{b2}"),
    ];
    values
        .map(|(name, value)| refused(400, name, get(&format!("Content-Length: {value}\r\n\r\nhello"))))
        .to_vec()
}

fn repeated() -> Vec<Request> {
    vec![
        refused(400, "two lengths", get("Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello")),
        refused(400, "twice the same", get("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello")),
        refused(400, "twice nothing", get("Content-Length: 0\r\nContent-Length: 0\r\n\r\n")),
        refused(400, "two lengths in different case", get("Content-Length: 0\r\ncontent-length: 5\r\n\r\nhello")),
        refused(400, "two lengths apart", get("Content-Length: 0\r\nX: y\r\nContent-Length: 5\r\n\r\nhello")),
        refused(400, "a length and an empty one", get("Content-Length: 5\r\nContent-Length:\r\n\r\nhello")),
        refused(400, "two lengths in HTTP/1.0", "GET /v2/a/manifests/CASE HTTP/1.0\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello"),
        refused(400, "two lengths of a PUT", "PUT /v2/a/manifests/CASE HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello"),
    ]
}

/// A form has its length written anew.
fn forms() -> Vec<Request> {
    let scope = "scope=repository:CASE/b:pull";
    let form = |length: &str| post(&format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{scope}"));
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    vec![
        passed("a form", form("28"), kind).line("POST /realm?CASE").form("scope=repository:CASE/b:pull&service=s"),
        passed("a form whose length has zeros", form("0028"), kind).line("POST /realm?CASE").form("scope=repository:CASE/b:pull&service=s"),
        refused(400, "a form with a signed length", form("+28")),
        refused(400, "a form with a list of lengths", form("28, 28")),
        refused(413, "a form of more than 16 KiB", form("16385")),
        unfinished("a form that is cut", form("29")),
    ]
}
