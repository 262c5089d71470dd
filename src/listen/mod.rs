//! The addresses of `--listen`: read, completed and bound.

mod error;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

pub use self::error::BindError;
use crate::http::uri::Scheme;
use crate::systemd::activation::Passed;

/// Connections that the system holds until they are accepted.
const BACKLOG: i32 = 1024;

/// One `--listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Whether a PROXY header comes before each connection.
    pub proxy_protocol: bool,
    /// What is spoken there, if it is said.
    pub scheme: Option<Scheme>,
    /// Where.
    pub host: ListenHost,
    /// The port; 0 for any that is free.
    pub port: u16,
}

/// The ADDR of a `--listen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenHost {
    /// An address.
    Address(IpAddr),
    /// `localhost`: the loopback addresses of both families.
    Localhost,
    /// Nothing: all addresses of both families.
    All,
}

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        let (proxy_protocol, scheme, rest) = match text.split_once("://") {
            None => (false, None, text),
            Some(("http", rest)) => (false, Some(Scheme::Http), rest),
            Some(("https", rest)) => (false, Some(Scheme::Https), rest),
            Some(("proxy+http", rest)) => (true, Some(Scheme::Http), rest),
            Some(("proxy+https", rest)) => (true, Some(Scheme::Https), rest),
            Some((other, _)) => {
                return Err(format!(
                    "its scheme {other:?} is neither http nor https, nor one of these after proxy+"
                ));
            }
        };
        let (host, port) = rest
            .rsplit_once(':')
            .ok_or("it has no port; write ADDR:PORT, such as 0.0.0.0:443")?;
        let port = port
            .parse()
            .map_err(|_| format!("its port {port:?} is not a number from 0 to 65535"))?;
        let host = match host {
            "" => ListenHost::All,
            "localhost" => ListenHost::Localhost,
            _ => ListenHost::Address(parse_address(host)?),
        };
        Ok(Listen {
            proxy_protocol,
            scheme,
            host,
            port,
        })
    }
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'));
    let address: Option<IpAddr> = match bare {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    };
    address.ok_or_else(|| {
        format!("its address {text:?} is neither an IP address (IPv6 in brackets) nor localhost")
    })
}

impl Listen {
    /// What is spoken there: what was said, else by the port, else TLS if there is a certificate for it.
    pub fn scheme(&self, certificate: Certificate) -> Scheme {
        match (self.scheme, self.port, certificate) {
            (Some(scheme), ..) => scheme,
            (None, 443, _) => Scheme::Https,
            (None, 80, _) => Scheme::Http,
            (None, _, Certificate::Configured) => Scheme::Https,
            (None, _, Certificate::None) => Scheme::Http,
        }
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        match self.host {
            ListenHost::Localhost => true,
            ListenHost::Address(address) => address.to_canonical().is_loopback(),
            ListenHost::All => false,
        }
    }

    /// Whether a socket that listens on this address is one of its own.
    pub fn is_at(&self, address: SocketAddr) -> bool {
        let ip = address.ip();
        let is_its_host = match self.host {
            ListenHost::Address(own) => ip == own,
            ListenHost::Localhost => ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST,
            ListenHost::All => ip.is_unspecified(),
        };
        is_its_host && address.port() == self.port
    }

    /// Binds it: one socket, or two for `localhost`, those that were `passed` instead of new ones. `others` are all that are bound in the same run: an IPv4 wildcard
    /// among them leaves an IPv6 wildcard of its port IPv6 only.
    pub fn bind(
        &self,
        others: &[Listen],
        passed: &mut Passed,
    ) -> Result<Vec<TcpListener>, BindError> {
        if self.host == ListenHost::All {
            // One of both families, or one of each: what was passed is what the operator wants.
            let wildcards = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
            let passed = wildcards.map(|ip| passed.take(SocketAddr::new(ip, self.port)));
            if passed.iter().any(Option::is_some) {
                return Ok(passed.into_iter().flatten().collect());
            }
        }
        let mut at = |address: IpAddr, port| {
            let address = SocketAddr::new(address, port);
            if let Some(tcp) = passed.take(address) {
                return Ok(tcp);
            }
            bind(address, self.families(others)).map_err(|error| BindError {
                address,
                error,
                flag: "--listen",
                is_own: self.is_taken_by(others),
            })
        };
        match self.host {
            ListenHost::Address(address) => Ok(vec![at(address, self.port)?]),
            ListenHost::All => match at(Ipv6Addr::UNSPECIFIED.into(), self.port) {
                Err(error) if error.is_without_ipv6() => {
                    Ok(vec![at(Ipv4Addr::UNSPECIFIED.into(), self.port)?])
                }
                bound => Ok(vec![bound?]),
            },
            ListenHost::Localhost => {
                let v4 = at(Ipv4Addr::LOCALHOST.into(), self.port)?;
                // Port 0 means one free port, not two.
                let port = v4.local_addr().map_or(self.port, |address| address.port());
                match at(Ipv6Addr::LOCALHOST.into(), port) {
                    Err(error) if error.is_without_ipv6() => Ok(vec![v4]),
                    v6 => Ok(vec![v4, v6?]),
                }
            }
        }
    }

