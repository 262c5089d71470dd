//! A certificate that a listener shows: how it is kept, and whether it still serves.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{Certificate, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, RootCertStore};

use super::SelfMadeError;
use super::authority::{Authority, LEAF_LIFE};
use crate::tls;

/// The line before the PEM that says for which names it was made. Who verifies a certificate can ask for a name, but not
/// for all that it has.
const NAMES: &str = "names:";

/// What of its life a leaf must still have; when two thirds are over it is made anew.
const LEFT: Duration = Duration::from_secs(LEAF_LIFE.as_secs() / 3);

/// A certificate with its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Leaf {
    names: Vec<String>,
    /// As the file has it: the names, the key and the certificate in one, so that they never part.
    text: String,
}

/// What is to become of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is shown.
    Serves,
    /// Two thirds of its life are over.
    Old,
    /// It is not valid yet.
    FromTheFuture,
    /// It was made for other names.
    OtherNames,
    /// It is of another CA, or damaged.
    Foreign,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Serves => "the one before still serves",
            Verdict::Old => "two thirds of the life of the one before are over",
            Verdict::FromTheFuture => "the one before is from the future: it was made when the clock was wrong, or the clock is wrong now",
            Verdict::OtherNames => "the names or addresses of docxy have changed",
            Verdict::Foreign => "the one before is of another CA",
        })
    }
}

impl Leaf {
    /// A leaf that was just made.
    pub fn new(names: &[String], certificate: &Certificate, key: &KeyPair) -> Leaf {
        let text = format!(
            "{NAMES} {}\n{}{}",
            names.join(" "),
            key.serialize_pem(),
            certificate.pem()
        );
        Leaf {
            names: names.to_vec(),
            text,
        }
    }

    /// A leaf from its file; `None` if it is none.
    pub fn parse(bytes: &[u8]) -> Option<Leaf> {
        let text = String::from_utf8(bytes.to_vec()).ok()?;
        let names = text.lines().next()?.strip_prefix(NAMES)?;
        let names = names.split_whitespace().map(str::to_owned).collect();
        let leaf = Leaf { names, text };
        leaf.certified_key().ok()?;
        Some(leaf)
    }

    /// What is written to its file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names for which it was made.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// As a listener shows it.
    pub fn certified_key(&self) -> Result<Arc<CertifiedKey>, SelfMadeError> {
        let key = PrivateKeyDer::from_pem_slice(self.text.as_bytes()).map_err(unusable)?;
        tls::paired(vec![self.certificate()?], key).map_err(unusable)
    }

    /// Whether a client that trusts `authority` would take it for all of `names`, now and for a while.
    pub fn verdict(
        &self,
        authority: &Authority,
        names: &[String],
        now: SystemTime,
    ) -> Result<Verdict, SelfMadeError> {
        let (mut made_for, mut wanted) = (self.names.clone(), names.to_vec());
        made_for.sort_unstable();
        wanted.sort_unstable();
        if made_for != wanted {
            return Ok(Verdict::OtherNames);
        }
        let [now, until] = [now, authority.until()].map(|time| {
            time.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default()
        });
        for name in names {
            let verdict = self.verified(authority, name, now)?;
            if verdict != Verdict::Serves {
                return Ok(verdict);
            }
        }
        match names.first() {
            // None lasts longer than its CA.
            Some(name) => self.verified(authority, name, until.min(now + LEFT)),
            None => Ok(Verdict::Serves),
        }
    }

    fn verified(
        &self,
        authority: &Authority,
        name: &str,
        now: Duration,
    ) -> Result<Verdict, SelfMadeError> {
        let mut roots = RootCertStore::empty();
        if roots.add(authority.certificate().clone()).is_err() {
            return Ok(Verdict::Foreign);
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), tls::provider())
                .build()
                .map_err(unusable)?;
        let name = ServerName::try_from(name).map_err(unusable)?;
        let now = UnixTime::since_unix_epoch(now);
        let verified = verifier.verify_server_cert(&self.certificate()?, &[], &name, &[], now);
        Ok(match verified {
            Ok(_) => Verdict::Serves,
            Err(Error::InvalidCertificate(error)) => match error {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => Verdict::Old,
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    Verdict::FromTheFuture
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Verdict::OtherNames,
                _ => Verdict::Foreign,
            },
            Err(_) => Verdict::Foreign,
        })
    }

    fn certificate(&self) -> Result<CertificateDer<'static>, SelfMadeError> {
        CertificateDer::from_pem_slice(self.text.as_bytes()).map_err(unusable)
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

fn unusable(error: impl fmt::Display) -> SelfMadeError {
    SelfMadeError(format!("the self-made certificate cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_they_were_written_and_refused_when_they_are_cut() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let authority = Authority::new(Authority::new_key().unwrap(), now).unwrap();
        let names = ["192.0.2.1", "2001:db8::1", "a.test"].map(str::to_owned);
        let leaf = authority.issue(&names, now).unwrap();
        let text = leaf.text().as_bytes();
        assert_eq!(Leaf::parse(text), Some(leaf.clone()));
        assert_eq!(
            leaf.verdict(&authority, &names, now).unwrap(),
            Verdict::Serves
        );
        for end in (0..text.len() - 1).step_by(7) {
            assert_eq!(Leaf::parse(&text[..end]), None, "{end}");
        }
        assert!(!format!("{leaf:?}").contains("PRIVATE"));
    }
}
