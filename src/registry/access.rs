//! What may pass: the repositories of `--allow`, and whose login may go to which upstream (design §3, §4).

use core::fmt;

use super::table::{Table, UpstreamId};

/// Whose credentials a request upstream may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Identity {
    /// The client's own.
    #[default]
    Own,
    /// None: the login that the client keeps for this Host belongs to another upstream.
    Anonymous,
}

impl Identity {
    /// Who a client is for the upstream `chosen`, on a Host that chose `by_host`.
    ///
    /// Engines keep one login per Host, and it is meant for the upstream that the Host chooses, else for the default one.
    pub fn of(table: &Table, by_host: Option<UpstreamId>, chosen: UpstreamId) -> Identity {
        if by_host.unwrap_or(table.default_upstream()) == chosen {
            Identity::Own
        } else {
            Identity::Anonymous
        }
    }
}

/// The repositories that may pass.
#[derive(Clone, Debug, Default)]
pub struct Allow {
    /// Glob patterns with their upstream; none at all lets everything pass.
    rules: Vec<(UpstreamId, String)>,
}

impl Allow {
    /// Reads rules `NAME/GLOB`, where `*` is one path component or a part of it and `**` any number of them.
    ///
    /// For Docker Hub a glob without `/` means `library/GLOB`, but `**` alone means all. A name that is not in the table, or
    /// a glob that no repository can match, is an error.
    pub fn parse(rules: &[String], table: &Table) -> Result<Allow, AccessError> {
        let rules: Result<_, _> = rules.iter().map(|rule| parse_rule(rule, table)).collect();
        Ok(Allow { rules: rules? })
    }

    /// Whether a repository, named as the upstream names it, may pass.
    pub fn permits(&self, upstream: UpstreamId, repository: &str) -> bool {
        let matches = |(of, glob): &(UpstreamId, String)| {
            *of == upstream && fast_glob::glob_match(glob, repository)
        };
        !self.is_restricting() || self.rules.iter().any(matches)
    }

    /// Whether there are rules, so that what is not allowed by one is denied.
    pub fn is_restricting(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Whether something of this upstream may pass.
    pub fn mentions(&self, upstream: UpstreamId) -> bool {
        !self.is_restricting() || self.rules.iter().any(|(of, _)| *of == upstream)
    }
}

/// What is wrong with a rule of `--allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessError {
    /// Not `NAME/GLOB`.
    Shape(String),
    /// A name that no upstream has.
    Unknown {
        /// The rule.
        rule: String,
        /// The names that there are.
        known: String,
    },
    /// A glob that is malformed or that no repository can match.
    Glob(String),
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccessError::Shape(rule) => write!(
                f,
                "{rule:?} is no rule; give an upstream's name and a glob, such as ghcr.io/my-organisation/*"
            ),
            AccessError::Unknown { rule, known } => write!(
                f,
                "{rule:?} names no upstream; begin it with one of {known}, or add the upstream"
            ),
            AccessError::Glob(rule) => write!(
                f,
                "{rule:?} matches no repository; use lower-case names without tag, '*' for one component, '**' for any"
            ),
        }
    }
}

impl std::error::Error for AccessError {}

fn parse_rule(rule: &str, table: &Table) -> Result<(UpstreamId, String), AccessError> {
    let shape = || AccessError::Shape(rule.to_owned());
    let (name, glob) = rule.split_once('/').ok_or_else(shape)?;
    if name.is_empty() || glob.is_empty() {
        return Err(shape());
    }
    let upstream = table.find(name).ok_or_else(|| AccessError::Unknown {
        rule: rule.to_owned(),
        known: table.names(),
    })?;
    if !is_glob(glob) {
        return Err(AccessError::Glob(rule.to_owned()));
    }
    let is_short = table.get(upstream).is_docker_hub() && !glob.contains('/') && glob != "**";
    let glob = if is_short {
        format!("library/{glob}")
    } else {
        glob.to_owned()
    };
    Ok((upstream, glob))
}

