//! TLS on docxy's own side: listeners with a certificate, and TLS that knocks at a plain port.

use std::path::Path;

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, named, start};
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, Server};

/// The first bytes of a TLS 1.3 ClientHello.
pub const CLIENT_HELLO: [u8; 16] = [
    0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0x5a, 0x17, 0x00, 0x0a, 0x0d,
];

#[test]
fn a_client_hello_on_a_plain_port_gets_a_real_http_answer() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = start(&["--upstream", &named("reg.test", &registry)]);
    for hello in [
        &CLIENT_HELLO[..],
        &CLIENT_HELLO[..6],
        &[&CLIENT_HELLO[..], &[0; 500]].concat(),
    ] {
        let mut client = Client::connect(docxy.addr());
        client.send(hello);
        let response = client.receive("GET").complete();
        assert!(
            response.head.start.starts_with("HTTP/1.0 400 "),
            "{}",
            response.head.start
        );
        client.closing();
    }
    assert_eq!(registry.connections(), 0);
}

fn listening(args: &[&str], directory: &Path, identity: &Identity) -> Docxy {
    let (cert, key) = identity.write(directory);
    let tls = [
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ];
    Docxy::start(&[args, &tls].concat())
}

#[test]
fn a_tls_listener_speaks_http11() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let challenge = r#"Bearer realm="http://127.0.0.1:9/token""#;
    let registry = Server::start(|request| match request.head.target() {
        "/v2/" => Answer::challenge(&[challenge]),
        _ => Answer::ok("manifest"),
    });
    let upstream = named("reg.test", &registry);
    for listen in ["https://127.0.0.1:0", "127.0.0.1:0"] {
        let docxy = listening(
            &["--listen", listen, "--upstream", &upstream],
            directory.path(),
            &identity,
        );
        assert!(
            docxy
                .log()
                .iter()
                .any(|line| line.contains("listening on https://127.0.0.1:")),
            "{:?}",
            docxy.log()
        );
        for (offered, chosen) in [
            (&["h2", "http/1.1"][..], Some(b"http/1.1".to_vec())),
            (&[], None),
        ] {
            let mut client = Client::connect_tls(docxy.addr(), identity.client(offered));
            assert_eq!(client.alpn(), chosen);
            assert_eq!(
                client.ask(&Ask::get(MANIFEST)).complete().text(),
                "manifest"
            );
            let response = client.ask(&Ask::get("/v2/")).complete();
            let expected = r#"Bearer realm="https://docxy.test/auth/reg.test/token""#;
            assert_eq!(response.head.one("www-authenticate"), Some(expected));
        }
    }
}

#[test]
fn plain_and_tls_listeners_stand_side_by_side() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let registry = Server::start(|_| Answer::ok("manifest"));
    let upstream = named("reg.test", &registry);
    let args = [
        "--listen",
        "http://127.0.0.1:0",
        "--listen",
        "https://localhost:0",
        "--upstream",
        &upstream,
    ];
    let docxy = listening(&args, directory.path(), &identity);
    docxy.wait_for_line("listening on https://");
    let [plain, tls] = docxy.listeners()[..2] else {
        panic!("two listeners")
    };
    assert_eq!(
        Client::connect(plain).ask(&Ask::get(MANIFEST)).text(),
        "manifest"
    );
    let mut client = Client::connect_tls(tls, identity.client(&[]));
    assert_eq!(client.ask(&Ask::get(MANIFEST)).text(), "manifest");
}

#[test]
fn a_body_cut_upstream_is_cut_for_a_tls_client_too() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let registry = Server::start(|_| {
        Answer::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").close()
    });
    let upstream = named("reg.test", &registry);
    let docxy = listening(
        &["--listen", "https://127.0.0.1:0", "--upstream", &upstream],
        directory.path(),
        &identity,
    );
    for request in [Ask::get(MANIFEST), Ask::get(MANIFEST).http10()] {
        let mut client = Client::connect_tls(docxy.addr(), identity.client(&[]));
        let response = client.ask(&request);
        assert!(
            matches!(response.end, crate::wire::End::Cut(_)),
            "{request:?}: {:?}",
            response.end
        );
    }
}

#[test]
fn plain_http_on_a_tls_port_disturbs_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let docxy = listening(
        &[
            "--listen",
            "https://127.0.0.1:0",
            "--upstream",
            "reg.test=http://127.0.0.1:9",
        ],
        directory.path(),
        &identity,
    );
    for method in ["GET", "HEAD"] {
        let mut client = Client::connect(docxy.addr());
        let response = client.ask(&Ask::new(method, MANIFEST)).complete();
        assert_eq!(response.status(), 400);
        assert_eq!(response.head.all("date").len(), 1);
        assert_eq!(
            response.text().contains("this port speaks HTTPS"),
            method == "GET"
        );
        assert_ne!(client.closing(), crate::wire::Closing::Silence);
    }
    let mut client = Client::connect_tls(docxy.addr(), identity.client(&[]));
    assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
}
