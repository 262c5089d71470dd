//! RFC 9112 §7.1: chunks, of a body that is dropped and of a form that is not.

use crate::case::{Request, chunked_post, get, passed, refused, unfinished};

/// What an attacker wants to be taken for a request.
const SMUGGLED: &str = "GET /v2/evil/manifests/CASE HTTP/1.1\r\nHost: h\r\n\r\n";

pub fn cases() -> Vec<Request> {
    [sizes(), extensions(), line_ends(), trailers(), ends()].concat()
}

/// A form of one chunk that reaches the upstream.
fn form(name: &'static str, body: &str) -> Request {
    passed(name, chunked_post(body), "")
        .line("POST /realm?CASE")
        .form("scope=repository:CASE/b:pull&service=s")
}

fn sizes() -> Vec<Request> {
    let sized = |name, size: &str| {
        refused(400, name, chunked_post(&format!("{size}\r\nscope=repository:CASE/b:pull\r\n0\r\n\r\n")))
    };
    vec![
        form("a chunk", "1c\r\nscope=repository:CASE/b:pull\r\n0\r\n\r\n"),
        form("a size in upper case", "1C\r\nscope=repository:CASE/b:pull\r\n0\r\n\r\n"),
        form("leading zeros", "00000000000001c\r\nscope=repository:CASE/b:pull\r\n0\r\n\r\n"),
        form("many zeros at the end", "1c\r\nscope=repository:CASE/b:pull\r\n0000000000000000\r\n\r\n"),
        form("two chunks", "6\r\nscope=\r\n16\r\nrepository:CASE/b:pull\r\n0\r\n\r\n"),
        sized("a plus", "+1c"),
        sized("a minus", "-1c"),
        sized("minus nothing", "-0"),
        sized("a mark of hexadecimal", "0x1c"),
        sized("a mark in upper case", "0X1c"),
        sized("a blank before it", " 1c"),
        sized("a tab before it", "\t1c"),
        sized("a blank behind", "1c "),
        sized("a tab behind", "1c\t"),
        sized("a vertical tab behind", "1c\x0b"),
        sized("a NUL behind", "1c\0"),
        sized("a letter behind", "1cg"),
        sized("an h behind", "1ch"),
        sized("a separator", "1_c"),
        sized("a comma", "1c,1c"),
        sized("a fraction", "1c.0"),
        sized("quotes", "\"1c\""),
        sized("nothing", ""),
        sized("17 digits", "0000000000000001c"),
        sized("2^64 and 28", "1000000000000001c"),
        sized("2^64 minus one", "ffffffffffffffff"),
        sized("2^63", "8000000000000000"),
        sized("2^60", "1000000000000000"),
        sized("2^32 and 28, of more digits than there may be", "0000000010000001c"),
        sized("digits of another script", "\u{661}"),
        sized("full-width digits", "\u{ff11}"),
        sized("beyond UTF-8", "\u{80}"),
        refused(413, "a form of more than 16 KiB", chunked_post(&format!("4001\r\n{}\r\n0\r\n\r\n", "x".repeat(0x4001)))),
    ]
}

fn extensions() -> Vec<Request> {
    let body = "scope=repository:CASE/b:pull\r\n0\r\n\r\n";
    let extended = |name, extension: &str| form(name, &format!("1c{extension}\r\n{body}"));
    let malformed = |name, extension: &str| refused(400, name, chunked_post(&format!("1c{extension}\r\n{body}")));
    let many = |count| format!("1;{}\r\n&\r\n", "e".repeat(256)).repeat(count);
    vec![
        extended("an extension", ";a"),
        extended("an extension with a value", ";a=b"),
        extended("an extension in quotes", ";a=\"b;c\""),
        extended("a quoted pair", ";a=\"b\\\"c\""),
        extended("two extensions", ";a=b;c=d"),
        extended("256 bytes", &format!(";{}", "e".repeat(256))),
        form("an extension of the last chunk", "1c\r\nscope=repository:CASE/b:pull\r\n0;a=b\r\n\r\n"),
        passed("4 KiB in many chunks", chunked_post(&format!("{}1c\r\n{body}", many(16))), "")
            .line("POST /realm?CASE")
            .form("&&&&&&&&&&&&&&&&scope=repository:CASE/b:pull&service=s"),
        malformed("a quote in an extension that is not closed", ";a=\"b"),
        malformed("a quote in an extension that ends in a quoted quote", ";a=\"b\\\""),
        malformed("257 bytes", &format!(";{}", "e".repeat(257))),
        malformed("a CR within", ";a\rb"),
        malformed("a CR within quotes", ";a=\"\r\""),
        malformed("an LF within", ";a\nb"),
        malformed("an LF within quotes", ";a=\"\n\""),
        malformed("a chunk within quotes, by LF", ";a=\"\n0\r\n\r\nGET /v2/evil/manifests/CASE HTTP/1.1\r\nHost: h\r\n\r\n\""),
        malformed("a NUL within", ";a\0"),
        malformed("a control byte within", ";a\x01"),
        malformed("a blank before the semicolon", " ;a"),
        malformed("no semicolon", "a=b"),
        malformed("an equals sign", "=b"),
        refused(400, "a byte more than 4 KiB in many chunks", chunked_post(&format!("{}1;e\r\n&\r\n0\r\n\r\n", many(16)))),
    ]
}

