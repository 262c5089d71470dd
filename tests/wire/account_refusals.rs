//! Token servers and registries that refuse an account, or fail: who is told what, and whom else it concerns.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tempfile::TempDir;

use crate::accounts::{PASSWORD, USER, authorizations, basic, challenge, configured};
use crate::blob_server::Blob;
use crate::docxy::Docxy;
use crate::stand::{MANIFEST, blob, get, own_error, query, values};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, Client, Gate, Request, Response, Server, noise};

const TOKEN: &str = r#"{"token":"one","expires_in":300}"#;

/// A registry that challenges by `challenge` whoever has no token, or another one than this.
fn registry(challenge: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Server {
    Server::start(move |request| match request.head.one("authorization") {
        Some("Bearer one") => Answer::ok("{}"),
        _ => challenge(request),
    })
}

/// docxy with an account at a registry for which `auth` gives out tokens.
struct Stand {
    auth: Server,
    registry: Server,
    docxy: Docxy,
    directory: TempDir,
}

fn stand(auth: Server) -> Stand {
    let realm = format!("{}/token", auth.url());
    stand_before(auth, registry(move |request| challenge(&realm, request)))
}

fn stand_before(auth: Server, registry: Server) -> Stand {
    let directory = tempfile::tempdir().unwrap();
    let config = configured(&registry, &directory, "");
    let docxy = Docxy::start(&["--config", &config, "--workers", "1"]);
    Stand {
        auth,
        registry,
        docxy,
        directory,
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

#[test]
fn where_docxy_expects_another_challenge_than_comes_the_one_that_comes_counts() {
    for status in ["400 Bad Request", "403 Forbidden", "404 Not Found"] {
        let auth = Server::start(move |request| match &*scopes(request) {
            "aws" => Answer::ok(TOKEN),
            _ => Answer::new(status, &[], ""),
        });
        let value = format!("Bearer realm=\"{}/token\",scope=\"aws\"", auth.url());
        let stand = stand_before(auth, registry(move |_| Answer::challenge(&[&value])));
        for repository in ["a/b", "c/d"] {
            let answer = get(&stand.docxy, &format!("/v2/{repository}/manifests/latest"));
            assert_eq!(answer.status(), 200, "{status}: {}", answer.text());
        }
        assert_eq!(
            authorizations(&stand.registry),
            ["-", "Bearer one", "-", "Bearer one"]
        );
    }
}

#[test]
fn what_is_refused_before_any_challenge_may_want_no_token() {
    let auth = Server::start(|request| match &*scopes(request) {
        "repository:a/b:pull" => Answer::ok(TOKEN),
        _ => Answer::new("404 Not Found", &[], ""),
    });
    let realm = format!("{}/token", auth.url());
    let registry = registry(move |request| match request.head.target() {
        MANIFEST => challenge(&realm, request),
        _ => Answer::ok("public"),
    });
    let stand = stand_before(auth, registry);
    assert_eq!(get(&stand.docxy, MANIFEST).status(), 200);
    let public = get(&stand.docxy, "/v2/c/d/manifests/latest");
    assert_eq!((public.status(), public.text()), (200, "public".to_owned()));
}

#[test]
fn who_has_waited_for_a_token_that_does_not_come_is_told_with_the_others() {
    const CLIENTS: usize = 8;
    let (challenges, failure) = (Gate::new(), Gate::new());
    let wait = failure.clone();
    let auth = Server::start(move |_| {
        let mut answer = Answer::new("503 Service Unavailable", &[], "");
        answer.acts.insert(0, Act::Wait(wait.clone()));
        answer
    });
    let (realm, held) = (format!("{}/token", auth.url()), challenges.clone());
    // All are challenged before docxy knows of a realm, and then want the same token.
    let registry = registry(move |request| {
        let mut answer = challenge(&realm, request);
        answer.acts.insert(0, Act::Wait(held.clone()));
        answer
    });
    let stand = stand_before(auth, registry);
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|_| Client::connect(stand.docxy.addr()))
        .collect();
    for client in &mut clients {
        client.send(Ask::get(MANIFEST).bytes());
    }
    stand.registry.wait_for_requests(CLIENTS);
    challenges.open();
    for connection in 0..CLIENTS {
        stand.registry.wait_for_sent(connection, 1);
    }
    stand.auth.wait_for_requests(1);
    // The one worker has read what was there before this.
    for _ in 0..2 {
        assert_eq!(get(&stand.docxy, "/health").status(), 200);
    }
    failure.open();
    for client in &mut clients {
        let answer = client.receive("GET").complete();
        assert_eq!(own_error(&answer, 502), "UNAVAILABLE");
        assert!(answer.text().contains("answers 503"), "{}", answer.text());
    }
    assert_eq!(stand.auth.requests().len(), 1);
}

/// Renews the password of a stand while the first use of the old one is held up at `server`, and then refused. Returns the
/// answer to whoever has caused that.
fn renew_meanwhile(stand: &Stand, server: &Server, requests: usize, refusal: &Gate) -> Response {
    let mut client = Client::connect(stand.docxy.addr());
    client.send(Ask::get(MANIFEST).bytes());
    server.wait_for_requests(requests);
    fs::write(stand.directory.path().join("secret"), "renewed").unwrap();
    stand.docxy.wait_for_line("reloaded, files have changed");
    refusal.open();
    client.receive("GET").complete()
}

#[test]
fn the_refusal_of_a_password_that_has_been_renewed_meanwhile_is_none_of_the_new_one() {
    let gate = Gate::new();
    let refusal = gate.clone();
    let stand = stand(Server::start(move |request| {
        if request.head.one("authorization") == Some(&*basic(USER, "renewed")) {
            return Answer::ok(TOKEN);
        }
        let mut answer = Answer::new("401 Unauthorized", &[], "{}");
        answer.acts.insert(0, Act::Wait(refusal.clone()));
        answer
    }));
    let first = renew_meanwhile(&stand, &stand.auth, 1, &gate);
    assert_eq!(first.status(), 200, "{}", first.text());
    let other = get(&stand.docxy, "/v2/c/d/manifests/latest");
    assert_eq!(other.status(), 200, "{}", other.text());
    let (old, new) = (basic(USER, PASSWORD), basic(USER, "renewed"));
    assert_eq!(authorizations(&stand.auth), [old, new.clone(), new]);
}

#[test]
fn a_blob_goes_on_with_the_account_after_a_bad_moment_of_the_token_server() {
    let asked = AtomicUsize::new(0);
    let auth = Server::start(move |request| {
        if request.head.one("authorization") != Some(&*basic(USER, PASSWORD)) {
            return Answer::new("401 Unauthorized", &[], "{}");
        }
        match asked.fetch_add(1, Ordering::SeqCst) {
            1 => Answer::new("503 Service Unavailable", &[], ""),
            number => Answer::ok(format!(r#"{{"token":"number-{number}"}}"#)),
        }
    });
    let realm = format!("{}/token", auth.url());
    let bytes = noise(10_000);
    let served = Blob::new(&bytes, vec![(4_000, Act::Drop)]);
    // The first token has expired when the blob breaks off.
    let registry = Server::start(move |request| {
        let is_rest = request.head.has("range");
        match (request.head.one("authorization"), is_rest) {
            (Some("Bearer number-0"), false) | (Some("Bearer number-2"), true) => {
                served.answer(request)
            }
            _ => challenge(&realm, request),
        }
    });
    let stand = stand_before(auth, registry);
    assert!(get(&stand.docxy, &blob()).complete().body == bytes);
    assert_eq!(
        authorizations(&stand.registry),
        [
            "-",
            "Bearer number-0",
            "Bearer number-0",
            "Bearer number-0",
            "Bearer number-2"
        ]
    );
}

#[test]
fn a_registry_that_wants_tokens_instead_of_the_password_by_now_gets_them() {
    let auth = Server::start(|_| Answer::ok(TOKEN));
    let realm = format!("{}/token", auth.url());
    let wants_tokens = Arc::new(AtomicBool::new(false));
    let by_now = Arc::clone(&wants_tokens);
    let login = basic(USER, PASSWORD);
    let registry = registry(move |request| {
        let has_login = request.head.one("authorization") == Some(&*login);
        match by_now.load(Ordering::SeqCst) {
            true => challenge(&realm, request),
            false if has_login => Answer::ok("{}"),
            false => Answer::challenge(&["Basic realm=\"reg\""]),
        }
    });
    let stand = stand_before(auth, registry);
    for _ in 0..2 {
        assert_eq!(get(&stand.docxy, MANIFEST).status(), 200);
    }
    wants_tokens.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let answer = get(&stand.docxy, MANIFEST);
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
    let login = &*basic(USER, PASSWORD);
    assert_eq!(
        authorizations(&stand.registry),
        ["-", login, login, login, "Bearer one", "Bearer one"]
    );
}

#[test]
fn a_registry_that_refuses_a_password_of_yesterday_gets_the_one_of_today() {
    let gate = Gate::new();
    let (refusal, is_renewed) = (gate.clone(), AtomicBool::new(false));
    let registry = Server::start(move |request| {
        let login = request.head.one("authorization");
        let is_old = login == Some(&*basic(USER, PASSWORD));
        if login == Some(&*basic(USER, "renewed")) {
            return Answer::ok("{}");
        }
        // The old one is good for one request.
        if is_old && !is_renewed.swap(true, Ordering::SeqCst) {
            return Answer::ok("{}");
        }
        let mut answer = Answer::challenge(&["Basic realm=\"reg\""]);
        if is_old {
            answer.acts.insert(0, Act::Wait(refusal.clone()));
        }
        answer
    });
    let stand = stand_before(Server::start(|_| Answer::ok(TOKEN)), registry);
    assert_eq!(get(&stand.docxy, MANIFEST).status(), 200);
    let second = renew_meanwhile(&stand, &stand.registry, 3, &gate);
    assert_eq!(second.status(), 200, "{}", second.text());
    assert_eq!(get(&stand.docxy, MANIFEST).status(), 200);
}
