//! How many pulls upstreams have said are left, as Docker Hub does with `RateLimit-Remaining`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::registry::table::{Table, UpstreamId};

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
    limit: AtomicU64,
    /// Seconds since 1970.
    at: AtomicU64,
}

impl Quotas {
    /// Of so many upstreams, of which nothing is known.
    pub fn new(upstreams: usize) -> Quotas {
        Quotas {
            of: (0..upstreams).map(|_| Quota::unknown()).collect(),
        }
    }

    /// What is known of those upstreams of `before` that are in `table` as they were.
    pub fn carried_over(&self, before: &Table, table: &Table) -> Quotas {
        let of = |id| {
            let same = before.counterpart(table, id);
            let known = same.and_then(|old| self.of.get(old.index()));
            known.map_or_else(Quota::unknown, Quota::again)
        };
        Quotas {
            of: table.ids().map(of).collect(),
        }
    }

    /// Notes values of `RateLimit-Remaining` and `RateLimit-Limit` (`98;w=21600`); what is none is passed over.
    pub fn note(
        &self,
        upstream: UpstreamId,
        remaining: &[u8],
        limit: Option<&[u8]>,
        now: SystemTime,
    ) {
        let (Some(quota), Some(remaining)) = (self.of.get(upstream.index()), number(remaining))
        else {
            return;
        };
        let limit = limit.and_then(number).unwrap_or(UNKNOWN);
        quota.limit.store(limit, Ordering::Relaxed);
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

    /// Of how many these are what is left, if the upstream said so too.
    pub fn limit(&self, upstream: UpstreamId) -> Option<u64> {
        let limit = self.of.get(upstream.index())?.limit.load(Ordering::Relaxed);
        (limit != UNKNOWN).then_some(limit)
    }
}

impl Quota {
    fn unknown() -> Quota {
        Quota {
            remaining: AtomicU64::new(UNKNOWN),
            limit: AtomicU64::new(UNKNOWN),
            at: AtomicU64::new(0),
        }
    }

    /// The same, apart from what is noted from now on.
    fn again(&self) -> Quota {
        let again = |number: &AtomicU64| AtomicU64::new(number.load(Ordering::Relaxed));
        Quota {
            remaining: again(&self.remaining),
            limit: again(&self.limit),
            at: again(&self.at),
        }
    }
}

fn number(value: &[u8]) -> Option<u64> {
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
            assert_eq!(number(value.as_bytes()), expected, "{value:?}");
        }
    }
}
