//! Parts of a representation, and whether an answer goes on where another broke off (RFC 9110 §14).

use core::fmt;

use crate::http::head::ResponseHead;

/// As much of what has already passed is read again and dropped where an upstream sends the whole instead of the rest.
pub const MAX_SKIP: u64 = 64 * 1024 * 1024;

/// The bytes `first` to `last`, both among them, of a representation of `total` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte, from 0.
    pub first: u64,
    /// The last byte.
    pub last: u64,
    /// The size of the whole, if it is told.
    pub total: Option<u64>,
}

/// How an answer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuation {
    /// With the very next byte.
    Here,
    /// It begins anew, so that so many bytes have to be dropped first.
    After(u64),
}

/// Why an answer does not go on where another broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// It is neither a part nor the whole.
    Status(u16),
    /// It is another part.
    Part,
    /// Its whole has another size.
    Size,
    /// More would have to be dropped than [`MAX_SKIP`].
    TooFar,
    /// It is of an object with another entity tag.
    Tag,
    /// It is of an object with another digest.
    Digest,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::Status(status) => write!(f, "its answer is {status}"),
            Mismatch::Part => f.write_str("it sends another part than was asked for"),
            Mismatch::Size => f.write_str("the size of the whole has changed"),
            Mismatch::TooFar => write!(
                f,
                "it sends the whole again, of which more than {MAX_SKIP} bytes have passed"
            ),
            Mismatch::Tag => f.write_str("the ETag has changed"),
            Mismatch::Digest => f.write_str("the Docker-Content-Digest has changed"),
        }
    }
}

impl std::error::Error for Mismatch {}

impl Span {
    /// What the body of an answer is, which has `length` bytes; `None` where that is not told.
    pub fn of(head: &ResponseHead, length: u64) -> Option<Span> {
        let last = length.checked_sub(1)?;
        match head.status {
            200 => Some(Span {
                first: 0,
                last,
                total: Some(length),
            }),
            206 => {
                let span = head
                    .fields
                    .only("content-range")
                    .ok()?
                    .and_then(content_range)?;
                (span.last - span.first == last).then_some(span)
            }
            _ => None,
        }
    }

    /// The value of a `Range` field that asks for what is left after `passed` bytes; `None` if nothing is.
    pub fn rest(&self, passed: u64) -> Option<String> {
        let first = self
            .first
            .checked_add(passed)
            .filter(|first| *first <= self.last)?;
        let reaches_the_end = self.total.is_some_and(|total| self.last + 1 == total);
        Some(if reaches_the_end {
            format!("bytes={first}-")
        } else {
            format!("bytes={first}-{}", self.last)
        })
    }

    /// Whether an answer with a body of `length` bytes goes on after `passed` bytes of this span, and how.
    pub fn continues(
        &self,
        passed: u64,
        head: &ResponseHead,
        length: u64,
    ) -> Result<Continuation, Mismatch> {
        if !matches!(head.status, 200 | 206) {
            return Err(Mismatch::Status(head.status));
        }
        let found = Span::of(head, length).ok_or(Mismatch::Part)?;
        if matches!((self.total, found.total), (Some(old), Some(new)) if old != new) {
            return Err(Mismatch::Size);
        }
        let next = self.first.checked_add(passed).ok_or(Mismatch::Part)?;
        match head.status {
            206 if (found.first, found.last) == (next, self.last) => Ok(Continuation::Here),
            // A whole that goes on behind the part would have to be cut there.
            200 if found.last != self.last => Err(Mismatch::Part),
            200 if next > MAX_SKIP => Err(Mismatch::TooFar),
            200 => Ok(Continuation::After(next)),
            _ => Err(Mismatch::Part),
        }
    }
}

/// Reads a `Content-Range`, such as `bytes 0-0/1234` or `bytes 5-9/*`.
fn content_range(value: &[u8]) -> Option<Span> {
    let (unit, range) = str::from_utf8(value)
        .ok()?
        .trim_matches([' ', '\t'])
        .split_once(' ')?;
    let (range, total) = range.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let total = if total == "*" {
        None
    } else {
        Some(number(total)?)
    };
    let sound = unit.eq_ignore_ascii_case("bytes")
        && first <= last
        && total.is_none_or(|total| last < total);
    sound.then_some(Span { first, last, total })
}

