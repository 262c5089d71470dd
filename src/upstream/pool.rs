//! Idle connections by whom they lead to: the last one in is the first one out, since it is the likeliest to be alive. While
//! anyone waits for one, none is idle.
//!
//! Knows neither HTTP nor a clock: what is kept is a value, and the time a parameter.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Idle connections to one key in all pools together; more than a node pulls at once.
const MAX_IDLE: usize = 64;

/// What has been idle for less is in use as much as not: with thousands of requests at once, hundreds of connections are put
/// back and taken again in one turn of the runtime. The bound counts from then on.
const MOMENT: Duration = Duration::from_secs(1);

/// Registries and CDNs close idle connections after 60 s and more; half of that avoids most races.
const IDLE_LIFE: Duration = Duration::from_secs(30);

/// A connection's life, so that a changed name or a balancer upstream is noticed.
const LIFE: Duration = Duration::from_secs(3600);

/// Requests on one connection; servers commonly end one after 1000.
const MAX_USES: u32 = 1000;

/// A connection that can be kept.
#[derive(Debug)]
pub struct Pooled<C> {
    /// The connection.
    pub conn: C,
    born: Instant,
    /// Since when it is idle, or was before it was taken.
    idle_since: Instant,
    uses: u32,
}

impl<C> Pooled<C> {
    /// A connection that has just been made.
    pub fn new(conn: C, now: Instant) -> Pooled<C> {
        Pooled {
            conn,
            born: now,
            idle_since: now,
            uses: 0,
        }
    }

    /// How long it has been idle, for one that is taken.
    pub fn idle_for(&self, now: Instant) -> Duration {
        now.duration_since(self.idle_since)
    }

    /// Whether the connection was put back before, as after a request.
    pub fn is_reused(&self) -> bool {
        self.uses > 0
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.idle_for(now) < IDLE_LIFE && now.duration_since(self.born) < LIFE
    }
}

/// Idle connections, and who waits for one.
#[derive(Debug)]
pub struct Pool<K, C> {
    lines: HashMap<K, Line<C>>,
    max_idle: usize,
}

/// What there is for one key. It is there until it is swept: a connection that is in use will soon be put back.
#[derive(Debug)]
struct Line<C> {
    /// The newest last.
    idle: VecDeque<Pooled<C>>,
    /// Who waits for one that is put back, the longest first. Some no longer do.
    waiting: VecDeque<oneshot::Sender<Pooled<C>>>,
}

impl<K: Eq + Hash, C> Pool<K, C> {
    /// One of so many pools that share the bound on idle connections.
    pub fn shared_by(pools: usize) -> Pool<K, C> {
        let max_idle = (MAX_IDLE / pools.max(1)).max(1);
        Pool {
            lines: HashMap::new(),
            max_idle,
        }
    }

    /// Takes the connection that was put back last, if it is not too old.
    pub fn take(&mut self, key: &K, now: Instant) -> Option<Pooled<C>> {
        let idle = &mut self.lines.get_mut(key)?.idle;
        let found = idle.pop_back().filter(|pooled| pooled.is_fresh(now));
        if found.is_none() {
            // The newest is too old, so all are.
            idle.clear();
        }
        found
    }

    /// Waits for a connection that is put back, behind those who wait already.
    pub fn wait(&mut self, key: K) -> oneshot::Receiver<Pooled<C>> {
        let (sender, receiver) = oneshot::channel();
        let waiting = &mut self.line(key).waiting;
        if waiting.len() == waiting.capacity() {
            waiting.retain(|sender| !sender.is_closed());
        }
        waiting.push_back(sender);
        receiver
    }

    /// Puts a connection back after a request, or one that was made for a request and not needed, for whoever waits for one
    /// or comes next; drops it if it has served long enough.
    pub fn put(&mut self, key: K, mut pooled: Pooled<C>, now: Instant) {
        pooled.uses += 1;
        if pooled.uses >= MAX_USES || now.duration_since(pooled.born) >= LIFE {
            return;
        }
        pooled.idle_since = now;
        let max_idle = self.max_idle;
        let line = self.line(key);
        while let Some(sender) = line.waiting.pop_front() {
            match sender.send(pooled) {
                Ok(()) => return,
                Err(back) => pooled = back,
            }
        }
        line.idle.push_back(pooled);
        bound(&mut line.idle, max_idle, now);
    }

