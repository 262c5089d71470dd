//! A pair that is shown, and what is in its files now: the same, or something that cannot be taken yet.

use std::time::SystemTime;

use super::TlsError;
use super::pairs::{Loaded, Pair};

/// A pair of files and what of it is shown.
#[derive(Debug)]
pub struct PairInUse {
    /// The files.
    pub pair: Pair,
    /// What is shown.
    pub shown: Loaded,
    refused: Option<Refused>,
}

/// Why what is in the files is not shown.
#[derive(Debug)]
struct Refused {
    why: TlsError,
    /// What is sound but for its time.
    new: Option<Loaded>,
}

impl PairInUse {
    /// Reads the files. What is in them is shown, whatever its dates.
    pub fn open(pair: &Pair) -> Result<PairInUse, TlsError> {
        Ok(PairInUse {
            pair: pair.clone(),
            shown: pair.load()?,
            refused: None,
        })
    }

    /// Reads the files anew, and shows what is in them if it is sound, unless it is out of its time and what is shown is not.
    pub fn read(&mut self, now: SystemTime) {
        self.refused = match self.pair.load() {
            Ok(new) => match new.fault(now) {
                Some(fault) if self.shown.fault(now).is_none() => Some(Refused {
                    why: self.pair.cert_file().fault(fault),
                    new: Some(new),
                }),
                _ => {
                    self.shown = new;
                    None
                }
            },
            Err(why) => Some(Refused { why, new: None }),
        };
    }

    /// Whether what was refused may be taken now, though the files are as they were: the time has come for what is in them, or
    /// it is over for what is shown. What could not be read at all may be read at any time.
    pub fn is_due(&self, now: SystemTime) -> bool {
        let Some(refused) = &self.refused else {
            return false;
        };
        let is_in_time = |new: &Loaded| new.fault(now).is_none();
        refused.new.as_ref().is_none_or(is_in_time) || self.shown.fault(now).is_some()
    }

    /// Why what is in the files is not shown, if it is not.
    pub fn fault(&self) -> Option<&TlsError> {
        self.refused.as_ref().map(|refused| &refused.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    /// The beginning of a year.
    fn year(year: i32) -> SystemTime {
        date_time_ymd(year, 1, 1).into()
    }

    /// Writes a pair that is valid from one year to another.
    fn write(directory: &Path, from: i32, until: i32) -> Pair {
        let mut params = CertificateParams::new(["a.test".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let made = KeyPair::generate().unwrap();
        let [cert, key] = ["a.crt", "a.key"].map(|name| directory.join(name));
        fs::write(&cert, params.self_signed(&made).unwrap().pem()).unwrap();
        fs::write(&key, made.serialize_pem()).unwrap();
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        Pair { cert, key }
    }

    #[test]
    fn what_is_out_of_its_time_is_taken_when_that_has_come() {
        // The old one's end, the new one's time, when nothing is to be done, and from when it is shown.
        let cases = [
            (2040, (2030, 2050), 2029, 2031),
            (2030, (2040, 2050), 2029, 2031),
            (2030, (2010, 2015), 2029, 2031),
        ];
        for (end, (from, until), waiting, due) in cases {
            let directory = tempfile::tempdir().unwrap();
            let mut pair = PairInUse::open(&write(directory.path(), 2020, end)).unwrap();
            write(directory.path(), from, until);
            pair.read(year(2021));
            assert!(pair.fault().is_some() && pair.shown.fault(year(2021)).is_none());
            assert!(!pair.is_due(year(waiting)), "{end} {from}");
            assert!(pair.is_due(year(due)), "{end} {from}");
            pair.read(year(due));
            assert!(pair.fault().is_none() && !pair.is_due(year(due)));
            assert!(pair.shown.fault(year(until + 1)).is_some());
            assert!(pair.shown.fault(year(until - 1)).is_none());
        }
    }

    #[test]
    fn what_could_not_be_read_is_due_until_it_can_be() {
        let directory = tempfile::tempdir().unwrap();
        let mut pair = PairInUse::open(&write(directory.path(), 2020, 2030)).unwrap();
        assert!(!pair.is_due(year(2021)) && !pair.is_due(year(2031)));
        fs::remove_file(&pair.pair.cert).unwrap();
        pair.read(year(2021));
        assert!(pair.fault().is_some() && pair.is_due(year(2021)));
        write(directory.path(), 2020, 2040);
        pair.read(year(2021));
        assert!(pair.fault().is_none() && !pair.is_due(year(2021)));
        assert!(pair.shown.fault(year(2035)).is_none());
    }
}
