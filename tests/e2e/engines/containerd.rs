//! containerd with directories of its own, asked through `ctr` with a `hosts.toml`.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Pull, assert_same_blob};
use crate::image::Image;
use crate::programs::{Outcome, Running, run};

/// A running containerd with nothing pulled yet.
pub(crate) struct Containerd {
    _server: Running,
    dir: TempDir,
}

/// The lines that name what is in a door's directory: the authority, and a client's own certificate if there is one.
fn trust(dir: &Path) -> String {
    let at = dir.display();
    let client = match dir.join("client.cert").exists() {
        true => format!("client = [['{at}/client.cert', '{at}/client.key']]\n"),
        false => String::new(),
    };
    format!("ca = '{at}/ca.crt'\n{client}")
}

/// How a `hosts.toml` names its host.
#[derive(Clone, Copy, Default)]
pub(crate) struct HostsToml<'a> {
    /// `override_path = true` with this path instead of `/v2`.
    pub(crate) override_path: Option<&'a str>,
}

impl Containerd {
    /// Starts it.
    ///
    /// # Panics
    /// With its log, if it does not come up.
    pub(crate) fn start() -> Containerd {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().display();
        let toml = format!(
            "version = 2\nroot = '{at}/root'\nstate = '{at}/state'\n\
             disabled_plugins = ['io.containerd.grpc.v1.cri']\n[grpc]\naddress = '{at}/c.sock'\n"
        );
        let file = dir.path().join("containerd.toml");
        std::fs::write(&file, toml).unwrap();
        let mut command = Command::new("containerd");
        let mut server = Running::start(dir.path(), "containerd", command.arg("-c").arg(&file));
        let socket = dir.path().join("c.sock");
        let up = server.wait_until(|_| UnixStream::connect(&socket).is_ok());
        assert!(up, "containerd does not start:\n{}", server.log());
        Containerd {
            _server: server,
            dir,
        }
    }

    /// Pulls by the door's own name and compares.
    ///
    /// # Errors
    /// With what `ctr` said, if it did not succeed.
    pub(crate) fn pull(&self, pull: Pull<'_>) -> Outcome {
        self.pull_from(pull, &pull.door.authority, HostsToml::default())
    }

    /// Pulls what is called `HOST/REPOSITORY:latest`, with `door` as the host of its `hosts.toml`;
    /// requests then carry `?ns=HOST`.
    ///
    /// # Errors
    /// With what `ctr` said, if it did not succeed.
    pub(crate) fn pull_from(&self, pull: Pull<'_>, host: &str, hosts: HostsToml<'_>) -> Outcome {
        let certs = self.write_hosts_toml(pull, host, hosts);
        self.pull_with(pull, host, &certs)
    }

    /// The same with `HOST/hosts.toml` files below `certs` that the test has written.
    ///
    /// # Errors
    /// With what `ctr` said, if it did not succeed.
    pub(crate) fn pull_with(&self, pull: Pull<'_>, host: &str, certs: &Path) -> Outcome {
        let reference = format!("{host}/{}:latest", pull.repository);
        let mut ctr = self.ctr();
        ctr.args([
            "images",
            "pull",
            "--all-platforms",
            "--snapshotter",
            "native",
            "--hosts-dir",
        ])
        .arg(certs);
        if let Some(login) = pull.login {
            ctr.args(["--user", &login.pair()]);
        }
        let said = run(ctr.arg(&reference))?;
        self.assert_same(pull.image, &reference);
        Ok(said)
    }

    /// Removes what was pulled, so that the next pull transfers it again.
    pub(crate) fn forget(&self) {
        let names = run(self.ctr().args(["images", "list", "--quiet"])).unwrap();
        run(self
            .ctr()
            .args(["images", "remove", "--sync"])
            .args(names.lines()))
        .unwrap();
        let left = run(self.ctr().args(["content", "list", "--quiet"])).unwrap();
        assert_eq!(left, "", "content is left");
    }

    fn assert_same(&self, image: &Image, reference: &str) {
        let listed = run(self
            .ctr()
            .args(["images", "list", &format!("name=={reference}")]))
        .unwrap();
        assert!(
            listed.contains(&image.digest),
            "{listed} has {}",
            image.digest
        );
        for digest in image.blobs.keys() {
            let blob = self
                .dir
                .path()
                .join("root/io.containerd.content.v1.content/blobs");
            let blob = blob.join(digest.replacen(':', "/", 1));
            assert_same_blob(image, digest, &std::fs::read(blob).unwrap());
        }
    }

    fn write_hosts_toml(&self, pull: Pull<'_>, host: &str, hosts: HostsToml<'_>) -> PathBuf {
        let certs = self.dir.path().join("certs.d");
        let url = format!(
            "{}{}",
            pull.door.url(),
            hosts.override_path.unwrap_or_default()
        );
        // `server` names the same door, so that nothing can fall back to a registry of the world.
        let options = format!(
            "capabilities = ['pull', 'resolve']\n{}{}",
            pull.door.ca.as_ref().map_or(String::new(), |ca| trust(ca)),
            hosts.override_path.map_or("", |_| "override_path = true\n"),
        );
        let toml = format!("server = '{url}'\n{options}[host.'{url}']\n{options}");
        let of_host = certs.join(host);
        std::fs::create_dir_all(&of_host).unwrap();
        std::fs::write(of_host.join("hosts.toml"), toml).unwrap();
        certs
    }

    fn ctr(&self) -> Command {
        let mut ctr = Command::new("ctr");
        ctr.arg("--address").arg(self.dir.path().join("c.sock"));
        ctr
    }
}
