//! Tells when files have changed, by looking at them now and then. Links are followed to their end, so that a directory
//! that Kubernetes swaps under a link is a change as well.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What differs between two states of a file; `None` while it cannot be looked at. The time of the last status change is
/// the kernel's own: unlike the modification time, no copying tool sets it back.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// Files that are looked at.
#[derive(Debug)]
pub struct Watch {
    paths: Vec<PathBuf>,
    /// As they were when they were last read.
    known: Vec<Stamp>,
    /// As they were at the last look.
    seen: Vec<Stamp>,
}

impl Watch {
    /// These files, as they are now.
    pub fn new(paths: Vec<PathBuf>) -> Watch {
        let known = stamps(&paths);
        Watch {
            seen: known.clone(),
            known,
            paths,
        }
    }

    /// Takes the files as they are now for known; to be called before they are read, so that no change is missed.
    pub fn know(&mut self) {
        self.known = stamps(&self.paths);
        self.seen.clone_from(&self.known);
    }

    /// Whether they differ from what is known and no longer change: two looks in a row have found them the same. Whoever
    /// writes several files has them all written then, as a rule.
    pub fn has_settled(&mut self) -> bool {
        let now = stamps(&self.paths);
        let is_steady = now == self.seen;
        self.seen = now;
        is_steady && self.seen != self.known
    }

    /// Whether the last look has found what is known.
    pub fn finds_what_is_known(&self) -> bool {
        self.seen == self.known
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    paths.iter().map(|path| stamp(path)).collect()
}

fn stamp(path: &Path) -> Stamp {
    let of = std::fs::metadata(path).ok()?;
    Some((of.dev(), of.ino(), of.size(), of.ctime(), of.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_change_counts_once_it_has_settled_and_until_it_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cert.pem");
        fs::write(&path, "one").unwrap();
        let mut watch = Watch::new(vec![path.clone()]);
        assert!(!watch.has_settled());
        assert!(watch.finds_what_is_known());
        fs::write(&path, "two, half").unwrap();
        assert!(!watch.has_settled(), "it may still be written");
        assert!(!watch.finds_what_is_known());
        fs::write(&path, "two, now the whole").unwrap();
        assert!(!watch.has_settled(), "it was still written");
        assert!(watch.has_settled());
        assert!(watch.has_settled(), "nobody has read it");
        watch.know();
        assert!(!watch.has_settled());
        assert!(watch.finds_what_is_known());
    }

    #[test]
    fn a_file_that_goes_and_comes_is_a_change() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cert.pem");
        let mut watch = Watch::new(vec![path.clone()]);
        fs::write(&path, "").unwrap();
        assert!(!watch.has_settled());
        assert!(watch.has_settled());
        watch.know();
        fs::remove_file(&path).unwrap();
        assert!(!watch.has_settled());
        assert!(watch.has_settled());
    }

    #[test]
    fn a_swapped_link_is_a_change_of_all_files_behind_it() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for version in ["v1", "v2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("tls.crt"), "same length").unwrap();
        }
        symlink("v1", at("..data")).unwrap();
        symlink("..data/tls.crt", at("tls.crt")).unwrap();
        let mut watch = Watch::new(vec![at("tls.crt")]);
        symlink("v2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
        assert!(!watch.has_settled());
        assert!(watch.has_settled());
    }
}
