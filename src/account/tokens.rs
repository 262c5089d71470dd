//! The tokens that an account has got, for as long as they are good; one is fetched at a time for each that is wanted.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as AsyncMutex;

use crate::registry::challenge::Bearer;

/// How long a token is good whose server does not say so (distribution token specification).
pub const DEFAULT_LIFE: Duration = Duration::from_secs(60);

/// How long before its end a token is no longer used, so that it is still good when it arrives; at most half of its life.
const MARGIN: Duration = Duration::from_secs(10);

/// Tokens, and repositories whose tokens are known, of one account.
const LIMIT: usize = 1000;

/// How long a failure to get a token is kept, beside those who have waited for it meanwhile. Shorter than the pause before
/// another try.
const KEEP_FAILURE: Duration = Duration::from_millis(150);

/// For what a token is, of one upstream's account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Where it is given out: the realm's URL.
    pub realm: String,
    /// For which service.
    pub service: Option<String>,
    /// For what there.
    pub scopes: Vec<String>,
}

/// Where one token is kept; whoever holds the lock fetches it.
pub type Slot = AsyncMutex<Kept>;

/// A token, or why there is none.
#[derive(Debug, Default)]
pub struct Kept {
    held: Option<Held>,
    failed: Option<(Instant, Failure)>,
}

/// Why there is no token, for all who have waited for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The realm gives none out: the status, and for how long.
    Refused(u16, Option<String>),
    /// The status for a client, and what went wrong.
    Trouble(u16, Arc<str>),
}

impl Kept {
    /// The token, if it can be used.
    pub fn good(&self, now: Instant) -> Option<&Held> {
        self.held.as_ref().filter(|held| held.is_good(now))
    }

    /// Why it could not be had, for whom has waited since `came`: whoever repeats that instead waits for as long again, one
    /// after another.
    pub fn failure(&self, came: Instant, now: Instant) -> Option<&Failure> {
        let (at, failure) = self.failed.as_ref()?;
        (came <= *at || now < *at + KEEP_FAILURE).then_some(failure)
    }

    /// Keeps a token.
    pub fn keep(&mut self, held: Held) {
        *self = Kept {
            held: Some(held),
            failed: None,
        };
    }

    /// Keeps why there is none.
    pub fn fail(&mut self, now: Instant, failure: Failure) {
        self.failed = Some((now, failure));
    }

    /// Drops this token, unless there is another one in its place.
    pub fn drop_token(&mut self, token: &Arc<str>) {
        if let Some(held) = &self.held
            && Arc::ptr_eq(&held.token, token)
        {
            self.held = None;
        }
    }
}

/// A token.
#[derive(Clone)]
pub struct Held {
    /// What follows `Bearer`.
    pub token: Arc<str>,
    until: Instant,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

impl Held {
    /// One that was asked for at `asked` and lives so long.
    pub fn new(token: String, asked: Instant, life: Duration) -> Held {
        Held {
            token: token.into(),
            until: asked + (life - MARGIN.min(life / 2)),
        }
    }

    /// Whether it can be used.
    pub fn is_good(&self, now: Instant) -> bool {
        now < self.until
    }
}

/// All tokens of an account.
#[derive(Debug, Default)]
pub struct Tokens {
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    /// What was last asked for each repository.
    asked: Mutex<HashMap<String, Bearer>>,
}

impl Tokens {
    /// Where the token for this is kept.
    pub fn slot(&self, key: Key) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        if slots.len() >= LIMIT && !slots.contains_key(&key) {
            let now = Instant::now();
            slots.retain(|_, slot| is_in_use(slot, now));
            if slots.len() >= LIMIT {
                slots.clear();
            }
        }
        Arc::clone(slots.entry(key).or_default())
    }

    /// Remembers what the upstream asked for a repository.
    pub fn remember(&self, repository: &str, bearer: &Bearer) {
        let mut asked = lock(&self.asked);
        if asked.len() >= LIMIT && !asked.contains_key(repository) {
            asked.clear();
        }
        asked.insert(repository.to_owned(), bearer.clone());
    }

    /// What the upstream last asked for a repository.
    pub fn asked(&self, repository: &str) -> Option<Bearer> {
        lock(&self.asked).get(repository).cloned()
    }

    /// Drops all tokens.
    pub fn clear(&self) {
        lock(&self.slots).clear();
    }
}

/// Whether a token in it is good, or is being fetched.
fn is_in_use(slot: &Slot, now: Instant) -> bool {
    match slot.try_lock() {
        Ok(kept) => kept.good(now).is_some(),
        Err(_) => true,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(scope: &str) -> Key {
        Key {
            realm: "https://auth.test/token".to_owned(),
            service: None,
            scopes: vec![scope.to_owned()],
        }
    }

    #[test]
    fn a_token_is_good_until_a_little_before_its_end() {
        let now = Instant::now();
        for (life, good_for) in [(300, 290), (60, 50), (20, 10), (10, 5)] {
            let held = Held::new("t".to_owned(), now, Duration::from_secs(life));
            let end = now + Duration::from_secs(good_for);
            assert!(!held.is_good(end), "{life}");
            let before = end.checked_sub(Duration::from_millis(1)).unwrap();
            assert!(held.is_good(before), "{life}");
        }
    }

    #[test]
    fn a_failure_is_for_those_who_have_waited_and_for_a_moment() {
        let (came, second) = (Instant::now(), Duration::from_secs(1));
        let (failed, mut kept) = (came + second, Kept::default());
        assert_eq!(kept.failure(came, failed), None);
        let failure = Failure::Refused(503, None);
        kept.fail(failed, failure.clone());
        let late = failed + 60 * second;
        for (came, now, is_shared) in [
            (came, late, true),
            (failed, late, true),
            (failed + KEEP_FAILURE / 2, failed + KEEP_FAILURE / 2, true),
            (failed + KEEP_FAILURE, failed + KEEP_FAILURE, false),
        ] {
            let expected = is_shared.then_some(&failure);
            assert_eq!(kept.failure(came, now), expected, "{:?}", now - failed);
        }
        kept.keep(Held::new("t".to_owned(), failed, second));
        assert_eq!(kept.failure(came, late), None);
    }

    #[test]
    fn what_is_asked_for_has_one_place() {
        let tokens = Tokens::default();
        assert!(Arc::ptr_eq(&tokens.slot(key("a")), &tokens.slot(key("a"))));
        assert!(!Arc::ptr_eq(&tokens.slot(key("a")), &tokens.slot(key("b"))));
        let other = Key {
            service: Some("s".to_owned()),
            ..key("a")
        };
        assert!(!Arc::ptr_eq(&tokens.slot(key("a")), &tokens.slot(other)));
    }

    #[tokio::test]
    async fn no_number_of_repositories_fills_the_memory() {
        let tokens = Tokens::default();
        let kept = tokens.slot(key("kept"));
        let life = Duration::from_secs(300);
        let held = Held::new("t".to_owned(), Instant::now(), life);
        kept.lock().await.keep(held);
        for number in 0..LIMIT * 2 {
            tokens.slot(key(&number.to_string()));
        }
        assert!(lock(&tokens.slots).len() <= LIMIT);
        assert!(Arc::ptr_eq(&kept, &tokens.slot(key("kept"))), "it is good");
    }
}
