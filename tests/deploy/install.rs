//! `install.sh`: puts everything in its place and takes it away again, here below a directory of the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::file;
use super::programs::{Outcome, begin, run};
use super::wire::digest;

/// Stands for docxy: the script only looks whether it runs.
const BINARY: &str = "#!/bin/sh\necho docxy 0\n";

const INSTALLED: [&str; 4] = [
    "etc/docxy/docxy.env",
    "etc/systemd/system/docxy.service",
    "etc/systemd/system/docxy.socket",
    "usr/local/bin/docxy",
];

/// Where it is installed, and the binary to install.
struct Place {
    directory: TempDir,
    binary: PathBuf,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let binary = directory.path().join("docxy-of-the-release");
        fs::write(&binary, BINARY).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
        Place { directory, binary }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    fn install(&self, args: &[&str]) -> Outcome {
        run(script().env("DESTDIR", self.root()).args(args))
    }

    fn binary(&self) -> &str {
        self.binary.to_str().unwrap()
    }

    fn url(&self) -> String {
        format!("file://{}", self.binary())
    }

    /// The files below the root, sorted.
    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        collect(&self.root(), &self.root(), &mut files);
        files.sort();
        files
    }
}

fn script() -> Command {
    let mut script = Command::new(file("deploy/install.sh"));
    script.env_remove("DESTDIR").env_remove("PREFIX");
    script
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap();
            files.push(name.to_str().unwrap().to_owned());
        }
    }
}

#[test]
fn everything_is_put_in_its_place_and_taken_away_again() {
    let place = Place::new();
    place.install(&[place.binary()]).unwrap();
    assert_eq!(place.files(), INSTALLED);
    let mode = |name: &str| {
        let found = fs::metadata(place.root().join(name)).unwrap();
        found.permissions().mode() & 0o777
    };
    assert_eq!(INSTALLED.map(mode), [0o600, 0o644, 0o644, 0o755]);
    let said = place.install(&["--uninstall"]).unwrap();
    assert!(said.contains("kept: "), "{said}");
    assert_eq!(place.files(), ["etc/docxy/docxy.env"]);
    place.install(&["--uninstall", "--purge"]).unwrap();
    assert!(place.files().is_empty(), "{:?}", place.files());
}

#[test]
fn settings_are_never_overwritten() {
    let place = Place::new();
    place.install(&[place.binary()]).unwrap();
    let settings = place.root().join(INSTALLED[0]);
    fs::write(&settings, "DOCXY_LOG=off\n").unwrap();
    place.install(&[place.binary()]).unwrap();
    assert_eq!(fs::read_to_string(settings).unwrap(), "DOCXY_LOG=off\n");
}

#[test]
fn the_unit_starts_what_was_installed() {
    let place = Place::new();
    let mut install = script();
    install.env("DESTDIR", place.root()).env("PREFIX", "/opt/x");
    run(install.arg(place.binary())).unwrap();
    let unit = fs::read_to_string(place.root().join(INSTALLED[1])).unwrap();
    assert!(unit.contains("\nExecStart=/opt/x/bin/docxy\n"), "{unit}");
    assert!(place.root().join("opt/x/bin/docxy").exists());
}

#[test]
fn a_download_is_installed_only_with_its_checksum() {
    let Some(_turn) = begin(&["curl"]) else {
        return;
    };
    let place = Place::new();
    let url = place.url();
    let right = digest(BINARY.as_bytes()).replace("sha256:", "");
    let wrong = "0".repeat(64);
    let said = place.install(&[&url, &wrong]).unwrap_err();
    assert!(
        said.contains(&right) && said.contains("nothing was installed"),
        "{said}"
    );
    assert!(place.files().is_empty());
    place.install(&[&url, &right]).unwrap();
    assert_eq!(place.files(), INSTALLED);
}

#[test]
fn what_cannot_be_done_is_one_line_and_changes_nothing() {
    let place = Place::new();
    let url = place.url();
    let broken = place.directory.path().join("broken");
    fs::write(&broken, "not a program").unwrap();
    for (args, part) in [
        (&["/nowhere/docxy"][..], "there is no file"),
        (&[&url], "give the SHA-256"),
        (&["http://x.test/docxy", "0"], "by https"),
        (&[broken.to_str().unwrap()], "does not run"),
        (&[place.binary(), "surplus"], "give one BINARY"),
        (&["--uninstall", "--all"], "nothing but --purge"),
    ] {
        let said = place.install(args).unwrap_err();
        assert!(said.contains(part) && said.lines().count() == 1, "{said}");
    }
    assert!(place.files().is_empty());
}

#[test]
fn without_root_it_says_so() {
    let Some(_turn) = begin(&["setpriv"]) else {
        return;
    };
    let place = Place::new();
    let mut as_nobody = Command::new("setpriv");
    if rustix::process::getuid().is_root() {
        as_nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    as_nobody.arg("sh");
    // Read by the shell as root's file descriptor, since nobody may not enter root's directories.
    let script = fs::read_to_string(file("deploy/install.sh")).unwrap();
    let said = run(as_nobody.args(["-c", &script, "/install.sh", "--uninstall"]));
    let said = said.unwrap_err();
    assert!(said.contains("run it with sudo"), "{said}");
    assert!(place.files().is_empty());
}
