//! What the upstream's realm is asked: the client's parameters, with the upstream's names and service.

use std::borrow::Cow;
use std::collections::HashSet;

use super::form::{Piece, decode, encode, is_named};
use super::scope::Scope;
use super::{Parameters, SECRETS, SERVICE};
use crate::registry::identity::Identity;
use crate::registry::table::{Table, UpstreamId};

/// Parameters that say who is asking, or ask for a token to keep.
const PERSONAL: [&str; 6] = [
    "username",
    "account",
    "grant_type",
    "access_type",
    "offline_token",
    "client_assertion_type",
];

impl<'a> Parameters<'a> {
    /// The parameters written anew for the realm of `upstream`.
    ///
    /// Repository scopes lose the upstream's own name and get `library/` for Docker Hub; a scope that is there already then
    /// is left out. `service` replaces the client's or is added. Parameters of the realm's own query that are not here come
    /// first. [`Identity::Anonymous`] leaves out all that says who asks. Everything else keeps its bytes and its order.
    pub fn rewrite(
        &self,
        table: &Table,
        upstream: UpstreamId,
        service: Option<&str>,
        realm_query: Option<&str>,
        identity: Identity,
    ) -> String {
        let mut own = self.own_pieces(table, upstream, service, identity);
        if let Some(service) =
            service.filter(|_| own.iter().all(|(name, _)| !is_named(name, "service")))
        {
            own.push((
                "service",
                Cow::Owned(format!("service={}", encode(service))),
            ));
        }
        let realm = realm_query.filter(|query| !query.is_empty()).into_iter();
        let realm = realm.flat_map(|query| query.split('&')).map(Piece::read);
        let is_own = |name: &str| own.iter().any(|(own, _)| is_named(own, name));
        let missing = realm
            .filter(|piece| !is_own(&piece.name))
            .map(|piece| Cow::Borrowed(piece.raw));
        let mut written: Vec<Cow<'_, str>> = missing.collect();
        written.extend(own.into_iter().map(|(_, piece)| piece));
        written.join("&")
    }

    /// What is kept of the request, by name and as it is written.
    fn own_pieces(
        &self,
        table: &Table,
        upstream: UpstreamId,
        service: Option<&str>,
        identity: Identity,
    ) -> Vec<(&str, Cow<'a, str>)> {
        let mut own: Vec<(&str, Cow<'a, str>)> = Vec::new();
        let mut asked = HashSet::new();
        for piece in &self.pieces {
            let written = if identity == Identity::Anonymous && piece.is_personal() {
                None
            } else if is_named(&piece.name, "scope") {
                piece.with_scopes_for(table, upstream, &mut asked)
            } else if !is_named(&piece.name, "service") {
                Some(Cow::Borrowed(piece.raw))
            } else if own.iter().any(|(name, _)| is_named(name, "service")) {
                None
            } else {
                piece.with_service(service)
            };
            own.extend(written.map(|written| (&*piece.name, written)));
        }
        own
    }
}

impl<'a> Piece<'a> {
    fn is_personal(&self) -> bool {
        self.is_one_of(&SECRETS) || self.is_one_of(&PERSONAL)
    }

    /// `None` if the service is docxy's own and there is no other to put in its place.
    fn with_service(&self, service: Option<&str>) -> Option<Cow<'a, str>> {
        let asked = decode(self.value);
        match service {
            // One who reads names by the letter has to find it.
            Some(service) if service != asked || self.name != "service" => {
                Some(Cow::Owned(format!("service={}", encode(service))))
            }
            None if asked == SERVICE => None,
            _ => Some(Cow::Borrowed(self.raw)),
        }
    }

    /// `None` if all that it asks for has been asked.
    fn with_scopes_for(
        &self,
        table: &Table,
        upstream: UpstreamId,
        asked: &mut HashSet<String>,
    ) -> Option<Cow<'a, str>> {
        let value = decode(self.value);
        let before: Vec<&str> = value.split_ascii_whitespace().collect();
        let mut scopes: Vec<Cow<'_, str>> = before
            .iter()
            .map(|text| {
                Scope::parse(text).map_or(Cow::Borrowed(*text), |scope| {
                    scope.written_for(text, table, upstream)
                })
            })
            .collect();
        scopes.retain(|scope| asked.insert(scope.to_string()));
        if scopes.len() == before.len()
            && scopes.iter().all(|scope| matches!(scope, Cow::Borrowed(_)))
        {
            return Some(Cow::Borrowed(self.raw));
        }
        (!scopes.is_empty()).then(|| Cow::Owned(format!("scope={}", encode(&scopes.join(" ")))))
    }
}
