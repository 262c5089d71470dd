//! Which upstream is asked, and what the client called it.

use super::*;

/// The first that names an upstream chooses it: the path, `ns`, the Host.
const CHOSEN: &str = "
    target                                   host            upstream        path
    /v2/a/b/tags/list                        docxy.test      docker.io       /v2/a/b/tags/list
    /v2/a/b/tags/list                        -               docker.io       /v2/a/b/tags/list
    /v2/a/tags/list                          gh.test         ghcr.io         /v2/a/tags/list
    /v2/a/tags/list                          GH.test:5000    ghcr.io         /v2/a/tags/list
    /v2/a/tags/list                          ghcr.io         ghcr.io         /v2/a/tags/list
    /v2/a/tags/list                          corp            corp            /v2/a/tags/list
    /v2/a/tags/list                          127.0.0.1:5100  docker.io       /v2/library/a/tags/list
    /v2/a/tags/list?ns=ghcr.io               docxy.test      ghcr.io         /v2/a/tags/list
    /v2/a/tags/list?ns=docker.io             gh.test         docker.io       /v2/library/a/tags/list
    /v2/a/tags/list?ns=127.0.0.1%3A5100&n=1  -               127.0.0.1:5100  /v2/a/tags/list?n=1
    /v2/a/tags/list?ns=127.0.0.1:5100        -               127.0.0.1:5100  /v2/a/tags/list
    /v2/a/tags/list?ns=corp                  -               corp            /v2/a/tags/list
    /v2/a/tags/list?ns=GHCR.IO               -               ghcr.io         /v2/a/tags/list
    /v2/ghcr.io/a/tags/list                  docxy.test      ghcr.io         /v2/a/tags/list
    /v2/ghcr.io/a/tags/list?ns=ghcr.io       -               ghcr.io         /v2/a/tags/list
    /v2/ghcr.io/a/tags/list?ns=docker.io     -               ghcr.io         /v2/a/tags/list
    /v2/ghcr.io/a/tags/list?ns=other.test    -               ghcr.io         /v2/a/tags/list
    /v2/docker.io/a/tags/list                gh.test         docker.io       /v2/library/a/tags/list
    /v2/127.0.0.1:5100/lib/x/tags/list       -               127.0.0.1:5100  /v2/lib/x/tags/list
    /v2/reg.corp.test/a/b/tags/list          -               corp            /v2/a/b/tags/list
    /v2/corp/a/tags/list                     -               docker.io       /v2/corp/a/tags/list
    /v2/ghcr.io/ghcr.io/a/tags/list          -               ghcr.io         /v2/ghcr.io/a/tags/list
    /v2/a/tags/list?ns=                      gh.test         ghcr.io         /v2/a/tags/list
    /v2/a/tags/list?ns                       -               docker.io       /v2/library/a/tags/list
    /v2/a/tags/list?ns=&ns=ghcr.io           -               ghcr.io         /v2/a/tags/list
";

#[test]
fn the_first_that_names_an_upstream_chooses_it() {
    let table = several();
    for [target, host, upstream, path] in rows(CHOSEN) {
        let content = content(&table, target, host);
        let chosen = name_of(&table, content.upstream);
        assert_eq!(chosen, upstream, "{target} {host}");
        assert_eq!(content.path_and_query, path, "{target} {host}");
    }
}

/// How the upstream was named, and who the client is there.
const PLACES: &str = "
    target                                       host     prefix     ns                shared  identity
    /v2/a/b/tags/list                            x.test   -          -                 true    Own
    /v2/GHCR.io/b/tags/list                      x.test   GHCR.io    -                 true    Anonymous
    /v2/a/b/tags/list?ns=ghcr.io                 x.test   -          ghcr.io           true    Anonymous
    /v2/a/b/tags/list?ns=docker.io               x.test   -          docker.io         true    Own
    /v2/docker.io/b/tags/list                    x.test   docker.io  -                 true    Own
    /v2/a/b/tags/list                            gh.test  -          -                 false   Own
    /v2/ghcr.io/b/tags/list                      gh.test  ghcr.io    -                 false   Own
    /v2/docker.io/b/tags/list                    gh.test  docker.io  -                 false   Anonymous
    /v2/ghcr.io/b/tags/list?ns=127.0.0.1%3a5100  -        ghcr.io    127.0.0.1%3a5100  true    Anonymous
    /v2/ghcr.io/b/tags/list?ns=other.test        -        ghcr.io    other.test        true    Anonymous
    /v2/ghcr.io/b/tags/list?ns=%0d%0aX:y         -        ghcr.io    -                 true    Anonymous
    /v2/ghcr.io/b/tags/list?ns=a>;rel=x          -        ghcr.io    -                 true    Anonymous
";

#[test]
fn places_say_how_the_upstream_was_named() {
    let table = several();
    for [target, host, prefix, ns, shared, identity] in rows(PLACES) {
        let place = content(&table, target, host).place;
        assert_eq!(place.prefix.as_deref(), some(prefix), "{target} {host}");
        assert_eq!(place.ns.as_deref(), some(ns), "{target} {host}");
        assert_eq!(place.shared.to_string(), shared, "{target} {host}");
        let who = format!("{:?}", place.identity);
        assert_eq!(who, identity, "{target} {host}");
        assert_eq!(place.mount, None, "{target} {host}");
    }
    let place = content(&table, "/v2/a/tags/list?ns=127.0.0.1%3a5100", "").place;
    assert_eq!(place.namespace().as_deref(), Some("127.0.0.1:5100"));
    assert_eq!(Place::default().namespace(), None);
}

/// `/v2/`, and whose it is; nobody's is docxy's own.
const PINGS: &str = "
    target                     host     upstream
    /v2/                       x.test   -
    /v2                        x.test   -
    /v2/                       gh.test  ghcr.io
    /v2/?ns=ghcr.io            x.test   ghcr.io
    /v2/ghcr.io/               x.test   ghcr.io
    /v2/ghcr.io                x.test   ghcr.io
    /v2/docker.io/?ns=ghcr.io  gh.test  docker.io
    /v2/127.0.0.1:5100/        -        127.0.0.1:5100
";

#[test]
fn pings_go_to_the_upstream_that_is_named() {
    let table = several();
    for [target, host, expected] in rows(PINGS) {
        match (ask(&table, "GET", target, host), some(expected)) {
            (Ok(Route::SharedPing), None) => {}
            (Ok(Route::Ping { upstream, .. }), Some(name)) => {
                assert_eq!(name_of(&table, upstream), name, "{target}");
            }
            (other, _) => panic!("{target} {host}: {other:?}"),
        }
    }
    for target in ["/v2/", "/v2", "/v2/docker.io/"] {
        assert!(
            matches!(ask(&one(), "GET", target, "x.test"), Ok(Route::Ping { .. })),
            "{target}"
        );
    }
    let Ok(Route::Ping { place, .. }) = ask(&table, "GET", "/v2/ghcr.io/", "x.test") else {
        panic!("no ping");
    };
    assert_eq!(place.prefix.as_deref(), Some("ghcr.io"));
}
