//! One registry behind docxy, as an operator names it.

use super::super::name;
use super::error::TableError;
use super::presets::{ALL, DOCKER_HUB, PRESETS, Preset, canonical};
use crate::http::uri::{Authority, Origin};

/// One registry behind docxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// What clients and the other flags call it; compared without case.
    pub name: String,
    /// Where it answers.
    pub origin: Origin,
    /// Other hosts by which clients ask for it.
    pub aliases: Vec<String>,
    /// The only host that may be its token realm, if one is set.
    pub realm_host: Option<Authority>,
    /// Whether it may see a login that a client keeps for a Host which several upstreams share, if that is said.
    pub client_logins: Option<bool>,
}

impl Upstream {
    /// Reads `[NAME=]URL`, where URL may also be a well-known name or another bare host, or `all` for all well-known ones.
    pub fn parse(text: &str) -> Result<Vec<Upstream>, TableError> {
        if text == ALL {
            return PRESETS
                .iter()
                .map(|preset| Upstream::named(preset.name, preset.url))
                .collect();
        }
        let upstream = match text.split_once('=') {
            // A `=` after a slash belongs to a path or query, which the URL's own check refuses.
            Some((name, url)) if !name.contains('/') => Upstream::named(name, url),
            _ => Upstream::unnamed(text),
        };
        Ok(vec![upstream?])
    }

    /// Whether this is Docker Hub, so that `library/` is added: by its name, not by its URL.
    pub fn is_docker_hub(&self) -> bool {
        canonical(&self.name) == DOCKER_HUB
    }

    /// The registry at `url`, which may be a well-known name or another bare host, under another name.
    pub fn named(name: &str, url: &str) -> Result<Upstream, TableError> {
        if !is_name(name) {
            return Err(TableError::Name(name.to_owned()));
        }
        Ok(Upstream {
            name: name.to_owned(),
            origin: parse_origin(url)?,
            aliases: Vec::new(),
            realm_host: None,
            client_logins: None,
        })
    }

    fn unnamed(url: &str) -> Result<Upstream, TableError> {
        match Preset::find(url) {
            Some(preset) => Upstream::named(preset.name, preset.url),
            None => Upstream::named(&parse_origin(url)?.authority().to_string(), url),
        }
    }

    /// Whether this is its name or one of its aliases, without case.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let name = canonical(name);
        let is_it = |known: &String| canonical(known).eq_ignore_ascii_case(name);
        is_it(&self.name) || self.aliases.iter().any(is_it)
    }
}

/// A URL of scheme, host and port, a well-known name, or another bare host[:port].
fn parse_origin(url: &str) -> Result<Origin, TableError> {
    let parsed = match Preset::find(url) {
        Some(preset) => Origin::parse(preset.url),
        None if url.contains("://") => Origin::parse(url),
        None => Origin::parse(&format!("https://{url}")),
    };
    parsed.map_err(|error| TableError::Url {
        url: without_userinfo(url),
        error,
    })
}

pub(super) fn parse_host(host: &str) -> Result<Authority, TableError> {
    Authority::parse(host.as_bytes()).map_err(|error| TableError::Host {
        host: without_userinfo(host),
        error,
    })
}

/// A password that was put into a URL by mistake must not appear in a message.
fn without_userinfo(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://...{}", &url[..scheme], &url[at..])
        }
        (None, Some(at)) => format!("...{}", &url[at..]),
        _ => url.to_owned(),
    }
}

/// A name stands in paths and in scopes: the characters of a host and port, and no dot segment.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && text.len() <= name::MAX_REPOSITORY
        && text.bytes().all(is_name_byte)
}

/// Whether a byte may stand in an upstream's name.
pub(in crate::registry) fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-' | b'[' | b']')
}
