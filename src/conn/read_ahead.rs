//! A socket below TLS. rustls reads 4 KiB at a time; while a body comes, this reads as much as is wanted in one go.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::conn::spare;

/// The most that is in one record (RFC 8446 §5.1). For less TLS reads by itself.
pub const RECORD: usize = 16 * 1024;

/// A record is by at most so many bytes longer than what is in it, as long as they are not padded (RFC 8446 §5.2).
const OVERHEAD: usize = 32;

/// A socket, and what has been read from it ahead of TLS.
#[derive(Debug)]
pub struct ReadAhead {
    tcp: TcpStream,
    ahead: BytesMut,
    room: usize,
}

impl ReadAhead {
    /// A socket from which nothing is read ahead yet.
    pub fn new(tcp: TcpStream) -> ReadAhead {
        ReadAhead {
            tcp,
            ahead: BytesMut::new(),
            room: 0,
        }
    }

    /// The socket.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// From now on reads what it takes for `data` bytes under TLS in one go, if that is a record at least.
    pub fn want(&mut self, data: usize) {
        let records = data / RECORD;
        self.room = records * (RECORD + OVERHEAD);
    }

    /// Holds no more memory than for what lies in it.
    pub fn shrink(&mut self) {
        let rest = BytesMut::from(&self.ahead[..]);
        self.replace(rest);
    }

    fn replace(&mut self, by: BytesMut) {
        spare::give_back(mem::replace(&mut self.ahead, by));
    }

    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.tcp.poll_read_ready(cx))?;
        self.ahead = spare::lend(self.room);
        let mut room = (&mut self.ahead).limit(self.room);
        // This one, unlike `try_read_buf`, notices that it took all there was: the next waits without asking the system.
        let read = pin!(self.tcp.read_buf(&mut room)).poll(cx);
        if !matches!(read, Poll::Ready(Ok(1..))) {
            self.replace(BytesMut::new());
        }
        read
    }
}

impl AsyncRead for ReadAhead {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            if this.room <= buf.remaining() {
                return Pin::new(&mut this.tcp).poll_read(cx, buf);
            }
            ready!(this.poll_ahead(cx))?;
        }
        let count = this.ahead.len().min(buf.remaining());
        buf.put_slice(&this.ahead[..count]);
        this.ahead.advance(count);
        if this.ahead.is_empty() {
            this.replace(BytesMut::new());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ReadAhead {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    async fn connected() -> (TcpStream, ReadAhead) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap());
        let (far, accepted) = tokio::join!(far, listener.accept());
        (far.unwrap(), ReadAhead::new(accepted.unwrap().0))
    }

    #[tokio::test]
    async fn only_what_is_wanted_is_read_ahead() {
        let (mut far, mut near) = connected().await;
        for (wanted, ahead) in [
            (0, 0),
            (RECORD - 1, 0),
            (RECORD, RECORD),
            (2 * RECORD, 30_000),
        ] {
            far.write_all(&[7; 30_000]).await.unwrap();
            near.tcp.readable().await.unwrap();
            near.want(wanted);
            let mut first = [0; 1];
            near.read_exact(&mut first).await.unwrap();
            let held = near.ahead.len();
            assert!(held < RECORD + OVERHEAD || wanted > RECORD, "{held}");
            assert!(ahead == 0 || held >= ahead - 1, "{wanted}: {held}");
            let mut rest = vec![0; 30_000 - 1];
            near.read_exact(&mut rest).await.unwrap();
            assert!(first == [7] && rest.iter().all(|&byte| byte == 7));
            assert!(near.ahead.is_empty());
        }
    }

    #[tokio::test]
    async fn after_all_there_was_the_system_is_not_asked_again() {
        let (mut far, mut near) = connected().await;
        far.write_all(b"abc").await.unwrap();
        near.want(RECORD);
        assert_eq!(near.read_u8().await.unwrap(), b'a');
        let mut cx = Context::from_waker(Waker::noop());
        assert!(near.tcp.poll_read_ready(&mut cx).is_pending());
        far.write_all(b"d").await.unwrap();
        let mut rest = [0; 3];
        near.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"bcd");
    }

    #[tokio::test]
    async fn shrinking_loses_nothing() {
        let (mut far, mut near) = connected().await;
        far.write_all(b"abc").await.unwrap();
        near.want(10 * RECORD);
        assert_eq!(near.read_u8().await.unwrap(), b'a');
        near.shrink();
        assert_eq!((&near.ahead[..], near.ahead.capacity()), (&b"bc"[..], 2));
        assert_eq!(near.read_u16().await.unwrap(), u16::from_be_bytes(*b"bc"));
        near.shrink();
        assert_eq!(near.ahead.capacity(), 0);
    }
}
