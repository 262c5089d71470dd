//! Panics on request, where they [are provoked](are_provoked).

use std::cell::Cell;

use crate::http::head::RequestHead;
use crate::panics::are_provoked;

thread_local! {
    static IN_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Panics in the task of a connection that asks for it, or has its worker do so.
pub(super) fn in_task(head: &RequestHead) {
    if !head.target().starts_with("/panic/") || !are_provoked() {
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
