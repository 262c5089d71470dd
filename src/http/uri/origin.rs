//! Who answers: scheme, host and port.

use core::fmt;
use core::hash::{BuildHasher, Hash, Hasher};
use std::hash::RandomState;
use std::sync::{Arc, LazyLock};

use super::{Authority, Host, Scheme, Target, UriError};

/// Scheme, host and port (RFC 6454 §4): who answers, and the key by which connections are kept.
///
/// Every request has copies of one, so they share what they hold, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Arc<Parts>);

/// What origins are hashed with.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    scheme: Scheme,
    host: Host,
    port: u16,
    /// `host[:port]`
    written: Box<str>,
    /// Of all the others, under a key of this process: peers name origins, and must not know which ones collide.
    hash: u64,
}

impl Hash for Parts {
    /// It is asked for with every request.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Origin {
    /// An origin from its parts.
    pub fn new(scheme: Scheme, authority: Authority) -> Origin {
        let port = authority.port.unwrap_or_else(|| scheme.default_port());
        let shortest = Authority {
            port: (port != scheme.default_port()).then_some(port),
            ..authority
        };
        let written: Box<str> = shortest.to_string().into();
        // Scheme and Host field say all: the host and port follow from them.
        let hash = KEY.hash_one((scheme, &written));
        Origin(Arc::new(Parts {
            scheme,
            host: shortest.host,
            port,
            written,
            hash,
        }))
    }

    /// Reads `scheme://host[:port]`, with nothing after it but perhaps one `/`.
    pub fn parse(url: &str) -> Result<Origin, UriError> {
        let target = Target::parse(url.as_bytes())?;
        if target.path_and_query == "/" {
            Ok(target.origin)
        } else {
            Err(UriError::Path)
        }
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// The port, written or implied.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Host and port, the port only where it is not the scheme's own.
    pub fn authority(&self) -> Authority {
        let port = (self.port() != self.scheme().default_port()).then_some(self.port());
        Authority {
            host: self.host().clone(),
            port,
        }
    }

    /// `host[:port]` as a Host field has it: [`Origin::authority`], written.
    pub fn host_field(&self) -> &str {
        &self.0.written
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme().as_str(), self.host_field())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_by_all_parts() {
        assert_eq!(
            Origin::parse("https://A.test"),
            Origin::parse("https://a.test:443/")
        );
        assert_ne!(
            Origin::parse("https://a.test"),
            Origin::parse("http://a.test")
        );
        assert_ne!(
            Origin::parse("https://a.test"),
            Origin::parse("https://a.test:444")
        );
        assert_eq!(Origin::parse("https://a.test/v2"), Err(UriError::Path));
    }
}
