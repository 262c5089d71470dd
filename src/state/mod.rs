//! The state directory: what docxy makes itself and must find again after a restart, keys among it. Several processes may
//! use one at a time.

mod part;

use std::env;
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::process::geteuid;

use self::part::Part;

/// Only docxy reads what is there: keys are among it.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The file that says how to read the others, and what it says. A directory without it is of this version.
const VERSION_FILE: &str = "version";
const VERSION: &str = "1";

/// A directory; once it was [opened](StateDir::open), one that exists and can be written to.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
}

/// Whether a file was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It was.
    New,
    /// It was there already, and is as it was.
    Exists,
}

/// Why the state directory, or a file in it, cannot be used.
#[derive(Debug)]
pub struct StateError {
    path: PathBuf,
    action: &'static str,
    error: io::Error,
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cannot be {}: {}",
            self.path.display(),
            self.action,
            self.error
        )
    }
}

impl std::error::Error for StateError {}

/// Where state is kept if `--state-dir` does not say so: [`default_path`] of this process.
pub fn default_dir() -> Option<PathBuf> {
    default_path(|name| env::var(name).ok(), || geteuid().is_root())
}

/// Where state is kept if `--state-dir` does not say so: systemd's directory, else one under `XDG_STATE_HOME`, else root's
/// or one under `HOME`.
pub fn default_path(
    variable: impl Fn(&str) -> Option<String>,
    is_root: impl Fn() -> bool,
) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    // systemd separates several by colons; the first is the unit's own.
    let of_systemd =
        set("STATE_DIRECTORY").map(|all| PathBuf::from(all.split(':').next().unwrap_or_default()));
    let of_user = || set("XDG_STATE_HOME").map(|home| Path::new(&home).join("docxy"));
    let of_home = || {
        if is_root() {
            return Some(PathBuf::from("/var/lib/docxy"));
        }
        set("HOME").map(|home| Path::new(&home).join(".local/state/docxy"))
    };
    of_systemd.or_else(of_user).or_else(of_home)
}

impl StateDir {
    /// Opens a directory, makes it if it is missing, and makes sure that it can be written to.
    pub fn open(path: &Path) -> Result<StateDir, StateError> {
        let fault = |action, error| StateError {
            path: path.to_owned(),
            action,
            error,
        };
        let made = DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(path);
        made.map_err(|error| fault("made", error))?;
        let state = StateDir::find(path);
        state.check_version()?;
        state.claim()?;
        part::sweep(path, SystemTime::now());
        Ok(state)
    }

    /// Writes the version, or something in its place: that a directory can be written to is only known from writing.
    fn claim(&self) -> Result<(), StateError> {
        let version = format!("{VERSION}\n");
        if self.read(VERSION_FILE)?.is_none() {
            return self.write(VERSION_FILE, version.as_bytes());
        }
        let written = Part::write(&self.path, VERSION_FILE, version.as_bytes());
        written
            .map(drop)
            .map_err(|error| self.unwritten(VERSION_FILE, error))
    }

    /// Makes sure that what is in the directory is what this docxy can read.
    pub fn check_version(&self) -> Result<(), StateError> {
        let Some(bytes) = self.read(VERSION_FILE)? else {
            return Ok(());
        };
        if bytes.trim_ascii() == VERSION.as_bytes() {
            return Ok(());
        }
        let said: String = String::from_utf8_lossy(&bytes)
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(20)
            .collect();
        Err(StateError {
            path: self.path.clone(),
            action: "used",
            error: io::Error::other(format!(
                "it is of version {said:?}, and this docxy knows version {VERSION}; run the docxy that wrote it, or name \
                 another directory with --state-dir"
            )),
        })
    }

    /// A directory that may be missing or closed to writing; what is in it can be read.
    pub fn find(path: &Path) -> StateDir {
        StateDir {
            path: path.to_owned(),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a file holds; `None` if it is not there.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StateError {
                path,
                action: "read",
                error,
            }),
        }
    }

    /// Writes a file as [`write`](StateDir::write) does, but only if it is not there yet.
    pub fn create(&self, name: &str, bytes: &[u8]) -> Result<Created, StateError> {
        let path = self.path.join(name);
        let linked = Part::write(&self.path, name, bytes).and_then(|part| part.link(&path));
        match linked {
            Ok(()) => {
                self.sync();
                Ok(Created::New)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Created::Exists),
            // Some file systems have no links.
            Err(error) if has_no_links(&error) && !path.exists() => {
                self.write(name, bytes).map(|()| Created::New)
            }
            Err(error) => Err(self.unwritten(name, error)),
        }
    }

    /// Writes a file as a whole: after a crash or on a full disk there is the old one or the new one, never a part.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let path = self.path.join(name);
        let written = Part::write(&self.path, name, bytes).and_then(|part| part.replace(&path));
        written.map_err(|error| self.unwritten(name, error))?;
        self.sync();
        Ok(())
    }

    /// Writes a file as [`write`](StateDir::write) does, also where the directory is gone since it was opened.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        StateDir::open(&self.path)?.write(name, bytes)
    }

    fn unwritten(&self, name: &str, error: io::Error) -> StateError {
        StateError {
            path: self.path.join(name),
            action: "written",
            error,
        }
    }

    /// A name is safe only when the directory is; where that cannot be had, the file is still whole.
    fn sync(&self) {
        let _ = File::open(&self.path).and_then(|directory| directory.sync_all());
    }
}

