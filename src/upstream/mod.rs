//! Requests to upstreams: take or dial a connection, send, read the head of the answer, retry once where that is safe.
//!
//! A [`Reply`] owns its connection until its body is drained and gives it back only then; dropping it closes it.

pub mod dial;
pub mod pool;
pub mod resolve;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::time::{Instant, timeout};

use crate::conn::body::{Body, BodyError};
use crate::conn::{Conn, ReadHeadError};
use crate::http::framing::{self, BodyFraming};
use crate::http::head::{RESPONSE_LIMITS, ResponseHead};
use crate::http::uri::Origin;
use crate::registry::reach::{Reach, classify};
use crate::timeouts::{self, Timeouts};
use crate::upstream::dial::{DialError, dial};
use crate::upstream::pool::{Pool, Pooled};
use crate::upstream::resolve::Resolver;

/// Interim answers before the real one; no server has a reason to send more.
const MAX_INTERIM: usize = 8;

/// A body that docxy has no use for is read to its end if it is no longer than this; a new connection costs more.
const WORTH_DRAINING: u64 = 64 * 1024;

/// Sends requests to upstreams and keeps their connections.
#[derive(Debug)]
pub struct Client {
    pool: Mutex<Pool<Key, Conn>>,
    resolver: Resolver,
    tls: Arc<ClientConfig>,
    timeouts: Timeouts,
}

/// Connections are shared only between requests that may reach the same addresses: what a private upstream may point to,
/// a public one may not, even under the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    origin: Origin,
    reach: Option<Reach>,
}

/// A request as it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its method, by which the answer is framed.
    pub method: &'a [u8],
    /// Its head, written out.
    pub head: &'a [u8],
    /// Its body. A request with a body is never sent twice.
    pub body: &'a [u8],
    /// Over which connection it may go.
    pub over: Over,
}

/// Over which connection a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// One that is idle, if there is one.
    Any,
    /// A new one: what went wrong may have been the connection's fault.
    Fresh,
}

/// The head of an answer, and the connection from which its body comes.
#[derive(Debug)]
pub struct Reply {
    /// The head.
    pub head: ResponseHead,
    /// How its body is framed.
    pub framing: BodyFraming,
    /// The address that answered.
    pub address: IpAddr,
    /// How it came about, for the log.
    pub effort: Effort,
    body: Body,
    key: Key,
    pooled: Pooled<Conn>,
    stall: Duration,
}

/// What an answer has cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effort {
    /// The connection had carried another request before.
    pub reused: bool,
    /// How often the request was sent again.
    pub retries: u32,
}

/// What went wrong with an upstream, before its answer could pass.
#[derive(Debug)]
pub struct UpstreamError {
    /// Who was asked.
    pub origin: Origin,
    /// What happened.
    pub fault: Fault,
}

/// The kinds of upstream faults; each has its own status (design §6).
#[derive(Debug)]
pub enum Fault {
    /// There is no connection to it.
    Unreachable(DialError),
    /// The connection ended or broke before an answer.
    Broken(io::Error),
    /// No answer came in time.
    Slow,
    /// What came is no answer.
    Malformed(String),
}

impl UpstreamError {
    /// The status for the client.
    pub fn status(&self) -> u16 {
        match &self.fault {
            Fault::Unreachable(DialError::Tls(error)) if is_slow(error) => 504,
            Fault::Unreachable(DialError::Forbidden(_) | DialError::Tls(_)) => 502,
            Fault::Unreachable(_) => 503,
            Fault::Broken(_) | Fault::Malformed(_) => 502,
            Fault::Slow => 504,
        }
    }
}

fn is_slow(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        match &self.fault {
            Fault::Unreachable(error) => write!(f, "{error}"),
            Fault::Broken(error) => write!(f, "the connection ended before an answer: {error}"),
            Fault::Slow => {
                write!(
                    f,
                    "no answer within {}",
                    humantime::format_duration(timeouts::RESPONSE_HEAD)
                )
            }
            Fault::Malformed(why) => write!(f, "its answer is malformed: {why}"),
        }
    }
}

impl std::error::Error for UpstreamError {}

impl Client {
    /// A client without connections, one of as many as there are workers.
    pub fn new(tls: Arc<ClientConfig>, timeouts: Timeouts, workers: usize) -> Client {
        Client {
            pool: Mutex::new(Pool::shared_by(workers)),
            resolver: Resolver::default(),
            tls,
            timeouts,
        }
    }

    /// Sends a request to `origin` and reads the head of its answer; interim answers are passed over.
    ///
    /// With a `reach`, only addresses within it are dialled. A request without body that fails on a reused connection
    /// before any byte of an answer is sent once more, on a fresh connection.
    pub async fn send(
        &self,
        origin: &Origin,
        reach: Option<Reach>,
        message: &Message<'_>,
    ) -> Result<Reply, UpstreamError> {
        let key = Key {
            origin: origin.clone(),
            reach,
        };
        let fail = |fault| UpstreamError {
            origin: origin.clone(),
            fault,
        };
        let mut effort = Effort::default();
        // What may not be sent twice goes out on a connection that cannot have grown stale.
        let may_be_idle = message.over == Over::Any && message.body.is_empty();
        let pooled = may_be_idle.then(|| self.take(&key)).flatten();
        if let Some(pooled) = pooled {
            let reused = Effort {
                reused: true,
                retries: 0,
            };
            match self.exchange(key.clone(), pooled, message, reused).await {
                Err(Fault::Broken(_)) => effort.retries = 1,
                other => return other.map_err(fail),
            }
        }
        let stream = dial(origin, reach, &self.resolver, &self.tls)
            .await
            .map_err(|e| fail(Fault::Unreachable(e)))?;
        let fresh = Pooled::new(Conn::new(stream), std::time::Instant::now());
        self.exchange(key, fresh, message, effort)
            .await
            .map_err(fail)
    }

