//! Clients that ask for a blob and stop reading it: what each of them costs, by what is spoken on either side.

use crate::crowd::Stand;
use crate::wire::{Answer, Ask, noise};

/// So many that a page more or less does not count.
const CLIENTS: u64 = 64;

/// What each may cost, in kB, by whether the client and whether the registry speaks TLS.
type Limits = [(bool, bool, u64); 4];

#[test]
fn a_client_that_reads_nothing_costs_little() {
    let limits = [
        (false, false, 16),
        (false, true, 112),
        (true, false, 32),
        (true, true, 80),
    ];
    // More than the kernel holds for such a client, so that docxy could go on reading.
    check(2_000_000, 0, limits);
}

#[test]
fn a_client_that_stops_half_way_costs_little_more() {
    let limits = [
        (false, false, 16),
        (false, true, 112),
        (true, false, 56),
        (true, true, 112),
    ];
    // As fast as it can, so that docxy reads in its largest pieces.
    let taken = 6_000_000;
    check(4 * taken, taken, limits);
}

/// Has clients ask for a blob of `length` bytes and stop when they have taken so many of them.
fn check(length: usize, taken: usize, limits: Limits) {
    let directory = tempfile::tempdir().unwrap();
    let path = format!("/v2/library/noise/blobs/sha256:{}", "0".repeat(64));
    let costs = limits.map(|(client, registry, _)| {
        let answer = Answer::ok(noise(length));
        let stand = Stand::start(answer, directory.path(), client, registry);
        let come = || {
            let mut client = stand.client();
            client.send(Ask::get(&path).bytes());
            client.take(taken).unwrap();
            client
        };
        stand.cost(CLIENTS, come) / 1024
    });
    println!("{costs:?} kB of {limits:?}");
    for (cost, limit) in costs.into_iter().zip(limits) {
        assert!(cost <= limit.2, "{cost} kB of {limit:?}");
    }
}
