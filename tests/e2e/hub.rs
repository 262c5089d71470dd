//! An upstream called `docker.io`: `library/` is put in, and the engines ask for it as they ask for Docker Hub.

use tempfile::TempDir;

use super::docxy::Docxy;
use super::door::{Door, one_door};
use super::engines::containerd::{Containerd, HostsToml};
use super::engines::docker::Docker;
use super::engines::podman::Podman;
use super::engines::{Pull, skopeo};
use super::programs::{Turn, begin};
use super::registry::{Registry, Setup};
use super::store::Store;
use super::tokens::TokenServer;

/// docxy before a stand-in for Docker Hub, whose tokens are for `library/app` and not for `app`.
struct Hub {
    store: Store,
    door: Door,
    _kept: (Docxy, Registry, TokenServer, TempDir, Turn),
}

impl Hub {
    /// With these further arguments for docxy.
    fn start(args: &[&str], programs: &[&str]) -> Option<Hub> {
        let turn = begin(&[&["docker-registry", "openssl", "skopeo"], programs].concat())?;
        let dir = tempfile::tempdir().unwrap();
        let store = Store::small(dir.path(), 44, &["library/app"]);
        let tokens = TokenServer::start(dir.path(), None);
        let registry = Setup::with_tokens(&tokens).start(&store.root);
        let upstream = format!("docker.io={}", registry.url());
        let (docxy, door) = one_door(&[&["--upstream", &upstream], args].concat());
        let _kept = (docxy, registry, tokens, dir, turn);
        Some(Hub { store, door, _kept })
    }

    fn pull<'a>(&'a self, repository: &'a str) -> Pull<'a> {
        Pull::new(&self.door, repository, &self.store.image)
    }
}

#[test]
fn library_is_put_in_for_skopeo() {
    let Some(hub) = Hub::start(&[], &[]) else {
        return;
    };
    for repository in [
        "app",
        "library/app",
        "docker.io/app",
        "docker.io/library/app",
        "index.docker.io/app",
    ] {
        skopeo::pull(hub.pull(repository)).unwrap();
    }
}

#[test]
fn library_is_put_in_beside_other_upstreams() {
    let Some(hub) = Hub::start(&["--upstream", "other.test=http://127.0.0.1:9"], &[]) else {
        return;
    };
    for repository in [
        "app",
        "library/app",
        "docker.io/app",
        "docker.io/library/app",
    ] {
        skopeo::pull(hub.pull(repository)).unwrap();
    }
}

#[test]
fn podman_asks_the_mirror_of_docker_io() {
    let Some(hub) = Hub::start(&[], &["podman"]) else {
        return;
    };
    let podman = Podman::with_mirror("docker.io", &hub.door);
    podman
        .pull_reference(hub.pull("library/app"), "docker.io/library/app:latest")
        .unwrap();
}

#[test]
fn containerd_asks_with_ns_docker_io() {
    let Some(hub) = Hub::start(&[], &["containerd", "ctr"]) else {
        return;
    };
    let containerd = Containerd::start();
    containerd
        .pull_from(hub.pull("library/app"), "docker.io", HostsToml::default())
        .unwrap();
}

#[test]
fn docker_asks_its_mirror() {
    let Some(hub) = Hub::start(&[], &["dockerd", "docker"]) else {
        return;
    };
    let docker = Docker::start_with_mirror(&hub.door);
    docker
        .pull_reference(&hub.store.image, "app:latest")
        .unwrap();
    docker.forget();
    docker.pull(hub.pull("app")).unwrap();
}
