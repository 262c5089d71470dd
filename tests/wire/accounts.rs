//! Accounts of upstreams: clients without credentials are served in their name, with tokens that docxy keeps to itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tempfile::TempDir;

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, NAME, ask, blob, get, own_error, query, values};
use crate::wire::answer::Act;
use crate::wire::{Answer, Ask, Client, Gate, Request, Server};

pub const USER: &str = "robot";
pub const PASSWORD: &str = "s3cret";

/// A login.
pub fn basic(user: &str, password: &str) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{user}:{password}"))
    )
}

/// A registry with a token server, which gives out `docxys-N` for the account and `own-N` for anyone else who logs in.
struct Stand {
    auth: Server,
    registry: Server,
    docxy: Docxy,
    directory: TempDir,
}

fn token_server(password: &Arc<Mutex<&'static str>>) -> Server {
    let (given, password) = (AtomicUsize::new(0), Arc::clone(password));
    Server::start(move |request| {
        let number = given.fetch_add(1, Ordering::SeqCst);
        let account = basic(USER, *password.lock().unwrap());
        let kind = match request.head.one("authorization") {
            Some(login) if login == account => "docxys",
            Some(login) if login == basic("alice", "own") => "own",
            _ => return Answer::new("401 Unauthorized", &[], "{}"),
        };
        Answer::ok(format!(r#"{{"token":"{kind}-{number}","expires_in":300}}"#))
    })
}

/// The challenge of the registry for a path.
pub fn challenge(realm: &str, request: &Request) -> Answer {
    let path = request.head.target();
    let scope = path.strip_prefix("/v2/").and_then(|rest| {
        Some(
            rest.split_once("/manifests/")
                .or(rest.split_once("/blobs/"))?
                .0,
        )
    });
    let scope = scope.map_or(String::new(), |name| {
        format!(",scope=\"repository:{name}:pull\"")
    });
    Answer::challenge(&[&format!("Bearer realm=\"{realm}\",service=\"reg\"{scope}")])
}

/// A configuration file with the account at `registry`.
pub fn configured(registry: &Server, directory: &TempDir, more: &str) -> String {
    let secret = directory.path().join("secret");
    if !secret.exists() {
        fs::write(&secret, format!("{PASSWORD}\n")).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let (url, secret) = (registry.url(), secret.display());
    let text = format!(
        "listen = ['127.0.0.1:0']\n[[upstream]]\nname = '{NAME}'\nurl = '{url}'\nusername = '{USER}'\n\
         password_file = '{secret}'\n{more}\n"
    );
    let path = directory.path().join("docxy.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// docxy with an account at a registry that answers `script` to whoever has a token.
fn stand(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Stand {
    let password = Arc::new(Mutex::new(PASSWORD));
    stand_with(&password, script)
}

fn stand_with(
    password: &Arc<Mutex<&'static str>>,
    script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> Stand {
    let auth = token_server(password);
    let realm = format!("{}/token", auth.url());
    let registry = Server::start(move |request| match request.head.one("authorization") {
        Some(value) if value.starts_with("Bearer ") => script(request),
        _ => challenge(&realm, request),
    });
    let directory = tempfile::tempdir().unwrap();
    let path = configured(&registry, &directory, "");
    Stand {
        docxy: Docxy::start(&["--config", &path]),
        auth,
        registry,
        directory,
    }
}

/// What a server has been sent, in order.
pub fn authorizations(server: &Server) -> Vec<String> {
    let all = server.requests();
    let sent = |request: &Request| request.head.one("authorization").unwrap_or("-").to_owned();
    all.iter().map(sent).collect()
}

#[test]
fn who_has_no_credentials_is_served_in_the_name_of_the_account() {
    let stand = stand(|_| Answer::ok("{}"));
    assert_eq!(get(&stand.docxy, MANIFEST).status(), 200);
    let asked = stand.auth.only_request();
    assert_eq!(
        asked.head.one("authorization"),
        Some(&*basic(USER, PASSWORD))
    );
    assert_eq!(values(&query(&asked), "scope"), ["repository:a/b:pull"]);
    assert_eq!(values(&query(&asked), "service"), ["reg"]);
    assert_eq!(authorizations(&stand.registry), ["-", "Bearer docxys-0"]);

    // Another one needs no token of its own, and another repository no challenge.
    assert_eq!(get(&stand.docxy, MANIFEST).status(), 200);
    assert_eq!(get(&stand.docxy, "/v2/c/d/manifests/1").status(), 200);
    assert_eq!(
        authorizations(&stand.registry)[2..],
        ["Bearer docxys-0", "Bearer docxys-1"]
    );
    let other = &stand.auth.requests()[1];
    assert_eq!(values(&query(other), "scope"), ["repository:c/d:pull"]);
    let log = stand.docxy.log().join("\n");
    assert!(!log.contains("docxys") && !log.contains(PASSWORD), "{log}");
}

#[test]
fn the_accounts_tokens_stay_within_docxy() {
    let stand = stand(|_| Answer::ok("{}"));
    let ping = get(&stand.docxy, "/v2/");
    assert_eq!(
        ping.status(),
        401,
        "whoever has a login of his own may use it"
    );
    assert!(
        ping.head
            .one("www-authenticate")
            .unwrap()
            .starts_with("Bearer realm=")
    );
    let token = "/auth/reg.test/token?service=reg&scope=repository:a/b:pull";
    let answer = get(&stand.docxy, token);
    assert_eq!(answer.status(), 200);
    assert!(
        answer.text().contains("\"docxy-anonymous\""),
        "{}",
        answer.text()
    );
    assert_eq!(stand.auth.requests().len(), 0, "nobody was asked for it");

    let placeholder = |target| Ask::get(target).field("Authorization", "Bearer docxy-anonymous");
    assert_eq!(ask(&stand.docxy, &placeholder("/v2/")).status(), 200);
    assert_eq!(ask(&stand.docxy, &placeholder(MANIFEST)).status(), 200);
    // From `/v2/` docxy knows already where tokens are to be had.
    assert_eq!(authorizations(&stand.registry), ["-", "Bearer docxys-0"]);
}

#[test]
fn what_the_account_gets_is_for_no_shared_cache() {
    let public = [
        ("Cache-Control", "public, max-age=31536000"),
        ("Surrogate-Control", "max-age=31536000"),
    ];
    let stand = stand(move |_| Answer::new("200 OK", &public, "layer"));
    for target in [&blob(), MANIFEST] {
        let response = get(&stand.docxy, target);
        assert_eq!(response.text(), "layer");
        assert_eq!(response.head.all("cache-control"), ["private"], "{target}");
        assert!(!response.head.has("surrogate-control"), "{target}");
    }
    let own = Ask::get(&blob()).field("Authorization", "Bearer own");
    let response = ask(&stand.docxy, &own);
    assert_eq!(response.head.one("cache-control"), Some(public[0].1));

    let open = Server::start(move |_| Answer::new("200 OK", &public, "layer"));
    let directory = tempfile::tempdir().unwrap();
    let docxy = Docxy::start(&["--config", &configured(&open, &directory, "")]);
    let response = get(&docxy, &blob());
    assert_eq!(
        response.head.one("cache-control"),
        Some(public[0].1),
        "whoever asks gets it"
    );
}

#[test]
fn a_clients_own_credentials_win() {
    let stand = stand(|_| Answer::ok("{}"));
    let token = "/auth/reg.test/token?service=reg&scope=repository:a/b:pull";
    let login = Ask::get(token).field("Authorization", &basic("alice", "own"));
    assert!(ask(&stand.docxy, &login).text().contains("own-0"));
    let wrong = Ask::get(token).field("Authorization", &basic("alice", "wrong"));
    assert_eq!(ask(&stand.docxy, &wrong).status(), 401);
    let own = Ask::get(MANIFEST).field("Authorization", "Bearer own-0");
    assert_eq!(ask(&stand.docxy, &own).status(), 200);
    assert_eq!(
        authorizations(&stand.registry).last().unwrap(),
        "Bearer own-0"
    );
    assert_eq!(
        authorizations(&stand.auth).len(),
        2,
        "the account was not needed"
    );
}

#[test]
fn a_refused_token_is_dropped_and_another_one_tried_once() {
    let password = Arc::new(Mutex::new(PASSWORD));
    let auth = token_server(&password);
    let realm = format!("{}/token", auth.url());
    let registry = Server::start(move |request| match request.head.one("authorization") {
        Some("Bearer docxys-1") => Answer::ok("{}"),
        _ => challenge(&realm, request),
    });
    let directory = tempfile::tempdir().unwrap();
    let docxy = Docxy::start(&["--config", &configured(&registry, &directory, "")]);
    // The first is refused at once, and the client told so; the next request gets another one.
    assert_eq!(get(&docxy, MANIFEST).status(), 401);
    assert_eq!(get(&docxy, MANIFEST).status(), 200);
    assert_eq!(
        authorizations(&registry),
        ["-", "Bearer docxys-0", "Bearer docxys-0", "Bearer docxys-1"]
    );
    assert_eq!(auth.requests().len(), 2);
}

#[test]
fn one_token_is_fetched_at_a_time() {
    let gate = Gate::new();
    let wait = gate.clone();
    let auth = Server::start(move |_| {
        Answer::default()
            .then(Act::Wait(wait.clone()))
            .send("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"token\":\"one\"}")
    });
    let realm = format!("{}/token", auth.url());
    // Whoever asks after the first challenge goes for the token without one.
    let challenges = Gate::new();
    let held = challenges.clone();
    let registry = Server::start(move |request| match request.head.one("authorization") {
        Some("Bearer one") => Answer::ok("{}"),
        _ => {
            let mut answer = challenge(&realm, request);
            answer.acts.insert(0, Act::Wait(held.clone()));
            answer
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let docxy = Docxy::start(&["--config", &configured(&registry, &directory, "")]);
    let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(docxy.addr())).collect();
    for client in &mut clients {
        client.send(Ask::get(MANIFEST).bytes());
    }
    registry.wait_for_requests(8);
    challenges.open();
    auth.wait_for_requests(1);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.receive("GET").complete().status(), 200);
    }
    assert_eq!(auth.requests().len(), 1);
}

#[test]
fn who_goes_away_leaves_the_fetching_to_the_next() {
    let gate = Gate::new();
    let wait = gate.clone();
    let asked = AtomicUsize::new(0);
    let auth = Server::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::default().then(Act::Wait(wait.clone())),
        _ => Answer::ok(r#"{"token":"one"}"#),
    });
    let realm = format!("{}/token", auth.url());
    let registry = Server::start(move |request| match request.head.one("authorization") {
        Some("Bearer one") => Answer::ok("{}"),
        _ => challenge(&realm, request),
    });
    let directory = tempfile::tempdir().unwrap();
    let docxy = Docxy::start(&["--config", &configured(&registry, &directory, "")]);
    let mut first = Client::connect(docxy.addr());
    first.send(Ask::get(MANIFEST).bytes());
    auth.wait_for_requests(1);
    first.reset();
    assert_eq!(get(&docxy, MANIFEST).status(), 200);
    gate.open();
}

#[test]
fn a_refused_password_is_said_and_not_tried_again_at_once() {
    let password = Arc::new(Mutex::new("another"));
    let stand = stand_with(&password, |_| Answer::ok("{}"));
    for _ in 0..3 {
        let answer = get(&stand.docxy, MANIFEST);
        assert_eq!(own_error(&answer, 502), "UNAVAILABLE");
        assert!(
            answer.text().contains("the account of reg.test is refused"),
            "{}",
            answer.text()
        );
    }
    assert_eq!(stand.auth.requests().len(), 1);
    // The operator puts it right, which needs no word to docxy.
    let secret = stand.directory.path().join("secret");
    fs::write(&secret, "another").unwrap();
    stand.docxy.wait_for_line("reloaded, files have changed");
    assert_eq!(get(&stand.docxy, MANIFEST).status(), 200);
    // What everyone could have written is not believed.
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o666)).unwrap();
    stand.docxy.wait_for_line("others can write");
    assert_eq!(get(&stand.docxy, MANIFEST).status(), 200);
}

#[test]
fn too_many_requests_stay_that() {
    let auth =
        Server::start(|_| Answer::new("429 Too Many Requests", &[("Retry-After", "17")], ""));
    let realm = format!("{}/token", auth.url());
    let registry = Server::start(move |request| challenge(&realm, request));
    let directory = tempfile::tempdir().unwrap();
    let docxy = Docxy::start(&["--config", &configured(&registry, &directory, "")]);
    let answer = get(&docxy, MANIFEST);
    assert_eq!(own_error(&answer, 429), "TOOMANYREQUESTS");
    assert_eq!(answer.head.one("retry-after"), Some("17"));

    let limited = stand(|_| Answer::new("429 Too Many Requests", &[("Retry-After", "18")], "slow"));
    let answer = get(&limited.docxy, MANIFEST);
    assert_eq!((answer.status(), answer.text()), (429, "slow".to_owned()));
    assert_eq!(answer.head.one("retry-after"), Some("18"));
}

#[test]
fn a_registry_that_wants_the_password_itself_gets_it() {
    let registry = Server::start(|request| {
        let logins = [basic(USER, PASSWORD), basic("alice", "own")];
        match request.head.one("authorization") {
            Some(login) if logins.iter().any(|known| known == login) => Answer::ok("{}"),
            _ => Answer::challenge(&["Basic realm=\"reg\""]),
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let docxy = Docxy::start(&["--config", &configured(&registry, &directory, "")]);
    assert_eq!(
        get(&docxy, "/v2/").status(),
        200,
        "nobody without a login could answer"
    );
    assert_eq!(get(&docxy, MANIFEST).status(), 200);
    assert_eq!(get(&docxy, MANIFEST).status(), 200);
    let account = basic(USER, PASSWORD);
    assert_eq!(authorizations(&registry), ["-", "-", &account, &account]);
    let own = Ask::get("/v2/").field("Authorization", &basic("alice", "own"));
    assert_eq!(ask(&docxy, &own).status(), 200);
    let wrong = Ask::get("/v2/").field("Authorization", &basic("alice", "wrong"));
    let answer = ask(&docxy, &wrong);
    assert_eq!(answer.status(), 401);
    assert_eq!(
        answer.head.one("www-authenticate"),
        Some("Basic realm=\"reg\"")
    );
}

#[test]
fn a_blob_elsewhere_is_asked_for_without_the_account_and_goes_on_with_it() {
    let whole = b"0123456789".repeat(100);
    let (begun, body) = (AtomicUsize::new(0), whole.clone());
    let stand = stand(move |request| {
        let first = begun.fetch_add(1, Ordering::SeqCst) == 0;
        match request.head.one("range") {
            None if first => Answer::ok(&body).cut(600, Act::Drop),
            Some(range) => {
                let from: usize = range["bytes=".len()..]
                    .split('-')
                    .next()
                    .unwrap()
                    .parse()
                    .unwrap();
                let content_range = format!("bytes {from}-999/1000");
                Answer::new(
                    "206 Partial Content",
                    &[("Content-Range", &content_range)],
                    &body[from..],
                )
            }
            None => Answer::ok(&body),
        }
    });
    let answer = get(&stand.docxy, &blob());
    assert_eq!(answer.body, whole);
    assert_eq!(
        authorizations(&stand.registry),
        ["-", "Bearer docxys-0", "Bearer docxys-0"]
    );

    let cdn = Server::start(|_| Answer::ok("blob"));
    let location = format!("{}/signed", cdn.url());
    let redirecting = self::stand(move |_| Answer::redirect("307 Temporary Redirect", &location));
    assert_eq!(get(&redirecting.docxy, &blob()).text(), "blob");
    assert_eq!(authorizations(&cdn), ["-"]);
}

#[test]
fn an_account_is_not_for_everyone_unless_that_is_meant() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let directory = tempfile::tempdir().unwrap();
    let path = configured(&registry, &directory, "");
    let run = |flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
        let output = command
            .args(["--config", &path])
            .args(flags)
            .arg("config")
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (starts, why) = run(&["--listen", "0.0.0.0:5000"]);
    assert!(
        !starts && why.contains("--public-accounts") && why.contains(NAME),
        "{why}"
    );
    for flags in [
        &["--listen", "127.0.0.1:5000"][..],
        &["--listen", ":5000", "--allow-client", "10.0.0.0/8"],
        &["--listen", ":5000", "--public-accounts"],
        &["--listen", "https://:5000", "--client-ca", "ca.pem"],
    ] {
        let (starts, why) = run(flags);
        assert!(starts, "{flags:?}: {why}");
    }
    let (starts, _) = run(&[
        "--listen",
        "https://:1",
        "--listen",
        ":2",
        "--client-ca",
        "ca.pem",
    ]);
    assert!(!starts, "the plain one asks for no certificate");
}

#[test]
fn an_account_that_cannot_be_read_is_one_line() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let directory = tempfile::tempdir().unwrap();
    let path = configured(&registry, &directory, "");
    let text = fs::read_to_string(&path).unwrap();
    let secret = directory.path().join("secret");
    let secret = secret.to_str().unwrap();
    let cases = [
        (
            text.replace(secret, "/nowhere"),
            "the account of reg.test: /nowhere cannot be read",
        ),
        (text.replace("password_file", "password_env"), "is not set"),
        (
            text.replace("username", "# username"),
            "there is a password and no user",
        ),
        (
            text.replace("password_file", "# password_file"),
            ":5: username: it has no password",
        ),
    ];
    for (text, why) in cases {
        fs::write(&path, &text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
        let (status, lines) = Docxy::spawn(command.args(["--config", &path])).wait();
        assert_eq!((status.code(), lines.len()), (Some(1), 1), "{lines:?}");
        assert!(lines[0].contains(why), "{lines:?}");
    }
    fs::set_permissions(secret, fs::Permissions::from_mode(0o622)).unwrap();
    fs::write(&path, &text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
    let (_, lines) = Docxy::spawn(command.args(["--config", &path])).wait();
    assert!(lines[0].contains("others can write"), "{lines:?}");
    fs::set_permissions(secret, fs::Permissions::from_mode(0o644)).unwrap();
    let docxy = Docxy::start(&["--config", &path]);
    docxy.wait_for_line("everyone on this machine can read");
}
