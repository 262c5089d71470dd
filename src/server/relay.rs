//! Moves one body from an upstream to a client: through the upstream connection's own buffer and no other, or, where both
//! sides are plain and there is much of it, through a pipe in the kernel.

use std::fmt;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::conn::body::BodyError;
use crate::conn::pieces::Pieces;
use crate::conn::splice::Pipe;
use crate::conn::{Conn, at_once};
use crate::http::chunked::{CHUNK_END, CHUNK_END_AND_LAST_CHUNK, LAST_CHUNK, chunk_head};
use crate::metrics::upstreams::Bytes;
use crate::server::ahead;
use crate::server::pace::Pace;
use crate::upstream::reply::Reply;

/// What has to be left of a body for a pipe to be made for it: less is copied sooner than a pipe is made.
const WORTH_A_PIPE: u64 = 128 * 1024;

/// How a body is framed for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFraming {
    /// By the length that its head has; also where there is no body.
    Length,
    /// In chunks.
    Chunked,
    /// By the end of the connection, for HTTP/1.0.
    UntilClose,
}

/// Why a body did not pass whole.
#[derive(Debug)]
pub struct RelayError {
    /// Bytes of the body that have passed.
    pub passed: u64,
    /// Whether the head has passed, after which there is no other answer than to break the connection.
    pub head_passed: bool,
    /// Whose fault it was.
    pub side: Side,
}

/// The two ends of a relay.
#[derive(Debug)]
pub enum Side {
    /// The upstream's body failed.
    Upstream(BodyError),
    /// The client could not be written to.
    Client(io::Error),
}

impl Side {
    /// The client has gone while nothing was written to it.
    pub fn client_left() -> Side {
        Side::Client(io::ErrorKind::ConnectionAborted.into())
    }
}

impl fmt::Display for RelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.side {
            Side::Upstream(error) => write!(f, "after {} bytes: {error}", self.passed),
            Side::Client(error) if error.kind() == io::ErrorKind::TimedOut => {
                write!(
                    f,
                    "after {} bytes: the client read nothing for too long",
                    self.passed
                )
            }
            Side::Client(error) => write!(
                f,
                "after {} bytes: the client went away: {error}",
                self.passed
            ),
        }
    }
}

impl std::error::Error for RelayError {}

/// Sends `head` and then the body of `reply` to the client, and says how many bytes of the body there were. Without a
/// `head` the body goes on where another broke off.
///
/// At most one buffer or pipe is read ahead of the client, and what the kernel holds [for it](ahead): a slow one slows the
/// upstream. The head goes out with what is at hand of the body, and does not wait for more. `stall` is how long the client
/// may take nothing. What has passed is added to `bytes` as it goes.
pub async fn relay(
    client: &mut Conn,
    head: Option<&[u8]>,
    reply: &mut Reply,
    framing: ClientFraming,
    stall: Duration,
    bytes: Bytes<'_>,
) -> Result<u64, RelayError> {
    let mut relay = Relay {
        client,
        reply,
        framing,
        stall,
        bytes,
        head_passed: head.is_none(),
        has_ended: false,
        has_proof: head.is_none(),
        passed: 0,
        unasked: 0,
        pace: Pace::default(),
    };
    if let Some(head) = head {
        relay.begin(head).await?;
    }
    let mut may_splice = true;
    loop {
        if may_splice && relay.is_worth_a_pipe() {
            may_splice = relay.splice().await?;
        } else if !relay.copy().await? {
            return relay.end().await;
        }
    }
}

/// A body on its way.
struct Relay<'a> {
    client: &'a mut Conn,
    reply: &'a mut Reply,
    framing: ClientFraming,
    stall: Duration,
    bytes: Bytes<'a>,
    head_passed: bool,
    /// The last chunk has gone out with the data before it.
    has_ended: bool,
    /// Whether the client has shown that it reads, or may have before the body broke off.
    has_proof: bool,
    passed: u64,
    /// What has passed since the client's socket was asked for room.
    unasked: usize,
    pace: Pace,
}

