//! The closed table of upstreams (design §3): what a client names is looked up here and never dialled.

use core::fmt;
use core::net::IpAddr;
use std::collections::HashMap;

use crate::http::uri::{Authority, Host, Origin, UriError};

/// Registries that are known by name: what clients call them, and where they answer.
const PRESETS: [(&str, &str); 8] = [
    (DOCKER_HUB, "https://registry-1.docker.io"),
    ("ghcr.io", "https://ghcr.io"),
    ("quay.io", "https://quay.io"),
    ("gcr.io", "https://gcr.io"),
    ("registry.k8s.io", "https://registry.k8s.io"),
    ("mcr.microsoft.com", "https://mcr.microsoft.com"),
    ("nvcr.io", "https://nvcr.io"),
    ("public.ecr.aws", "https://public.ecr.aws"),
];

/// The name of Docker Hub in image references.
const DOCKER_HUB: &str = "docker.io";

/// Other names of Docker Hub: the one of its logins and the one of its registry.
const DOCKER_HUB_SYNONYMS: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];

/// Stands for every preset where one upstream is asked for.
const ALL: &str = "all";

/// An upstream's place in its [`Table`]; only a table makes one, and it is good for that table alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamId(usize);

impl UpstreamId {
    /// The place as a number, from 0, in the order in which the upstreams were given.
    pub fn index(self) -> usize {
        self.0
    }
}

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
                .map(|(name, url)| Upstream::named(name, url))
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
        match preset(url) {
            Some((name, url)) => Upstream::named(name, url),
            None => Upstream::named(&parse_origin(url)?.authority().to_string(), url),
        }
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

impl Upstream {
    fn is_called(&self, name: &str) -> bool {
        let name = canonical(name);
        let is_it = |known: &String| canonical(known).eq_ignore_ascii_case(name);
        is_it(&self.name) || self.aliases.iter().any(is_it)
    }
}

/// What is wrong with the upstreams, their names or the flags about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableError {
    /// No upstream at all.
    Empty,
    /// A NAME with other characters than those of a host and port.
    Name(String),
    /// A URL that is malformed or has more than scheme, host and port.
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        error: UriError,
    },
    /// A host, with or without port, that is malformed.
    Host {
        /// As it was given.
        host: String,
        /// What is wrong with it.
        error: UriError,
    },
    /// A name that two upstreams claim.
    Claimed {
        /// The name.
        name: String,
        /// Who has it.
        first: String,
        /// Who claims it too.
        second: String,
    },
    /// A name that no upstream has.
    Unknown {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TableError::Empty => f.write_str("no upstream is given; name one, such as docker.io"),
            TableError::Name(name) => write!(
                f,
                "{name:?} cannot name an upstream; use letters, digits, '.', '_', '-' and ':', such as ghcr.io"
            ),
            TableError::Url { url, error } => write!(
                f,
                "{url:?} is no upstream, {error}; give scheme, host and port without a path, such as https://ghcr.io"
            ),
            TableError::Host { host, error } => {
                write!(
                    f,
                    "{host:?} is no host, {error}; give host or host:port, such as ghcr.io"
                )
            }
            TableError::Claimed {
                name,
                first,
                second,
            } => {
                write!(
                    f,
                    "{name:?} would name both {first} and {second}; give one of them another NAME"
                )
            }
            TableError::Unknown { name, known } => {
                write!(f, "no upstream is named {name:?}; there are {known}")
            }
        }
    }
}

impl std::error::Error for TableError {}

