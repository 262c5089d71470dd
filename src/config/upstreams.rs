//! What is set for an upstream: a `--upstream`, or an entry of `upstream` in the configuration file.

use std::fmt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::Config;
use super::fault::{Fault, Key};
use super::lists::{one_or_many, proxy};
use crate::account::AccountSettings;
use crate::account::secret::SecretSource;
use crate::egress::local::Family;
use crate::registry::access::{Access, AccessError, Refusal, RefuseAs};
use crate::registry::table::{Table, TableError, Upstream, UpstreamId};

/// One upstream, or all the well-known ones. A string stands for a table that has nothing but its `url`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamSettings {
    /// What clients call it; its URL's host and port, or its well-known name, if this is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it answers, as after `--upstream`; what the name stands for, if this is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Other hosts by which clients ask for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The only host that may be its token realm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm_host: Option<String>,
    /// Its repositories that may pass; all if this is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// Its repositories that may not pass, whatever allows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// In whose name those are served who have no credentials of their own for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The file with the password of `username`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The variable with the password of `username`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// Whether it may see a login that a client keeps for a Host which several upstreams share; if no upstream says so, the
    /// default one alone may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_logins: Option<bool>,
    /// The proxy through which it is reached, or `direct`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "proxy")]
    pub proxy: Option<String>,
    /// Who docxy is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_username: Option<String>,
    /// The file with the password of `proxy_username`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_password_file: Option<PathBuf>,
    /// The variable with the password of `proxy_username`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_password_env: Option<String>,
    /// The source addresses of connections to it, at most one of each family.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_many"
    )]
    pub bind: Vec<String>,
    /// The only family by which it is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Files of roots that are trusted for it, beside those for all.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_many"
    )]
    pub ca: Vec<PathBuf>,
    /// Under which error a repository is refused that may not pass.
    #[serde(skip_serializing_if = "is_default")]
    pub refuse_as: RefuseAs,
    /// What is said then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refuse_message: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl From<String> for UpstreamSettings {
    fn from(url: String) -> UpstreamSettings {
        UpstreamSettings {
            url: Some(url),
            ..UpstreamSettings::default()
        }
    }
}

/// Reads a list whose entries are strings or tables.
pub(super) fn read_list<'de, D: Deserializer<'de>>(
    list: D,
) -> Result<Vec<UpstreamSettings>, D::Error> {
    let entries: Vec<Entry> = Vec::deserialize(list)?;
    Ok(entries.into_iter().map(|Entry(entry)| entry).collect())
}

struct Entry(UpstreamSettings);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(entry: D) -> Result<Entry, D::Error> {
        entry.deserialize_any(EntryVisitor).map(Entry)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = UpstreamSettings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an upstream: a string, or a table")
    }

    fn visit_str<E>(self, url: &str) -> Result<UpstreamSettings, E> {
        Ok(url.to_owned().into())
    }

    fn visit_map<M: MapAccess<'de>>(self, table: M) -> Result<UpstreamSettings, M::Error> {
        UpstreamSettings::deserialize(MapAccessDeserializer::new(table))
    }
}

impl UpstreamSettings {
    fn upstreams(&self) -> Result<Vec<Upstream>, TableError> {
        match (&self.name, &self.url) {
            (Some(name), Some(url)) => Ok(vec![Upstream::named(name, url)?]),
            (Some(one), None) | (None, Some(one)) => Upstream::parse(one),
            (None, None) => Err(TableError::Empty),
        }
    }

    fn account(&self, entry: Key) -> Result<Option<AccountSettings>, Fault> {
        let (file, variable) = (&self.password_file, &self.password_env);
        let password = password(file, variable, entry.field("password_env"))?;
        match (&self.username, password) {
            (Some(username), Some(password)) => {
                if username.is_empty() || username.contains([':', '\n', '\r']) {
                    let why = "it cannot be a user's name: it is empty, or has a ':' or a line end";
                    return Err(entry.field("username").fault(&why));
                }
                Ok(Some(AccountSettings {
                    username: username.clone(),
                    password,
                }))
            }
            (Some(_), None) => Err(entry.field("username").fault(
                &"it has no password; name its file with password_file, or a variable with password_env",
            )),
            (None, Some(_)) => Err(entry.fault(
                &"there is a password and no user; name the user with username",
            )),
            (None, None) => Ok(None),
        }
    }

    /// Whether more is said than which upstream it is.
    fn has_more(&self) -> bool {
        let which = UpstreamSettings {
            name: self.name.clone(),
            url: self.url.clone(),
            ..UpstreamSettings::default()
        };
        *self != which
    }

    /// Whether this is a table of its own, and not just a name among others.
    fn is_entry(&self) -> bool {
        self.name.is_some() || self.has_more()
    }

    /// The upstream that this names, if it is one.
    fn only(&self, table: &Table) -> Option<UpstreamId> {
        match &self.upstreams().ok()?[..] {
            [upstream] => table.find(&upstream.name),
            _ => None,
        }
    }

