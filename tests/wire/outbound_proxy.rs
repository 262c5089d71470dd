//! Through an HTTP proxy: what it is asked, byte for byte, what its answers mean, and what it cannot do.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, NAME, blob, get, own_error, settled, start};
use crate::wire::tls::Identity;
use crate::wire::tunnel::{OK, Proxy, Then};
use crate::wire::{Answer, Ask, Server};

/// docxy before an upstream whose name nobody but a proxy can look up.
fn through(proxy: &Proxy, url: &str, more: &[&str]) -> Docxy {
    let (upstream, proxy) = (format!("{NAME}={url}"), proxy.url());
    start(&[&["--upstream", &upstream, "--upstream-proxy", &proxy], more].concat())
}

/// The same with a configuration file.
fn configured(text: &str) -> (tempfile::TempDir, Docxy) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("docxy.toml");
    fs::write(&path, format!("listen = ['127.0.0.1:0']\n{text}")).unwrap();
    let docxy = Docxy::start(&["--config", path.to_str().unwrap()]);
    (directory, docxy)
}

fn connect_to(authority: &str) -> String {
    format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")
}

#[test]
fn a_plain_upstream_is_reached_through_a_tunnel_by_its_name() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let proxy = Proxy::to(registry.addr());
    let docxy = through(&proxy, "http://reg.invalid", &[]);
    docxy.wait_for_line(&format!(
        "going out through the proxy {} to {NAME}",
        proxy.url()
    ));
    for _ in 0..2 {
        assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).text(), "{}");
    }
    assert_eq!(proxy.heads()[0], connect_to("reg.invalid:80"));
    let request = &registry.requests()[0].head;
    assert_eq!(request.start, format!("GET {MANIFEST} HTTP/1.1"));
    assert_eq!(request.one("host"), Some("reg.invalid"));
    assert!(!request.has("proxy-authorization"));
}

#[test]
fn a_tunnel_is_kept_and_used_again() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let proxy = Proxy::to(registry.addr());
    let docxy = through(&proxy, "http://reg.invalid:5000", &["--workers", "1"]);
    for _ in 0..5 {
        assert_eq!(settled(&docxy, &Ask::get(MANIFEST)).status(), 200);
    }
    assert_eq!(proxy.heads(), [connect_to("reg.invalid:5000")]);
}

#[test]
fn tls_goes_through_to_the_origin_and_the_proxy_sees_none_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let (roots, _) = identity.write(directory.path());
    let registry = Server::start_tls(identity.server(), |_| Answer::ok("secure"));
    let proxy = Proxy::to(registry.addr());
    let ca = ["--upstream-ca", roots.to_str().unwrap()];
    let docxy = through(&proxy, "https://localhost:8443", &ca);
    assert_eq!(get(&docxy, MANIFEST).text(), "secure");
    assert_eq!(proxy.heads(), [connect_to("localhost:8443")]);
}

#[test]
fn a_proxy_that_intercepts_has_no_certificate_for_the_origin() {
    let directory = tempfile::tempdir().unwrap();
    let (roots, _) = Identity::new().write(directory.path());
    let interceptor = Server::start_tls(Identity::new().server(), |_| Answer::ok("forged"));
    let proxy = Proxy::to(interceptor.addr());
    let ca = ["--upstream-ca", roots.to_str().unwrap()];
    let docxy = through(&proxy, "https://localhost:8443", &ca);
    let login = Ask::get(MANIFEST).field("Authorization", "Basic eDp5");
    let refused = crate::stand::ask(&docxy, &login);
    own_error(&refused, 502);
    assert!(refused.text().contains("certificate"), "{}", refused.text());
    assert!(refused.text().contains(&proxy.url()), "{}", refused.text());
    assert!(interceptor.requests().is_empty());
}

