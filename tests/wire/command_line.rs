//! The command line: what cannot work ends at once with one line that says why, open doors warn.

use std::net::TcpListener;
use std::process::Command;
use std::time::Instant;

use crate::docxy::{Docxy, PATIENCE};
use crate::stand::{MANIFEST, ask, get, named};
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Server};

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
    command.args(args);
    command
}

/// The exit code and what was printed by a run that must end by itself.
pub fn ended(args: &[&str]) -> (Option<i32>, Vec<String>) {
    let (status, lines) = Docxy::spawn(&mut command(args)).wait();
    (status.code(), lines)
}

#[test]
fn bad_usage_is_2() {
    let table: [&[&str]; 25] = [
        &["--nonsense"],
        &["--listen", "127.0.0.1"],
        &["--listen", "ftp://127.0.0.1:0"],
        &["--listen", "example.com:5000"],
        &["--listen", "127.0.0.1:99999"],
        &["--upstream", "reg.test=http://x/path"],
        &["--upstream", "reg.test=ftp://x"],
        &["--upstream", "reg.test=http://u:p@x"],
        &["--upstream", ""],
        &[
            "--upstream",
            "a.test=http://x",
            "--upstream",
            "a.test=http://y",
        ],
        &[
            "--upstream",
            "a.test=http://x",
            "--upstream",
            "b.test=http://y",
            "--upstream-alias",
            "b.test=a.test",
        ],
        &["--upstream-alias", "nobody.test=x.test"],
        &["--realm-host", "nobody.test=x.test"],
        &["--public-url", "https://pull.example/path"],
        &["--public-url", "pull.example"],
        &["--allow", "nobody.test/*"],
        &["--allow-client", "10.0.0.0/33"],
        &["--body-timeout", "soon"],
        &["--drain", "-1s"],
        &["--workers", "0"],
        &[
            "--tls-cert",
            "a.pem",
            "--tls-key",
            "a.key",
            "--tls-cert",
            "b.pem",
        ],
        &["--client-ca", "ca.pem"],
        &["--log", "loud"],
        &["--tls-name", "https://pull.example"],
        &["surplus"],
    ];
    for args in table {
        let listen = if args.contains(&"--listen") {
            vec![]
        } else {
            vec!["--listen", "127.0.0.1:0"]
        };
        let (code, lines) = ended(&[&listen[..], args].concat());
        assert_eq!(code, Some(2), "{args:?}: {lines:?}");
        assert_eq!(lines.len(), 1, "{args:?}: {lines:?}");
        assert!(lines[0].starts_with("docxy: "), "{args:?}: {lines:?}");
    }
}

#[test]
fn what_cannot_start_is_1_with_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let (cert, key) = Identity::new().write(directory.path());
    let (_, foreign_key) = Identity::new().write(other.path());
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_at = taken.local_addr().unwrap().to_string();
    let [cert, key, foreign_key, empty] =
        [&cert, &key, &foreign_key, &empty].map(|path| path.to_str().unwrap());
    let https = ["--listen", "https://127.0.0.1:0"];
    let table: Vec<(Vec<&str>, &str)> = vec![
        (
            [
                &https[..],
                &["--tls-cert", "/nowhere/cert.pem", "--tls-key", key],
            ]
            .concat(),
            "/nowhere/cert.pem",
        ),
        (
            [
                &https[..],
                &["--tls-cert", cert, "--tls-key", "/nowhere/key.pem"],
            ]
            .concat(),
            "/nowhere/key.pem",
        ),
        (
            [&https[..], &["--tls-cert", cert, "--tls-key", foreign_key]].concat(),
            "key",
        ),
        (
            [&https[..], &["--tls-cert", empty, "--tls-key", key]].concat(),
            "empty.pem",
        ),
        (
            [&https[..], &["--tls-cert", cert, "--tls-key", empty]].concat(),
            "empty.pem",
        ),
        (
            vec![
                "--listen",
                "127.0.0.1:0",
                "--upstream-ca",
                "/nowhere/ca.pem",
            ],
            "/nowhere/ca.pem",
        ),
        (
            vec!["--listen", "127.0.0.1:0", "--upstream-ca", empty],
            "empty.pem",
        ),
        (vec!["--listen", &taken_at], &taken_at),
    ];
    for (args, named) in table {
        let (code, lines) = ended(&args);
        assert_eq!(code, Some(1), "{args:?}: {lines:?}");
        let lines: Vec<_> = lines
            .iter()
            .filter(|line| !line.contains("warning"))
            .collect();
        assert_eq!(lines.len(), 1, "{args:?}: {lines:?}");
        assert!(lines[0].contains(named), "{args:?}: {lines:?}");
    }
}

