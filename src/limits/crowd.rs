//! Connections in a state that should not last, of which one too many pushes out the one that has been in it longest.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Those that are in one state.
#[derive(Debug)]
pub struct Crowd {
    room: usize,
    count: AtomicUsize,
    /// Wakes them in the order in which they came.
    longest: Notify,
    /// One has come.
    joined: Notify,
    /// One was to be pushed out, and nobody was there.
    missed: Notify,
}

/// One of a crowd.
struct Member<'a>(&'a Crowd);

impl Crowd {
    /// With room for so many.
    pub fn new(room: usize) -> Crowd {
        Crowd {
            room,
            count: AtomicUsize::new(0),
            longest: Notify::new(),
            joined: Notify::new(),
            missed: Notify::new(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Belongs to the crowd from the first poll until it is dropped; ends when it has been pushed out.
    pub async fn pushed_out(&self) {
        let _member = Member::join(self);
        self.longest.notified().await;
    }

    /// Pushes out whoever has been in it longest; false if there is nobody.
    pub fn push_out(&self) -> bool {
        // Without anyone, the next one would be pushed out for no reason.
        let is_anyone_there = !self.is_empty();
        if is_anyone_there {
            self.longest.notify_one();
        } else {
            self.missed.notify_waiters();
        }
        is_anyone_there
    }

    /// Pushes out whoever has been in it longest, as soon as there is anybody.
    pub async fn push_out_soon(&self) {
        loop {
            let joined = self.joined.notified();
            if self.push_out() {
                return;
            }
            joined.await;
        }
    }

    /// Waits until somebody was to be pushed out and nobody was there: who may belong to it should, soon.
    pub async fn missed(&self) {
        self.missed.notified().await;
    }
}

impl Member<'_> {
    fn join(crowd: &Crowd) -> Member<'_> {
        if crowd.count.fetch_add(1, Ordering::Relaxed) >= crowd.room {
            crowd.longest.notify_one();
        }
        crowd.joined.notify_waiters();
        Member(crowd)
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Waker};

    fn is_done(future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        future.poll(&mut cx).is_ready()
    }

    #[test]
    fn one_too_many_pushes_out_the_longest() {
        let crowd = Crowd::new(2);
        let mut first = pin!(crowd.pushed_out());
        let mut second = pin!(crowd.pushed_out());
        assert!(!is_done(first.as_mut()) && !is_done(second.as_mut()));
        {
            let mut third = pin!(crowd.pushed_out());
            assert!(!is_done(third.as_mut()));
            assert!(!is_done(second.as_mut()) && is_done(first.as_mut()));
        }
        // The third has left by itself, so there is room again.
        let mut fourth = pin!(crowd.pushed_out());
        assert!(!is_done(fourth.as_mut()) && !is_done(second.as_mut()));
        assert!(crowd.push_out());
        assert!(!is_done(fourth.as_mut()) && is_done(second.as_mut()));
    }

    #[test]
    fn nobody_is_pushed_out_of_an_empty_crowd() {
        let crowd = Crowd::new(1);
        let mut missed = pin!(crowd.missed());
        assert!(!is_done(missed.as_mut()));
        assert!(!crowd.push_out());
        assert!(is_done(missed));
        assert!(!is_done(pin!(crowd.pushed_out())));
    }

    #[test]
    fn the_first_to_come_is_pushed_out_while_somebody_waits_for_that() {
        let crowd = Crowd::new(2);
        let mut pusher = pin!(crowd.push_out_soon());
        assert!(!is_done(pusher.as_mut()));
        let mut first = pin!(crowd.pushed_out());
        assert!(!is_done(first.as_mut()));
        assert!(is_done(pusher) && is_done(first));
        assert!(!is_done(pin!(crowd.pushed_out())), "it was for one");
    }
}
