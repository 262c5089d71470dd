//! Mutual TLS: clients have to show a certificate of the authority in `--client-ca`, which can be exchanged while docxy runs.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::pem_file::PemFile;
use super::{TlsError, provider};

/// Refuses every client without a certificate of the authority, in the handshake.
pub struct Clients {
    current: RwLock<Arc<dyn ClientCertVerifier>>,
}

impl Clients {
    /// Those with a certificate of an authority in this file.
    pub fn of(file: PemFile<'_>) -> Result<Clients, TlsError> {
        Ok(Clients {
            current: RwLock::new(verifier(file)?),
        })
    }

    /// From the next handshake on, those of an authority in this file; if it is broken, as before.
    pub fn replace(&self, file: PemFile<'_>) -> Result<(), TlsError> {
        let verifier = verifier(file)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = verifier;
        Ok(())
    }

    /// From the next handshake on, those of another one.
    pub fn become_like(&self, other: &Clients) {
        let verifier = other.current();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = verifier;
    }

    fn current(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn verifier(file: PemFile<'_>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in file.certificates()? {
        let added = roots.add(certificate);
        added.map_err(|error| file.fault(format_args!("holds no usable root: {error}")))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map(|verifier| verifier as Arc<dyn ClientCertVerifier>)
        .map_err(|error| file.fault(format_args!("holds no usable root: {error}")))
}

impl ClientCertVerifier for Clients {
    /// None: strangers need not learn whose certificates open the door, and what cannot be borrowed can be exchanged.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.current()
            .verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current().verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current().verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current().supported_verify_schemes()
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}
