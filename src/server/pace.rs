//! How fast a client takes a body, which decides how much of it is read at once.

use std::time::{Duration, Instant};

use crate::conn::buffer;
use crate::server::ahead;

/// A client that takes this long for what its socket has no room for is a slow one. What is held for it meanwhile is not worth
/// the turns and wake-ups that larger pieces save.
const SLOW: Duration = Duration::from_millis(200);

/// The pace of one client within one body.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// What has passed since the client was slow.
    at_speed: u64,
    waits_since: Option<Instant>,
}

impl Pace {
    /// How many bytes one read is to take.
    pub(super) fn piece(&self) -> usize {
        if self.at_speed < ahead::PROOF {
            buffer::BODY
        } else {
            buffer::WIDE
        }
    }

    /// So many bytes have passed.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.at_speed += bytes as u64;
    }

    /// The client is waited for from now on, if it is not already.
    pub(super) fn wait(&mut self) {
        self.waits_since.get_or_insert_with(Instant::now);
    }

    /// The client is not waited for any more, if it was.
    pub(super) fn go_on(&mut self) {
        if let Some(since) = self.waits_since.take() {
            self.waited(since.elapsed());
        }
    }

    fn waited(&mut self, long: Duration) {
        if long >= SLOW {
            self.at_speed = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABYTE: usize = 1024 * 1024;

    #[test]
    fn who_keeps_up_gets_larger_pieces() {
        let mut pace = Pace::default();
        let pieces = [(); 5].map(|()| {
            let piece = pace.piece();
            pace.pass(MEGABYTE);
            pace.wait();
            pace.waited(SLOW - Duration::from_millis(1));
            piece
        });
        assert_eq!(pieces[..4], [buffer::BODY; 4]);
        assert_eq!(pieces[4], buffer::WIDE);
        pace.waited(SLOW);
        assert_eq!(pace.piece(), buffer::BODY);
        pace.pass(4 * MEGABYTE);
        assert_eq!(pace.piece(), buffer::WIDE, "it has caught up");
    }

    #[test]
    fn a_wait_lasts_until_it_goes_on() {
        let mut pace = Pace::default();
        pace.pass(4 * MEGABYTE);
        pace.waits_since = Instant::now().checked_sub(SLOW);
        pace.wait();
        pace.go_on();
        assert_eq!(pace.piece(), buffer::BODY, "it had waited since before");
        pace.pass(4 * MEGABYTE);
        pace.go_on();
        assert_eq!(pace.piece(), buffer::WIDE, "it was not waited for");
    }
}
