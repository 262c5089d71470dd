//! The heads of requests.

use core::mem::MaybeUninit;

use bytes::Bytes;
use httparse::Status;

use super::error::from_httparse;
use super::scanner::REQUEST_LIMITS;
use super::{HeadError, Version, check_values, from_minor, keep_alive};
use crate::http::fields::{Fields, Span, Spans};

/// The head of a request.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// Its fields.
    pub fields: Fields,
    /// Its version.
    pub version: Version,
    method: Span,
    target: Span,
}

impl RequestHead {
    /// Parses a whole head, as [`HeadScanner`](super::HeadScanner) has found it.
    pub fn parse(bytes: Bytes) -> Result<RequestHead, HeadError> {
        let mut room = [const { MaybeUninit::uninit() }; REQUEST_LIMITS.fields];
        let mut parsed = httparse::Request::new(&mut []);
        let status = parsed
            .parse_with_uninit_headers(&bytes, &mut room)
            .map_err(|error| in_request(error, &bytes))?;
        let (Status::Complete(_), Some(method), Some(target), Some(version)) =
            (status, parsed.method, parsed.path, parsed.version)
        else {
            return Err(HeadError::FirstLine);
        };
        // Without an early end, as in `has_control`.
        if !target.bytes().fold(true, |is, b| is & b.is_ascii_graphic()) {
            return Err(HeadError::FirstLine);
        }
        check_values(parsed.headers, &bytes)?;
        let (method, target) = (
            Span::of(method.as_bytes(), &bytes),
            Span::of(target.as_bytes(), &bytes),
        );
        let lines = Spans::all(parsed.headers, &bytes);
        Ok(RequestHead {
            version: from_minor(version),
            method,
            target,
            fields: Fields::new(bytes, lines),
        })
    }

    /// Whether what has come of a head so far can still become one.
    pub fn check_partial(bytes: &[u8]) -> Result<(), HeadError> {
        let mut room = [const { MaybeUninit::uninit() }; REQUEST_LIMITS.fields];
        httparse::Request::new(&mut [])
            .parse_with_uninit_headers(bytes, &mut room)
            .map(drop)
            .map_err(|error| in_request(error, bytes))
    }

    /// The method, as written: methods have case.
    pub fn method(&self) -> &[u8] {
        self.method.within(self.fields.head())
    }

    /// The request target, as written; printable ASCII without blanks.
    pub fn target(&self) -> &str {
        str::from_utf8(self.target.within(self.fields.head())).unwrap_or_default()
    }

    /// Whether the client will use the connection again (RFC 9112 §9.3).
    pub fn wants_keep_alive(&self) -> bool {
        keep_alive(self.version, &self.fields)
    }
}

/// `httparse` misses a version in whatever a request line ends in; only what has the form of one can be one that is not
/// spoken here (RFC 9112 §2.3, RFC 9110 §15.6.6).
fn in_request(error: httparse::Error, head: &[u8]) -> HeadError {
    let line = head.split(|&b| b == b'\r').next().unwrap_or_default();
    let last = line.splitn(3, |&b| b == b' ').nth(2).unwrap_or_default();
    let is_version = matches!(last.strip_prefix(b"HTTP/"), Some([major, b'.', minor])
        if major.is_ascii_digit() && minor.is_ascii_digit());
    match from_httparse(error) {
        HeadError::Version if !is_version => HeadError::FirstLine,
        error => error,
    }
}
