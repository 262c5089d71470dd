//! The closed table of upstreams and mounts: what a client names is looked up here and never dialled.

mod error;
pub mod mounts;
mod presets;
#[cfg(test)]
mod tests;
pub mod upstream;

use core::net::IpAddr;
use std::collections::HashMap;

pub use self::error::TableError;
use self::mounts::{Mount, MountError, Mounts};
use self::presets::canonical;
pub use self::upstream::Upstream;
pub(super) use self::upstream::is_name_byte;
use self::upstream::parse_host;
use crate::http::uri::{Authority, Host, Origin};

/// An upstream's place in its [`Table`]; only a table makes one, and it is good for that table alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamId(usize);

impl UpstreamId {
    /// The place as a number, from 0, in the order in which the upstreams were given.
    pub fn index(self) -> usize {
        self.0
    }
}

/// All upstreams, and who answers to which name.
#[derive(Clone, Debug)]
pub struct Table {
    /// At least one.
    upstreams: Vec<Upstream>,
    /// Who answers to a name, in lower case; the names of Docker Hub are one.
    by_name: HashMap<Box<str>, UpstreamId>,
    /// Those of the names that are addresses, so that no address needs to be written out to be found.
    by_address: Vec<(IpAddr, UpstreamId)>,
    mounts: Mounts,
}

impl Table {
    /// A table of these upstreams; the first is the default one, and one that is given twice counts once.
    ///
    /// No upstream at all, or a name or alias that two upstreams claim, is an error. A NAME or alias wins over another
    /// upstream's URL host, and of two upstreams with one URL host the first answers to it.
    pub fn new(upstreams: Vec<Upstream>) -> Result<Table, TableError> {
        let mut table = Table {
            upstreams: Vec::new(),
            by_name: HashMap::new(),
            by_address: Vec::new(),
            mounts: Mounts::default(),
        };
        for upstream in upstreams {
            let same = |known: &&Upstream| {
                known.is_called(&upstream.name) && known.origin == upstream.origin
            };
            if upstream.aliases.is_empty() && table.upstreams.iter().any(|known| same(&known)) {
                continue;
            }
            for claimed in core::iter::once(&upstream.name).chain(&upstream.aliases) {
                table.refuse_claimed(claimed, &upstream, table.upstreams.len())?;
            }
            table.upstreams.push(upstream);
        }
        if table.upstreams.is_empty() {
            return Err(TableError::Empty);
        }
        table.index();
        Ok(table)
    }

    /// The upstreams that these texts name, for tests.
    ///
    /// # Panics
    /// If one is none, or two claim the same name.
    #[cfg(any(test, fuzzing))]
    pub fn of(texts: &[&str]) -> Table {
        let upstreams = texts
            .iter()
            .flat_map(|text| Upstream::parse(text).expect("an upstream"));
        Table::new(upstreams.collect()).expect("no name is claimed twice")
    }

    /// Lets the upstream that answers to `name` answer to `host` as well.
    pub fn add_alias(&mut self, name: &str, host: &str) -> Result<(), TableError> {
        let id = self.named(name)?;
        let host = parse_host(host)?.to_string();
        self.refuse_claimed(&host, self.get(id), id.0)?;
        self.upstreams[id.0].aliases.push(host);
        self.index();
        Ok(())
    }

    /// Notes who answers to which name.
    fn index(&mut self) {
        let mut by_name: HashMap<Box<str>, UpstreamId> = HashMap::new();
        let mut note = |name: &str, place| {
            let name = canonical(name).to_ascii_lowercase().into();
            by_name.entry(name).or_insert(UpstreamId(place));
        };
        for (place, upstream) in self.upstreams.iter().enumerate() {
            note(&upstream.name, place);
            upstream.aliases.iter().for_each(|alias| note(alias, place));
        }
        for (place, upstream) in self.upstreams.iter().enumerate() {
            hosts_of(&upstream.origin)
                .iter()
                .for_each(|host| note(host, place));
        }
        let names = by_name.iter();
        self.by_address = names
            .filter_map(|(name, &id)| match Host::parse(name) {
                Ok(Host::Address(address)) => Some((address, id)),
                _ => None,
            })
            .collect();
        self.by_name = by_name;
    }

    /// Lets no host but `host` be the token realm of the upstream that answers to `name`.
    pub fn set_realm_host(&mut self, name: &str, host: &str) -> Result<(), TableError> {
        let id = self.named(name)?;
        self.upstreams[id.0].realm_host = Some(parse_host(host)?);
        Ok(())
    }

