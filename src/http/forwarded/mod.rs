//! Who a request comes from, as the proxies in front have written it: `X-Forwarded-For`, `-Proto` and `-Host`, and
//! `Forwarded` (RFC 7239). Whether these fields are to be believed at all is the caller's to say.

mod element;
#[cfg(test)]
mod tests;

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

use self::element::split;
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
