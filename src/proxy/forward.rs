//! A request to an upstream and back: redirects followed, challenges turned to docxy, a missing size asked for.

use std::time::SystemTime;

use crate::answer::Answer;
use crate::http::framing::{self, BodyFraming};
use crate::http::head::ResponseHead;
use crate::http::write::HeadWriter;
use crate::proxy::journey::{Journey, Mishap};
use crate::proxy::unfinished::Flow;
use crate::proxy::{Proxy, Response, Trace};
use crate::registry::challenge::Bearer;
use crate::registry::range::Span;
use crate::registry::redirect::{RedirectError, is_redirect};
use crate::registry::rewrite::{self, FIRST_BYTE, Part, Source, View};
use crate::registry::route::Kind;
use crate::upstream::Message;
use crate::upstream::fault::UpstreamError;
use crate::upstream::reply::Reply;

impl Proxy {
    /// Asks an upstream, and says how its answer begins for the client. `kind` is the part of a repository, if it is one.
    pub(crate) async fn forward(
        &self,
        journey: &mut Journey<'_>,
        kind: Option<Kind>,
        trace: &mut Trace,
    ) -> Result<Response, Answer> {
        trace.upstream = journey.upstream;
        let asked = self.ask_upstream(journey, trace).await;
        let reply = asked.map_err(|why| self.unanswered(journey, why))?;
        self.learn(journey, &reply);
        self.note_quota(journey, &reply);
        let refuses_head = matches!(reply.head.status, 403 | 405) && journey.method == b"HEAD";
        if refuses_head && kind == Some(Kind::Blob) && journey.source() != Source::Upstream {
            return Box::pin(self.ask_for_size(journey, reply, trace)).await;
        }
        self.pass(journey, reply, kind)
    }

    /// Learns where tokens are given out, if this is the upstream's own challenge.
    pub(crate) fn learn(&self, journey: &Journey<'_>, reply: &Reply) {
        let is_own = !journey.source().is_elsewhere();
        if let (401, true, Some(upstream)) = (reply.head.status, is_own, journey.upstream) {
            let (realms, table) = (&self.shared.realms, &self.shared.table);
            realms.learn(table, upstream, reply, journey.trail.target());
        }
    }

    /// Sends a request wherever redirects lead, and returns the first answer that is none, or that is for the client to follow.
    pub(crate) async fn travel(
        &self,
        journey: &mut Journey<'_>,
        trace: &mut Trace,
    ) -> Result<Box<Reply>, Mishap> {
        let reply = self.send(journey, trace).await?;
        self.follow(journey, reply, trace).await
    }

    /// The same, from the first answer on.
    pub(super) async fn follow(
        &self,
        journey: &mut Journey<'_>,
        mut reply: Box<Reply>,
        trace: &mut Trace,
    ) -> Result<Box<Reply>, Mishap> {
        while let Some(location) = self.leads_on(journey, &reply) {
            let asked = journey.trail.target().origin.clone();
            if journey.body.is_some() {
                return Err(Mishap::Form(asked));
            }
            let fields = &reply.head.fields;
            let followed = if fields.all("location").all(|other| other == location) {
                journey.trail.follow(location, reply.answered_from())
            } else {
                Err(RedirectError::Several)
            };
            if let Err(error) = followed {
                return Err(Mishap::Redirect(asked, error));
            }
            trace.hops = journey.trail.hops();
            self.shared.counted.of_any(journey.upstream).redirected();
            let next = &journey.trail.target().origin;
            self.shared
                .log
                .debug(format_args!("redirected from {asked} to {next}"));
            reply.discard(&self.client);
            reply = self.send(journey, trace).await?;
        }
        Ok(reply)
    }

    /// Where an answer leads, if it is not for the client to go there.
    pub(super) fn leads_on<'r>(&self, journey: &Journey<'_>, reply: &'r Reply) -> Option<&'r [u8]> {
        if !is_redirect(reply.head.status) {
            return None;
        }
        let location = reply.head.fields.first("location")?;
        (!self.is_for_client(journey, location)).then_some(location)
    }

    pub(super) async fn send(
        &self,
        journey: &mut Journey<'_>,
        trace: &mut Trace,
    ) -> Result<Box<Reply>, UpstreamError> {
        let message = Message {
            method: journey.method,
            head: &|| journey.head(&self.shared.via),
            body: journey.body.unwrap_or_default(),
            over: journey.over,
        };
        let (origin, reach) = (&journey.trail.target().origin, journey.trail.reach());
        let egress = self.shared.egresses.get(journey.upstream);
        trace.asked = Some(origin.clone());
        let mut tries = journey.tries;
        let sent = self
            .client
            .send(origin, egress, reach, &message, &mut tries)
            .await;
        let repeated = tries.repeated() - journey.tries.repeated();
        journey.tries = tries;
        self.note_retries(journey, repeated, trace);
        let reply = sent?;
        trace.note(&reply);
        Ok(reply)
    }

