//! A panic is a fault of docxy's own. It costs the task that it is in, and is told in one line of the log.

use std::panic::{self, AssertUnwindSafe, catch_unwind};
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

#[cfg(test)]
mod tests {
    use super::*;

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
