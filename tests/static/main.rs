//! The static binary: small, in need of nothing around it, in a container and on another architecture. `make test-static`
//! builds it and says where it is: `DOCXY_STATIC`, and `DOCXY_STATIC_AARCH64` for the one that was cross-built.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/docxy.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with other tests, which use other parts of it"
)]
mod docxy;
#[path = "../e2e/namespace.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod namespace;
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

// Where it runs.
mod built;
mod root;

// The tests.
mod alone;
mod emulated;
mod file;
mod idle;
mod image;
mod names;
