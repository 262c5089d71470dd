//! The shell scripts of the repository, by shellcheck.

use std::process::Command;

use super::file;
use super::programs::{begin, run};

#[test]
fn shellcheck_finds_nothing() {
    let Some(_turn) = begin(&["shellcheck"]) else {
        return;
    };
    let scripts = [
        "deploy/install.sh",
        "deploy/build-static",
        "deploy/build-image",
        "tests/setup",
        ".ci/run",
    ];
    run(Command::new("shellcheck").args(scripts.map(file))).unwrap();
}
