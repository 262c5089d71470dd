//! Why a head is not taken.

use core::fmt;

/// Why a head is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// A line feed without a carriage return before it.
    BareLf,
    /// A carriage return without a line feed after it.
    BareCr,
    /// A NUL.
    Nul,
    /// A field line that goes on in the next (RFC 9112 §5.2).
    Fold,
    /// More bytes than the limit, before its first line has ended.
    FirstLineTooLong,
    /// More bytes than the limit.
    TooLong,
    /// More fields than the limit.
    TooManyFields,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    Version,
    /// A status below 100 or above 599.
    StatusCode,
    /// A first line that is none.
    FirstLine,
    /// A field name or value with a byte that may not be there, or white space before the colon.
    Field,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeadError::BareLf => "a line ends in LF without CR",
            HeadError::BareCr => "a CR stands without LF",
            HeadError::Nul => "a NUL stands in the head",
            HeadError::Fold => "a field line is folded",
            HeadError::FirstLineTooLong => "the first line is too long",
            HeadError::TooLong => "the head is too long",
            HeadError::TooManyFields => "the head has too many fields",
            HeadError::Version => "the version is neither HTTP/1.0 nor HTTP/1.1",
            HeadError::StatusCode => "the status code is not from 100 to 599",
            HeadError::FirstLine => "the first line is malformed",
            HeadError::Field => "a field line is malformed",
        })
    }
}

impl std::error::Error for HeadError {}

pub(super) fn from_httparse(error: httparse::Error) -> HeadError {
    match error {
        httparse::Error::TooManyHeaders => HeadError::TooManyFields,
        httparse::Error::Version => HeadError::Version,
        httparse::Error::HeaderName | httparse::Error::HeaderValue | httparse::Error::NewLine => {
            HeadError::Field
        }
        httparse::Error::Status | httparse::Error::Token => HeadError::FirstLine,
    }
}
