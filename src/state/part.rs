//! A file on its way: written under a name that no other process uses, then given its own.

use std::fs::{self, DirEntry, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::FILE_MODE;
use crate::tls;

/// How its name ends, after 16 random hexadecimal digits.
const SUFFIX: &str = ".part";

/// After this nobody writes at it any more: whoever did has crashed.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// A file that is whole, but not yet under its name. What is not moved there is removed.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
}

impl Part {
    /// Writes it, and waits until the disk has it.
    pub(super) fn write(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<Part> {
        // A pid would not do: in every container it is 1.
        let random = u64::from_be_bytes(tls::random().map_err(io::Error::other)?);
        let path = directory.join(format!(".{name}.{random:016x}{SUFFIX}"));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&path)?;
        let part = Part { path };
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(part)
    }

    /// Gives it its name, whether there is such a file or not.
    pub(super) fn replace(self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)
    }

    /// Gives it its name, unless there is such a file.
    pub(super) fn link(self, path: &Path) -> io::Result<()> {
        fs::hard_link(&self.path, path)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes the parts of processes that have crashed.
pub(super) fn sweep(directory: &Path, now: SystemTime) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for abandoned in entries.filter(|entry| is_abandoned(entry, now)) {
        let _ = fs::remove_file(abandoned.path());
    }
}

fn is_abandoned(entry: &DirEntry, now: SystemTime) -> bool {
    let name = entry.file_name();
    let random = name
        .to_str()
        .and_then(|name| {
            name.strip_prefix('.')?
                .strip_suffix(SUFFIX)?
                .rsplit_once('.')
        })
        .map(|(_, random)| random);
    if !random.is_some_and(|random| random.len() == 16 && u64::from_str_radix(random, 16).is_ok()) {
        return false;
    }
    let written = entry.metadata().and_then(|found| found.modified());
    let age = written.ok().and_then(|at| now.duration_since(at).ok());
    age.is_some_and(|age| age > ABANDONED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn what_is_not_moved_is_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let part = || Part::write(temporary.path(), "key", b"x").unwrap();
        let (one, two) = (part(), part());
        assert_eq!(names(temporary.path()).len(), 2);
        drop(one);
        two.replace(&temporary.path().join("key")).unwrap();
        part().link(&temporary.path().join("key")).unwrap_err();
        assert_eq!(names(temporary.path()), ["key"]);
    }

    #[test]
    fn only_parts_of_long_ago_are_swept() {
        let temporary = tempfile::tempdir().unwrap();
        let day = Duration::from_secs(24 * 3600);
        for (name, age, goes) in [
            (".key.00000000000000ff.part", day * 2, true),
            (".acme-a.test.pem.0123456789abcdef.part", day * 2, true),
            (".key.00000000000000ff.part", day / 2, false),
            ("key.00000000000000ff.part", day * 2, false),
            (".key.ff.part", day * 2, false),
            (".key.00000000000000ff", day * 2, false),
            (".part", day * 2, false),
            ("key", day * 2, false),
        ] {
            fs::write(temporary.path().join(name), b"x").unwrap();
            sweep(temporary.path(), SystemTime::now() + age);
            let left = names(temporary.path());
            assert_eq!(left.is_empty(), goes, "{name} {age:?}");
            left.iter()
                .for_each(|name| fs::remove_file(temporary.path().join(name)).unwrap());
        }
    }
}
