//! Pulls by the engines that are installed. Where one is missing the soak says so and goes on.

use crate::door::Door;
use crate::engines::containerd::Containerd;
use crate::engines::podman::Podman;
use crate::engines::{Pull, skopeo as by_skopeo};
use crate::image::Image;
use crate::programs::{Outcome, begin};
use crate::tally::Tally;

/// skopeo, one copy after another.
pub(crate) fn skopeo(door: &Door, image: &Image, tally: &Tally) {
    if is_here(&["skopeo"]) {
        let pull = Pull::new(door, "skopeo/app", image);
        repeat("skopeo", tally, || by_skopeo::pull(pull));
    }
}

/// podman, one pull after another into an empty storage.
pub(crate) fn podman(door: &Door, image: &Image, tally: &Tally) {
    if is_here(&["podman"]) {
        let (podman, pull) = (Podman::new(), Pull::new(door, "podman/app", image));
        repeat("podman", tally, || {
            let outcome = podman.pull(pull);
            podman.forget();
            outcome
        });
    }
}

/// containerd, one pull after another into an empty store.
pub(crate) fn containerd(door: &Door, image: &Image, tally: &Tally) {
    if is_here(&["containerd", "ctr"]) {
        let (containerd, pull) = (Containerd::start(), Pull::new(door, "ctr/app", image));
        repeat("containerd", tally, || {
            let outcome = containerd.pull(pull);
            containerd.forget();
            outcome
        });
    }
}

/// Whether these are installed. Their turn is not waited for: here all run at once.
fn is_here(programs: &[&str]) -> bool {
    begin(programs).is_some()
}

fn repeat(name: &'static str, tally: &Tally, pull: impl Fn() -> Outcome) {
    while !tally.is_over() {
        match pull() {
            Ok(_) => tally.pulled(name),
            Err(said) => tally.complain(&format!("{name}: {said}")),
        }
    }
}
