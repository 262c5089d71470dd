//! RFC 9112 §5, RFC 9110 §5: what a field line may hold, and that it passes as it is.

use crate::case::{Answer, bad, whole};

/// An empty answer with these field lines.
fn with(fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n").into_bytes()
}

pub fn cases() -> Vec<Answer> {
    let same = |name, fields: &str| whole(name, with(fields), with(fields), "");
    let obs_text = [b"HTTP/1.1 200 OK\r\nX: a\x80\xff\xfeb\r\n", &b"Content-Length: 0\r\n\r\n"[..]].concat();
    vec![
        same("repeats in order", "X: 1\r\nY: 2\r\nx: 3\r\n"),
        same("every token character", "!#$%&'*+-.^_`|~0189AZaz: x\r\n"),
        same("every sign", "X: !\"#$%&'()*+,-./0123456789:;<=>?@[\\]^_`{|}~\r\n"),
        same("UTF-8", "X: caf\u{e9}\r\n"),
        same("blanks within", "X: a  b\tc\r\n"),
        same("an underscore", "X_Y: z\r\n"),
        whole("obs-text that is no UTF-8", obs_text.clone(), obs_text, ""),
        whole("blanks around a value", with("X: \t y \t\r\n"), with("X: y\r\n"), ""),
        whole("no blank", with("X:y\r\n"), with("X: y\r\n"), ""),
        whole("an empty value", with("X:\r\n"), with("X: \r\n"), ""),
        bad("a blank before the colon", with("X : y\r\n")),
        bad("a tab before the colon", with("X\t: y\r\n")),
        bad("a blank within a name", with("X Y: z\r\n")),
        bad("an empty name", with(": y\r\n")),
        bad("no colon", with("X\r\n")),
        bad("a fold", with("X: y\r\n z\r\n")),
        bad("a fold by a tab", with("X: y\r\n\tz\r\n")),
        bad("a fold of the first field", with(" X: y\r\n")),
        bad("a folded Content-Length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\nhello"),
        bad("a bare CR", with("X: a\rb\r\n")),
        bad("a bare CR that begins a field", with("X: a\rSet-Cookie: a=b\r\n")),
        bad("a bare LF", with("X: a\nSet-Cookie: a=b\r\n")),
        bad("a NUL in a value", with("X: a\0b\r\n")),
        bad("a NUL in a name", with("X\0: a\r\n")),
        bad("a control byte in a value", with("X: \x01\r\n")),
        bad("DEL in a value", with("X: \x7f\r\n")),
        bad("a letter beyond ASCII in a name", with("X\u{e9}: y\r\n")),
        bad("a separator in a name", with("X(Y): z\r\n")),
        bad("CR CR LF", with("X: y\r\r\n")),
        bad("LF as the empty line", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n"),
    ]
}
