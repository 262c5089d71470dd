//! The systemd units, by systemd's own tools, and the socket that it passes.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use super::docxy::Docxy;
use super::flags::{DRAIN, assert_variables, seconds};
use super::programs::{begin, run};
use super::wire::{Ask, Client};
use super::{file, text};

/// What `systemd-analyze security` may find: 2.0.
const EXPOSURE: &str = "--threshold=20";

/// The value of a setting that stands once in a unit.
fn setting(unit: &str, name: &str) -> String {
    let text = text(unit);
    let values: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .collect();
    assert_eq!(values.len(), 1, "{name} in {unit}: {values:?}");
    values[0].to_owned()
}

#[test]
fn systemd_understands_them() {
    let Some(_turn) = begin(&["systemd-analyze"]) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let service = text("deploy/docxy.service");
    let service = service.replace("/usr/local/bin/docxy", env!("CARGO_BIN_EXE_docxy"));
    std::fs::write(dir.path().join("docxy.service"), service).unwrap();
    std::fs::copy(file("deploy/docxy.socket"), dir.path().join("docxy.socket")).unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]);
    verify.args([
        dir.path().join("docxy.service"),
        dir.path().join("docxy.socket"),
    ]);
    let said = run(&mut verify).unwrap();
    assert!(!said.contains("docxy."), "{said}");
}

#[test]
fn the_service_may_do_little() {
    let Some(_turn) = begin(&["systemd-analyze"]) else {
        return;
    };
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=true", "--no-pager", EXPOSURE]);
    let said = run(security.arg(file("deploy/docxy.service"))).unwrap();
    let overall = said.lines().find(|line| line.contains("Overall exposure"));
    println!(
        "{}",
        overall.expect("systemd-analyze says how exposed it is")
    );
}

#[test]
fn the_service_may_open_the_sockets_that_docxy_opens() {
    let families = setting("deploy/docxy.service", "RestrictAddressFamilies");
    let mut families: Vec<&str> = families.split(' ').collect();
    families.sort_unstable();
    // Those of its listeners, that by which the system tells the addresses of the machine, and that of sd_notify.
    let needed = ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_UNIX"];
    assert_eq!(families, needed);
}

#[test]
fn a_stop_may_take_as_long_as_the_drain() {
    let stop = setting("deploy/docxy.service", "TimeoutStopSec");
    assert!(seconds(&stop) > DRAIN, "{stop}");
    assert_eq!(setting("deploy/docxy.service", "Type"), "notify");
}

#[test]
fn service_and_socket_name_one_port() {
    let listen = setting("deploy/docxy.service", "Environment");
    let port = setting("deploy/docxy.socket", "ListenStream");
    assert_eq!(listen, format!("DOCXY_LISTEN=:{port}"));
    let settings = text("deploy/docxy.env");
    let variables = settings
        .lines()
        .filter_map(|line| line.trim_start_matches('#').split_once('='))
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("DOCXY_"));
    assert_variables(variables);
}

#[test]
fn a_socket_of_systemd_is_served() {
    let Some(_turn) = begin(&["systemd-socket-activate"]) else {
        return;
    };
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = free.local_addr().unwrap();
    drop(free);
    let (listen, url) = (address.to_string(), format!("http://{address}"));
    let mut activate = Command::new("systemd-socket-activate");
    activate.args([
        "--listen",
        &listen,
        env!("CARGO_BIN_EXE_docxy"),
        "--listen",
        &url,
    ]);
    let docxy = Docxy::spawn(&mut activate);
    docxy.wait_for_line("Listening on");
    // The first connection starts docxy, which then answers it.
    let mut client = Client::over(TcpStream::connect(address).unwrap());
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
    docxy.signal("TERM");
    let (status, lines) = docxy.wait();
    assert_eq!(status.code(), Some(0), "{lines:?}");
    assert!(
        !lines
            .iter()
            .any(|line| line.contains("warning: the socket")),
        "{lines:?}"
    );
}
