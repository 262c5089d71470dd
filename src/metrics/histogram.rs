//! How long things take, counted by how long: a few atomic numbers, so that whoever counts waits for nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds in microseconds: from a hit in the same machine to a large layer.
const BOUNDS: [u64; 15] = [
    1_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
];

/// Durations by length.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// How many there were up to each bound and above the one before; the last are those above all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    /// In microseconds.
    sum: AtomicU64,
}

/// A histogram as it was at some moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Durations {
    /// In seconds.
    pub(super) sum: f64,
    /// Upper bounds in seconds, the last one infinite, and how many there were up to each and above the one before.
    pub(super) buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// Counts one.
    pub(super) fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|&bound| bound < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// What has been counted; `None` if nothing has.
    pub(super) fn read(&self) -> Option<Durations> {
        let bounds = BOUNDS.iter().map(|&micros| seconds(micros));
        let bounds = bounds.chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(|n| n.load(Ordering::Relaxed));
        let read = Durations {
            sum: seconds(self.sum.load(Ordering::Relaxed)),
            buckets: bounds.zip(counts).collect(),
        };
        (read.count() > 0).then_some(read)
    }
}

impl Durations {
    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_is_long_enough() {
        let histogram = Histogram::default();
        assert_eq!(histogram.read(), None);
        let durations = [0, 1_000, 1_001, 4_000_000, 300_000_000, 300_000_001];
        for micros in durations {
            histogram.observe(Duration::from_micros(micros));
        }
        let read = histogram.read().unwrap();
        let filled: Vec<_> = read.buckets.iter().filter(|(_, n)| *n > 0).collect();
        let expected = [
            (0.001, 2),
            (0.005, 1),
            (5.0, 1),
            (300.0, 1),
            (f64::INFINITY, 1),
        ];
        assert_eq!(filled, expected.iter().collect::<Vec<_>>());
        assert_eq!((read.count(), read.sum), (6, 604.002_002));
        histogram.observe(Duration::MAX);
        assert_eq!(histogram.read().unwrap().count(), 7);
    }
}
