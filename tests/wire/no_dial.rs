//! No dial outside the table: one test per way by which a client or a registry may name somebody, each
//! with a canary that counts the connections it gets. What has to be tried from a public address is in
//! `tests/e2e/addresses.rs`.

use crate::docxy::Docxy;
use crate::stand::{DIGEST, before, get, start};
use crate::wire::tls::Identity;
use crate::wire::{Answer, Ask, Client, Response, Server};

/// The numbers of 127.0.0.1 that some resolver or library takes for an address.
const LOOPBACK: [&str; 13] = [
    "2130706433",
    "0x7f000001",
    "0X7F000001",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.000.000.001",
    "0x7f.0.0.1",
    "127.0x0.0.1",
    "127.1",
    "127.0.1",
    "127.0.0.0x1",
    "[::ffff:127.0.0.1]",
];

/// A server that nobody may reach, a registry that says what it was asked, and docxy before the registry.
struct Stand {
    canary: Server,
    registry: Server,
    docxy: Docxy,
}

impl Stand {
    fn new() -> Stand {
        let canary = Server::start(|_| Answer::ok("canary"));
        let registry = Server::start(|request| match request.head.target() {
            "/v2/" => {
                let host = request.head.one("host").unwrap();
                Answer::challenge(&[&format!(
                    "Bearer realm=\"http://{host}/realm\",service=\"s\""
                )])
            }
            target => Answer::ok(target),
        });
        let docxy = before(&registry);
        Stand {
            canary,
            registry,
            docxy,
        }
    }

    /// The canary as `127.0.0.1:PORT`, `localhost:PORT`, and by all numbers of its address.
    fn names(&self) -> Vec<String> {
        let port = self.canary.addr().port();
        let hosts = ["127.0.0.1", "localhost"].into_iter().chain(LOOPBACK);
        hosts.map(|host| format!("{host}:{port}")).collect()
    }

    /// Sends a request that names the canary, and says how it was answered.
    fn ask(&self, ask: &Ask) -> Response {
        let mut client = Client::connect(self.docxy.addr());
        client.ask(ask).complete()
    }

    /// Nobody but the registry was asked for anything, and only in its own name.
    fn assert_untouched(&self) {
        assert_eq!(self.canary.connections(), 0, "the canary was dialled");
        let own = self.registry.authority();
        for request in self.registry.requests() {
            assert_eq!(request.head.one("host"), Some(own.as_str()));
        }
    }
}

#[test]
fn by_host() {
    let stand = Stand::new();
    let path = "/v2/a/b/manifests/t";
    for name in stand.names() {
        let response = stand.ask(&Ask::get(path).host(&name));
        assert!([200, 400].contains(&response.status()), "{name}");
        assert!(
            response.status() == 400 || response.text() == path,
            "{name}"
        );
    }
    stand.assert_untouched();
    assert!(!stand.registry.lines().is_empty());
}

#[test]
fn by_absolute_target() {
    let stand = Stand::new();
    // An address on which docxy listens is docxy's own, whatever the port; all others are somebody else's.
    for name in stand.names().into_iter().skip(2) {
        for scheme in ["http", "https", "HTTP"] {
            let target = format!("{scheme}://{name}/v2/a/b/manifests/t");
            let status = stand.ask(&Ask::get(&target).host("reg.test")).status();
            assert!([200, 400, 421].contains(&status), "{target} is {status}");
        }
    }
    for target in ["ftp", "gopher", "file", "unix"] {
        let target = format!("{target}://{}/v2/a/b/manifests/t", stand.canary.authority());
        assert_eq!(stand.ask(&Ask::get(&target)).status(), 400, "{target}");
    }
    let target = format!("http://{}/v2/a/b/manifests/t", stand.canary.authority());
    assert_eq!(stand.ask(&Ask::get(&target)).text(), "/v2/a/b/manifests/t");
    stand.assert_untouched();
}

#[test]
fn by_userinfo() {
    let stand = Stand::new();
    for name in stand.names() {
        for authority in [
            format!("reg.test@{name}"),
            format!("reg.test:80@{name}"),
            format!("{name}@reg.test"),
        ] {
            let ask = Ask::get("/v2/a/b/manifests/t").host(&authority);
            assert_eq!(stand.ask(&ask).status(), 400, "{authority}");
            let ask = Ask::get(&format!("http://{authority}/v2/a/b/manifests/t"));
            assert_eq!(stand.ask(&ask).status(), 400, "{authority}");
        }
    }
    stand.assert_untouched();
}

