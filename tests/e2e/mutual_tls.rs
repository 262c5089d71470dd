//! `--client-ca` with the real programs: they are served once they have a certificate where the README says that it goes.
//! Docker is not among them: it takes 127.0.0.0/8 for insecure and shows no certificate there.

use super::certificates::Authority;
use super::door::{Door, TwoDoors, two_doors};
use super::engines::containerd::Containerd;
use super::engines::podman::Podman;
use super::engines::{Pull, skopeo};
use super::origin::{Kind, Origin};
use super::programs::{Outcome, begin};
use super::store::large;

/// Pulls by TLS without a certificate, with one of another authority, and with one of the right one.
fn pull_with_certificates(engine: impl Fn(Pull<'_>) -> Outcome) {
    let (origin, dir) = (Origin::start(Kind::Plain), tempfile::tempdir().unwrap());
    let [clients, others] = ["clients", "others"].map(|name| Authority::new(dir.path(), name));
    let root = clients.root().display().to_string();
    let args = [origin.docxy_args(), vec!["--client-ca".to_owned(), root]].concat();
    let TwoDoors { docxy, tls, .. } = &two_doors(&args);
    let pull = || engine(Pull::new(tls, "lib/multi", &large().image));
    pull().unwrap_err();
    give(tls, &others);
    pull().unwrap_err();
    assert!(!docxy.log().iter().any(|line| line.contains("target=")));
    give(tls, &clients);
    pull().unwrap();
}

/// Puts a certificate of this authority beside the door's `ca.crt`, as `client.cert` and `client.key`.
fn give(door: &Door, authority: &Authority) {
    let dir = door.ca.as_ref().unwrap();
    let own = authority.issue(dir, "client");
    std::fs::rename(own.cert, dir.join("client.cert")).unwrap();
}

#[test]
fn skopeo_is_served_with_a_certificate_only() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo"]) else {
        return;
    };
    pull_with_certificates(skopeo::pull);
}

#[test]
fn podman_is_served_with_a_certificate_only() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "podman"]) else {
        return;
    };
    pull_with_certificates(|pull| Podman::new().pull(pull));
}

#[test]
fn containerd_is_served_with_a_certificate_only() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "containerd"]) else {
        return;
    };
    pull_with_certificates(|pull| Containerd::start().pull(pull));
}
