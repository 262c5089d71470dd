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
    _docxy: Docxy,
    _registry: Registry,
    _dir: TempDir,
    _turn: Turn,
}

impl Hello {
    fn start(programs: &[&str]) -> Option<Hello> {
        let _turn = begin(&[&["docker-registry", "skopeo"], programs].concat())?;
        let _dir = tempfile::tempdir().unwrap();
        let image = Image::schema2(&_dir.path().join("image"), 55);
        let store = Store::fill(_dir.path(), image, &["lib/hello"]);
        let _registry = Setup::default().start(&store.root);
        let (_docxy, door) = one_door(&["--upstream", &_registry.url()]);
        Some(Hello {
            store,
            door,
            _docxy,
            _registry,
            _dir,
            _turn,
        })
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
