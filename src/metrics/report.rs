//! All that has been counted, by the names under which it is shown. A series of which nothing has been counted yet is left
//! out where there could be many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::families::{Families, Type};
use super::histogram::Histogram;
use super::kind::Kind;
use super::{Counts, process, since_1970, status, upstreams};
use crate::tls::store::CertStore;
use crate::tls::validity::Validity;

type OfUpstreams = [(String, Arc<upstreams::Counts>)];

pub(super) fn of(counts: &Counts) -> Families {
    let mut families = Families::default();
    let upstreams = counts.upstreams.all();
    requests(&mut families, counts, &upstreams);
    ways(&mut families, &upstreams);
    connections(&mut families, counts);
    dialling(&mut families, counts);
    reloads(&mut families, counts);
    if let Some(store) = &counts.certificates {
        certificates(&mut families, store);
    }
    let build = "The version that runs; the value is always 1.";
    let build = families.family("docxy_build_info", Type::Gauge, build);
    build.labelled([("version", env!("CARGO_PKG_VERSION"))], 1);
    let start = "When docxy was started, in seconds since 1970.";
    let start = families.family("process_start_time_seconds", Type::Gauge, start);
    start.decimal(since_1970(counts.started).as_secs_f64());
    process::report(&mut families);
    families
}

fn requests(families: &mut Families, counts: &Counts, upstreams: &OfUpstreams) {
    let requests = families.family(
        "docxy_requests_total",
        Type::Counter,
        "Requests that were answered, by upstream, kind and status.",
    );
    for_each_kind(upstreams, |upstream, kind, of_kind| {
        for (number, count) in of_kind.by_status.iter().map(load).enumerate() {
            if count > 0 {
                let status = status::name(number);
                let labels = [("upstream", upstream), ("kind", kind), ("status", &status)];
                requests.labelled(labels, count);
            }
        }
    });
    let sent = families.family(
        "docxy_sent_bytes_total",
        Type::Counter,
        "Bytes of bodies that clients got, by upstream and kind.",
    );
    for_each_kind(upstreams, |upstream, kind, of_kind| {
        let bytes = load(&of_kind.bytes);
        if bytes > 0 {
            sent.labelled([("upstream", upstream), ("kind", kind)], bytes);
        }
    });
    let received = "Bytes of upstreams' bodies that were used.";
    single(
        families,
        "docxy_received_bytes_total",
        received,
        &counts.received,
    );
    by_kind(
        families,
        "docxy_first_byte_seconds",
        "From the whole head of a request to the first byte of its answer, by kind.",
        &counts.first_byte,
    );
    by_kind(
        families,
        "docxy_request_duration_seconds",
        "From the whole head of a request to the last byte of its answer, by kind.",
        &counts.whole,
    );
    let in_flight = "Requests that are being answered.";
    let in_flight_now = families.family("docxy_requests_in_flight", Type::Gauge, in_flight);
    in_flight_now.integer(load(&counts.in_flight));
}

fn for_each_kind(upstreams: &OfUpstreams, mut each: impl FnMut(&str, &str, &upstreams::OfKind)) {
    for (upstream, counts) in upstreams {
        for (kind, of_kind) in Kind::ALL.iter().zip(&counts.of_kinds) {
            each(upstream, kind.name(), of_kind);
        }
    }
}

fn by_kind(
    families: &mut Families,
    name: &'static str,
    help: &'static str,
    histograms: &[Histogram; Kind::COUNT],
) {
    let family = families.family(name, Type::Histogram, help);
    for (kind, histogram) in Kind::ALL.iter().zip(histograms) {
        if let Some(durations) = histogram.read() {
            family.durations([("kind", kind.name())], durations);
        }
    }
}

