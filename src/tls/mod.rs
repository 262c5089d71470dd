//! The TLS configurations: towards upstreams, and of the listeners (rustls with ring, TLS 1.2 and 1.3). What the listeners
//! show is in the [`store`]; [`accept`] is a listener's side of a handshake.

pub mod accept;
pub mod store;
pub mod validity;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

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

/// A PEM file and the flag that named it, for messages.
#[derive(Clone, Copy, Debug)]
pub struct PemFile<'a> {
    /// The flag.
    pub flag: &'static str,
    /// The file.
    pub path: &'a Path,
}

/// What upstreams are verified by: the built-in roots and those in `extra`.
pub fn towards_upstreams(extra: Option<PemFile<'_>>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(file) = extra {
        for certificate in file.certificates()? {
            let added = roots.add(certificate);
            added.map_err(|error| file.fault(format_args!("holds no usable root: {error}")))?;
        }
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// How the https listeners speak TLS: with what `store` shows.
pub fn of_listeners(store: Arc<CertStore>) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(format!("TLS cannot be set up: {error}")))?
        .with_no_client_auth()
        .with_cert_resolver(store);
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// A certificate chain and the key of its first certificate.
pub fn certified_key(cert: PemFile<'_>, key: PemFile<'_>) -> Result<Arc<CertifiedKey>, TlsError> {
    let made = CertifiedKey::from_der(cert.certificates()?, key.private_key()?, &provider());
    let made = made.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => key.fault(format_args!(
            "is not the key of the certificate in {}",
            cert.path.display()
        )),
        error => key.fault(format_args!(
            "cannot be used with {}: {error}",
            cert.path.display()
        )),
    })?;
    Ok(Arc::new(made))
}

impl PemFile<'_> {
    fn certificates(self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let found = CertificateDer::pem_file_iter(self.path).and_then(Iterator::collect);
        let found: Vec<_> = found.map_err(|error| self.unreadable(&error))?;
        if found.is_empty() {
            return Err(
                self.fault("holds no certificate; it should be a PEM file with CERTIFICATE in it")
            );
        }
        Ok(found)
    }

    fn private_key(self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_file(self.path).map_err(|error| match error {
            pem::Error::NoItemsFound => {
                self.fault("holds no private key; it should be a PEM file with PRIVATE KEY in it")
            }
            error => self.unreadable(&error),
        })
    }

    fn unreadable(self, error: &pem::Error) -> TlsError {
        match error {
            pem::Error::Io(error) => self.fault(format_args!(
                "cannot be read: {error}; name a file that docxy may read"
            )),
            error => self.fault(format_args!("is not PEM: {error}")),
        }
    }

    fn fault(self, what: impl fmt::Display) -> TlsError {
        TlsError(format!("--{}: {} {what}", self.flag, self.path.display()))
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
