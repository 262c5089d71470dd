//! What a token is asked for.

use std::borrow::Cow;

use super::TokenError;
use super::form::encode;
use crate::registry::route::place::{repository_of, split_upstream};
use crate::registry::table::{Table, UpstreamId};

/// A scope of the distribution token specification, "Token Scope Documentation".
pub(super) enum Scope<'a> {
    /// `repository:name:actions`, or `repository(class):name:actions`.
    Repository {
        kind: &'a str,
        name: &'a str,
        actions: &'a str,
    },
    /// Any other.
    Other,
}

impl<'a> Scope<'a> {
    /// The name may hold a port, so the actions begin after the last colon.
    pub(super) fn parse(text: &'a str) -> Result<Scope<'a>, TokenError> {
        let malformed = || TokenError::Scope(text.to_owned());
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(malformed());
        }
        let Some((kind, rest)) = text.split_once(':') else {
            return Ok(Scope::Other);
        };
        if kind != "repository" && !kind.starts_with("repository(") {
            return Ok(Scope::Other);
        }
        let (name, actions) = rest.rsplit_once(':').ok_or_else(malformed)?;
        if name.is_empty() {
            return Err(malformed());
        }
        Ok(Scope::Repository {
            kind,
            name,
            actions,
        })
    }

    /// The repository as the upstream names it; its name in front is stripped, another upstream's is part of the name.
    pub(super) fn repository(&self, table: &Table, upstream: UpstreamId) -> Option<Cow<'_, str>> {
        let Scope::Repository { name, .. } = self else {
            return None;
        };
        let stripped = match split_upstream(name, table) {
            Some((named, _, rest)) if named == upstream => rest,
            _ => name,
        };
        Some(repository_of(stripped, upstream, table))
    }

    /// Borrowed if nothing changes.
    pub(super) fn written_for<'t>(
        &self,
        text: &'t str,
        table: &Table,
        upstream: UpstreamId,
    ) -> Cow<'t, str> {
        match (self, self.repository(table, upstream)) {
            (
                Scope::Repository {
                    kind,
                    name,
                    actions,
                },
                Some(repository),
            ) if repository != *name => Cow::Owned(format!("{kind}:{repository}:{actions}")),
            _ => Cow::Borrowed(text),
        }
    }
}

/// A query that asks for these scopes.
pub fn scope_parameters(scopes: &[String]) -> String {
    let written: Vec<String> = scopes
        .iter()
        .map(|scope| format!("scope={}", encode(scope)))
        .collect();
    written.join("&")
}
