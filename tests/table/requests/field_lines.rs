//! RFC 9112 §5, RFC 9110 §5: what a field line may hold, and that it passes as it is.

use crate::case::{Request, get, passed, refused};

pub fn cases() -> Vec<Request> {
    [names(), values(), logins(), folds(), lookalikes()].concat()
}

fn names() -> Vec<Request> {
    let every = "!#$%&'*+-.^_`|~0189AZaz: x\r\n";
    let mut cases = vec![
        passed("every token character", get(&format!("{every}\r\n")), every),
        passed("a name of one character", get("x: y\r\n\r\n"), "x: y\r\n"),
        refused(400, "an empty name", get(": x\r\n\r\n")),
        refused(400, "no colon", get("X\r\n\r\n")),
        refused(400, "a blank before the colon", get("X : y\r\n\r\n")),
        refused(400, "a tab before the colon", get("X\t: y\r\n\r\n")),
        refused(400, "a blank within", get("X Y: z\r\n\r\n")),
        refused(400, "a letter beyond ASCII", get("X\u{e9}: y\r\n\r\n")),
        refused(400, "a byte beyond UTF-8", b"GET /v2/a/manifests/CASE HTTP/1.1\r\nHost: h\r\nX\xa0: y\r\n\r\n"),
        refused(400, "DEL in a name", get("X\x7f: y\r\n\r\n")),
        refused(400, "a control byte in a name", get("X\x01: y\r\n\r\n")),
        refused(400, "a vertical tab before the colon", get("Transfer-Encoding\x0b: chunked\r\n\r\n")),
    ];
    cases.extend(
        ["\"", "(", ")", ",", "/", ";", "<", "=", ">", "?", "@", "[", "\\", "]", "{", "}"]
            .map(|sign| refused(400, "a separator in a name", get(&format!("X{sign}Y: z\r\n\r\n")))),
    );
    cases
}

fn values() -> Vec<Request> {
    let with = |value: &[u8]| {
        [b"GET /v2/a/manifests/CASE HTTP/1.1\r\nHost: h\r\nX: ", value, b"\r\n\r\n"].concat()
    };
    let graphic = "!\"#$%&'()*+,-./0123456789:;<=>?@[\\]^_`{|}~";
    let mut cases = vec![
        passed("an empty value", get("X:\r\n\r\n"), "X: \r\n"),
        passed("a blank value", get("X: \t \r\n\r\n"), "X: \r\n"),
        passed("blanks around a value", get("X: \t y \t\r\n\r\n"), "X: y\r\n"),
        passed("no blank", get("X:y\r\n\r\n"), "X: y\r\n"),
        passed("blanks within", get("X: a  b\tc\r\n\r\n"), "X: a  b\tc\r\n"),
        passed("every sign", with(graphic.as_bytes()), format!("X: {graphic}\r\n")),
        passed("a colon first", get("X::y\r\n\r\n"), "X: :y\r\n"),
        passed("UTF-8", with("caf\u{e9}".as_bytes()), "X: caf\u{e9}\r\n"),
        passed("obs-text that is no UTF-8", with(b"a\x80\xff\xfeb"), b"X: a\x80\xff\xfeb\r\n"),
        passed("repeats in order", get("X: 1\r\nY: 2\r\nx: 3\r\nX: 1\r\n\r\n"), "X: 1\r\nY: 2\r\nx: 3\r\nX: 1\r\n"),
        passed("a value of 16 KiB", with(&[b'v'; 16 * 1024]), [b"X: ", &[b'v'; 16 * 1024][..], b"\r\n"].concat())
            .laxer("the limit is that of the head, 32 KiB; nginx takes 8 KiB in a line, HAProxy 16 KiB in a head"),
        passed("a name of 4 KiB", get(&format!("{}: y\r\n\r\n", "n".repeat(4096))), format!("{}: y\r\n", "n".repeat(4096)))
            .laxer("the limit is that of the head; HAProxy has one of 1 KiB for names"),
    ];
    cases.extend(
        [1, 2, 7, 8, 0x0b, 0x0c, 0x0e, 0x1b, 0x1f, 0x7f]
            .map(|byte| refused(400, "a control byte in a value", with(&[b'a', byte, b'b']))),
    );
    cases
}

/// Of two logins one server would look at the first and another at the second.
fn logins() -> Vec<Request> {
    vec![
        passed("Authorization", get("Authorization: Bearer a.b-c_d~e+f/g==\r\n\r\n"), "Authorization: Bearer a.b-c_d~e+f/g==\r\n"),
        refused(400, "Authorization twice", get("Authorization: Bearer a\r\nAuthorization: Basic eDp5\r\n\r\n")),
        refused(400, "Authorization twice, the same", get("Authorization: Bearer a\r\nAuthorization: Bearer a\r\n\r\n")),
        refused(400, "Authorization twice, one empty", get("Authorization:\r\nAuthorization: Bearer a\r\n\r\n")),
    ]
}

fn folds() -> Vec<Request> {
    vec![
        refused(400, "a fold by a space", get("X: y\r\n z\r\n\r\n")),
        refused(400, "a fold by a tab", get("X: y\r\n\tz\r\n\r\n")),
        refused(400, "a fold of an empty value", get("X:\r\n y\r\n\r\n")),
        refused(400, "a fold that is blank", get("X: y\r\n \r\n\r\n")),
        refused(400, "a folded Content-Length", get("Content-Length:\r\n 5\r\n\r\nhello")),
        refused(400, "a folded Transfer-Encoding", get("Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n")),
        refused(400, "a fold that hides a length", get("X: y\r\n Content-Length: 5\r\n\r\nhello")),
    ]
}

/// Fields that some servers take for others. They pass as what they are, and frame nothing.
fn lookalikes() -> Vec<Request> {
    let pass = |name, field: &str| passed(name, get(&format!("{field}\r\n\r\n")), format!("{field}\r\n"));
    vec![
        pass("Content_Length", "Content_Length: 5"),
        pass("Transfer_Encoding", "Transfer_Encoding: chunked"),
        pass("Content.Length", "Content.Length: 5"),
        pass("X-Content-Length", "X-Content-Length: 5"),
        pass("ContentLength", "ContentLength: 5"),
        pass("Transfer-Encodin", "Transfer-Encodin: chunked"),
        pass("Transfer-Encoding-", "Transfer-Encoding-: chunked"),
        pass("Content-Encoding: chunked", "Content-Encoding: chunked"),
        pass("X-HTTP-Method-Override", "X-HTTP-Method-Override: PUT"),
        pass("X-Original-URL", "X-Original-URL: /admin"),
        pass("a request in a value", "X: GET /v2/evil/manifests/x HTTP/1.1"),
        passed("a Content-Length that Content-Length follows", get("X: Content-Length: 50\r\nContent-Length: 0\r\n\r\n"), "X: Content-Length: 50\r\n"),
    ]
}
