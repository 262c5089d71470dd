//! TLS handshakes of clients, of which only so many run at a time.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::server::Acceptor;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::accept::TlsAcceptor;

/// Handshakes in progress at a time, in the whole process: each holds some 30 KB of keys and messages until the client
/// has answered, so a crowd of them is held to 8 MB.
pub const AT_ONCE: usize = 256;

/// Those of one client, so that it takes eight who stall on purpose to keep others waiting. A client is an address, or
/// with IPv6 a network of 64 bits, which anyone has.
pub const OF_ONE_CLIENT: usize = AT_ONCE / 8;

/// Gives each handshake its turn.
#[derive(Debug)]
pub struct Handshakes {
    turns: Semaphore,
    /// What is left to each client that has a turn or waits for one.
    shares: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

/// A turn, which lasts until it is dropped (in the order of its fields).
pub struct Turn<'a> {
    _of_all: SemaphorePermit<'a>,
    _of_client: OwnedSemaphorePermit,
    _share: Share<'a>,
}

/// A client's share, forgotten with the last who uses it.
struct Share<'a> {
    handshakes: &'a Handshakes,
    client: IpAddr,
    left: Arc<Semaphore>,
}

impl Handshakes {
    /// With room for [`AT_ONCE`].
    pub fn new() -> Handshakes {
        Handshakes {
            turns: Semaphore::new(AT_ONCE),
            shares: Mutex::default(),
        }
    }

    /// Puts a connection from `address` under TLS. Its turn begins when the whole ClientHello is there and ends with the
    /// handshake: a client that says nothing, or half, takes no turn, and neither does a connection that is up. Others
    /// wait, in order; how long, with the handshake, is the caller's to limit.
    pub async fn accept(
        &self,
        tcp: TcpStream,
        address: IpAddr,
        acceptor: &TlsAcceptor,
    ) -> io::Result<TlsStream<TcpStream>> {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), tcp).await?;
        let _turn = self.turn(address).await?;
        acceptor.finish(begun).await
    }

    /// Waits for a turn: first for one of the client's own, so that its crowd queues behind itself.
    pub async fn turn(&self, address: IpAddr) -> io::Result<Turn<'_>> {
        let share = self.share(address);
        let of_client = Arc::clone(&share.left).acquire_owned().await;
        let of_all = self.turns.acquire().await;
        Ok(Turn {
            _of_all: of_all.map_err(io::Error::other)?,
            _of_client: of_client.map_err(io::Error::other)?,
            _share: share,
        })
    }

    fn share(&self, address: IpAddr) -> Share<'_> {
        let client = client(address);
        let mut shares = self.shares();
        let left = shares
            .entry(client)
            .or_insert_with(|| Arc::new(Semaphore::new(OF_ONE_CLIENT)));
        Share {
            handshakes: self,
            client,
            left: Arc::clone(left),
        }
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<IpAddr, Arc<Semaphore>>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Handshakes {
    fn default() -> Handshakes {
        Handshakes::new()
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut shares = self.handshakes.shares();
        // The table's and this one; more are made under the lock only.
        if Arc::strong_count(&self.left) <= 2 {
            shares.remove(&self.client);
        }
    }
}

/// Whose turn it is: the address, or the network that an IPv6 client has to itself.
fn client(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// What is there without waiting.
    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_client_has_its_share_and_all_have_the_whole() {
        let handshakes = Handshakes::new();
        let address = |last: usize| IpAddr::from([192, 0, 2, u8::try_from(last).unwrap()]);
        let mut held = Vec::new();
        for client in 0..AT_ONCE / OF_ONE_CLIENT {
            let turn = || now(handshakes.turn(address(client)));
            held.extend((0..OF_ONE_CLIENT).map(|_| turn().unwrap().unwrap()));
            assert!(turn().is_none(), "its share is used up");
        }
        assert!(
            now(handshakes.turn(address(200))).is_none(),
            "all are taken"
        );
        drop(held.pop());
        assert!(now(handshakes.turn(address(200))).is_some());
        drop(held);
        assert!(handshakes.shares().is_empty(), "nobody is remembered");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let same =
            ["2001:db8:1:2::1", "2001:db8:1:2:ffff::"].map(|text| client(text.parse().unwrap()));
        assert_eq!(same[0], same[1]);
        assert_ne!(same[0], client("2001:db8:1:3::1".parse().unwrap()));
    }
}
