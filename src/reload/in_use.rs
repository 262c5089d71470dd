//! The configuration that is in use, and the change to another one. Everything that can fail is done before anything changes.

use std::error::Error;
use std::time::SystemTime;

use tokio::sync::watch;

use super::faults::Faults;
use crate::acme::renewal::Way;
use crate::args::CommandLine;
use crate::config::Config;
use crate::config::load::load;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::selfmade::names::Wanted;
use crate::serving::Serving;
use crate::tls::files::TlsFiles;
use crate::tls::watch::Watch;

/// What docxy was started with, as far as it can be read anew.
pub struct InUse {
    /// What holds whatever the file says.
    pub line: CommandLine,
    /// What is in use.
    pub config: Config,
    /// Who works by it.
    pub serving: Serving,
    /// The files behind the listeners' TLS.
    pub files: TlsFiles,
    /// The files with passwords.
    pub passwords: Watch,
    /// Which files stay in use as they were read before.
    pub faults: Faults,
    /// Who makes the self-made certificate, if there is one.
    pub certificate_names: Option<watch::Sender<Wanted>>,
    /// Who gets a certificate by ACME, if that is wanted.
    pub ways_to_acme: Option<watch::Sender<Way>>,
    /// Where things are said, and how much.
    pub log: Log,
    /// Where it is counted how that went.
    pub metrics: Metrics,
}

impl InUse {
    /// Reads the configuration file, if there is one, and the files that it or the command line names, and does as they say from
    /// the next request on. What only a restart can change is kept, and the number of its keys is returned. If the rest cannot
    /// be, nothing is changed, and the error is why.
    pub fn change(&mut self) -> Result<usize, Box<dyn Error>> {
        let written = load(&self.line)?;
        let waits = self.config.waits_for_restart(&written);
        let new = self.config.followed_by(written).map_err(|fault| {
            let (keys, why) = (waits.join(", "), fault.why);
            format!("{keys}: only a restart changes that, and until then {why}")
        })?;
        let egresses = self.serving.egresses_of(&new)?;
        let files = self.changed_files(&new)?;
        let accounts = self.serving.accounts_of(&new)?;
        if let Some(files) = files {
            self.files.take_over(files);
        }
        self.serving.change(&new, accounts, egresses);
        self.passwords = Watch::new(self.serving.password_files());
        if let Some(names) = &self.certificate_names {
            names.send_replace(new.certificate_names());
        }
        if let Some(ways) = &self.ways_to_acme {
            take_way(ways, new.way_to_acme());
        }
        self.log.change(new.log, new.log_format);
        for key in &waits {
            self.log.error(format_args!(
                "{key} has changed, and stays as it was until docxy is restarted"
            ));
        }
        let (before, ways) = (self.config.ways(), new.ways());
        for way in ways.iter().filter(|_| ways != before) {
            self.log.info(format_args!("{way}"));
        }
        for warning in new.warnings() {
            self.log.error(format_args!("warning: {warning}"));
        }
        self.config = new;
        Ok(waits.len())
    }

    /// Whether a file of certificates, keys or passwords has changed; to be asked every few seconds.
    pub fn have_files_changed(&mut self) -> bool {
        // Both are asked, since each remembers its last look.
        let (certificates, passwords) = (self.files.have_changed(), self.passwords.has_settled());
        certificates || passwords
    }

    /// Reads the files behind TLS and the passwords anew, each by itself: those that are broken stay in use as they were,
    /// and their number is returned.
    pub fn read_files(&mut self) -> usize {
        let now = SystemTime::now();
        self.passwords.know();
        self.files.reload(now);
        let passwords = self.serving.read_passwords_anew();
        self.faults = Faults::default();
        self.faults.find(&self.files, passwords, self.log);
        self.warn(now);
        self.faults.count()
    }

    /// Reads those anew that were broken, if they may no longer be; after a look at them. If there are fewer now, it returns
    /// how many; if not, nothing is said once more.
    pub fn try_again(&mut self) -> Option<usize> {
        let (now, before) = (SystemTime::now(), self.faults.count());
        if before == 0 {
            return None;
        }
        self.files.try_again(now);
        let mut passwords = self.faults.take_passwords();
        if !passwords.is_empty() && self.passwords.finds_what_is_known() {
            passwords = self.serving.read_passwords_anew();
        }
        self.faults.find(&self.files, passwords, self.log);
        let left = self.faults.count();
        (left < before).then(|| {
            self.warn(now);
            left
        })
    }

    fn warn(&self, now: SystemTime) {
        for warning in self.files.warnings(now) {
            self.log.error(format_args!("{warning}"));
        }
    }

    /// The files of `new`, read, if they are others than before.
    fn changed_files(&self, new: &Config) -> Result<Option<TlsFiles>, Box<dyn Error>> {
        let old = &self.config;
        if old.pairs == new.pairs && old.client_ca == new.client_ca {
            return Ok(None);
        }
        Ok(Some(TlsFiles::open(&new.pairs, new.client_ca.clone())?))
    }
}

/// Hands over a way, if it is another one: whoever waits to try again does so then.
fn take_way(ways: &watch::Sender<Way>, new: Way) {
    ways.send_if_modified(|way| {
        let is_other = *way != new;
        *way = new;
        is_other
    });
}
