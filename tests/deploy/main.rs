//! What is in `deploy/`: units, container files, Kubernetes manifests and scripts, by the programs that read them where
//! they are to be had, and against docxy's own flags. The static binary has tests of its own, in `tests/static`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/docxy.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with other tests, which use other parts of it"
)]
mod docxy;
#[path = "../e2e/programs.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod programs;
#[path = "../support/wire/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "shared with other tests, which use other parts of it"
)]
mod wire;

mod flags;

// The tests.
mod compose;
mod install;
mod kubernetes;
mod limits;
mod scripts;
mod threats;
mod units;

use std::path::PathBuf;

/// A file of the repository.
fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What is in it.
fn text(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The YAML documents in it.
fn yaml(path: &str) -> Vec<yaml_rust2::Yaml> {
    let documents = yaml_rust2::YamlLoader::load_from_str(&text(path));
    documents.unwrap_or_else(|error| panic!("{path}: {error}"))
}
