//! Turns that are shared out: each key has so many at a time, whatever the others do.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Gives each key so many turns at a time, and forgets those that use none.
#[derive(Debug)]
pub struct Turns<K: Eq + Hash + Clone> {
    of_each: usize,
    table: Arc<Table<K>>,
}

/// What is left to each key that has a turn or waits for one.
type Table<K> = Mutex<HashMap<K, Arc<Semaphore>>>;

/// A turn, which lasts until it is dropped.
#[derive(Debug)]
pub struct Turn<K: Eq + Hash + Clone> {
    table: Arc<Table<K>>,
    key: K,
    left: Arc<Semaphore>,
    /// `None` while it is waited for.
    permit: Option<OwnedSemaphorePermit>,
}

impl<K: Eq + Hash + Clone> Turns<K> {
    /// So many at a time for each key.
    pub fn new(of_each: usize) -> Turns<K> {
        Turns {
            of_each: of_each.min(Semaphore::MAX_PERMITS),
            table: Arc::default(),
        }
    }

    /// Waits for a turn; whoever came first has it first.
    pub async fn turn(&self, key: K) -> Turn<K> {
        let mut turn = self.waiting(key);
        // No semaphore here is ever closed, which is the only error.
        turn.permit = Arc::clone(&turn.left).acquire_owned().await.ok();
        turn
    }

    /// A turn without waiting, if one is left.
    pub fn try_turn(&self, key: K) -> Option<Turn<K>> {
        let mut turn = self.waiting(key);
        turn.permit = Arc::clone(&turn.left).try_acquire_owned().ok();
        turn.permit.is_some().then_some(turn)
    }

    fn waiting(&self, key: K) -> Turn<K> {
        let mut table = locked(&self.table);
        let left = table
            .entry(key.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(self.of_each)));
        Turn {
            table: Arc::clone(&self.table),
            key,
            left: Arc::clone(left),
            permit: None,
        }
    }
}

fn locked<K>(table: &Table<K>) -> MutexGuard<'_, HashMap<K, Arc<Semaphore>>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
impl<K: Eq + Hash + Clone> Turns<K> {
    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        locked(&self.table).is_empty()
    }
}

impl<K: Eq + Hash + Clone> Drop for Turn<K> {
    fn drop(&mut self) {
        self.permit = None;
        let mut table = locked(&self.table);
        // The table's and this one; more are made under the lock only.
        if Arc::strong_count(&self.left) <= 2 {
            table.remove(&self.key);
        }
    }
}

/// Who counts as one client: an address, or the network of 64 bits that anyone with IPv6 has to himself.
pub fn client(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_key_has_its_own() {
        let turns = Turns::new(2);
        let held = [turns.turn("a").await, turns.turn("a").await];
        assert!(turns.try_turn("a").is_none());
        assert!(turns.try_turn("b").is_some());
        drop(held);
        assert!(turns.try_turn("a").is_some());
        assert!(turns.is_empty(), "nobody is remembered");
    }

    #[tokio::test]
    async fn whoever_no_longer_waits_is_forgotten() {
        let turns = Turns::new(1);
        let held = turns.turn("a").await;
        tokio::select! {
            biased;
            _ = turns.turn("a") => panic!("it is taken"),
            () = std::future::ready(()) => {}
        }
        drop(held);
        assert!(turns.is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let same =
            ["2001:db8:1:2::1", "2001:db8:1:2:ffff::"].map(|text| client(text.parse().unwrap()));
        assert_eq!(same[0], same[1]);
        assert_ne!(same[0], client("2001:db8:1:3::1".parse().unwrap()));
    }
}
