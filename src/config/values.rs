//! Single settings: read, or refused by their key.

use std::cmp::Ordering;
use std::iter::zip;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::fault::{Fault, Key};
use super::period::Period;
use super::settings::Settings;
use crate::http::uri::Origin;
use crate::listen::Listen;
use crate::tls::pairs::Pair;

/// The IPv6 addresses that stand for those of IPv4 (RFC 4291 §2.5.5.2).
const MAPPED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);

/// More threads than this help nobody: each has a runtime and connections to upstreams of its own.
const MAX_WORKERS: usize = 1024;

/// Reads each of a list.
pub(super) fn read_each<T>(
    name: &'static str,
    texts: &[String],
    mut read: impl FnMut(&str) -> Result<T, String>,
) -> Result<Vec<T>, Fault> {
    let texts = texts.iter().enumerate();
    texts
        .map(|(at, text)| {
            let fault = |why| Key::item(name, at).fault(&format_args!("{text:?}: {why}"));
            read(text).map_err(fault)
        })
        .collect()
}

/// In a file may be empty what a flag cannot leave so.
pub(super) fn check_given(settings: &Settings) -> Result<(), Fault> {
    if settings.listen.is_empty() {
        return Err(
            Key::of("listen").fault(&"no address is given; name one, such as 127.0.0.1:5000")
        );
    }
    let state_dir = settings.state_dir.as_ref();
    if state_dir.is_some_and(|dir| dir.as_os_str().is_empty()) {
        return Err(Key::of("state_dir")
            .fault(&"it is empty; name a directory, or leave the line out for the usual one"));
    }
    Ok(())
}

/// A time that a peer has, so not none.
pub(super) fn some_time(name: &'static str, period: Period) -> Result<Duration, Fault> {
    match period.duration() {
        Duration::ZERO => Err(Key::of(name).fault(&"it has to be longer than nothing")),
        duration => Ok(duration),
    }
}

/// As many as are wanted, or one for each core.
pub(super) fn workers(wanted: Option<NonZeroUsize>) -> Result<NonZeroUsize, Fault> {
    let one_for_each_core = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    match wanted {
        Some(wanted) if wanted.get() > MAX_WORKERS => {
            let why = format_args!("it is no number from 1 to {MAX_WORKERS}");
            Err(Key::of("workers").fault(&why))
        }
        wanted => Ok(wanted.unwrap_or_else(one_for_each_core)),
    }
}

/// One address, where nothing but plain HTTP is spoken.
pub(super) fn parse_admin(text: &str) -> Result<Listen, Fault> {
    let fault = |why: &str| Key::of("admin").fault(&format_args!("{text:?}: {why}"));
    let admin: Listen = text.parse().map_err(|why: String| fault(&why))?;
    if admin.scheme.is_some() {
        return Err(fault(
            "it is plain HTTP always; write ADDR:PORT, such as 127.0.0.1:9090",
        ));
    }
    Ok(admin)
}

/// Each certificate with its key.
pub(super) fn tls_pairs(certs: &[PathBuf], keys: &[PathBuf]) -> Result<Vec<Pair>, Fault> {
    let counts = format!("certificates: {}, keys: {}", certs.len(), keys.len());
    match certs.len().cmp(&keys.len()) {
        Ordering::Equal => Ok(zip(certs.to_vec(), keys.to_vec())
            .map(|(cert, key)| Pair { cert, key })
            .collect()),
        Ordering::Greater => Err(Key::of("tls_cert").fault(&format_args!(
            "{counts}; give each its private key with --tls-key, in the same order"
        ))),
        Ordering::Less => Err(Key::of("tls_key").fault(&format_args!(
            "{counts}; give each its certificate with --tls-cert, in the same order"
        ))),
    }
}

/// How clients reach docxy.
pub(super) fn parse_public_url(text: &str) -> Result<Origin, Fault> {
    Origin::parse(text).map_err(|error| {
        let what = format_args!("{text:?} is not scheme, host and port alone, such as https://docxy.example:5000: {error}");
        Key::of("public_url").fault(&what)
    })
}

/// A network, or an address alone. One of IPv4 in the clothes of IPv6 is one of IPv4, as addresses of clients are.
pub(super) fn parse_net(text: &str) -> Result<IpNet, String> {
    let net: Result<IpNet, _> = text.parse();
    net.or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map(canonical)
        .map_err(|_| "it is neither a network such as 10.0.0.0/8 nor an address".to_owned())
}

fn canonical(net: IpNet) -> IpNet {
    let mapped = match net {
        IpNet::V6(net) if MAPPED.contains(&net) => net.addr().to_ipv4_mapped(),
        _ => None,
    };
    let of_ipv4 = mapped.and_then(|address| {
        let length = net.prefix_len().checked_sub(MAPPED.prefix_len())?;
        Ipv4Net::new(address, length).ok()
    });
    of_ipv4.map_or(net, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_as_the_addresses_of_clients_are() {
        let cases = [
            ("::ffff:127.0.0.1", "127.0.0.1/32"),
            ("::ffff:127.0.0.1/128", "127.0.0.1/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::FFFF:a00:0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:0:0/95", "::ffff:0:0/95"),
            ("::/0", "::/0"),
            ("::1", "::1/128"),
            ("::127.0.0.1", "::127.0.0.1/128"),
            ("64:ff9b::10.0.0.0/104", "64:ff9b::10.0.0.0/104"),
            ("10.0.0.0/8", "10.0.0.0/8"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_net(text), Ok(expected.parse().unwrap()), "{text}");
        }
    }
}
