//! What is spoken on the two sides of a proxy.

use std::fmt;

/// What a client speaks with a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// HTTP over TCP.
    Plain,
    /// HTTP over TLS.
    Tls,
}

/// What a proxy speaks with the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// HTTP over TCP, bodies with a length.
    Plain,
    /// HTTP over TLS, bodies with a length.
    Tls,
    /// HTTP over TCP, bodies in chunks.
    Chunked,
}

/// The two sides of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Before it.
    pub(crate) client: Scheme,
    /// Behind it.
    pub(crate) upstream: Upstream,
}

impl Scheme {
    /// As in a URL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Scheme::Plain => "http",
            Scheme::Tls => "https",
        }
    }
}

impl Upstream {
    /// The scheme under which the origin is reached.
    pub(crate) fn scheme(self) -> Scheme {
        match self {
            Upstream::Plain | Upstream::Chunked => Scheme::Plain,
            Upstream::Tls => Scheme::Tls,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = match self.client {
            Scheme::Plain => "plain",
            Scheme::Tls => "TLS",
        };
        let upstream = match self.upstream {
            Upstream::Plain => "plain",
            Upstream::Tls => "TLS",
            Upstream::Chunked => "chunked",
        };
        write!(f, "{client} to {upstream}")
    }
}
