//! podman with a storage and a configuration of its own.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::Pull;
use crate::door::Door;
use crate::image::Image;
use crate::programs::{Outcome, run};

/// A podman with nothing pulled yet.
pub(crate) struct Podman {
    dir: TempDir,
}

impl Podman {
    /// A podman without mirrors.
    pub(crate) fn new() -> Podman {
        let podman = Podman {
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::write(podman.registries_conf(), "").unwrap();
        std::fs::write(podman.auth_file(), "{}").unwrap();
        podman
    }

    /// A podman that asks `door` for what is called `location`.
    pub(crate) fn with_mirror(location: &str, door: &Door) -> Podman {
        let podman = Podman::new();
        let conf = format!(
            "[[registry]]\nprefix = '{location}'\nlocation = '{location}'\n\
             [[registry.mirror]]\nlocation = '{}'\ninsecure = {}\n",
            door.authority,
            door.ca.is_none()
        );
        std::fs::write(podman.registries_conf(), conf).unwrap();
        podman
    }

    /// Pulls by the door's own name and compares.
    ///
    /// # Errors
    /// With what podman said, if it did not succeed.
    pub(crate) fn pull(&self, pull: Pull<'_>) -> Outcome {
        self.pull_reference(pull, &pull.reference())
    }

    /// Pulls by a name that a mirror stands for and compares.
    ///
    /// # Errors
    /// With what podman said, if it did not succeed.
    pub(crate) fn pull_reference(&self, pull: Pull<'_>, reference: &str) -> Outcome {
        let said = run(&mut self.pull_command(pull, reference))?;
        self.assert_same(pull.image, reference);
        Ok(said)
    }

    /// The command of a pull, for a test that does something while it runs.
    pub(crate) fn pull_command(&self, pull: Pull<'_>, reference: &str) -> Command {
        let mut podman = self.command();
        podman.arg("pull");
        match &pull.door.ca {
            Some(ca) => podman.arg("--cert-dir").arg(ca),
            None => podman.arg("--tls-verify=false"),
        };
        if let Some(login) = pull.login {
            podman.args(["--creds", &login.pair()]);
        }
        podman.arg(reference);
        podman
    }

    /// Compares the one image that was pulled, whatever its name.
    pub(crate) fn assert_same_alone(&self, image: &Image) {
        self.assert_same(image, image.here.config.trim_start_matches("sha256:"));
    }

    /// Compares digest, id and layers of what was pulled.
    fn assert_same(&self, image: &Image, reference: &str) {
        let said = run(self.command().args(["image", "inspect", reference])).unwrap();
        let inspected: Value = serde_json::from_str(&said).unwrap();
        let got = &inspected[0];
        assert_eq!(
            format!("sha256:{}", got["Id"].as_str().unwrap()),
            image.here.config
        );
        assert_eq!(
            got["RootFS"]["Layers"],
            serde_json::json!(image.here.diff_ids)
        );
        let digests = got["RepoDigests"].to_string();
        assert!(
            digests.contains(&image.digest),
            "{digests} has {}",
            image.digest
        );
    }

    /// Removes what was pulled, so that the next pull transfers it again.
    pub(crate) fn forget(&self) {
        run(self.command().args(["rmi", "--all", "--force"])).unwrap();
    }

    fn command(&self) -> Command {
        let mut podman = Command::new("podman");
        podman.env("CONTAINERS_REGISTRIES_CONF", self.registries_conf());
        podman.env("REGISTRY_AUTH_FILE", self.auth_file());
        podman.arg("--root").arg(self.dir.path().join("root"));
        podman.arg("--runroot").arg(self.dir.path().join("runroot"));
        podman.args(["--storage-driver", "vfs"]);
        podman
    }

    /// Without any login: those of the machine's owner are none of the test's.
    fn auth_file(&self) -> PathBuf {
        self.dir.path().join("auth.json")
    }

    fn registries_conf(&self) -> PathBuf {
        self.dir.path().join("registries.conf")
    }
}
