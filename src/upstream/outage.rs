//! Who could not be reached a moment ago: asking again at once would cost everyone the wait for another failure.
//!
//! Like the pool it knows neither connections nor a clock.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a failure is remembered; after it one request finds out whether it still holds.
const REMEMBERED: Duration = Duration::from_secs(2);

/// How long after that a failure says anything at all.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// Failures that are remembered. Redirects name whom they like, so this has to end somewhere.
const MAX_KEYS: usize = 1024;

/// Those who could not be reached.
#[derive(Debug)]
pub struct Outages<K> {
    down: Mutex<HashMap<K, Outage>>,
}

#[derive(Debug)]
struct Outage {
    until: Instant,
    why: Arc<str>,
}

/// What is known of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing bad.
    Good,
    /// It failed some time ago: whoever asks this is the one to find out more, and others wait for the outcome.
    Doubtful,
    /// It failed just now, for this reason.
    Down(Arc<str>),
}

impl<K> Default for Outages<K> {
    fn default() -> Outages<K> {
        Outages {
            down: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash> Outages<K> {
    /// What is known of `key`.
    pub fn standing(&self, key: &K, now: Instant) -> Standing {
        let mut down = self.lock();
        match down.get_mut(key) {
            Some(outage) if now < outage.until => Standing::Down(Arc::clone(&outage.why)),
            Some(outage) if now < outage.until + FORGOTTEN => {
                // One that never comes back holds up the others no longer than a failure would.
                outage.until = now + REMEMBERED;
                Standing::Doubtful
            }
            _ => Standing::Good,
        }
    }

    /// Remembers that `key` could not be reached.
    pub fn failed(&self, key: K, why: &str, now: Instant) {
        let mut down = self.lock();
        if down.len() >= MAX_KEYS && !down.contains_key(&key) {
            down.retain(|_, outage| now < outage.until);
            if down.len() >= MAX_KEYS {
                return;
            }
        }
        let until = now + REMEMBERED;
        let why = why.into();
        down.insert(key, Outage { until, why });
    }

    /// Forgets it, since it has been reached.
    pub fn reached(&self, key: &K) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Outage>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down(why: &str) -> Standing {
        Standing::Down(why.into())
    }

    #[test]
    fn a_failure_is_remembered_for_two_seconds() {
        let (outages, now) = (Outages::default(), Instant::now());
        assert_eq!(outages.standing(&"a", now), Standing::Good);
        outages.failed("a", "refused", now);
        let almost = now + Duration::from_millis(1_999);
        assert_eq!(outages.standing(&"a", almost), down("refused"));
        assert_eq!(outages.standing(&"b", almost), Standing::Good);
        let later = now + Duration::from_secs(2);
        assert_eq!(outages.standing(&"a", later), Standing::Doubtful);
    }

    #[test]
    fn then_one_finds_out_at_a_time() {
        let (outages, now) = (Outages::default(), Instant::now());
        outages.failed("a", "refused", now);
        let later = now + REMEMBERED;
        assert_eq!(outages.standing(&"a", later), Standing::Doubtful);
        assert_eq!(outages.standing(&"a", later), down("refused"));
        assert_eq!(
            outages.standing(&"a", later + REMEMBERED),
            Standing::Doubtful,
            "the one who was to find out has left"
        );
        outages.reached(&"a");
        assert_eq!(outages.standing(&"a", later), Standing::Good);
    }

    #[test]
    fn an_old_failure_says_nothing() {
        let (outages, now) = (Outages::default(), Instant::now());
        outages.failed("a", "refused", now);
        let later = now + REMEMBERED + FORGOTTEN;
        assert_eq!(outages.standing(&"a", later), Standing::Good);
        assert_eq!(outages.standing(&"a", later), Standing::Good);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (outages, now) = (Outages::default(), Instant::now());
        (0..MAX_KEYS + 10).for_each(|key| outages.failed(key, "refused", now));
        assert_eq!(outages.lock().len(), MAX_KEYS);
        outages.failed(MAX_KEYS, "refused", now + REMEMBERED);
        assert_eq!(outages.lock().len(), 1, "old ones make room");
    }
}