    /// Lets a path prefix lead to an origin, which need not be an upstream's: `/PREFIX=URL`.
    pub fn add_mount(&mut self, text: &str) -> Result<(), MountError> {
        let mut mount = Mount::parse(text)?;
        let has_origin = |&id: &UpstreamId| self.get(id).origin == mount.origin;
        mount.upstream = self.ids().find(has_origin);
        // Another name of a registry, or another scheme, is no way round its rules either.
        let called = self.find(mount.origin.host_field());
        let answers = |id: &UpstreamId| has_origin(id) || called == Some(*id);
        mount.upstreams = self.ids().filter(answers).collect();
        self.mounts.add(mount)
    }

    /// The path prefixes that lead to origins.
    pub fn mounts(&self) -> &Mounts {
        &self.mounts
    }

    /// Says whether the upstream that answers to `name` may see logins that clients keep for a Host of several.
    pub fn set_client_logins(&mut self, name: &str, may_see: bool) -> Result<(), TableError> {
        let id = self.named(name)?;
        self.upstreams[id.0].client_logins = Some(may_see);
        Ok(())
    }

    /// Whether an upstream may see a login that a client keeps for a Host which several upstreams share: those that are
    /// said to may, and if none is, the default one unless it is said not to.
    pub fn may_see_logins(&self, id: UpstreamId) -> bool {
        let is_said = |upstream: &Upstream| upstream.client_logins == Some(true);
        match self.get(id).client_logins {
            Some(said) => said,
            None => id == self.default_upstream() && !self.upstreams.iter().any(is_said),
        }
    }

    /// The upstream by which a login that a client keeps for a shared Host is verified, if any may see it.
    pub fn verifies_logins(&self) -> Option<UpstreamId> {
        self.ids().find(|&id| self.may_see_logins(id))
    }

    /// Who answers to `name`: by NAME or alias, else by the URL's host and port; without case.
    pub fn find(&self, name: &str) -> Option<UpstreamId> {
        let has_case = name.bytes().any(|b| b.is_ascii_uppercase());
        let lower = has_case.then(|| name.to_ascii_lowercase());
        let name = canonical(lower.as_deref().unwrap_or(name));
        self.by_name.get(name).copied()
    }

    /// Who answers to this host, as [`Table::find`] has it.
    pub fn find_host(&self, host: &Host) -> Option<UpstreamId> {
        match host {
            Host::Name(name) => self.find(name),
            Host::Address(host) => {
                let found = self.by_address.iter().find(|(address, _)| address == host);
                found.map(|&(_, id)| id)
            }
        }
    }

    /// Whose alias this is: a host that the operator has given to one upstream alone.
    pub fn find_alias(&self, host: &str) -> Option<UpstreamId> {
        let is_it = |alias: &String| alias.eq_ignore_ascii_case(host);
        let has_it = |upstream: &Upstream| upstream.aliases.iter().any(is_it);
        self.upstreams.iter().position(has_it).map(UpstreamId)
    }

    /// The upstream for requests that name none: the first.
    pub fn default_upstream(&self) -> UpstreamId {
        UpstreamId(0)
    }

    /// The upstream at a place of this table.
    pub fn get(&self, id: UpstreamId) -> &Upstream {
        &self.upstreams[id.0]
    }

    /// Every place, in the order in which the upstreams were given.
    pub fn ids(&self) -> impl Iterator<Item = UpstreamId> {
        (0..self.upstreams.len()).map(UpstreamId)
    }

    /// The place in this table of what `other` has at `id`, if it is here as it is there.
    pub fn counterpart(&self, other: &Table, id: UpstreamId) -> Option<UpstreamId> {
        self.ids().find(|&here| self.get(here) == other.get(id))
    }

    /// Whether there is more than one upstream.
    pub fn is_shared(&self) -> bool {
        self.upstreams.len() > 1
    }

    /// `NAME` of a flag's `NAME=VALUE`.
    fn named(&self, name: &str) -> Result<UpstreamId, TableError> {
        self.find(name).ok_or_else(|| TableError::Unknown {
            name: name.to_owned(),
            known: self.names(),
        })
    }

    fn refuse_claimed(&self, claimed: &str, by: &Upstream, place: usize) -> Result<(), TableError> {
        let mut others = self
            .upstreams
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place);
        match others.find(|(_, other)| other.is_called(claimed)) {
            Some((_, other)) => Err(TableError::Claimed {
                name: claimed.to_owned(),
                first: describe(other),
                second: describe(by),
            }),
            None => Ok(()),
        }
    }

    /// The upstreams' names for a message.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self
            .upstreams
            .iter()
            .map(|upstream| upstream.name.as_str())
            .collect();
        names.join(", ")
    }
}

fn hosts_of(origin: &Origin) -> [String; 2] {
    let authority = origin.authority();
    let with_port = Authority {
        host: authority.host.clone(),
        port: Some(origin.port()),
    };
    [authority.to_string(), with_port.to_string()]
}

fn describe(upstream: &Upstream) -> String {
    format!("{} ({})", upstream.name, upstream.origin)
}
