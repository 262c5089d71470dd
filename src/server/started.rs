//! What the start hands over to be served.

use std::net::TcpListener;
use std::sync::Arc;

use crate::http::uri::Scheme;
use crate::limits::admission::Admission;
use crate::log::Log;
use crate::server::admin::Admin;
use crate::server::worker::Worker;
use crate::serving::Serving;
use crate::stop::{Stop, Stopper};
use crate::tls::accept::TlsAcceptor;

/// A listener that is bound but not served yet.
pub struct Bound {
    /// The socket, which does not block.
    pub tcp: TcpListener,
    /// TLS, if it is spoken there.
    pub tls: Option<TlsAcceptor>,
    /// What is spoken there.
    pub scheme: Scheme,
    /// Whether a PROXY header comes before each connection.
    pub proxy_protocol: bool,
}

/// Workers that run, and how to stop them.
#[derive(Debug)]
pub struct Running {
    /// The workers.
    pub workers: Vec<Worker>,
    /// What they serve by.
    pub serving: Serving,
    /// Stops them.
    pub stopper: Stopper,
    /// Tells whether they are to stop.
    pub stop: Stop,
    /// Which connections they serve.
    pub admission: Arc<Admission>,
    /// The operator's own listener, if there is one.
    pub admin: Option<Admin>,
    /// Where things are said.
    pub log: Log,
}
