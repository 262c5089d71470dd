//! A connection and its read buffer: heads are read within a limit, writes must make progress, an idle one holds no buffer.

pub mod body;
pub mod splice;
pub mod stream;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};

use crate::conn::splice::Pipe;
use crate::conn::stream::Stream;
use crate::http::head::{Found, HeadError, HeadScanner, Limits};
use crate::timeouts;

/// Holds nearly every head in one read.
const HEAD_BUFFER: usize = 4 * 1024;

/// What one read of a body takes at most; also what a slow client makes docxy hold.
pub const BODY_BUFFER: usize = 64 * 1024;

/// What a connection that is being closed may still send before it is cut.
const LINGER_BYTES: usize = 256 * 1024;

/// A connection and what has been read from it but not been used.
#[derive(Debug)]
pub struct Conn {
    stream: Stream,
    buffer: BytesMut,
    /// The address at the other end, once it has been asked for.
    peer: Option<IpAddr>,
}

/// Why no head came.
#[derive(Debug)]
pub enum ReadHeadError {
    /// The connection ended before the first byte.
    Closed,
    /// The connection ended in the middle.
    Cut,
    /// It took too long.
    TimedOut,
    /// What came is no head.
    Head(HeadError),
    /// The connection broke.
    Io(io::Error),
}

impl Conn {
    /// A connection from which nothing has been read.
    pub fn new(stream: Stream) -> Conn {
        Conn {
            stream,
            buffer: BytesMut::new(),
            peer: None,
        }
    }

    /// The connection below.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The address at the other end. The system is asked once, and may not know it when the connection has been reset.
    pub fn peer(&mut self) -> io::Result<IpAddr> {
        if let Some(known) = self.peer {
            return Ok(known);
        }
        let address = self.stream.tcp().peer_addr()?.ip().to_canonical();
        self.peer = Some(address);
        Ok(address)
    }

    /// What has been read and not been used.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// Drops the first `count` bytes of what is buffered.
    pub fn consume(&mut self, count: usize) {
        self.buffer.advance(count.min(self.buffer.len()));
    }

    /// Gives up the buffer of a connection that has nothing in it.
    pub fn release(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// Waits for the first byte of a message, or the end, and holds no buffer meanwhile.
    pub async fn idle(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            return Ok(());
        }
        self.release();
        poll_fn(|cx| self.stream.poll_readable(cx)).await
    }

    /// Waits until the connection has broken. A peer that only stops sending still waits for its answer.
    pub async fn broken(&mut self) {
        poll_fn(|cx| self.stream.poll_broken(cx)).await;
    }

    /// Whether nothing has come, not even an end: what a connection must be to carry another request.
    pub fn is_quiet(&mut self) -> bool {
        let mut byte = [0; 1];
        let mut probe = ReadBuf::new(&mut byte);
        let mut cx = Context::from_waker(Waker::noop());
        self.buffer.is_empty()
            && Pin::new(&mut self.stream)
                .poll_read(&mut cx, &mut probe)
                .is_pending()
    }

    /// Reads once, up to `room` bytes, and says how many came; 0 is the end.
    pub async fn fill(&mut self, room: usize) -> io::Result<usize> {
        if self.buffer.capacity() - self.buffer.len() < room {
            self.buffer.reserve(room);
        }
        self.stream.read_buf(&mut self.buffer).await
    }

    /// Reads a head within `limits` and before `deadline`, and takes it out of the buffer.
    ///
    /// `check` sees what has come whenever a line has ended, so that what can be no head is refused at once.
    pub async fn read_head(
        &mut self,
        limits: Limits,
        deadline: Instant,
        check: fn(&[u8]) -> Result<(), HeadError>,
    ) -> Result<Bytes, ReadHeadError> {
        let mut scanner = HeadScanner::new(limits);
        loop {
            match scanner.find(&self.buffer).map_err(ReadHeadError::Head)? {
                Found::Head(range) => {
                    let head = Bytes::copy_from_slice(&self.buffer[range.clone()]);
                    self.consume(range.end);
                    return Ok(head);
                }
                Found::Partial { new_lines: true } => {
                    check(&self.buffer[scanner.start()..]).map_err(ReadHeadError::Head)?;
                }
                Found::Partial { new_lines: false } => {}
            }
            match timeout_at(deadline, self.fill(HEAD_BUFFER)).await {
                Err(_) => return Err(ReadHeadError::TimedOut),
                Ok(Err(error)) => return Err(ReadHeadError::Io(error)),
                Ok(Ok(0)) if self.buffer.is_empty() => return Err(ReadHeadError::Closed),
                Ok(Ok(0)) => return Err(ReadHeadError::Cut),
                Ok(Ok(_)) => {}
            }
        }
    }

    /// Writes all parts, in one go where the socket takes them, and sends what TLS holds back.
    ///
    /// Fails with [`io::ErrorKind::TimedOut`] when the peer takes nothing for as long as `stall`.
    pub async fn write_all<const N: usize>(
        &mut self,
        parts: [&[u8]; N],
        stall: Duration,
    ) -> io::Result<()> {
        let mut slices = parts.map(IoSlice::new);
        let mut rest = &mut slices[..];
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let stream = &mut self.stream;
            let write = poll_fn(|cx| match &*rest {
                // Where there is nothing to gather, the plain call is the cheaper one.
                [first, rest @ ..] if rest.iter().all(|part| part.is_empty()) => {
                    Pin::new(&mut *stream).poll_write(cx, first)
                }
                parts => Pin::new(&mut *stream).poll_write_vectored(cx, parts),
            });
            match within(stall, write).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => IoSlice::advance_slices(&mut rest, written),
            }
        }
        within(stall, self.stream.flush()).await
    }

    /// Waits for bytes from a plain connection and takes up to `limit` of them into an empty `pipe`, past the buffer, which is
    /// given up; 0 is the end.
    pub async fn read_into(&mut self, pipe: &mut Pipe, limit: u64) -> io::Result<usize> {
        debug_assert!(self.stream.is_plain() && self.buffer.is_empty());
        self.release();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        pipe.fill(self.stream.tcp(), limit).await
    }

    /// Writes some of what is in `pipe` to a plain connection, and says how much; fails as [`Conn::write_all`] does.
    pub async fn write_from(&mut self, pipe: &mut Pipe, stall: Duration) -> io::Result<usize> {
        debug_assert!(self.stream.is_plain());
        within(stall, pipe.drain(self.stream.tcp())).await
    }

    /// Closes after an answer that came before the whole request: what the peer still sends is read for a moment, since
    /// closing over unread bytes would reset the connection and take the answer away.
    pub async fn linger(mut self) {
        let drain = async {
            self.stream.shutdown().await?;
            let mut drained = 0;
            while drained < LINGER_BYTES {
                self.buffer.clear();
                match self.fill(HEAD_BUFFER).await? {
                    0 => break,
                    count => drained += count,
                }
            }
            io::Result::Ok(())
        };
        let _ = timeout(timeouts::LINGER, drain).await;
    }

    /// Closes in order: under TLS with a close_notify.
    pub async fn close(mut self) {
        let _ = timeout(timeouts::LINGER, self.stream.shutdown()).await;
    }

    /// Breaks the connection so that the peer cannot take what it has for the whole.
    pub fn reset(self) {
        self.stream.reset();
    }
}

/// Most writes are done at once and need no clock.
async fn within<T>(limit: Duration, write: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut write = pin!(write);
    match poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx))).await {
        Poll::Ready(done) => done,
        Poll::Pending => timeout(limit, write)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
    }
}
