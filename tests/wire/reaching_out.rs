//! docxy's own end of its connections: source address, family, addresses that are given, and whom it believes for which
//! upstream.

use std::fs;
use std::net::TcpListener;

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, NAME, blob, get, own_error, start};
use crate::wire::tls::Identity;
use crate::wire::tunnel::Proxy;
use crate::wire::{Answer, Server};

/// Starts docxy with flags that are written in one line.
fn started(flags: &str) -> Docxy {
    start(&flags.split_whitespace().collect::<Vec<_>>())
}

/// The address from which docxy asks for a manifest, if it comes.
fn source(flags: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let docxy = started(&format!(
        "--upstream {NAME}=http://127.0.0.1:{port} {flags}"
    ));
    let asked = std::thread::spawn(move || {
        let (mut tcp, peer) = listener.accept().unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        std::io::Write::write_all(&mut tcp, answer).unwrap();
        // Held open until the answer has been read.
        (tcp, peer.ip().to_string())
    });
    assert_eq!(get(&docxy, MANIFEST).status(), 200, "{flags}");
    asked.join().unwrap().1
}

#[test]
fn connections_come_from_the_address_that_is_set() {
    assert_eq!(source(""), "127.0.0.1");
    assert_eq!(source("--upstream-bind 127.0.0.7"), "127.0.0.7");
    assert_eq!(
        source("--upstream-bind 127.0.0.7 --upstream-bind ::1"),
        "127.0.0.7"
    );
    let one = format!("--upstream-bind 127.0.0.7 --upstream-bind {NAME}=127.0.0.8");
    assert_eq!(source(&one), "127.0.0.8");
}

#[test]
fn the_proxy_is_reached_from_that_address_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = listener.local_addr().unwrap();
    let docxy = started(&format!(
        "--upstream {NAME}=http://reg.invalid --upstream-proxy http://p.invalid:{} --resolve p.invalid=127.0.0.1 --upstream-bind 127.0.0.9",
        proxy.port()
    ));
    let (tell, peers) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            // Nobody listens any more once the test is over.
            let _ = tell.send(tcp.peer_addr().unwrap().ip().to_string());
        }
    });
    own_error(&get(&docxy, MANIFEST), 502);
    assert_eq!(peers.recv().unwrap(), "127.0.0.9");
}

#[test]
fn an_address_that_this_machine_has_not_is_named() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let docxy = started(&format!(
        "--upstream {NAME}={} --upstream-bind 192.0.2.1",
        registry.url()
    ));
    let refused = get(&docxy, MANIFEST);
    own_error(&refused, 503);
    assert!(
        refused.text().contains("192.0.2.1 of --upstream-bind"),
        "{}",
        refused.text()
    );
}

#[test]
fn one_family_only() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let port = registry.addr().port();
    // Nothing listens at ::1, so what the first address refuses the second one takes, unless it is ruled out.
    let both = format!(
        "--upstream {NAME}=http://reg.invalid:{port} --resolve reg.invalid=::1 --resolve reg.invalid=127.0.0.1"
    );
    for (flags, status) in [
        ("", 200),
        ("--upstream-family 4", 200),
        ("--upstream-family 6", 503),
        ("--upstream-family 6 --upstream-family reg.test=4", 200),
        ("--upstream-bind ::1", 503),
    ] {
        let docxy = started(&format!("{both} {flags}"));
        assert_eq!(get(&docxy, MANIFEST).status(), status, "{flags}");
    }
    let docxy = started(&format!(
        "--upstream {NAME}={} --upstream-family 6",
        registry.url()
    ));
    let refused = get(&docxy, MANIFEST);
    own_error(&refused, 503);
    assert!(
        refused.text().contains("--upstream-family"),
        "{}",
        refused.text()
    );
}

#[test]
fn a_given_address_takes_the_place_of_a_lookup() {
    let registry = Server::start(|_| Answer::ok("{}"));
    let port = registry.addr().port();
    let docxy = started(&format!(
        "--upstream {NAME}=http://REG.invalid:{port} --resolve reg.invalid=127.0.0.2 --resolve reg.invalid=127.0.0.1"
    ));
    assert_eq!(get(&docxy, MANIFEST).status(), 200);
    assert_eq!(
        registry.only_request().head.one("host"),
        Some(&*format!("reg.invalid:{port}"))
    );
}

/// Whoever gives an address for a name has allowed it, for that name alone.
#[test]
fn a_given_address_may_be_any_for_its_name() {
    let cdn = Server::start(|_| Answer::ok("layer"));
    let port = cdn.addr().port();
    for (host, resolve, is_followed) in [
        ("cdn.invalid", "cdn.invalid=127.0.0.1", true),
        ("cdn.invalid", "other.invalid=127.0.0.1", false),
        ("127.0.0.1", "cdn.invalid=127.0.0.1", false),
    ] {
        let location = format!("http://{host}:{port}/b");
        let registry =
            Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
        // Behind a proxy nobody knows that this upstream is private, so it counts as public.
        let proxy = Proxy::to(registry.addr());
        let docxy = started(&format!(
            "--upstream {NAME}=http://reg.invalid --upstream-proxy {} --no-proxy cdn.invalid,127.0.0.1 --resolve {resolve}",
            proxy.url()
        ));
        let answer = get(&docxy, &blob());
        assert_eq!(
            answer.status() == 200,
            is_followed,
            "{host} {resolve}: {}",
            answer.text()
        );
    }
    assert_eq!(cdn.requests().len(), 1);
}

