//! A stop during a pull: what runs is finished, and docxy ends with 0.

use std::net::TcpStream;

use super::door::{Door, one_door};
use super::engines::podman::Podman;
use super::engines::{Pull, skopeo};
use super::forwarder::Forwarder;
use super::programs::{Running, begin};
use super::registry::Setup;
use super::store::large;

/// The layer takes four seconds at this rate, and its first tenth is here when the signal comes.
const RATE: usize = 12_000_000;
const FIRST_TENTH: u64 = 5_000_000;

/// Starts a pull through docxy, stops docxy in the middle of the layer, and waits for both to end well.
fn stop_during(pull: impl Fn(Pull<'_>) -> Running) {
    let registry = Setup::default().start(&large().root);
    let slow = Forwarder::throttled(registry.addr(), RATE);
    let upstream = format!("origin.test=http://{}", slow.addr());
    let (docxy, door) = one_door(&["--upstream", &upstream]);
    let mut pulling = pull(Pull::new(&door, "lib/multi", &large().image));
    assert!(
        pulling.wait_until(|_| slow.received() > FIRST_TENTH),
        "{}",
        pulling.log()
    );
    docxy.signal("TERM");
    assert!(
        pulling.wait_until(|_| is_closed(&door)),
        "the pull outlives the listener:\n{}",
        pulling.log()
    );
    let at_close = slow.received();
    assert!(
        at_close < 50_000_000,
        "the signal came during the layer, not after {at_close} bytes"
    );
    pulling.finish().unwrap();
    let (status, log) = docxy.wait();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    let layer = format!("/blobs/{} status=200", large().image.largest());
    assert!(log.iter().any(|line| line.contains(&layer)), "{log:#?}");
}

fn is_closed(door: &Door) -> bool {
    TcpStream::connect(&door.authority).is_err()
}

#[test]
fn podman_finishes_its_pull() {
    let Some(_turn) = begin(&["docker-registry", "skopeo", "podman"]) else {
        return;
    };
    let podman = Podman::new();
    let dir = tempfile::tempdir().unwrap();
    stop_during(|pull| {
        Running::start(
            dir.path(),
            "podman",
            &mut podman.pull_command(pull, &pull.reference()),
        )
    });
    podman.assert_same_alone(&large().image);
}

#[test]
fn skopeo_finishes_its_pull() {
    let Some(_turn) = begin(&["docker-registry", "skopeo"]) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    stop_during(|pull| {
        Running::start(
            dir.path(),
            "skopeo",
            &mut skopeo::store_command(pull, dir.path()),
        )
    });
}
