//! Which repositories may pass: what the operator's rules say, and what is answered for the others.

mod refusal;
mod rule;
#[cfg(test)]
mod tests;

pub use self::refusal::{Refusal, RefuseAs};
pub use self::rule::AccessError;
use self::rule::{parse_glob, parse_rule};
use super::table::{Table, UpstreamId};

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
