use bytes::Bytes;

use super::super::fields::Fields;
use super::super::framing::{self, BodyFraming};
use super::super::head::{REQUEST_LIMITS, RequestHead, Version};
use super::super::request::{Form, effective};
use super::super::uri::Authority;
use super::{arrivals, check_fields, find_head, lines};

/// The head of a request: the same however it arrives, nothing in it but its lines, and framed without doubt.
pub fn request_head(data: &[u8]) {
    let read = |ends: &[usize]| {
        let found = find_head(data, ends, REQUEST_LIMITS, RequestHead::check_partial)?;
        let head = RequestHead::parse(Bytes::copy_from_slice(&data[found.clone()])).ok()?;
        Some((found, head))
    };
    let whole = read(&[data.len()]);
    for ends in arrivals(data.len()) {
        let found =
            |read: &Option<(core::ops::Range<usize>, _)>| read.as_ref().map(|(r, _)| r.clone());
        assert_eq!(found(&read(&ends)), found(&whole), "cut at {ends:?}");
    }
    let Some((range, head)) = whole else { return };
    assert!(matches!(range.start, 0 | 2) && range.end <= data.len());
    check_head(&head, &data[range]);
    if let Ok(framing) = framing::of_request(&head) {
        check_framing(framing, head.version, &head.fields);
        assert_ne!(framing, BodyFraming::UntilClose);
    }
    check_effective(&head);
}

fn check_head(head: &RequestHead, bytes: &[u8]) {
    let lines = lines(bytes);
    check_fields(&head.fields, &lines[1..]);
    assert!(
        head.fields.iter().count() <= REQUEST_LIMITS.fields && bytes.len() <= REQUEST_LIMITS.bytes
    );
    let version = match head.version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    };
    let line = [head.method(), head.target().as_bytes(), version.as_bytes()].join(&b' ');
    assert_eq!(lines[0], line, "a request line is three words");
    assert!(!head.method().is_empty() && !head.target().is_empty());
    assert!(line.iter().all(|&b| b == b' ' || b.is_ascii_graphic()));
}

/// What RFC 9112 §6 lets stand, counted anew.
pub(super) fn check_framing(framing: BodyFraming, version: Version, fields: &Fields) {
    let values = |name: &str| {
        let is_it = |other: &[u8]| other.to_ascii_lowercase() == name.as_bytes();
        let named = fields.iter().filter(|(other, _)| is_it(other));
        named.map(|(_, value)| value).collect::<Vec<_>>()
    };
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    assert!(lengths.len() <= 1 && (lengths.is_empty() || codings.is_empty()));
    match framing {
        BodyFraming::Length(length) => {
            assert!(codings.is_empty());
            let expected = lengths.first().map_or("0".to_owned(), |value| {
                assert!(value.iter().all(u8::is_ascii_digit));
                String::from_utf8_lossy(value).into_owned()
            });
            let digits = expected.trim_start_matches('0');
            assert_eq!(
                digits,
                if length == 0 {
                    String::new()
                } else {
                    length.to_string()
                }
            );
        }
        BodyFraming::Chunked => {
            assert_eq!(version, Version::Http11);
            let said = codings.join(&b',').to_ascii_lowercase();
            let said = said.split(|&b| b == b',').map(<[u8]>::trim_ascii);
            assert_eq!(
                said.filter(|said| !said.is_empty()).collect::<Vec<_>>(),
                [b"chunked"]
            );
        }
        BodyFraming::UntilClose => assert!(lengths.is_empty() && codings.is_empty()),
    }
}

fn check_effective(head: &RequestHead) {
    let Ok(asked) = effective(head) else { return };
    let hosts = head.fields.all("host").count();
    assert!(hosts == 1 || (hosts == 0 && head.version == Version::Http10));
    if let Some(authority) = &asked.authority {
        let written = authority.to_string();
        assert_eq!(Authority::parse(written.as_bytes()).as_ref(), Ok(authority));
        assert!(
            written
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
        );
    }
    match asked.form {
        Form::Origin => assert_eq!(asked.target, head.target()),
        Form::Absolute => {
            let path = asked.target.strip_prefix('/').expect("a path");
            assert!(head.target().ends_with(path));
        }
    }
    assert!(
        asked
            .target
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'#')
    );
}
