//! dockerd (classic store) with directories and a socket of its own, and no network of containers.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Login, Pull};
use crate::door::Door;
use crate::image::Image;
use crate::programs::{Outcome, Running, run};

/// A running dockerd with nothing pulled yet.
pub(crate) struct Docker {
    // Dropped before its directory is removed.
    _server: Running,
    _trust: Vec<Trust>,
    dir: TempDir,
}

impl Docker {
    /// Starts a dockerd that trusts the authorities of these doors.
    pub(crate) fn start(doors: &[&Door]) -> Docker {
        Docker::start_with(doors, &[])
    }

    /// Starts a dockerd that asks `door` for what is on Docker Hub.
    pub(crate) fn start_with_mirror(door: &Door) -> Docker {
        Docker::start_with(&[door], &[format!("--registry-mirror={}", door.url())])
    }

    fn start_with(doors: &[&Door], args: &[String]) -> Docker {
        let trust = doors.iter().filter_map(|door| Trust::new(door)).collect();
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("daemon.json"), "{}").unwrap();
        let mut dockerd = Command::new("dockerd");
        dockerd
            .arg("--host")
            .arg(format!("unix://{}", at("docker.sock").display()));
        dockerd
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"));
        dockerd
            .arg("--pidfile")
            .arg(at("pid"))
            .arg("--config-file")
            .arg(at("daemon.json"));
        dockerd.args([
            "--storage-driver=vfs",
            "--iptables=false",
            "--bridge=none",
            "--ip-forward=false",
        ]);
        dockerd.args(args);
        let mut server = Running::start(dir.path(), "dockerd", &mut dockerd);
        let up = server.wait_until(|server| server.log().contains("API listen on"));
        assert!(up, "dockerd does not start:\n{}", server.log());
        Docker {
            _server: server,
            _trust: trust,
            dir,
        }
    }

    /// Pulls by the door's own name and compares.
    ///
    /// # Errors
    /// With what docker said, if it did not succeed.
    pub(crate) fn pull(&self, pull: Pull<'_>) -> Outcome {
        if let Some(login) = pull.login {
            self.login(pull.door, login)?;
        }
        self.pull_reference(pull.image, &pull.reference())
    }

    /// Pulls by any name (one that the mirror stands for) and compares.
    ///
    /// # Errors
    /// With what docker said, if it did not succeed.
    pub(crate) fn pull_reference(&self, image: &Image, reference: &str) -> Outcome {
        let said = run(self.command().args(["pull", reference]))?;
        assert!(said.contains(&image.digest), "{said} has {}", image.digest);
        self.assert_same(image, reference);
        Ok(said)
    }

    /// `docker login`.
    ///
    /// # Errors
    /// With what docker said, if it did not succeed.
    pub(crate) fn login(&self, door: &Door, login: Login<'_>) -> Outcome {
        run(self.command().args([
            "login",
            "-u",
            login.user,
            "-p",
            login.password,
            &door.authority,
        ]))
    }

    /// Removes what was pulled, so that the next pull transfers it again.
    pub(crate) fn forget(&self) {
        run(self.command().args(["image", "prune", "--all", "--force"])).unwrap();
    }

    fn assert_same(&self, image: &Image, reference: &str) {
        let said = run(self.command().args(["image", "inspect", reference])).unwrap();
        let inspected: Value = serde_json::from_str(&said).unwrap();
        let got = &inspected[0];
        assert_eq!(got["Id"], json!(image.here.config));
        assert_eq!(got["RootFS"]["Layers"], json!(image.here.diff_ids));
    }

    fn command(&self) -> Command {
        let mut docker = Command::new("docker");
        docker
            .env_remove("DOCKER_HOST")
            .env_remove("DOCKER_CONTEXT");
        docker.arg("--config").arg(self.dir.path().join("client"));
        docker.arg("--host").arg(format!(
            "unix://{}",
            self.dir.path().join("docker.sock").display()
        ));
        docker
    }
}

/// What dockerd looks up in the one place that no flag moves: `/etc/docker/certs.d/HOST:PORT/`.
struct Trust {
    dir: PathBuf,
}

impl Trust {
    fn new(door: &Door) -> Option<Trust> {
        let ca = door.ca.as_ref()?;
        let dir = Path::new("/etc/docker/certs.d").join(&door.authority);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::copy(ca.join("ca.crt"), dir.join("ca.crt")).unwrap();
        Some(Trust { dir })
    }
}

impl Drop for Trust {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
        // Only if it is empty now.
        let _ = std::fs::remove_dir(self.dir.parent().unwrap());
    }
}
