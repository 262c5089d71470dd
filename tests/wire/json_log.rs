//! `--log-format json`: every line of stderr is one object, whatever a client sends, and holds what the text holds.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::access_log::ORDER;
use crate::docxy::Docxy;
use crate::stand::{MANIFEST, NAME, before_with, blob, settled};
use crate::wire::{Answer, Ask, Client, Server};

const JSON: [&str; 4] = ["--log-format", "json", "--log", "debug"];

/// All lines so far, each read as an object with a time.
fn objects(lines: &[String]) -> Vec<Value> {
    let read = |line: &String| {
        let object: Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        let time = object["time"].as_str().unwrap_or_default();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{line}");
        object
    };
    lines.iter().map(read).collect()
}

fn requests(docxy: &Docxy) -> Vec<Value> {
    let mut all = objects(&docxy.log());
    all.retain(|object| object.get("target").is_some());
    all
}

#[test]
fn a_request_is_an_object_with_the_fields_of_the_text() {
    let registry = Server::start(|_| Answer::ok("hello"));
    let docxy = before_with(&registry, &JSON);
    settled(&docxy, &Ask::get(&format!("{MANIFEST}?ns={NAME}")));
    // A line may come after its answer.
    docxy.wait_for_line("/health");
    let mut client = Client::connect(docxy.addr());
    client.send("nonsense\r\n\r\n");
    client.drain();
    docxy.wait_for_line("\"status\":400");
    let [first, health, refused] = &requests(&docxy)[..] else {
        panic!("{:?}", docxy.log());
    };
    for object in [first, health, refused] {
        let keys = object.as_object().unwrap().keys().map(String::as_str);
        assert_eq!(keys.collect::<BTreeSet<_>>(), BTreeSet::from(ORDER));
        assert_eq!(object["client"], "127.0.0.1");
        assert!(object["duration_ms"].is_u64() && object["reused"].is_boolean());
    }
    assert_eq!(first["method"], "GET");
    assert_eq!(first["target"], MANIFEST);
    assert_eq!(
        (&first["status"], &first["bytes"]),
        (&200.into(), &5.into())
    );
    assert_eq!(
        (&first["upstream"], &first["upstream_status"]),
        (&NAME.into(), &200.into())
    );
    assert_eq!(health["target"], "/health");
    for absent in ["method", "target", "upstream", "upstream_status"] {
        assert_eq!(refused[absent], Value::Null, "{absent}");
    }
    assert!(
        docxy.log()[0].starts_with("{\"time\":"),
        "{:?}",
        docxy.log()
    );
}

#[test]
fn whatever_a_client_sends_stays_in_its_place() {
    let registry = Server::start(|_| Answer::ok("hello"));
    let docxy = before_with(&registry, &JSON);
    // Every byte as a part of the target, of the method and of a value; whatever is taken of them is logged.
    let mut sent = 0;
    for byte in 0..=u8::MAX {
        for place in [
            [
                b"GET /v2/a\"b",
                &[byte][..],
                b"\\c HTTP/1.1\r\nHost: a\r\n\r\n",
            ],
            [b"G\"E", &[byte][..], b"T / HTTP/1.1\r\nHost: a\r\n\r\n"],
            [
                b"GET /",
                &[byte][..],
                b"\",\"status\":1,\"x\":\" HTTP/1.1\r\nHost: a\"b\r\n\r\n",
            ],
        ] {
            let mut client = Client::connect(docxy.addr());
            client.send(place.concat());
            client.finish_writing();
            client.drain();
            sent += 1;
        }
    }
    settled(&docxy, &Ask::get("/v2/last/manifests/x"));
    docxy.wait_for_line("/v2/last/manifests/x");
    let logged = requests(&docxy);
    assert!(logged.len() > sent / 2, "{} of {sent}", logged.len());
    let statuses: BTreeSet<u64> = logged
        .iter()
        .filter_map(|line| line["status"].as_u64())
        .collect();
    assert!(
        !statuses.contains(&1) && statuses.contains(&400),
        "{statuses:?}"
    );
    let targets = logged.iter().filter_map(|line| line["target"].as_str());
    let quoted = targets.filter(|target| target.contains('"'));
    assert!(quoted.count() > 0, "nothing had to be escaped");
}

#[test]
fn what_goes_wrong_and_what_docxy_does_are_objects_too() {
    let docxy = crate::stand::start(
        &[
            &JSON[..],
            &[
                "--upstream",
                "closed.test=http://127.0.0.1:1",
                "--admin",
                "0.0.0.0:0",
            ],
        ]
        .concat(),
    );
    assert_eq!(
        settled(&docxy, &Ask::get("/v2/a/manifests/x")).status(),
        503
    );
    docxy.signal("HUP");
    docxy.wait_for_line("reloaded, as asked");
    docxy.signal("TERM");
    let (status, lines) = docxy.wait();
    assert!(status.success());
    let all = objects(&lines);
    let has = |key: &str, part: &str| {
        let said = all.iter().filter_map(|line| line[key].as_str());
        assert!(
            said.into_iter().any(|text| text.contains(part)),
            "{key} {part}: {lines:?}"
        );
    };
    has("info", "listening on http://127.0.0.1:");
    has("info", "metrics at http://");
    has("warning", "names of the upstreams");
    has("debug", "another try in");
    has(
        "error",
        "GET /v2/a/manifests/x: http://127.0.0.1:1: no connection",
    );
    has("info", "stopping; running transfers");
}

