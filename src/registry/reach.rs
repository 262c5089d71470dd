//! What kind of place an address is, for the address check of redirects and realms.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::http::uri::Host;

/// How far away an address is, from the whole Internet to what is never a place to go; the order is the one in which an
/// upstream needs more trust to send docxy there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Routed on the Internet.
    Global,
    /// This host, a private network, or a range that is routed nowhere else.
    Private,
    /// This link, and the metadata services of clouds, which hand out credentials.
    LinkLocal,
    /// Multicast, broadcast or reserved: nothing answers there.
    Nowhere,
}

/// Says what kind of place an address is, by the IANA special-purpose address registries (RFC 6890).
///
/// An IPv6 address that carries an IPv4 address is what that one is, since a gateway may take it there.
pub fn classify(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

/// Says what kind of place a host is that somebody else looks up: a name is taken to be on the Internet, since nothing else is
/// known of it, but for those that are this host wherever they are looked up (RFC 6761 §6.3).
pub fn classify_unseen(host: &Host) -> Reach {
    match host {
        Host::Address(address) => classify(*address),
        Host::Name(_) if host.is_loopback() => Reach::Private,
        Host::Name(_) => Reach::Global,
    }
}

/// Services that answer to whoever can reach them, outside 169.254.0.0/16.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba Cloud
    Ipv4Addr::new(168, 63, 129, 16),   // Azure
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle Cloud
];

/// The same with their prefix lengths: Amazon's whole range, Google's and Scaleway's addresses.
const METADATA_V6: [(Ipv6Addr, u32); 3] = [
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128),
    (Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42), 128),
];

const PRIVATE_V4: [(Ipv4Addr, u32); 14] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8), // "this network": 0.0.0.0 reaches this host
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10), // shared by carriers (RFC 6598)
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24), // IETF protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24), // documentation (RFC 5737)
    (Ipv4Addr::new(192, 88, 99, 0), 24), // 6to4 relays, given up (RFC 7526)
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15), // benchmarks (RFC 2544)
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24), // AS112 sinks (RFC 7535)
    (Ipv4Addr::new(192, 175, 48, 0), 24),
];

const PRIVATE_V6: [(Ipv6Addr, u32); 8] = [
    (Ipv6Addr::UNSPECIFIED, 128), // reaches this host, as 0.0.0.0 does
    (Ipv6Addr::LOCALHOST, 128),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7), // unique local (RFC 4193)
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10), // site-local, given up (RFC 3879)
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // IETF protocol assignments, Teredo and benchmarks among them
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation (RFC 3849, RFC 9637)
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64), // discard only (RFC 6666)
];

fn classify_v4(address: Ipv4Addr) -> Reach {
    if address.is_link_local() || METADATA_V4.contains(&address) {
        Reach::LinkLocal
    } else if address.is_multicast() || address.octets()[0] >= 240 {
        Reach::Nowhere
    } else if PRIVATE_V4
        .iter()
        .any(|&(net, bits)| is_in_v4(address, net, bits))
    {
        Reach::Private
    } else {
        Reach::Global
    }
}

fn classify_v6(address: Ipv6Addr) -> Reach {
    let is_in = |&(net, bits): &(Ipv6Addr, u32)| is_in_v6(address, net, bits);
    if address.is_multicast() {
        Reach::Nowhere
    } else if address.is_unicast_link_local() || METADATA_V6.iter().any(is_in) {
        Reach::LinkLocal
    } else if let Some(reach) = classify_embedded(address) {
        reach
    } else if PRIVATE_V6.iter().any(is_in) {
        Reach::Private
    } else if address.segments()[0] & 0xe000 == 0x2000 {
        Reach::Global
    } else {
        // Nothing but 2000::/3 is given out as global unicast (RFC 4291 §2.4).
        Reach::Nowhere
    }
}

/// By the IPv4 address that an IPv6 address carries; `None` if it is of no kind that carries one.
fn classify_embedded(address: Ipv6Addr) -> Option<Reach> {
    let last = classify_v4(v4(address, 96));
    match address.segments() {
        // :: and ::1 are no IPv4-compatible addresses.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // IPv4-mapped (RFC 4291 §2.5.5.2): the system connects by IPv4.
        [0, 0, 0, 0, 0, 0xffff, ..] => Some(last),
        // NAT64 (RFC 6052): how a machine with IPv6 only reaches the IPv4 Internet.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(last),
        // 6to4 (RFC 3056).
        [0x2002, ..] => Some(classify_v4(v4(address, 16))),
        // IPv4-compatible (RFC 4291 §2.5.5.1), IPv4-translated (RFC 7915) and local NAT64 (RFC 8215): not on the Internet.
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 1, ..] => {
            Some(last.max(Reach::Private))
        }
        // Teredo (RFC 4380 §4): its server, and its client with all bits turned.
        [0x2001, 0, ..] => {
            let client = classify_v4(Ipv4Addr::from_bits(!v4(address, 96).to_bits()));
            let server = classify_v4(v4(address, 32));
            Some(client.max(server).max(Reach::Private))
        }
        _ => None,
    }
}

/// The 32 bits from bit `start` on.
fn v4(address: Ipv6Addr, start: u32) -> Ipv4Addr {
    let octets = (address.to_bits() << start).to_be_bytes();
    Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3])
}

/// `bits` from 1 to 32.
fn is_in_v4(address: Ipv4Addr, net: Ipv4Addr, bits: u32) -> bool {
    (address.to_bits() ^ net.to_bits()) >> (32 - bits) == 0
}

