//! Token servers and registries that refuse an account, or fail: who is told what, and whom else it concerns.

use tempfile::TempDir;

use crate::accounts::{authorizations, challenge, configured};
use crate::docxy::Docxy;
use crate::stand::{MANIFEST, get, own_error, query, values};
use crate::wire::{Answer, Request, Server};

const TOKEN: &str = r#"{"token":"one","expires_in":300}"#;

/// docxy with an account at a registry for which `auth` gives out tokens.
struct Stand {
    auth: Server,
    registry: Server,
    docxy: Docxy,
    _directory: TempDir,
}

fn stand(auth: Server) -> Stand {
    let realm = format!("{}/token", auth.url());
    let registry = Server::start(move |request| match request.head.one("authorization") {
        Some("Bearer one") => Answer::ok("{}"),
        _ => challenge(&realm, request),
    });
    let directory = tempfile::tempdir().unwrap();
    let docxy = Docxy::start(&["--config", &configured(&registry, &directory, "")]);
    Stand {
        auth,
        registry,
        docxy,
        _directory: directory,
    }
}

/// For what a token is asked for.
fn scopes(request: &Request) -> String {
    values(&query(request), "scope").join(" ")
}

#[test]
fn a_repository_that_the_account_may_not_pull_is_denied_and_the_others_are_served() {
    let stand = stand(Server::start(|request| match &*scopes(request) {
        "repository:a/secret:pull" => Answer::new("403 Forbidden", &[], "{}"),
        _ => Answer::ok(TOKEN),
    }));
    for repository in ["a/secret", "a/b", "a/secret", "a/c"] {
        let answer = get(&stand.docxy, &format!("/v2/{repository}/manifests/latest"));
        if repository != "a/secret" {
            assert_eq!(answer.status(), 200, "{}", answer.text());
            continue;
        }
        assert_eq!(own_error(&answer, 403), "DENIED");
        let why = "reg.test refuses its account a token for a/secret (403)";
        assert!(answer.text().contains(why), "{}", answer.text());
    }
}
