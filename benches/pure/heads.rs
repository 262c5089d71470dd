//! Heads found, parsed and written anew.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use docxy::http::head::{
    Found, HeadScanner, Limits, REQUEST_LIMITS, RESPONSE_LIMITS, RequestHead, ResponseHead, Version,
};
use docxy::http::request::effective;
use docxy::http::uri::Target;
use docxy::http::write::HeadWriter;
use docxy::registry::access::Access;
use docxy::registry::rewrite::{self, Credentials, Part, Source, View};
use docxy::registry::route::{Asked, Place, Route, route};
use docxy::registry::table::{Table, Upstream};

use crate::recorded;

/// Parses what clients and a registry have sent, and writes it as it would go on.
pub(crate) fn bench(criterion: &mut Criterion) {
    let recorded = recorded::read();
    let requests: Vec<Bytes> = recorded.requests.iter().cloned().map(Bytes::from).collect();
    let answers: Vec<Bytes> = recorded.answers.iter().cloned().map(Bytes::from).collect();
    let mut group = criterion.benchmark_group("heads");

    group.throughput(Throughput::Bytes(recorded::total(&recorded.requests)));
    group.bench_function("requests parsed", |bencher| {
        bencher.iter(|| {
            requests
                .iter()
                .for_each(|head| drop(black_box(request(head))));
        });
    });
    let parsed: Vec<RequestHead> = requests.iter().map(request).collect();
    let table = table();
    group.bench_function("requests rewritten", |bencher| {
        bencher.iter(|| {
            let written = parsed.iter().filter_map(|head| rewritten(head, &table));
            assert!(written.map(black_box).count() > 100, "most requests go on");
        });
    });

    group.throughput(Throughput::Bytes(recorded::total(&recorded.answers)));
    group.bench_function("answers parsed", |bencher| {
        bencher.iter(|| {
            answers
                .iter()
                .for_each(|head| drop(black_box(answer(head))));
        });
    });
    let parsed: Vec<ResponseHead> = answers.iter().map(answer).collect();
    let target =
        Target::parse(b"http://127.0.0.1:5203/v2/lib/multi/manifests/latest").expect("a target");
    group.bench_function("answers rewritten", |bencher| {
        bencher.iter(|| {
            parsed
                .iter()
                .for_each(|head| drop(black_box(passed(head, &target))));
        });
    });
    group.finish();
}

fn found(bytes: &Bytes, limits: Limits) -> Bytes {
    match HeadScanner::new(limits).find(bytes) {
        Ok(Found::Head(range)) => {
            assert_eq!(range, 0..bytes.len());
            bytes.slice(range)
        }
        other => panic!("{other:?}"),
    }
}

fn request(bytes: &Bytes) -> RequestHead {
    let head = RequestHead::parse(found(bytes, REQUEST_LIMITS)).expect("a request");
    assert!(head.target().starts_with('/'));
    head
}

fn answer(bytes: &Bytes) -> ResponseHead {
    let head = ResponseHead::parse(found(bytes, RESPONSE_LIMITS)).expect("an answer");
    assert!((100..600).contains(&head.status));
    head
}

fn table() -> Table {
    let upstreams = Upstream::parse("docker.io=http://127.0.0.1:5203").expect("an upstream");
    Table::new(upstreams).expect("a table")
}

/// From the parsed request to the one for the upstream, if there is one to be sent.
fn rewritten(head: &RequestHead, table: &Table) -> Option<Vec<u8>> {
    let effective = effective(head).expect("target and Host");
    let asked = Asked {
        method: head.method(),
        target: &effective.target,
        host: effective.authority.as_ref(),
    };
    let Ok(Route::Content(content)) = route(&asked, table, &Access::default()) else {
        return None;
    };
    let target = Target {
        origin: table.get(content.upstream).origin.clone(),
        path_and_query: content.path_and_query,
    };
    let written = rewrite::request_head(&rewrite::Request {
        method: head.method(),
        target: &target,
        fields: &head.fields,
        credentials: Credentials::Sent,
        part: Part::AsAsked,
        version: Version::Http11,
        via: "docxy",
        body: None,
    });
    assert!(written.ends_with(b"\r\nVia: 1.1 docxy\r\n\r\n"));
    Some(written)
}

fn passed(head: &ResponseHead, target: &Target) -> Vec<u8> {
    let mut written = HeadWriter::answer(head.status, head.reason());
    let view = View {
        target,
        place: &Place::default(),
        mounts: None,
        source: Source::Upstream,
        by_account: false,
        status: head.status,
        length: Some(1),
    };
    let realm = |_: &_| "https://docxy.test/auth/docker.io/token".to_owned();
    rewrite::response_fields(&mut written, head, &view, realm).expect("a challenge, if any");
    let written = written.finish();
    assert!(written.ends_with(b"\r\n\r\n"));
    written
}
