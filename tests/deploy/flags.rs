//! What `docxy --help` knows, to hold files against that name flags and variables.

use std::process::Command;
use std::time::Duration;

use super::programs::run;

/// The text of `docxy --help`.
pub(crate) fn help() -> String {
    run(Command::new(env!("CARGO_BIN_EXE_docxy")).arg("--help")).unwrap()
}

/// Asserts that these are variables of docxy's.
pub(crate) fn assert_variables<'a>(names: impl IntoIterator<Item = &'a str>) {
    let help = help();
    for name in names {
        assert!(
            help.contains(&format!("[env: {name}=")),
            "{name} is no variable of docxy's"
        );
    }
}

/// A duration as Kubernetes, compose and docxy write it, in seconds.
pub(crate) fn seconds(text: &str) -> u64 {
    let digits = text.strip_suffix('s').unwrap_or(text);
    Duration::from_secs(digits.parse().unwrap()).as_secs()
}

/// docxy's own `--drain`, if nothing else is said.
pub(crate) const DRAIN: u64 = 300;
