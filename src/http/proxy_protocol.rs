//! The PROXY protocol, versions 1 and 2: what a TCP balancer says of the client before the client's first byte
//! (<https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt>).

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest line of version 1, with its end (§2.1).
const V1_LIMIT: usize = 107;

/// The longest header of version 2 that is taken. Senders keep to 536 bytes (§2.2); extensions with a client's
/// certificate need more.
pub const V2_LIMIT: usize = 4096;

/// What a header of version 1 begins with.
const V1_START: &[u8] = b"PROXY ";

/// What a header of version 2 begins with.
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, command, family and length.
const V2_FIXED: usize = 16;

/// What has been found so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// All of it belongs to a header whose end is still to come.
    Partial,
    /// A whole header.
    Header {
        /// Its length; what follows is the client's.
        length: usize,
        /// The client's connection; `None` where the balancer speaks for itself or does not know.
        ends: Option<Ends>,
    },
}

/// The two ends of the client's connection to the balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The client.
    pub source: SocketAddr,
    /// Where it has connected to.
    pub destination: SocketAddr,
}

/// Why it is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocolError {
    /// It begins otherwise.
    Start,
    /// It is longer than a header may be.
    TooLong,
    /// It begins like one and then breaks the rules.
    Malformed,
}

impl fmt::Display for ProxyProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyProtocolError::Start => f.write_str("it does not begin with a PROXY header"),
            ProxyProtocolError::TooLong => {
                write!(
                    f,
                    "its PROXY header is longer than {V1_LIMIT} (version 1) or {V2_LIMIT} bytes (version 2)"
                )
            }
            ProxyProtocolError::Malformed => f.write_str("its PROXY header is malformed"),
        }
    }
}

impl std::error::Error for ProxyProtocolError {}

/// Looks for a header at the start of what has come.
pub fn find(bytes: &[u8]) -> Result<Found, ProxyProtocolError> {
    if begins(bytes, V1_START) {
        v1(bytes)
    } else if begins(bytes, V2_SIGNATURE) {
        v2(bytes)
    } else {
        Err(ProxyProtocolError::Start)
    }
}

/// Whether one of the two is the beginning of the other.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    bytes.iter().zip(start).all(|(a, b)| a == b)
}

fn v1(bytes: &[u8]) -> Result<Found, ProxyProtocolError> {
    let head = &bytes[..bytes.len().min(V1_LIMIT)];
    let Some(end) = head.iter().position(|&b| b == b'\n') else {
        return if bytes.len() >= V1_LIMIT {
            Err(ProxyProtocolError::TooLong)
        } else {
            Ok(Found::Partial)
        };
    };
    let line = head[..end]
        .strip_suffix(b"\r")
        .and_then(|line| line.strip_prefix(V1_START));
    let line = line
        .and_then(|line| str::from_utf8(line).ok())
        .ok_or(ProxyProtocolError::Malformed)?;
    Ok(Found::Header {
        length: end + 1,
        ends: v1_ends(line).ok_or(ProxyProtocolError::Malformed)?,
    })
}

/// What follows `PROXY `: nothing if it is malformed.
fn v1_ends(line: &str) -> Option<Option<Ends>> {
    let (family, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut words = rest.split(' ');
    let mut word = || words.next();
    let ends = match family {
        // What follows is to be ignored.
        "UNKNOWN" => return Some(None),
        "TCP4" => {
            let (source, destination): (Ipv4Addr, Ipv4Addr) =
                (word()?.parse().ok()?, word()?.parse().ok()?);
            (IpAddr::V4(source), IpAddr::V4(destination))
        }
        "TCP6" => {
            let (source, destination): (Ipv6Addr, Ipv6Addr) =
                (word()?.parse().ok()?, word()?.parse().ok()?);
            (IpAddr::V6(source), IpAddr::V6(destination))
        }
        _ => return None,
    };
    let ports = (v1_port(word()?)?, v1_port(word()?)?);
    word().is_none().then(|| Some(Ends::new(ends, ports)))
}

/// Digits without a leading zero (§2.1).
fn v1_port(text: &str) -> Option<u16> {
    let is_plain =
        text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    is_plain.then(|| text.parse().ok()).flatten()
}

fn v2(bytes: &[u8]) -> Result<Found, ProxyProtocolError> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<V2_FIXED>() else {
        return Ok(Found::Partial);
    };
    let [.., command, family, high, low] = *fixed;
    let body = usize::from(u16::from_be_bytes([high, low]));
    let length = V2_FIXED + body;
    if length > V2_LIMIT {
        return Err(ProxyProtocolError::TooLong);
    }
    // Version 2, then LOCAL or PROXY (§2.2).
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyProtocolError::Malformed),
    };
    let Some(body) = rest.get(..body) else {
        return Ok(Found::Partial);
    };
    let ends = if is_local {
        None
    } else {
        v2_ends(family, body).ok_or(ProxyProtocolError::Malformed)?
    };
    Ok(Found::Header { length, ends })
}

