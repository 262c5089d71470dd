//! Where upstreams give out tokens, as their challenges have taught.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::http::uri::{Scheme, Target, split_query};
use crate::registry::challenge::{Bearer, bearers};
use crate::registry::reach::Reach;
use crate::registry::table::{Table, UpstreamId};
use crate::upstream::reply::Reply;

use super::open::Open;

/// Services that one upstream's realms are remembered for; Nexus has one for each of its repositories.
const MAX_SERVICES: usize = 64;

/// The realms of all upstreams, by service.
#[derive(Debug)]
pub struct Realms {
    known: Mutex<Vec<Known>>,
}

/// What is known of one upstream.
#[derive(Clone, Debug, Default)]
struct Known {
    learned: Vec<Learned>,
    /// What needs no token, while nothing has been learned.
    open: Open,
}

/// What a challenge has taught.
#[derive(Clone, Debug)]
struct Learned {
    service: Option<String>,
    /// A realm that docxy will not ask is remembered with the reason.
    realm: Result<Realm, String>,
}

/// Where tokens for an upstream are given out.
#[derive(Clone, Debug)]
pub struct Realm {
    /// Whom to ask; its query is apart.
    pub target: Target,
    /// The realm's own query.
    pub query: Option<String>,
    /// The service that the challenge names.
    pub service: Option<String>,
    /// The widest class of address that may be asked; `None` where the operator has named the host.
    pub reach: Option<Reach>,
}

impl Realms {
    /// No realm of so many upstreams.
    pub fn new(upstreams: usize) -> Realms {
        Realms {
            known: Mutex::new(vec![Known::default(); upstreams]),
        }
    }

    /// What is known of those upstreams of `before` that are in `table` as they were.
    pub fn carried_over(&self, before: &Table, table: &Table) -> Realms {
        let known = self.lock();
        let of = |id| {
            let same = before.counterpart(table, id);
            let known = same.and_then(|old| known.get(old.index()));
            known.cloned().unwrap_or_default()
        };
        Realms {
            known: Mutex::new(table.ids().map(of).collect()),
        }
    }

    /// Learns from a 401 that the upstream itself has given for `asked`.
    pub fn learn(&self, table: &Table, upstream: UpstreamId, reply: &Reply, asked: &Target) {
        let challenges = reply
            .head
            .fields
            .all("www-authenticate")
            .filter_map(|value| bearers(value).ok())
            .flatten();
        for bearer in challenges {
            let realm = Realm::new(table, upstream, &bearer, asked, reply.answered_from());
            self.remember(
                upstream,
                Learned {
                    service: bearer.service,
                    realm,
                },
            );
        }
    }

    fn remember(&self, upstream: UpstreamId, learned: Learned) {
        let mut all = self.lock();
        let Some(known) = all.get_mut(upstream.index()) else {
            return;
        };
        known.open.forget();
        let services = &mut known.learned;
        services.retain(|other| other.service != learned.service);
        if services.len() >= MAX_SERVICES {
            services.remove(0);
        }
        services.push(learned);
    }

    /// Remembers for a while that an upstream wants no token for a repository, or for none, unless it wants any by now.
    pub fn note_open(&self, upstream: UpstreamId, repository: Option<&str>, now: Instant) {
        let mut all = self.lock();
        let known = all.get_mut(upstream.index());
        if let Some(known) = known.filter(|known| known.learned.is_empty()) {
            known.open.note(repository, now);
        }
    }

    /// Whether that is remembered.
    pub fn is_open(&self, upstream: UpstreamId, repository: Option<&str>, now: Instant) -> bool {
        let all = self.lock();
        let known = all.get(upstream.index());
        known.is_some_and(|known| known.open.has(repository, now))
    }

    /// The realm for a service, or the one learned last where the client names none.
    pub fn find(
        &self,
        upstream: UpstreamId,
        service: Option<&str>,
    ) -> Option<Result<Realm, String>> {
        let all = self.lock();
        let known = &all.get(upstream.index())?.learned;
        let found = match service {
            Some(service) => known
                .iter()
                .find(|learned| learned.service.as_deref() == Some(service)),
            None => known.last(),
        };
        found.map(|learned| learned.realm.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Realm {
    /// Checks a realm that an upstream at an address of class `from` has announced.
    fn new(
        table: &Table,
        upstream: UpstreamId,
        bearer: &Bearer,
        asked: &Target,
        from: Reach,
    ) -> Result<Realm, String> {
        let upstream = table.get(upstream);
        let target = asked
            .resolve(bearer.realm.as_bytes())
            .map_err(|error| format!("its realm is malformed: {error}"))?;
        let named = target.origin.authority();
        let is_named = upstream
            .realm_host
            .as_ref()
            .is_some_and(|host| *host == named);
        if upstream.realm_host.is_some() && !is_named {
            return Err(format!(
                "its realm is at {named}, which is not the host that --realm-host names"
            ));
        }
        if (upstream.origin.scheme(), target.origin.scheme()) == (Scheme::Https, Scheme::Http) {
            return Err(format!("its realm at {named} is not https"));
        }
        let reach = if is_named || target.origin == upstream.origin {
            None
        } else {
            Some(from)
        };
        let (path, query) = split_query(&target.path_and_query);
        let query = query
            .strip_prefix('?')
            .filter(|query| !query.is_empty())
            .map(str::to_owned);
        let target = Target {
            origin: target.origin.clone(),
            path_and_query: path.to_owned(),
        };
        Ok(Realm {
            target,
            query,
            service: bearer.service.clone(),
            reach,
        })
    }
}
