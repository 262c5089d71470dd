//! What a request asks and of whom: request target and Host taken together (RFC 9112 §3.2, §3.3).

use core::fmt;
use std::borrow::Cow;

use super::head::{RequestHead, Version};
use super::uri::{Authority, Target, UriError, split_query};

/// A request's effective target.
#[derive(Debug, PartialEq, Eq)]
pub struct Effective<'a> {
    /// Path and query as sent, or what stands there instead of a path (`*`, an authority).
    pub target: Cow<'a, str>,
    /// Whom the client means; `None` only in HTTP/1.0 without Host.
    pub authority: Option<Authority>,
    /// Whether the authority stood in the target, which is how a client speaks to a proxy that it chose.
    pub form: Form,
}

/// The forms of a request target that matter here (RFC 9112 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A path, as origin servers get it.
    Origin,
    /// A whole URI, as proxies get it.
    Absolute,
}

/// Why target and Host make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectiveError {
    /// HTTP/1.1 without Host.
    MissingHost,
    /// More than one Host.
    RepeatedHost,
    /// A Host that is no authority.
    MalformedHost,
    /// An absolute target that is no URI.
    Target(UriError),
    /// A fragment, which is no part of a request.
    Fragment,
}

impl fmt::Display for EffectiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EffectiveError::MissingHost => f.write_str("the Host field is missing"),
            EffectiveError::RepeatedHost => f.write_str("there is more than one Host field"),
            EffectiveError::MalformedHost => f.write_str("the Host field is malformed"),
            EffectiveError::Target(error) => write!(f, "the request target is malformed: {error}"),
            EffectiveError::Fragment => f.write_str("the request target has a fragment"),
        }
    }
}

impl std::error::Error for EffectiveError {}

/// Takes target and Host together.
pub fn effective(head: &RequestHead) -> Result<Effective<'_>, EffectiveError> {
    let host = host(head)?;
    let target = head.target();
    if target.contains('#') {
        return Err(EffectiveError::Fragment);
    }
    // Only a path begins with `/`; of the rest only an absolute URI has `://`, and `*` and CONNECT's authority have not.
    if target.starts_with('/') || !target.contains("://") {
        return Ok(Effective {
            target: Cow::Borrowed(target),
            authority: host,
            form: Form::Origin,
        });
    }
    let absolute = Target::parse(target.as_bytes()).map_err(EffectiveError::Target)?;
    Ok(Effective {
        target: Cow::Owned(absolute.path_and_query),
        authority: Some(absolute.origin.authority()),
        form: Form::Absolute,
    })
}

/// The path of a target: what stands before it may hold a login, what stands behind it a signature.
pub fn path_of(target: &str) -> Cow<'_, str> {
    if target.starts_with('/') {
        return Cow::Borrowed(split_query(target).0);
    }
    match Target::parse(target.as_bytes()) {
        Ok(absolute) => Cow::Owned(split_query(&absolute.path_and_query).0.to_owned()),
        Err(_) => Cow::Borrowed("-"),
    }
}

fn host(head: &RequestHead) -> Result<Option<Authority>, EffectiveError> {
    match head
        .fields
        .only("host")
        .map_err(|_| EffectiveError::RepeatedHost)?
    {
        None if head.version == Version::Http10 => Ok(None),
        None => Err(EffectiveError::MissingHost),
        Some(value) => Authority::parse(value)
            .map(Some)
            .map_err(|_| EffectiveError::MalformedHost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn ask(head: &str) -> Result<(String, Option<String>, Form), EffectiveError> {
        let head = RequestHead::parse(Bytes::from(format!("{head}\r\n\r\n"))).unwrap();
        let asked = effective(&head)?;
        Ok((
            asked.target.to_string(),
            asked.authority.map(|a| a.to_string()),
            asked.form,
        ))
    }

    #[test]
    fn target_and_host_are_taken_together() {
        let cases = [
            (
                "GET /v2/ HTTP/1.1\r\nHost: A.test:5000",
                "/v2/",
                Some("a.test:5000"),
                Form::Origin,
            ),
            ("GET /v2/ HTTP/1.0", "/v2/", None, Form::Origin),
            (
                "GET http://b.test/v2/?q HTTP/1.1\r\nHost: a.test",
                "/v2/?q",
                Some("b.test"),
                Form::Absolute,
            ),
            (
                "GET HTTP://b.test:81 HTTP/1.1\r\nHost: a.test",
                "/",
                Some("b.test:81"),
                Form::Absolute,
            ),
            (
                "OPTIONS * HTTP/1.1\r\nHost: a.test",
                "*",
                Some("a.test"),
                Form::Origin,
            ),
            (
                "CONNECT b.test:443 HTTP/1.1\r\nHost: a.test",
                "b.test:443",
                Some("a.test"),
                Form::Origin,
            ),
            (
                "GET /x?u=http://c.test/ HTTP/1.1\r\nHost: a.test",
                "/x?u=http://c.test/",
                Some("a.test"),
                Form::Origin,
            ),
        ];
        for (head, target, authority, form) in cases {
            assert_eq!(
                ask(head),
                Ok((target.to_owned(), authority.map(str::to_owned), form)),
                "{head}"
            );
        }
    }

    #[test]
    fn doubts_are_refused() {
        let cases = [
            ("GET / HTTP/1.1", EffectiveError::MissingHost),
            (
                "GET / HTTP/1.1\r\nHost: a.test\r\nhost: a.test",
                EffectiveError::RepeatedHost,
            ),
            (
                "GET / HTTP/1.0\r\nHost: a.test\r\nHost: b.test",
                EffectiveError::RepeatedHost,
            ),
            ("GET / HTTP/1.1\r\nHost:", EffectiveError::MalformedHost),
            (
                "GET / HTTP/1.1\r\nHost: a test",
                EffectiveError::MalformedHost,
            ),
            (
                "GET / HTTP/1.1\r\nHost: a.test\"",
                EffectiveError::MalformedHost,
            ),
            (
                "GET / HTTP/1.1\r\nHost: u@a.test",
                EffectiveError::MalformedHost,
            ),
            (
                "GET / HTTP/1.1\r\nHost: a.test, b.test",
                EffectiveError::MalformedHost,
            ),
            (
                "GET / HTTP/1.1\r\nHost: a.test/v2",
                EffectiveError::MalformedHost,
            ),
            ("GET http://a.test/ HTTP/1.1", EffectiveError::MissingHost),
            (
                "GET ftp://a.test/ HTTP/1.1\r\nHost: a.test",
                EffectiveError::Target(UriError::Scheme),
            ),
            (
                "GET http://u:p@a.test/ HTTP/1.1\r\nHost: a.test",
                EffectiveError::Target(UriError::Userinfo),
            ),
            (
                "GET http:///v2/ HTTP/1.1\r\nHost: a.test",
                EffectiveError::Target(UriError::Host),
            ),
            (
                "GET /v2/#x HTTP/1.1\r\nHost: a.test",
                EffectiveError::Fragment,
            ),
        ];
        for (head, error) in cases {
            assert_eq!(ask(head), Err(error), "{head}");
        }
    }
}
