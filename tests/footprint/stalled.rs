//! Clients that ask for a blob and read nothing of it: what each of them costs, by what is spoken on either side.

use crate::crowd::Stand;
use crate::wire::{Answer, Ask, noise};

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
        stand.cost(CLIENTS, |client| client.send(Ask::get(&path).bytes())) / 1024
    });
    println!("{costs:?} kB of {LIMITS:?}");
    for (cost, limit) in costs.into_iter().zip(LIMITS) {
        assert!(cost <= limit.2, "{cost} kB of {limit:?}");
    }
}
