//! How long the body of a message is (RFC 9112 §6.3), with every doubt refused.

use core::fmt;

use super::fields::Fields;
use super::head::{RequestHead, ResponseHead, Version};

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// After this many bytes; 0 where there is no body.
    Length(u64),
    /// After the last chunk and its trailers (RFC 9112 §7.1).
    Chunked,
    /// When the connection ends; answers only.
    UntilClose,
}

/// Why the length of a body is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingError {
    /// Both Content-Length and Transfer-Encoding.
    TwoFramings,
    /// More than one Content-Length, or a list in it.
    TwoLengths,
    /// A Content-Length that is empty, has a byte that is no digit, or more digits than 64 bits hold.
    BadLength,
    /// Transfer-Encoding in a message of HTTP/1.0.
    TransferEncodingIn10,
    /// Transfer-Encoding that is empty or names `chunked` more than once.
    BadTransferEncoding,
    /// A transfer coding other than `chunked`.
    UnknownCoding,
}

impl FramingError {
    /// The status for a request with this fault.
    pub fn status(self) -> u16 {
        if self == FramingError::UnknownCoding {
            501
        } else {
            400
        }
    }
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FramingError::TwoFramings => "both Content-Length and Transfer-Encoding",
            FramingError::TwoLengths => "more than one Content-Length",
            FramingError::BadLength => "a malformed Content-Length",
            FramingError::TransferEncodingIn10 => "Transfer-Encoding in HTTP/1.0",
            FramingError::BadTransferEncoding => "a malformed Transfer-Encoding",
            FramingError::UnknownCoding => "a transfer coding other than chunked",
        })
    }
}

impl std::error::Error for FramingError {}

/// The framing of a request's body.
pub fn of_request(head: &RequestHead) -> Result<BodyFraming, FramingError> {
    Ok(declared(head.version, &head.fields)?.unwrap_or(BodyFraming::Length(0)))
}

/// The framing of the body that follows an answer to a request of this `method`.
///
/// The fields are checked even where they frame nothing, since they pass to the client.
pub fn of_response(head: &ResponseHead, method: &[u8]) -> Result<BodyFraming, FramingError> {
    // In the order of RFC 9112 §6.3:
    // 1. answers to HEAD, and 1xx, 204 and 304, have no body, whatever their fields say;
    // 2. (CONNECT is never sent;)
    // 3. both framings: refused;  4. Transfer-Encoding: chunked and nothing else;
    // 5. a bad Content-Length: refused;  6. Content-Length;
    // 8. neither: until the connection closes.
    let declared = declared(head.version, &head.fields)?;
    if method == b"HEAD" || matches!(head.status, 100..=199 | 204 | 304) {
        return Ok(BodyFraming::Length(0));
    }
    Ok(declared.unwrap_or(BodyFraming::UntilClose))
}

/// The Content-Length of a head whose framing has been taken.
pub fn content_length(fields: &Fields) -> Option<u64> {
    fields
        .first("content-length")
        .and_then(|value| parse_length(value).ok())
}

fn declared(version: Version, fields: &Fields) -> Result<Option<BodyFraming>, FramingError> {
    let length = fields
        .only("content-length")
        .map_err(|_| FramingError::TwoLengths)?;
    if !fields.contains("transfer-encoding") {
        return length
            .map(parse_length)
            .transpose()
            .map(|length| length.map(BodyFraming::Length));
    }
    if length.is_some() {
        return Err(FramingError::TwoFramings);
    }
    if version == Version::Http10 {
        return Err(FramingError::TransferEncodingIn10);
    }
    let mut codings = fields.elements("transfer-encoding");
    match (codings.next(), codings.next()) {
        (None, _) => Err(FramingError::BadTransferEncoding),
        (Some(only), None) if is_chunked(only) => Ok(Some(BodyFraming::Chunked)),
        (Some(first), Some(second)) if is_chunked(first) && is_chunked(second) => {
            Err(FramingError::BadTransferEncoding)
        }
        _ => Err(FramingError::UnknownCoding),
    }
}

fn is_chunked(coding: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(b"chunked")
}

fn parse_length(value: &[u8]) -> Result<u64, FramingError> {
    if value.contains(&b',') {
        return Err(FramingError::TwoLengths);
    }
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(FramingError::BadLength);
    }
    str::from_utf8(value)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or(FramingError::BadLength)
}

#[cfg(test)]
mod tests {
    use super::FramingError::*;
    use super::*;
    use bytes::Bytes;

