//! One line per request on stderr, in a fixed order, without secrets.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::docxy::Docxy;
use crate::stand::{MANIFEST, ask, before, before_with, blob, get, refused};
use crate::wire::{Answer, Ask, Client, Server};

pub const ORDER: [&str; 13] = [
    "time",
    "client",
    "method",
    "target",
    "status",
    "bytes",
    "duration_ms",
    "upstream",
    "upstream_status",
    "reused",
    "retries",
    "hops",
    "resumes",
];

/// The lines of the access log once there are so many, each as pairs.
fn logged(docxy: &Docxy, count: usize) -> Vec<Vec<(String, String)>> {
    let lines = docxy.wait_for_lines(" target=", count);
    let pairs = |line: &String| {
        let from = line.find("time=").expect("a time");
        let pair = |pair: &str| {
            let (key, value) = pair
                .split_once('=')
                .unwrap_or_else(|| panic!("{pair:?} in {line}"));
            (key.to_owned(), value.to_owned())
        };
        line[from..].split(' ').map(pair).collect()
    };
    lines.iter().map(pairs).collect()
}

fn value<'a>(line: &'a [(String, String)], key: &str) -> &'a str {
    &line
        .iter()
        .find(|(name, _)| name == key)
        .unwrap_or_else(|| panic!("no {key} in {line:?}"))
        .1
}

#[test]
fn a_line_has_every_field_in_order() {
    let registry = Server::start(|_| Answer::ok("hello"));
    let docxy = before(&registry);
    let mut client = Client::connect(docxy.addr());
    for request in [
        Ask::get(&format!("{MANIFEST}?ns=reg.test")),
        Ask::get(MANIFEST),
        Ask::head("/health"),
    ] {
        assert_eq!(client.ask(&request).complete().status(), 200);
    }
    let lines = logged(&docxy, 3);
    for line in &lines {
        let keys: Vec<&str> = line.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ORDER, "{line:?}");
        assert!(value(line, "client").starts_with("127.0.0.1"), "{line:?}");
        assert!(
            value(line, "duration_ms").parse::<f64>().is_ok(),
            "{line:?}"
        );
        assert!(
            value(line, "time").starts_with("20") && value(line, "time").ends_with('Z'),
            "{line:?}"
        );
    }
    let shown = |line: &[(String, String)]| {
        [
            "method",
            "target",
            "status",
            "bytes",
            "upstream",
            "upstream_status",
            "reused",
            "retries",
            "hops",
        ]
        .map(|key| value(line, key).to_owned())
    };
    assert_eq!(
        shown(&lines[0]),
        [
            "GET", MANIFEST, "200", "5", "reg.test", "200", "false", "0", "0"
        ]
    );
    assert_eq!(
        shown(&lines[1]),
        [
            "GET", MANIFEST, "200", "5", "reg.test", "200", "true", "0", "0"
        ]
    );
    assert_eq!(shown(&lines[2])[..3], ["HEAD", "/health", "200"]);
}

#[test]
fn hops_and_upstream_status_are_counted() {
    let cdn = Server::start(|_| Answer::new("404 Not Found", &[], "gone"));
    let location = format!("{}/x?sig=s3cret", cdn.url());
    let registry = Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
    let docxy = before(&registry);
    get(&docxy, &blob());
    let line = &logged(&docxy, 1)[0];
    assert_eq!(
        [
            value(line, "hops"),
            value(line, "upstream_status"),
            value(line, "status")
        ],
        ["1", "404", "404"]
    );
    assert!(docxy.log().iter().all(|line| !line.contains("s3cret")));
}

/// docxy at this level, after requests full of secrets, one of each kind.
fn after_secrets(level: &str) -> Docxy {
    let auth = Server::start(|_| Answer::ok(r#"{"token":"s3cret-token"}"#));
    let cdn = Server::start(|_| Answer::ok("blob"));
    let challenge = format!("Bearer realm=\"{}/token?key=s3cret-realm\"", auth.url());
    let location = format!("{}/x?sig=s3cret-signature", cdn.url());
    let registry = Server::start(move |request| match request.head.target() {
        "/v2/" => Answer::challenge(&[&challenge]),
        _ => Answer::redirect("307 Temporary Redirect", &location),
    });
    let docxy = before_with(&registry, &["--log", level]);
    get(&docxy, "/v2/");
    ask(
        &docxy,
        &Ask::get("/auth/reg.test/token?scope=repository:a/b:pull&x=s3cret-query")
            .field("Authorization", "Basic s3cret-basic"),
    );
    ask(
        &docxy,
        &Ask::form(
            "/auth/reg.test/token",
            "password=s3cret-password&scope=repository:a/b:pull",
        ),
    );
    ask(
        &docxy,
        &Ask::get(&blob())
            .field("Authorization", "Bearer s3cret-bearer")
            .field("Cookie", "s3cret-cookie"),
    );
    ask(&docxy, &Ask::get(&format!("{MANIFEST}?ns=s3cret-ns")));
    ask(
        &docxy,
        &Ask::get("http://user:s3cret-userinfo@reg.test/v2/"),
    );
    ask(&docxy, &Ask::get("http://reg.test/v2/?s3cret-absolute"));
    refused(
        &docxy,
        b"GET /v2/?s3cret-malformed HTTP/1.1\r\nHost: x\r\nAuthorization : s3cret-field\r\n\r\n",
    );
    docxy
}

#[test]
fn no_level_shows_a_secret() {
    for level in ["info", "debug"] {
        let docxy = after_secrets(level);
        docxy.wait_for_lines(" target=", 8);
        assert!(
            docxy.log().iter().all(|line| !line.contains("s3cret")),
            "{:#?}",
            docxy.log()
        );
    }
}

#[test]
fn a_quiet_log_is_quiet() {
    for level in ["off", "error"] {
        let docxy = after_secrets(level);
        docxy.signal("TERM");
        let (_, lines) = docxy.wait();
        assert!(
            lines.iter().all(|line| !line.contains(" target=")),
            "{lines:?}"
        );
    }
}

#[test]
fn a_request_cannot_forge_a_line() {
    let registry = Server::start(|_| Answer::ok("x"));
    let docxy = before(&registry);
    get(&docxy, "/v2/a/b/manifests/x=1");
    get(&docxy, "/nowhere%20status=200%0atime=");
    ask(&docxy, &Ask::new("FORGED=1", "/v2/"));
    for line in logged(&docxy, 3) {
        assert_eq!(line.len(), ORDER.len(), "{line:?}");
    }
}

#[test]
fn who_does_not_read_the_log_stops_nobody() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_docxy"))
        .args(["--listen", "http://127.0.0.1:0", "--workers", "2"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening on ") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it ended");
    }
    let address = line.trim_end().rsplit('/').next().unwrap();
    for _ in 0..4 {
        let mut client = Client::connect(address.parse().unwrap());
        for _ in 0..500 {
            assert_eq!(client.ask(&Ask::get("/health")).status(), 200);
        }
    }
    let terminated = Command::new("kill").arg(child.id().to_string()).status();
    assert!(terminated.unwrap().success());
    assert!(child.wait().unwrap().success());
    let lines = log.lines().map_while(Result::ok);
    let logged = lines
        .filter(|line| line.contains(" target=/health "))
        .count();
    assert!((1..2000).contains(&logged), "{logged}");
}