#[test]
fn more_connections_than_can_be_are_a_warning() {
    for number in [usize::MAX, usize::MAX / 4] {
        let warned = warnings(&[
            "--listen",
            "127.0.0.1:0",
            "--max-connections",
            &number.to_string(),
        ]);
        assert!(warned.contains("may need more than the"), "{warned}");
    }
}

#[test]
fn help_and_version_are_not_errors() {
    for flag in ["--help", "--version"] {
        let output = command(&[flag]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{flag}");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("docxy"),
            "{flag}"
        );
    }
    let help = String::from_utf8(command(&["--help"]).output().unwrap().stdout).unwrap();
    let flags = [
        "listen",
        "tls-cert",
        "tls-key",
        "client-ca",
        "tls-name",
        "state-dir",
        "public-url",
        "upstream",
        "upstream-alias",
        "upstream-ca",
        "realm-host",
        "allow",
        "allow-client",
        "trusted-proxy",
        "body-timeout",
        "client-timeout",
        "max-connections",
        "max-connections-per-ip",
        "drain",
        "workers",
        "log",
    ];
    for flag in flags {
        assert!(
            help.contains(&format!("--{flag} ")),
            "--{flag} is not in --help"
        );
        assert!(
            help.contains(&format!("DOCXY_{}", flag.to_uppercase().replace('-', "_"))),
            "{flag} has no variable"
        );
    }
    for default in ["127.0.0.1:5000", "60s", "300s", "info", "docker.io"] {
        assert!(
            help.contains(default),
            "the default {default} is not in --help"
        );
    }
}

#[test]
fn each_flag_has_a_variable_and_lists_have_commas() {
    let (a, b) = (
        Server::start(|_| Answer::ok("a")),
        Server::start(|_| Answer::ok("b")),
    );
    let mut command = command(&[]);
    command
        .env("DOCXY_LISTEN", "127.0.0.1:0,http://127.0.0.1:0")
        .env(
            "DOCXY_UPSTREAM",
            format!("{},{}", named("a.test", &a), named("b.test", &b)),
        )
        .env("DOCXY_UPSTREAM_ALIAS", "a.test=one.test,b.test=two.test")
        .env("DOCXY_ALLOW", "a.test/x/*,b.test/y/*")
        .env("DOCXY_ALLOW_CLIENT", "10.0.0.0/8,127.0.0.0/8")
        .env("DOCXY_PUBLIC_URL", "https://pull.example")
        .env("DOCXY_LOG", "off")
        .env("DOCXY_MAX_CONNECTIONS", "100")
        .env("DOCXY_MAX_CONNECTIONS_PER_IP", "50")
        .env("DOCXY_DRAIN", "1s");
    let docxy = Docxy::spawn(&mut command);
    docxy.wait_for_lines("listening on http://", 2);
    for listener in docxy.listeners() {
        for (target, status, text) in [
            ("/v2/one.test/x/i/manifests/t", 200, "a"),
            ("/v2/two.test/y/i/manifests/t", 200, "b"),
            ("/v2/two.test/x/i/manifests/t", 403, ""),
        ] {
            let response = crate::wire::client::ask(listener, &Ask::get(target));
            assert_eq!(response.status(), status, "{target}");
            assert!(status != 200 || response.text() == text, "{target}");
        }
    }
    let challenge = ask(&docxy, &Ask::get("/v2/"));
    assert!(
        challenge
            .head
            .one("www-authenticate")
            .unwrap()
            .contains("https://pull.example/auth/token")
    );
}

