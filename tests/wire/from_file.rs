//! One configuration file with several registries: every way to choose one, what passes of each, whose login goes where, and
//! an account each.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use tempfile::TempDir;

use crate::docxy::Docxy;
use crate::stand::{DIGEST, ask, get, own_error};
use crate::wire::{Answer, Ask, Server};

struct Stand {
    a: Server,
    b: Server,
    docxy: Docxy,
    _directory: TempDir,
}

fn saying(name: &'static str) -> Server {
    Server::start(move |request| Answer::ok(format!("{name} {}", request.head.target())))
}

fn configured(directory: &Path, text: &str) -> Docxy {
    let path = directory.join("docxy.toml");
    fs::write(&path, format!("listen = ['127.0.0.1:0']\n{text}")).unwrap();
    Docxy::start(&["--config", path.to_str().unwrap()])
}

/// `a.test` the default one, `b.test` with two aliases, and what `more` says of each.
fn stand(a: Server, b: Server, more: [&str; 2]) -> Stand {
    let directory = tempfile::tempdir().unwrap();
    let (url_a, url_b, [more_a, more_b]) = (a.url(), b.url(), more);
    let text = format!(
        "[[upstream]]\nname = 'a.test'\nurl = '{url_a}'\n{more_a}\n\
         [[upstream]]\nname = 'b.test'\nurl = '{url_b}'\naliases = ['b.mirror.test', 'b2.test']\n{more_b}\n"
    );
    Stand {
        docxy: configured(directory.path(), &text),
        a,
        b,
        _directory: directory,
    }
}

#[test]
fn path_ns_host_aliases_and_default_at_once() {
    let stand = stand(saying("a"), saying("b"), ["", ""]);
    let cases = [
        ("/v2/x/manifests/t", "docxy.test", "a"),
        ("/v2/b.test/x/manifests/t", "docxy.test", "b"),
        ("/v2/b.mirror.test/x/manifests/t", "docxy.test", "b"),
        ("/v2/x/manifests/t?ns=b2.test", "docxy.test", "b"),
        ("/v2/x/manifests/t", "B.mirror.test:5000", "b"),
        ("/v2/x/manifests/t", "b2.test", "b"),
        ("/v2/x/manifests/t?ns=a.test", "b.test", "a"),
        ("/v2/a.test/x/manifests/t?ns=b.test", "b.test", "a"),
    ];
    for (target, host, name) in cases {
        let answer = ask(&stand.docxy, &Ask::get(target).host(host));
        assert_eq!(
            answer.text(),
            format!("{name} /v2/x/manifests/t"),
            "{target} {host}"
        );
    }
    let unknown = get(&stand.docxy, "/v2/x/manifests/t?ns=c.test");
    assert_eq!(own_error(&unknown, 404), "NAME_UNKNOWN");
}

#[test]
fn what_passes_is_said_of_each_and_so_is_what_is_answered_else() {
    let rules = [
        "deny = ['secret/**']\nrefuse_as = 'unknown'",
        "allow = ['good/*', 'also']\ndeny = ['good/not']\nrefuse_message = 'ask it@example.org'",
    ];
    let stand = stand(saying("a"), saying("b"), rules);
    let targets = |name: &str| {
        [
            format!("/v2/{name}/manifests/t"),
            format!("/v2/{name}/blobs/{DIGEST}"),
            format!("/v2/{name}/tags/list"),
            format!("/v2/{name}/referrers/{DIGEST}"),
        ]
    };
    for name in ["x", "good/not", "b.test/good/x", "b.test/also"] {
        for target in targets(name) {
            assert_eq!(get(&stand.docxy, &target).status(), 200, "{target}");
        }
    }
    let passed = (stand.a.lines().len(), stand.b.lines().len());
    for (name, status, code, message) in [
        ("secret/x", 404, "NAME_UNKNOWN", "is not known here"),
        (
            "a.test/secret/x/y",
            404,
            "NAME_UNKNOWN",
            "is not known here",
        ),
        ("b.test/x", 403, "DENIED", "ask it@example.org"),
        ("b.test/good/not", 403, "DENIED", "ask it@example.org"),
        ("b2.test/good/x/y", 403, "DENIED", "ask it@example.org"),
    ] {
        let scope = format!("/auth/token?scope=repository:{name}:pull");
        for target in targets(name).into_iter().chain([scope]) {
            let answer = get(&stand.docxy, &target);
            assert_eq!(own_error(&answer, status), code, "{target}");
            assert!(
                answer.text().contains(message),
                "{target}: {}",
                answer.text()
            );
        }
    }
    assert_eq!(
        (stand.a.lines().len(), stand.b.lines().len()),
        passed,
        "nobody hears of it"
    );
}