    /// Whether one that was bound before it listens on its port, for as much of its address as matters.
    fn is_taken_by(&self, others: &[Listen]) -> bool {
        let mut before = others
            .iter()
            .take_while(|other| !std::ptr::eq(*other, self));
        before.any(|other| self.port == other.port && self.host.overlaps(other.host))
    }

    fn families(&self, others: &[Listen]) -> Families {
        let has_v4_wildcard = others.iter().any(|other| {
            other.port == self.port
                && other.host == ListenHost::Address(Ipv4Addr::UNSPECIFIED.into())
        });
        if has_v4_wildcard {
            Families::Ipv6Only
        } else {
            Families::Both
        }
    }
}

impl ListenHost {
    /// Whether one port of both may be more than the system gives.
    fn overlaps(self, other: ListenHost) -> bool {
        let both = [self, other];
        self == other
            || both.into_iter().any(ListenHost::is_wildcard)
            || both.contains(&ListenHost::Localhost)
                && both.into_iter().all(ListenHost::is_of_localhost)
    }

    fn is_wildcard(self) -> bool {
        match self {
            ListenHost::Address(address) => address.is_unspecified(),
            ListenHost::Localhost => false,
            ListenHost::All => true,
        }
    }

    fn is_of_localhost(self) -> bool {
        match self {
            ListenHost::Address(address) => {
                address == Ipv4Addr::LOCALHOST || address == Ipv6Addr::LOCALHOST
            }
            ListenHost::Localhost => true,
            ListenHost::All => false,
        }
    }
}

/// Whether there is a certificate to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// `--tls-cert` is given.
    Configured,
    /// It is not.
    None,
}

/// What an IPv6 wildcard takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Families {
    Both,
    Ipv6Only,
}