#[test]
fn a_login_is_sent_to_the_proxy_and_shown_nowhere() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let proxy = Proxy::connect({
        let to = registry.addr();
        move |head| match head.contains("Proxy-Authorization: Basic dXM6czNjcmV0\r\n") {
            true => (OK.to_vec(), Then::Tunnel(to)),
            false => (b"HTTP/1.1 407 No\r\n\r\n".to_vec(), Then::Close),
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let password = directory.path().join("password");
    fs::write(&password, "s3cret\n").unwrap();
    let entry = format!(
        "log = 'debug'\n[[upstream]]\nname = '{NAME}'\nurl = 'http://reg.invalid'\nproxy = '{}'\nproxy_username = 'us'\n\
         proxy_password_file = '{}'\n",
        proxy.url(),
        password.display()
    );
    let (_kept, by_file) = configured(&entry);
    let by_variable = Docxy::start_with(
        Command::new(env!("CARGO_BIN_EXE_docxy"))
            .args(["--listen", "127.0.0.1:0", "--log", "debug"])
            .args(["--upstream", &format!("{NAME}=http://reg.invalid")])
            .env(
                "DOCXY_UPSTREAM_PROXY",
                format!("http://us:s3cret@{}", proxy.authority()),
            ),
    );
    for docxy in [&by_file, &by_variable] {
        assert_eq!(get(docxy, MANIFEST).status(), 200);
        let said = docxy.log().join("\n");
        assert!(!said.contains("s3cret") && !said.contains("dXM6"), "{said}");
    }
    let expected = "CONNECT reg.invalid:80 HTTP/1.1\r\nHost: reg.invalid:80\r\n\
                    Proxy-Authorization: Basic dXM6czNjcmV0\r\n\r\n";
    assert_eq!(proxy.heads(), [expected, expected]);
    assert!(!registry.requests()[0].head.has("proxy-authorization"));
}

/// What the proxy answers, the status for the client, and what the client is told.
#[test]
fn refusals_of_a_proxy_are_told_from_those_of_a_registry() {
    let cases: [(&[u8], u16, &str); 8] = [
        (b"HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 3\r\n\r\nno!", 502, "wants credentials"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 502, "it answers 403"),
        (b"HTTP/1.0 503 Busy\r\n\r\n", 503, "it answers 503"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n", 502, "it answers 302"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", 502, "is malformed"),
        (b"HTTP/1.1 200 OK\nX: y\n\n", 502, "is malformed"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", 502, "is malformed"),
        (b"", 502, "ended the connection"),
    ];
    for (answer, status, why) in cases {
        let proxy = Proxy::connect(move |_| (answer.to_vec(), Then::Close));
        let docxy = through(&proxy, "https://reg.invalid", &[]);
        let refused = get(&docxy, MANIFEST);
        own_error(&refused, status);
        assert!(refused.text().contains(why), "{why}: {}", refused.text());
        assert!(refused.text().contains(&proxy.url()), "{}", refused.text());
        docxy.wait_for_line(why);
        assert_eq!(
            refused.head.has("retry-after"),
            status == 503,
            "{:?}",
            refused.head
        );
    }
}

#[test]
fn a_proxy_that_leaves_behind_its_answer_is_asked_again() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let (roots, _) = identity.write(directory.path());
    let registry = Server::start_tls(identity.server(), |_| Answer::ok("{}"));
    let (to, asked) = (registry.addr(), AtomicUsize::new(0));
    let proxy = Proxy::connect(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => (OK.to_vec(), Then::Close),
        _ => (OK.to_vec(), Then::Tunnel(to)),
    });
    let ca = ["--upstream-ca", roots.to_str().unwrap()];
    let docxy = through(&proxy, "https://localhost:8443", &ca);
    assert_eq!(get(&docxy, MANIFEST).text(), "{}");
    assert_eq!(proxy.heads().len(), 2);
}

#[test]
fn interim_answers_come_before_a_tunnel() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let to = registry.addr();
    let answer = [b"HTTP/1.1 100 Continue\r\n\r\n", OK].concat();
    let proxy = Proxy::connect(move |_| (answer.clone(), Then::Tunnel(to)));
    assert_eq!(
        get(&through(&proxy, "http://reg.invalid", &[]), MANIFEST).status(),
        200
    );
}

