//! A request to an upstream and back: redirects followed, challenges turned to docxy, a missing size asked for.

use std::time::SystemTime;

use crate::answer::Answer;
use crate::http::framing::{self, BodyFraming};
use crate::http::head::ResponseHead;
use crate::http::uri::Target;
use crate::http::write::HeadWriter;
use crate::proxy::{Proxy, Request, Response, Trace};
use crate::registry::redirect::{Trail, is_redirect, total_of_content_range};
use crate::registry::rewrite::{self, Credentials, Part, Source, View};
use crate::registry::route::{Kind, Place};
use crate::registry::table::UpstreamId;
use crate::upstream::{Message, Reply};

/// What is to be asked of an upstream for a client.
#[derive(Debug)]
pub struct Errand<'a> {
    /// Of whom.
    pub upstream: UpstreamId,
    /// For what.
    pub target: Target,
    /// How the client addresses it.
    pub place: &'a Place,
    /// Which part of a repository it is, if any.
    pub kind: Option<Kind>,
}

/// A request on its way over redirects.
pub(crate) struct Journey<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) method: &'a [u8],
    pub(crate) body: Option<&'a [u8]>,
    pub(crate) credentials: Credentials,
    pub(crate) trail: Trail,
}

impl Journey<'_> {
    /// Whether the request has ever been sent to another origin than its first.
    pub(crate) fn source(&self) -> Source {
        match (self.trail.hops(), self.trail.has_left()) {
            (_, true) => Source::Elsewhere,
            (0, _) => Source::Upstream,
            _ => Source::Redirected,
        }
    }

    fn head(&self, via: &str, part: Part) -> Vec<u8> {
        let credentials = if self.trail.has_left() {
            Credentials::Withheld
        } else {
            self.credentials
        };
        let method = if part == Part::FirstByte {
            b"GET"
        } else {
            self.method
        };
        let body = self.body.map(<[u8]>::len);
        let (target, fields) = (self.trail.target(), &self.request.head.fields);
        rewrite::request_head(&rewrite::Request {
            method,
            target,
            fields,
            credentials,
            part,
            via,
            body,
        })
    }
}

impl Proxy {
    /// Asks an upstream, and says how its answer begins for the client.
    pub(crate) async fn forward(
        &self,
        request: &Request<'_>,
        errand: Errand<'_>,
        trace: &mut Trace,
    ) -> Result<Response, Answer> {
        trace.upstream = Some(errand.upstream);
        let mut journey = Journey {
            request,
            method: request.head.method(),
            body: None,
            credentials: request.credentials(errand.place.identity),
            trail: Trail::new(errand.target, None),
        };
        let reply = self.travel(&mut journey, trace).await?;
        let wants_size = errand.kind == Some(Kind::Blob)
            && journey.method == b"HEAD"
            && journey.source() == Source::Elsewhere
            && matches!(reply.head.status, 403 | 405);
        if wants_size {
            return self
                .ask_for_size(&journey, reply, errand.upstream, errand.place, trace)
                .await;
        }
        if reply.head.status == 401 && journey.source() != Source::Elsewhere {
            self.shared.realms.learn(
                &self.shared.table,
                errand.upstream,
                &reply,
                journey.trail.target(),
            );
        }
        self.pass(&journey, reply, errand.upstream, errand.place)
    }

    /// Sends a request wherever redirects lead, and returns the first answer that is none.
    pub(crate) async fn travel(
        &self,
        journey: &mut Journey<'_>,
        trace: &mut Trace,
    ) -> Result<Reply, Answer> {
        loop {
            let reply = self.send(journey, Part::AsAsked, trace).await?;
            // A form is sent to one place only; where it should go instead is the client's to decide.
            if !is_redirect(reply.head.status) || journey.body.is_some() {
                return Ok(reply);
            }
            let Some(location) = reply.head.fields.first("location") else {
                return Ok(reply);
            };
            let asked = journey.trail.target().origin.clone();
            journey
                .trail
                .follow(location, reply.answered_from())
                .map_err(|error| {
                    Answer::error(502, "UNAVAILABLE", format_args!("{asked}: {error}"))
                })?;
            trace.hops = journey.trail.hops();
            self.shared.log.debug(format_args!(
                "redirected from {asked} to {}",
                journey.trail.target().origin
            ));
            reply.discard(&self.client).await;
        }
    }

