//! A token for what a challenge names, that docxy gets for itself: for a body that goes on after its own token has expired, as
//! anyone gets it, or for an account of the operator's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::account::tokens::{DEFAULT_LIFE, Failure};
use crate::conn::body::BodyError;
use crate::http::head::{RequestHead, ResponseHead};
use crate::http::uri::Target;
use crate::registry::challenge::{Bearer, bearers};
use crate::registry::identity::Identity;
use crate::registry::redirect::Trail;
use crate::registry::rewrite::{Credentials, Part};
use crate::registry::route::Place;
use crate::registry::table::UpstreamId;
use crate::registry::token::{Parameters, scope_parameters};
use crate::upstream::Over;
use crate::upstream::reply::Reply;
use crate::upstream::tries::Tries;

use super::journey::{Journey, Mishap};
use super::realm::Realm;
use super::{Proxy, Request, Trace};

/// A token server's answer; real ones have a few kilobytes.
pub(crate) const MAX_ANSWER: usize = 64 * 1024;

/// No token is used for longer, whatever its server says.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The head of a request that docxy makes for itself: nothing of the client's is in it.
const OWN_HEAD: &[u8] = b"GET / HTTP/1.1\r\nAccept: application/json\r\nUser-Agent: docxy\r\n\r\n";

/// Why there is no token.
#[derive(Debug)]
pub(crate) enum NoToken {
    /// The client's login is not docxy's to replace.
    Login,
    /// The challenge names no realm, or none that may be asked.
    Realm,
    /// The challenge cannot be answered.
    Challenge,
    /// The account is refused.
    Account,
    /// The realm could not be asked.
    Mishap(Mishap),
    /// The realm gives none out: the status, and for how long.
    Refused(u16, Option<String>),
    /// The realm's answer broke off.
    Body(BodyError),
    /// The realm's answer holds none.
    Answer,
    /// Another request has not got it: the status for a client, and why.
    Shared(u16, Arc<str>),
}

impl NoToken {
    /// What it is to others who have waited for the same token.
    pub(super) fn shared(&self) -> Failure {
        let status = match self {
            NoToken::Refused(status, retry_after) => {
                return Failure::Refused(*status, retry_after.clone());
            }
            NoToken::Mishap(mishap) => mishap.status(),
            _ => 502,
        };
        Failure::Trouble(status, self.to_string().into())
    }
}

impl From<Failure> for NoToken {
    fn from(failure: Failure) -> NoToken {
        match failure {
            Failure::Refused(status, retry_after) => NoToken::Refused(status, retry_after),
            Failure::Trouble(status, why) => NoToken::Shared(status, why),
        }
    }
}

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoToken::Login => f.write_str("the registry refuses the client's login"),
            NoToken::Realm => {
                f.write_str("the registry's challenge names no realm that may be asked")
            }
            NoToken::Challenge => f.write_str("the registry's challenge is malformed"),
            NoToken::Account => f.write_str("the account is refused"),
            NoToken::Mishap(mishap) => write!(f, "{mishap}"),
            NoToken::Refused(status, _) => write!(f, "the realm answers {status}"),
            NoToken::Body(error) => write!(f, "{error}"),
            NoToken::Answer => f.write_str("the realm's answer holds no token"),
            NoToken::Shared(_, why) => f.write_str(why),
        }
    }
}

impl Proxy {
    /// Gets a token for what `challenge` names, of an upstream's own. One that stands for somebody cannot be replaced.
    pub(crate) async fn anonymous_token(
        &self,
        request: &Request<'_>,
        upstream: UpstreamId,
        challenge: Box<Reply>,
        trace: &mut Trace,
    ) -> Result<String, NoToken> {
        if request.has_login() {
            return Err(NoToken::Login);
        }
        let bearer = first_bearer(&challenge.head).ok_or(NoToken::Realm)?;
        challenge.discard(&self.client);
        let realm = self.shared.realms.find(upstream, bearer.service.as_deref());
        let realm = realm.and_then(Result::ok).ok_or(NoToken::Realm)?;
        let fetched = self.fetch(
            request,
            upstream,
            &bearer,
            &realm,
            Credentials::Withheld,
            trace,
        );
        Ok(fetched.await?.0)
    }

