//! An answer: it owns its connection until its body is drained, and gives it back only then. Dropping it closes it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::conn::body::{Body, BodyError};
use crate::conn::pieces::Pieces;
use crate::conn::splice::Pipe;
use crate::conn::stream::Stream;
use crate::conn::{Conn, buffer};
use crate::http::framing::BodyFraming;
use crate::http::head::ResponseHead;
use crate::metrics::Metrics;
use crate::registry::reach::{Reach, classify, classify_unseen};
use crate::timeouts;
use crate::upstream::pool::Pooled;
use crate::upstream::{Client, Key, unattended};

/// A body that docxy has no use for is read to its end if it is no longer than this; a new connection costs more.
const WORTH_DRAINING: u64 = 64 * 1024;

/// The head of an answer, and the connection from which its body comes. It passes through many hands, in a box.
#[derive(Debug)]
pub struct Reply {
    /// The head.
    pub head: ResponseHead,
    /// How its body is framed.
    pub framing: BodyFraming,
    /// The address at the other end of the connection: the one that answered, or a proxy.
    pub address: IpAddr,
    /// Whether the connection had carried another request before.
    pub reused: bool,
    /// Whether the connection may carry another request after this one, as far as the request goes.
    pub(super) keeps: bool,
    pub(super) body: Body,
    pub(super) key: Key,
    pub(super) pooled: Pooled<Conn>,
    pub(super) stall: Duration,
    pub(super) metrics: Metrics,
}

impl Reply {
    /// The class of the address that answered: what it may point to in turn. Behind a proxy that address is not known.
    pub fn answered_from(&self) -> Reach {
        match self.key.egress.gateway(&self.key.origin) {
            Some(_) => classify_unseen(self.key.origin.host()),
            None => classify(self.address),
        }
    }

    /// How much of the body can be had without waiting; see [`Reply::data`].
    pub fn ready(&mut self) -> Result<usize, BodyError> {
        self.body.ready(&mut self.pooled.conn)
    }

    /// Waits for more of the body; 0 is its end.
    pub async fn next(&mut self) -> Result<usize, BodyError> {
        self.next_within(buffer::BODY).await
    }

    /// The same, where one read takes `most` bytes.
    pub async fn next_within(&mut self, most: usize) -> Result<usize, BodyError> {
        let (conn, stall) = (&mut self.pooled.conn, self.stall);
        self.body.next_within(conn, most, stall).await
    }

    /// Gives up memory for what may come next; what has come stays.
    pub fn release(&mut self) {
        self.pooled.conn.release();
    }

    /// The first `count` bytes of the body that are at hand.
    pub fn data(&self, count: usize) -> &[u8] {
        let buffered = self.pooled.conn.buffered();
        &buffered[..count.min(buffered.len())]
    }

    /// Where what is at hand of the body lies, of which the first `count` bytes are known; see [`Pieces::within`].
    pub fn pieces(&self, count: usize) -> Pieces {
        self.body.pieces(&self.pooled.conn, count)
    }

    /// What has been read and not been used, and the connection that it came from.
    pub fn split(&mut self) -> (&[u8], &mut Stream) {
        self.pooled.conn.split()
    }

    /// Marks these as used.
    pub fn consume_pieces(&mut self, pieces: &Pieces) -> Result<(), BodyError> {
        self.metrics.received(pieces.total());
        self.body.consume_pieces(&mut self.pooled.conn, pieces)
    }

    /// Marks the first `count` bytes as used.
    pub fn consume(&mut self, count: usize) {
        self.body.consume(&mut self.pooled.conn, count);
        self.metrics.received(count);
    }

    /// Whether the body comes as it is, so that it can go [through a pipe](Reply::next_into).
    pub fn is_plain(&self) -> bool {
        self.pooled.conn.stream().is_plain()
    }

    /// How many bytes of the body are known to be still to come; 0 while some are at hand.
    pub fn unread(&self) -> u64 {
        self.body.unread(&self.pooled.conn)
    }

    /// Whether some of what is [unread](Reply::unread) has come already.
    pub fn is_ahead(&self) -> bool {
        self.pooled.conn.stream().is_ahead()
    }

    /// Waits for more of a body that is [plain](Reply::is_plain) and [unread](Reply::unread), and takes it into an empty `pipe`.
    pub async fn next_into(&mut self, pipe: &mut Pipe) -> Result<(), BodyError> {
        let (conn, stall) = (&mut self.pooled.conn, self.stall);
        self.body.next_into(conn, pipe, stall).await?;
        self.metrics.received(pipe.held());
        Ok(())
    }

    /// Drops the next `count` bytes of the body.
    pub async fn skip(&mut self, count: u64) -> Result<(), BodyError> {
        let mut left = count;
        while left > 0 {
            let at_hand = self.next().await?;
            if at_hand == 0 {
                return Err(BodyError::Cut);
            }
            let used = usize::try_from(left).unwrap_or(usize::MAX).min(at_hand);
            self.consume(used);
            left -= used as u64;
        }
        Ok(())
    }

    /// Reads the whole body into memory; `None` if it is longer than `limit` bytes. The connection is closed.
    pub async fn collect(mut self, limit: usize) -> Result<Option<Vec<u8>>, BodyError> {
        let (body, conn) = (&mut self.body, &mut self.pooled.conn);
        let collected = body.collect(conn, limit, self.stall).await?;
        self.metrics
            .received(collected.as_ref().map_or(0, Vec::len));
        Ok(collected)
    }

    /// Gives the connection back to `client`, if the body is drained and nothing follows it that nobody asked for.
    pub fn recycle(self: Box<Self>, client: &Client) {
        let Reply {
            head,
            framing,
            keeps,
            body,
            key,
            mut pooled,
            ..
        } = *self;
        let in_order = keeps
            && body.is_done()
            && framing != BodyFraming::UntilClose
            && head.allows_keep_alive()
            && pooled.conn.seems_quiet();
        if in_order {
            client.give_back(key, pooled, Instant::now());
        }
    }

    /// Drops the body without waiting for it; the connection is kept if what is left of it is short and soon there.
    pub fn discard(mut self: Box<Self>, client: &Arc<Client>) {
        let at_hand = self.body.drain_ready(&mut self.pooled.conn);
        match at_hand {
            Ok(true) => self.recycle(client),
            Ok(false) => {
                let client = Arc::clone(client);
                unattended(Box::pin(async move {
                    let (body, conn) = (&mut self.body, &mut self.pooled.conn);
                    let drain = body.drain(conn, WORTH_DRAINING, timeouts::DISCARD);
                    if let Ok(Ok(true)) = timeout(timeouts::DISCARD, drain).await {
                        self.recycle(&client);
                    }
                }));
            }
            Err(_) => {}
        }
    }
}
