use bytes::Bytes;

use super::super::framing::{self, BodyFraming};
use super::super::head::{RESPONSE_LIMITS, ResponseHead, Version};
use super::request::check_framing;
use super::{arrivals, check_fields, find_head, lines};

/// The head of an answer: the same however it arrives, nothing in it but its lines, and framed without doubt.
pub fn response_head(data: &[u8]) {
    let found = find_head(data, &[data.len()], RESPONSE_LIMITS, |_| Ok(()));
    for ends in arrivals(data.len()) {
        let cut = find_head(data, &ends, RESPONSE_LIMITS, |_| Ok(()));
        assert_eq!(cut, found, "cut at {ends:?}");
    }
    let Some(range) = found else { return };
    assert_eq!(range.start, 0, "an answer begins with its status line");
    let bytes = &data[range];
    let Ok(head) = ResponseHead::parse(Bytes::copy_from_slice(bytes)) else {
        return;
    };
    check_head(&head, bytes);
    if let Ok(framing) = framing::of_response(&head, b"GET") {
        let is_bodyless = matches!(head.status, 100..=199 | 204 | 304);
        if is_bodyless {
            assert_eq!(framing, BodyFraming::Length(0));
        } else {
            check_framing(framing, head.version, &head.fields);
            let is_unframed = !head.fields.contains("content-length");
            assert!(framing != BodyFraming::Length(0) || !is_unframed);
        }
        assert_eq!(
            framing::of_response(&head, b"HEAD"),
            Ok(BodyFraming::Length(0))
        );
    }
}

fn check_head(head: &ResponseHead, bytes: &[u8]) {
    let lines = lines(bytes);
    check_fields(&head.fields, &lines[1..]);
    assert!((100..600).contains(&head.status));
    let version = match head.version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    };
    let start = format!("{version} {}", head.status);
    assert!(lines[0].starts_with(start.as_bytes()));
    assert!(
        head.reason()
            .iter()
            .all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f))
    );
    assert!(lines[0].ends_with(head.reason()));
}
