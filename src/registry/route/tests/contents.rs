//! What is asked for of an upstream: repositories, kinds and queries.

use super::*;

#[test]
fn content_of_one_upstream() {
    let long = format!("/v2/library/alpine/blobs/{DIGEST}");
    let short = format!("/v2/alpine/blobs/{DIGEST}");
    let referrers = format!("/v2/a/b/referrers/{DIGEST}?artifactType=x%2Fy");
    let cases = [
        (
            "/v2/alpine/manifests/latest",
            Kind::Manifest,
            "library/alpine",
            "/v2/library/alpine/manifests/latest",
        ),
        (
            "/v2/library/alpine/manifests/latest",
            Kind::Manifest,
            "library/alpine",
            "/v2/library/alpine/manifests/latest",
        ),
        (&long, Kind::Blob, "library/alpine", &long),
        (&short, Kind::Blob, "library/alpine", &long),
        (&referrers, Kind::Referrers, "a/b", &referrers),
        (
            "/v2/a/b/tags/list?n=2&last=x",
            Kind::Tags,
            "a/b",
            "/v2/a/b/tags/list?n=2&last=x",
        ),
        (
            "/v2/docker.io/alpine/manifests/3",
            Kind::Manifest,
            "library/alpine",
            "/v2/library/alpine/manifests/3",
        ),
        (
            "/v2/Index.Docker.IO/a/b/manifests/3",
            Kind::Manifest,
            "a/b",
            "/v2/a/b/manifests/3",
        ),
        (
            "/v2/my.project/x/manifests/3",
            Kind::Manifest,
            "my.project/x",
            "/v2/my.project/x/manifests/3",
        ),
        (
            "/v2/a/b/manifests/x?",
            Kind::Manifest,
            "a/b",
            "/v2/a/b/manifests/x?",
        ),
    ];
    for (target, kind, repository, path_and_query) in cases {
        let content = content(&one(), target, "evil.test");
        assert_eq!(content.kind, kind, "{target}");
        assert_eq!(content.repository(), repository, "{target}");
        assert_eq!(content.path_and_query, path_and_query, "{target}");
        assert!(!content.place.shared, "{target}");
        assert_eq!(content.place.identity, Identity::Own, "{target}");
    }
}

#[test]
fn paths_are_split_at_the_last_keyword() {
    let cases = [
        ("/v2/x/manifests/manifests/latest", "x/manifests"),
        (
            "/v2/manifests/manifests/manifests/latest",
            "manifests/manifests",
        ),
        ("/v2/x/tags/list/manifests/latest", "x/tags/list"),
        ("/v2/x/manifests/tags/list", "x/manifests"),
        ("/v2/x/tags/list/tags/list", "x/tags/list"),
        ("/v2/x/blobs/y/manifests/latest", "x/blobs/y"),
        ("/v2/x/referrers/manifests/blobs", "x/referrers"),
        ("/v2/x/uploads/manifests/list", "x/uploads"),
        ("/v2/blobs/manifests/x", "library/blobs"),
    ];
    for (target, repository) in cases {
        assert_eq!(
            content(&one(), target, "").repository(),
            repository,
            "{target}"
        );
    }
}

#[test]
fn ns_is_left_out_and_the_rest_of_the_query_stays() {
    let cases = [
        ("", ""),
        ("?", "?"),
        ("?ns=docker.io", ""),
        ("?ns=", ""),
        ("?n=1", "?n=1"),
        ("?ns=docker.io&n=1&last=b%2fc", "?n=1&last=b%2fc"),
        ("?n=1&ns=docker.io&last=x", "?n=1&last=x"),
        ("?n=1&ns=docker.io", "?n=1"),
        ("?&ns=docker.io&&n=1", "?&&n=1"),
        ("?nsx=1&xns=2", "?nsx=1&xns=2"),
        ("?ns=docker.io&ns=ghcr.io", ""),
        ("?last=a?b&n=%zz", "?last=a?b&n=%zz"),
    ];
    for (query, kept) in cases {
        let target = format!("/v2/a/b/tags/list{query}");
        let expected = format!("/v2/a/b/tags/list{kept}");
        assert_eq!(
            content(&several(), &target, "").path_and_query,
            expected,
            "{query}"
        );
    }
}
