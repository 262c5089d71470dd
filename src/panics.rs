//! A panic is a fault of docxy's own. It costs the task that it is in, and is told in one line of the log.

use std::future::poll_fn;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::thread;

use crate::log::Log;

/// Has panics told by `log`. Where they were is enough to find them; what they say may quote what a client has sent.
pub fn tell(log: Log) {
    panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string);
        let place = place.as_deref().unwrap_or("an unknown place");
        log.error(format_args!(
            "a fault in docxy at {place} ({}); what it was doing has ended, all else goes on; please report it",
            thread::current().name().unwrap_or("unnamed thread")
        ));
    }));
}

/// Does `work` to its end; after a panic it is begun again.
pub fn outlive(mut work: impl FnMut()) {
    while catch_unwind(AssertUnwindSafe(&mut work)).is_err() {}
}

/// What `work` comes to; `None` if it has panicked.
pub async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| {
        let step = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        step.map_or(Poll::Ready(None), |polled| polled.map(Some))
    })
    .await
}

/// Whether panics are to be provoked, so that tests see what one costs. Only in builds with debug assertions, and only if the
/// environment asks for them.
#[cfg(debug_assertions)]
pub fn are_provoked() -> bool {
    std::env::var_os("DOCXY_PROVOKE_PANICS").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::yield_now;

    #[tokio::test]
    async fn a_panic_at_any_step_ends_its_work_alone() {
        for steps in 0..3 {
            let work = async |fails: bool| {
                for _ in 0..steps {
                    yield_now().await;
                }
                assert!(!fails, "as the test wants");
                steps
            };
            assert_eq!(caught(work(false)).await, Some(steps));
            assert_eq!(caught(work(true)).await, None);
        }
    }

    #[test]
    fn what_has_panicked_is_begun_again() {
        let mut begun = 0;
        outlive(|| {
            begun += 1;
            assert!(begun == 3, "as the test wants");
        });
        assert_eq!(begun, 3);
    }
}
