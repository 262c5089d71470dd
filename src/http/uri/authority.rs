//! Hosts, and the ports beside them (RFC 3986 §3.2).

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

use super::UriError;

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
}
