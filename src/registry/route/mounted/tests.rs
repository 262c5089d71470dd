//! What is found under mounts, and what is not.

use super::super::{Asked, Route, route};
use super::*;

const MOUNTS: [&str; 5] = [
    "/registry=https://registry-1.docker.io",
    "/plain=http://index.docker.io",
    "/auth.d=https://auth.test",
    "/registry/blob=https://cdn.test",
    "/ghcr=https://ghcr.io",
];

fn table() -> Table {
    let mut table = Table::of(&["docker.io", "ghcr.io"]);
    for mount in MOUNTS {
        table.add_mount(mount).unwrap();
    }
    table
}

fn open() -> Access {
    Access::open(&table())
}

fn restricted() -> Access {
    let rules = ["docker.io/alpine", "ghcr.io/org/*"].map(str::to_owned);
    let mut access = Access::parse(&rules, &table()).unwrap();
    access
        .deny_also(&["ghcr.io/org/x".to_owned()], &table())
        .unwrap();
    access
}

fn ask(target: &str, access: &Access) -> Result<(String, Mounted), RouteError> {
    let table = table();
    let asked = Asked {
        method: b"GET",
        target,
        host: None,
    };
    match route(&asked, &table, access)? {
        Route::Mounted(mounted) => {
            let mount = table.mounts().get(mounted.mount);
            Ok((mount.origin.to_string(), mounted))
        }
        other => panic!("{target}: {other:?}"),
    }
}

#[test]
fn path_and_query_stay_as_they_are() {
    let cases = [
        ("/registry", "https://registry-1.docker.io", "/"),
        ("/registry/", "https://registry-1.docker.io", "/"),
        ("/registry?x=1", "https://registry-1.docker.io", "/?x=1"),
        ("/registry/v2/", "https://registry-1.docker.io", "/v2/"),
        (
            "/registry/v2/alpine/manifests/latest?ns=docker.io",
            "https://registry-1.docker.io",
            "/v2/alpine/manifests/latest?ns=docker.io",
        ),
        ("/registry/blobs", "https://registry-1.docker.io", "/blobs"),
        (
            "/registry/blob/d//e%20f%c3%a9/=+~|\"{?verify=1-a%2Fb%3D&&=?/../#"
                .trim_end_matches('#'),
            "https://cdn.test",
            "/d//e%20f%c3%a9/=+~|\"{?verify=1-a%2Fb%3D&&=?/../",
        ),
    ];
    for (target, origin, path_and_query) in cases {
        let (asked, mounted) = ask(target, &open()).unwrap();
        assert_eq!(
            (asked.as_str(), mounted.path_and_query.as_str()),
            (origin, path_and_query)
        );
    }
}

/// Asserts that each of these targets is refused so.
fn assert_refused(targets: &[&str], error: &RouteError) {
    for target in targets {
        assert_eq!(ask(target, &open()).as_ref(), Err(error), "{target:?}");
    }
}

#[test]
fn what_could_lead_out_of_the_prefix_is_malformed() {
    for rest in [
        "/..",
        "/../v2/",
        "/./x",
        "/x/..",
        "/x/../../v2/",
        "/%2e%2e/x",
        "/%2E./x",
        "/x%2fy",
        "/x%2Fy",
        "/x%5cy",
        "/x\\y",
        "/x%00",
        "/x%0d%0a",
        "/x%7f",
        "/x%252fy",
        "/x%",
        "/x%2",
        "/x%zz",
        "/x y",
        "/x\ty",
        "/x\0",
        "/é",
        "/x#y",
    ] {
        assert_refused(&[&format!("/registry{rest}")], &RouteError::Malformed);
    }
    let around = ["/x/../registry/", "//registry/x", "/./registry/x"];
    assert_refused(&around, &RouteError::Malformed);
}

#[test]
fn a_query_that_is_none_is_malformed() {
    for query in ["?a b", "?\r\n", "?é", "?a#b"] {
        assert_refused(&[&format!("/registry/x{query}")], &RouteError::Malformed);
    }
}

#[test]
fn what_only_looks_like_a_prefix_is_not_found() {
    let targets = [
        "/registryx",
        "/Registry/",
        "/%72egistry/",
        "/re",
        "/auth.d2/token",
    ];
    assert_refused(&targets, &RouteError::NotFound);
}

