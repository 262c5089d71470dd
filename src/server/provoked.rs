//! Panics on request, so that tests see what one costs. Only in builds with debug assertions, and only if the environment asks
//! for them.

use std::cell::Cell;
use std::env;

use crate::http::head::RequestHead;

/// The variable without which nothing here does anything.
const VARIABLE: &str = "DOCXY_PROVOKE_PANICS";

thread_local! {
    static IN_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Panics in the task of a connection that asks for it, or has its worker do so.
pub(super) fn in_task(head: &RequestHead) {
    if !head.target().starts_with("/panic/") || env::var_os(VARIABLE).is_none() {
        return;
    }
    match head.target() {
        "/panic/task" => panic!("as asked"),
        "/panic/worker" => IN_WORKER.set(true),
        _ => {}
    }
}

/// Panics if a task of this worker was asked to have it done.
pub(super) fn in_worker() {
    assert!(!IN_WORKER.take(), "as asked");
}
