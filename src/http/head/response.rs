//! The heads of answers.

use core::mem::MaybeUninit;

use bytes::Bytes;
use httparse::Status;

use super::error::from_httparse;
use super::scanner::RESPONSE_LIMITS;
use super::{HeadError, Version, check_values, from_minor, keep_alive};
use crate::http::fields::{Fields, Span, Spans};

/// The head of an answer.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// Its fields.
    pub fields: Fields,
    /// Its version.
    pub version: Version,
    /// Its status, 100 to 599.
    pub status: u16,
    reason: Span,
}

impl ResponseHead {
    /// Parses a whole head, as [`HeadScanner`](super::HeadScanner) has found it.
    pub fn parse(bytes: Bytes) -> Result<ResponseHead, HeadError> {
        let mut room = [const { MaybeUninit::uninit() }; RESPONSE_LIMITS.fields];
        let mut parsed = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut parsed, &bytes, &mut room)
            .map_err(from_httparse)?;
        let (Status::Complete(_), Some(code), Some(version)) =
            (status, parsed.code, parsed.version)
        else {
            return Err(HeadError::FirstLine);
        };
        if !(100..600).contains(&code) {
            return Err(HeadError::StatusCode);
        }
        check_values(parsed.headers, &bytes)?;
        let reason = Span::of(parsed.reason.unwrap_or_default().as_bytes(), &bytes);
        let lines = Spans::all(parsed.headers, &bytes);
        Ok(ResponseHead {
            version: from_minor(version),
            status: code,
            reason,
            fields: Fields::new(bytes, lines),
        })
    }

    /// The reason phrase, as written; may be empty.
    pub fn reason(&self) -> &[u8] {
        self.reason.within(self.fields.head())
    }

    /// Whether the server leaves the connection open (RFC 9112 §9.3).
    pub fn allows_keep_alive(&self) -> bool {
        keep_alive(self.version, &self.fields)
    }
}