    /// What a configuration says of an upstream.
    pub fn of(config: &Config, id: UpstreamId) -> UpstreamSettings {
        let (table, access) = (&config.table, &config.access);
        let account = config.accounts.get(id.index()).and_then(Option::as_ref);
        let password = account.map(|account| &account.password);
        let upstream = table.get(id);
        let (allow, deny) = access.globs(id);
        let refusal = access.refusal(id);
        let is_shut = allow.is_some_and(<[String]>::is_empty);
        let nothing = ["**".to_owned()];
        let deny = if is_shut { &nothing } else { deny };
        UpstreamSettings {
            name: Some(upstream.name.clone()),
            url: Some(upstream.origin.to_string()),
            aliases: upstream.aliases.clone(),
            realm_host: upstream.realm_host.as_ref().map(ToString::to_string),
            allow: allow.filter(|_| !is_shut).map(<[String]>::to_vec),
            deny: deny.to_vec(),
            username: account.map(|account| account.username.clone()),
            password_file: password.and_then(SecretSource::file).cloned(),
            password_env: password.and_then(SecretSource::variable).map(str::to_owned),
            client_logins: upstream.client_logins,
            refuse_as: refusal.refuse_as,
            refuse_message: refusal.message,
            ..config.reaching.entry(id, &upstream.origin)
        }
    }
}

/// Where a password is, if one is given; `key` is the variable's.
pub(super) fn password(
    file: &Option<PathBuf>,
    variable: &Option<String>,
    key: Key,
) -> Result<Option<SecretSource>, Fault> {
    match (file, variable) {
        (Some(path), None) => Ok(Some(SecretSource::File(path.clone()))),
        (None, Some(name)) => Ok(Some(SecretSource::Variable(name.clone()))),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(key.fault(&"a file is named for it too; take one of the two")),
    }
}

/// The table of all upstreams, with what is set for each.
pub(super) fn table(all: &[UpstreamSettings]) -> Result<Table, Fault> {
    let mut upstreams = Vec::new();
    for (at, settings) in all.iter().enumerate() {
        let entry = Key::item("upstream", at);
        let found = settings.upstreams().map_err(|error| match error {
            TableError::Empty => entry.fault(&"it has neither a name nor a url; give it one"),
            error => entry.fault(&error),
        })?;
        if found.len() > 1 && settings.has_more() {
            return Err(entry.fault(
                &"what is set in it is for one upstream, and it names several; give each an entry",
            ));
        }
        upstreams.extend(found);
    }
    let key = Key::of("upstream");
    let mut table = Table::new(upstreams).map_err(|error| key.fault(&error))?;
    one_entry_each(all, &table)?;
    for (entry, name, settings) in each(all) {
        for host in &settings.aliases {
            let added = table.add_alias(&name, host);
            added.map_err(|error| entry.field("aliases").fault(&error))?;
        }
        if let Some(may_see) = settings.client_logins {
            let set = table.set_client_logins(&name, may_see);
            set.map_err(|error| entry.field("client_logins").fault(&error))?;
        }
        if let Some(host) = &settings.realm_host {
            let set = table.set_realm_host(&name, host);
            set.map_err(|error| entry.field("realm_host").fault(&error))?;
        }
    }
    Ok(table)
}

/// An upstream may be named again, but has one entry: of two, each could undo what the other says.
fn one_entry_each(all: &[UpstreamSettings], table: &Table) -> Result<(), Fault> {
    let mut seen = Vec::new();
    for (at, settings) in all.iter().enumerate() {
        let Some(id) = settings.only(table).filter(|_| settings.is_entry()) else {
            continue;
        };
        if seen.contains(&id) {
            let name = &table.get(id).name;
            return Err(Key::item("upstream", at).fault(&format_args!(
                "{name:?} has an entry before this one; put what both say into one of them"
            )));
        }
        seen.push(id);
    }
    Ok(())
}

/// The accounts of the upstreams, by their places in the table.
pub(super) fn accounts(
    all: &[UpstreamSettings],
    table: &Table,
) -> Result<Vec<Option<AccountSettings>>, Fault> {
    let mut accounts = vec![None; table.ids().count()];
    for (entry, name, settings) in each(all) {
        if let (Some(id), Some(account)) = (table.find(&name), settings.account(entry)?) {
            accounts[id.index()] = Some(account);
        }
    }
    Ok(accounts)
}

/// What of each upstream may pass.
pub(super) fn access(all: &[UpstreamSettings], table: &Table) -> Result<Access, Fault> {
    let mut access = Access::open(table);
    for (entry, name, settings) in each(all) {
        let Some(id) = table.find(&name) else {
            continue;
        };
        let fault = |field, error: AccessError| entry.field(field).fault(&error);
        if settings.allow.as_ref().is_some_and(Vec::is_empty) {
            return Err(entry.field("allow").fault(
                &"it is empty; leave it out to let all pass, or write deny = [\"**\"] to let nothing pass",
            ));
        }
        for glob in settings.allow.iter().flatten() {
            let allowed = access.allow(id, glob, table);
            allowed.map_err(|error| fault("allow", error))?;
        }
        for glob in &settings.deny {
            let denied = access.deny(id, glob, table);
            denied.map_err(|error| fault("deny", error))?;
        }
        let refusal = Refusal {
            refuse_as: settings.refuse_as,
            message: settings.refuse_message.clone(),
        };
        access.refuse(id, refusal);
    }
    Ok(access)
}

/// The entries that say more than which upstream they are, and its name.
pub(super) fn each(
    all: &[UpstreamSettings],
) -> impl Iterator<Item = (Key, String, &UpstreamSettings)> {
    let saying = all
        .iter()
        .enumerate()
        .filter(|(_, settings)| settings.has_more());
    saying.filter_map(|(at, settings)| {
        let upstream = settings.upstreams().ok()?.into_iter().next()?;
        Some((Key::item("upstream", at), upstream.name, settings))
    })
}
