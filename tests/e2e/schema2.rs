//! An image of Docker's schema 2 through docxy: one manifest, no index.

use tempfile::TempDir;

use super::docxy::Docxy;
use super::door::{Door, one_door};
use super::engines::containerd::Containerd;
use super::engines::docker::Docker;
use super::engines::podman::Podman;
use super::engines::{Pull, skopeo};
use super::image::Image;
use super::programs::{Turn, begin};
use super::registry::{Registry, Setup};
use super::store::Store;

/// docxy before a plain registry with such an image as `lib/hello`.
struct Hello {
    store: Store,
    door: Door,
    _kept: (Docxy, Registry, TempDir, Turn),
}

impl Hello {
    fn start(programs: &[&str]) -> Option<Hello> {
        let turn = begin(&[&["docker-registry", "skopeo"], programs].concat())?;
        let dir = tempfile::tempdir().unwrap();
        let image = Image::schema2(&dir.path().join("image"), 55);
        let store = Store::fill(dir.path(), image, &["lib/hello"]);
        let registry = Setup::default().start(&store.root);
        let (docxy, door) = one_door(&["--upstream", &registry.url()]);
        let _kept = (docxy, registry, dir, turn);
        Some(Hello { store, door, _kept })
    }

    fn pull(&self) -> Pull<'_> {
        Pull::new(&self.door, "lib/hello", &self.store.image)
    }
}

#[test]
fn skopeo_pulls_schema_2() {
    let Some(hello) = Hello::start(&[]) else {
        return;
    };
    skopeo::pull(hello.pull()).unwrap();
}

#[test]
fn podman_pulls_schema_2() {
    let Some(hello) = Hello::start(&["podman"]) else {
        return;
    };
    Podman::new().pull(hello.pull()).unwrap();
}

#[test]
fn containerd_pulls_schema_2() {
    let Some(hello) = Hello::start(&["containerd", "ctr"]) else {
        return;
    };
    Containerd::start().pull(hello.pull()).unwrap();
}

#[test]
fn docker_pulls_schema_2() {
    let Some(hello) = Hello::start(&["dockerd", "docker"]) else {
        return;
    };
    Docker::start(&[&hello.door]).pull(hello.pull()).unwrap();
}