impl Relay<'_> {
    /// Sends the head with what is at hand of the body.
    async fn begin(&mut self, head: &[u8]) -> Result<(), RelayError> {
        let ready = self.reply.ready();
        let count = ready.map_err(|error| self.upstream_failed(error))?;
        self.head_passed = true;
        self.send(head, count).await
    }

    /// Sends what comes next, by way of the buffer; false at the end of the body.
    async fn copy(&mut self) -> Result<bool, RelayError> {
        self.wait_for_room().await?;
        let next = self.reply.next_within(self.pace.piece());
        let next = while_there(self.client, next).await;
        let count = next.map_err(|side| self.failed(side))?;
        if count > 0 {
            self.send(b"", count).await?;
        }
        Ok(count > 0)
    }

    /// Where another whole buffer is to come, waits until the client's socket has room for it. So the body that a client does
    /// not read stays with its upstream, and docxy holds none of it. What has been read ahead has had room.
    async fn wait_for_room(&mut self) -> Result<(), RelayError> {
        let piece = self.pace.piece();
        let has_been_asked = self.unasked < piece || self.reply.is_ahead();
        if has_been_asked || self.reply.unread() < piece as u64 {
            return Ok(());
        }
        self.unasked = 0;
        if self.client.has_room() {
            return Ok(());
        }
        self.pace.wait();
        self.reply.release();
        let room = self.client.room(self.stall).await;
        self.pace.go_on();
        room.map_err(|error| self.client_failed(error))
    }

    fn is_worth_a_pipe(&self) -> bool {
        self.framing != ClientFraming::Chunked
            && self.client.stream().is_plain()
            && self.reply.is_plain()
            && self.reply.unread() >= WORTH_A_PIPE
    }

    /// Moves the rest of the body within the kernel; false if there is no pipe to be had.
    async fn splice(&mut self) -> Result<bool, RelayError> {
        let Some(mut pipe) = Pipe::new() else {
            return Ok(false);
        };
        while self.reply.unread() > 0 {
            let filled = while_there(self.client, self.reply.next_into(&mut pipe)).await;
            filled.map_err(|side| self.failed(side))?;
            while pipe.held() > 0 {
                let sent = self.client.write_from(&mut pipe, self.stall).await;
                let sent = sent.map_err(|error| self.client_failed(error))?;
                self.count(sent);
            }
        }
        Ok(true)
    }

    async fn end(self) -> Result<u64, RelayError> {
        if self.framing == ClientFraming::Chunked && !self.has_ended {
            let end = self.client.write_all([LAST_CHUNK], self.stall).await;
            end.map_err(|error| self.client_failed(error))?;
        }
        if self.has_proof {
            ahead::bound(self.client.stream());
        }
        Ok(self.passed)
    }

    /// Sends `head` and what is at hand of the body, of which the first `count` bytes are known.
    async fn send(&mut self, head: &[u8], count: usize) -> Result<(), RelayError> {
        let pieces = self.reply.pieces(count);
        let handed_over = self.hand_over(head, &pieces).await;
        handed_over.map_err(|error| self.client_failed(error))?;
        self.has_ended = pieces.are_last();
        self.count(pieces.total());
        let consumed = self.reply.consume_pieces(&pieces);
        if !self.client.flush_at_once() {
            self.pace.wait();
            self.reply.release();
            let flushed = self.client.flush(self.stall).await;
            flushed.map_err(|error| self.client_failed(error))?;
        }
        self.pace.go_on();
        consumed.map_err(|error| self.upstream_failed(error))
    }

    fn count(&mut self, passed: usize) {
        let before = self.passed;
        self.passed += passed as u64;
        self.unasked += passed;
        self.pace.pass(passed);
        self.bytes.add(passed);
        if before < ahead::PROOF && self.passed >= ahead::PROOF {
            ahead::lift(self.client.stream());
            self.has_proof = true;
        }
    }

    async fn hand_over(&mut self, head: &[u8], pieces: &Pieces) -> io::Result<()> {
        let (buffered, upstream) = self.reply.split();
        let ([data, more @ ..], stall) = (pieces.within(buffered), self.stall);
        // The other side holds no more than it has to while the client is waited for.
        let hindered = || {
            self.pace.wait();
            upstream.shrink();
        };
        if self.framing != ClientFraming::Chunked && pieces.is_one() {
            return unless(hindered, self.client.hand_over([head, data], stall)).await;
        }
        let total = pieces.total();
        let size = chunk_head(total);
        let (size, end) = match (self.framing, total, pieces.are_last()) {
            (ClientFraming::Chunked, 0, true) => (&b""[..], LAST_CHUNK),
            (ClientFraming::Chunked, 1.., true) => (size.as_ref(), CHUNK_END_AND_LAST_CHUNK),
            (ClientFraming::Chunked, 1.., false) => (size.as_ref(), CHUNK_END),
            _ => (&b""[..], &b""[..]),
        };
        let [b, c, d, e, f] = more;
        let parts = [head, size, data, b, c, d, e, f, end];
        unless(hindered, self.client.hand_over(parts, stall)).await
    }

    fn upstream_failed(&self, error: BodyError) -> RelayError {
        self.failed(Side::Upstream(error))
    }

    fn client_failed(&self, error: io::Error) -> RelayError {
        self.failed(Side::Client(error))
    }

    fn failed(&self, side: Side) -> RelayError {
        RelayError {
            passed: self.passed,
            head_passed: self.head_passed,
            side,
        }
    }
}

/// What comes from the upstream. While nothing does, the client may leave, for whom it is.
async fn while_there<T>(
    client: &mut Conn,
    upstream: impl Future<Output = Result<T, BodyError>>,
) -> Result<T, Side> {
    tokio::select! {
        biased;
        come = upstream => come.map_err(Side::Upstream),
        () = client.broken() => Err(Side::client_left()),
    }
}

/// Most writes are done at once. Of one that is not, `hindered` is told before it goes on.
async fn unless<T>(hindered: impl FnOnce(), write: impl Future<Output = T>) -> T {
    let mut write = pin!(write);
    match at_once(write.as_mut()).await {
        Poll::Ready(done) => done,
        Poll::Pending => {
            hindered();
            write.await
        }
    }
}