/// The one name for all names of Docker Hub; any other name as it is.
fn canonical(name: &str) -> &str {
    let is_hub = |synonym: &&str| synonym.eq_ignore_ascii_case(name);
    if is_hub(&DOCKER_HUB) || DOCKER_HUB_SYNONYMS.iter().any(is_hub) {
        DOCKER_HUB
    } else {
        name
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

fn preset(name: &str) -> Option<(&'static str, &'static str)> {
    let name = canonical(name);
    PRESETS
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
}

/// A URL of scheme, host and port, a well-known name, or another bare host[:port].
fn parse_origin(url: &str) -> Result<Origin, TableError> {
    let parsed = match preset(url) {
        Some((_, url)) => Origin::parse(url),
        None if url.contains("://") => Origin::parse(url),
        None => Origin::parse(&format!("https://{url}")),
    };
    parsed.map_err(|error| TableError::Url {
        url: without_userinfo(url),
        error,
    })
}

fn parse_host(host: &str) -> Result<Authority, TableError> {
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
        && text.len() <= super::name::MAX_REPOSITORY
        && text.bytes().all(is_name_byte)
}

/// Whether a byte may stand in an upstream's name.
pub(super) fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-' | b'[' | b']')
}

fn describe(upstream: &Upstream) -> String {
    format!("{} ({})", upstream.name, upstream.origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(texts: &[&str]) -> Result<Table, TableError> {
        let mut upstreams = Vec::new();
        for text in texts {
            upstreams.extend(Upstream::parse(text)?);
        }
        Table::new(upstreams)
    }

    fn found<'t>(table: &'t Table, name: &str) -> Option<&'t str> {
        table.find(name).map(|id| table.get(id).name.as_str())
    }

    #[test]
    fn upstreams_are_read() {
        let cases = [
            ("docker.io", "docker.io", "https://registry-1.docker.io"),
            (
                "index.docker.io",
                "docker.io",
                "https://registry-1.docker.io",
            ),
            ("GHCR.io", "ghcr.io", "https://ghcr.io"),
            ("hub=docker.io", "hub", "https://registry-1.docker.io"),
            (
                "docker.io=https://mirror.gcr.io",
                "docker.io",
                "https://mirror.gcr.io",
            ),
            (
                "docker.io=mirror.gcr.io",
                "docker.io",
                "https://mirror.gcr.io",
            ),
            (
                "https://harbor.corp:8443/",
                "harbor.corp:8443",
                "https://harbor.corp:8443",
            ),
            (
                "http://127.0.0.1:5100",
                "127.0.0.1:5100",
                "http://127.0.0.1:5100",
            ),
            ("harbor.corp", "harbor.corp", "https://harbor.corp"),
            (
                "harbor.corp:5000",
                "harbor.corp:5000",
                "https://harbor.corp:5000",
            ),
            ("http://harbor.corp:80", "harbor.corp", "http://harbor.corp"),
            ("http://[::1]:5000", "[::1]:5000", "http://[::1]:5000"),
            ("My_Reg-1=https://a.test", "My_Reg-1", "https://a.test"),
        ];
        for (text, name, origin) in cases {
            let parsed = Upstream::parse(text).unwrap();
            assert_eq!(parsed.len(), 1, "{text}");
            assert_eq!(
                (
                    parsed[0].name.as_str(),
                    parsed[0].origin.to_string().as_str()
                ),
                (name, origin),
                "{text}"
            );
        }
    }

    #[test]
    fn all_is_every_preset_and_docker_hub_first() {
        let all = Upstream::parse("all").unwrap();
        assert_eq!(all.len(), PRESETS.len());
        assert_eq!(all[0].name, "docker.io");
        assert!(Table::new(all).is_ok());
        let ghcr_first = table(&["ghcr.io", "all"]).unwrap();
        assert_eq!(
            ghcr_first.get(ghcr_first.default_upstream()).name,
            "ghcr.io"
        );
        assert_eq!(ghcr_first.ids().count(), PRESETS.len());
    }

    #[test]
    fn bad_upstreams_are_refused() {
        let names = [
            "=https://a.test",
            "a b=https://a.test",
            "..=https://a.test",
            "-x=https://a.test",
            "a%2f=https://b.test",
        ];
        for text in names {
            assert!(
                matches!(Upstream::parse(text), Err(TableError::Name(_))),
                "{text}"
            );
        }
        let urls = [
            "",
            "a=",
            "https://a.test/v2",
            "https://a.test/?x=y",
            "ftp://a.test",
            "https://",
            "a.test/path",
            "a..b",
            "https://a.test:0",
            "https://u:secret@a.test",
            "2130706433",
        ];
        for text in urls {
            assert!(
                matches!(Upstream::parse(text), Err(TableError::Url { .. })),
                "{text}"
            );
        }
        let message = Upstream::parse("https://u:secret@a.test")
            .unwrap_err()
            .to_string();
        assert!(!message.contains("secret"), "{message}");
        let message = Upstream::parse("u:secret@a.test").unwrap_err().to_string();
        assert!(!message.contains("secret"), "{message}");
    }

    #[test]
    fn docker_hub_is_known_by_its_name_only() {
        let cases = [
            ("docker.io", true),
            ("Docker.IO=http://127.0.0.1:5100", true),
            ("index.docker.io=https://mirror.test", true),
            ("https://registry-1.docker.io", true),
            ("hub=https://registry-1.docker.io", false),
            ("ghcr.io", false),
        ];
        for (text, expected) in cases {
            assert_eq!(
                Upstream::parse(text).unwrap()[0].is_docker_hub(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn names_are_found_without_case() {
        let mut table = table(&[
            "docker.io",
            "GHCR=https://ghcr.io",
            "http://127.0.0.1:5100",
            "https://a.test",
        ])
        .unwrap();
        table.add_alias("ghcr", "gh.corp.test").unwrap();
        table.add_alias("a.test", "[2001:DB8::1]:5000").unwrap();
        let cases = [
            ("docker.io", Some("docker.io")),
            ("Index.Docker.io", Some("docker.io")),
            ("registry-1.docker.io", Some("docker.io")),
            ("registry-1.docker.io:443", Some("docker.io")),
            ("registry-1.docker.io:5000", None),
            ("ghcr", Some("GHCR")),
            ("ghcr.io", Some("GHCR")),
            ("GHCR.IO:443", Some("GHCR")),
            ("ghcr.io:80", None),
            ("gh.corp.test", Some("GHCR")),
            ("127.0.0.1:5100", Some("127.0.0.1:5100")),
            ("127.0.0.1", None),
            ("[2001:db8::1]:5000", Some("a.test")),
            ("a.test:443", Some("a.test")),
            ("", None),
            ("io", None),
            ("evil.test", None),
        ];
        for (name, expected) in cases {
            assert_eq!(found(&table, name), expected, "{name}");
        }
        assert!(table.is_shared());
        let all: Vec<usize> = table.ids().map(UpstreamId::index).collect();
        assert_eq!(all, [0, 1, 2, 3]);
    }

    #[test]
    fn a_name_that_two_claim_is_an_error_that_names_both() {
        let cases: [&[&str]; 4] = [
            &["a.test", "A.test=https://b.test"],
            &["docker.io", "index.docker.io=https://b.test"],
            &["docker.io=https://a.test", "https://registry-1.docker.io"],
            &["x=https://a.test", "x=http://a.test"],
        ];
        for texts in cases {
            let error = table(texts).unwrap_err();
            assert!(
                matches!(error, TableError::Claimed { .. }),
                "{texts:?}: {error}"
            );
            assert!(
                error.to_string().contains("http") && error.to_string().contains(" and "),
                "{error}"
            );
        }
        let mut two = table(&["docker.io", "ghcr.io"]).unwrap();
        assert!(matches!(
            two.add_alias("docker.io", "ghcr.io"),
            Err(TableError::Claimed { .. })
        ));
        two.add_alias("docker.io", "x.test").unwrap();
        two.add_alias("docker.io", "x.test").unwrap();
        assert!(matches!(
            two.add_alias("ghcr.io", "X.test"),
            Err(TableError::Claimed { .. })
        ));
        let mut claimed = Upstream::parse("c.test").unwrap();
        claimed[0].aliases.push("docker.io".to_owned());
        claimed.extend(Upstream::parse("docker.io").unwrap());
        assert!(matches!(
            Table::new(claimed),
            Err(TableError::Claimed { .. })
        ));
    }

    #[test]
    fn names_win_over_url_hosts_and_the_first_of_two_equal_hosts_answers() {
        let named = table(&["x=https://ghcr.io", "ghcr.io=https://mirror.test"]).unwrap();
        assert_eq!(found(&named, "ghcr.io"), Some("ghcr.io"));
        let equal = table(&["x=https://a.test", "y=https://a.test"]).unwrap();
        assert_eq!(found(&equal, "a.test"), Some("x"));
        let mut aliased = table(&["x=https://a.test", "y=https://b.test"]).unwrap();
        aliased.add_alias("y", "a.test").unwrap();
        assert_eq!(found(&aliased, "a.test"), Some("y"));
        let hub_by_url = table(&["hub=https://registry-1.docker.io", "ghcr.io"]).unwrap();
        assert_eq!(found(&hub_by_url, "docker.io"), Some("hub"));
    }

    #[test]
    fn flags_about_an_upstream_are_checked() {
        let mut one = table(&["ghcr.io"]).unwrap();
        assert!(!one.is_shared());
        assert!(matches!(
            one.add_alias("quay.io", "q.test"),
            Err(TableError::Unknown { .. })
        ));
        assert!(matches!(
            one.add_alias("ghcr.io", "https://q.test"),
            Err(TableError::Host { .. })
        ));
        assert!(matches!(
            one.set_realm_host("ghcr.io", "a b"),
            Err(TableError::Host { .. })
        ));
        assert!(matches!(
            one.set_realm_host("x", "a.test"),
            Err(TableError::Unknown { .. })
        ));
        one.set_realm_host("GHCR.io", "Auth.test:8443").unwrap();
        let realm_host = one.get(one.default_upstream()).realm_host.as_ref();
        assert_eq!(
            realm_host.map(ToString::to_string).as_deref(),
            Some("auth.test:8443")
        );
        assert_eq!(table(&[]).unwrap_err(), TableError::Empty);
    }

    #[test]
    fn messages_are_one_line() {
        let errors = [
            TableError::Empty,
            TableError::Name("a\nb".to_owned()),
            Upstream::parse("a\n").unwrap_err(),
            table(&["ghcr.io"])
                .unwrap()
                .add_alias("x\n", "y")
                .unwrap_err(),
            table(&["ghcr.io"])
                .unwrap()
                .add_alias("ghcr.io", "y\n")
                .unwrap_err(),
        ];
        for error in errors {
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}