    /// Drops all idle connections to `key`.
    pub fn forget(&mut self, key: &K) {
        if let Some(line) = self.lines.get_mut(key) {
            line.idle.clear();
        }
    }

    /// Drops all that is idle.
    pub fn clear(&mut self) {
        for line in self.lines.values_mut() {
            line.idle.clear();
        }
    }

    /// Drops what has been idle for too long, and the oldest of what is too much, and forgets who no longer waits.
    pub fn sweep(&mut self, now: Instant) {
        self.lines.retain(|_, Line { idle, waiting }| {
            idle.retain(|pooled| pooled.is_fresh(now));
            bound(idle, self.max_idle, now);
            waiting.retain(|sender| !sender.is_closed());
            !(idle.is_empty() && waiting.is_empty())
        });
    }

    fn line(&mut self, key: K) -> &mut Line<C> {
        self.lines.entry(key).or_default()
    }

    /// How many connections are idle.
    pub fn len(&self) -> usize {
        self.lines.values().map(|line| line.idle.len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.lines.values().all(|line| line.idle.is_empty())
    }
}

impl<C> Default for Line<C> {
    fn default() -> Line<C> {
        Line {
            idle: VecDeque::new(),
            waiting: VecDeque::new(),
        }
    }
}

/// Drops the oldest beyond `most`, as far as they have been idle for more than a moment.
fn bound<C>(idle: &mut VecDeque<Pooled<C>>, most: usize, now: Instant) {
    let is_old = |pooled: &Pooled<C>| pooled.idle_for(now) >= MOMENT;
    while idle.len() > most && idle.front().is_some_and(is_old) {
        idle.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(now: Instant, conns: &[u32]) -> Pool<&'static str, u32> {
        let mut pool = Pool::shared_by(1);
        for &conn in conns {
            pool.put("a", Pooled::new(conn, now), now);
        }
        pool
    }

    fn take(pool: &mut Pool<&'static str, u32>, key: &'static str, now: Instant) -> Option<u32> {
        pool.take(&key, now).map(|pooled| pooled.conn)
    }

    #[test]
    fn the_last_in_is_the_first_out() {
        let now = Instant::now();
        let mut pool = filled(now, &[1, 2, 3]);
        assert_eq!(take(&mut pool, "b", now), None);
        let order: Vec<_> = std::iter::from_fn(|| take(&mut pool, "a", now)).collect();
        assert_eq!(order, [3, 2, 1]);
        assert!(pool.is_empty());
    }

    #[test]
    fn idle_connections_expire() {
        let now = Instant::now();
        let mut pool = filled(now, &[1]);
        assert_eq!(
            take(&mut pool, "a", now + Duration::from_millis(29_999)),
            Some(1)
        );
        let mut pool = filled(now, &[1]);
        assert_eq!(take(&mut pool, "a", now + Duration::from_secs(30)), None);
        assert!(pool.is_empty(), "an expired connection is closed, not kept");
    }

    #[test]
    fn sweeping_closes_what_nobody_asks_for() {
        let now = Instant::now();
        let mut pool = filled(now, &[1]);
        pool.put("b", Pooled::new(2, now), now + IDLE_LIFE / 2);
        pool.sweep(now + IDLE_LIFE);
        assert_eq!(
            (pool.len(), take(&mut pool, "b", now + IDLE_LIFE)),
            (1, Some(2))
        );
    }

    #[test]
    fn what_is_put_back_is_for_whoever_has_waited_the_longest() {
        let now = Instant::now();
        let mut pool = filled(now, &[]);
        let mut waiting = ["a", "a", "b", "a"].map(|key| Some(pool.wait(key)));
        waiting[0] = None;
        for conn in 1..=3 {
            pool.put("a", Pooled::new(conn, now), now);
        }
        let had = waiting.map(|one| one.and_then(|mut one| one.try_recv().ok()));
        let had = had.map(|pooled| pooled.map(|pooled| (pooled.conn, pooled.is_reused())));
        assert_eq!(had, [None, Some((1, true)), None, Some((2, true))]);
        assert_eq!((take(&mut pool, "a", now), pool.len()), (Some(3), 0));
    }

    #[test]
    fn who_no_longer_waits_is_forgotten() {
        let mut pool = filled(Instant::now(), &[]);
        let last = pool.wait("a");
        for _ in 0..1000 {
            drop(pool.wait("a"));
        }
        assert!(pool.lines["a"].waiting.capacity() < 64, "while others come");
        drop(last);
        pool.sweep(Instant::now());
        assert!(pool.lines.is_empty(), "when it is swept");
    }

    #[test]
    fn what_is_forgotten_is_gone() {
        let now = Instant::now();
        let mut pool = filled(now, &[1, 2]);
        pool.put("b", Pooled::new(3, now), now);
        pool.forget(&"a");
        assert_eq!(
            (take(&mut pool, "a", now), take(&mut pool, "b", now)),
            (None, Some(3))
        );
    }

    #[test]
    fn a_key_keeps_the_newest_sixty_four() {
        let now = Instant::now();
        let mut pool = filled(now, &(0..70).collect::<Vec<_>>());
        pool.sweep(now + MOMENT);
        assert_eq!(pool.len(), MAX_IDLE);
        let order: Vec<_> = std::iter::from_fn(|| take(&mut pool, "a", now)).collect();
        assert_eq!((order.first(), order.last()), (Some(&69), Some(&6)));
    }

    #[test]
    fn what_was_in_use_a_moment_ago_is_kept_beyond_the_bound() {
        let now = Instant::now();
        let mut pool = filled(now, &(0..1000).collect::<Vec<_>>());
        let soon = now + MOMENT - Duration::from_millis(1);
        pool.sweep(soon);
        assert_eq!(pool.len(), 1000);
        let in_use: Vec<_> = (0..100)
            .map(|_| pool.take(&"a", soon).expect("it is kept"))
            .collect();
        for pooled in in_use {
            pool.put("a", pooled, now + MOMENT);
        }
        assert_eq!(pool.len(), 100, "of those that were not");
        pool.put("a", Pooled::new(1000, now), now + 2 * MOMENT);
        assert_eq!(pool.len(), MAX_IDLE);
    }

    #[test]
    fn several_pools_share_the_bound() {
        let now = Instant::now();
        for (pools, kept) in [(2, 32), (64, 1), (1000, 1), (0, 64)] {
            let mut pool = Pool::shared_by(pools);
            for conn in 0..100 {
                pool.put("a", Pooled::new(conn, now), now);
            }
            pool.sweep(now + MOMENT);
            assert_eq!(pool.len(), kept, "{pools}");
        }
    }

    #[test]
    fn life_and_uses_are_bounded() {
        let now = Instant::now();
        let mut pool = Pool::shared_by(1);
        let (hour, second) = (Duration::from_secs(3600), Duration::from_secs(1));
        pool.put("a", Pooled::new(1, now), now + hour);
        assert!(pool.is_empty(), "too old");
        pool.put("a", Pooled::new(1, now), now + hour - second);
        assert_eq!(
            take(&mut pool, "a", now + hour),
            None,
            "too old since it is idle"
        );
        pool.put("a", Pooled::new(1, now), now + hour - second);
        assert_eq!(take(&mut pool, "a", now + hour - second), Some(1));
        let mut pooled = Pooled::new(1, now);
        assert!(!pooled.is_reused());
        for use_number in 1..MAX_USES {
            pool.put("a", pooled, now);
            pooled = pool
                .take(&"a", now)
                .unwrap_or_else(|| panic!("kept after use {use_number}"));
            assert!(pooled.is_reused());
        }
        pool.put("a", pooled, now);
        assert!(pool.is_empty(), "used {MAX_USES} times");
    }
}
