//! A private image through docxy: each engine gets it with the right login, and not with none or a wrong one;
//! the registry sends every blob to a CDN, which sees no login.

use super::door::{Door, TwoDoors, two_doors};
use super::engines::containerd::{Containerd, HostsToml};
use super::engines::docker::Docker;
use super::engines::podman::Podman;
use super::engines::{Login, Pull, skopeo};
use super::origin::{Kind, NAME, Origin};
use super::programs::{Outcome, begin};
use super::store::large;
use super::tokens::{PASSWORD, USER};

const ALICE: Login<'static> = Login {
    user: USER,
    password: PASSWORD,
};
const WRONG: Login<'static> = Login {
    user: USER,
    password: "wr0ng",
};

/// Pulls without, with a wrong and with the right login, the last through both doors.
fn pull_private(origin: &Origin, engine: impl Fn(Pull<'_>) -> Outcome) {
    let TwoDoors {
        docxy, plain, tls, ..
    } = &two_doors(&origin.docxy_args());
    let private = |door: &Door, login: Option<Login<'_>>| {
        engine(Pull {
            door,
            repository: "private/multi",
            login,
            image: &large().image,
        })
    };
    private(plain, None).expect_err("nothing without a login");
    private(tls, Some(WRONG)).expect_err("nothing with a wrong password");
    private(plain, Some(ALICE)).unwrap();
    private(tls, Some(ALICE)).unwrap();
    origin.assert_cdn_saw_no_credentials();
    let log = docxy.log().join("\n");
    for secret in [ALICE.password, WRONG.password, "refresh-alice", "eyJ"] {
        assert!(!log.contains(secret), "{secret} in the log:\n{log}");
    }
}

/// Whether the token server got a form with this in it.
fn got_form(origin: &Origin, part: &str) -> bool {
    let seen = origin.tokens.as_ref().unwrap().seen();
    seen.iter()
        .any(|request| request.method == "POST" && request.body.contains(part))
}

#[test]
fn skopeo_with_credentials() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo"]) else {
        return;
    };
    pull_private(&Origin::start(Kind::Redirect), skopeo::pull);
}

#[test]
fn podman_with_credentials() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo", "podman"]) else {
        return;
    };
    pull_private(&Origin::start(Kind::Redirect), |pull| {
        let podman = Podman::new();
        podman.pull(pull)
    });
}

/// containerd sends its login as a form.
#[test]
fn containerd_with_credentials() {
    let programs = ["docker-registry", "openssl", "skopeo", "containerd", "ctr"];
    let Some(_turn) = begin(&programs) else {
        return;
    };
    let origin = Origin::start(Kind::Redirect);
    pull_private(&origin, |pull| {
        let containerd = Containerd::start();
        containerd.pull_from(pull, NAME, HostsToml::default())
    });
    assert!(got_form(&origin, "grant_type=password"));
}

/// `docker login` gets a refresh token, with which the pull asks again.
#[test]
fn docker_with_credentials() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo", "dockerd", "docker"]) else {
        return;
    };
    let origin = Origin::start(Kind::Redirect);
    pull_private(&origin, |pull| {
        let docker = Docker::start(&[pull.door]);
        docker.pull(pull)
    });
    assert!(got_form(&origin, "grant_type=refresh_token"));
}
