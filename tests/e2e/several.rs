//! Several upstreams behind one Host: by path, by `ns` and by alias, with and without tokens, and with a login that
//! only the default upstream may see.

use super::engines::containerd::{Containerd, HostsToml};
use super::engines::docker::Docker;
use super::engines::podman::Podman;
use super::engines::{Login, Pull, skopeo};
use super::three::{First, Three};
use super::tokens::{PASSWORD, USER};

const ALICE: Login<'static> = Login {
    user: USER,
    password: PASSWORD,
};

fn skopeo_by_path(first: First) {
    let Some(three) = Three::start(first, &[]) else {
        return;
    };
    for pull in three.by_path() {
        skopeo::pull(pull).unwrap();
        skopeo::pull(pull.with_login(ALICE)).unwrap();
    }
    three.assert_two_saw_no_login();
}

fn podman_by_path(first: First) {
    let Some(three) = Three::start(first, &["podman"]) else {
        return;
    };
    let podman = Podman::new();
    for pull in three.by_path() {
        podman.pull(pull).unwrap();
        podman.forget();
        podman.pull(pull.with_login(ALICE)).unwrap();
        podman.forget();
    }
    three.assert_two_saw_no_login();
}

fn docker_by_path(first: First) {
    let Some(three) = Three::start(first, &["dockerd", "docker"]) else {
        return;
    };
    let docker = Docker::start_with_mirror(&three.door);
    // Docker keeps one login for docxy, so it goes out with all of these.
    if first == First::Tokens {
        docker.login(&three.door, ALICE).unwrap();
    }
    for pull in three.by_path() {
        docker.pull(pull).unwrap();
        docker.forget();
    }
    // By the mirror, which docker asks for what Docker Hub has.
    docker
        .pull_reference(&three.one.image, "team/app:latest")
        .unwrap();
    three.assert_two_saw_no_login();
}

fn containerd_by_path_and_ns(first: First) {
    let Some(three) = Three::start(first, &["containerd", "ctr"]) else {
        return;
    };
    let containerd = Containerd::start();
    for pull in three.by_path() {
        containerd.pull(pull).unwrap();
        containerd.forget();
    }
    let images = [
        ("one.test", &three.one.image),
        ("two.test", &three.two.image),
        ("alias.test", &three.two.image),
        ("three.test", &three.three.image),
    ];
    for (ns, image) in images {
        let pull = Pull::new(&three.door, "team/app", image);
        let in_path = format!("/v2/{ns}");
        for override_path in [None, Some(&*in_path)] {
            let hosts = HostsToml { override_path };
            containerd.pull_from(pull, ns, hosts).unwrap();
            containerd.forget();
            containerd
                .pull_from(pull.with_login(ALICE), ns, hosts)
                .unwrap();
            containerd.forget();
        }
    }
    three.assert_two_saw_no_login();
}

#[test]
fn skopeo_by_path_default_with_tokens() {
    skopeo_by_path(First::Tokens);
}

#[test]
fn skopeo_by_path_default_without_tokens() {
    skopeo_by_path(First::Open);
}

#[test]
fn podman_by_path_default_with_tokens() {
    podman_by_path(First::Tokens);
}

#[test]
fn podman_by_path_default_without_tokens() {
    podman_by_path(First::Open);
}

#[test]
fn docker_by_path_default_with_tokens() {
    docker_by_path(First::Tokens);
}

#[test]
fn docker_by_path_default_without_tokens() {
    docker_by_path(First::Open);
}

#[test]
fn containerd_by_path_and_ns_default_with_tokens() {
    containerd_by_path_and_ns(First::Tokens);
}

#[test]
fn containerd_by_path_and_ns_default_without_tokens() {
    containerd_by_path_and_ns(First::Open);
}

#[test]
fn an_alias_chooses_by_host() {
    let Some(three) = Three::start(First::Open, &["podman"]) else {
        return;
    };
    let door = three.door_by_alias();
    let pull = Pull::new(&door, "team/app", &three.three.image);
    skopeo::pull(pull).unwrap();
    Podman::new().pull(pull).unwrap();
    // The path is looked at before the Host. Both are open: skopeo has its challenge from the Host's upstream.
    skopeo::pull(Pull::new(&door, "one.test/team/app", &three.one.image)).unwrap();
}

#[test]
fn a_private_image_of_the_default_upstream() {
    let Some(three) = Three::start(First::Tokens, &[]) else {
        return;
    };
    for repository in ["private/app", "one.test/private/app"] {
        let pull = Pull::new(&three.door, repository, &three.one.image);
        skopeo::pull(pull).expect_err("nothing without a login");
        skopeo::pull(pull.with_login(ALICE)).unwrap();
    }
}
