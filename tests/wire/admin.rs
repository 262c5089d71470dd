//! The operator's own listener: what is there and what is not, who may be told, and that it and the clients never wait for
//! each other.

use std::net::TcpListener;
use std::process::Command;

use crate::docxy::Docxy;
use crate::scrape::{admin, scrape};
use crate::stand::{MANIFEST, before_with, get, own_error};
use crate::wire::{Answer, Ask, Client, Server, client};

const ADMIN: [&str; 2] = ["--admin", "127.0.0.1:0"];

fn warnings(args: &[&str]) -> Vec<String> {
    let docxy = Docxy::start(&[&["--listen", "127.0.0.1:0"], args].concat());
    let said = docxy.log();
    said.into_iter()
        .filter(|line| line.contains("warning"))
        .collect()
}

fn refusal(args: &[&str]) -> (Option<i32>, String) {
    let docxy = Docxy::spawn(Command::new(env!("CARGO_BIN_EXE_docxy")).args(args));
    let (status, said) = docxy.wait();
    (status.code(), said.join("\n"))
}

#[test]
fn the_operators_paths_are_there_and_nothing_else_is() {
    let registry = Server::start(|_| Answer::ok("hello"));
    let docxy = before_with(&registry, &ADMIN);
    let mut operator = Client::connect(admin(&docxy));
    for (target, status) in [
        ("/metrics", 200),
        ("/health", 200),
        ("/ready", 200),
        ("/metrics?x=1", 200),
        ("/", 404),
        ("/metrics/", 404),
        ("/v2/", 404),
        (MANIFEST, 404),
        ("/token", 404),
        ("/ca.crt", 404),
    ] {
        assert_eq!(operator.ask(&Ask::get(target)).status(), status, "{target}");
    }
    assert_eq!(operator.ask(&Ask::head("/metrics")).status(), 200);
    assert_eq!(operator.ask(&Ask::new("POST", "/metrics")).status(), 405);
    assert!(registry.lines().is_empty());
    for target in ["/metrics", "/metrics?x", "//metrics", "/%6detrics"] {
        let status = get(&docxy, target).status();
        assert!([400, 404].contains(&status), "{target}: {status}");
    }
    let absolute = Ask::get(&format!("http://{}/metrics", docxy.addr()));
    assert_eq!(client::ask(docxy.addr(), &absolute).status(), 404);
}

#[test]
fn what_the_operator_asks_is_not_counted() {
    let registry = Server::start(|_| Answer::unscripted());
    let docxy = before_with(&registry, &ADMIN);
    let mut operator = Client::connect(admin(&docxy));
    for target in ["/metrics", "/health", "/nothing"] {
        operator.ask(&Ask::get(target));
    }
    let now = scrape(&docxy);
    for family in ["docxy_requests_total", "docxy_sent_bytes_total"] {
        assert!(!now.names().iter().any(|name| name.starts_with(family)));
    }
    for series in [
        "docxy_connections_total",
        "docxy_connections_open",
        "docxy_requests_in_flight",
    ] {
        assert_eq!(now.get(series), Some(0.0), "{series}");
    }
}

#[test]
fn whom_docxy_serves_is_not_whom_it_tells() {
    let registry = Server::start(|_| Answer::ok("hello"));
    let docxy = before_with(
        &registry,
        &[&ADMIN[..], &["--allow-client", "192.0.2.1"]].concat(),
    );
    assert_eq!(own_error(&get(&docxy, MANIFEST), 403), "DENIED");
    assert!(scrape(&docxy).value("docxy_connections_max") > 0.0);
}

#[test]
fn without_the_flag_there_is_no_metrics_anywhere() {
    let registry = Server::start(|_| Answer::unscripted());
    let docxy = before_with(&registry, &[]);
    assert_eq!(get(&docxy, "/metrics").status(), 404);
    assert!(!docxy.log().iter().any(|line| line.contains("metrics at")));
}

#[test]
fn an_address_that_others_reach_is_warned_about() {
    assert!(warnings(&["--admin", "127.0.0.1:0"]).is_empty());
    assert!(warnings(&["--admin", "localhost:0"]).is_empty());
    let open = warnings(&["--admin", "0.0.0.0:0"]).join("\n");
    assert!(
        open.contains("--admin") && open.contains("names of the upstreams"),
        "{open}"
    );
}

#[test]
fn an_address_that_cannot_be_is_refused() {
    for (value, why) in [
        ("9090", "it has no port"),
        ("https://127.0.0.1:9090", "plain HTTP always"),
        ("example.com:9090", "neither an IP address"),
    ] {
        let (code, said) = refusal(&["--listen", "127.0.0.1:0", "--admin", value]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("--admin") && said.contains(why), "{said}");
    }
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let (code, said) = refusal(&["--listen", "127.0.0.1:0", "--admin", &address]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("choose another with --admin"), "{said}");
}

/// More scrapers than there are places ask and read nothing, and others say nothing at all.
#[test]
fn slow_scrapers_harm_nobody() {
    let registry = Server::start(|_| Answer::ok("hello"));
    let docxy = before_with(&registry, &ADMIN);
    let at = admin(&docxy);
    let stalled: Vec<Client> = (0..100)
        .map(|number| {
            let mut client = Client::connect(at);
            match number % 3 {
                0 => client.send(Ask::get("/metrics").bytes().repeat(100)),
                1 => client.send("GET /metrics HTTP/1.1\r\nHost:"),
                _ => {}
            }
            client
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(get(&docxy, MANIFEST).text(), "hello");
    }
    docxy.signal("TERM");
    let (status, said) = docxy.wait();
    assert!(status.success(), "{said:?}");
    assert!(
        !said
            .iter()
            .any(|line| line.contains("stopped while transfers")),
        "{said:?}"
    );
    drop(stalled);
}

#[test]
fn the_address_stays_over_a_reload() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("docxy.toml");
    let text = |admin: &str| format!("listen = ['127.0.0.1:0']\nadmin = '{admin}'\n");
    std::fs::write(&path, text("127.0.0.1:0")).unwrap();
    let docxy = Docxy::start(&["--config", path.to_str().unwrap()]);
    std::fs::write(&path, text("127.0.0.2:0")).unwrap();
    docxy.signal("HUP");
    docxy.wait_for_line("reloaded, as asked");
    docxy.wait_for_line("admin has changed, and stays as it was until docxy is restarted");
    assert_eq!(
        scrape(&docxy).value("docxy_reloads_total{result=\"failed\"}"),
        1.0
    );
}
