//! A connection and its read buffer: heads are read within a limit, writes must make progress, an idle one holds no buffer.

pub mod body;
pub mod buffer;
#[cfg(any(test, fuzzing))]
pub mod memory;
pub mod pieces;
pub mod read_ahead;
pub mod records;
pub mod splice;
pub mod stream;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{BufMut, Bytes};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::conn::buffer::{Buffer, SMALL};
use crate::conn::splice::Pipe;
use crate::conn::stream::Stream;
use crate::http::head::{Found, HeadError, HeadScanner, Limits};
use crate::timeouts;

/// What a connection that is being closed may still send before it is cut.
const LINGER_BYTES: usize = 256 * 1024;

/// A connection and what has been read from it but not been used.
#[derive(Debug)]
pub struct Conn {
    stream: Stream,
    buffer: Buffer,
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
            buffer: Buffer::default(),
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
        let address = self.stream.peer_addr()?.ip().to_canonical();
        self.peer = Some(address);
        Ok(address)
    }

    /// The connection below, if nothing has been read that was not used.
    pub fn into_stream(self) -> Option<Stream> {
        self.buffer.is_empty().then_some(self.stream)
    }

    /// What has been read and not been used.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// The same, and the connection that it came from.
    pub fn split(&mut self) -> (&[u8], &mut Stream) {
        (&self.buffer, &mut self.stream)
    }

    /// Drops the first `count` bytes of what is buffered.
    pub fn consume(&mut self, count: usize) {
        self.buffer.consume(count);
    }

    /// Gives up memory for what may come next; what has come stays.
    pub fn release(&mut self) {
        self.buffer.give_back();
        self.stream.shrink();
    }

    /// Whether a message has begun; an empty line before it is no part of it (RFC 9112 §2.2).
    pub fn has_begun(&self) -> bool {
        !matches!(&self.buffer[..], b"" | b"\r\n")
    }

    /// Waits for the first byte of a message, or the end, and holds no buffer for it meanwhile.
    pub async fn idle(&mut self) -> io::Result<()> {
        if self.has_begun() {
            return Ok(());
        }
        self.release();
        poll_fn(|cx| self.stream.poll_readable(cx)).await
    }

    /// Waits until the connection has broken. A peer that only stops sending still waits for its answer.
    pub async fn broken(&mut self) {
        self.stream.broken().await;
    }

    /// Whether nothing has come, not even an end: what a connection must be to carry another request.
    pub fn is_quiet(&mut self) -> bool {
        self.buffer.is_empty() && self.stream.is_silent()
    }

    /// Whether nothing more has come than what is buffered. The system is asked.
    pub fn is_silent(&mut self) -> bool {
        self.stream.is_silent()
    }

    /// As [`Conn::is_quiet`], as far as the runtime has heard: of what came before it last waited.
    pub fn seems_quiet(&mut self) -> bool {
        self.buffer.is_empty() && self.stream.seems_silent()
    }

    /// Reads up to `room` bytes, as many as are there, and says how many; it waits for the first only, and 0 is the end. What
    /// TLS is wanted to read in one go it gives in pieces of [`buffer::BODY`].
    pub async fn fill(&mut self, mut room: usize) -> io::Result<usize> {
        self.stream.want(room);
        if !self.stream.is_plain() {
            // What is decrypted is to be in the processor's caches still when it is sent.
            room = room.min(buffer::BODY);
        }
        poll_fn(|cx| {
            room = self.buffer.make_room(room);
            self.poll_fill(cx, room)
        })
        .await
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        let mut rest = (&mut *self.buffer).limit(room);
        let read = pin!(self.stream.read_buf(&mut rest)).poll(cx);
        if !matches!(read, Poll::Ready(Ok(1..))) {
            self.buffer.give_back();
        }
        read
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
            match timeout_at(deadline, self.fill(SMALL)).await {
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
        self.hand_over(parts, stall).await?;
        self.flush(stall).await
    }

    /// Writes all parts, of which TLS may hold some back until it is [flushed](Conn::flush). Otherwise as
    /// [`Conn::write_all`].
    pub async fn hand_over<const N: usize>(
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
        Ok(())
    }

    /// Sends what TLS holds back.
    pub async fn flush(&mut self, stall: Duration) -> io::Result<()> {
        within(stall, self.stream.flush()).await
    }

    /// Sends what TLS holds back, and says whether all of it went without waiting.
    pub fn flush_at_once(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        // What is wrong with the connection the next flush will say again.
        matches!(
            Pin::new(&mut self.stream).poll_flush(&mut cx),
            Poll::Ready(Ok(()))
        )
    }

    /// Whether the socket has [room](Conn::room) now.
    pub fn has_room(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        // What is wrong with the connection the next write will say.
        self.stream.poll_room(&mut cx).is_ready()
    }

    /// Waits until the socket has room for a good deal more; fails as [`Conn::write_all`] does.
    pub async fn room(&mut self, stall: Duration) -> io::Result<()> {
        within(stall, poll_fn(|cx| self.stream.poll_room(cx))).await
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
                match self.fill(SMALL).await? {
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
    match at_once(write.as_mut()).await {
        Poll::Ready(done) => done,
        Poll::Pending => timeout(limit, write)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
    }
}

/// What is ready without waiting; else the task is woken for it.
pub async fn at_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;
    use std::net::{Shutdown, TcpListener};
    use std::sync::Arc;
    use std::thread;

    use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    use socket2::SockRef;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::conn::read_ahead::ReadAhead;
    use crate::conn::records::RECORD;
    use crate::tls::provider;

    /// A connection, and its other end.
    pub(crate) fn pair() -> (Conn, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        near.set_nonblocking(true).unwrap();
        let near = tokio::net::TcpStream::from_std(near).unwrap();
        (Conn::new(Stream::Tcp(near)), listener.accept().unwrap().0)
    }

    #[tokio::test]
    async fn what_came_a_moment_ago_is_noticed_before_the_runtime_has_waited() {
        let (mut conn, mut far) = pair();
        assert!(conn.is_quiet());
        far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        assert!(!conn.is_quiet());
        let (mut conn, far) = pair();
        far.shutdown(Shutdown::Write).unwrap();
        assert!(!conn.is_quiet());
    }

    /// Leaves with a reset.
    fn reset(far: std::net::TcpStream) {
        SockRef::from(&far)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(far);
    }

    #[tokio::test]
    async fn a_reset_is_noticed_behind_whatever_came_before_it() {
        for (sent, ends) in [("", false), ("GET", false), ("", true), ("GET", true)] {
            let (mut conn, mut far) = pair();
            far.write_all(sent.as_bytes()).unwrap();
            if ends {
                far.shutdown(Shutdown::Write).unwrap();
            }
            if !sent.is_empty() || ends {
                conn.idle().await.unwrap();
            }
            {
                let mut broken = pin!(conn.broken());
                assert!(at_once(broken.as_mut()).await.is_pending());
                reset(far);
                broken.await;
            }
            assert!(at_once(pin!(conn.broken())).await.is_ready(), "it stays so");
        }
    }

    /// Writes until the system takes no more, which the runtime does not notice.
    fn fill_up(conn: &Conn) {
        while SockRef::from(conn.stream().tcp())
            .send(&[7; RECORD])
            .is_ok()
        {}
    }

    #[tokio::test]
    async fn a_full_socket_has_room_again_once_its_peer_has_read() {
        let (mut conn, mut far) = pair();
        let long = Duration::from_secs(60);
        conn.room(long).await.unwrap();
        assert!(conn.has_room());
        fill_up(&conn);
        // The system goes on moving what it has taken to the other end, as far as there is room.
        while conn.room(Duration::from_millis(100)).await.is_ok() {
            fill_up(&conn);
        }
        assert!(!conn.has_room());
        let stalled = conn.room(Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(stalled.kind(), io::ErrorKind::TimedOut);
        let reader = thread::spawn(move || io::copy(&mut far, &mut io::sink()));
        conn.room(long).await.unwrap();
        drop(conn);
        assert!(reader.join().unwrap().unwrap() > 0);
    }

    #[tokio::test]
    async fn nobody_waits_for_room_on_a_broken_connection() {
        let (mut conn, far) = pair();
        conn.room(Duration::from_secs(60)).await.unwrap();
        fill_up(&conn);
        reset(far);
        let _ = conn.room(Duration::from_secs(60)).await;
        let written = conn.write_all([b"x"], Duration::from_secs(60)).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    /// A connection under TLS, as client, and its server.
    async fn tls_pair() -> (Conn, tokio_rustls::server::TlsStream<tokio::net::TcpStream>) {
        let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
        let certs = vec![made.cert.der().clone()];
        let server = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certs.clone(), key)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certs[0].clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
        let (near, far) = tokio::join!(near, listener.accept());
        let (near, far) = (ReadAhead::new(near.unwrap()), far.unwrap().0);
        let name = ServerName::try_from("a.test").unwrap();
        let near = TlsConnector::from(Arc::new(client)).connect(name, near);
        let far = TlsAcceptor::from(Arc::new(server)).accept(far);
        let (near, far) = tokio::try_join!(near, far).unwrap();
        (Conn::new(Stream::Tls(Box::new(near.into()))), far)
    }

    #[tokio::test]
    async fn what_tls_has_read_in_one_go_comes_in_pieces_and_nothing_else_with_it() {
        let (mut conn, mut far) = tls_pair().await;
        let sent = vec![7; 4 * buffer::WIDE];
        let sends = async {
            far.write_all(&sent).await.unwrap();
            far.flush().await.unwrap();
        };
        let reads = async {
            let (mut come, mut in_one_go, mut was_ahead) = (0, 0, false);
            while come < sent.len() {
                // The other end sends more meanwhile.
                tokio::task::yield_now().await;
                let piece = conn.fill(buffer::WIDE).await.unwrap();
                assert!((1..=buffer::BODY).contains(&piece), "{piece}");
                assert_eq!(conn.buffered().len(), piece);
                conn.consume(piece);
                come += piece;
                in_one_go += piece;
                assert!(in_one_go <= buffer::WIDE, "{in_one_go}");
                if conn.stream().is_ahead() {
                    was_ahead = true;
                    assert!(piece > buffer::BODY - RECORD, "there was room for more");
                } else {
                    in_one_go = 0;
                }
            }
            assert!(was_ahead && !conn.stream().is_ahead());
        };
        tokio::join!(sends, reads);
    }
}
