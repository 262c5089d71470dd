//! Every series of `/metrics`: what makes it grow, and by how much; and that nothing that a client sends makes another one.

mod labels;
mod process;
mod reload;
mod requests;
mod upstreams;

use std::collections::BTreeMap;
use std::time::Instant;

use crate::docxy::Docxy;
use crate::scrape::{Scrape, scrape};
use crate::stand::{NAME, with_one_worker};
use crate::wire::{PATIENCE, Server};

const ADMIN: [&str; 2] = ["--admin", "127.0.0.1:0"];

/// One worker, since each has a pool of its own.
fn counting(upstream: &Server) -> Docxy {
    with_one_worker(upstream, &ADMIN)
}

/// What each series of a family has grown by while `done` was done.
fn growth(docxy: &Docxy, family: &str, done: impl FnOnce()) -> BTreeMap<String, f64> {
    let before = scrape(docxy);
    done();
    let after = scrape(docxy);
    let changes = after.changes(&before, family).into_iter();
    changes
        .map(|(series, by)| (series.to_owned(), by))
        .collect()
}

/// The first scrape of which this is true.
fn until(docxy: &Docxy, is_true: impl Fn(&Scrape) -> bool) -> Scrape {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = scrape(docxy);
        if is_true(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "{now:?}");
    }
}

fn expected<const N: usize>(series: [(&str, f64); N]) -> BTreeMap<String, f64> {
    series.map(|(name, by)| (name.to_owned(), by)).into()
}

fn request(upstream: &str, kind: &str, status: u16) -> String {
    format!("docxy_requests_total{{kind=\"{kind}\",status=\"{status}\",upstream=\"{upstream}\"}}")
}

fn of_upstream(family: &str) -> String {
    format!("{family}{{upstream=\"{NAME}\"}}")
}
