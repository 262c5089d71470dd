//! What every request meets: the state that requests share, the checks that all must pass, and the way to their route.

pub mod current;
pub mod discover;
pub mod dispatch;
pub(crate) mod fetch;
pub mod forward;
mod insist;
mod mount;
pub(crate) mod on_behalf;
pub mod quota;
pub mod realm;
pub mod resume;
mod scrape;
pub mod token;
pub mod unfinished;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::account::Accounts;
use crate::answer::Answer;
use crate::behind::TrustedProxies;
use crate::egress::Egresses;
use crate::http::head::RequestHead;
use crate::http::request::path_of;
use crate::http::uri::{Authority, Host, Origin, Scheme, Target};
use crate::http::write::HeadWriter;
use crate::limits::admission::Admission;
use crate::log::{Level, Log, Record};
use crate::metrics::Metrics;
use crate::metrics::kind::Kind;
use crate::metrics::upstreams::Upstreams;
use crate::proxy::quota::Quotas;
use crate::proxy::realm::Realms;
use crate::proxy::unfinished::Flow;
use crate::registry::access::Access;
use crate::registry::challenge::Bearer;
use crate::registry::identity::Identity;
use crate::registry::rewrite::Credentials;
use crate::registry::route::{self, Asked, Route, RouteError};
use crate::registry::table::mounts::MountId;
use crate::registry::table::{Table, UpstreamId};
use crate::registry::token::PLACEHOLDER;
use crate::timeouts::Timeouts;
use crate::tls::handshakes::Handshakes;
use crate::upstream::Client;
use crate::upstream::reply::Reply;

/// What the requests of one worker share: what all do, and connections of its own.
#[derive(Debug)]
pub struct Proxy {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// The connections to upstreams.
    pub client: Arc<Client>,
}

/// What all workers share: what the operator has set, and what upstreams have taught.
#[derive(Debug)]
pub struct Shared {
    /// The upstreams.
    pub table: Table,
    /// How they are reached.
    pub egresses: Egresses,
    /// The repositories that may pass.
    pub access: Access,
    /// The clients that are served; empty for all.
    pub allow_client: Vec<IpNet>,
    /// The clients that are not served, whatever allows them.
    pub deny_client: Vec<IpNet>,
    /// The proxies in front that are believed who the client is.
    pub trusted_proxies: TrustedProxies,
    /// How clients reach docxy, if that has been said.
    pub public_url: Option<Origin>,
    /// The CA of a self-made certificate, in PEM.
    pub ca: Option<String>,
    /// docxy's own name in `Via`: another one at every start, so that two in a row are no loop.
    pub via: String,
    /// The accounts in whose name upstreams are asked.
    pub accounts: Accounts,
    /// How many pulls upstreams have said are left.
    pub quotas: Quotas,
    /// Where upstreams give out tokens.
    pub realms: Realms,
    /// How long peers may be silent.
    pub timeouts: Timeouts,
    /// How long a stop waits.
    pub drain: Duration,
    /// Which connections are let in.
    pub admission: Arc<Admission>,
    /// Whose turn it is to begin TLS.
    pub handshakes: Arc<Handshakes>,
    /// What is said.
    pub log: Log,
    /// What is counted.
    pub metrics: Metrics,
    /// What is counted of the upstreams.
    pub counted: Upstreams,
}

/// The two ends of a client's connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The client's address.
    pub address: IpAddr,
    /// Whether that is only the address of a balancer whose PROXY header names no client.
    pub is_unnamed: bool,
    /// The address at which it reached docxy.
    pub local: SocketAddr,
    /// How it reached it.
    pub scheme: Scheme,
    /// By which way it came in.
    pub entrance: Entrance,
}

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// For clients.
    Clients,
    /// For the operator (`--admin`): what is asked there is not counted, and nothing is forwarded.
    Admin,
}

/// A request whose head has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its head.
    pub head: &'a RequestHead,
    /// Path and query, or what stands there instead.
    pub target: &'a str,
    /// Whom the client means.
    pub authority: Option<&'a Authority>,
    /// The Host that the client has written, as far as is known: a trusted proxy's word, else [`Request::authority`].
    pub reached_as: Option<&'a Authority>,
    /// Who asks, and where.
    pub peer: &'a Peer,
}

/// An answer, up to what depends on the client's connection.
#[derive(Debug)]
pub enum Response {
    /// docxy's own.
    Own(Answer),
    /// An upstream's.
    Passed {
        /// Status line and end-to-end fields.
        head: HeadWriter,
        /// Where the body comes from; `None` if there is none.
        body: Option<Flow>,
        /// The status.
        status: u16,
    },
}

impl Response {
    /// Whether the client's connection has to be closed after it.
    pub fn closes(&self) -> bool {
        matches!(self, Response::Own(answer) if answer.closes())
    }
}

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
    /// From the whole request head to the first byte of the answer.
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
    /// From the whole request head to the last byte of the answer.
    pub duration: Duration,
}

