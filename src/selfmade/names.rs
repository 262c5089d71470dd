//! For which names and addresses the certificate is: those by which docxy is reached, as far as it can know them.

use std::net::{IpAddr, Ipv6Addr};

use rustls::pki_types::ServerName;

use super::machine::Machine;
use crate::http::uri::{Authority, Host, Origin, Scheme};
use crate::listen::ListenHost;
use crate::registry::table::Table;

/// What decides the names, beside the machine.
#[derive(Clone, Debug)]
pub struct Wanted {
    public_host: Option<Host>,
    tls_names: Vec<Host>,
    aliases: Vec<Host>,
    listening: Vec<ListenHost>,
    /// How clients write docxy's host and port, if that is said.
    public: Option<Authority>,
}

impl Wanted {
    /// From what was configured: docxy's URL, names of the operator's, the upstreams, whose aliases count, and where https
    /// is spoken.
    pub fn new(
        public_url: Option<&Origin>,
        tls_names: &[Host],
        table: &Table,
        listening: Vec<ListenHost>,
    ) -> Wanted {
        Wanted {
            public_host: public_url.map(|url| url.host().clone()),
            tls_names: tls_names.to_vec(),
            aliases: aliases(table),
            listening,
            public: public_url
                .filter(|url| url.scheme() == Scheme::Https)
                .map(Origin::authority),
        }
    }

    /// The names, each once, the most telling first.
    pub fn names(&self, machine: &Machine) -> Vec<String> {
        let said = self
            .public_host
            .iter()
            .chain(&self.tls_names)
            .chain(&self.aliases);
        let mut names: Vec<String> = said.map(Host::bare).collect();
        for &host in &self.listening {
            match host {
                ListenHost::Address(address) if !address.is_unspecified() => {
                    names.push(address.to_string());
                }
                ListenHost::Localhost => {}
                wildcard => {
                    names.extend(machine.of_family(wildcard).map(|a| a.to_string()));
                    names.extend(machine.hostname.iter().map(Host::bare));
                }
            }
        }
        names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
        let mut once = Vec::with_capacity(names.len());
        for name in names {
            if is_certifiable(&name) && !once.contains(&name) {
                once.push(name);
            }
        }
        once
    }

    /// Whether the names depend on the machine.
    pub fn needs_machine(&self) -> bool {
        self.listening.iter().any(|host| match host {
            ListenHost::Address(address) => address.is_unspecified(),
            ListenHost::Localhost => false,
            ListenHost::All => true,
        })
    }

    /// How an engine writes host and port of docxy: as the operator says, else by an address of the machine.
    pub fn authority(&self, machine: &Machine, port: u16) -> Authority {
        let port = (port != Scheme::Https.default_port()).then_some(port);
        let local = || {
            let host = self.listening.first().copied();
            match host.unwrap_or(ListenHost::Localhost) {
                ListenHost::Address(address) if !address.is_unspecified() => Host::Address(address),
                ListenHost::Localhost => Host::Name("localhost".into()),
                wildcard => {
                    let address = machine.of_family(wildcard).next();
                    address.map_or_else(|| Host::Name("localhost".into()), Host::Address)
                }
            }
        };
        self.public.clone().unwrap_or_else(|| Authority {
            host: self
                .public_host
                .iter()
                .chain(&self.tls_names)
                .next()
                .cloned()
                .unwrap_or_else(local),
            port,
        })
    }
}

/// Reads a `--tls-name`: a host name, or an address, IPv6 with or without brackets.
pub fn parse(text: &str) -> Result<Host, String> {
    let address = text.parse::<Ipv6Addr>().map(IpAddr::V6);
    let host = address.map(Host::Address).or_else(|_| Host::parse(text));
    host.ok()
        .filter(|host| is_certifiable(&host.bare()))
        .ok_or_else(|| {
            "it is neither a host name nor an address; write it without scheme and port".to_owned()
        })
}

/// Whether clients would look for it in a certificate: a label of a name neither begins nor ends with a hyphen.
fn is_certifiable(name: &str) -> bool {
    ServerName::try_from(name).is_ok()
}