fn has_no_links(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::sync::Barrier;
    use std::thread;

    #[test]
    fn files_are_whole_and_for_docxy_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let state = StateDir::open(&temporary.path().join("a/b")).unwrap();
        assert_eq!(state.read("key").unwrap(), None);
        state.write("key", b"one").unwrap();
        state.write("key", b"two").unwrap();
        assert_eq!(state.read("key").unwrap().as_deref(), Some(&b"two"[..]));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(state.path()), mode(&state.path().join("key"))),
            (0o700, 0o600)
        );
        assert_eq!(
            fs::read_dir(state.path()).unwrap().count(),
            2,
            "nothing is left there but the file and the version"
        );
        assert_eq!(state.create("key", b"three").unwrap(), Created::Exists);
        assert_eq!(state.read("key").unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(state.create("other", b"one").unwrap(), Created::New);
        assert_eq!(mode(&state.path().join("other")), 0o600);
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 3);
    }

    /// What every process does that starts on a directory, and whether it was the first.
    fn start(directory: &Path, letter: u8) -> Created {
        let state = StateDir::open(directory).unwrap();
        let created = state.create("key", &[letter; 3000]).unwrap();
        state.write("leaf", &[letter; 5000]).unwrap();
        for (name, length) in [("key", 3000), ("leaf", 5000)] {
            let found = state.read(name).unwrap().unwrap();
            assert_eq!(found, vec![found[0]; length], "{name} is one letter's");
        }
        created
    }

    #[test]
    fn several_may_start_on_one_directory() {
        for _ in 0..10 {
            let temporary = tempfile::tempdir().unwrap();
            let directory = temporary.path().join("state");
            let barrier = Barrier::new(8);
            let created: Vec<Created> = thread::scope(|scope| {
                let starts: Vec<_> = (b'a'..)
                    .take(8)
                    .map(|letter| {
                        let (barrier, directory) = (&barrier, &directory);
                        scope.spawn(move || {
                            barrier.wait();
                            start(directory, letter)
                        })
                    })
                    .collect();
                starts.into_iter().map(|one| one.join().unwrap()).collect()
            });
            let new = created.iter().filter(|one| **one == Created::New);
            assert_eq!(new.count(), 1, "one key for all");
            let left = fs::read_dir(&directory).unwrap().count();
            assert_eq!(left, 3, "the two files and the version");
        }
    }

    #[test]
    fn a_version_that_is_right_is_not_written_again() {
        let temporary = tempfile::tempdir().unwrap();
        StateDir::open(temporary.path()).unwrap();
        let version = temporary.path().join("version");
        let before = fs::metadata(&version).unwrap().ino();
        StateDir::open(temporary.path()).unwrap();
        assert_eq!(fs::metadata(&version).unwrap().ino(), before);
    }

    #[test]
    fn another_version_is_left_alone() {
        let temporary = tempfile::tempdir().unwrap();
        StateDir::open(temporary.path()).unwrap();
        for version in ["1", "1\n"] {
            fs::write(temporary.path().join("version"), version).unwrap();
            StateDir::open(temporary.path()).unwrap();
        }
        for version in ["2\n", "", "\u{1b}[31m\n1"] {
            fs::write(temporary.path().join("version"), version).unwrap();
            let error = StateDir::open(temporary.path()).unwrap_err().to_string();
            assert!(
                error.contains("--state-dir") && !error.contains(['\n', '\u{1b}']),
                "{error}"
            );
            let left = fs::read_to_string(temporary.path().join("version")).unwrap();
            assert_eq!(left, version);
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = StateDir::open(&file).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{} cannot be made", file.display())),
            "{error}"
        );
        let state = StateDir::open(temporary.path()).unwrap();
        fs::create_dir(temporary.path().join("key")).unwrap();
        let error = state.write("key", b"x").unwrap_err().to_string();
        assert!(error.contains("/key cannot be written"), "{error}");
        assert_eq!(
            fs::read_dir(temporary.path()).unwrap().count(),
            3,
            "no part is left beside the file, the version and the directory"
        );
    }

    #[test]
    fn the_default_is_systemds_then_the_users_then_roots() {
        type Case<'a> = (&'a [(&'a str, &'a str)], bool, Option<&'a str>);
        let cases: [Case<'_>; 6] = [
            (
                &[("STATE_DIRECTORY", "/s:/t"), ("XDG_STATE_HOME", "/x")],
                true,
                Some("/s"),
            ),
            (
                &[("XDG_STATE_HOME", "/x"), ("HOME", "/h")],
                true,
                Some("/x/docxy"),
            ),
            (&[("HOME", "/h")], true, Some("/var/lib/docxy")),
            (
                &[
                    ("STATE_DIRECTORY", ""),
                    ("XDG_STATE_HOME", ""),
                    ("HOME", "/h"),
                ],
                false,
                Some("/h/.local/state/docxy"),
            ),
            (&[], true, Some("/var/lib/docxy")),
            (&[], false, None),
        ];
        for (variables, is_root, expected) in cases {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(
                default_path(variable, || is_root).as_deref(),
                expected.map(Path::new),
                "{variables:?}"
            );
        }
    }
}
