//! Clients that ask for a blob and read nothing of it: what each of them costs, by what is spoken on either side.

use crate::crowd::Stand;
use crate::wire::{Answer, Ask, noise};

/// What a client takes before it stops, in bytes: as fast as it can, so that docxy reads in its largest pieces.
const TAKEN: usize = 6_000_000;

/// What each that stops half-way may cost, in kB, with TLS on both sides: no more than one that has not begun, and a little.
const HALF_WAY: u64 = 112;

/// So many that a page more or less does not count.
const CLIENTS: u64 = 64;

/// What each may cost, in kB, by whether the client and whether the registry speaks TLS.
const LIMITS: [(bool, bool, u64); 4] = [
    (false, false, 16),
    (false, true, 112),
    (true, false, 32),
    (true, true, 80),
];

#[test]
fn a_client_that_reads_nothing_costs_little() {
    let directory = tempfile::tempdir().unwrap();
    let path = format!("/v2/library/noise/blobs/sha256:{}", "0".repeat(64));
    let costs = LIMITS.map(|(client, registry, _)| {
        // More than the kernel holds for such a client, so that docxy could go on reading.
        let answer = Answer::ok(noise(2_000_000));
        let stand = Stand::start(answer, directory.path(), client, registry);
        let come = || {
            let mut client = stand.client();
            client.send(Ask::get(&path).bytes());
            client
        };
        stand.cost(CLIENTS, come) / 1024
    });
    println!("{costs:?} kB of {LIMITS:?}");
    for (cost, limit) in costs.into_iter().zip(LIMITS) {
        assert!(cost <= limit.2, "{cost} kB of {limit:?}");
    }
}

#[test]
fn a_client_that_stops_half_way_costs_little_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = format!("/v2/library/noise/blobs/sha256:{}", "0".repeat(64));
    let stand = Stand::start(Answer::ok(noise(4 * TAKEN)), directory.path(), true, true);
    let come = || {
        let mut client = stand.client();
        client.send(Ask::get(&path).bytes());
        client.take(TAKEN).unwrap();
        client
    };
    let cost = stand.cost(CLIENTS, come) / 1024;
    println!("{cost} kB of {HALF_WAY}");
    assert!(cost <= HALF_WAY, "{cost} kB");
}
