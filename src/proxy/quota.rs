//! How many pulls upstreams have said are left, as Docker Hub does with `RateLimit-Remaining`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::registry::table::UpstreamId;

/// Nothing was said; no upstream lets so many pass.
const UNKNOWN: u64 = u64::MAX;

/// What was said last, of all upstreams.
#[derive(Debug)]
pub struct Quotas {
    /// By the place of the upstream.
    of: Vec<Quota>,
}

/// What one upstream has said last.
#[derive(Debug)]
struct Quota {
    remaining: AtomicU64,
    /// Seconds since 1970.
    at: AtomicU64,
}

impl Quotas {
    /// Of so many upstreams, of which nothing is known.
    pub fn new(upstreams: usize) -> Quotas {
        let unknown = |_| Quota {
            remaining: AtomicU64::new(UNKNOWN),
            at: AtomicU64::new(0),
        };
        Quotas {
            of: (0..upstreams).map(unknown).collect(),
        }
    }

    /// Notes a value of `RateLimit-Remaining` (`98;w=21600`); what is none is passed over.
    pub fn note(&self, upstream: UpstreamId, value: &[u8], now: SystemTime) {
        let (Some(quota), Some(remaining)) = (self.of.get(upstream.index()), remaining(value))
        else {
            return;
        };
        quota.remaining.store(remaining, Ordering::Relaxed);
        let since = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        quota.at.store(since.as_secs(), Ordering::Relaxed);
    }

    /// How many pulls were left when an upstream said so last, and when that was in seconds since 1970.
    pub fn remaining(&self, upstream: UpstreamId) -> Option<(u64, u64)> {
        let quota = self.of.get(upstream.index())?;
        let remaining = quota.remaining.load(Ordering::Relaxed);
        (remaining != UNKNOWN).then(|| (remaining, quota.at.load(Ordering::Relaxed)))
    }
}

fn remaining(value: &[u8]) -> Option<u64> {
    let number = value.split(|&byte| byte == b';').next()?;
    let number = str::from_utf8(number).ok()?.trim();
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let number: Option<u64> = is_number.then(|| number.parse().ok())?;
    number.filter(|&number| number != UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_read() {
        for (value, expected) in [
            ("98;w=21600", Some(98)),
            ("0", Some(0)),
            (" 5 ;w=1", Some(5)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("x;w=1", None),
            ("18446744073709551615", None),
        ] {
            assert_eq!(remaining(value.as_bytes()), expected, "{value:?}");
        }
    }
}
