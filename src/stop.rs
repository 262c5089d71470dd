//! Tells every task that docxy is to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Can be asked, and waited for.
#[derive(Clone, Debug)]
pub struct Stop {
    word: Arc<Word>,
}

/// Says it, at the latest when it is dropped: whoever could say so is gone then.
#[derive(Debug)]
pub struct Stopper {
    word: Arc<Word>,
}

#[derive(Debug)]
struct Word {
    is_said: AtomicBool,
    waiting: Notify,
}

/// The two ends.
pub fn channel() -> (Stopper, Stop) {
    let word = Arc::new(Word {
        is_said: AtomicBool::new(false),
        waiting: Notify::new(),
    });
    let stop = Stop {
        word: Arc::clone(&word),
    };
    (Stopper { word }, stop)
}

impl Stopper {
    /// Says that docxy is to stop; what runs may finish.
    pub fn stop(&self) {
        self.word.is_said.store(true, Ordering::Release);
        self.word.waiting.notify_waiters();
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Stop {
    /// Waits until docxy is to stop.
    pub async fn requested(&self) {
        // From here on it is heard, even if it is said before it is waited for.
        let said = self.word.waiting.notified();
        if !self.is_requested() {
            said.await;
        }
    }

    /// Whether docxy is to stop.
    pub fn is_requested(&self) -> bool {
        self.word.is_said.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Waker};

    fn is_over(wait: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        wait.poll(&mut cx).is_ready()
    }

    #[test]
    fn all_hear_it_whenever_they_begin_to_wait() {
        let (stopper, stop) = channel();
        let other = stop.clone();
        let mut waits = [pin!(stop.requested()), pin!(other.requested())];
        for wait in &mut waits {
            assert!(!is_over(wait.as_mut()));
        }
        assert!(!stop.is_requested());
        stopper.stop();
        for wait in waits {
            assert!(is_over(wait));
        }
        assert!(stop.is_requested() && is_over(pin!(stop.requested())));
    }

    #[test]
    fn without_anyone_who_could_say_it_it_is_said() {
        let (stopper, stop) = channel();
        let mut wait = pin!(stop.requested());
        assert!(!is_over(wait.as_mut()));
        drop(stopper);
        assert!(is_over(wait));
    }
}
