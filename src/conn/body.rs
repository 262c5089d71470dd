//! The body of a message as it comes from a connection: data at the front of the buffer, by its framing.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::time::timeout;

use crate::conn::splice::Pipe;
use crate::conn::{BODY_BUFFER, Conn};
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

    /// Waits for data and says how much of it lies at the front of the connection's buffer; 0 is the end of the body.
    ///
    /// What is used of it has to be [consumed](Body::consume). `stall` limits the wait for each read.
    pub async fn next(&mut self, conn: &mut Conn, stall: Duration) -> Result<usize, BodyError> {
        loop {
            let ready = self.ready(conn)?;
            if ready > 0 || self.is_done() {
                return Ok(ready);
            }
            match timeout(stall, conn.fill(self.room())).await {
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

    /// How many bytes of data are known to come next from the stream itself, since nothing is buffered and it is plain.
    pub fn unread(&self, conn: &Conn) -> u64 {
        match self.left {
            Left::Length(left) if conn.stream().is_plain() && conn.buffered().is_empty() => left,
            _ => 0,
        }
    }

    /// Waits for some of what is [unread](Body::unread), which may not be nothing, and takes it into an empty `pipe`.
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
    fn room(&self) -> usize {
        match self.left {
            Left::Length(left) => usize::try_from(left)
                .unwrap_or(BODY_BUFFER)
                .min(BODY_BUFFER),
            _ => BODY_BUFFER,
        }
    }
}
