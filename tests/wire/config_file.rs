//! The configuration file: what flags override, what is said of mistakes, and the example that comes with docxy.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::docxy::Docxy;
use crate::scrape::scrape;
use crate::stand::{get, own_error};
use crate::wire::{Answer, Server};

/// The example, and the addresses in it that a test has to change.
const EXAMPLE: &str = include_str!("../../deploy/docxy.toml");

fn docxy() -> Command {
    Command::new(env!("CARGO_BIN_EXE_docxy"))
}

fn written(text: &str) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("docxy.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

/// What `docxy config` prints, and what it says beside it.
pub fn printed(command: &mut Command) -> (String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.arg("config").output().unwrap();
    let (said, wrong) = (
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    );
    assert!(status.success(), "{wrong}");
    (said, wrong)
}

#[test]
fn flags_override_variables_and_both_override_the_file() {
    let text = "drain = '1s'\nbody_timeout = '1s'\nclient_timeout = '1s'\nallow_client = ['10.0.0.0/8']\nlog = 'error'";
    let (_directory, path) = written(text);
    let (said, _) = printed(
        docxy()
            .env("DOCXY_CONFIG", &path)
            .env("DOCXY_BODY_TIMEOUT", "2s")
            .env("DOCXY_CLIENT_TIMEOUT", "2s")
            .env("DOCXY_ALLOW_CLIENT", "::1, 192.0.2.0/24,")
            .args(["--client-timeout", "3s"]),
    );
    for line in [
        "drain = \"1s\"",
        "body_timeout = \"2s\"",
        "client_timeout = \"3s\"",
        "allow_client = [\"::1\", \"192.0.2.0/24\"]",
        "log = \"error\"",
        "listen = [\"127.0.0.1:5000\"]",
    ] {
        assert!(said.lines().any(|found| found == line), "{line}:\n{said}");
    }
}

#[test]
fn what_is_printed_says_the_same_when_it_is_read() {
    let flags = [
        "--upstream",
        "all",
        "--upstream",
        "corp=http://127.0.0.1:5100",
        "--upstream-alias",
        "corp=c.test",
        "--realm-host",
        "quay.io=auth.test",
        "--allow",
        "ghcr.io/{a,b}/*",
        "--allow",
        "docker.io/alpine",
        "--deny",
        "ghcr.io/a/x",
        "--acme-domain",
        "a.test",
        "--acme-agree-tos",
        "--listen",
        ":443",
    ];
    let (first, _) = printed(docxy().args(flags));
    let (_directory, path) = written(&first);
    let (again, _) = printed(docxy().args(["--config", &path]));
    assert_eq!(again, first);
    let upstream = |name: &str| {
        let after = first.split_once(&format!("name = \"{name}\"\n")).unwrap().1;
        after.split("[[").next().unwrap().to_owned()
    };
    assert!(upstream("ghcr.io").contains("allow = [\"{a,b}/*\"]\ndeny = [\"a/x\"]"));
    assert!(upstream("docker.io").contains("allow = [\"library/alpine\"]"));
    assert!(upstream("quay.io").contains("realm_host = \"auth.test\"\ndeny = [\"**\"]"));
    assert!(upstream("corp").contains("aliases = [\"c.test\"]"));
}

#[test]
fn a_mistake_is_one_line_that_names_its_place() {
    let cases = [
        (
            "lisen = []",
            ":1: there is no key \"lisen\"; did you mean \"listen\"?",
        ),
        (
            "\nlisten = [\n'5000']",
            ":3: listen: \"5000\": it has no port",
        ),
        ("upstream = []", ":1: upstream: no upstream is given"),
        ("\nlisten = []", ":2: listen: no address is given"),
        ("state_dir = ''", ":1: state_dir: it is empty"),
        (
            "[[upstream]]\nallow = ['a']",
            ":1: upstream: it has neither a name nor a url",
        ),
        (
            "[[upstream]]\nname = 'all'\ndeny = ['a']",
            ":1: upstream: what is set in it",
        ),
        (
            "[[upstream]]\nname = 'ghcr.io'\nallow = []",
            ":3: allow: it is empty",
        ),
        (
            "[[upstream]]\nname = 'ghcr.io'\nallow = ['A']",
            ":3: allow: \"A\" matches no repository",
        ),
        (
            "[[upstream]]\nname = 'ghcr.io'\naliases = ['a b']",
            ":3: aliases: \"a b\" is no host",
        ),
        (
            "upstream = ['a.test', 'a.test=http://x']",
            ":1: upstream: \"a.test\" would name both",
        ),
        (
            "[[upstream]]\nname = 'ghcr.io'\ndeny = ['a/*']\n[[upstream]]\nname = 'GHCR.io'\ndeny = ['b/*']",
            ":4: upstream: \"ghcr.io\" has an entry before this one; put",
        ),
        (
            "[[upstream]]\nname = 'docker.io'\n\n[[upstream]]\nurl = 'index.docker.io'\nfamily = 4",
            ":4: upstream: \"docker.io\" has an entry before this one; put",
        ),
        (
            "body_timeout = '0s'",
            ":1: body_timeout: it has to be longer",
        ),
        (
            "[acme]\nemail = 'x'",
            ":2: acme_email: name the certificate",
        ),
        ("tls_cert = ['a']", ":1: tls_cert: certificates: 1, keys: 0"),
    ];
    for (text, expected) in cases {
        let (_directory, path) = written(text);
        let (status, lines) = Docxy::spawn(docxy().args(["--config", &path])).wait();
        assert_eq!(status.code(), Some(1), "{text}: {lines:?}");
        assert_eq!(lines.len(), 1, "{text}: {lines:?}");
        let expected = format!("docxy: {path}{expected}");
        assert!(lines[0].starts_with(&expected), "{text}: {lines:?}");
    }
    let (_directory, path) = written("listen = ['5000']");
    let overridden = ["--config", &path, "--listen", "6000"];
    let (status, lines) = Docxy::spawn(docxy().args(overridden)).wait();
    assert_eq!(status.code(), Some(2));
    assert!(
        lines[0].starts_with("docxy: --listen: \"6000\""),
        "{lines:?}"
    );
    let (status, lines) = Docxy::spawn(docxy().args(["--config", "/nowhere.toml"])).wait();
    assert_eq!(status.code(), Some(1));
    assert!(
        lines[0].contains("/nowhere.toml cannot be read"),
        "{lines:?}"
    );
}

#[test]
fn a_registry_may_be_named_beside_its_only_entry() {
    let entry = "name = 'ghcr.io'\ndeny = ['a/*']";
    let in_line = entry.replace('\n', ", ");
    for text in [
        format!("[[upstream]]\nname = 'all'\n[[upstream]]\n{entry}"),
        format!("upstream = ['ghcr.io', {{ {in_line} }}, 'ghcr.io']"),
    ] {
        let (_directory, path) = written(&text);
        let (said, _) = printed(docxy().args(["--config", &path]));
        assert_eq!(said.matches("name = \"ghcr.io\"").count(), 1, "{said}");
        assert!(said.contains("deny = [\"a/*\"]"), "{text}:\n{said}");
    }
    let (said, _) = printed(docxy().args(["--upstream", "ghcr.io", "--upstream", "ghcr.io"]));
    assert_eq!(said.matches("[[upstream]]").count(), 1, "{said}");
}

/// What is commented out in it is sound as well.
#[test]
fn the_examples_comments_are_keys() {
    let uncommented: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.contains(" = ") => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let (_directory, path) = written(&uncommented);
    let (said, _) = printed(docxy().args(["--config", &path]));
    for key in [
        "mount",
        "catalog",
        "tls_cert",
        "trusted_proxy",
        "username",
        "password_file",
        "client_logins",
        "proxy",
        "proxy_password_file",
        "no_proxy",
        "resolve",
        "ca",
    ] {
        assert!(said.contains(&format!("{key} = ")), "{key}:\n{said}");
    }
}

/// The example as it is, but for its port and for where the registries are.
#[test]
fn the_example_starts_docxy_and_does_what_it_says() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let text = EXAMPLE
        .replace(
            "listen = [\"127.0.0.1:5000\"]",
            "listen = [\"127.0.0.1:0\"]",
        )
        .replace("127.0.0.1:9090", "127.0.0.1:0")
        .replace(
            "name = \"ghcr.io\"\n",
            &format!("name = \"ghcr.io\"\nurl = \"{}\"\n", registry.url()),
        );
    let (_directory, path) = written(&text);
    let docxy = Docxy::start(&["--config", &path]);
    let warnings: Vec<_> = docxy
        .log()
        .into_iter()
        .filter(|line| line.contains("warning"))
        .collect();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert!(scrape(&docxy).value("docxy_connections_max") > 0.0);
    let manifest = |name: &str| get(&docxy, &format!("/v2/ghcr.io/{name}/manifests/1"));
    assert_eq!(manifest("opensafely-core/r").status(), 200);
    for refused in ["opensafely/x-private", "alpine/alpine"] {
        let answer = manifest(refused);
        assert_eq!(own_error(&answer, 403), "DENIED", "{refused}");
        assert!(answer.text().contains("it@example.org"), "{refused}");
    }
}
