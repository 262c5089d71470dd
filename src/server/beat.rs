//! A worker's beat: tells all who wait for a moment that it has passed, so that none of them needs a timer of its own.
//!
//! A timer that is due before all others makes the runtime write to its own descriptor and wake itself; connections that wait
//! for the next request of a pull would do so for each. One that is due within milliseconds makes the system program its
//! clock whenever the runtime waits, which costs a tenth of a small request; that is why the beat is slow, and can be hurried.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::timeout;

/// Beats for as long as somebody waits.
#[derive(Debug)]
pub struct Beat {
    period: Duration,
    waiting: AtomicUsize,
    /// Periods that have passed, or are taken for passed.
    count: AtomicUsize,
    /// The first has come.
    wanted: Notify,
    /// A period has passed.
    passed: Notify,
}

/// So many beats have at least one whole period between them.
const A_PERIOD: usize = 2;

/// One who waits.
struct Waiting<'a>(&'a Beat);

impl Beat {
    /// One of which [a moment](Beat::moment) takes at most this long, and half of it at least.
    pub fn of(longest: Duration) -> Beat {
        Beat {
            period: longest / 2,
            waiting: AtomicUsize::new(0),
            count: AtomicUsize::new(0),
            wanted: Notify::new(),
            passed: Notify::new(),
        }
    }

    /// Keeps it going; never ends. Whenever `hurried` ends, nobody waits any longer.
    pub async fn run(&self, hurried: impl AsyncFn()) {
        loop {
            self.wanted.notified().await;
            while self.waiting() > 0 {
                let is_hurried = timeout(self.period, hurried()).await.is_ok();
                let beats = if is_hurried { A_PERIOD } else { 1 };
                self.count.fetch_add(beats, Ordering::Relaxed);
                self.passed.notify_waiters();
                if is_hurried {
                    // There may be hurry all the time, and yet they must come to hear of it.
                    yield_now().await;
                }
            }
        }
    }

    /// How many wait for a moment to pass.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits until at least one whole period has passed, or there is hurry.
    pub async fn moment(&self) {
        let _waiting = Waiting::begin(self);
        let began = self.count.load(Ordering::Relaxed);
        while self.count.load(Ordering::Relaxed).wrapping_sub(began) < A_PERIOD {
            self.passed.notified().await;
        }
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
    use std::future::{pending, ready};
    use tokio::time::{Instant, advance};

    const LONGEST: Duration = Duration::from_millis(20);

    async fn wait(beat: &Beat) -> Duration {
        let began = Instant::now();
        beat.moment().await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_takes_one_period_at_least_and_two_at_most() {
        let beat = Beat::of(LONGEST);
        let waits = async {
            assert_eq!(wait(&beat).await, LONGEST);
            let (one, (), other) = tokio::join!(wait(&beat), advance(LONGEST / 4), wait(&beat));
            for waited in [one, other] {
                assert!((LONGEST / 2..=LONGEST).contains(&waited), "{waited:?}");
            }
        };
        tokio::select! {
            () = waits => {}
            () = beat.run(pending::<()>) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hurry_ends_all_waits_at_once() {
        let beat = Beat::of(LONGEST);
        let hurry = Notify::new();
        let waits = async {
            let told = async {
                advance(LONGEST / 4).await;
                hurry.notify_one();
            };
            let (one, other, ()) = tokio::join!(wait(&beat), wait(&beat), told);
            assert_eq!((one, other), (LONGEST / 4, LONGEST / 4));
            assert_eq!(wait(&beat).await, LONGEST, "it was for those who waited");
        };
        tokio::select! {
            () = waits => {}
            () = beat.run(async || hurry.notified().await) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hurry_that_never_ends_holds_nobody_up() {
        let beat = Beat::of(LONGEST);
        let waits = async {
            for _ in 0..3 {
                assert_eq!(wait(&beat).await, Duration::ZERO);
            }
        };
        tokio::select! {
            () = waits => {}
            () = beat.run(async || ready(()).await) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_no_longer_waits_is_forgotten() {
        let beat = Beat::of(LONGEST);
        tokio::select! {
            biased;
            () = beat.moment() => panic!("too early"),
            () = ready(()) => {}
        }
        assert_eq!(beat.waiting(), 0);
        tokio::select! {
            () = beat.moment() => {}
            () = beat.run(pending::<()>) => {}
        }
    }
}
