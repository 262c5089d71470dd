//! Names to addresses: answers kept for a while, the last good one used when a lookup fails, one lookup at a time per name.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout};

use crate::metrics::Metrics;
use crate::timeouts;

/// How long an answer is used without asking again.
const KEEP: Duration = Duration::from_secs(30);

/// How long those who waited for a lookup share its failure instead of repeating it one after another. Shorter than the
/// pause before another try.
const KEEP_FAILURE: Duration = Duration::from_millis(150);

/// Names that are remembered. Redirects name new ones, so this has to end somewhere; no pull needs more than a few.
const MAX_NAMES: usize = 1024;

/// Lookups that run at a time. The system's blocks a thread, and goes on when nobody waits any more.
const AT_ONCE: usize = 16;

/// A lookup's stack, in bytes: four times what musl gives a thread, where the usual 2 MiB of each would be a part of the
/// limit on data.
const STACK: usize = 512 * 1024;

/// The names that have been looked up.
#[derive(Debug)]
pub struct Resolver {
    names: Mutex<HashMap<Box<str>, Arc<Name>>>,
    turns: Arc<Semaphore>,
    metrics: Metrics,
}

type Name = tokio::sync::Mutex<Known>;

#[derive(Debug, Default)]
struct Known {
    addresses: Vec<IpAddr>,
    good_until: Option<Instant>,
    failed: Option<(Instant, io::ErrorKind)>,
}

impl Resolver {
    /// One that knows no name yet.
    pub fn new(metrics: Metrics) -> Resolver {
        Resolver {
            names: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            metrics,
        }
    }

    /// The addresses of `name`, in the resolver's order, never empty.
    ///
    /// Fails with [`io::ErrorKind::TimedOut`] after [`timeouts::LOOKUP`] where no earlier answer helps out.
    pub async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let ask = async |name| {
            let turn = Arc::clone(&self.turns).acquire_owned().await;
            system_lookup(name, turn.map_err(io::Error::other)?).await
        };
        self.lookup_by(name, ask).await
    }

    async fn lookup_by<F>(
        &self,
        name: &str,
        ask: impl FnOnce(String) -> F,
    ) -> io::Result<Vec<IpAddr>>
    where
        F: Future<Output = io::Result<Vec<IpAddr>>>,
    {
        let entry = self.entry(name);
        let mut known = entry.lock().await;
        let now = Instant::now();
        if known.good_until.is_some_and(|until| now < until) {
            return Ok(known.addresses.clone());
        }
        if let Some((at, kind)) = known.failed.filter(|(at, _)| now < *at + KEEP_FAILURE) {
            return known
                .last_good()
                .ok_or_else(|| io::Error::new(kind, format!("failed {:?} ago", now - at)));
        }
        let answer = timeout(timeouts::LOOKUP, ask(name.to_owned())).await;
        if let Ok(Ok(_)) = &answer {
            self.metrics.looked_up(now.elapsed());
        }
        known.learn(answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())))
    }

    fn entry(&self, name: &str) -> Arc<Name> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MAX_NAMES && !names.contains_key(name) {
            // Whoever waits for an entry holds it by its Arc.
            names.clear();
        }
        Arc::clone(names.entry(name.into()).or_default())
    }
}

impl Known {
    fn learn(&mut self, answer: io::Result<Vec<IpAddr>>) -> io::Result<Vec<IpAddr>> {
        let now = Instant::now();
        let error = match answer {
            Ok(addresses) if !addresses.is_empty() => {
                *self = Known {
                    addresses,
                    good_until: Some(now + KEEP),
                    failed: None,
                };
                return Ok(self.addresses.clone());
            }
            Ok(_) => io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
            Err(error) => error,
        };
        self.failed = Some((now, error.kind()));
        self.last_good().ok_or(error)
    }

    fn last_good(&self) -> Option<Vec<IpAddr>> {
        (!self.addresses.is_empty()).then(|| self.addresses.clone())
    }
}

/// Asks the system in a thread, whose turn ends with it. That there is no thread is an error like others.
async fn system_lookup(name: String, turn: OwnedSemaphorePermit) -> io::Result<Vec<IpAddr>> {
    #[cfg(any(test, fuzzing))]
    if let Some(addresses) = super::scripted::lookup(&name) {
        return Ok(addresses);
    }
    let (answer, answered) = oneshot::channel();
    let ask = move || {
        // Whoever no longer waits does not need it.
        let _ = answer.send(addresses(&name));
        drop(turn);
    };
    thread::Builder::new()
        .name("docxy-lookup".to_owned())
        .stack_size(STACK)
        .spawn(ask)?;
    answered.await.map_err(io::Error::other)?
}

fn addresses(name: &str) -> io::Result<Vec<IpAddr>> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in (name, 0).to_socket_addrs()? {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const TWO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn refused() -> io::Result<Vec<IpAddr>> {
        Err(io::ErrorKind::Other.into())
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_half_a_minute() {
        let resolver = Resolver::new(Metrics::off());
        let first = resolver
            .lookup_by("a", async |_| Ok(vec![ONE]))
            .await
            .unwrap();
        tokio::time::advance(Duration::from_millis(29_999)).await;
        let kept = resolver
            .lookup_by("a", async |_| Ok(vec![TWO]))
            .await
            .unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
        let asked = resolver
            .lookup_by("a", async |_| Ok(vec![TWO]))
            .await
            .unwrap();
        assert_eq!((first, kept, asked), (vec![ONE], vec![ONE], vec![TWO]));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_good_answer_helps_out() {
        let resolver = Resolver::new(Metrics::off());
        assert!(
            resolver.lookup_by("a", async |_| refused()).await.is_err(),
            "none yet"
        );
        tokio::time::advance(KEEP_FAILURE).await;
        assert_eq!(
            resolver
                .lookup_by("a", async |_| Ok(vec![ONE]))
                .await
                .unwrap(),
            [ONE]
        );
        tokio::time::advance(KEEP * 100).await;
        assert_eq!(
            resolver.lookup_by("a", async |_| refused()).await.unwrap(),
            [ONE]
        );
        tokio::time::advance(KEEP_FAILURE).await;
        assert_eq!(
            resolver.lookup_by("a", async |_| Ok(vec![])).await.unwrap(),
            [ONE],
            "an empty answer is none"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_is_given_up_after_its_time() {
        let resolver = Resolver::new(Metrics::off());
        let before = Instant::now();
        let error = resolver
            .lookup_by("a", |_| std::future::pending())
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), before.elapsed()),
            (io::ErrorKind::TimedOut, timeouts::LOOKUP)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_share_one_lookup_and_its_failure() {
        let resolver = Resolver::new(Metrics::off());
        let asked = Cell::new(0);
        let ask = async |_| {
            asked.set(asked.get() + 1);
            tokio::time::sleep(Duration::from_millis(500)).await;
            refused()
        };
        let (a, b, c) = tokio::join!(
            resolver.lookup_by("a", ask),
            resolver.lookup_by("a", ask),
            resolver.lookup_by("a", ask)
        );
        assert!(a.is_err() && b.is_err() && c.is_err());
        assert_eq!(asked.get(), 1);
    }

    #[tokio::test]
    async fn names_are_bounded() {
        let resolver = Resolver::new(Metrics::off());
        for name in 0..MAX_NAMES + 10 {
            resolver
                .lookup_by(&name.to_string(), async |_| Ok(vec![ONE]))
                .await
                .unwrap();
        }
        assert!(resolver.names.lock().unwrap().len() <= MAX_NAMES);
    }
}