    fn request(version: &str, fields: &str) -> Result<BodyFraming, FramingError> {
        of_request(
            &RequestHead::parse(Bytes::from(format!("POST / {version}\r\n{fields}\r\n"))).unwrap(),
        )
    }

    fn answer(method: &str, status: u16, fields: &str) -> Result<BodyFraming, FramingError> {
        let head = Bytes::from(format!("HTTP/1.1 {status} X\r\n{fields}\r\n"));
        of_response(&ResponseHead::parse(head).unwrap(), method.as_bytes())
    }

    const REFUSED: [(&str, FramingError); 22] = [
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            TwoFramings,
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            TwoFramings,
        ),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", TwoLengths),
        ("Content-Length: 5\r\ncontent-length: 6\r\n", TwoLengths),
        ("Content-Length: 5, 5\r\n", TwoLengths),
        ("Content-Length:\r\n", BadLength),
        ("Content-Length: +5\r\n", BadLength),
        ("Content-Length: -5\r\n", BadLength),
        ("Content-Length: 0x5\r\n", BadLength),
        ("Content-Length: 5 5\r\n", BadLength),
        ("Content-Length: 5.0\r\n", BadLength),
        ("Content-Length: \u{665}\r\n", BadLength),
        ("Content-Length: 18446744073709551616\r\n", BadLength),
        ("Transfer-Encoding:\r\n", BadTransferEncoding),
        ("Transfer-Encoding: ,\r\n", BadTransferEncoding),
        (
            "Transfer-Encoding: chunked, chunked\r\n",
            BadTransferEncoding,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            BadTransferEncoding,
        ),
        ("Transfer-Encoding: gzip, chunked\r\n", UnknownCoding),
        ("Transfer-Encoding: chunked, identity\r\n", UnknownCoding),
        ("Transfer-Encoding: xchunked\r\n", UnknownCoding),
        ("Transfer-Encoding: \"chunked\"\r\n", UnknownCoding),
        ("Transfer-Encoding: chunked;q=1\r\n", UnknownCoding),
    ];

    #[test]
    fn doubts_are_refused_on_both_sides() {
        for (fields, error) in REFUSED {
            assert_eq!(request("HTTP/1.1", fields), Err(error), "{fields:?}");
            assert_eq!(answer("GET", 200, fields), Err(error), "{fields:?}");
            assert_eq!(answer("HEAD", 200, fields), Err(error), "{fields:?}");
        }
        assert_eq!(
            request("HTTP/1.0", "Transfer-Encoding: chunked\r\n"),
            Err(TransferEncodingIn10)
        );
    }

    #[test]
    fn requests_have_the_body_that_they_declare() {
        assert_eq!(request("HTTP/1.1", ""), Ok(BodyFraming::Length(0)));
        assert_eq!(
            request("HTTP/1.0", "Content-Length: 7\r\n"),
            Ok(BodyFraming::Length(7))
        );
        assert_eq!(
            request("HTTP/1.1", "content-length: 007\r\n"),
            Ok(BodyFraming::Length(7))
        );
        assert_eq!(
            request("HTTP/1.1", "Content-Length: 18446744073709551615\r\n"),
            Ok(BodyFraming::Length(u64::MAX))
        );
        assert_eq!(
            request("HTTP/1.1", "Transfer-Encoding: , CHUNKED\r\n"),
            Ok(BodyFraming::Chunked)
        );
    }

    #[test]
    fn answers_follow_method_and_status_first() {
        let long = "Content-Length: 10\r\n";
        for (method, status) in [
            ("HEAD", 200),
            ("HEAD", 404),
            ("GET", 204),
            ("GET", 304),
            ("GET", 100),
            ("POST", 199),
        ] {
            assert_eq!(
                answer(method, status, long),
                Ok(BodyFraming::Length(0)),
                "{method} {status}"
            );
            assert_eq!(
                answer(method, status, ""),
                Ok(BodyFraming::Length(0)),
                "{method} {status}"
            );
        }
        assert_eq!(answer("GET", 200, long), Ok(BodyFraming::Length(10)));
        assert_eq!(
            answer("GET", 206, "Transfer-Encoding: chunked\r\n"),
            Ok(BodyFraming::Chunked)
        );
        assert_eq!(answer("GET", 404, ""), Ok(BodyFraming::UntilClose));
    }

    #[test]
    fn statuses_follow_the_fault() {
        assert_eq!((UnknownCoding.status(), TwoFramings.status()), (501, 400));
    }
}