impl Request<'_> {
    /// The value of `Authorization`.
    pub fn authorization(&self) -> Option<&[u8]> {
        self.head.fields.first("authorization")
    }

    /// Whether `Authorization` holds the token that docxy gives where none is needed.
    pub fn has_placeholder(&self) -> bool {
        self.authorization()
            .is_some_and(|value| bearer_token(value) == Some(PLACEHOLDER.as_bytes()))
    }

    /// Whether `Authorization` holds what stands for somebody by itself: anything but a token.
    pub fn has_login(&self) -> bool {
        self.authorization()
            .is_some_and(|value| bearer_token(value).is_none())
    }

    /// Whether `Authorization` may go to an upstream for which the client has this identity.
    ///
    /// Bearer tokens were given for what they are used for; a login was stored for a Host (design §4).
    pub fn credentials(&self, identity: Identity) -> Credentials<'static> {
        if self.has_placeholder() || (identity == Identity::Anonymous && self.has_login()) {
            Credentials::Withheld
        } else {
            Credentials::Sent
        }
    }
}

/// What follows `Bearer` in an `Authorization`, whose scheme has no case; `None` under any other (RFC 9110 §11.4).
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let end = value.iter().position(|&b| b == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at(end);
    scheme
        .eq_ignore_ascii_case(b"bearer")
        .then(|| rest.trim_ascii())
}

impl Proxy {
    /// What every request must pass, whatever it asks.
    pub fn check(&self, request: &Request<'_>) -> Result<(), Answer> {
        let is_client = request.peer.entrance == Entrance::Clients;
        if is_client && !self.serves(request.peer.address) {
            let why = format_args!(
                "{} is not a client that is served here (--allow-client, --deny-client)",
                request.peer.address
            );
            return Err(Answer::fatal(403, "DENIED", why));
        }
        if request
            .head
            .fields
            .elements("via")
            .any(|hop| hop.ends_with(self.shared.via.as_bytes()))
        {
            return Err(Answer::error(
                508,
                "UNSUPPORTED",
                "the request comes from here: an upstream leads back to docxy",
            ));
        }
        Ok(())
    }

    /// Where a request goes.
    pub fn route(&self, request: &Request<'_>) -> Result<Route, RouteError> {
        let asked = Asked {
            method: request.head.method(),
            target: request.target,
            host: request.authority,
        };
        match request.peer.entrance {
            Entrance::Clients => route::route(&asked, &self.shared.table, &self.shared.access),
            Entrance::Admin => route::of_admin(&asked),
        }
    }

    /// A path of an upstream.
    pub fn target(&self, upstream: UpstreamId, path_and_query: String) -> Target {
        let origin = self.shared.table.get(upstream).origin.clone();
        Target {
            origin,
            path_and_query,
        }
    }

    /// Whether docxy goes by this name: what an absolute request target may have (RFC 9112 §3.2.2).
    pub fn answers_to(&self, authority: &Authority) -> bool {
        let is_public = self
            .shared
            .public_url
            .as_ref()
            .is_some_and(|url| *url.host() == authority.host);
        let is_localhost = matches!(&authority.host, Host::Name(name) if &**name == "localhost");
        is_public
            || is_localhost
            || self.shared.table.find_host(&authority.host).is_some()
            || self.shared.table.find(&authority.to_string()).is_some()
    }

    /// The realm that a client is to ask instead of an upstream's own; it keeps the realm's query.
    pub fn realm_for(
        &self,
        request: &Request<'_>,
        upstream: UpstreamId,
        bearer: &Bearer,
    ) -> String {
        let table = &self.shared.table;
        let host = request
            .authority
            .map(|authority| authority.host.to_string());
        // The public URL names one Host for all; that the client came to one of the upstream's own must not be lost on it.
        let is_own = |host: &String| table.find_alias(host) == Some(upstream);
        let alias = host.filter(|host| self.shared.public_url.is_some() && is_own(host));
        let name = alias.as_ref().unwrap_or(&table.get(upstream).name);
        let name = name.replace('[', "%5B").replace(']', "%5D");
        let query = bearer
            .realm
            .split_once('?')
            .map(|(_, query)| query.split('#').next().unwrap_or_default());
        let realm = self.own_realm(request, &format!("/auth/{name}/token"));
        match query {
            Some(query) if !query.is_empty() => format!("{realm}?{query}"),
            _ => realm,
        }
    }

    /// An URL of docxy's own as this client reaches it: as the operator says, else as a trusted proxy says, else as the
    /// client says.
    pub fn own_realm(&self, request: &Request<'_>, path: &str) -> String {
        match (&self.shared.public_url, request.reached_as) {
            (Some(url), _) => format!("{url}{path}"),
            (None, Some(authority)) => {
                format!("{}://{authority}{path}", request.peer.scheme.as_str())
            }
            (None, None) => format!(
                "{}://{}{path}",
                request.peer.scheme.as_str(),
                request.peer.local
            ),
        }
    }

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
            metrics.answered(trace.kind, trace.first_byte, done.duration);
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
            duration: done.duration,
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

    fn serves(&self, client: IpAddr) -> bool {
        let is_in = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&client));
        let (allowed, denied) = (&self.shared.allow_client, &self.shared.deny_client);
        (allowed.is_empty() || is_in(allowed)) && !is_in(denied)
    }
}
