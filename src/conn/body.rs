//! The body of a message as it comes from a connection: data at the front of the buffer, by its framing.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::time::timeout;

use crate::conn::pieces::Pieces;
use crate::conn::splice::Pipe;
use crate::conn::{Conn, buffer};
use crate::http::chunked::{ChunkError, ChunkScanner};
use crate::http::framing::BodyFraming;

/// What is left of a body.
#[derive(Debug)]
pub struct Body {
    left: Left,
}

#[derive(Debug)]
enum Left {
    Length(u64),
    /// `data` bytes at the front of the buffer, or still to come, belong to the chunk that the scanner is in.
    Chunked {
        scanner: ChunkScanner,
        data: usize,
    },
    UntilClose,
    Nothing,
}

/// Why a body did not come to its end.
#[derive(Debug)]
pub enum BodyError {
    /// The connection ended before the body did.
    Cut,
    /// No byte came for this long.
    Stalled(Duration),
    /// Its chunks are malformed.
    Chunk(ChunkError),
    /// The connection broke.
    Io(io::Error),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Cut => f.write_str("the body ended early"),
            BodyError::Stalled(limit) => write!(
                f,
                "no byte of the body came for {}",
                humantime::format_duration(*limit)
            ),
            BodyError::Chunk(error) => write!(f, "{error}"),
            BodyError::Io(error) => write!(f, "the connection broke within the body: {error}"),
        }
    }
}

impl std::error::Error for BodyError {}

impl Body {
    /// A body of which nothing has been read.
    pub fn new(framing: BodyFraming) -> Body {
        let left = match framing {
            BodyFraming::Length(0) => Left::Nothing,
            BodyFraming::Length(length) => Left::Length(length),
            BodyFraming::Chunked => Left::Chunked {
                scanner: ChunkScanner::new(),
                data: 0,
            },
            BodyFraming::UntilClose => Left::UntilClose,
        };
        Body { left }
    }

    /// Whether the whole body has been consumed.
    pub fn is_done(&self) -> bool {
        matches!(self.left, Left::Nothing)
    }

    /// How much data lies at the front of the connection's buffer, without reading.
    pub fn ready(&mut self, conn: &mut Conn) -> Result<usize, BodyError> {
        match &mut self.left {
            Left::Nothing => Ok(0),
            Left::UntilClose => Ok(conn.buffered().len()),
            Left::Length(left) => Ok(usize::try_from(*left)
                .unwrap_or(usize::MAX)
                .min(conn.buffered().len())),
            Left::Chunked { scanner, data } => {
                while *data == 0 && !conn.buffered().is_empty() {
                    let scanned = scanner.scan(conn.buffered()).map_err(BodyError::Chunk)?;
                    conn.consume(scanned.framing);
                    *data = scanned.data;
                    if scanned.end {
                        self.left = Left::Nothing;
                        return Ok(0);
                    }
                }
                Ok(*data)
            }
        }
    }

    /// Where data lies in the connection's buffer, of which the first `count` bytes are [ready](Body::ready): there, and in
    /// the chunks behind it as far as they have come. What is wrong with those the next look will say.
    pub fn pieces(&self, conn: &Conn, count: usize) -> Pieces {
        let (mut pieces, buffered) = (Pieces::front(count), conn.buffered());
        let (Left::Chunked { scanner, data }, true) = (&self.left, count > 0) else {
            if self.is_done() {
                pieces.end();
            }
            return pieces;
        };
        let (mut ahead, mut at) = (scanner.clone(), *data);
        while !pieces.is_full()
            && let Some(rest) = buffered.get(at..).filter(|rest| !rest.is_empty())
            && let Ok(scanned) = ahead.scan(rest)
        {
            at += scanned.framing;
            pieces.add(at..at + scanned.data);
            at += scanned.data;
            if scanned.end {
                pieces.end();
                break;
            }
        }
        pieces
    }

    /// Marks these as used, with the framing between them and behind the last.
    pub fn consume_pieces(&mut self, conn: &mut Conn, pieces: &Pieces) -> Result<(), BodyError> {
        for length in pieces.lengths() {
            self.consume(conn, length);
            self.ready(conn)?;
        }
        Ok(())
    }