    async fn send(
        &self,
        journey: &Journey<'_>,
        part: Part,
        trace: &mut Trace,
    ) -> Result<Reply, Answer> {
        let head = journey.head(&self.shared.via, part);
        let method = if part == Part::FirstByte {
            b"GET"
        } else {
            journey.method
        };
        let message = Message {
            method,
            head: &head,
            body: journey.body.unwrap_or_default(),
        };
        let origin = &journey.trail.target().origin;
        trace.asked = origin.to_string();
        let reply = self
            .client
            .send(origin, journey.trail.reach(), &message)
            .await?;
        trace.note(&reply);
        Ok(reply)
    }

    /// URLs signed for GET refuse a HEAD. The size of a blob is then asked for with a GET of its first byte.
    async fn ask_for_size(
        &self,
        journey: &Journey<'_>,
        refused: Reply,
        upstream: UpstreamId,
        place: &Place,
        trace: &mut Trace,
    ) -> Result<Response, Answer> {
        let reply = self.send(journey, Part::FirstByte, trace).await?;
        let fields = &reply.head.fields;
        let size = match reply.head.status {
            200 => Some(framing::content_length(fields)),
            206 => Some(
                fields
                    .first("content-range")
                    .and_then(total_of_content_range),
            ),
            416 if fields.first("content-range") == Some(b"bytes */0") => Some(Some(0)),
            _ => None,
        };
        let Some(size) = size else {
            reply.discard(&self.client).await;
            return self.pass(journey, refused, upstream, place);
        };
        refused.discard(&self.client).await;
        let view = View {
            target: journey.trail.target(),
            place,
            source: journey.source(),
            length: size,
        };
        let head = self.begin(journey.request, 200, b"OK", &reply.head, &view, upstream)?;
        reply.discard(&self.client).await;
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
        reply: Reply,
        upstream: UpstreamId,
        place: &Place,
    ) -> Result<Response, Answer> {
        let status = reply.head.status;
        let is_bodyless = journey.method == b"HEAD" || matches!(status, 204 | 304);
        let length = match reply.framing {
            _ if status == 204 => None,
            _ if is_bodyless => framing::content_length(&reply.head.fields),
            BodyFraming::Length(length) => Some(length),
            BodyFraming::Chunked | BodyFraming::UntilClose => None,
        };
        let view = View {
            target: journey.trail.target(),
            place,
            source: journey.source(),
            length,
        };
        let head = self.begin(
            journey.request,
            status,
            reply.head.reason(),
            &reply.head,
            &view,
            upstream,
        )?;
        if is_bodyless || reply.framing == BodyFraming::Length(0) {
            // Nothing is to come, so the connection need not wait for the client.
            reply.recycle(&self.client);
            return Ok(Response::Passed {
                head,
                body: None,
                status,
            });
        }
        Ok(Response::Passed {
            head,
            body: Some(reply),
            status,
        })
    }

    fn begin(
        &self,
        request: &Request<'_>,
        status: u16,
        reason: &[u8],
        from: &ResponseHead,
        view: &View<'_>,
        upstream: UpstreamId,
    ) -> Result<HeadWriter, Answer> {
        let mut head = HeadWriter::answer(status, reason);
        rewrite::response_fields(&mut head, from, view, |bearer| {
            self.realm_for(request, upstream, bearer)
        })
        .map_err(|error| {
            Answer::error(
                502,
                "UNAVAILABLE",
                format_args!("{}: its challenge: {error}", view.target.origin),
            )
        })?;
        if !from.fields.contains("date") {
            head.field_of("Date", httpdate::HttpDate::from(SystemTime::now()));
        }
        Ok(head)
    }
}
