//! A listener's side of a TLS handshake, and the connections of ACME servers among those of clients (RFC 8737).

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{Acceptor, ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::store::{ACME_TLS_ALPN, CertStore};
use super::{TlsError, provider};

/// Accepts TLS.
#[derive(Clone)]
pub struct TlsAcceptor {
    clients: Arc<ServerConfig>,
    challenges: Option<Challenges>,
}

/// What an ACME server meets. It has no certificate to show and resumes nothing, so it gets a configuration of its own.
#[derive(Clone)]
struct Challenges {
    store: Arc<CertStore>,
    config: Arc<ServerConfig>,
}

impl From<Arc<ServerConfig>> for TlsAcceptor {
    fn from(clients: Arc<ServerConfig>) -> TlsAcceptor {
        TlsAcceptor {
            clients,
            challenges: None,
        }
    }
}

impl TlsAcceptor {
    /// The same, answering to the challenges in `store` while there are any.
    pub fn with_challenges(self, store: Arc<CertStore>) -> Result<TlsAcceptor, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError(format!("TLS cannot be set up: {error}")))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(OfChallenges(Arc::clone(&store))));
        config.alpn_protocols = vec![ACME_TLS_ALPN.to_vec()];
        config.send_tls13_tickets = 0;
        let challenges = Challenges {
            store,
            config: Arc::new(config),
        };
        Ok(TlsAcceptor {
            challenges: Some(challenges),
            ..self
        })
    }

    /// Shakes hands. An ACME server that asks for its challenge has what it wants when that is done: its connection is
    /// closed and is an error here, so that nothing ever takes it for a client's.
    pub async fn accept(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let clients = Arc::clone(&self.clients);
        let Some(Challenges { store, config }) = self.expected_challenges() else {
            return tokio_rustls::TlsAcceptor::from(clients).accept(tcp).await;
        };
        let start = LazyConfigAcceptor::new(Acceptor::default(), tcp).await?;
        if store.challenge(&start.client_hello()).is_none() {
            return start.into_stream(clients).await;
        }
        let mut tls = start.into_stream(Arc::clone(config)).await?;
        tls.shutdown().await?;
        Err(io::Error::other("an ACME server has seen its challenge"))
    }

    fn expected_challenges(&self) -> Option<&Challenges> {
        self.challenges
            .as_ref()
            .filter(|challenges| challenges.store.has_challenges())
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor").finish_non_exhaustive()
    }
}

/// Shows the challenges of a store, and nothing else.
#[derive(Debug)]
struct OfChallenges(Arc<CertStore>);

impl ResolvesServerCert for OfChallenges {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.challenge(&hello)
    }
}
