//! What is counted of each upstream. The table of upstreams is closed, and so are the names that are shown.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::kind::Kind;
use super::status;
use crate::registry::table::{Table, UpstreamId};

/// The name that stands for none; no upstream can have it.
pub(super) const NONE: &str = "-";

/// What is counted of one upstream, or of requests that are for none.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) of_kinds: [OfKind; Kind::COUNT],
    pub(super) retries: AtomicU64,
    pub(super) redirects: AtomicU64,
    pub(super) resumes: AtomicU64,
    pub(super) lost: AtomicU64,
}

/// What is counted of requests of one kind.
#[derive(Debug)]
pub(super) struct OfKind {
    pub(super) by_status: [AtomicU64; status::COUNT],
    pub(super) bytes: AtomicU64,
}

impl Default for OfKind {
    fn default() -> OfKind {
        OfKind {
            by_status: [const { AtomicU64::new(0) }; status::COUNT],
            bytes: AtomicU64::new(0),
        }
    }
}

/// The upstreams that are shown, by name.
#[derive(Debug)]
pub(super) struct Shown {
    none: Arc<Counts>,
    named: Mutex<Vec<(String, Arc<Counts>)>>,
}

/// The counts of the upstreams of one table, by their places.
#[derive(Debug, Default)]
pub struct Upstreams {
    of: Vec<Arc<Counts>>,
    /// Where nothing is counted there is none of these either.
    none: Option<Arc<Counts>>,
}

/// Counts for one upstream, or for none of them, if anything is counted.
#[derive(Clone, Copy, Debug)]
pub struct Upstream<'a> {
    counts: Option<&'a Counts>,
}

/// Counts bytes that clients get.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bytes<'a> {
    count: Option<&'a AtomicU64>,
}

impl Shown {
    pub(super) fn new() -> Shown {
        Shown {
            none: Arc::default(),
            named: Mutex::default(),
        }
    }

    /// Shows the upstreams of `table` and no others: those that were shown before go on, and what has left is forgotten, so
    /// that no number of reloads makes this larger than the table.
    pub(super) fn follow(&self, table: &Table) -> Upstreams {
        let mut named = self.lock();
        let of_name = |name: &String| {
            let known = named.iter().find(|(known, _)| known == name);
            known
                .map(|(_, counts)| Arc::clone(counts))
                .unwrap_or_default()
        };
        let names = table.ids().map(|id| &table.get(id).name);
        let new: Vec<_> = names.map(|name| (name.clone(), of_name(name))).collect();
        named.clone_from(&new);
        Upstreams {
            of: new.into_iter().map(|(_, counts)| counts).collect(),
            none: Some(Arc::clone(&self.none)),
        }
    }

    /// All that is shown, with its name.
    pub(super) fn all(&self) -> Vec<(String, Arc<Counts>)> {
        let none = (NONE.to_owned(), Arc::clone(&self.none));
        self.lock().iter().cloned().chain([none]).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, Arc<Counts>)>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upstreams {
    /// Counts for an upstream.
    pub fn of(&self, upstream: UpstreamId) -> Upstream<'_> {
        self.of_any(Some(upstream))
    }

    /// Counts for an upstream, or for none.
    pub fn of_any(&self, upstream: Option<UpstreamId>) -> Upstream<'_> {
        let counts = match upstream {
            Some(id) => self.of.get(id.index()),
            None => self.none.as_ref(),
        };
        Upstream {
            counts: counts.map(|counts| &**counts),
        }
    }
}

impl<'a> Upstream<'a> {
    /// A request was answered.
    pub fn answered(self, kind: Kind, status: u16) {
        if let Some(counts) = self.counts {
            let by_status = &counts.of_kinds[kind as usize].by_status;
            count(&by_status[status::number(status)], 1);
        }
    }

    /// Counts what clients get of answers of this kind.
    pub fn bytes(self, kind: Kind) -> Bytes<'a> {
        Bytes {
            count: self
                .counts
                .map(|counts| &counts.of_kinds[kind as usize].bytes),
        }
    }

    /// A request was sent, or is to be sent, so many times again.
    pub fn retried(self, times: u32) {
        if let (Some(counts), true) = (self.counts, times > 0) {
            count(&counts.retries, times.into());
        }
    }

    /// A redirect was followed.
    pub fn redirected(self) {
        if let Some(counts) = self.counts {
            count(&counts.redirects, 1);
        }
    }

    /// A blob that had broken off goes on.
    pub fn resumed(self) {
        if let Some(counts) = self.counts {
            count(&counts.resumes, 1);
        }
    }

    /// A body broke off and could not go on.
    pub fn lost(self) {
        if let Some(counts) = self.counts {
            count(&counts.lost, 1);
        }
    }
}

impl Bytes<'_> {
    /// So many more.
    pub fn add(self, bytes: usize) {
        if let Some(sum) = self.count {
            count(sum, bytes as u64);
        }
    }
}

fn count(of: &AtomicU64, more: u64) {
    of.fetch_add(more, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::table::Upstream as Named;

    fn table(names: &[String]) -> Table {
        let parse = |name: &String| Named::parse(&format!("{name}=http://{name}:1")).unwrap();
        Table::new(names.iter().flat_map(parse).collect()).unwrap()
    }

    fn names(shown: &Shown) -> Vec<String> {
        shown.all().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn who_stays_goes_on_and_who_leaves_is_forgotten() {
        let shown = Shown::new();
        let [a, b, c] = ["a.test", "b.test", "c.test"].map(str::to_owned);
        let first = table(&[a.clone(), b.clone()]);
        let before = shown.follow(&first);
        for id in first.ids() {
            before.of(id).answered(Kind::Blob, 200);
        }
        let second = table(&[c.clone(), b.clone()]);
        let after = shown.follow(&second);
        assert_eq!(names(&shown), [&c, &b, NONE]);
        for id in second.ids() {
            after.of(id).answered(Kind::Blob, 200);
        }
        let counts: Vec<u64> = shown
            .all()
            .iter()
            .map(|(_, counts)| {
                let by_status = &counts.of_kinds[Kind::Blob as usize].by_status;
                by_status[status::number(200)].load(Ordering::Relaxed)
            })
            .collect();
        assert_eq!(counts, [1, 2, 0]);
    }

    #[test]
    fn reloads_with_ever_new_names_do_not_grow_it() {
        let shown = Shown::new();
        for number in 0..1000 {
            shown.follow(&table(&[format!("n{number}.test")]));
        }
        assert_eq!(names(&shown), ["n999.test", NONE]);
    }
}
