//! The files behind the listeners' TLS: read at start, and anew while docxy runs. What is broken then leaves in place what
//! was read before.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::TlsError;
use super::clients::Clients;
use super::pairs::{self, Loaded, Pair};
use super::pem_file::PemFile;
use super::store::{CertSet, CertStore};
use super::watch::Watch;
use crate::permissions;

/// Pairs of `--tls-cert` and `--tls-key`, and the `--client-ca`.
#[derive(Debug)]
pub struct TlsFiles {
    pairs: Vec<(Pair, Loaded)>,
    /// What shows the pairs; none if there are none.
    store: Option<Arc<CertStore>>,
    clients: Option<(PathBuf, Arc<Clients>)>,
    watch: Watch,
}

impl TlsFiles {
    /// Reads them all.
    pub fn open(pairs: &[Pair], client_ca: Option<PathBuf>) -> Result<TlsFiles, TlsError> {
        let named = pairs.iter().flat_map(|pair| [&pair.cert, &pair.key]);
        let watch = Watch::new(named.chain(&client_ca).cloned().collect());
        let load = |pair: &Pair| Ok((pair.clone(), pair.load()?));
        let pairs: Vec<_> = pairs.iter().map(load).collect::<Result<_, TlsError>>()?;
        let clients = match client_ca {
            Some(path) => {
                let clients = Arc::new(Clients::of(client_ca_file(&path))?);
                Some((path, clients))
            }
            None => None,
        };
        let shown = pairs::set(pairs.iter().map(|(_, loaded)| loaded));
        Ok(TlsFiles {
            store: shown.map(|(set, _)| Arc::new(CertStore::new(set))),
            pairs,
            clients,
            watch,
        })
    }

    /// What shows the certificates of the pairs, if there are any.
    pub fn store(&self) -> Option<Arc<CertStore>> {
        self.store.clone()
    }

    /// Who may connect, if not everyone.
    pub fn clients(&self) -> Option<Arc<Clients>> {
        self.clients
            .as_ref()
            .map(|(_, clients)| Arc::clone(clients))
    }

    /// Keys that everyone can read, what is shown although clients will not take it, and what is never shown.
    pub fn warnings(&self, now: SystemTime) -> Vec<String> {
        let mut warnings = Vec::new();
        for (pair, loaded) in &self.pairs {
            warnings.extend(permissions::warning(&pair.key));
            if let Some(fault) = loaded.fault(now) {
                let fault = pair.cert_file().fault(fault);
                warnings.push(format!(
                    "{fault}; clients will refuse it until there is a new one, which docxy will notice"
                ));
            }
        }
        for at in self.set().map(|(_, in_vain)| in_vain).unwrap_or_default() {
            let fault = self.pairs[at].0.cert_file().fault(
                "is never shown: it has no DNS name (SAN) that an earlier certificate has not; give it one, or put it first",
            );
            warnings.push(fault.to_string());
        }
        warnings
    }

    /// Whether any of them has changed since it was read and is steady again; to be asked every few seconds.
    pub fn have_changed(&mut self) -> bool {
        self.watch.has_settled()
    }

    /// Reads them all anew. Each pair that is sound is shown from the next handshake on; for each that is not, what was read
    /// before stays, and the reason is returned.
    pub fn reload(&mut self, now: SystemTime) -> Vec<TlsError> {
        self.watch.know();
        let mut faults = Vec::new();
        for (pair, loaded) in &mut self.pairs {
            match pair.load().and_then(|new| better(pair, loaded, new, now)) {
                Ok(new) => *loaded = new,
                Err(fault) => faults.push(fault),
            }
        }
        if let (Some(store), Some((set, _))) = (&self.store, self.set()) {
            store.replace(set);
        }
        if let Some((path, clients)) = &self.clients {
            faults.extend(clients.replace(client_ca_file(path)).err());
        }
        faults
    }

    /// Shows the pairs of `other` and lets the clients of its authority connect, from the next handshake on. The two have to
    /// be alike: both with pairs or both without, both with an authority or both without.
    pub fn take_over(&mut self, other: TlsFiles) {
        if let (Some(store), Some((set, _))) = (&self.store, other.set()) {
            store.replace(set);
        }
        if let (Some((path, clients)), Some((other, theirs))) = (&mut self.clients, other.clients) {
            clients.become_like(&theirs);
            *path = other;
        }
        self.pairs = other.pairs;
        self.watch = other.watch;
    }

    fn set(&self) -> Option<(CertSet, Vec<usize>)> {
        pairs::set(self.pairs.iter().map(|(_, loaded)| loaded))
    }
}

/// The new one, unless it is out of its time and the old one is not.
fn better(pair: &Pair, old: &Loaded, new: Loaded, now: SystemTime) -> Result<Loaded, TlsError> {
    match new.fault(now) {
        Some(fault) if old.fault(now).is_none() => Err(pair.cert_file().fault(fault)),
        _ => Ok(new),
    }
}

fn client_ca_file(path: &PathBuf) -> PemFile<'_> {
    PemFile {
        flag: "client-ca",
        path,
    }
}