#[test]
fn by_ns() {
    let stand = Stand::new();
    for name in stand.names() {
        for ns in [
            name.clone(),
            name.replace(':', "%3A"),
            format!("http://{name}"),
            format!("reg.test@{name}"),
        ] {
            let status = stand
                .ask(&Ask::get(&format!("/v2/a/b/manifests/t?ns={ns}")))
                .status();
            assert!([400, 404].contains(&status), "{ns} is {status}");
        }
        let twice = format!("/v2/a/b/manifests/t?ns=reg.test&ns={name}");
        let status = stand.ask(&Ask::get(&twice)).status();
        assert!([200, 400, 404].contains(&status), "{twice} is {status}");
    }
    stand.assert_untouched();
}

#[test]
fn by_path() {
    let stand = Stand::new();
    for name in stand.names() {
        let paths = [
            format!("/v2/{name}/a/b/manifests/t"),
            format!("/v2/{}/a/b/manifests/t", name.replace(':', "%3a")),
            format!("/v2//{name}/a/b/manifests/t"),
            format!("//{name}/v2/a/b/manifests/t"),
            format!("/\\{name}/v2/a/b/manifests/t"),
            format!("/@{name}/v2/a/b/manifests/t"),
            format!("/v2/http://{name}/a/b/manifests/t"),
            format!("/v2/a/b/blobs/{DIGEST}/../../../../{name}"),
            format!("/auth/{name}/token"),
            format!("/auth/reg.test/token/../../{name}"),
        ];
        for path in paths {
            let status = stand.ask(&Ask::get(&path)).status();
            assert!([400, 404].contains(&status), "{path} is {status}");
        }
    }
    stand.assert_untouched();
}

#[test]
fn by_a_token_request() {
    let stand = Stand::new();
    for name in stand.names() {
        let queries = [
            format!("scope=repository:{name}/a/b:pull"),
            format!("scope=repository:a/b:pull&service=http://{name}"),
            format!("scope=repository:a/b:pull&realm=http://{name}/token"),
            format!("scope=repository:a/b:pull&redirect_uri=http://{name}/token"),
        ];
        for query in queries {
            for ask in [
                Ask::get(&format!("/token?{query}")),
                Ask::form("/auth/reg.test/token", &query),
            ] {
                let status = stand.ask(&ask).status();
                assert!([200, 400].contains(&status), "{query} is {status}");
            }
        }
    }
    stand.assert_untouched();
}

#[test]
fn by_forwarded_fields() {
    let stand = Stand::new();
    for name in stand.names() {
        let fields = [
            ("X-Forwarded-For", name.clone()),
            ("X-Forwarded-Host", name.clone()),
            ("X-Forwarded-Server", name.clone()),
            ("X-Forwarded-Port", stand.canary.addr().port().to_string()),
            ("X-Original-URL", format!("http://{name}/")),
            ("X-Rewrite-URL", format!("http://{name}/")),
            ("X-Host", name.clone()),
            (
                "Forwarded",
                format!("for=\"{name}\";host=\"{name}\";proto=http"),
            ),
            ("Destination", format!("http://{name}/")),
            ("Origin", format!("http://{name}")),
            ("Referer", format!("http://{name}/")),
        ];
        let ask = fields.iter().fold(Ask::get("/v2/"), |ask, (name, value)| {
            ask.field(name, value)
        });
        let challenge = stand.ask(&ask);
        let realm = challenge.head.one("www-authenticate").unwrap();
        assert!(
            realm.contains("http://docxy.test/auth/reg.test/token"),
            "{realm}"
        );
    }
    stand.assert_untouched();
}

#[test]
fn by_connect_and_other_methods() {
    let stand = Stand::new();
    for name in stand.names() {
        for (method, target) in [
            ("CONNECT", name.clone()),
            ("CONNECT", format!("http://{name}")),
            ("CONNECT", format!("/{name}")),
            ("OPTIONS", "*".to_owned()),
            ("OPTIONS", name.clone()),
            ("GET", name.clone()),
            ("TRACE", "/v2/a/b/manifests/t".to_owned()),
        ] {
            let status = stand.ask(&Ask::new(method, &target).host(&name)).status();
            assert!(
                [400, 404, 405, 421].contains(&status),
                "{method} {target} is {status}"
            );
        }
    }
    stand.assert_untouched();
    assert_eq!(stand.registry.connections(), 0);
}

/// A registry whose repository `pN/x` leads to the Nth place, by redirects of its blobs and by the challenge of the rest.
fn leading_to(places: Vec<String>) -> Server {
    Server::start(move |request| {
        let target = request.head.target();
        let number = target
            .strip_prefix("/v2/p")
            .and_then(|rest| rest.split_once('/'));
        match number.and_then(|(number, _)| number.parse::<usize>().ok()) {
            None => Answer::ok("{}"),
            Some(number) if target.contains("/blobs/") => {
                Answer::redirect("307 Temporary Redirect", &places[number])
            }
            Some(number) => Answer::challenge(&[&format!(
                "Bearer realm=\"{}\",service=\"s{number}\"",
                places[number]
            )]),
        }
    })
}

