//! The upstreams and who may pull what from them: their entries, and what is set beside these.

use super::fault::{Fault, Key};
use super::settings::Settings;
use super::upstreams::{self, UpstreamSettings};
use super::values::read_each;
use crate::registry::access::Access;
use crate::registry::table::Table;

/// The upstreams without what a flag says in its place.
pub(super) fn without_overridden(settings: &Settings) -> Vec<UpstreamSettings> {
    let mut upstreams = settings.upstream.clone();
    for upstream in &mut upstreams {
        if !settings.upstream_alias.is_empty() {
            upstream.aliases.clear();
        }
        if !settings.realm_host.is_empty() {
            upstream.realm_host = None;
        }
        if !settings.allow.is_empty() {
            upstream.allow = None;
        }
        if !settings.deny.is_empty() {
            upstream.deny.clear();
        }
    }
    upstreams
}

/// The table of the upstreams, with their aliases and mounts.
pub(super) fn table(settings: &Settings, upstreams: &[UpstreamSettings]) -> Result<Table, Fault> {
    let mut table = upstreams::table(upstreams)?;
    for (key, name, host) in pairs("upstream_alias", &settings.upstream_alias)? {
        let added = table.add_alias(name, host);
        added.map_err(|error| key.fault(&error))?;
    }
    for (key, name, host) in pairs("realm_host", &settings.realm_host)? {
        let set = table.set_realm_host(name, host);
        set.map_err(|error| key.fault(&error))?;
    }
    read_each("mount", &settings.mount, |text| {
        table.add_mount(text).map_err(|error| error.to_string())
    })?;
    Ok(table)
}

/// Which repositories may pass.
pub(super) fn access(
    settings: &Settings,
    upstreams: &[UpstreamSettings],
    table: &Table,
) -> Result<Access, Fault> {
    let mut access = upstreams::access(upstreams, table)?;
    let allowed = access.allow_only(&settings.allow, table);
    allowed.map_err(|error| Key::of("allow").fault(&error))?;
    let denied = access.deny_also(&settings.deny, table);
    denied.map_err(|error| Key::of("deny").fault(&error))?;
    if settings.catalog {
        access.show_catalogs();
    }
    Ok(access)
}

/// What is set as `NAME=HOST`.
fn pairs<'a>(
    name: &'static str,
    texts: &'a [String],
) -> Result<Vec<(Key, &'a str, &'a str)>, Fault> {
    let key = Key::of(name);
    let split = |text: &'a String| match text.split_once('=') {
        Some((name, value)) => Ok((key, name, value)),
        None => Err(key.fault(&format_args!("{text:?} is not NAME=HOST"))),
    };
    texts.iter().map(split).collect()
}
