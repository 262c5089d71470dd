//! Authorities, origins and absolute targets (RFC 3986, RFC 9110 §4), checked once and kept as they were written.

mod authority;
mod origin;
mod target;

use core::fmt;

pub use self::authority::{Authority, Host};
pub use self::origin::Origin;
pub use self::target::{Target, split_query};

/// The two schemes that docxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS over TCP.
    Https,
}

impl Scheme {
    /// The port that is meant where none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }

    /// The scheme as it stands before `://`.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// What is wrong with a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriError {
    /// Neither `http` nor `https`.
    Scheme,
    /// A user name or password before the host.
    Userinfo,
    /// Empty, malformed, or a number that only some resolvers read as an address (`2130706433`, `0177.1`).
    Host,
    /// Not a number from 1 to 65535.
    Port,
    /// A path, or more, where there may be none.
    Path,
    /// A byte that no URI may hold (RFC 3986 §2): a control byte, a space or one beyond ASCII.
    Byte,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UriError::Scheme => "its scheme is neither http nor https",
            UriError::Userinfo => "it has a user name or password",
            UriError::Host => "its host is malformed",
            UriError::Port => "its port is not a number from 1 to 65535",
            UriError::Path => "something follows its host and port",
            UriError::Byte => "it has a byte that no URI may hold",
        })
    }
}

impl std::error::Error for UriError {}
