//! Two replicas of docxy behind a TCP balancer that sends each connection of a pull to the other one: nothing is kept
//! between requests that another replica cannot find again.

use super::docxy::Docxy;
use super::engines::docker::Docker;
use super::engines::podman::Podman;
use super::engines::{Login, Pull, skopeo};
use super::fronts::{CLIENT, Front, Workshop};
use super::origin::{Kind, Origin};
use super::programs::begin;
use super::store::large;
use super::three::{First, Three};
use super::tokens::{PASSWORD, USER};

/// What a client of a private image has.
const ALICE: Login<'static> = Login {
    user: USER,
    password: PASSWORD,
};

/// Two docxys with the same flags, and HAProxy before them.
struct Replicas {
    replicas: [Docxy; 2],
    front: Front,
    _workshop: Workshop,
}

impl Replicas {
    fn start(args: &[String]) -> Replicas {
        let workshop = Workshop::new();
        let mut all = vec![
            "--listen",
            "proxy+https://127.0.0.1:0",
            "--trusted-proxy",
            "127.0.0.1",
        ];
        all.extend(workshop.tls_flags());
        all.extend(args.iter().map(String::as_str));
        let replicas = [Docxy::start(&all), Docxy::start(&all)];
        let [one, two] = [0, 1].map(|at: usize| replicas[at].addr().to_string());
        let servers = [("10.0.0.11:443", &*one), ("10.0.0.12:443", &*two)];
        let front = workshop.haproxy("haproxy-replicas.cfg", &servers);
        Replicas {
            replicas,
            front,
            _workshop: workshop,
        }
    }

    /// Both have served parts of what was pulled, and neither has failed at anything.
    fn assert_both_served(&self) {
        for replica in &self.replicas {
            replica.wait_for_line(&format!(" client={CLIENT} "));
            let lines = replica.log();
            for part in ["/manifests/", "/blobs/", "/token"] {
                let served = |line: &String| line.contains(part) && line.contains(" status=200 ");
                assert!(lines.iter().any(served), "no {part} in {lines:#?}");
            }
            let is_bad = |line: &String| line.contains(" error=") || line.contains(" status=50");
            assert!(!lines.iter().any(is_bad), "{lines:#?}");
        }
    }
}

#[test]
fn pulls_with_tokens_and_redirects_over_two_replicas() {
    let Some(_turn) = begin(&["docker-registry", "openssl", "skopeo", "podman", "haproxy"]) else {
        return;
    };
    let origin = Origin::start(Kind::Redirect);
    let mut replicas = Replicas::start(&origin.docxy_args());
    let door = replicas.front.door.clone();
    let podman = Podman::new();
    // Each pull begins at the replica at which the one before has ended, so several show both orders.
    for repository in ["lib/multi", "private/multi", "lib/multi"] {
        let mut pull = Pull::new(&door, repository, &large().image);
        if repository.starts_with("private/") {
            pull = pull.with_login(ALICE);
        }
        skopeo::pull(pull).unwrap();
        podman.pull(pull).unwrap();
        podman.forget();
    }
    replicas.assert_both_served();
    origin.assert_cdn_saw_no_credentials();

    // One is gone without a word: the balancer takes the other.
    replicas.replicas[1] = Docxy::start(&["--listen", "127.0.0.1:0"]);
    for _ in 0..2 {
        skopeo::pull(Pull::new(&door, "lib/multi", &large().image)).unwrap();
    }
}

#[test]
fn pulls_from_several_upstreams_over_two_replicas() {
    let Some(mut three) = Three::start(First::Tokens, &["podman", "haproxy", "dockerd", "docker"])
    else {
        return;
    };
    let replicas = Replicas::start(&three.docxy_args());
    three.door = replicas.front.door.clone();
    let podman = Podman::new();
    let docker = Docker::start(&[&three.door]);
    for pull in three.by_path() {
        skopeo::pull(pull).unwrap();
        skopeo::pull(pull.with_login(ALICE)).unwrap();
        podman.pull(pull).unwrap();
        podman.forget();
        docker.pull(pull).unwrap();
        docker.forget();
    }
    three.assert_two_saw_no_login();
    replicas.assert_both_served();
}
