//! docxy behind nginx, HAProxy and Caddy, by the recipes in `deploy/recipes`: pulls with tokens and redirects, and the
//! client's own address in the log.

use std::process::Command;

use super::docxy::Docxy;
use super::engines::podman::Podman;
use super::engines::{Pull, skopeo};
use super::fronts::{CLIENT, Front, Workshop};
use super::origin::{Kind, NAME, Origin};
use super::programs::{begin, run};
use super::store::large;

/// Before each request of its own a client may have written what it likes.
const FORGERIES: [&str; 5] = [
    "X-Forwarded-For: 192.0.2.66",
    "X-Forwarded-Proto: http",
    "X-Forwarded-Host: evil.test",
    "X-Real-IP: 192.0.2.66",
    "Forwarded: for=192.0.2.66;proto=http;host=evil.test",
];

/// Pulls through a front before a docxy with this listener.
fn pull_behind(program: &str, listen: &str, front: impl Fn(&Workshop, &Docxy) -> Front) {
    let programs = [
        "docker-registry",
        "openssl",
        "skopeo",
        "podman",
        "curl",
        program,
    ];
    let Some(_turn) = begin(&programs) else {
        return;
    };
    let workshop = Workshop::new();
    let origin = Origin::start(Kind::Redirect);
    let upstream = origin.docxy_args();
    let mut args = vec!["--listen", listen, "--trusted-proxy", "127.0.0.1"];
    if listen.contains("https:") {
        args.extend(workshop.tls_flags());
    }
    args.extend(upstream.iter().map(String::as_str));
    let docxy = Docxy::start(&args);
    let front = front(&workshop, &docxy);
    assert_realm(&front, &[]);
    assert_realm(&front, &FORGERIES);
    skopeo::pull(Pull::new(&front.door, "lib/multi", &large().image)).unwrap();
    Podman::new()
        .pull(Pull::new(&front.door, "lib/multi", &large().image))
        .unwrap();
    origin.assert_cdn_saw_no_credentials();
    assert_clients(&docxy);
}

/// The realm is at the door by which the client came, whatever it writes.
fn assert_realm(front: &Front, fields: &[&str]) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--include", "--noproxy", "*"]);
    curl.arg("--cacert")
        .arg(front.door.ca.as_ref().unwrap().join("ca.crt"));
    for field in fields {
        curl.args(["--header", field]);
    }
    let said = run(curl.arg(format!("{}/v2/", front.door.url()))).unwrap();
    let realm = format!("realm=\"{}/auth/{NAME}/token\"", front.door.url());
    assert!(said.contains(&realm), "no {realm} in\n{said}");
}

/// Every request for an image or a token is the client's own, and the layer came twice.
fn assert_clients(docxy: &Docxy) {
    let layer = format!("/blobs/{} status=200", large().image.largest());
    docxy.wait_for_lines(&layer, 2);
    let lines = docxy.log();
    let asked: Vec<_> = lines
        .iter()
        .filter(|line| line.contains(" client=") && !line.contains("target=/ready"))
        .collect();
    assert!(
        asked
            .iter()
            .all(|line| line.contains(&format!(" client={CLIENT} "))),
        "{asked:#?}"
    );
    assert!(
        lines.iter().all(|line| !line.contains(" error=")),
        "{lines:#?}"
    );
}

#[test]
fn behind_nginx() {
    pull_behind("nginx", "http://127.0.0.1:0", |workshop, docxy| {
        workshop.nginx(docxy.addr())
    });
}

#[test]
fn behind_haproxy_with_the_proxy_protocol() {
    pull_behind("haproxy", "proxy+https://127.0.0.1:0", |workshop, docxy| {
        let server = docxy.addr().to_string();
        workshop.haproxy("haproxy-tcp.cfg", &[("127.0.0.1:5000", &server)])
    });
}

#[test]
fn behind_haproxy_with_version_1_of_the_proxy_protocol() {
    pull_behind("haproxy", "proxy+https://127.0.0.1:0", |workshop, docxy| {
        let server = docxy.addr().to_string();
        let changes = [
            ("127.0.0.1:5000", &*server),
            ("send-proxy-v2", "send-proxy"),
        ];
        workshop.haproxy("haproxy-tcp.cfg", &changes)
    });
}

#[test]
fn behind_haproxy_with_http() {
    pull_behind("haproxy", "http://127.0.0.1:0", |workshop, docxy| {
        let server = docxy.addr().to_string();
        workshop.haproxy("haproxy-http.cfg", &[("127.0.0.1:5000", &server)])
    });
}

#[test]
fn behind_caddy() {
    pull_behind("caddy", "http://127.0.0.1:0", |workshop, docxy| {
        workshop.caddy(docxy.addr())
    });
}
