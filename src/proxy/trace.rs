//! What is remembered of a request on its way, and what the counts and the log are told of it at its end.

use std::time::Duration;

use tokio::time::Instant;

use crate::http::head::RequestHead;
use crate::http::request::path_of;
use crate::http::uri::Origin;
use crate::log::{Level, Record};
use crate::metrics::Metrics;
use crate::metrics::kind::Kind;
use crate::proxy::{Entrance, Peer, Proxy};
use crate::registry::table::UpstreamId;
use crate::registry::table::mounts::MountId;
use crate::upstream::reply::Reply;

/// What the log says of the way to an answer.
#[derive(Debug, Default)]
pub struct Trace {
    /// What is asked for.
    pub kind: Kind,
    /// Who was asked.
    pub upstream: Option<UpstreamId>,
    /// By which mount.
    pub mount: Option<MountId>,
    /// The last origin that was asked, for error messages.
    pub asked: Option<Origin>,
    /// The status of the last answer.
    pub status: Option<u16>,
    /// Whether its connection had been used before.
    pub reused: bool,
    /// How often requests were sent, or to be sent, again.
    pub retries: u32,
    /// Redirects followed.
    pub hops: usize,
    /// How often a body went on after it had broken off.
    pub resumes: u32,
    /// From the whole request head to the first byte of the answer, where that is counted.
    pub first_byte: Option<Duration>,
}

impl Trace {
    /// The last origin that was asked.
    pub fn asked(&self) -> String {
        self.asked
            .as_ref()
            .map_or_else(|| "-".to_owned(), Origin::to_string)
    }

    /// Notes an answer of an upstream.
    pub fn note(&mut self, reply: &Reply) {
        self.status = Some(reply.head.status);
        self.reused = reply.reused;
    }
}

/// What was answered, for the log.
#[derive(Clone, Copy, Debug)]
pub struct Done<'a> {
    /// The head of the request, if what came was one.
    pub head: Option<&'a RequestHead>,
    /// The status that the client got.
    pub status: u16,
    /// Bytes of the body that have passed.
    pub bytes: u64,
    /// When its whole head had come.
    pub began: Instant,
}

impl Proxy {
    /// Where what comes in this way is counted.
    pub fn metrics(&self, entrance: Entrance) -> Metrics {
        match entrance {
            Entrance::Clients => self.shared.metrics,
            Entrance::Admin => Metrics::off(),
        }
    }

    /// Counts a request that is done, and says so.
    pub fn conclude(&self, peer: &Peer, trace: &Trace, done: &Done<'_>) {
        if peer.entrance == Entrance::Clients {
            let upstream = self.shared.counted.of_any(trace.upstream);
            upstream.answered(trace.kind, done.status);
            let metrics = self.shared.metrics;
            if metrics.are_on() {
                metrics.answered(trace.kind, trace.first_byte, done.began.elapsed());
            }
        }
        self.log_access(peer, trace, done);
    }

    fn log_access(&self, peer: &Peer, trace: &Trace, done: &Done<'_>) {
        if !self.shared.log.lets_pass(Level::Info) {
            return;
        }
        let method = done.head.map(|head| str::from_utf8(head.method()));
        let path = done.head.map(|head| path_of(head.target()));
        self.shared.log.access(&Record {
            client: peer.address,
            method: method.and_then(Result::ok).unwrap_or("-"),
            path: path.as_deref().unwrap_or("-"),
            status: done.status,
            bytes: done.bytes,
            duration: done.began.elapsed(),
            upstream: self.name_of(trace),
            upstream_status: trace.status,
            reused: trace.reused,
            retries: trace.retries,
            hops: trace.hops,
            resumes: trace.resumes,
        });
    }

    /// Who was asked, as the operator calls it.
    fn name_of(&self, trace: &Trace) -> &str {
        let table = &self.shared.table;
        match (trace.mount, trace.upstream) {
            (Some(mount), _) => &table.mounts().get(mount).prefix,
            (None, Some(upstream)) => &table.get(upstream).name,
            (None, None) => "-",
        }
    }
}
