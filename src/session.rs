//! One client's connection: requests are read, answered and logged, one after another, until one of them ends it.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::answer::{Answer, NOT_TLS};
use crate::body::{Body, BodyError};
use crate::conn::{Conn, ReadHeadError};
use crate::http::framing::{self, BodyFraming};
use crate::http::head::{HeadError, REQUEST_LIMITS, RequestHead, Version};
use crate::http::request::{Form, effective};
use crate::http::uri::{Authority, Host, Scheme};
use crate::http::write::HeadWriter;
use crate::log::Record;
use crate::proxy::{Proxy, Request, Response, Trace};
use crate::registry::route::{Method, Route};
use crate::relay::{ClientFraming, Side, relay};
use crate::server::Stop;
use crate::timeouts;
use crate::upstream::Reply;

/// A token request's form. Those of real clients have a few hundred bytes.
const MAX_FORM: usize = 16 * 1024;

/// A body that a request should not have is read and dropped up to here.
const MAX_DROPPED: u64 = 64 * 1024;

/// The first byte of a TLS record that holds a handshake (RFC 8446 §5.1).
pub const TLS_HANDSHAKE_RECORD: u8 = 0x16;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The two ends of a client's connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The client's address.
    pub address: IpAddr,
    /// The address at which it reached docxy.
    pub local: SocketAddr,
    /// How it reached it.
    pub scheme: Scheme,
}

/// What becomes of a connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another request may follow.
    Again,
    /// It is closed, gently.
    Close,
    /// It is dropped in the middle of a body whose length the client knows.
    Drop,
    /// It is reset, since the client would take a plain end for the end of the body.
    Reset,
}

/// Serves one connection until its end.
pub async fn serve(proxy: &Proxy, mut client: Conn, peer: Peer, mut stop: Stop) {
    while wait_for_request(&mut client, &mut stop).await {
        match serve_one(proxy, &mut client, &peer, &stop).await {
            Next::Again => {}
            Next::Close => return client.linger().await,
            Next::Drop => return,
            Next::Reset => return client.reset(),
        }
    }
    client.close().await;
}

/// Only here, where nothing is under way, does a stop end a connection.
async fn wait_for_request(client: &mut Conn, stop: &mut Stop) -> bool {
    if !client.buffered().is_empty() {
        return true;
    }
    tokio::select! {
        biased;
        readable = timeout(timeouts::CLIENT_IDLE, client.idle()) => matches!(readable, Ok(Ok(()))),
        () = stop.requested() => false,
    }
}

async fn serve_one(proxy: &Proxy, client: &mut Conn, peer: &Peer, stop: &Stop) -> Next {
    let head = match read_request(client).await {
        Ok(head) => head,
        Err(ReadHeadError::Closed | ReadHeadError::Cut | ReadHeadError::Io(_)) => {
            return Next::Drop;
        }
        Err(ReadHeadError::Head(_)) if client.buffered().first() == Some(&TLS_HANDSHAKE_RECORD) => {
            return send_and_close(client, NOT_TLS).await;
        }
        Err(ReadHeadError::Head(error)) => {
            return refuse(proxy, client, peer, refusal_of_head(error)).await;
        }
        Err(ReadHeadError::TimedOut) => {
            let limit = humantime::format_duration(timeouts::CLIENT_HEAD);
            let answer = Answer::fatal(
                408,
                "UNKNOWN",
                format_args!("no whole request head came within {limit}"),
            );
            return refuse(proxy, client, peer, answer).await;
        }
    };
    Exchange {
        proxy,
        client,
        peer,
        head: &head,
        began: Instant::now(),
        trace: Trace::default(),
    }
    .run(stop)
    .await
}

async fn read_request(client: &mut Conn) -> Result<RequestHead, ReadHeadError> {
    let deadline = Instant::now() + timeouts::CLIENT_HEAD;
    let bytes = client
        .read_head(REQUEST_LIMITS, deadline, RequestHead::check_partial)
        .await?;
    RequestHead::parse(bytes).map_err(ReadHeadError::Head)
}

fn refusal_of_head(error: HeadError) -> Answer {
    let status = match error {
        HeadError::TooLong | HeadError::TooManyFields => 431,
        HeadError::Version => 505,
        _ => 400,
    };
    Answer::fatal(status, "UNSUPPORTED", error)
}

/// Answers what is no request, and closes.
async fn refuse(proxy: &Proxy, client: &mut Conn, peer: &Peer, answer: Answer) -> Next {
    let status = answer.status;
    let (head, body) = answer.write(b"GET", |head| head.field("Connection", "close"));
    let _ = client
        .write_all(
            &mut [IoSlice::new(&head), IoSlice::new(&body)],
            proxy.timeouts.client,
        )
        .await;
    let trace = Trace::default();
    let bytes = body.len() as u64;
    log(
        proxy,
        peer,
        &trace,
        Outcome {
            method: "-",
            path: "-",
            status,
            bytes,
            duration: Duration::ZERO,
        },
    );
    Next::Close
}