/// The total of a `Content-Range`; `None` if it is not told or the field is malformed.
pub fn total_of_content_range(value: &[u8]) -> Option<u64> {
    content_range(value)?.total
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn head(status: u16, content_range: &str) -> ResponseHead {
        let field = if content_range.is_empty() {
            String::new()
        } else {
            format!("Content-Range: {content_range}\r\n")
        };
        ResponseHead::parse(Bytes::from(format!("HTTP/1.1 {status} X\r\n{field}\r\n"))).unwrap()
    }

    #[test]
    fn totals_of_content_ranges() {
        let cases: [(&[u8], Option<u64>); 22] = [
            (b"bytes 0-0/1234", Some(1234)),
            (b"Bytes 0-0/1", Some(1)),
            (b"bytes 5-9/10", Some(10)),
            (b" bytes 0-0/7 ", Some(7)),
            (b"bytes 0-0/18446744073709551615", Some(u64::MAX)),
            (b"bytes 0-0/18446744073709551616", None),
            (b"bytes 0-0/*", None),
            (b"bytes */1234", None),
            (b"bytes 0-0/", None),
            (b"bytes 0-0", None),
            (b"bytes 0-0/0", None),
            (b"bytes 1-0/9", None),
            (b"bytes 0-9/9", None),
            (b"bytes 0-0/+5", None),
            (b"bytes 0-0/-5", None),
            (b"bytes 0-0/0x5", None),
            (b"bytes  0-0/5", None),
            (b"bytes 0-0/5/6", None),
            (b"items 0-0/5", None),
            (b"bytes=0-0/5", None),
            (b"", None),
            (b"bytes 0-0/\xff", None),
        ];
        for (value, expected) in cases {
            assert_eq!(
                total_of_content_range(value),
                expected,
                "{}",
                value.escape_ascii()
            );
        }
    }

    #[test]
    fn a_body_is_the_whole_or_the_part_that_it_says() {
        let part = Span {
            first: 5,
            last: 9,
            total: Some(20),
        };
        assert_eq!(
            Span::of(&head(200, ""), 10),
            Some(Span {
                first: 0,
                last: 9,
                total: Some(10)
            })
        );
        assert_eq!(Span::of(&head(206, "bytes 5-9/20"), 5), Some(part));
        assert_eq!(
            Span::of(&head(206, "bytes 5-9/*"), 5),
            Some(Span {
                total: None,
                ..part
            })
        );
        for (status, range, length) in [
            (206, "bytes 5-9/20", 4),
            (206, "", 5),
            (206, "bytes 9-5/20", 5),
            (404, "", 5),
            (200, "", 0),
        ] {
            assert_eq!(
                Span::of(&head(status, range), length),
                None,
                "{status} {range} {length}"
            );
        }
        let twice =
            "HTTP/1.1 206 X\r\nContent-Range: bytes 0-4/5\r\nContent-Range: bytes 0-4/9\r\n\r\n";
        assert_eq!(
            Span::of(&ResponseHead::parse(Bytes::from(twice)).unwrap(), 5),
            None
        );
    }

    #[test]
    fn the_rest_is_asked_for() {
        let whole = Span {
            first: 0,
            last: 9,
            total: Some(10),
        };
        let part = Span {
            first: 5,
            last: 9,
            total: Some(20),
        };
        let cases = [
            (whole, 0, Some("bytes=0-")),
            (whole, 9, Some("bytes=9-")),
            (whole, 10, None),
            (whole, u64::MAX, None),
            (part, 2, Some("bytes=7-9")),
            (part, 5, None),
            (
                Span {
                    total: None,
                    ..part
                },
                1,
                Some("bytes=6-9"),
            ),
            (
                Span {
                    total: Some(10),
                    ..part
                },
                1,
                Some("bytes=6-"),
            ),
        ];
        for (span, passed, expected) in cases {
            assert_eq!(span.rest(passed).as_deref(), expected, "{span:?} {passed}");
        }
    }

    #[test]
    fn only_what_goes_on_exactly_goes_on() {
        let span = Span {
            first: 10,
            last: 99,
            total: Some(100),
        };
        let cases: [(u16, &str, u64, Result<Continuation, Mismatch>); 10] = [
            (206, "bytes 30-99/100", 70, Ok(Continuation::Here)),
            (206, "bytes 30-99/*", 70, Ok(Continuation::Here)),
            (206, "bytes 29-99/100", 71, Err(Mismatch::Part)),
            (206, "bytes 30-98/100", 69, Err(Mismatch::Part)),
            (206, "bytes 30-99/101", 70, Err(Mismatch::Size)),
            (206, "bytes 30-99/100", 69, Err(Mismatch::Part)),
            (200, "", 100, Ok(Continuation::After(30))),
            (200, "", 99, Err(Mismatch::Size)),
            (416, "bytes */100", 0, Err(Mismatch::Status(416))),
            (403, "", 5, Err(Mismatch::Status(403))),
        ];
        for (status, range, length, expected) in cases {
            assert_eq!(
                span.continues(20, &head(status, range), length),
                expected,
                "{status} {range} {length}"
            );
        }
        let most = 64 * 1024 * 1024;
        let far = Span {
            first: 0,
            last: most + 5,
            total: Some(most + 6),
        };
        let whole = head(200, "");
        assert_eq!(
            far.continues(most, &whole, most + 6),
            Ok(Continuation::After(most))
        );
        assert_eq!(
            far.continues(most + 1, &whole, most + 6),
            Err(Mismatch::TooFar)
        );
        let unknown = Span {
            total: None,
            ..span
        };
        for length in [99, 200] {
            assert_eq!(
                unknown.continues(20, &whole, length),
                Err(Mismatch::Part),
                "{length}"
            );
        }
        assert_eq!(
            unknown.continues(20, &whole, 100),
            Ok(Continuation::After(30))
        );
    }
}