/// What no registry may lead to, wherever it is itself; `PORT` is the canary's.
fn forbidden_places(port: u16) -> Vec<String> {
    let numbers = LOOPBACK.into_iter().filter(|host| !host.starts_with('['));
    let mut places: Vec<String> = numbers
        .map(|host| format!("http://{host}:{port}/x"))
        .collect();
    places.extend([
        format!("http://user@127.0.0.1:{port}/x"),
        format!("http://user:secret@127.0.0.1:{port}/x"),
        format!("http://reg.test\\@127.0.0.1:{port}/x"),
        format!("http://127.0.0.1:{port}\\@reg.test/x"),
        format!("http://127.0.0.1%00:{port}/x"),
        format!("http://127.0.0.1:{port}:80/x"),
        format!("http://127.0.0.1: {port}/x"),
        format!("http://127.0.0.1:+{port}/x"),
        format!("ftp://127.0.0.1:{port}/x"),
        format!("gopher://127.0.0.1:{port}/x"),
        format!("ws://127.0.0.1:{port}/x"),
        "file:///etc/passwd".to_owned(),
        "http:///x".to_owned(),
        "http://[::1/x".to_owned(),
        format!("http://127.0.0.1:{port}x/"),
        format!("http:127.0.0.1:{port}/x"),
        format!("http:/127.0.0.1:{port}/x"),
        format!("http:///127.0.0.1:{port}/x"),
        format!("http://[::ffff:127.0.0.1%25lo]:{port}/x"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[::ffff:169.254.169.254]/latest/meta-data/".to_owned(),
        "http://[::ffff:a9fe:a9fe]/latest/meta-data/".to_owned(),
        "http://[64:ff9b::169.254.169.254]/latest/meta-data/".to_owned(),
        "http://[2002:a9fe:a9fe::]/latest/meta-data/".to_owned(),
        "http://2852039166/latest/meta-data/".to_owned(),
        "http://0xa9fea9fe/latest/meta-data/".to_owned(),
        "http://0251.0376.0251.0376/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/latest/meta-data/".to_owned(),
        "http://100.100.100.200/latest/meta-data/".to_owned(),
        "http://168.63.129.16/metadata/".to_owned(),
        "http://[fe80::1]/x".to_owned(),
        "http://255.255.255.255/x".to_owned(),
        "http://224.0.0.1/x".to_owned(),
    ]);
    places
}

#[test]
fn by_location() {
    let canary = Server::start(|_| Answer::ok("canary"));
    let places = forbidden_places(canary.addr().port());
    let registry = leading_to(places.clone());
    let docxy = before(&registry);
    for (number, place) in places.iter().enumerate() {
        let response = get(&docxy, &format!("/v2/p{number}/x/blobs/{DIGEST}"));
        assert_eq!(response.status(), 502, "{place}: {}", response.text());
        assert!(!response.text().contains("secret"), "{}", response.text());
    }
    assert_eq!(canary.connections(), 0);
}

#[test]
fn by_realm() {
    let canary = Server::start(|_| Answer::ok("canary"));
    let places = forbidden_places(canary.addr().port());
    let registry = leading_to(places.clone());
    let docxy = before(&registry);
    for (number, place) in places.iter().enumerate() {
        let challenged = get(&docxy, &format!("/v2/p{number}/x/manifests/t"));
        assert_eq!(challenged.status(), 401, "{place} is learned");
        let asked = format!("/token?service=s{number}&scope=repository:p{number}/x:pull");
        let response = get(&docxy, &asked);
        assert_eq!(response.status(), 502, "{place}: {}", response.text());
        assert!(!response.text().contains("secret"), "{}", response.text());
    }
    assert_eq!(canary.connections(), 0);
    assert_eq!(
        registry.lines().len(),
        places.len(),
        "no realm had to be found out"
    );
}

#[test]
fn by_leaving_tls() {
    let canary = Server::start(|_| Answer::ok("canary"));
    let identity = Identity::new();
    let directory = tempfile::tempdir().unwrap();
    let (roots, _) = identity.write(directory.path());
    let place = format!("{}/x", canary.url());
    let challenge = format!("Bearer realm=\"{place}\",service=\"s\"");
    let registry = Server::start_tls(identity.server(), move |_| Answer::challenge(&[&challenge]));
    let upstream = format!("reg.test={}", registry.url());
    let docxy = start(&[
        "--upstream",
        &upstream,
        "--upstream-ca",
        roots.to_str().unwrap(),
    ]);
    assert_eq!(
        get(&docxy, "/token?scope=repository:a/b:pull").status(),
        502
    );
    assert_eq!(canary.connections(), 0);
}
