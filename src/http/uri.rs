//! Authorities, origins and absolute targets (RFC 3986, RFC 9110 §4), checked once and kept as they were written.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use memchr::memchr;

/// The two schemes that docxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS over TCP.
    Https,
}

impl Scheme {
    /// The port that is meant where none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }

    /// The scheme as it stands before `://`.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// What is wrong with a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriError {
    /// Neither `http` nor `https`.
    Scheme,
    /// A user name or password before the host.
    Userinfo,
    /// Empty, malformed, or a number that only some resolvers read as an address (`2130706433`, `0177.1`).
    Host,
    /// Not a number from 1 to 65535.
    Port,
    /// A byte that no URI may hold (RFC 3986 §2): a control byte, a space or one beyond ASCII.
    Byte,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UriError::Scheme => "its scheme is neither http nor https",
            UriError::Userinfo => "it has a user name or password",
            UriError::Host => "its host is malformed",
            UriError::Port => "its port is not a number from 1 to 65535",
            UriError::Byte => "it has a byte that no URI may hold",
        })
    }
}

impl std::error::Error for UriError {}

/// A host: an address or a name, the name in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address literal; IPv6 without its brackets.
    Address(IpAddr),
    /// A registered name of letters, digits, `-`, `_` and `.`, lower case, without a final dot.
    Name(Box<str>),
}

impl Host {
    /// The longest name that DNS can hold.
    const MAX_NAME: usize = 253;

    /// Reads a host as it stands in a URI, IPv6 in brackets.
    pub fn parse(text: &str) -> Result<Host, UriError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(UriError::Host)?;
            let address: Ipv6Addr = inner.parse().map_err(|_| UriError::Host)?;
            return Ok(Host::Address(IpAddr::V6(address)));
        }
        if let Ok(address) = text.parse() {
            return Ok(Host::Address(IpAddr::V4(address)));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let labels_are_sound = name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
        if name.len() > Host::MAX_NAME || !labels_are_sound || ends_in_a_number(name) {
            return Err(UriError::Host);
        }
        Ok(Host::Name(name.to_ascii_lowercase().into()))
    }

    /// Whether this is the machine itself, by its name or address (RFC 6761 §6.3).
    pub fn is_loopback(&self) -> bool {
        match self {
            Host::Address(address) => address.to_canonical().is_loopback(),
            Host::Name(name) => &**name == "localhost" || name.ends_with(".localhost"),
        }
    }

    /// The host without brackets, as a resolver or a certificate has it.
    pub fn bare(&self) -> String {
        match self {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.to_string(),
        }
    }
}

/// A last label that is a number makes the whole an address for `inet_aton`, which reads octal, hexadecimal and short forms.
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    last.bytes().all(|b| b.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

/// A host and perhaps a port: the value of a Host field, or what stands between `//` and the path of a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port, if one is written. `host:` counts as none (RFC 3986 §3.2.3).
    pub port: Option<u16>,
}

impl Authority {
    /// Reads `host[:port]`.
    pub fn parse(text: &[u8]) -> Result<Authority, UriError> {
        let text = str::from_utf8(text).map_err(|_| UriError::Byte)?;
        // Of a few bytes, so that it takes longer to set out on a search than to look at each.
        let find = |wanted: u8| text.bytes().position(|b| b == wanted);
        if find(b'@').is_some() {
            return Err(UriError::Userinfo);
        }
        let after_host = match find(b']') {
            Some(bracket) => bracket + 1,
            None => find(b':').unwrap_or(text.len()),
        };
        let (host, rest) = text.split_at(after_host);
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return Err(UriError::Host),
            Some("") => None,
            Some(digits) => Some(parse_port(digits)?),
        };
        Ok(Authority {
            host: Host::parse(host)?,
            port,
        })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

fn parse_port(digits: &str) -> Result<u16, UriError> {
    if digits.len() > 5 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(UriError::Port);
    }
    digits
        .parse()
        .ok()
        .filter(|&port| port != 0)
        .ok_or(UriError::Port)
}

/// Scheme, host and port (RFC 6454 §4): who answers, and the key by which connections are kept.
///
/// Every request has copies of one, so they share what they hold, and the Host field that follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Arc<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    scheme: Scheme,
    host: Host,
    port: u16,
    /// `host[:port]`
    written: Box<str>,
}

