//! Where the static binaries are.

use std::path::PathBuf;

use super::programs::skip;

/// The one for this machine.
///
/// # Panics
/// If nobody says where it is: then these tests are of no use.
pub(crate) fn native() -> PathBuf {
    variable("DOCXY_STATIC").expect("DOCXY_STATIC names the static binary; run `make test-static`")
}

/// The one for aarch64, if it could be built.
pub(crate) fn aarch64() -> Option<PathBuf> {
    let found = variable("DOCXY_STATIC_AARCH64").filter(|path| path.exists());
    if found.is_none() {
        skip("there is no static binary for aarch64");
    }
    found
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(|path| std::path::absolute(path).unwrap())
}
