//! Proxies that the environment names, and what may be said of proxies where everyone can read it.

use std::fs;
use std::process::Command;

use crate::config_file::printed;
use crate::docxy::Docxy;
use crate::stand::{NAME, get};
use crate::wire::tunnel::Proxy;
use crate::wire::{Answer, Server};

const VARIABLES: [&str; 8] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];

fn docxy(upstream: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
    command.args(["--listen", "127.0.0.1:0", "--upstream", upstream]);
    for name in VARIABLES {
        command.env_remove(name);
    }
    command
}

fn refused(command: &mut Command) -> (Option<i32>, String) {
    let (status, lines) = Docxy::spawn(command).wait();
    assert!(!lines.join("").contains("s3cret"), "{lines:?}");
    (status.code(), lines.join("\n"))
}

#[test]
fn the_environments_proxy_is_taken_where_nothing_else_is_said() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let upstream = format!("{NAME}=http://reg.invalid");
    let resolve = format!("reg.invalid={}", registry.addr().ip());
    let is_used = |name: &str, more: &[(&str, &str)], flags: &[&str]| {
        let proxy = Proxy::to(registry.addr());
        let mut command = docxy(&upstream);
        command
            .env(name, proxy.url())
            .envs(more.iter().copied())
            .args(flags);
        let docxy = Docxy::start_with(&mut command);
        let status = get(&docxy, "/v2/a/b/manifests/1").status();
        let is_said = docxy
            .log()
            .iter()
            .any(|line| line.contains("of the environment to reg.test"));
        let is_used = !proxy.asked().is_empty();
        assert_eq!(is_said, is_used, "{name} {more:?}: {:?}", docxy.log());
        // Without the proxy nothing listens at port 80 of the registry's address, or the name is unknown.
        assert_eq!(status == 200, is_used, "{name} {more:?}");
        is_used
    };
    assert!(is_used("http_proxy", &[], &[]));
    assert!(is_used("ALL_PROXY", &[], &[]));
    assert!(is_used(
        "all_proxy",
        &[("NO_PROXY", "other.invalid,10.0.0.0/8")],
        &[]
    ));
    assert!(
        !is_used("HTTP_PROXY", &[], &[]),
        "it may come from a request"
    );
    assert!(!is_used("HTTPS_PROXY", &[], &[]), "for another scheme");
    assert!(!is_used("ALL_PROXY", &[("NO_PROXY", "invalid")], &[]));
    assert!(!is_used(
        "ALL_PROXY",
        &[("no_proxy", "*")],
        &["--resolve", &resolve]
    ));
    assert!(!is_used("ALL_PROXY", &[], &["--upstream-proxy", "direct"]));
    assert!(is_used(
        "ALL_PROXY",
        &[("NO_PROXY", "*")],
        &["--no-proxy", "other.invalid"]
    ));
}

#[test]
fn a_flag_is_stronger_than_the_environment() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let (meant, other) = (Proxy::to(registry.addr()), Proxy::to(registry.addr()));
    let docxy = Docxy::start_with(
        docxy(&format!("{NAME}=http://reg.invalid"))
            .env("ALL_PROXY", other.url())
            .args(["--upstream-proxy", &meant.url()]),
    );
    assert_eq!(get(&docxy, "/v2/a/b/manifests/1").status(), 200);
    assert_eq!((meant.asked().len(), other.asked().len()), (1, 0));
}

#[test]
fn this_machine_is_reached_without_the_environments_proxy() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let proxy = Proxy::to(registry.addr());
    let mut command = docxy(&format!("{NAME}={}", registry.url()));
    let docxy = Docxy::start_with(command.env("ALL_PROXY", proxy.url()));
    assert_eq!(get(&docxy, "/v2/a/b/manifests/1").status(), 200);
    assert!(proxy.asked().is_empty());
}

#[test]
fn a_proxy_of_the_environment_that_cannot_be_used_stops_the_start() {
    let mut command = docxy("docker.io");
    command.env("HTTPS_PROXY", "socks4://us:s3cret@proxy.invalid:1");
    let (code, said) = refused(&mut command);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("HTTPS_PROXY names a proxy that docxy cannot use"),
        "{said}"
    );
    command.args(["--upstream-proxy", "direct"]);
    Docxy::start_with(&mut command);
}

