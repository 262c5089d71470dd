//! What is asked for under a mount: path and query go to its origin as they are, as far as the rules of the upstreams there
//! let them.

#[cfg(test)]
mod tests;

use super::super::access::Access;
use super::super::name;
use super::super::table::Table;
use super::super::table::mounts::{Mount, MountId};
use super::content::{CATALOG, Kind, check_reference, split_content};
use super::error::RouteError;
use super::sound::is_sound_mounted_path;
use crate::http::uri::{Target, split_query};

/// A request for what an origin has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// By which mount.
    pub mount: MountId,
    /// Path and query there, byte for byte.
    pub path_and_query: String,
    /// Which part of a repository, if the path is that of one.
    pub kind: Option<Kind>,
    /// What the origin is asked as.
    pub role: Role,
}

/// What an origin is asked as; by that a client's credentials pass or do not.
///
/// An engine that follows a redirect within one host takes its credentials along, and all mounts are on one host. So they
/// pass only where registries and token servers ask for them, and never to where layers lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A registry, by a path under `/v2/`: logins and tokens.
    Registry,
    /// A token server, by a query that names a service or a scope: logins.
    Tokens,
    /// A store, or whatever else: nothing.
    Store,
}

impl Role {
    fn of(path: &str, query: &str) -> Role {
        let parameters = query.strip_prefix('?').unwrap_or_default();
        let asks =
            |parameter: &str| parameter.starts_with("service=") || parameter.starts_with("scope=");
        if path == "/v2" || path.starts_with("/v2/") {
            Role::Registry
        } else if parameters.split('&').any(asks) {
            Role::Tokens
        } else {
            Role::Store
        }
    }
}

/// Finds what is asked for under a mount; `rest` is what follows its prefix.
pub(super) fn under(
    mount: MountId,
    rest: &str,
    query: &str,
    table: &Table,
    access: &Access,
) -> Result<Mounted, RouteError> {
    let path = if rest.is_empty() { "/" } else { rest };
    if !is_sound_mounted_path(path) {
        return Err(RouteError::Malformed);
    }
    let content = content_of(path);
    check(table.mounts().get(mount), path, content, access)?;
    Ok(Mounted {
        mount,
        path_and_query: [path, query].concat(),
        kind: content.map(|(kind, _)| kind),
        role: Role::of(path, query),
    })
}

/// What is mounted, as clients reach it.
#[derive(Clone, Copy, Debug)]
pub struct MountView<'a> {
    /// The mounts.
    pub table: &'a Table,
    /// What may pass there.
    pub access: &'a Access,
    /// Scheme, host and port by which the client reaches docxy.
    pub base: &'a str,
}

impl MountView<'_> {
    /// What lies at a target, and the URL by which the client gets it; `None` if it is not mounted, or would be refused.
    pub fn reference(&self, target: &Target) -> Option<(Mounted, String)> {
        let mounts = self.table.mounts();
        let mount = mounts.of(&target.origin)?;
        let (path, query) = split_query(&target.path_and_query);
        let mounted = under(mount, path, query, self.table, self.access).ok()?;
        let path = [&mounts.get(mount).prefix, path].concat();
        // A longer prefix may begin with this one and lead elsewhere.
        let is_found = mounts.find(&path).is_some_and(|(found, _)| found == mount);
        is_found.then(|| (mounted, [self.base, &path, query].concat()))
    }
}

/// Kind and repository of a path that asks for a part of a repository.
fn content_of(path: &str) -> Option<(Kind, &str)> {
    let (kind, repository, tail) = split_content(path.strip_prefix("/v2/")?)?;
    let is_sound = name::is_repository(repository) && check_reference(kind, tail).is_ok();
    is_sound.then_some((kind, repository))
}

/// Lets pass what one of the upstreams at the origin lets pass. Where all have rules that is `/v2/` and their repositories:
/// of any other path it cannot be known what it holds.
fn check(
    mount: &Mount,
    path: &str,
    content: Option<(Kind, &str)>,
    access: &Access,
) -> Result<(), RouteError> {
    if path.strip_prefix("/v2/") == Some(CATALOG) && !access.shows_catalogs() {
        return Err(RouteError::NotFound);
    }
    let mut refused = None;
    for &upstream in &mount.upstreams {
        let checked = match content {
            _ if matches!(path, "/v2" | "/v2/") => Ok(()),
            Some((_, repository)) => access.check(upstream, repository),
            None => access.check_all(upstream),
        };
        match checked {
            Ok(()) => return Ok(()),
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    let what = content.map_or(path, |(_, repository)| repository);
    match refused {
        Some(refusal) => Err(RouteError::Denied(what.to_owned(), refusal.clone())),
        None => Ok(()),
    }
}
