//! One upstream and two organisations of it, as `--allow` names them: the engines get these and nothing else.

use super::door::one_door;
use super::engines::containerd::{Containerd, HostsToml};
use super::engines::docker::Docker;
use super::engines::podman::Podman;
use super::engines::{Pull, skopeo};
use super::programs::{Outcome, begin};
use super::registry::Setup;
use super::store::Store;
use super::tokens::TokenServer;

/// Pulls what is allowed, and is refused the rest, by a docxy before a stand-in for `ghcr.io`.
fn pull_allowed(engine: impl Fn(Pull<'_>) -> Outcome) {
    let dir = tempfile::tempdir().unwrap();
    let repositories = ["first/app", "second/app", "third/app"];
    let store = Store::small(dir.path(), 66, &repositories);
    let tokens = TokenServer::start(dir.path(), None);
    let registry = Setup::with_tokens(&tokens).start(&store.root);
    let upstream = format!("ghcr.io={}", registry.url());
    let allow = ["--allow", "ghcr.io/first/*", "--allow", "ghcr.io/second/*"];
    let (_docxy, door) = one_door(&[&["--upstream", &upstream], &allow[..]].concat());
    for repository in ["first/app", "second/app"] {
        engine(Pull::new(&door, repository, &store.image)).unwrap();
    }
    let asked = tokens.seen().len();
    let said = engine(Pull::new(&door, "third/app", &store.image)).unwrap_err();
    assert!(
        said.to_lowercase().contains("denied") || said.contains("403"),
        "{said}"
    );
    assert!(
        !tokens.seen()[asked..]
            .iter()
            .any(|request| request.target.contains("third"))
    );
}

#[test]
fn skopeo_gets_what_is_allowed() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo"]) else {
        return;
    };
    pull_allowed(skopeo::pull);
}

#[test]
fn podman_gets_what_is_allowed() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo", "podman"]) else {
        return;
    };
    pull_allowed(|pull| Podman::new().pull(pull));
}

#[test]
fn containerd_gets_what_is_allowed() {
    let programs = ["docker-registry", "openssl", "skopeo", "containerd", "ctr"];
    let Some(_turn) = begin(&programs) else {
        return;
    };
    pull_allowed(|pull| Containerd::start().pull_from(pull, "ghcr.io", HostsToml::default()));
}

#[test]
fn docker_gets_what_is_allowed() {
    let programs = ["docker-registry", "openssl", "skopeo", "dockerd", "docker"];
    let Some(_turn) = begin(&programs) else {
        return;
    };
    pull_allowed(|pull| Docker::start(&[pull.door]).pull(pull));
}
