//! How often one request may be tried: a few times, not for long, and after pauses that no two requests take alike.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// The shortest pauses before the tries after the first. Each is prolonged by up to its own length.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];

/// No try begins later than this after the first: clients wait 15 s and more for an answer, and one that says what is
/// wrong has to come before they give up. A handshake of 10 s leaves room for another.
const LAST_BEGIN: Duration = Duration::from_millis(10_500);

/// When the last try has to have led to a connection.
const LIMIT: Duration = Duration::from_secs(20);

/// The tries that a request has used, over all to whom redirects have led it.
#[derive(Clone, Copy, Debug)]
pub struct Tries {
    began: Instant,
    repeated: u32,
    allowed: u32,
}

impl Tries {
    /// Three tries from now on.
    pub fn new() -> Tries {
        Tries {
            began: Instant::now(),
            repeated: 0,
            allowed: 2,
        }
    }

    /// A single try, for requests that somebody else repeats.
    pub fn once() -> Tries {
        Tries {
            allowed: 0,
            ..Tries::new()
        }
    }

    /// How often the request was sent, or was to be sent, again.
    pub fn repeated(&self) -> u32 {
        self.repeated
    }

    /// When a connection has to stand that is made for another try.
    pub fn deadline(&self) -> Instant {
        self.began + LIMIT
    }

    /// Counts a try that is due whatever happened before: the connection, not the upstream, has failed.
    pub fn count(&mut self) {
        self.repeated += 1;
    }

    /// Counts another try and says how long to pause before it; `None` if there is to be none.
    pub fn again(&mut self) -> Option<Duration> {
        let shortest = PAUSES.get(self.repeated as usize)?;
        self.again_after(spread(*shortest))
    }

    /// The same after a pause that is given.
    pub fn again_after(&mut self, pause: Duration) -> Option<Duration> {
        let is_late = self.began.elapsed() + pause > LAST_BEGIN;
        if self.repeated >= self.allowed || is_late {
            return None;
        }
        self.repeated += 1;
        Some(pause)
    }
}

impl Default for Tries {
    fn default() -> Tries {
        Tries::new()
    }
}

/// A pause of once to twice this length: those who failed together do not come back together.
pub fn spread(shortest: Duration) -> Duration {
    let part = RandomState::new().hash_one(()) % 1024;
    shortest + shortest.mul_f64(part as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn there_are_three_tries_with_growing_pauses() {
        let mut tries = Tries::new();
        let (first, second) = (tries.again().unwrap(), tries.again().unwrap());
        assert!((PAUSES[0]..2 * PAUSES[0]).contains(&first), "{first:?}");
        assert!((PAUSES[1]..2 * PAUSES[1]).contains(&second), "{second:?}");
        assert_eq!((tries.again(), tries.repeated()), (None, 2));
        assert_eq!(tries.again_after(Duration::ZERO), None);
        assert_eq!(Tries::once().again(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_anyway_counts() {
        let mut tries = Tries::new();
        tries.count();
        assert!(tries.again().is_some());
        assert_eq!((tries.again(), tries.repeated()), (None, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn late_tries_do_not_begin() {
        let mut tries = Tries::new();
        advance(Duration::from_secs(10)).await;
        assert!(tries.again().is_some(), "after a handshake of 10 s");
        assert_eq!(
            tries.deadline() - Instant::now(),
            Duration::from_secs(10),
            "of twenty"
        );
        let mut tries = Tries::new();
        advance(Duration::from_millis(10_500)).await;
        assert_eq!((tries.again(), tries.repeated()), (None, 0));
        assert_eq!(tries.again_after(Duration::from_millis(1)), None);
        assert!(tries.again_after(Duration::ZERO).is_some());
        let mut tries = Tries::new();
        advance(Duration::from_secs(6)).await;
        assert_eq!(tries.again_after(Duration::from_secs(5)), None);
    }

    #[test]
    fn pauses_differ() {
        let pauses: std::collections::HashSet<_> =
            (0..100).map(|_| spread(Duration::from_secs(1))).collect();
        assert!(pauses.len() > 50, "{}", pauses.len());
    }
}
