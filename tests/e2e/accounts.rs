//! Private images for engines that have no login: docxy has an account at the registry. Who has a login of his own goes by
//! that, even if it is wrong.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::door::{TwoDoors, two_doors};
use super::engines::containerd::{Containerd, HostsToml};
use super::engines::docker::Docker;
use super::engines::podman::Podman;
use super::engines::{Login, Pull, skopeo};
use super::origin::{Kind, NAME, Origin};
use super::programs::{Outcome, begin, run};
use super::registry::Setup;
use super::store::large;
use super::tokens::{PASSWORD, USER};

const WRONG: Login<'static> = Login {
    user: USER,
    password: "wr0ng",
};

/// The arguments with which docxy has the account at a registry.
fn with_account(dir: &Path, url: &str) -> [String; 2] {
    let (secret, file) = (dir.join("secret"), dir.join("docxy.toml"));
    fs::write(&secret, PASSWORD).unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    let secret = secret.display();
    let text = format!(
        "[[upstream]]\nname = '{NAME}'\nurl = '{url}'\nusername = '{USER}'\npassword_file = '{secret}'\n"
    );
    fs::write(&file, text).unwrap();
    ["--config".to_owned(), file.display().to_string()]
}

/// Pulls a private image without a login through both doors; `wrong_login` says what becomes of a wrong one.
fn pull_without_login(engine: impl Fn(Pull<'_>) -> Outcome, wrong_login: impl Fn(Outcome)) {
    let (origin, dir) = (Origin::start(Kind::Redirect), tempfile::tempdir().unwrap());
    let args = with_account(dir.path(), &origin.registry.url());
    let TwoDoors {
        docxy, plain, tls, ..
    } = &two_doors(&args);
    for door in [plain, tls] {
        engine(Pull::new(door, "private/multi", &large().image)).unwrap();
    }
    let wrong = Pull::new(plain, "private/multi", &large().image).with_login(WRONG);
    wrong_login(engine(wrong));
    origin.assert_cdn_saw_no_credentials();
    let log = docxy.log().join("\n");
    for secret in [PASSWORD, "eyJ"] {
        assert!(!log.contains(secret), "{secret} in the log:\n{log}");
    }
}

fn is_refused(outcome: Outcome) {
    outcome.expect_err("a login of one's own wins, even if it is wrong");
}

#[test]
fn skopeo_without_login() {
    if let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo"]) {
        pull_without_login(skopeo::pull, is_refused);
    }
}

#[test]
fn podman_without_login() {
    if let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo", "podman"]) {
        pull_without_login(
            |pull| {
                let podman = Podman::new();
                podman.pull(pull)
            },
            is_refused,
        );
    }
}

/// containerd sends its login to nobody who does not ask for it, so that the account serves it.
#[test]
fn containerd_without_login() {
    let programs = ["docker-registry", "openssl", "skopeo", "containerd", "ctr"];
    if let Some(_turn) = begin(&programs) {
        pull_without_login(
            |pull| {
                let containerd = Containerd::start();
                containerd.pull_from(pull, NAME, HostsToml::default())
            },
            |outcome| drop(outcome.unwrap()),
        );
    }
}

#[test]
fn docker_without_login() {
    if let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo", "dockerd", "docker"]) {
        pull_without_login(
            |pull| {
                let docker = Docker::start(&[pull.door]);
                docker.pull(pull)
            },
            is_refused,
        );
    }
}

/// A registry that knows no tokens and lets nobody in without name and password.
#[test]
fn engines_without_login_at_a_registry_with_passwords() {
    let programs = [
        "docker-registry",
        "skopeo",
        "htpasswd",
        "podman",
        "containerd",
        "ctr",
        "dockerd",
        "docker",
    ];
    let Some(_turn) = begin(&programs) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let users = dir.path().join("users");
    let line = run(Command::new("htpasswd").args(["-Bbn", USER, PASSWORD])).unwrap();
    fs::write(&users, line.trim()).unwrap();
    let setup = Setup {
        users: Some(&users),
        ..Setup::default()
    };
    let registry = setup.start(&large().root);
    skopeo::pull(Pull::new(&registry.door(), "lib/multi", &large().image))
        .expect_err("nothing without a login");
    let args = with_account(dir.path(), &registry.url());
    let TwoDoors { plain, .. } = &two_doors(&args);
    let pull = Pull::new(plain, "lib/multi", &large().image);
    skopeo::pull(pull).unwrap();
    Podman::new().pull(pull).unwrap();
    Containerd::start()
        .pull_from(pull, NAME, HostsToml::default())
        .unwrap();
    Docker::start(&[plain]).pull(pull).unwrap();
}