#[test]
fn a_flag_overrides_its_variable() {
    let (a, b) = (
        Server::start(|_| Answer::ok("a")),
        Server::start(|_| Answer::ok("b")),
    );
    let (of_flag, of_variable) = (named("reg.test", &a), named("reg.test", &b));
    let mut command = command(&["--listen", "127.0.0.1:0", "--upstream", &of_flag]);
    let docxy = Docxy::start_with(command.env("DOCXY_UPSTREAM", of_variable));
    assert_eq!(get(&docxy, MANIFEST).text(), "a");
    assert_eq!(b.connections(), 0);
}

/// The warnings of a start with these arguments.
fn warnings(args: &[&str]) -> String {
    let docxy = Docxy::start(&[args, &["--upstream", "reg.test=http://127.0.0.1:9"]].concat());
    let lines: Vec<String> = docxy
        .log()
        .into_iter()
        .filter(|line| !line.contains("listening on"))
        .collect();
    lines.join("\n")
}

#[test]
fn an_open_door_warns_and_a_closed_one_does_not() {
    let open = warnings(&["--listen", "0.0.0.0:0"]);
    for flag in ["--allow", "--allow-client", "--public-url"] {
        assert!(open.contains(flag), "{flag} is not named in {open:?}");
    }
    for narrowed in [
        ["--allow", "reg.test/x/*"],
        ["--allow-client", "127.0.0.0/8"],
    ] {
        let text = warnings(
            &[
                &[
                    "--listen",
                    "0.0.0.0:0",
                    "--public-url",
                    "http://pull.example",
                ],
                &narrowed[..],
            ]
            .concat(),
        );
        assert!(!text.contains("--allow"), "{text:?}");
    }
    let with_url = warnings(&[
        "--listen",
        "127.0.0.1:0",
        "--public-url",
        "http://pull.example",
    ]);
    assert_eq!(with_url, "", "a listener on loopback with a public URL");
    assert!(!warnings(&["--listen", "127.0.0.1:0"]).contains("--allow"));
}

#[test]
fn one_port_for_both_families() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = Docxy::start(&[
        "--listen",
        ":0",
        "--upstream",
        &named("reg.test", &registry),
    ]);
    let port = docxy.addr().port();
    for address in ["127.0.0.1", "::1"] {
        let addr = std::net::SocketAddr::new(address.parse().unwrap(), port);
        assert_eq!(
            crate::wire::client::ask(addr, &Ask::get(MANIFEST)).text(),
            "x",
            "{address}"
        );
    }
}

#[test]
fn all_well_known_registries_share_one_host() {
    let docxy = Docxy::start(&["--listen", "127.0.0.1:0", "--upstream", "all"]);
    let challenge = get(&docxy, "/v2/");
    assert_eq!(challenge.status(), 401);
    assert!(
        challenge
            .head
            .one("www-authenticate")
            .unwrap()
            .contains("/auth/token\"")
    );
}

#[test]
fn a_bad_variable_is_bad_usage() {
    for (name, value) in [
        ("DOCXY_LISTEN", "127.0.0.1:0,nonsense"),
        ("DOCXY_LOG", "loud"),
        ("DOCXY_ALLOW_CLIENT", "x"),
    ] {
        let (status, lines) = Docxy::spawn(command(&[]).env(name, value)).wait();
        assert_eq!(status.code(), Some(2), "{name}: {lines:?}");
    }
}

/// How many threads of a process go by this name.
fn threads(docxy: &Docxy, name: &str) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", docxy.pid())).unwrap();
    let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
    names
        .filter(|found| found.as_ref().unwrap().trim() == name)
        .count()
}

#[test]
fn as_many_workers_serve_as_are_asked_for() {
    for count in [1, 3] {
        let args = ["--listen", "127.0.0.1:0", "--workers", &count.to_string()];
        let docxy = Docxy::start(&args);
        assert_eq!(get(&docxy, "/health").status(), 200);
        let deadline = Instant::now() + PATIENCE;
        // A thread gives itself its name, once it runs.
        while threads(&docxy, "docxy-worker") != count {
            assert!(Instant::now() < deadline, "not {count} workers");
        }
    }
}
