//! What a client asks for under a mount, worked out apart from how docxy does it.

use super::super::{MOUNTED, MOUNTS};

/// Where a request has to go, and as what.
pub(super) struct Mounted {
    /// The mount's origin.
    pub(super) origin: &'static str,
    /// Path and query there.
    pub(super) path_and_query: String,
}

impl Mounted {
    /// What a request's target asks for; `None` if that is under no mount.
    pub(super) fn of(target: &str, options: &[u8]) -> Option<Mounted> {
        if !options.contains(&MOUNTS) {
            return None;
        }
        let without_host = match target.split_once("://") {
            Some((scheme, rest)) if !scheme.contains('/') => &rest[rest.find('/')?..],
            _ => target,
        };
        let (prefix, origin) = MOUNTED
            .into_iter()
            .find(|(prefix, _)| is_under(without_host, prefix))?;
        let rest = &without_host[prefix.len()..];
        let slash = if rest.starts_with('/') { "" } else { "/" };
        Some(Mounted {
            origin,
            path_and_query: [slash, rest].concat(),
        })
    }

    /// Whether a login may go there: it is for registries and token servers, not for stores.
    pub(super) fn may_have_login(&self) -> bool {
        let (path, query) = match self.path_and_query.split_once('?') {
            Some((path, query)) => (path, query),
            None => (self.path_and_query.as_str(), ""),
        };
        let asks = |part: &str| part.starts_with("scope=") || part.starts_with("service=");
        path == "/v2" || path.starts_with("/v2/") || query.split('&').any(asks)
    }
}

fn is_under(target: &str, prefix: &str) -> bool {
    let rest = target.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}
