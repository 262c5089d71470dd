//! A socket below TLS. rustls reads 4 KiB at a time; while a body comes, this reads as much as is wanted in one go, and keeps
//! back the beginning of a record until the rest has come: it lies here in no more room than it needs, and rustls has none of it.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::conn::buffer::Buffer;
use crate::conn::records::{LONGEST, RECORD, Records};

/// A record is by at most so many bytes longer than what is in it, as long as they are not padded (RFC 8446 §5.2).
const OVERHEAD: usize = 32;

/// A socket, and what has been read from it ahead of TLS.
#[derive(Debug)]
pub struct ReadAhead {
    tcp: TcpStream,
    ahead: Buffer,
    /// How much of that is for TLS: whole records, or all that came before the end.
    whole: usize,
    /// As far as the socket has been read.
    records: Records,
    room: usize,
}

impl ReadAhead {
    /// A socket from which nothing is read ahead yet.
    pub fn new(tcp: TcpStream) -> ReadAhead {
        ReadAhead {
            tcp,
            ahead: Buffer::default(),
            whole: 0,
            records: Records::default(),
            room: 0,
        }
    }

    /// The socket.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Whether there is some of what is wanted already.
    pub fn has_some(&self) -> bool {
        self.whole > 0
    }

    /// From now on reads what it takes for `data` bytes under TLS in one go, if that is a record at least. For less TLS reads by
    /// itself.
    pub fn want(&mut self, data: usize) {
        let records = data / RECORD;
        self.room = records * (RECORD + OVERHEAD);
    }

    /// Holds no more memory than for what lies in it.
    pub fn shrink(&mut self) {
        self.ahead.shrink();
    }

    /// Reads more behind what there is, up to the room for it, and at least what a record that has begun needs.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Poll::Ready(ready) = self.tcp.poll_read_ready(cx) else {
            self.ahead.shrink_wide();
            return Poll::Pending;
        };
        ready?;
        // A longer part of a record there cannot be.
        let room = self.room.max(LONGEST).saturating_sub(self.ahead.len());
        let room = self.ahead.make_room(room);
        let before = self.ahead.len();
        let mut rest = (&mut *self.ahead).limit(room);
        // This one, unlike `try_read_buf`, notices that it took all there was: the next waits without asking the system.
        let read = pin!(self.tcp.read_buf(&mut rest)).poll(cx);
        self.whole = match (&read, self.records.pass(&self.ahead[before..])) {
            (Poll::Ready(Ok(0)), _) => before,
            (_, 0) => 0,
            (_, ended) => before + ended,
        };
        self.ahead.give_back();
        read.map_ok(drop)
    }

    /// Gives what is whole.
    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.whole.min(buf.remaining());
        buf.put_slice(&self.ahead[..count]);
        self.ahead.consume(count);
        self.whole -= count;
    }
}

impl AsyncRead for ReadAhead {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() && this.room <= buf.remaining() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.tcp).poll_read(cx, buf))?;
            this.records.pass(&buf.filled()[before..]);
            return Poll::Ready(Ok(()));
        }
        while this.whole == 0 {
            ready!(this.poll_ahead(cx))?;
            if this.ahead.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        this.give(buf);
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
        let tcp = Pin::new(&mut self.get_mut().tcp);
        match parts {
            // Which most records are: writev(2) costs more than send(2).
            [only] => tcp.poll_write(cx, only),
            parts => tcp.poll_write_vectored(cx, parts),
        }
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
    use crate::conn::records::record;
    use std::task::Waker;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    async fn connected() -> (TcpStream, ReadAhead) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap());
        let (far, accepted) = tokio::join!(far, listener.accept());
        (far.unwrap(), ReadAhead::new(accepted.unwrap().0))
    }

    /// Records with so much in each.
    fn records<const N: usize>(lengths: [u16; N]) -> Vec<u8> {
        lengths.map(record).concat()
    }

    #[tokio::test]
    async fn only_what_is_wanted_is_read_ahead() {
        let (mut far, mut near) = connected().await;
        let sent = records([9_995; 3]);
        for (wanted, least, most) in [
            (0, 0, 0),
            (RECORD - 1, 0, 0),
            (RECORD, RECORD, LONGEST),
            (2 * RECORD, 29_999, 29_999),
        ] {
            far.write_all(&sent).await.unwrap();
            near.tcp.readable().await.unwrap();
            near.want(wanted);
            let mut first = [0; 1];
            near.read_exact(&mut first).await.unwrap();
            let held = near.ahead.len();
            assert!((least..=most).contains(&held), "{wanted}: {held}");
            let mut rest = vec![0; sent.len() - 1];
            near.read_exact(&mut rest).await.unwrap();
            assert!(first[..] == sent[..1] && rest == sent[1..]);
            assert!(near.ahead.is_empty());
        }
    }

    #[tokio::test]
    async fn after_all_there_was_the_system_is_not_asked_again() {
        let (mut far, mut near) = connected().await;
        far.write_all(&records([2, 0])).await.unwrap();
        near.want(RECORD);
        assert_eq!(near.read_u8().await.unwrap(), 23);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(near.tcp.poll_read_ready(&mut cx).is_pending());
        far.write_all(&records([1])).await.unwrap();
        let mut rest = [0; 17];
        near.read_exact(&mut rest).await.unwrap();
        assert_eq!(rest[..], records([2, 0, 1])[1..]);
    }

    #[tokio::test]
    async fn a_record_is_kept_back_until_it_is_whole() {
        let (mut far, mut near) = connected().await;
        let sent = records([3, 9_000, 5]);
        for wanted in [RECORD, 0] {
            near.want(RECORD);
            far.write_all(&sent[..20]).await.unwrap();
            let mut first = [0; 8];
            near.read_exact(&mut first).await.unwrap();
            assert_eq!(first[..], sent[..8]);
            let mut cx = Context::from_waker(Waker::noop());
            let mut buf = [0; 100];
            let mut buf = ReadBuf::new(&mut buf);
            assert!(
                Pin::new(&mut near)
                    .poll_read(&mut cx, &mut buf)
                    .is_pending()
            );
            near.want(wanted);
            near.shrink();
            assert_eq!((near.ahead.len(), near.ahead.capacity()), (12, 12));
            far.write_all(&sent[20..]).await.unwrap();
            let mut rest = vec![0; sent.len() - 8];
            near.read_exact(&mut rest).await.unwrap();
            assert_eq!(rest, sent[8..]);
            assert!(near.ahead.is_empty());
        }
    }

    #[tokio::test]
    async fn what_came_before_the_end_is_given_with_it() {
        let (mut far, mut near) = connected().await;
        near.want(RECORD);
        let sent = records([3, 100]);
        far.write_all(&sent[..50]).await.unwrap();
        drop(far);
        let mut all = Vec::new();
        near.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, sent[..50]);
    }

    #[tokio::test]
    async fn shrinking_loses_nothing() {
        let (mut far, mut near) = connected().await;
        let sent = records([3]);
        far.write_all(&sent).await.unwrap();
        near.want(10 * RECORD);
        assert_eq!(near.read_u8().await.unwrap(), 23);
        near.shrink();
        assert_eq!((&near.ahead[..], near.ahead.capacity()), (&sent[1..], 7));
        let mut rest = [0; 7];
        near.read_exact(&mut rest).await.unwrap();
        assert_eq!(rest[..], sent[1..]);
        near.shrink();
        assert_eq!(near.ahead.capacity(), 0);
    }
}
