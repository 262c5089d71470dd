//! Heads of requests and answers: found within limits, parsed by `httparse`, kept as bytes and offsets (RFC 9112 §2–§5).
//!
//! Stricter than the parser below it: every line ends in CRLF, nothing is folded, and no CR, LF or NUL stands anywhere else.
//! The lines are [`HeadScanner`]'s, and what they say [`RequestHead`]'s and [`ResponseHead`]'s.

mod error;
mod request;
mod response;
mod scanner;
#[cfg(test)]
mod tests;

use httparse::Header;

use super::fields::Fields;
use super::grammar::is_control;
pub use error::HeadError;
pub use request::RequestHead;
pub use response::ResponseHead;
pub use scanner::{Found, HeadScanner, Limits, REQUEST_LIMITS, RESPONSE_LIMITS};

/// HTTP/1.0 or HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// No persistent connections, no chunked bodies.
    Http10,
    /// RFC 9112.
    Http11,
}

fn keep_alive(version: Version, fields: &Fields) -> bool {
    !fields.has_element("connection", "close")
        && (version == Version::Http11 || fields.has_element("connection", "keep-alive"))
}

fn from_minor(minor: u8) -> Version {
    if minor == 0 {
        Version::Http10
    } else {
        Version::Http11
    }
}

/// `httparse` takes a few control bytes in values that RFC 9110 §5.5 does not.
fn check_values(fields: &[Header<'_>], head: &[u8]) -> Result<(), HeadError> {
    // Hardly any head has one anywhere, which is soon seen of the whole.
    let is_sound = |field: &Header<'_>| !has_control(field.value, b"");
    if !has_control(head, b"\r\n") || fields.iter().all(is_sound) {
        Ok(())
    } else {
        Err(HeadError::Field)
    }
}

/// Whether a control byte stands there, other than those that are `allowed`.
fn has_control(bytes: &[u8], allowed: &[u8]) -> bool {
    // Without an early end, as in `is_control`.
    bytes.iter().fold(false, |has, &b| {
        let is_allowed = allowed.iter().fold(false, |is, &one| is | (b == one));
        has | (!is_allowed & is_control(b))
    })
}
