//! What is asked for under `/v2/`: the upstream that is chosen, and a part of one of its repositories.

use core::ops::Range;

use memchr::memrchr_iter;

use super::super::access::Access;
use super::super::identity::Identity;
use super::super::name;
use super::super::table::{Table, UpstreamId};
use super::place::{
    Place, decode_name, find_encoded, ns_of, repository_of, split_upstream, without_ns,
};
use super::{Route, RouteError};

/// Before the repository in an upstream's paths.
const V2: &str = "/v2/";

/// The names of all repositories, after [`V2`].
pub(super) const CATALOG: &str = "_catalog";

/// The keywords between a repository and what is asked of it.
const MANIFESTS: &str = "/manifests/";
const BLOBS: &str = "/blobs/";
const REFERRERS: &str = "/referrers/";
const TAGS: &str = "/tags/list";

/// A request for a part of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Whose repository.
    pub upstream: UpstreamId,
    /// Which part.
    pub kind: Kind,
    /// Where the repository lies in the target.
    pub repository: Range<usize>,
    /// The target there: the upstream's name stripped, `library/` added, `ns` left out, the rest byte for byte.
    pub path_and_query: String,
    /// How the upstream was named.
    pub place: Place,
}

impl Content {
    /// The repository as the upstream names it.
    pub fn repository(&self) -> &str {
        &self.path_and_query[self.repository.clone()]
    }
}

/// The parts of a repository that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A manifest or an index, by tag or digest.
    Manifest,
    /// A blob, by digest.
    Blob,
    /// The list of tags.
    Tags,
    /// The manifests that refer to a digest.
    Referrers,
}

/// A request for the names of an upstream's repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// Whose.
    pub upstream: UpstreamId,
    /// The target there.
    pub path_and_query: String,
    /// How the upstream was named.
    pub place: Place,
}

/// The upstream that a request under `/v2/` is for, and what it asks there.
pub(super) struct Chosen<'a> {
    /// `None` where nothing names one of several.
    upstream: Option<UpstreamId>,
    /// What follows `/v2/` and the upstream's name.
    rest: &'a str,
    query: &'a str,
    place: Place,
}

impl<'a> Chosen<'a> {
    /// Design §3: the path, `ns`, the Host, the default upstream; the first that names one wins.
    pub(super) fn from(
        rest: &'a str,
        query: &'a str,
        by_host: Option<UpstreamId>,
        table: &Table,
    ) -> Result<Chosen<'a>, RouteError> {
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let by_path = split_upstream(rest, table);
        let mut ns = ns_of(query);
        let by_ns = match ns.map(|ns| find_encoded(ns, table)) {
            Some(Err(_)) if by_path.is_some() => {
                ns = ns.filter(|ns| decode_name(ns).is_some());
                None
            }
            found => found.transpose()?,
        };
        let named = by_path.map(|(upstream, ..)| upstream).or(by_ns).or(by_host);
        let alone = (!table.is_shared()).then(|| table.default_upstream());
        let chosen = named.or(alone);
        Ok(Chosen {
            upstream: chosen,
            rest: by_path.map_or(rest, |(_, _, rest)| rest),
            query,
            place: Place {
                prefix: by_path.map(|(_, prefix, _)| prefix.to_owned()),
                ns: ns.map(str::to_owned),
                shared: table.is_shared() && by_host.is_none(),
                identity: Identity::of(table, by_host, chosen.unwrap_or(table.default_upstream())),
                mount: None,
            },
        })
    }

    pub(super) fn namespace(&self) -> Option<String> {
        self.place.namespace()
    }

    pub(super) fn route(self, table: &Table, access: &Access) -> Result<Route, RouteError> {
        if self.rest == CATALOG {
            return self.catalog(table, access).map(Route::Catalog);
        }
        if !self.rest.is_empty() {
            return self.content(table, access).map(Route::Content);
        }
        Ok(match self.upstream {
            Some(upstream) => Route::Ping {
                upstream,
                place: self.place,
            },
            None => Route::SharedPing,
        })
    }

    /// It would show what may not pass, so it is an upstream's of which all may.
    fn catalog(self, table: &Table, access: &Access) -> Result<Catalog, RouteError> {
        let upstream = self.upstream.unwrap_or(table.default_upstream());
        if !access.shows_catalogs() {
            return Err(RouteError::NotFound);
        }
        if let Err(refusal) = access.check_all(upstream) {
            return Err(RouteError::Denied(CATALOG.to_owned(), refusal.clone()));
        }
        Ok(Catalog {
            upstream,
            path_and_query: [V2, CATALOG, &without_ns(self.query)].concat(),
            place: self.place,
        })
    }

    fn content(self, table: &Table, access: &Access) -> Result<Content, RouteError> {
        let (kind, repository, tail) = split_content(self.rest).ok_or(RouteError::NotFound)?;
        let upstream = self.upstream.unwrap_or(table.default_upstream());
        let upstream_side = repository_of(repository, upstream, table);
        if !name::is_repository(&upstream_side) {
            return Err(RouteError::Name(repository.to_owned()));
        }
        check_reference(kind, tail)?;
        if let Err(refusal) = access.check(upstream, &upstream_side) {
            return Err(RouteError::Denied(
                upstream_side.into_owned(),
                refusal.clone(),
            ));
        }
        Ok(Content {
            upstream,
            kind,
            path_and_query: [V2, &upstream_side, tail, &without_ns(self.query)].concat(),
            repository: V2.len()..V2.len() + upstream_side.len(),
            place: self.place,
        })
    }
}

/// Kind, repository and the rest of the path from its keyword on, at the last keyword.
pub(super) fn split_content(rest: &str) -> Option<(Kind, &str, &str)> {
    memrchr_iter(b'/', rest.as_bytes()).find_map(|at| {
        let (repository, tail) = rest.split_at(at);
        let kind = match tail {
            TAGS => Kind::Tags,
            _ if tail.starts_with(MANIFESTS) => Kind::Manifest,
            _ if tail.starts_with(BLOBS) => Kind::Blob,
            _ if tail.starts_with(REFERRERS) => Kind::Referrers,
            _ => return None,
        };
        Some((kind, repository, tail))
    })
}

/// Checks the tag or digest after the keyword.
pub(super) fn check_reference(kind: Kind, tail: &str) -> Result<(), RouteError> {
    let digest = |text: &str| match name::is_digest(text) {
        true => Ok(()),
        false => Err(RouteError::Digest(text.to_owned())),
    };
    match kind {
        Kind::Tags => Ok(()),
        Kind::Blob => digest(tail.strip_prefix(BLOBS).unwrap_or_default()),
        Kind::Referrers => digest(tail.strip_prefix(REFERRERS).unwrap_or_default()),
        Kind::Manifest => match tail.strip_prefix(MANIFESTS).unwrap_or_default() {
            reference if reference.contains(':') => digest(reference),
            reference if name::is_tag(reference) => Ok(()),
            reference => Err(RouteError::Tag(reference.to_owned())),
        },
    }
}
