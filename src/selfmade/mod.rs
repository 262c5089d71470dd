//! The certificate that docxy makes itself where it is given none: a CA that stays, and a leaf under it that is made anew
//! when it grows old or when the names by which docxy is reached change.
//!
//! [`names`] says for what the leaf is, by what [`machine`] finds, [`authority`] makes both, [`leaf`] says whether a leaf still serves, [`shelf`] keeps
//! them in the state directory, [`instructions`] says what to give the engines, and [`keeper`] looks again while docxy runs.
//! [`ending`] says that the CA will not stay for ever.

pub mod authority;
pub mod ending;
pub mod instructions;
pub mod keeper;
pub mod leaf;
pub mod machine;
pub mod names;
pub mod shelf;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::sign::CertifiedKey;

use self::authority::Authority;
use self::ending::Ending;
use self::leaf::{Leaf, Verdict};
use self::shelf::Shelf;

/// Why there can be no self-made certificate: one line that says what to do.
#[derive(Debug)]
pub struct SelfMadeError(String);

impl SelfMadeError {
    fn new(what: impl fmt::Display) -> SelfMadeError {
        SelfMadeError(what.to_string())
    }
}

impl fmt::Display for SelfMadeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SelfMadeError {}

/// A CA and the certificate that is shown.
#[derive(Debug)]
pub struct SelfMade {
    shelf: Shelf,
    authority: Authority,
    leaf: Leaf,
    key: Arc<CertifiedKey>,
    /// What was said of the end of the CA.
    ending: Ending,
}

impl SelfMade {
    /// Takes from the directory what is there and makes what is missing. What the operator should know is put into `said`,
    /// a line each.
    pub fn open(
        dir: Option<&Path>,
        names: &[String],
        now: SystemTime,
        said: &mut Vec<String>,
    ) -> Result<SelfMade, SelfMadeError> {
        let mut shelf = Shelf::open(dir)?;
        let authority = shelf.authority(now, said)?;
        let kept = shelf.leaf(said);
        let leaf = current(&mut shelf, &authority, kept, names, now, said)?;
        let key = leaf.certified_key()?;
        shelf.warn(said);
        let mut made = SelfMade {
            shelf,
            authority,
            leaf,
            key,
            ending: Ending::Far,
        };
        made.say_ending(now, said);
        Ok(made)
    }

    /// Makes a new leaf if this one is old or for other names, and says whether it did.
    pub fn refresh(
        &mut self,
        names: &[String],
        now: SystemTime,
        said: &mut Vec<String>,
    ) -> Result<bool, SelfMadeError> {
        self.say_ending(now, said);
        if self.ending == Ending::Over {
            // No engine would take a new one.
            return Ok(false);
        }
        let held = Some(self.leaf.clone());
        let leaf = current(&mut self.shelf, &self.authority, held, names, now, said)?;
        if leaf == self.leaf {
            return Ok(false);
        }
        self.key = leaf.certified_key()?;
        self.leaf = leaf;
        Ok(true)
    }

    /// Once for each step that the end of the CA comes nearer.
    fn say_ending(&mut self, now: SystemTime, said: &mut Vec<String>) {
        let until = self.authority.until();
        let ending = Ending::of(until, now);
        if ending != self.ending {
            self.ending = ending;
            said.extend(ending.warning(until, self.ca_path().as_deref()));
        }
    }

    /// The CA in PEM.
    pub fn ca_pem(&self) -> &str {
        self.authority.pem()
    }

    /// SHA-256 of the CA, as openssl prints it.
    pub fn fingerprint(&self) -> String {
        self.authority.fingerprint()
    }

    /// Where the CA is kept; `None` if it is in memory only.
    pub fn ca_path(&self) -> Option<PathBuf> {
        self.shelf.ca_path()
    }

    /// The names of the certificate.
    pub fn names(&self) -> &[String] {
        self.leaf.names()
    }

