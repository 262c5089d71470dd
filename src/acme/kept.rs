//! What ACME keeps in the state directory, for each directory of a server apart: the account, and the certificate with its
//! key in one file, so that the two always belong together.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::SystemTime;

use instant_acme::{AccountCredentials, Key};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::state::{StateDir, StateError};
use crate::tls::validity::{Validity, is_for};

/// How a file with a certificate ends (RFC 7468 §5).
const LAST_LINE: &[u8] = b"-----END CERTIFICATE-----";

/// The files of one server's directory.
#[derive(Debug)]
pub struct Kept {
    state: StateDir,
    account: String,
    certificate: String,
    /// What could not be written yet: the names of files, and what is to be in them.
    unsaved: Vec<(String, Vec<u8>)>,
}

/// A certificate that can be shown.
#[derive(Clone, Debug)]
pub struct Held {
    /// The chain and its key.
    pub key: Arc<CertifiedKey>,
    /// When it is valid.
    pub validity: Validity,
}

/// A file that is there and cannot be used. Nothing of it is lost: it is for the operator to say that it may go.
#[derive(Debug)]
pub enum KeptError {
    /// It cannot be read.
    State(StateError),
    /// What is in it is not what docxy wrote, and what happens if it is removed.
    Corrupt {
        /// The whole path.
        path: String,
        /// What is wrong with it.
        why: String,
        /// What docxy does without it.
        without: &'static str,
    },
}

impl fmt::Display for KeptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeptError::State(error) => write!(f, "{error}"),
            KeptError::Corrupt { path, why, without } => write!(
                f,
                "{path} cannot be used: {why}; restore it, or remove it and docxy {without}"
            ),
        }
    }
}

impl std::error::Error for KeptError {}

impl Kept {
    /// What is kept for the server with this directory.
    pub fn new(state: StateDir, directory: &str) -> Kept {
        let server = directory.strip_prefix("https://").unwrap_or(directory);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let server = server.replace(|c| !is_plain(c), "_");
        Kept {
            state,
            account: format!("acme-{server}-account.json"),
            certificate: format!("acme-{server}-certificate.pem"),
            unsaved: Vec::new(),
        }
    }

    /// The account, as it was saved, if there is one.
    pub fn account(&self) -> Result<Option<Vec<u8>>, KeptError> {
        let Some(bytes) = self.state.read(&self.account).map_err(KeptError::State)? else {
            return Ok(None);
        };
        let checked = read_account(&bytes)
            .map_err(|error| error.to_string())
            .and_then(|account| {
                let key = account.private_key().clone_key();
                Key::from_pkcs8_der(key).map_err(|error| error.to_string())
            });
        match checked {
            Ok(_) => Ok(Some(bytes)),
            Err(why) => Err(self.corrupt(&self.account, why, "registers a new account")),
        }
    }

    /// Keeps an account. What cannot be written is held until it [can be](Kept::save_again).
    pub fn save_account(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.save(&self.account.clone(), bytes)
    }

    /// Where the account is.
    pub fn account_path(&self) -> String {
        self.path(&self.account)
    }

    /// The certificate, if there is one.
    pub fn certificate(&self) -> Result<Option<Held>, KeptError> {
        let read = self.state.read(&self.certificate);
        let Some(pem) = read.map_err(KeptError::State)? else {
            return Ok(None);
        };
        let held = Held::from_pem(&pem);
        held.map(Some)
            .map_err(|why| self.corrupt(&self.certificate, why, "orders a new certificate"))
    }

    /// Keeps a certificate and its key, or holds them, as an account.
    pub fn save_certificate(&mut self, pem: &[u8]) -> Result<(), StateError> {
        self.save(&self.certificate.clone(), pem)
    }

    /// Tries again to write what could not be written, and returns the files that have been.
    pub fn save_again(&mut self) -> Vec<String> {
        let mut saved = Vec::new();
        for (name, bytes) in mem::take(&mut self.unsaved) {
            if self.save(&name, &bytes).is_ok() {
                saved.push(self.path(&name));
            }
        }
        saved
    }

    fn save(&mut self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let saved = self.state.keep(name, bytes);
        self.unsaved.retain(|(unsaved, _)| unsaved != name);
        if saved.is_err() {
            self.unsaved.push((name.to_owned(), bytes.to_vec()));
        }
        saved
    }

    fn path(&self, name: &str) -> String {
        self.state.path().join(name).display().to_string()
    }

    fn corrupt(&self, name: &str, why: String, without: &'static str) -> KeptError {
        KeptError::Corrupt {
            path: self.path(name),
            why,
            without,
        }
    }
}

/// Reads an account as it was saved.
pub fn read_account(bytes: &[u8]) -> Result<AccountCredentials, serde_json::Error> {
    serde_json::from_slice(bytes)
}