#[test]
fn logins_for_a_shared_host_go_where_the_file_says() {
    let login = |target: &str| Ask::get(target).field("Authorization", "Basic YWxpY2U6czNjcmV0");
    for (more, of_a, of_b) in [
        (["", ""], true, false),
        (["", "client_logins = true"], false, true),
        (["client_logins = true", "client_logins = true"], true, true),
        (["client_logins = false", ""], false, false),
    ] {
        let stand = stand(saying("a"), saying("b"), more);
        ask(&stand.docxy, &login("/v2/a.test/x/manifests/t"));
        ask(&stand.docxy, &login("/v2/b.test/x/manifests/t"));
        let seen =
            [&stand.a, &stand.b].map(|server| server.only_request().head.has("authorization"));
        assert_eq!(seen, [of_a, of_b], "{more:?}");
        // On a Host of its own a registry gets its login, whatever is said of the shared one.
        ask(
            &stand.docxy,
            &login("/v2/x/manifests/t").host("b.mirror.test"),
        );
        assert!(
            stand.b.requests().pop().unwrap().head.has("authorization"),
            "{more:?}"
        );
    }
}

fn basic(login: &str) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(login);
    format!("Basic {encoded}")
}

/// Both registries have one token server, one service and the same scopes: only the account tells their tokens apart.
#[test]
fn a_token_of_one_account_is_never_given_to_another() {
    let logins = [basic("alice:one"), basic("bob:two")];
    let auth = Server::start(move |request| {
        let login = request.head.one("authorization").unwrap_or("-");
        match logins.iter().position(|known| known == login) {
            Some(who) => Answer::ok(format!("{{\"token\":\"of-{who}\",\"expires_in\":300}}")),
            None => Answer::ok("{\"token\":\"of-nobody\"}"),
        }
    });
    let guarded = || {
        let realm = format!(
            "Bearer realm=\"{}/token\",service=\"s\",scope=\"repository:x:pull\"",
            auth.url()
        );
        Server::start(move |request| match request.head.one("authorization") {
            Some(token) => Answer::ok(token),
            None => Answer::challenge(&[&realm]),
        })
    };
    let directory = tempfile::tempdir().unwrap();
    let secret = |name: &str, password: &str| {
        let path = directory.path().join(name);
        fs::write(&path, password).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let accounts = [
        format!(
            "username = 'alice'\npassword_file = '{}'",
            secret("a", "one")
        ),
        format!("username = 'bob'\npassword_file = '{}'", secret("b", "two")),
    ];
    let stand = stand(guarded(), guarded(), [&accounts[0], &accounts[1]]);
    for _ in 0..2 {
        for (name, token) in [("a.test", "Bearer of-0"), ("b.test", "Bearer of-1")] {
            let answer = get(&stand.docxy, &format!("/v2/{name}/x/manifests/t"));
            assert_eq!(answer.text(), token, "{name}");
        }
    }
    assert_eq!(
        auth.lines().len(),
        2,
        "one for each account: {:?}",
        auth.lines()
    );
}
