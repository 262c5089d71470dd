//! Whose the scopes of one request are.

use std::borrow::Cow;
use std::collections::HashSet;

use super::scope::Scope;
use crate::registry::route::place::split_upstream;
use crate::registry::table::{Table, UpstreamId};

/// What scopes name by an upstream's name in front.
pub(super) struct Named<'s> {
    /// The first upstream so named.
    pub(super) upstream: Option<UpstreamId>,
    /// Its repositories as it names them; none where another upstream is named as well.
    repositories: HashSet<Cow<'s, str>>,
}

impl<'s> Named<'s> {
    pub(super) fn by(scopes: &'s [Scope<'s>], table: &Table) -> Named<'s> {
        let mut named = Named {
            upstream: None,
            repositories: HashSet::new(),
        };
        for scope in scopes {
            let Some(upstream) = named_by(scope, table) else {
                continue;
            };
            if *named.upstream.get_or_insert(upstream) != upstream {
                named.repositories.clear();
                break;
            }
            let repository = scope.repository(table, upstream);
            named.repositories.extend(repository);
        }
        named
    }

    /// The upstream of a repository's scope; `None` for another scope.
    pub(super) fn upstream_of(
        &self,
        scope: &Scope<'_>,
        table: &Table,
        by_host: Option<UpstreamId>,
    ) -> Option<UpstreamId> {
        if matches!(scope, Scope::Other) {
            return None;
        }
        let is_known = |upstream: &UpstreamId| {
            let repository = scope.repository(table, *upstream);
            repository.is_some_and(|repository| self.repositories.contains(&repository))
        };
        let chosen = named_by(scope, table)
            .or(by_host)
            .or_else(|| self.upstream.filter(is_known));
        Some(chosen.unwrap_or(table.default_upstream()))
    }
}

fn named_by(scope: &Scope<'_>, table: &Table) -> Option<UpstreamId> {
    let Scope::Repository { name, .. } = scope else {
        return None;
    };
    split_upstream(name, table).map(|(upstream, ..)| upstream)
}
