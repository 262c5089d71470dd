//! Clients that have had a manifest and keep the connection: what each of them costs, with TLS and without.

use crate::crowd::Stand;
use crate::wire::{Answer, Ask};

/// So many that what is kept for a few at a time does not count.
const CLIENTS: u64 = 1000;

/// What each may cost, in bytes, by whether it speaks TLS.
const LIMITS: [(bool, u64); 2] = [(false, 2_048), (true, 16_384)];

#[test]
fn a_client_that_is_idle_costs_next_to_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = Ask::get("/v2/library/a/manifests/latest");
    let costs = LIMITS.map(|(tls, _)| {
        let stand = Stand::start(Answer::ok("{}"), directory.path(), tls, tls);
        stand.cost(CLIENTS, || {
            let mut client = stand.client();
            assert_eq!(client.ask(&manifest).text(), "{}");
            client
        })
    });
    println!("{costs:?} bytes of {LIMITS:?}");
    for (cost, limit) in costs.into_iter().zip(LIMITS) {
        assert!(cost <= limit.1, "{cost} bytes of {limit:?}");
    }
}
