//! The answer on its way to the client: framed for it, sent with the body as that comes, and ended so that nobody takes a part
//! for the whole.

use std::io;

use super::{Exchange, Next};
use crate::answer::Answer;
use crate::http::framing::BodyFraming;
use crate::http::head::Version;
use crate::http::write::HeadWriter;
use crate::metrics::upstreams::Bytes;
use crate::proxy::unfinished::{Flow, Unfinished};
use crate::proxy::{Entrance, Request};
use crate::server::relay::{ClientFraming, RelayError, Side, relay};
use crate::upstream::reply::Reply;

impl<'a> Exchange<'a> {
    pub(super) async fn send_own(&mut self, answer: Answer, then: Next) -> Next {
        let status = answer.status;
        if status >= 500 {
            self.say_why(&answer.why);
        }
        let (head, body) = answer.write(self.head.method(), |head| self.end_fields(head, then));
        self.note_first_byte();
        let sent = self.write([&head, &body]).await;
        self.counted().add(body.len());
        self.finish(status, body.len() as u64, after(&sent, then))
    }

    pub(super) async fn send_head(
        &mut self,
        mut head: HeadWriter,
        status: u16,
        then: Next,
    ) -> Next {
        self.end_fields(&mut head, then);
        let head = head.finish();
        self.note_first_byte();
        let sent = self.write([&head]).await;
        self.finish(status, 0, after(&sent, then))
    }

    pub(super) async fn send_body(
        &mut self,
        mut head: HeadWriter,
        flow: Flow,
        status: u16,
        then: Next,
    ) -> Next {
        let Flow {
            mut reply,
            mut unfinished,
        } = flow;
        let framing = match reply.framing {
            BodyFraming::Length(_) => ClientFraming::Length,
            _ if self.head.version == Version::Http11 => ClientFraming::Chunked,
            _ => ClientFraming::UntilClose,
        };
        let then = match framing {
            ClientFraming::UntilClose => Next::Close,
            _ => then,
        };
        if framing == ClientFraming::Chunked {
            head.field("Transfer-Encoding", "chunked");
        }
        self.end_fields(&mut head, then);
        let whole_head = head.finish();
        let (mut head, mut passed) = (Some(&whole_head[..]), 0);
        let (stall, bytes) = (self.proxy.shared.timeouts.client, self.counted());
        self.note_first_byte();
        loop {
            let relayed = relay(self.client, head.take(), &mut reply, framing, stall, bytes);
            let error = match relayed.await {
                Ok(count) => {
                    reply.recycle(&self.proxy.client);
                    return self.finish(status, passed + count, then);
                }
                Err(error) => error,
            };
            passed += error.passed;
            let error = RelayError { passed, ..error };
            let error = match (unfinished.as_deref_mut(), &error.side) {
                (Some(unfinished), Side::Upstream(_)) if error.head_passed => {
                    self.say_why(&format!("{}: {error}", self.trace.asked()));
                    match Box::pin(self.go_on(unfinished, passed)).await {
                        Ok(Some(rest)) => {
                            reply = rest;
                            continue;
                        }
                        Ok(None) => error,
                        Err(side) => RelayError { side, ..error },
                    }
                }
                _ => {
                    drop(reply);
                    error
                }
            };
            return self.break_off(error, status, framing).await;
        }
    }

    /// The rest of a body that has broken off, if it is to be had. An error says that the client has left meanwhile.
    async fn go_on(
        &mut self,
        unfinished: &mut Unfinished,
        passed: u64,
    ) -> Result<Option<Box<Reply>>, Side> {
        let request = Request {
            head: self.head,
            target: self.head.target(),
            authority: None,
            reached_as: None,
            peer: &self.peer,
        };
        let (proxy, trace) = (self.proxy, &mut self.trace);
        tokio::select! {
            biased;
            // First: for a client that has left nothing more is asked.
            () = self.client.broken() => Err(Side::client_left()),
            rest = proxy.resume(&request, unfinished, passed, trace) => Ok(rest),
        }
    }

    /// Ends an answer whose body does not pass whole, so that the client cannot take it for whole.
    async fn break_off(&mut self, error: RelayError, status: u16, framing: ClientFraming) -> Next {
        let why = format!("{}: {error}", self.trace.asked());
        match error.side {
            Side::Upstream(_) if !error.head_passed => {
                return self
                    .send_own(Answer::fatal(502, "UNAVAILABLE", why), Next::Close)
                    .await;
            }
            Side::Upstream(_) => {
                self.proxy.shared.counted.of_any(self.trace.upstream).lost();
                self.say_why(&why);
            }
            Side::Client(_) => self
                .proxy
                .shared
                .log
                .debug(format_args!("{}: {why}", self.line())),
        }
        let then = match framing {
            ClientFraming::UntilClose => Next::Reset,
            _ => Next::Drop,
        };
        self.finish(status, error.passed, then)
    }

    /// Where the bytes of the answer are counted.
    fn counted(&self) -> Bytes<'a> {
        match self.peer.entrance {
            Entrance::Clients => {
                let counted = &self.proxy.shared.counted;
                counted.of_any(self.trace.upstream).bytes(self.trace.kind)
            }
            Entrance::Admin => Bytes::default(),
        }
    }

    async fn write<const N: usize>(&mut self, parts: [&[u8]; N]) -> io::Result<()> {
        let stall = self.proxy.shared.timeouts.client;
        self.client.write_all(parts, stall).await
    }

    /// What an answer says of the connection.
    fn end_fields(&self, head: &mut HeadWriter, then: Next) {
        match (then, self.head.version) {
            (Next::Again, Version::Http10) => head.field("Connection", "keep-alive"),
            (Next::Again, Version::Http11) => {}
            _ => head.field("Connection", "close"),
        }
    }
}

/// What becomes of a connection by which an answer was to be sent.
fn after(sent: &io::Result<()>, then: Next) -> Next {
    match sent {
        Ok(()) => then,
        Err(_) => Next::Drop,
    }
}
