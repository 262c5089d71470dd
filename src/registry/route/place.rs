//! How a client names an upstream: by a path component, by `ns`, by the Host, or not at all; and how the upstream names what
//! it is asked for.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::super::identity::Identity;
use super::super::table::mounts::MountId;
use super::super::table::{Table, UpstreamId, is_name_byte};
use super::RouteError;

/// How a client named the upstream, for references in answers, and who it is there.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// The path component that named it, as it was written.
    pub prefix: Option<String>,
    /// The value of `ns`, as it was written; only characters of names, raw or percent-encoded.
    pub ns: Option<String>,
    /// Whether there are several upstreams and the Host chooses none of them.
    pub shared: bool,
    /// Whether the client's credentials may go to the upstream.
    pub identity: Identity,
    /// The mount by which it came instead.
    pub mount: Option<MountId>,
}

impl Place {
    /// The value of `ns` decoded, for `OCI-Namespace`.
    pub fn namespace(&self) -> Option<String> {
        self.ns.as_deref().and_then(decode_name)
    }
}

/// A repository name as the upstream has it: Docker Hub keeps its own images under `library/`.
pub(in crate::registry) fn repository_of<'r>(
    repository: &'r str,
    upstream: UpstreamId,
    table: &Table,
) -> Cow<'r, str> {
    if !repository.contains('/') && table.get(upstream).is_docker_hub() {
        Cow::Owned(format!("library/{repository}"))
    } else {
        Cow::Borrowed(repository)
    }
}

/// Splits off the first component if it has a dot and names an upstream; the rest then has no leading slash.
pub(in crate::registry) fn split_upstream<'t>(
    name: &'t str,
    table: &Table,
) -> Option<(UpstreamId, &'t str, &'t str)> {
    let (first, rest) = name.split_once('/').unwrap_or((name, ""));
    let upstream = first.contains('.').then(|| table.find(first)).flatten()?;
    Some((upstream, first, rest))
}

/// A query, with its `?` if there is any, without its `ns` parameters.
pub(in crate::registry) fn without_ns(query: &str) -> String {
    let Some(parameters) = query.strip_prefix('?') else {
        return String::new();
    };
    let mut kept = parameters
        .split('&')
        .filter(|parameter| !is_ns(parameter))
        .peekable();
    if kept.peek().is_none() {
        return String::new();
    }
    let kept: Vec<&str> = kept.collect();
    format!("?{}", kept.join("&"))
}

fn is_ns(parameter: &str) -> bool {
    parameter == "ns" || parameter.starts_with("ns=")
}

/// The first `ns` of a query that is not empty.
pub(super) fn ns_of(query: &str) -> Option<&str> {
    let parameters = query.strip_prefix('?')?.split('&');
    let mut values = parameters.filter_map(|parameter| parameter.strip_prefix("ns="));
    values.find(|value| !value.is_empty())
}

pub(super) fn find_encoded(name: &str, table: &Table) -> Result<UpstreamId, RouteError> {
    let found = decode_name(name).and_then(|name| table.find(&name));
    found.ok_or_else(|| RouteError::UnknownName(name.to_owned()))
}

/// Percent-decodes what may be an upstream's name.
pub(super) fn decode_name(name: &str) -> Option<String> {
    let decoded: Vec<u8> = percent_decode_str(name).collect();
    let decoded = String::from_utf8(decoded).ok()?;
    decoded.bytes().all(is_name_byte).then_some(decoded)
}