fn aliases(table: &Table) -> Vec<Host> {
    let all = table.ids().flat_map(|id| &table.get(id).aliases);
    let hosts = all.filter_map(|alias| Authority::parse(alias.as_bytes()).ok());
    hosts.map(|authority| authority.host).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use crate::config::Config;
    use clap::Parser;

    fn wanted(flags: &str) -> Wanted {
        let args = Args::parse_from(std::iter::once("docxy").chain(flags.split_whitespace()));
        Config::from_args(args).unwrap().certificate_names()
    }

    fn machine() -> Machine {
        let addresses = ["192.0.2.1", "2001:db8::1", "10.0.0.1"];
        Machine {
            addresses: addresses.map(|text| text.parse().unwrap()).to_vec(),
            hostname: Host::parse("box").ok(),
        }
    }

    #[test]
    fn names_are_those_by_which_docxy_is_reached() {
        const OWN: &str = "localhost 127.0.0.1 ::1";
        let cases = [
            ("--listen 0.0.0.0:443", "192.0.2.1 10.0.0.1 box"),
            ("--listen :443", "192.0.2.1 2001:db8::1 10.0.0.1 box"),
            ("--listen [::]:443", "192.0.2.1 2001:db8::1 10.0.0.1 box"),
            ("--listen 192.0.2.1:443", "192.0.2.1"),
            ("--listen https://localhost:5000 --listen 0.0.0.0:80", ""),
            (
                "--listen 192.0.2.1:443 --tls-name Docxy.test --tls-name 198.51.100.1 --tls-name [2001:db8::2]",
                "docxy.test 198.51.100.1 2001:db8::2 192.0.2.1",
            ),
            (
                "--listen 192.0.2.1:443 --public-url https://pull.test:8443 --tls-name pull.test \
                 --upstream-alias docker.io=hub.test",
                "pull.test hub.test 192.0.2.1",
            ),
        ];
        for (flags, names) in cases {
            let expected = format!("{names} {OWN}");
            let found = wanted(flags).names(&machine()).join(" ");
            assert_eq!(found, expected.trim(), "{flags}");
        }
    }

    #[test]
    fn the_machine_counts_where_docxy_listens_on_all_of_it() {
        for (flags, counts) in [
            ("--listen :443", true),
            ("--listen 0.0.0.0:443", true),
            ("--listen 192.0.2.1:443 --listen https://[::]:5000", true),
            ("--listen 192.0.2.1:443 --listen :80", false),
            ("--listen https://localhost:5000", false),
        ] {
            let found = wanted(flags).needs_machine();
            assert_eq!(found, counts, "{flags}");
        }
    }

    #[test]
    fn a_name_that_no_certificate_can_have_is_left_out() {
        let machine = Machine {
            hostname: Host::parse("box-").ok(),
            ..Machine::default()
        };
        assert!(machine.hostname.is_some());
        let names = wanted("--listen :443 --public-url https://-a.test").names(&machine);
        assert_eq!(names, ["localhost", "127.0.0.1", "::1"]);
    }

    #[test]
    fn engines_are_told_the_host_that_the_operator_would_say() {
        let cases = [
            ("--listen 0.0.0.0:443", 443, "192.0.2.1"),
            ("--listen https://0.0.0.0:5000", 5000, "192.0.2.1:5000"),
            (
                "--listen https://[2001:db8::1]:5000",
                5000,
                "[2001:db8::1]:5000",
            ),
            ("--listen https://localhost:0", 4711, "localhost:4711"),
            ("--listen :443 --tls-name a.test", 443, "a.test"),
            (
                "--listen :443 --tls-name a.test --public-url https://b.test:8443",
                443,
                "b.test:8443",
            ),
            ("--listen :443 --public-url http://b.test", 443, "b.test"),
        ];
        for (flags, port, authority) in cases {
            let found = wanted(flags).authority(&machine(), port);
            assert_eq!(found.to_string(), authority, "{flags}");
        }
        let bare = wanted("--listen :443").authority(&Machine::default(), 443);
        assert_eq!(bare.to_string(), "localhost");
    }

    #[test]
    fn names_are_read() {
        for text in ["a.test", "192.0.2.1", "::1", "[::1]"] {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "https://a.test",
            "a.test:443",
            "a b",
            "[::1]:443",
            "*",
            "-a.test",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