#[test]
fn credentials_pass_where_they_are_asked_for() {
    let cases = [
        ("/registry/v2/", Role::Registry),
        ("/registry/v2", Role::Registry),
        ("/registry/v2/a/blobs/x?service=1", Role::Registry),
        (
            "/auth.d/token?service=registry.docker.io&scope=x",
            Role::Tokens,
        ),
        ("/auth.d/token?account=a&scope=x", Role::Tokens),
        ("/auth.d/token", Role::Store),
        ("/auth.d/token?xscope=x", Role::Store),
        (
            "/registry/blob/registry-v2/docker/registry/v2/blobs/x/data?verify=1",
            Role::Store,
        ),
        ("/registry/blob/v2x", Role::Store),
    ];
    for (target, role) in cases {
        assert_eq!(ask(target, &open()).unwrap().1.role, role, "{target}");
    }
}

#[test]
fn a_mount_is_no_way_round_the_rules() {
    let cases = [
        ("/registry/v2/", true),
        ("/registry/v2", true),
        ("/registry/v2/library/alpine/manifests/latest", true),
        ("/registry/v2/library/alpine/tags/list?n=1", true),
        ("/plain/v2/library/alpine/manifests/latest", true),
        ("/ghcr/v2/org/y/manifests/1", true),
        ("/registry/blob/anything/at/all?verify=x", true),
        ("/auth.d/token?scope=repository:evil/x:pull", true),
        ("/registry/v2/alpine/manifests/latest", false),
        ("/registry/v2/evil/x/manifests/latest", false),
        ("/plain/v2/evil/x/manifests/latest", false),
        ("/ghcr/v2/org/x/manifests/1", false),
        ("/ghcr/v2/library/alpine/manifests/1", false),
        // What its grammar is, only the origin knows.
        ("/registry/v2//evil/x/manifests/latest", false),
        ("/registry//v2/evil/x/manifests/latest", false),
        ("/registry/v2/library/alpine/manifests/latest/", false),
        ("/registry/v2/library/alpine/manifests/x%20y", false),
        ("/registry/V2/evil/x/manifests/latest", false),
        ("/registry/v1/repositories/evil", false),
        ("/registry/", false),
        ("/ghcr/token?scope=repository:org/x:pull", false),
    ];
    for (target, passes) in cases {
        let answer = ask(target, &restricted());
        match answer {
            Ok(_) => assert!(passes, "{target}"),
            Err(error) => {
                assert!(!passes, "{target}: {error}");
                assert_eq!((error.status(), error.code()), (403, "DENIED"), "{target}");
            }
        }
        assert!(ask(target, &open()).is_ok(), "{target}");
    }
}

#[test]
fn catalogues_are_not_shown_unless_that_is_meant() {
    let target = "/registry/v2/_catalog?n=1";
    assert_eq!(ask(target, &open()), Err(RouteError::NotFound));
    let mut shown = open();
    shown.show_catalogs();
    assert_eq!(
        ask(target, &shown).unwrap().1.path_and_query,
        "/v2/_catalog?n=1"
    );
    let mut shown = restricted();
    shown.show_catalogs();
    assert_eq!(ask(target, &shown).unwrap_err().status(), 403);
}

#[test]
fn references_lead_to_the_longest_prefix_or_nowhere() {
    let cases = [
        (
            "https://registry-1.docker.io/v2/a?n=1",
            Some("/registry/v2/a?n=1"),
        ),
        ("https://registry-1.docker.io:443/", Some("/registry/")),
        (
            "https://cdn.test/a//b?sig=%2F",
            Some("/registry/blob/a//b?sig=%2F"),
        ),
        ("https://auth.test/token", Some("/auth.d/token")),
        ("http://auth.test/token", None),
        ("https://auth.test:444/token", None),
        ("https://other.test/", None),
        // Here stands another mount.
        ("https://registry-1.docker.io/blob/a", None),
        ("https://auth.test/a/../b", None),
        ("https://auth.test/a%2fb", None),
    ];
    let (table, access) = (table(), open());
    for (url, expected) in cases {
        let view = MountView {
            table: &table,
            access: &access,
            base: "https://docxy.test:5000",
        };
        let reference = view.reference(&Target::parse(url.as_bytes()).unwrap());
        let reference = reference.map(|(_, reference)| reference);
        let expected = expected.map(|path| format!("{}{path}", view.base));
        assert_eq!(reference, expected, "{url}");
    }
    let (access, base) = (restricted(), "");
    let view = MountView {
        table: &table,
        access: &access,
        base,
    };
    let refused = Target::parse(b"https://ghcr.io/token").unwrap();
    assert_eq!(view.reference(&refused), None);
}
