//! Over the self-made certificate: what docxy prints at its start is followed to the letter, and then each engine pulls.
//! Engines ask loopback less strictly, so docxy is asked at an address of the machine.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::docxy::Docxy;
use super::door::Door;
use super::engines::containerd::Containerd;
use super::engines::docker::Docker;
use super::engines::podman::Podman;
use super::engines::{Pull, skopeo};
use super::namespace::Namespace;
use super::origin::{Kind, Origin};
use super::programs::{Turn, begin, run, skip};
use super::store::large;

const BINARY: &str = env!("CARGO_BIN_EXE_docxy");
const REPOSITORY: &str = "lib/multi";

/// A docxy with nothing but an https listener, its origin, and the directory of someone who follows its instructions.
struct Scene {
    docxy: Docxy,
    /// Host and port as docxy says them.
    authority: String,
    dir: TempDir,
    _origin: Origin,
    _turn: Turn,
}

impl Scene {
    /// Starts it, if the machine has the programs and an address beyond loopback.
    fn start(programs: &[&str]) -> Option<Scene> {
        let all = [&["docker-registry", "openssl", "skopeo", "curl"], programs].concat();
        let turn = begin(&all)?;
        if own_address().is_none() {
            skip("this machine has no IPv4 address but loopback");
            return None;
        }
        let origin = Origin::start(Kind::Redirect);
        let dir = tempfile::tempdir().unwrap();
        let mut docxy = Command::new(BINARY);
        docxy.args(["--listen", "https://0.0.0.0:0", "--state-dir"]);
        docxy.arg(dir.path().join("state"));
        docxy.args(origin.docxy_args());
        let docxy = Docxy::start_with(&mut docxy);
        let authority = authority(&docxy);
        Some(Scene {
            docxy,
            authority,
            dir,
            _origin: origin,
            _turn: turn,
        })
    }

    /// The door as an engine finds it that is told nothing but the name, or also a directory with a `ca.crt`.
    fn door(&self, ca: Option<PathBuf>) -> Door {
        Door {
            authority: self.authority.clone(),
            ca,
        }
    }

    /// What the line of this name tells to do.
    fn instruction(&self, name: &str) -> String {
        instruction(&self.docxy, name)
    }

    /// Does it, in the directory of the test; `theirs` is looked up by the engine in `ours`.
    fn follow(&self, name: &str, theirs: &str, ours: &str) {
        let instruction = self.instruction(name);
        let (command, _) = instruction
            .split_once(", then ")
            .unwrap_or((&instruction, ""));
        assert!(command.contains(theirs), "{command}");
        shell(self.dir.path(), &command.replacen(theirs, ours, 1)).unwrap();
    }

    /// Fetches the CA and compares it.
    fn fetch_and_compare(&self) {
        shell(self.dir.path(), &self.instruction("fetch")).unwrap();
        let compare = self.instruction("compare");
        shell(self.dir.path(), &compare).unwrap();
        let ca = self.dir.path().join("docxy-ca.crt");
        let kept = std::fs::read(self.dir.path().join("state/ca.crt")).unwrap();
        assert!(std::fs::read(ca).unwrap() == kept);
        // The comparison means something: another certificate fails it.
        let elsewhere = tempfile::tempdir().unwrap();
        let other = rcgen::generate_simple_self_signed(["docxy".to_owned()]).unwrap();
        std::fs::write(elsewhere.path().join("docxy-ca.crt"), other.cert.pem()).unwrap();
        shell(elsewhere.path(), &compare).unwrap_err();
    }
}

/// An address by which this machine would speak to others.
fn own_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent by this.
    socket.connect("192.0.2.254:9").ok()?;
    match socket.local_addr().ok()?.ip() {
        std::net::IpAddr::V4(address) if !address.is_loopback() => Some(address),
        _ => None,
    }
}

fn instruction(docxy: &Docxy, name: &str) -> String {
    let line = docxy.wait_for_line(&format!("  {name}: "));
    line.split_once(": ")
        .unwrap()
        .1
        .split_once(": ")
        .unwrap()
        .1
        .to_owned()
}

fn authority(docxy: &Docxy) -> String {
    let fetch = instruction(docxy, "fetch");
    let url = fetch.split_whitespace().last().unwrap().to_owned();
    let rest = url.strip_prefix("https://").unwrap();
    rest.strip_suffix("/ca.crt").unwrap().to_owned()
}

