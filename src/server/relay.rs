//! Moves one body from an upstream to a client, through the upstream connection's own buffer and no other.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::conn::Conn;
use crate::conn::body::BodyError;
use crate::http::chunked::{LAST_CHUNK, chunk_head};
use crate::upstream::reply::Reply;

/// How a body is framed for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFraming {
    /// By the length that its head has; also where there is no body.
    Length,
    /// In chunks.
    Chunked,
    /// By the end of the connection, for HTTP/1.0.
    UntilClose,
}

/// Why a body did not pass whole.
#[derive(Debug)]
pub struct RelayError {
    /// Bytes of the body that have passed.
    pub passed: u64,
    /// Whether the head has passed, after which there is no other answer than to break the connection.
    pub head_passed: bool,
    /// Whose fault it was.
    pub side: Side,
}

/// The two ends of a relay.
#[derive(Debug)]
pub enum Side {
    /// The upstream's body failed.
    Upstream(BodyError),
    /// The client could not be written to.
    Client(io::Error),
}

impl fmt::Display for RelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.side {
            Side::Upstream(error) => write!(f, "after {} bytes: {error}", self.passed),
            Side::Client(error) if error.kind() == io::ErrorKind::TimedOut => {
                write!(
                    f,
                    "after {} bytes: the client read nothing for too long",
                    self.passed
                )
            }
            Side::Client(error) => write!(
                f,
                "after {} bytes: the client went away: {error}",
                self.passed
            ),
        }
    }
}

impl std::error::Error for RelayError {}

/// Sends `head` and then the body of `reply` to the client, and says how many bytes of the body there were. Without a
/// `head` the body goes on where another broke off.
///
/// At most one buffer is read ahead of the client: a slow one slows the upstream. The head goes out with what is at hand
/// of the body, and does not wait for more. `stall` is how long the client may take nothing.
pub async fn relay(
    client: &mut Conn,
    mut head: Option<&[u8]>,
    reply: &mut Reply,
    framing: ClientFraming,
    stall: Duration,
) -> Result<u64, RelayError> {
    let mut passed = 0;
    loop {
        let count = match head {
            Some(_) => reply.ready(),
            None => reply.next().await,
        }
        .map_err(|error| RelayError {
            passed,
            head_passed: head.is_none(),
            side: Side::Upstream(error),
        })?;
        if count == 0 && head.is_none() {
            break;
        }
        let data = reply.data(count);
        send(
            client,
            head.take().unwrap_or_default(),
            data,
            framing,
            stall,
        )
        .await
        .map_err(|error| RelayError {
            passed,
            head_passed: true,
            side: Side::Client(error),
        })?;
        reply.consume(count);
        passed += count as u64;
    }
    if framing == ClientFraming::Chunked {
        let end = client.write_all([LAST_CHUNK], stall).await;
        end.map_err(|error| RelayError {
            passed,
            head_passed: true,
            side: Side::Client(error),
        })?;
    }
    Ok(passed)
}

async fn send(
    client: &mut Conn,
    head: &[u8],
    data: &[u8],
    framing: ClientFraming,
    stall: Duration,
) -> io::Result<()> {
    if framing != ClientFraming::Chunked || data.is_empty() {
        return client.write_all([head, data], stall).await;
    }
    let size = chunk_head(data.len());
    client
        .write_all([head, size.as_ref(), data, b"\r\n"], stall)
        .await
}
