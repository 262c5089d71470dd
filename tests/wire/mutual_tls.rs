//! `--client-ca`: whoever has no certificate of that authority is refused in the handshake.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rcgen::KeyPair;

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, named};
use crate::tls_keys::start_with;
use crate::wire::authority::{Authority, VERSIONS, client_of};
use crate::wire::{Answer, Ask, Client, Server};

/// docxy with a certificate of `servers` that serves clients with one of `clients`.
fn start(directory: &Path, servers: &Authority, clients: &Authority, more: &[&str]) -> Docxy {
    let pair = servers.leaf(&["localhost"]).write(directory, "docxy");
    let ca = directory.join("clients.crt");
    std::fs::write(&ca, clients.pem()).unwrap();
    start_with(
        &[pair],
        &[&["--client-ca", ca.to_str().unwrap()], more].concat(),
    )
}

/// The status of a request, or none if docxy broke off: with TLS 1.3 a client learns that only when it reads.
fn status(docxy: &Docxy, config: rustls::ClientConfig, target: &str) -> Option<u16> {
    let mut client = Client::connect_tls_to(docxy.addr(), "localhost", Arc::new(config)).ok()?;
    client.send(Ask::get(target).bytes());
    let line = client.take("HTTP/1.1 200".len()).ok()?;
    String::from_utf8_lossy(&line)[9..].parse().ok()
}

#[test]
fn only_clients_with_a_certificate_of_the_authority_are_served() {
    let directory = tempfile::tempdir().unwrap();
    let [servers, clients, others] = [(); 3].map(|()| Authority::new());
    let registry = Server::start(|_| Answer::ok("manifest"));
    let upstream = named("reg.test", &registry);
    let docxy = start(
        directory.path(),
        &servers,
        &clients,
        &["--upstream", &upstream, "--log", "debug"],
    );
    let known = clients.leaf(&["build-7.test"]);
    let unknown = others.leaf(&["build-7.test"]);
    let expired = clients.leaf_with(&["old.test"], KeyPair::generate().unwrap(), |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    for version in VERSIONS {
        for target in [MANIFEST, "/health"] {
            let with = |own| status(&docxy, servers.client_with(&[version], own), target);
            assert_eq!(with(&known), Some(200), "{target}");
            assert_eq!(with(&unknown), None, "{target}");
            assert_eq!(with(&expired), None, "{target}");
            assert_eq!(
                status(&docxy, servers.client(&[version]), target),
                None,
                "{target}"
            );
        }
    }
    assert_eq!(registry.requests().len(), 2);
    docxy.wait_for_lines("no TLS with 127.0.0.1: ", 12);
    let log = docxy.log().join("\n");
    assert!(!log.contains("build-7") && !log.contains("BEGIN"), "{log}");
}

#[test]
fn nothing_is_resumed_and_a_new_authority_counts_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let [servers, before, after] = [(); 3].map(|()| Authority::new());
    let docxy = start(directory.path(), &servers, &before, &[]);
    let [old, new] = [&before, &after].map(|authority| authority.leaf(&["build.test"]));
    for version in VERSIONS {
        let config = servers.client_with(&[version], &old);
        assert_eq!(status(&docxy, config.clone(), "/health"), Some(200));
        let client = Client::connect_tls(docxy.addr(), Arc::new(config));
        assert_eq!(
            client.tls().handshake_kind(),
            Some(rustls::HandshakeKind::Full)
        );
    }
    let open = Arc::new(servers.client_with(&VERSIONS, &old));
    let mut open = Client::connect_tls(docxy.addr(), open);
    assert_eq!(open.ask(&Ask::get("/health")).status(), 200);
    let ca = directory.path().join("clients.crt");
    std::fs::write(&ca, "half").unwrap();
    docxy.signal("HUP");
    let line = docxy.wait_for_line("--client-ca: ");
    assert!(line.contains("holds no certificate; "), "{line}");
    assert_eq!(
        status(&docxy, servers.client_with(&VERSIONS, &old), "/health"),
        Some(200)
    );
    std::fs::write(&ca, after.pem()).unwrap();
    docxy.signal("HUP");
    docxy.wait_for_lines("reloaded, as asked", 2);
    assert_eq!(
        status(&docxy, servers.client_with(&VERSIONS, &old), "/health"),
        None
    );
    assert_eq!(
        status(&docxy, servers.client_with(&VERSIONS, &new), "/health"),
        Some(200)
    );
    assert_eq!(
        open.ask(&Ask::get("/health")).status(),
        200,
        "a connection that is up stays up"
    );
}

#[test]
fn what_would_leave_the_door_open_does_not_start_or_warns() {
    let (directory, servers) = (tempfile::tempdir().unwrap(), Authority::new());
    let empty = directory.path().join("empty.crt");
    std::fs::write(&empty, "").unwrap();
    let (cert, key) = servers
        .leaf(&["localhost"])
        .write(directory.path(), "docxy");
    let [empty, cert, key] = [&empty, &cert, &key].map(|path| path.to_str().unwrap());
    let tls = [
        "--listen",
        "https://127.0.0.1:0",
        "--tls-cert",
        cert,
        "--tls-key",
        key,
    ];
    let cases: [(Vec<&str>, i32); 3] = [
        ([&tls[..], &["--client-ca", empty]].concat(), 1),
        ([&tls[..], &["--client-ca", "/nowhere/ca.crt"]].concat(), 1),
        (vec!["--listen", "127.0.0.1:0", "--client-ca", cert], 2),
    ];
    for (args, code) in cases {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
        let (status, lines) = Docxy::spawn(command.args(&args)).wait();
        assert_eq!(status.code(), Some(code), "{args:?}: {lines:?}");
        assert!(
            lines.len() == 1 && lines[0].starts_with("docxy: --client-ca: "),
            "{lines:?}"
        );
    }
    let plain = [
        "--listen",
        "http://0.0.0.0:0",
        "--allow-client",
        "127.0.0.1",
    ];
    let docxy = Docxy::start(&[&tls[..], &plain, &["--client-ca", cert]].concat());
    docxy.wait_for_line("is plain HTTP, where --client-ca has no effect; ");
}

#[test]
fn a_self_made_certificate_asks_for_those_of_clients_too() {
    let (state, clients) = (tempfile::tempdir().unwrap(), Authority::new());
    let ca = state.path().join("clients.pem");
    std::fs::write(&ca, clients.pem()).unwrap();
    let docxy = Docxy::start(&[
        "--listen",
        "https://127.0.0.1:0",
        "--state-dir",
        state.path().join("state").to_str().unwrap(),
        "--client-ca",
        ca.to_str().unwrap(),
    ]);
    let own = clients.leaf(&["build.test"]);
    let ca = std::fs::read_to_string(state.path().join("state/ca.crt")).unwrap();
    for version in VERSIONS {
        let known = client_of(&ca, &[version], Some(&own));
        assert_eq!(status(&docxy, known, "/health"), Some(200));
        let unknown = client_of(&ca, &[version], None);
        assert_eq!(status(&docxy, unknown, "/health"), None);
    }
}
