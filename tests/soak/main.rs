//! The soak: pulls by real clients and by scripted ones for as long as is asked for, from a registry with every fault that
//! registries have, beside clients that behave badly and reloads. `make soak`, or `make soak MINUTES=60`.
//!
//! At its end every pull has arrived, byte for byte, and docxy is where it began: descriptors, memory, connections.
#![allow(clippy::unwrap_used, reason = "a soak that cannot go on fails")]

#[path = "../e2e/certificates.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod certificates;
#[path = "../support/docxy.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with other tests")]
mod docxy;
#[path = "../e2e/door.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod door;
#[path = "../e2e/engines/mod.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod engines;
#[path = "../e2e/image.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod image;
#[path = "../e2e/programs.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod programs;
#[path = "../support/wire/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "shared with other tests"
)]
mod wire;

// What is pulled, from whom.
mod faults;
mod origin;

// Who pulls, and who gets in the way.
mod nuisance;
mod pulls;
mod real;
mod tally;

// What is looked at.
mod subject;

use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use door::Door;
use image::Image;
use origin::Origin;
use subject::Subject;
use tally::Tally;
use wire::tls::Identity;

/// How long it takes where nothing else is said.
const MINUTES: u64 = 10;

/// Scripted clients whose every pull has to succeed at once, and such as see faults that no proxy can hide.
const GENTLE: u64 = 6;
const ROUGH: u64 = 4;

/// Clients that behave badly.
const NUISANCES: u64 = 3;

/// Between two reloads.
const RELOAD: Duration = Duration::from_secs(5);

/// By when idle connections to upstreams have expired, with time to spare on a busy machine.
const SETTLED: Duration = Duration::from_secs(90);

/// How much more memory docxy may have at the end than when it had just started, in kB (PSS): buffers and pages of code that
/// were touched, and what the allocator keeps. It does not depend on how long the soak took.
const MEMORY_BOUND: u64 = 16_000;

/// The size of the layer that both platforms share.
const LAYER: usize = 3_000_000;

fn main() -> ExitCode {
    let minutes = std::env::var("MINUTES").map_or(MINUTES, |minutes| {
        minutes.parse().expect("MINUTES is a whole number")
    });
    let tally = Arc::new(Tally::until(
        Instant::now() + Duration::from_secs(60 * minutes),
    ));
    tally::count_panics(&tally);

    let dir = tempfile::tempdir().unwrap();
    let image = Arc::new(Image::oci(&dir.path().join("image"), 1, LAYER));
    let identity = Identity::new();
    let origin = Origin::start(&image, &identity);
    let subject = Subject::start(dir.path(), &identity, &origin);
    let began = subject.condition();

    println!("soaking for {minutes} min");
    soak(&subject, &image, &identity, &tally);
    println!("{tally}{}\nfaults: {}", subject.report(), origin.report());

    settle(&subject, &began, &tally);
    let ended = subject.condition();
    println!("at the beginning: {began}\nat the end: {ended}");
    if ended.memory > began.memory + MEMORY_BOUND {
        tally.complain(&format!(
            "more than {MEMORY_BOUND} kB more than at the beginning"
        ));
    }
    subject.stop(&tally);
    match tally.complaints() {
        0 => ExitCode::SUCCESS,
        count => {
            println!("FAILED, with {count} complaints");
            ExitCode::FAILURE
        }
    }
}

/// Everybody at once until the time is over.
fn soak(subject: &Subject, image: &Arc<Image>, identity: &Identity, tally: &Arc<Tally>) {
    let (plain, tls) = (subject.plain(), subject.tls());
    let door = Door {
        authority: plain.to_string(),
        ca: None,
    };
    thread::scope(|scope| {
        for number in 0..GENTLE + ROUGH {
            let trust = (number % 3 == 0).then(|| identity.client(&[]));
            let addr = if trust.is_some() { tls } else { plain };
            let manner = if number < GENTLE {
                pulls::Manner::Gentle
            } else {
                pulls::Manner::Rough
            };
            scope.spawn(move || pulls::run(addr, trust, manner, number, image, tally));
        }
        for number in 0..NUISANCES {
            scope.spawn(move || nuisance::run(plain, number, image, tally));
        }
        for engine in [real::skopeo, real::podman, real::containerd] {
            let door = &door;
            scope.spawn(move || engine(door, image, tally));
        }
        while !tally.is_over() {
            sleep(RELOAD.min(tally.left()));
            subject.reload();
        }
    });
}

/// Waits until as many descriptors are open as in the beginning.
fn settle(subject: &Subject, began: &subject::Condition, tally: &Tally) {
    let deadline = Instant::now() + SETTLED;
    while subject.condition().descriptors > began.descriptors {
        if Instant::now() > deadline {
            let open = subject.open();
            return tally.complain(&format!("descriptors are left: {open:#?}"));
        }
        sleep(Duration::from_millis(500));
    }
}
