//! What may pass: which repositories, and whose login may go to which upstream (design §3, §4).

use core::fmt;

use serde::{Deserialize, Serialize};

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
    /// Engines keep one login per Host, and it is meant for the upstream that the Host chooses, else for those that
    /// [may see](Table::may_see_logins) such logins.
    pub fn of(table: &Table, by_host: Option<UpstreamId>, chosen: UpstreamId) -> Identity {
        let is_meant = match by_host {
            Some(own) => own == chosen,
            None => table.may_see_logins(chosen),
        };
        if is_meant {
            Identity::Own
        } else {
            Identity::Anonymous
        }
    }
}

/// Which repositories may pass, and what is said of those that may not.
///
/// Rules are globs, where `*` is one path component or a part of it and `**` any number of them.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// For each upstream, by its place.
    rules: Vec<Rules>,
    /// Whether the names of an upstream's repositories are shown.
    catalogs: bool,
}

/// The rules of one upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rules {
    /// What may pass; all if there is no list.
    allow: Option<Vec<String>>,
    /// What may not pass, whatever allows it.
    deny: Vec<String>,
    refusal: Refusal,
}

/// What is answered for a repository that may not pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// Under which error.
    pub refuse_as: RefuseAs,
    /// In the operator's words, if there are any.
    pub message: Option<String>,
}

/// The error code under which a repository is refused (OCI distribution specification, "Error Codes").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RefuseAs {
    /// `DENIED`, 403.
    #[default]
    Denied,
    /// `NAME_UNKNOWN`, 404: as if it did not exist.
    Unknown,
}

impl RefuseAs {
    /// The status for the client.
    pub fn status(self) -> u16 {
        match self {
            RefuseAs::Denied => 403,
            RefuseAs::Unknown => 404,
        }
    }

    /// The error code for the client.
    pub fn code(self) -> &'static str {
        match self {
            RefuseAs::Denied => "DENIED",
            RefuseAs::Unknown => "NAME_UNKNOWN",
        }
    }
}

impl Refusal {
    /// Says of `what` that it may not pass.
    pub(super) fn describe(
        &self,
        what: impl fmt::Display,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        match (&self.message, self.refuse_as) {
            (Some(message), _) => f.write_str(message),
            (None, RefuseAs::Denied) => write!(f, "'{what}' is not allowed here"),
            (None, RefuseAs::Unknown) => write!(f, "'{what}' is not known here"),
        }
    }
}

impl Rules {
    fn permit(&self, repository: &str) -> bool {
        let matches = |glob: &String| fast_glob::glob_match(glob, repository);
        let is_allowed = |allow: &Vec<String>| allow.iter().any(matches);
        self.allow.as_ref().is_none_or(is_allowed) && !self.deny.iter().any(matches)
    }
}

impl Access {
    /// Lets everything of these upstreams pass.
    pub fn open(table: &Table) -> Access {
        Access {
            rules: table.ids().map(|_| Rules::default()).collect(),
            catalogs: false,
        }
    }

    /// Lets only what these rules `NAME/GLOB` allow pass, and everything if there is none.
    pub fn parse(allow: &[String], table: &Table) -> Result<Access, AccessError> {
        let mut access = Access::open(table);
        access.allow_only(allow, table)?;
        Ok(access)
    }

    /// Lets only what these rules `NAME/GLOB` allow pass, whatever was allowed before; nothing changes if there is none.
    ///
    /// A name that is not in the table, or a glob that no repository can match, is an error.
    pub fn allow_only(&mut self, rules: &[String], table: &Table) -> Result<(), AccessError> {
        if rules.is_empty() {
            return Ok(());
        }
        for of_one in &mut self.rules {
            of_one.allow = Some(Vec::new());
        }
        for rule in rules {
            let (upstream, glob) = parse_rule(rule, table)?;
            self.allow(upstream, glob, table)?;
        }
        Ok(())
    }

    /// Lets what these rules `NAME/GLOB` name not pass, whatever allows it.
    pub fn deny_also(&mut self, rules: &[String], table: &Table) -> Result<(), AccessError> {
        for rule in rules {
            let (upstream, glob) = parse_rule(rule, table)?;
            self.deny(upstream, glob, table)?;
        }
        Ok(())
    }

