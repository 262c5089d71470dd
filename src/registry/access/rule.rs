//! A rule as the operator writes it: an upstream's name and a glob.

use core::fmt;

use crate::registry::table::{Table, UpstreamId};

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

pub(super) fn parse_rule<'r>(
    rule: &'r str,
    table: &Table,
) -> Result<(UpstreamId, &'r str), AccessError> {
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

pub(super) fn parse_glob(
    glob: &str,
    upstream: UpstreamId,
    table: &Table,
) -> Result<String, AccessError> {
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
