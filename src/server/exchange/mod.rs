//! One request and its answer: what it asks is checked, its body taken, the answer found and sent.

mod sending;

use std::pin::pin;

use tokio::time::Instant;

use crate::answer::Answer;
use crate::conn::Conn;
use crate::http::framing;
use crate::http::head::RequestHead;
use crate::http::request::{Form, effective, path_of};
use crate::http::uri::{Authority, Host};
use crate::limits::admission::Full;
use crate::metrics::InFlight;
use crate::metrics::kind::Kind;
use crate::proxy::{Done, Peer, Proxy, Request, Response, Trace};
use crate::registry::route::{Method, Route};
use crate::server::intake::{self, Refused, Taken, Wanted};
use crate::stop::Stop;

/// What the log says where the client has left before there was an answer; nginx says the same.
const CLIENT_GONE: u16 = 499;

/// What becomes of a connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another request may follow.
    Again,
    /// It is closed, gently.
    Close,
    /// It is dropped in the middle of a body whose length the client knows.
    Drop,
    /// It is reset, since the client would take a plain end for the end of the body.
    Reset,
}

/// One request and its answer.
#[derive(Debug)]
pub struct Exchange<'a> {
    proxy: &'a Proxy,
    client: &'a mut Conn,
    /// Who asks: the connection's peer, or whom a trusted proxy there names.
    peer: Peer,
    head: &'a RequestHead,
    /// Why nothing is done for it but to say that docxy is well.
    full: Option<Full>,
    began: Instant,
    trace: Trace,
    _in_flight: InFlight,
}

