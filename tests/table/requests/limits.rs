//! The limits of a request head, exactly and one beyond (RFC 9112 §3, §5.4 leave them to the server).

use crate::case::{Request, get, passed, refused};

const MOST_BYTES: usize = 32 * 1024;
const MOST_FIELDS: usize = 128;
const AFTER_LINE: usize = "Host: h\r\n\r\n".len();

pub fn cases() -> Vec<Request> {
    let peers = "the limit of 32 KiB is docxy's; nginx and HAProxy take less unless they are told";
    vec![
        passed("32 KiB in one field", one_field(MOST_BYTES), field_of(MOST_BYTES)).laxer(peers),
        refused(431, "32 KiB and one byte in one field", one_field(MOST_BYTES + 1)),
        passed("128 fields", many_fields(MOST_FIELDS), fields(MOST_FIELDS)).laxer("the limit of 128 fields is docxy's; HAProxy takes 101"),
        refused(431, "129 fields", many_fields(MOST_FIELDS + 1)),
        passed("32 KiB in the target", target(MOST_BYTES), "").line(&target_line(MOST_BYTES)).laxer(peers),
        refused(431, "32 KiB and one byte in the target", target(MOST_BYTES + 1)),
        refused(431, "a request line of 32 KiB", target(MOST_BYTES + AFTER_LINE)),
        refused(414, "a request line of 32 KiB and one byte", target(MOST_BYTES + AFTER_LINE + 1)),
        refused(414, "32 KiB and one byte in the method", [&b"G".repeat(MOST_BYTES + 1)[..], b" / HTTP/1.1\r\n\r\n"].concat()),
        refused(414, "32 KiB and one byte without a line end", b"G".repeat(MOST_BYTES + 1)),
        refused(431, "an endless head of short fields", get(&"A: b\r\n".repeat(8000))),
        refused(400, "an endless head of empty lines", "\r\n".repeat(9000)),
    ]
}

/// The last field line of [`one_field`].
fn field_of(head: usize) -> Vec<u8> {
    let used = get("X: \r\n\r\n").len();
    format!("X: {}\r\n", "x".repeat(head - used)).into_bytes()
}

fn one_field(head: usize) -> Vec<u8> {
    [get(""), field_of(head), b"\r\n".to_vec()].concat()
}

/// All fields but Host.
fn fields(count: usize) -> String {
    (1..count).map(|n| format!("X-{n}: {n}\r\n")).collect()
}

fn many_fields(count: usize) -> Vec<u8> {
    get(&format!("{}\r\n", fields(count)))
}

fn target_line(head: usize) -> String {
    let used = "GET /v2/a/tags/list?last=CASE HTTP/1.1\r\nHost: h\r\n\r\n".len();
    format!("GET /v2/a/tags/list?last=CASE{}", "x".repeat(head - used))
}

fn target(head: usize) -> Vec<u8> {
    format!("{} HTTP/1.1\r\nHost: h\r\n\r\n", target_line(head)).into_bytes()
}
