//! A token request's query or form (application/x-www-form-urlencoded), read and written anew for the upstream's realm.
//!
//! What docxy does not need to change keeps its bytes and its order. `form` is how parameters are encoded, `scope` what a
//! scope says, `named` whose it is, `rewrite` what the realm is asked.

mod error;
mod form;
mod named;
mod rewrite;
mod scope;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use self::error::TokenError;
use self::form::{Piece, decode, is_named};
use self::named::Named;
use self::scope::Scope;
pub use self::scope::scope_parameters;
use super::access::Access;
use super::name;
use super::table::{Table, UpstreamId};

/// The token that clients get for an upstream that needs none; it is never forwarded.
pub const PLACEHOLDER: &str = "docxy-anonymous";

/// The service that docxy names where it answers `/v2/` itself; it means nothing to an upstream.
pub const SERVICE: &str = "docxy";

/// Parameters that let their reader act for someone (RFC 6749, RFC 7521, RFC 8693).
const SECRETS: [&str; 11] = [
    "password",
    "refresh_token",
    "client_secret",
    "assertion",
    "client_assertion",
    "access_token",
    "identity_token",
    "subject_token",
    "actor_token",
    "code",
    "code_verifier",
];

/// The parameters of a token request. They may hold secrets, so there is no `Debug`.
pub struct Parameters<'a> {
    /// As they stand between the `&`s, empty ones too.
    pieces: Vec<Piece<'a>>,
}

impl<'a> Parameters<'a> {
    /// Reads a query (without `?`) or a form.
    ///
    /// A byte that no URI may hold, or a `%` without two hexadecimal digits, is an error; so is whatever some servers read
    /// otherwise: a `;`, which once parted parameters as `&` does, and names that are almost those of a scope or a secret.
    pub fn parse(text: &'a str) -> Result<Parameters<'a>, TokenError> {
        let is_escape = |after: &str| matches!(after.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
        let sound = text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b';'));
        if !sound || !text.split('%').skip(1).all(is_escape) {
            return Err(TokenError::Encoding);
        }
        let pieces = if text.is_empty() {
            None
        } else {
            Some(text.split('&'))
        };
        let pieces: Vec<_> = pieces.into_iter().flatten().map(Piece::read).collect();
        let hides = |piece: &&Piece<'_>| {
            piece.is_almost_one_of(&["scope"]) || piece.is_almost_one_of(&SECRETS)
        };
        match pieces.iter().find(hides) {
            Some(piece) => Err(TokenError::Name(piece.name.to_string())),
            None => Ok(Parameters { pieces }),
        }
    }

    /// The first value of a parameter, decoded.
    pub fn value(&self, name: &str) -> Option<Cow<'a, str>> {
        self.pieces
            .iter()
            .find(|piece| piece.name == name)
            .map(|piece| decode(piece.value))
    }

    /// Whether a password, a refresh token or the like is among them.
    pub fn carries_secret(&self) -> bool {
        self.pieces.iter().any(|piece| piece.is_one_of(&SECRETS))
    }

    /// The upstream that the scopes name by their first component; `None` if no scope names one.
    ///
    /// A repository without an upstream's name is that of the Host's, else of the default one; scopes of two upstreams are
    /// an error. But where the Host chooses none and one upstream is named, a repository of that name is its own: a client
    /// that has its realm from docxy's own `/v2/` adds to its scope that of the upstream's challenge, which knows no
    /// upstream's name.
    pub fn upstream(
        &self,
        table: &Table,
        by_host: Option<UpstreamId>,
    ) -> Result<Option<UpstreamId>, TokenError> {
        let scopes: Vec<String> = self.scopes().collect();
        let scopes: Vec<Scope<'_>> = scopes
            .iter()
            .map(|scope| Scope::parse(scope))
            .collect::<Result<_, _>>()?;
        let named = Named::by(&scopes, table);
        let mut chosen = None;
        for scope in &scopes {
            let Some(upstream) = named.upstream_of(scope, table, by_host) else {
                continue;
            };
            match chosen {
                Some(other) if other != upstream => {
                    let name = |id| table.get(id).name.clone();
                    return Err(TokenError::TwoUpstreams(name(other), name(upstream)));
                }
                _ => chosen = Some(upstream),
            }
        }
        Ok(chosen.filter(|_| named.upstream.is_some()))
    }

    /// The repositories of the scopes, as the upstream names them; malformed ones are left out.
    pub fn repositories(&self, table: &Table, upstream: UpstreamId) -> Vec<String> {
        let scopes: Vec<String> = self.scopes().collect();
        let parsed = scopes.iter().filter_map(|scope| Scope::parse(scope).ok());
        let repositories = parsed.filter_map(|scope| {
            let repository = scope.repository(table, upstream);
            repository.map(Cow::into_owned)
        });
        repositories
            .filter(|repository| name::is_repository(repository))
            .collect()
    }

    /// Whether all scopes are well formed and allowed.
    ///
    /// Where not all of an upstream may pass, a scope of another type than `repository` is denied (`registry:catalog:*`
    /// covers more than any rule); one without type and colon (`aws`) passes for an upstream of which something is allowed.
    pub fn check(
        &self,
        table: &Table,
        upstream: UpstreamId,
        access: &Access,
    ) -> Result<(), TokenError> {
        for text in self.scopes() {
            let scope = Scope::parse(&text)?;
            let checked = match scope.repository(table, upstream) {
                Some(repository) if !name::is_repository(&repository) => {
                    return Err(TokenError::Scope(text));
                }
                Some(repository) => access.check(upstream, &repository),
                None if text.contains(':') => access.check_all(upstream),
                None => access.check_any(upstream),
            };
            if let Err(refusal) = checked {
                let refusal = refusal.clone();
                return Err(TokenError::Denied(text, refusal));
            }
        }
        Ok(())
    }

    /// All scopes, decoded: a parameter may hold several between spaces.
    fn scopes(&self) -> impl Iterator<Item = String> {
        let values = self
            .pieces
            .iter()
            .filter(|piece| is_named(&piece.name, "scope"))
            .map(|piece| decode(piece.value));
        values.flat_map(|value| {
            value
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
    }
}
