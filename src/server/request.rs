//! A request's head as it comes from a client, and what is said to what is none.

use std::io;

use tokio::time::Instant;

use crate::answer::{Answer, NOT_TLS};
use crate::conn::{Conn, ReadHeadError};
use crate::http::head::{HeadError, REQUEST_LIMITS, RequestHead};
use crate::limits::crowd::Crowd;
use crate::proxy::{Done, Peer, Proxy, Trace};
use crate::server::exchange::Next;
use crate::timeouts;

/// The first byte of a TLS record that holds a handshake (RFC 8446 §5.1).
pub(super) const TLS_HANDSHAKE_RECORD: u8 = 0x16;

/// What has come instead of a request.
pub(super) struct NoRequest {
    error: ReadHeadError,
    /// Whether it begins as a HEAD does, the answer to which has no body (RFC 9110 §9.3.2).
    is_head: bool,
}

/// Reads a head, of which there may be only so many unfinished ones.
pub(super) async fn read_request(
    client: &mut Conn,
    heads: &Crowd,
) -> Result<RequestHead, NoRequest> {
    let deadline = Instant::now() + timeouts::CLIENT_HEAD;
    let read = tokio::select! {
        biased;
        read = client.read_head(REQUEST_LIMITS, deadline, RequestHead::check_partial) => read,
        // Among so many who stall, an answer would be wasted.
        () = heads.pushed_out() => Err(ReadHeadError::Io(io::ErrorKind::ConnectionAborted.into())),
    };
    let bytes = read.map_err(|error| NoRequest::new(error, client.buffered()))?;
    let is_head = is_head(&bytes);
    RequestHead::parse(bytes).map_err(|error| NoRequest {
        error: ReadHeadError::Head(error),
        is_head,
    })
}

impl NoRequest {
    fn new(error: ReadHeadError, seen: &[u8]) -> NoRequest {
        let is_head = is_head(seen.strip_prefix(b"\r\n").unwrap_or(seen));
        NoRequest { error, is_head }
    }

    /// Says what is wrong, if there is anybody to tell, and what becomes of the connection.
    pub(super) async fn answer(self, proxy: &Proxy, client: &mut Conn, peer: &Peer) -> Next {
        let answer = match self.error {
            ReadHeadError::Closed | ReadHeadError::Cut | ReadHeadError::Io(_) => return Next::Drop,
            ReadHeadError::Head(_) if client.buffered().first() == Some(&TLS_HANDSHAKE_RECORD) => {
                return send_and_close(client, NOT_TLS).await;
            }
            ReadHeadError::Head(error) => refusal_of_head(error),
            ReadHeadError::TimedOut if !client.has_begun() => return Next::Again,
            ReadHeadError::TimedOut => {
                let limit = humantime::format_duration(timeouts::CLIENT_HEAD);
                let why = format_args!("no whole request head came within {limit}");
                Answer::fatal(408, "UNKNOWN", why)
            }
        };
        let method: &[u8] = if self.is_head { b"HEAD" } else { b"GET" };
        refuse(proxy, client, peer, answer, method).await
    }
}

fn is_head(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HEAD ")
}

fn refusal_of_head(error: HeadError) -> Answer {
    let status = match error {
        HeadError::FirstLineTooLong => 414,
        HeadError::TooLong | HeadError::TooManyFields => 431,
        HeadError::Version => 505,
        _ => 400,
    };
    Answer::fatal(status, "UNSUPPORTED", error)
}

/// Answers what is no request, and closes.
async fn refuse(
    proxy: &Proxy,
    client: &mut Conn,
    peer: &Peer,
    answer: Answer,
    method: &[u8],
) -> Next {
    let status = answer.status;
    let (head, body) = answer.write(method, |head| head.field("Connection", "close"));
    let _ = client
        .write_all([&head, &body], proxy.shared.timeouts.client)
        .await;
    let done = Done {
        head: None,
        status,
        bytes: body.len() as u64,
        began: Instant::now(),
    };
    proxy.conclude(peer, &Trace::default(), &done);
    Next::Close
}

async fn send_and_close(client: &mut Conn, whole: &[u8]) -> Next {
    let _ = client.write_all([whole], timeouts::CLIENT_HEAD).await;
    Next::Close
}