async fn send_and_close(client: &mut Conn, whole: &[u8]) -> Next {
    let _ = client
        .write_all(&mut [IoSlice::new(whole)], timeouts::CLIENT_HEAD)
        .await;
    Next::Close
}

/// One request and its answer.
struct Exchange<'a> {
    proxy: &'a Proxy,
    client: &'a mut Conn,
    peer: &'a Peer,
    head: &'a RequestHead,
    began: Instant,
    trace: Trace,
}

/// What a request's body came to.
enum Taken {
    /// There was none, or it has been read to its end.
    Whole(Vec<u8>),
    /// Part of it may still come, so that no request can follow it.
    Unread,
}

impl Exchange<'_> {
    async fn run(mut self, stop: &Stop) -> Next {
        let (response, taken) = match self.respond(stop).await {
            Ok(both) => both,
            Err(Refused::Answer(answer)) => (Response::Own(answer), Taken::Unread),
            Err(Refused::Gone) => return Next::Drop,
        };
        let persists = self.head.wants_keep_alive()
            && matches!(taken, Taken::Whole(_))
            && !response.closes()
            && !stop.is_requested();
        match response {
            Response::Own(answer) => self.send_own(answer, persists).await,
            Response::Passed {
                head,
                body: None,
                status,
            } => self.send_head(head, status, persists).await,
            Response::Passed {
                head,
                body: Some(reply),
                status,
            } => self.send_body(head, reply, status, persists).await,
        }
    }

    /// Everything up to the head of the answer. An error is an answer after which the connection is closed.
    async fn respond(&mut self, stop: &Stop) -> Result<(Response, Taken), Refused> {
        let fatal = |status, why: &dyn std::fmt::Display| Answer::fatal(status, "UNSUPPORTED", why);
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
            peer: self.peer,
        };
        self.proxy.check(&request)?;
        let route = self.proxy.route(&request);
        let wants_body = matches!(route, Ok(Route::Token(_)))
            && self.head.method() == Method::Post.as_str().as_bytes();
        let taken = if wants_body {
            self.take_form(framing).await?
        } else {
            self.drop_body(framing).await?
        };
        let form = match &taken {
            Taken::Whole(form) if wants_body => Some(form.as_slice()),
            _ => None,
        };
        let response = match route {
            Ok(route) => {
                self.proxy
                    .respond(&request, route, form, stop.is_requested(), &mut self.trace)
                    .await
            }
            Err(error) => Response::Own(error.into()),
        };
        Ok((response, taken))
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

    /// Reads the form of a token request.
    async fn take_form(&mut self, framing: BodyFraming) -> Result<Taken, Refused> {
        let too_long = || {
            Answer::fatal(
                413,
                "SIZE_INVALID",
                format_args!("the form is longer than {MAX_FORM} bytes"),
            )
        };
        if matches!(framing, BodyFraming::Length(length) if length > MAX_FORM as u64) {
            return Err(too_long().into());
        }
        if self.expects_continue()? && framing != BodyFraming::Length(0) {
            self.client
                .write_all(&mut [IoSlice::new(CONTINUE)], self.proxy.timeouts.client)
                .await
                .map_err(gone)?;
        }
        let mut body = Body::new(framing);
        let form = timeout(
            timeouts::CLIENT_HEAD,
            body.collect(self.client, MAX_FORM, timeouts::CLIENT_HEAD),
        )
        .await;
        match form.unwrap_or(Err(BodyError::Stalled(timeouts::CLIENT_HEAD))) {
            Ok(Some(form)) => Ok(Taken::Whole(form)),
            Ok(None) => Err(too_long().into()),
            Err(error) => Err(refusal_of_body(&error)),
        }
    }

    /// Drops a body that the request should not have, so that it is not taken for the next request.
    async fn drop_body(&mut self, framing: BodyFraming) -> Result<Taken, Refused> {
        if framing == BodyFraming::Length(0) {
            self.expects_continue()?;
            return Ok(Taken::Whole(Vec::new()));
        }
        if self.expects_continue()? {
            // The client may send the body or not; either way what follows is in doubt.
            return Ok(Taken::Unread);
        }
        let mut body = Body::new(framing);
        let drain = timeout(
            timeouts::CLIENT_HEAD,
            body.drain(self.client, MAX_DROPPED, timeouts::CLIENT_HEAD),
        )
        .await;
        match drain.unwrap_or(Err(BodyError::Stalled(timeouts::CLIENT_HEAD))) {
            Ok(true) => Ok(Taken::Whole(Vec::new())),
            Ok(false) => Ok(Taken::Unread),
            Err(error) => Err(refusal_of_body(&error)),
        }
    }

    /// Whether the client waits for an interim answer before it sends its body (RFC 9110 §10.1.1).
    fn expects_continue(&self) -> Result<bool, Answer> {
        if self.head.version == Version::Http10 {
            return Ok(false);
        }
        match self.head.fields.only("expect") {
            Ok(None) => Ok(false),
            Ok(Some(value)) if value.eq_ignore_ascii_case(b"100-continue") => Ok(true),
            _ => Err(Answer::fatal(
                417,
                "UNSUPPORTED",
                "only 100-continue can be expected",
            )),
        }
    }

    async fn send_own(self, answer: Answer, persists: bool) -> Next {
        let status = answer.status;
        if status >= 500 {
            self.say_why(&answer.why);
        }
        let (head, body) = answer.write(self.head.method(), |head| self.end_fields(head, persists));
        let sent = self
            .client
            .write_all(
                &mut [IoSlice::new(&head), IoSlice::new(&body)],
                self.proxy.timeouts.client,
            )
            .await;
        self.finish(status, body.len() as u64, sent.is_ok(), persists)
    }

    async fn send_head(self, mut head: HeadWriter, status: u16, persists: bool) -> Next {
        self.end_fields(&mut head, persists);
        let head = head.finish();
        let sent = self
            .client
            .write_all(&mut [IoSlice::new(&head)], self.proxy.timeouts.client)
            .await;
        self.finish(status, 0, sent.is_ok(), persists)
    }

    async fn send_body(
        self,
        mut head: HeadWriter,
        mut reply: Reply,
        status: u16,
        persists: bool,
    ) -> Next {
        let framing = match reply.framing {
            BodyFraming::Length(_) => ClientFraming::Length,
            _ if self.head.version == Version::Http11 => ClientFraming::Chunked,
            _ => ClientFraming::UntilClose,
        };
        let persists = persists && framing != ClientFraming::UntilClose;
        if framing == ClientFraming::Chunked {
            head.field("Transfer-Encoding", "chunked");
        }
        self.end_fields(&mut head, persists);
        let head = head.finish();
        match relay(
            self.client,
            &head,
            &mut reply,
            framing,
            self.proxy.timeouts.client,
        )
        .await
        {
            Ok(bytes) => {
                reply.recycle(&self.proxy.client);
                self.finish(status, bytes, true, persists)
            }
            Err(error) => {
                drop(reply);
                self.say_why(&format!("{}: {error}", self.trace.asked));
                if let (false, Side::Upstream(_)) = (error.head_passed, &error.side) {
                    let answer = Answer::fatal(502, "UNAVAILABLE", &error);
                    return self.send_own(answer, false).await;
                }
                self.finish(status, error.passed, false, false);
                if framing == ClientFraming::UntilClose {
                    Next::Reset
                } else {
                    Next::Drop
                }
            }
        }
    }

    /// What an answer says of the connection.
    fn end_fields(&self, head: &mut HeadWriter, persists: bool) {
        match (persists, self.head.version) {
            (false, _) => head.field("Connection", "close"),
            (true, Version::Http10) => head.field("Connection", "keep-alive"),
            (true, Version::Http11) => {}
        }
    }

    fn say_why(&self, why: &str) {
        let method = String::from_utf8_lossy(self.head.method());
        self.proxy.log.error(format_args!(
            "{method} {}: {why}",
            path_of(self.head.target())
        ));
    }

    fn finish(&self, status: u16, bytes: u64, sent: bool, persists: bool) -> Next {
        let method = str::from_utf8(self.head.method()).unwrap_or("-");
        let path = path_of(self.head.target());
        log(
            self.proxy,
            self.peer,
            &self.trace,
            Outcome {
                method,
                path,
                status,
                bytes,
                duration: self.began.elapsed(),
            },
        );
        match (sent, persists) {
            (true, true) => Next::Again,
            (true, false) => Next::Close,
            (false, _) => Next::Drop,
        }
    }
}

