//! Who a request comes from, as the proxies in front have written it: `X-Forwarded-For`, `-Proto` and `-Host`, and
//! `Forwarded` (RFC 7239). Whether these fields are to be believed at all is the caller's to say.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use std::borrow::Cow;

use super::fields::Fields;
use super::uri::{Authority, Scheme};

/// What the fields say; nothing where they say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// The last address, read from the right, that is no trusted proxy.
    pub client: Option<IpAddr>,
    /// How the client has reached the outermost trusted proxy.
    pub scheme: Option<Scheme>,
    /// The Host by which it did.
    pub host: Option<Authority>,
}

/// Why the fields are not believed. A client whose address is in doubt is refused: it may be one that is not to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedError {
    /// This field has something else where an address is to be: a name, `unknown`, an obfuscated one.
    Address(&'static str),
    /// This field names a scheme that is neither `http` nor `https`.
    Scheme(&'static str),
    /// This field names a host that could not stand in Host.
    Host(&'static str),
    /// `Forwarded` does not have the syntax of RFC 7239.
    Syntax,
    /// `Forwarded` and the `X-Forwarded-*` say different things; one of them is the client's own.
    Contradiction,
}

impl fmt::Display for ForwardedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ForwardedError::Address(field) => {
                write!(f, "{field} of a trusted proxy does not name an IP address")
            }
            ForwardedError::Scheme(field) => {
                write!(f, "{field} of a trusted proxy names neither http nor https")
            }
            ForwardedError::Host(field) => {
                write!(f, "{field} of a trusted proxy has a malformed host")
            }
            ForwardedError::Syntax => f.write_str("Forwarded of a trusted proxy is malformed"),
            ForwardedError::Contradiction => f.write_str(
                "Forwarded and X-Forwarded-* of a trusted proxy contradict each other; it should remove what it does not set",
            ),
        }
    }
}

impl std::error::Error for ForwardedError {}

/// Reads the fields of a request that came from a trusted proxy.
pub fn read(
    fields: &Fields,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Result<Forwarded, ForwardedError> {
    let old = x_forwarded(fields, &is_trusted)?;
    let new = forwarded(fields, &is_trusted)?;
    Ok(Forwarded {
        client: agreed(old.client, new.client)?,
        scheme: agreed(old.scheme, new.scheme)?,
        host: agreed(old.host, new.host)?,
    })
}

fn agreed<T: PartialEq>(old: Option<T>, new: Option<T>) -> Result<Option<T>, ForwardedError> {
    match (old, new) {
        (Some(old), Some(new)) if old != new => Err(ForwardedError::Contradiction),
        (old, new) => Ok(old.or(new)),
    }
}

/// Each proxy appends to `X-Forwarded-For`; of the other two the last value is the nearest proxy's.
fn x_forwarded(
    fields: &Fields,
    is_trusted: &impl Fn(IpAddr) -> bool,
) -> Result<Forwarded, ForwardedError> {
    let mut known = Forwarded::default();
    let nodes: Vec<&[u8]> = fields.elements("x-forwarded-for").collect();
    for node in nodes.into_iter().rev() {
        let address = str::from_utf8(node).ok().and_then(address);
        let address = address.ok_or(ForwardedError::Address("X-Forwarded-For"))?;
        known.client = Some(address);
        if !is_trusted(address) {
            break;
        }
    }
    if let Some(text) = fields.elements("x-forwarded-proto").last() {
        known.scheme = Some(scheme(text).ok_or(ForwardedError::Scheme("X-Forwarded-Proto"))?);
    }
    if let Some(text) = fields.elements("x-forwarded-host").last() {
        let host = Authority::parse(text);
        known.host = Some(host.map_err(|_| ForwardedError::Host("X-Forwarded-Host"))?);
    }
    Ok(known)
}

/// Each proxy appends an element that says who has connected to it, how, and to whom.
fn forwarded(
    fields: &Fields,
    is_trusted: &impl Fn(IpAddr) -> bool,
) -> Result<Forwarded, ForwardedError> {
    let mut elements = Vec::new();
    for line in fields.all("forwarded") {
        let line = str::from_utf8(line).map_err(|_| ForwardedError::Syntax)?;
        elements.extend(split(line).ok_or(ForwardedError::Syntax)?);
    }
    let mut known = Forwarded::default();
    for element in elements.into_iter().rev() {
        if let Some(text) = element.proto {
            let scheme = scheme(text.as_bytes()).ok_or(ForwardedError::Scheme("Forwarded"))?;
            known.scheme = Some(scheme);
        }
        if let Some(text) = element.host {
            let host = Authority::parse(text.as_bytes());
            known.host = Some(host.map_err(|_| ForwardedError::Host("Forwarded"))?);
        }
        // Who wrote the elements before one without `for` is not known.
        let Some(node) = element.node else { break };
        let address = address(&node).ok_or(ForwardedError::Address("Forwarded"))?;
        known.client = Some(address);
        if !is_trusted(address) {
            break;
        }
    }
    Ok(known)
}

/// A `forwarded-element` (RFC 7239 §4); `by` and extensions are not kept.
#[derive(Debug, Default)]
struct Element<'a> {
    node: Option<Cow<'a, str>>,
    proto: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
    is_empty: bool,
}

