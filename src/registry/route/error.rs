//! Why a request goes nowhere, and what is answered then.

use core::fmt;

use super::super::access::Refusal;

/// As much of a request as a message quotes.
const MAX_QUOTED: usize = 80;

/// Why a request goes nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// The target has a dot segment, an empty one, an encoded separator or a byte that none may have.
    Malformed,
    /// A method that is not served there.
    Method {
        /// Those that are, as an Allow field has them.
        allowed: &'static str,
    },
    /// Nothing is there.
    NotFound,
    /// No upstream has this name.
    UnknownName(String),
    /// Not a repository name.
    Name(String),
    /// Not a tag.
    Tag(String),
    /// Not a digest.
    Digest(String),
    /// A repository that may not pass.
    Denied(String, Refusal),
}

impl RouteError {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            RouteError::Malformed
            | RouteError::Name(_)
            | RouteError::Tag(_)
            | RouteError::Digest(_) => 400,
            RouteError::Denied(_, refusal) => refusal.refuse_as.status(),
            RouteError::NotFound | RouteError::UnknownName(_) => 404,
            RouteError::Method { .. } => 405,
        }
    }

    /// The code in the answer's body (OCI distribution specification, "Error Codes").
    pub fn code(&self) -> &'static str {
        match self {
            RouteError::Malformed | RouteError::Name(_) => "NAME_INVALID",
            RouteError::Tag(_) => "TAG_INVALID",
            RouteError::Digest(_) => "DIGEST_INVALID",
            RouteError::Denied(_, refusal) => refusal.refuse_as.code(),
            RouteError::NotFound => "NOT_FOUND",
            RouteError::UnknownName(_) => "NAME_UNKNOWN",
            RouteError::Method { .. } => "UNSUPPORTED",
        }
    }

    /// The value of the Allow field that a 405 must have (RFC 9110 §15.5.6).
    pub fn allow_methods(&self) -> Option<&'static str> {
        match self {
            RouteError::Method { allowed } => Some(allowed),
            _ => None,
        }
    }
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteError::Malformed => f.write_str("the request target is malformed"),
            RouteError::Method { allowed } => write!(f, "only {allowed} are served here"),
            RouteError::NotFound => f.write_str("nothing is served at this path"),
            RouteError::UnknownName(name) => write!(f, "no upstream is named '{}'", Quoted(name)),
            RouteError::Name(name) => write!(f, "'{}' is not a repository name", Quoted(name)),
            RouteError::Tag(tag) => write!(f, "'{}' is not a tag", Quoted(tag)),
            RouteError::Digest(digest) => write!(f, "'{}' is not a digest", Quoted(digest)),
            RouteError::Denied(name, refusal) => refusal.describe(Quoted(name), f),
        }
    }
}

impl std::error::Error for RouteError {}

/// Text of a request in a message: printable ASCII without quotes, and not much of it.
pub(in crate::registry) struct Quoted<'a>(pub(in crate::registry) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().take(MAX_QUOTED) {
            let shown = c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '<' | '>');
            fmt::Write::write_char(f, if shown { c } else { '?' })?;
        }
        if self.0.chars().nth(MAX_QUOTED).is_some() {
            f.write_str("...")?;
        }
        Ok(())
    }
}