#[test]
fn why_it_cannot_start_is_an_object() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
    let docxy = Docxy::spawn(command.args(["--listen", &address]).args(JSON));
    let (status, lines) = docxy.wait();
    assert_eq!(status.code(), Some(1));
    let said = objects(&lines);
    let error = said.last().unwrap()["error"].as_str().unwrap();
    assert!(error.contains("another program uses this port"), "{error}");
}

#[test]
fn what_is_wrong_with_the_configuration_is_an_object_where_the_format_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("docxy.toml");
    let path = path.to_str().unwrap();
    let said = |text: &str, args: &[&str], variable: &str| {
        std::fs::write(path, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
        let command = command.args(["--config", path]).args(args);
        let (status, lines) = Docxy::spawn(command.env("DOCXY_LOG_FORMAT", variable)).wait();
        assert_eq!(lines.len(), 1, "{text} {args:?}: {lines:?}");
        (status.code(), lines)
    };
    let json = "log_format = 'json'\n";
    let wrong = format!("{json}drain = '1s'\nlisten = ['x']");
    let ca = ["--state-dir", "/nowhere", "ca"];
    for (text, args, variable, code, part) in [
        (
            "listen = ['x']",
            &JSON[..2],
            "",
            1,
            "docxy.toml:1: listen: ",
        ),
        (
            "lisen = ['x']",
            &JSON[..2],
            "",
            1,
            "docxy.toml:1: there is no key",
        ),
        (
            "lisen = ['x']",
            &[],
            "json",
            1,
            "docxy.toml:1: there is no key",
        ),
        (&wrong, &[], "", 1, "docxy.toml:3: listen: "),
        (json, &["--listen", "x"], "", 2, "--listen: "),
        (json, &ca, "", 1, "there is no CA in /nowhere"),
    ] {
        let (status, lines) = said(text, args, variable);
        assert_eq!(status, Some(code), "{text} {args:?}: {lines:?}");
        let error = objects(&lines)[0]["error"].as_str().unwrap().to_owned();
        assert!(error.contains(part), "{text} {args:?}: {error}");
    }
    let (_, lines) = said("lisen = []", &[], "");
    assert!(lines[0].starts_with("docxy: "), "{lines:?}");
    let (_, lines) = said(&wrong, &["--log-format", "text"], "json");
    assert!(lines[0].starts_with("docxy: "), "{lines:?}");
}

#[test]
fn no_secret_is_in_it() {
    let cdn = Server::start(|_| Answer::new("403 Forbidden", &[], "no"));
    let location = format!("{}/layer?X-Amz-Signature=s3cret-signature", cdn.url());
    let registry = Server::start(move |_| Answer::redirect("307 Temporary Redirect", &location));
    let docxy = before_with(&registry, &JSON);
    let asks = [
        Ask::get(&blob()).field("Authorization", "Bearer s3cret-token"),
        Ask::get(&format!("{MANIFEST}?password=s3cret-query"))
            .field("Authorization", "Basic czNjcmV0"),
        Ask::form(
            "/token",
            "grant_type=password&username=u&password=s3cret-form",
        ),
        Ask::get(&format!(
            "http://user:s3cret-userinfo@{}/health",
            docxy.addr()
        )),
    ];
    for ask in &asks {
        settled_or_closed(&docxy, ask);
    }
    docxy.wait_for_lines("\"status\":", asks.len());
    let lines = docxy.log();
    objects(&lines);
    let lines = lines.join("\n");
    assert!(
        !lines.contains("s3cret") && !lines.contains("czNjcmV0"),
        "{lines}"
    );
}

fn settled_or_closed(docxy: &Docxy, ask: &Ask) {
    let mut client = Client::connect(docxy.addr());
    client.send(ask.bytes());
    client.finish_writing();
    client.drain();
}

#[test]
fn the_format_follows_a_reload() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("docxy.toml");
    let text = |format: &str| format!("listen = ['127.0.0.1:0']\nlog_format = '{format}'\n");
    std::fs::write(&path, text("text")).unwrap();
    let docxy = Docxy::start(&["--config", path.to_str().unwrap()]);
    std::fs::write(&path, text("json")).unwrap();
    docxy.signal("HUP");
    let line = docxy.wait_for_line("reloaded, as asked");
    assert_eq!(objects(&[line])[0]["info"], "reloaded, as asked");
}