/// A body that a 2xx claims is none (RFC 9110 §9.3.6): what follows is the tunnel, and nobody has asked for it yet.
#[test]
fn bytes_before_a_tunnel_is_used_are_an_error() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    for claim in ["", "Content-Length: 50\r\n"] {
        let (to, answer) = (
            registry.addr(),
            format!("HTTP/1.1 200 OK\r\n{claim}\r\n{forged}"),
        );
        let proxy = Proxy::connect(move |_| (answer.clone().into_bytes(), Then::Tunnel(to)));
        for url in ["http://reg.invalid", "https://reg.invalid"] {
            let refused = get(&through(&proxy, url, &[]), MANIFEST);
            own_error(&refused, 502);
            assert!(
                refused.text().contains("nobody has asked for"),
                "{}",
                refused.text()
            );
        }
    }
    assert!(registry.requests().is_empty());
    let (to, claims) = (
        registry.addr(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n",
    );
    let proxy = Proxy::connect(move |_| (claims.to_vec(), Then::Tunnel(to)));
    assert_eq!(
        get(&through(&proxy, "http://reg.invalid", &[]), MANIFEST).text(),
        "{}"
    );
}

#[test]
fn a_dead_proxy_is_an_outage_of_what_is_behind_it() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", dead.local_addr().unwrap());
    drop(dead);
    let docxy = start(&[
        "--upstream",
        "reg.test=https://reg.invalid",
        "--upstream-proxy",
        &url,
    ]);
    let first = get(&docxy, MANIFEST);
    own_error(&first, 503);
    assert!(
        first
            .text()
            .contains(&format!("its proxy {url}: no connection")),
        "{}",
        first.text()
    );
    let began = Instant::now();
    let second = get(&docxy, MANIFEST);
    own_error(&second, 503);
    assert!(second.text().contains("a moment ago"), "{}", second.text());
    assert!(second.text().contains(&url), "{}", second.text());
    // What is remembered needs no tries, whose pauses are a second and more.
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// The redirect of a registry, and where it is asked for.
#[test]
fn redirects_go_through_the_proxy_but_for_exceptions() {
    let cdn = Server::start(|_| Answer::ok("layer"));
    let (named, direct) = (
        "http://cdn.invalid/b?sig=%2F".to_owned(),
        format!("{}/b", cdn.url()),
    );
    for (location, is_excepted) in [(named, false), (direct, true)] {
        let registry =
            Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
        let (at_registry, at_cdn) = (registry.addr(), cdn.addr());
        let proxy = Proxy::connect(move |head| {
            let to = if head.starts_with("CONNECT reg.") {
                at_registry
            } else {
                at_cdn
            };
            (OK.to_vec(), Then::Tunnel(to))
        });
        // A private upstream may name private addresses; by its name behind a proxy nobody knows that it is one.
        let resolved = [
            "--resolve",
            "reg.invalid=127.0.0.1",
            "--no-proxy",
            "127.0.0.0/8,reg.invalid",
        ];
        let exceptions: &[&str] = if is_excepted { &resolved } else { &[] };
        let url = format!("http://reg.invalid:{}", registry.addr().port());
        let docxy = through(&proxy, &url, exceptions);
        assert_eq!(get(&docxy, &blob()).text(), "layer");
        let expected = [
            connect_to(&format!("reg.invalid:{}", registry.addr().port())),
            connect_to("cdn.invalid:80"),
        ];
        assert_eq!(proxy.heads(), if is_excepted { &[][..] } else { &expected });
    }
}

#[test]
fn a_redirect_to_a_literal_private_address_is_not_followed_through_a_proxy() {
    let inside = Server::start(|_| Answer::ok("inside"));
    for host in [
        "127.0.0.1",
        "[::1]",
        "10.0.0.1",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "localhost",
        "a.localhost",
    ] {
        let location = format!("http://{host}/latest");
        let registry =
            Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
        let (at_registry, elsewhere) = (registry.addr(), inside.addr());
        let proxy = Proxy::connect(move |head| {
            let to = if head.starts_with("CONNECT reg.") {
                at_registry
            } else {
                elsewhere
            };
            (OK.to_vec(), Then::Tunnel(to))
        });
        let refused = get(&through(&proxy, "http://reg.invalid", &[]), &blob());
        own_error(&refused, 502);
        assert!(
            refused
                .text()
                .contains("not one that the upstream may point to"),
            "{host}: {}",
            refused.text()
        );
        assert_eq!(proxy.heads(), [connect_to("reg.invalid:80")], "{host}");
    }
    assert!(inside.requests().is_empty());
}

