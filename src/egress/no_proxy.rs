//! Hosts that are reached without a proxy, as NO_PROXY names them.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::http::uri::{Authority, Host, Origin};

/// Hosts that are reached without a proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy {
    entries: Vec<Entry>,
    /// Whether this machine itself is one of them.
    pub loopback: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    All,
    /// A name and, unless it begins with a dot, itself: `.example.com` is what ends in it.
    Name {
        suffix: Box<str>,
        itself: bool,
        port: Option<u16>,
    },
    Address(IpAddr, Option<u16>),
    Net(IpNet),
}

impl NoProxy {
    /// Adds what a list names whose items are parted by commas or blanks: `*`, a host (and those below it), `.suffix` or
    /// `*.suffix` (only those below it), each perhaps with a port, an address, or a network. An error names the item.
    pub fn add(&mut self, list: &str) -> Result<(), String> {
        for item in list.split([',', ' ']).filter(|item| !item.is_empty()) {
            let entry = Entry::parse(item).ok_or_else(|| {
                format!("{item:?} is none of a host, .suffix, address, network and *")
            })?;
            self.entries.push(entry);
        }
        Ok(())
    }

    /// Adds what of such a list is understood; what is not can match nothing.
    pub fn add_understood(&mut self, list: &str) {
        let items = list.split([',', ' ']).filter(|item| !item.is_empty());
        self.entries.extend(items.filter_map(Entry::parse));
    }

    /// Whether it names an origin. Names are not looked up: a network holds addresses that stand in URLs.
    pub fn has(&self, origin: &Origin) -> bool {
        let (host, port) = (origin.host(), origin.port());
        (self.loopback && host.is_loopback())
            || self.entries.iter().any(|entry| entry.has(host, port))
    }

    /// Its items as they are written.
    pub fn items(&self) -> Vec<String> {
        self.entries.iter().map(ToString::to_string).collect()
    }
}

impl Entry {
    fn parse(item: &str) -> Option<Entry> {
        if item == "*" {
            return Some(Entry::All);
        }
        if let Ok(net) = item.parse() {
            return Some(Entry::Net(net));
        }
        if let Ok(address) = item.parse::<IpAddr>() {
            return Some(Entry::Address(address.to_canonical(), None));
        }
        let below = item.strip_prefix("*.").or_else(|| item.strip_prefix('.'));
        let authority = Authority::parse(below.unwrap_or(item).as_bytes()).ok()?;
        let port = authority.port;
        match authority.host {
            Host::Address(_) if below.is_some() => None,
            Host::Address(address) => Some(Entry::Address(address.to_canonical(), port)),
            Host::Name(suffix) => Some(Entry::Name {
                suffix,
                itself: below.is_none(),
                port,
            }),
        }
    }

    fn has(&self, host: &Host, at: u16) -> bool {
        let is_there = |port: &Option<u16>| port.is_none_or(|port| port == at);
        match (self, host) {
            (Entry::All, _) => true,
            (
                Entry::Name {
                    suffix,
                    itself,
                    port,
                },
                Host::Name(name),
            ) => is_there(port) && is_at_or_below(name, suffix, *itself),
            (Entry::Address(address, port), Host::Address(host)) => {
                is_there(port) && *address == host.to_canonical()
            }
            (Entry::Net(net), Host::Address(host)) => net.contains(&host.to_canonical()),
            _ => false,
        }
    }
}

fn is_at_or_below(name: &str, suffix: &str, itself: bool) -> bool {
    match name.strip_suffix(suffix) {
        Some("") => itself,
        Some(before) => before.ends_with('.'),
        None => false,
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = match self {
            Entry::All => return f.write_str("*"),
            Entry::Net(net) => return write!(f, "{net}"),
            Entry::Address(address, None) => return write!(f, "{address}"),
            Entry::Address(address, port) => (Host::Address(*address).to_string(), port),
            Entry::Name {
                suffix,
                itself,
                port,
            } => (format!("{}{suffix}", if *itself { "" } else { "." }), port),
        };
        match port {
            Some(port) => write!(f, "{host}:{port}"),
            None => f.write_str(&host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(list: &str, url: &str) -> bool {
        let mut hosts = NoProxy::default();
        hosts.add(list).unwrap();
        hosts.has(&Origin::parse(url).unwrap())
    }

    #[test]
    fn hosts_are_named_as_users_of_no_proxy_expect() {
        let cases = [
            ("*", "https://reg.test", true),
            ("", "https://reg.test", false),
            ("reg.test", "https://reg.test", true),
            ("REG.test", "https://Reg.Test", true),
            ("reg.test", "https://a.reg.test", true),
            ("reg.test", "https://areg.test", false),
            ("reg.test", "https://reg.test.evil.test", false),
            (".reg.test", "https://reg.test", false),
            (".reg.test", "https://a.b.reg.test", true),
            ("*.reg.test", "https://a.reg.test", true),
            ("*.reg.test", "https://reg.test", false),
            ("other.test, reg.test", "https://reg.test", true),
            ("other.test reg.test", "https://reg.test", true),
            ("reg.test:443", "https://reg.test", true),
            ("reg.test:443", "https://reg.test:8443", false),
            ("reg.test:443", "http://reg.test", false),
            (".reg.test:8443", "https://a.reg.test:8443", true),
            ("10.1.2.3", "http://10.1.2.3:5000", true),
            ("10.1.2.3:5000", "http://10.1.2.3:5001", false),
            ("10.0.0.0/8", "http://10.1.2.3", true),
            ("10.0.0.0/8", "http://11.1.2.3", false),
            ("10.0.0.0/8", "http://[::ffff:10.1.2.3]", true),
            ("10.0.0.0/8", "http://ten.test", false),
            ("fd00::/8", "http://[fd00::1]", true),
            ("::1", "http://[::1]:5000", true),
            ("[::1]:5000", "http://[::1]:5001", false),
        ];
        for (list, url, expected) in cases {
            assert_eq!(has(list, url), expected, "{list:?} {url}");
        }
    }

    #[test]
    fn what_names_nothing_is_an_error_or_passed_over() {
        for item in [
            "a/b",
            "*reg.test",
            ".10.0.0.1",
            "10.0.0.0/33",
            "http://reg.test",
        ] {
            let mut hosts = NoProxy::default();
            assert!(hosts.add(item).unwrap_err().contains(item), "{item}");
            hosts.add_understood(&format!("{item},reg.test"));
            assert_eq!(hosts.items(), ["reg.test"], "{item}");
        }
    }

    #[test]
    fn items_are_written_as_they_are_read() {
        let list = "*,reg.test,.a.test:1,10.0.0.1,10.0.0.1:2,[::1]:3,::1,10.0.0.0/8";
        let mut hosts = NoProxy::default();
        hosts.add(list).unwrap();
        assert_eq!(hosts.items().join(","), list);
    }

    #[test]
    fn this_machine_is_known_by_name_and_address() {
        let hosts = NoProxy {
            loopback: true,
            ..NoProxy::default()
        };
        for (url, expected) in [
            ("http://localhost:5000", true),
            ("http://a.localhost", true),
            ("http://127.8.9.1", true),
            ("http://[::1]", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://localhost.test", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(hosts.has(&Origin::parse(url).unwrap()), expected, "{url}");
        }
    }
}