fn bind(address: SocketAddr, families: Families) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart need not wait for the connections of the run before; a listener in use stays an error.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        let is_wildcard = address.ip().is_unspecified();
        socket.set_only_v6(!is_wildcard || families == Families::Ipv6Only)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Listen {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn addresses_are_read() {
        let cases = [
            (
                "127.0.0.1:5000",
                None,
                ListenHost::Address(Ipv4Addr::LOCALHOST.into()),
                5000,
            ),
            (
                "[::1]:0",
                None,
                ListenHost::Address(Ipv6Addr::LOCALHOST.into()),
                0,
            ),
            (":443", None, ListenHost::All, 443),
            ("http://:80", Some(Scheme::Http), ListenHost::All, 80),
            (
                "https://localhost:5001",
                Some(Scheme::Https),
                ListenHost::Localhost,
                5001,
            ),
        ];
        for (text, scheme, host, port) in cases {
            for (mark, proxy_protocol) in [("", false), ("proxy+", true)] {
                let expected = Listen {
                    proxy_protocol,
                    scheme,
                    host,
                    port,
                };
                // The mark belongs to a scheme.
                if scheme.is_some() || !proxy_protocol {
                    assert_eq!(listen(&format!("{mark}{text}")), expected, "{mark}{text}");
                }
            }
        }
        for text in [
            "",
            "5000",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:65536",
            "example.com:80",
            "::1:80",
            "[127.0.0.1]:80",
            "ftp://:21",
            "proxy+ftp://:21",
            "proxy+127.0.0.1:80",
            "proxy://:80",
        ] {
            assert!(text.parse::<Listen>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn schemes_follow_what_is_said_then_the_port_then_the_certificate() {
        use Certificate::{Configured, None};
        let cases = [
            ("http://:443", Configured, Scheme::Http),
            ("https://:80", None, Scheme::Https),
            (":443", None, Scheme::Https),
            (":80", Configured, Scheme::Http),
            (":5000", Configured, Scheme::Https),
            (":5000", None, Scheme::Http),
        ];
        for (text, certificate, scheme) in cases {
            assert_eq!(
                listen(text).scheme(certificate),
                scheme,
                "{text} {certificate:?}"
            );
        }
    }

    #[test]
    fn only_loopback_is_loopback() {
        for text in [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
            "localhost:1",
        ] {
            assert!(listen(text).is_loopback(), "{text}");
        }
        for text in [":1", "0.0.0.0:1", "[::]:1", "10.0.0.1:1"] {
            assert!(!listen(text).is_loopback(), "{text}");
        }
    }

    #[test]
    fn a_port_in_use_is_said_so() {
        let first = listen("127.0.0.1:0")
            .bind(&[], &mut Passed::default())
            .unwrap()
            .remove(0);
        let taken = format!("127.0.0.1:{}", first.local_addr().unwrap().port());
        let error = listen(&taken)
            .bind(&[], &mut Passed::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&taken) && error.contains("another program uses this port"),
            "{error}"
        );
    }

    #[test]
    fn an_address_that_is_given_again_is_not_another_programs() {
        let first = listen("127.0.0.1:0")
            .bind(&[], &mut Passed::default())
            .unwrap()
            .remove(0);
        let port = first.local_addr().unwrap().port();
        let said = |texts: &[&str]| {
            let all: Vec<_> = texts
                .iter()
                .map(|host| listen(&format!("{host}:{port}")))
                .collect();
            let again = all.last().unwrap().bind(&all, &mut Passed::default());
            again.unwrap_err().to_string()
        };
        for texts in [
            &["127.0.0.1", "127.0.0.1"][..],
            &["localhost", "[::1]", "127.0.0.1"],
            &["", "127.0.0.1"],
            &["127.0.0.1", "localhost"],
            &["127.0.0.1", "0.0.0.0"],
            &["[::]", "127.0.0.1"],
        ] {
            let error = said(texts);
            assert!(error.contains("docxy listens there already"), "{error}");
        }
        for texts in [
            &["127.0.0.1"][..],
            &["[::1]", "127.0.0.1"],
            &["127.0.0.2", "127.0.0.1"],
        ] {
            let error = said(texts);
            assert!(error.contains("another program uses this port"), "{error}");
        }
        let all = [listen(&format!("127.0.0.1:{port}"))];
        let admin = listen(&format!("127.0.0.1:{port}")).bind(&all, &mut Passed::default());
        let error = admin.unwrap_err().of("--admin").to_string();
        assert!(error.contains("already, by another --listen"), "{error}");
        assert!(error.ends_with("another port with --admin"), "{error}");
    }

    #[test]
    fn what_can_be_written_instead_of_an_address_is_said() {
        for (text, remedy) in [
            ("[::ffff:127.0.0.1]:0", "write --listen 127.0.0.1:0"),
            ("[fe80::1]:0", "or --listen :0 for all"),
        ] {
            let bound = listen(text).bind(&[], &mut Passed::default());
            let error = bound.unwrap_err().to_string();
            assert!(error.ends_with(remedy), "{text}: {error}");
        }
    }

    #[test]
    fn both_wildcards_of_one_port_can_be_bound() {
        let free = listen("0.0.0.0:0")
            .bind(&[], &mut Passed::default())
            .unwrap()
            .remove(0)
            .local_addr()
            .unwrap()
            .port();
        let all = [
            listen(&format!("0.0.0.0:{free}")),
            listen(&format!("[::]:{free}")),
        ];
        let bound: Vec<_> = all
            .iter()
            .map(|one| one.bind(&all, &mut Passed::default()))
            .collect();
        assert!(bound.iter().all(Result::is_ok), "{bound:?}");
    }

    #[test]
    fn localhost_is_both_loopbacks_on_one_port() {
        let bound = listen("localhost:0")
            .bind(&[], &mut Passed::default())
            .unwrap();
        let addresses: Vec<_> = bound
            .iter()
            .map(|socket| socket.local_addr().unwrap())
            .collect();
        assert!(
            addresses
                .iter()
                .all(|address| address.ip().is_loopback() && address.port() == addresses[0].port())
        );
        assert_eq!(addresses[0].ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
}
