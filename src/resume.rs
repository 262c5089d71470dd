//! Goes on with a blob whose body has broken off, so that the client sees one body: first where the body came from, then
//! by way of the registry, with a new token if the old one has expired.
//!
//! A blob is named by its digest, and every client checks it; what goes on has the same size and begins exactly there.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use crate::body::BodyError;
use crate::forward::{Journey, Mishap};
use crate::http::framing::BodyFraming;
use crate::http::head::{RequestHead, ResponseHead};
use crate::http::uri::Target;
use crate::proxy::{Proxy, Request, Trace};
use crate::registry::access::Identity;
use crate::registry::challenge::{Bearer, bearers};
use crate::registry::range::{Continuation, Mismatch, Span};
use crate::registry::redirect::Trail;
use crate::registry::rewrite::{Credentials, Part};
use crate::registry::route::{Kind, Place};
use crate::registry::table::UpstreamId;
use crate::registry::token::{Parameters, scope_parameters};
use crate::upstream::{Over, Reply};

/// The pauses before the attempts that may fail in a row; any progress begins them anew.
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(500),
    Duration::from_secs(2),
];

/// A token server's answer; real ones have a few kilobytes.
const MAX_TOKEN_ANSWER: usize = 64 * 1024;

/// The head of a request that docxy makes for itself.
const OWN_HEAD: &[u8] = b"GET / HTTP/1.1\r\nAccept: application/json\r\nUser-Agent: docxy\r\n\r\n";

/// A body that is to come.
#[derive(Debug)]
pub struct Flow {
    /// Where it comes from.
    pub reply: Reply,
    /// What it takes to go on with it; `None` where that cannot be.
    pub unfinished: Option<Box<Unfinished>>,
}

/// A blob on its way, and what it takes to go on with it.
#[derive(Debug)]
pub struct Unfinished {
    upstream: UpstreamId,
    place: Place,
    credentials: Credentials<'static>,
    trail: Trail,
    span: Span,
    encoding: Option<Vec<u8>>,
    /// Bytes that had passed when it broke off last.
    progress: u64,
    /// Attempts since then.
    attempts: usize,
}

impl Unfinished {
    /// What it takes to go on with the body of `reply`, if it is a blob of known length.
    pub(crate) fn of(
        journey: &Journey<'_>,
        reply: &Reply,
        kind: Option<Kind>,
    ) -> Option<Unfinished> {
        let BodyFraming::Length(length) = reply.framing else {
            return None;
        };
        let (Some(Kind::Blob), b"GET", Credentials::Sent | Credentials::Withheld) =
            (kind, journey.method, journey.credentials)
        else {
            return None;
        };
        let is_sent = journey.credentials == Credentials::Sent;
        Some(Unfinished {
            upstream: journey.upstream,
            place: journey.place.clone(),
            credentials: if is_sent {
                Credentials::Sent
            } else {
                Credentials::Withheld
            },
            trail: journey.trail.clone(),
            span: Span::of(&reply.head, length)?,
            encoding: encoding(&reply.head),
            progress: 0,
            attempts: 0,
        })
    }

    /// The pause before the next attempt; `None` if there is none.
    fn pause(&mut self, passed: u64) -> Option<Duration> {
        if passed > self.progress {
            (self.progress, self.attempts) = (passed, 0);
        }
        self.attempts += 1;
        PAUSES.get(self.attempts - 1).copied()
    }
}

/// How a coding would change what the bytes are of which a part is asked for (RFC 9110 §8.4).
fn encoding(head: &ResponseHead) -> Option<Vec<u8>> {
    head.fields.first("content-encoding").map(<[u8]>::to_vec)
}

/// Why an attempt to go on has failed.
enum Setback {
    /// Whoever was asked did not answer.
    Mishap(Mishap),
    /// What was answered is not the rest.
    Mismatch(Mismatch),
    /// What was answered is coded otherwise, or its length is not told.
    Form,
    /// The registry wants a token.
    Challenged(Box<Reply>),
    /// There is no token to be had.
    Token(&'static str),
    /// The whole came again, and broke off before the rest.
    Skip(BodyError),
}

impl fmt::Display for Setback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setback::Mishap(mishap) => write!(f, "{mishap}"),
            Setback::Mismatch(mismatch) => write!(f, "{mismatch}"),
            Setback::Form => f.write_str("the rest comes in another form"),
            Setback::Challenged(_) => f.write_str("the registry wants another token"),
            Setback::Token(why) => f.write_str(why),
            Setback::Skip(error) => write!(f, "{error}"),
        }
    }
}

impl Proxy {
    /// Asks for what is left after `passed` bytes, until it comes or the attempts are used up.
    pub(crate) async fn resume(
        &self,
        request: &Request<'_>,
        unfinished: &mut Unfinished,
        passed: u64,
        trace: &mut Trace,
    ) -> Option<Reply> {
        while let Some(pause) = unfinished.pause(passed) {
            sleep(pause).await;
            match self.go_on(request, unfinished, passed, trace).await {
                Ok(reply) => {
                    trace.resumes += 1;
                    return Some(reply);
                }
                Err(setback) => {
                    let asked = &trace.asked;
                    let what =
                        format_args!("{asked}: cannot go on after {passed} bytes: {setback}");
                    self.shared.log.error(what);
                }
            }
        }
        None
    }