fn shell(dir: &Path, command: &str) -> Result<String, String> {
    run(Command::new("sh").args(["-c", command]).current_dir(dir))
}

/// Why an engine does not pull before it trusts the CA.
fn assert_distrust(said: &str) {
    assert!(said.contains("certificate"), "{said}");
}

#[test]
fn docker_pulls_after_what_docxy_says() {
    let Some(scene) = Scene::start(&["dockerd", "docker"]) else {
        return;
    };
    let door = scene.door(None);
    let pull = Pull::new(&door, REPOSITORY, &large().image);
    let docker = Docker::start(&[]);
    assert_distrust(&docker.pull(pull).unwrap_err());
    scene.fetch_and_compare();
    // dockerd looks nowhere else, so what is put there is taken away again.
    let _placed = Placed(Path::new("/etc/docker/certs.d").join(&scene.authority));
    scene.follow("docker", "/etc/docker/", "/etc/docker/");
    docker.pull(pull).unwrap();
}

/// A directory of the machine's in which the test has put something.
struct Placed(PathBuf);

impl Drop for Placed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
        // Only if it is empty now.
        let _ = self.0.parent().map(std::fs::remove_dir);
    }
}

#[test]
fn podman_and_skopeo_pull_after_what_docxy_says() {
    let Some(scene) = Scene::start(&["podman"]) else {
        return;
    };
    let empty = scene.dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let (podman, before) = (Podman::new(), scene.door(Some(empty)));
    let pull = Pull::new(&before, REPOSITORY, &large().image);
    assert_distrust(&podman.pull(pull).unwrap_err());
    assert_distrust(&skopeo::pull(pull).unwrap_err());
    scene.fetch_and_compare();
    let certs = scene.dir.path().join("containers");
    let ours = certs.to_str().unwrap();
    scene.follow("podman, skopeo, CRI-O", "/etc/containers", ours);
    let after = scene.door(Some(certs.join("certs.d").join(&scene.authority)));
    let pull = Pull::new(&after, REPOSITORY, &large().image);
    podman.pull(pull).unwrap();
    skopeo::pull(pull).unwrap();
}

#[test]
fn containerd_pulls_after_what_docxy_says() {
    let Some(scene) = Scene::start(&["containerd", "ctr"]) else {
        return;
    };
    let (containerd, door) = (Containerd::start(), scene.door(None));
    let pull = Pull::new(&door, REPOSITORY, &large().image);
    let root = scene.dir.path().join("containerd");
    let certs = root.join("certs.d");
    let of_host = certs.join(&scene.authority);
    std::fs::create_dir_all(&of_host).unwrap();
    assert_distrust(
        &containerd
            .pull_with(pull, &scene.authority, &certs)
            .unwrap_err(),
    );
    scene.fetch_and_compare();
    let ours = root.to_str().unwrap();
    scene.follow("containerd", "/etc/containerd", ours);
    let instruction = scene.instruction("containerd");
    let (_, toml) = instruction.split_once("hosts.toml: ").unwrap();
    let toml = toml
        .replace("] ca", "]\nca")
        .replace("/etc/containerd", ours);
    std::fs::write(of_host.join("hosts.toml"), toml).unwrap();
    containerd
        .pull_with(pull, &scene.authority, &certs)
        .unwrap();
}

#[test]
fn port_443_alone_is_enough() {
    let Some(_turn) = begin(&["ip", "curl", "openssl"]) else {
        return;
    };
    let namespace = match Namespace::new(&["203.0.113.7"]) {
        Ok(namespace) => namespace,
        Err(said) => return skip(&format!("ip netns: {said}")),
    };
    let dir = tempfile::tempdir().unwrap();
    let mut docxy = namespace.command(BINARY);
    docxy.args(["--listen", "0.0.0.0:443"]);
    let docxy = Docxy::start_with(docxy.env("DOCXY_STATE_DIR", dir.path()));
    assert_eq!(authority(&docxy), "203.0.113.7");
    let inside = |command: &str| {
        let mut sh = namespace.command("sh");
        run(sh.args(["-c", command]).current_dir(dir.path()))
    };
    inside(&instruction(&docxy, "fetch")).unwrap();
    inside(&instruction(&docxy, "compare")).unwrap();
    let health = "curl -sS --cacert docxy-ca.crt https://203.0.113.7/health";
    assert_eq!(inside(health).unwrap(), "ok\n");
    inside("curl -sS https://203.0.113.7/health").unwrap_err();
}
