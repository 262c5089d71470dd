//! The control: the engines pull from the registries with nothing between, so that a failure elsewhere is docxy's.

use super::engines::containerd::Containerd;
use super::engines::docker::Docker;
use super::engines::podman::Podman;
use super::engines::{Login, Pull, skopeo};
use super::origin::{Kind, Origin};
use super::programs::begin;
use super::store::large;
use super::tokens::{PASSWORD, USER};

const ALICE: Login<'static> = Login {
    user: USER,
    password: PASSWORD,
};

#[test]
fn skopeo_pulls_from_every_kind_of_registry() {
    let Some(_turn) = begin(&["docker-registry", "skopeo", "openssl"]) else {
        return;
    };
    for kind in Kind::ALL {
        let origin = Origin::start(kind);
        let door = origin.registry.door();
        skopeo::pull(Pull::new(&door, "lib/multi", &large().image)).unwrap();
        if kind.has_tokens() {
            let private = Pull::new(&door, "private/multi", &large().image);
            skopeo::pull(private).unwrap_err();
            skopeo::pull(private.with_login(ALICE)).unwrap();
        }
    }
}

#[test]
fn podman_pulls_with_tls_and_tokens() {
    let Some(_turn) = begin(&["docker-registry", "skopeo", "openssl", "podman"]) else {
        return;
    };
    let podman = Podman::new();
    for kind in [Kind::Tls, Kind::Tokens] {
        let origin = Origin::start(kind);
        podman
            .pull(Pull::new(
                &origin.registry.door(),
                "lib/multi",
                &large().image,
            ))
            .unwrap();
        podman.forget();
    }
}

#[test]
fn containerd_pulls_with_tls_and_tokens() {
    let programs = ["docker-registry", "skopeo", "openssl", "containerd", "ctr"];
    let Some(_turn) = begin(&programs) else {
        return;
    };
    let containerd = Containerd::start();
    for kind in [Kind::Tls, Kind::Tokens] {
        let origin = Origin::start(kind);
        containerd
            .pull(Pull::new(
                &origin.registry.door(),
                "lib/multi",
                &large().image,
            ))
            .unwrap();
        containerd.forget();
    }
}

#[test]
fn docker_pulls_with_tls_and_tokens() {
    let programs = ["docker-registry", "skopeo", "openssl", "dockerd", "docker"];
    let Some(_turn) = begin(&programs) else {
        return;
    };
    for kind in [Kind::Tls, Kind::Tokens] {
        let origin = Origin::start(kind);
        let door = origin.registry.door();
        let docker = Docker::start(&[&door]);
        docker
            .pull(Pull::new(&door, "lib/multi", &large().image))
            .unwrap();
    }
}