/// `bits` from 1 to 128.
fn is_in_v6(address: Ipv6Addr, net: Ipv6Addr, bits: u32) -> bool {
    (address.to_bits() ^ net.to_bits()) >> (128 - bits) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reach: Reach, addresses: &[&str]) {
        for text in addresses {
            assert_eq!(classify(text.parse().unwrap()), reach, "{text}");
        }
    }

    #[test]
    fn ipv4() {
        check(
            Reach::Global,
            &[
                "1.1.1.1",
                "8.8.8.8",
                "9.255.255.255",
                "11.0.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "126.255.255.255",
                "128.0.0.0",
                "169.253.255.255",
                "169.255.0.0",
                "172.15.255.255",
                "172.32.0.0",
                "192.0.1.0",
                "192.167.255.255",
                "192.169.0.0",
                "198.17.255.255",
                "198.20.0.0",
                "203.0.112.255",
                "203.0.114.0",
                "223.255.255.255",
                "168.63.129.15",
                "168.63.129.17",
            ],
        );
        check(
            Reach::Private,
            &[
                "0.0.0.0",
                "0.1.2.3",
                "10.0.0.0",
                "10.255.255.255",
                "100.64.0.0",
                "100.127.255.255",
                "100.100.100.201",
                "127.0.0.1",
                "127.255.255.255",
                "172.16.0.0",
                "172.31.255.255",
                "192.0.0.0",
                "192.0.0.255",
                "192.0.2.1",
                "192.88.99.1",
                "192.168.0.0",
                "192.168.255.255",
                "198.18.0.0",
                "198.19.255.255",
                "198.51.100.7",
                "203.0.113.255",
            ],
        );
        check(
            Reach::LinkLocal,
            &[
                "169.254.0.0",
                "169.254.169.254",
                "169.254.170.2",
                "169.254.255.255",
                "100.100.100.200",
                "168.63.129.16",
                "192.0.0.192",
            ],
        );
        check(
            Reach::Nowhere,
            &[
                "224.0.0.0",
                "224.0.0.251",
                "239.255.255.255",
                "240.0.0.0",
                "254.1.2.3",
                "255.255.255.255",
            ],
        );
    }

    #[test]
    fn ipv6() {
        check(
            Reach::Global,
            &[
                "2000::",
                "2606:4700::1111",
                "2001:4860:4860::8888",
                "2001:200::1",
                "2003::1",
                "2a00:1450::1",
                "3ffe::1",
            ],
        );
        check(
            Reach::Private,
            &[
                "::",
                "::1",
                "fc00::",
                "fd00::1",
                "fdff:ffff::1",
                "fec0::1",
                "feff::1",
                "2001:db8::1",
                "3fff::1",
                "3fff:fff::1",
                "2001:2::1",
                "2001:10::1",
                "2001:1ff:ffff::1",
                "100::1",
            ],
        );
        check(
            Reach::LinkLocal,
            &[
                "fe80::",
                "fe80::1",
                "febf:ffff::1",
                "fd00:ec2::254",
                "fd00:ec2::23",
                "fd20:ce::254",
                "fd00:42::42",
            ],
        );
        check(
            Reach::Nowhere,
            &[
                "ff02::1",
                "ff0e::1",
                "4000::1",
                "5f00::1",
                "e000::1",
                "fe00::1",
                "200::1",
                "1::1",
                "100:0:0:1::1",
            ],
        );
    }

    #[test]
    fn ipv6_that_carries_ipv4() {
        check(
            Reach::Global,
            &["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"],
        );
        check(
            Reach::Private,
            &[
                "::ffff:127.0.0.1",
                "::ffff:10.0.0.1",
                "::ffff:0.0.0.0",
                "64:ff9b::10.0.0.1",
                "64:ff9b::127.0.0.1",
                "2002:7f00:1::",
                "2002:a00:1::1",
                "2002:c0a8:101::1",
                "::127.0.0.1",
                "::10.0.0.1",
                "::8.8.8.8",
                "::2",
                "::ffff:0:8.8.8.8",
                "::ffff:0:10.0.0.1",
                "64:ff9b:1::8.8.8.8",
                "64:ff9b:1:ffff::10.0.0.1",
                // Teredo with global server and client.
                "2001:0:808:808::f7f7:f7f7",
            ],
        );
        check(
            Reach::LinkLocal,
            &[
                "::ffff:169.254.169.254",
                "::ffff:100.100.100.200",
                "64:ff9b::169.254.169.254",
                "2002:a9fe:a9fe::1",
                "::169.254.169.254",
                "::ffff:0:169.254.169.254",
                "64:ff9b:1::169.254.169.254",
                // Teredo: 169.254.169.254 as client (turned), then as server.
                "2001:0:808:808::5601:5601",
                "2001:0:a9fe:a9fe::f7f7:f7f7",
            ],
        );
        check(
            Reach::Nowhere,
            &[
                "::ffff:224.0.0.1",
                "::ffff:255.255.255.255",
                "64:ff9b::240.0.0.1",
                "2002:e000:1::1",
            ],
        );
    }

    #[test]
    fn names_that_others_look_up_are_taken_for_public_ones() {
        let cases = [
            ("reg.test", Reach::Global),
            ("metadata.test", Reach::Global),
            ("localhost", Reach::Private),
            ("LocalHost.", Reach::Private),
            ("a.localhost", Reach::Private),
            ("10.0.0.1", Reach::Private),
            ("169.254.169.254", Reach::LinkLocal),
            ("[::ffff:169.254.169.254]", Reach::LinkLocal),
            ("8.8.8.8", Reach::Global),
        ];
        for (text, expected) in cases {
            let host = Host::parse(text).unwrap();
            assert_eq!(classify_unseen(&host), expected, "{text}");
        }
    }

    #[test]
    fn narrower_places_compare_as_greater() {
        assert!(Reach::Global < Reach::Private);
        assert!(Reach::Private < Reach::LinkLocal);
        assert!(Reach::LinkLocal < Reach::Nowhere);
    }
}
