//! Where the CA and the leaf are kept: `ca.key`, `ca.crt` and `leaf.pem` in the state directory.
//!
//! What can be read is used, whether the directory can be written to or not; what cannot be kept is held in memory. A key
//! of a CA is never overwritten: engines everywhere may trust it.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rcgen::KeyPair;

use super::authority::Authority;
use super::leaf::{Leaf, Verdict};
use super::{SelfMadeError, ending};
use crate::state::{Created, StateDir};

/// The key of the CA.
const CA_KEY: &str = "ca.key";

/// The certificate of the CA.
const CA_CERTIFICATE: &str = "ca.crt";

/// The leaf, its key and its names.
const LEAF: &str = "leaf.pem";

/// Who else may do something with a file.
const OTHERS: u32 = 0o077;

/// A place for the CA and the leaf; perhaps in memory only.
#[derive(Debug)]
pub struct Shelf {
    state: Option<StateDir>,
    has_ca: bool,
    /// Why something could not be kept, if that was not said yet.
    fault: Option<String>,
}

impl Shelf {
    /// A shelf in this directory, which may be missing. One of another version is an error.
    pub fn open(dir: Option<&Path>) -> Result<Shelf, SelfMadeError> {
        let nowhere = |why| Shelf {
            state: None,
            has_ca: false,
            fault: Some(why),
        };
        let Some(dir) = dir else {
            return Ok(nowhere("there is no directory for it".to_owned()));
        };
        match fs::symlink_metadata(dir.join(CA_KEY)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Ok(nowhere(format!(
                    "{} cannot be used: {error}",
                    dir.display()
                )));
            }
            _ => {}
        }
        let state = StateDir::find(dir);
        state.check_version().map_err(SelfMadeError::new)?;
        Ok(Shelf {
            state: Some(state),
            has_ca: false,
            fault: None,
        })
    }

    /// The CA that is kept in this directory, as who serves would take it; `None` if there is none.
    pub fn find_authority(dir: &Path) -> Result<Option<Authority>, SelfMadeError> {
        let mut shelf = Shelf::open(Some(dir))?;
        match shelf.fault.take() {
            Some(why) => Err(unreadable(&why)),
            // What is to be said of its key is for who serves.
            None => shelf.kept_authority(&mut Vec::new()),
        }
    }

    /// The CA that is kept, or a new one. One that has ended is made anew from its key: engines have to be given another one
    /// anyway.
    pub fn authority(
        &mut self,
        now: SystemTime,
        said: &mut Vec<String>,
    ) -> Result<Authority, SelfMadeError> {
        let key = match self.kept_authority(said)? {
            Some(kept) if now <= kept.until() => return Ok(kept),
            Some(ended) => {
                self.check_own(&ended)?;
                said.push(ending::made_anew(ended.until()));
                ended.into_key()
            }
            None => self.lone_key(now, said)?,
        };
        let authority = Authority::new(key, now)?;
        if self.has_ca {
            self.has_ca = self.keep(CA_CERTIFICATE, authority.pem().as_bytes());
        }
        Ok(authority)
    }

    /// The leaf that is kept.
    pub fn leaf(&self, said: &mut Vec<String>) -> Option<Leaf> {
        match self.read(LEAF) {
            Ok(None) => None,
            Ok(Some(bytes)) => {
                let leaf = Leaf::parse(&bytes);
                if leaf.is_none() {
                    let what = self.fault_of(LEAF, "is damaged; a new certificate is made");
                    said.push(format!("warning: {what}"));
                }
                leaf
            }
            Err(error) => {
                said.push(format!("warning: {error}; a new certificate is made"));
                None
            }
        }
    }

    /// Keeps a new leaf, if there is a place for it.
    pub fn keep_leaf(&mut self, leaf: &Leaf) {
        self.keep(LEAF, leaf.text().as_bytes());
    }

    /// Says once that something is in memory only.
    pub fn warn(&mut self, said: &mut Vec<String>) {
        let Some(why) = self.fault.take() else { return };
        said.push(if self.has_ca {
            format!("warning: the new certificate is in memory only, and the next start has to make another one: {why}")
        } else {
            format!(
                "warning: the CA is in memory only, and engines will have to be given another one after a restart: {why}; \
                 name a directory that docxy may write to with --state-dir"
            )
        });
    }

    /// Where the CA is; `None` if it is in memory only.
    pub fn ca_path(&self) -> Option<PathBuf> {
        let state = self.state.as_ref().filter(|_| self.has_ca)?;
        Some(state.path().join(CA_CERTIFICATE))
    }

    /// What to say when certificate and key of the CA are no pair, or not of docxy's making.
    pub fn foreign(&self) -> SelfMadeError {
        self.fault_of(
            CA_CERTIFICATE,
            "is not what docxy made for ca.key; bring back what was there, or name another directory with --state-dir \
             (a certificate of your own goes to --tls-cert)",
        )
    }

    /// Of others nothing is overwritten.
    fn check_own(&self, authority: &Authority) -> Result<(), SelfMadeError> {
        let (names, last) = (["localhost".to_owned()], authority.until());
        let leaf = authority.issue(&names, last);
        match leaf.and_then(|leaf| leaf.verdict(authority, &names, last)) {
            Ok(Verdict::Serves) => Ok(()),
            _ => Err(self.foreign()),
        }
    }

    /// The key that has no certificate yet, or a new one.
    fn lone_key(
        &mut self,
        now: SystemTime,
        said: &mut Vec<String>,
    ) -> Result<KeyPair, SelfMadeError> {
        match self.read(CA_KEY)? {
            Some(bytes) => self.key(&bytes, said),
            None => {
                // First of all, so that a clock that is wrong leaves no key behind.
                super::authority::check_clock(now)?;
                self.new_key()
            }
        }
    }

    fn new_key(&mut self) -> Result<KeyPair, SelfMadeError> {
        let key = Authority::new_key()?;
        let Some(state) = &self.state else {
            return Ok(key);
        };
        let created = StateDir::open(state.path())
            .and_then(|state| state.create(CA_KEY, key.serialize_pem().as_bytes()));
        match created {
            Ok(Created::New) => self.has_ca = true,
            // Another docxy was faster, and its key is as good.
            Ok(Created::Exists) => {
                let bytes = self.read(CA_KEY)?.unwrap_or_default();
                return self.key(&bytes, &mut Vec::new());
            }
            Err(error) => self.fault = Some(error.to_string()),
        }
        Ok(key)
    }

    /// The CA that is kept; `None` if it has no certificate yet.
    fn kept_authority(
        &mut self,
        said: &mut Vec<String>,
    ) -> Result<Option<Authority>, SelfMadeError> {
        let Some(certificate) = self.read(CA_CERTIFICATE)? else {
            return Ok(None);
        };
        let Some(key) = self.read(CA_KEY)? else {
            return Err(self.fault_of(
                CA_KEY,
                "is missing beside ca.crt; bring it back, or remove ca.crt too for a new CA, which all engines have to be given",
            ));
        };
        let key = self.key(&key, said)?;
        let authority = Authority::from_parts(key, &certificate);
        authority.ok_or_else(|| self.foreign()).map(Some)
    }

    /// A key that was read; a warning if others can read it as well.
    fn key(&mut self, bytes: &[u8], said: &mut Vec<String>) -> Result<KeyPair, SelfMadeError> {
        let key = str::from_utf8(bytes).ok().map(KeyPair::from_pem);
        let Some(Ok(key)) = key else {
            return Err(self.fault_of(
                CA_KEY,
                "is damaged; bring it back, or remove ca.key and ca.crt for a new CA, which all engines have to be given",
            ));
        };
        self.has_ca = true;
        let path = self.path_of(CA_KEY);
        let mode = fs::metadata(&path).map_or(0, |found| found.permissions().mode());
        if mode & OTHERS != 0 {
            said.push(format!(
                "warning: others than docxy may use {0}, the key of its CA; forbid that: chmod 600 {0}",
                path.display()
            ));
        }
        Ok(key)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, SelfMadeError> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        state.read(name).map_err(|error| unreadable(&error))
    }

    /// Whether it is kept now.
    fn keep(&mut self, name: &str, bytes: &[u8]) -> bool {
        let Some(state) = self.state.as_ref().filter(|_| self.has_ca) else {
            return false;
        };
        let kept = state.keep(name, bytes);
        if let Err(error) = &kept {
            self.fault = Some(error.to_string());
        }
        kept.is_ok()
    }

    fn path_of(&self, name: &str) -> PathBuf {
        self.state
            .as_ref()
            .map_or_else(PathBuf::new, |state| state.path().to_owned())
            .join(name)
    }

    fn fault_of(&self, name: &str, what: impl fmt::Display) -> SelfMadeError {
        SelfMadeError(format!("{} {what}", self.path_of(name).display()))
    }
}

fn unreadable(why: &dyn fmt::Display) -> SelfMadeError {
    SelfMadeError(format!(
        "{why}; let docxy's user read it, or name another directory with --state-dir"
    ))
}
