//! The configuration file at SIGHUP: what it says holds from the next request on, and what runs goes on as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, NAME, blob, own_error};
use crate::wire::answer::Act;
use crate::wire::authority::{Authority, VERSIONS};
use crate::wire::{Answer, Ask, Client, Gate, Server};

/// docxy with a configuration file that the test writes.
struct Configured {
    docxy: Docxy,
    directory: TempDir,
    reloads: usize,
}

impl Configured {
    fn start(registry: &Server, more: &str) -> Configured {
        Configured::start_with(&text(registry, more))
    }

    fn start_with(text: &str) -> Configured {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docxy.toml");
        fs::write(&path, text).unwrap();
        let docxy = Docxy::start(&["--config", path.to_str().unwrap()]);
        Configured {
            docxy,
            directory,
            reloads: 0,
        }
    }

    /// Has docxy read another file, and returns what it said to it.
    fn reload(&mut self, text: &str) -> Vec<String> {
        let before = self.docxy.log().len();
        fs::write(self.directory.path().join("docxy.toml"), text).unwrap();
        self.docxy.signal("HUP");
        self.reloads += 1;
        self.docxy
            .wait_for_lines("reloaded, as asked", self.reloads);
        let said = self.docxy.log().split_off(before);
        said.iter().map(|line| line.replace('\\', "")).collect()
    }
}

fn text(registry: &Server, more: &str) -> String {
    text_with("listen = ['127.0.0.1:0']", registry, more)
}

/// The same with other listeners.
fn text_with(listeners: &str, registry: &Server, more: &str) -> String {
    let url = registry.url();
    format!("{listeners}\n[[upstream]]\nname = '{NAME}'\nurl = '{url}'\n{more}\n")
}

#[test]
fn a_change_is_for_new_requests_and_what_runs_goes_on() {
    let gate = Gate::new();
    let slow = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        .then(Act::Wait(gate.clone()))
        .send("rest");
    let registry = Server::table([
        (&format!("GET {}", blob()), slow),
        (&format!("GET {MANIFEST}"), Answer::ok("{}")),
    ]);
    let mut configured = Configured::start(&registry, "");
    let address = configured.docxy.addr();
    let mut running = Client::connect(address);
    running.send(Ask::get(&blob()).bytes());
    running.receive_head();
    assert_eq!(running.take(4).unwrap(), b"half");
    let mut idle = Client::connect(address);
    assert_eq!(idle.ask(&Ask::get(MANIFEST)).complete().status(), 200);

    let denied = text(&registry, "deny = ['**']\nrefuse_as = 'unknown'");
    configured.reload(&denied);
    for client in [&mut idle, &mut Client::connect(address)] {
        let answer = client.ask(&Ask::get(MANIFEST)).complete();
        assert_eq!(own_error(&answer, 404), "NAME_UNKNOWN");
    }
    gate.open();
    assert_eq!(running.take(4).unwrap(), b"rest");
    let after = running.ask(&Ask::get(MANIFEST)).complete();
    assert_eq!(
        after.status(),
        404,
        "the connection stays, and its next request is new"
    );
}

#[test]
fn connections_to_upstreams_that_stay_stay_too() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let mut configured = Configured::start(&registry, "");
    let mut client = Client::connect(configured.docxy.addr());
    assert_eq!(client.ask(&Ask::get(MANIFEST)).complete().status(), 200);
    let other = format!("body_timeout = '7s'\n{}", text(&registry, "deny = ['x/y']"));
    configured.reload(&other);
    assert_eq!(client.ask(&Ask::get(MANIFEST)).complete().status(), 200);
    assert_eq!((registry.requests().len(), registry.connections()), (2, 1));
}

#[test]
fn a_broken_file_changes_nothing_and_the_log_says_why() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let mut configured = Configured::start(&registry, "deny = ['**']");
    let broken = [
        ("", "deny = [", "unclosed array"),
        ("", "alow = []", "did you mean \"allow\"?"),
        ("", "allow = ['A']", "\"A\" matches no repository"),
        ("upstream_ca = '/nowhere.pem'\n", "", "/nowhere.pem"),
    ];
    for (first, more, why) in broken {
        let said = configured.reload(&format!("{first}{}", text(&registry, more)));
        let said = said.join("\n");
        assert!(
            said.contains(why) && said.contains("the configuration stays as it was"),
            "{said}"
        );
        let done = "reloaded, as asked, but for the configuration, 1 kept as before";
        assert!(said.contains(done), "{said}");
        let answer = crate::stand::get(&configured.docxy, MANIFEST);
        assert_eq!(own_error(&answer, 403), "DENIED");
    }
    configured.reload(&text(&registry, ""));
    let answer = crate::stand::get(&configured.docxy, MANIFEST);
    assert_eq!(answer.status(), 200);
}