impl Held {
    /// Reads a key and a chain.
    pub fn from_pem(pem: &[u8]) -> Result<Held, String> {
        // Else a cut behind the first certificate would leave a chain that only some clients can complete.
        if !pem.trim_ascii_end().ends_with(LAST_LINE) {
            return Err("it is cut short".to_owned());
        }
        let key = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|error| format!("it holds no private key ({error})"))?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("it holds no certificate ({error})"))?;
        let validity = chain.first().and_then(Validity::of);
        let validity = validity.ok_or("it holds no certificate of a server")?;
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map_err(|error| format!("its key and certificate do not fit ({error})"))?;
        Ok(Held {
            key: Arc::new(key),
            validity,
        })
    }

    /// Whether it is a certificate for all of these names.
    pub fn is_for(&self, names: &[String]) -> bool {
        let Some(leaf) = self.key.cert.first() else {
            return false;
        };
        names.iter().all(|name| is_for(leaf, name))
    }

    /// Its last second, for messages.
    pub fn until(&self) -> impl fmt::Display + use<> {
        humantime::format_rfc3339_seconds(self.validity.until)
    }

    /// Whether its time is not over.
    pub fn is_of_use(&self, now: SystemTime) -> bool {
        now <= self.validity.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn kept(directory: &tempfile::TempDir) -> Kept {
        let state = StateDir::open(directory.path()).unwrap();
        Kept::new(state, "https://a.test:14000/dir?x=1")
    }

    fn pem(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        (made.signing_key.serialize_pem(), made.cert.pem())
    }

    #[test]
    fn what_is_kept_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut kept = kept(&directory);
        assert!(kept.account().unwrap().is_none() && kept.certificate().unwrap().is_none());
        let (_, pkcs8) = Key::generate_pkcs8().unwrap();
        let account = instant_acme_account(pkcs8.secret_pkcs8_der());
        kept.save_account(account.as_bytes()).unwrap();
        assert_eq!(kept.account().unwrap().unwrap(), account.as_bytes());
        let (key, chain) = pem("a.test");
        kept.save_certificate(format!("{key}{chain}").as_bytes())
            .unwrap();
        let held = kept.certificate().unwrap().unwrap();
        assert!(held.is_for(&["a.test".to_owned()]));
        assert!(!held.is_for(&["a.test".to_owned(), "b.test".to_owned()]));
        let name = directory
            .path()
            .join("acme-a.test_14000_dir_x_1-account.json");
        assert!(name.exists());
    }

    fn instant_acme_account(pkcs8: &[u8]) -> String {
        use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
        let key = BASE64_URL_SAFE_NO_PAD.encode(pkcs8);
        format!(r#"{{"id":"https://a.test/1","key_pkcs8":"{key}","directory":"https://a.test"}}"#)
    }

    #[test]
    fn what_is_corrupt_is_named_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let mut kept = kept(&directory);
        let accounts = ["", "{", "{}", "[1]", &instant_acme_account(b"no key")];
        for account in accounts {
            kept.save_account(account.as_bytes()).unwrap();
            let error = kept.account().unwrap_err().to_string();
            assert!(
                error.contains("account.json cannot be used: ") && error.contains("remove it"),
                "{account}: {error}"
            );
            assert!(!error.contains('\n'));
        }
        let ((key, chain), (other, _)) = (pem("a.test"), pem("a.test"));
        let cut = &chain[..chain.len() / 2];
        let (other, cut) = (format!("{other}{chain}"), format!("{key}{chain}{cut}"));
        for certificate in ["", &key, &chain, &other, &cut] {
            kept.save_certificate(certificate.as_bytes()).unwrap();
            let error = kept.certificate().unwrap_err().to_string();
            assert!(
                error.contains("certificate.pem cannot be used: "),
                "{error}"
            );
        }
    }

    #[test]
    fn what_could_not_be_written_is_written_when_it_can_be() {
        let directory = tempfile::tempdir().unwrap();
        let mut kept = kept(&directory);
        fs::remove_dir_all(directory.path()).unwrap();
        fs::write(directory.path(), "in the way").unwrap();
        let (key, chain) = pem("a.test");
        let (old, new) = (format!("{key}{chain}"), pem("b.test"));
        assert!(kept.save_account(b"{").is_err());
        for certificate in [&old, &format!("{}{}", new.0, new.1)] {
            assert!(kept.save_certificate(certificate.as_bytes()).is_err());
        }
        assert!(kept.save_again().is_empty());
        fs::remove_file(directory.path()).unwrap();
        let saved = kept.save_again();
        assert_eq!(saved[0], kept.account_path());
        assert_eq!((saved.len(), kept.save_again().len()), (2, 0));
        let found = kept.certificate().unwrap().unwrap();
        assert!(found.is_for(&["b.test".to_owned()]), "the last one");
    }
}
