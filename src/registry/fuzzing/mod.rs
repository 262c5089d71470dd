//! What must hold of registries' business for any bytes of a peer's, for a fuzzer to try: each function here panics where
//! it does not.
//!
//! The targets in `fuzz/` call them, and `cargo test` does with the seeds that are kept there.

mod challenge;
mod links;
mod range;
mod redirect;
mod rewrite;
mod route;
mod token;

pub use challenge::challenge;
pub use links::links;
pub use range::range;
pub use redirect::redirect;
pub use rewrite::rewrite;
pub use route::route;
pub use token::token;

use super::access::Access;
use super::table::{Table, UpstreamId};
use crate::http::uri::Target;

/// Stands between the parts of an input that has several, where it cannot be mistaken for one of their bytes.
const PART: u8 = 0x1e;

/// The parts of an input, as many as are wanted; those that are missing are empty.
fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut parts = data.splitn(N, |&b| b == PART);
    [(); N].map(|()| parts.next().unwrap_or_default())
}

/// An origin that is an upstream's, one that has another name of one, and a store, below another prefix.
const MOUNTS: [&str; 3] = [
    "/hub=https://registry-1.docker.io",
    "/ghcr=http://ghcr.io",
    "/hub/blob=https://cdn.test",
];

/// Several upstreams on one Host, with an alias and mounts.
fn shared_table() -> Table {
    let texts = [
        "docker.io",
        "ghcr.io",
        "corp=http://127.0.0.1:5100",
        "quay.io",
    ];
    let mut table = Table::of(&texts);
    table
        .add_alias("quay.io", "quay.mirror.test")
        .expect("nobody has it");
    for mount in MOUNTS {
        table.add_mount(mount).expect("a mount");
    }
    table
}

/// Rules for some of the upstreams of [`shared_table`].
fn rules(table: &Table) -> Access {
    let allow = ["docker.io/alpine", "ghcr.io/org/*", "corp/**"].map(str::to_owned);
    let deny = ["corp/secret/**", "ghcr.io/org/x-*"].map(str::to_owned);
    let mut access = Access::parse(&allow, table).expect("rules");
    access.deny_also(&deny, table).expect("rules");
    access
}

/// What stands in the path of every repository: nothing in it could be read as something else.
fn assert_repository(name: &str) {
    let is_in = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/".contains(&b);
    assert!(name.bytes().all(is_in), "{name:?}");
    assert!(!name.contains("..") && !name.contains("//"), "{name:?}");
    assert!(!name.starts_with('/') && !name.ends_with('/'), "{name:?}");
    assert!((1..=255).contains(&name.len()), "{name:?}");
}

/// A path and query that stands in a request line and is one word there.
fn assert_word(path_and_query: &str) {
    let is_in = |b: u8| b.is_ascii_graphic() && b != b'#';
    assert!(
        path_and_query.starts_with('/') && path_and_query.bytes().all(is_in),
        "{path_and_query:?}"
    );
}

/// A target of an upstream of a table.
fn target(table: &Table, upstream: UpstreamId, path_and_query: &str) -> Target {
    Target {
        origin: table.get(upstream).origin.clone(),
        path_and_query: path_and_query.to_owned(),
    }
}
