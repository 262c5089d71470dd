//! Looks after the self-made certificate while docxy runs: leaves grow old, and machines get other addresses.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::timeout;

use super::machine::{Machine, View};
use super::names::Wanted;
use super::{SelfMade, SelfMadeError, instructions};
use crate::tls::store::{CertSet, CertStore};

/// How often it looks.
const PERIOD: Duration = Duration::from_secs(3600);

/// A self-made certificate and where it is shown.
#[derive(Debug)]
pub struct Keeper {
    made: SelfMade,
    wanted: watch::Receiver<Wanted>,
    renames: watch::Sender<Wanted>,
    view: View,
    store: Arc<CertStore>,
    /// What the start has to say beside the instructions.
    said: Vec<String>,
}

impl Keeper {
    /// Takes or makes CA and certificate, and shows them.
    pub fn start(wanted: Wanted, state_dir: Option<&Path>) -> Result<Keeper, SelfMadeError> {
        Keeper::start_on(Machine::look(), wanted, state_dir)
    }

    fn start_on(
        found: io::Result<Machine>,
        wanted: Wanted,
        state_dir: Option<&Path>,
    ) -> Result<Keeper, SelfMadeError> {
        let mut said = Vec::new();
        let view = View::first(found, &wanted, &mut said);
        let names = wanted.names(view.machine());
        let made = SelfMade::open(state_dir, &names, SystemTime::now(), &mut said)?;
        let store = Arc::new(CertStore::new(CertSet::new(made.key())));
        let (renames, wanted) = watch::channel(wanted);
        Ok(Keeper {
            made,
            wanted,
            renames,
            view,
            store,
            said,
        })
    }

    /// What the listeners show.
    pub fn store(&self) -> Arc<CertStore> {
        Arc::clone(&self.store)
    }

    /// The CA in PEM.
    pub fn ca_pem(&self) -> &str {
        self.made.ca_pem()
    }

    /// Takes other names, for which the certificate is then made anew.
    pub fn renames(&self) -> watch::Sender<Wanted> {
        self.renames.clone()
    }

    /// What the start has to say, with the port of the first https listener.
    pub fn lines(&self, port: u16) -> Vec<String> {
        let at = self.wanted.borrow().authority(self.view.machine(), port);
        let mut lines = self.said.clone();
        lines.extend(instructions::lines(&self.made, &at));
        lines
    }

    /// Looks again and again; never ends.
    pub async fn keep(mut self, say: impl Fn(&str)) {
        loop {
            // Either way it is time to look.
            let _ = timeout(PERIOD, self.wanted.changed()).await;
            for line in self.look_again(Machine::look(), SystemTime::now()) {
                say(&line);
            }
        }
    }

    /// Makes the certificate anew if that is due, and gives what is to be said of it.
    fn look_again(&mut self, found: io::Result<Machine>, now: SystemTime) -> Vec<String> {
        let mut said = Vec::new();
        let wanted = self.wanted.borrow_and_update();
        self.view.take(found, &wanted, &mut said);
        let names = wanted.names(self.view.machine());
        drop(wanted);
        match self.made.refresh(&names, now, &mut said) {
            Ok(true) => self.store.replace(CertSet::new(self.made.key())),
            Ok(false) => {}
            Err(error) => said.push(format!(
                "warning: the certificate from before stays: {error}"
            )),
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use crate::config::Config;
    use clap::Parser;
    use std::sync::Mutex;
    use tokio::time::sleep;

    #[test]
    fn a_machine_that_cannot_be_seen_for_once_keeps_its_certificate() {
        let state = tempfile::tempdir().unwrap();
        let flags = ["docxy", "--listen", ":443"];
        let config = Config::from_args(Args::parse_from(flags)).unwrap();
        let machine = Machine {
            addresses: vec!["192.0.2.1".parse().unwrap()],
            hostname: None,
        };
        let mut keeper =
            Keeper::start_on(Ok(machine), config.certificate_names(), Some(state.path())).unwrap();
        let kept = || std::fs::read(state.path().join("leaf.pem")).unwrap();
        let before = kept();
        let failed = || Err(io::Error::other("no descriptors"));
        let said = keeper.look_again(failed(), SystemTime::now()).concat();
        assert!(said.contains("no descriptors"), "{said}");
        assert_eq!(keeper.look_again(failed(), SystemTime::now()), [""; 0]);
        assert!(keeper.made.names().contains(&"192.0.2.1".to_owned()));
        assert_eq!(kept(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn other_names_get_another_certificate_while_docxy_runs() {
        let flags = [
            "docxy",
            "--listen",
            "https://127.0.0.1:0",
            "--state-dir",
            "/proc/nowhere",
        ];
        let config = Config::from_args(Args::parse_from(flags)).unwrap();
        let state_dir = config.state_dir.as_deref();
        let mut keeper = Keeper::start(config.certificate_names(), state_dir).unwrap();
        // As if an address had gone in between.
        let names = ["192.0.2.99".to_owned()];
        let refreshed = keeper
            .made
            .refresh(&names, SystemTime::now(), &mut Vec::new());
        assert!(refreshed.unwrap());
        let (store, before) = (keeper.store(), keeper.made.key());
        store.replace(CertSet::new(Arc::clone(&before)));

        let said = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&said);
        let task =
            tokio::spawn(keeper.keep(move |line| lines.lock().unwrap().push(line.to_owned())));
        sleep(PERIOD * 5 / 2).await;
        task.abort();
        let said = said.lock().unwrap();
        assert_eq!(said.len(), 1, "once, not at every look: {said:?}");
        assert!(said[0].contains("names or addresses"), "{said:?}");
        assert!(!Arc::ptr_eq(&before, store.current().unwrap().choose(None)));
    }
}
