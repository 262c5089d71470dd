//! docxy's own end of its connections: from which address, and by which family.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};
use tokio::net::{TcpSocket, TcpStream};

/// A version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Reads `4` or `6`.
    pub fn parse(text: &str) -> Result<Family, String> {
        match text {
            "4" => Ok(Family::V4),
            "6" => Ok(Family::V6),
            _ => Err(format!("{text:?} is neither 4 nor 6")),
        }
    }

    fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}

impl TryFrom<u8> for Family {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Family, &'static str> {
        match number {
            4 => Ok(Family::V4),
            6 => Ok(Family::V6),
            _ => Err("it is neither 4 nor 6"),
        }
    }
}

impl From<Family> for u8 {
    fn from(family: Family) -> u8 {
        match family {
            Family::V4 => 4,
            Family::V6 => 6,
        }
    }
}

/// What is said of docxy's own end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// The only family that is used.
    pub family: Option<Family>,
    /// The source address of connections by IPv4.
    pub v4: Option<Ipv4Addr>,
    /// That of connections by IPv6.
    pub v6: Option<Ipv6Addr>,
}

impl Local {
    /// Takes a source address for its family. An error says that there is one already.
    pub fn bind(&mut self, address: IpAddr) -> Result<(), String> {
        let before = match address {
            IpAddr::V4(address) => self.v4.replace(address).map(IpAddr::V4),
            IpAddr::V6(address) => self.v6.replace(address).map(IpAddr::V6),
        };
        match before {
            Some(before) => Err(format!("{before} is given too; take one of each family")),
            None => Ok(()),
        }
    }

    /// The source addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let (v4, v6) = (self.v4.map(IpAddr::V4), self.v6.map(IpAddr::V6));
        v4.into_iter().chain(v6)
    }

    /// Whether an address may be dialled: where a source address is given, only its family has one.
    pub fn reaches(&self, address: IpAddr) -> bool {
        let is_bound = match address {
            IpAddr::V4(_) => self.v4.is_some() || self.v6.is_none(),
            IpAddr::V6(_) => self.v6.is_some() || self.v4.is_none(),
        };
        is_bound
            && self
                .family
                .is_none_or(|family| family == Family::of(address))
    }

    /// Connects, from the source address of that family if there is one.
    pub async fn connect(self, to: SocketAddr) -> io::Result<TcpStream> {
        let (socket, from) = match to {
            SocketAddr::V4(_) => (TcpSocket::new_v4()?, self.v4.map(IpAddr::V4)),
            SocketAddr::V6(_) => (TcpSocket::new_v6()?, self.v6.map(IpAddr::V6)),
        };
        if let Some(from) = from {
            let bound = socket.bind(SocketAddr::new(from, 0));
            bound.map_err(|error| cannot_bind(from, error))?;
        }
        socket.connect(to).await
    }
}

/// An address that this machine does not have is the operator's to mend; what has run out is said as it is.
fn cannot_bind(from: IpAddr, error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => io::Error::new(
            error.kind(),
            format!("this machine does not have the address {from} of --upstream-bind"),
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_families_that_are_meant_are_dialled() {
        let (v4, v6) = (
            IpAddr::from([192, 0, 2, 1]),
            IpAddr::from(Ipv6Addr::LOCALHOST),
        );
        let cases: [(&[IpAddr], Option<Family>, [bool; 2]); 7] = [
            (&[], None, [true, true]),
            (&[], Some(Family::V4), [true, false]),
            (&[], Some(Family::V6), [false, true]),
            (&[v4], None, [true, false]),
            (&[v6], None, [false, true]),
            (&[v4, v6], None, [true, true]),
            (&[v4, v6], Some(Family::V6), [false, true]),
        ];
        for (sources, family, expected) in cases {
            let mut local = Local {
                family,
                ..Local::default()
            };
            sources
                .iter()
                .for_each(|&source| local.bind(source).unwrap());
            assert_eq!(
                [v4, v6].map(|to| local.reaches(to)),
                expected,
                "{sources:?} {family:?}"
            );
        }
    }

    #[test]
    fn one_source_address_of_each_family() {
        let mut local = Local::default();
        local.bind([10, 0, 0, 1].into()).unwrap();
        assert!(
            local
                .bind([10, 0, 0, 2].into())
                .unwrap_err()
                .starts_with("10.0.0.1")
        );
    }

    #[tokio::test]
    async fn an_address_that_is_not_here_is_named() {
        let mut local = Local::default();
        local.bind([192, 0, 2, 1].into()).unwrap();
        let error = local.connect(([127, 0, 0, 1], 9).into()).await.unwrap_err();
        assert!(
            error.to_string().contains("192.0.2.1 of --upstream-bind"),
            "{error}"
        );
    }
}
