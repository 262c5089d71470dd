//! Goes on with a blob whose body has broken off, so that the client sees one body: first where the body came from, then
//! by way of the registry, with a new token if the old one has expired.
//!
//! A blob is named by its digest, and every client checks it; what goes on has the same size, no other validator, and begins
//! exactly there.

use std::fmt;

use tokio::time::sleep;

use crate::conn::body::BodyError;
use crate::http::framing::BodyFraming;
use crate::registry::range::{Continuation, Mismatch};
use crate::registry::redirect::Trail;
use crate::registry::rewrite::{Credentials, Part};
use crate::upstream::Over;
use crate::upstream::reply::Reply;
use crate::upstream::tries::Tries;

use super::fetch::NoToken;
use super::journey::{Journey, Mishap};
use super::on_behalf::Grant;
use super::unfinished::{Unfinished, encoding};
use super::{Proxy, Request, Trace};

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
    Token(NoToken),
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
            Setback::Token(why) => write!(f, "{why}"),
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
    ) -> Option<Box<Reply>> {
        while let Some(pause) = unfinished.attempts.pause(passed) {
            sleep(pause).await;
            match self.go_on(request, unfinished, passed, trace).await {
                Ok(reply) => {
                    trace.resumes += 1;
                    self.shared.counted.of(unfinished.upstream).resumed();
                    return Some(reply);
                }
                Err(setback) => {
                    let asked = trace.asked();
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
    ) -> Result<Box<Reply>, Setback> {
        let again = unfinished.trail.clone();
        if again.hops() > 0 {
            // A signed URL may have expired, and a CDN's machine may be broken: what fails there says little.
            let nothing = (Credentials::Withheld, None);
            let rest = self.rest(request, unfinished, again, nothing, passed, trace);
            if let Ok(reply) = rest.await {
                return Ok(reply);
            }
        }
        let anew = Trail::new(unfinished.trail.first().clone(), None);
        let own = (unfinished.credentials, unfinished.grant.clone());
        let rest = self.rest(request, unfinished, anew.clone(), own, passed, trace);
        let challenge = match rest.await {
            Err(Setback::Challenged(challenge)) => challenge,
            rest => return rest,
        };
        let token;
        let upstream = unfinished.upstream;
        // It stays until there is another one: later attempts are the account's as well.
        let refused = unfinished.grant.clone();
        let other = match (refused, self.shared.accounts.get(upstream)) {
            (refused @ Some(_), Some(account)) => {
                let grant =
                    self.grant_after(account, refused, &challenge, request, upstream, trace);
                let grant = grant.await.map_err(Setback::Token)?;
                let (grant, _) = grant.ok_or(Setback::Token(NoToken::Realm))?;
                unfinished.grant = Some(grant.clone());
                challenge.discard(&self.client);
                (Credentials::Withheld, Some(grant))
            }
            _ => {
                let fetched = self.anonymous_token(request, upstream, challenge, trace);
                token = fetched.await.map_err(Setback::Token)?;
                (Credentials::Token(&token), None)
            }
        };
        self.rest(request, unfinished, anew, other, passed, trace)
            .await
    }

    /// Asks one place for the rest, over a connection of its own.
    async fn rest(
        &self,
        request: &Request<'_>,
        unfinished: &mut Unfinished,
        trail: Trail,
        (credentials, grant): (Credentials<'_>, Option<Grant>),
        passed: u64,
        trace: &mut Trace,
    ) -> Result<Box<Reply>, Setback> {
        let range = unfinished
            .span
            .rest(passed)
            .ok_or(Setback::Mismatch(Mismatch::Part))?;
        let mut journey = Journey {
            request,
            upstream: Some(unfinished.upstream),
            place: &unfinished.place,
            repository: None,
            method: b"GET",
            body: None,
            credentials,
            grant,
            part: Part::Only(&range),
            over: Over::Fresh,
            trail,
            tries: Tries::once(),
        };
        let mut reply = self
            .travel(&mut journey, trace)
            .await
            .map_err(Setback::Mishap)?;
        if reply.head.status == 401 && !journey.trail.has_left() {
            self.learn(&journey, &reply);
            return Err(Setback::Challenged(reply));
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
        let origin = &trail.target().origin;
        let admitted = unfinished.validators.admit(&reply.head, origin);
        admitted.map_err(Setback::Mismatch)?;
        if let Continuation::After(skipped) = continuation {
            reply.skip(skipped).await.map_err(Setback::Skip)?;
        }
        unfinished.validators.keep(&reply.head, origin);
        unfinished.trail = trail;
        Ok(reply)
    }
}
