//! Where a request goes, and where a reference leads from there (RFC 3986 §5).

use core::fmt;

use memchr::memchr;

use super::{Authority, Origin, Scheme, UriError};

/// Where a request goes: an origin, and the path and query there, byte for byte as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Who is asked.
    pub origin: Origin,
    /// Begins with `/`; has no fragment, no control byte, no space and nothing beyond ASCII.
    pub path_and_query: String,
}

impl Target {
    /// Reads an absolute `http` or `https` URI; a fragment is dropped.
    pub fn parse(url: &[u8]) -> Result<Target, UriError> {
        let text = printable(url)?;
        let (scheme, rest) = split_scheme(text).ok_or(UriError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(UriError::Scheme),
        };
        Target::parse_after_scheme(scheme, rest)
    }

    /// Resolves a reference against this target (RFC 3986 §5.2), as a `Location` field has it.
    pub fn resolve(&self, reference: &[u8]) -> Result<Target, UriError> {
        let text = printable(reference)?;
        if split_scheme(text).is_some() {
            return Target::parse(reference);
        }
        if text.starts_with("//") {
            return Target::parse_after_scheme(self.origin.scheme(), text);
        }
        let text = text.split('#').next().unwrap_or_default();
        let (base_path, _) = split_query(&self.path_and_query);
        let path_and_query = match text.bytes().next() {
            None => self.path_and_query.clone(),
            Some(b'/') => remove_dot_segments(text),
            Some(b'?') => format!("{base_path}{text}"),
            Some(_) => {
                let directory = &base_path[..=base_path.rfind('/').unwrap_or(0)];
                remove_dot_segments(&format!("{directory}{text}"))
            }
        };
        Ok(Target {
            origin: self.origin.clone(),
            path_and_query,
        })
    }

    /// `rest` is what follows `scheme:`.
    fn parse_after_scheme(scheme: Scheme, rest: &str) -> Result<Target, UriError> {
        let rest = rest.strip_prefix("//").ok_or(UriError::Host)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at(end);
        let origin = Origin::new(scheme, Authority::parse(authority.as_bytes())?);
        let path_and_query = match path_and_query.bytes().next() {
            Some(b'/') => path_and_query.to_owned(),
            _ => format!("/{path_and_query}"),
        };
        Ok(Target {
            origin,
            path_and_query,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path_and_query)
    }
}

/// Path and query, the query with its `?`.
pub fn split_query(path_and_query: &str) -> (&str, &str) {
    path_and_query.split_at(memchr(b'?', path_and_query.as_bytes()).unwrap_or(path_and_query.len()))
}

/// Signed URLs hold bytes that the grammar would have encoded (`|`, `"`, `{`); they pass. What could split a head may not.
fn printable(url: &[u8]) -> Result<&str, UriError> {
    if url.iter().all(|b| b.is_ascii_graphic()) {
        str::from_utf8(url).map_err(|_| UriError::Byte)
    } else {
        Err(UriError::Byte)
    }
}

/// Splits `scheme:rest`, if a scheme stands there (RFC 3986 §3.1).
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let sound = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    sound.then_some((scheme, rest))
}

/// RFC 3986 §5.2.4 on the path; the query stays as it is.
fn remove_dot_segments(path_and_query: &str) -> String {
    let (path, query) = split_query(path_and_query);
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_keep_their_bytes() {
        let good = [
            ("http://a.test", "http://a.test/"),
            ("HTTPS://A.test:443/x", "https://a.test/x"),
            ("https://a.test:80/x#frag", "https://a.test:80/x"),
            ("http://a.test?q=1", "http://a.test/?q=1"),
            (
                "http://a.test/a/../b%2F?X-Amz-Signature=%7e|{}\"&u=http://b/",
                "http://a.test/a/../b%2F?X-Amz-Signature=%7e|{}\"&u=http://b/",
            ),
        ];
        for (url, shown) in good {
            assert_eq!(
                Target::parse(url.as_bytes())
                    .map(|t| t.to_string())
                    .as_deref(),
                Ok(shown),
                "{url}"
            );
        }
        let bad: [(&[u8], UriError); 9] = [
            (b"ftp://a.test/", UriError::Scheme),
            (b"/path", UriError::Scheme),
            (b"http:/a.test", UriError::Host),
            (b"http:///x", UriError::Host),
            (b"http://u:p@a.test/", UriError::Userinfo),
            (b"http://a.test/\r\nX: y", UriError::Byte),
            (b"http://a.test/\xc3\xbc", UriError::Byte),
            (b"http://a.test/a b", UriError::Byte),
            (b"http://2130706433/", UriError::Host),
        ];
        for (url, error) in bad {
            assert_eq!(Target::parse(url), Err(error), "{}", url.escape_ascii());
        }
    }

    #[test]
    fn references_resolve_as_rfc_3986_has_it() {
        let base = Target::parse(b"http://a.test/b/c/d;p?q").unwrap();
        let cases = [
            ("g", "http://a.test/b/c/g"),
            ("./g", "http://a.test/b/c/g"),
            ("g/", "http://a.test/b/c/g/"),
            ("/g", "http://a.test/g"),
            ("//g.test", "http://g.test/"),
            ("//g.test:81/x?y", "http://g.test:81/x?y"),
            ("?y", "http://a.test/b/c/d;p?y"),
            ("g?y", "http://a.test/b/c/g?y"),
            ("#s", "http://a.test/b/c/d;p?q"),
            ("", "http://a.test/b/c/d;p?q"),
            (".", "http://a.test/b/c/"),
            ("..", "http://a.test/b/"),
            ("../g", "http://a.test/b/g"),
            ("../../../g", "http://a.test/g"),
            ("/a/../../g?x=/../y", "http://a.test/g?x=/../y"),
            ("g;x=1/../y", "http://a.test/b/c/y"),
            ("https://s.test/z", "https://s.test/z"),
        ];
        for (reference, expected) in cases {
            let resolved = base.resolve(reference.as_bytes()).map(|t| t.to_string());
            assert_eq!(resolved.as_deref(), Ok(expected), "{reference}");
        }
        assert_eq!(base.resolve(b"mailto:x"), Err(UriError::Scheme));
        assert_eq!(base.resolve(b"/a\nb"), Err(UriError::Byte));
    }
}