#[test]
fn roots_are_read_anew_with_a_file_and_without_one() {
    let directory = tempfile::tempdir().unwrap();
    let (roots, config) = (
        directory.path().join("cert.pem"),
        directory.path().join("docxy.toml"),
    );
    fs::write(&config, "").unwrap();
    let identity = Identity::new();
    let registry = Server::start_tls(identity.server(), |_| Answer::ok("secure"));
    let flags = format!(
        "--upstream {NAME}={} --upstream-ca {}",
        registry.url(),
        roots.display()
    );
    for file in [String::new(), format!("--config {}", config.display())] {
        Identity::new().write(directory.path());
        let docxy = started(&format!("{flags} {file}"));
        own_error(&get(&docxy, MANIFEST), 502);
        identity.write(directory.path());
        docxy.signal("HUP");
        docxy.wait_for_lines("reloaded, as asked", 1);
        assert_eq!(get(&docxy, MANIFEST).status(), 200, "{file}");
        fs::write(&roots, "nonsense").unwrap();
        docxy.signal("HUP");
        docxy.wait_for_line("reloaded, as asked, but for the configuration, 1 kept as before");
        assert_eq!(get(&docxy, MANIFEST).status(), 200, "{file}");
    }
}

#[test]
fn roots_of_one_upstream_are_not_those_of_another() {
    let directory = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| {
        let (identity, path) = (Identity::new(), directory.path().join(name));
        fs::create_dir(&path).unwrap();
        let (roots, _) = identity.write(&path);
        (identity, roots.to_str().unwrap().to_owned())
    });
    let serve =
        |identity: &Identity| Server::start_tls(identity.server(), |_| Answer::ok("secure"));
    let (a, b) = (serve(&first.0), serve(&second.0));
    let upstreams = format!(
        "--upstream a.test={} --upstream b.test={}",
        a.url(),
        b.url()
    );
    let statuses = |flags: &str| {
        let docxy = started(&format!("{upstreams} {flags}"));
        ["a.test", "b.test"].map(|name| get(&docxy, &format!("/v2/{name}/x/manifests/1")).status())
    };
    assert_eq!(
        statuses(&format!("--upstream-ca a.test={}", first.1)),
        [200, 502]
    );
    assert_eq!(
        statuses(&format!("--upstream-ca b.test={}", first.1)),
        [502, 502]
    );
    assert_eq!(
        statuses(&format!(
            "--upstream-ca {} --upstream-ca b.test={}",
            first.1, second.1
        )),
        [200, 200]
    );
    let entry = |name: &str, url: &str, ca: &str| {
        format!("[[upstream]]\nname = '{name}'\nurl = '{url}'\nca = '{ca}'\n")
    };
    let path = directory.path().join("docxy.toml");
    let text = entry("a.test", &a.url(), &first.1) + &entry("b.test", &b.url(), &second.1);
    fs::write(&path, format!("listen = ['127.0.0.1:0']\n{text}")).unwrap();
    let docxy = Docxy::start(&["--config", path.to_str().unwrap()]);
    for name in ["a.test", "b.test"] {
        assert_eq!(
            get(&docxy, &format!("/v2/{name}/x/manifests/1")).status(),
            200,
            "{name}"
        );
    }
}

/// Two upstreams at one origin, of which one alone trusts it: a connection of the one does not serve the other.
#[test]
fn a_connection_is_not_shared_across_roots() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let (roots, _) = identity.write(directory.path());
    let registry = Server::start_tls(identity.server(), |_| Answer::ok("secure"));
    let docxy = started(&format!(
        "--workers 1 --upstream a.test={url} --upstream b.test={url} --upstream-ca a.test={}",
        roots.display(),
        url = registry.url()
    ));
    for (name, status) in [
        ("a.test", 200),
        ("b.test", 502),
        ("a.test", 200),
        ("b.test", 503),
    ] {
        assert_eq!(
            get(&docxy, &format!("/v2/{name}/x/manifests/1")).status(),
            status,
            "{name}"
        );
    }
}

#[test]
fn an_upstreams_roots_are_trusted_for_where_it_sends_docxy() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let (roots, _) = identity.write(directory.path());
    let cdn = Server::start_tls(identity.server(), |_| Answer::ok("layer"));
    let location = format!("{}/b", cdn.url());
    let registry = Server::start_tls(identity.server(), move |_| {
        Answer::redirect("307 Temporary Redirect", &location)
    });
    let docxy = started(&format!(
        "--upstream {NAME}={} --upstream-ca {NAME}={}",
        registry.url(),
        roots.display()
    ));
    assert_eq!(get(&docxy, &blob()).text(), "layer");
}
