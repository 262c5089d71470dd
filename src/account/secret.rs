//! Secrets: in a file or in the environment, and never in a message.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The longest secret; tokens that stand for passwords have a few kilobytes.
const LIMIT: u64 = 64 * 1024;

/// Modes of a file by which others than its owner may write it, or everyone may read it.
const OTHERS_WRITE: u32 = 0o022;
const EVERYONE_READS: u32 = 0o004;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file, as its only line.
    File(PathBuf),
    /// In a variable of the environment.
    Variable(String),
}

/// A secret, which shows nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// A secret that is at hand.
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// What it is; for the one who asks for it alone.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl SecretSource {
    /// Reads the secret. A file that others can write is refused. An error is one line that says what to do.
    pub fn read(&self) -> Result<Secret, String> {
        let (place, text) = match self {
            SecretSource::File(path) => (path.display().to_string(), read_file(path)?),
            SecretSource::Variable(name) => {
                let value = env::var(name).map_err(|_| {
                    format!("the variable {name} is not set; set it, or name another")
                })?;
                (format!("the variable {name}"), value)
            }
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() || text.contains(char::is_control) {
            return Err(format!(
                "{place} does not hold a secret; it should be one line, and nothing else"
            ));
        }
        Ok(Secret(text.to_owned()))
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            SecretSource::File(path) => Some(path),
            SecretSource::Variable(_) => None,
        }
    }

    /// The variable, if it is one.
    pub fn variable(&self) -> Option<&str> {
        match self {
            SecretSource::File(_) => None,
            SecretSource::Variable(name) => Some(name),
        }
    }

    /// What the operator should know of a file that can be read.
    pub fn warning(&self) -> Option<String> {
        let path = self.file()?;
        let mode = fs::metadata(path).ok()?.mode();
        (mode & EVERYONE_READS != 0).then(|| {
            let path = path.display();
            format!("everyone on this machine can read {path}; chmod o-r {path}")
        })
    }
}

fn read_file(path: &PathBuf) -> Result<String, String> {
    let shown = path.display();
    let unreadable =
        |error| format!("{shown} cannot be read: {error}; name a file that docxy may read");
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.mode();
    if mode & OTHERS_WRITE != 0 {
        let mode = mode & 0o777;
        return Err(format!(
            "others can write {shown} (mode {mode:o}), so it may hold anything; chmod go-w {shown}"
        ));
    }
    let mut text = String::new();
    file.take(LIMIT)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn file(text: &[u8], mode: u32) -> (tempfile::TempDir, SecretSource) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (directory, SecretSource::File(path))
    }

    #[test]
    fn a_secret_is_the_only_line_of_a_file() {
        for text in ["s3cret", "s3cret\n", "s3cret\r\n"] {
            let (_directory, source) = file(text.as_bytes(), 0o600);
            assert_eq!(source.read().unwrap().text(), "s3cret", "{text:?}");
        }
        let spaces = file(b" two words ", 0o600);
        assert_eq!(spaces.1.read().unwrap().text(), " two words ");
        for text in [&b""[..], b"\n", b"s3cret\nother", b"s3c\0ret", b"\xff"] {
            let (_directory, source) = file(text, 0o600);
            let why = source.read().unwrap_err();
            assert!(!why.contains("s3c") && !why.contains('\n'), "{why}");
        }
    }

    #[test]
    fn what_others_can_write_is_refused_and_what_everyone_can_read_is_warned_about() {
        for (mode, is_read, has_warning) in [
            (0o600, true, false),
            (0o440, true, false),
            (0o644, true, true),
            (0o620, false, false),
            (0o602, false, false),
            (0o666, false, true),
        ] {
            let (_directory, source) = file(b"s3cret", mode);
            assert_eq!(source.read().is_ok(), is_read, "{mode:o}");
            assert_eq!(source.warning().is_some(), has_warning, "{mode:o}");
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let missing = SecretSource::File("/nowhere/secret".into()).read();
        assert!(
            missing
                .unwrap_err()
                .starts_with("/nowhere/secret cannot be read")
        );
        let unset = SecretSource::Variable("DOCXY_TEST_UNSET".to_owned()).read();
        assert!(unset.unwrap_err().contains("DOCXY_TEST_UNSET is not set"));
        let secret = file(b"s3cret", 0o600).1;
        assert!(!format!("{secret:?}").contains("s3cret"));
    }
}
