//! The TLS configurations: towards upstreams, and of the listeners (rustls with ring, TLS 1.2 and 1.3).

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

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

/// What upstreams are verified by: the built-in roots and those in `extra`.
pub fn towards_upstreams(extra: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = extra {
        for certificate in certificates(path)? {
            roots
                .add(certificate)
                .map_err(|error| fault(path, format_args!("holds no usable root: {error}")))?;
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

/// What a listener shows: the chain of `cert` and the `key` of its first certificate, both PEM.
pub fn of_listener(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(cert)?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
        pem::Error::NoItemsFound => fault(
            key,
            "holds no private key in PEM; give --tls-key the key file",
        ),
        error => unreadable(key, &error),
    })?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(format!("TLS cannot be set up: {error}")))?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => fault(
                key,
                format_args!("is not the key of the certificate in {}", cert.display()),
            ),
            error => fault(
                key,
                format_args!("cannot be used with {}: {error}", cert.display()),
            ),
        })?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
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

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(path, &error))?;
    if found.is_empty() {
        return Err(fault(path, "holds no certificate in PEM"));
    }
    Ok(found)
}

fn unreadable(path: &Path, error: &pem::Error) -> TlsError {
    match error {
        pem::Error::Io(error) => fault(path, format_args!("cannot be read: {error}")),
        error => fault(path, format_args!("is not PEM: {error}")),
    }
}

fn fault(path: &Path, what: impl fmt::Display) -> TlsError {
    TlsError(format!("{} {what}", path.display()))
}