impl<'a> Element<'a> {
    fn new() -> Element<'a> {
        Element {
            is_empty: true,
            ..Element::default()
        }
    }

    /// Takes one pair; a parameter may stand once.
    fn set(&mut self, name: &str, value: Cow<'a, str>) -> Option<()> {
        self.is_empty = false;
        let place = match name.to_ascii_lowercase().as_str() {
            "for" => &mut self.node,
            "proto" => &mut self.proto,
            "host" => &mut self.host,
            _ => return Some(()),
        };
        match place.replace(value) {
            None => Some(()),
            Some(_) => None,
        }
    }
}

/// The elements of one field line, empty ones left out; nothing if it is malformed.
///
/// Blanks around the separators and values that should have been quoted (`for=[::1]`) pass: programs write both.
fn split(line: &str) -> Option<Vec<Element<'_>>> {
    let (mut elements, mut element) = (Vec::new(), Element::new());
    let mut rest = trim(line);
    loop {
        if !rest.is_empty() && !rest.starts_with([',', ';']) {
            let (name, after) = rest.split_once('=')?;
            let is_name = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if name.is_empty() || !name.bytes().all(is_name) {
                return None;
            }
            let (value, after) = value(after)?;
            element.set(name, value)?;
            rest = trim(after);
        }
        let separator = rest.bytes().next();
        if matches!(separator, None | Some(b',')) && !element.is_empty {
            elements.push(std::mem::replace(&mut element, Element::new()));
        }
        match separator {
            None => return Some(elements),
            Some(b',' | b';') => rest = trim(&rest[1..]),
            Some(_) => return None,
        }
    }
}

/// A token or a quoted string, and what follows it.
fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ';', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        let is_sound =
            !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
        return is_sound.then_some((Cow::Borrowed(value), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((Cow::Owned(value), &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(char),
        }
    }
    None
}

fn trim(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

fn scheme(text: &[u8]) -> Option<Scheme> {
    [Scheme::Http, Scheme::Https]
        .into_iter()
        .find(|scheme| text.eq_ignore_ascii_case(scheme.as_str().as_bytes()))
}

/// An address, perhaps with a port and IPv6 in brackets (RFC 7239 §6; some proxies write ports in `X-Forwarded-For` too).
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, port): (IpAddr, &str) = match text.strip_prefix('[') {
        Some(inner) => {
            let (address, port) = inner.split_once(']')?;
            (address.parse::<Ipv6Addr>().ok()?.into(), port)
        }
        None => {
            let colon = text.find(':')?;
            (IpAddr::V4(text[..colon].parse().ok()?), &text[colon..])
        }
    };
    is_port(port).then_some(address.to_canonical())
}

/// Nothing, or a colon and what RFC 7239 §6 takes for a port: digits or an obfuscated one.
fn is_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else {
        return text.is_empty();
    };
    let is_number = (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    let is_hidden = port.strip_prefix('_').is_some_and(|rest| {
        let is_sound = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        !rest.is_empty() && rest.bytes().all(is_sound)
    });
    is_number || is_hidden
}

#[cfg(test)]
mod tests {
    use super::super::head::RequestHead;
    use super::*;
    use bytes::Bytes;