    /// Lets what matches `glob` pass, and nothing else of this upstream that is not allowed in the same way.
    ///
    /// For Docker Hub a glob without `/` means `library/GLOB`, but `**` alone means all.
    pub fn allow(
        &mut self,
        upstream: UpstreamId,
        glob: &str,
        table: &Table,
    ) -> Result<(), AccessError> {
        let glob = parse_glob(glob, upstream, table)?;
        self.of(upstream).allow.get_or_insert_default().push(glob);
        Ok(())
    }

    /// Lets what matches `glob` not pass, whatever allows it; globs are read as in [`Access::allow`].
    pub fn deny(
        &mut self,
        upstream: UpstreamId,
        glob: &str,
        table: &Table,
    ) -> Result<(), AccessError> {
        let glob = parse_glob(glob, upstream, table)?;
        self.of(upstream).deny.push(glob);
        Ok(())
    }

    /// Says how what may not pass is refused.
    pub fn refuse(&mut self, upstream: UpstreamId, refusal: Refusal) {
        self.of(upstream).refusal = refusal;
    }

    /// Whether a repository, named as the upstream names it, may pass; else how it is refused.
    pub fn check(&self, upstream: UpstreamId, repository: &str) -> Result<(), &Refusal> {
        match self.rules.get(upstream.index()) {
            Some(rules) if !rules.permit(repository) => Err(&rules.refusal),
            _ => Ok(()),
        }
    }

    /// Whether all of this upstream may pass; else how the rest is refused.
    pub fn check_all(&self, upstream: UpstreamId) -> Result<(), &Refusal> {
        match self.rules.get(upstream.index()) {
            Some(rules) if rules.allow.is_some() || !rules.deny.is_empty() => Err(&rules.refusal),
            _ => Ok(()),
        }
    }

    /// Whether something of this upstream may pass; else how it is refused.
    pub fn check_any(&self, upstream: UpstreamId) -> Result<(), &Refusal> {
        match self.rules.get(upstream.index()) {
            Some(rules) if rules.allow.as_ref().is_some_and(Vec::is_empty) => Err(&rules.refusal),
            _ => Ok(()),
        }
    }

    /// Shows the names of repositories, of those upstreams of which all may pass.
    pub fn show_catalogs(&mut self) {
        self.catalogs = true;
    }

    /// Whether the names of repositories are shown at all.
    pub fn shows_catalogs(&self) -> bool {
        self.catalogs
    }

    /// Whether each upstream has a list of what may pass.
    pub fn is_restricting(&self) -> bool {
        self.rules.iter().all(|rules| rules.allow.is_some())
    }

    /// The globs that allow something of an upstream, if it has a list of them, and those that deny.
    pub fn globs(&self, upstream: UpstreamId) -> (Option<&[String]>, &[String]) {
        let rules = self.rules.get(upstream.index());
        rules.map_or((None, &[]), |rules| (rules.allow.as_deref(), &rules.deny))
    }

    /// How what may not pass of an upstream is refused.
    pub fn refusal(&self, upstream: UpstreamId) -> Refusal {
        let rules = self.rules.get(upstream.index());
        rules.map_or_else(Refusal::default, |rules| rules.refusal.clone())
    }

    /// The rules of an upstream of the table for which this was made.
    fn of(&mut self, upstream: UpstreamId) -> &mut Rules {
        &mut self.rules[upstream.index()]
    }
}

/// What is wrong with a rule.
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

fn parse_rule<'r>(rule: &'r str, table: &Table) -> Result<(UpstreamId, &'r str), AccessError> {
    let shape = || AccessError::Shape(rule.to_owned());
    let (name, glob) = rule.split_once('/').ok_or_else(shape)?;
    if name.is_empty() || glob.is_empty() {
        return Err(shape());
    }
    let upstream = table.find(name).ok_or_else(|| AccessError::Unknown {
        rule: rule.to_owned(),
        known: table.names(),
    })?;
    Ok((upstream, glob))
}