    async fn go_on(
        &self,
        request: &Request<'_>,
        unfinished: &mut Unfinished,
        passed: u64,
        trace: &mut Trace,
    ) -> Result<Reply, Setback> {
        let again = unfinished.trail.clone();
        if again.hops() > 0 {
            // A signed URL may have expired, and a CDN's machine may be broken: what fails there says little.
            let rest = self.rest(
                request,
                unfinished,
                again,
                Credentials::Withheld,
                passed,
                trace,
            );
            if let Ok(reply) = rest.await {
                return Ok(reply);
            }
        }
        let anew = Trail::new(unfinished.trail.first().clone(), None);
        let credentials = unfinished.credentials;
        let rest = self.rest(
            request,
            unfinished,
            anew.clone(),
            credentials,
            passed,
            trace,
        );
        match rest.await {
            Err(Setback::Challenged(challenge)) => {
                let token = self
                    .anonymous_token(request, unfinished, *challenge, trace)
                    .await?;
                self.rest(
                    request,
                    unfinished,
                    anew,
                    Credentials::Token(&token),
                    passed,
                    trace,
                )
                .await
            }
            rest => rest,
        }
    }

    /// Asks one place for the rest, over a connection of its own.
    async fn rest(
        &self,
        request: &Request<'_>,
        unfinished: &mut Unfinished,
        trail: Trail,
        credentials: Credentials<'_>,
        passed: u64,
        trace: &mut Trace,
    ) -> Result<Reply, Setback> {
        let range = unfinished
            .span
            .rest(passed)
            .ok_or(Setback::Mismatch(Mismatch::Part))?;
        let mut journey = Journey {
            request,
            upstream: unfinished.upstream,
            place: &unfinished.place,
            method: b"GET",
            body: None,
            credentials,
            part: Part::Only(&range),
            over: Over::Fresh,
            trail,
        };
        let mut reply = self
            .travel(&mut journey, trace)
            .await
            .map_err(Setback::Mishap)?;
        if reply.head.status == 401 && !journey.trail.has_left() {
            self.learn(&journey, &reply);
            return Err(Setback::Challenged(Box::new(reply)));
        }
        let trail = journey.trail;
        let BodyFraming::Length(length) = reply.framing else {
            return Err(Setback::Form);
        };
        let continuation = unfinished
            .span
            .continues(passed, &reply.head, length)
            .map_err(Setback::Mismatch)?;
        if encoding(&reply.head) != unfinished.encoding {
            return Err(Setback::Form);
        }
        if let Continuation::After(skipped) = continuation {
            reply.skip(skipped).await.map_err(Setback::Skip)?;
        }
        unfinished.trail = trail;
        Ok(reply)
    }

    /// A token for what the challenge names, as anyone gets it. One that stands for somebody cannot be replaced.
    async fn anonymous_token(
        &self,
        request: &Request<'_>,
        unfinished: &Unfinished,
        challenge: Reply,
        trace: &mut Trace,
    ) -> Result<String, Setback> {
        let none = |why| Setback::Token(why);
        if request.has_login() {
            return Err(none("the registry refuses the client's login"));
        }
        let bearer =
            first_bearer(&challenge.head).ok_or(none("the registry's challenge names no realm"))?;
        let upstream = unfinished.upstream;
        let realm = self.shared.realms.find(upstream, bearer.service.as_deref());
        let realm = realm
            .and_then(Result::ok)
            .ok_or(none("the registry's realm may not be asked"))?;
        challenge.discard(&self.client);

        let scopes = scope_parameters(&bearer.scopes);
        let parameters = Parameters::parse(&scopes)
            .map_err(|_| none("the registry's challenge is malformed"))?;
        let (service, own) = (bearer.service.as_deref(), realm.query.as_deref());
        let query = parameters.rewrite(
            &self.shared.table,
            upstream,
            service,
            own,
            Identity::Anonymous,
        );
        let path_and_query = format!("{}?{query}", realm.target.path_and_query);
        let head = RequestHead::parse(Bytes::from_static(OWN_HEAD))
            .map_err(|_| none("docxy's own request is malformed"))?;
        let mut journey = Journey {
            request: &Request {
                head: &head,
                ..*request
            },
            upstream,
            place: &unfinished.place,
            method: b"GET",
            body: None,
            credentials: Credentials::Withheld,
            part: Part::AsAsked,
            over: Over::Any,
            trail: Trail::new(
                Target {
                    origin: realm.target.origin,
                    path_and_query,
                },
                realm.reach,
            ),
        };
        let reply = self
            .travel(&mut journey, trace)
            .await
            .map_err(Setback::Mishap)?;
        if reply.head.status != 200 {
            return Err(none("the realm gives out no token without a login"));
        }
        let body = reply
            .collect(MAX_TOKEN_ANSWER)
            .await
            .map_err(Setback::Skip)?;
        body.as_deref()
            .and_then(token_of)
            .ok_or(none("the realm's answer holds no token"))
    }
}

fn first_bearer(head: &ResponseHead) -> Option<Bearer> {
    head.fields
        .all("www-authenticate")
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
