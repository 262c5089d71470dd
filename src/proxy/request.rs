//! What a client asks and what it is answered, between the connection and the upstream.

use std::net::{IpAddr, SocketAddr};

use crate::answer::Answer;
use crate::http::head::RequestHead;
use crate::http::uri::{Authority, Scheme};
use crate::http::write::HeadWriter;
use crate::proxy::unfinished::Flow;
use crate::registry::identity::Identity;
use crate::registry::rewrite::Credentials;
use crate::registry::token::PLACEHOLDER;

/// The two ends of a client's connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The client's address.
    pub address: IpAddr,
    /// Whether that is only the address of a balancer whose PROXY header names no client.
    pub is_unnamed: bool,
    /// The address at which it reached docxy.
    pub local: SocketAddr,
    /// How it reached it.
    pub scheme: Scheme,
    /// By which way it came in.
    pub entrance: Entrance,
}

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// For clients.
    Clients,
    /// For the operator (`--admin`): what is asked there is not counted, and nothing is forwarded.
    Admin,
}

/// A request whose head has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its head.
    pub head: &'a RequestHead,
    /// Path and query, or what stands there instead.
    pub target: &'a str,
    /// Whom the client means.
    pub authority: Option<&'a Authority>,
    /// The Host that the client has written, as far as is known: a trusted proxy's word, else [`Request::authority`].
    pub reached_as: Option<&'a Authority>,
    /// Who asks, and where.
    pub peer: &'a Peer,
}

impl Request<'_> {
    /// The value of `Authorization`.
    pub fn authorization(&self) -> Option<&[u8]> {
        self.head.fields.first("authorization")
    }

    /// Whether `Authorization` holds the token that docxy gives where none is needed.
    pub fn has_placeholder(&self) -> bool {
        self.authorization()
            .is_some_and(|value| bearer_token(value) == Some(PLACEHOLDER.as_bytes()))
    }

    /// Whether `Authorization` holds what stands for somebody by itself: anything but a token.
    pub fn has_login(&self) -> bool {
        self.authorization()
            .is_some_and(|value| bearer_token(value).is_none())
    }

    /// Whether `Authorization` may go to an upstream for which the client has this identity.
    ///
    /// Bearer tokens were given for what they are used for; a login was stored for a Host.
    pub fn credentials(&self, identity: Identity) -> Credentials<'static> {
        if self.has_placeholder() || (identity == Identity::Anonymous && self.has_login()) {
            Credentials::Withheld
        } else {
            Credentials::Sent
        }
    }
}

/// An answer, up to what depends on the client's connection.
#[derive(Debug)]
pub enum Response {
    /// docxy's own.
    Own(Answer),
    /// An upstream's.
    Passed {
        /// Status line and end-to-end fields.
        head: HeadWriter,
        /// Where the body comes from; `None` if there is none.
        body: Option<Flow>,
        /// The status.
        status: u16,
    },
}

impl Response {
    /// Whether the client's connection has to be closed after it.
    pub fn closes(&self) -> bool {
        matches!(self, Response::Own(answer) if answer.closes())
    }
}

/// The one word that follows `Bearer` in an `Authorization`, whose scheme has no case (RFC 9110 §11.4, RFC 6750 §2.1); `None`
/// under any other scheme, or if more follows, in which others might find a login.
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let end = value.iter().position(|&b| b == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at(end);
    let token = rest.trim_ascii();
    let is_one = !token.iter().any(|b| b.is_ascii_whitespace() || *b == b',');
    (is_one && scheme.eq_ignore_ascii_case(b"bearer")).then_some(token)
}
