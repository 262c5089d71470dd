//! Certificates and keys in files, pair by pair: read, checked, and put into the set that is shown.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use super::pem_file::PemFile;
use super::store::CertSet;
use super::validity::Validity;
use super::{TlsError, certified_key};

/// A file with a certificate chain and the file with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The chain, PEM, the certificate of the key first.
    pub cert: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
}

/// What was in the files of a pair.
#[derive(Clone, Debug)]
pub struct Loaded {
    certified: Arc<CertifiedKey>,
    /// The DNS names of the certificate.
    names: Vec<String>,
    validity: Validity,
}

impl Pair {
    /// Reads both files and checks that they belong together. Dates are not judged here.
    pub fn load(&self) -> Result<Loaded, TlsError> {
        let cert = self.cert_file();
        let key = PemFile {
            flag: "tls-key",
            path: &self.key,
        };
        let certified = certified_key(cert, key)?;
        let unreadable = || {
            cert.fault("holds a certificate that cannot be read; make it anew as X.509 version 3")
        };
        let leaf = certified.end_entity_cert().map_err(|_| unreadable())?;
        let validity = Validity::of(leaf).ok_or_else(unreadable)?;
        let parsed = EndEntityCert::try_from(leaf).map_err(|_| unreadable())?;
        let names = parsed.valid_dns_names().map(str::to_owned).collect();
        Ok(Loaded {
            certified,
            names,
            validity,
        })
    }

    /// The file that holds the certificate, as its flag names it.
    pub fn cert_file(&self) -> PemFile<'_> {
        PemFile {
            flag: "tls-cert",
            path: &self.cert,
        }
    }
}

impl Loaded {
    /// Why clients would not take the certificate at `now`.
    pub fn fault(&self, now: SystemTime) -> Option<Fault> {
        if self.validity.contains(now) {
            None
        } else if now > self.validity.until {
            Some(Fault::Expired(self.validity.until))
        } else {
            Some(Fault::NotYet(self.validity.from))
        }
    }
}

/// Why a certificate is not valid at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It was, until then.
    Expired(SystemTime),
    /// It will be, from then on.
    NotYet(SystemTime),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = humantime::format_rfc3339_seconds;
        match *self {
            Fault::Expired(at) => write!(f, "has expired on {}", date(at)),
            Fault::NotYet(at) => write!(
                f,
                "is not valid before {}; is this machine's clock right?",
                date(at)
            ),
        }
    }
}

/// The set that shows these certificates, the first by default, and which of them are in vain: no client can ask for them.
pub fn set<'a>(loaded: impl IntoIterator<Item = &'a Loaded>) -> Option<(CertSet, Vec<usize>)> {
    let mut loaded = loaded.into_iter().enumerate().peekable();
    let (_, first) = loaded.peek()?;
    let mut set = CertSet::new(Arc::clone(&first.certified));
    let mut in_vain = Vec::new();
    for (at, one) in loaded {
        let mut asked_for = at == 0;
        for name in &one.names {
            asked_for |= set.add(name, &one.certified);
        }
        if !asked_for {
            in_vain.push(at);
        }
    }
    Some((set, in_vain))
}
