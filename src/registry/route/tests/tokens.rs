//! Token endpoints, and whose token is asked for there.

use super::*;

/// The upstream of the path, that of the Host, and whether the Host is shared.
const TOKENS: &str = "
    target                                                     host     upstream        by-host  shared
    /auth/ghcr.io/token                                        x.test   ghcr.io         -        true
    /auth/127.0.0.1%3A5100/token                               x.test   127.0.0.1:5100  -        true
    /auth/127.0.0.1:5100/token                                 x.test   127.0.0.1:5100  -        true
    /auth/corp/token                                           -        corp            -        true
    /auth/GHCR.IO/token?service=x&scope=repository%3Aa%3Apull  gh.test  ghcr.io         ghcr.io  false
    /auth/token?a=b                                            x.test   -               -        true
    /token                                                     gh.test  -               ghcr.io  false
";

#[test]
fn tokens_go_to_the_upstream_of_the_path() {
    let table = several();
    let name = |id: Option<UpstreamId>| id.map(|id| name_of(&table, id));
    for method in ["GET", "HEAD", "POST"] {
        for [target, host, upstream, by_host, shared] in rows(TOKENS) {
            let Ok(Route::Token(token)) = ask(&table, method, target, host) else {
                panic!("{target}");
            };
            assert_eq!(name(token.upstream), some(upstream), "{target}");
            assert_eq!(name(token.by_host), some(by_host), "{target}");
            assert_eq!(token.shared.to_string(), shared, "{target}");
            let query = split_query(target).1.trim_start_matches('?');
            assert_eq!(token.query, query, "{target}");
        }
    }
}

#[test]
fn a_token_request_shows_no_secret_and_is_of_the_only_upstream() {
    let table = one();
    let Ok(Route::Token(token)) = ask(&table, "GET", "/token?password=secret", "x.test") else {
        panic!("no token route");
    };
    assert!(!token.shared);
    assert!(!format!("{token:?}").contains("secret"));
    let identity = token.identity(&table, table.default_upstream());
    assert_eq!(identity, Identity::Own);
}

#[test]
fn ipv6_upstreams_have_token_paths() {
    let table = table(&["http://[2001:db8::1]:5000", "docker.io"]);
    for target in [
        "/auth/[2001:db8::1]:5000/token",
        "/auth/%5B2001%3Adb8%3A%3A1%5D%3A5000/token",
    ] {
        let Ok(Route::Token(token)) = ask(&table, "GET", target, "") else {
            panic!("{target}");
        };
        assert_eq!(token.upstream, Some(table.default_upstream()), "{target}");
    }
}
