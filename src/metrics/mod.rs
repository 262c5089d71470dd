//! What is counted while docxy works, for whoever scrapes `--admin`. Whoever counts calls a method that is named after what
//! has happened; which series that is, and of which names and numbers there can be one, is decided here and nowhere else.
//!
//! A count is an atomic addition, found without a search. Without `--admin` nothing is counted at all.

pub mod families;
mod histogram;
pub mod kind;
mod process;
mod report;
mod status;
pub mod upstreams;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use self::families::Families;
use self::histogram::Histogram;
use self::kind::Kind;
use self::upstreams::{Shown, Upstreams};
use crate::registry::table::Table;
use crate::tls::store::CertStore;

/// Counts what happens, if anybody wants to know. There is one place for it as long as the process runs, and a copy counts
/// there too.
#[derive(Clone, Copy, Debug)]
pub struct Metrics {
    counts: Option<&'static Counts>,
}

/// Where a connection to an upstream can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its name is looked up.
    Lookup,
    /// Its addresses are checked.
    Check,
    /// It is connected to.
    Connect,
    /// TLS begins.
    Tls,
    /// A proxy is to make a way.
    Proxy,
}

/// A request that is being answered, for as long as this lives.
#[derive(Debug)]
pub struct InFlight {
    metrics: Metrics,
}

/// All counts.
#[derive(Debug)]
struct Counts {
    started: SystemTime,
    upstreams: Shown,
    first_byte: [Histogram; Kind::COUNT],
    whole: [Histogram; Kind::COUNT],
    in_flight: AtomicU64,
    accepted: AtomicU64,
    over_limit: AtomicU64,
    over_share: AtomicU64,
    received: AtomicU64,
    pool_hits: AtomicU64,
    pool_misses: AtomicU64,
    pool_stale: AtomicU64,
    lookup: Histogram,
    connect: Histogram,
    tls: Histogram,
    /// By [`Stage`].
    failures: [AtomicU64; 5],
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
    /// Seconds since 1970.
    last_reload: AtomicU64,
    certificates: Option<Arc<CertStore>>,
}

impl Metrics {
    /// Counts from now on, and shows until when these certificates are valid.
    pub fn on(certificates: Option<Arc<CertStore>>) -> Metrics {
        let started = SystemTime::now();
        let counts = Counts {
            started,
            upstreams: Shown::new(),
            first_byte: Default::default(),
            whole: Default::default(),
            in_flight: AtomicU64::default(),
            accepted: AtomicU64::default(),
            over_limit: AtomicU64::default(),
            over_share: AtomicU64::default(),
            received: AtomicU64::default(),
            pool_hits: AtomicU64::default(),
            pool_misses: AtomicU64::default(),
            pool_stale: AtomicU64::default(),
            lookup: Histogram::default(),
            connect: Histogram::default(),
            tls: Histogram::default(),
            failures: Default::default(),
            reloads: AtomicU64::default(),
            failed_reloads: AtomicU64::default(),
            last_reload: AtomicU64::new(since_1970(started).as_secs()),
            certificates,
        };
        Metrics {
            counts: Some(Box::leak(Box::new(counts))),
        }
    }

    /// Counts nothing.
    pub fn off() -> Metrics {
        Metrics { counts: None }
    }

    /// Whether anything is counted.
    pub fn are_on(self) -> bool {
        self.counts.is_some()
    }

    /// Counts for the upstreams of `table`, which from now on are those that are shown.
    pub fn upstreams(self, table: &Table) -> Upstreams {
        let follow = |counts: &Counts| counts.upstreams.follow(table);
        self.counts.map(follow).unwrap_or_default()
    }

    /// All that has been counted, and what is known of the process; `None` if nothing is counted.
    pub fn report(self) -> Option<Families> {
        self.counts.map(report::of)
    }

    /// A connection was accepted.
    pub fn accepted(self) {
        self.count(|counts| &counts.accepted);
    }

    /// A connection was turned away, since there are as many as there may be.
    pub fn over_limit(self) {
        self.count(|counts| &counts.over_limit);
    }

    /// A connection was turned away, since its client has as many as it may have.
    pub fn over_share(self) {
        self.count(|counts| &counts.over_share);
    }

    /// A request has come.
    pub fn begun(self) -> InFlight {
        self.count(|counts| &counts.in_flight);
        InFlight { metrics: self }
    }

    /// A request was answered: how long it took until the first byte of the answer, if there was any, and until the last.
    pub fn answered(self, kind: Kind, first_byte: Option<Duration>, whole: Duration) {
        if let Some(counts) = self.counts {
            if let Some(first_byte) = first_byte {
                counts.first_byte[kind as usize].observe(first_byte);
            }
            counts.whole[kind as usize].observe(whole);
        }
    }

    /// So much of an upstream's body has come and is used.
    pub fn received(self, bytes: usize) {
        if let Some(counts) = self.counts {
            counts.received.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// A request went out on a connection that was there.
    pub fn pool_hit(self) {
        self.count(|counts| &counts.pool_hits);
    }

    /// A request that could have gone out on a connection that was there had to wait for a new one.
    pub fn pool_miss(self) {
        self.count(|counts| &counts.pool_misses);
    }

    /// A connection that was idle turned out to be dead, and the request is sent again.
    pub fn pool_stale(self) {
        self.count(|counts| &counts.pool_stale);
    }

    /// A name was looked up.
    pub fn looked_up(self, duration: Duration) {
        self.observe(|counts| &counts.lookup, duration);
    }

    /// An upstream was connected to.
    pub fn connected(self, duration: Duration) {
        self.observe(|counts| &counts.connect, duration);
    }

    /// TLS with an upstream is up.
    pub fn shaken_hands(self, duration: Duration) {
        self.observe(|counts| &counts.tls, duration);
    }

    /// There is no connection to an upstream.
    pub fn not_connected(self, stage: Stage) {
        self.count(|counts| &counts.failures[stage as usize]);
    }

    /// Everything was read anew.
    pub fn reloaded(self) {
        self.count(|counts| &counts.reloads);
        if let Some(counts) = self.counts {
            let now = since_1970(SystemTime::now()).as_secs();
            counts.last_reload.store(now, Ordering::Relaxed);
        }
    }

    /// Some of what was to be read anew stays as it was.
    pub fn not_reloaded(self) {
        self.count(|counts| &counts.failed_reloads);
    }

    fn count(self, of: impl FnOnce(&Counts) -> &AtomicU64) {
        if let Some(counts) = self.counts {
            of(counts).fetch_add(1, Ordering::Relaxed);
        }
    }

    fn observe(self, of: impl FnOnce(&Counts) -> &Histogram, duration: Duration) {
        if let Some(counts) = self.counts {
            of(counts).observe(duration);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(counts) = self.metrics.counts {
            counts.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn since_1970(time: SystemTime) -> Duration {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default()
}
