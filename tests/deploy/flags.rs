//! What `docxy --help` knows, to hold files against that name flags and variables.

use std::process::Command;

use super::programs::run;

/// docxy's own `--drain` in seconds, if nothing else is said.
pub(crate) const DRAIN: u64 = 300;

/// Asserts that these are variables of docxy's.
pub(crate) fn assert_variables<'a>(names: impl IntoIterator<Item = &'a str>) {
    let help = run(Command::new(env!("CARGO_BIN_EXE_docxy")).arg("--help")).unwrap();
    for name in names {
        assert!(
            help.contains(&format!("[env: {name}=")),
            "{name} is no variable of docxy's"
        );
    }
}

/// A duration as Kubernetes, compose and docxy write it, in seconds.
pub(crate) fn seconds(text: &str) -> u64 {
    text.trim_end_matches('s').parse().unwrap()
}
