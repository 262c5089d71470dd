//! Four engines at once through three listeners of one docxy, from a registry like those of the world.

use std::thread;

use super::certificates::Authority;
use super::docxy::Docxy;
use super::door::Door;
use super::engines::containerd::{Containerd, HostsToml};
use super::engines::docker::Docker;
use super::engines::podman::Podman;
use super::engines::{Pull, skopeo};
use super::origin::{Kind, NAME, Origin};
use super::programs::begin;
use super::store::large;

#[test]
fn four_engines_at_once() {
    let programs = [
        "docker-registry",
        "openssl",
        "skopeo",
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
    let authority = Authority::new(dir.path(), "docxy-ca");
    let leaf = authority.issue(dir.path(), "docxy");
    let origin = Origin::start(Kind::World);
    let mut args = origin.docxy_args();
    for listen in [
        "http://127.0.0.1:0",
        "http://127.0.0.1:0",
        "https://127.0.0.1:0",
    ] {
        args.extend(["--listen".to_owned(), listen.to_owned()]);
    }
    args.extend(["--tls-cert".to_owned(), leaf.cert.display().to_string()]);
    args.extend(["--tls-key".to_owned(), leaf.key.display().to_string()]);
    let docxy = Docxy::start(&args.iter().map(String::as_str).collect::<Vec<_>>());
    docxy.wait_for_lines("listening on ", 3);
    let addrs = docxy.listeners();
    let door = |at: usize, ca| Door {
        authority: addrs[at].to_string(),
        ca,
    };
    let doors = [
        door(0, None),
        door(1, None),
        door(2, Some(authority.dir().to_owned())),
    ];
    let pull = |at: usize| Pull::new(&doors[at], "lib/multi", &large().image);
    let (podman, containerd) = (Podman::new(), Containerd::start());
    let docker = Docker::start_with_mirror(&doors[0]);
    thread::scope(|scope| {
        scope.spawn(|| skopeo::pull(pull(2)).unwrap());
        scope.spawn(|| podman.pull(pull(1)).unwrap());
        scope.spawn(|| {
            containerd
                .pull_from(pull(2), NAME, HostsToml::default())
                .unwrap()
        });
        scope.spawn(|| {
            docker
                .pull_reference(&large().image, "multi:latest")
                .unwrap()
        });
    });
    origin.assert_cdn_saw_no_credentials();
}
