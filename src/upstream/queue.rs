//! Who may dial: so many at a time for each origin, so many more who wait for that, and nobody else.

use std::hash::Hash;
use std::sync::Arc;

use tokio::time::timeout;

use crate::limits::turns::{Turn, Turns};
use crate::timeouts;

/// Connections to one origin that are being made at a time. At 50 ms each, that is 5,000 in a second.
const AT_ONCE: usize = 256;

/// Requests that wait for one to be made, or make it, for one origin.
const AT_MOST: usize = 4096;

/// A queue for each origin, the same for all workers.
#[derive(Debug)]
pub struct DialQueue<K: Eq + Hash + Clone> {
    dialling: Turns<K>,
    /// These and those who wait.
    all: Turns<K>,
}

/// Leave to dial, which lasts until it is dropped.
#[derive(Debug)]
pub struct Leave<K: Eq + Hash + Clone> {
    _dialling: Turn<K>,
    _of_all: Turn<K>,
}

impl<K: Eq + Hash + Clone> DialQueue<K> {
    /// Without anyone in it.
    pub fn new() -> Arc<DialQueue<K>> {
        Arc::new(DialQueue {
            dialling: Turns::new(AT_ONCE),
            all: Turns::new(AT_MOST),
        })
    }

    /// Waits for a turn, as long as a connection may take; `None` if there was none in that time, or too many wait already.
    pub async fn leave(&self, key: &K) -> Option<Leave<K>> {
        let of_all = self.all.try_turn(key.clone())?;
        let dialling = timeout(timeouts::CONNECT, self.dialling.turn(key.clone()));
        Some(Leave {
            _dialling: dialling.await.ok()?,
            _of_all: of_all,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_dial_and_others_wait_for_a_while() {
        let queue = DialQueue::new();
        let mut dialling = Vec::new();
        for _ in 0..256 {
            dialling.push(queue.leave(&"a").await.unwrap());
        }
        assert!(queue.leave(&"b").await.is_some(), "each for itself");
        assert!(queue.leave(&"a").await.is_none(), "not for ever");
        let (next, ()) = tokio::join!(queue.leave(&"a"), async { drop(dialling.pop()) });
        assert!(next.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_wait_and_the_rest_are_refused() {
        let queue = DialQueue::new();
        let mut waiting: Vec<_> = (0..4096).map(|_| queue.all.try_turn("a")).collect();
        assert!(queue.leave(&"a").await.is_none());
        waiting.pop();
        assert!(queue.leave(&"a").await.is_some());
    }
}
