//! `docxy health`: 0 if the docxy that is asked is well, else 1 and one line.

use std::net::TcpListener;
use std::process::Command;

use crate::docxy::Docxy;
use crate::stand::start;
use crate::wire::tls::Identity;
use crate::wire::{Answer, Server};

/// The exit code and stderr of `docxy ARGS`.
fn ended(args: &[&str]) -> (Option<i32>, Vec<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docxy"));
    let (status, lines) = Docxy::spawn(command.args(args)).wait();
    (status.code(), lines)
}

fn assert_unwell(args: &[&str], part: &str) {
    let (code, lines) = ended(args);
    assert_eq!(code, Some(1), "{args:?}: {lines:?}");
    assert!(
        lines.len() == 1 && lines[0].contains(part),
        "{args:?}: {lines:?}"
    );
}

#[test]
fn a_docxy_that_serves_is_well() {
    let docxy = start(&[]);
    let well = (Some(0), vec![]);
    assert_eq!(ended(&["health", &docxy.url()]), well);
    assert_eq!(ended(&["health", &format!("{}/ready", docxy.url())]), well);
    let port = docxy.addr().port();
    assert_eq!(
        ended(&["health", &format!("http://localhost:{port}")]),
        well
    );
    let listen = docxy.addr().to_string();
    assert_eq!(ended(&["--listen", &listen, "health"]), well);
    let mut by_variable = Command::new(env!("CARGO_BIN_EXE_docxy"));
    by_variable.env("DOCXY_LISTEN", format!(":{port},:1"));
    let (status, lines) = Docxy::spawn(by_variable.arg("health")).wait();
    assert_eq!((status.code(), lines), well);
}

#[test]
fn any_certificate_will_do() {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = Identity::new().write(directory.path());
    let tls = [
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ];
    let docxy = Docxy::start(&[&["--listen", "127.0.0.1:0"], &tls[..]].concat());
    let address = docxy.addr().to_string();
    let url = format!("https://{address}");
    assert_eq!(ended(&["health", &url]), (Some(0), vec![]));
    let own = [&["--listen", &address], &tls[..], &["health"]].concat();
    assert_eq!(ended(&own), (Some(0), vec![]));
}

#[test]
fn a_listener_that_wants_a_proxy_header_gets_one() {
    let state = tempfile::tempdir().unwrap();
    for scheme in ["http", "https"] {
        let any = format!("proxy+{scheme}://127.0.0.1:0");
        let state = state.path().to_str().unwrap();
        let docxy = Docxy::start(&["--listen", &any, "--state-dir", state]);
        let listen = format!("proxy+{scheme}://{}", docxy.addr());
        assert_eq!(ended(&["--listen", &listen, "health"]), (Some(0), vec![]));
    }
    let picky = Docxy::start(&[
        "--listen",
        "proxy+http://127.0.0.1:0",
        "--trusted-proxy",
        "10.0.0.0/8",
    ]);
    let listen = format!("proxy+http://{}", picky.addr());
    assert_unwell(&["--listen", &listen, "health"], "--trusted-proxy");
}

#[test]
fn everything_else_is_one_line() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    assert_unwell(&["health", &nobody], "does not answer");
    assert_unwell(&["health", "127.0.0.1:5000"], "is no URL");
    assert_unwell(&["--listen", "127.0.0.1:0", "health"], "give the URL");

    let docxy = start(&["--allow-client", "10.0.0.0/8"]);
    assert_unwell(&["health", &docxy.url()], "--allow-client");
    let ill = Server::start(|_| Answer::raw("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"));
    assert_unwell(&["health", &ill.url()], "answers 503, not 200");
    let other = Server::start(|_| Answer::raw("SSH-2.0-other\r\n").close());
    assert_unwell(&["health", &other.url()], "does not answer in HTTP");
    let secure = other.url().replace("http://", "https://");
    assert_unwell(&["health", &secure], "does not answer");
}