impl<'a> Exchange<'a> {
    /// A request whose head has just come.
    pub fn new(
        proxy: &'a Proxy,
        client: &'a mut Conn,
        peer: &'a Peer,
        head: &'a RequestHead,
    ) -> Exchange<'a> {
        Exchange {
            proxy,
            client,
            peer: *peer,
            head,
            full: None,
            began: Instant::now(),
            trace: Trace::default(),
            _in_flight: proxy.metrics(peer.entrance).begun(),
        }
    }

    /// One on a connection that cannot stay, since a limit is reached.
    pub fn without_room(self, full: Full) -> Exchange<'a> {
        let full = Some(full);
        Exchange { full, ..self }
    }

    /// Answers the request, logs it, and says what becomes of the connection.
    pub async fn run(&mut self, stop: &Stop) -> Next {
        let (response, taken) = match self.respond(stop).await {
            Ok(both) => both,
            Err(Refused::Answer(answer)) => (Response::Own(answer), Taken::Unread),
            Err(Refused::Gone) => return self.finish(CLIENT_GONE, 0, Next::Drop),
        };
        let persists = self.head.wants_keep_alive()
            && matches!(taken, Taken::Whole(_))
            && !response.closes()
            // What comes after it may be meant for the other end of a tunnel (RFC 9931 §8).
            && self.head.method() != b"CONNECT"
            && self.full.is_none()
            && !stop.is_requested();
        let then = if persists { Next::Again } else { Next::Close };
        match response {
            Response::Own(answer) => self.send_own(answer, then).await,
            Response::Passed {
                head,
                body: None,
                status,
            } => self.send_head(head, status, then).await,
            Response::Passed {
                head,
                body: Some(flow),
                status,
            } => self.send_body(head, flow, status, then).await,
        }
    }

    /// Everything up to the head of the answer. An error is an answer after which the connection is closed.
    async fn respond(&mut self, stop: &Stop) -> Result<(Response, Taken), Refused> {
        let fatal = |status, why: &dyn std::fmt::Display| Answer::fatal(status, "UNSUPPORTED", why);
        let forwarded = self.take_forwarded()?;
        let framing =
            framing::of_request(self.head).map_err(|error| fatal(error.status(), &error))?;
        let asked = effective(self.head).map_err(|error| fatal(400, &error))?;
        if let (Form::Absolute, Some(authority)) = (asked.form, &asked.authority) {
            self.check_authority(authority)?;
        }
        let request = Request {
            head: self.head,
            target: &asked.target,
            authority: asked.authority.as_ref(),
            reached_as: forwarded.as_ref().or(asked.authority.as_ref()),
            peer: &self.peer,
        };
        self.proxy.check(&request)?;
        let mut route = self.proxy.route(&request);
        self.trace.kind = route.as_ref().map(Kind::from).unwrap_or_default();
        if let (Some(full), false) = (self.full, matches!(route, Ok(Route::Health | Route::Ready)))
        {
            return Err(Answer::full(full).into());
        }
        let (head, timeouts) = (self.head, &self.proxy.shared.timeouts);
        let wanted = wanted(head, &route);
        let taken = intake::take(self.client, head, framing, wanted, timeouts).await?;
        let form = match &taken {
            Taken::Whole(form) if wanted == Wanted::Form => Some(form.as_slice()),
            _ => None,
        };
        let response = match route {
            Ok(ref mut route) => {
                let (proxy, trace) = (self.proxy, &mut self.trace);
                let response = proxy.respond(&request, route, form, stop.is_requested(), trace);
                // In its place: it is too large to be moved about.
                let mut response = pin!(response);
                // The client has nothing to send now, so that dropping what runs for it cuts no message of its own.
                tokio::select! {
                    biased;
                    response = &mut response => response,
                    () = self.client.broken() => return Err(Refused::Gone),
                }
            }
            Err(error) => Response::Own(self.proxy.refuse(&request, error)),
        };
        Ok((response, taken))
    }

    /// Believes a trusted proxy who asks, and how; returns the Host by which the client reached that proxy, if it says so.
    fn take_forwarded(&mut self) -> Result<Option<Authority>, Answer> {
        // The balancer may be trusted, but the fields are those of somebody it does not name.
        if self.peer.is_unnamed {
            return Ok(None);
        }
        let trusted = &self.proxy.shared.trusted_proxies;
        let said = trusted.read(self.peer.address, &self.head.fields);
        let said = said.map_err(|error| Answer::fatal(400, "UNSUPPORTED", error))?;
        self.peer.address = said.client.unwrap_or(self.peer.address);
        self.peer.scheme = said.scheme.unwrap_or(self.peer.scheme);
        Ok(said.host)
    }

    /// Whom a client means that takes docxy for a proxy has to be docxy.
    fn check_authority(&self, authority: &Authority) -> Result<(), Answer> {
        let is_local = authority.host == Host::Address(self.peer.local.ip().to_canonical());
        if is_local || self.proxy.answers_to(authority) {
            return Ok(());
        }
        Err(Answer::fatal(
            421,
            "UNSUPPORTED",
            "this is a registry proxy and answers only in its own name",
        ))
    }

    fn say_why(&self, why: &str) {
        self.proxy
            .shared
            .log
            .error(format_args!("{}: {why}", self.line()));
    }

    /// The request in messages.
    fn line(&self) -> String {
        format!(
            "{} {}",
            String::from_utf8_lossy(self.head.method()),
            path_of(self.head.target())
        )
    }

    /// The first byte of the answer is to go out.
    fn note_first_byte(&mut self) {
        if self.proxy.metrics(self.peer.entrance).are_on() {
            self.trace.first_byte = Some(self.began.elapsed());
        }
    }

    /// Counts and logs the exchange, of whose answer `bytes` were sent; gives `then` back.
    fn finish(&self, status: u16, bytes: u64, then: Next) -> Next {
        let done = Done {
            head: Some(self.head),
            status,
            bytes,
            began: self.began,
        };
        self.proxy.conclude(&self.peer, &self.trace, &done);
        then
    }
}

/// What the body of a request may be.
fn wanted<E>(head: &RequestHead, route: &Result<Route, E>) -> Wanted {
    match route {
        Ok(Route::Token(_)) if head.method() == Method::Post.as_str().as_bytes() => Wanted::Form,
        Ok(_) => Wanted::Nothing,
        Err(_) => Wanted::Refused,
    }
}
