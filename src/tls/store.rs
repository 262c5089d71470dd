//! The certificates that the https listeners show: chosen by SNI, exchanged as a whole while docxy runs.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The protocol by which an ACME server asks for a challenge certificate (RFC 8737 §6.2).
pub const ACME_TLS_ALPN: &[u8] = b"acme-tls/1";

/// Certificates with their keys, by the names for which they are shown.
#[derive(Clone, Debug)]
pub struct CertSet {
    default: Arc<CertifiedKey>,
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows the first label: `*.a.test` is under `a.test`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
}

impl CertSet {
    /// A set of one certificate, which is shown whatever the client asks for.
    pub fn new(default: Arc<CertifiedKey>) -> CertSet {
        CertSet {
            default,
            exact: HashMap::new(),
            wildcard: HashMap::new(),
        }
    }

    /// Shows `key` for a name, which may begin with `*.`; the first certificate for a name stays. Whether this is the first.
    pub fn add(&mut self, name: &str, key: &Arc<CertifiedKey>) -> bool {
        let name = name.to_ascii_lowercase();
        let (names, name) = match name.strip_prefix("*.") {
            Some(parent) => (&mut self.wildcard, parent.to_owned()),
            None => (&mut self.exact, name),
        };
        let entry = names.entry(name);
        let is_first = matches!(entry, Entry::Vacant(_));
        entry.or_insert_with(|| Arc::clone(key));
        is_first
    }

    /// Each certificate once, with the first of the names for which it is shown; `*` if it is shown for none but by default.
    pub fn each(&self) -> Vec<(String, &Arc<CertifiedKey>)> {
        let exact = self.exact.iter().map(|(name, key)| (name.clone(), key));
        let wildcard = self.wildcard.iter();
        let wildcard = wildcard.map(|(parent, key)| (format!("*.{parent}"), key));
        let mut named: Vec<_> = exact.chain(wildcard).collect();
        named.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        named.push(("*".to_owned(), &self.default));
        let mut each: Vec<(String, &Arc<CertifiedKey>)> = Vec::new();
        for (name, key) in named {
            if !each.iter().any(|(_, known)| Arc::ptr_eq(known, key)) {
                each.push((name, key));
            }
        }
        each
    }

    /// The certificate for the name that a client asks for: exact, else by wildcard of one label, else the default
    /// (RFC 6066 §3, RFC 6125 §6.4.3).
    pub fn choose(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        let name = name.map(str::to_ascii_lowercase).unwrap_or_default();
        let by_wildcard = || self.wildcard.get(name.split_once('.')?.1);
        self.exact
            .get(&name)
            .or_else(by_wildcard)
            .unwrap_or(&self.default)
    }
}

/// What is shown now.
pub struct CertStore {
    set: RwLock<Option<Arc<CertSet>>>,
    challenges: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

impl CertStore {
    /// A store that shows `set`.
    pub fn new(set: CertSet) -> CertStore {
        CertStore {
            set: RwLock::new(Some(Arc::new(set))),
            challenges: RwLock::default(),
        }
    }

    /// A store that shows nothing yet: until there is something, handshakes end in an alert.
    pub fn empty() -> CertStore {
        CertStore {
            set: RwLock::default(),
            challenges: RwLock::default(),
        }
    }

    /// Shows `set` from the next handshake on; connections that are up are not touched.
    pub fn replace(&self, set: CertSet) {
        *self.set.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(set));
    }

    /// Shows `key` to an ACME server that asks for a name's challenge, or no longer.
    pub fn set_challenge(&self, name: &str, key: Option<Arc<CertifiedKey>>) {
        let mut challenges = self
            .challenges
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        match key {
            Some(key) => challenges.insert(name.to_ascii_lowercase(), key),
            None => challenges.remove(&name.to_ascii_lowercase()),
        };
    }

    /// Whether some ACME server is expected to ask.
    pub fn has_challenges(&self) -> bool {
        !self.challenges().is_empty()
    }

    /// The challenge certificate that a client asks for, if it is an ACME server: it offers that protocol alone
    /// (RFC 8737 §3).
    pub fn challenge(&self, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut offered = hello.alpn()?;
        if offered.next() != Some(ACME_TLS_ALPN) || offered.next().is_some() {
            return None;
        }
        let name = hello.server_name()?.to_ascii_lowercase();
        self.challenges().get(&name).cloned()
    }

    fn challenges(&self) -> RwLockReadGuard<'_, HashMap<String, Arc<CertifiedKey>>> {
        self.challenges
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What is shown now, if there is something.
    pub fn current(&self) -> Option<Arc<CertSet>> {
        self.set
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ResolvesServerCert for CertStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(self.current()?.choose(hello.server_name())))
    }
}

impl fmt::Debug for CertStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertStore").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::ring::sign::any_supported_type;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

    fn certified(name: &str) -> Arc<CertifiedKey> {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        Arc::new(CertifiedKey::new(
            vec![made.cert.der().clone()],
            any_supported_type(&key).unwrap(),
        ))
    }

    #[test]
    fn names_choose_exactly_then_by_wildcard_then_by_default() {
        let keys = ["default.test", "a.test", "*.a.test", "b.a.test"].map(certified);
        let mut set = CertSet::new(Arc::clone(&keys[0]));
        set.add("A.test", &keys[1]);
        set.add("*.a.test", &keys[2]);
        set.add("b.a.test", &keys[3]);
        set.add("a.test", &keys[0]);
        let cases = [
            (None, 0),
            (Some("x.test"), 0),
            (Some("a.test"), 1),
            (Some("A.TEST"), 1),
            (Some("c.a.test"), 2),
            (Some("b.a.test"), 3),
            (Some("d.c.a.test"), 0),
            (Some("test"), 0),
            (Some(""), 0),
        ];
        for (name, key) in cases {
            assert!(Arc::ptr_eq(set.choose(name), &keys[key]), "{name:?}");
        }
        let each = set.each();
        let each: Vec<&str> = each.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(each, ["*.a.test", "a.test", "b.a.test", "*"]);
        assert!(Arc::ptr_eq(set.each()[3].1, &keys[0]));
    }
}
