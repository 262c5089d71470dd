//! How long docxy waits for what. There is no limit on a whole transfer.

use std::time::Duration;

/// A client's request head, from its first byte to its last.
pub const CLIENT_HEAD: Duration = Duration::from_secs(10);

/// The first byte on a connection that was accepted just before a stop.
pub const FIRST_REQUEST: Duration = Duration::from_secs(2);

/// The request of a connection beyond the limit on connections; there are few places for those.
pub const SPARE_PLACE: Duration = Duration::from_secs(2);

/// A client's connection between two requests; longer than the 60 s of most clients, so that they close first.
pub const CLIENT_IDLE: Duration = Duration::from_secs(75);

/// The same for as long as no connection of its own has to be told of a stop, or that its place is needed.
pub const CLIENT_SOON_BACK: Duration = Duration::from_secs(1);

/// A TLS handshake, on either side.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(10);

/// One lookup of a name.
pub const LOOKUP: Duration = Duration::from_secs(5);

/// A connection to any of an origin's addresses.
pub const CONNECT: Duration = Duration::from_secs(5);

/// A proxy's answer to the wish for a tunnel: it looks up a name and connects before.
pub const TUNNEL: Duration = Duration::from_secs(10);

/// Between the first attempts at two addresses (RFC 8305 §5).
pub const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// An upstream's answer head, from the last byte of the request.
pub const RESPONSE_HEAD: Duration = Duration::from_secs(30);

/// What is sent on a connection that has been idle, until its peer's kernel acknowledges it.
pub const UNACKNOWLEDGED: Duration = Duration::from_secs(3);

/// A server's last words on a connection that it has broken while the request was written.
pub const LAST_WORDS: Duration = Duration::from_secs(1);

/// The rest of a body that nobody wants, before its connection is closed instead of kept.
pub const DISCARD: Duration = Duration::from_secs(1);

/// What a client may still send before its connection is closed under it; long enough for it to read the answer.
pub const LINGER: Duration = Duration::from_secs(2);

/// The two that the operator sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// No byte from an upstream body.
    pub body: Duration,
    /// No progress of a reading client.
    pub client: Duration,
}
