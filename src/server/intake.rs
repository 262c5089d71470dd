//! The body of a request: a token request's form is read, any other is dropped, so that it is not taken for the next request.

use std::io;

use tokio::time::timeout;

use crate::answer::Answer;
use crate::conn::Conn;
use crate::conn::body::{Body, BodyError};
use crate::http::framing::BodyFraming;
use crate::http::head::{RequestHead, Version};
use crate::timeouts::{self, Timeouts};

/// A token request's form. Those of real clients have a few hundred bytes.
const MAX_FORM: usize = 16 * 1024;

/// A body that a request should not have is read and dropped up to here.
const MAX_DROPPED: u64 = 64 * 1024;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What is to become of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It is the form of a token request.
    Form,
    /// It has no meaning (RFC 9110 §9.3.1).
    Nothing,
    /// The request is refused, whatever its body.
    Refused,
}

/// What a request's body came to.
#[derive(Debug)]
pub enum Taken {
    /// It has been read to its end; empty unless it is a form.
    Whole(Vec<u8>),
    /// It may still come, so that no request can follow it.
    Unread,
}

/// Why an exchange does not go its usual way.
#[derive(Debug)]
pub enum Refused {
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

/// Reads the body of a request as far as it is wanted.
///
/// A client that waits for leave to send it gets leave, unless the request is refused anyway (RFC 9110 §10.1.1).
pub async fn take(
    client: &mut Conn,
    head: &RequestHead,
    framing: BodyFraming,
    wanted: Wanted,
    timeouts: &Timeouts,
) -> Result<Taken, Refused> {
    let expectation = expectation(head)?;
    if framing == BodyFraming::Length(0) {
        return Ok(Taken::Whole(Vec::new()));
    }
    let limit = if wanted == Wanted::Form {
        MAX_FORM as u64
    } else {
        MAX_DROPPED
    };
    let is_too_long = matches!(framing, BodyFraming::Length(length) if length > limit);
    match (expectation, wanted) {
        // Whether the body comes or not, the refusal is the answer.
        (Expectation::Continue, Wanted::Refused) => return Ok(Taken::Unread),
        (_, Wanted::Refused) if is_too_long => return Ok(Taken::Unread),
        _ if is_too_long => return Err(too_large(limit).into()),
        (Expectation::Continue, _) => {
            let leave = client.write_all([CONTINUE], timeouts.client).await;
            leave.map_err(|_: io::Error| Refused::Gone)?;
        }
        (Expectation::None, _) => {}
    }
    let patience = match wanted {
        Wanted::Form | Wanted::Nothing => timeouts::CLIENT_HEAD,
        Wanted::Refused => timeouts::DISCARD,
    };
    let read = timeout(patience, read(client, framing, wanted)).await;
    match read.unwrap_or(Err(BodyError::Stalled(patience))) {
        Ok(Some(body)) => Ok(Taken::Whole(body)),
        Ok(None) | Err(BodyError::Stalled(_) | BodyError::Cut) if wanted == Wanted::Refused => {
            Ok(Taken::Unread)
        }
        Ok(None) => Err(too_large(limit).into()),
        Err(error) => Err(refusal(&error)),
    }
}

async fn read(
    client: &mut Conn,
    framing: BodyFraming,
    wanted: Wanted,
) -> Result<Option<Vec<u8>>, BodyError> {
    let mut body = Body::new(framing);
    if wanted == Wanted::Form {
        return body.collect(client, MAX_FORM, timeouts::CLIENT_HEAD).await;
    }
    let is_whole = body
        .drain(client, MAX_DROPPED, timeouts::CLIENT_HEAD)
        .await?;
    Ok(is_whole.then(Vec::new))
}

/// What a client waits for before it sends its body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expectation {
    None,
    Continue,
}

fn expectation(head: &RequestHead) -> Result<Expectation, Answer> {
    match head.fields.only("expect") {
        _ if head.version == Version::Http10 => Ok(Expectation::None),
        Ok(None) => Ok(Expectation::None),
        Ok(Some(value)) if value.eq_ignore_ascii_case(b"100-continue") => Ok(Expectation::Continue),
        _ => Err(Answer::fatal(
            417,
            "UNSUPPORTED",
            "only 100-continue can be expected",
        )),
    }
}

fn too_large(limit: u64) -> Answer {
    let why = format_args!("the body is longer than the {limit} bytes that are read here");
    Answer::fatal(413, "SIZE_INVALID", why)
}

fn refusal(error: &BodyError) -> Refused {
    match error {
        BodyError::Chunk(error) => Answer::fatal(400, "UNSUPPORTED", error).into(),
        BodyError::Stalled(_) => Answer::fatal(408, "UNKNOWN", error).into(),
        BodyError::Cut | BodyError::Io(_) => Refused::Gone,
    }
}