#[test]
fn the_token_realm_is_asked_through_the_upstreams_proxy() {
    let realm = Server::start(|_| Answer::ok("{\"token\":\"t\"}"));
    let registry = Server::start(|_| {
        Answer::challenge(&["Bearer realm=\"http://auth.invalid/token\",service=\"s\""])
    });
    let (at_registry, at_realm) = (registry.addr(), realm.addr());
    let proxy = Proxy::connect(move |head| {
        let to = if head.starts_with("CONNECT auth.") {
            at_realm
        } else {
            at_registry
        };
        (OK.to_vec(), Then::Tunnel(to))
    });
    let docxy = through(&proxy, "http://reg.invalid", &[]);
    let answer = get(
        &docxy,
        &format!("/auth/{NAME}/token?service=s&scope=repository:a/b:pull"),
    );
    assert_eq!(answer.text(), "{\"token\":\"t\"}");
    assert_eq!(
        proxy.heads(),
        ["reg.invalid:80", "auth.invalid:80"].map(connect_to)
    );
}

#[test]
fn each_upstream_has_its_own_proxy_or_none() {
    let (first, second) = (
        Server::start(|_| Answer::ok("first")),
        Server::start(|_| Answer::ok("second")),
    );
    let (general, special) = (Proxy::to(first.addr()), Proxy::to(second.addr()));
    let direct = Server::start(|_| Answer::ok("direct"));
    let docxy = start(&[
        "--upstream",
        "a.test=http://a.invalid",
        "--upstream",
        "b.test=http://b.invalid",
        "--upstream",
        &format!("c.test={}", direct.url()),
        "--upstream-proxy",
        &general.url(),
        "--upstream-proxy",
        &format!("b.test={}", special.url()),
        "--upstream-proxy",
        "c.test=direct",
    ]);
    for (name, expected) in [
        ("a.test", "first"),
        ("b.test", "second"),
        ("c.test", "direct"),
    ] {
        assert_eq!(
            get(&docxy, &format!("/v2/{name}/a/b/manifests/1")).text(),
            expected
        );
    }
    assert_eq!(general.heads(), [connect_to("a.invalid:80")]);
    assert_eq!(special.heads(), [connect_to("b.invalid:80")]);
}

#[test]
fn a_reload_changes_the_way_and_leaves_idle_connections_of_the_old_one() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let (old, new) = (Proxy::to(registry.addr()), Proxy::to(registry.addr()));
    let text = |proxy: &Proxy| {
        format!(
            "listen = ['127.0.0.1:0']\nworkers = 1\nupstream_proxy = '{}'\n[[upstream]]\nname = '{NAME}'\nurl = 'http://reg.invalid'\n",
            proxy.url()
        )
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("docxy.toml");
    fs::write(&path, text(&old)).unwrap();
    let docxy = Docxy::start(&["--config", path.to_str().unwrap()]);
    let ask = || settled(&docxy, &Ask::get(MANIFEST)).status();
    assert_eq!((ask(), ask()), (200, 200));
    docxy.signal("HUP");
    docxy.wait_for_lines("reloaded, as asked", 1);
    assert_eq!(
        (ask(), old.heads().len()),
        (200, 1),
        "nothing has changed, so the tunnel is used again"
    );
    fs::write(&path, text(&new)).unwrap();
    docxy.signal("HUP");
    docxy.wait_for_lines("reloaded, as asked", 2);
    docxy.wait_for_line(&format!("going out through the proxy {}", new.url()));
    assert_eq!((ask(), ask()), (200, 200));
    assert_eq!((old.heads().len(), new.heads().len()), (1, 1));
}