    /// Gets a token for what `bearer` names at `realm`, and how long it lives.
    pub(crate) async fn fetch(
        &self,
        request: &Request<'_>,
        upstream: UpstreamId,
        bearer: &Bearer,
        realm: &Realm,
        credentials: Credentials<'_>,
        trace: &mut Trace,
    ) -> Result<(String, Duration), NoToken> {
        let target = self.token_target(upstream, bearer, realm)?;
        let head =
            RequestHead::parse(Bytes::from_static(OWN_HEAD)).map_err(|_| NoToken::Challenge)?;
        let mut journey = Journey {
            request: &Request {
                head: &head,
                ..*request
            },
            upstream: Some(upstream),
            place: &Place::default(),
            repository: None,
            method: b"GET",
            body: None,
            credentials,
            grant: None,
            part: Part::AsAsked,
            over: Over::Any,
            trail: Trail::new(target, realm.reach),
            tries: Tries::new(),
        };
        // Apart, since what waits for a token holds a request that waits for an answer as well.
        let reply = Box::pin(self.travel(&mut journey, trace))
            .await
            .map_err(NoToken::Mishap)?;
        if reply.head.status != 200 {
            let retry_after = reply.head.fields.text("retry-after");
            let refused = NoToken::Refused(reply.head.status, retry_after.map(str::to_owned));
            reply.discard(&self.client);
            return Err(refused);
        }
        let body = reply.collect(MAX_ANSWER).await.map_err(NoToken::Body)?;
        body.as_deref().and_then(read).ok_or(NoToken::Answer)
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

/// The first Bearer challenge of an answer.
pub(crate) fn first_bearer(head: &ResponseHead) -> Option<Bearer> {
    let values = head.fields.all("www-authenticate");
    values
        .filter_map(|value| bearers(value).ok())
        .flatten()
        .next()
}

/// The token in a realm's answer, by the first of its names that holds any, and how long it lives (distribution token
/// specification). No life at all is as good as none said.
pub(crate) fn read(body: &[u8]) -> Option<(String, Duration)> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let mut named = ["token", "access_token"]
        .iter()
        .filter_map(|name| answer.get(name)?.as_str());
    let token = named.find(|token| !token.is_empty())?;
    let life = answer.get("expires_in").and_then(serde_json::Value::as_u64);
    let life = life
        .filter(|&seconds| seconds > 0)
        .map_or(DEFAULT_LIFE, |seconds| {
            Duration::from_secs(seconds).min(LONGEST_LIFE)
        });
    let is_sound = token.bytes().all(|b| b.is_ascii_graphic());
    is_sound.then(|| (token.to_owned(), life))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_by_either_name() {
        let cases: [(&str, Option<(&str, u64)>); 17] = [
            (r#"{"token":"a.b-c"}"#, Some(("a.b-c", 60))),
            (r#"{"token":"a","expires_in":300}"#, Some(("a", 300))),
            (r#"{"token":"a","expires_in":-1}"#, Some(("a", 60))),
            (
                r#"{"token":"a","expires_in":18446744073709551615}"#,
                Some(("a", 86400)),
            ),
            (r#"{"access_token":"a"}"#, Some(("a", 60))),
            (r#"{"access_token":"a","token":"b"}"#, Some(("b", 60))),
            (r#"{"token":"","access_token":"a"}"#, Some(("a", 60))),
            (r#"{"token":null,"access_token":"a"}"#, Some(("a", 60))),
            (r#"{"token":"a","access_token":null}"#, Some(("a", 60))),
            (r#"{"token":"a","expires_in":0}"#, Some(("a", 60))),
            (r#"{"token":"a","expires_in":1}"#, Some(("a", 1))),
            (r#"{"token":"","access_token":null}"#, None),
            (r#"{"token":""}"#, None),
            (r#"{"token":"a\r\nX: y"}"#, None),
            (r#"{"token":1}"#, None),
            ("[]", None),
            ("<html>", None),
        ];
        for (body, expected) in cases {
            let expected =
                expected.map(|(token, life)| (token.to_owned(), Duration::from_secs(life)));
            assert_eq!(read(body.as_bytes()), expected, "{body}");
        }
    }
}
