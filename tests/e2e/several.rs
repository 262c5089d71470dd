//! Several upstreams behind one Host: by path, by `ns` and by alias, with and without tokens, and with a login that
//! only the default upstream may see.

use tempfile::TempDir;

use super::docxy::Docxy;
use super::door::{Door, one_door};
use super::engines::containerd::{Containerd, HostsToml};
use super::engines::docker::Docker;
use super::engines::podman::Podman;
use super::engines::{Login, Pull, skopeo};
use super::forwarder::Forwarder;
use super::programs::{Turn, begin};
use super::registry::{Registry, Setup};
use super::store::Store;
use super::tokens::{PASSWORD, TokenServer, USER};

const ALICE: Login<'static> = Login {
    user: USER,
    password: PASSWORD,
};

/// Whether the default upstream asks for tokens; the second one always does, the third never.
#[derive(Clone, Copy, PartialEq)]
enum Default {
    Tokens,
    Open,
}

/// docxy before three upstreams, `one.test` (the default), `two.test` and `three.test`. The same repository
/// is another image in each, so that a wrong turn is seen.
struct Three {
    one: Store,
    two: Store,
    three: Store,
    /// In front of the second registry.
    to_two: Forwarder,
    tokens_two: TokenServer,
    docxy: Docxy,
    door: Door,
    _registries: [Registry; 3],
    _tokens_one: TokenServer,
    _dir: TempDir,
    _turn: Turn,
}

impl Three {
    fn start(default: Default, programs: &[&str]) -> Option<Three> {
        let turn = begin(&[&["docker-registry", "openssl", "skopeo"], programs].concat())?;
        let dir = tempfile::tempdir().unwrap();
        let store = |seed, repositories: &[&str]| Store::small(dir.path(), seed, repositories);
        let (one, two) = (
            store(11, &["team/app", "private/app"]),
            store(22, &["team/app"]),
        );
        let three = store(33, &["team/app"]);
        let [tokens_one, tokens_two] = ["one", "two"].map(|name| {
            let own = dir.path().join(name);
            std::fs::create_dir(&own).unwrap();
            TokenServer::start(&own, None)
        });
        let registries = [
            Setup {
                tokens: (default == Default::Tokens).then_some(&tokens_one),
                ..Setup::default()
            }
            .start(&one.root),
            Setup {
                tokens: Some(&tokens_two),
                ..Setup::default()
            }
            .start(&two.root),
            Setup::default().start(&three.root),
        ];
        let to_two = Forwarder::start(registries[1].addr());
        let upstreams = [
            format!("one.test={}", registries[0].url()),
            format!("two.test=http://{}", to_two.addr()),
            format!("three.test={}", registries[2].url()),
        ];
        let mut args: Vec<&str> = upstreams
            .iter()
            .flat_map(|upstream| ["--upstream", upstream])
            .collect();
        args.extend([
            "--upstream-alias",
            "two.test=alias.test",
            "--upstream-alias",
            "three.test=localhost",
        ]);
        let (docxy, door) = one_door(&args);
        let _registries = registries;
        let (_tokens_one, _dir, _turn) = (tokens_one, dir, turn);
        Some(Three {
            one,
            two,
            three,
            to_two,
            tokens_two,
            docxy,
            door,
            _registries,
            _tokens_one,
            _dir,
            _turn,
        })
    }

    /// What an engine names by path, and which image that is. Without a prefix it is the default upstream's.
    fn by_path(&self) -> [Pull<'_>; 5] {
        [
            Pull::new(&self.door, "team/app", &self.one.image),
            Pull::new(&self.door, "one.test/team/app", &self.one.image),
            Pull::new(&self.door, "two.test/team/app", &self.two.image),
            Pull::new(&self.door, "alias.test/team/app", &self.two.image),
            Pull::new(&self.door, "three.test/team/app", &self.three.image),
        ]
    }

    /// The same docxy by a Host that is an alias of the third upstream.
    fn door_by_alias(&self) -> Door {
        Door {
            authority: format!("localhost:{}", self.docxy.addr().port()),
            ca: None,
        }
    }

    /// Nothing of the login for the default upstream has reached the second one or its token server.
    fn assert_two_saw_no_login(&self) {
        let sent = self.to_two.sent();
        assert!(
            sent.contains("/v2/team/app/manifests/"),
            "the second registry was asked"
        );
        assert!(
            !sent.contains("Basic ") && !sent.contains(PASSWORD),
            "{sent}"
        );
        let asked = self.tokens_two.seen();
        assert!(!asked.is_empty(), "the second token server was asked");
        for request in asked {
            assert_eq!(request.field("authorization"), None, "{request:?}");
            let text = format!("{}\n{}", request.target, request.body);
            let leak = [USER, PASSWORD, "refresh_token=", "password="]
                .into_iter()
                .find(|part| text.contains(part));
            assert_eq!(leak, None, "{request:?}");
        }
    }
}

fn skopeo_by_path(default: Default) {
    let Some(three) = Three::start(default, &[]) else {
        return;
    };
    for pull in three.by_path() {
        skopeo::pull(pull).unwrap();
        skopeo::pull(pull.with_login(ALICE)).unwrap();
    }
    three.assert_two_saw_no_login();
}

fn podman_by_path(default: Default) {
    let Some(three) = Three::start(default, &["podman"]) else {
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

fn docker_by_path(default: Default) {
    let Some(three) = Three::start(default, &["dockerd", "docker"]) else {
        return;
    };
    let docker = Docker::start_with_mirror(&three.door);
    // Docker keeps one login for docxy, so it goes out with all of these.
    if default == Default::Tokens {
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

fn containerd_by_path_and_ns(default: Default) {
    let Some(three) = Three::start(default, &["containerd", "ctr"]) else {
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
    skopeo_by_path(Default::Tokens);
}

#[test]
fn skopeo_by_path_default_without_tokens() {
    skopeo_by_path(Default::Open);
}

#[test]
fn podman_by_path_default_with_tokens() {
    podman_by_path(Default::Tokens);
}

#[test]
fn podman_by_path_default_without_tokens() {
    podman_by_path(Default::Open);
}

#[test]
fn docker_by_path_default_with_tokens() {
    docker_by_path(Default::Tokens);
}

#[test]
fn docker_by_path_default_without_tokens() {
    docker_by_path(Default::Open);
}

#[test]
fn containerd_by_path_and_ns_default_with_tokens() {
    containerd_by_path_and_ns(Default::Tokens);
}

#[test]
fn containerd_by_path_and_ns_default_without_tokens() {
    containerd_by_path_and_ns(Default::Open);
}

#[test]
fn an_alias_chooses_by_host() {
    let Some(three) = Three::start(Default::Open, &["podman"]) else {
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
    let Some(three) = Three::start(Default::Tokens, &[]) else {
        return;
    };
    for repository in ["private/app", "one.test/private/app"] {
        let pull = Pull::new(&three.door, repository, &three.one.image);
        skopeo::pull(pull).expect_err("nothing without a login");
        skopeo::pull(pull.with_login(ALICE)).unwrap();
    }
}
