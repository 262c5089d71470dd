//! The certificates of upstreams, verified by rustls. Of one that is refused, the error says whose it is and what to do.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use super::issuer::issuer;

/// Verifies as rustls does.
#[derive(Debug)]
pub(super) struct Verifier(pub(super) Arc<WebPkiServerVerifier>);

/// A certificate that was refused.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub why: CertificateError,
    /// Who has issued it, quoted.
    pub issuer: Option<String>,
}

impl Refused {
    /// The refusal that is behind a failed handshake, if it is one.
    pub fn behind(error: &io::Error) -> Option<&Refused> {
        match error.get_ref()?.downcast_ref::<Error>()? {
            Error::InvalidCertificate(CertificateError::Other(OtherError(refused))) => {
                refused.downcast_ref()
            }
            _ => None,
        }
    }

    /// What is wrong with it that rustls has no word of its own for.
    pub fn flaw(&self) -> Option<&webpki::Error> {
        match &self.why {
            CertificateError::Other(OtherError(flaw)) => flaw.downcast_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuer = self.issuer.as_deref().unwrap_or("somebody without a name");
        match &self.why {
            CertificateError::UnknownIssuer => write!(
                f,
                "its certificate is issued by {issuer}, whom docxy does not trust"
            ),
            CertificateError::ExpiredContext { not_after, .. } => {
                write!(f, "its certificate has expired on {}", date(*not_after))
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                write!(
                    f,
                    "its certificate is not valid before {}",
                    date(*not_before)
                )
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
                let names = names.join(", ");
                write!(f, "its certificate is for other names: {names}")
            }
            other => match self.flaw() {
                Some(webpki::Error::CaUsedAsEndEntity) => f.write_str(
                    "its certificate is an authority's own (CA:TRUE), which is no server's",
                ),
                Some(webpki::Error::UnsupportedCertVersion) => write!(
                    f,
                    "its certificate by {issuer} is of an old version of X.509, which names no server"
                ),
                Some(flaw) => write!(f, "its certificate by {issuer} is refused: {flaw}"),
                None => write!(f, "its certificate by {issuer} is refused: {other}"),
            },
        }
    }
}

impl std::error::Error for Refused {}

/// A name as rustls shows it, `DnsName("a.test")`, without its kind.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').map(|(_, rest)| rest);
    inner.map_or(name, |inner| inner.trim_end_matches(')'))
}

fn date(time: UnixTime) -> impl fmt::Display {
    let since = Duration::from_secs(time.as_secs());
    let at = SystemTime::UNIX_EPOCH.checked_add(since);
    humantime::format_rfc3339_seconds(at.unwrap_or(SystemTime::UNIX_EPOCH))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.0
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verified.map_err(|error| match error {
            Error::InvalidCertificate(why) => {
                let issuer = issuer(end_entity);
                let refused = OtherError(Arc::new(Refused { why, issuer }));
                Error::InvalidCertificate(CertificateError::Other(refused))
            }
            other => other,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
