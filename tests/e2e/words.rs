//! What engines say when a pull fails: the words in the README's table, from the engines themselves.

use super::certificates::Authority;
use super::door::{Door, one_door, two_doors};
use super::engines::containerd::Containerd;
use super::engines::docker::Docker;
use super::engines::podman::Podman;
use super::engines::{Pull, skopeo};
use super::origin::{Kind, NAME, Origin};
use super::programs::{Outcome, begin};
use super::store::large;

const README: &str = include_str!("../../README.md");

/// What there is in front of a docxy, or instead of it.
enum Fault {
    /// An engine that does not know the authority.
    Distrust,
    /// Nothing that listens.
    Nobody,
    /// `--deny`.
    Denied,
    /// `--deny-client`.
    Stranger,
    /// An upstream that nobody reaches.
    Lost,
    /// No such image.
    Unknown,
}

/// Pulls through a docxy with that fault by an engine that has to fail, and returns what it has said.
fn said(fault: &Fault, engine: impl Fn(Pull<'_>) -> Outcome) -> String {
    let origin = Origin::start(Kind::Plain);
    let mut args = origin.docxy_args();
    let mut repository = "lib/multi";
    match fault {
        Fault::Denied => args.extend(["--deny".to_owned(), format!("{NAME}/**")]),
        Fault::Stranger => args.extend(["--deny-client", "127.0.0.1"].map(str::to_owned)),
        Fault::Lost => {
            args = ["--upstream", "lost.test=http://127.0.0.1:1"]
                .map(str::to_owned)
                .to_vec();
        }
        Fault::Unknown => repository = "lib/unknown",
        Fault::Distrust | Fault::Nobody => {}
    }
    let doors = two_doors(&args);
    let dir = tempfile::tempdir().unwrap();
    let door = match fault {
        Fault::Distrust => Door {
            ca: Some(Authority::new(dir.path(), "other").dir().to_owned()),
            ..doors.tls.clone()
        },
        _ => doors.plain.clone(),
    };
    let _alive = (!matches!(fault, Fault::Nobody)).then_some(doors);
    engine(Pull::new(&door, repository, &large().image)).unwrap_err()
}

/// Asserts that the engine says these words, and that the README has them.
fn assert_words(words: &[(Fault, &str)], engine: impl Fn(Pull<'_>) -> Outcome) {
    for (fault, words) in words {
        let said = said(fault, &engine);
        assert!(said.contains(words), "{words:?} is not in {said}");
        assert!(README.contains(words), "{words:?} is not in the README");
    }
}

const UNTRUSTED: &str = "x509: certificate signed by unknown authority";
const REFUSED: &str = "connect: connection refused";

#[test]
fn skopeo_says_so() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo"]) else {
        return;
    };
    assert_words(&library(), skopeo::pull);
    let (_docxy, plain) = one_door(&[]);
    let dir = tempfile::tempdir().unwrap();
    let tls = Door {
        ca: Some(Authority::new(dir.path(), "any").dir().to_owned()),
        ..plain
    };
    let said = skopeo::pull(Pull::new(&tls, "lib/multi", &large().image)).unwrap_err();
    let words = "http: server gave HTTP response to HTTPS client";
    assert!(said.contains(words) && README.contains(words), "{said}");
}

#[test]
fn podman_says_so() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo", "podman"]) else {
        return;
    };
    assert_words(&library(), |pull| Podman::new().pull(pull));
}

/// The words of the library that podman and skopeo share.
fn library() -> [(Fault, &'static str); 6] {
    [
        (Fault::Distrust, UNTRUSTED),
        (Fault::Nobody, REFUSED),
        (Fault::Denied, "is not allowed here"),
        (
            Fault::Stranger,
            "invalid status code from registry 403 (Forbidden)",
        ),
        (
            Fault::Lost,
            "invalid status code from registry 503 (Service Unavailable)",
        ),
        (Fault::Unknown, "manifest unknown"),
    ]
}

#[test]
fn containerd_says_so() {
    let programs = ["docker-registry", "openssl", "skopeo", "containerd", "ctr"];
    let Some(_turn) = begin(&programs) else {
        return;
    };
    let containerd = Containerd::start();
    let forbidden = "failed with status code [manifests latest]: 403 Forbidden";
    let words = [
        (Fault::Distrust, UNTRUSTED),
        (Fault::Nobody, REFUSED),
        (Fault::Denied, forbidden),
        (Fault::Stranger, forbidden),
        (
            Fault::Lost,
            "failed with status code [manifests latest]: 503 Service Unavailable",
        ),
        (Fault::Unknown, ": not found"),
    ];
    assert_words(&words, |pull| containerd.pull(pull));
}

#[test]
fn docker_says_so() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo", "dockerd", "docker"]) else {
        return;
    };
    // It trusts whoever is on loopback.
    let words = [
        (Fault::Nobody, REFUSED),
        (
            Fault::Denied,
            "repository does not exist or may require 'docker login'",
        ),
        (Fault::Stranger, "is not a client that is served here"),
        (
            Fault::Lost,
            "received unexpected HTTP status: 503 Service Unavailable",
        ),
        (Fault::Unknown, "manifest unknown"),
    ];
    let docker = Docker::start(&[]);
    assert_words(&words, |pull| docker.pull(pull));
}