#[test]
fn what_takes_a_restart_is_said_aloud_and_the_rest_is_done() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let mut configured = Configured::start(&registry, "");
    let moved = text(&registry, "deny = ['**']").replace("127.0.0.1:0", "127.0.0.2:0");
    let said = configured.reload(&moved).join("\n");
    assert!(said.contains("listen has changed, and stays"), "{said}");
    assert!(said.contains("as asked, 1 kept as before"), "{said}");
    let answer = crate::stand::get(&configured.docxy, MANIFEST);
    assert_eq!(own_error(&answer, 403), "DENIED");
    let back = text(&registry, "");
    let said = configured.reload(&back).join("\n");
    assert!(
        !said.contains("has changed") && !said.contains("kept"),
        "{said}"
    );
    let more = format!("workers = 999\nmax_connections = 9\n{back}");
    for _ in 0..2 {
        let said = configured.reload(&more).join("\n");
        assert!(said.contains("as asked, 2 kept as before"), "{said}");
    }
}

/// An account for a registry that wants a login, whose password is in `directory`.
fn account(directory: &Path) -> String {
    let secret = directory.join("secret");
    fs::write(&secret, "s3cret\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    format!("username = 'robot'\npassword_file = '{}'", secret.display())
}

#[test]
fn what_only_a_restart_would_close_opens_no_account() {
    let registry = Server::start(|request| match request.head.one("authorization") {
        Some(_) => Answer::ok("{}"),
        None => Answer::challenge(&["Basic realm=\"reg\""]),
    });
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let account = account(directory.path());
    let (cert, key) = authority.leaf(&["localhost"]).write(directory.path(), "a");
    let clients = directory.path().join("clients.crt");
    fs::write(&clients, authority.pem()).unwrap();
    let (open, open_tls) = ("listen = ['0.0.0.0:0']", "listen = ['https://0.0.0.0:0']");
    let pair = format!(
        "tls_cert = ['{}']\ntls_key = ['{}']",
        cert.display(),
        key.display()
    );
    let client_ca = format!("client_ca = '{}'", clients.display());
    let cases = [
        (
            open.to_owned(),
            "listen = ['127.0.0.1:0']".to_owned(),
            "listen",
        ),
        (
            open.to_owned(),
            format!("{open}\n{pair}\n{client_ca}"),
            "client_ca",
        ),
        (
            format!("{open_tls}\n{pair}"),
            format!("{open_tls}\n{pair}\n{client_ca}"),
            "client_ca",
        ),
    ];
    for (before, after, waiting) in cases {
        let mut configured = Configured::start_with(&text_with(&before, &registry, ""));
        let address = configured.docxy.addr();
        let status = || {
            let mut client = if before.contains("https") {
                Client::connect_tls(address, Arc::new(authority.client(&VERSIONS)))
            } else {
                Client::connect(address)
            };
            client.ask(&Ask::get(MANIFEST)).complete().status()
        };
        let said = configured.reload(&text_with(&after, &registry, &account));
        let said = said.join("\n");
        assert_eq!(status(), 401, "{after}: {said}");
        let why = "only a restart changes that, and until then whoever reaches port 0 could pull";
        for part in [waiting, why, "stays as it was", "1 kept as before"] {
            assert!(said.contains(part), "{after}: {said}");
        }
        let narrowed = format!("allow_client = ['127.0.0.1']\n{before}");
        configured.reload(&text_with(&narrowed, &registry, &account));
        assert_eq!(status(), 200, "{narrowed}");
    }
}

#[test]
fn warnings_are_of_what_runs() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let before = text_with("listen = ['0.0.0.0:0']", &registry, "");
    let mut configured = Configured::start_with(&before);
    let said = configured.reload(&text(&registry, "")).join("\n");
    assert!(said.contains("whoever reaches port 0 can pull"), "{said}");
}

#[test]
fn the_log_follows() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let mut configured = Configured::start(&registry, "");
    configured.reload(&format!("log = 'debug'\n{}", text(&registry, "")));
    configured.reload(&format!("log = 'info'\n{}", text(&registry, "")));
    assert_eq!(crate::stand::get(&configured.docxy, MANIFEST).status(), 200);
    configured
        .docxy
        .wait_for_line("target=/v2/a/b/manifests/latest");
}