    /// Closes what has been idle for too long.
    pub fn sweep(&self) {
        self.pool().sweep(std::time::Instant::now());
    }

    async fn exchange(
        &self,
        key: Key,
        mut pooled: Pooled<Conn>,
        message: &Message<'_>,
        effort: Effort,
    ) -> Result<Reply, Fault> {
        let conn = &mut pooled.conn;
        conn.write_all([message.head, message.body], timeouts::RESPONSE_HEAD)
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => Fault::Slow,
                _ => Fault::Broken(error),
            })?;
        let head = read_final_head(conn).await?;
        let framing = framing::of_response(&head, message.method)
            .map_err(|error| Fault::Malformed(error.to_string()))?;
        let address = conn
            .stream()
            .tcp()
            .peer_addr()
            .map_err(Fault::Broken)?
            .ip()
            .to_canonical();
        Ok(Reply {
            head,
            framing,
            address,
            effort,
            body: Body::new(framing),
            key,
            pooled,
            stall: self.timeouts.body,
        })
    }

    fn take(&self, key: &Key) -> Option<Pooled<Conn>> {
        loop {
            let mut pooled = self.pool().take(key, std::time::Instant::now())?;
            if pooled.conn.is_quiet() {
                return Some(pooled);
            }
        }
    }

    fn pool(&self) -> MutexGuard<'_, Pool<Key, Conn>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read_final_head(conn: &mut Conn) -> Result<ResponseHead, Fault> {
    let deadline = Instant::now() + timeouts::RESPONSE_HEAD;
    for _ in 0..=MAX_INTERIM {
        let bytes = conn
            .read_head(RESPONSE_LIMITS, deadline, |_| Ok(()))
            .await
            .map_err(|error| match error {
                ReadHeadError::Closed => Fault::Broken(io::ErrorKind::UnexpectedEof.into()),
                ReadHeadError::Cut => Fault::Malformed("it ended within its head".to_owned()),
                ReadHeadError::TimedOut => Fault::Slow,
                ReadHeadError::Head(error) => Fault::Malformed(error.to_string()),
                ReadHeadError::Io(error) if conn.buffered().is_empty() => Fault::Broken(error),
                ReadHeadError::Io(error) => {
                    Fault::Malformed(format!("it broke within its head: {error}"))
                }
            })?;
        let head =
            ResponseHead::parse(bytes).map_err(|error| Fault::Malformed(error.to_string()))?;
        match head.status {
            101 => {
                return Err(Fault::Malformed(
                    "it switches protocols, which nobody asked for".to_owned(),
                ));
            }
            100..=199 => {}
            _ => return Ok(head),
        }
    }
    Err(Fault::Malformed("too many interim answers".to_owned()))
}

impl Reply {
    /// The class of the address that answered: what it may point to in turn.
    pub fn answered_from(&self) -> Reach {
        classify(self.address)
    }

    /// How much of the body can be had without waiting; see [`Reply::data`].
    pub fn ready(&mut self) -> Result<usize, BodyError> {
        self.body.ready(&mut self.pooled.conn)
    }

    /// Waits for more of the body; 0 is its end.
    pub async fn next(&mut self) -> Result<usize, BodyError> {
        self.body.next(&mut self.pooled.conn, self.stall).await
    }

    /// The first `count` bytes of the body that are at hand.
    pub fn data(&self, count: usize) -> &[u8] {
        let buffered = self.pooled.conn.buffered();
        &buffered[..count.min(buffered.len())]
    }

    /// Marks the first `count` bytes as used.
    pub fn consume(&mut self, count: usize) {
        self.body.consume(&mut self.pooled.conn, count);
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
        self.body
            .collect(&mut self.pooled.conn, limit, self.stall)
            .await
    }

    /// Gives the connection back to `client`, if the body is drained and nothing follows it that nobody asked for.
    pub fn recycle(self, client: &Client) {
        let Reply {
            head,
            framing,
            body,
            key,
            mut pooled,
            ..
        } = self;
        let in_order = body.is_done()
            && framing != BodyFraming::UntilClose
            && head.allows_keep_alive()
            && pooled.conn.buffered().is_empty();
        if in_order {
            pooled.conn.release();
            client.pool().put(key, pooled, std::time::Instant::now());
        }
    }

    /// Drops the body without waiting for it; the connection is kept if what is left of it is short and soon there.
    pub fn discard(mut self, client: &Arc<Client>) {
        let at_hand = self.body.drain_ready(&mut self.pooled.conn);
        match at_hand {
            Ok(true) => self.recycle(client),
            Ok(false) => {
                let client = Arc::clone(client);
                tokio::spawn(async move {
                    let (body, conn) = (&mut self.body, &mut self.pooled.conn);
                    let drain = body.drain(conn, WORTH_DRAINING, timeouts::DISCARD);
                    if let Ok(Ok(true)) = timeout(timeouts::DISCARD, drain).await {
                        self.recycle(&client);
                    }
                });
            }
            Err(_) => {}
        }
    }
}