    /// The certificate and its key.
    pub fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

/// The leaf that is kept if it serves, else a new one.
fn current(
    shelf: &mut Shelf,
    authority: &Authority,
    kept: Option<Leaf>,
    names: &[String],
    now: SystemTime,
    said: &mut Vec<String>,
) -> Result<Leaf, SelfMadeError> {
    if let Some(leaf) = kept {
        match leaf.verdict(authority, names, now)? {
            Verdict::Serves => return Ok(leaf),
            // A new one could not be better dated. Engines whose clocks are right can use this one.
            Verdict::FromTheFuture if authority::check_clock(now).is_err() => {
                said.push(format!(
                    "warning: {}; until then the certificate of an earlier start is shown",
                    authority::clock_is_wrong(now)
                ));
                return Ok(leaf);
            }
            verdict => said.push(format!("a new certificate under the same CA: {verdict}")),
        }
    }
    let leaf = authority.issue(names, now)?;
    match leaf.verdict(authority, names, now)? {
        Verdict::Serves => {}
        _ => return Err(shelf.foreign()),
    }
    shelf.keep_leaf(&leaf);
    Ok(leaf)
}

#[cfg(test)]
mod tests {
    use super::authority::LEAF_LIFE;
    use super::*;
    use crate::tls::validity::Validity;
    use std::fs;
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// Noon of 2027-01-15.
    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_014_400)
    }

    fn names(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    /// Opens, and gives the CA, the leaf and what was said.
    fn open(
        dir: &Path,
        of: &str,
        now: SystemTime,
    ) -> Result<(String, Leaf, Vec<String>), SelfMadeError> {
        let mut said = Vec::new();
        let made = SelfMade::open(Some(dir), &names(of), now, &mut said)?;
        Ok((made.ca_pem().to_owned(), made.leaf, said))
    }

    #[test]
    fn both_stay_until_the_leaf_is_old_or_the_names_change() {
        let dir = tempfile::tempdir().unwrap();
        let (ca, leaf, said) = open(dir.path(), "a.test ::1", noon()).unwrap();
        assert_eq!(said, [""; 0]);
        // Days later, names, whether the leaf of the first day still serves.
        let cases = [
            (0, "a.test ::1", ""),
            (0, "::1 a.test", ""),
            (263, "a.test ::1", ""),
            (265, "a.test ::1", "two thirds"),
            (500, "a.test ::1", "two thirds"),
            (0, "a.test ::1 b.test", "names"),
            (0, "a.test", "names"),
        ];
        let of_the_first_day = fs::read(dir.path().join("leaf.pem")).unwrap();
        for (days, of, why) in cases {
            fs::write(dir.path().join("leaf.pem"), &of_the_first_day).unwrap();
            let (same_ca, now_shown, said) = open(dir.path(), of, noon() + DAY * days).unwrap();
            assert_eq!(same_ca, ca, "{days} {of}");
            assert_eq!(now_shown == leaf, why.is_empty(), "{days} {of}: {said:?}");
            assert!(said.concat().contains(why), "{days} {of}: {said:?}");
        }
    }

    #[test]
    fn a_clock_in_the_past_makes_nothing_and_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let error = open(dir.path(), "a.test", SystemTime::UNIX_EPOCH).unwrap_err();
        assert!(
            error.to_string().contains("1970-01-01T00:00:00Z"),
            "{error}"
        );
        assert!(!dir.path().join("ca.key").exists());

        let (ca, leaf, _) = open(dir.path(), "a.test", noon()).unwrap();
        // A router without a clock of its own: what was made before is shown.
        let (same_ca, same, said) = open(dir.path(), "a.test", SystemTime::UNIX_EPOCH).unwrap();
        assert!(same_ca == ca && same == leaf);
        assert!(said.concat().contains("warning: the clock"), "{said:?}");
        assert!(open(dir.path(), "b.test", SystemTime::UNIX_EPOCH).is_err());
        // A clock that may be right: the leaf was made when it was wrong.
        let (same_ca, other, said) = open(dir.path(), "a.test", noon() - 30 * DAY).unwrap();
        assert!(same_ca == ca && other != leaf);
        assert!(said.concat().contains("future"), "{said:?}");
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_stays_as_it_is() {
        let other = tempfile::tempdir().unwrap();
        open(other.path(), "a.test", noon()).unwrap();
        let foreign = |name: &str| fs::read(other.path().join(name)).unwrap();
        let cases: [(&str, Vec<u8>, &str); 6] = [
            ("ca.key", b"garbage".to_vec(), "ca.key"),
            ("ca.key", Vec::new(), "ca.key"),
            ("ca.key", foreign("ca.key"), "ca.crt"),
            ("ca.crt", b"garbage".to_vec(), "ca.crt"),
            ("ca.crt", foreign("ca.crt"), "ca.crt"),
            ("version", b"7\n".to_vec(), "--state-dir"),
        ];
        for (name, bytes, named) in cases {
            let dir = tempfile::tempdir().unwrap();
            open(dir.path(), "a.test", noon()).unwrap();
            fs::write(dir.path().join(name), &bytes).unwrap();
            let error = open(dir.path(), "a.test", noon()).unwrap_err().to_string();
            assert!(
                error.contains(named) && !error.contains('\n'),
                "{name}: {error}"
            );
            assert_eq!(fs::read(dir.path().join(name)).unwrap(), bytes, "{name}");
        }
    }

    #[test]
    fn a_foreign_authority_is_told_from_docxys_own() {
        let dir = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::default();
        fs::write(dir.path().join("ca.key"), key.serialize_pem()).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        fs::write(dir.path().join("ca.crt"), certificate).unwrap();
        let error = open(dir.path(), "a.test", noon()).unwrap_err().to_string();
        assert!(error.contains("ca.crt"), "{error}");
        assert!(!dir.path().join("leaf.pem").exists());
    }

    #[test]
    fn what_is_missing_is_made_again_from_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let (_, leaf, _) = open(dir.path(), "a.test", noon()).unwrap();
        for broken in ["leaf.pem", "ca.crt"] {
            fs::remove_file(dir.path().join(broken)).unwrap();
            open(dir.path(), "a.test", noon()).unwrap();
            assert!(dir.path().join(broken).exists(), "{broken}");
        }
        fs::write(dir.path().join("leaf.pem"), "garbage").unwrap();
        let (_, other, said) = open(dir.path(), "a.test", noon()).unwrap();
        assert!(
            other != leaf && said.concat().contains("leaf.pem"),
            "{said:?}"
        );

        fs::remove_file(dir.path().join("ca.key")).unwrap();
        let error = open(dir.path(), "a.test", noon()).unwrap_err().to_string();
        assert!(error.contains("ca.key"), "{error}");
        assert!(!dir.path().join("ca.key").exists());
    }

    #[test]
    fn a_leaf_of_another_authority_is_replaced() {
        let [dir, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        open(dir.path(), "a.test", noon()).unwrap();
        let (_, foreign, _) = open(other.path(), "a.test", noon()).unwrap();
        fs::copy(other.path().join("leaf.pem"), dir.path().join("leaf.pem")).unwrap();
        let (_, leaf, said) = open(dir.path(), "a.test", noon()).unwrap();
        assert!(
            leaf != foreign && said.concat().contains("another CA"),
            "{said:?}"
        );
    }

    #[test]
    fn nowhere_to_write_is_memory_with_a_warning() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for dir in [
            None,
            Some(Path::new("/proc/nowhere/docxy")),
            Some(file.path()),
        ] {
            let mut said = Vec::new();
            let made = SelfMade::open(dir, &names("a.test"), noon(), &mut said).unwrap();
            assert_eq!(made.ca_path(), None);
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(
                said[0].starts_with("warning: ") && said[0].contains("--state-dir"),
                "{said:?}"
            );
        }
    }

    /// When the CA of the first noon ends.
    fn end() -> SystemTime {
        noon() + DAY * 3653
    }

    fn leaf_ends(leaf: &Leaf) -> SystemTime {
        let key = leaf.certified_key().unwrap();
        Validity::of(key.end_entity_cert().unwrap()).unwrap().until
    }

    #[test]
    fn a_ca_that_ends_within_a_year_is_said_and_no_leaf_outlives_it() {
        let dir = tempfile::tempdir().unwrap();
        let (ca, _, said) = open(dir.path(), "a.test", noon()).unwrap();
        assert_eq!(said, [""; 0]);
        for (left, names) in [(364, "a.test"), (100, "a.test"), (1, "b.test")] {
            let (same, leaf, said) = open(dir.path(), names, end() - DAY * left).unwrap();
            assert!(same == ca && leaf_ends(&leaf) == end(), "{left}");
            let file = format!("remove {}", dir.path().join("ca.crt").display());
            assert!(said.concat().contains(&file), "{said:?}");
            // It is as good as can be had.
            let (_, again, _) = open(dir.path(), names, end() - DAY * left).unwrap();
            assert!(leaf == again, "{left}");
        }
    }

    #[test]
    fn a_ca_that_has_ended_is_made_anew_from_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let (before, _, _) = open(dir.path(), "a.test", noon()).unwrap();
        let key = fs::read(dir.path().join("ca.key")).unwrap();
        let now = end() + DAY;
        let (ca, leaf, said) = open(dir.path(), "a.test", now).unwrap();
        assert!(
            said.concat().contains("had ended on 2037-01-15"),
            "{said:?}"
        );
        assert!(ca != before && leaf_ends(&leaf) == now + LEAF_LIFE);
        assert_eq!(fs::read(dir.path().join("ca.key")).unwrap(), key);
        assert_eq!(fs::read_to_string(dir.path().join("ca.crt")).unwrap(), ca);
        assert_eq!(open(dir.path(), "a.test", now).unwrap().2, [""; 0]);
    }

    #[test]
    fn a_foreign_authority_that_has_ended_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        for year in [2020, 2027] {
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            let certificate = params.self_signed(&key).unwrap().pem();
            fs::write(dir.path().join("ca.key"), key.serialize_pem()).unwrap();
            fs::write(dir.path().join("ca.crt"), &certificate).unwrap();
            let error = open(dir.path(), "a.test", noon()).unwrap_err().to_string();
            assert!(error.contains("ca.crt is not what docxy made"), "{error}");
            let left = fs::read_to_string(dir.path().join("ca.crt")).unwrap();
            assert_eq!(left, certificate);
        }
    }

    #[test]
    fn a_running_docxy_says_the_end_of_its_ca_each_month() {
        let dir = tempfile::tempdir().unwrap();
        let (mut said, names) = (Vec::new(), names("a.test"));
        let mut made = SelfMade::open(Some(dir.path()), &names, noon(), &mut said).unwrap();
        for day in 3653 - 400..3653 + 400 {
            for _ in 0..2 {
                made.refresh(&names, noon() + DAY * day, &mut said).unwrap();
            }
        }
        let count = |what| said.iter().filter(|line| line.contains(what)).count();
        assert_eq!((count(" ends on "), count("has ended on")), (13, 1));
        assert!(count("new certificate") < 4, "{said:?}");
        assert_eq!(leaf_ends(&made.leaf), end());
    }

    #[test]
    fn a_running_docxy_gets_a_new_leaf_when_it_is_due() {
        let dir = tempfile::tempdir().unwrap();
        let mut said = Vec::new();
        let mut made =
            SelfMade::open(Some(dir.path()), &names("a.test"), noon(), &mut said).unwrap();
        let shown = made.key();
        assert!(
            !made
                .refresh(&names("a.test"), noon() + DAY, &mut said)
                .unwrap()
        );
        assert!(Arc::ptr_eq(&shown, &made.key()));
        assert!(
            made.refresh(&names("a.test"), noon() + 300 * DAY, &mut said)
                .unwrap()
        );
        assert!(!Arc::ptr_eq(&shown, &made.key()));
        let (_, kept, _) = open(dir.path(), "a.test", noon() + 301 * DAY).unwrap();
        assert_eq!(kept, made.leaf);
    }
}
