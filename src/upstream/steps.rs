//! How a connection comes about, step by step, for those who want to know.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConnection, ProtocolVersion};

use crate::http::uri::Origin;

/// A step that is done. The one that fails is in the error.
#[derive(Clone, Debug)]
pub enum Step {
    /// The addresses that may be dialled are known.
    LookedUp {
        /// They, in the order in which they are tried.
        addresses: Vec<IpAddr>,
        /// From the question on; next to nothing for an answer that was kept.
        took: Duration,
    },
    /// One of them has taken the connection.
    Connected {
        /// Which, unless it is gone again.
        address: Option<SocketAddr>,
        /// From the first attempt on.
        took: Duration,
    },
    /// A proxy has made a way, in the place of the two before.
    Tunnelled {
        /// Which proxy, without a login.
        proxy: String,
        /// From the question for its address on.
        took: Duration,
    },
    /// TLS is spoken, and the certificate verified.
    Secured {
        /// The version.
        version: Option<ProtocolVersion>,
        /// The server's own certificate.
        certificate: Option<CertificateDer<'static>>,
        /// The handshake.
        took: Duration,
    },
}

impl Step {
    /// The handshake of this connection.
    pub(super) fn secured(tls: &ClientConnection, took: Duration) -> Step {
        let chain = tls.peer_certificates().unwrap_or_default();
        Step::Secured {
            version: tls.protocol_version(),
            certificate: chain.first().map(|leaf| leaf.clone().into_owned()),
            took,
        }
    }
}

/// Who is told; by default nobody.
#[derive(Clone, Default)]
pub struct Watcher(Option<Arc<Tell>>);

type Tell = dyn Fn(&Origin, Step) + Send + Sync;

impl Watcher {
    /// One who is told to whom which step was made.
    pub fn new(tell: impl Fn(&Origin, Step) + Send + Sync + 'static) -> Watcher {
        Watcher(Some(Arc::new(tell)))
    }

    /// Tells what `step` says, if anyone listens.
    pub(super) fn tell(&self, origin: &Origin, step: impl FnOnce() -> Step) {
        if let Some(tell) = &self.0 {
            tell(origin, step());
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}
