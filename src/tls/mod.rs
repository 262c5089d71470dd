//! The TLS configurations: towards upstreams, and of the listeners (rustls with ring, TLS 1.2 and 1.3). What the listeners
//! show is in the [`store`]; [`accept`] is a listener's side of a handshake.

pub mod accept;
pub mod clients;
pub mod files;
pub mod handshakes;
pub mod issuer;
pub mod pair_in_use;
pub mod pairs;
pub mod pem_file;
pub mod refused;
pub mod store;
mod suites;
pub mod validity;
pub mod watch;

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, InconsistentKeys, RootCertStore, ServerConfig};

use self::clients::Clients;
use self::pem_file::PemFile;
use self::refused::Verifier;
use self::store::CertStore;

/// The only protocol that docxy speaks, on both sides.
const ALPN: &[u8] = b"http/1.1";

/// Why a certificate or key cannot be used.
#[derive(Debug)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

/// The roots in a file, each of which can be used.
pub fn roots(file: PemFile<'_>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let (found, mut usable) = (file.certificates()?, RootCertStore::empty());
    for certificate in &found {
        let added = usable.add(certificate.clone());
        added.map_err(|error| file.fault(format_args!("holds no usable root: {error}")))?;
    }
    Ok(found)
}

/// What upstreams are verified by: the built-in roots and `extra`.
pub fn towards_upstreams(extra: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    for certificate in extra {
        let added = roots.add(certificate.clone());
        added.map_err(|error| unusable(&error))?;
    }
    let provider = suites::in_order(provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| TlsError(format!("TLS cannot be set up: {error}")))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier(verifier)))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// How the https listeners speak TLS: with what `store` shows, and with these clients only, if they are given.
///
/// Sessions are resumed by tickets alone (RFC 8446 §4.6.1, RFC 5077), whose keys live in memory and change every six hours;
/// one configuration serves all workers, so each takes the tickets of the others. Where clients have to show a certificate
/// nothing is resumed: each connection is to be checked against the authority as it is now.
pub fn of_listeners(
    store: Arc<CertStore>,
    clients: Option<Arc<Clients>>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let has_tickets = clients.is_none();
    let builder = ServerConfig::builder_with_provider(suites::in_order(provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(store);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.ignore_client_order = true;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if has_tickets {
        config.ticketer = ring::Ticketer::new().map_err(|error| unusable(&error))?;
    } else {
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

fn unusable(error: &rustls::Error) -> TlsError {
    TlsError(format!("TLS cannot be set up: {error}"))
}

/// A certificate chain and the key of its first certificate.
pub fn certified_key(cert: PemFile<'_>, key: PemFile<'_>) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = cert.certificates()?;
    let signer = provider().key_provider.load_private_key(key.private_key()?);
    let signer = signer.map_err(|_| {
        key.fault("is of a kind that docxy does not take; make it RSA with 2048 to 4096 bits, P-256, P-384 or Ed25519")
    })?;
    let made = CertifiedKey::new(chain, signer);
    match made.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
            Ok(Arc::new(made))
        }
        Err(rustls::Error::InconsistentKeys(_)) => Err(key.fault(format_args!(
            "is not the key of the first certificate in {}; give the two that belong together",
            cert.path.display()
        ))),
        Err(error) => Err(cert.fault(format_args!(
            "holds a certificate that cannot be used: {error}; make it anew as X.509 version 3"
        ))),
    }
}

/// A certificate chain and a key that are in memory already.
pub fn paired(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, rustls::Error> {
    Ok(Arc::new(CertifiedKey::from_der(chain, key, &provider())?))
}

/// Random bytes from the same source as TLS's.
pub fn random() -> Result<[u8; 8], TlsError> {
    let mut bytes = [0; 8];
    provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| TlsError("the system has no randomness to give".to_owned()))?;
    Ok(bytes)
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
