//! One request over one connection, up to the head of its answer.

use std::io;
use std::net::IpAddr;

use tokio::time::Instant;

use crate::conn::{Conn, ReadHeadError};
use crate::http::framing::{self, BodyFraming};
use crate::http::head::{RESPONSE_LIMITS, ResponseHead};
use crate::timeouts;
use crate::upstream::Message;
use crate::upstream::fault::Fault;

/// Interim answers before the real one: more than one a second for as long as docxy waits for an answer.
const MAX_INTERIM: usize = 50;

/// How every answer begins (RFC 9112 §4).
const VERSION: &[u8] = b"HTTP/";

/// How an answer begins.
pub(super) struct Beginning {
    /// Who is at the other end.
    pub(super) address: IpAddr,
    pub(super) head: ResponseHead,
    pub(super) framing: BodyFraming,
    /// Whether the server can be trusted to have read the whole request and no more.
    pub(super) in_step: bool,
}

/// Sends a request and reads the head of its answer; interim answers are passed over.
///
/// [`Fault::Broken`] says that no byte of an answer has come.
pub(super) async fn ask(conn: &mut Conn, message: &Message<'_>) -> Result<Beginning, Fault> {
    // Afterwards the connection may have been reset, and its answer be whole nevertheless.
    let address = conn.peer().map_err(Fault::Broken)?;
    let head = match send(conn, message).await {
        Ok(()) => read_final_head(conn, Instant::now() + timeouts::RESPONSE_HEAD).await?,
        Err(error) => {
            let last_words = read_final_head(conn, Instant::now() + timeouts::LAST_WORDS).await;
            last_words.map_err(|_| unsent(error))?
        }
    };
    let framing = framing::of_response(&head, message.method)
        .map_err(|error| Fault::Malformed(error.to_string()))?;
    Ok(Beginning {
        address,
        head,
        framing,
        // A server that answers before it has read a body may take what is left of it for the next request.
        in_step: message.body.is_empty(),
    })
}

async fn send(conn: &mut Conn, message: &Message<'_>) -> io::Result<()> {
    let head = (message.head)();
    let parts = [&head, message.body];
    conn.write_all(parts, timeouts::RESPONSE_HEAD).await
}

/// What it means that a request could not be written. The kernel gives up with an error number, docxy's own wait without.
fn unsent(error: io::Error) -> Fault {
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::TimedOut, None) => Fault::Slow,
        _ => Fault::Broken(error),
    }
}

/// Reads a head, and passes over interim ones before it.
pub(super) async fn read_final_head(
    conn: &mut Conn,
    deadline: Instant,
) -> Result<ResponseHead, Fault> {
    for interim in 0..=MAX_INTERIM {
        let read = conn.read_head(RESPONSE_LIMITS, deadline, |_| Ok(())).await;
        let bytes = read.map_err(|error| no_head(error, interim, conn.buffered()))?;
        let malformed = malformed(interim, &bytes);
        let head = ResponseHead::parse(bytes).map_err(|error| malformed(error.to_string()))?;
        match head.status {
            101 => {
                return Err(Fault::Malformed(
                    "it switches protocols, which nobody asked for".to_owned(),
                ));
            }
            100..=199 => {}
            _ => return Ok(head),
        }
    }
    Err(Fault::Malformed("too many interim answers".to_owned()))
}

/// What it means that no head came, but these bytes, after so many interim ones.
fn no_head(error: ReadHeadError, interim: usize, come: &[u8]) -> Fault {
    let malformed = malformed(interim, come);
    match error {
        ReadHeadError::Closed if interim == 0 => Fault::Broken(io::ErrorKind::UnexpectedEof.into()),
        ReadHeadError::Io(error) if interim == 0 && come.is_empty() => Fault::Broken(error),
        ReadHeadError::TimedOut => Fault::Slow,
        ReadHeadError::Head(error) => malformed(error.to_string()),
        ReadHeadError::Closed | ReadHeadError::Cut => {
            malformed("it ended within its head".to_owned())
        }
        ReadHeadError::Io(error) => malformed(format!("it broke within its head: {error}")),
    }
}

/// The fault that bytes are which are no head.
fn malformed(interim: usize, come: &[u8]) -> fn(String) -> Fault {
    match interim {
        0 if !come.starts_with(VERSION) => Fault::OutOfStep,
        _ => Fault::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::memory;
    use crate::conn::stream::Stream;
    use crate::upstream::Over;
    use std::net::Ipv4Addr;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn what_a_server_said_before_it_stopped_reading_is_its_answer() {
        let (near, mut far) = memory::pair(1024, IpAddr::V4(Ipv4Addr::LOCALHOST));
        let said = b"HTTP/1.1 413 Too Much\r\nContent-Length: 0\r\n\r\n";
        far.write_all(said).await.unwrap();
        drop(far);
        let message = Message {
            method: b"POST",
            head: &|| b"POST /token HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\n".to_vec(),
            body: b"a=bc",
            over: Over::Any,
        };
        let mut conn = Conn::new(Stream::Memory(near));
        let beginning = ask(&mut conn, &message)
            .await
            .map(|beginning| beginning.head.status);
        assert_eq!(beginning.unwrap(), 413);
    }
}