    /// Something was sent, or is to be sent, so many times again.
    pub(super) fn note_retries(&self, journey: &Journey<'_>, times: u32, trace: &mut Trace) {
        trace.retries += times;
        self.shared.counted.of_any(journey.upstream).retried(times);
    }

    /// URLs signed for GET refuse a HEAD. The size of a blob is then asked for with a GET of its first byte.
    async fn ask_for_size(
        &self,
        journey: &mut Journey<'_>,
        refused: Box<Reply>,
        trace: &mut Trace,
    ) -> Result<Response, Answer> {
        (journey.method, journey.part) = (b"GET", FIRST_BYTE);
        let reply = self.send(journey, trace).await?;
        (journey.method, journey.part) = (b"HEAD", Part::AsAsked);
        let Some(size) = size_behind_first_byte(&reply.head) else {
            reply.discard(&self.client);
            return self.pass(journey, refused, Some(Kind::Blob));
        };
        refused.discard(&self.client);
        let head = self.begin(journey, 200, b"OK", &reply.head, size)?;
        reply.discard(&self.client);
        Ok(Response::Passed {
            head,
            body: None,
            status: 200,
        })
    }

    /// Turns an upstream's answer into the client's.
    pub(crate) fn pass(
        &self,
        journey: &Journey<'_>,
        reply: Box<Reply>,
        kind: Option<Kind>,
    ) -> Result<Response, Answer> {
        let status = reply.head.status;
        let is_bodyless = journey.method == b"HEAD" || matches!(status, 204 | 304);
        let length = match reply.framing {
            _ if status == 204 => None,
            _ if is_bodyless => framing::content_length(&reply.head.fields),
            BodyFraming::Length(length) => Some(length),
            BodyFraming::Chunked | BodyFraming::UntilClose => None,
        };
        let head = self.begin(journey, status, reply.head.reason(), &reply.head, length)?;
        if is_bodyless || reply.framing == BodyFraming::Length(0) {
            // Nothing is to come, so the connection need not wait for the client.
            reply.recycle(&self.client);
            return Ok(Response::Passed {
                head,
                body: None,
                status,
            });
        }
        let unfinished = journey.unfinished(&reply, kind).map(Box::new);
        Ok(Response::Passed {
            head,
            body: Some(Flow { reply, unfinished }),
            status,
        })
    }

    /// Begins the client's answer with what is the client's of `from`.
    fn begin(
        &self,
        journey: &Journey<'_>,
        status: u16,
        reason: &[u8],
        from: &ResponseHead,
        length: Option<u64>,
    ) -> Result<HeadWriter, Answer> {
        let (request, target) = (journey.request, journey.trail.target());
        let mount = journey.place.mount;
        let base = mount.map(|_| self.own_realm(request, ""));
        let view = View {
            target,
            place: journey.place,
            mounts: base.as_deref().map(|base| self.mounts(base)),
            source: journey.source(),
            by_account: journey.grant.is_some(),
            status,
            length,
        };
        let realm = |bearer: &Bearer| match (mount, journey.upstream) {
            (Some(mount), _) => self.realm_for_mounted(request, mount, target, bearer),
            (None, Some(upstream)) => self.realm_for(request, upstream, bearer),
            (None, None) => bearer.realm.clone(),
        };
        let mut head = HeadWriter::answer(status, reason);
        let written = rewrite::response_fields(&mut head, from, &view, realm);
        let is_dated = written.map_err(|error| {
            let why = format_args!("{}: its challenge: {error}", target.origin);
            Answer::error(502, "UNAVAILABLE", why)
        })?;
        if !is_dated {
            head.field_of("Date", httpdate::HttpDate::from(SystemTime::now()));
        }
        Ok(head)
    }
}

/// The size of a blob of which the first byte was asked for, as far as the answer says it; `None` if it is an answer to
/// something else.
fn size_behind_first_byte(head: &ResponseHead) -> Option<Option<u64>> {
    match head.status {
        200 => Some(framing::content_length(&head.fields)),
        206 => {
            let first = Span::of(head, 1).filter(|part| part.first == 0)?;
            Some(first.total)
        }
        416 => {
            let range = head.fields.only("content-range").ok()??;
            (range == b"bytes */0").then_some(Some(0))
        }
        _ => None,
    }
}
