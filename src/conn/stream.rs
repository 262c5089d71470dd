//! A TCP connection, plain or under TLS, from either side.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use socket2::SockRef;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

#[cfg(any(test, fuzzing))]
use crate::conn::memory::Memory;
use crate::conn::read_ahead::ReadAhead;
use crate::conn::records::RECORD;

/// A connection. The TLS state is apart: it is a thousand bytes that a plain connection need not carry.
#[derive(Debug)]
pub enum Stream {
    /// Plain.
    Tcp(TcpStream),
    /// Under TLS, as client or server.
    Tls(Box<TlsStream<ReadAhead>>),
    /// Without a socket.
    #[cfg(any(test, fuzzing))]
    Memory(Memory),
}

impl Stream {
    /// The socket below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Tcp(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0.tcp(),
            #[cfg(any(test, fuzzing))]
            Stream::Memory(_) => unreachable!("a connection in memory has no socket"),
        }
    }

    /// Where the peer is.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        #[cfg(any(test, fuzzing))]
        if let Stream::Memory(memory) = self {
            return Ok(memory.peer_addr());
        }
        self.tcp().peer_addr()
    }

    /// Whether what goes over the socket is the message itself.
    pub fn is_plain(&self) -> bool {
        matches!(self, Stream::Tcp(_))
    }

    /// Whether TLS has been read ahead, so that the next read need not wait.
    pub fn is_ahead(&self) -> bool {
        matches!(self, Stream::Tls(tls) if tls.get_ref().0.has_some())
    }

    /// Prepares for reads of about `data` bytes; of more than a record, TLS is to read them in one go.
    pub fn want(&mut self, data: usize) {
        if let Stream::Tls(tls) = self {
            tls.get_mut().0.want(data);
        }
    }

    /// Gives up memory that is not in use: nothing is to be read for now.
    pub fn shrink(&mut self) {
        if let Stream::Tls(tls) = self {
            tls.get_mut().0.want(0);
            tls.get_mut().0.shrink();
        }
    }

    /// Ends the connection with a reset, so that no peer takes what it has for the whole.
    pub fn reset(self) {
        #[cfg(any(test, fuzzing))]
        if let Stream::Memory(memory) = self {
            return memory.reset();
        }
        // Where the option cannot be set the peer sees a plain end, which is what it would have seen without it.
        let _ = SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO));
    }

    /// Whether nothing has come, not even an end. The system is asked, since the runtime learns of it only when it waits.
    pub fn is_silent(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match self {
            Stream::Tcp(tcp) => has_nothing(tcp),
            // What TLS has for itself alone, such as tickets, is no message; it is read on the way.
            Stream::Tls(tls) => {
                Pin::new(&mut **tls).poll_fill_buf(&mut cx).is_pending()
                    && has_nothing(tls.get_ref().0.tcp())
            }
            #[cfg(any(test, fuzzing))]
            Stream::Memory(memory) => memory.poll_readable(&mut cx).is_pending(),
        }
    }

    /// Whether nothing has come as far as the runtime has heard, which knows of what came before it last waited.
    pub fn seems_silent(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match self {
            Stream::Tcp(tcp) => tcp.poll_read_ready(&mut cx).is_pending() || has_nothing(tcp),
            Stream::Tls(tls) => Pin::new(&mut **tls).poll_fill_buf(&mut cx).is_pending(),
            #[cfg(any(test, fuzzing))]
            Stream::Memory(memory) => memory.poll_readable(&mut cx).is_pending(),
        }
    }

    /// Waits until there is something to read, or an end, without a buffer of the caller's.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(tcp) => tcp.poll_read_ready(cx),
            Stream::Tls(tls) => {
                ready!(Pin::new(tls).poll_fill_buf(cx))?;
                Poll::Ready(Ok(()))
            }
            #[cfg(any(test, fuzzing))]
            Stream::Memory(memory) => memory.poll_readable(cx),
        }
    }

    /// Waits until the socket has room for a good deal: a third of what it may hold, or half of what may wait in it unsent where
    /// that is bounded (tcp(7)). The system is asked, since the runtime learns that there is none only from a write that finds none.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        #[cfg(any(test, fuzzing))]
        if let Stream::Memory(_) = self {
            return Poll::Ready(Ok(()));
        }
        let tcp = self.tcp();
        loop {
            ready!(tcp.poll_write_ready(cx))?;
            match tcp.try_io(Interest::WRITABLE, || has_room(tcp)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Waits until the connection has broken. What has come is left alone, and so is a peer that has only ended its side.
    pub async fn broken(&mut self) {
        match self {
            Stream::Tcp(tcp) => failed(tcp).await,
            Stream::Tls(tls) => {
                let read = poll_fn(|cx| Pin::new(&mut **tls).poll_fill_buf(cx).map_ok(<[u8]>::len));
                // Behind what has come TLS sees nothing.
                if read.await.is_ok() {
                    failed(tls.get_ref().0.tcp()).await;
                }
            }
            #[cfg(any(test, fuzzing))]
            Stream::Memory(memory) => poll_fn(|cx| memory.poll_broken(cx)).await,
        }
    }
}

/// Waits until the socket has failed, whatever lies in it unread. The system says so by itself, and need not be asked.
async fn failed(tcp: &TcpStream) {
    // To wait for anything at all costs half of what it costs to wait for a failure alone, and mostly nothing comes.
    let _ = poll_fn(|cx| tcp.poll_read_ready(cx)).await;
    // Apart, so that whoever waits keeps no room for that either.
    Box::pin(async {
        while let Ok(ready) = tcp.ready(Interest::ERROR).await {
            if ready.is_error() {
                return;
            }
        }
    })
    .await;
}

fn has_nothing(tcp: &TcpStream) -> bool {
    matches!(peek(tcp), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Whether a byte (1) or the end (0) has come; fails with [`io::ErrorKind::WouldBlock`] if nothing has. The system is asked, since
/// the runtime learns of what has come only when it waits.
pub fn peek(tcp: &TcpStream) -> io::Result<usize> {
    SockRef::from(tcp).peek(&mut [MaybeUninit::uninit()])
}

/// Fails with [`io::ErrorKind::WouldBlock`] if it has none; a broken connection has room for the error.
fn has_room(tcp: &TcpStream) -> io::Result<()> {
    let mut fds = [PollFd::new(tcp, PollFlags::OUT)];
    let at_once = Timespec::default();
    match retry_on_intr(|| poll(&mut fds, Some(&at_once)))? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    }
}

/// Waits for a record, and reads all that has come with it: what has been decrypted, and whole records that have been read
/// ahead. By itself TLS would read the socket again until `buf` is full.
fn poll_decrypted(
    tls: &mut TlsStream<ReadAhead>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    ready!(Pin::new(&mut *tls).poll_fill_buf(cx))?;
    while has_more(tls, buf.remaining()) {
        // What is wrong with the connection the next read will say again.
        let Poll::Ready(Ok(data @ [_, ..])) = Pin::new(&mut *tls).poll_fill_buf(cx) else {
            break;
        };
        let count = data.len().min(buf.remaining());
        buf.put_slice(&data[..count]);
        Pin::new(&mut *tls).consume(count);
    }
    Poll::Ready(Ok(()))
}

/// Whether TLS has something for so much room that it need not read from the socket: of a record that it has not decrypted yet
/// nothing is to stay behind.
fn has_more(tls: &TlsStream<ReadAhead>, room: usize) -> bool {
    let (ahead, session) = tls.get_ref();
    if session.wants_read() {
        ahead.has_some() && room >= RECORD
    } else {
        room > 0
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Stream::Tls(tls) => poll_decrypted(tls, cx, buf),
            #[cfg(any(test, fuzzing))]
            Stream::Memory(memory) => Pin::new(memory).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
            #[cfg(any(test, fuzzing))]
            Stream::Memory(memory) => Pin::new(memory).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, parts),
            Stream::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, parts),
            #[cfg(any(test, fuzzing))]
            Stream::Memory(memory) => Pin::new(memory).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
            #[cfg(any(test, fuzzing))]
            Stream::Memory(memory) => Pin::new(memory).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            #[cfg(any(test, fuzzing))]
            Stream::Memory(memory) => Pin::new(memory).poll_shutdown(cx),
        }
    }
}
