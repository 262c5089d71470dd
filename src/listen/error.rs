//! Why an address cannot be listened on, and what to do.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// An address that cannot be bound.
#[derive(Debug)]
pub struct BindError {
    pub(super) address: SocketAddr,
    pub(super) error: io::Error,
    pub(super) flag: &'static str,
    /// Whether it is docxy itself that listens there.
    pub(super) is_own: bool,
}

impl BindError {
    /// The same of an address that another flag than `--listen` names.
    pub fn of(self, flag: &'static str) -> BindError {
        BindError { flag, ..self }
    }

    /// What to write instead of an address that no program can listen on.
    fn remedy(&self) -> Option<String> {
        let (IpAddr::V6(address), flag) = (self.address.ip(), self.flag) else {
            return None;
        };
        let port = self.address.port();
        if let Some(v4) = address.to_ipv4_mapped() {
            return Some(format!("it is an IPv4 address; write {flag} {v4}:{port}"));
        }
        address.is_unicast_link_local().then(|| {
            format!(
                "a link-local address is one of an interface, which cannot be named; write another address of this machine, \
                 or {flag} :{port} for all"
            )
        })
    }

    pub(super) fn is_without_ipv6(&self) -> bool {
        self.address.is_ipv6()
            && matches!(
                self.error.kind(),
                io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
            )
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = self.flag;
        write!(f, "cannot listen on {}: ", self.address)?;
        match self.error.kind() {
            io::ErrorKind::AddrInUse if self.is_own => write!(
                f,
                "docxy listens there already, by another --listen; give each address once, or choose another port with {flag}"
            ),
            io::ErrorKind::AddrInUse => write!(
                f,
                "another program uses this port; stop it or choose another with {flag}"
            ),
            io::ErrorKind::PermissionDenied => write!(
                f,
                "ports below 1024 need CAP_NET_BIND_SERVICE or root; grant it or choose another port with {flag}",
            ),
            io::ErrorKind::AddrNotAvailable => write!(
                f,
                "this machine has no such address; choose one of its own with {flag}"
            ),
            _ => match self.remedy() {
                Some(remedy) => f.write_str(&remedy),
                None => write!(f, "{}; choose another address with {flag}", self.error),
            },
        }
    }
}

impl std::error::Error for BindError {}