impl Hash for Parts {
    /// Scheme and Host field say all: the host and port follow from them.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.scheme, &self.written).hash(state);
    }
}

impl Origin {
    /// An origin from its parts.
    pub fn new(scheme: Scheme, authority: Authority) -> Origin {
        let port = authority.port.unwrap_or_else(|| scheme.default_port());
        let shortest = Authority {
            port: (port != scheme.default_port()).then_some(port),
            ..authority
        };
        let written = shortest.to_string().into();
        Origin(Arc::new(Parts {
            scheme,
            host: shortest.host,
            port,
            written,
        }))
    }

    /// Reads `scheme://host[:port]`, with nothing after it but perhaps one `/`.
    pub fn parse(url: &str) -> Result<Origin, UriError> {
        let target = Target::parse(url.as_bytes())?;
        if target.path_and_query == "/" {
            Ok(target.origin)
        } else {
            Err(UriError::Host)
        }
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// The port, written or implied.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Host and port, the port only where it is not the scheme's own.
    pub fn authority(&self) -> Authority {
        let port = (self.port() != self.scheme().default_port()).then_some(self.port());
        Authority {
            host: self.host().clone(),
            port,
        }
    }

    /// `host[:port]` as a Host field has it: [`Origin::authority`], written.
    pub fn host_field(&self) -> &str {
        &self.0.written
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme().as_str(), self.host_field())
    }
}

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
    fn hosts_are_checked() {
        let good = [
            ("ghcr.io", "ghcr.io"),
            ("GHCR.io", "ghcr.io"),
            ("ghcr.io.", "ghcr.io"),
            ("my_registry-1", "my_registry-1"),
            ("10.0.0.1", "10.0.0.1"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("1e100.net", "1e100.net"),
        ];
        for (text, shown) in good {
            assert_eq!(
                Host::parse(text).map(|host| host.to_string()).as_deref(),
                Ok(shown),
                "{text}"
            );
        }
        let bad = [
            "",
            ".",
            "a..b",
            "a b",
            "a\"b",
            "a/b",
            "a%2fb",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.1",
            "1.2.3.4.5",
            "a.0x1",
            "[::1",
            "[::1]x",
            "[fe80::1%25eth0]",
            "[1.2.3.4]",
            "::1",
            "ü.example",
        ];
        for text in bad {
            assert_eq!(Host::parse(text), Err(UriError::Host), "{text}");
        }
        assert_eq!(
            Host::parse(&"a.".repeat(130)),
            Err(UriError::Host),
            "longer than DNS allows"
        );
        assert_eq!(
            Host::parse(&"a".repeat(64)),
            Err(UriError::Host),
            "a label longer than DNS allows"
        );
    }

    #[test]
    fn authorities_are_checked() {
        let good = [
            ("a.test", "a.test"),
            ("a.test:", "a.test"),
            ("a.test:5000", "a.test:5000"),
            ("[::1]:5000", "[::1]:5000"),
            ("[::1]", "[::1]"),
        ];
        for (text, shown) in good {
            assert_eq!(
                Authority::parse(text.as_bytes())
                    .map(|a| a.to_string())
                    .as_deref(),
                Ok(shown),
                "{text}"
            );
        }
        let bad = [
            ("a.test:0", UriError::Port),
            ("a.test:65536", UriError::Port),
            ("a.test:+1", UriError::Port),
            ("a.test:080000", UriError::Port),
            ("user@a.test", UriError::Userinfo),
            ("a.test:1:2", UriError::Port),
            ("[::1]5000", UriError::Host),
            ("a.test/b", UriError::Host),
            ("", UriError::Host),
            (":80", UriError::Host),
        ];
        for (text, error) in bad {
            assert_eq!(Authority::parse(text.as_bytes()), Err(error), "{text}");
        }
    }

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

    #[test]
    fn origins_are_compared_by_all_parts() {
        assert_eq!(
            Origin::parse("https://A.test"),
            Origin::parse("https://a.test:443/")
        );
        assert_ne!(
            Origin::parse("https://a.test"),
            Origin::parse("http://a.test")
        );
        assert_ne!(
            Origin::parse("https://a.test"),
            Origin::parse("https://a.test:444")
        );
        assert_eq!(Origin::parse("https://a.test/v2"), Err(UriError::Host));
    }
}
