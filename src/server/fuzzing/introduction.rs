//! A PROXY header read by the letter and on its own, to judge what docxy has taken for one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::memmem;

/// The start of version 2.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What stands before a client's first byte.
pub(super) struct Introduction {
    /// Its length.
    pub(super) length: usize,
    /// The client that it names, if it names one.
    pub(super) source: Option<IpAddr>,
}

/// Reads the header of a connection; `None` if it does not begin with a whole one.
pub(super) fn read(bytes: &[u8]) -> Option<Introduction> {
    match bytes.strip_prefix(SIGNATURE) {
        Some(rest) => binary(rest),
        None => text(bytes),
    }
}

fn text(bytes: &[u8]) -> Option<Introduction> {
    let end = memmem::find(bytes, b"\r\n")?;
    let words: Vec<&str> = str::from_utf8(&bytes[..end]).ok()?.split(' ').collect();
    let source = match words[..] {
        ["PROXY", "UNKNOWN", ..] => None,
        ["PROXY", "TCP4", source, _, _, _] => Some(source.parse::<Ipv4Addr>().ok()?.into()),
        ["PROXY", "TCP6", source, _, _, _] => Some(source.parse::<Ipv6Addr>().ok()?.into()),
        _ => return None,
    };
    let length = end + 2;
    (length <= 107).then_some(Introduction { length, source })
}

fn binary(rest: &[u8]) -> Option<Introduction> {
    let (&[command, family, high, low], rest) = rest.split_first_chunk()?;
    let size = usize::from(high) * 256 + usize::from(low);
    let body = rest.get(..size)?;
    let source = match (command, family >> 4) {
        (0x20, _) | (0x21, 0 | 3) => None,
        (0x21, 1) => Some(IpAddr::from(*body.first_chunk::<4>()?)),
        (0x21, 2) => Some(IpAddr::from(*body.first_chunk::<16>()?)),
        _ => return None,
    };
    Some(Introduction {
        length: SIGNATURE.len() + 4 + size,
        source,
    })
}
