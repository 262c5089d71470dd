//! The first of several addresses that takes a connection: both families in turn, a next one beside a slow one (RFC 8305).

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::egress::local::Local;
use crate::timeouts;

/// Addresses of both families in turn, beginning with the resolver's first (RFC 8305 §4).
pub fn in_turns(addresses: &[IpAddr]) -> Vec<IpAddr> {
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

/// The first connection that comes about. A next address is tried when one has failed, or after
/// [`timeouts::NEXT_ADDRESS`] beside it. Fails with what the last one said.
pub async fn connect_any(addresses: Vec<IpAddr>, port: u16, local: Local) -> io::Result<TcpStream> {
    if let [only] = addresses[..] {
        return local.connect(SocketAddr::new(only, port)).await;
    }
    let mut addresses = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "there is no address");
    loop {
        if let Some(address) = addresses.next() {
            attempts.spawn(local.connect(SocketAddr::new(address, port)));
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
        let local = Local::default();
        let tcp = connect_any(ips("127.0.0.2 127.0.0.1"), port, local)
            .await
            .unwrap();
        assert_eq!(tcp.peer_addr().unwrap().ip(), ips("127.0.0.1")[0]);
    }

    #[tokio::test]
    async fn all_refusing_is_an_error_that_says_so() {
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap().port()
        };
        let error = connect_any(ips("127.0.0.1 127.0.0.2"), port, Local::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
