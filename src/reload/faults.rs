//! What stays in use as it was because what is in its file now cannot be taken: said once, however often it is found.

use crate::log::Log;
use crate::tls::files::TlsFiles;

/// The faults of files since all of them were read.
#[derive(Debug, Default)]
pub struct Faults {
    /// Those of passwords, as they were found the last time.
    passwords: Vec<String>,
    /// Those that have been said.
    said: Vec<String>,
    /// The fewest at a time: that there are more again is no news.
    fewest: Option<usize>,
}

impl Faults {
    /// Takes what was found now for all that there is, and says what is new of it.
    pub fn find(&mut self, files: &TlsFiles, passwords: Vec<String>, log: Log) {
        let of_files = files.faults().map(ToString::to_string);
        let found: Vec<String> = of_files.chain(passwords.iter().cloned()).collect();
        let fewest = self.fewest.unwrap_or(usize::MAX);
        self.fewest = Some(fewest.min(found.len()));
        for fault in found {
            if !self.said.contains(&fault) {
                log.error(format_args!("{fault}; what was read before stays in use"));
                self.said.push(fault);
            }
        }
        self.passwords = passwords;
    }

    /// How many there are, or were when there were fewest.
    pub fn count(&self) -> usize {
        self.fewest.unwrap_or_default()
    }

    /// Those of passwords, which are to be found again.
    pub fn take_passwords(&mut self) -> Vec<String> {
        std::mem::take(&mut self.passwords)
    }
}
