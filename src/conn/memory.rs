//! A connection in memory, for tests of all that is above it: what one end writes the other reads.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One end of a connection. Dropping it ends both directions.
#[derive(Debug)]
pub struct Memory {
    incoming: Arc<Mutex<Way>>,
    outgoing: Arc<Mutex<Way>>,
    peer: SocketAddr,
}

/// One direction.
#[derive(Debug)]
struct Way {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// Nothing more will be written.
    ended: bool,
    /// Nobody reads any more.
    deserted: bool,
    /// The connection has broken behind what has been written.
    broken: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A connection on which `capacity` bytes may be on the way in each direction; the second end's peer is at `address`.
pub fn pair(capacity: usize, address: IpAddr) -> (Memory, Memory) {
    let [one, other] = [(); 2].map(|()| {
        Arc::new(Mutex::new(Way {
            bytes: VecDeque::new(),
            capacity,
            ended: false,
            deserted: false,
            broken: false,
            reader: None,
            writer: None,
        }))
    });
    let end = |incoming: &Arc<Mutex<Way>>, outgoing: &Arc<Mutex<Way>>, address| Memory {
        incoming: Arc::clone(incoming),
        outgoing: Arc::clone(outgoing),
        peer: SocketAddr::new(address, 1),
    };
    let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    (end(&one, &other, nobody), end(&other, &one, address))
}

impl Way {
    fn lock(way: &Mutex<Way>) -> MutexGuard<'_, Way> {
        way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_readable(&self) -> bool {
        !self.bytes.is_empty() || self.ended || self.broken
    }

    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()] {
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl Memory {
    /// Where the other end is.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Breaks the connection.
    pub fn reset(self) {
        self.breaker()();
    }

    /// What breaks the connection later, when its halves may be in other hands.
    pub fn breaker(&self) -> impl FnOnce() + Send + use<> {
        let outgoing = Arc::clone(&self.outgoing);
        move || {
            let mut way = Way::lock(&outgoing);
            way.broken = true;
            way.wake();
        }
    }

    /// Waits until there is something to read, or an end.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut way = Way::lock(&self.incoming);
        if way.is_readable() {
            return Poll::Ready(Ok(()));
        }
        way.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Waits until there is something to read, and looks at it without taking it; 0 is the end.
    pub async fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_readable(cx)).await?;
        let way = Way::lock(&self.incoming);
        if way.bytes.is_empty() && way.broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let seen = way.bytes.iter().zip(buffer);
        Ok(seen.map(|(&byte, room)| *room = byte).count())
    }

    /// Waits until the connection has broken, whatever stands before that.
    pub fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut way = Way::lock(&self.incoming);
        if way.broken {
            return Poll::Ready(());
        }
        way.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncRead for Memory {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut way = Way::lock(&self.incoming);
        if !way.is_readable() {
            way.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if way.bytes.is_empty() && way.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let count = way.bytes.len().min(buf.remaining());
        let read: Vec<u8> = way.bytes.drain(..count).collect();
        buf.put_slice(&read);
        way.wake();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut way = Way::lock(&self.outgoing);
        if way.deserted || way.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = buf.len().min(way.capacity - way.bytes.len());
        if count == 0 && !buf.is_empty() {
            way.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        way.bytes.extend(&buf[..count]);
        way.wake();
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let whole: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        self.poll_write(cx, &whole)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut way = Way::lock(&self.outgoing);
        way.ended = true;
        way.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let mut outgoing = Way::lock(&self.outgoing);
        outgoing.ended = true;
        outgoing.wake();
        drop(outgoing);
        let mut incoming = Way::lock(&self.incoming);
        incoming.deserted = true;
        incoming.wake();
    }
}