/// Only what can match a repository, and no `!` in front: that would allow everything but one.
fn is_glob(glob: &str) -> bool {
    let sound =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/*?[]{},!^".contains(&b);
    glob.bytes().all(sound)
        && !glob.starts_with('!')
        && !glob.split('/').any(str::is_empty)
        && fast_glob::validate(glob).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::table::Upstream;
    use super::*;

    fn table() -> Table {
        let names = ["docker.io", "ghcr.io", "corp=https://127.0.0.1:5100"];
        let upstreams = names.iter().flat_map(|name| Upstream::parse(name).unwrap());
        Table::new(upstreams.collect()).unwrap()
    }

    fn allow(rules: &[&str]) -> Result<Allow, AccessError> {
        let rules: Vec<String> = rules.iter().map(|&rule| rule.to_owned()).collect();
        Allow::parse(&rules, &table())
    }

    fn permits(rules: &[&str], name: &str, repository: &str) -> bool {
        let upstream = table().find(name).unwrap();
        allow(rules).unwrap().permits(upstream, repository)
    }

    #[test]
    fn no_rule_lets_everything_pass() {
        assert!(permits(&[], "ghcr.io", "a/b"));
        let none = allow(&[]).unwrap();
        assert!(!none.is_restricting());
        assert!(table().ids().all(|id| none.mentions(id)));
    }

    #[test]
    fn rules_match_whole_names_of_their_upstream() {
        let cases: [(&str, &str, &str, bool); 36] = [
            ("ghcr.io/org/*", "ghcr.io", "org/a", true),
            ("ghcr.io/org/*", "ghcr.io", "org/a/b", false),
            ("ghcr.io/org/*", "ghcr.io", "org", false),
            ("ghcr.io/org/*", "ghcr.io", "organisation/a", false),
            ("ghcr.io/org/*", "ghcr.io", "x/org/a", false),
            ("ghcr.io/org/*", "docker.io", "org/a", false),
            ("ghcr.io/org/**", "ghcr.io", "org/a", true),
            ("ghcr.io/org/**", "ghcr.io", "org/a/b/c", true),
            ("ghcr.io/org/**", "ghcr.io", "other/a", false),
            ("ghcr.io/org/**", "ghcr.io", "org-evil/a", false),
            ("ghcr.io/*/*", "ghcr.io", "a/b", true),
            ("ghcr.io/*/*", "ghcr.io", "a/b/c", false),
            ("ghcr.io/**", "ghcr.io", "a", true),
            ("ghcr.io/**", "ghcr.io", "a/b/c", true),
            ("ghcr.io/*", "ghcr.io", "a", true),
            ("ghcr.io/*", "ghcr.io", "a/b", false),
            ("GHCR.io/a", "ghcr.io", "a", true),
            ("ghcr.io/a", "ghcr.io", "a", true),
            ("ghcr.io/a", "ghcr.io", "ab", false),
            ("ghcr.io/a", "ghcr.io", "library/a", false),
            ("ghcr.io/a.c", "ghcr.io", "abc", false),
            ("ghcr.io/{a,b/*}", "ghcr.io", "b/x", true),
            ("ghcr.io/{a,b/*}", "ghcr.io", "a", true),
            ("ghcr.io/{a,b/*}", "ghcr.io", "b", false),
            ("ghcr.io/**/x", "ghcr.io", "a/b/x", true),
            ("ghcr.io/**/x", "ghcr.io", "a/b/xy", false),
            ("ghcr.io/org/app-*", "ghcr.io", "org/app-1", true),
            ("docker.io/alpine", "docker.io", "library/alpine", true),
            ("docker.io/alpine", "docker.io", "alpine", false),
            ("docker.io/*", "docker.io", "library/alpine", true),
            ("docker.io/*", "docker.io", "grafana/loki", false),
            ("docker.io/**", "docker.io", "grafana/loki", true),
            ("docker.io/grafana/*", "docker.io", "grafana/loki", true),
            (
                "index.docker.io/alpine",
                "docker.io",
                "library/alpine",
                true,
            ),
            ("corp/lib/*", "corp", "lib/x", true),
            ("127.0.0.1:5100/lib/*", "corp", "lib/x", true),
        ];
        for (rule, name, repository, expected) in cases {
            assert_eq!(
                permits(&[rule], name, repository),
                expected,
                "{rule} {name} {repository}"
            );
        }
    }

    #[test]
    fn any_rule_is_enough_and_an_upstream_without_rule_is_shut() {
        let rules = ["ghcr.io/a/*", "ghcr.io/b/*"];
        assert!(permits(&rules, "ghcr.io", "a/x"));
        assert!(permits(&rules, "ghcr.io", "b/x"));
        assert!(!permits(&rules, "ghcr.io", "c/x"));
        assert!(!permits(&rules, "docker.io", "library/alpine"));
        let allow = allow(&rules).unwrap();
        assert!(allow.is_restricting());
        assert!(allow.mentions(table().find("ghcr.io").unwrap()));
        assert!(!allow.mentions(table().find("docker.io").unwrap()));
    }

    #[test]
    fn bad_rules_are_refused() {
        for rule in ["", "ghcr.io", "ghcr.io/", "/a", "*"] {
            assert_eq!(
                allow(&[rule]).unwrap_err(),
                AccessError::Shape(rule.to_owned()),
                "{rule}"
            );
        }
        for rule in ["quay.io/a", "*/a", "https://ghcr.io/a"] {
            assert!(
                matches!(allow(&[rule]), Err(AccessError::Unknown { .. })),
                "{rule}"
            );
        }
        let globs = [
            "ghcr.io/!a",
            "ghcr.io/Org/*",
            "ghcr.io/a:latest",
            "ghcr.io/a@sha256",
            "ghcr.io//a",
            "ghcr.io/a/",
            "ghcr.io/{a",
            "ghcr.io/[a",
            "ghcr.io/a\\*",
            "ghcr.io/a b",
            "ghcr.io/ü",
        ];
        for rule in globs {
            let error = allow(&["ghcr.io/fine/*", rule]).unwrap_err();
            assert_eq!(error, AccessError::Glob(rule.to_owned()), "{rule}");
            assert!(
                error.to_string().contains(rule.trim_end_matches("\\*")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_login_goes_to_the_upstream_that_its_host_chooses() {
        let table = table();
        let [hub, ghcr, corp] = [0, 1, 2].map(|n| table.ids().nth(n).unwrap());
        assert_eq!(Identity::of(&table, None, hub), Identity::Own);
        assert_eq!(Identity::of(&table, None, ghcr), Identity::Anonymous);
        assert_eq!(Identity::of(&table, Some(ghcr), ghcr), Identity::Own);
        assert_eq!(Identity::of(&table, Some(ghcr), hub), Identity::Anonymous);
        assert_eq!(Identity::of(&table, Some(ghcr), corp), Identity::Anonymous);
    }
}
