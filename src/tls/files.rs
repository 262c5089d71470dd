//! The files behind the listeners' TLS: read at start, and anew while docxy runs. What is broken then leaves in place what
//! was read before.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::TlsError;
use super::clients::Clients;
use super::pair_in_use::PairInUse;
use super::pairs::{self, Pair};
use super::pem_file::PemFile;
use super::store::{CertSet, CertStore};
use super::watch::Watch;
use crate::permissions;

/// Pairs of `--tls-cert` and `--tls-key`, and the `--client-ca`.
#[derive(Debug)]
pub struct TlsFiles {
    pairs: Vec<PairInUse>,
    /// What shows the pairs; none if there are none.
    store: Option<Arc<CertStore>>,
    clients: Option<(PathBuf, Arc<Clients>)>,
    /// Why the clients are those of an authority from before.
    clients_fault: Option<TlsError>,
    watch: Watch,
}

impl TlsFiles {
    /// Reads them all.
    pub fn open(pairs: &[Pair], client_ca: Option<PathBuf>) -> Result<TlsFiles, TlsError> {
        let named = pairs.iter().flat_map(|pair| [&pair.cert, &pair.key]);
        let watch = Watch::new(named.chain(&client_ca).cloned().collect());
        let pairs = pairs.iter().map(PairInUse::open);
        let pairs: Vec<_> = pairs.collect::<Result<_, TlsError>>()?;
        let clients = match client_ca {
            Some(path) => {
                let clients = Arc::new(Clients::of(client_ca_file(&path))?);
                Some((path, clients))
            }
            None => None,
        };
        let shown = pairs::set(pairs.iter().map(|pair| &pair.shown));
        Ok(TlsFiles {
            store: shown.map(|(set, _)| Arc::new(CertStore::new(set))),
            pairs,
            clients,
            clients_fault: None,
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
        for PairInUse { pair, shown, .. } in &self.pairs {
            warnings.extend(permissions::warning(&pair.key));
            if let Some(fault) = shown.fault(now) {
                let fault = pair.cert_file().fault(fault);
                warnings.push(format!(
                    "{fault}; clients will refuse it until there is a new one, which docxy will notice"
                ));
            }
        }
        for at in self.set().map(|(_, in_vain)| in_vain).unwrap_or_default() {
            let fault = self.pairs[at].pair.cert_file().fault(
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
    /// before stays, and is among the [faults](TlsFiles::faults).
    pub fn reload(&mut self, now: SystemTime) {
        self.watch.know();
        for pair in &mut self.pairs {
            pair.read(now);
        }
        self.show();
        self.read_clients();
    }

    /// Reads those of them anew that could not be taken when they were read, if they may be by now and nobody writes them. To
    /// be called after each look at them: it costs next to nothing where there is nothing to do.
    pub fn try_again(&mut self, now: SystemTime) {
        if !self.watch.finds_what_is_known() {
            return;
        }
        if self.pairs.iter().any(|pair| pair.is_due(now)) {
            let due = self.pairs.iter_mut().filter(|pair| pair.is_due(now));
            due.for_each(|pair| pair.read(now));
            self.show();
        }
        if self.clients_fault.is_some() {
            self.read_clients();
        }
    }

    /// Why what was read before is in use in the place of what is in the files now.
    pub fn faults(&self) -> impl Iterator<Item = &TlsError> {
        let pairs = self.pairs.iter().filter_map(PairInUse::fault);
        pairs.chain(&self.clients_fault)
    }

    /// Shows the pairs of `other` and lets the clients of its authority connect, from the next handshake on. The two have to
    /// be alike: both with pairs or both without, both with an authority or both without.
    pub fn take_over(&mut self, other: TlsFiles) {
        self.pairs = other.pairs;
        self.show();
        if let (Some((path, clients)), Some((other, theirs))) = (&mut self.clients, other.clients) {
            clients.become_like(&theirs);
            *path = other;
        }
        self.clients_fault = other.clients_fault;
        self.watch = other.watch;
    }

    fn show(&self) {
        if let (Some(store), Some((set, _))) = (&self.store, self.set()) {
            store.replace(set);
        }
    }

    fn read_clients(&mut self) {
        if let Some((path, clients)) = &self.clients {
            self.clients_fault = clients.replace(client_ca_file(path)).err();
        }
    }

    fn set(&self) -> Option<(CertSet, Vec<usize>)> {
        pairs::set(self.pairs.iter().map(|pair| &pair.shown))
    }
}

fn client_ca_file(path: &PathBuf) -> PemFile<'_> {
    PemFile {
        flag: "client-ca",
        path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_was_at_fault_is_tried_again_but_not_while_it_changes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let write = |text: &str| fs::write(&path, text).unwrap();
        write(&made.cert.pem());
        let mut files = TlsFiles::open(&[], Some(path.clone())).unwrap();
        let now = SystemTime::now();
        write("nonsense");
        files.reload(now);
        assert_eq!(files.faults().count(), 1);
        files.try_again(now);
        assert_eq!(files.faults().count(), 1);
        write(&made.cert.pem());
        assert!(!files.have_changed());
        files.try_again(now);
        assert_eq!(files.faults().count(), 1, "it may still be written");
        files.watch.know();
        files.try_again(now);
        assert_eq!(files.faults().count(), 0);
    }
}
