//! Why there is no connection to an origin, and whose fault that is.

use std::fmt;
use std::io;
use std::net::IpAddr;

use rustix::io::Errno;

use crate::metrics::Stage;
use crate::tls::refused::Refused;
use crate::upstream::tunnel::ProxyError;

/// Why there is no connection.
#[derive(Debug)]
pub enum DialError {
    /// The name could not be looked up.
    Lookup(io::Error),
    /// None of its addresses may be dialled on behalf of whoever named it.
    Forbidden(IpAddr),
    /// No address took the connection.
    Connect(io::Error),
    /// The TLS handshake failed.
    Tls(io::Error),
    /// There is no way through the proxy.
    Proxy(Box<ProxyError>),
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialError::Lookup(error) => write!(f, "its name could not be looked up: {error}"),
            DialError::Forbidden(address) => write!(
                f,
                "its address {address} is not one that the upstream may point to"
            ),
            DialError::Connect(error) => write!(f, "no connection: {error}"),
            DialError::Tls(error) => match Refused::behind(error) {
                Some(refused) => write!(f, "{refused}"),
                None => write!(f, "no TLS: {error}"),
            },
            DialError::Proxy(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for DialError {}

impl DialError {
    /// Whether it may go better another time.
    pub fn is_passing(&self) -> bool {
        match self {
            DialError::Forbidden(_) => false,
            DialError::Proxy(error) => error.fault.is_passing(),
            DialError::Lookup(_) | DialError::Connect(_) | DialError::Tls(_) => true,
        }
    }

    /// Whether it says something of the origin, and not of docxy or of who named it.
    pub fn is_the_origins(&self) -> bool {
        !self.is_ours() && !matches!(self, DialError::Forbidden(_))
    }

    /// How far it came.
    pub fn stage(&self) -> Stage {
        match self {
            DialError::Lookup(_) => Stage::Lookup,
            DialError::Forbidden(_) => Stage::Check,
            DialError::Connect(_) => Stage::Connect,
            DialError::Tls(_) => Stage::Tls,
            DialError::Proxy(_) => Stage::Proxy,
        }
    }

    /// Whether docxy or its machine has run out of something.
    pub fn is_ours(&self) -> bool {
        match self {
            DialError::Lookup(error) | DialError::Connect(error) => is_want(error),
            DialError::Proxy(error) => error.fault.is_ours(),
            DialError::Tls(_) | DialError::Forbidden(_) => false,
        }
    }
}

/// Whether something was wanting: descriptors, memory, ports, or a thread (which is said to be there another time).
fn is_want(error: &io::Error) -> bool {
    let ours = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOMEM,
        Errno::NOBUFS,
        Errno::ADDRNOTAVAIL,
        Errno::ADDRINUSE,
    ];
    error.kind() == io::ErrorKind::WouldBlock
        || Errno::from_io_error(error).is_some_and(|errno| ours.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docxy_lacks_is_not_the_origins_fault() {
        let error = |errno: Errno| DialError::Connect(errno.into());
        for errno in [Errno::CONNREFUSED, Errno::TIMEDOUT, Errno::HOSTUNREACH] {
            assert!(error(errno).is_the_origins(), "{errno}");
        }
        for errno in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::ADDRNOTAVAIL,
            Errno::ADDRINUSE,
            Errno::AGAIN,
        ] {
            assert!(!error(errno).is_the_origins(), "{errno}");
        }
        assert!(!DialError::Forbidden([10, 0, 0, 1].into()).is_the_origins());
    }
}
