//! A root directory with the static binary, and nothing else but what a test puts there.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::built;
use super::docxy::Docxy;
use super::namespace::Namespace;
use super::programs::{run, skip};

/// An empty root directory; needs root's right to change into it.
pub(crate) struct Root {
    directory: TempDir,
}

impl Root {
    /// One with the binary alone; none where `chroot` is not allowed.
    pub(crate) fn new() -> Option<Root> {
        let root = Root {
            directory: tempfile::tempdir().unwrap(),
        };
        std::fs::copy(built::native(), root.path().join("docxy")).unwrap();
        let tried = run(Command::new("chroot")
            .arg(root.path())
            .args(["/docxy", "--version"]));
        match tried {
            Ok(_) => Some(root),
            Err(said) => {
                skip(&format!("chroot: {said}"));
                None
            }
        }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Puts a file into `/etc`.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let etc = self.path().join("etc");
        std::fs::create_dir_all(&etc).unwrap();
        std::fs::write(etc.join(name), text).unwrap();
    }

    /// docxy in it.
    pub(crate) fn start(&self, args: &[&str]) -> Docxy {
        self.start_by(&mut Command::new("chroot"), args)
    }

    /// docxy in it and in a network namespace.
    pub(crate) fn start_within(&self, namespace: &Namespace, args: &[&str]) -> Docxy {
        self.start_by(&mut namespace.command("chroot"), args)
    }

    fn start_by(&self, chroot: &mut Command, args: &[&str]) -> Docxy {
        let alone = chroot
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        Docxy::start_with(alone.arg(self.path()).arg("/docxy").args(args))
    }
}
