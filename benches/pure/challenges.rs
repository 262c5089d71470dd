//! Challenges whose realm is replaced.

use criterion::{Criterion, Throughput};
use docxy::registry::challenge::rewrite;

const REALM: &str = "https://docxy.test/auth/docker.io/token";

/// What Docker Hub sends, several challenges in one field, and a value as long as a head may be.
const CHALLENGES: [(&str, &str, &str); 2] = [
    (
        "one",
        r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull""#,
        r#"Bearer realm="https://docxy.test/auth/docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull""#,
    ),
    (
        "several",
        r#"Basic realm="a, b", Bearer realm="https://a.test/t",service="s\"q", Negotiate abc==, Bearer realm="https://b.test/t""#,
        r#"Basic realm="a, b", Bearer realm="https://docxy.test/auth/docker.io/token",service="s\"q", Negotiate abc==, Bearer realm="https://docxy.test/auth/docker.io/token""#,
    ),
];

/// Rewrites each of them.
pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("challenges");
    for (name, value, expected) in CHALLENGES {
        group.throughput(Throughput::Bytes(value.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| check(value, expected)));
    }
    let scopes = "repository:library/alpine:pull ".repeat(900);
    let long = |realm| format!(r#"Bearer realm="{realm}",scope="{scopes}""#);
    let (value, expected) = (long("https://auth.docker.io/token"), long(REALM));
    group.throughput(Throughput::Bytes(value.len() as u64));
    group.bench_function("long", |bencher| bencher.iter(|| check(&value, &expected)));
    group.finish();
}

fn check(value: &str, expected: &str) {
    let written = rewrite(value.as_bytes(), |_| REALM.to_owned()).expect("a challenge");
    assert_eq!(written, expected.as_bytes());
}
