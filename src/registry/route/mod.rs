//! Where a request goes: the one way from a method, a target and a Host to an upstream and its own path.
//!
//! Everything in a target comes from a stranger. What passes here holds names, tags and digests of the distribution
//! grammar only, and a query without control bytes. `sound` is what any target must be, [`place`] how a client names an
//! upstream, [`content`] what it asks for there, [`mounted`] what it asks for of an origin that is mounted.

pub mod content;
pub mod error;
mod method;
pub mod mounted;
pub mod place;
mod sound;
#[cfg(test)]
mod tests;

use core::fmt;

use self::content::Chosen;
pub use self::content::{Catalog, Content, Kind};
pub use self::error::RouteError;
pub use self::method::Method;
use self::method::{ASKING_FOR_A_TOKEN, READING};
pub use self::mounted::Mounted;
pub use self::place::Place;
use self::place::find_encoded;
use self::sound::{is_sound_path, is_sound_query};
use super::access::Access;
use super::identity::Identity;
use super::table::{Table, UpstreamId};
use crate::http::uri::{Authority, split_query};

/// What decides where a request goes.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method as it was sent.
    pub method: &'a [u8],
    /// Path and query as they were sent.
    pub target: &'a str,
    /// The Host, or the authority of an absolute target.
    pub host: Option<&'a Authority>,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/health`
    Health,
    /// `/ready`
    Ready,
    /// `/ca.crt`
    Ca,
    /// `/metrics`, which only the operator's own listener has.
    Metrics,
    /// `/v2/` of one upstream.
    Ping {
        /// Whose.
        upstream: UpstreamId,
        /// How it was named.
        place: Place,
    },
    /// `/v2/` of several upstreams, which docxy answers itself.
    SharedPing,
    /// A token endpoint.
    Token(TokenRoute),
    /// A manifest, a blob, tags or referrers.
    Content(Content),
    /// The names of an upstream's repositories.
    Catalog(Catalog),
    /// What lies at a mounted origin.
    Mounted(Mounted),
}

/// A request for a token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRoute {
    /// The upstream of `/auth/<name>/token`; `None` where the scopes choose it, else the Host, else it is the default one.
    pub upstream: Option<UpstreamId>,
    /// The upstream that the Host chooses, or that the Host chose where the client was challenged.
    pub by_host: Option<UpstreamId>,
    /// The query without its `?`, as it was sent. It may hold secrets.
    pub query: String,
    /// Whether there are several upstreams and the Host chooses none of them.
    pub shared: bool,
}

impl TokenRoute {
    /// Who the client is for the upstream that was chosen in the end.
    pub fn identity(&self, table: &Table, chosen: UpstreamId) -> Identity {
        Identity::of(table, self.by_host, chosen)
    }
}

impl fmt::Debug for TokenRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRoute")
            .field("upstream", &self.upstream)
            .field("by_host", &self.by_host)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

/// Finds where a request goes.
///
/// Looks nothing up but `table`, and lets nothing pass that `access` does not.
pub fn route(asked: &Asked<'_>, table: &Table, access: &Access) -> Result<Route, RouteError> {
    let (path, query) = split_query(asked.target);
    check_method(asked.method, path)?;
    if !is_sound_query(query) {
        return Err(RouteError::Malformed);
    }
    if let Some((mount, rest)) = table.mounts().find(path) {
        return mounted::under(mount, rest, query, table, access).map(Route::Mounted);
    }
    if !is_sound_path(path) {
        return Err(RouteError::Malformed);
    }
    let by_host = asked.host.and_then(|host| table.find_host(&host.host));
    let token = |upstream, by_host: Option<UpstreamId>| {
        Ok(Route::Token(TokenRoute {
            upstream,
            by_host,
            query: query.strip_prefix('?').unwrap_or(query).to_owned(),
            shared: table.is_shared() && by_host.is_none(),
        }))
    };
    match path {
        "/health" => Ok(Route::Health),
        "/ready" => Ok(Route::Ready),
        "/ca.crt" => Ok(Route::Ca),
        "/token" | "/auth/token" => token(None, by_host),
        _ => match (path.strip_prefix("/v2"), token_owner(path)) {
            (Some(rest), _) if rest.is_empty() || rest.starts_with('/') => {
                Chosen::from(rest, query, by_host, table)?.route(table, access)
            }
            (_, Some(owner)) => {
                let upstream = find_encoded(owner, table)?;
                // A realm that is called by an alias was given on a Host of the upstream's own, and so was the login.
                token(Some(upstream), table.find_alias(owner).or(by_host))
            }
            _ => Err(RouteError::NotFound),
        },
    }
}

/// Finds where a request on the operator's own listener goes: nothing that clients may ask is there.
pub fn of_admin(asked: &Asked<'_>) -> Result<Route, RouteError> {
    let (path, _) = split_query(asked.target);
    check_method(asked.method, path)?;
    match path {
        "/metrics" => Ok(Route::Metrics),
        "/health" => Ok(Route::Health),
        "/ready" => Ok(Route::Ready),
        _ => Err(RouteError::NotFound),
    }
}

/// The `ns` of a target that leads nowhere, decoded, if a request with it would have an answer in that namespace.
pub fn namespace(target: &str, table: &Table) -> Option<String> {
    let (path, query) = split_query(target);
    let rest = path.strip_prefix("/v2")?;
    let is_under = rest.is_empty() || rest.starts_with('/');
    if !is_under || table.mounts().find(path).is_some() {
        return None;
    }
    Chosen::from(rest, query, None, table).ok()?.namespace()
}

fn check_method(method: &[u8], path: &str) -> Result<(), RouteError> {
    let is_token = matches!(path, "/token" | "/auth/token") || token_owner(path).is_some();
    match Method::parse(method) {
        Some(Method::Get | Method::Head) => Ok(()),
        Some(Method::Post) if is_token => Ok(()),
        _ => Err(RouteError::Method {
            allowed: if is_token {
                ASKING_FOR_A_TOKEN
            } else {
                READING
            },
        }),
    }
}

/// `<name>` of `/auth/<name>/token`.
fn token_owner(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/auth/")?.strip_suffix("/token")?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}
