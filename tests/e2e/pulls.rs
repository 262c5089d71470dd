//! Every engine pulls the large image through docxy, from every kind of registry, over a plain and a TLS listener; also
//! from one whose answers break off ten times in a layer.

use super::docxy::Docxy;
use super::door::{Door, TwoDoors, two_doors};
use super::engines::containerd::{Containerd, HostsToml};
use super::engines::docker::Docker;
use super::engines::podman::Podman;
use super::engines::{Pull, skopeo};
use super::origin::{Kind, NAME, Origin};
use super::programs::begin;
use super::store::large;
use super::tokens::PASSWORD;

/// Pulls from a registry of this kind through both doors of one docxy and looks at what the others saw.
fn pull_from(kind: Kind, pull: impl Fn(&Door)) {
    let origin = Origin::start(kind);
    let TwoDoors {
        docxy, plain, tls, ..
    } = &two_doors(&origin.docxy_args());
    for door in [plain, tls] {
        pull(door);
    }
    origin.assert_cdn_saw_no_credentials();
    assert_log(docxy, kind);
}

/// The log names the upstream for the layer, once for each door, and holds no secret.
fn assert_log(docxy: &Docxy, kind: Kind) {
    let layer = format!("/blobs/{} status=200", large().image.largest());
    let lines = docxy.wait_for_lines(&layer, 2);
    assert!(
        lines
            .iter()
            .all(|line| line.contains(&format!(" upstream={NAME} "))),
        "{lines:#?}"
    );
    let resumes = if kind == Kind::Breaking {
        " resumes=10"
    } else {
        " resumes=0"
    };
    assert!(
        lines.iter().all(|line| line.ends_with(resumes)),
        "{lines:#?}"
    );
    for line in docxy.log() {
        // Every JSON Web Token begins with an encoded `{"`.
        let secret = [PASSWORD, "eyJ"]
            .into_iter()
            .find(|secret| line.contains(secret));
        assert_eq!(secret, None, "in the log: {line}");
    }
}

fn skopeo_pulls(kind: Kind) {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo"]) else {
        return;
    };
    pull_from(kind, |door| {
        skopeo::pull(Pull::new(door, "lib/multi", &large().image)).unwrap();
    });
}

fn podman_pulls(kind: Kind) {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo", "podman"]) else {
        return;
    };
    let podman = Podman::new();
    pull_from(kind, |door| {
        podman
            .pull(Pull::new(door, "lib/multi", &large().image))
            .unwrap();
        podman.forget();
    });
}

/// As `hosts.toml` makes it: every request carries `?ns=`.
fn containerd_pulls(kind: Kind) {
    let programs = ["docker-registry", "openssl", "skopeo", "containerd", "ctr"];
    let Some(_turn) = begin(&programs) else {
        return;
    };
    let containerd = Containerd::start();
    pull_from(kind, |door| {
        let pull = Pull::new(door, "lib/multi", &large().image);
        containerd
            .pull_from(pull, NAME, HostsToml::default())
            .unwrap();
        containerd.forget();
    });
}

/// As a registry mirror: docker asks it for what is called `multi` on Docker Hub.
fn docker_pulls(kind: Kind) {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo", "dockerd", "docker"]) else {
        return;
    };
    pull_from(kind, |door| {
        let docker = Docker::start_with_mirror(door);
        docker
            .pull_reference(&large().image, "multi:latest")
            .unwrap();
    });
}

#[test]
fn skopeo_from_a_plain_registry() {
    skopeo_pulls(Kind::Plain);
}

#[test]
fn skopeo_from_a_tls_registry() {
    skopeo_pulls(Kind::Tls);
}

#[test]
fn skopeo_from_a_registry_with_tokens() {
    skopeo_pulls(Kind::Tokens);
}

#[test]
fn skopeo_from_a_registry_with_a_cdn() {
    skopeo_pulls(Kind::Redirect);
}

#[test]
fn skopeo_from_a_registry_of_the_world() {
    skopeo_pulls(Kind::World);
}

#[test]
fn podman_from_a_plain_registry() {
    podman_pulls(Kind::Plain);
}

#[test]
fn podman_from_a_tls_registry() {
    podman_pulls(Kind::Tls);
}

#[test]
fn podman_from_a_registry_with_tokens() {
    podman_pulls(Kind::Tokens);
}

#[test]
fn podman_from_a_registry_with_a_cdn() {
    podman_pulls(Kind::Redirect);
}

#[test]
fn podman_from_a_registry_of_the_world() {
    podman_pulls(Kind::World);
}

#[test]
fn containerd_from_a_plain_registry() {
    containerd_pulls(Kind::Plain);
}

#[test]
fn containerd_from_a_tls_registry() {
    containerd_pulls(Kind::Tls);
}

#[test]
fn containerd_from_a_registry_with_tokens() {
    containerd_pulls(Kind::Tokens);
}

#[test]
fn containerd_from_a_registry_with_a_cdn() {
    containerd_pulls(Kind::Redirect);
}

#[test]
fn containerd_from_a_registry_of_the_world() {
    containerd_pulls(Kind::World);
}

#[test]
fn docker_from_a_plain_registry() {
    docker_pulls(Kind::Plain);
}

#[test]
fn docker_from_a_tls_registry() {
    docker_pulls(Kind::Tls);
}

#[test]
fn docker_from_a_registry_with_tokens() {
    docker_pulls(Kind::Tokens);
}

#[test]
fn docker_from_a_registry_with_a_cdn() {
    docker_pulls(Kind::Redirect);
}

#[test]
fn docker_from_a_registry_of_the_world() {
    docker_pulls(Kind::World);
}

#[test]
fn skopeo_from_a_registry_whose_cdn_breaks_off() {
    skopeo_pulls(Kind::Breaking);
}

#[test]
fn podman_from_a_registry_whose_cdn_breaks_off() {
    podman_pulls(Kind::Breaking);
}

#[test]
fn containerd_from_a_registry_whose_cdn_breaks_off() {
    containerd_pulls(Kind::Breaking);
}

#[test]
fn docker_from_a_registry_whose_cdn_breaks_off() {
    docker_pulls(Kind::Breaking);
}
