//! A connection to an origin: its addresses, those that may be dialled, the first that answers, TLS (RFC 8305).

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::conn::stream::Stream;
use crate::http::uri::{Host, Origin, Scheme};
use crate::registry::reach::Reach;
use crate::registry::redirect::may_dial;
use crate::timeouts;
use crate::upstream::resolve::Resolver;

/// Why there is no connection.
#[derive(Debug)]
pub enum DialError {
    /// The name could not be looked up.
    Lookup(io::Error),
    /// None of its addresses may be dialled on behalf of whoever named it.
    Forbidden(IpAddr),
    /// No address took the connection.
    Connect(io::Error),
    /// The TLS handshake failed.
    Tls(io::Error),
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialError::Lookup(error) => write!(f, "its name could not be looked up: {error}"),
            DialError::Forbidden(address) => write!(
                f,
                "its address {address} is not one that the upstream may point to"
            ),
            DialError::Connect(error) => write!(f, "no connection: {error}"),
            DialError::Tls(error) => write!(f, "no TLS: {error}"),
        }
    }
}

impl std::error::Error for DialError {}

/// Connects to `origin`; with a `reach`, only to addresses within it.
///
/// The address that was checked is the one that is connected to: names are not looked up again.
pub async fn dial(
    origin: &Origin,
    reach: Option<Reach>,
    resolver: &Resolver,
    tls: &Arc<ClientConfig>,
) -> Result<Stream, DialError> {
    let addresses = match origin.host() {
        Host::Address(address) => vec![*address],
        Host::Name(name) => resolver.lookup(name).await.map_err(DialError::Lookup)?,
    };
    let allowed: Vec<_> = addresses
        .iter()
        .copied()
        .filter(|&address| may_dial(reach, address))
        .collect();
    if let (true, Some(&first)) = (allowed.is_empty(), addresses.first()) {
        return Err(DialError::Forbidden(first));
    }
    let tcp = timeout(
        timeouts::CONNECT,
        connect_any(in_turns(&allowed), origin.port()),
    )
    .await
    .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "it took too long")))
    .map_err(DialError::Connect)?;
    // A head and its body go out in one write; waiting to merge it with another only delays it.
    let _ = tcp.set_nodelay(true);
    match origin.scheme() {
        Scheme::Http => Ok(Stream::Tcp(tcp)),
        Scheme::Https => start_tls(tcp, origin.host(), tls)
            .await
            .map_err(DialError::Tls),
    }
}

async fn start_tls(tcp: TcpStream, host: &Host, config: &Arc<ClientConfig>) -> io::Result<Stream> {
    let name = match host {
        Host::Address(address) => ServerName::from(*address),
        Host::Name(name) => ServerName::try_from(name.to_string()).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the host is no name for a certificate",
            )
        })?,
    };
    let handshake = TlsConnector::from(Arc::clone(config)).connect(name, tcp);
    let tls = timeout(timeouts::TLS_HANDSHAKE, handshake)
        .await
        .unwrap_or_else(|_| {
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the handshake took too long",
            ))
        })?;
    Ok(Stream::Tls(Box::new(tls.into())))
}

/// Addresses of both families in turn, beginning with the resolver's first (RFC 8305 §4).
fn in_turns(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (mut one, mut other): (Vec<_>, Vec<_>) = addresses
        .iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut turns = Vec::with_capacity(addresses.len());
    while !one.is_empty() {
        turns.push(one.remove(0));
        std::mem::swap(&mut one, &mut other);
        if one.is_empty() {
            std::mem::swap(&mut one, &mut other);
        }
    }
    turns
}

/// The first connection that comes about. A next address is tried when one has failed, or after a while beside it.
async fn connect_any(addresses: Vec<IpAddr>, port: u16) -> io::Result<TcpStream> {
    if let [only] = addresses[..] {
        return TcpStream::connect(SocketAddr::new(only, port)).await;
    }
    let mut addresses = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "there is no address");
    loop {
        if let Some(address) = addresses.next() {
            attempts.spawn(TcpStream::connect(SocketAddr::new(address, port)));
        } else if attempts.is_empty() {
            return Err(last);
        }
        let more = addresses.len() > 0;
        tokio::select! {
            Some(attempt) = attempts.join_next() => match attempt {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(error)) => last = error,
                Err(error) => last = io::Error::other(error),
            },
            () = sleep(timeouts::NEXT_ADDRESS), if more => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn ips(text: &str) -> Vec<IpAddr> {
        text.split_whitespace()
            .map(|address| address.parse().unwrap())
            .collect()
    }

    #[test]
    fn families_take_turns() {
        let cases = [
            ("", ""),
            ("10.0.0.1", "10.0.0.1"),
            ("::1 ::2 10.0.0.1", "::1 10.0.0.1 ::2"),
            (
                "10.0.0.1 10.0.0.2 10.0.0.3 ::1",
                "10.0.0.1 ::1 10.0.0.2 10.0.0.3",
            ),
            ("10.0.0.1 ::1 ::2 10.0.0.2", "10.0.0.1 ::1 10.0.0.2 ::2"),
        ];
        for (given, expected) in cases {
            assert_eq!(in_turns(&ips(given)), ips(expected), "{given}");
        }
    }

    #[tokio::test]
    async fn a_refusing_address_is_passed_over() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Nothing listens on the second loopback address.
        let tcp = connect_any(ips("127.0.0.2 127.0.0.1"), port).await.unwrap();
        assert_eq!(tcp.peer_addr().unwrap().ip(), ips("127.0.0.1")[0]);
    }

    #[tokio::test]
    async fn all_refusing_is_an_error_that_says_so() {
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap().port()
        };
        let error = connect_any(ips("127.0.0.1 127.0.0.2"), port)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