    /// Waits for data and says how much of it lies at the front of the connection's buffer; 0 is the end of the body.
    ///
    /// What is used of it has to be [consumed](Body::consume). `stall` limits the wait for each read.
    pub async fn next(&mut self, conn: &mut Conn, stall: Duration) -> Result<usize, BodyError> {
        self.next_within(conn, buffer::BODY, stall).await
    }

    /// The same, where one read takes `most` bytes.
    pub async fn next_within(
        &mut self,
        conn: &mut Conn,
        most: usize,
        stall: Duration,
    ) -> Result<usize, BodyError> {
        loop {
            let ready = self.ready(conn)?;
            if ready > 0 || self.is_done() {
                return Ok(ready);
            }
            match timeout(stall, conn.fill(self.room(most))).await {
                Err(_) => return Err(BodyError::Stalled(stall)),
                Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(BodyError::Cut);
                }
                Ok(Err(error)) => return Err(BodyError::Io(error)),
                Ok(Ok(0)) if matches!(self.left, Left::UntilClose) => self.left = Left::Nothing,
                Ok(Ok(0)) => return Err(BodyError::Cut),
                Ok(Ok(_)) => {}
            }
        }
    }

    /// Marks `count` bytes of what [`Body::next`] announced as used.
    pub fn consume(&mut self, conn: &mut Conn, count: usize) {
        conn.consume(count);
        self.pass(count);
    }

    /// How many bytes of data are known to come next from the stream itself, since nothing is buffered.
    pub fn unread(&self, conn: &Conn) -> u64 {
        match self.left {
            Left::Length(left) if conn.buffered().is_empty() => left,
            _ => 0,
        }
    }

    /// Waits for some of what is [unread](Body::unread), which may not be nothing, and takes it from a plain connection into an
    /// empty `pipe`.
    pub async fn next_into(
        &mut self,
        conn: &mut Conn,
        pipe: &mut Pipe,
        stall: Duration,
    ) -> Result<(), BodyError> {
        let limit = self.unread(conn);
        match timeout(stall, conn.read_into(pipe, limit)).await {
            Err(_) => Err(BodyError::Stalled(stall)),
            Ok(Err(error)) => Err(BodyError::Io(error)),
            Ok(Ok(0)) => Err(BodyError::Cut),
            Ok(Ok(count)) => {
                self.pass(count);
                Ok(())
            }
        }
    }

    fn pass(&mut self, count: usize) {
        match &mut self.left {
            Left::Length(left) => {
                *left = left.saturating_sub(count as u64);
                if *left == 0 {
                    self.left = Left::Nothing;
                }
            }
            Left::Chunked { data, .. } => *data = data.saturating_sub(count),
            Left::UntilClose | Left::Nothing => {}
        }
    }

    /// Drops what is at hand and says whether that was the rest; never waits.
    pub fn drain_ready(&mut self, conn: &mut Conn) -> Result<bool, BodyError> {
        loop {
            let count = self.ready(conn)?;
            if count == 0 {
                return Ok(self.is_done());
            }
            self.consume(conn, count);
        }
    }

    /// Reads and drops what is left, if that takes no more than `limit` bytes of data; says whether the end was reached.
    pub async fn drain(
        &mut self,
        conn: &mut Conn,
        limit: u64,
        stall: Duration,
    ) -> Result<bool, BodyError> {
        if matches!(self.left, Left::Length(left) if left > limit) {
            return Ok(false);
        }
        let mut drained = 0;
        while drained <= limit {
            let count = self.next(conn, stall).await?;
            if count == 0 {
                return Ok(true);
            }
            self.consume(conn, count);
            drained += count as u64;
        }
        Ok(false)
    }

    /// Reads what is left into memory; `None` if it is longer than `limit` bytes.
    pub async fn collect(
        &mut self,
        conn: &mut Conn,
        limit: usize,
        stall: Duration,
    ) -> Result<Option<Vec<u8>>, BodyError> {
        let mut whole = Vec::new();
        loop {
            let count = self.next(conn, stall).await?;
            if count == 0 {
                return Ok(Some(whole));
            }
            if whole.len() + count > limit {
                return Ok(None);
            }
            whole.extend_from_slice(&conn.buffered()[..count]);
            self.consume(conn, count);
        }
    }

    /// Room for one read: no more than the body still has, so that a small one costs no large buffer.
    fn room(&self, most: usize) -> usize {
        match self.left {
            Left::Length(left) => usize::try_from(left).unwrap_or(most).min(most),
            _ => most,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::conn::memory::{self, Memory};
    use crate::conn::stream::Stream;

    const STALL: Duration = Duration::from_secs(1);

    /// A connection on which this has been read, and its other end.
    async fn with(read: &str) -> (Conn, Memory) {
        let (near, mut far) = memory::pair(1024, IpAddr::V4(Ipv4Addr::LOCALHOST));
        far.write_all(read.as_bytes()).await.unwrap();
        let mut conn = Conn::new(Stream::Memory(near));
        assert_eq!(conn.fill(1024).await.unwrap(), read.len());
        (conn, far)
    }

    fn texts<'c>(conn: &'c Conn, pieces: &Pieces) -> Vec<&'c str> {
        let slices = pieces.within(conn.buffered());
        let texts = slices.map(|slice| str::from_utf8(slice).unwrap());
        texts.into_iter().filter(|text| !text.is_empty()).collect()
    }

    #[tokio::test]
    async fn chunks_that_have_come_are_found_together() {
        let cases: [(&str, &[&str], bool, &str); 7] = [
            ("3\r\nabc\r\n", &["abc"], false, ""),
            ("3\r\nabc\r\n2\r\nde", &["abc", "de"], false, ""),
            ("3;x=y\r\nabc\r\n2\r\nd", &["abc", "d"], false, ""),
            ("3\r\nabc\r\n0\r\n\r\n", &["abc"], true, ""),
            (
                "1\r\na\r\n1\r\nb\r\n0\r\nX: y\r\n\r\nHTTP",
                &["a", "b"],
                true,
                "HTTP",
            ),
            ("0\r\n\r\nrest", &[], true, "rest"),
            ("3\r\nabc\r\n0\r\n", &["abc"], false, ""),
        ];
        for (read, expected, ends, rest) in cases {
            let (mut conn, _far) = with(read).await;
            let mut body = Body::new(BodyFraming::Chunked);
            let count = body.ready(&mut conn).unwrap();
            let pieces = body.pieces(&conn, count);
            assert_eq!(texts(&conn, &pieces), expected, "{read:?}");
            assert_eq!(pieces.are_last(), ends, "{read:?}");
            body.consume_pieces(&mut conn, &pieces).unwrap();
            assert_eq!(body.is_done(), ends, "{read:?}");
            assert_eq!(conn.buffered(), rest.as_bytes(), "{read:?}");
        }
    }

    #[tokio::test]
    async fn more_chunks_than_there_is_room_for_come_later() {
        let (mut conn, _far) = with(&("1\r\na\r\n".repeat(10) + "0\r\n\r\n")).await;
        let mut body = Body::new(BodyFraming::Chunked);
        let mut rounds = Vec::new();
        loop {
            let count = body.next(&mut conn, STALL).await.unwrap();
            let pieces = body.pieces(&conn, count);
            rounds.push((pieces.total(), pieces.are_last()));
            body.consume_pieces(&mut conn, &pieces).unwrap();
            if count == 0 {
                break;
            }
        }
        assert_eq!(rounds, [(6, false), (4, true), (0, true)]);
    }

    #[tokio::test]
    async fn what_is_wrong_behind_good_chunks_is_said_after_them() {
        let (mut conn, _far) = with("2\r\nab\r\n1\r\ncX").await;
        let mut body = Body::new(BodyFraming::Chunked);
        let count = body.ready(&mut conn).unwrap();
        let pieces = body.pieces(&conn, count);
        assert_eq!(texts(&conn, &pieces), ["ab", "c"]);
        assert!(matches!(
            body.consume_pieces(&mut conn, &pieces),
            Err(BodyError::Chunk(ChunkError::LineEnd))
        ));
    }

    #[tokio::test]
    async fn other_bodies_lie_in_one_piece() {
        for (framing, text) in [
            (BodyFraming::Length(3), "abc"),
            (BodyFraming::Length(9), "abcdef"),
            (BodyFraming::UntilClose, "abcdef"),
        ] {
            let (mut conn, _far) = with("abcdef").await;
            let mut body = Body::new(framing);
            let count = body.ready(&mut conn).unwrap();
            let pieces = body.pieces(&conn, count);
            assert_eq!(texts(&conn, &pieces), [text]);
            assert!(!pieces.are_last());
        }
    }
}
