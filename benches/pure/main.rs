//! The pure parts in bytes per second: no socket, no clock, no load. Each bench also asserts what it has made.
//!
//! `cargo bench --bench pure`; with `-- --test` each runs once.

mod challenges;
mod chunks;
mod heads;
mod recorded;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    heads::bench(&mut criterion);
    chunks::bench(&mut criterion);
    challenges::bench(&mut criterion);
    criterion.final_summary();
}
