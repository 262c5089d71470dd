//! A token for what a challenge names, as anyone gets it: for a body that goes on after its own token has expired.

use std::fmt;

use bytes::Bytes;

use crate::conn::body::BodyError;
use crate::http::head::{RequestHead, ResponseHead};
use crate::http::uri::Target;
use crate::registry::access::Identity;
use crate::registry::challenge::{Bearer, bearers};
use crate::registry::redirect::Trail;
use crate::registry::rewrite::{Credentials, Part};
use crate::registry::route::Place;
use crate::registry::table::UpstreamId;
use crate::registry::token::{Parameters, scope_parameters};
use crate::upstream::Over;
use crate::upstream::reply::Reply;
use crate::upstream::tries::Tries;

use super::forward::{Journey, Mishap};
use super::realm::Realm;
use super::{Proxy, Request, Trace};

/// A token server's answer; real ones have a few kilobytes.
const MAX_ANSWER: usize = 64 * 1024;

/// The head of a request that docxy makes for itself: nothing of the client's is in it.
const OWN_HEAD: &[u8] = b"GET / HTTP/1.1\r\nAccept: application/json\r\nUser-Agent: docxy\r\n\r\n";

/// Why there is no token.
#[derive(Debug)]
pub(super) enum NoToken {
    /// The client's login is not docxy's to replace.
    Login,
    /// The challenge names no realm, or none that may be asked.
    Realm,
    /// The challenge cannot be answered.
    Challenge,
    /// The realm could not be asked.
    Mishap(Mishap),
    /// The realm gives none out without a login.
    Refused(u16),
    /// The realm's answer broke off.
    Body(BodyError),
    /// The realm's answer holds none.
    Answer,
}

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoToken::Login => f.write_str("the registry refuses the client's login"),
            NoToken::Realm => {
                f.write_str("the registry's challenge names no realm that may be asked")
            }
            NoToken::Challenge => f.write_str("the registry's challenge is malformed"),
            NoToken::Mishap(mishap) => write!(f, "{mishap}"),
            NoToken::Refused(status) => write!(f, "the realm answers {status} without a login"),
            NoToken::Body(error) => write!(f, "{error}"),
            NoToken::Answer => f.write_str("the realm's answer holds no token"),
        }
    }
}

impl Proxy {
    /// Gets a token for what `challenge` names, of an upstream's own. One that stands for somebody cannot be replaced.
    pub(super) async fn anonymous_token(
        &self,
        request: &Request<'_>,
        upstream: UpstreamId,
        challenge: Reply,
        trace: &mut Trace,
    ) -> Result<String, NoToken> {
        if request.has_login() {
            return Err(NoToken::Login);
        }
        let bearer = first_bearer(&challenge.head).ok_or(NoToken::Realm)?;
        challenge.discard(&self.client);
        let realm = self.shared.realms.find(upstream, bearer.service.as_deref());
        let realm = realm.and_then(Result::ok).ok_or(NoToken::Realm)?;
        let target = self.token_target(upstream, &bearer, &realm)?;
        let head =
            RequestHead::parse(Bytes::from_static(OWN_HEAD)).map_err(|_| NoToken::Challenge)?;
        let mut journey = Journey {
            request: &Request {
                head: &head,
                ..*request
            },
            upstream,
            place: &Place::default(),
            method: b"GET",
            body: None,
            credentials: Credentials::Withheld,
            part: Part::AsAsked,
            over: Over::Any,
            trail: Trail::new(target, realm.reach),
            tries: Tries::new(),
        };
        let reply = self
            .travel(&mut journey, trace)
            .await
            .map_err(NoToken::Mishap)?;
        if reply.head.status != 200 {
            return Err(NoToken::Refused(reply.head.status));
        }
        let body = reply.collect(MAX_ANSWER).await.map_err(NoToken::Body)?;
        body.as_deref().and_then(token_of).ok_or(NoToken::Answer)
    }

    /// The realm, and in its query what the challenge names.
    fn token_target(
        &self,
        upstream: UpstreamId,
        bearer: &Bearer,
        realm: &Realm,
    ) -> Result<Target, NoToken> {
        let scopes = scope_parameters(&bearer.scopes);
        let parameters = Parameters::parse(&scopes).map_err(|_| NoToken::Challenge)?;
        let (table, service, own) = (
            &self.shared.table,
            bearer.service.as_deref(),
            realm.query.as_deref(),
        );
        let query = parameters.rewrite(table, upstream, service, own, Identity::Anonymous);
        let path_and_query = format!("{}?{query}", realm.target.path_and_query);
        Ok(Target {
            origin: realm.target.origin.clone(),
            path_and_query,
        })
    }
}

fn first_bearer(head: &ResponseHead) -> Option<Bearer> {
    let values = head.fields.all("www-authenticate");
    values
        .filter_map(|value| bearers(value).ok())
        .flatten()
        .next()
}

/// The token in a realm's answer, by either of its names (distribution's token specification).
fn token_of(body: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let token = answer
        .get("token")
        .or_else(|| answer.get("access_token"))?
        .as_str()?;
    let is_sound = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    is_sound.then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_by_either_name() {
        let cases: [(&str, Option<&str>); 8] = [
            (r#"{"token":"a.b-c"}"#, Some("a.b-c")),
            (r#"{"access_token":"a"}"#, Some("a")),
            (r#"{"access_token":"a","token":"b"}"#, Some("b")),
            (r#"{"token":""}"#, None),
            (r#"{"token":"a\r\nX: y"}"#, None),
            (r#"{"token":1}"#, None),
            ("[]", None),
            ("<html>", None),
        ];
        for (body, token) in cases {
            assert_eq!(token_of(body.as_bytes()).as_deref(), token, "{body}");
        }
    }
}
