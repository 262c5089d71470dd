//! Secrets: in a file or in the environment, and never in a message.

use std::env;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::permissions::{self, Unfit};

/// The longest secret; tokens that stand for passwords have a few kilobytes.
const LIMIT: u64 = 64 * 1024;

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
        permissions::warning(self.file()?)
    }
}

fn read_file(path: &Path) -> Result<String, String> {
    let unfit = |why: Unfit| format!("{} {why}", path.display());
    let file = permissions::open(path).map_err(unfit)?;
    let mut text = String::new();
    let read = file.take(LIMIT).read_to_string(&mut text);
    read.map_err(|error| unfit(Unfit::Unreadable(error)))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
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
