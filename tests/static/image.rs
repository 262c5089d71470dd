//! The container image: built by buildah from the static binary, run by podman without root, asked for its health, stopped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::built;
use super::programs::{Outcome, begin, run, skip};

const IMAGE: &str = "localhost/docxy-test";
const NAME: &str = "docxy-test";

/// A container storage of the test's own.
struct Storage {
    directory: TempDir,
}

impl Storage {
    fn new() -> Storage {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().display();
        let conf = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{place}/graph\"\nrunroot = \"{place}/run\"\n"
        );
        std::fs::write(directory.path().join("storage.conf"), conf).unwrap();
        Storage { directory }
    }

    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        let conf = self.directory.path().join("storage.conf");
        command.env("CONTAINERS_STORAGE_CONF", conf);
        command
    }

    fn podman(&self, args: &[&str]) -> Outcome {
        let mut podman = self.command("podman");
        podman.args(["--cgroup-manager", "cgroupfs", "--runtime", "runc"]);
        run(podman.args(args))
    }

    fn build(&self) -> Outcome {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/build-image");
        let mut build = self.command(script);
        run(build.arg(built::native()).arg(IMAGE))
    }

    /// Runs the image on the host's network. What takes more rights than a build machine gives is left out: limits.
    fn start(&self, listen: &str) -> Outcome {
        let variable = format!("DOCXY_LISTEN={listen}");
        let mut run = vec!["run", "--detach", "--name", NAME, "--network", "host"];
        run.extend(["--read-only", "--cap-drop", "ALL", "--env", &variable]);
        run.extend(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=512:512"]);
        run.push(IMAGE);
        self.podman(&run)
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        let _ = self.podman(&["rm", "--force", "--all"]);
    }
}

#[test]
fn it_is_built_runs_without_root_is_healthy_and_stops() {
    let Some(_turn) = begin(&["buildah", "podman", "runc"]) else {
        return;
    };
    let storage = Storage::new();
    if let Err(said) = storage.build() {
        return skip(&format!("buildah: {said}"));
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = free.local_addr().unwrap().to_string();
    drop(free);
    if let Err(said) = storage.start(&listen) {
        return skip(&format!("podman run: {said}"));
    }
    let said = || storage.podman(&["logs", NAME]).unwrap();
    // Its own health check, from within, until it listens.
    let deadline = std::time::Instant::now() + super::wire::PATIENCE;
    while storage.podman(&["healthcheck", "run", NAME]).is_err() {
        assert!(std::time::Instant::now() < deadline, "{}", said());
    }
    storage.podman(&["stop", "--time", "20", NAME]).unwrap();
    let code = ["inspect", "--format", "code={{.State.ExitCode}}", NAME];
    let code = storage.podman(&code).unwrap();
    assert!(code.contains("code=0"), "{code}\n{}", said());
}