    /// What is read from these field lines where 10.0.0.0/8 and fd00::1 are trusted: client, scheme, host.
    fn said(lines: &str) -> Result<String, ForwardedError> {
        let head = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n");
        let head = RequestHead::parse(Bytes::from(head)).unwrap();
        let is_trusted = |address: IpAddr| match address {
            IpAddr::V4(v4) => v4.octets()[0] == 10,
            IpAddr::V6(v6) => v6.to_string() == "fd00::1",
        };
        let known = read(&head.fields, is_trusted)?;
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        Ok(format!(
            "{} {} {}",
            or_none(known.client.map(|client| client.to_string())),
            known.scheme.map_or("-", Scheme::as_str),
            or_none(known.host.map(|host| host.to_string()))
        ))
    }

    #[test]
    fn x_forwarded_is_read_from_the_right() {
        let cases = [
            ("", "- - -"),
            ("X-Forwarded-For:\r\n", "- - -"),
            ("X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1 - -"),
            ("x-forwarded-for: 1.1.1.1, 192.0.2.1\r\n", "192.0.2.1 - -"),
            (
                "X-Forwarded-For: 192.0.2.1, 10.0.0.2,10.0.0.3\r\n",
                "192.0.2.1 - -",
            ),
            (
                "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 10.0.0.2\r\n",
                "192.0.2.1 - -",
            ),
            (
                "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 192.0.2.1\r\n",
                "192.0.2.1 - -",
            ),
            // All are trusted: the outermost is the client.
            ("X-Forwarded-For: 10.0.0.9, 10.0.0.2\r\n", "10.0.0.9 - -"),
            // What a client has put there itself is never looked at.
            (
                "X-Forwarded-For: nonsense, 192.0.2.1, 10.0.0.2\r\n",
                "192.0.2.1 - -",
            ),
            ("X-Forwarded-For: 192.0.2.1:4711\r\n", "192.0.2.1 - -"),
            (
                "X-Forwarded-For: 2001:DB8::1, fd00::1\r\n",
                "2001:db8::1 - -",
            ),
            ("X-Forwarded-For: [2001:db8::1]:4711\r\n", "2001:db8::1 - -"),
            (
                "X-Forwarded-For: ::ffff:192.0.2.1, ::ffff:10.0.0.1\r\n",
                "192.0.2.1 - -",
            ),
            ("X-Forwarded-Proto: HTTPS\r\n", "- https -"),
            ("X-Forwarded-Proto: https, http\r\n", "- http -"),
            (
                "X-Forwarded-Host: evil.test, A.test:5000\r\n",
                "- - a.test:5000",
            ),
            ("X-Forwarded-Host: [::1]:5000\r\n", "- - [::1]:5000"),
        ];
        for (lines, expected) in cases {
            assert_eq!(said(lines).as_deref(), Ok(expected), "{lines}");
        }
    }

    #[test]
    fn forwarded_is_read_from_the_right() {
        let cases = [
            ("Forwarded:\r\n", "- - -"),
            ("Forwarded: for=192.0.2.1\r\n", "192.0.2.1 - -"),
            (
                "Forwarded: For=192.0.2.1;Proto=https;by=10.0.0.1;HOST=a.test\r\n",
                "192.0.2.1 https a.test",
            ),
            (
                "Forwarded: for=\"[2001:db8::1]:4711\" ; host=\"a.test:5000\"\r\n",
                "2001:db8::1 - a.test:5000",
            ),
            ("Forwarded: for=[2001:db8::1]\r\n", "2001:db8::1 - -"),
            ("Forwarded: for=\"192.0.2.1:_port\"\r\n", "192.0.2.1 - -"),
            ("Forwarded: for=\"192.0\\.2.1\"\r\n", "192.0.2.1 - -"),
            (
                "Forwarded: for=1.1.1.1;proto=http;host=evil.test, for=192.0.2.1;proto=https;host=a.test, for=10.0.0.1;proto=http\r\n",
                "192.0.2.1 https a.test",
            ),
            (
                "Forwarded: for=192.0.2.1\r\nForwarded: for=10.0.0.2\r\n",
                "192.0.2.1 - -",
            ),
            (
                "Forwarded: for=unknown, for=192.0.2.1, for=10.0.0.1\r\n",
                "192.0.2.1 - -",
            ),
            ("Forwarded: for=192.0.2.1, proto=https\r\n", "- https -"),
            (
                "Forwarded: , ;, for=192.0.2.1;;ext=\"a,b;c\",\r\n",
                "192.0.2.1 - -",
            ),
            (
                "Forwarded: for=192.0.2.1;proto=https\r\nX-Forwarded-For: 192.0.2.1\r\n",
                "192.0.2.1 https -",
            ),
        ];
        for (lines, expected) in cases {
            assert_eq!(said(lines).as_deref(), Ok(expected), "{lines}");
        }
    }

