//! What every request meets: the state that requests share, the checks that all must pass, and the way to their route.

pub mod current;
pub mod discover;
pub mod dispatch;
pub(crate) mod fetch;
pub mod forward;
mod insist;
pub(crate) mod journey;
mod mount;
pub(crate) mod on_behalf;
mod open;
pub mod quota;
pub mod realm;
pub mod request;
pub mod resume;
mod scrape;
pub mod token;
pub mod trace;
pub mod unfinished;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::account::Accounts;
use crate::answer::Answer;
use crate::behind::TrustedProxies;
use crate::egress::Egresses;
use crate::http::uri::{Authority, Host, Origin, Target};
use crate::limits::admission::Admission;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::metrics::upstreams::Upstreams;
use crate::proxy::quota::Quotas;
use crate::proxy::realm::Realms;
pub use crate::proxy::request::{Entrance, Peer, Request, Response};
pub use crate::proxy::trace::{Done, Trace};
use crate::registry::access::Access;
use crate::registry::challenge::Bearer;
use crate::registry::route::{self, Asked, Route, RouteError};
use crate::registry::table::{Table, UpstreamId};
use crate::timeouts::Timeouts;
use crate::tls::handshakes::Handshakes;
use crate::upstream::Client;

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
        if request.head.fields.only("authorization").is_err() {
            let why = "it has more than one Authorization";
            return Err(Answer::fatal(400, "UNSUPPORTED", why));
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

    fn serves(&self, client: IpAddr) -> bool {
        let is_in = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&client));
        let (allowed, denied) = (&self.shared.allow_client, &self.shared.deny_client);
        (allowed.is_empty() || is_in(allowed)) && !is_in(denied)
    }
}
