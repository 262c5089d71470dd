//! TLS handshakes of clients, of which only so many run at a time.

use std::io;
use std::sync::Arc;

use rustls::server::Acceptor;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

/// Handshakes in progress at a time, in the whole process: each holds some 30 KB of keys and messages until the client
/// has answered, so a crowd of them is held to 8 MB.
pub const AT_ONCE: usize = 256;

/// Gives each handshake its turn.
#[derive(Debug)]
pub struct Handshakes {
    turns: Semaphore,
}

impl Handshakes {
    /// With room for [`AT_ONCE`].
    pub fn new() -> Handshakes {
        Handshakes {
            turns: Semaphore::new(AT_ONCE),
        }
    }

    /// Puts a connection under TLS. Its turn begins when the whole ClientHello is there and ends with the handshake: a
    /// client that says nothing, or half, takes no turn, and neither does a connection that is up. Others wait, in order;
    /// how long, with the handshake, is the caller's to limit.
    pub async fn accept(
        &self,
        tcp: TcpStream,
        acceptor: &TlsAcceptor,
    ) -> io::Result<TlsStream<TcpStream>> {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), tcp).await?;
        let _turn = self.turn().await?;
        begun.into_stream(Arc::clone(acceptor.config())).await
    }

    /// Waits for a turn, which ends when this is dropped.
    async fn turn(&self) -> io::Result<SemaphorePermit<'_>> {
        self.turns.acquire().await.map_err(io::Error::other)
    }
}

impl Default for Handshakes {
    fn default() -> Handshakes {
        Handshakes::new()
    }
}
