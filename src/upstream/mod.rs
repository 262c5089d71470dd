//! Requests to upstreams: take or dial a connection, send, read the head of the answer, try again where that is safe.

mod ask;
mod connecting;
pub mod dial;
pub mod fault;
pub mod outage;
pub mod pool;
pub mod queue;
pub mod race;
pub mod reply;
pub mod resolve;
#[cfg(any(test, fuzzing))]
pub mod scripted;
pub mod steps;
pub mod tries;
pub mod tunnel;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::conn::Conn;
use crate::conn::body::Body;
use crate::egress::Egress;
use crate::egress::gateway::Gateway;
use crate::http::uri::Origin;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::registry::reach::Reach;
use crate::timeouts::{self, Timeouts};
use crate::upstream::ask::{Beginning, ask};
use crate::upstream::dial::Dialler;
use crate::upstream::fault::{Fault, UpstreamError};
use crate::upstream::outage::Outages;
use crate::upstream::pool::{Pool, Pooled};
use crate::upstream::queue::DialQueue;
use crate::upstream::reply::Reply;
use crate::upstream::steps::Watcher;
use crate::upstream::tries::Tries;

/// What a server says to a connection that has been idle for too long for it (RFC 9110 §15.5.9).
const REQUEST_TIMEOUT: u16 = 408;

/// What has been idle for less is as quiet as the runtime has heard: what it has not heard of yet may as well come when the
/// next request has gone out. Of what was idle for longer the system is asked, which costs a small request 3 %.
const JUST_USED: Duration = Duration::from_millis(1);

/// Sends requests to upstreams and keeps their connections.
#[derive(Debug)]
pub struct Client {
    pool: Arc<Mutex<Pool<Key, Conn>>>,
    dialler: Arc<Dialler>,
    outages: Arc<Outages<Key>>,
    queue: Arc<DialQueue<Key>>,
    timeouts: Timeouts,
    log: Log,
    metrics: Metrics,
}

/// Connections are shared only between requests that go the same way and may reach the same addresses: what a private
/// upstream may point to, a public one may not, even under the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    origin: Origin,
    egress: Egress,
    reach: Option<Reach>,
}

impl Hash for Key {
    /// Of one origin there are hardly ever two.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.origin.hash(state);
    }
}

/// A request as it is sent.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// Its method, by which the answer is framed.
    pub method: &'a [u8],
    /// Writes its head, each time that it is sent: nobody keeps it who waits for an answer.
    pub head: &'a (dyn Fn() -> Vec<u8> + Sync),
    /// Its body.
    pub body: &'a [u8],
    /// Over which connection it may go.
    pub over: Over,
}

/// Over which connection a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// One that is idle, if there is one.
    Any,
    /// A new one, whatever is known of outages: what went wrong may have been the connection's fault, and somebody
    /// waits for the rest.
    Fresh,
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = String::from_utf8_lossy(self.method);
        f.debug_struct("Message")
            .field("method", &method)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

impl Message<'_> {
    /// Whether it may be sent twice: it asks for nothing but an answer, and nothing of it is behind its head
    /// (RFC 9110 §9.2.2).
    fn is_repeatable(&self) -> bool {
        matches!(self.method, b"GET" | b"HEAD") && self.body.is_empty()
    }
}

impl Client {
    /// A client without connections.
    pub fn new(timeouts: Timeouts, log: Log) -> Client {
        let shared = (Arc::default(), DialQueue::new());
        Client::sharing(shared, 1, timeouts, log, Metrics::off())
    }

    /// A client for each of so many workers. They share the bound on idle connections, and what one finds out of an
    /// outage all know. They queue together.
    pub fn for_workers(
        workers: usize,
        timeouts: Timeouts,
        log: Log,
        metrics: Metrics,
    ) -> Vec<Client> {
        let (outages, queue) = (Arc::default(), DialQueue::new());
        let client = |_| {
            let shared = (Arc::clone(&outages), Arc::clone(&queue));
            Client::sharing(shared, workers, timeouts, log, metrics)
        };
        (0..workers).map(client).collect()
    }

    fn sharing(
        (outages, queue): (Arc<Outages<Key>>, Arc<DialQueue<Key>>),
        workers: usize,
        timeouts: Timeouts,
        log: Log,
        metrics: Metrics,
    ) -> Client {
        Client {
            pool: Arc::new(Mutex::new(Pool::shared_by(workers))),
            dialler: Arc::new(Dialler::new(metrics)),
            outages,
            queue,
            timeouts,
            log,
            metrics,
        }
    }

    /// The same with other time-outs: the connections are those of both.
    pub fn with(&self, timeouts: Timeouts) -> Client {
        Client {
            pool: Arc::clone(&self.pool),
            dialler: Arc::clone(&self.dialler),
            outages: Arc::clone(&self.outages),
            queue: Arc::clone(&self.queue),
            timeouts,
            log: self.log,
            metrics: self.metrics,
        }
    }

    /// The same for one who is told how its connections come about: none of them is shared with this one.
    pub fn watched(&self, watcher: Watcher) -> Client {
        Client {
            pool: Arc::new(Mutex::new(Pool::shared_by(1))),
            dialler: Arc::new(Dialler::watched(watcher)),
            ..self.with(self.timeouts)
        }
    }

