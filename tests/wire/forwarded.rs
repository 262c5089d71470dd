//! `--trusted-proxy`: what proxies in front say of the client is believed from them alone (`X-Forwarded-*`, RFC 7239).

use crate::docxy::Docxy;
use crate::stand::{ask, before_with, own_error, passed, start};
use crate::wire::{Answer, Ask, Client, Server};

/// Fields that a proxy or a client adds.
type Added<'a> = &'a [(&'a str, &'a str)];

const REALM: &str = "www-authenticate";

/// docxy before a registry that wants tokens for everything.
fn guarded(args: &[&str]) -> (Server, Docxy) {
    let registry = Server::start(|_| {
        Answer::challenge(&[r#"Bearer realm="http://127.0.0.1:9/token",service="s""#])
    });
    let docxy = before_with(&registry, args);
    (registry, docxy)
}

fn with(fields: Added<'_>) -> Ask {
    let ask = Ask::get("/v2/").host("inner.test");
    fields
        .iter()
        .fold(ask, |ask, (name, value)| ask.field(name, value))
}

fn bearer(origin: &str) -> String {
    format!(r#"Bearer realm="{origin}/auth/reg.test/token",service="s""#)
}

/// The client of the access log's last line.
fn last_client(docxy: &Docxy, lines: usize) -> String {
    let line = docxy.wait_for_lines(" client=", lines).pop().unwrap();
    let rest = line.split_once("client=").unwrap().1;
    rest.split(' ').next().unwrap().to_owned()
}

#[test]
fn a_trusted_proxy_says_who_asks_and_how() {
    let (registry, docxy) = guarded(&[
        "--trusted-proxy",
        "127.0.0.1",
        "--trusted-proxy",
        "10.0.0.0/8",
    ]);
    let table: [(Added<'_>, &str, &str); 7] = [
        (&[], "127.0.0.1", "http://inner.test"),
        (
            &[("X-Forwarded-For", "203.0.113.9, 192.0.2.1, 10.1.2.3")],
            "192.0.2.1",
            "http://inner.test",
        ),
        (
            &[
                ("X-Forwarded-For", "203.0.113.9"),
                ("X-Forwarded-For", "192.0.2.1"),
            ],
            "192.0.2.1",
            "http://inner.test",
        ),
        (
            &[("X-Forwarded-Proto", "https")],
            "127.0.0.1",
            "https://inner.test",
        ),
        (
            &[
                ("X-Forwarded-Proto", "https"),
                ("X-Forwarded-Host", "Pull.example:8443"),
            ],
            "127.0.0.1",
            "https://pull.example:8443",
        ),
        (
            &[(
                "Forwarded",
                "for=\"[2001:db8::1]:7\";proto=https;host=pull.example",
            )],
            "2001:db8::1",
            "https://pull.example",
        ),
        (
            &[("X-Real-IP", "192.0.2.1"), ("X-Forwarded-Port", "1")],
            "127.0.0.1",
            "http://inner.test",
        ),
    ];
    for (at, (fields, client, origin)) in table.into_iter().enumerate() {
        let response = ask(&docxy, &with(fields));
        assert_eq!(
            response.head.one(REALM),
            Some(&*bearer(origin)),
            "{fields:?}"
        );
        assert_eq!(last_client(&docxy, at + 1), client, "{fields:?}");
    }
    for request in registry.requests() {
        let names: Vec<_> = passed(&request.head)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert!(
            names
                .iter()
                .all(|name| !name.contains("forwarded") && name != "x-real-ip"),
            "{names:?}"
        );
        assert_eq!(request.head.one("host"), Some(&*registry.authority()));
    }
}

#[test]
fn the_variable_takes_a_list() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_docxy"));
    command.args(["--listen", "127.0.0.1:0"]);
    command.env("DOCXY_TRUSTED_PROXY", "127.0.0.1, 192.0.2.0/24");
    let docxy = Docxy::start_with(&mut command);
    let chain = "203.0.113.9, 192.0.2.1";
    let request = Ask::get("/health").field("X-Forwarded-For", chain);
    assert_eq!(ask(&docxy, &request).status(), 200);
    assert_eq!(last_client(&docxy, 1), "203.0.113.9");
}

#[test]
fn requests_of_several_clients_share_a_connection() {
    let docxy = start(&[
        "--upstream",
        "reg.test=http://127.0.0.1:9",
        "--trusted-proxy",
        "127.0.0.1",
        "--allow-client",
        "192.0.2.0/24",
    ]);
    let mut proxy = Client::connect(docxy.addr());
    let health = |address| Ask::get("/health").field("X-Forwarded-For", address);
    for address in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(proxy.ask(&health(address)).status(), 200);
    }
    assert_eq!(
        own_error(&proxy.ask(&health("198.51.100.1")), 403),
        "DENIED"
    );
    let clients = docxy.wait_for_lines(" client=", 3);
    for (line, client) in clients
        .iter()
        .zip(["192.0.2.1", "192.0.2.2", "198.51.100.1"])
    {
        assert!(line.contains(&format!(" client={client} ")), "{line}");
    }
    // The proxy itself is no client that is served, unless the list says so.
    assert_eq!(own_error(&ask(&docxy, &Ask::get("/health")), 403), "DENIED");
}

#[test]
fn a_proxy_may_be_named_by_its_mapped_address() {
    let (_registry, docxy) = guarded(&["--trusted-proxy", "::ffff:127.0.0.0/104"]);
    let request = Ask::get("/health").field("X-Forwarded-For", "192.0.2.1");
    assert_eq!(ask(&docxy, &request).status(), 200);
    assert_eq!(last_client(&docxy, 1), "192.0.2.1");
}

#[test]
fn from_anybody_else_the_fields_have_no_effect() {
    for args in [
        &[][..],
        &["--trusted-proxy", "127.0.0.2", "--trusted-proxy", "::1"],
    ] {
        let (_registry, docxy) = guarded(&[args, &["--allow-client", "127.0.0.1"]].concat());
        let forgeries: [Added<'_>; 6] = [
            &[
                ("X-Forwarded-For", "192.0.2.1"),
                ("X-Forwarded-Proto", "https"),
                ("X-Forwarded-Host", "evil.test"),
            ],
            &[
                ("X-Forwarded-For", "192.0.2.1"),
                ("X-Forwarded-For", "127.0.0.2"),
                ("X-Forwarded-For", "nonsense"),
            ],
            &[
                ("X-Forwarded-Host", "evil.test"),
                ("X-Forwarded-Host", "evil.test"),
            ],
            &[
                ("Forwarded", "for=192.0.2.1;proto=https;host=evil.test"),
                ("Forwarded", "for=127.0.0.2"),
            ],
            &[("Forwarded", "\"")],
            &[("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Host", "a b")],
        ];
        for (at, fields) in forgeries.into_iter().enumerate() {
            let response = ask(&docxy, &with(fields));
            assert_eq!(
                response.head.one(REALM),
                Some(&*bearer("http://inner.test")),
                "{fields:?}"
            );
            assert_eq!(last_client(&docxy, at + 1), "127.0.0.1", "{fields:?}");
        }
    }
}

#[test]
fn a_forged_address_opens_no_door() {
    let docxy = start(&[
        "--upstream",
        "reg.test=http://127.0.0.1:9",
        "--allow-client",
        "192.0.2.1",
        "--trusted-proxy",
        "10.0.0.1",
    ]);
    for (name, value) in [
        ("X-Forwarded-For", "192.0.2.1"),
        ("Forwarded", "for=192.0.2.1"),
        ("X-Real-IP", "192.0.2.1"),
    ] {
        let request = Ask::get("/health").field(name, value);
        assert_eq!(own_error(&ask(&docxy, &request), 403), "DENIED", "{name}");
    }
}

#[test]
fn a_public_url_is_never_overridden() {
    let (_registry, docxy) = guarded(&[
        "--trusted-proxy",
        "127.0.0.1",
        "--public-url",
        "https://pull.example:5000",
    ]);
    for fields in [
        &[
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "evil.test"),
        ][..],
        &[("Forwarded", "for=192.0.2.1;proto=http;host=evil.test")],
    ] {
        let response = ask(&docxy, &with(fields));
        assert_eq!(
            response.head.one(REALM),
            Some(&*bearer("https://pull.example:5000")),
            "{fields:?}"
        );
    }
}

#[test]
fn doubts_are_400_and_close() {
    let (registry, docxy) = guarded(&["--trusted-proxy", "127.0.0.1"]);
    let table: [Added<'_>; 7] = [
        &[("X-Forwarded-For", "unknown")],
        &[("X-Forwarded-For", "192.0.2.1, nonsense")],
        &[("X-Forwarded-Proto", "gopher")],
        &[("X-Forwarded-Host", "evil.test/\"")],
        &[("Forwarded", "for=_hidden")],
        &[("Forwarded", "for=\"192.0.2.1")],
        // nginx appends to one of them and passes the other on as the client has written it.
        &[
            ("Forwarded", "for=192.0.2.9"),
            ("X-Forwarded-For", "192.0.2.1"),
        ],
    ];
    for fields in table {
        let mut client = Client::connect(docxy.addr());
        let response = client.ask(&with(fields)).complete();
        assert_eq!(own_error(&response, 400), "UNSUPPORTED", "{fields:?}");
        assert!(
            response.text().contains("trusted proxy"),
            "{}",
            response.text()
        );
        client.closing();
    }
    assert_eq!(registry.connections(), 0);
}

/// A proxy may be set up to pass any Host on as `X-Forwarded-Host`; which registry is meant is Host's to say.
#[test]
fn the_upstream_is_chosen_by_host() {
    let [one, two] = ["one", "two"].map(|name| Server::start(move |_| Answer::ok(name)));
    let docxy = start(&[
        "--upstream",
        &format!("one.test={}", one.url()),
        "--upstream",
        &format!("two.test={}", two.url()),
        "--upstream-alias",
        "two.test=pull-two.test",
        "--trusted-proxy",
        "127.0.0.1",
    ]);
    for (host, forwarded, expected) in [
        ("pull-two.test", "docxy.test", "two"),
        ("docxy.test", "pull-two.test", "one"),
    ] {
        let request = Ask::get(crate::stand::MANIFEST)
            .host(host)
            .field("X-Forwarded-Host", forwarded);
        assert_eq!(ask(&docxy, &request).text(), expected);
    }
}