#[test]
fn a_login_is_refused_where_others_can_read_it() {
    let url = "http://us:s3cret@proxy.invalid:3128";
    for flag in [
        url.to_owned(),
        format!("docker.io={url}"),
        "us:s3cret=@proxy.invalid".to_owned(),
    ] {
        let (code, said) = refused(docxy("docker.io").args(["--upstream-proxy", &flag]));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("no login belongs in it"), "{said}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("docxy.toml");
    for text in [
        format!("\nupstream_proxy = '{url}'\n"),
        format!("\nupstream_proxy = ['{url}']\n"),
        format!("upstream = [\n{{ name = 'docker.io', proxy = '{url}' }}]\n"),
    ] {
        fs::write(&path, &text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
        let (code, said) = refused(command.args(["--config", path.to_str().unwrap()]));
        assert_eq!(code, Some(1), "{said}");
        let place = format!("{}:2: a login does not belong in this file", path.display());
        assert!(said.contains(&place), "{said}");
    }
}

#[test]
fn what_makes_no_sense_names_its_flag() {
    for (flags, expected) in [
        (
            "--upstream-proxy ftp://p.invalid",
            "--upstream-proxy: its scheme is none of",
        ),
        (
            "--upstream-proxy https://p.invalid",
            "--upstream-proxy: docxy does not speak TLS to a proxy",
        ),
        (
            "--upstream-proxy quay.io=direct",
            "--upstream-proxy: what stands before a '=' in it is no upstream's name; there are docker.io",
        ),
        (
            "--upstream-proxy a.test:1 --upstream-proxy b.test:1",
            "--upstream-proxy: it is said twice",
        ),
        (
            "--upstream-proxy-username a",
            "--upstream-proxy-username: it has no password",
        ),
        (
            "--upstream-proxy-password-file a",
            "--upstream-proxy-password-file: there is a password and no user",
        ),
        (
            "--upstream-proxy-username a --upstream-proxy-password-file b",
            "--upstream-proxy-username: there is no proxy to log in at",
        ),
        ("--no-proxy a/b", "--no-proxy: \"a/b\" is none of"),
        (
            "--upstream-bind eth0",
            "--upstream-bind: \"eth0\" is no IP address",
        ),
        (
            "--upstream-bind 10.0.0.1 --upstream-bind 10.0.0.2",
            "--upstream-bind: 10.0.0.1 is given too",
        ),
        (
            "--upstream-family 5",
            "--upstream-family: \"5\" is neither 4 nor 6",
        ),
        (
            "--upstream-family docker.io=4 --upstream-family docker.io=6",
            "--upstream-family: it is said twice",
        ),
        (
            "--resolve docker.io",
            "--resolve: \"docker.io\" is not HOST=ADDR",
        ),
        (
            "--upstream-ca /nowhere.pem",
            "--upstream-ca: /nowhere.pem cannot be read",
        ),
    ] {
        let (code, said) = refused(docxy("docker.io").args(flags.split(' ')));
        assert_eq!(
            code,
            Some(if flags.contains("nowhere") { 1 } else { 2 }),
            "{flags}: {said}"
        );
        assert!(
            said.starts_with(&format!("docxy: {expected}")),
            "{flags}: {said}"
        );
    }
}

#[test]
fn what_is_printed_says_the_same_and_hides_logins() {
    let printed = |command: &mut Command| {
        let (said, wrong) = printed(command);
        assert!(
            !said.contains("s3cret") && !wrong.contains("s3cret"),
            "{said}{wrong}"
        );
        (said, wrong)
    };
    let (first, hidden) = printed(
        docxy("a.test=https://a.invalid")
            .env(
                "DOCXY_UPSTREAM_PROXY",
                "http://us:s3cret@p.invalid:3128,b.test=direct,c.test=socks5://s.invalid",
            )
            .env("NO_PROXY", ".corp.invalid,10.0.0.0/8")
            .args([
                "--upstream",
                "b.test=https://b.invalid",
                "--upstream",
                "c.test=https://c.invalid",
            ])
            .args([
                "--upstream-bind",
                "10.0.0.1",
                "--upstream-bind",
                "c.test=10.0.0.2",
                "--upstream-family",
                "b.test=4",
            ])
            .args([
                "--upstream-ca",
                "/all.pem",
                "--upstream-ca",
                "a.test=/a.pem",
                "--resolve",
                "x.invalid=10.0.0.3",
            ]),
    );
    assert!(hidden.contains("login at a proxy"), "{hidden}");
    for line in [
        "upstream_proxy = [\"http://p.invalid:3128\"]",
        "upstream_ca = [\"/all.pem\"]",
        "no_proxy = [\".corp.invalid\", \"10.0.0.0/8\"]",
        "upstream_bind = [\"10.0.0.1\"]",
        "resolve = [\"x.invalid=10.0.0.3\"]",
        "proxy = \"direct\"",
        "proxy = \"socks5://s.invalid:1080\"",
        "bind = [\"10.0.0.2\"]",
        "family = 4",
        "ca = [\"/a.pem\"]",
    ] {
        assert!(first.lines().any(|found| found == line), "{line}:\n{first}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("docxy.toml");
    fs::write(&path, &first).unwrap();
    let again = printed(
        Command::new(env!("CARGO_BIN_EXE_docxy")).args(["--config", path.to_str().unwrap()]),
    );
    assert_eq!(again, (first, String::new()));
}
