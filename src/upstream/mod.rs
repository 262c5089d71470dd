//! Requests to upstreams: take or dial a connection, send, read the head of the answer, retry once where that is safe.

pub mod dial;
pub mod fault;
pub mod pool;
pub mod reply;
pub mod resolve;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ClientConfig;
use tokio::time::Instant;

use crate::conn::body::Body;
use crate::conn::{Conn, ReadHeadError};
use crate::http::framing;
use crate::http::head::{RESPONSE_LIMITS, ResponseHead};
use crate::http::uri::Origin;
use crate::registry::reach::Reach;
use crate::timeouts::{self, Timeouts};
use crate::upstream::dial::dial;
use crate::upstream::fault::{Fault, UpstreamError};
use crate::upstream::pool::{Pool, Pooled};
use crate::upstream::reply::{Effort, Reply};
use crate::upstream::resolve::Resolver;

/// Interim answers before the real one; no server has a reason to send more.
const MAX_INTERIM: usize = 8;

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