/// The target without its query, which may hold a signature or a secret.
fn path_of(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// Why an exchange does not go its usual way.
enum Refused {
    /// There is an answer, after which the connection is closed.
    Answer(Answer),
    /// There is nobody to answer.
    Gone,
}

impl From<Answer> for Refused {
    fn from(answer: Answer) -> Refused {
        Refused::Answer(answer)
    }
}

fn gone(_: io::Error) -> Refused {
    Refused::Gone
}

fn refusal_of_body(error: &BodyError) -> Refused {
    match error {
        BodyError::Chunk(error) => Answer::fatal(400, "UNSUPPORTED", error).into(),
        BodyError::Stalled(_) => Answer::fatal(408, "UNKNOWN", error).into(),
        BodyError::Cut | BodyError::Io(_) => Refused::Gone,
    }
}

#[derive(Clone, Copy)]
struct Outcome<'a> {
    method: &'a str,
    path: &'a str,
    status: u16,
    bytes: u64,
    duration: Duration,
}

fn log(proxy: &Proxy, peer: &Peer, trace: &Trace, outcome: Outcome<'_>) {
    proxy.log.access(&Record {
        client: peer.address,
        method: outcome.method,
        path: outcome.path,
        status: outcome.status,
        bytes: outcome.bytes,
        duration: outcome.duration,
        upstream: trace.upstream.map_or("-", |id| &proxy.table.get(id).name),
        upstream_status: trace.status,
        reused: trace.reused,
        retries: trace.retries,
        hops: trace.hops,
    });
}
