//! The limits of an answer's head, exactly and one beyond, and a Location of what a head can hold.

use crate::case::{Answer, bad, whole};

const MOST_BYTES: usize = 128 * 1024;
const MOST_FIELDS: usize = 256;

pub fn cases() -> Vec<Answer> {
    let same = |name, head: Vec<u8>| whole(name, head.clone(), head, "");
    vec![
        same("128 KiB in one field", one_field("X: ", MOST_BYTES)),
        bad("128 KiB and one byte in one field", one_field("X: ", MOST_BYTES + 1)),
        same("256 fields", fields(MOST_FIELDS)),
        bad("257 fields", fields(MOST_FIELDS + 1)),
        same("a Location of 32 KiB that is no redirect", location(32 * 1024)),
        same("a Location of 128 KiB that is no redirect", location(MOST_BYTES)),
        bad("a Location of more", location(MOST_BYTES + 1)),
        bad("an endless head", "HTTP/1.1 200 OK\r\n".to_owned() + &"A: b\r\n".repeat(30_000)),
        bad("an endless line", "HTTP/1.1 200 OK\r\nX: ".to_owned() + &"x".repeat(MOST_BYTES)),
    ]
}

/// Elsewhere, so that it passes as it is.
fn location(head: usize) -> Vec<u8> {
    one_field("Location: http://elsewhere.test/", head)
}

/// A head of so many bytes, because the value of a field goes on and on after `start`.
fn one_field(start: &str, head: usize) -> Vec<u8> {
    let around = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{start}\r\n\r\n").len();
    let value = "x".repeat(head - around);
    format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{start}{value}\r\n\r\n").into_bytes()
}

fn fields(count: usize) -> Vec<u8> {
    let fields: String = (1..count).map(|n| format!("X-{n}: {n}\r\n")).collect();
    format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{fields}\r\n").into_bytes()
}
