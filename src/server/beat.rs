//! A worker's beat: tells all who wait for a moment that it has passed, so that none of them needs a timer of its own.
//!
//! A timer that is due before all others makes the runtime write to its own descriptor and wake itself; connections that wait
//! for the next request of a pull would do so for each.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

/// Beats for as long as somebody waits.
#[derive(Debug)]
pub struct Beat {
    period: Duration,
    waiting: AtomicUsize,
    /// The first has come.
    wanted: Notify,
    /// A period has passed.
    passed: Notify,
}

/// One who waits.
struct Waiting<'a>(&'a Beat);

impl Beat {
    /// One that [waits](Beat::two) take at most this long.
    pub fn of(longest: Duration) -> Beat {
        Beat {
            period: longest / 2,
            waiting: AtomicUsize::new(0),
            wanted: Notify::new(),
            passed: Notify::new(),
        }
    }

    /// Keeps it going; never ends.
    pub async fn run(&self) {
        loop {
            self.wanted.notified().await;
            while self.waiting.load(Ordering::Relaxed) > 0 {
                sleep(self.period).await;
                self.passed.notify_waiters();
            }
        }
    }

    /// Waits for two beats, so that at least one whole period has passed.
    pub async fn two(&self) {
        let _waiting = Waiting::begin(self);
        self.passed.notified().await;
        self.passed.notified().await;
    }
}

impl Waiting<'_> {
    fn begin(beat: &Beat) -> Waiting<'_> {
        if beat.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            beat.wanted.notify_one();
        }
        Waiting(beat)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, advance};

    const LONGEST: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn a_wait_takes_one_period_at_least_and_two_at_most() {
        let beat = Beat::of(LONGEST);
        let wait = async || {
            let began = Instant::now();
            beat.two().await;
            began.elapsed()
        };
        let waits = async {
            assert_eq!(wait().await, LONGEST);
            let (one, (), other) = tokio::join!(wait(), advance(LONGEST / 4), wait());
            for waited in [one, other] {
                assert!((LONGEST / 2..=LONGEST).contains(&waited), "{waited:?}");
            }
        };
        tokio::select! {
            () = waits => {}
            () = beat.run() => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_no_longer_waits_is_forgotten() {
        let beat = Beat::of(LONGEST);
        tokio::select! {
            biased;
            () = beat.two() => panic!("too early"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(beat.waiting.load(Ordering::Relaxed), 0);
        tokio::select! {
            () = beat.two() => {}
            () = beat.run() => {}
        }
    }
}