    #[test]
    fn doubts_are_refused() {
        use ForwardedError::{Address, Contradiction, Host, Scheme, Syntax};
        let cases = [
            ("X-Forwarded-For: nonsense\r\n", Address("X-Forwarded-For")),
            ("X-Forwarded-For: unix:\r\n", Address("X-Forwarded-For")),
            (
                "X-Forwarded-For: 1.1.1.1, unknown, 10.0.0.2\r\n",
                Address("X-Forwarded-For"),
            ),
            (
                "X-Forwarded-For: 192.0.2.1:\r\n",
                Address("X-Forwarded-For"),
            ),
            (
                "X-Forwarded-For: 192.0.2.01\r\n",
                Address("X-Forwarded-For"),
            ),
            (
                "X-Forwarded-For: [192.0.2.1]\r\n",
                Address("X-Forwarded-For"),
            ),
            (
                "X-Forwarded-For: fe80::1%eth0\r\n",
                Address("X-Forwarded-For"),
            ),
            ("X-Forwarded-Proto: wss\r\n", Scheme("X-Forwarded-Proto")),
            ("X-Forwarded-Host: a.test/x\r\n", Host("X-Forwarded-Host")),
            ("X-Forwarded-Host: a.test\"\r\n", Host("X-Forwarded-Host")),
            ("X-Forwarded-Host: u@a.test\r\n", Host("X-Forwarded-Host")),
            ("Forwarded: for=unknown\r\n", Address("Forwarded")),
            ("Forwarded: for=_hidden\r\n", Address("Forwarded")),
            (
                "Forwarded: for=\"192.0.2.1:123456\"\r\n",
                Address("Forwarded"),
            ),
            (
                "Forwarded: for=192.0.2.1;proto=ftp\r\n",
                Scheme("Forwarded"),
            ),
            (
                "Forwarded: for=192.0.2.1;host=\"a b\"\r\n",
                Host("Forwarded"),
            ),
            ("Forwarded: for=192.0.2.1;for=192.0.2.2\r\n", Syntax),
            ("Forwarded: for=\"192.0.2.1\r\n", Syntax),
            ("Forwarded: for=\"192.0.2.1\\\r\n", Syntax),
            ("Forwarded: for=\"192.0.2.1\"x\r\n", Syntax),
            ("Forwarded: for\r\n", Syntax),
            ("Forwarded: =192.0.2.1\r\n", Syntax),
            ("Forwarded: for=\r\n", Syntax),
            ("Forwarded: for =192.0.2.1\r\n", Syntax),
            ("Forwarded: for=\u{fc}\r\n", Syntax),
            (
                "Forwarded: for=1.1.1.1\r\nX-Forwarded-For: 192.0.2.1\r\n",
                Contradiction,
            ),
            (
                "Forwarded: proto=https\r\nX-Forwarded-Proto: http\r\n",
                Contradiction,
            ),
            (
                "Forwarded: host=a.test\r\nX-Forwarded-Host: b.test\r\n",
                Contradiction,
            ),
        ];
        for (lines, expected) in cases {
            assert_eq!(said(lines), Err(expected), "{lines}");
        }
    }

    /// Whatever stands in these fields, reading it ends with an answer.
    #[test]
    fn no_value_is_too_odd() {
        let parts = [
            "for", "=", "\"", "\\", ";", ",", "[", "]", ":", "1.1.1.1", " ", "_", "é", "proto",
            "::1",
        ];
        let mut seed: usize = 1;
        for _ in 0..20_000 {
            let mut value = String::new();
            for _ in 0..8 {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                value.push_str(parts[(seed >> 33) % parts.len()]);
            }
            let lines = format!("Forwarded: {value}\r\nX-Forwarded-For: {value}\r\n");
            let _ = said(&lines);
        }
    }
}