/// What happened on the way to upstreams' answers.
fn ways(families: &mut Families, upstreams: &OfUpstreams) {
    type Of = fn(&upstreams::Counts) -> &AtomicU64;
    let of_each: [(&'static str, &'static str, Of); 4] = [
        (
            "docxy_retries_total",
            "How often requests were sent again, by upstream.",
            |counts| &counts.retries,
        ),
        (
            "docxy_redirects_total",
            "Redirects that docxy followed, by upstream.",
            |counts| &counts.redirects,
        ),
        (
            "docxy_resumes_total",
            "How often a blob went on after it had broken off, by upstream.",
            |counts| &counts.resumes,
        ),
        (
            "docxy_lost_bodies_total",
            "Bodies that broke off at the upstream and could not go on, by upstream.",
            |counts| &counts.lost,
        ),
    ];
    for (name, help, of) in of_each {
        let family = families.family(name, Type::Counter, help);
        for (upstream, counts) in upstreams {
            let count = load(of(counts));
            // Of none there are only those at mounted origins.
            if count > 0 || upstream != upstreams::NONE {
                family.labelled([("upstream", upstream)], count);
            }
        }
    }
}

fn connections(families: &mut Families, counts: &Counts) {
    let accepted = "Connections of clients that were accepted.";
    single(
        families,
        "docxy_connections_total",
        accepted,
        &counts.accepted,
    );
    let refused = families.family(
        "docxy_connections_refused_total",
        Type::Counter,
        "Connections that were turned away at a limit: that on all, or that on one client's.",
    );
    refused.labelled([("limit", "all")], load(&counts.over_limit));
    refused.labelled([("limit", "client")], load(&counts.over_share));
}

fn dialling(families: &mut Families, counts: &Counts) {
    let pool = families.family(
        "docxy_pool_requests_total",
        Type::Counter,
        "Requests to upstreams on a connection that was there (hit), on a new one (miss), and sent again since the first was dead (stale).",
    );
    let results = [
        ("hit", &counts.pool_hits),
        ("miss", &counts.pool_misses),
        ("stale", &counts.pool_stale),
    ];
    for (result, count) in results {
        pool.labelled([("result", result)], load(count));
    }
    let took = families.family(
        "docxy_dial_seconds",
        Type::Histogram,
        "How long the steps to a new connection took: lookup of a name, connect, TLS.",
    );
    let steps = [
        ("lookup", &counts.lookup),
        ("connect", &counts.connect),
        ("tls", &counts.tls),
    ];
    for (step, histogram) in steps {
        if let Some(durations) = histogram.read() {
            took.durations([("step", step)], durations);
        }
    }
    let failed = families.family(
        "docxy_dial_failures_total",
        Type::Counter,
        "Connections that did not come about, by the step that failed; check is that of the address.",
    );
    let steps = ["lookup", "check", "connect", "tls", "proxy"];
    for (step, count) in steps.into_iter().zip(&counts.failures) {
        failed.labelled([("step", step)], load(count));
    }
}

fn reloads(families: &mut Families, counts: &Counts) {
    let reloads = families.family(
        "docxy_reloads_total",
        Type::Counter,
        "How often configuration and files were read anew: all of it (ok), or not (failed), when what was in use stays.",
    );
    reloads.labelled([("result", "ok")], load(&counts.reloads));
    reloads.labelled([("result", "failed")], load(&counts.failed_reloads));
    let last = families.family(
        "docxy_last_reload_success_timestamp_seconds",
        Type::Gauge,
        "When all was read the last time, at the start or since, in seconds since 1970.",
    );
    last.integer(load(&counts.last_reload));
}

/// The names are those of the certificates that are shown now, so that there are never more than the operator has set.
fn certificates(families: &mut Families, store: &CertStore) {
    let family = families.family(
        "docxy_certificate_not_after_timestamp_seconds",
        Type::Gauge,
        "Until when each certificate of the https listeners is valid, in seconds since 1970.",
    );
    let set = store.current();
    for (name, key) in set.iter().flat_map(|set| set.each()) {
        if let Some(validity) = key.cert.first().and_then(Validity::of) {
            let until = since_1970(validity.until).as_secs();
            family.labelled([("name", &name)], until);
        }
    }
}

fn single(families: &mut Families, name: &'static str, help: &'static str, count: &AtomicU64) {
    let family = families.family(name, Type::Counter, help);
    family.integer(load(count));
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
