//! A listener's side of a TLS handshake, and the connections of ACME servers among those of clients (RFC 8737).

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{Acceptor, ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::clients::Clients;
use super::handshakes::Handshakes;
use super::store::{ACME_TLS_ALPN, CertStore};
use super::{TlsError, of_listeners, provider};
use crate::conn::read_ahead::ReadAhead;
use crate::limits::crowd::Crowd;

/// Accepts TLS.
#[derive(Clone)]
pub struct TlsAcceptor {
    store: Arc<CertStore>,
    clients: Arc<ServerConfig>,
    /// An ACME server has no certificate to show and resumes nothing.
    challenges: Arc<ServerConfig>,
}

impl TlsAcceptor {
    /// Shows what is in `store`: certificates to clients, and to ACME servers their challenges while there are any.
    pub fn showing(
        store: &Arc<CertStore>,
        clients: Option<Arc<Clients>>,
    ) -> Result<TlsAcceptor, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError(format!("TLS cannot be set up: {error}")))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(OfChallenges(Arc::clone(store))));
        config.alpn_protocols = vec![ACME_TLS_ALPN.to_vec()];
        config.send_tls13_tickets = 0;
        Ok(TlsAcceptor {
            store: Arc::clone(store),
            clients: of_listeners(Arc::clone(store), clients)?,
            challenges: Arc::new(config),
        })
    }

    /// What it shows.
    pub fn store(&self) -> Arc<CertStore> {
        Arc::clone(&self.store)
    }

    /// Shakes hands with a client at `address`, in its turn: from the whole ClientHello on, so that one who says nothing,
    /// or half, takes no turn; those who have said half are among `heads`. How long all that may take, waiting included, is
    /// the caller's to limit.
    ///
    /// An ACME server that asks for its challenge has what it wants when that is done: its connection is closed and is an
    /// error here, so that nothing ever takes it for a client's.
    pub async fn accept(
        &self,
        tcp: TcpStream,
        address: IpAddr,
        handshakes: &Handshakes,
        heads: &Crowd,
    ) -> io::Result<TlsStream<ReadAhead>> {
        let start = tokio::select! {
            biased;
            start = LazyConfigAcceptor::new(Acceptor::default(), ReadAhead::new(tcp)) => start?,
            () = heads.pushed_out() => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let _turn = handshakes.turn(address).await?;
        let asks_for_challenge =
            self.store.has_challenges() && self.store.challenge(&start.client_hello()).is_some();
        if !asks_for_challenge {
            return start.into_stream(Arc::clone(&self.clients)).await;
        }
        let challenges = Arc::clone(&self.challenges);
        let mut tls = start.into_stream(challenges).await?;
        tls.shutdown().await?;
        Err(io::Error::other("an ACME server has seen its challenge"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::store::CertSet;
    use rustls::crypto::ring::sign::any_supported_type;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;

    const NAME: &str = "a.test";

    fn certified() -> Arc<CertifiedKey> {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let key = any_supported_type(&key).unwrap();
        Arc::new(CertifiedKey::new(vec![made.cert.der().clone()], key))
    }

    fn client(roots: &[&Arc<CertifiedKey>], alpn: &[&[u8]]) -> TlsConnector {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root.cert[0].clone()).unwrap();
        }
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }

    /// What a client sees (the certificate, or why there is none) and what becomes of it on docxy's side.
    async fn shake(
        acceptor: &TlsAcceptor,
        client: &TlsConnector,
    ) -> (Result<CertificateDer<'static>, String>, io::Result<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        let asks = async {
            let tcp = TcpStream::connect(address).await.unwrap();
            let connected = client.connect(name, tcp).await;
            let mut tls = connected.map_err(|error| error.to_string())?;
            // The end, with close_notify: neither side says anything.
            let end = tls.read(&mut [0]).await.map_err(|error| error.to_string());
            assert_eq!(end, Ok(0));
            Ok(tls.get_ref().1.peer_certificates().unwrap()[0].clone())
        };
        let answers = async {
            let (tcp, peer) = listener.accept().await.unwrap();
            let handshakes = Handshakes::new();
            let heads = Crowd::new(1);
            let mut tls = acceptor.accept(tcp, peer.ip(), &handshakes, &heads).await?;
            tls.shutdown().await
        };
        tokio::join!(asks, answers)
    }

    #[tokio::test]
    async fn acme_servers_see_their_challenge_and_nothing_else() {
        let (own, challenge) = (certified(), certified());
        let store = Arc::new(CertStore::new(CertSet::new(Arc::clone(&own))));
        let acceptor = TlsAcceptor::showing(&store, None).unwrap();
        let roots = [&own, &challenge];
        let server = client(&roots, &[ACME_TLS_ALPN]);
        let both = client(&roots, &[b"http/1.1", ACME_TLS_ALPN]);
        let plain = client(&roots, &[b"http/1.1"]);

        let refused = async || {
            let (seen, done) = shake(&acceptor, &server).await;
            assert!(seen.unwrap_err().contains("NoApplicationProtocol") && done.is_err());
        };
        refused().await;
        store.set_challenge("other.test", Some(Arc::clone(&challenge)));
        refused().await;
        store.set_challenge(NAME, Some(Arc::clone(&challenge)));
        let (seen, done) = shake(&acceptor, &server).await;
        assert_eq!(seen.unwrap(), challenge.cert[0]);
        assert!(done.unwrap_err().to_string().contains("ACME"));
        for client in [&plain, &both] {
            let (seen, done) = shake(&acceptor, client).await;
            assert!(seen.unwrap() == own.cert[0] && done.is_ok());
        }
        store.set_challenge(NAME, None);
        refused().await;
    }

    #[tokio::test]
    async fn without_a_certificate_there_is_an_alert() {
        let store = Arc::new(CertStore::empty());
        let acceptor = TlsAcceptor::showing(&store, None).unwrap();
        let own = certified();
        let client = client(&[&own], &[b"http/1.1"]);
        let (seen, done) = shake(&acceptor, &client).await;
        assert!(seen.unwrap_err().contains("AccessDenied") && done.is_err());
        store.replace(CertSet::new(Arc::clone(&own)));
        let (seen, _) = shake(&acceptor, &client).await;
        assert_eq!(seen.unwrap(), own.cert[0]);
    }
}
