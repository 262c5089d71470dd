//! Files that hold secrets, and who else may read or write them.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Modes of a file by which others than its owner may write it, or everyone may read it.
const OTHERS_WRITE: u32 = 0o022;
const EVERYONE_READS: u32 = 0o004;

/// Why a file that holds a secret is not read.
#[derive(Debug)]
pub enum Unfit {
    /// It cannot be.
    Unreadable(io::Error),
    /// It is of this mode, by which others can write it.
    Writable(u32),
}

/// What is wrong with it and what to do; the file's name is to stand before.
impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Unreadable(error) => write!(
                f,
                "cannot be read: {error}; name a file that docxy may read"
            ),
            Unfit::Writable(mode) => write!(
                f,
                "is one that others can write (mode {mode:o}), so it may hold anything; take that from them by chmod go-w"
            ),
        }
    }
}

/// Opens a file that holds a secret, unless others can write it.
pub fn open(path: &Path) -> Result<File, Unfit> {
    let file = File::open(path).map_err(Unfit::Unreadable)?;
    let mode = file.metadata().map_err(Unfit::Unreadable)?.mode();
    if mode & OTHERS_WRITE != 0 {
        return Err(Unfit::Writable(mode & 0o777));
    }
    Ok(file)
}

/// What the operator should know of such a file: that everyone may read it, as Kubernetes mounts secrets.
pub fn warning(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.mode();
    (mode & EVERYONE_READS != 0).then(|| {
        let path = path.display();
        format!("everyone on this machine can read {path}; chmod o-r {path}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_others_can_write_is_refused_and_what_everyone_can_read_is_warned_about() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, "s3cret").unwrap();
        for (mode, is_read, has_warning) in [
            (0o600, true, false),
            (0o440, true, false),
            (0o644, true, true),
            (0o620, false, false),
            (0o602, false, false),
            (0o666, false, true),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(open(&path).is_ok(), is_read, "{mode:o}");
            assert_eq!(warning(&path).is_some(), has_warning, "{mode:o}");
        }
        let nowhere = open(Path::new("/nowhere/secret")).unwrap_err();
        assert!(
            nowhere.to_string().starts_with("cannot be read: "),
            "{nowhere}"
        );
        assert_eq!(warning(Path::new("/nowhere/secret")), None);
    }
}
