//! TLS handshakes of clients, of which only so many run at a time.

use std::io;
use std::net::IpAddr;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::limits::turns::{self, Turns, client};

/// Handshakes in progress at a time, in the whole process: each holds some 30 KB of keys and messages until the client
/// has answered, so a crowd of them is held to 8 MB.
pub const AT_ONCE: usize = 256;

/// Those of one [client], so that it takes eight who stall on purpose to keep others waiting.
pub const OF_ONE_CLIENT: usize = AT_ONCE / 8;

/// Gives each handshake its turn.
#[derive(Debug)]
pub struct Handshakes {
    of_all: Semaphore,
    of_clients: Turns<IpAddr>,
}

/// A turn, which lasts until it is dropped (in the order of its fields).
pub struct Turn<'a> {
    _of_all: SemaphorePermit<'a>,
    _of_client: turns::Turn<IpAddr>,
}

impl Handshakes {
    /// With room for [`AT_ONCE`].
    pub fn new() -> Handshakes {
        Handshakes {
            of_all: Semaphore::new(AT_ONCE),
            of_clients: Turns::new(OF_ONE_CLIENT),
        }
    }

    /// How many run.
    pub fn in_progress(&self) -> usize {
        AT_ONCE.saturating_sub(self.of_all.available_permits())
    }

    /// Waits for a turn: first for one of the client's own, so that its crowd queues behind itself.
    pub async fn turn(&self, address: IpAddr) -> io::Result<Turn<'_>> {
        let of_client = self.of_clients.turn(client(address)).await;
        let of_all = self.of_all.acquire().await;
        Ok(Turn {
            _of_all: of_all.map_err(io::Error::other)?,
            _of_client: of_client,
        })
    }
}

impl Default for Handshakes {
    fn default() -> Handshakes {
        Handshakes::new()
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
        assert!(handshakes.of_clients.is_empty(), "nobody is remembered");
    }
}
