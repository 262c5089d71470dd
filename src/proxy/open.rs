//! Repositories of one upstream for which it wants no token, as it has said lately: clients that ask for one with each pull
//! cost it nothing more.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::answer::PLACEHOLDER_LIFE;

/// So many are remembered; the oldest goes first.
const LIMIT: usize = 1000;

/// As long as a client keeps the placeholder that it gets.
const LIFE: Duration = Duration::from_secs(PLACEHOLDER_LIFE as u64);

/// What is remembered, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Open {
    known: VecDeque<Known>,
}

#[derive(Clone, Debug)]
struct Known {
    /// As the upstream names it; none where the client has named none.
    repository: Option<String>,
    until: Instant,
}

impl Open {
    pub(super) fn note(&mut self, repository: Option<&str>, now: Instant) {
        self.known
            .retain(|known| now < known.until && known.repository.as_deref() != repository);
        if self.known.len() >= LIMIT {
            self.known.pop_front();
        }
        self.known.push_back(Known {
            repository: repository.map(str::to_owned),
            until: now + LIFE,
        });
    }

    pub(super) fn has(&self, repository: Option<&str>, now: Instant) -> bool {
        self.known
            .iter()
            .any(|known| now < known.until && known.repository.as_deref() == repository)
    }

    pub(super) fn forget(&mut self) {
        self.known.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_so_for_as_long_as_a_placeholder_lives() {
        let (mut open, start) = (Open::default(), Instant::now());
        assert!(!open.has(Some("a"), start));
        open.note(Some("a"), start);
        open.note(None, start + LIFE / 2);
        for (repository, after, has) in [
            (Some("a"), LIFE / 2, true),
            (Some("a"), LIFE, false),
            (Some("b"), Duration::ZERO, false),
            (None, LIFE, true),
        ] {
            assert_eq!(open.has(repository, start + after), has, "{repository:?}");
        }
        open.note(Some("b"), start + LIFE);
        assert_eq!(open.known.len(), 2, "what is over is gone");
        open.forget();
        assert!(!open.has(None, start));
    }

    #[test]
    fn the_oldest_goes_where_there_are_too_many() {
        let (mut open, now) = (Open::default(), Instant::now());
        let names: Vec<String> = (0..=LIMIT).map(|number| number.to_string()).collect();
        for name in &names {
            open.note(Some(name), now);
            // Once more is not two.
            open.note(Some(name), now);
        }
        assert_eq!(open.known.len(), LIMIT);
        assert!(!open.has(Some("0"), now));
        assert!(names[1..].iter().all(|name| open.has(Some(name), now)));
    }
}
