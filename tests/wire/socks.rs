//! Through a SOCKS5 proxy (RFC 1928, RFC 1929): what it is asked, byte for byte, and what its answers mean.

use std::process::Command;

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, NAME, get, own_error, start};
use crate::wire::tls::Identity;
use crate::wire::tunnel::{Proxy, Socks, Then};
use crate::wire::{Answer, Server};

fn through(proxy: &Proxy, url: &str, more: &[&str]) -> Docxy {
    let (upstream, proxy) = (format!("{NAME}={url}"), proxy.socks_url());
    start(&[&["--upstream", &upstream, "--upstream-proxy", &proxy], more].concat())
}

/// No login is offered; a wish for this host and port.
fn asked_for(kind: u8, host: &[u8], port: u16) -> Vec<u8> {
    [&[5, 1, 0, 5, 1, 0, kind][..], host, &port.to_be_bytes()].concat()
}

#[test]
fn names_are_sent_to_the_proxy_and_addresses_as_such() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let mut v6 = [0; 16];
    v6[15] = 1;
    for (url, kind, host, port) in [
        ("http://reg.invalid", 3, &b"\x0breg.invalid"[..], 80),
        ("http://reg.invalid:5000", 3, b"\x0breg.invalid", 5000),
        ("http://192.0.2.1:5000", 1, &[192, 0, 2, 1], 5000),
        ("http://[::1]:5000", 4, &v6, 5000),
    ] {
        let proxy = Proxy::socks(Socks::to(registry.addr()));
        let docxy = through(&proxy, url, &[]);
        assert_eq!(get(&docxy, MANIFEST).text(), "{}", "{url}");
        assert_eq!(proxy.asked(), [asked_for(kind, host, port)], "{url}");
    }
    let hosts: Vec<_> = registry
        .requests()
        .iter()
        .map(|one| one.head.one("host").unwrap().to_owned())
        .collect();
    assert_eq!(
        hosts,
        [
            "reg.invalid",
            "reg.invalid:5000",
            "192.0.2.1:5000",
            "[::1]:5000"
        ]
    );
}

#[test]
fn tls_goes_through_to_the_origin() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let (roots, _) = identity.write(directory.path());
    let registry = Server::start_tls(identity.server(), |_| Answer::ok("secure"));
    let mut script = Socks::to(registry.addr());
    // It may say by a name where it has bound.
    script.reply = b"\x05\x00\x00\x03\x05p.tld\x00\x50".to_vec();
    let proxy = Proxy::socks(script);
    let docxy = through(
        &proxy,
        "https://localhost",
        &["--upstream-ca", roots.to_str().unwrap()],
    );
    assert_eq!(get(&docxy, MANIFEST).text(), "secure");
    assert_eq!(proxy.asked(), [asked_for(3, b"\x09localhost", 443)]);
}

#[test]
fn a_login_is_sent_where_it_is_asked_for() {
    let registry = Server::start(|_| Answer::ok("{}"));
    for asks in [true, false] {
        let mut script = Socks::to(registry.addr());
        script.method = vec![5, if asks { 2 } else { 0 }];
        let proxy = Proxy::socks(script);
        let docxy = Docxy::start_with(
            Command::new(env!("CARGO_BIN_EXE_docxy"))
                .args(["--listen", "127.0.0.1:0", "--log", "debug"])
                .args(["--upstream", &format!("{NAME}=http://reg.invalid")])
                .env(
                    "DOCXY_UPSTREAM_PROXY",
                    format!("socks5h://us:s3cret@{}", proxy.authority()),
                ),
        );
        assert_eq!(get(&docxy, MANIFEST).text(), "{}");
        let login: &[u8] = if asks { b"\x01\x02us\x06s3cret" } else { b"" };
        let wish = b"\x05\x01\x00\x03\x0breg.invalid\x00\x50";
        assert_eq!(proxy.asked(), [[b"\x05\x02\x00\x02", login, wish].concat()]);
        assert!(!docxy.log().join("\n").contains("s3cret"));
    }
}

/// What the proxy says of the methods, of the wish, the status for the client, and what it is told.
#[test]
fn refusals_are_told() {
    let bound = [0, 1, 127, 0, 0, 1, 0, 9];
    let reply = |code: u8| [&[5, code][..], &bound].concat();
    let cases: [(Vec<u8>, Vec<u8>, u16, &str); 9] = [
        (vec![5, 0xff], vec![], 502, "wants credentials"),
        (vec![5, 2], vec![], 502, "wants credentials"),
        (vec![4, 0], vec![], 502, "is malformed"),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            vec![],
            502,
            "is malformed",
        ),
        (vec![5, 0], reply(2), 502, "does not let docxy go there"),
        (vec![5, 0], reply(1), 503, "does not get there"),
        (
            vec![5, 0],
            reply(4),
            503,
            "does not get there: Host unreachable",
        ),
        (vec![5, 0], reply(0x77), 502, "is malformed"),
        (vec![5, 0], vec![5, 0, 0], 502, "ended the connection"),
    ];
    for (method, reply, status, why) in cases {
        let proxy = Proxy::socks(Socks {
            method: method.clone(),
            login: vec![1, 0],
            reply: reply.clone(),
            then: Then::Close,
        });
        let docxy = through(&proxy, "https://reg.invalid", &[]);
        let refused = get(&docxy, MANIFEST);
        own_error(&refused, status);
        assert!(
            refused.text().contains(why),
            "{method:?} {reply:?}: {}",
            refused.text()
        );
        assert!(
            refused.text().contains(&proxy.socks_url()),
            "{}",
            refused.text()
        );
    }
}

#[test]
fn a_password_that_is_refused_is_said_to_be() {
    let proxy = Proxy::socks(Socks {
        method: vec![5, 2],
        login: vec![1, 1],
        reply: vec![],
        then: Then::Close,
    });
    let docxy = Docxy::start_with(
        Command::new(env!("CARGO_BIN_EXE_docxy"))
            .args(["--listen", "127.0.0.1:0"])
            .args(["--upstream", &format!("{NAME}=http://reg.invalid")])
            .env(
                "DOCXY_UPSTREAM_PROXY",
                format!("socks5://us:s3cret@{}", proxy.authority()),
            ),
    );
    let refused = get(&docxy, MANIFEST);
    own_error(&refused, 502);
    assert!(
        refused.text().contains("does not take docxy's credentials"),
        "{}",
        refused.text()
    );
    assert!(!refused.text().contains("s3cret"));
}

#[test]
fn bytes_before_the_tunnel_is_used_are_an_error() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let mut script = Socks::to(registry.addr());
    script
        .reply
        .extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
    let proxy = Proxy::socks(script);
    let refused = get(&through(&proxy, "http://reg.invalid", &[]), MANIFEST);
    own_error(&refused, 502);
    assert!(
        refused.text().contains("nobody has asked for"),
        "{}",
        refused.text()
    );
}