fn parse_glob(glob: &str, upstream: UpstreamId, table: &Table) -> Result<String, AccessError> {
    if !is_glob(glob) {
        return Err(AccessError::Glob(glob.to_owned()));
    }
    let is_short = table.get(upstream).is_docker_hub() && !glob.contains('/') && glob != "**";
    Ok(if is_short {
        format!("library/{glob}")
    } else {
        glob.to_owned()
    })
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

    fn allow(rules: &[&str]) -> Result<Access, AccessError> {
        let rules: Vec<String> = rules.iter().map(|&rule| rule.to_owned()).collect();
        Access::parse(&rules, &table())
    }

    fn permits(rules: &[&str], name: &str, repository: &str) -> bool {
        let upstream = table().find(name).unwrap();
        allow(rules).unwrap().check(upstream, repository).is_ok()
    }

    #[test]
    fn no_rule_lets_everything_pass() {
        assert!(permits(&[], "ghcr.io", "a/b"));
        let none = allow(&[]).unwrap();
        assert!(!none.is_restricting());
        assert!(table().ids().all(|id| none.check_any(id).is_ok()));
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
        assert!(allow.check_any(table().find("ghcr.io").unwrap()).is_ok());
        assert!(allow.check_any(table().find("docker.io").unwrap()).is_err());
    }

    #[test]
    fn what_is_denied_does_not_pass_whatever_allows_it() {
        let table = table();
        let [hub, ghcr] = ["docker.io", "ghcr.io"].map(|name| table.find(name).unwrap());
        let mut access = Access::open(&table);
        access.deny(ghcr, "org/secret-*", &table).unwrap();
        assert!(access.check(ghcr, "org/a").is_ok());
        assert!(access.check(ghcr, "org/secret-a").is_err());
        assert!(access.check(hub, "org/secret-a").is_ok());
        assert!(access.check_all(ghcr).is_err() && access.check_all(hub).is_ok());
        assert!(access.check_any(ghcr).is_ok());
        access.allow(ghcr, "org/*", &table).unwrap();
        access.deny(hub, "alpine", &table).unwrap();
        assert!(access.check(ghcr, "org/secret-a").is_err());
        assert!(access.check(ghcr, "other/a").is_err());
        assert!(access.check(hub, "library/alpine").is_err());
        assert!(!access.is_restricting(), "Docker Hub has no list");
        access
            .deny_also(&["ghcr.io/org/b".to_owned()], &table)
            .unwrap();
        assert!(access.check(ghcr, "org/b").is_err());
    }

    #[test]
    fn a_refusal_is_that_of_the_upstream() {
        let table = table();
        let [hub, ghcr] = ["docker.io", "ghcr.io"].map(|name| table.find(name).unwrap());
        let mut access = Access::open(&table);
        let refusal = Refusal {
            refuse_as: RefuseAs::Unknown,
            message: Some("ask the platform team".to_owned()),
        };
        access.refuse(ghcr, refusal.clone());
        for upstream in [hub, ghcr] {
            access.deny(upstream, "**", &table).unwrap();
        }
        assert_eq!(access.check(ghcr, "a/b"), Err(&refusal));
        assert_eq!(access.check(hub, "a/b"), Err(&Refusal::default()));
        assert_eq!(
            (RefuseAs::Unknown.status(), RefuseAs::Unknown.code()),
            (404, "NAME_UNKNOWN")
        );
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
            let glob = rule.split_once('/').unwrap().1;
            assert_eq!(error, AccessError::Glob(glob.to_owned()), "{rule}");
            assert!(
                error.to_string().contains(glob.trim_end_matches("\\*")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_login_for_a_shared_host_goes_where_the_operator_says() {
        let mut table = table();
        let [hub, ghcr, corp] = [0, 1, 2].map(|n| table.ids().nth(n).unwrap());
        let may_see = |table: &Table| {
            [hub, ghcr, corp].map(|id| Identity::of(table, None, id) == Identity::Own)
        };
        assert_eq!(may_see(&table), [true, false, false]);
        table.set_client_logins("docker.io", false).unwrap();
        assert_eq!(may_see(&table), [false, false, false]);
        assert_eq!(table.verifies_logins(), None);
        table.set_client_logins("corp", true).unwrap();
        assert_eq!(may_see(&table), [false, false, true]);
        assert_eq!(table.verifies_logins(), Some(corp));
        table.set_client_logins("docker.io", true).unwrap();
        assert_eq!(may_see(&table), [true, false, true]);
        assert_eq!(Identity::of(&table, Some(ghcr), ghcr), Identity::Own);
        assert_eq!(Identity::of(&table, Some(ghcr), hub), Identity::Anonymous);
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