/// The addresses; what follows them are extensions, which are skipped. Nothing if they are malformed.
fn v2_ends(family: u8, body: &[u8]) -> Option<Option<Ends>> {
    let ports = |at: usize| {
        let port = |at: usize| Some(u16::from_be_bytes(*body.get(at..)?.first_chunk()?));
        Some((port(at)?, port(at + 2)?))
    };
    let addresses: (IpAddr, IpAddr) = match family {
        // UNSPEC, and sockets of the balancer's own machine: nothing that could be a client's address here.
        0x00 => return Some(None),
        0x31 | 0x32 => return (body.len() >= 216).then_some(None),
        // Stream or datagram: a balancer that takes HTTP/3 speaks TCP to docxy all the same.
        0x11 | 0x12 => {
            let (source, rest) = body.split_first_chunk::<4>()?;
            ((*source).into(), (*rest.first_chunk::<4>()?).into())
        }
        0x21 | 0x22 => {
            let (source, rest) = body.split_first_chunk::<16>()?;
            ((*source).into(), (*rest.first_chunk::<16>()?).into())
        }
        _ => return None,
    };
    let at = if family < 0x20 { 8 } else { 32 };
    Some(Some(Ends::new(addresses, ports(at)?)))
}

impl Ends {
    fn new((source, destination): (IpAddr, IpAddr), ports: (u16, u16)) -> Ends {
        Ends {
            source: SocketAddr::new(source.to_canonical(), ports.0),
            destination: SocketAddr::new(destination.to_canonical(), ports.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [V2_SIGNATURE, &[command, family], &length, body].concat()
    }

    fn v4_body() -> Vec<u8> {
        vec![192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x67, 0x01, 0xbb]
    }

    fn v6_body() -> Vec<u8> {
        let addresses =
            ["2001:db8::1", "fd00::1"].map(|text| text.parse::<Ipv6Addr>().unwrap().octets());
        [&addresses.concat()[..], &[0x12, 0x67, 0x01, 0xbb]].concat()
    }

    /// Source and destination, if the header names them.
    type Named = Option<(&'static str, &'static str)>;

    const V4: Named = Some(("192.0.2.1:4711", "10.0.0.1:443"));
    const V6: Named = Some(("[2001:db8::1]:4711", "[fd00::1]:443"));

    /// Header, and whose it says the connection is.
    fn good() -> Vec<(Vec<u8>, Named)> {
        let tlv = [0x03, 0, 4, 1, 2, 3, 4];
        let longest = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
        let unknown = "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
        assert_eq!(unknown.len(), V1_LIMIT);
        let all_ones = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        vec![
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n".to_vec(), V4),
            (b"PROXY TCP6 2001:db8::1 fd00::1 4711 443\r\n".to_vec(), V6),
            (
                b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:10.0.0.1 4711 443\r\n".to_vec(),
                V4,
            ),
            (longest.into(), Some((all_ones, all_ones))),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (unknown.into(), None),
            (header(0x21, 0x11, &v4_body()), V4),
            (header(0x21, 0x12, &v4_body()), V4),
            (header(0x21, 0x21, &v6_body()), V6),
            (header(0x21, 0x11, &[&v4_body()[..], &tlv].concat()), V4),
            (
                header(0x21, 0x21, &[&v6_body()[..], &[0; 4000]].concat()),
                V6,
            ),
            (header(0x20, 0x00, &[]), None),
            (header(0x20, 0x11, &v4_body()), None),
            (header(0x20, 0xff, &tlv), None),
            (header(0x21, 0x00, &[]), None),
            (header(0x21, 0x00, &tlv), None),
            (header(0x21, 0x31, &[b'/'; 216]), None),
        ]
    }

    #[test]
    fn headers_are_read_at_every_split_and_nothing_behind_them() {
        for (bytes, expected) in good() {
            for split in 1..bytes.len() {
                assert_eq!(
                    find(&bytes[..split]),
                    Ok(Found::Partial),
                    "{split} bytes of {:?}",
                    bytes.escape_ascii().to_string()
                );
            }
            let ends = expected.map(|(source, destination)| Ends {
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
            });
            let whole = Ok(Found::Header {
                length: bytes.len(),
                ends,
            });
            assert_eq!(
                find(&bytes),
                whole,
                "{:?}",
                bytes.escape_ascii().to_string()
            );
            for behind in [
                &b"\x16\x03\x01"[..],
                b"GET / HTTP/1.1\r\n",
                b"\n",
                &[0; 5000],
            ] {
                assert_eq!(find(&[&bytes[..], behind].concat()), whole);
            }
        }
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        use ProxyProtocolError::{Malformed, Start, TooLong};
        let long_line = [b"PROXY UNKNOWN ", &[b'x'; 100][..], b"\r\n"].concat();
        let cases: Vec<(Vec<u8>, ProxyProtocolError)> = vec![
            (b"GET / HTTP/1.1\r\n".to_vec(), Start),
            (b"PROXZ".to_vec(), Start),
            (b"proxy TCP4 ".to_vec(), Start),
            (b"\x16\x03\x01".to_vec(), Start),
            (b"\r\n\r\nGET".to_vec(), Start),
            (long_line, TooLong),
            ([&b"PROXY "[..], &[b' '; 101]].concat(), TooLong),
            (b"PROXY UNKNOWN\n".to_vec(), Malformed),
            (b"PROXY \r\n".to_vec(), Malformed),
            (b"PROXY TCP4\r\n".to_vec(), Malformed),
            (
                b"PROXY TCP5 192.0.2.1 10.0.0.1 4711 443\r\n".to_vec(),
                Malformed,
            ),
            (
                b"PROXY TCP4 2001:db8::1 10.0.0.1 4711 443\r\n".to_vec(),
                Malformed,
            ),
            (
                b"PROXY TCP6 192.0.2.1 10.0.0.1 4711 443\r\n".to_vec(),
                Malformed,
            ),
            (
                b"PROXY TCP4 192.0.2.1 10.0.0.1 4711\r\n".to_vec(),
                Malformed,
            ),
            (
                b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443 1\r\n".to_vec(),
                Malformed,
            ),
            (
                b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443 \r\n".to_vec(),
                Malformed,
            ),
            (
                b"PROXY TCP4  192.0.2.1 10.0.0.1 4711 443\r\n".to_vec(),
                Malformed,
            ),
            (
                b"PROXY TCP4 192.0.2.1 10.0.0.1 04711 443\r\n".to_vec(),
                Malformed,
            ),
            (
                b"PROXY TCP4 192.0.2.1 10.0.0.1 +4711 443\r\n".to_vec(),
                Malformed,
            ),
            (
                b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 65536\r\n".to_vec(),
                Malformed,
            ),
            (
                b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\n".to_vec(),
                Malformed,
            ),
            (
                b"PROXY TCP4 192.0.2.1\xff 10.0.0.1 4711 443\r\n".to_vec(),
                Malformed,
            ),
            (header(0x11, 0x11, &v4_body()), Malformed),
            (header(0x22, 0x11, &v4_body()), Malformed),
            (header(0x21, 0x13, &v4_body()), Malformed),
            (header(0x21, 0x41, &v6_body()), Malformed),
            (header(0x21, 0x11, &v4_body()[..11]), Malformed),
            (header(0x21, 0x21, &v6_body()[..35]), Malformed),
            (header(0x21, 0x31, &[0; 215]), Malformed),
            (
                header(0x21, 0x11, &vec![0; V2_LIMIT - V2_FIXED + 1]),
                TooLong,
            ),
            (
                header(0x20, 0x00, &vec![0; 65535])[..V2_FIXED].to_vec(),
                TooLong,
            ),
        ];
        for (bytes, error) in cases {
            assert_eq!(
                find(&bytes),
                Err(error),
                "{:?}",
                bytes.escape_ascii().to_string()
            );
        }
    }

    /// What must hold for any bytes: a header lies within them and within its limit, and more bytes do not change it.
    fn check(bytes: &[u8]) {
        if let Ok(Found::Header { length, .. }) = find(bytes) {
            assert!(length <= bytes.len() && length <= V2_LIMIT);
            assert_eq!(find(&bytes[..length]), find(bytes));
            assert_eq!(find(&bytes[..length - 1]), Ok(Found::Partial));
        }
    }

    #[test]
    fn no_bytes_are_too_odd() {
        let mut seed: u64 = 1;
        let mut next = |below: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap_or_default() % below
        };
        for (header, _) in good() {
            for _ in 0..2000 {
                let mut bytes = header.clone();
                for _ in 0..=next(3) {
                    let at = next(bytes.len());
                    bytes[at] = u8::try_from(next(256)).unwrap_or_default();
                }
                bytes.truncate(next(bytes.len()) + 1);
                check(&bytes);
            }
        }
    }
}