    /// Sends a request to `origin`, by the way of `egress`, and reads the head of its answer; interim answers are passed over.
    ///
    /// With a `reach`, only addresses within it are dialled. A GET or HEAD without body goes out on a connection that is
    /// idle, or else on the first that is made or given back; if it fails on one that was there, before any byte of its
    /// answer, it is sent once more, on a fresh one. A request for which there is no connection is tried again as far as
    /// `tries` allow.
    pub async fn send(
        &self,
        origin: &Origin,
        egress: &Egress,
        reach: Option<Reach>,
        message: &Message<'_>,
        tries: &mut Tries,
    ) -> Result<Box<Reply>, UpstreamError> {
        let key = Key {
            origin: origin.clone(),
            egress: egress.clone(),
            reach,
        };
        let through = |gateway: &Gateway| gateway.proxy.to_string();
        let fail = |fault| UpstreamError {
            origin: origin.clone(),
            proxy: egress.gateway(origin).map(through),
            fault,
        };
        // What may not be sent twice goes out on a connection that cannot have grown stale.
        let mut may_have_served = message.over == Over::Any && message.is_repeatable();
        loop {
            let connection = self.connection(&key, may_have_served, message.over, tries);
            let mut pooled = connection.await.map_err(fail)?;
            let outcome = ask(&mut pooled.conn, message).await;
            if pooled.is_reused() {
                if self.had_grown_stale(&key, &outcome) {
                    self.metrics.pool_stale();
                    tries.count();
                    may_have_served = false;
                    continue;
                }
                self.metrics.pool_hit();
            }
            return Ok(self.reply(key, pooled, outcome.map_err(fail)?));
        }
    }

    /// Whether what came of a request says nothing of it, but that its connection was there for too long.
    fn had_grown_stale(&self, key: &Key, outcome: &Result<Beginning, Fault>) -> bool {
        let origin = &key.origin;
        match outcome {
            Ok(beginning) => beginning.head.status == REQUEST_TIMEOUT,
            Err(Fault::Broken(error)) => {
                self.log.debug(format_args!(
                    "{origin}: an idle connection was dead: {error}"
                ));
                if error.kind() == io::ErrorKind::TimedOut {
                    // Whatever has forgotten this one has forgotten those that were idle beside it.
                    self.pool().forget(key);
                }
                true
            }
            Err(Fault::OutOfStep(why)) => {
                self.log.debug(format_args!(
                    "{origin}: on an idle connection came what is no answer: {why}"
                ));
                true
            }
            Err(_) => false,
        }
    }

    /// Closes what has been idle for too long.
    pub fn sweep(&self) {
        self.pool().sweep(Instant::now());
    }

    fn reply(&self, key: Key, pooled: Pooled<Conn>, beginning: Beginning) -> Box<Reply> {
        Box::new(Reply {
            head: beginning.head,
            framing: beginning.framing,
            address: beginning.address,
            reused: pooled.is_reused(),
            keeps: beginning.in_step,
            body: Body::new(beginning.framing),
            key,
            pooled,
            stall: self.timeouts.body,
            metrics: self.metrics,
        })
    }

    /// Keeps a connection for those who come next. Nothing may be under way on it.
    fn give_back(&self, key: Key, mut pooled: Pooled<Conn>, now: Instant) {
        if !pooled.is_reused() {
            tell_the_dead(&pooled.conn);
        }
        pooled.conn.release();
        self.pool().put(key, pooled, now);
    }

    fn take(&self, key: &Key) -> Option<Pooled<Conn>> {
        let now = Instant::now();
        loop {
            let mut pooled = self.pool().take(key, now)?;
            if is_quiet(&mut pooled, now) {
                return Some(pooled);
            }
        }
    }

    fn pool(&self) -> MutexGuard<'_, Pool<Key, Conn>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nothing has come on a connection while it was idle, not even an end.
fn is_quiet(pooled: &mut Pooled<Conn>, now: Instant) -> bool {
    if pooled.idle_for(now) < JUST_USED {
        pooled.conn.seems_quiet()
    } else {
        pooled.conn.is_quiet()
    }
}

/// Goes on with what no request waits for. All of it is one kind of task, of which each is some kilobytes of code.
fn unattended(work: Pin<Box<dyn Future<Output = ()> + Send>>) {
    tokio::spawn(work);
}

/// Makes the kernel break a connection that acknowledges nothing, so that one that a firewall has forgotten while it was
/// idle is told from a slow server.
fn tell_the_dead(conn: &Conn) {
    #[cfg(any(test, fuzzing))]
    if let crate::conn::stream::Stream::Memory(_) = conn.stream() {
        return;
    }
    let tcp = SockRef::from(conn.stream().tcp());
    // Without the option such a connection costs the whole wait for an answer.
    let _ = tcp.set_tcp_user_timeout(Some(timeouts::UNACKNOWLEDGED));
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::conn::tests::pair;

    #[tokio::test]
    async fn the_system_is_asked_of_what_was_idle_for_longer() {
        let ((near, mut far), used) = (pair(), Instant::now());
        let mut pooled = Pooled::new(near, used);
        assert!(is_quiet(&mut pooled, used + JUST_USED));
        far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        assert!(
            is_quiet(&mut pooled, used),
            "the runtime has not heard of it"
        );
        assert!(!is_quiet(&mut pooled, used + JUST_USED));
        pooled.conn.idle().await.unwrap();
        assert!(!is_quiet(&mut pooled, used), "it has now");
    }
}