fn line_ends() -> Vec<Request> {
    let malformed = |name, body: &str| refused(400, name, chunked_post(body));
    vec![
        malformed("LF after a size", "1c\nscope=repository:CASE/b:pull\r\n0\r\n\r\n"),
        malformed("LF after data", "1c\r\nscope=repository:CASE/b:pull\n0\r\n\r\n"),
        malformed("LF after the last size", "1c\r\nscope=repository:CASE/b:pull\r\n0\n\r\n"),
        malformed("LF at the end", "1c\r\nscope=repository:CASE/b:pull\r\n0\r\n\n"),
        malformed("CR after a size", "1c\rscope=repository:CASE/b:pull\r\n0\r\n\r\n"),
        malformed("CR after data", "1c\r\nscope=repository:CASE/b:pull\r0\r\n\r\n"),
        malformed("CR CR LF after a size", "1c\r\r\nscope=repository:CASE/b:pull\r\n0\r\n\r\n"),
        malformed("CR and another byte after data", "1c\r\nscope=repository:CASE/b:pull\rX0\r\n\r\n"),
        malformed("any two bytes after data", "1c\r\nscope=repository:CASE/b:pullXX0\r\n\r\n"),
        malformed("nothing after data", "1c\r\nscope=repository:CASE/b:pull0\r\n\r\n"),
        malformed("more data than its size", "1b\r\nscope=repository:CASE/b:pull\r\n0\r\n\r\n"),
        malformed("an empty line before a size", "\r\n1c\r\nscope=repository:CASE/b:pull\r\n0\r\n\r\n"),
        malformed("two line ends after data", "1c\r\nscope=repository:CASE/b:pull\r\n\r\n0\r\n\r\n"),
        malformed("a request for a size", SMUGGLED),
        refused(400, "LF of a body that is dropped", get(&format!("Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n{SMUGGLED}"))),
        refused(400, "a size that wraps to that of a request", get(&format!("Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n{SMUGGLED}"))),
    ]
}

fn trailers() -> Vec<Request> {
    let trailing = |name, trailers: &str| form(name, &format!("1c\r\nscope=repository:CASE/b:pull\r\n0\r\n{trailers}\r\n"));
    let malformed = |name, trailers: &str| {
        refused(400, name, chunked_post(&format!("1c\r\nscope=repository:CASE/b:pull\r\n0\r\n{trailers}\r\n")))
    };
    vec![
        trailing("a trailer", "X: y\r\n"),
        trailing("a trailer that frames", "Content-Length: 5\r\n"),
        trailing("a trailer that frames anew", "Transfer-Encoding: chunked\r\n"),
        trailing("a trailer that names a host", "Host: evil.test\r\n"),
        trailing("a trailer that logs in", "Authorization: Basic eDp5\r\n"),
        trailing("an empty trailer", "X:\r\n"),
        trailing("trailers of 8 KiB", &format!("X: {}\r\n", "y".repeat(8 * 1024 - 4))),
        malformed("a trailer without a colon", "X\r\n"),
        malformed("a trailer without a name", ": x\r\n"),
        malformed("a blank before the colon", "X : y\r\n"),
        malformed("a folded trailer", "X: y\r\n z\r\n"),
        malformed("a control byte in a trailer", "X: \x01\r\n"),
        malformed("LF after a trailer", "X: y\n"),
        malformed("a CR within a trailer", "X: y\rz\r\n"),
        malformed("a NUL within a trailer", "X: \0\r\n"),
        malformed("trailers of more than 8 KiB", &format!("X: {}\r\n", "y".repeat(8 * 1024 - 3))),
        malformed("a request for a trailer", "GET /v2/evil/manifests/CASE HTTP/1.1\r\n"),
    ]
}

fn ends() -> Vec<Request> {
    let dropped = |body: &str| get(&format!("Transfer-Encoding: chunked\r\n\r\n{body}"));
    vec![
        passed("a body that is dropped", dropped("5\r\nhello\r\n0\r\n\r\n"), ""),
        passed("a request in a chunk", dropped(&format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len())), ""),
        passed("a body of 64 KiB", dropped(&format!("10000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x10000))), ""),
        refused(413, "a body of more than 64 KiB", dropped(&format!("10001\r\n{}\r\n0\r\n\r\n", "x".repeat(0x10001)))),
        unfinished("a size alone", dropped("5")),
        unfinished("a chunk that is cut", dropped("5\r\nhel")),
        unfinished("a chunk without its end", dropped("5\r\nhello")),
        unfinished("no last chunk", dropped("5\r\nhello\r\n")),
        unfinished("a last chunk without its empty line", dropped("0\r\n")),
        unfinished("a last chunk without its last LF", dropped("0\r\n\r")),
        unfinished("a trailer that is cut", dropped("0\r\nX: y")),
        unfinished("a form that is cut", chunked_post("1c\r\nscope=repository:CASE/b:pull\r\n0\r\n")),
    ]
}
