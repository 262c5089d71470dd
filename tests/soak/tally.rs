//! What has been done and what has gone wrong, counted by all who take part.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Complaints that are printed; more of the same help nobody.
const PRINTED: usize = 30;

/// The counters, and when to stop.
pub(crate) struct Tally {
    end: Instant,
    pulls: Mutex<Vec<(&'static str, usize)>>,
    refusals: AtomicUsize,
    nuisances: AtomicUsize,
    complaints: AtomicUsize,
}

impl Tally {
    /// Nothing yet.
    pub(crate) fn until(end: Instant) -> Tally {
        Tally {
            end,
            pulls: Mutex::default(),
            refusals: AtomicUsize::new(0),
            nuisances: AtomicUsize::new(0),
            complaints: AtomicUsize::new(0),
        }
    }

    /// Whether the time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// How much time is left.
    pub(crate) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Counts a whole image that somebody has pulled and found to be right.
    pub(crate) fn pulled(&self, by: &'static str) {
        let mut pulls = self.pulls.lock().unwrap();
        match pulls.iter_mut().find(|(name, _)| *name == by) {
            Some((_, count)) => *count += 1,
            None => pulls.push((by, 1)),
        }
    }

    /// Counts an answer that a client had to ask for again.
    pub(crate) fn refused(&self) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a bad deed.
    pub(crate) fn annoyed(&self) {
        self.nuisances.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts and prints what ought not to have happened.
    pub(crate) fn complain(&self, what: &str) {
        if self.complaints.fetch_add(1, Ordering::SeqCst) < PRINTED {
            println!("COMPLAINT: {what}");
        }
    }

    /// How much ought not to have happened.
    pub(crate) fn complaints(&self) -> usize {
        self.complaints.load(Ordering::SeqCst)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (by, count) in self.pulls.lock().unwrap().iter() {
            writeln!(f, "images pulled by {by}: {count}")?;
        }
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        writeln!(
            f,
            "answers that a rough client asked for again: {}",
            count(&self.refusals)
        )?;
        writeln!(f, "bad deeds: {}", count(&self.nuisances))
    }
}

/// Makes a panic of any thread a complaint: an assertion of whoever plays the registry or a client.
pub(crate) fn count_panics(tally: &Arc<Tally>) {
    let tally = Arc::clone(tally);
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        tally.complain(&info.to_string());
        print(info);
    }));
}
